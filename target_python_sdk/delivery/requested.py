"""What a request asks for already, and the mboxes that are added to it."""

from typing import List, Optional, Set, Type, TypeVar

from target_python_sdk.delivery.nodes import node, nodes
from target_python_sdk.types import (
    DeliveryRequest,
    DeliveryResponse,
    ExecuteRequest,
    ExecuteResponse,
    MboxRequest,
    MboxResponse,
    PageLoadResponse,
    PrefetchMboxResponse,
    PrefetchRequest,
    PrefetchResponse,
    RequestDetails,
)
from target_tools.schema.model import copy_with

MboxT = TypeVar("MboxT", bound=MboxResponse)


def with_mboxes(request: DeliveryRequest, names: List[str]) -> DeliveryRequest:
    """A copy of ``request`` that executes every mbox of ``names`` it does not ask for yet."""
    execute = node(request.execute, ExecuteRequest, "request.execute") or ExecuteRequest()
    prefetch = node(request.prefetch, PrefetchRequest, "request.prefetch") or PrefetchRequest()
    executed = nodes(execute.mboxes, MboxRequest, "request.execute.mboxes")
    prefetched = nodes(prefetch.mboxes, MboxRequest, "request.prefetch.mboxes")
    known: Set[str] = {str(mbox.name) for mbox in (*executed, *prefetched)}
    missing = [name for name in dict.fromkeys(names) if name not in known]
    if not missing:
        return request
    mboxes = [*executed, *(MboxRequest(name=name) for name in missing)]
    return copy_with(request, execute=copy_with(execute, mboxes=mboxes))


def no_offers(request: DeliveryRequest) -> DeliveryResponse:
    """The answer of an edge on which no activity targets what ``request`` asks for."""
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


def _empty_page_load(asked: Optional[RequestDetails]) -> Optional[PageLoadResponse]:
    return None if asked is None else PageLoadResponse(options=[])
