"""Stopwatches of 1.1.0, shared by the whole process. The SDK itself does not use them."""

import functools
from typing import Dict, Optional

from target_tools.clock import monotonic


class _PerfTool:
    """Stopwatches by name. All times are milliseconds on the monotonic clock."""

    def __init__(self) -> None:
        self.timing_ids: Dict[str, int] = {}
        self.start_times: Dict[str, float] = {}
        self.timings: Dict[str, float] = {}

    def time_start(self, _id: str, increment_timer: bool = False) -> str:
        """Start or restart the stopwatch ``_id``, and return its name.

        With ``increment_timer``, start a new one, whose name is ``_id`` and a number.
        """
        name = _id
        if increment_timer:
            number = self.timing_ids[_id] = self.timing_ids.get(_id, 0) + 1
            name = f"{_id}{number}"
        self.start_times[name] = monotonic()
        return name

    def time_end(self, _id: str, offset: float = 0) -> float:
        """Return the time since ``_id`` was started, minus ``offset``; -1 if it was not started."""
        started = self.start_times.get(_id)
        if started is None:
            return -1
        timing = self.timings[_id] = (monotonic() - started) * 1000 - offset
        return timing

    def reset(self) -> None:
        """Forget all stopwatches."""
        self.timing_ids, self.start_times, self.timings = {}, {}, {}

    def get_timing(self, key: str) -> Optional[float]:
        """Return the last result of ``time_end`` for ``key``."""
        return self.timings.get(key)

    def get_timings(self) -> Dict[str, float]:
        """Return the last results of ``time_end`` by name."""
        return self.timings


@functools.lru_cache(maxsize=None)
def get_perf_tool_instance() -> _PerfTool:
    """Return the stopwatches of this process."""
    return _PerfTool()
