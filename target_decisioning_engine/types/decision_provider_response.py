"""The response of an engine."""

from typing import List, Optional

from target_python_sdk.types import DeliveryResponse, ExecuteResponse, PrefetchResponse, VisitorId


class DecisionProviderResponse(DeliveryResponse):
    """A response with the names of the mboxes and views that only the edge can decide. ``to_dict`` omits the names."""

    def __init__(  # noqa: PLR0917 - 1.1.0's order
        self,
        remote_mboxes: Optional[List[str]] = None,
        remote_views: Optional[List[str]] = None,
        status: Optional[int] = None,
        request_id: Optional[str] = None,
        _id: Optional[VisitorId] = None,
        client: Optional[str] = None,
        edge_host: Optional[str] = None,
        execute: Optional[ExecuteResponse] = None,
        prefetch: Optional[PrefetchResponse] = None,
    ) -> None:
        super().__init__(status, request_id, _id, client, edge_host, execute, prefetch)
        self.remote_mboxes = remote_mboxes
        self.remote_views = remote_views
