"""A counter that many threads can add to without a lock, and without losing a count."""

import _thread
from typing import Dict


class Counter:
    """A count. Each thread adds to a separate number."""

    def __init__(self) -> None:
        self._by_thread: Dict[int, int] = {}

    def add(self, count: int = 1) -> None:
        """Add ``count``."""
        thread = _thread.get_ident()
        self._by_thread[thread] = self._by_thread.get(thread, 0) + count

    def __int__(self) -> int:
        return sum(list(self._by_thread.values()))
