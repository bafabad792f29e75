"""The request to an engine."""

from typing import TYPE_CHECKING, Any, Mapping, Optional

if TYPE_CHECKING:
    from target_python_sdk.delivery.visitor_protocol import Visitor
    from target_python_sdk.types import DeliveryRequest


class TargetDeliveryRequest:
    """A request and its visitor. The fields are options of ``TargetClient.get_offers``."""

    def __init__(  # noqa: PLR0917 - 1.1.0's order
        self,
        request: "DeliveryRequest",
        target_cookie: Optional[str] = None,
        target_location_hint: Optional[str] = None,
        consumer_id: Optional[str] = None,
        customer_ids: Optional[Mapping[str, Any]] = None,
        session_id: Optional[str] = None,
        visitor: "Optional[Visitor]" = None,
        trace: Optional[Mapping[str, Any]] = None,
    ) -> None:
        self.request = request
        self.target_cookie = target_cookie
        self.target_location_hint = target_location_hint
        self.consumer_id = consumer_id
        self.customer_ids = customer_ids
        self.session_id = session_id
        self.visitor = visitor
        #: No effect; ``request.trace`` requests a trace.
        self.trace = trace
