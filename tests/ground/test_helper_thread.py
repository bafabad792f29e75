"""An act in another thread: its result, its error, its deadline, and what is left behind."""

import _thread
import threading
import time

import pytest

from target_tools.clock import Deadline
from target_tools.concurrency import helper_thread
from target_tools.errors import ConnectionFailed, DeadlineExceeded

LONG = 20


def nothing():
    pass


def test_the_act_runs_in_another_thread_and_its_result_comes_back():
    assert helper_thread.HelperThreads().call(_thread.get_ident, Deadline.after(LONG), nothing) != _thread.get_ident()


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, SystemExit, StopIteration])
def test_its_error_is_the_callers(error):
    raised = error("mine")

    def act():
        raise raised

    with pytest.raises(error) as caught:
        helper_thread.HelperThreads().call(act, Deadline.after(LONG), nothing)
    assert caught.value is raised


def test_an_act_that_outlasts_the_deadline_is_undone_when_it_ends():
    go, undone = threading.Event(), threading.Event()
    with pytest.raises(DeadlineExceeded, match="within 50 ms"):
        helper_thread.HelperThreads().call(lambda: go.wait(LONG), Deadline.after(0.05), undone.set)
    assert not undone.is_set()
    go.set()
    assert undone.wait(LONG)


def test_a_deadline_that_has_passed_waits_for_nothing():
    go = threading.Event()
    with pytest.raises(DeadlineExceeded):
        helper_thread.HelperThreads().call(lambda: go.wait(LONG), Deadline.after(-1), nothing)
    go.set()


def test_only_so_many_acts_may_hang(monkeypatch):
    monkeypatch.setattr(helper_thread, "MAX_ABANDONED", 3)
    go = threading.Event()
    shared = helper_thread.HelperThreads()
    for _ in range(3):
        with pytest.raises(DeadlineExceeded):
            shared.call(lambda: go.wait(LONG), Deadline.after(0.02), nothing)
    with pytest.raises(ConnectionFailed, match="3 attempts to connect hang already"):
        shared.call(nothing, Deadline.after(LONG), nothing)
    go.set()
    end = time.monotonic() + LONG
    while shared._abandoned_jobs and time.monotonic() < end:
        time.sleep(0.01)
    assert shared.call(lambda: 5, Deadline.after(LONG), nothing) == 5


def test_where_no_thread_can_be_started_the_act_runs_here(monkeypatch):
    def refuse(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    assert helper_thread.HelperThreads().call(_thread.get_ident, Deadline.after(LONG), nothing) == _thread.get_ident()
