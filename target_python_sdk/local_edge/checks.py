"""Plain JSON, checked as it is read; what is wrong is said with its place."""

import difflib
import math
from typing import Any, Dict, List, Mapping, Sequence

from target_tools.errors import OptionError, escape_text


def wrong(place: str, expected: str, found: object = None) -> OptionError:
    """The error that says ``expected`` was expected at ``place``, and what stood there."""
    message = "{} was expected".format(expected)
    if found is not None:
        message += ", not " + escape_text(found, 80)
    return OptionError("{}: {}".format(place, message) if place else message, option=place, expected=expected)


def checked_object(value: Any, place: str, known: Sequence[str] = (), required: Sequence[str] = ()) -> Dict[str, Any]:
    """``value`` as a dict.  With ``known`` keys, any other is an error that names the nearest."""
    if not isinstance(value, Mapping):
        raise wrong(place, "an object", _kind(value))
    for key in value if known else ():
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            expected = "'{}'".format(near[0]) if near else "one of " + ", ".join(known)
            raise wrong("{}.{}".format(place, key).lstrip("."), expected, "this unknown key")
    for key in required:
        if key not in value:
            raise wrong(place, "the key '{}'".format(key))
    return dict(value)


def checked_list(value: Any, place: str) -> List[Any]:
    """``value`` as a list."""
    if not isinstance(value, (list, tuple)):
        raise wrong(place, "a list", _kind(value))
    return list(value)


def checked_text(value: Any, place: str) -> str:
    """``value`` as a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise wrong(place, "a text that is not empty", _kind(value))
    return value


def checked_flag(value: Any, place: str) -> bool:
    """``value`` as true or false."""
    if not isinstance(value, bool):
        raise wrong(place, "true or false", _kind(value))
    return value


def checked_number(value: Any, place: str, lowest: float, highest: float) -> float:
    """``value`` as a number between the two, both included."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not good or not lowest <= value <= highest:
        raise wrong(place, "a number from {:g} to {:g}".format(lowest, highest), _kind(value))
    return float(value)


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "a list"
    names = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return names[value]
    return repr(value)
