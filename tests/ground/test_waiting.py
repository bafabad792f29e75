"""Signal handlers that run while the main thread waits."""

import _thread
import signal
import threading
import time

import pytest

from target_tools.clock import Deadline
from target_tools.concurrency.async_result import AsyncResult
from target_tools.concurrency.helper_thread import HelperThreads
from target_tools.concurrency.waiting import acquire

pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system has no pthread_kill")

#: Seconds after which a wait ends that its signal did not end.
FAR = 20


class Limit(Exception):
    """What the signal handler raises."""


@pytest.fixture
def struck():
    """A signal in another thread while the main thread waits: no system call of the main thread is interrupted."""

    def interrupt(*_):
        raise Limit

    def strike():
        time.sleep(0.1)  # the main thread waits by now; if it does not yet, the handler runs all the same
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    old = signal.signal(signal.SIGUSR1, interrupt)
    thread = threading.Thread(target=strike)
    end_of_waits = Deadline.after(FAR)
    thread.start()
    yield
    thread.join()
    signal.signal(signal.SIGUSR1, old)
    assert end_of_waits.remaining() > 0


@pytest.fixture
def taken():
    lock = _thread.allocate_lock()
    lock.acquire()
    return lock


@pytest.mark.parametrize("seconds", [None, FAR])
def test_a_signal_that_another_thread_receives_ends_a_wait(seconds, struck, taken):
    rescue = threading.Timer(FAR, taken.release)
    rescue.start()
    with pytest.raises(Limit):
        acquire(taken, None if seconds is None else Deadline.after(seconds))
    rescue.cancel()


def test_it_ends_a_wait_for_an_answer(struck):
    with pytest.raises(Limit):
        AsyncResult().get(FAR)


def test_it_ends_a_wait_for_what_another_thread_does(struck):
    go_on = threading.Event()
    with pytest.raises(Limit):
        HelperThreads().call(lambda: go_on.wait(FAR), Deadline.after(FAR), lambda: None)
    go_on.set()


@pytest.mark.parametrize("seconds", [0, 0.01, 0.12])
def test_a_lock_that_stays_taken_is_waited_for_until_the_deadline(seconds, taken):
    deadline = Deadline.after(seconds)
    assert not acquire(taken, deadline)
    assert deadline.remaining() <= 0


@pytest.mark.parametrize("seconds", [None, FAR])
def test_a_lock_that_is_released_is_acquired(seconds, taken):
    threading.Timer(0.12, taken.release).start()
    assert acquire(taken, None if seconds is None else Deadline.after(seconds))


def test_other_threads_wait_in_one_step():
    steps, done = [], threading.Event()

    class Lock:
        """Records what it is asked for."""

        def acquire(self, blocking, seconds):
            steps.append(seconds)
            return True

    threading.Thread(target=lambda: (acquire(Lock()), done.set())).start()
    assert done.wait(FAR)
    assert acquire(Lock())
    assert steps == [-1.0, 0.05]
