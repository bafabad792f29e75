"""A thread that takes turns: it does something, waits, and does it again.

Like the workers it is a guest: a daemon that is started late, shares no lock, is not there in a forked child, and
holds no exit up.
"""

import _thread
import os
from typing import Callable, List, Optional

from target_tools.concurrency.abort import AbortScope
from target_tools.concurrency.shutdown import EXIT_COORDINATOR
from target_tools.concurrency.threads import ThreadName, start_thread

#: The longest pause, in seconds: a month, as no platform's locks wait for ever.
MAX_INTERVAL = 2.6e6


class Poller:
    """Calls ``turn`` and waits as many seconds as it returned, until that is None or ``stop`` is called.

    ``turn`` does not raise.  It must not hold whoever holds the poller, or neither is ever collected.
    """

    def __init__(self, turn: Callable[[], Optional[float]], name: str, scope: Optional[AbortScope] = None) -> None:
        self._turn = turn
        self._name = name
        self._pid = os.getpid()
        self._bell = _thread.allocate_lock()
        self._bell.acquire()
        # Of two threads, one of which was started by somebody whom a signal handler interrupted, one takes the turns.
        self._place: List[bool] = [True]
        self._there = False
        self._busy = False
        self.stopped = False
        #: What the turns exchange with servers, by deadlines of it, ends with the polling.
        self.scope = scope or AbortScope()

    def start(self, pause: float = 0.0) -> bool:
        """Whether a thread may be had; its first turn comes after ``pause`` seconds."""
        if EXIT_COORDINATOR.begun:
            return False
        EXIT_COORDINATOR.register(self)
        try:
            start_thread(self._run, (pause,))
        except (RuntimeError, MemoryError):
            if not self._there:
                EXIT_COORDINATOR.unregister(self)
            return False
        return True

    def stop(self) -> None:
        """Let the thread end: at once if it waits, for a server too, else after its turn.

        Takes no lock: a collector may call it.
        """
        self.release_idle()

    def created_in_this_process(self) -> bool:
        """Whether it is not a parent's."""
        return self._pid == os.getpid()

    def drain(self, began: float) -> None:
        """Nothing: an exit does not wait for a turn."""

    def release_idle(self) -> None:
        """Take no further turn, and end what the turn exchanges with a server."""
        self.stopped = True
        self.scope.abort()
        try:
            self._bell.release()
        except RuntimeError:  # it was rung already
            return

    def threads(self) -> int:
        """How many threads there are."""
        return int(self._there)

    def running(self) -> int:
        """How many of them take a turn that goes on: one that was stopped is about to end."""
        return int(self._busy and not self.stopped)

    def _run(self, pause: float) -> None:
        """The life of the thread."""
        try:
            self._place.pop()
        except IndexError:
            return
        self._there = True
        EXIT_COORDINATOR.register(self)  # another start that was refused may have struck it out
        name = ThreadName(self._name)
        try:
            left: Optional[float] = pause
            while left is not None and not self._wait_for_stop(left):
                self._busy = True
                left = self._turn()
                self._busy = False
        finally:
            name.remove()
            EXIT_COORDINATOR.unregister(self)
            self._there = self._busy = False

    def _wait_for_stop(self, seconds: float) -> bool:
        """Whether it is time to leave, which is known after so many seconds at most."""
        if not self.stopped and seconds > 0:
            self._bell.acquire(True, min(seconds, MAX_INTERVAL))
        # What was forked in a turn and came back here is no poller.
        return self.stopped or not self.created_in_this_process()
