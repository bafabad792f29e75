"""Compiles the most common forms of Target's rules to a single closure each.

A fast path inspects the uncompiled arguments and returns a closure, or None if it does not apply. The closure returns
the same results as the general one, and uses the general functions for values of unusual types.

A variable is read as ``data[key]``, because the data may be a dict that computes its values on first use.

The rules of an artifact read the same few variables, so closures come from the ``ClosureCache``.
"""

from operator import ge, gt, le, lt
from typing import Any, Callable, Dict, FrozenSet, Mapping, NamedTuple, Optional, Sequence, Tuple

from target_tools.rules.javascript import (
    MAX_SAFE_INTEGER,
    Value,
    greater_or_equal,
    greater_than,
    less_or_equal,
    less_than,
    loosely_equal,
)
from target_tools.rules.operators import ClosureCache, Evaluate, resolve_path

FastPath = Callable[[Sequence[Value], ClosureCache], Optional[Evaluate]]
#: The data of most rules. For data of another type, the closures handle the ``TypeError``.
Variables = Mapping[str, Any]


# Variables


def constant_variable_name(rule: Value) -> Optional[str]:
    """Return the name that a ``var`` rule reads. None for a computed or empty name, a default, or any other rule."""
    if isinstance(rule, dict) and len(rule) == 1 and "var" in rule:
        name = rule["var"]
        if isinstance(name, list) and len(name) == 1:
            name = name[0]
        if name.__class__ is str and name:
            return str(name)
    return None


def _variable(arguments: Sequence[Value], cache: ClosureCache) -> Optional[Evaluate]:
    if len(arguments) == 1:
        name = constant_variable_name({"var": arguments[0]})
        if name is not None:
            return cache.get(_variable_reader, name)
    return None


def _variable_reader(name: str) -> Evaluate:
    path = name.split(".")
    if len(path) == 1:
        return _read_key(name)
    return _read_two_keys(*path) if len(path) == 2 else _read_path(path)


def _read_key(key: str) -> Evaluate:
    def read(data: Variables) -> Any:
        try:
            return data[key]
        except KeyError:
            return None
        except TypeError:
            return resolve_path(data, (key,), None)

    return read


def _read_two_keys(first: str, second: str) -> Evaluate:
    def read(data: Variables) -> Any:
        try:
            return data[first][second]
        except KeyError:
            return None
        except TypeError:
            return resolve_path(data, (first, second), None)

    return read


def _read_path(path: Sequence[str]) -> Evaluate:
    def read(data: Variables) -> Any:
        value = data
        try:
            for key in path:
                value = value[key]
        except KeyError:
            return None
        except TypeError:
            return resolve_path(data, path, None)
        return value

    return read


# Comparison of a variable with a constant text


def _text_comparison(make: Callable[[str, str], Evaluate]) -> FastPath:
    def fast_path(arguments: Sequence[Value], cache: ClosureCache) -> Optional[Evaluate]:
        text_and_name = _text_and_name(arguments)
        return None if text_and_name is None else cache.get(make, *text_and_name)

    return fast_path


def _text_and_name(arguments: Sequence[Value]) -> Optional[Tuple[str, str]]:
    if len(arguments) != 2:
        return None
    text, variable = arguments if arguments[0].__class__ is str else reversed(arguments)
    name = constant_variable_name(variable)
    return None if name is None or text.__class__ is not str else (str(text), name)


def _equal(text: str, name: str) -> Evaluate:
    path = name.split(".")
    return _equal_two(text, *path) if len(path) == 2 else _equal_any(text, _variable_reader(name))


def _unequal(text: str, name: str) -> Evaluate:
    equal = _equal(text, name)
    return lambda data: not equal(data)


def _equal_two(text: str, first: str, second: str) -> Evaluate:
    def equal(data: Variables) -> bool:
        try:
            value = data[first][second]
        except KeyError:
            return False
        except TypeError:
            value = resolve_path(data, (first, second), None)
        return value == text if value.__class__ is str else loosely_equal(value, text)

    return equal


def _equal_any(text: str, read: Evaluate) -> Evaluate:
    def equal(data: Variables) -> bool:
        value = read(data)
        return value == text if value.__class__ is str else loosely_equal(value, text)

    return equal


# Membership of a variable in a list of constant texts


def _membership(arguments: Sequence[Value], cache: ClosureCache) -> Optional[Evaluate]:
    if len(arguments) != 2:
        return None
    name, texts = constant_variable_name(arguments[0]), arguments[1]
    if name is None or not isinstance(texts, list) or not all(text.__class__ is str for text in texts):
        return None
    return cache.get(_is_member, frozenset(texts), cache.get(_variable_reader, name))


def _is_member(texts: FrozenSet[str], read: Evaluate) -> Evaluate:
    def is_member(data: Variables) -> bool:
        value = read(data)
        return isinstance(value, str) and value in texts

    return is_member


# Comparison of a variable with one or two constant numbers
#
# Activities allocate visitors this way: each experience gets the visitors whose allocation is in its range. No other
# condition is evaluated as often.

Compare = Callable[[Any, Any], bool]

#: Python's operator for two numbers, and the same comparison with JavaScript's conversions.
_COMPARISONS: Dict[str, Tuple[Compare, Compare]] = {
    "<": (lt, less_than),
    "<=": (le, less_or_equal),
    ">": (gt, greater_than),
    ">=": (ge, greater_or_equal),
}
#: The operators that mean the same if the arguments are swapped.
SWAPPED_COMPARISONS = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


class _Comparison(NamedTuple):
    """``number operator variable``."""

    operator: str
    number: float
    key: str


def _parse_comparison(operator: str, arguments: Sequence[Value]) -> Optional[_Comparison]:
    if len(arguments) != 2:
        return None
    number, variable = arguments
    if isinstance(number, dict):
        number, variable, operator = variable, number, SWAPPED_COMPARISONS[operator]
    key = constant_variable_name(variable)
    if key is None or "." in key or isinstance(number, bool) or not isinstance(number, (int, float)):
        return None
    # Leave larger numbers to the general operators, because Python and JavaScript compare them differently.
    return _Comparison(operator, number, key) if -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER else None


def _comparison(operator: str) -> FastPath:
    def fast_path(arguments: Sequence[Value], cache: ClosureCache) -> Optional[Evaluate]:
        comparison = _parse_comparison(operator, arguments)
        return None if comparison is None else cache.get(_compare, *comparison)

    return fast_path


def _compare(operator: str, number: float, key: str) -> Evaluate:
    compare, compare_converted = _COMPARISONS[operator]

    def evaluate(data: Variables) -> bool:
        try:
            value = data[key]
        except (KeyError, TypeError):
            value = resolve_path(data, (key,), None)
        is_number = type(value) is float or type(value) is int
        return compare(number, value) if is_number else compare_converted(number, value)

    return evaluate


def compile_range(rules: Sequence[Value], cache: ClosureCache) -> Optional[Evaluate]:
    """Compile the rules of an ``and`` if they are a lower and an inclusive upper bound of one variable.

    Otherwise return None.
    """
    if len(rules) != 2:
        return None
    low, high = _comparison_in(rules[0]), _comparison_in(rules[1])
    if low is None or high is None or low.key != high.key:
        return None
    if low.operator not in ("<", "<=") or high.operator != ">=":
        return None
    return cache.get(_between, low.operator, low.number, high.number, low.key)


def _comparison_in(rule: Value) -> Optional[_Comparison]:
    if isinstance(rule, dict) and len(rule) == 1:
        ((operator, arguments),) = rule.items()
        if operator in _COMPARISONS and isinstance(arguments, (list, tuple)):
            return _parse_comparison(operator, arguments)
    return None


def _between(operator: str, low: float, high: float, key: str) -> Evaluate:
    """Return the closure for ``low < variable <= high``, or ``low <= variable <= high`` if ``operator`` is ``<=``."""
    compare, compare_converted = _COMPARISONS[operator]

    def evaluate(data: Variables) -> bool:
        try:
            value = data[key]
        except (KeyError, TypeError):
            value = resolve_path(data, (key,), None)
        if type(value) is float or type(value) is int:
            return compare(low, value) and value <= high
        return compare_converted(low, value) and less_or_equal(value, high)

    return evaluate


FAST_PATHS: Dict[str, FastPath] = {
    "var": _variable,
    "==": _text_comparison(_equal),
    "!=": _text_comparison(_unequal),
    "in": _membership,
    **{operator: _comparison(operator) for operator in _COMPARISONS},
}
