"""The current time, time zones and deadlines. No other module of the SDK reads the system clock.

The API and cookies get the time of the system clock. Waits use the monotonic clock, so that setting the system clock
does not move a deadline.
"""

import datetime
import functools
import re
import time
import types
from typing import Any, Callable, NamedTuple, Tuple


def _real_monotonic() -> Callable[[], float]:
    """Return the real monotonic clock, in a wrapper that freezegun does not replace.

    Deadlines and circuits must use the real time. freezegun replaces each module attribute that is ``time.monotonic``,
    and also ``time.monotonic`` itself, which matters if this module is imported while time is frozen.
    """
    if not isinstance(time.monotonic, types.BuiltinFunctionType) and hasattr(time, "clock_gettime"):
        return functools.partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    return functools.partial(time.monotonic)


#: Compiled on first use; few programs parse a datetime.
_ISO_8601 = r"(?a)(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(?:([Zz])|([+-]\d\d):?(\d\d))?"

#: Seconds on the monotonic clock.
monotonic = _real_monotonic()
#: Seconds of CPU time of the current thread; the monotonic clock on systems that do not measure CPU time per thread.
thread_seconds: Callable[[], float] = getattr(time, "thread_time", monotonic)


def epoch_seconds() -> float:
    """Return the seconds since 1970, with fractions, as cookies need them."""
    return time.time()


def epoch_milliseconds() -> int:
    """Return the whole milliseconds since 1970, as the API needs them."""
    return int(time.time() * 1000)


def timestamp_problem(timestamp: float) -> str:
    """Describe the problem if a timestamp in milliseconds is before 1971; return an empty text if it is later."""
    if timestamp >= 3.1536e10:
        return ""
    hint = ", which may be seconds" if timestamp >= 1e8 else ""
    return f"expected milliseconds since 1970, got {timestamp}{hint}"


def utc_offset_minutes() -> float:
    """Return the current offset of local time from UTC in minutes, positive east of Greenwich."""
    return _utc_offset_minutes(time.time() // 900, time.tzname)


@functools.lru_cache(maxsize=4)
def _utc_offset_minutes(quarter: float, zone: Tuple[str, str]) -> float:
    """Return the offset for ``quarter``, the number of quarter hours since 1970. Offsets change on a quarter hour."""
    seconds = time.localtime(quarter * 900).tm_gmtoff or 0
    return seconds / 60 if seconds % 60 else seconds // 60  # an int is serialized without a fraction


def iso_8601(milliseconds: float) -> str:
    """Format milliseconds since 1970 in UTC: ``2021-02-03T04:05:06.789Z``."""
    moment = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_utc(moment: datetime.datetime) -> datetime.datetime:
    """Return ``moment`` with a time zone: UTC if it has none."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.timezone.utc)


def parse_iso_8601(value: Any) -> Any:
    """Parse ISO 8601 text as a datetime. Any other value is returned unchanged."""
    match = re.fullmatch(_ISO_8601, value) if isinstance(value, str) else None
    if match is None:
        return value
    day, time, fraction, zulu, hours, minutes = match.groups()
    zone = "+00:00" if zulu else f"{hours}:{minutes}" if hours else ""
    # The only form that Python 3.8 parses: six fractional digits and an offset with a colon.
    text = f"{day}T{time}.{(fraction or '')[:6].ljust(6, '0')}{zone}"
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:  # such as the 30th of February
        return value


class Deadline(NamedTuple):
    """The moment by which a whole call must be done, and how many seconds it was allowed."""

    at: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """Return the deadline in ``seconds`` from now."""
        return cls(monotonic() + seconds, seconds)

    def remaining(self) -> float:
        """Return the seconds left, zero or less if the deadline has passed."""
        return self.at - monotonic()

    def at_most(self, seconds: float) -> "Deadline":
        """Return this deadline, or one in ``seconds`` if that is earlier."""
        return self if self.remaining() <= seconds else Deadline.after(seconds)
