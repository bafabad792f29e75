"""Shows names and values of conditions as text: one line, shortened, and safe to print on a terminal."""

import re
from datetime import datetime, timedelta, timezone
from typing import List, Optional

from target_tools.error_text import shown
from target_tools.rules.javascript import ARRAY, Value, to_string

#: The maximum number of items that a list shows.
MAX_ITEMS = 12
#: The maximum number of characters of a name. Longer names are shortened.
MAX_NAME = 80

_CLOCK = re.compile("[0-9]{4}")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: Milliseconds from 1970 to the end of the year 9999.
_MAX_TIMESTAMP = 253402300799999


def name_text(name: str) -> str:
    """Return a name on one line, escaped and shortened if necessary. An empty name is shown as ``''``."""
    shortened = name if len(name) <= MAX_NAME else name[:MAX_NAME] + "…"
    return shortened if name and shortened.isprintable() else repr(shortened)[1:-1] or repr(name)


def value_text(value: Value, variable: Optional[str] = None) -> str:
    """Return a JSON value as text: ``'gold'``, ``18``, ``true``, ``null``, ``['a', 'b']``.

    Objects, and values that are not JSON, are described by their type.

    :param variable: The variable that has the value or is compared with it. It tells whether the value is a time or a
        day.
    """
    return _time_text(value, variable) or _literal(value)


def items_text(texts: List[str], more: int = 0) -> str:
    """Return the texts, joined by commas. ``more`` is the number of further items that are not shown."""
    shown_texts = texts[:MAX_ITEMS]
    more += len(texts) - len(shown_texts)
    return ", ".join([*shown_texts, *([f"and {more} more"] if more else [])])


def _literal(value: Value, depth: int = 0) -> str:
    if isinstance(value, str):
        return shown(to_string(value))
    if value is None or isinstance(value, (bool, int, float)):
        return to_string(value)
    if isinstance(value, ARRAY) and depth < 2:
        texts = [_literal(item, depth + 1) for item in value[:MAX_ITEMS]]
        return f"[{items_text(texts, len(value) - len(texts))}]"
    return shown(value)


def _time_text(value: Value, variable: Optional[str]) -> Optional[str]:
    """Return a timestamp, a time or a day as text; None for other values."""
    if variable == "current_timestamp" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return _timestamp_text(value)
    if variable == "current_time" and isinstance(value, str) and _CLOCK.fullmatch(value):
        return f"{value[:2]}:{value[2:]} UTC"
    if variable == "current_day" and to_string(value) in ("1", "2", "3", "4", "5", "6", "7"):
        return f"{_literal(value)} ({_DAYS[int(to_string(value)) - 1]})"
    return None


def _timestamp_text(milliseconds: float) -> Optional[str]:
    if not 0 <= milliseconds <= _MAX_TIMESTAMP:
        return None
    moment = _EPOCH + timedelta(milliseconds=int(milliseconds))
    unit = "milliseconds" if moment.microsecond else "seconds" if moment.second else "minutes"
    return moment.isoformat(" ", unit)[: -len("+00:00")] + " UTC"
