"""Lets another thread abort the requests of a background thread, so that closing a client does not wait for them."""

import contextlib
import os
import socket
from typing import Dict

from target_tools.clock import Deadline, monotonic
from target_tools.concurrency.latch import Latch

#: Longest time in seconds until a wait notices that its scope was aborted.
ABORT_STEP = 0.05


class AbortScope:
    """The requests of one background thread, which another thread can abort together.

    The scope keeps a second file descriptor of each socket and shuts that down, which wakes the thread
    that reads from the first one. Only the code that takes a descriptor out of the table closes it: the
    number of a closed descriptor may already belong to another file.

    A name lookup continues in its own thread, but the wait for it ends. Requests of a ``pool_manager`` that the
    application supplied cannot be aborted. They end with their deadline.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._handles: Dict[int, socket.socket] = {}
        #: Whether the scope was aborted. No request begins after that.
        self.aborted = False

    def deadline(self, seconds: float) -> "AbortableDeadline":
        """Return a deadline in ``seconds``, which passes at once when the scope is aborted."""
        deadline = AbortableDeadline(monotonic() + seconds, seconds)
        deadline.scope = self
        return deadline

    def track_socket(self, key: int, sock: socket.socket) -> None:
        """Let ``abort`` shut ``sock`` down. Each ``key`` has one socket at a time."""
        self.untrack_socket(key)
        try:
            self._handles[key] = socket.fromfd(sock.fileno(), sock.family, sock.type)
        except OSError:  # no free file descriptor; the request cannot be aborted
            return
        if self.aborted:
            self.abort()

    def untrack_socket(self, key: int) -> None:
        """Forget the socket of ``key``, because its request is complete."""
        handle = self._handles.pop(key, None)
        if handle is not None:
            handle.close()

    def abort(self) -> None:
        """Abort the current requests and prevent further ones.

        Takes no lock, because the garbage collector may call it.
        """
        if self._pid != os.getpid():
            return  # the parent process still uses the sockets
        self.aborted = True
        while self._handles:
            with contextlib.suppress(KeyError, OSError):
                _, handle = self._handles.popitem()
                with contextlib.closing(handle):
                    handle.shutdown(socket.SHUT_RDWR)


class AbortableDeadline(Deadline):
    """A deadline that passes early when its scope is aborted."""

    scope: AbortScope

    def remaining(self) -> float:
        """Return the seconds left; negative if the scope was aborted."""
        return -1.0 if self.scope.aborted else super().remaining()

    def at_most(self, seconds: float) -> Deadline:
        """Return this deadline, or one in ``seconds`` if that is earlier. Aborting the scope ends both."""
        return self if self.remaining() <= seconds else self.scope.deadline(seconds)


def wait_or_abort(latch: Latch, seconds: float, deadline: Deadline) -> bool:
    """Wait until ``latch`` is set, for ``seconds`` at most. Return whether it is set.

    If ``deadline`` belongs to a scope, the wait ends at most ``ABORT_STEP`` after the scope is aborted.
    """
    if not isinstance(deadline, AbortableDeadline):
        return latch.wait(seconds)
    limit = deadline.at_most(seconds)
    while not latch.is_set() and (remaining := limit.remaining()) > 0:
        latch.wait(min(remaining, ABORT_STEP))
    return latch.is_set()
