"""What a fork waits for, a thread in the middle of OpenSSL or of its own end; and what waits for a fork."""

import _thread
import gc
import os
import sys
import threading
import time

import pytest

from target_tools import forks
from target_tools.forks import FORKS, PATIENCE, Crossing, kernel_id
from target_tools.handover import Handover
from target_tools.threads import start_thread
from tests.support import eventually, in_a_child

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no os.fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux shows which threads are there")

#: Seconds that nobody waits by mistake.
LONG = 10.0


@pytest.fixture
def patient(monkeypatch):
    monkeypatch.setattr(forks, "PATIENCE", LONG)


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
        with Crossing():
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
    with Crossing():
        assert child_comes_at_once()


def test_it_does_not_wait_for_ever():
    with Crosser() as crosser:
        began = time.monotonic()
        assert child_sees(lambda: not crosser.over)
        assert PATIENCE <= time.monotonic() - began < LONG / 2


def test_a_child_does_not_wait_for_threads_of_its_parents(monkeypatch):
    def has_a_child_at_once():
        monkeypatch.setattr(forks, "PATIENCE", LONG)
        return child_comes_at_once()

    with Crosser():
        assert child_sees(has_a_child_at_once)


def test_nor_where_no_hook_has_told_it_that_they_are_not_there(monkeypatch):
    def has_a_child_at_once():
        FORKS.under_way[id(crossing)] = forks.weakref.ref(crossing)
        monkeypatch.setattr(forks, "PATIENCE", LONG)
        return child_comes_at_once()

    crossing = Crossing()
    crossing._thread += 1
    assert crossing.is_elsewhere()
    assert child_sees(has_a_child_at_once)


def test_a_child_waits_for_threads_of_its_own(patient):
    def waits():
        with Crosser(0.1) as crosser:
            return child_sees(lambda: crosser.over)

    assert child_sees(waits)


def test_what_a_signal_handler_kept_from_being_taken_out_is_not_waited_for(patient):
    thread = threading.Thread(target=lambda: Crossing().__enter__())
    thread.start()
    thread.join(LONG)
    gc.collect()
    assert child_comes_at_once()
    assert not FORKS.under_way


def test_nobody_begins_to_cross_during_a_fork(patient):
    crossed = []

    def cross():
        with Crossing():
            crossed.append(True)

    thread = threading.Thread(target=cross)
    FORKS._before()
    thread.start()
    time.sleep(0.1)
    assert crossed == []
    FORKS._in_parent()
    thread.join(LONG)
    assert crossed == [True]
    assert not FORKS.forking


def test_after_a_fork_nothing_of_it_is_left():
    assert child_sees(lambda: not FORKS.forking)
    assert not FORKS.forking


def test_a_fork_holds_nobody_up_for_ever():
    FORKS.forking.append(kernel_id() + 1)
    began = time.monotonic()
    with Crossing():
        assert PATIENCE <= time.monotonic() - began < LONG / 2
    FORKS.forking.clear()


@on_linux
def test_a_fork_waits_for_a_thread_that_ends(patient):
    # One that says too early that it has nothing left to do stands for one that is slow to end.
    said, over = threading.Event(), []

    def end_slowly():
        FORKS.end()
        said.set()
        time.sleep(0.1)
        over.append(True)

    thread = threading.Thread(target=end_slowly)
    thread.start()
    assert said.wait(LONG)
    assert child_sees(lambda: over)
    thread.join(LONG)


def test_an_id_that_another_thread_has_got_meanwhile_is_not_waited_for(patient, monkeypatch):
    monkeypatch.setattr(forks, "ENDING_SECONDS", 0.0)
    FORKS.end()  # of the main thread, which goes on
    assert child_comes_at_once()
    FORKS.ending.clear()


def test_every_thread_of_ours_says_that_it_ends():
    ids = []
    start_thread(lambda: ids.append(kernel_id()))
    assert eventually(lambda: ids and ids[0] in [thread for thread, _ in list(FORKS.ending)])


def test_a_greenlet_says_nothing_as_its_thread_goes_on(monkeypatch):
    monkeypatch.setattr(_thread, "start_new_thread", lambda act, arguments: act(*arguments))
    FORKS.ending.clear()
    ran = []
    start_thread(ran.append, (True,))
    assert ran == [True]
    assert kernel_id() not in [thread for thread, _ in list(FORKS.ending)]


@on_linux
@pytest.mark.parametrize("fails", [False, True])
def test_whoever_sees_a_thread_off_comes_back_when_it_is_gone(fails, patient, monkeypatch):
    ids, end = [], FORKS.end

    def slowly():
        time.sleep(0.1)
        end()

    def act():
        ids.append(kernel_id())
        if fails:
            raise KeyError(1)

    monkeypatch.setattr(FORKS, "end", slowly)
    call = (act, forks.Deadline.after(LONG), lambda: None)
    if fails:
        with pytest.raises(KeyError):
            Handover().call(*call, sees_off=True)
    else:
        Handover().call(*call, sees_off=True)
    assert not forks.is_there(ids[0])
