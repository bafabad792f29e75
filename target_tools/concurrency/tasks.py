"""Units of work for worker threads, and their results.

A result has the methods of ``multiprocessing.pool.AsyncResult``, which 1.1.0 returned, and can also be awaited.
"""

import _thread
import contextlib
import contextvars
import math
import os
from collections import deque
from functools import partial
from types import CoroutineType
from typing import Any, Callable, Deque, Dict, Generator, Generic, List, NamedTuple, Optional, Tuple, TypeVar

from target_tools.clock import Deadline, monotonic
from target_tools.concurrency.event_loops import running_loop, wake_ups
from target_tools.concurrency.latch import Latch
from target_tools.concurrency.threads import start_thread
from target_tools.errors import CallLost, OpenApiException, OptionError, TargetError
from target_tools.logger import Log

ResultT = TypeVar("ResultT")
Callback = Optional[Callable[[Any], object]]

#: Seconds after the deadline of a call within which its worker should end it, even on a busy machine.
GRACE_SECONDS = 1.0


def noop() -> None:
    """Do nothing."""


def _never() -> float:
    return math.inf


class AsyncResult(Generic[ResultT]):
    """The value or the error of one call. It is ready once the callback has returned or the call's time is up."""

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
            wake = partial(wake_ups(loop).add, loop, future)
            self._wake_ups.append(wake)
            timers: List[Any] = []
            self._check_time_on(loop, timers)
            if self._done.is_set() and not future.done():
                future.set_result(None)
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
        """Call ``hook`` in each thread that is about to wait, because only that thread may be able to run the call."""
        self._before_waiting = hook

    def expire_by(self, check: Callable[[], float]) -> None:
        """Let waiting threads end the call when its time is up.

        ``check`` completes the result if the time is up. Otherwise it returns the seconds until the next check.
        """
        self._check_time = check

    def run_callback(self, callback: Callable[[], object]) -> object:
        """Call ``callback`` and return what it returns. The callback must not wait for this result."""
        self._callback_thread = _thread.get_ident()
        try:
            return callback()
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


#: Replaces the result of a task that is done. The task's own result would keep an error alive as long as the task.
_DONE: "AsyncResult[Any]" = AsyncResult()
_DONE.complete(None, None)


class TimeLimit(NamedTuple):
    """The seconds that a call may wait for a worker and the seconds that it may take after that."""

    waiting: float
    running: float
    #: Returns the value or raises the error of a call whose time is up. The argument is whether a worker has begun it.
    expire: Callable[[bool], Any]


#: How a call ended: its value and its error.
_Outcome = Tuple[Any, Optional[BaseException]]


class CallbackTask:
    """A unit of work: calls a function and then one of two callbacks, in the context in which the task was created.

    The pool calls either ``run`` or ``drop``, exactly once; ``result`` is ready afterwards. ``drop`` does not raise
    the error of the call, and ``run`` does so only in the cases that its docstring describes. Read ``result`` before
    you submit the task.

    With a ``limit``, the result is ready in time even if no worker is free or if the function overruns its
    deadline: threads that wait for the result expire the call. Its callback then runs on the next free worker.

    ``observe`` gets the value and the error of the outcome before the callback does.
    """

    def __init__(  # noqa: PLR0917 - the parts of a call
        self,
        function: Callable[[], Any],
        callback: Callback,
        err_callback: Callback,
        log: Log,
        limit: Optional[TimeLimit] = None,
        observe: Optional[Callable[[Any, Optional[BaseException]], object]] = None,
    ) -> None:
        self._result: Optional[AsyncResult[Any]] = None
        self._context = contextvars.copy_context()
        self._function, self._callback, self._err_callback, self._log = function, callback, err_callback, log
        self._limit = limit
        self._observe = observe
        self._created_at = monotonic()
        self._begun_at: Optional[float] = None
        self._callback_done = Latch()
        #: Runs the task in the current thread, if that is a worker that waits for it and no other worker has begun it.
        self.run_while_waiting: Callable[[], object] = noop
        #: Holds the first outcome: the worker's, or that of a waiting thread that expired the call.
        self._outcomes: Dict[None, _Outcome] = {}
        if limit is not None:
            self.result.expire_by(self._check_time)

    @property
    def result(self) -> "AsyncResult[Any]":
        """The result. It is created when it is first read, because no thread waits for that of a notification."""
        if self._result is None:
            self._result = AsyncResult()
        return self._result

    def run(self, inline: bool = False) -> None:
        """Do the work.

        ``inline`` is True in the application's own thread, if no worker thread was available. In that case an error
        that is not the SDK's is raised, because a signal handler of the application may have raised it. Anywhere
        else, only an error that is not an ``Exception`` is raised, such as ``SystemExit``.
        """
        self._context.run(self._run, inline)

    def drop(self, error: Exception) -> None:
        """End the task with ``error`` without running it."""
        self._outcomes.setdefault(None, (None, error))
        self._context.run(self._run_callback)

    def wait(self, seconds: float) -> bool:
        """Wait until the task was dropped or its callback has returned. Return False on timeout.

        If the call expired, its callback runs after its result is ready.
        """
        deadline = Deadline.after(seconds)
        if self._result is not None:
            self._result.wait(seconds)
        if deadline.remaining() > 0 and not self.is_done():
            self.run_while_waiting()
        return self._callback_done.wait(deadline.remaining())

    def is_done(self) -> bool:
        """Return whether the task was dropped or its callback has returned."""
        return self._callback_done.is_set()

    def _run(self, inline: bool) -> None:
        self._begun_at = monotonic()
        limit = self._limit
        if not self._outcomes:
            is_late = limit is not None and monotonic() - self._created_at > limit.waiting
            function = partial(limit.expire, False) if limit and is_late else self._function
            self._outcomes.setdefault(None, _outcome_of(function))
        _, error = self._outcomes[None]
        self._run_callback()
        is_ours = isinstance(error, (TargetError, OpenApiException))
        try:
            if error is not None and not is_ours and (inline or not isinstance(error, Exception)):
                raise error  # it ends this thread, or was raised by a signal handler of the application
        finally:
            del error  # its traceback refers to this frame

    def _check_time(self) -> float:
        """Return the seconds until the next check. If the time of the call is up, end it and return infinity."""
        limit, begun_at = self._limit, self._begun_at
        # Read these in this order, because a worker that ends the call replaces them in the opposite order.
        outcomes, result = self._outcomes, self._result
        if limit is None or outcomes or result is None or result is _DONE:
            return math.inf
        expires_at = self._created_at + limit.waiting if begun_at is None else begun_at + limit.running + GRACE_SECONDS
        remaining = expires_at - monotonic()
        if remaining > 0:  # a worker may begin the call before the next check
            return remaining if begun_at is not None else min(remaining, max(limit.running, GRACE_SECONDS))
        result.complete(*outcomes.setdefault(None, _outcome_of(partial(limit.expire, begun_at is not None))))
        return math.inf

    def _run_callback(self) -> None:
        """Pass the outcome to its callback. The result is ready afterwards, even if the callback raises."""
        value, error = self._outcomes[None]
        callback = self._callback if error is None else self._err_callback
        try:
            if self._observe is not None:
                self._observe(value, error)
            if callback is not None:
                argument: Any = value if error is None else error
                returned = self.result.run_callback(partial(callback, argument))
                if type(returned) is CoroutineType:
                    returned.close()  # otherwise Python warns that it was never awaited
                    self._log.error("A callback returned a coroutine, which was not run; start it on an event loop")
        except Exception:  # noqa: BLE001 - it is logged; the callback belongs to the application
            self._log.exception("A callback raised")
        finally:
            if self._result is not None:
                self._result.complete(value, error)
            # The error's traceback refers to frames that hold the task, so drop the error and other attributes.
            self._result = _DONE
            self._outcomes = {}
            self.run_while_waiting = noop
            del self._function, self._callback, self._err_callback, self._context, self._observe
            self._callback_done.set()


def _outcome_of(function: Callable[[], Any]) -> _Outcome:
    """Call ``function``. The traceback of its error has no frame of the task, because that would create a cycle."""
    try:
        return function(), None
    except BaseException as error:  # noqa: BLE001 - the callback or the waiting thread gets it
        return None, error


def call_in_thread(function: Callable[[], ResultT]) -> "AsyncResult[ResultT]":
    """Call ``function`` in a new thread, in a copy of the current context, and return its result.

    If no thread can be started, call it in the current one.
    """
    result: AsyncResult[ResultT] = AsyncResult()
    context = contextvars.copy_context()

    def run() -> None:
        result.complete(*context.run(_outcome_of, function))

    try:
        start_thread(run)
    except (RuntimeError, MemoryError):
        run()
    return result
