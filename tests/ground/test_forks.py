"""What a fork waits for: a thread in the middle of OpenSSL, or of its own end."""

import _thread
import gc
import os
import sys
import threading
import time

import pytest

from target_tools import forks
from target_tools.forks import FORKS, PATIENCE, Crossing
from target_tools.threads import start_thread
from tests.support import eventually, in_a_child

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no os.fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]

#: Seconds that nobody waits by mistake.
LONG = 10.0


@pytest.fixture
def patient(monkeypatch):
    monkeypatch.setattr(forks, "PATIENCE", LONG)


def child_sees(question):
    """What ``question`` answers in a child that is forked now."""

    def act():
        assert question()

    return in_a_child(act)


def test_a_fork_waits_for_another_thread_that_crosses(patient):
    inside, over = threading.Event(), []

    def cross():
        with Crossing():
            inside.set()
            time.sleep(0.1)
            over.append(True)

    thread = threading.Thread(target=cross)
    thread.start()
    assert inside.wait(LONG)
    assert child_sees(lambda: over)
    thread.join(LONG)


def test_it_does_not_wait_for_itself(patient):
    began = time.monotonic()
    with Crossing():
        assert child_sees(lambda: True)
    assert time.monotonic() - began < LONG / 2


def test_it_does_not_wait_for_ever():
    inside, go_on = threading.Event(), threading.Event()

    def cross():
        with Crossing():
            inside.set()
            go_on.wait(LONG)

    thread = threading.Thread(target=cross)
    thread.start()
    assert inside.wait(LONG)
    began = time.monotonic()
    assert child_sees(lambda: not go_on.is_set())
    assert PATIENCE <= time.monotonic() - began < LONG / 2
    go_on.set()
    thread.join(LONG)


def test_a_child_does_not_wait_for_threads_of_its_parents(monkeypatch):
    inside, go_on = threading.Event(), threading.Event()

    def cross():
        with Crossing():
            inside.set()
            go_on.wait(LONG)

    def has_a_child_at_once():
        monkeypatch.setattr(forks, "PATIENCE", LONG)
        began = time.monotonic()
        return child_sees(lambda: True) and time.monotonic() - began < LONG / 2

    thread = threading.Thread(target=cross)
    thread.start()
    assert inside.wait(LONG)
    assert child_sees(has_a_child_at_once)
    go_on.set()
    thread.join(LONG)


def test_what_a_signal_handler_kept_from_being_taken_out_is_not_waited_for(patient):
    made = threading.Event()

    def interrupted():
        Crossing().__enter__()
        made.set()

    thread = threading.Thread(target=interrupted)
    thread.start()
    thread.join(LONG)
    gc.collect()
    began = time.monotonic()
    assert child_sees(lambda: True)
    assert time.monotonic() - began < LONG / 2
    assert not FORKS.under_way


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux shows which threads are there")
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


def test_every_thread_of_ours_says_that_it_ends():
    ids = []
    FORKS.ended.clear()
    start_thread(lambda: ids.append(_thread.get_native_id()))
    assert eventually(lambda: ids and list(FORKS.ended) == ids)


def test_greenlets_are_not_waited_for(patient, monkeypatch):
    monkeypatch.setattr(_thread, "start_new_thread", lambda *_: None)
    FORKS.ended.clear()
    FORKS.end()
    assert not FORKS.ended
    crossing = Crossing()
    crossing._thread += 1
    with crossing:
        began = time.monotonic()
        FORKS.wait()
    assert time.monotonic() - began < LONG / 2
