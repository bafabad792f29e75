"""Units of work for the worker threads."""

import contextvars
import math
from functools import partial
from typing import Any, Callable, Dict, NamedTuple, Optional

from target_tools.clock import Deadline, monotonic
from target_tools.concurrency.async_result import AsyncResult
from target_tools.concurrency.latch import Latch
from target_tools.errors import OpenApiException, TargetError
from target_tools.logger import Log

Callback = Optional[Callable[[Any], object]]

#: Seconds after the deadline within which a worker ends a call by itself, on a busy machine as well.
GRACE_SECONDS = 1.0


class Task:
    """One piece of work.

    Exactly one of ``run`` and ``drop`` is called, once; neither raises, and ``result`` is ready after it.
    Take ``result`` before the task is handed to a worker.
    """

    def __init__(self) -> None:
        self.result: AsyncResult[Any] = AsyncResult()

    def run(self, inline: bool = False) -> None:
        """Do the work; ``inline`` says that no worker was available and this is the application's thread."""
        raise NotImplementedError

    def drop(self, error: Exception) -> None:
        """End it with ``error`` instead of doing it."""
        raise NotImplementedError

    def wait(self, seconds: float) -> bool:
        """Whether the work is over, within that time."""
        self.result.wait(seconds)
        return self.result.ready()

    def is_done(self) -> bool:
        """Whether the work is over."""
        return self.result.ready()


class ContextTask(Task):
    """A task that runs, or ends, in a copy of the context in which it was made."""

    def __init__(self) -> None:
        super().__init__()
        self._context = contextvars.copy_context()

    def run(self, inline: bool = False) -> None:
        self._context.run(self._run, inline)

    def drop(self, error: Exception) -> None:
        self._context.run(self._drop, error)

    def _run(self, inline: bool) -> None:
        """Do the work, as ``run``."""
        raise NotImplementedError

    def _drop(self, error: Exception) -> None:
        """End it, as ``drop``."""
        raise NotImplementedError


#: The result of each task that is over: its own would keep an error alive as long as the task.
_OVER: "AsyncResult[Any]" = AsyncResult()
_OVER.complete(None, None)


class TimeLimit(NamedTuple):
    """How long a call may wait for a worker, and take once a worker has begun it; in seconds."""

    waiting: float
    running: float
    #: Gives the value, or raises the error, of a call whose time is up; told whether a worker had begun it.
    expire: Callable[[bool], Any]


class _Outcome(NamedTuple):
    """How a call ended."""

    value: Any
    error: Optional[BaseException]


class CallbackTask(ContextTask):
    """Calls ``act`` and then one of two callbacks.

    With a ``limit`` the result is ready in time even if no worker is free, or if what a worker does
    overruns its deadline: whoever waits for the result expires the call.  Its callback then runs on the
    next free worker.
    """

    def __init__(
        self,
        act: Callable[[], Any],
        callback: Callback,
        err_callback: Callback,
        log: Log,
        limit: Optional[TimeLimit] = None,
    ) -> None:
        super().__init__()
        self._act, self._callback, self._err_callback, self._log = act, callback, err_callback, log
        self._limit = limit
        self._made_at = monotonic()
        self._begun_at: Optional[float] = None
        self._told = Latch()
        #: Runs the task in a worker that waits for it, if no other worker has begun it.
        self.help: Callable[[], object] = _nothing
        #: The first one counts: the worker's, or that of a waiter who expired the call.
        self._outcomes: Dict[None, _Outcome] = {}
        if limit is not None:
            self.result.expire_by(self._check_time)

    def wait(self, seconds: float) -> bool:
        """Whether the callback has run, within that time: of an expired call it runs after the result is ready."""
        deadline = Deadline.after(seconds)
        self.result.wait(seconds)
        if deadline.remaining() > 0 and not self.is_done():
            self.help()
        return self._told.wait(deadline.remaining())

    def is_done(self) -> bool:
        return self._told.is_open()

    def _drop(self, error: Exception) -> None:
        self._outcomes.setdefault(None, _Outcome(None, error))
        self._tell()

    def _run(self, inline: bool) -> None:
        self._begun_at = monotonic()
        limit = self._limit
        if not self._outcomes:
            is_late = limit is not None and monotonic() - self._made_at > limit.waiting
            act = partial(limit.expire, False) if limit and is_late else self._act
            self._outcomes.setdefault(None, _outcome_of(act))
        outcome = self._outcomes[None]
        self._tell()
        error = outcome.error
        is_ours = isinstance(error, (TargetError, OpenApiException))
        try:
            if error is not None and not is_ours and (inline or not isinstance(error, Exception)):
                raise error  # it ends this thread, or a signal handler of the application raised it
        finally:
            del error, outcome  # the error's traceback leads to this frame

    def _check_time(self) -> float:
        """Return the seconds after which to ask again; end the call if its time is up."""
        limit, begun_at = self._limit, self._begun_at
        # In this order, as a worker that is done replaces them in the other one.
        outcomes, result = self._outcomes, self.result
        if limit is None or outcomes or result is _OVER:
            return math.inf
        until = self._made_at + limit.waiting if begun_at is None else begun_at + limit.running + GRACE_SECONDS
        left = until - monotonic()
        if left > 0:  # a worker may begin the call while the waiter sleeps
            return left if begun_at is not None else min(left, max(limit.running, GRACE_SECONDS))
        result.complete(*outcomes.setdefault(None, _outcome_of(partial(limit.expire, begun_at is not None))))
        return math.inf

    def _tell(self) -> None:
        """Run the callback for the outcome; whatever it does, the result is ready afterwards."""
        outcome = self._outcomes[None]
        callback = self._callback if outcome.error is None else self._err_callback
        log = self._log
        try:
            if callback is not None:
                told: Any = outcome.value if outcome.error is None else outcome.error
                self.result.run_callback(partial(callback, told))
        except Exception:
            log.exception("A callback raised")
        finally:
            self.result.complete(*outcome)
            # The error's traceback leads to frames that hold the task: drop the error, and what is no longer needed.
            self.result = _OVER
            self._outcomes = {}
            self.help = _nothing
            del self._act, self._callback, self._err_callback, self._context
            self._told.open()


def _nothing() -> None:
    pass


def _outcome_of(act: Callable[[], Any]) -> _Outcome:
    """Call ``act``.  No frame of the task is in the traceback of its error: they would hold one another."""
    try:
        return _Outcome(act(), None)
    except BaseException as error:  # noqa: BLE001 - the callback or the waiter gets it, and a thread that it ends
        return _Outcome(None, error)
