"""Emits ``client_ready`` once, shortly after ``create`` has returned.

Adobe's examples use the variable ``target_client`` inside the subscriber, so ``create`` must have returned by then. If
the event has a subscriber, a thread waits for ``CLIENT_READY_DELAY`` and emits the event.

* If the script ends before the event, the exit waits for the event, and then up to ``shutdown_timeout`` for its
  subscribers.
* A process that is forked before the event emits the event after its own first call.
* If no thread can be started, the first call after the delay emits the event. Without such a call, the exit does.
"""

import atexit
import os
from typing import Callable, List, Optional

from target_python_sdk.events import CLIENT_READY_DELAY
from target_tools.clock import Deadline
from target_tools.concurrency.latch import Latch
from target_tools.concurrency.lock_free import claim
from target_tools.concurrency.threads import is_about_to_fork, start_thread


class ReadyEvent:
    """One ``client_ready`` event.

    In a forked child, ``unclaimed`` is shared by the inherited object and the one that ``for_this_process`` made.
    """

    def __init__(
        self, emit: Callable[[], None], shutdown_timeout: float, unclaimed: Optional[List[bool]] = None
    ) -> None:
        self._emit = emit
        #: Seconds that the exit waits for a running subscriber.
        self._exit_wait = self._shutdown_timeout = shutdown_timeout
        self._pid = os.getpid()
        self._due = Deadline.after(CLIENT_READY_DELAY)
        #: Emptied by the thread that emits, so that the event is emitted once.
        self._unclaimed = [True] if unclaimed is None else unclaimed
        self._has_no_thread = False
        self._cancelled = Latch()
        self._emitted = Latch()

    def start(self) -> None:
        """Start the thread that emits the event."""
        if not self._unclaimed:  # it was cancelled
            return
        try:
            start_thread(self._wait_and_emit)
        except (RuntimeError, MemoryError):
            self._exit_wait = 0.0
            self._has_no_thread = True
        atexit.register(self._at_exit)

    def was_inherited(self) -> bool:
        """Return whether this process was forked before the event. The thread that emits it is in the parent only."""
        return bool(self._unclaimed) and self._pid != os.getpid()

    def for_this_process(self) -> "ReadyEvent":
        """Return the same event for this process. ``start`` starts its thread."""
        return ReadyEvent(self._emit, self._shutdown_timeout, self._unclaimed)

    def emit_if_overdue(self) -> None:
        """Emit the event in this thread if it is due and no thread could be started for it."""
        if self._has_no_thread and self._unclaimed and self._due.remaining() <= 0:
            self._emit_once()

    def cancel(self) -> None:
        """Do not emit the event, because the client was closed."""
        if claim(self._unclaimed):
            atexit.unregister(self._at_exit)
            self._cancelled.set()

    def _wait_and_emit(self) -> None:
        self._cancelled.wait(self._due.remaining())
        self._emit_once()

    def _emit_once(self) -> None:
        try:
            if claim(self._unclaimed):
                self._emit()
        finally:
            atexit.unregister(self._at_exit)
            self._emitted.set()

    def _at_exit(self) -> None:
        if os.getpid() != self._pid or is_about_to_fork():
            return  # the parent process emits the event, or the workers of uWSGI do
        if not self._emitted.wait(max(0.0, self._due.remaining()) + self._exit_wait):
            self._emit_once()
