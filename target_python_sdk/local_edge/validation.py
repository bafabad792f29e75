"""Validates parsed JSON. Errors name the place in the document."""

from typing import Any, Collection, Dict, List, Mapping, Sequence, Tuple, Union

from target_tools.error_text import OMITTED, invalid, suggestion
from target_tools.errors import OptionError

Json = Dict[str, Any]
#: A parsed JSON document, or a part of one.
JsonValue = Union[None, bool, int, float, str, Sequence[Any], Mapping[str, Any]]


def error_at(place: str, expected: str, got: object = OMITTED, problem: str = "") -> OptionError:
    """Return the error about a value that is not as ``expected``."""
    return OptionError(invalid(place, problem, expected=expected, got=got), place, expected)


def check_object(value: JsonValue, place: str, known: Collection[str] = (), required: Collection[str] = ()) -> Json:
    """Return ``value`` as a dict. If ``known`` keys are given, all other keys are rejected."""
    if not isinstance(value, Mapping):
        raise error_at(place, "an object", value)
    for key in value if known else ():
        if key not in known:
            expected = f"one of {', '.join(known)}"
            problem = f"unknown key {key!r}{suggestion(key, known) or f'; expected {expected}'}"
            raise error_at(place, expected, problem=problem)
    for key in required:
        if key not in value:
            raise error_at(place, f"the key {key!r}", problem=f"missing key {key!r}")
    return dict(value)


def check_list(value: JsonValue, place: str) -> List[Any]:
    """Return ``value`` as a list."""
    if not isinstance(value, (list, tuple)):
        raise error_at(place, "a list", value)
    return list(value)


def check_objects(value: JsonValue, place: str, known: Collection[str] = ()) -> List[Tuple[str, Json]]:
    """Return the objects in a list, each with its place. None counts as an empty list."""
    items = [] if value is None else check_list(value, place)
    places = [f"{place}[{index}]" for index in range(len(items))]
    return [(at, check_object(item, at, known)) for at, item in zip(places, items)]


def check_text(value: JsonValue, place: str) -> str:
    """Return ``value`` if it is a non-empty string."""
    if not isinstance(value, str) or not value:
        raise error_at(place, "a non-empty string", value)
    return value


def check_boolean(value: JsonValue, place: str) -> bool:
    """Return ``value`` if it is true or false."""
    if not isinstance(value, bool):
        raise error_at(place, "true or false", value)
    return value


def check_number(value: JsonValue, place: str, minimum: float, maximum: float) -> float:
    """Return ``value`` as a float if it is a number between ``minimum`` and ``maximum``, both included."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and minimum <= value <= maximum:
        return float(value)
    raise error_at(place, f"a number between {minimum:g} and {maximum:g}", value)
