"""What ``ApiClient.pool`` is: the SDK's workers, with the methods of 1.1.0's pool that an application calls."""

import contextvars
import weakref
from typing import Any, Callable, Mapping, Optional, Sequence

from target_tools.async_result import AsyncResult
from target_tools.errors import ApiValueError, ClientClosed, OpenApiException, QueueFull, TargetError
from target_tools.logger import Log
from target_tools.workers import Task, Workers

#: Calls that may wait for a worker.
MAX_PENDING = 10000
#: Seconds that an exiting process waits for outstanding calls.
SHUTDOWN_SECONDS = 2.0

Callback = Optional[Callable[[Any], object]]


class Pool:
    """Daemon threads, as many as were asked for and no more than are needed; an idle one leaves after some seconds."""

    def __init__(self, threads: int, log: Log) -> None:
        self._workers = Workers(max(1, threads), MAX_PENDING, SHUTDOWN_SECONDS, "delivery-api-client")
        self._log = log
        self._closed = False
        # A client that nobody closed lets its threads go when it is collected.
        weakref.finalize(self, self._workers.stop)

    def apply_async(
        self,
        func: Callable[..., Any],
        args: Sequence[Any] = (),
        kwds: Mapping[str, Any] = {},
        callback: Callback = None,
        error_callback: Callback = None,
    ) -> "AsyncResult[Any]":
        """Let a worker call ``func``, then one of the callbacks; the result is there after that."""
        if self._closed:
            raise ApiValueError("Pool not running")
        task = _PoolTask(lambda: func(*args, **kwds), callback, error_callback, self._log)
        workers = self._workers
        task.result.on_wait(lambda: workers.lend_a_hand(task))
        try:
            workers.submit(task)
        except QueueFull as error:
            task.drop(error)
        return task.result

    def close(self) -> None:
        """Take no more calls; those that were taken are answered."""
        self._closed = True

    def join(self) -> None:
        """Wait until every call that was taken is answered, and let the workers go."""
        if not self._closed:
            raise ApiValueError("Pool is still running")
        self._workers.flush(None)
        self._workers.stop()

    def terminate(self) -> None:
        """Take no more calls, and end those that no worker has begun."""
        self._closed = True
        self._workers.close(0, ClientClosed("the pool was terminated before the call was sent"))

    def is_worker(self) -> bool:
        """Whether the thread that asks is one of these."""
        return self._workers.is_worker()


class _PoolTask(Task):
    """One call that waits for a worker."""

    def __init__(self, act: Callable[[], Any], callback: Callback, error_callback: Callback, log: Log) -> None:
        self.result: AsyncResult[Any] = AsyncResult()
        self._act = act
        self._callback = callback
        self._error_callback = error_callback
        self._log = log
        # The callback sees the context variables of whoever made the call.
        self._context = contextvars.copy_context()

    def run(self, here: bool = False) -> None:
        self._context.run(self._run, here)

    def drop(self, error: Exception) -> None:
        self._context.run(self._tell, self._error_callback, error, None, error)

    def wait(self, seconds: float) -> bool:
        self.result.wait(seconds)
        return self.result.ready()

    def is_over(self) -> bool:
        return self.result.ready()

    def _run(self, here: bool) -> None:
        try:
            value = self._act()
        except (TargetError, OpenApiException) as error:
            self._tell(self._error_callback, error, None, error)
        except Exception as error:
            self._tell(self._error_callback, error, None, error)
            if here:
                raise  # it may be what a signal handler raised, and that is the application's
        except BaseException as error:
            self._tell(self._error_callback, error, None, error)
            raise  # something ends this thread; the call is over, and so may it be
        else:
            self._tell(self._callback, value, value, None)

    def _tell(self, callback: Callback, told: Any, value: Any, error: Optional[BaseException]) -> None:
        """Run the callback for this end, if there is one; whatever it does, the result is there."""
        log = self._log
        try:
            if callback is not None:
                self.result.tell(lambda: callback(told))
        except Exception:
            log.exception("A callback raised")
        finally:
            self.result.complete(value, error)
            # An error holds its traceback, and that this: what is not needed any more must not go along.
            del self._act, self._callback, self._error_callback, self._context
