"""Finds the event loop of awaited calls, and limits the time that they use in each turn of the loop."""

import contextlib
from collections import deque
from typing import Any, Callable, Deque, Iterator, MutableMapping, Tuple, TypeVar
from weakref import WeakKeyDictionary

from target_tools.clock import thread_seconds
from target_tools.errors import OptionError

ResultT = TypeVar("ResultT")

#: CPU seconds that the calls of a client may use in one turn of an event loop. Further calls wait for the next turn.
TURN_SECONDS = 0.003
#: The CPU seconds that a coroutine is assumed to need after its call has ended. They cannot be measured.
RESUME_SECONDS = 0.0001


def running_loop() -> Any:
    """Return asyncio's event loop, which runs the current task.

    Raises ``OptionError`` under trio, in a coroutine that another library drives, and without a loop:
    only asyncio can wake a coroutine that waits for one of its futures.
    """
    import asyncio  # noqa: PLC0415 - a program that awaits has loaded it

    try:
        # trio-asyncio reports a running loop to code that trio drives, but no current task.
        if asyncio.current_task() is not None:
            return asyncio.get_running_loop()
    except RuntimeError:  # no loop runs in this thread
        pass
    raise OptionError(
        "awaited calls need asyncio; under trio or another event loop use "
        "trio.to_thread.run_sync(client.get_offers, options) or its equivalent"
    )


class WakeUps:
    """Completes the futures of coroutines that await results, over several turns of one event loop.

    A completed future lets its coroutine continue in the next turn, so hundreds of calls that end together would block
    the loop for as long as all of their coroutines take to continue.
    """

    def __init__(self) -> None:
        self._futures: Deque[Any] = deque()
        self._is_scheduled = False

    def add(self, loop: Any, future: Any) -> None:
        """Complete ``future`` in one of the next turns. Any thread may call this.

        Raises ``RuntimeError`` if the event loop is closed.
        """
        self._futures.append(future)
        self._schedule(loop)

    def _schedule(self, loop: Any) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon_threadsafe(self._complete, loop)

    def _complete(self, loop: Any) -> None:
        self._is_scheduled = False  # first, so that no future that another thread adds is missed
        used = 0.0
        while self._futures and used < TURN_SECONDS:
            future = self._futures.popleft()
            if not future.done():  # done if its coroutine was cancelled
                future.set_result(None)
                used += RESUME_SECONDS
        if self._futures:
            self._schedule(loop)


_WAKE_UPS: "MutableMapping[Any, WakeUps]" = WeakKeyDictionary()


def wake_ups(loop: Any) -> WakeUps:
    """Return the ``WakeUps`` of an event loop."""
    found = _WAKE_UPS.get(loop)
    return _WAKE_UPS.setdefault(loop, WakeUps()) if found is None else found


class LoopTurns:
    """Spreads the work of many coroutines over several turns of one event loop, in the order in which they came.

    A turn runs every coroutine that is ready. Without a limit, hundreds of calls that start together would block the
    loop for the sum of their times. The next turn begins with as many waiting coroutines as fit into ``TURN_SECONDS``
    if they take as long as those before them.
    """

    def __init__(self) -> None:
        self._waiting: Deque[Any] = deque()
        #: The number of coroutines that were woken and have not resumed yet.
        self._woken = 0
        self._is_turn_marked = False
        #: The seconds that coroutines have used in this turn, and their number.
        self._used = 0.0
        self._count = 0
        #: Whether the next coroutine has already waited, in ``build``, and need not wait again.
        self._is_admitted = False

    def must_wait(self) -> bool:
        """Return whether this turn is used up, or other coroutines came earlier."""
        if self._is_admitted:
            self._is_admitted = False
            return False
        return self._used >= TURN_SECONDS or self._woken > 0 or bool(self._waiting)

    async def wait(self, loop: Any) -> None:
        """Wait for a turn that is not used up."""
        future = loop.create_future()
        self._waiting.append(future)
        self._mark_turn(loop)
        try:
            await future
        finally:
            if future in self._waiting:
                self._waiting.remove(future)
            else:
                self._woken -= 1

    async def build(self, loop: Any, function: Callable[[], ResultT]) -> ResultT:
        """Call ``function`` in a turn that is not used up, and return its result.

        The call that is made with the result then begins in the same turn.
        """
        if self.must_wait():
            await self.wait(loop)
        with self.use(loop):
            result = function()
        self._count -= 1  # the call that follows counts the coroutine
        self._is_admitted = True
        return result

    @contextlib.contextmanager
    def use(self, loop: Any) -> Iterator[None]:
        """Count the time of the block as used."""
        self._mark_turn(loop)
        began = thread_seconds()
        try:
            yield
        finally:
            self._used += thread_seconds() - began
            self._count += 1

    def _mark_turn(self, loop: Any) -> None:
        """Let the event loop call ``_begin_turn`` after all coroutines that are ready now."""
        if not self._is_turn_marked:
            self._is_turn_marked = True
            loop.call_soon(self._begin_turn, loop)

    def _begin_turn(self, loop: Any) -> None:
        fitting = min(self._count * TURN_SECONDS / self._used, len(self._waiting)) if self._used else 1
        self._used, self._count, self._is_turn_marked = 0.0, 0, False
        for _ in range(min(max(int(fitting), 1), len(self._waiting))):
            self._woken += 1
            future = self._waiting.popleft()
            if not future.done():  # done if its coroutine was cancelled and has not ended yet
                future.set_result(None)
        if self._woken:
            self._mark_turn(loop)


class TurnsByLoop:
    """The ``LoopTurns`` of each event loop that one client uses."""

    def __init__(self) -> None:
        self._by_loop: MutableMapping[Any, LoopTurns] = WeakKeyDictionary()

    def current(self) -> Tuple[Any, LoopTurns]:
        """Return the running event loop and its turns. Raises ``OptionError`` if it is not asyncio's."""
        loop = running_loop()
        turns = self._by_loop.get(loop)
        return loop, self._by_loop.setdefault(loop, LoopTurns()) if turns is None else turns
