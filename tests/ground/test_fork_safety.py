"""A fork waits for threads that are inside OpenSSL or exiting. Threads do not enter OpenSSL during a fork."""

import _thread
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from target_tools.concurrency import fork_safety
from target_tools.concurrency.fork_safety import FORK_GUARD, MAX_WAIT, OpenSSLSection, native_thread_id
from target_tools.concurrency.helper_thread import HelperThreads
from target_tools.concurrency.threads import start_thread
from tests.support import eventually, in_a_child

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no os.fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lists the threads of a process")

#: The length of a wait that should not happen, in seconds.
LONG = 60.0


@pytest.fixture(autouse=True)
def clean_guard():
    FORK_GUARD.exiting.clear()
    yield
    FORK_GUARD.exiting.clear()
    FORK_GUARD.forking.clear()


@pytest.fixture
def long_max_wait(monkeypatch):
    """Increase MAX_WAIT, so that a wait that should not happen is noticed."""
    monkeypatch.setattr(fork_safety, "MAX_WAIT", LONG)


class SectionThread:
    """A thread that stays inside an OpenSSLSection until the ``with`` block ends, or for ``seconds``."""

    def __init__(self, seconds=LONG):
        self._inside, self._leave = threading.Event(), threading.Event()
        self._seconds = seconds
        self.finished = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        assert self._inside.wait(LONG)
        return self

    def __exit__(self, *_):
        self._leave.set()
        self._thread.join(LONG)

    def _run(self):
        with OpenSSLSection():
            self._inside.set()
            self._leave.wait(self._seconds)
            self.finished.append(True)


def child_sees(condition):
    """Fork, and return whether ``condition()`` is true in the child."""

    def act():
        assert condition()

    return in_a_child(act)


def fork_is_immediate():
    began = time.monotonic()
    return child_sees(lambda: True) and time.monotonic() - began < LONG / 2


def test_a_fork_waits_for_another_thread_in_a_section(long_max_wait):
    with SectionThread(0.1) as thread:
        assert child_sees(lambda: thread.finished)


def test_a_fork_does_not_wait_for_its_own_thread(long_max_wait):
    with OpenSSLSection():
        assert fork_is_immediate()


def test_a_fork_waits_no_longer_than_max_wait():
    with SectionThread() as thread:
        began = time.monotonic()
        assert child_sees(lambda: not thread.finished)
        assert MAX_WAIT <= time.monotonic() - began < LONG / 2


def test_a_fork_in_a_child_does_not_wait_for_threads_of_the_parent(monkeypatch):
    def fork_in_child_is_immediate():
        monkeypatch.setattr(fork_safety, "MAX_WAIT", LONG)
        return fork_is_immediate()

    with SectionThread():
        assert child_sees(fork_in_child_is_immediate)


def test_a_fork_in_a_child_ignores_sections_of_the_parent_that_no_fork_hook_removed(monkeypatch):
    def fork_in_child_is_immediate():
        FORK_GUARD.open_sections[id(section)] = fork_safety.weakref.ref(section)
        monkeypatch.setattr(fork_safety, "MAX_WAIT", LONG)
        return fork_is_immediate()

    section = OpenSSLSection()
    section._thread += 1  # as if another thread of the parent were inside
    assert section.is_in_other_thread()
    assert child_sees(fork_in_child_is_immediate)


def test_a_fork_in_a_child_waits_for_threads_of_the_child(long_max_wait):
    def fork_waits():
        with SectionThread(0.1) as thread:
            return child_sees(lambda: thread.finished)

    assert child_sees(fork_waits)


def test_a_fork_does_not_wait_for_a_section_that_was_never_unregistered(long_max_wait):
    thread = threading.Thread(target=lambda: OpenSSLSection().__enter__())
    thread.start()
    thread.join(LONG)
    gc.collect()
    assert fork_is_immediate()
    assert not FORK_GUARD.open_sections


def test_no_section_begins_during_a_fork(long_max_wait):
    entered = []

    def enter_section():
        with OpenSSLSection():
            entered.append(True)

    thread = threading.Thread(target=enter_section)
    FORK_GUARD.before_fork()
    thread.start()
    time.sleep(0.1)
    assert entered == []
    FORK_GUARD.forking.clear()
    thread.join(LONG)
    assert entered == [True]
    assert not FORK_GUARD.forking


def test_a_fork_leaves_no_entry_behind():
    assert child_sees(lambda: not FORK_GUARD.forking)
    assert not FORK_GUARD.forking


def test_a_section_waits_no_longer_than_max_wait_for_a_fork():
    FORK_GUARD.forking[native_thread_id() + 1] = time.monotonic() + LONG
    began = time.monotonic()
    with OpenSSLSection():
        assert MAX_WAIT <= time.monotonic() - began < LONG / 2


def test_a_section_does_not_wait_for_a_fork_that_exceeded_max_wait(long_max_wait):
    FORK_GUARD.forking[native_thread_id() + 1] = time.monotonic()
    began = time.monotonic()
    with OpenSSLSection():
        assert time.monotonic() - began < LONG / 2


#: Runs in a separate process, because an exception within the fork hooks of the standard library leaves some of its
#: locks locked.
INTERRUPTED_FORKS = """
    import os, random, signal, sys
    from target_tools.concurrency.fork_safety import FORK_GUARD

    class Interrupted(Exception):
        pass

    def interrupt(*_):
        raise Interrupted

    signal.signal(signal.SIGALRM, interrupt)
    sys.unraisablehook = lambda _: None
    pauses, raised = random.Random(20261123), 0
    for _ in range(500):
        try:
            signal.setitimer(signal.ITIMER_REAL, pauses.uniform(0.00005, 0.002))
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            os.waitpid(pid, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
        except Interrupted:
            raised += 1
        assert not FORK_GUARD.forking
    print(raised > 0)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")
def test_signal_handlers_that_raise_around_forks_leave_no_entry_behind(root):
    command = [sys.executable, "-c", textwrap.dedent(INTERRUPTED_FORKS)]
    done = subprocess.run(command, capture_output=True, timeout=100, check=False, text=True, cwd=str(root))
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


@on_linux
def test_a_fork_waits_for_a_thread_that_exits(long_max_wait):
    # A thread that is slow to exit is simulated by one that announces its exit too early.
    announced, finished = threading.Event(), []

    def exit_slowly():
        FORK_GUARD.announce_exit()
        announced.set()
        time.sleep(0.1)
        finished.append(True)

    thread = threading.Thread(target=exit_slowly)
    thread.start()
    assert announced.wait(LONG)
    assert child_sees(lambda: finished)
    thread.join(LONG)


@on_linux
def test_an_exiting_thread_and_a_fork_do_not_wait_for_each_other(long_max_wait):
    def leave_section_and_exit():
        with OpenSSLSection():
            inside.set()
            time.sleep(0.05)
        FORK_GUARD.announce_exit()

    inside = threading.Event()
    thread = threading.Thread(target=leave_section_and_exit)
    thread.start()
    assert inside.wait(LONG)
    assert fork_is_immediate()
    thread.join(LONG)


def test_a_fork_does_not_wait_for_a_reused_thread_id(long_max_wait, monkeypatch):
    monkeypatch.setattr(fork_safety, "EXIT_SECONDS", 0.0)
    FORK_GUARD.announce_exit()  # for the main thread, which does not exit
    assert fork_is_immediate()


def test_the_threads_of_start_thread_announce_their_exit():
    ids = []
    start_thread(lambda: ids.append(native_thread_id()))
    assert eventually(lambda: ids and ids[0] in [thread for thread, _ in list(FORK_GUARD.exiting)])


def test_a_greenlet_announces_no_exit(monkeypatch):
    # As with gevent, the function runs in the native thread of the caller.
    monkeypatch.setattr(_thread, "start_new_thread", lambda act, arguments: act(*arguments))
    ran = []
    start_thread(ran.append, (True,))
    assert ran == [True]
    assert native_thread_id() not in [thread for thread, _ in list(FORK_GUARD.exiting)]


@on_linux
@pytest.mark.parametrize("raises_error", [False, True])
def test_a_call_returns_after_its_helper_thread_has_exited(raises_error, long_max_wait, monkeypatch):
    ids, announce_exit = [], FORK_GUARD.announce_exit

    def announce_late():
        time.sleep(0.1)
        announce_exit()

    def act():
        ids.append(native_thread_id())
        if raises_error:
            raise KeyError(1)

    monkeypatch.setattr(FORK_GUARD, "announce_exit", announce_late)
    call = (act, fork_safety.Deadline.after(LONG))
    if raises_error:
        with pytest.raises(KeyError):
            HelperThreads().call(*call)
    else:
        HelperThreads().call(*call)
    assert not fork_safety.thread_exists(ids[0])
