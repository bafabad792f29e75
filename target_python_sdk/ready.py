"""``client_ready``, told once, a moment after ``create`` has returned.

The examples use the name ``target_client`` inside the subscriber, so it must be bound
by then.  A thread waits that moment, and only if somebody subscribed.  A script that
ends before it comes still hears of it: the exit waits for it, no longer than
``shutdown_timeout``.  A process that is forked before it comes hears of it when it
first uses the client.  Where no thread is to be had the first call after that moment
tells.
"""

import atexit
import os
from typing import Callable, List, Optional

from target_tools.clock import Deadline
from target_tools.concurrency.latch import Latch
from target_tools.concurrency.threads import is_about_to_fork, start_thread

CLIENT_READY = "client_ready"
#: Seconds between ``create`` and the event.
CLIENT_READY_DELAY = 0.1


class ReadyNotice:
    """One telling that is due."""

    def __init__(self, tell: Callable[[], None], shutdown_timeout: float, turn: Optional[List[bool]] = None) -> None:
        self._tell = tell
        #: Seconds that an exit waits for a telling that is under way.
        self._patience = self._shutdown_timeout = shutdown_timeout
        self._pid = os.getpid()
        self._due = Deadline.after(CLIENT_READY_DELAY)
        # Whoever pops it tells; so it is told once, by the thread or by the exit.
        self._turn = [True] if turn is None else turn
        self._is_stranded = False
        self._cancelled = Latch()
        self._told = Latch()

    def start(self) -> None:
        """Tell from a thread of its own, as soon as it is due."""
        if not self._turn:  # it was cancelled
            return
        try:
            start_thread(self._wait_and_tell)
        except (RuntimeError, MemoryError):  # no thread to be had: a call tells, or the exit
            self._patience = 0.0
            self._is_stranded = True
        atexit.register(self._at_exit)

    def is_of_a_parent(self) -> bool:
        """Whether it was due when this process was forked: whoever tells it was not forked along."""
        return bool(self._turn) and self._pid != os.getpid()

    def of_this_process(self) -> "ReadyNotice":
        """The same telling, for the process that asks."""
        return ReadyNotice(self._tell, self._shutdown_timeout, self._turn)

    def tell_if_stranded(self) -> None:
        """Tell here and now what is due and has no thread."""
        if self._is_stranded and self._turn and self._due.remaining() <= 0:
            self._tell_once()

    def cancel(self) -> None:
        """Tell nobody any more: the client was closed."""
        if not self._takes_the_turn():
            return
        atexit.unregister(self._at_exit)
        self._cancelled.set()

    def _wait_and_tell(self) -> None:
        self._cancelled.wait(self._due.remaining())
        self._tell_once()

    def _tell_once(self) -> None:
        try:
            if self._takes_the_turn():
                self._tell()
        finally:
            atexit.unregister(self._at_exit)
            self._told.set()

    def _takes_the_turn(self) -> bool:
        """Whether nobody else tells, or has told."""
        try:
            return self._turn.pop()
        except IndexError:
            return False

    def _at_exit(self) -> None:
        if os.getpid() != self._pid or is_about_to_fork():
            return  # the parent tells; the workers do
        if not self._told.wait(max(0.0, self._due.remaining()) + self._patience):
            self._tell_once()
