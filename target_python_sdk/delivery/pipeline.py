"""The one flow of a call: prepare, ask the edge, shape.

It yields what it wants sent and returns its answer; it sends nothing and waits for
nothing, so blocking, with a callback and awaited are the same flow in other hands.
"""

from typing import NamedTuple, Optional

from target_python_sdk.delivery.edge import cluster_of_edge_host
from target_python_sdk.delivery.exchange import delivery_request, delivery_response
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.delivery.prepare import Prepared
from target_python_sdk.delivery.requested import no_offers
from target_python_sdk.delivery.shape import shape
from target_python_sdk.types import TargetDeliveryResponse
from target_tools.enums import DecisioningMethod
from target_tools.errors import DeliveryError
from target_tools.flow import Flow, Timings


class Answer(NamedTuple):
    """What a call gave, and what the client learns from it."""

    envelope: TargetDeliveryResponse
    #: The cluster the edge says it answered from; only this moves the client.
    edge_cluster: Optional[str]
    timings: Timings
    attempts: int


def without_offers(prepared: Prepared, error: DeliveryError) -> TargetDeliveryResponse:
    """What a call is answered with that failed, where errors are not to be raised: no offers, the same cookies.

    ``envelope.error`` tells why.
    """
    envelope = shape(prepared, no_offers(prepared.request), DecisioningMethod.SERVER_SIDE)
    envelope.error = error
    return envelope


def deliver(prepared: Prepared, settings: ClientSettings) -> "Flow[Answer]":
    """The conversation that answers ``prepared``."""
    reply = None
    try:
        reply = yield delivery_request(prepared, settings)
        response = delivery_response(reply)
    except DeliveryError as error:
        error.request = prepared.request
        if reply is not None:
            error.status, error.attempts = reply.status, reply.attempts
        raise
    envelope = shape(prepared, response, DecisioningMethod.SERVER_SIDE)
    return Answer(envelope, cluster_of_edge_host(response.edge_host), reply.timings, reply.attempts)
