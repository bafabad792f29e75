"""Acts that may hang, done by a thread that nobody has to wait for.

A name look-up cannot be interrupted, and opening a connection takes locks inside
other libraries that a signal handler raising in the middle would leave taken.  So
neither happens in the thread of the caller: it hands the act over and waits on a raw
lock, which a deadline or a signal ends cleanly.
"""

import _thread
import threading
from typing import Any, Callable, Dict, Generic, Optional, TypeVar

from target_tools.clock import Deadline, monotonic
from target_tools.concurrency.fork_safety import FORKS, kernel_id
from target_tools.concurrency.latch import Latch
from target_tools.concurrency.threads import start_thread
from target_tools.errors import ConnectionFailed, DeadlineExceeded

ResultT = TypeVar("ResultT")

#: How many acts may hang, left behind by their callers, before no more are begun.
LIMIT = 128
#: Seconds within which a thread that was started begins.
START_SECONDS = 2.0


def in_main_thread() -> bool:
    """Return whether this is the thread in which signal handlers run."""
    return _thread.get_ident() == threading.main_thread().ident


class _Ticket(Generic[ResultT]):
    """One act, from the thread that wants it done to the one that does it and back."""

    def __init__(self, act: Callable[[], ResultT], undo: Callable[[], object]) -> None:
        self._act = act
        self._undo = undo
        self._result: Optional[ResultT] = None
        self._error: Optional[BaseException] = None
        self.begun = False
        self._finished = False
        self._abandoned = False
        self._made_at = monotonic()
        #: Who does the act.
        self._thread = 0
        self._done = Latch()

    def serve(self, left: "Dict[int, _Ticket[Any]]") -> None:
        """Do the act; runs in the other thread."""
        self.begun = True
        self._thread = kernel_id()
        try:
            self._result = self._act()
        except BaseException as error:  # noqa: BLE001 - it is the caller's, and raised there
            self._error = error
        self._finished = True
        left.pop(id(self), None)
        if self._abandoned:
            self._error = None  # its traceback holds this frame
            self._undo()
        self._done.open()

    def wait(self, deadline: Deadline, sees_off: bool) -> ResultT:
        """The result of the act, or the exception it ended with."""
        if not self._done.wait(deadline.remaining()):
            raise DeadlineExceeded(f"no answer within {deadline.seconds * 1000:.0f} ms")
        if sees_off:
            FORKS.see_off(self._thread)
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # or error, traceback and ticket would hold one another
        return self._result  # type: ignore[return-value]  # the act has returned

    def never_began(self) -> bool:
        """Return whether no thread will do the act any more."""
        return not self.begun and monotonic() - self._made_at > START_SECONDS

    def abandon(self, left: "Dict[int, _Ticket[Any]]") -> None:
        """Nobody waits any more: the act goes on, and is undone when it is through."""
        # Either side may come second; undoing twice does no harm.
        left[id(self)] = self
        self._abandoned = True
        if self._finished:
            left.pop(id(self), None)
            self._undo()


class Handover:
    """Runs acts in threads of their own, and no more while too many hang."""

    def __init__(self, may_wait_here: Callable[[], bool] = lambda: False) -> None:
        self._may_wait_here = may_wait_here
        #: Acts that go on although nobody waits for them any more.
        self._left: Dict[int, _Ticket[Any]] = {}

    def abandoned(self) -> int:
        """Return how many acts go on although nobody waits for them."""
        self._discard_unbegun()
        return len(self._left)

    def call(
        self, act: Callable[[], ResultT], deadline: Deadline, undo: Callable[[], object], sees_off: bool = False
    ) -> ResultT:
        """The result of ``act``, waited for until the deadline.

        ``undo`` runs if the act ends after its caller has gone.  A worker of ours, whom no
        signal handler interrupts and for whom nobody waits, acts itself.  Where no thread may
        be started (an interpreter that shuts down, a sub-interpreter, a uWSGI that will fork) the act runs here.

        ``sees_off`` is for acts that use TLS: the thread is gone when the result is there, as a fork
        that comes while it leaves OpenSSL would spoil the child.
        """
        if self._may_wait_here():
            return act()
        if len(self._left) >= LIMIT:
            self._discard_unbegun()
        if len(self._left) >= LIMIT:
            raise ConnectionFailed("{} attempts to connect hang already".format(LIMIT), "refused")
        ticket = _Ticket(act, undo)
        try:
            if self._started(ticket):
                return ticket.wait(deadline, sees_off)
        except BaseException:  # the act failed, the time is up, or a signal handler raised
            ticket.abandon(self._left)
            raise
        return act()

    def _discard_unbegun(self) -> None:
        """Discard the acts whose thread never began: an exception of a signal handler kept it from being started."""
        for key, ticket in list(self._left.items()):
            if ticket.never_began():
                self._left.pop(key, None)

    def _started(self, ticket: "_Ticket[ResultT]") -> bool:
        """Whether a thread serves ``ticket``; none may be had."""
        try:
            start_thread(ticket.serve, (self._left,))
        except (RuntimeError, MemoryError):
            return False
        return True
