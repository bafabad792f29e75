"""Answer a prepared call: send it to the edge, or decide in this process, and shape the envelope."""

from typing import Callable, NamedTuple, Optional, Tuple, TypeVar

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.bucketing import bucketing_id, with_device_id
from target_python_sdk.decisioning.dependency import NO_REMOTE_PARTS, RemoteParts, remote_parts
from target_python_sdk.decisioning.engine import DecisionRequest, decide
from target_python_sdk.delivery.edge import cluster_of_edge_host
from target_python_sdk.delivery.exchange import Heard, delivery_response, heard
from target_python_sdk.delivery.here import Here, Newest
from target_python_sdk.delivery.messages import DECISIONING_ENGINE_NOT_READY
from target_python_sdk.delivery.owed import owed_request
from target_python_sdk.delivery.prepare import PreparedRequest
from target_python_sdk.delivery.replaced_api import replaced_exchange
from target_python_sdk.delivery.shape import empty_response, shape
from target_python_sdk.types import DeliveryRequest, Geo, TargetDeliveryResponse
from target_tools.clock import Deadline
from target_tools.enums import DecisioningMethod
from target_tools.errors import ArtifactNotAvailable, DeadlineExceeded, DeliveryError
from target_tools.http.messages import HttpReply, HttpRequest, Send, Timings
from target_tools.schema.model import copy_with

ResultT = TypeVar("ResultT")


class Answer(NamedTuple):
    """What a call gave, what the client learns from it, and what is owed afterwards."""

    envelope: TargetDeliveryResponse
    #: The cluster that the edge says it answered from; None if the visitor named one.
    edge_cluster: Optional[str] = None
    #: Of the exchange with the edge, if there was one.
    timings: Optional[Timings] = None
    attempts: int = 0
    #: A request that tells the edge what was decided here, for somebody to send; nobody waits for it.
    owed: Optional[PreparedRequest] = None
    #: Where the visitor is, if that was looked up.
    geo: Optional[Geo] = None


def without_offers(
    prepared: PreparedRequest, error: DeliveryError, method: DecisioningMethod
) -> TargetDeliveryResponse:
    """What a call is answered with that failed, where errors are not to be raised: no offers, the same cookies.

    ``envelope.error`` tells why.
    """
    envelope = shape(prepared, empty_response(prepared.request), method)
    envelope.error = error
    return envelope


def only_for_the_edge(request: DeliveryRequest, artifact: Optional[Artifact]) -> Optional[RemoteParts]:
    """Why a hybrid client asks the edge, by the names that need it; None where this process can decide it all.

    Without an artifact, and for who previews an activity, it is asked whatever the names.
    """
    if artifact is None:
        return NO_REMOTE_PARTS
    remote = remote_parts(artifact, request)
    if remote or request.qa_mode is not None or request.preview is not None:
        return remote
    return None


def deliver(
    prepared: PreparedRequest,
    request: HttpRequest,
    send: Send,
    deadline: Deadline,
    remote: RemoteParts = NO_REMOTE_PARTS,
) -> Answer:
    """The answer of the edge, which ``remote`` was the reason to ask."""
    reply, response = replaced_exchange(prepared, request, deadline) or _exchanged(
        prepared, request, send, deadline, delivery_response
    )
    envelope = shape(prepared, response, DecisioningMethod.SERVER_SIDE, remote)
    cluster = None if prepared.is_steered else cluster_of_edge_host(response.edge_host)
    return Answer(envelope, cluster, reply.timings, reply.attempts)


def tell(owed: PreparedRequest, request: HttpRequest, send: Send, deadline: Deadline) -> Heard:
    """Tell the edge what was decided here."""
    replaced = replaced_exchange(owed, request, deadline)
    if replaced is not None:
        told = Heard(cluster_of_edge_host(replaced[1].edge_host), 1)
    else:
        told = _exchanged(owed, request, send, deadline, heard)[1]
    return told._replace(edge_cluster=None) if owed.is_steered else told


def _exchanged(
    prepared: PreparedRequest,
    request: HttpRequest,
    send: Send,
    deadline: Deadline,
    read: Callable[[HttpReply], ResultT],
) -> Tuple[HttpReply, ResultT]:
    reply = None
    try:
        reply = send(request, deadline)
        answer = read(reply)
        if deadline.remaining() <= 0:  # reading a large answer takes time, too
            raise DeadlineExceeded(f"the answer was not read within {deadline.seconds * 1000:.0f} ms")
        return reply, answer
    except DeliveryError as error:
        error.request = prepared.request
        if reply is not None:
            error.status, error.attempts = reply.status, reply.attempts
        raise


def decided(
    prepared: PreparedRequest, newest: Newest, here: Here, geo: Optional[Geo], found: Optional[Geo] = None
) -> Answer:
    """The decision of this process for a visitor at ``geo``; ``found`` is what was looked up of that place."""
    artifact, stale = newest
    request, situation = prepared.request, here.situation
    visitor = "" if request.id is None else bucketing_id(request.id)
    if not visitor:
        identity = with_device_id(request.id, situation.client, prepared.cluster)
        visitor, request = bucketing_id(identity), copy_with(request, id=identity)
        prepared = prepared._replace(request=request)
    remote = remote_parts(artifact, request)
    asked = DecisionRequest(request, prepared.session.session_id, visitor, prepared.ids, found or geo, remote)
    response, displays = decide(artifact, asked, situation)
    envelope = shape(prepared, response, DecisioningMethod.ON_DEVICE, remote, stale)
    owes = displays or request.notifications or request.telemetry is not None
    return Answer(envelope, owed=owed_request(prepared, displays) if owes else None, geo=found)


def not_ready(prepared: PreparedRequest) -> ArtifactNotAvailable:
    """The error of a call that this process has to decide and cannot."""
    error = ArtifactNotAvailable(DECISIONING_ENGINE_NOT_READY)
    error.request = prepared.request
    return error
