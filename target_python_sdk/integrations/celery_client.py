"""The client of one process that Celery works in: made once, closed once.

A child of ``prefork`` that does not say soon enough that it is up is killed, and so is the one
that takes its place.  So at the start of a worker a thread of ours makes the client, and is
waited for no longer than the child has; whoever asks for the client then waits for that thread.
"""

import contextlib
import time
from typing import Callable, Dict, List, Optional

from target_python_sdk.client import TargetClient
from target_tools.clock import Deadline
from target_tools.concurrency.async_result import AsyncResult
from target_tools.concurrency.helper_thread import HelperThreads
from target_tools.concurrency.threads import start_thread
from target_tools.errors import DeadlineExceeded
from target_tools.logger import Log

#: What of the time for closing is for calls under way; the rest is for telling those whose calls are dropped.
_FLUSHING = 0.8
#: Seconds between two looks whether callbacks have made more calls.
_POLL_INTERVAL = 0.001


class ProcessClient:
    """The client of this process, and what else belongs to one process.

    It takes no lock that a soft time limit could leave taken.
    """

    def __init__(self, factory: Callable[[], TargetClient], log: Log) -> None:
        self._factory = factory
        self._log = log
        #: The first is the client; any other came too late, and is closed.
        self._made: List[TargetClient] = []
        #: The client that a thread makes just now.
        self._starting: Optional[AsyncResult[TargetClient]] = None
        self._is_late = self._is_over = False
        #: The way to the broker.  A forked child has none of the threads that hang, and counts its own.
        self.publishing = HelperThreads()

    def get(self) -> TargetClient:
        """The client: the one that is on its way, or made here.  Raises what the factory raises."""
        if self._made:
            return self._made[0]
        coming = self._starting
        return self._store(self._factory()) if coming is None else coming.get()

    def begin(self, seconds: float) -> None:
        """Have the client made, and wait for it no longer than that.  Raises what the factory raises by then."""
        if self._made:
            return
        coming = self._starting or self._start()
        coming.wait(seconds)
        if coming.ready():
            coming.get()
            return
        self._is_late = True
        self._log.warning("The client was not made within %.1f s; the first task that wants it waits for it", seconds)

    def _start(self) -> "AsyncResult[TargetClient]":
        coming: AsyncResult[TargetClient] = AsyncResult()
        self._starting = coming
        try:
            start_thread(self._make, (coming,))
        except (RuntimeError, MemoryError):  # no thread is to be had
            self._make(coming)
        return coming

    def _make(self, coming: "AsyncResult[TargetClient]") -> None:
        """What the thread does."""
        made: Optional[TargetClient] = None
        error: Optional[BaseException] = None
        try:
            made = self._store(self._factory())
        except BaseException as raised:  # noqa: BLE001 - it belongs to whoever waits
            error = raised
            if self._is_late:  # perhaps nobody does
                self._log.error("The client could not be made (%s)", type(error).__name__)
        self._starting = None  # whoever asks next makes it anew
        coming.complete(made, error)

    def _store(self, made: TargetClient) -> TargetClient:
        """The client that is kept; of two threads that made one at once one is too late."""
        self._made.append(made)
        kept = self._made[0]
        if kept is not made or self._is_over:
            made.close(0)
        return kept

    def close(self, seconds: float) -> Optional[Dict[str, int]]:
        """Let the client finish, for no longer than that; what it had counted then.  None if there is none."""
        self._is_over = True
        if not self._made:
            return None
        client = self._made[0]
        with contextlib.suppress(DeadlineExceeded):
            # Elsewhere: callbacks of calls that are dropped may take their time.
            HelperThreads().call(lambda: _finish(client, seconds * _FLUSHING), Deadline.after(seconds), lambda: None)
        return client.stats()


def _finish(client: TargetClient, seconds: float) -> None:
    """Wait until nothing is under way, calls that callbacks make included; then close."""
    deadline = Deadline.after(seconds)
    quiet = 0
    # Twice: between the queue and its worker a call is counted nowhere for a moment.
    while quiet < 2 and client.flush(_milliseconds_left(deadline)) and deadline.remaining() > 0:
        stats = client.stats()
        quiet = 0 if stats["pending"] or stats["running"] else quiet + 1
        time.sleep(_POLL_INTERVAL)
    client.close(_milliseconds_left(deadline))


def _milliseconds_left(deadline: Deadline) -> float:
    return max(0.0, deadline.remaining()) * 1000
