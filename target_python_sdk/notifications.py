"""Sends display notifications for on-device decisions in the background.

A worker sends them like any call of the client: with its retries, its circuit breaker and its log. ``flush``,
``close`` and the exit of the process wait for them. A failure is logged and emitted as ``send_notification_error``.
"""

from target_python_sdk.delivery.exchange import delivery_request, notification_response, request_edge
from target_python_sdk.delivery.prepare import PreparedRequest
from target_python_sdk.events import SEND_NOTIFICATION_ERROR, SendNotificationError
from target_python_sdk.runtime import Runtime
from target_tools.clock import Deadline
from target_tools.concurrency.tasks import ContextTask
from target_tools.errors import TargetError


def queue_notifications(prepared: PreparedRequest, runtime: Runtime) -> None:
    """Let a worker send the notifications. If the queue is full, they are dropped at once."""
    runtime.workers.submit(NotificationTask(prepared, runtime))


class NotificationTask(ContextTask):
    """One request with notifications."""

    def __init__(self, prepared: PreparedRequest, runtime: Runtime) -> None:
        super().__init__()
        self._prepared = prepared
        self._runtime = runtime

    def _run(self, inline: bool) -> None:
        runtime, settings = self._runtime, self._runtime.settings
        try:
            request = delivery_request(self._prepared, settings)
            deadline = Deadline.after(settings.timeout)
            runtime.learn(request_edge(self._prepared, request, runtime.send, deadline, notification_response))
        except TargetError as error:
            self._report_failure(error)
        except Exception as error:
            self._report_failure(error)
            if inline:
                raise  # a signal handler of the application may have raised it
        finally:
            self._complete()

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
        del self._prepared, self._runtime, self._context
