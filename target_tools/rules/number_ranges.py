"""Fast paths for comparisons of a variable with one or two constant numbers.

Activities allocate visitors this way: each experience gets those whose allocation is in a range. No other condition is
evaluated as often.
"""

from functools import partial
from operator import le, lt
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence, Tuple

from target_tools.rules.fast_paths import FastPath, constant_variable_name
from target_tools.rules.javascript import MAX_SAFE_INTEGER, less_or_equal, less_than
from target_tools.rules.operators import ClosureCache, Evaluate, resolve_path

Compare = Callable[[Any, Any], bool]


def _number_at(data: Any, key: str) -> Any:
    """Return the variable, or None. Called only if ``data[key]`` failed."""
    return resolve_path(data, (key,), None)


# ``compare`` is Python's operator for two numbers, ``general`` the same comparison with JavaScript's conversions.


def _constant_first(compare: Compare, general: Compare, bound: float, key: str) -> Evaluate:
    """``bound < variable``, or ``<=``."""

    def evaluate(data: Any) -> bool:
        try:
            value = data[key]
        except (KeyError, TypeError):
            value = _number_at(data, key)
        is_number = value.__class__ is float or value.__class__ is int
        return compare(bound, value) if is_number else general(bound, value)

    return evaluate


def _constant_last(compare: Compare, general: Compare, bound: float, key: str) -> Evaluate:
    """``variable < bound``, or ``<=``."""

    def evaluate(data: Any) -> bool:
        try:
            value = data[key]
        except (KeyError, TypeError):
            value = _number_at(data, key)
        is_number = value.__class__ is float or value.__class__ is int
        return compare(value, bound) if is_number else general(value, bound)

    return evaluate


def _between(compare: Compare, general: Compare, low: float, high: float, key: str) -> Evaluate:
    """``low < variable``, or ``<=``, and ``variable <= high``."""

    def evaluate(data: Any) -> bool:
        try:
            value = data[key]
        except (KeyError, TypeError):
            value = _number_at(data, key)
        if value.__class__ is float or value.__class__ is int:
            return compare(low, value) and value <= high
        return general(low, value) and less_or_equal(value, high)

    return evaluate


# Parsing of rules

Comparison = Callable[[float, str], Evaluate]

_ABOVE = partial(_constant_first, lt, less_than)
_FROM = partial(_constant_first, le, less_or_equal)
_BELOW = partial(_constant_last, lt, less_than)
_UP_TO = partial(_constant_last, le, less_or_equal)
#: The comparisons of an operator whose constant is the first argument, and the second.
_COMPARISONS: Dict[str, Tuple[Comparison, Comparison]] = {
    "<": (_ABOVE, _BELOW),
    "<=": (_FROM, _UP_TO),
    ">": (_BELOW, _ABOVE),
    ">=": (_UP_TO, _FROM),
}
#: The ranges that allocate visitors.
_RANGES: Dict[Tuple[Comparison, Comparison], Callable[[float, float, str], Evaluate]] = {
    (_FROM, _UP_TO): partial(_between, le, less_or_equal),
    (_ABOVE, _UP_TO): partial(_between, lt, less_than),
}


class _Comparison(NamedTuple):
    """A comparison of a constant number with a variable."""

    comparison: Comparison
    number: float
    key: str


def _is_number(rule: Any) -> bool:
    """Return whether the rule is a number that Python and JavaScript compare in the same way."""
    return (rule.__class__ is int or rule.__class__ is float) and -MAX_SAFE_INTEGER <= rule <= MAX_SAFE_INTEGER


def _parse_comparison(operator: str, arguments: Sequence[Any]) -> Optional[_Comparison]:
    if len(arguments) != 2:
        return None
    number, variable = arguments
    comparison, bound_last = _COMPARISONS[operator]
    if not _is_number(number):
        number, variable, comparison = variable, number, bound_last
        if not _is_number(number):
            return None
    key = constant_variable_name(variable)
    return None if key is None or "." in key else _Comparison(comparison, number, key)


def _comparison_fast_path(operator: str) -> FastPath:
    def fast_path(arguments: Sequence[Any], cache: ClosureCache) -> Optional[Evaluate]:
        bound = _parse_comparison(operator, arguments)
        return None if bound is None else cache.get(*bound)

    return fast_path


def compile_range(rules: Sequence[Any], cache: ClosureCache) -> Optional[Evaluate]:
    """Compile the rules of an ``and`` if they are a lower and an upper bound of one variable, else return None."""
    if len(rules) != 2:
        return None
    low, high = _comparison_in(rules[0]), _comparison_in(rules[1])
    if low is None or high is None or low.key != high.key:
        return None
    between = _RANGES.get((low.comparison, high.comparison))
    return None if between is None else cache.get(between, low.number, high.number, low.key)


def _comparison_in(rule: Any) -> Optional[_Comparison]:
    if isinstance(rule, dict) and len(rule) == 1:
        ((operator, arguments),) = rule.items()
        if operator in _COMPARISONS and isinstance(arguments, (list, tuple)):
            return _parse_comparison(operator, arguments)
    return None


COMPARISON_FAST_PATHS: Dict[str, FastPath] = {operator: _comparison_fast_path(operator) for operator in _COMPARISONS}
