"""Sends notifications in the background: the displays of on-device decisions, and the notifications of a ``Visit``.

The thread that made the decision renders the request, because the caller may change its models afterwards. (A call with
a callback has already copied them.) A worker sends the request like any call of the client, with the client's retries
and circuit breaker. ``flush``, ``close`` and the exit of the process wait for the worker. Each failure is emitted as
``send_notification_error``. The first failure of an outage is also logged.
"""

from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Sequence

from target_python_sdk.decisioning.offer import Display
from target_python_sdk.delivery.exchange import delivery_request, notification_response
from target_python_sdk.delivery.prepare import PreparedRequest, render_request
from target_python_sdk.delivery.redaction import personal_values
from target_python_sdk.delivery.replaced_api import REPLACEMENTS
from target_python_sdk.events import SEND_NOTIFICATION_ERROR, SendNotificationError
from target_python_sdk.outages import one_line
from target_python_sdk.runtime import Runtime
from target_python_sdk.types import DeliveryRequest
from target_tools.clock import Deadline
from target_tools.concurrency.tasks import CallbackTask
from target_tools.errors import ClientClosed, DeliveryError, HttpStatusError, QueueFull
from target_tools.http.breaker import is_outage
from target_tools.http.messages import parse_json, quote, render_quickly
from target_tools.schema.model import copy_with, deep_copy

if TYPE_CHECKING:  # few applications have observers
    from target_python_sdk.observation import MeasuredCall

#: A method of a client that takes the options of a call.
Method = Callable[[Dict[str, Any]], Any]


def notification_request(prepared: PreparedRequest) -> PreparedRequest:
    """Return a request that reports the notifications and the telemetry in the caller's request.

    It has the same visitor, session, property, environment and trace, so that the edge counts it for the same visit.
    It shares objects with the caller's request, which the caller may still change.
    """
    request_id = prepared.ids.next()
    return prepared.with_request(copy_with(prepared.request, request_id=request_id, execute=None, prefetch=None))


def with_displays(request: DeliveryRequest, displays: Sequence[Display]) -> DeliveryRequest:
    """Return a copy of ``request`` that also reports ``displays``."""
    added = [display.notification() for display in displays]
    copy: DeliveryRequest = copy_with(request, notifications=[*(request.notifications or ()), *added])
    return copy


def copy_with_displays(prepared: PreparedRequest, displays: Sequence[Display]) -> PreparedRequest:
    """Return a copy that also reports ``displays``. It shares no object with the caller, who may change the request."""
    return prepared.with_request(deep_copy(with_displays(prepared.request, displays)))


def queue_notifications(
    prepared: PreparedRequest,
    displays: Sequence[Display],
    runtime: Runtime,
    replaced_send: Optional[Method] = None,
    visitor: Any = None,
) -> None:
    """Let a worker send the notifications of a request and of ``displays``.

    ``replaced_send`` is the client's ``send_notifications``, if a subclass or a test has replaced it. The worker then
    calls this method. If the queue is full, the notifications are dropped at once. Raises ``OptionError`` for a request
    that JSON cannot hold.
    """
    if replaced_send is None:
        body = render_request(prepared.request, runtime.settings, partial(_render, displays))
        report: Callable[..., None] = partial(_report_failure_of_body, prepared, body, runtime)
        observation = runtime.observation
        if observation is not None:
            measured = observation.measure("send_notifications", prepared, False, displays)
            send = partial(measured.run, partial(_send_to_edge, prepared, body, runtime, measured))
            runtime.workers.submit(CallbackTask(send, None, report, runtime.log, observe=measured.end))
            return
        send = partial(_send_to_edge, prepared, body, runtime)
    else:
        prepared = copy_with_displays(prepared, displays)
        options = {"request": prepared.request, "visitor": visitor, "session_id": prepared.session_id}
        send = partial(replaced_send, {**options, "target_location_hint": prepared.cluster})
        report = partial(_report_failure, prepared, runtime)
    runtime.workers.submit(CallbackTask(send, None, report, runtime.log))


def _render(displays: Sequence[Display], request: DeliveryRequest) -> bytes:
    """Return the JSON of ``with_displays(request, displays)``, usually without creating models for the displays."""
    if request.notifications or request.qa_mode or request.preview:
        return render_quickly(with_displays(request, displays))
    others = ",".join([_display_json(display) for display in displays])
    return b'%s,"notifications":[%s]}' % (render_quickly(request)[:-1], others.encode("ascii"))


def _display_json(display: Display) -> str:
    own_id, impression_id, timestamp, tokens, mbox = display
    event = f'"id":"{own_id}","impressionId":"{impression_id}","type":"display","timestamp":{timestamp}'
    return f'{{{event},"tokens":[{",".join(map(quote, tokens))}],"mbox":{{"name":{quote(mbox)}}}}}'


def _send_to_edge(
    prepared: PreparedRequest, body: bytes, runtime: Runtime, measured: "Optional[MeasuredCall]" = None
) -> None:
    http = delivery_request(prepared, runtime.settings, body)
    if REPLACEMENTS.find is not None:  # a test that replaced the API gets the request as a model
        prepared = _as_sent(prepared, body)
    deadline = Deadline.after(runtime.settings.timeout)
    answer = runtime.request_edge(prepared, http, runtime.send, deadline, notification_response)
    if measured is not None:
        measured.answer = answer
    runtime.learn(answer)


def _as_sent(prepared: PreparedRequest, body: bytes) -> PreparedRequest:
    """Return ``prepared`` with the request as it was rendered, without later changes by the caller."""
    return prepared.with_request(DeliveryRequest.from_dict(parse_json(body)))


def _report_failure_of_body(prepared: PreparedRequest, body: bytes, runtime: Runtime, error: Exception) -> None:
    prepared = _as_sent(prepared, body)
    if isinstance(error, DeliveryError):
        error.request = prepared.request
    _report_failure(prepared, runtime, error)


def _report_failure(prepared: PreparedRequest, runtime: Runtime, error: Exception) -> None:
    runtime.counters.undelivered.add()
    if isinstance(error, (QueueFull, ClientClosed)):
        runtime.counters.dropped_notifications.add()
    if isinstance(error, HttpStatusError) and not runtime.settings.log_payloads:
        error.mask(personal_values(prepared))
    if isinstance(error, DeliveryError) and error.origin is not None and is_outage(error):
        should_log = runtime.outages.is_first(error.origin, error, is_lost=True)
    else:
        should_log = runtime.should_log_warning()
    if should_log:
        lost = int(runtime.counters.undelivered)
        runtime.log.error("Notifications were not delivered (%s); requests lost so far: %d", one_line(error), lost)
    failed = SendNotificationError(notification=prepared.request, session_id=prepared.session_id, error=error)
    runtime.events.emit(SEND_NOTIFICATION_ERROR, failed)
