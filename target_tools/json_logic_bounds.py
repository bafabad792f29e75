"""The shortcuts for numbers: a variable is less or more than a constant one, or between two.

That is how an activity shares out its visitors: each experience has those whose
allocation is between two bounds, so this is what is evaluated most.
"""

from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence, Tuple

from target_tools.javascript import MAX_SAFE_INTEGER, at_most, less_than
from target_tools.json_logic_operators import Evaluate, Shelf, walk
from target_tools.json_logic_shortcuts import Shortcut, name_of

# One bound


def _above(bound: float, key: str) -> Evaluate:
    """``bound < variable``."""

    def above(data: Any) -> bool:
        try:
            value = data[key]
        except KeyError:
            return less_than(bound, None)
        except TypeError:
            value = walk(data, (key,), None)
        return bound < value if value.__class__ is float or value.__class__ is int else less_than(bound, value)

    return above


def _from(bound: float, key: str) -> Evaluate:
    """``bound <= variable``."""

    def from_bound(data: Any) -> bool:
        try:
            value = data[key]
        except KeyError:
            return at_most(bound, None)
        except TypeError:
            value = walk(data, (key,), None)
        return bound <= value if value.__class__ is float or value.__class__ is int else at_most(bound, value)

    return from_bound


def _below(bound: float, key: str) -> Evaluate:
    """``variable < bound``."""

    def below(data: Any) -> bool:
        try:
            value = data[key]
        except KeyError:
            return less_than(None, bound)
        except TypeError:
            value = walk(data, (key,), None)
        return value < bound if value.__class__ is float or value.__class__ is int else less_than(value, bound)

    return below


def _up_to(bound: float, key: str) -> Evaluate:
    """``variable <= bound``."""

    def up_to(data: Any) -> bool:
        try:
            value = data[key]
        except KeyError:
            return at_most(None, bound)
        except TypeError:
            value = walk(data, (key,), None)
        return value <= bound if value.__class__ is float or value.__class__ is int else at_most(value, bound)

    return up_to


# Two bounds


def _from_up_to(low: float, high: float, key: str) -> Evaluate:
    """``low <= variable`` and ``variable <= high``."""

    def from_up_to(data: Any) -> bool:
        try:
            value = data[key]
        except KeyError:
            return at_most(low, None) and at_most(None, high)
        except TypeError:
            value = walk(data, (key,), None)
        if value.__class__ is float or value.__class__ is int:
            return low <= value <= high
        return at_most(low, value) and at_most(value, high)

    return from_up_to


def _above_up_to(low: float, high: float, key: str) -> Evaluate:
    """``low < variable`` and ``variable <= high``."""

    def above_up_to(data: Any) -> bool:
        try:
            value = data[key]
        except KeyError:
            return less_than(low, None) and at_most(None, high)
        except TypeError:
            value = walk(data, (key,), None)
        if value.__class__ is float or value.__class__ is int:
            return low < value <= high
        return less_than(low, value) and at_most(value, high)

    return above_up_to


# What a rule says of them

Comparison = Callable[[float, str], Evaluate]

#: What an operator makes of a bound that stands first, and of one that stands last.
_COMPARISONS: Dict[str, Tuple[Comparison, Comparison]] = {
    "<": (_above, _below),
    "<=": (_from, _up_to),
    ">": (_below, _above),
    ">=": (_up_to, _from),
}
#: The pairs of bounds that share out visitors.
_RANGES: Dict[Tuple[Comparison, Comparison], Callable[[float, float, str], Evaluate]] = {
    (_from, _up_to): _from_up_to,
    (_above, _up_to): _above_up_to,
}


class _Bound(NamedTuple):
    """The comparison of a constant number and a variable."""

    comparison: Comparison
    number: float
    key: str


def _is_number(rule: Any) -> bool:
    """Whether the rule is a number that Python and JavaScript compare alike with any other."""
    return (rule.__class__ is int or rule.__class__ is float) and -MAX_SAFE_INTEGER <= rule <= MAX_SAFE_INTEGER


def _bound(operator: str, arguments: Sequence[Any]) -> Optional[_Bound]:
    if len(arguments) != 2:
        return None
    number, variable = arguments
    comparison, bound_last = _COMPARISONS[operator]
    if not _is_number(number):
        number, variable, comparison = variable, number, bound_last
        if not _is_number(number):
            return None
    key = name_of(variable)
    return None if key is None or "." in key else _Bound(comparison, number, key)


def _comparing(operator: str) -> Shortcut:
    def shortcut(arguments: Sequence[Any], shelf: Shelf) -> Optional[Evaluate]:
        bound = _bound(operator, arguments)
        return None if bound is None else shelf.made(*bound)

    return shortcut


def both_bounds(rules: Sequence[Any], shelf: Shelf) -> Optional[Evaluate]:
    """The conjunction of the rules, if they are a lower and an upper bound of one variable."""
    if len(rules) != 2:
        return None
    low, high = _bound_in(rules[0]), _bound_in(rules[1])
    if low is None or high is None or low.key != high.key:
        return None
    between = _RANGES.get((low.comparison, high.comparison))
    return None if between is None else shelf.made(between, low.number, high.number, low.key)


def _bound_in(rule: Any) -> Optional[_Bound]:
    if isinstance(rule, dict) and len(rule) == 1:
        ((operator, arguments),) = rule.items()
        if operator in _COMPARISONS and isinstance(arguments, (list, tuple)):
            return _bound(operator, arguments)
    return None


BOUNDS: Dict[str, Shortcut] = {operator: _comparing(operator) for operator in _COMPARISONS}
