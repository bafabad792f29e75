"""JSON-logic's operators. Each returns a closure over the closures of its arguments.

Most operators are plain functions of values; ``_unary`` and similar functions turn them into operators. The others
evaluate only some of their arguments, read the data, or check their arguments at compile time.
"""

import math
from functools import lru_cache, reduce
from operator import add
from typing import Any, Callable, Dict, Hashable, List, Optional, Protocol, Sequence, Tuple

from target_tools.errors import InvalidRule
from target_tools.rules.javascript import (
    ARRAY,
    UNDEFINED,
    Value,
    code_units,
    contains,
    divide,
    get_property,
    greater_or_equal,
    greater_than,
    is_nullish,
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
)

#: The operators ``in`` and ``substr`` check the time before they read a longer text.
LONG_TEXT = 4096

#: Evaluates a compiled rule for some data.
Evaluate = Callable[[Any], Value]
Arguments = Sequence[Evaluate]
Operator = Callable[[Arguments], Evaluate]


class Limits(Protocol):
    """The limits that the evaluations of one decision share."""

    steps_left: int

    def check_time(self) -> None:
        """Raise an error if the time of the decision is up."""
        ...


def check_time(data: Value) -> None:
    """Raise an error if ``data`` belongs to a decision whose time is up."""
    limits: Optional[Limits] = getattr(data, "limits", None)
    if limits is not None:
        limits.check_time()


#: Maximum number of closures in a cache. The least recently used are dropped.
MAX_CACHED = 512


class ClosureCache:
    """Caches closures. Rules can share them because they have no state."""

    __slots__ = ("clear", "get")

    def __init__(self) -> None:
        #: ``get(make, *arguments)`` returns ``make(*arguments)``, cached by the arguments and their types. 1, 1.0 and
        #: True have separate entries; 0.0 and -0.0 share one.
        self.get = cached = lru_cache(MAX_CACHED, typed=True)(_call)
        #: Empties the cache.
        self.clear: Callable[[], None] = cached.cache_clear


def _call(make: Callable[..., Evaluate], *arguments: Hashable) -> Evaluate:
    return make(*arguments)


def constant(value: Value) -> Evaluate:
    """Return a closure that returns ``value``."""
    return lambda data: value


def pad_arguments(arguments: Arguments, count: int) -> List[Evaluate]:
    """Return exactly ``count`` arguments. Missing ones are undefined, as in JavaScript; surplus ones are dropped."""
    return [*arguments[:count], *[constant(UNDEFINED)] * (count - len(arguments))]


def is_truthy(value: Value) -> bool:
    """Return whether JSON-logic treats ``value`` as true: like JavaScript, except that an empty array is false."""
    return to_boolean(value) and not (isinstance(value, ARRAY) and not value)


# Operators made from functions of values


def _unary(function: Callable[[Value], Value]) -> Operator:
    def operator(arguments: Arguments) -> Evaluate:
        (operand,) = pad_arguments(arguments, 1)
        return lambda data: function(operand(data))

    return operator


def _binary(function: Callable[[Value, Value], Value]) -> Operator:
    def operator(arguments: Arguments) -> Evaluate:
        left, right = pad_arguments(arguments, 2)
        return lambda data: function(left(data), right(data))

    return operator


def _ternary(function: Callable[[Value, Value, Value], Value]) -> Operator:
    def operator(arguments: Arguments) -> Evaluate:
        first, second, third = pad_arguments(arguments, 3)
        return lambda data: function(first(data), second(data), third(data))

    return operator


def _variadic(function: Callable[[List[Value]], Value]) -> Operator:
    def operator(arguments: Arguments) -> Evaluate:
        return lambda data: function([argument(data) for argument in arguments])

    return operator


# Operators that evaluate only the arguments they need


def _short_circuit(stop: bool) -> Operator:
    """Return the operator ``or`` if ``stop`` is True, else ``and``.

    It evaluates to its first term that is true (``or``) or false (``and``), otherwise to its last term.
    """

    def operator(terms: Arguments) -> Evaluate:
        if len(terms) < 2:
            return terms[0] if terms else constant(UNDEFINED)
        *before, last = terms

        def first_or_last(data: Value) -> Value:
            for term in before:
                value = term(data)
                if value is stop or (value is not go_on and is_truthy(value) is stop):
                    return value
            return last(data)

        return first_or_last

    go_on = not stop
    return operator


def _if(terms: Arguments) -> Evaluate:
    branches = list(zip(terms[:-1:2], terms[1::2]))
    otherwise = terms[-1] if len(terms) % 2 else constant(None)

    def chosen(data: Value) -> Value:
        for condition, consequence in branches:
            if is_truthy(condition(data)):
                return consequence(data)
        return otherwise(data)

    return chosen


# Data


def resolve_path(data: Value, path: Sequence[str], default: Value) -> Value:
    """Return the value at ``path`` in the data, or ``default`` if there is none."""
    for key in path:
        data = get_property(data, key)
        if data is UNDEFINED:
            return default
    return data


def get_variable(data: Value, name: Value, default: Value = UNDEFINED) -> Value:
    """Return the variable ``name``, in which dots separate levels. An empty name returns the data itself."""
    if is_nullish(name) or (isinstance(name, str) and not name):
        return data
    return resolve_path(data, to_string(name).split("."), None if default is UNDEFINED else default)


def _var(arguments: Arguments) -> Evaluate:
    name, default = pad_arguments(arguments, 2)
    return lambda data: get_variable(data, name(data), default(data))


def _missing(arguments: Arguments) -> Evaluate:
    def names_without_value(data: Value) -> List[Value]:
        return missing_variables([argument(data) for argument in arguments], data)

    return names_without_value


def missing_variables(names: Sequence[Value], data: Value) -> List[Value]:
    """Return those of ``names`` whose variables are missing, null or an empty string."""
    if names and isinstance(names[0], ARRAY):
        names = names[0]
    return [name for name in names if _is_absent(data, name)]


def _is_absent(data: Value, name: Value) -> bool:
    # An array holds arguments for ``var``: a name and an optional default; if it is empty, ``var`` returns the data.
    value = get_variable(data, *name[:2] or [UNDEFINED]) if isinstance(name, ARRAY) else get_variable(data, name)
    return value is None or (isinstance(value, str) and not value)


def _missing_some(arguments: Arguments) -> Evaluate:
    if len(arguments) < 2:
        raise InvalidRule("missing_some needs two arguments: a number and names")
    needed, names = pad_arguments(arguments, 2)

    def names_if_too_few(data: Value) -> Value:
        minimum, candidates = needed(data), names(data)
        if is_nullish(candidates):
            return None
        missing = missing_variables(candidates if isinstance(candidates, ARRAY) else [candidates], data)
        size = _length(candidates)
        return [] if less_or_equal(minimum, size - len(missing)) else missing

    return names_if_too_few


def _length(value: Value) -> float:
    if isinstance(value, str):
        return len(code_units(value))
    return len(value) if isinstance(value, ARRAY) else to_number(get_property(value, "length"))


# Comparison


def _less(low: Value, middle: Value, high: Value) -> bool:
    return less_than(low, middle) and (high is UNDEFINED or less_than(middle, high))


def _at_most(low: Value, middle: Value, high: Value) -> bool:
    return less_or_equal(low, middle) and (high is UNDEFINED or less_or_equal(middle, high))


def _in(arguments: Arguments) -> Evaluate:
    item, container = pad_arguments(arguments, 2)

    def is_in(data: Value) -> bool:
        item_value, container_value = item(data), container(data)
        if isinstance(container_value, str) and len(container_value) > LONG_TEXT:
            check_time(data)
        return _is_in(item_value, container_value)

    return is_in


def _is_in(item: Value, container: Value) -> bool:
    if isinstance(container, str):
        return bool(container) and contains(container, to_string(item))
    return isinstance(container, ARRAY) and any(strictly_equal(item, each) for each in container)


# Numbers


def _sum(values: List[Value]) -> float:
    return reduce(add, map(parse_float, values), 0.0)  # not sum(): from Python 3.12 on, it rounds less than JavaScript


def _product(arguments: Arguments) -> Evaluate:
    if not arguments:
        raise InvalidRule("operator * needs at least one argument")

    def product(data: Value) -> Value:
        factors = [argument(data) for argument in arguments]
        return reduce(_multiply, factors)

    return product


def _multiply(left: Value, right: Value) -> Value:
    return parse_float(left) * parse_float(right)


def _difference(left: Value, right: Value) -> float:
    return -to_number(left) if right is UNDEFINED else to_number(left) - to_number(right)


def _max(values: List[Value]) -> float:
    numbers = [to_number(value) for value in values]
    return math.nan if any(map(math.isnan, numbers)) else max(numbers, key=_sort_key, default=-math.inf)


def _min(values: List[Value]) -> float:
    numbers = [to_number(value) for value in values]
    return math.nan if any(map(math.isnan, numbers)) else min(numbers, key=_sort_key, default=math.inf)


def _sort_key(number: float) -> Tuple[float, float]:
    """Return the sort key of a number: -0 is below 0."""
    return number, math.copysign(1.0, number)


# Text


def _substr(arguments: Arguments) -> Evaluate:
    text, start, length = pad_arguments(arguments, 3)

    def part(data: Value) -> str:
        source = to_string(text(data))
        if len(source) > LONG_TEXT:
            check_time(data)
        return _part_of(source, start(data), length(data))

    return part


def _part_of(source: str, start: Value, length: Value) -> str:
    if isinstance(length, (int, float)) and length < 0:
        rest = substr(source, start)
        return substr(rest, 0, len(code_units(rest)) + length)
    if less_than(length, 0):
        return ""  # the length is a string such as "-1"
    return substr(source, start, length)


OPERATORS: Dict[str, Operator] = {
    "var": _var,
    "missing": _missing,
    "missing_some": _missing_some,
    "and": _short_circuit(stop=False),
    "or": _short_circuit(stop=True),
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
    "in": _in,
    "+": _variadic(_sum),
    "*": _product,
    "-": _binary(_difference),
    "/": _binary(divide),
    "%": _binary(remainder),
    "max": _variadic(_max),
    "min": _variadic(_min),
    "substr": _substr,
}


def operator_evaluator(name: str, *arguments: Evaluate) -> Evaluate:
    """Return the closure that applies the operator ``name`` to ``arguments``."""
    return OPERATORS[name](arguments)
