"""Guards against forking while another thread holds an OpenSSL lock.

OpenSSL uses process-wide locks. A thread takes them briefly while it creates a TLS
context, during a handshake, on its first send, and when it exits. If another thread forks
at that moment, the child inherits a locked lock that no thread will ever release, and the
child's next use of TLS hangs.

Two measures prevent this:

* A call that waited for a TLS handshake returns only after the thread that made the
  handshake has exited.
* A fork hook makes ``os.fork`` wait until no background thread is inside an
  :class:`OpenSSLSection` or exiting. Conversely, these threads wait until a fork is over.

Both waits are short and bounded. uWSGI does not run Python's fork hooks by default, so the
SDK starts no threads in a uWSGI process that is about to fork; see
:mod:`target_tools.concurrency.threads`.

Two cases are not covered. Reads are not guarded, because a server can delay them for any
time; a thread that reads has already released the locks of its first send. Requests through
a ``pool_manager`` that the application supplied are not guarded either.

An exception that a signal handler raises inside the fork hook is printed and discarded by
Python, as in any fork hook.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import weakref
from collections import deque
from typing import Callable, Deque, Dict, Tuple

from target_tools.clock import Deadline, monotonic

#: Longest wait, in seconds. A server that does not answer the handshake must not delay a fork.
MAX_WAIT = 0.05
#: Seconds between two checks while waiting.
POLL_INTERVAL = 0.0001
#: Seconds after which an exiting thread is assumed to be gone, because the kernel may reuse its id.
EXIT_SECONDS = 1.0
#: Number of exiting threads to keep track of.
MAX_EXITING = 64


def native_thread_id() -> int:
    """Return the kernel's id of the current thread, or 0 if the platform has none.

    All greenlets of a thread share its id.
    """
    return _thread.get_native_id() if hasattr(_thread, "get_native_id") else 0


class OpenSSLSection:
    """Context manager for code that may hold an OpenSSL lock.

    A fork by another thread waits until the block ends, and the block does not begin while
    another thread is forking.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._thread = native_thread_id()

    def __enter__(self) -> None:
        FORK_GUARD.enter(self._register, self._unregister)

    def __exit__(self, *_: object) -> None:
        self._unregister()

    def is_in_other_thread(self) -> bool:
        """Return whether another thread of this process is in the section.

        Sections inherited from a parent process do not count: their threads do not exist here.
        """
        return self._process == os.getpid() and self._thread != native_thread_id()

    def _register(self) -> None:
        FORK_GUARD.open_sections[id(self)] = weakref.ref(self)

    def _unregister(self) -> None:
        FORK_GUARD.open_sections.pop(id(self), None)


class _ForkGuard:
    """Tracks the threads that a fork waits for, and the threads that are forking."""

    def __init__(self) -> None:
        #: Weak references, because a signal handler that raises can prevent a section from unregistering.
        self.open_sections: Dict[int, weakref.ref[OpenSSLSection]] = {}
        #: Threads that are about to exit, and when each announced it.
        self.exiting: Deque[Tuple[int, float]] = deque(maxlen=MAX_EXITING)
        #: Threads that are forking, and when each stops waiting at the latest.
        self.forking: Dict[int, float] = {}
        if hasattr(os, "register_at_fork"):
            # The methods ``clear`` are C functions: Python runs no signal handler inside one, so none is interrupted.
            os.register_at_fork(before=self.before_fork, after_in_parent=self.forking.clear)
            for inherited in (self.forking, self.open_sections, self.exiting):
                os.register_at_fork(after_in_child=inherited.clear)  # the parent's other threads do not exist here

    def enter(self, register: Callable[[], object], unregister: Callable[[], object]) -> None:
        """Call ``register`` as soon as no other thread is forking."""
        # Register first, then check. If a thread and a fork arrive together, at least one of them sees the other.
        register()
        if not self.forking:
            return
        deadline = Deadline.after(MAX_WAIT)
        while self._other_thread_forks() and deadline.remaining() > 0:
            unregister()
            _wait_while(self._other_thread_forks, deadline)
            register()

    def announce_exit(self) -> None:
        """Announce that the current thread is about to exit, and wait until it may."""
        entry = (native_thread_id(), monotonic())

        def unregister() -> None:
            with contextlib.suppress(ValueError):  # newer entries have pushed it out
                self.exiting.remove(entry)

        self.enter(lambda: self.exiting.append(entry), unregister)

    def wait_for_exit(self, thread: int) -> None:
        """Wait until ``thread`` has exited, for ``MAX_WAIT`` seconds at most."""
        if thread != native_thread_id():
            _wait_while(lambda: thread_exists(thread), Deadline.after(MAX_WAIT))

    def before_fork(self) -> None:
        """Wait, at most ``MAX_WAIT`` seconds, until no other thread could leave a locked OpenSSL lock to the child."""
        deadline = Deadline.after(MAX_WAIT)
        self.forking[native_thread_id()] = deadline.at
        _wait_while(lambda: self._any_thread_exits() or self._any_section_open(), deadline)

    def _other_thread_forks(self) -> bool:
        current, now = native_thread_id(), monotonic()
        return any(thread != current and now < latest for thread, latest in list(self.forking.items()))

    def _any_thread_exits(self) -> bool:
        oldest = monotonic() - EXIT_SECONDS
        return any(announced > oldest and thread_exists(thread) for thread, announced in list(self.exiting))

    def _any_section_open(self) -> bool:
        for key, reference in list(self.open_sections.items()):
            section = reference()
            if section is None:
                self.open_sections.pop(key, None)
            elif section.is_in_other_thread():
                return True
        return False


def _wait_while(condition: Callable[[], bool], deadline: Deadline) -> None:
    # Wait on a lock that is never released, because time.sleep may be gevent's even if threads are not patched.
    lock = _thread.allocate_lock()
    lock.acquire()
    while condition() and deadline.remaining() > 0:
        lock.acquire(True, POLL_INTERVAL)


def thread_exists(thread: int) -> bool:
    """Return whether the kernel still has this thread. Always False except on Linux."""
    return os.path.exists(f"/proc/self/task/{thread}")


FORK_GUARD = _ForkGuard()
