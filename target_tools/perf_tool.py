"""1.1.0's stop-watches, one set for the whole process.  The SDK itself does not use them."""

import functools
from typing import Dict, Optional

from target_tools.clock import monotonic


class _PerfTool:
    """Stop-watches by name, in milliseconds.

    Starting one that ran before starts it anew, and it reads a clock that nobody corrects.
    """

    def __init__(self) -> None:
        self.timing_ids: Dict[str, int] = {}
        self.start_times: Dict[str, float] = {}
        self.timings: Dict[str, float] = {}

    def time_start(self, _id: str, increment_timer: bool = False) -> str:
        """Start the stop-watch ``_id``, or a new one with a number behind that name; its name."""
        name = self._get_unique_timing_id(_id) if increment_timer else _id
        self.start_times[name] = monotonic()
        return name

    def time_end(self, _id: str, offset: float = 0) -> float:
        """Milliseconds since ``_id`` was started, less ``offset``; -1 if it never was."""
        started = self.start_times.get(_id)
        if started is None:
            return -1
        timing = self.timings[_id] = (monotonic() - started) * 1000 - offset
        return timing

    def reset(self) -> None:
        """Forget every stop-watch."""
        self.timing_ids, self.start_times, self.timings = {}, {}, {}

    def get_timing(self, key: str) -> Optional[float]:
        """What ``time_end`` said of ``key`` last."""
        return self.timings.get(key)

    def get_timings(self) -> Dict[str, float]:
        """All of that, by name."""
        return self.timings

    def _get_unique_timing_id(self, _id: str) -> str:
        self.timing_ids[_id] = self.timing_ids.get(_id, 0) + 1
        return "{}{}".format(_id, self.timing_ids[_id])


@functools.lru_cache(maxsize=None)
def get_perf_tool_instance() -> _PerfTool:
    """The stop-watches of this process, made when somebody first asks for them."""
    return _PerfTool()
