"""Each task has one outcome, calls one callback, and ends in time even if no worker is free."""

import asyncio
import contextvars
import logging
import threading
from functools import partial

import pytest

from target_tools.clock import Deadline, monotonic
from target_tools.concurrency import tasks
from target_tools.concurrency.tasks import CallbackTask, TimeLimit
from target_tools.errors import ClientClosed, DeadlineExceeded
from target_tools.logger import Log
from tests.support import LONG, eventually

WAIT = LONG / 1000
SHORT = 0.03
TIME_IS_UP = DeadlineExceeded("time is up")


class Call:
    """A task with its result, and a record of what happened to it."""

    def __init__(self, function=lambda: "value", wait_seconds=WAIT, run_seconds=WAIT, expire=None, callback=True):
        self.runs = 0
        self.outcomes = []
        self.expirations = []
        self._function, self._expire = function, expire
        outcomes = self.outcomes.append if callback else None
        limit = TimeLimit(wait_seconds, run_seconds, self.expire)
        self.task = CallbackTask(self.function, outcomes, outcomes, Log(logging.getLogger("tests")), limit)
        self.result = self.task.result

    def function(self):
        self.runs += 1
        return self._function()

    def expire(self, started):
        self.expirations.append(started)
        if self._expire is not None:
            return self._expire()
        raise TIME_IS_UP

    def run_in_thread(self):
        thread = threading.Thread(target=self.task.run)
        thread.start()
        return thread


def wait_and_get(result):
    result.wait(WAIT)
    return result.get(0)


def await_result(result):
    async def wait():
        return await result

    return asyncio.run(wait())


#: Functions that wait for a call to end, and return its value or raise its error.
WAITS = {"get": lambda result: result.get(), "wait": wait_and_get, "await": await_result}
WITH_EACH_WAIT = pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)


@WITH_EACH_WAIT
def test_a_call_that_no_worker_starts_expires(wait):
    deadline = Deadline.after(SHORT)  # set before the call is created, because the time limit of the call starts then
    call = Call(wait_seconds=SHORT)
    with pytest.raises(DeadlineExceeded) as caught:
        wait(call.result)
    assert caught.value is TIME_IS_UP
    assert deadline.remaining() <= 0
    assert (call.expirations, call.runs, call.outcomes) == ([False], 0, [])
    call.task.run()  # a worker becomes free and only calls the callback
    assert (call.expirations, call.runs, call.outcomes) == ([False], 0, [TIME_IS_UP])


@WITH_EACH_WAIT
def test_a_call_that_takes_too_long_expires(wait, monkeypatch):
    monkeypatch.setattr(tasks, "GRACE_SECONDS", 0.01)
    release, started = threading.Event(), threading.Event()
    call = Call(lambda: started.set() or (release.wait(WAIT) and "late"), run_seconds=SHORT)
    worker = call.run_in_thread()
    assert started.wait(WAIT)
    with pytest.raises(DeadlineExceeded):
        wait(call.result)
    assert (call.expirations, call.outcomes) == ([True], [])
    release.set()
    worker.join(WAIT)
    assert (call.runs, call.outcomes) == (1, [TIME_IS_UP])
    with pytest.raises(DeadlineExceeded):
        call.result.get(0)


@WITH_EACH_WAIT
def test_a_call_that_ends_in_time_does_not_expire(wait):
    call = Call()
    worker = call.run_in_thread()
    assert wait(call.result) == "value"
    worker.join(WAIT)
    assert (call.expirations, call.runs, call.outcomes) == ([], 1, ["value"])


@WITH_EACH_WAIT
def test_expire_may_return_a_value_instead_of_raising(wait):
    call = Call(wait_seconds=SHORT, expire=lambda: "no offers")
    assert wait(call.result) == "no offers"
    call.task.run()
    assert (call.expirations, call.outcomes) == ([False], ["no offers"])


@WITH_EACH_WAIT
def test_a_worker_that_starts_too_late_does_not_call_the_function(wait):
    """The call expires even if no thread has waited for it."""
    call = Call(wait_seconds=-1.0)
    call.task.run()
    with pytest.raises(DeadlineExceeded):
        wait(call.result)
    assert (call.expirations, call.runs, call.outcomes) == ([False], 0, [TIME_IS_UP])


def test_the_timeout_of_get_does_not_end_the_call():
    from multiprocessing import TimeoutError as NotReady  # noqa: PLC0415 - the alias is used only here

    call = Call()
    with pytest.raises(NotReady):
        call.result.get(SHORT)
    call.task.run()
    assert call.result.get(0) == "value"
    assert call.expirations == []


def test_the_result_waits_for_the_callback_beyond_the_time_limit(monkeypatch):
    monkeypatch.setattr(tasks, "GRACE_SECONDS", 0.0)
    release, outcomes = threading.Event(), []
    limit = TimeLimit(WAIT, SHORT, lambda started: pytest.fail("expired"))
    task = CallbackTask(
        lambda: "value", lambda value: (outcomes.append(value), release.wait(WAIT)), None, Log(None), limit
    )
    result = task.result
    worker = threading.Thread(target=task.run)
    worker.start()
    assert eventually(lambda: outcomes)
    end = Deadline.after(SHORT * 2)
    result.wait(end.remaining())
    assert not result.ready()
    release.set()
    assert result.get(WAIT) == "value"
    worker.join(WAIT)
    assert outcomes == ["value"]


def test_many_waiters_get_one_outcome():
    call, seen = Call(wait_seconds=SHORT), []

    def wait():
        try:
            call.result.get()
        except DeadlineExceeded as error:
            seen.append(error)

    threads = [threading.Thread(target=wait) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    call.task.run()
    assert seen == [TIME_IS_UP] * 10
    assert call.outcomes == [TIME_IS_UP]


def test_a_race_between_a_worker_and_a_waiting_thread_has_one_outcome():
    """The waiting thread expires the call while the worker runs it. The first outcome counts for both."""
    for _ in range(50):
        call = Call(wait_seconds=0.0005)
        worker = call.run_in_thread()
        try:
            outcome = call.result.get()
        except DeadlineExceeded as error:
            outcome = error
        worker.join(WAIT)
        assert call.outcomes == [outcome]


@pytest.mark.parametrize("expires", [False, True])
def test_a_dropped_task_calls_the_callback_once(expires):
    call, error = Call(wait_seconds=SHORT), ClientClosed("closed")
    if expires:
        call.result.wait()
    call.task.drop(error)
    with pytest.raises((ClientClosed, DeadlineExceeded)) as caught:
        call.result.get(0)
    assert call.outcomes == [caught.value]
    assert caught.value is (TIME_IS_UP if expires else error)
    assert call.runs == 0


def test_an_exception_of_a_callback_is_logged_and_does_not_change_the_result(caplog):
    def callback(value):
        raise RuntimeError("mine")

    task = CallbackTask(lambda: "value", callback, None, Log(logging.getLogger("tests")))
    result = task.result
    task.run()
    assert result.get(0) == "value"
    assert "A callback raised" in caplog.text


def test_a_coroutine_that_a_callback_returns_is_closed_and_logged(caplog):
    async def callback(_):
        """Do nothing."""

    task = CallbackTask(lambda: "value", lambda value: callback(value), None, Log(logging.getLogger("tests")))  # noqa: PLW0108
    result = task.result
    task.run()
    assert result.get(0) == "value"
    assert [record.getMessage() for record in caplog.records] == [
        "A callback returned a coroutine, which was not run; start it on an event loop"
    ]


def test_functions_and_callbacks_run_in_the_callers_context():
    variable = contextvars.ContextVar("variable")
    variable.set("mine")
    seen = []

    def record(_=None):
        seen.append((variable.get(None), threading.current_thread() is threading.main_thread()))
        variable.set("set by the task")

    task = CallbackTask(record, record, None, Log(None))
    variable.set("changed later")
    worker = threading.Thread(target=task.run)
    worker.start()
    worker.join(WAIT)
    assert seen == [("mine", False), ("set by the task", False)]
    assert variable.get() == "changed later"


def test_a_call_that_has_ended_does_not_expire():
    call = Call(wait_seconds=SHORT)
    call.task.run()
    started = monotonic()
    assert eventually(lambda: monotonic() - started > SHORT * 1.5)
    assert call.result.get() == "value"
    assert call.expirations == []


@pytest.mark.parametrize("error", [RuntimeError("mine"), SystemExit(3)], ids=repr)
def test_unexpected_exceptions_are_raised_in_the_thread_that_ran_the_task(error):
    """``inline`` means that the application's thread runs the task."""

    def fail():
        raise error

    call = Call(fail)
    run = partial(call.task.run, inline=True)
    with pytest.raises(type(error)):
        run()
    assert call.outcomes == [error]
