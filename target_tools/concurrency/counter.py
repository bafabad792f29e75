"""Counts that many threads add to, without a lock and without losing one."""

import _thread
from typing import Dict


class Counter:
    """How often something happened.  Each thread adds to a number of its own."""

    def __init__(self) -> None:
        self._by_thread: Dict[int, int] = {}

    def add(self, count: int = 1) -> None:
        """It happened, ``count`` times."""
        thread = _thread.get_ident()
        self._by_thread[thread] = self._by_thread.get(thread, 0) + count

    def __int__(self) -> int:
        return sum(list(self._by_thread.values()))
