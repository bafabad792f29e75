"""The worker pool of an ``ApiClient``, with the methods of 1.1.0's pool that applications call."""

import weakref
from typing import Any, Callable, Mapping, Sequence

from target_tools.concurrency.task_workers import WorkerPool
from target_tools.concurrency.tasks import AsyncResult, Callback, CallbackTask
from target_tools.errors import ApiValueError, ClientClosed
from target_tools.logger import Log

#: Maximum number of calls that wait for a worker.
MAX_PENDING = 10000
#: Seconds that an exiting process waits for outstanding calls.
SHUTDOWN_SECONDS = 2.0


class Pool:
    """A pool of at most ``threads`` daemon threads. They start on demand, and end after some idle seconds."""

    def __init__(self, threads: int, log: Log) -> None:
        self._workers = WorkerPool(max(1, threads), MAX_PENDING, SHUTDOWN_SECONDS, "delivery-api-client")
        self._log = log
        self._closed = False
        # If a client was not closed, stop its threads when it is garbage-collected.
        weakref.finalize(self, self._workers.stop)

    def apply_async(
        self,
        func: Callable[..., Any],
        args: Sequence[Any] = (),
        kwds: Mapping[str, Any] = {},
        callback: Callback = None,
        error_callback: Callback = None,
    ) -> "AsyncResult[Any]":
        """Let a worker call ``func``, then one of the callbacks, then complete the result."""
        if self._closed:
            raise ApiValueError("Pool not running")
        task = CallbackTask(lambda: func(*args, **kwds), callback, error_callback, self._log)
        return self._workers.submit_call(task)

    def close(self) -> None:
        """Refuse further calls. Accepted calls continue."""
        self._closed = True

    def join(self) -> None:
        """Wait until every accepted call has ended, and stop the workers."""
        if not self._closed:
            raise ApiValueError("Pool is still running")
        self._workers.flush(None)
        self._workers.stop()

    def terminate(self) -> None:
        """Refuse further calls, and cancel those that no worker has started."""
        self._closed = True
        self._workers.close(0, ClientClosed("the pool was terminated before the call was sent"))
