"""``client_ready``, told once, a moment after ``create`` has returned.

The examples use the name ``target_client`` inside the subscriber, so it must be bound
by then.  A thread waits that moment, and only if somebody subscribed.  A script that
ends before it comes still hears of it: the exit waits for it, no longer than
``shutdown_timeout``.
"""

import _thread
import atexit
import os
from typing import Callable

from target_tools.clock import Deadline

CLIENT_READY = "client_ready"
#: Seconds between ``create`` and the event.
CLIENT_READY_DELAY = 0.1


class ReadyNotice:
    """One telling that is due."""

    def __init__(self, tell: Callable[[], None], shutdown_timeout: float) -> None:
        self._tell = tell
        #: Seconds that an exit waits for a telling that is under way.
        self._patience = shutdown_timeout
        self._pid = os.getpid()
        self._due = Deadline.after(CLIENT_READY_DELAY)
        # Whoever pops it tells; so it is told once, by the thread or by the exit.
        self._turn = [True]
        self._cancelled = _thread.allocate_lock()
        self._cancelled.acquire()
        self._told = _thread.allocate_lock()
        self._told.acquire()

    def start(self) -> None:
        """Tell from a thread of its own, as soon as it is due."""
        if not self._turn:  # it was cancelled
            return
        try:
            _thread.start_new_thread(self._wait_and_tell, ())
        except (RuntimeError, MemoryError):  # no thread to be had: the exit tells
            self._patience = 0.0
        atexit.register(self._at_exit)

    def cancel(self) -> None:
        """Tell nobody any more: the client was closed."""
        try:
            self._turn.pop()
        except IndexError:  # it was told, or cancelled, already
            return
        atexit.unregister(self._at_exit)
        self._cancelled.release()

    def _wait_and_tell(self) -> None:
        self._cancelled.acquire(True, max(0.0, self._due.remaining()))
        self._tell_once()

    def _tell_once(self) -> None:
        try:
            self._turn.pop()
        except IndexError:
            return
        try:
            self._tell()
        finally:
            atexit.unregister(self._at_exit)
            self._told.release()

    def _at_exit(self) -> None:
        if os.getpid() != self._pid:
            return  # the parent tells
        told = self._told.acquire(True, max(0.0, self._due.remaining()) + self._patience)
        if not told:
            self._tell_once()
