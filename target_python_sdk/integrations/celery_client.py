"""The client of one Celery worker process.

Celery kills a ``prefork`` child process that takes too long to start, and its replacement would be killed, too. So a
separate thread creates the client, and the start of the process waits for it only for a limited time. The first task
that needs the client waits for that thread.
"""

import contextlib
import time
from typing import Callable, List, Optional

from target_python_sdk.client import TargetClient
from target_tools.clock import Deadline
from target_tools.concurrency.helper_thread import HelperThreads
from target_tools.concurrency.tasks import AsyncResult, CallbackTask
from target_tools.concurrency.threads import start_thread
from target_tools.errors import DeadlineExceeded
from target_tools.logger import Log

#: The share of the closing time that is available to running calls. In the rest, callbacks for dropped calls run.
_FLUSH_SHARE = 0.8
#: Seconds between two checks for new calls made by callbacks.
_POLL_INTERVAL = 0.001


class ProcessClient:
    """The client of this process, and the threads that publish its messages.

    It uses no lock, because the exception that Celery raises at a soft time limit could leave one locked.
    """

    def __init__(self, factory: Callable[[], TargetClient], log: Log) -> None:
        self._factory = factory
        self._log = log
        #: The first item is the client. Other items were created concurrently and are closed.
        self._clients: List[TargetClient] = []
        #: The client that a thread is creating.
        self._starting: Optional[AsyncResult[TargetClient]] = None
        self._is_late = self._is_over = False
        #: The helper threads that wait for the broker. A forked child has new ones, because it inherits no threads.
        self.publishing = HelperThreads()

    def get(self) -> TargetClient:
        """Return the client. Wait for the thread that creates it, or create it here. Raises the factory's errors."""
        if self._clients:
            return self._clients[0]
        starting = self._starting
        return self._store(self._factory()) if starting is None else starting.get()

    def start(self, seconds: float) -> None:
        """Create the client in a thread; wait up to ``seconds``. Raises the factory's error if it fails in time."""
        if self._clients:
            return
        starting = self._starting or self._start_thread()
        starting.wait(seconds)
        if starting.ready():
            starting.get()
            return
        self._is_late = True
        self._log.warning("The client was not created within %.1f s; the first task that needs it will wait", seconds)

    def _start_thread(self) -> "AsyncResult[TargetClient]":
        task = CallbackTask(self._create, None, None, self._log)
        starting = self._starting = task.result
        try:
            start_thread(task.run)
        except (RuntimeError, MemoryError):  # no thread can be started
            task.run()
        return starting

    def _create(self) -> TargetClient:
        """Create the client. Runs in the separate thread."""
        try:
            return self._store(self._factory())
        except BaseException as error:
            if self._is_late:  # perhaps no thread waits for the result
                self._log.error("The client could not be created (%s)", type(error).__name__)
            raise
        finally:
            self._starting = None  # the next access calls the factory again

    def _store(self, client: TargetClient) -> TargetClient:
        """Store ``client`` and return it. If another thread stored one first, return that one, and close ``client``."""
        self._clients.append(client)
        first = self._clients[0]
        if first is not client or self._is_over:
            client.close(0)
        return first

    def close(self, seconds: float) -> int:
        """Close the client, which takes up to ``seconds``; return the number of calls that have not ended."""
        self._is_over = True
        if not self._clients:
            return 0
        client = self._clients[0]
        with contextlib.suppress(DeadlineExceeded):
            # Close in a helper thread, because callbacks for dropped calls can run for an unlimited time.
            flushing = seconds * _FLUSH_SHARE
            HelperThreads().call(lambda: _flush_and_close(client, flushing), Deadline.after(seconds))
        stats = client.stats()
        return stats["dropped"] + stats["pending"] + stats["running"]


def _flush_and_close(client: TargetClient, seconds: float) -> None:
    """Wait until all calls have ended, including those that callbacks make; then close the client."""
    deadline = Deadline.after(seconds)
    idle_checks = 0
    # Check twice: a call that moves from the queue to a worker is briefly not counted.
    while idle_checks < 2 and client.flush(_milliseconds_left(deadline)) and deadline.remaining() > 0:
        stats = client.stats()
        idle_checks = 0 if stats["pending"] or stats["running"] else idle_checks + 1
        time.sleep(_POLL_INTERVAL)
    client.close(_milliseconds_left(deadline))


def _milliseconds_left(deadline: Deadline) -> float:
    return max(0.0, deadline.remaining()) * 1000
