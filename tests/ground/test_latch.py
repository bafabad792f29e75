"""Any number of threads can wait for a latch, even if a signal handler raises in one of them."""

import signal
import threading
import time
import types
from pathlib import Path

import pytest

from target_tools.clock import Deadline
from target_tools.concurrency import latch as latch_module
from target_tools.concurrency.helper_thread import HelperThreads
from target_tools.concurrency.latch import Latch
from target_tools.concurrency.tasks import AsyncResult
from tests.support import LONG, eventually, interrupt

WAIT = LONG / 1000
CONCURRENCY = Path(latch_module.__file__).parent


def test_a_latch_is_not_set_until_set_is_called():
    latch = Latch()
    assert not latch.is_set()
    assert latch.wait(0.01) is False
    latch.set()
    assert latch.is_set()
    assert latch.wait(WAIT) is True


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_wait_without_time_returns_at_once(seconds):
    latch = Latch()
    assert latch.wait(seconds) is False
    latch.set()
    assert latch.wait(seconds) is True


@pytest.mark.parametrize("seconds", [0.01, 0.12])
def test_a_wait_times_out_at_its_deadline(seconds):
    deadline = Deadline.after(seconds)
    assert Latch().wait(seconds) is False
    assert deadline.remaining() <= 0


@pytest.mark.parametrize("arguments", [(), (WAIT,)], ids=["no timeout", "timeout"])
def test_the_main_thread_is_woken(arguments):
    latch = Latch()
    threading.Timer(0.12, latch.set).start()
    assert latch.wait(*arguments)


def test_all_waiters_are_woken():
    latch, results = Latch(), []
    threads = [threading.Thread(target=lambda: results.append(latch.wait(WAIT))) for _ in range(20)]
    for thread in threads:
        thread.start()
    assert eventually(lambda: len(latch._waiters) == 20)
    latch.set()
    for thread in threads:
        thread.join(WAIT)
    assert results == [True] * 20
    assert not latch._waiters


def test_a_latch_may_be_set_twice():
    latch = Latch()
    latch.set()
    latch.set()
    assert latch.wait(0)


def test_a_second_set_wakes_the_waiters_that_an_interrupted_set_left():
    """Raise at each instruction of ``set``. A waiter must wake after the second call, whatever the first one did."""
    instruction, is_interrupted = 0, True
    while is_interrupted:
        latch, results = Latch(), []
        threads = [
            threading.Thread(target=lambda latch=latch, results=results: results.append(latch.wait())) for _ in "ab"
        ]
        for thread in threads:
            thread.daemon = True
            thread.start()
        assert eventually(lambda latch=latch: len(latch._waiters) == 2)
        is_interrupted = interrupt(latch.set, instruction, CONCURRENCY)
        latch.set()
        assert eventually(lambda results=results: results == [True, True]), instruction
        instruction += 1
    assert instruction > 15


def replace_lock(monkeypatch, acquire):
    """Replace the raw locks of latches with locks that call ``acquire(seconds)`` instead of waiting."""

    class Lock:
        def acquire(self, blocking=True, seconds=-1):
            return acquire(seconds) if seconds != -1 else True

        def release(self):
            pass

    monkeypatch.setattr(latch_module, "_thread", types.SimpleNamespace(allocate_lock=Lock))


@pytest.mark.parametrize("is_set", [False, True])
def test_an_exception_in_a_wait_leaves_no_waiter_behind(is_set, monkeypatch):
    class Signal(BaseException):
        pass

    latch = Latch()

    def raise_signal(seconds):
        if is_set:
            latch.set()
        raise Signal

    with monkeypatch.context() as patch:
        replace_lock(patch, raise_signal)
        with pytest.raises(Signal):
            latch.wait(WAIT)
    assert not latch._waiters
    latch.set()
    assert latch.wait(WAIT)


def test_a_waiter_that_gave_up_does_not_prevent_others_from_waking():
    latch, results = Latch(), []
    assert latch.wait(0.01) is False
    thread = threading.Thread(target=lambda: results.append(latch.wait(WAIT)))
    thread.start()
    assert eventually(lambda: latch._waiters)
    latch.set()
    thread.join(WAIT)
    assert results == [True]


def test_a_set_between_the_check_and_the_wait_is_not_missed(monkeypatch):
    latch = Latch()

    class Waiters(type(latch._waiters)):
        def append(self, lock):
            latch._is_set = True  # set after the waiter has checked and before it is on the list
            super().append(lock)

    latch._waiters = Waiters()
    replace_lock(monkeypatch, lambda seconds: pytest.fail("waited for a latch that is set"))
    assert latch.wait(WAIT) is True


@pytest.mark.parametrize("in_main_thread", [False, True])
def test_only_the_main_thread_waits_in_short_steps(in_main_thread, monkeypatch):
    latch, steps = Latch(), []

    def acquire(seconds):
        steps.append(seconds)
        latch.set()
        return True

    replace_lock(monkeypatch, acquire)
    if in_main_thread:
        assert latch.wait()
    else:
        results = []
        thread = threading.Thread(target=lambda: results.append(latch.wait()))
        thread.start()
        thread.join(WAIT)
        assert results == [True]
    assert steps == [latch_module.MAIN_THREAD_STEP if in_main_thread else latch_module.STEP]


# Signals that another thread receives while the main thread waits

needs_pthread_kill = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system has no pthread_kill")
#: Seconds after which a wait ends if the signal has not ended it.
WAIT_LIMIT = 20


class Interrupted(Exception):
    """Raised by the signal handler."""


@pytest.fixture
def latch():
    """Yield a latch that is set after ``WAIT_LIMIT`` seconds.

    Tests request this fixture before ``signal_in_other_thread``, whose signal could interrupt its creation.
    """
    latch = Latch()
    rescue = threading.Timer(WAIT_LIMIT, latch.set)
    rescue.start()
    yield latch
    rescue.cancel()


@pytest.fixture
def signal_in_other_thread():
    """Send a signal to another thread, so that the system call in which the main thread waits is not interrupted."""

    def interrupt(*_):
        raise Interrupted

    def send():
        time.sleep(0.1)  # gives the main thread time to start its wait
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    previous_handler = signal.signal(signal.SIGUSR1, interrupt)
    thread = threading.Thread(target=send)
    deadline = Deadline.after(WAIT_LIMIT)
    thread.start()
    yield
    thread.join()
    signal.signal(signal.SIGUSR1, previous_handler)
    assert deadline.remaining() > 0


@needs_pthread_kill
@pytest.mark.parametrize("arguments", [(), (WAIT_LIMIT,)], ids=["no timeout", "timeout"])
def test_a_signal_in_another_thread_ends_the_wait_for_a_latch(arguments, latch, signal_in_other_thread):
    with pytest.raises(Interrupted):
        latch.wait(*arguments)


@needs_pthread_kill
def test_a_signal_in_another_thread_ends_the_wait_for_a_result(signal_in_other_thread):
    with pytest.raises(Interrupted):
        AsyncResult().get(WAIT_LIMIT)


@needs_pthread_kill
def test_a_signal_in_another_thread_ends_the_wait_for_a_helper_thread(signal_in_other_thread):
    resume = threading.Event()
    with pytest.raises(Interrupted):
        HelperThreads().call(lambda: resume.wait(WAIT_LIMIT), Deadline.after(WAIT_LIMIT), lambda: None)
    resume.set()
