"""A background thread that calls a function again and again.

Like worker threads, the thread is a daemon that starts on demand, shares no lock, does not exist in a forked
child, and does not delay the exit of the process.
"""

from typing import Callable, List, Optional

from target_tools.concurrency.abort import AbortScope
from target_tools.concurrency.latch import Latch
from target_tools.concurrency.lock_free import claim
from target_tools.concurrency.shutdown import EXIT_COORDINATOR, ExitParticipant
from target_tools.concurrency.threads import start_thread, thread_name


class Poller(ExitParticipant):
    """Calls ``poll`` repeatedly. Each call returns the seconds to wait before the next one, or None to end the thread.

    Calling ``stop`` also ends the thread.

    ``poll`` must not raise. It must not refer to the owner of the poller: the thread would keep the owner alive.
    """

    def __init__(self, poll: Callable[[], Optional[float]], name: str, scope: Optional[AbortScope] = None) -> None:
        super().__init__()
        self._poll = poll
        self._name = name
        self._stop = Latch()
        #: The first thread empties this list. A second one, started after an interrupted ``start``, then ends at once.
        self._unclaimed: List[bool] = [True]
        self._has_thread = False
        self._is_busy = False
        #: ``stop`` aborts the requests of ``poll`` whose deadline comes from this scope.
        self.scope = scope or AbortScope()

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stop.is_set()

    def start(self, delay: float = 0.0) -> bool:
        """Start the thread. Its first poll is after ``delay`` seconds. Return False if no thread can be started."""
        if EXIT_COORDINATOR.begun:
            return False
        EXIT_COORDINATOR.register(self)
        try:
            start_thread(self._run, (delay,))
        except (RuntimeError, MemoryError):
            if not self._has_thread:
                EXIT_COORDINATOR.unregister(self)
            return False
        return True

    def stop(self) -> None:
        """End the thread: at once if it waits for its next turn or for a server, otherwise when ``poll`` returns.

        Takes no lock, because the garbage collector may call it.
        """
        self._stop.set()
        self.scope.abort()

    def release_idle(self) -> None:
        self.stop()

    def threads(self) -> int:
        """Return the number of threads, 0 or 1."""
        return int(self._has_thread)

    def running(self) -> int:
        """Return how many threads are inside ``poll`` and not stopped: 0 or 1."""
        return int(self._is_busy and not self.stopped)

    def _run(self, delay: float) -> None:
        if not claim(self._unclaimed):
            return
        self._has_thread = True
        EXIT_COORDINATOR.register(self)  # a concurrent start that failed may have unregistered it
        try:
            with thread_name(self._name):
                next_delay: Optional[float] = delay
                while next_delay is not None and not self._wait_for_stop(next_delay):
                    self._is_busy = True
                    next_delay = self._poll()
                    self._is_busy = False
        finally:
            EXIT_COORDINATOR.unregister(self)
            self._has_thread = self._is_busy = False

    def _wait_for_stop(self, seconds: float) -> bool:
        """Wait for ``stop`` for ``seconds`` at most. Return whether the thread must end."""
        self._stop.wait(seconds)
        # If poll forked and the child returned here, the child must not poll.
        return self.stopped or not self.created_in_this_process()
