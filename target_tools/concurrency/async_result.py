"""What a call with a callback returns: the answer that will be there.

The methods are those of ``multiprocessing.pool.AsyncResult``, which 1.1.0 returned, and
it can be awaited.  Waiting takes one raw lock per waiter and nothing else: an exception
that a signal handler raises in ``get()`` leaves nothing taken, where ``threading.Event``
would raise a foreign error or stay locked for ever.
"""

import _thread
import math
import os
from collections import deque
from typing import Any, Callable, Deque, Generator, Generic, List, Optional, Tuple, TypeVar

from target_tools.clock import Deadline
from target_tools.concurrency.event_loops import running_loop
from target_tools.concurrency.waiting import acquire
from target_tools.errors import CallLost, OptionError

ResultT = TypeVar("ResultT")


class AsyncResult(Generic[ResultT]):
    """The answer of one call, once its callback has run."""

    def __init__(self) -> None:
        self._value: Optional[ResultT] = None
        self._error: Optional[BaseException] = None
        self._ready = False
        self._pid = os.getpid()
        #: The thread that runs the callback just now.
        self._callback_thread: Optional[int] = None
        #: What to do when the answer is there: release a waiter's lock, wake an event loop.
        self._watchers: Deque[Callable[[], object]] = deque()
        self._before_waiting: Callable[[], object] = _nothing
        self._check_time: Callable[[], float] = _never

    def get(self, timeout: Optional[float] = None) -> ResultT:
        """The answer, or the error the call ended with, raised.

        Waits ``timeout`` seconds, or as long as it takes; then raises
        ``multiprocessing.TimeoutError``.
        """
        self.wait(timeout)
        if not self._ready:
            from multiprocessing import TimeoutError as NotReady  # noqa: PLC0415 - seldom wanted

            raise NotReady
        if self._error is not None:
            try:
                raise self._error
            finally:
                del self  # or error, traceback and result would hold one another
        return self._value  # type: ignore[return-value]  # a call without an error has an answer

    def wait(self, timeout: Optional[float] = None) -> None:
        """Come back when the answer is there, or after ``timeout`` seconds."""
        if self.ready():
            return
        self._check_not_in_own_callback()
        deadline = None if timeout is None else Deadline.after(timeout)
        if deadline is None or deadline.remaining() > 0:
            self._before_waiting()
        waiter = _thread.allocate_lock()
        waiter.acquire()
        self._watchers.append(waiter.release)
        try:
            while not self._ready:
                expires_in = self._check_time()
                left = math.inf if deadline is None else deadline.remaining()
                if self._ready or left <= 0:
                    break
                seconds = min(expires_in, left)
                acquire(waiter, None if seconds == math.inf else Deadline.after(seconds))
        finally:
            self._remove_watcher(waiter.release)

    def ready(self) -> bool:
        """Whether the answer is there."""
        if not self._ready and self._pid != os.getpid():
            # The worker that would have answered was not forked along; the parent's answers there.
            self._error = CallLost("this process was forked while the call was under way")
            self._before_waiting, self._check_time = _nothing, _never
            self._ready = True
        return self._ready

    def successful(self) -> bool:
        """Whether the call ended without an error; raises ``ValueError`` while it has not ended."""
        if not self.ready():
            raise ValueError("{!r} not ready".format(self))
        return self._error is None

    def __await__(self) -> Generator[Any, None, ResultT]:
        if not self.ready():
            self._check_not_in_own_callback()
            self._before_waiting()
        if not self.ready():
            loop = running_loop()
            arrived = loop.create_future()

            def wake() -> None:
                loop.call_soon_threadsafe(_complete_future, arrived)

            self._watchers.append(wake)
            timers: List[Any] = []
            self._watch_time(loop, timers)
            if self._ready:
                _complete_future(arrived)
            try:
                yield from arrived
            finally:  # a cancelled wait leaves the call and the client as they are
                self._remove_watcher(wake)
                for timer in timers:
                    timer.cancel()
        try:
            return self.get()
        finally:
            del self  # or error, traceback and result would hold one another

    def __reduce__(self) -> Tuple[Any, ...]:
        """An answer that is there can be pickled; one that is not belongs to this process."""
        if not self.ready():
            raise TypeError("an AsyncResult that is not ready cannot be pickled")
        return _result_of, (self._value, self._error)

    # For whoever does the work

    def before_wait(self, hook: Callable[[], object]) -> None:
        """Do ``hook`` in a thread that is about to wait: it may be the one that is needed."""
        self._before_waiting = hook

    def expire_by(self, check: Callable[[], float]) -> None:
        """Let waiters end the call in time.

        ``check`` completes the result if the time of the call is up; otherwise it returns the seconds
        after which to call it again.
        """
        self._check_time = check

    def run_callback(self, callback: Callable[[], object]) -> None:
        """Run ``callback``, which may not wait for this result."""
        self._callback_thread = _thread.get_ident()
        try:
            callback()
        finally:
            self._callback_thread = None

    def complete(self, value: Optional[ResultT], error: Optional[BaseException]) -> None:
        """The answer is there; wake everybody who waits for it.  The first answer stays."""
        if not self._ready:
            self._value, self._error = value, error
        self._ready = True
        self._before_waiting, self._check_time = _nothing, _never
        while self._watchers:
            try:
                watcher = self._watchers.popleft()
            except IndexError:  # it was forgotten just now
                return
            try:
                watcher()
            except RuntimeError:  # an event loop that was closed, a lock that nobody holds
                continue

    def _watch_time(self, loop: Any, timers: List[Any]) -> None:
        """Check the time of the call on ``loop``, again and again; ``timers`` holds what to cancel at the end."""
        expires_in = self._check_time()
        if not self._ready and expires_in != math.inf:
            timers[:] = [loop.call_later(max(0.001, expires_in), self._watch_time, loop, timers)]

    def _check_not_in_own_callback(self) -> None:
        if self._callback_thread == _thread.get_ident():
            raise OptionError("a callback cannot wait for the result that it is told")

    def _remove_watcher(self, watcher: Callable[[], object]) -> None:
        try:
            self._watchers.remove(watcher)
        except ValueError:  # it was told
            return


def _result_of(value: Any, error: Optional[BaseException]) -> "AsyncResult[Any]":
    result: AsyncResult[Any] = AsyncResult()
    result.complete(value, error)
    return result


def _complete_future(arrived: Any) -> None:
    if not arrived.done():
        arrived.set_result(None)


def _nothing() -> None:
    pass


def _never() -> float:
    return math.inf
