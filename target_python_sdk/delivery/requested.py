"""What a request asks for already, and the mboxes that are added to it."""

from typing import List, Set

from target_python_sdk.delivery.nodes import node, nodes
from target_python_sdk.types import DeliveryRequest, ExecuteRequest, MboxRequest, PrefetchRequest


def with_mboxes(request: DeliveryRequest, names: List[str]) -> DeliveryRequest:
    """A copy of ``request`` that executes every mbox of ``names`` it does not ask for yet."""
    execute = node(request.execute, ExecuteRequest, "request.execute") or ExecuteRequest()
    prefetch = node(request.prefetch, PrefetchRequest, "request.prefetch") or PrefetchRequest()
    executed = nodes(execute.mboxes, MboxRequest, "request.execute.mboxes")
    prefetched = nodes(prefetch.mboxes, MboxRequest, "request.prefetch.mboxes")
    known: Set[str] = {str(mbox.name) for mbox in [*executed, *prefetched]}
    missing = [name for name in dict.fromkeys(names) if name not in known]
    if not missing:
        return request
    return request.replace(execute=execute.replace(mboxes=[*executed, *(MboxRequest(name=name) for name in missing)]))
