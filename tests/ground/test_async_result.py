"""``AsyncResult``: the interface of ``multiprocessing.pool``, ``await``, pickling and signals (B8, T36, T37)."""

import asyncio
import copy
import gc
import math
import multiprocessing
import os
import pickle
import signal
import threading
import time
import weakref

import pytest

from target_tools.concurrency.tasks import AsyncResult
from target_tools.errors import CallLost, ConnectionFailed, OptionError

#: The time limit, in seconds, of waits that should end much earlier.
LONG = 20


def completed_result(value=None, error=None):
    result = AsyncResult()
    result.complete(value, error)
    return result


def call_later(act, seconds=0.05):
    timer = threading.Timer(seconds, act)
    timer.start()
    return timer


def test_a_result_with_a_value_returns_it():
    result = completed_result(5)
    assert result.ready()
    assert result.successful()
    assert result.get() == result.get(timeout=0) == 5
    result.wait()


def test_a_result_with_an_error_raises_it():
    error = ConnectionFailed("refused")
    result = completed_result(error=error)
    assert not result.successful()
    for _ in range(2):
        with pytest.raises(ConnectionFailed) as caught:
            result.get()
        assert caught.value is error


def test_a_result_that_is_not_ready_times_out():
    result = AsyncResult()
    assert not result.ready()
    with pytest.raises(ValueError, match="not ready"):
        result.successful()
    for timeout in (0, 0.02, -1):
        with pytest.raises(multiprocessing.TimeoutError):
            result.get(timeout)
        assert result.wait(timeout) is None
    assert len(result._done._waiters) == 0


def test_a_value_may_be_none():
    assert completed_result(None).get() is None


@pytest.mark.parametrize("timeout", [None, LONG])
def test_all_waiting_threads_are_woken(timeout):
    result = AsyncResult()
    results = []
    threads = [threading.Thread(target=lambda: results.append(result.get(timeout))) for _ in range(20)]
    for thread in threads:
        thread.start()
    call_later(lambda: result.complete("there", None)).join()
    for thread in threads:
        thread.join(LONG)
    assert results == ["there"] * 20


def test_a_callback_cannot_wait_for_the_result_of_its_own_call():
    result = AsyncResult()
    results = []

    def callback():
        for wait in (result.get, result.wait, lambda: asyncio.run(result_of(result))):
            with pytest.raises(OptionError, match="cannot wait for the result of its own call") as caught:
                wait()
            results.append(caught.value)
        assert not result.ready()

    async def result_of(awaited):
        return await awaited

    result.run_callback(callback)
    assert len(results) == 3


def test_a_result_that_is_ready_can_be_pickled_and_copied():
    for duplicate in (pickle.loads(pickle.dumps(completed_result({"a": 1}))), copy.copy(completed_result({"a": 1}))):
        assert duplicate.get() == {"a": 1}
    failed = pickle.loads(pickle.dumps(completed_result(error=ConnectionFailed("refused"))))
    with pytest.raises(ConnectionFailed, match="refused"):
        failed.get()
    with pytest.raises(TypeError, match="not ready"):
        pickle.dumps(AsyncResult())


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no os.fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_in_a_forked_child_the_result_ends_with_call_lost():
    result = AsyncResult()
    pid = os.fork()
    if pid == 0:
        try:
            result.get(LONG)
        except CallLost:
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    result.complete(5, None)
    assert result.get() == 5


# Awaiting


def test_a_result_can_be_awaited_before_and_after_it_is_ready():
    async def wait():
        result = AsyncResult()
        call_later(lambda: result.complete(5, None))
        return await result, await result, await asyncio.gather(result_of(result), result_of(result))

    async def result_of(result):
        return await result

    assert asyncio.run(wait()) == (5, 5, [5, 5])


def test_an_awaited_error_is_raised():
    async def wait():
        result = AsyncResult()
        call_later(lambda: result.complete(None, ConnectionFailed("refused")))
        await result

    with pytest.raises(ConnectionFailed):
        asyncio.run(wait())


def test_cancelling_an_await_does_not_affect_the_result():
    result = AsyncResult()

    async def wait():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(result_of(), 0.02)
        assert len(result._wake_ups) == 0
        call_later(lambda: result.complete(5, None))
        return await result

    async def result_of():
        return await result

    assert asyncio.run(wait()) == 5


def test_a_closed_event_loop_does_not_prevent_completion():
    result = AsyncResult()

    async def wait():
        task = asyncio.ensure_future(result_of())
        await asyncio.sleep(0.01)
        wake_ups = list(result._wake_ups)
        task.cancel()
        return wake_ups

    async def result_of():
        return await result

    wake_ups = asyncio.run(wait())
    result._wake_ups.extend(wake_ups)  # as if the await had not been cancelled before the loop was closed
    result.complete(5, None)
    assert result.get() == 5


def test_awaiting_does_not_block_the_event_loop():
    """The result is complete only after other tasks have run."""

    async def run_and_complete(result):
        for _ in range(10):
            await asyncio.sleep(0)
        call_later(lambda: result.complete("other tasks ran", None), 0)

    async def wait():
        result = AsyncResult()
        rescue = call_later(lambda: result.complete("blocked", None), 20)
        running = asyncio.ensure_future(run_and_complete(result))
        value = await result
        rescue.cancel()
        await running
        return value

    assert asyncio.run(wait()) == "other tasks ran"


# Signals


class Interrupted(Exception):
    pass


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no setitimer")
def test_a_signal_handler_that_raises_in_get_leaves_no_waiter_behind():
    def interrupt(*_):
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(100):
            result = AsyncResult()
            with pytest.raises(Interrupted):
                signal.setitimer(signal.ITIMER_REAL, 0.002)  # in the block: the signal may come before get is called
                result.get(LONG)
            assert len(result._done._waiters) == 0
            result.complete(5, None)
            assert result.get(0) == 5
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# Reference counts


@pytest.mark.parametrize("ending", ["with a value", "with an error", "expired", "cancelled"])
def test_an_awaited_result_is_freed_without_garbage_collection(ending):
    """Neither the traceback of the error nor a timer of the event loop refers to the result."""

    class Failure(ConnectionFailed):
        pass

    result = AsyncResult()
    reference = weakref.ref(result)
    loop = asyncio.new_event_loop()
    end = time.monotonic() + (0.02 if ending == "expired" else LONG)

    def check():
        remaining = end - time.monotonic()
        if remaining <= 0 and not reference().ready():
            reference().complete(None, Failure("expired"))
        return remaining if remaining > 0 else math.inf

    result.expire_by(check)
    if ending.startswith("with"):
        failure = Failure("mine") if ending == "with an error" else None
        loop.call_later(0.01, result.complete, "value", failure)
        del failure

    async def wait():
        nonlocal result
        awaited, result = result, None
        waiting = asyncio.ensure_future(await_once(awaited))
        del awaited
        await asyncio.sleep(0)
        if ending == "cancelled":
            waiting.cancel()
        return await asyncio.gather(waiting, return_exceptions=True)

    async def await_once(result):
        try:
            return await result
        finally:
            del result

    gc.disable()
    try:
        (outcome,) = loop.run_until_complete(wait())
        kind = {"with a value": str, "cancelled": asyncio.CancelledError}.get(ending, Failure)
        assert isinstance(outcome, kind)
        del outcome
        loop.run_until_complete(asyncio.sleep(0))
        assert reference() is None
    finally:
        gc.enable()
        loop.close()
