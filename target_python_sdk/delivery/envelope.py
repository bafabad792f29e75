"""Builds the envelope of a call: the response, the cookies to set, and details for Analytics and the page."""

from typing import Any, Dict, List, Optional, Type, TypeVar

from target_python_sdk.decisioning.engine import NO_REMOTE_PARTS, RemoteParts
from target_python_sdk.delivery.cookies import location_hint_cookie, target_cookie
from target_python_sdk.delivery.edge_host import cluster_of_edge_host
from target_python_sdk.delivery.prepare import PreparedRequest
from target_python_sdk.types import (
    AnalyticsResponse,
    DeliveryRequest,
    DeliveryResponse,
    ExecuteResponse,
    MboxRequest,
    MboxResponse,
    PageLoadResponse,
    PrefetchMboxResponse,
    PrefetchResponse,
    RequestDetails,
    ResponseMeta,
    TargetDeliveryResponse,
)
from target_tools.clock import epoch_seconds
from target_tools.enums import DecisioningMethod

MboxT = TypeVar("MboxT", bound=MboxResponse)


def build_envelope(
    prepared: PreparedRequest,
    response: DeliveryResponse,
    method: DecisioningMethod,
    remote: RemoteParts = NO_REMOTE_PARTS,
    stale: bool = False,
) -> TargetDeliveryResponse:
    """Return the envelope of a call that was decided by ``method``.

    ``remote`` names the parts that could not be decided on-device. ``stale`` means that the artifact is a cached
    copy that no download has confirmed yet.
    """
    request, session = prepared.request, prepared.session
    cluster = prepared.cluster or cluster_of_edge_host(response.edge_host)
    meta: ResponseMeta = {
        "decisioning_method": method.value,
        "remote_mboxes": [*remote.mboxes],
        "remote_views": [*remote.views],
    }
    if stale:
        meta["stale"] = True
    analytics: List[AnalyticsResponse] = []
    traces: List[Dict[str, Any]] = []
    tokens: List[Dict[str, Any]] = []
    for location in locations(response):
        if location is None:  # an answer can contain null
            continue
        if location.analytics is not None:
            analytics.append(location.analytics)
        if location.trace:
            traces.append(location.trace)
        if location.options:
            tokens += [option.response_tokens for option in location.options if option and option.response_tokens]
    return TargetDeliveryResponse(
        visitor_state=prepared.visitor_state,
        request=request,
        target_cookie=target_cookie(session.session_id, _device_id(response, request), epoch_seconds()),
        target_location_hint_cookie=None if cluster is None else location_hint_cookie(cluster),
        analytics_details=analytics or None,
        trace=traces or None,
        response_tokens=tokens or None,
        meta=meta,
        response=response,
        session_id=session.session_id,
    )


def _device_id(response: DeliveryResponse, request: DeliveryRequest) -> Optional[str]:
    """Return the device id from the response, else from the request."""
    device_id = None if response.id is None else response.id.tnt_id
    if not (device_id and isinstance(device_id, str)) and request.id is not None:
        device_id = request.id.tnt_id
    return device_id if device_id and isinstance(device_id, str) else None


def locations(response: DeliveryResponse) -> List[Any]:
    """Return the mboxes, views and page loads of a response, in the order in which 1.1.0 lists their details."""
    execute, prefetch = response.execute, response.prefetch
    found: List[Any] = []
    if execute is not None:
        found.append(execute.page_load)
        found += execute.mboxes or ()
    if prefetch is not None:
        found.append(prefetch.page_load)
        found += prefetch.views or ()
        found += prefetch.mboxes or ()
    return found


def empty_response(request: DeliveryRequest) -> DeliveryResponse:
    """Return the response to ``request`` of an edge that has no offer for it."""
    response = DeliveryResponse()
    execute, prefetch = request.execute, request.prefetch
    if execute is not None:
        response.execute = ExecuteResponse(
            page_load=_empty_page_load(execute.page_load), mboxes=_without_options(execute.mboxes, MboxResponse)
        )
    if prefetch is not None:
        response.prefetch = PrefetchResponse(
            views=[] if prefetch.views else None,
            page_load=_empty_page_load(prefetch.page_load),
            mboxes=_without_options(prefetch.mboxes, PrefetchMboxResponse),
        )
    return response


def _without_options(mboxes: Optional[List[MboxRequest]], kind: Type[MboxT]) -> Optional[List[MboxT]]:
    return None if mboxes is None else [kind(index=mbox.index, name=mbox.name) for mbox in mboxes]


def _empty_page_load(requested: Optional[RequestDetails]) -> Optional[PageLoadResponse]:
    return None if requested is None else PageLoadResponse(options=[])
