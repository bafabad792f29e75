"""Threads that are guests in somebody's process: how they begin, what they are called, and where there are none.

They are started by ``_thread.start_new_thread``, looked up when it is needed:
``threading.Thread.start`` interrupted by a signal leaves ``threading``'s own lock
taken, and gevent and eventlet replace the function.
"""

import _thread
import os
import sys
import threading
from typing import Any, Callable, Dict, Tuple

from target_tools.concurrency.fork_safety import FORK_GUARD, native_thread_id


def start_thread(act: Callable[..., object], arguments: Tuple[Any, ...] = ()) -> None:
    """Let ``act`` run in a thread of its own.  Raises ``RuntimeError`` or ``MemoryError`` where none is to be had."""
    if is_about_to_fork():
        raise RuntimeError("uWSGI is about to fork this process: a thread is not to be in its way")
    _thread.start_new_thread(_run, (native_thread_id(), act, arguments))


def _run(starter: int, act: Callable[..., object], arguments: Tuple[Any, ...]) -> None:
    """The life of a thread, or of a greenlet, which is no other thread than its starter."""
    try:
        _install_trace_functions()
        act(*arguments)
    finally:
        if native_thread_id() != starter:
            FORK_GUARD.announce_exit()


def _install_trace_functions() -> None:
    """Install what ``threading.settrace`` and ``threading.setprofile`` were given, as ``threading.Thread`` does.

    Debuggers, profilers and coverage rely on these functions to follow code into new threads.
    """
    if sys.version_info >= (3, 10):
        trace, profile = threading.gettrace(), threading.getprofile()
    else:  # The public functions are missing there; 3.8 and 3.9 keep the values in these private names.
        trace, profile = getattr(threading, "_trace_hook", None), getattr(threading, "_profile_hook", None)
    if trace is not None:
        sys.settrace(trace)
    if profile is not None:
        sys.setprofile(profile)


def is_about_to_fork() -> bool:
    """Whether this process is one from which uWSGI makes its workers.

    Unless it is told to call Python's fork hooks it forks without the interpreter lock.  If a
    thread happens to have that, the worker is born with a lock that nobody ever gives back, and
    hangs for ever.  So there must be no thread in a master, and before its workers are there.
    """
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is None:
        return False
    try:
        worker, master, processes = uwsgi.worker_id(), uwsgi.masterpid(), uwsgi.numproc
    except AttributeError:  # something else of that name
        return False
    if master == 0:
        return bool(worker == 0 and processes > 1)
    return bool(master == os.getpid())


class ThreadName:
    """A thread's name for debuggers and log lines, as long as the thread lives.

    ``threading`` keeps an entry for each thread that asks who it is, and for one that
    it did not start itself it keeps it for ever; so it is taken out at the end.
    """

    def __init__(self, name: str) -> None:
        self._me = _thread.get_ident()
        # Asking takes threading's lock, which a fork without hooks, or on Python 3.8 a signal in the middle of
        # Thread.start, has left taken for ever.  Then the thread has no name.
        lock = getattr(threading, "_active_limbo_lock", None)
        if lock is not None and lock.acquire(True, 0.1):
            lock.release()
            threading.current_thread().name = name

    def remove(self) -> None:
        """Take the entry out."""
        active: Dict[int, object] = getattr(threading, "_active", {})
        active.pop(self._me, None)
