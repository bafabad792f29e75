"""Decides a prepared request on-device."""

from typing import List, NamedTuple, Optional

from target_python_sdk.artifact.update import CurrentArtifact
from target_python_sdk.decisioning.context import bucketing_id, with_device_id
from target_python_sdk.decisioning.engine import DecisionRequest, EngineContext, RemoteParts, decide, remote_parts
from target_python_sdk.decisioning.offer import Display
from target_python_sdk.delivery.geo import look_up, needs_lookup
from target_python_sdk.delivery.prepare import PreparedRequest
from target_python_sdk.types import DeliveryRequest, DeliveryResponse, Geo
from target_tools.clock import Deadline, monotonic
from target_tools.http.messages import HttpRequest, Send
from target_tools.schema.model import copy_with

#: The time that is reserved for a decision after a request: a share of the timeout, but at most this many seconds.
_RESERVE, _MAX_RESERVE = 0.1, 0.2


class OnDeviceContext(NamedTuple):
    """The values that all on-device decisions of a client share."""

    engine: EngineContext
    geo_request: HttpRequest
    #: Sends lookups of locations; None if no request may be sent.
    send: Optional[Send]


class Decision(NamedTuple):
    """The response of an on-device decision, and the values that the client needs afterwards."""

    #: The request; for a new visitor, with the device id that was created.
    prepared: PreparedRequest
    response: DeliveryResponse
    #: The parts that could not be decided.
    remote: RemoteParts
    #: The displays to report, together with the request's notifications and telemetry; None if nothing is reported.
    displays: Optional[List[Display]]
    #: The visitor's location, if it was looked up.
    geo: Optional[Geo]


def before_decision(deadline: Deadline) -> Deadline:
    """Return the deadline of a request that is followed by a decision, which must be made by ``deadline``."""
    return deadline._replace(at=deadline.at - _reserve(deadline))


def after_request(deadline: Deadline) -> Deadline:
    """Return the deadline of a decision that follows a request.

    Even if a busy machine wakes the thread late, the decision gets the time that is reserved for it.
    """
    return deadline._replace(at=max(deadline.at, monotonic() + _reserve(deadline)))


def _reserve(deadline: Deadline) -> float:
    return min(deadline.seconds * _RESERVE, _MAX_RESERVE)


def decide_on_device(
    prepared: PreparedRequest, current: CurrentArtifact, context: OnDeviceContext, deadline: Deadline
) -> Decision:
    """Decide a request. If necessary, look up the visitor's location first. Raises ``DeadlineExceeded``."""
    artifact, request, engine = current.artifact, prepared.request, context.engine
    geo = None if request.context is None else request.context.geo
    looked_up = None
    send = context.send
    if geo is not None and send is not None and artifact.geo_targeting_enabled and needs_lookup(geo):
        looked_up = look_up(geo, context.geo_request, send, before_decision(deadline))
        deadline = after_request(deadline)
    visitor = "" if request.id is None else bucketing_id(request.id)
    if not visitor:
        identity = with_device_id(request.id, engine.client, prepared.cluster)
        visitor, request = bucketing_id(identity), copy_with(request, id=identity)
        prepared = prepared.with_request(request)
    remote = remote_parts(artifact, request)
    session_id = prepared.session_id
    decision_request = DecisionRequest(request, session_id, visitor, prepared.ids, looked_up or geo, remote, deadline)
    response, displays = decide(artifact, decision_request, engine)
    is_reported = displays or request.notifications or request.telemetry is not None
    return Decision(prepared, response, remote, displays if is_reported else None, looked_up)


def parts_without_effect(request: DeliveryRequest) -> List[str]:
    """Return the names of the parts of ``request`` that only the edge uses, so that they have no effect on-device."""
    names = []
    if request.qa_mode is not None:
        names.append("qa_mode")
    if request.preview is not None:
        names.append("preview")
    execute = request.execute
    if execute is not None:
        details = [*(execute.mboxes or ()), execute.page_load]
        if any(each is not None and each.order is not None for each in details):
            names.append("order")
    return names
