"""Starts the SDK's threads in a way that is safe inside an application's process.

Threads are started with ``_thread.start_new_thread``, because a signal handler that interrupts
``threading.Thread.start`` can leave a lock of ``threading`` locked. The function is looked up at each start, because
gevent and eventlet replace it.
"""

import _thread
import contextlib
import os
import sys
import threading
from typing import Any, Callable, Dict, Iterator, Tuple

from target_tools.concurrency.fork_safety import FORK_GUARD, native_thread_id


def in_main_thread() -> bool:
    """Return whether this is the thread in which signal handlers run."""
    return _thread.get_ident() == threading.main_thread().ident


class _StartingThreads:
    """The threads that were started and have not run yet. The exit of the process waits for them.

    If a thread first runs after the interpreter has been finalized, the process can crash: Python 3.9 and 3.11 did.
    """

    def __init__(self) -> None:
        #: The process that started each thread. A forked child inherits the entries of its parent.
        self._processes: Dict[object, int] = {}

    def add(self, key: object) -> None:
        """Count a thread that is about to be started in this process."""
        self._processes[key] = os.getpid()

    def remove(self, key: object) -> None:
        """Forget a thread: it runs, or it could not be started."""
        self._processes.pop(key, None)

    def count(self) -> int:
        """Return the number of these threads in this process."""
        pid = os.getpid()
        return sum(process == pid for process in list(self._processes.values()))


STARTING_THREADS = _StartingThreads()


def start_thread(function: Callable[..., object], arguments: Tuple[Any, ...] = ()) -> None:
    """Call ``function`` in a new thread. Raises ``RuntimeError`` or ``MemoryError`` if none can be started."""
    if is_about_to_fork():
        raise RuntimeError("uWSGI is about to fork this process; no thread may run in it")
    key = object()
    try:
        STARTING_THREADS.add(key)
        _thread.start_new_thread(_run, (key, native_thread_id(), function, arguments))
    except BaseException:  # also an exception of a signal handler
        STARTING_THREADS.remove(key)
        raise


def _run(key: object, starter: int, function: Callable[..., object], arguments: Tuple[Any, ...]) -> None:
    STARTING_THREADS.remove(key)
    try:
        _install_trace_functions()
        function(*arguments)
    finally:
        if native_thread_id() != starter:  # a greenlet runs in the thread that started it, which does not exit
            FORK_GUARD.announce_exit()


def _install_trace_functions() -> None:
    """Install the functions passed to ``threading.settrace`` and ``threading.setprofile``, as ``threading`` does.

    Debuggers, profilers and coverage rely on these functions to follow code into new threads. CPython refuses a
    function while another thread installs one; then this thread continues without it.
    """
    if sys.version_info >= (3, 10):
        trace, profile = threading.gettrace(), threading.getprofile()
    else:  # Python 3.8 and 3.9 lack these public functions, and keep the values in private names.
        trace, profile = getattr(threading, "_trace_hook", None), getattr(threading, "_profile_hook", None)
    with contextlib.suppress(RuntimeError):
        if trace is not None:
            sys.settrace(trace)
        if profile is not None:
            sys.setprofile(profile)


def is_about_to_fork() -> bool:
    """Return whether uWSGI will fork its workers from this process.

    By default uWSGI does not call Python's fork hooks, and forks without holding the interpreter lock. If another
    thread holds that lock at the moment of the fork, the worker inherits it locked and hangs. So no thread may run
    in the master process, nor in any process before its workers are forked.
    """
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is None:
        return False
    try:
        worker, master, processes = uwsgi.worker_id(), uwsgi.masterpid(), uwsgi.numproc
    except AttributeError:  # an unrelated module of that name
        return False
    if master == 0:
        return bool(worker == 0 and processes > 1)
    return bool(master == os.getpid())


@contextlib.contextmanager
def thread_name(name: str) -> Iterator[None]:
    """Name the current thread for debuggers and log lines during the block.

    ``threading`` creates an entry for each thread that calls ``current_thread``. For threads that it did not
    start, the entry is never removed, so this removes it at the end.
    """
    # current_thread() takes a lock of threading. After a fork without hooks, or on Python 3.8 after a signal
    # inside Thread.start, that lock may stay locked forever. Then the thread gets no name.
    lock = getattr(threading, "_active_limbo_lock", None)
    if lock is not None and lock.acquire(True, 0.1):
        lock.release()
        threading.current_thread().name = name
    try:
        yield
    finally:
        active: Dict[int, object] = getattr(threading, "_active", {})
        active.pop(_thread.get_ident(), None)
