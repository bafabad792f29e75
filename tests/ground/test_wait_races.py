"""A call that ends at any moment of a wait for it, and a wait that begins at any moment of the call's end."""

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


def in_thread(act, *arguments):
    """Call ``act`` in another thread and wait for it."""
    thread = threading.Thread(target=act, args=arguments)
    thread.start()
    thread.join(SECONDS)
    assert not thread.is_alive()


async def turns(count=3):
    """Let the event loop run all that is ready."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.slow
def test_a_result_is_completed_at_each_instruction_of_an_await():
    async def wait(result):
        waiting = asyncio.ensure_future(result)
        await turns()
        result.complete("late", None)  # if it has not been completed at the instruction
        return await asyncio.wait_for(waiting, SECONDS)

    outcomes = []
    for instruction in itertools.count():
        result = AsyncResult()

        def run(result=result):
            outcomes.append(asyncio.run(wait(result)))

        if not at_instruction(run, instruction, CONCURRENCY, lambda result=result: in_thread(complete, result)):
            break
    assert set(outcomes) == {"in time", "late"}
    assert instruction > 100


def complete(result):
    result.complete("in time", None)


def test_an_await_begins_at_each_instruction_of_the_completion():
    async def wait(result, paused, go):
        while not paused.is_set():
            await asyncio.sleep(0)
        waiting = asyncio.ensure_future(result)
        await turns()
        go.set()
        return await asyncio.wait_for(waiting, SECONDS)

    for instruction in itertools.count():
        result, paused, go, reached = AsyncResult(), threading.Event(), threading.Event(), []

        def pause(paused=paused, go=go):
            paused.set()
            assert go.wait(SECONDS)

        def run(result=result, paused=paused, pause=pause, reached=reached, instruction=instruction):
            reached.append(at_instruction(lambda: complete(result), instruction, CONCURRENCY, pause))
            paused.set()

        thread = threading.Thread(target=run)
        thread.start()
        assert asyncio.run(wait(result, paused, go)) == "in time"
        thread.join(SECONDS)
        if reached == [False]:
            break
    assert instruction > 30


class Call:
    """A call that a worker of a new pool has begun, and that ends when ``end`` is called."""

    def __init__(self):
        self.pool = WorkerPool(1, 10, 1.0, "test-worker")
        self._go, begun = threading.Event(), threading.Event()

        def function():
            begun.set()
            assert self._go.wait(SECONDS)

        self.task = CallbackTask(function, None, None, Log())
        self.result = self.pool.submit_call(self.task)
        assert begun.wait(SECONDS)

    def end(self):
        self._go.set()
        assert eventually(self.task.is_done)

    def end_when_awaited(self):
        eventually(lambda: self.result._done._waiters or self.task.is_done())
        self._go.set()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["flush", "close"])
def test_a_call_ends_at_each_instruction_of_a_flush(method):
    for instruction in itertools.count():
        call = Call()
        done = []

        def wait(call=call, done=done):
            arguments = (SECONDS,) if method == "flush" else (SECONDS, RuntimeError("closed"))
            done.append(getattr(call.pool, method)(*arguments))

        ending = threading.Thread(target=call.end_when_awaited)
        ending.start()
        reached = at_instruction(wait, instruction, CONCURRENCY, call.end)
        ending.join(SECONDS)
        call.pool.stop()
        assert done == [True]
        if not reached:
            break
    assert instruction > 50


def test_the_result_of_a_function_in_a_thread(monkeypatch):
    async def ident():
        return await call_in_thread(threading.get_ident)

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    assert asyncio.run(ident()) != threading.get_ident()
    monkeypatch.setattr(tasks, "start_thread", refuse)
    assert asyncio.run(ident()) == threading.get_ident()


def test_an_error_of_a_function_in_a_thread():
    async def fail():
        await call_in_thread(lambda: {}["key"])

    with pytest.raises(KeyError):
        asyncio.run(fail())
