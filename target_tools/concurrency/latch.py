"""An event that opens once, safe when a signal handler raises in a thread that waits for it."""

import _thread
import contextlib
from collections import deque
from typing import Deque

from target_tools.clock import Deadline
from target_tools.concurrency.waiting import acquire


class Latch:
    """Closed until :meth:`open` is called; any number of threads can wait for that.

    Each waiter blocks on a raw lock of its own.  An exception that a signal handler raises in
    ``wait`` leaves nothing locked, whereas ``threading.Event`` can stay locked or raise a foreign
    ``RuntimeError``.
    """

    def __init__(self) -> None:
        self._is_open = False
        self._waiters: Deque[_thread.LockType] = deque()

    def is_open(self) -> bool:
        """Return whether ``open`` was called."""
        return self._is_open

    def open(self) -> None:
        """Wake all waiters, now and in future."""
        self._is_open = True
        while self._waiters:
            try:
                self._waiters.popleft().release()
            except (IndexError, RuntimeError):  # a waiter gave up in the meantime
                continue

    def wait(self, seconds: float) -> bool:
        """Wait until the latch is open, at most that long, and return whether it is."""
        if self._is_open or seconds <= 0:
            return self._is_open
        lock = _thread.allocate_lock()
        lock.acquire()
        self._waiters.append(lock)
        try:
            if not self._is_open:
                acquire(lock, Deadline.after(seconds))
        finally:
            with contextlib.suppress(ValueError):
                self._waiters.remove(lock)
        return self._is_open
