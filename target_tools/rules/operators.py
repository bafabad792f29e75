"""JSON-logic's operators. Each returns a closure over the closures of its arguments.

Most operators are plain functions of values; ``_unary`` and similar functions turn them into operators. The others
evaluate only some of their arguments, or read the data.
"""

import math
from functools import lru_cache, reduce
from operator import add
from typing import Any, Callable, Dict, List, Sequence, Tuple

from target_tools.errors import InvalidRule
from target_tools.rules.javascript import (
    UNDEFINED,
    code_units,
    contains,
    divide,
    get_property,
    greater_or_equal,
    greater_than,
    is_array,
    less_or_equal,
    less_than,
    loosely_equal,
    parse_float,
    remainder,
    strictly_equal,
    substr,
    to_boolean,
    to_number,
    to_string,
    type_of,
)

Evaluate = Callable[[Any], Any]
Arguments = Sequence[Evaluate]
Operator = Callable[[Arguments], Evaluate]


#: Maximum number of closures in a cache. The least recently used are dropped.
MAX_CACHED = 4096


class ClosureCache:
    """Caches closures. Rules can share them because they have no state."""

    __slots__ = ("get",)

    def __init__(self) -> None:
        #: ``get(make, *arguments)`` returns ``make(*arguments)``, cached by the arguments and their types. 1, 1.0 and
        #: True have separate entries; 0.0 and -0.0 share one.
        self.get = lru_cache(MAX_CACHED, typed=True)(_call)


def _call(make: Callable[..., Evaluate], *arguments: Any) -> Evaluate:
    return make(*arguments)


def constant(value: Any) -> Evaluate:
    """Return a closure that returns ``value``."""
    return lambda data: value


def pad_arguments(arguments: Arguments, count: int) -> List[Evaluate]:
    """Return exactly ``count`` arguments. Missing ones are undefined, as in JavaScript; surplus ones are dropped."""
    return [*arguments[:count], *[constant(UNDEFINED)] * (count - len(arguments))]


def is_truthy(value: Any) -> bool:
    """Return whether JSON-logic treats ``value`` as true: like JavaScript, except that an empty array is false."""
    return to_boolean(value) and not (is_array(value) and not value)


# Operators made from functions of values


def _unary(function: Callable[[Any], Any]) -> Operator:
    def operator(arguments: Arguments) -> Evaluate:
        (operand,) = pad_arguments(arguments, 1)
        return lambda data: function(operand(data))

    return operator


def _binary(function: Callable[[Any, Any], Any]) -> Operator:
    def operator(arguments: Arguments) -> Evaluate:
        left, right = pad_arguments(arguments, 2)
        return lambda data: function(left(data), right(data))

    return operator


def _ternary(function: Callable[[Any, Any, Any], Any]) -> Operator:
    def operator(arguments: Arguments) -> Evaluate:
        first, second, third = pad_arguments(arguments, 3)
        return lambda data: function(first(data), second(data), third(data))

    return operator


def _variadic(function: Callable[[List[Any]], Any]) -> Operator:
    def operator(arguments: Arguments) -> Evaluate:
        return lambda data: function([argument(data) for argument in arguments])

    return operator


# Operators that evaluate only the arguments they need


def _and(terms: Arguments) -> Evaluate:
    if len(terms) < 2:
        return terms[0] if terms else constant(UNDEFINED)
    *before, last = terms
    return _and_of_two(before[0], last) if len(terms) == 2 else _first_false(before, last)


def _and_of_two(first: Evaluate, last: Evaluate) -> Evaluate:
    def both(data: Any) -> Any:
        value = first(data)
        if value is True or is_truthy(value):
            return last(data)
        return value

    return both


def _first_false(before: Arguments, last: Evaluate) -> Evaluate:
    def first_false_or_last(data: Any) -> Any:
        for term in before:
            value = term(data)
            if value is not True and not is_truthy(value):
                return value
        return last(data)

    return first_false_or_last


def _or(terms: Arguments) -> Evaluate:
    if len(terms) < 2:
        return terms[0] if terms else constant(UNDEFINED)
    *before, last = terms
    return _or_of_two(before[0], last) if len(terms) == 2 else _first_true(before, last)


def _or_of_two(first: Evaluate, last: Evaluate) -> Evaluate:
    def either(data: Any) -> Any:
        value = first(data)
        if value is False or not is_truthy(value):
            return last(data)
        return value

    return either


def _first_true(before: Arguments, last: Evaluate) -> Evaluate:
    def first_true_or_last(data: Any) -> Any:
        for term in before:
            value = term(data)
            if value is not False and is_truthy(value):
                return value
        return last(data)

    return first_true_or_last


def _if(terms: Arguments) -> Evaluate:
    branches = list(zip(terms[:-1:2], terms[1::2]))
    otherwise = terms[-1] if len(terms) % 2 else constant(None)

    def chosen(data: Any) -> Any:
        for condition, consequence in branches:
            if is_truthy(condition(data)):
                return consequence(data)
        return otherwise(data)

    return chosen


# Data


def resolve_path(data: Any, path: Sequence[str], default: Any) -> Any:
    """Return the value at ``path`` in the data, or ``default`` if there is none."""
    for key in path:
        data = get_property(data, key)
        if data is UNDEFINED:
            return default
    return data


def get_variable(data: Any, name: Any, default: Any = UNDEFINED) -> Any:
    """Return the variable ``name``, in which dots separate levels. An empty name returns the data itself."""
    if name is None or name is UNDEFINED or (isinstance(name, str) and not name):
        return data
    return resolve_path(data, to_string(name).split("."), None if default is UNDEFINED else default)


def _var(arguments: Arguments) -> Evaluate:
    name, default = pad_arguments(arguments, 2)
    return lambda data: get_variable(data, name(data), default(data))


def _missing(arguments: Arguments) -> Evaluate:
    def names_without_value(data: Any) -> List[Any]:
        return missing_variables([argument(data) for argument in arguments], data)

    return names_without_value


def missing_variables(names: Any, data: Any) -> List[Any]:
    """Return those of ``names`` whose variables are missing, null or an empty string."""
    if names and is_array(names[0]):
        names = names[0]
    return [name for name in names if _is_absent(data, name)]


def _is_absent(data: Any, name: Any) -> bool:
    # An array holds arguments for ``var``: a name and an optional default; if it is empty, ``var`` returns the data.
    value = get_variable(data, *(name[:2] or [UNDEFINED])) if is_array(name) else get_variable(data, name)
    return value is None or (isinstance(value, str) and not value)


def _missing_some(arguments: Arguments) -> Evaluate:
    if len(arguments) < 2:
        raise InvalidRule("missing_some needs two arguments: a number and names")
    needed, names = pad_arguments(arguments, 2)

    def names_if_too_few(data: Any) -> Any:
        minimum, candidates = needed(data), names(data)
        if candidates is None or candidates is UNDEFINED:
            return None
        missing = missing_variables(candidates if is_array(candidates) else [candidates], data)
        size = _length(candidates)
        return [] if less_or_equal(minimum, size - len(missing)) else missing

    return names_if_too_few


def _length(value: Any) -> float:
    if isinstance(value, str):
        return len(code_units(value))
    return len(value) if is_array(value) else to_number(get_property(value, "length"))


# Comparison


def _less(low: Any, middle: Any, high: Any) -> bool:
    return less_than(low, middle) and (high is UNDEFINED or less_than(middle, high))


def _at_most(low: Any, middle: Any, high: Any) -> bool:
    return less_or_equal(low, middle) and (high is UNDEFINED or less_or_equal(middle, high))


def _is_in(item: Any, container: Any) -> bool:
    if isinstance(container, str):
        return bool(container) and contains(container, to_string(item))
    return is_array(container) and any(strictly_equal(item, each) for each in container)


# Numbers


def _sum(values: List[Any]) -> float:
    return reduce(add, map(parse_float, values), 0.0)  # sum() is more precise than JavaScript since Python 3.12


def _product(arguments: Arguments) -> Evaluate:
    if not arguments:
        raise InvalidRule("operator * needs at least one argument")

    def product(data: Any) -> Any:
        factors = [argument(data) for argument in arguments]
        return reduce(lambda left, right: parse_float(left) * parse_float(right), factors)

    return product


def _difference(left: Any, right: Any) -> float:
    return -to_number(left) if right is UNDEFINED else to_number(left) - to_number(right)


def _max(values: List[Any]) -> float:
    numbers = [to_number(value) for value in values]
    return math.nan if any(map(math.isnan, numbers)) else max(numbers, key=_sort_key, default=-math.inf)


def _min(values: List[Any]) -> float:
    numbers = [to_number(value) for value in values]
    return math.nan if any(map(math.isnan, numbers)) else min(numbers, key=_sort_key, default=math.inf)


def _sort_key(number: float) -> Tuple[float, float]:
    """Return the sort key of a number: -0 is below 0."""
    return number, math.copysign(1.0, number)


# Text


def _substr(text: Any, start: Any, length: Any) -> str:
    source = to_string(text)
    if type_of(length) == "number" and length < 0:
        rest = substr(source, start)
        return substr(rest, 0, len(code_units(rest)) + length)
    if less_than(length, 0):
        return ""  # the length is a string such as "-1"
    return substr(source, start, length)


OPERATORS: Dict[str, Operator] = {
    "var": _var,
    "missing": _missing,
    "missing_some": _missing_some,
    "and": _and,
    "or": _or,
    "if": _if,
    "?:": _if,
    "!": _unary(lambda value: not is_truthy(value)),
    "!!": _unary(is_truthy),
    "==": _binary(loosely_equal),
    "!=": _binary(lambda left, right: not loosely_equal(left, right)),
    "===": _binary(strictly_equal),
    "!==": _binary(lambda left, right: not strictly_equal(left, right)),
    "<": _ternary(_less),
    "<=": _ternary(_at_most),
    ">": _binary(greater_than),
    ">=": _binary(greater_or_equal),
    "in": _binary(_is_in),
    "+": _variadic(_sum),
    "*": _product,
    "-": _binary(_difference),
    "/": _binary(divide),
    "%": _binary(remainder),
    "max": _variadic(_max),
    "min": _variadic(_min),
    "substr": _ternary(_substr),
}


def operator_evaluator(name: str, *arguments: Evaluate) -> Evaluate:
    """Return the closure that applies the operator ``name`` to ``arguments``."""
    return OPERATORS[name](arguments)
