"""The one place that reads the time.

Wall-clock time goes to the API and into cookies; everything that is waited for is
measured on the monotonic clock, so that a corrected system clock moves no deadline.
"""

import datetime
import functools
import time
import types
from typing import Callable, NamedTuple, Tuple


def _real_monotonic() -> Callable[[], float]:
    """Return the monotonic clock, behind a wrapper.

    freezegun replaces each module attribute that is ``time.monotonic``, and ``time.monotonic`` itself for
    whoever is imported while time is frozen.  Deadlines and circuits must go on by the real time.
    """
    if not isinstance(time.monotonic, types.BuiltinFunctionType) and hasattr(time, "clock_gettime"):
        return functools.partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    return functools.partial(time.monotonic)


#: Seconds on the monotonic clock.
monotonic = _real_monotonic()


def epoch_seconds() -> float:
    """Seconds since 1970, with fractions, as cookies expire."""
    return time.time()


def epoch_milliseconds() -> int:
    """Whole milliseconds since 1970, as the API wants timestamps."""
    return int(time.time() * 1000)


def utc_offset_minutes() -> float:
    """How many minutes this machine's local time is ahead of UTC just now."""
    return _utc_offset_minutes(time.time() // 900, time.tzname)


@functools.lru_cache(maxsize=4)
def _utc_offset_minutes(quarter: float, zone: Tuple[str, str]) -> float:
    """The same in a quarter of an hour since 1970: zones change their offset at its beginning, if ever."""
    seconds = time.localtime(quarter * 900).tm_gmtoff or 0
    return seconds / 60 if seconds % 60 else seconds // 60  # a whole number is one on the wire


def iso_8601(milliseconds: float) -> str:
    """That many milliseconds after 1970 began, in UTC: ``2021-02-03T04:05:06.789Z``."""
    moment = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_utc(moment: datetime.datetime) -> datetime.datetime:
    """``moment`` with a time zone: a naive one is taken as UTC."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.timezone.utc)


class Deadline(NamedTuple):
    """A moment on the monotonic clock that a whole call has to be done by."""

    at: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The deadline that many seconds from now."""
        return cls(monotonic() + seconds, seconds)

    def remaining(self) -> float:
        """Seconds left; zero or less when the time is up."""
        return self.at - monotonic()

    def at_most(self, seconds: float) -> "Deadline":
        """Return this deadline, or the one in ``seconds`` if that is earlier."""
        return self if self.remaining() <= seconds else Deadline.after(seconds)
