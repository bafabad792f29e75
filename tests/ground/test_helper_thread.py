"""Functions in helper threads: results, errors, deadlines and abandoned jobs."""

import _thread
import threading

import pytest

from target_tools.clock import Deadline
from target_tools.concurrency import helper_thread
from target_tools.concurrency.helper_thread import HelperThreads
from target_tools.errors import ConnectionFailed, DeadlineExceeded
from tests.support import eventually

LONG = 20


def do_nothing():
    pass


def test_the_function_runs_in_another_thread_and_its_result_is_returned():
    assert HelperThreads().call(_thread.get_ident, Deadline.after(LONG), do_nothing) != _thread.get_ident()


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, SystemExit, StopIteration])
def test_an_error_of_the_function_is_raised_in_the_caller(error):
    expected_error = error("mine")

    def function():
        raise expected_error

    with pytest.raises(error) as caught:
        HelperThreads().call(function, Deadline.after(LONG), do_nothing)
    assert caught.value is expected_error


def test_a_function_that_exceeds_the_deadline_is_undone_when_it_returns():
    release, undone = threading.Event(), threading.Event()
    with pytest.raises(DeadlineExceeded, match="within 50 ms"):
        HelperThreads().call(lambda: release.wait(LONG), Deadline.after(0.05), undone.set)
    assert not undone.is_set()
    release.set()
    assert undone.wait(LONG)


def test_call_does_not_wait_if_the_deadline_has_passed():
    release = threading.Event()
    with pytest.raises(DeadlineExceeded):
        HelperThreads().call(lambda: release.wait(LONG), Deadline.after(-1), do_nothing)
    release.set()


def test_the_number_of_abandoned_functions_is_limited(monkeypatch):
    monkeypatch.setattr(helper_thread, "MAX_ABANDONED", 3)
    release = threading.Event()
    helpers = HelperThreads()
    for _ in range(3):
        with pytest.raises(DeadlineExceeded):
            helpers.call(lambda: release.wait(LONG), Deadline.after(0.02), do_nothing)
    with pytest.raises(ConnectionFailed, match="3 abandoned attempts to connect are still running"):
        helpers.call(do_nothing, Deadline.after(LONG), do_nothing)
    release.set()
    assert eventually(lambda: not helpers._abandoned_jobs)
    assert helpers.call(lambda: 5, Deadline.after(LONG), do_nothing) == 5


def test_the_function_runs_in_the_caller_if_no_thread_can_be_started(monkeypatch):
    def refuse(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    assert HelperThreads().call(_thread.get_ident, Deadline.after(LONG), do_nothing) == _thread.get_ident()
