"""The shapes that nearly all of Target's rules have, each as one closure.

A shortcut looks at the arguments as the rule has them, before they are compiled, and
gives an evaluation or None where it does not fit.  What it gives evaluates to the same
as the general way, to which it falls back where a value is not of the usual class.

A plain look-up is ``data[key]`` and nothing else: the data may be a dict that works
out a value when it is first asked for.
"""

from typing import Any, Callable, Dict, List, Optional, Sequence

from target_tools.javascript import MAX_SAFE_INTEGER, at_most, less_than, loosely_equal
from target_tools.json_logic_operators import Evaluate, walk

Shortcut = Callable[[Sequence[Any]], Optional[Evaluate]]


# Variables


def _path_of(rule: Any) -> Optional[List[str]]:
    """The keys of a variable with a constant name and no default."""
    if isinstance(rule, dict) and len(rule) == 1 and "var" in rule:
        name = rule["var"]
        if isinstance(name, list) and len(name) == 1:
            name = name[0]
        if isinstance(name, str) and name:
            return name.split(".")
    return None


def _variable(arguments: Sequence[Any]) -> Optional[Evaluate]:
    if len(arguments) == 1:
        path = _path_of({"var": arguments[0]})
        if path is not None:
            return _reading(path)
    return None


def _reading(path: List[str]) -> Evaluate:
    if len(path) == 1:
        return _reading_one(path[0])
    return _reading_two(*path) if len(path) == 2 else _reading_many(path)


def _reading_one(key: str) -> Evaluate:
    def read(data: Any) -> Any:
        try:
            return data[key]
        except KeyError:
            return None
        except TypeError:
            return walk(data, (key,), None)

    return read


def _reading_two(first: str, second: str) -> Evaluate:
    def read(data: Any) -> Any:
        try:
            return data[first][second]
        except KeyError:
            return None
        except TypeError:
            return walk(data, (first, second), None)

    return read


def _reading_many(path: Sequence[str]) -> Evaluate:
    def read(data: Any) -> Any:
        value = data
        try:
            for key in path:
                value = value[key]
        except KeyError:
            return None
        except TypeError:
            return walk(data, path, None)
        return value

    return read


# A constant text equals a variable


def _equality(arguments: Sequence[Any]) -> Optional[Evaluate]:
    if len(arguments) != 2:
        return None
    text, variable = arguments if isinstance(arguments[0], str) else reversed(arguments)
    path = _path_of(variable)
    if not isinstance(text, str) or path is None:
        return None
    return _equal_two(text, *path) if len(path) == 2 else _equal_any(text, _reading(path))


def _equal_two(text: str, first: str, second: str) -> Evaluate:
    def equal(data: Any) -> bool:
        try:
            value = data[first][second]
        except KeyError:
            return False
        except TypeError:
            value = walk(data, (first, second), None)
        return value == text if value.__class__ is str else loosely_equal(value, text)

    return equal


def _equal_any(text: str, read: Evaluate) -> Evaluate:
    def equal(data: Any) -> bool:
        value = read(data)
        return value == text if value.__class__ is str else loosely_equal(value, text)

    return equal


def _inequality(arguments: Sequence[Any]) -> Optional[Evaluate]:
    equal = _equality(arguments)
    return None if equal is None else lambda data: not equal(data)


# A constant number is less or more than a variable


def _is_number(rule: Any) -> bool:
    """Whether the rule is a number that Python and JavaScript compare alike with any other."""
    return rule.__class__ in (int, float) and -MAX_SAFE_INTEGER <= rule <= MAX_SAFE_INTEGER


def _above(bound: float, key: str, read: Evaluate) -> Evaluate:
    """``bound < variable``."""

    def above(data: Any) -> bool:
        try:
            value = data[key]
        except (KeyError, TypeError):
            value = read(data)
        return bound < value if value.__class__ is float or value.__class__ is int else less_than(bound, value)

    return above


def _from(bound: float, key: str, read: Evaluate) -> Evaluate:
    """``bound <= variable``."""

    def from_bound(data: Any) -> bool:
        try:
            value = data[key]
        except (KeyError, TypeError):
            value = read(data)
        return bound <= value if value.__class__ is float or value.__class__ is int else at_most(bound, value)

    return from_bound


def _below(bound: float, key: str, read: Evaluate) -> Evaluate:
    """``variable < bound``."""

    def below(data: Any) -> bool:
        try:
            value = data[key]
        except (KeyError, TypeError):
            value = read(data)
        return value < bound if value.__class__ is float or value.__class__ is int else less_than(value, bound)

    return below


def _up_to(bound: float, key: str, read: Evaluate) -> Evaluate:
    """``variable <= bound``."""

    def up_to(data: Any) -> bool:
        try:
            value = data[key]
        except (KeyError, TypeError):
            value = read(data)
        return value <= bound if value.__class__ is float or value.__class__ is int else at_most(value, bound)

    return up_to


Comparison = Callable[[float, str, Evaluate], Evaluate]


def _comparing(bound_first: Comparison, bound_last: Comparison) -> Shortcut:
    def shortcut(arguments: Sequence[Any]) -> Optional[Evaluate]:
        if len(arguments) != 2:
            return None
        bound, variable = arguments
        comparison = bound_first
        if not _is_number(bound):
            bound, variable, comparison = variable, bound, bound_last
        path = _path_of(variable)
        if path is None or len(path) != 1 or not _is_number(bound):
            return None
        return comparison(bound, path[0], _reading_one(path[0]))

    return shortcut


# A variable is in a list of constant texts


def _membership(arguments: Sequence[Any]) -> Optional[Evaluate]:
    if len(arguments) != 2 or not isinstance(arguments[1], list):
        return None
    path = _path_of(arguments[0])
    if path is None or not all(item.__class__ is str for item in arguments[1]):
        return None
    read = _reading(path)
    texts = frozenset(arguments[1])

    def is_one(data: Any) -> bool:
        value = read(data)
        return isinstance(value, str) and value in texts

    return is_one


SHORTCUTS: Dict[str, Shortcut] = {
    "var": _variable,
    "==": _equality,
    "!=": _inequality,
    "<": _comparing(_above, _below),
    "<=": _comparing(_from, _up_to),
    ">": _comparing(_below, _above),
    ">=": _comparing(_up_to, _from),
    "in": _membership,
}
