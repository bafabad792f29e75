"""Runs functions that may hang, each in a helper thread, which the caller can abandon.

A name lookup cannot be interrupted. Opening a connection takes locks inside other libraries,
and a signal handler that raises while they are held leaves them locked. Therefore the calling thread
does neither: it passes the function to a helper thread and waits on a latch. A deadline or a signal
ends this wait cleanly.
"""

import contextvars
from typing import Any, Callable, Dict, Generic, Optional, TypeVar

from target_tools.clock import Deadline, monotonic
from target_tools.concurrency.fork_safety import FORK_GUARD, native_thread_id
from target_tools.concurrency.latch import Latch
from target_tools.concurrency.threads import start_thread
from target_tools.errors import ConnectionFailed, DeadlineExceeded

ResultT = TypeVar("ResultT")

#: Maximum number of abandoned jobs. While this many are running, no further job begins.
MAX_ABANDONED = 128
#: Seconds after which an abandoned job that has not begun is assumed to have no thread.
START_SECONDS = 2.0


class _Job(Generic[ResultT]):
    """One function, its result, and the state that the caller and the helper thread share."""

    def __init__(self, function: Callable[[], ResultT], undo: Callable[[], object]) -> None:
        self._function = function
        self._context = contextvars.copy_context()
        self._undo = undo
        self._result: Optional[ResultT] = None
        self._error: Optional[BaseException] = None
        self._begun = False
        self._finished = False
        self._abandoned = False
        self._created_at = monotonic()
        #: The native id of the helper thread, 0 before it begins.
        self._thread = 0
        self._done = Latch()

    def run(self, abandoned_jobs: "Dict[int, _Job[Any]]") -> None:
        """Call the function. Runs in the helper thread."""
        self._begun = True
        self._thread = native_thread_id()
        try:
            self._result = self._context.run(self._function)
        except BaseException as error:  # noqa: BLE001 - raised in the caller
            self._error = error
        self._finished = True
        abandoned_jobs.pop(id(self), None)
        if self._abandoned:
            self._error = None  # its traceback refers to this frame
            self._undo()
        self._done.set()

    def result(self, deadline: Deadline) -> ResultT:
        """Wait for the result of the function, or raise its exception.

        Before that, wait until the thread has exited. A thread that has used TLS holds an OpenSSL lock for a moment
        when it exits, and a fork at that moment would leave the child with a locked lock.
        """
        if not self._done.wait(deadline.remaining()):
            raise DeadlineExceeded(f"no answer within {deadline.seconds * 1000:.0f} ms")
        FORK_GUARD.wait_for_exit(self._thread)
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # breaks the cycle of error, traceback and job
        return self._result  # type: ignore[return-value]  # the function has returned

    def never_began(self) -> bool:
        """Return whether the thread of the job failed to start."""
        return not self._begun and monotonic() - self._created_at > START_SECONDS

    def abandon(self, abandoned_jobs: "Dict[int, _Job[Any]]") -> None:
        """Stop waiting. The function continues, and is undone when it returns."""
        # Both threads may undo the function, which does no harm.
        abandoned_jobs[id(self)] = self
        self._abandoned = True
        if self._finished:
            abandoned_jobs.pop(id(self), None)
            self._undo()


class HelperThreads:
    """Runs each function in a new thread, unless too many abandoned functions are still running."""

    def __init__(self) -> None:
        self._abandoned_jobs: Dict[int, _Job[Any]] = {}

    def abandoned(self) -> int:
        """Return the number of functions that still run although no caller waits for them."""
        for key, job in list(self._abandoned_jobs.items()):
            if job.never_began():  # a signal handler raised during its start
                self._abandoned_jobs.pop(key, None)
        return len(self._abandoned_jobs)

    def call(
        self, function: Callable[[], ResultT], deadline: Deadline, undo: Callable[[], object] = lambda: None
    ) -> ResultT:
        """Return the result of ``function``, or raise ``DeadlineExceeded``.

        The function runs in a copy of the caller's context. If it returns after its caller has stopped waiting,
        ``undo`` is called. If no thread can be started (at interpreter shutdown, in a sub-interpreter, in a uWSGI
        process before it forks), the function runs in the current thread.
        """
        if self.abandoned() >= MAX_ABANDONED:
            raise ConnectionFailed(f"{MAX_ABANDONED} abandoned attempts to connect are still running", "refused")
        job = _Job(function, undo)
        try:
            if self._start(job):
                return job.result(deadline)
        except BaseException:  # the function raised, the deadline passed, or a signal handler raised
            job.abandon(self._abandoned_jobs)
            raise
        return function()

    def _start(self, job: "_Job[ResultT]") -> bool:
        """Return whether a thread was started for ``job``."""
        try:
            start_thread(job.run, (self._abandoned_jobs,))
        except (RuntimeError, MemoryError):
            return False
        return True
