"""The result of a call with a callback or of an awaited call.

The methods are those of ``multiprocessing.pool.AsyncResult``, which 1.1.0 returned; the result can also be awaited.
"""

import _thread
import contextlib
import math
import os
from collections import deque
from typing import Any, Callable, Deque, Generator, Generic, List, Optional, Tuple, TypeVar

from target_tools.clock import Deadline
from target_tools.concurrency.event_loops import running_loop
from target_tools.concurrency.latch import Latch
from target_tools.errors import CallLost, OptionError

ResultT = TypeVar("ResultT")


def noop() -> None:
    """Do nothing."""


def _never() -> float:
    return math.inf


class AsyncResult(Generic[ResultT]):
    """The value or the error of one call. It is ready once the callback of the call has returned."""

    def __init__(self) -> None:
        self._value: Optional[ResultT] = None
        self._error: Optional[BaseException] = None
        self._done = Latch()
        self._pid = os.getpid()
        #: The thread that is running the callback.
        self._callback_thread: Optional[int] = None
        #: Functions that wake the event loops of coroutines that await the result.
        self._wake_ups: Deque[Callable[[], object]] = deque()
        self._before_waiting: Callable[[], object] = noop
        self._check_time: Callable[[], float] = _never

    def get(self, timeout: Optional[float] = None) -> ResultT:
        """Return the value of the call, or raise its error.

        Raises ``multiprocessing.TimeoutError`` if the call has not ended after ``timeout`` seconds.
        """
        self.wait(timeout)
        if not self._done.is_set():
            from multiprocessing import TimeoutError as NotReady  # noqa: PLC0415 - rarely needed

            raise NotReady
        if self._error is not None:
            try:
                raise self._error
            finally:
                del self  # breaks the cycle of error, traceback and result
        return self._value  # type: ignore[return-value]  # a call without an error has a value

    def wait(self, timeout: Optional[float] = None) -> None:
        """Wait until the call has ended, for ``timeout`` seconds at most."""
        if self.ready():
            return
        self._check_not_in_own_callback()
        deadline = Deadline.after(math.inf if timeout is None else timeout)
        if deadline.remaining() > 0:
            self._before_waiting()
        while not self._done.is_set():
            expires_in = self._check_time()
            remaining = deadline.remaining()
            if remaining <= 0:
                return
            self._done.wait(min(expires_in, remaining))

    def ready(self) -> bool:
        """Return whether the call has ended."""
        if not self._done.is_set() and self._pid != os.getpid():
            # The worker of the call exists in the parent process only, and so do the event loops that wait.
            self._error = CallLost("this process was forked while the call was in progress")
            self._before_waiting, self._check_time = noop, _never
            self._done.set()
        return self._done.is_set()

    def successful(self) -> bool:
        """Return whether the call ended without an error. Raises ``ValueError`` if it has not ended."""
        if not self.ready():
            raise ValueError(f"{self!r} not ready")
        return self._error is None

    def __await__(self) -> Generator[Any, None, ResultT]:
        if not self.ready():
            self._check_not_in_own_callback()
            self._before_waiting()
        if not self.ready():
            loop = running_loop()
            future = loop.create_future()

            def wake() -> None:
                loop.call_soon_threadsafe(_complete_future, future)

            self._wake_ups.append(wake)
            timers: List[Any] = []
            self._check_time_on(loop, timers)
            if self._done.is_set():
                _complete_future(future)
            try:
                yield from future
            finally:  # the await may have been cancelled; the call continues
                with contextlib.suppress(ValueError):
                    self._wake_ups.remove(wake)
                for timer in timers:
                    timer.cancel()
        try:
            return self.get()
        finally:
            del self  # breaks the cycle of error, traceback and result

    def __reduce__(self) -> Tuple[Any, ...]:
        if not self.ready():
            raise TypeError("an AsyncResult that is not ready cannot be pickled")
        return _ready_result, (self._value, self._error)

    # For the code that runs the call

    def before_wait(self, hook: Callable[[], object]) -> None:
        """Call ``hook`` in each thread that is about to wait: that thread may be the one that has to run the call."""
        self._before_waiting = hook

    def expire_by(self, check: Callable[[], float]) -> None:
        """Let waiting threads end the call when its time is up.

        ``check`` completes the result if the time is up. Otherwise it returns the seconds until the next check.
        """
        self._check_time = check

    def run_callback(self, callback: Callable[[], object]) -> None:
        """Call ``callback``. It must not wait for this result."""
        self._callback_thread = _thread.get_ident()
        try:
            callback()
        finally:
            self._callback_thread = None

    def complete(self, value: Optional[ResultT], error: Optional[BaseException]) -> None:
        """Set the outcome of the call and wake all waiters. Only the first outcome counts."""
        if not self._done.is_set():
            self._value, self._error = value, error
        self._done.set()
        self._before_waiting, self._check_time = noop, _never
        while self._wake_ups:
            try:
                self._wake_ups.popleft()()
            except (IndexError, RuntimeError):  # removed in the meantime, or its event loop is closed
                continue

    def _check_time_on(self, loop: Any, timers: List[Any]) -> None:
        """Check the time of the call on ``loop`` repeatedly. ``timers`` holds the timer to cancel at the end."""
        expires_in = self._check_time()
        if not self._done.is_set() and expires_in != math.inf:
            timers[:] = [loop.call_later(max(0.001, expires_in), self._check_time_on, loop, timers)]

    def _check_not_in_own_callback(self) -> None:
        if self._callback_thread == _thread.get_ident():
            raise OptionError("a callback cannot wait for the result of its own call")


def _ready_result(value: Any, error: Optional[BaseException]) -> "AsyncResult[Any]":
    result: AsyncResult[Any] = AsyncResult()
    result.complete(value, error)
    return result


def _complete_future(future: Any) -> None:
    if not future.done():
        future.set_result(None)
