"""Keeps the newest records of a local edge, within limits of number and memory."""

import collections
import threading
from typing import Deque, Generic, List, NamedTuple, Sequence, Tuple, TypeVar

ItemT = TypeVar("ItemT")

#: The estimated memory of a list, an object, or a member of either, in bytes.
VALUE_SIZE = 64


def estimated_memory(text: bytes) -> int:
    """Return the approximate memory, in bytes, of a parsed JSON text."""
    return 2 * len(text) + VALUE_SIZE * (text.count(b"[") + text.count(b"{") + text.count(b","))


class DroppedRecords(NamedTuple):
    """The numbers of records that an edge no longer keeps."""

    requests: int
    notifications: int
    events: int


class Recording(Generic[ItemT]):
    """The newest items. If they exceed a limit, the oldest are dropped and counted."""

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self.dropped = 0
        self._max_items = max_items
        self._bytes_left = max_bytes
        self._items: Deque[Tuple[ItemT, int]] = collections.deque()
        self._lock = threading.Lock()

    def add(self, items: Sequence[ItemT], size: int) -> None:
        """Append items that take ``size`` bytes in total."""
        share = size // len(items) if items else 0
        with self._lock:
            for item in items:
                self._items.append((item, share))
                self._bytes_left -= share
            while self._items and (len(self._items) > self._max_items or self._bytes_left < 0):
                self._bytes_left += self._items.popleft()[1]
                self.dropped += 1

    def items(self) -> List[ItemT]:
        """Return the items, oldest first."""
        with self._lock:
            return [item for item, _ in self._items]
