"""Sends display notifications for on-device decisions in the background.

A worker sends them like any call of the client: with its retries, its circuit breaker and its log. ``flush``,
``close`` and the exit of the process wait for them. A failure is logged and emitted as ``send_notification_error``.
"""

from functools import partial
from typing import Any, Callable, Dict, Optional

from target_python_sdk.delivery.exchange import delivery_request, notification_response, request_edge
from target_python_sdk.delivery.prepare import PreparedRequest
from target_python_sdk.delivery.redaction import personal_values
from target_python_sdk.events import SEND_NOTIFICATION_ERROR, SendNotificationError
from target_python_sdk.outages import one_line
from target_python_sdk.runtime import Runtime
from target_tools.clock import Deadline
from target_tools.concurrency.tasks import CallbackTask
from target_tools.errors import DeliveryError, HttpStatusError
from target_tools.http.breaker import is_outage

#: A method of a client that takes the options of a call.
Method = Callable[[Dict[str, Any]], Any]


def queue_notifications(
    prepared: PreparedRequest, runtime: Runtime, replaced_send: Optional[Method] = None, visitor: Any = None
) -> None:
    """Let a worker send the notifications, by ``replaced_send`` if the client's ``send_notifications`` was replaced.

    If the queue is full, they are dropped at once.
    """
    if replaced_send is None:
        send = partial(_send_to_edge, prepared, runtime)
    else:
        options = {"request": prepared.request, "visitor": visitor, "session_id": prepared.session_id}
        send = partial(replaced_send, {**options, "target_location_hint": prepared.cluster})
    runtime.workers.submit(CallbackTask(send, None, partial(_report_failure, prepared, runtime), runtime.log))


def _send_to_edge(prepared: PreparedRequest, runtime: Runtime) -> None:
    request = delivery_request(prepared, runtime.settings)
    deadline = Deadline.after(runtime.settings.timeout)
    runtime.learn(request_edge(prepared, request, runtime.send, deadline, notification_response))


def _report_failure(prepared: PreparedRequest, runtime: Runtime, error: Exception) -> None:
    runtime.counters.undelivered.add()
    if isinstance(error, HttpStatusError) and not runtime.settings.log_payloads:
        error.mask(personal_values(prepared))
    if isinstance(error, DeliveryError) and error.origin is not None and is_outage(error):
        should_log = runtime.outages.is_first(error.origin, error, is_lost=True)
    else:
        should_log = runtime.should_log_warning()
    if should_log:
        lost = int(runtime.counters.undelivered)
        runtime.log.error("Notifications were not delivered (%s); so far %d requests", one_line(error), lost)
    session_id = prepared.session_id
    failed = SendNotificationError(notification=prepared.request, session_id=session_id, error=error)
    runtime.events.emit(SEND_NOTIFICATION_ERROR, failed)
