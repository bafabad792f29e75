"""Finishes calls in progress when the process exits, and lets idle threads end."""

import atexit
import os
import sys
import time
import weakref
from typing import Dict

from target_tools.clock import Deadline, monotonic
from target_tools.concurrency.threads import STARTING_THREADS

#: Seconds for which the exit waits for idle and starting threads to end.
IDLE_EXIT_SECONDS = 0.5


class ExitParticipant:
    """A set of threads that the exit of the process waits for."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    def created_in_this_process(self) -> bool:
        """Return whether the threads belong to this process, not to the parent of a fork."""
        return self._pid == os.getpid()

    def drain(self, exit_began: float) -> None:
        """Finish pending work within the time allowed after ``exit_began``. By default, do nothing."""

    def release_idle(self) -> None:
        """Wake all idle threads so that they end."""
        raise NotImplementedError

    def threads(self) -> int:
        """Return the number of threads."""
        raise NotImplementedError

    def running(self) -> int:
        """Return the number of tasks in progress."""
        raise NotImplementedError


class _ExitCoordinator:
    """Drains all participants when the process exits."""

    def __init__(self) -> None:
        #: Whether the exit has begun. No thread is started after that.
        self.begun = False
        self._subscribed = False
        self._participants: Dict[int, weakref.ref[ExitParticipant]] = {}
        # Finalizers stop workers and close connections, so they must run after our exit handler. ``weakref`` registers
        # its exit handler with the first finalizer, and exit handlers run in reverse order: create a finalizer first.
        weakref.finalize(self, int)
        atexit.register(self._drain_all)

    def register(self, participant: ExitParticipant) -> None:
        """Wait for ``participant`` at exit, if it still exists then."""
        self._participants[id(participant)] = weakref.ref(participant)
        self._subscribe_to_mod_wsgi()

    def unregister(self, participant: ExitParticipant) -> None:
        """Do not wait for ``participant``."""
        self._participants.pop(id(participant), None)

    def _subscribe_to_mod_wsgi(self) -> None:
        """In a sub-interpreter of mod_wsgi, drain when mod_wsgi announces its shutdown, and not in ``atexit``.

        mod_wsgi deletes the states of all threads before exit handlers run there. Waking a thread after that,
        or waiting for one, ends in a segmentation fault.
        """
        mod_wsgi = sys.modules.get("mod_wsgi")
        if self._subscribed or not getattr(mod_wsgi, "application_group", ""):
            return
        self._subscribed = True
        subscribe = getattr(mod_wsgi, "subscribe_shutdown", None)
        if subscribe is not None:
            atexit.unregister(self._drain_all)
            subscribe(lambda *_, **__: self._drain_all())

    def _drain_all(self) -> None:
        """Drain all participants. All their timeouts begin now."""
        self.begun = True
        began = monotonic()
        for reference in list(self._participants.values()):
            participant = reference()
            if participant is not None:
                participant.drain(began)
        self._wait_for_idle_threads()

    def _wait_for_idle_threads(self) -> None:
        """Wait a moment for idle threads and for starting threads.

        A sub-interpreter that ends with a thread in it aborts the process. A thread that first runs after the end of
        the interpreter is worse: see ``STARTING_THREADS``.
        """
        existing = [reference() for reference in list(self._participants.values())]
        participants = [each for each in existing if each is not None and each.created_in_this_process()]
        for participant in participants:
            participant.release_idle()
        deadline = Deadline.after(IDLE_EXIT_SECONDS)
        waited = False
        while (
            STARTING_THREADS.count() or any(each.threads() > each.running() for each in participants)
        ) and deadline.remaining() > 0:
            time.sleep(0.001)
            waited = True
        if waited:
            time.sleep(0.005)  # a thread that is no longer counted has not left the interpreter yet


EXIT_COORDINATOR = _ExitCoordinator()
