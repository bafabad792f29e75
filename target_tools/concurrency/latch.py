"""An event that is set once, safe against signal handlers that raise.

Python runs signal handlers in the main thread, between two bytecode instructions, and a handler may raise:
Celery's soft time limits do. Two problems follow for a thread that waits:

* ``threading.Event`` guards its waiters with a lock. A handler that raises while the lock is held leaves it
  locked, or makes the ``with`` block raise an unrelated ``RuntimeError``. So a latch has no shared lock: each
  waiter blocks on its own raw lock, and the list of waiters is changed by atomic operations.
* A signal ends a blocking ``acquire`` only if it arrives in the main thread during the wait. A signal that
  arrives a moment earlier, or in another thread, has no effect until the wait is over: on a busy machine a soft
  time limit was delayed by the ten seconds of a call's timeout. So the main thread waits in short steps.

In ``target_tools``, a thread that waits for another one waits on a latch. The exceptions are ``fork_safety`` and
``shutdown``, which poll, and ``threads.thread_name``, which waits for a lock of ``threading``.
"""

import _thread
import math
from typing import List

from target_tools.clock import monotonic
from target_tools.concurrency.threads import in_main_thread

#: Longest step of a wait in the main thread, in seconds. A signal handler is delayed by this much at most.
MAIN_THREAD_STEP = 0.05
#: Longest step in other threads, in seconds: about a month. Windows limits a timeout to 49 days.
STEP = 2.6e6


class Latch:
    """An event like ``threading.Event`` that cannot be cleared."""

    def __init__(self) -> None:
        self._is_set = False
        self._waiters: List[_thread.LockType] = []

    def is_set(self) -> bool:
        """Return whether ``set`` was called."""
        return self._is_set

    def set(self) -> None:
        """Wake all current and future waiters. Takes no lock, so a finalizer may call it.

        If a signal handler interrupts the call, a second call wakes the waiters that are left.
        """
        self._is_set = True
        for lock in self._waiters.copy():  # each waiter removes its own lock
            try:
                lock.release()
            except RuntimeError:  # it was released before
                continue

    def wait(self, seconds: float = math.inf) -> bool:
        """Wait until the latch is set, for ``seconds`` at most. Return whether it is set."""
        if self._is_set or seconds <= 0:
            return self._is_set
        expires_at = monotonic() + seconds
        step = MAIN_THREAD_STEP if in_main_thread() else STEP
        lock = _thread.allocate_lock()
        lock.acquire()
        self._waiters.append(lock)
        try:
            while not self._is_set and (remaining := expires_at - monotonic()) > 0:
                lock.acquire(True, min(remaining, step))
        finally:
            self._waiters.remove(lock)
        return self._is_set
