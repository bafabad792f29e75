"""Work for the threads: one outcome, one callback, and an end in time whatever the workers do."""

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
SOON = 0.03
LATE = DeadlineExceeded("time is up")


class Call:
    """A task, what happened to it, and the result that its caller has."""

    def __init__(self, act=lambda: "value", waiting=WAIT, running=WAIT, expire=None, callback=True):
        self.acts = 0
        self.told = []
        self.expired = []
        self._act, self._expire = act, expire
        told = self.told.append if callback else None
        limit = TimeLimit(waiting, running, self.expire)
        self.task = CallbackTask(self.act, told, told, Log(logging.getLogger("tests")), limit)
        self.result = self.task.result

    def act(self):
        self.acts += 1
        return self._act()

    def expire(self, begun):
        self.expired.append(begun)
        if self._expire is not None:
            return self._expire()
        raise LATE

    def in_a_worker(self):
        thread = threading.Thread(target=self.task.run)
        thread.start()
        return thread


def waited(result):
    result.wait(WAIT)
    return result.get(0)


def awaited(result):
    async def wait():
        return await result

    return asyncio.run(wait())


#: The ways to wait for a result without a time-out of one's own.
WAYS = {"get": lambda result: result.get(), "wait": waited, "await": awaited}
BY_EVERY_WAY = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@BY_EVERY_WAY
def test_a_call_that_no_worker_takes_ends_in_time(way):
    call, deadline = Call(waiting=SOON), Deadline.after(SOON)
    with pytest.raises(DeadlineExceeded) as caught:
        way(call.result)
    assert caught.value is LATE
    assert deadline.remaining() <= 0
    assert (call.expired, call.acts, call.told) == ([False], 0, [])
    call.task.run()  # a worker is free at last: it only tells the callback
    assert (call.expired, call.acts, call.told) == ([False], 0, [LATE])


@BY_EVERY_WAY
def test_a_call_that_overruns_ends_in_time(way, monkeypatch):
    monkeypatch.setattr(tasks, "GRACE_SECONDS", 0.01)
    go, begun = threading.Event(), threading.Event()
    call = Call(lambda: begun.set() or (go.wait(WAIT) and "late"), running=SOON)
    worker = call.in_a_worker()
    assert begun.wait(WAIT)
    with pytest.raises(DeadlineExceeded):
        way(call.result)
    assert (call.expired, call.told) == ([True], [])
    go.set()
    worker.join(WAIT)
    assert (call.acts, call.told) == (1, [LATE])
    with pytest.raises(DeadlineExceeded):
        call.result.get(0)


@BY_EVERY_WAY
def test_an_answer_in_time_expires_nothing(way):
    call = Call()
    worker = call.in_a_worker()
    assert way(call.result) == "value"
    worker.join(WAIT)
    assert (call.expired, call.acts, call.told) == ([], 1, ["value"])


@BY_EVERY_WAY
def test_a_call_may_be_answered_in_place_of_an_error(way):
    call = Call(waiting=SOON, expire=lambda: "no offers")
    assert way(call.result) == "no offers"
    call.task.run()
    assert (call.expired, call.told) == ([False], ["no offers"])


@BY_EVERY_WAY
def test_a_worker_that_comes_too_late_does_not_act(way):
    """Although nothing has waited for the call meanwhile."""
    call = Call(waiting=-1.0)
    call.task.run()
    with pytest.raises(DeadlineExceeded):
        way(call.result)
    assert (call.expired, call.acts, call.told) == ([False], 0, [LATE])


def test_the_time_that_a_waiter_gives_is_its_own():
    """The call goes on after it."""
    from multiprocessing import TimeoutError as NotReady  # noqa: PLC0415 - named by its only use

    call = Call()
    with pytest.raises(NotReady):
        call.result.get(SOON)
    call.task.run()
    assert call.result.get(0) == "value"
    assert call.expired == []


def test_the_callback_is_part_of_the_call_and_not_of_its_time(monkeypatch):
    """Once there is an outcome, the result waits for the callback, however long that takes."""
    monkeypatch.setattr(tasks, "GRACE_SECONDS", 0.0)
    go, told = threading.Event(), []
    limit = TimeLimit(WAIT, SOON, lambda begun: pytest.fail("expired"))
    task = CallbackTask(lambda: "value", lambda value: (told.append(value), go.wait(WAIT)), None, Log(None), limit)
    result = task.result
    worker = threading.Thread(target=task.run)
    worker.start()
    assert eventually(lambda: told)
    end = Deadline.after(SOON * 2)
    result.wait(end.remaining())
    assert not result.ready()
    go.set()
    assert result.get(WAIT) == "value"
    worker.join(WAIT)
    assert told == ["value"]


def test_many_waiters_get_one_outcome():
    call, seen = Call(waiting=SOON), []

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
    assert seen == [LATE] * 10
    assert call.told == [LATE]


def test_a_worker_and_a_waiter_at_the_same_moment_tell_one_outcome():
    """The waiter expires the call while the worker acts; whichever is first counts for both."""
    for _ in range(50):
        call = Call(waiting=0.0005)
        worker = call.in_a_worker()
        try:
            outcome = call.result.get()
        except DeadlineExceeded as error:
            outcome = error
        worker.join(WAIT)
        assert call.told == [outcome]


@pytest.mark.parametrize("expires", [False, True])
def test_a_task_that_is_dropped_tells_that_once(expires):
    call, error = Call(waiting=SOON), ClientClosed("closed")
    if expires:
        call.result.wait()
    call.task.drop(error)
    with pytest.raises((ClientClosed, DeadlineExceeded)) as caught:
        call.result.get(0)
    assert call.told == [caught.value]
    assert caught.value is (LATE if expires else error)
    assert call.acts == 0


def test_a_callback_that_raises_is_logged_and_changes_nothing(caplog):
    def told(value):
        raise RuntimeError("mine")

    task = CallbackTask(lambda: "value", told, None, Log(logging.getLogger("tests")))
    result = task.result
    task.run()
    assert result.get(0) == "value"
    assert "A callback raised" in caplog.text


def test_acts_and_callbacks_run_in_the_callers_context():
    variable = contextvars.ContextVar("variable")
    variable.set("mine")
    seen = []

    def look(_=None):
        seen.append((variable.get(None), threading.current_thread() is threading.main_thread()))
        variable.set("the task's")

    task = CallbackTask(look, look, None, Log(None))
    variable.set("changed later")
    worker = threading.Thread(target=task.run)
    worker.start()
    worker.join(WAIT)
    assert seen == [("mine", False), ("the task's", False)]
    assert variable.get() == "changed later"


def test_a_limit_is_not_looked_at_after_the_end():
    call = Call(waiting=SOON)
    call.task.run()
    begun = monotonic()
    assert eventually(lambda: monotonic() - begun > SOON * 1.5)
    assert call.result.get() == "value"
    assert call.expired == []


@pytest.mark.parametrize("error", [RuntimeError("mine"), SystemExit(3)], ids=repr)
def test_an_error_that_is_not_ours_ends_the_thread_that_must_hear_of_it(error):
    """``here`` says that the application's own thread acts; ``SystemExit`` ends any."""

    def fail():
        raise error

    call = Call(fail)
    run = partial(call.task.run, inline=True)
    with pytest.raises(type(error)):
        run()
    assert call.told == [error]
