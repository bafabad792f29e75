"""A bounded table of values by origin, without locks.

The location hint in a visitor's cookie can name any cluster, so the number of origins has no natural limit.
The table keeps the most recently used origins, so that invented hosts cannot displace the ones in use.
"""

from typing import Callable, Dict, Generic, List, Optional, TypeVar

from target_tools.clock import monotonic
from target_tools.http.messages import Origin

#: The number of origins that a table keeps.
MAX_ORIGINS = 32

ValueT = TypeVar("ValueT")


class _Entry(Generic[ValueT]):
    """A value and the time of its last use."""

    __slots__ = ("origin", "used_at", "value")

    def __init__(self, origin: Origin, value: ValueT) -> None:
        self.origin = origin
        self.value = value
        self.used_at = monotonic()


class OriginTable(Generic[ValueT]):
    """Map each origin to a value that ``make`` creates on first use; evict the least recently used beyond ``limit``.

    Every change is one atomic dict operation, so a signal handler that raises and concurrent threads leave the
    table usable.  An interrupted insertion can leave one entry too many until the next insertion.  Threads that
    insert at the same time can evict one entry more than necessary; its value is created again on its next use.

    ``on_evict`` receives each value that leaves the table, also a value that lost the race for its place.
    """

    def __init__(
        self,
        make: Callable[[Origin], ValueT],
        on_evict: Optional[Callable[[ValueT], object]] = None,
        limit: int = MAX_ORIGINS,
    ) -> None:
        self._make = make
        self._on_evict = on_evict
        self._limit = limit
        self._entries: Dict[Origin, _Entry[ValueT]] = {}

    def get(self, origin: Origin) -> ValueT:
        """Return the value of ``origin`` and mark it as used."""
        entry = self._entries.get(origin)
        if entry is None:
            return self._insert(origin)
        entry.used_at = monotonic()
        return entry.value

    def peek(self, origin: Origin) -> Optional[ValueT]:
        """Return the value of ``origin`` if it is in the table; do not mark it as used."""
        entry = self._entries.get(origin)
        return None if entry is None else entry.value

    def drop(self, origin: Origin) -> None:
        """Remove ``origin``; the next ``get`` creates a new value."""
        entry = self._entries.pop(origin, None)
        if entry is not None:
            self._evicted(entry.value)

    def values(self) -> List[ValueT]:
        """Return the current values."""
        return [entry.value for entry in self._snapshot()]

    def _insert(self, origin: Origin) -> ValueT:
        mine = _Entry(origin, self._make(origin))
        entry = self._entries.setdefault(origin, mine)
        if entry is not mine:
            self._evicted(mine.value)
        while len(self._entries) > self._limit:
            oldest = min(self._snapshot(), key=lambda candidate: candidate.used_at, default=mine)
            self.drop(oldest.origin)
        return entry.value

    def _snapshot(self) -> List[_Entry[ValueT]]:
        # list() of dict values is atomic: it allocates no objects, so no collector and no other thread runs in it.
        return list(self._entries.values())

    def _evicted(self, value: ValueT) -> None:
        if self._on_evict is not None:
            self._on_evict(value)
