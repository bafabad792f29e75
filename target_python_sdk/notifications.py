"""Sends display notifications for on-device decisions in the background.

A worker sends them like any call of the client: with its retries, its circuit breaker and its log. ``flush``,
``close`` and the exit of the process wait for them. A failure is logged and emitted as ``send_notification_error``.
"""

from functools import partial
from typing import Any, Callable, Optional

from target_python_sdk.delivery.exchange import delivery_request, notification_response, request_edge
from target_python_sdk.delivery.prepare import PreparedRequest
from target_python_sdk.events import SEND_NOTIFICATION_ERROR, SendNotificationError
from target_python_sdk.overridden_methods import Method, notification_options
from target_python_sdk.runtime import Runtime
from target_tools.clock import Deadline
from target_tools.concurrency.tasks import ContextTask
from target_tools.errors import TargetError


def queue_notifications(
    prepared: PreparedRequest, runtime: Runtime, replaced_send: Optional[Method] = None, visitor: Any = None
) -> None:
    """Let a worker send the notifications, by ``replaced_send`` if the client's ``send_notifications`` was replaced.

    If the queue is full, they are dropped at once.
    """
    send = None if replaced_send is None else partial(replaced_send, notification_options(prepared, visitor))
    runtime.workers.submit(NotificationTask(prepared, runtime, send))


class NotificationTask(ContextTask):
    """One request with notifications."""

    def __init__(
        self, prepared: PreparedRequest, runtime: Runtime, replaced_send: Optional[Callable[[], object]] = None
    ) -> None:
        super().__init__()
        self._prepared = prepared
        self._runtime = runtime
        self._send = self._send_to_edge if replaced_send is None else replaced_send

    def _run(self, inline: bool) -> None:
        try:
            self._send()
        except TargetError as error:
            self._report_failure(error)
        except Exception as error:
            self._report_failure(error)
            if inline:
                raise  # a signal handler of the application may have raised it
        finally:
            self._complete()

    def _send_to_edge(self) -> None:
        runtime, settings = self._runtime, self._runtime.settings
        request = delivery_request(self._prepared, settings)
        deadline = Deadline.after(settings.timeout)
        runtime.learn(request_edge(self._prepared, request, runtime.send, deadline, notification_response))

    def _drop(self, error: Exception) -> None:
        try:
            self._report_failure(error)
        finally:
            self._complete()

    def _report_failure(self, error: Exception) -> None:
        runtime, prepared = self._runtime, self._prepared
        runtime.counters.undelivered.add()
        if runtime.should_log_warning():
            lost = int(runtime.counters.undelivered)
            runtime.log.error("Notifications were not delivered (%s); so far %d requests", type(error).__name__, lost)
        failed: SendNotificationError = {
            "notification": prepared.request,
            "session_id": prepared.session.session_id,
            "error": error,
        }
        runtime.events.emit(SEND_NOTIFICATION_ERROR, failed)

    def _complete(self) -> None:
        self.result.complete(None, None)
        del self._prepared, self._runtime, self._send, self._context
