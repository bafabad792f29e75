"""An event that opens once, for any number of waiters, also when a signal handler raises in one of them."""

import threading

import pytest

from target_tools.concurrency import latch as latches
from target_tools.concurrency.latch import Latch
from tests.support import LONG, eventually

WAIT = LONG / 1000


def test_a_latch_is_closed_until_it_is_opened():
    latch = Latch()
    assert not latch.is_open()
    assert latch.wait(0.01) is False
    latch.open()
    assert latch.is_open()
    assert latch.wait(WAIT) is True


@pytest.mark.parametrize("seconds", [0, -1])
def test_without_time_a_wait_only_looks(seconds):
    latch = Latch()
    assert latch.wait(seconds) is False
    latch.open()
    assert latch.wait(seconds) is True


def test_all_waiters_are_woken():
    latch, results = Latch(), []
    threads = [threading.Thread(target=lambda: results.append(latch.wait(WAIT))) for _ in range(20)]
    for thread in threads:
        thread.start()
    assert eventually(lambda: len(latch._waiters) == 20)
    latch.open()
    for thread in threads:
        thread.join(WAIT)
    assert results == [True] * 20
    assert not latch._waiters


def test_a_latch_may_be_opened_twice():
    latch = Latch()
    latch.open()
    latch.open()
    assert latch.wait(0)


@pytest.mark.parametrize("opens", [False, True])
def test_an_exception_in_a_wait_leaves_nothing_behind(opens, monkeypatch):
    class Signal(BaseException):
        pass

    latch = Latch()

    def interrupted(lock, deadline):
        if opens:
            latch.open()
        raise Signal

    with monkeypatch.context() as patch:
        patch.setattr(latches, "acquire", interrupted)
        with pytest.raises(Signal):
            latch.wait(WAIT)
    assert not latch._waiters
    latch.open()
    assert latch.wait(WAIT)


def test_a_waiter_that_gave_up_does_not_keep_the_others_from_waking():
    latch, results = Latch(), []
    assert latch.wait(0.01) is False
    thread = threading.Thread(target=lambda: results.append(latch.wait(WAIT)))
    thread.start()
    assert eventually(lambda: latch._waiters)
    latch.open()
    thread.join(WAIT)
    assert results == [True]


def test_opening_between_the_look_and_the_wait_is_not_missed(monkeypatch):
    latch = Latch()

    class Waiters(type(latch._waiters)):
        def append(self, lock):
            latch._is_open = True  # opened when the waiter had looked and was not on the list yet
            super().append(lock)

    latch._waiters = Waiters()
    monkeypatch.setattr(latches, "acquire", lambda *_: pytest.fail("waited for an open latch"))
    assert latch.wait(WAIT) is True
