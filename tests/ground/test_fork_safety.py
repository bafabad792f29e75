"""What a fork waits for, a thread in the middle of OpenSSL or of its own end; and what waits for a fork."""

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

from target_tools.concurrency import fork_safety as forks
from target_tools.concurrency.fork_safety import FORK_GUARD, MAX_WAIT, OpenSSLSection, native_thread_id
from target_tools.concurrency.helper_thread import HelperThreads
from target_tools.concurrency.threads import start_thread
from tests.support import eventually, in_a_child

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no os.fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux shows which threads are there")

#: Seconds that nobody waits by mistake.
LONG = 10.0


@pytest.fixture(autouse=True)
def nothing_left():
    FORK_GUARD.exiting.clear()
    yield
    FORK_GUARD.exiting.clear()
    FORK_GUARD.forking.clear()


@pytest.fixture
def patient(monkeypatch):
    monkeypatch.setattr(forks, "MAX_WAIT", LONG)


class Crosser:
    """A thread that crosses until it is told to stop, or so many seconds after it has begun."""

    def __init__(self, seconds=LONG):
        self._inside, self._go_on = threading.Event(), threading.Event()
        self._seconds = seconds
        self.over = []
        self._thread = threading.Thread(target=self._cross)

    def __enter__(self):
        self._thread.start()
        assert self._inside.wait(LONG)
        return self

    def __exit__(self, *_):
        self._go_on.set()
        self._thread.join(LONG)

    def _cross(self):
        with OpenSSLSection():
            self._inside.set()
            self._go_on.wait(self._seconds)
            self.over.append(True)


def child_sees(question):
    """What ``question`` answers in a child that is forked now."""

    def act():
        assert question()

    return in_a_child(act)


def child_comes_at_once():
    began = time.monotonic()
    return child_sees(lambda: True) and time.monotonic() - began < LONG / 2


def test_a_fork_waits_for_another_thread_that_crosses(patient):
    with Crosser(0.1) as crosser:
        assert child_sees(lambda: crosser.over)


def test_it_does_not_wait_for_itself(patient):
    with OpenSSLSection():
        assert child_comes_at_once()


def test_it_does_not_wait_for_ever():
    with Crosser() as crosser:
        began = time.monotonic()
        assert child_sees(lambda: not crosser.over)
        assert MAX_WAIT <= time.monotonic() - began < LONG / 2


def test_a_child_does_not_wait_for_threads_of_its_parents(monkeypatch):
    def has_a_child_at_once():
        monkeypatch.setattr(forks, "MAX_WAIT", LONG)
        return child_comes_at_once()

    with Crosser():
        assert child_sees(has_a_child_at_once)


def test_nor_where_no_hook_has_told_it_that_they_are_not_there(monkeypatch):
    def has_a_child_at_once():
        FORK_GUARD.open_sections[id(crossing)] = forks.weakref.ref(crossing)
        monkeypatch.setattr(forks, "MAX_WAIT", LONG)
        return child_comes_at_once()

    crossing = OpenSSLSection()
    crossing._thread += 1
    assert crossing.is_in_other_thread()
    assert child_sees(has_a_child_at_once)


def test_a_child_waits_for_threads_of_its_own(patient):
    def waits():
        with Crosser(0.1) as crosser:
            return child_sees(lambda: crosser.over)

    assert child_sees(waits)


def test_what_a_signal_handler_kept_from_being_taken_out_is_not_waited_for(patient):
    thread = threading.Thread(target=lambda: OpenSSLSection().__enter__())
    thread.start()
    thread.join(LONG)
    gc.collect()
    assert child_comes_at_once()
    assert not FORK_GUARD.open_sections


def test_nobody_begins_to_cross_during_a_fork(patient):
    crossed = []

    def cross():
        with OpenSSLSection():
            crossed.append(True)

    thread = threading.Thread(target=cross)
    FORK_GUARD.before_fork()
    thread.start()
    time.sleep(0.1)
    assert crossed == []
    FORK_GUARD.forking.clear()
    thread.join(LONG)
    assert crossed == [True]
    assert not FORK_GUARD.forking


def test_after_a_fork_nothing_of_it_is_left():
    assert child_sees(lambda: not FORK_GUARD.forking)
    assert not FORK_GUARD.forking


def test_a_fork_holds_nobody_up_for_ever():
    FORK_GUARD.forking[native_thread_id() + 1] = time.monotonic() + LONG
    began = time.monotonic()
    with OpenSSLSection():
        assert MAX_WAIT <= time.monotonic() - began < LONG / 2


def test_one_that_never_ended_holds_up_nobody_after_its_time(patient):
    FORK_GUARD.forking[native_thread_id() + 1] = time.monotonic()
    began = time.monotonic()
    with OpenSSLSection():
        assert time.monotonic() - began < LONG / 2


#: In a process of its own: such handlers leave locks of the standard library taken, whose hooks they interrupt.
INTERRUPTED = """
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
def test_signal_handlers_that_raise_around_forks_leave_nothing_behind(root):
    command = [sys.executable, "-c", textwrap.dedent(INTERRUPTED)]
    done = subprocess.run(command, capture_output=True, timeout=100, check=False, text=True, cwd=str(root))
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


@on_linux
def test_a_fork_waits_for_a_thread_that_ends(patient):
    # One that says too early that it has nothing left to do stands for one that is slow to end.
    said, over = threading.Event(), []

    def end_slowly():
        FORK_GUARD.announce_exit()
        said.set()
        time.sleep(0.1)
        over.append(True)

    thread = threading.Thread(target=end_slowly)
    thread.start()
    assert said.wait(LONG)
    assert child_sees(lambda: over)
    thread.join(LONG)


@on_linux
def test_a_thread_that_ends_and_a_fork_do_not_wait_for_one_another(patient):
    def cross_and_end():
        with OpenSSLSection():
            inside.set()
            time.sleep(0.05)
        FORK_GUARD.announce_exit()

    inside = threading.Event()
    thread = threading.Thread(target=cross_and_end)
    thread.start()
    assert inside.wait(LONG)
    assert child_comes_at_once()
    thread.join(LONG)


def test_an_id_that_another_thread_has_got_meanwhile_is_not_waited_for(patient, monkeypatch):
    monkeypatch.setattr(forks, "EXIT_SECONDS", 0.0)
    FORK_GUARD.announce_exit()  # of the main thread, which goes on
    assert child_comes_at_once()


def test_every_thread_of_ours_says_that_it_ends():
    ids = []
    start_thread(lambda: ids.append(native_thread_id()))
    assert eventually(lambda: ids and ids[0] in [thread for thread, _ in list(FORK_GUARD.exiting)])


def test_a_greenlet_says_nothing_as_its_thread_goes_on(monkeypatch):
    monkeypatch.setattr(_thread, "start_new_thread", lambda act, arguments: act(*arguments))
    ran = []
    start_thread(ran.append, (True,))
    assert ran == [True]
    assert native_thread_id() not in [thread for thread, _ in list(FORK_GUARD.exiting)]


@on_linux
@pytest.mark.parametrize("fails", [False, True])
def test_whoever_sees_a_thread_off_comes_back_when_it_is_gone(fails, patient, monkeypatch):
    ids, end = [], FORK_GUARD.announce_exit

    def slowly():
        time.sleep(0.1)
        end()

    def act():
        ids.append(native_thread_id())
        if fails:
            raise KeyError(1)

    monkeypatch.setattr(FORK_GUARD, "announce_exit", slowly)
    call = (act, forks.Deadline.after(LONG), lambda: None)
    if fails:
        with pytest.raises(KeyError):
            HelperThreads().call(*call, wait_for_thread_exit=True)
    else:
        HelperThreads().call(*call, wait_for_thread_exit=True)
    assert not forks.thread_exists(ids[0])
