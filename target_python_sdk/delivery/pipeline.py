"""Answers a prepared call, by the edge or on-device, and builds its envelope."""

from typing import Callable, List, NamedTuple, Optional, Tuple, TypeVar

from target_python_sdk.artifact.update import CurrentArtifact
from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.context import bucketing_id, with_device_id
from target_python_sdk.decisioning.engine import (
    NO_REMOTE_PARTS,
    DecisionRequest,
    EngineContext,
    RemoteParts,
    decide,
    remote_parts,
)
from target_python_sdk.delivery.edge_host import cluster_of_edge_host
from target_python_sdk.delivery.envelope import build_envelope, empty_response
from target_python_sdk.delivery.exchange import NotificationReply, delivery_response, notification_reply
from target_python_sdk.delivery.geo import GeoService
from target_python_sdk.delivery.legacy_messages import DECISIONING_ENGINE_NOT_READY
from target_python_sdk.delivery.prepare import PreparedRequest
from target_python_sdk.delivery.replaced_api import REPLACEMENTS, replaced_exchange
from target_python_sdk.types import DeliveryRequest, Geo, Notification, TargetDeliveryResponse
from target_tools.clock import Deadline
from target_tools.enums import DecisioningMethod
from target_tools.errors import ArtifactNotAvailable, DeadlineExceeded, DeliveryError
from target_tools.http.messages import HttpReply, HttpRequest, Send, Timings
from target_tools.schema.model import copy_with, deep_copy

ResultT = TypeVar("ResultT")


class OnDeviceContext(NamedTuple):
    """The values that all on-device decisions of a client share."""

    engine: EngineContext
    geo_service: GeoService


class CallResult(NamedTuple):
    """The envelope of a call, and what else the client does after it."""

    envelope: TargetDeliveryResponse
    #: The cluster that answered; None if the visitor chose it.
    edge_cluster: Optional[str] = None
    #: The timings of the exchange with the edge, if there was one.
    timings: Optional[Timings] = None
    attempts: int = 0
    #: A request that reports an on-device decision to the edge. It is sent in the background.
    pending_notifications: Optional[PreparedRequest] = None
    #: The visitor's location, if it was looked up.
    geo: Optional[Geo] = None


def default_envelope(
    prepared: PreparedRequest, error: DeliveryError, method: DecisioningMethod
) -> TargetDeliveryResponse:
    """Return the envelope of a failed call for ``on_error="default"``: no offers, the same cookies, the error."""
    envelope = build_envelope(prepared, empty_response(prepared.request), method)
    envelope.error = error
    return envelope


# By the edge


def parts_for_the_edge(request: DeliveryRequest, artifact: Optional[Artifact]) -> Optional[RemoteParts]:
    """Return the parts of ``request`` for which a hybrid client needs the edge; None if it decides on-device.

    Without an artifact, and for a preview or QA mode, the edge always decides.
    """
    if artifact is None:
        return NO_REMOTE_PARTS
    remote = remote_parts(artifact, request)
    return remote if remote or request.qa_mode is not None or request.preview is not None else None


def request_edge(
    prepared: PreparedRequest,
    request: HttpRequest,
    send: Send,
    deadline: Deadline,
    remote: RemoteParts = NO_REMOTE_PARTS,
) -> CallResult:
    """Return the edge's answer. ``remote`` names the parts that could not be decided on-device."""
    replaced = None if REPLACEMENTS.find is None else replaced_exchange(prepared, request, deadline)
    reply, response = replaced or _exchange(prepared, request, send, deadline, delivery_response)
    envelope = build_envelope(prepared, response, DecisioningMethod.SERVER_SIDE, remote)
    cluster = None if prepared.is_steered else cluster_of_edge_host(response.edge_host)
    return CallResult(envelope, cluster, reply.timings, reply.attempts)


def send_notifications(
    pending: PreparedRequest, request: HttpRequest, send: Send, deadline: Deadline
) -> NotificationReply:
    """Report an on-device decision to the edge."""
    replaced = None if REPLACEMENTS.find is None else replaced_exchange(pending, request, deadline)
    if replaced is None:
        _, answer = _exchange(pending, request, send, deadline, notification_reply)
    else:
        answer = NotificationReply(cluster_of_edge_host(replaced[1].edge_host), 1)
    return answer._replace(edge_cluster=None) if pending.is_steered else answer


def _exchange(
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
        if deadline.remaining() <= 0:  # parsing a large answer takes time, too
            raise DeadlineExceeded(f"the answer was not read within {deadline.seconds * 1000:.0f} ms")
        return reply, answer
    except DeliveryError as error:
        error.request = prepared.request
        if reply is not None:
            error.status, error.attempts = reply.status, reply.attempts
        raise


# On-device


def decide_on_device(
    prepared: PreparedRequest,
    current: CurrentArtifact,
    context: OnDeviceContext,
    geo: Optional[Geo],
    looked_up: Optional[Geo] = None,
) -> CallResult:
    """Decide for a visitor at ``geo``, or at the location that was ``looked_up`` for its IP address."""
    artifact, _, is_stale = current
    request, engine = prepared.request, context.engine
    visitor = "" if request.id is None else bucketing_id(request.id)
    if not visitor:
        identity = with_device_id(request.id, engine.client, prepared.cluster)
        visitor, request = bucketing_id(identity), copy_with(request, id=identity)
        prepared = prepared._replace(request=request)
    remote = remote_parts(artifact, request)
    session_id = prepared.session.session_id
    decision_request = DecisionRequest(request, session_id, visitor, prepared.ids, looked_up or geo, remote)
    response, displays = decide(artifact, decision_request, engine)
    envelope = build_envelope(prepared, response, DecisioningMethod.ON_DEVICE, remote, is_stale)
    is_reported = displays or request.notifications or request.telemetry is not None
    pending = notification_request(prepared, displays) if is_reported else None
    return CallResult(envelope, pending_notifications=pending, geo=looked_up)


def notification_request(prepared: PreparedRequest, displays: List[Notification]) -> PreparedRequest:
    """Return the request that reports ``displays``, and the notifications and telemetry of the caller.

    It keeps visitor, session, property, environment and trace, so that the edge counts it for the same visit. It
    is sent later, so it shares no object with the caller, who may change the request by then.
    Raises ``OptionError`` for a part that contains itself.
    """
    request = prepared.request
    pending = deep_copy(copy_with(request, request_id=prepared.ids.next(), execute=None, prefetch=None))
    pending.notifications = [*(pending.notifications or ()), *displays]
    return prepared._replace(request=pending)


def artifact_not_available(prepared: PreparedRequest) -> ArtifactNotAvailable:
    """Return the error of a call that needs an artifact before one is available."""
    error = ArtifactNotAvailable(DECISIONING_ENGINE_NOT_READY)
    error.request = prepared.request
    return error
