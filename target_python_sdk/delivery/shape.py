"""The envelope: the edge's answer with what a page, a cookie jar and Analytics want of it."""

from typing import Any, List, Optional

from target_python_sdk.delivery.cookies import location_hint_cookie, target_cookie
from target_python_sdk.delivery.edge import cluster_of_edge_host
from target_python_sdk.delivery.prepare import Prepared
from target_python_sdk.types import DeliveryResponse, TargetDeliveryResponse
from target_tools.clock import epoch_seconds
from target_tools.enums import DecisioningMethod


def shape(prepared: Prepared, response: DeliveryResponse, method: DecisioningMethod) -> TargetDeliveryResponse:
    """The envelope of a call that ``method`` decided."""
    session_id = prepared.visit.session_id
    cluster = prepared.cluster or cluster_of_edge_host(response.edge_host)
    elements = _elements(response)
    envelope = TargetDeliveryResponse(
        visitor_state=prepared.visitor_state,
        request=prepared.request,
        target_cookie=target_cookie(session_id, _device_id(prepared, response), epoch_seconds()),
        target_location_hint_cookie=None if cluster is None else location_hint_cookie(cluster),
        analytics_details=[one.analytics for one in elements if getattr(one, "analytics", None)] or None,
        trace=[one.trace for one in elements if getattr(one, "trace", None)] or None,
        response_tokens=_response_tokens(elements) or None,
        meta={"decisioning_method": method.value, "remote_mboxes": [], "remote_views": []},
        response=response,
    )
    envelope.session_id = session_id
    return envelope


def _device_id(prepared: Prepared, response: DeliveryResponse) -> Optional[str]:
    """The id the edge gave the visitor, else the one the request came with."""
    for identity in (response.id, prepared.request.id):
        device_id = getattr(identity, "tnt_id", None)
        if isinstance(device_id, str) and device_id:
            return device_id
    return None


def _elements(response: DeliveryResponse) -> List[Any]:
    """The mboxes, views and page loads of an answer, in the order that 1.1.0 lists what hangs on them."""
    execute, prefetch = response.execute, response.prefetch
    found: List[Any] = []
    if execute is not None:
        found += [execute.page_load, *(execute.mboxes or ())]
    if prefetch is not None:
        found += [prefetch.page_load, *(prefetch.views or ()), *(prefetch.mboxes or ())]
    return [element for element in found if element is not None]


def _response_tokens(elements: List[Any]) -> List[Any]:
    """The tokens of every option that has some."""
    return [
        option.response_tokens
        for element in elements
        for option in element.options or ()
        if option is not None and option.response_tokens
    ]
