"""What is sent while nobody waits: that offers were displayed which this process decided on.

A worker sends it on the client's own path, with its retries, its breaker and its log.
``flush``, ``close`` and the end of the process wait for it as for any call; what cannot
be delivered is told to ``send_notification_error`` and to the log.
"""

from target_python_sdk.delivery.exchange import delivery_request
from target_python_sdk.delivery.pipeline import tell
from target_python_sdk.delivery.prepare import PreparedRequest
from target_python_sdk.runtime import Runtime
from target_tools.clock import Deadline
from target_tools.concurrency.tasks import ContextTask
from target_tools.errors import TargetError

SEND_NOTIFICATION_ERROR = "send_notification_error"


def send_in_background(owed: PreparedRequest, runtime: Runtime) -> None:
    """Let a worker tell the edge; a queue that is full ends it here and now."""
    runtime.workers.submit(Telling(owed, runtime))


class Telling(ContextTask):
    """One request that nobody waits for."""

    def __init__(self, owed: PreparedRequest, runtime: Runtime) -> None:
        super().__init__()
        self._owed = owed
        self._runtime = runtime

    def _run(self, inline: bool) -> None:
        """Tell the edge."""
        runtime, settings = self._runtime, self._runtime.settings
        try:
            request = delivery_request(self._owed, settings)
            runtime.learn(tell(self._owed, request, runtime.send, Deadline.after(settings.timeout)))
        except TargetError as error:
            self._lost(error)
        except Exception as error:
            self._lost(error)
            if inline:
                raise  # it may be what a signal handler raised, and that is the application's
        finally:
            self._end()

    def _drop(self, error: Exception) -> None:
        """End it unsent."""
        try:
            self._lost(error)
        finally:
            self._end()

    def _lost(self, error: Exception) -> None:
        runtime = self._runtime
        runtime.counters.undelivered.add()
        if runtime.may_complain():
            lost = int(runtime.counters.undelivered)
            runtime.log.error("Notifications were not delivered (%s); so far %d requests", type(error).__name__, lost)
        owed = self._owed
        told = {"notification": owed.request, "session_id": owed.session.session_id, "error": error}
        runtime.events.emit(SEND_NOTIFICATION_ERROR, told)

    def _end(self) -> None:
        self.result.complete(None, None)
        del self._owed, self._runtime, self._context
