"""Values that threads share without locks.

A lock can stay locked forever if a signal handler raises while it is held, or if the process forks then. Every
change of these values is one atomic dict or list operation instead.
"""

from __future__ import annotations

import _thread
import contextlib
import math
import os
from bisect import bisect_right
from collections import deque
from itertools import accumulate
from typing import Callable, Deque, Dict, Generic, Hashable, List, Optional, Sequence, Tuple, TypeVar

from target_tools.clock import monotonic

#: The number of entries that a table keeps by default.
MAX_ENTRIES = 32

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")


class Counter:
    """A count. Each thread adds to a separate number, so that no count is lost."""

    def __init__(self) -> None:
        self._by_thread: Dict[int, int] = {}

    def add(self, count: int = 1) -> None:
        """Add ``count``."""
        thread = _thread.get_ident()
        self._by_thread[thread] = self._by_thread.get(thread, 0) + count

    def __int__(self) -> int:
        return sum(list(self._by_thread.values()))


class Histogram:
    """Counts of durations by size. ``add`` is cheap; the durations are counted later."""

    #: The number of durations that are counted at once.
    _BATCH = 256

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [Counter() for _ in (*bounds, math.inf)]
        self._nanoseconds = Counter()
        self._new: Deque[float] = deque()

    def add(self, seconds: float) -> None:
        """Add a duration."""
        new = self._new
        new.append(seconds)
        if len(new) > self._BATCH:
            self._count()

    def totals(self) -> Tuple[List[int], float]:
        """Return how many durations do not exceed each of the bounds and infinity, and the sum of all durations."""
        self._count()
        # Another thread may have added its batch to the lower bounds only. With max, the totals ascend nevertheless.
        return list(accumulate(map(int, self._counts), max)), int(self._nanoseconds) / 1e9

    def _count(self) -> None:
        """Count the new durations as one batch, which is faster than one by one."""
        batch = sorted(take(self._new, len(self._new)))
        for bound, counter in zip((*self._bounds, math.inf), self._counts):
            counter.add(bisect_right(batch, bound))
        self._nanoseconds.add(int(sum(batch) * 1e9))


def take(items: Deque[ValueT], count: int) -> List[ValueT]:
    """Remove and return the first items, at most ``count``. Other threads may take items at the same time."""
    taken: List[ValueT] = []
    with contextlib.suppress(IndexError):  # there are no more
        for _ in range(count):
            taken.append(items.popleft())
    return taken


def claim(tokens: List[bool]) -> bool:
    """Return True to the first caller only. ``tokens`` contains one True, which this removes."""
    try:
        return tokens.pop()
    except IndexError:
        return False


class Once(Generic[ValueT]):
    """A value that can be set once; the first of several threads wins."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: Dict[None, ValueT] = {}

    def set(self, value: ValueT) -> bool:
        """Set the value. Return False if another value was set before."""
        return self._values.setdefault(None, value) is value

    def get(self) -> Optional[ValueT]:
        """Return the value, or None before it is set."""
        return self._values.get(None)


def _ignore(_: object) -> None:
    pass


class PerProcess(Generic[ValueT]):
    """A value that each process creates on first use, so that a forked child uses no lock and no socket of its parent.

    Values are stored by process id. A child finds no value under its own id and creates one, even if no fork hooks ran:
    uWSGI runs none by default.

    ``create`` gets the parent's value, or None. ``begin`` is called with the new value; it may be called more than
    once, because two threads, or a signal handler and the code that it interrupts, can be inside ``get``.
    ``abandon`` is called with each inherited value.
    """

    def __init__(
        self,
        create: Callable[[Optional[ValueT]], ValueT],
        begin: Callable[[ValueT], object] = _ignore,
        abandon: Callable[[ValueT], object] = _ignore,
    ) -> None:
        self._create = create
        self._begin = begin
        self._abandon = abandon
        self._by_pid: Dict[int, ValueT] = {}

    def get(self) -> ValueT:
        """Return the value of this process. Creates it if necessary."""
        pid = os.getpid()
        return self._by_pid.get(pid) or self._create_for(pid)

    def current(self) -> Optional[ValueT]:
        """Return the value of this process if it exists."""
        return self._by_pid.get(os.getpid())

    def pop(self) -> Optional[ValueT]:
        """Remove the value of this process and return it if it existed. The next ``get`` creates another."""
        return self._by_pid.pop(os.getpid(), None)

    def _create_for(self, pid: int) -> ValueT:
        inherited: List[ValueT] = [value for other, value in list(self._by_pid.items()) if other != pid]
        created = self._create(inherited[-1] if inherited else None)
        value = self._by_pid.setdefault(pid, created)
        self._begin(value)
        # Inherited values stay referenced, so that no finalizer of the parent's objects runs here.
        for each in inherited:
            self._abandon(each)
        return value


class _Entry(Generic[KeyT, ValueT]):
    """A value and the time of its last use."""

    __slots__ = ("key", "used_at", "value")

    def __init__(self, key: KeyT, value: ValueT) -> None:
        self.key = key
        self.value = value
        self.used_at = monotonic()


class BoundedTable(Generic[KeyT, ValueT]):
    """Maps each key to a value that ``make`` creates on first use. Evicts the least recently used keys above ``limit``.

    It is used for hosts. The location hint in a visitor's cookie can name any cluster, so the number of hosts has no
    natural limit, but invented hosts must not displace the ones in use.

    An interrupted insertion can leave one entry too many until the next insertion. Threads that insert at the same
    time can evict one entry more than necessary; its value is created again on its next use.

    ``on_evict`` receives each value that leaves the table, and each new value that is discarded because another thread
    has inserted one for the same key.
    """

    def __init__(
        self,
        make: Callable[[KeyT], ValueT],
        on_evict: Callable[[ValueT], object] = _ignore,
        limit: int = MAX_ENTRIES,
    ) -> None:
        self._make = make
        self._on_evict = on_evict
        self._limit = limit
        self._entries: Dict[KeyT, _Entry[KeyT, ValueT]] = {}

    def get(self, key: KeyT) -> ValueT:
        """Return the value of ``key`` and mark it as used."""
        entry = self._entries.get(key)
        if entry is None:
            return self._insert(key)
        entry.used_at = monotonic()
        return entry.value

    def peek(self, key: KeyT) -> Optional[ValueT]:
        """Return the value of ``key`` if it is in the table. Does not mark it as used."""
        entry = self._entries.get(key)
        return None if entry is None else entry.value

    def drop(self, key: KeyT) -> None:
        """Remove ``key``. The next ``get`` creates a new value."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._on_evict(entry.value)

    def values(self) -> List[ValueT]:
        """Return the current values."""
        return [entry.value for entry in self._snapshot()]

    def items(self) -> List[Tuple[KeyT, ValueT]]:
        """Return the current keys and values."""
        return [(entry.key, entry.value) for entry in self._snapshot()]

    def _insert(self, key: KeyT) -> ValueT:
        mine = _Entry(key, self._make(key))
        entry = self._entries.setdefault(key, mine)
        if entry is not mine:
            self._on_evict(mine.value)
        while len(self._entries) > self._limit:
            oldest = min(self._snapshot(), key=lambda candidate: candidate.used_at, default=mine)
            self.drop(oldest.key)
        return entry.value

    def _snapshot(self) -> List[_Entry[KeyT, ValueT]]:
        # list() of dict values is atomic: it creates no other object, so neither the garbage collector nor another
        # thread can run during the call.
        return list(self._entries.values())
