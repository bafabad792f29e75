"""Acts that may hang, done by a thread that nobody has to wait for.

A name look-up cannot be interrupted, and opening a connection takes locks inside
other libraries that a signal handler raising in the middle would leave taken.  So
neither happens in the thread of the caller: it hands the act over and waits on a raw
lock, which a deadline or a signal ends cleanly.

Threads are started by ``_thread.start_new_thread``, looked up when it is needed:
``threading.Thread.start`` interrupted by a signal leaves ``threading``'s own lock
taken, and gevent and eventlet replace the function.
"""

import _thread
from typing import Any, Callable, Dict, Generic, Optional, TypeVar

from target_tools.clock import Deadline
from target_tools.errors import ConnectionFailed, DeadlineExceeded

ResultT = TypeVar("ResultT")

#: How many acts may be under way at once.  Only hung ones add up to so many.
LIMIT = 128


class _Ticket(Generic[ResultT]):
    """One act, from the thread that wants it done to the one that does it and back."""

    def __init__(self, act: Callable[[], ResultT], undo: Callable[[], object]) -> None:
        self._act = act
        self._undo = undo
        self._result: Optional[ResultT] = None
        self._error: Optional[BaseException] = None
        self._finished = False
        self._abandoned = False
        self._done = _thread.allocate_lock()
        self._done.acquire()

    def serve(self, under_way: "Dict[int, _Ticket[Any]]") -> None:
        """Do the act; runs in the other thread."""
        under_way[id(self)] = self
        try:
            self._result = self._act()
        except BaseException as error:  # noqa: BLE001 - it is the caller's, and raised there
            self._error = error
        finally:
            del under_way[id(self)]
        self._finished = True
        if self._abandoned:
            self._undo()
        self._done.release()

    def wait(self, deadline: Deadline) -> ResultT:
        """The result of the act, or the exception it ended with."""
        try:
            finished = self._done.acquire(True, max(0.0, deadline.remaining()))
        except BaseException:  # a signal handler raised: the act goes on without us
            self._abandon()
            raise
        if not finished:
            self._abandon()
            raise DeadlineExceeded("no connection within {:.0f} ms".format(deadline.seconds * 1000))
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # or error, traceback and ticket would hold one another
        return self._result  # type: ignore[return-value]  # the act has returned

    def _abandon(self) -> None:
        # Either side may come second; undoing twice does no harm.
        self._abandoned = True
        if self._finished:
            self._undo()


class Handover:
    """Runs acts in threads of their own, a bounded number at once."""

    def __init__(self) -> None:
        self._under_way: Dict[int, _Ticket[Any]] = {}

    def call(self, act: Callable[[], ResultT], deadline: Deadline, undo: Callable[[], object]) -> ResultT:
        """The result of ``act``, waited for until the deadline.

        ``undo`` runs if the act ends after its caller has gone.  Where no thread may
        be started (an interpreter that shuts down, a sub-interpreter) the act runs here.
        """
        if len(self._under_way) >= LIMIT:
            raise ConnectionFailed("{} connections are being opened already".format(LIMIT))
        ticket = _Ticket(act, undo)
        try:
            _thread.start_new_thread(ticket.serve, (self._under_way,))
        except RuntimeError:
            return act()
        return ticket.wait(deadline)
