"""Races between the end of a call and a wait for it, tested at every instruction of either."""

import asyncio
import itertools
import threading

import pytest

from target_tools.concurrency import tasks
from target_tools.concurrency.task_workers import WorkerPool
from target_tools.concurrency.tasks import AsyncResult, CallbackTask, call_in_thread
from target_tools.logger import Log
from tests.support import LONG, ROOT, at_instruction, eventually

CONCURRENCY = ROOT / "target_tools" / "concurrency"
SECONDS = LONG / 1000


def run_in_thread(act, *arguments):
    """Call ``act`` in another thread and wait for it."""
    thread = threading.Thread(target=act, args=arguments)
    thread.start()
    thread.join(SECONDS)
    assert not thread.is_alive()


async def run_ready_callbacks(count=3):
    """Let the event loop run the callbacks that are ready."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.slow
def test_an_await_ends_if_the_result_is_completed_at_any_instruction():
    async def wait(result):
        waiting = asyncio.ensure_future(result)
        await run_ready_callbacks()
        result.complete("late", None)  # has no effect if the result was completed at the instruction
        return await asyncio.wait_for(waiting, SECONDS)

    outcomes = []
    for instruction in itertools.count():
        result = AsyncResult()

        def run(result=result):
            outcomes.append(asyncio.run(wait(result)))

        if not at_instruction(run, instruction, CONCURRENCY, lambda result=result: run_in_thread(complete, result)):
            break
    assert set(outcomes) == {"in time", "late"}
    assert instruction > 100


def complete(result):
    result.complete("in time", None)


def test_an_await_ends_if_it_begins_at_any_instruction_of_the_completion():
    async def wait(result, paused, release):
        while not paused.is_set():
            await asyncio.sleep(0)
        waiting = asyncio.ensure_future(result)
        await run_ready_callbacks()
        release.set()
        return await asyncio.wait_for(waiting, SECONDS)

    for instruction in itertools.count():
        result, paused, release, reached = AsyncResult(), threading.Event(), threading.Event(), []

        def pause(paused=paused, release=release):
            paused.set()
            assert release.wait(SECONDS)

        def run(result=result, paused=paused, pause=pause, reached=reached, instruction=instruction):
            reached.append(at_instruction(lambda: complete(result), instruction, CONCURRENCY, pause))
            paused.set()

        thread = threading.Thread(target=run)
        thread.start()
        assert asyncio.run(wait(result, paused, release)) == "in time"
        thread.join(SECONDS)
        if reached == [False]:
            break
    assert instruction > 30


class Call:
    """A call that a worker of a new pool runs until ``end`` is called."""

    def __init__(self):
        self.pool = WorkerPool(1, 10, 1.0, "test-worker")
        self._release, started = threading.Event(), threading.Event()

        def function():
            started.set()
            assert self._release.wait(SECONDS)

        self.task = CallbackTask(function, None, None, Log())
        self.result = self.pool.submit_call(self.task)
        assert started.wait(SECONDS)

    def end(self):
        self._release.set()
        assert eventually(self.task.is_done)

    def end_when_awaited(self):
        eventually(lambda: self.result._done._waiters or self.task.is_done())
        self._release.set()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["flush", "close"])
def test_flush_and_close_return_if_the_call_ends_at_any_instruction(method):
    for instruction in itertools.count():
        call = Call()
        results = []

        def wait(call=call, results=results):
            arguments = (SECONDS,) if method == "flush" else (SECONDS, RuntimeError("closed"))
            results.append(getattr(call.pool, method)(*arguments))

        ending_thread = threading.Thread(target=call.end_when_awaited)
        ending_thread.start()
        reached = at_instruction(wait, instruction, CONCURRENCY, call.end)
        ending_thread.join(SECONDS)
        call.pool.stop()
        assert results == [True]
        if not reached:
            break
    assert instruction > 50


def test_call_in_thread_uses_the_calling_thread_if_no_other_can_be_started(monkeypatch):
    async def current_thread_id():
        return await call_in_thread(threading.get_ident)

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    assert asyncio.run(current_thread_id()) != threading.get_ident()
    monkeypatch.setattr(tasks, "start_thread", refuse)
    assert asyncio.run(current_thread_id()) == threading.get_ident()


def test_call_in_thread_raises_the_error_of_the_function():
    async def fail():
        await call_in_thread(lambda: {}["key"])

    with pytest.raises(KeyError):
        asyncio.run(fail())
