"""Validates parsed JSON. The errors name the place in the document."""

import difflib
import math
from typing import Any, Collection, Dict, List, Mapping

from target_tools.errors import OptionError, escape_text

_MISSING = object()


def invalid(place: str, expected: str, got: object = _MISSING) -> OptionError:
    """Return the error for a value that is not the ``expected`` one."""
    problem = f"expected {expected}" if got is _MISSING else f"expected {expected}, got {_shown(got)}"
    return _error(place, problem, expected)


def check_object(value: Any, place: str, known: Collection[str] = (), required: Collection[str] = ()) -> Dict[str, Any]:
    """Return ``value`` as a dict. If there are ``known`` keys, others are rejected."""
    if not isinstance(value, Mapping):
        raise invalid(place, "an object", value)
    for key in value if known else ():
        if key not in known:
            closest = difflib.get_close_matches(str(key), known, 1)
            advice = f"did you mean {closest[0]!r}?" if closest else f"expected one of {', '.join(known)}"
            raise _error(place, f"unknown key {key!r}; {advice}", "a known key")
    for key in required:
        if key not in value:
            raise _error(place, f"missing key {key!r}", f"the key {key!r}")
    return dict(value)


def check_list(value: Any, place: str) -> List[Any]:
    """Return ``value`` as a list."""
    if not isinstance(value, (list, tuple)):
        raise invalid(place, "a list", value)
    return list(value)


def check_text(value: Any, place: str) -> str:
    """Return ``value`` if it is a non-empty string."""
    if not isinstance(value, str) or not value:
        raise invalid(place, "a non-empty string", value)
    return value


def check_boolean(value: Any, place: str) -> bool:
    """Return ``value`` if it is true or false."""
    if not isinstance(value, bool):
        raise invalid(place, "true or false", value)
    return value


def check_number(value: Any, place: str, minimum: float, maximum: float) -> float:
    """Return ``value`` as a float if it is a number between ``minimum`` and ``maximum``, both included."""
    is_finite = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not is_finite or not minimum <= value <= maximum:
        raise invalid(place, f"a number between {minimum:g} and {maximum:g}", value)
    return float(value)


def _error(place: str, problem: str, expected: str) -> OptionError:
    return OptionError(f"{place}: {problem}" if place else problem, place, expected)


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return escape_text(repr(value), 80)
