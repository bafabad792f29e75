"""``LoopTurns`` spreads coroutines that start together over several turns of an event loop, in the order they start."""

import asyncio
import gc
import itertools
import threading

import pytest

from target_tools.concurrency import event_loops
from target_tools.concurrency.event_loops import RESUME_SECONDS, TURN_SECONDS, LoopTurns, TurnsByLoop
from target_tools.concurrency.tasks import AsyncResult


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Make each use appear to take a third of the time of a turn."""
    times = itertools.count()
    monkeypatch.setattr(event_loops, "thread_seconds", lambda: next(times) * TURN_SECONDS / 2.9)


class Uses:
    """Coroutines that use turns, and the number of the turn that each of them used."""

    def __init__(self):
        self.turns = LoopTurns()
        self.records = []
        self.turn = 0

    async def use(self, name):
        loop = asyncio.get_running_loop()
        if self.turns.must_wait():
            await self.turns.wait(loop)
        with self.turns.use(loop):
            self.records.append((name, self.turn))

    async def count_turns(self):
        while True:
            await asyncio.sleep(0)
            self.turn += 1

    def names(self):
        return [name for name, _ in self.records]

    def most_in_a_turn(self):
        turns = [turn for _, turn in self.records]
        return max(map(turns.count, turns))


async def let_turns_pass(uses):
    """Let three turns of the event loop pass, and check that a new coroutine would not have to wait."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert not uses.turns.must_wait()
    assert not uses.turns._is_turn_marked


def test_coroutines_that_start_together_are_spread_over_turns_in_their_order():
    async def main():
        uses = Uses()
        counting = asyncio.ensure_future(uses.count_turns())
        await asyncio.gather(*[uses.use(number) for number in range(500)])
        counting.cancel()
        assert uses.names() == list(range(500))
        assert uses.most_in_a_turn() <= 4
        await let_turns_pass(uses)

    asyncio.run(main())


def test_coroutines_in_separate_turns_do_not_wait():
    async def main():
        uses = Uses()
        for number in range(10):
            with pytest.raises(StopIteration):
                uses.use(number).send(None)
            await asyncio.sleep(0)
        await let_turns_pass(uses)

    asyncio.run(main())


def test_a_later_coroutine_does_not_overtake_earlier_ones():
    async def main():
        uses = Uses()
        tasks = [asyncio.ensure_future(uses.use(number)) for number in range(10)]
        while len(uses.records) < 10:
            await asyncio.sleep(0)
            tasks.append(asyncio.ensure_future(uses.use(len(tasks))))
        await asyncio.gather(*tasks)
        assert uses.names() == list(range(len(tasks)))
        await let_turns_pass(uses)

    asyncio.run(main())


@pytest.mark.parametrize("turns_before", range(6))
def test_cancelled_coroutines_do_not_stop_the_others(turns_before):
    """Some of the cancelled coroutines wait; others were woken and have not resumed."""

    async def main():
        uses = Uses()
        tasks = [asyncio.ensure_future(uses.use(number)) for number in range(30)]
        for _ in range(turns_before):
            await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert set(uses.names()) >= set(range(1, 30, 2))
        assert uses.names() == sorted(uses.names())
        await let_turns_pass(uses)

    asyncio.run(main())


def test_the_time_of_a_use_that_raises_counts():
    async def main():
        turns, loop = LoopTurns(), asyncio.get_running_loop()
        for _ in range(3):
            with pytest.raises(KeyError), turns.use(loop):
                raise KeyError
        assert turns.must_wait()
        await turns.wait(loop)
        assert not turns.must_wait()

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_each_event_loop_has_turns_until_it_is_freed(kind):
    async def main():
        loop, loop_turns = turns.current()
        assert loop is asyncio.get_running_loop()
        assert turns.current() == (loop, loop_turns)
        return loop_turns

    turns = TurnsByLoop()
    found = []
    for _ in range(2):
        loop = asyncio.new_event_loop() if kind == "asyncio" else pytest.importorskip("uvloop").new_event_loop()
        found.append(loop.run_until_complete(main()))
        loop.close()
        del loop
    assert found[0] is not found[1]
    gc.collect()
    assert len(turns._by_loop) == 0


def test_a_waiting_coroutine_that_is_closed_leaves_the_queue():
    async def main():
        turns = LoopTurns()
        waiting = turns.wait(asyncio.get_running_loop())
        waiting.send(None)
        waiting.close()
        assert not turns.must_wait()
        assert turns._woken == 0

    asyncio.run(main())


def test_options_and_their_call_share_a_turn():
    """A coroutine that has waited to build its options does not wait again for its call."""

    async def main():
        uses = Uses()
        counting = asyncio.ensure_future(uses.count_turns())
        built = []

        async def call(number):
            turn = await uses.turns.build(asyncio.get_running_loop(), lambda: uses.turn)
            await uses.use(number)
            built.append((number, turn))

        await asyncio.gather(*[call(number) for number in range(50)])
        assert uses.names() == list(range(50))
        assert built == uses.records
        assert uses.most_in_a_turn() <= 3
        await let_turns_pass(uses)
        counting.cancel()

    asyncio.run(main())


@pytest.mark.parametrize("cancelled", [0, 20])
def test_coroutines_whose_calls_end_together_resume_over_several_turns(cancelled):
    async def main():
        results = [AsyncResult() for _ in range(100)]
        resumed, order = [0], []

        async def wait_for_end(number):
            order.append((number, await results[number]))
            resumed[-1] += 1

        tasks = [asyncio.ensure_future(wait_for_end(number)) for number in range(len(results))]
        await asyncio.sleep(0)
        for number, result in enumerate(results):
            result.complete(f"value {number}", None)
        for task in tasks[:cancelled]:
            task.cancel()
        while len(order) < len(results) - cancelled:
            await asyncio.sleep(0)
            resumed.append(0)
        await asyncio.gather(*tasks, return_exceptions=True)
        return resumed, order

    resumed, order = asyncio.run(main())
    assert order == [(number, f"value {number}") for number in range(cancelled, 100)]
    assert max(resumed) <= TURN_SECONDS / RESUME_SECONDS + 1


def test_results_that_many_threads_complete_wake_each_coroutine():
    async def main():
        results = [AsyncResult() for _ in range(2000)]

        def complete(first):
            for number in range(first, len(results), 4):
                results[number].complete(number, None)

        threads = [threading.Thread(target=complete, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        values = await asyncio.gather(*results)
        for thread in threads:
            thread.join()
        return values

    assert asyncio.run(main()) == list(range(2000))


def test_the_wake_ups_of_an_event_loop_are_freed_with_it():
    async def main():
        result = AsyncResult()
        asyncio.get_running_loop().call_soon(result.complete, None, None)
        await result

    gc.collect()
    before = len(event_loops._WAKE_UPS)
    asyncio.run(main())
    gc.collect()
    assert len(event_loops._WAKE_UPS) <= before
