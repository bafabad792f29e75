"""Splits JSON-logic conditions into their parts: clauses, ranges, shares and variables.

A negation of an ``and`` or an ``or`` is moved to its parts by De Morgan's laws. An ``and`` inside an ``and`` and an
``or`` inside an ``or`` are flattened. A lower and an upper bound of a variable become one part, a range. Each part is
itself a condition that can be evaluated.
"""

from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from target_tools.rules.fast_paths import SWAPPED_COMPARISONS, constant_variable_name
from target_tools.rules.loop_operators import LOOP_OPERATORS
from target_tools.rules.operators import is_truthy
from target_tools.typing_compat import Json

#: Conditions that are nested deeper are not split. They cannot be compiled either.
MAX_DEPTH = 110

_OPPOSITE = {"and": "or", "or": "and"}
_EQUAL = frozenset({"==", "==="})


class Operation(NamedTuple):
    """An operator and its arguments."""

    operator: str
    arguments: Sequence[Any]


class Comparison(NamedTuple):
    """A comparison of a variable with a constant: ``variable operator constant``."""

    variable: str
    operator: str
    constant: Any


class Range(NamedTuple):
    """A lower and an upper bound of one variable."""

    low: Comparison
    high: Comparison


class Choice(NamedTuple):
    """A condition that holds if a variable equals one of the constants."""

    variable: str
    constants: List[Any]


class Share(NamedTuple):
    """The buckets above ``lower`` and up to ``upper``. Bucket 0 is in the first share."""

    lower: float
    upper: float

    def __str__(self) -> str:
        return f"{self.lower:g} to {self.upper:g}"

    def contains(self, bucket: float) -> bool:
        """Return whether the bucket is in this share."""
        return self.lower < bucket <= self.upper or bucket == self.lower == 0


class Split(NamedTuple):
    """The share and the audience of a condition."""

    #: None if the condition does not depend on the bucket.
    share: Optional[Share]
    #: The condition that the bucket is in the share.
    allocation: Json
    #: The rest of the condition; True for all visitors.
    audience: Json


def operation(rule: Json) -> Optional[Operation]:
    """Return ``rule`` as an operation, or None if it is a value. A single argument need not be in a list."""
    if not isinstance(rule, dict) or len(rule) != 1:
        return None
    ((operator, arguments),) = rule.items()
    return Operation(str(operator), arguments if isinstance(arguments, (list, tuple)) else [arguments])


def comparison(rule: Json) -> Optional[Comparison]:
    """Return ``rule`` as a comparison of a variable with a constant, or None for another rule."""
    found = operation(rule)
    if found is None or len(found.arguments) != 2:
        return None
    operator, (left, right) = found
    if constant_variable_name(left) is None:
        left, right, operator = right, left, SWAPPED_COMPARISONS.get(operator, operator)
    name = constant_variable_name(left)
    return None if name is None or isinstance(right, (dict, list)) else Comparison(name, operator, right)


def range_of(rule: Json) -> Optional[Range]:
    """Return ``rule`` as a range, if it is an ``and`` of two bounds or ``low < variable < high``; otherwise None."""
    found = operation(rule)
    if found is None:
        return None
    operator, arguments = found
    if operator in ("<", "<=") and len(arguments) > 2:
        arguments = [{operator: [*arguments[:2]]}, {operator: [*arguments[1:3]]}]
    elif operator != "and" or len(arguments) != 2:
        return None
    one, other = map(comparison, arguments)
    if one is None or other is None or one.variable != other.variable:
        return None
    low, high = (one, other) if one.operator in (">", ">=") else (other, one)
    return Range(low, high) if low.operator in (">", ">=") and high.operator in ("<", "<=") else None


def choice_of(rule: Json, depth: int = 0) -> Optional[Choice]:
    """Return ``rule`` as a choice, if it is ``in`` with a list, or an ``or`` of choices and equalities; else None."""
    found = operation(rule)
    if found is None or depth > MAX_DEPTH:
        return None
    operator, arguments = found
    if operator == "in" and len(arguments) == 2:
        name, constants = constant_variable_name(arguments[0]), arguments[1]
        if name is None or not isinstance(constants, list) or any(isinstance(each, (dict, list)) for each in constants):
            return None
        return Choice(name, constants)
    if operator != "or" or len(arguments) < 2:
        return None
    constants = []
    names = set()
    for argument in arguments:
        equality, choice = comparison(argument), choice_of(argument, depth + 1)
        if choice is not None:
            names.add(choice.variable)
            constants += choice.constants
        elif equality is not None and equality.operator in _EQUAL:
            names.add(equality.variable)
            constants.append(equality.constant)
        else:
            return None
    return Choice(names.pop(), constants) if len(names) == 1 else None


def negated(condition: Json) -> Json:
    """Return the condition that holds if ``condition`` does not."""
    return {"!": [condition]}


def without_not(condition: Json) -> Tuple[Json, bool]:
    """Return ``condition`` without ``!`` and ``!!`` around it, and whether it is negated.

    An ``if`` with the results true and false counts as ``!!``, and one with false and true as ``!``.
    """
    is_negated = False
    for _ in range(MAX_DEPTH):
        found = operation(condition)
        if found is None or not found.arguments:
            break
        operator, arguments = found
        results = arguments[1:]
        if operator in ("if", "?:") and results in ([True, False], [False, True]):
            is_negated ^= results[0] is False
        elif operator in ("!", "!!"):
            is_negated ^= operator == "!"
        else:
            break
        condition = arguments[0]
    return condition, is_negated


def constant_truth(condition: Json) -> Optional[bool]:
    """Return whether ``condition`` holds for every visitor or for none; None if it depends on the visitor."""
    bare, is_negated = without_not(condition)
    found = operation(bare)
    if found is None:
        return is_truthy(bare) != is_negated
    if found.arguments or found.operator not in ("and", "or", "!", "!!"):
        return None
    return (found.operator == "!") != is_negated  # without an argument, only ``!`` is true


def split(condition: Json, depth: int = 0) -> Tuple[str, List[Json]]:
    """Return the operator (``and`` or ``or``) that joins the parts of ``condition``, and the parts.

    If the condition has only one part, such as a comparison, a range or a choice, the operator is an empty string.
    """
    bare, is_negated = without_not(condition)
    found = operation(bare)
    is_whole = found is None or found.operator not in _OPPOSITE or not found.arguments or depth > MAX_DEPTH
    if found is None or is_whole or range_of(bare) or choice_of(bare):
        return "", [negated(bare) if is_negated else bare]
    connective = _OPPOSITE[found.operator] if is_negated else found.operator
    parts: List[Json] = []
    nested: Optional[Tuple[str, List[Json]]] = None
    for argument in found.arguments:
        part = negated(argument) if is_negated else argument
        inner, own_parts = split(part, depth + 1)
        if inner in ("", connective):
            parts += own_parts
        else:
            parts.append(part)
            nested = inner, own_parts
    if connective == "and":
        parts = [part for part in _with_ranges(parts) if constant_truth(part) is not True] or parts[:1]
    if len(parts) > 1:
        return connective, parts
    # Splitting the only part again would double the time at each level, so its parts are reused.
    return nested or ("", parts)


def _with_ranges(parts: List[Json]) -> List[Json]:
    """Return the parts of an ``and`` with ranges: if a variable has exactly two bounds, they become one part."""
    bounds: Dict[str, List[int]] = {}
    for index, part in enumerate(parts):
        found = comparison(part)
        if found is not None and found.operator in SWAPPED_COMPARISONS:
            bounds.setdefault(found.variable, []).append(index)
    joined = list(parts)
    for indexes in bounds.values():
        if len(indexes) == 2:
            pair = {"and": [parts[index] for index in indexes]}
            if range_of(pair):
                joined[indexes[0]], joined[indexes[1]] = pair, True
    return joined


def clauses(condition: Json) -> List[Json]:
    """Return the conditions that must all hold for ``condition`` to hold. A range is one clause."""
    connective, parts = split(condition)
    return [condition] if connective == "or" else parts


def split_share(condition: Json) -> Split:
    """Separate the share of an experience from its audience.

    The share consists of all clauses that are bounds of the bucket (the variable ``allocation``).
    """
    lower, upper = 0.0, 100.0
    allocation: List[Json] = []
    audience: List[Json] = []
    for clause in clauses(condition):
        bounds = range_of(clause) or [comparison(clause)]
        if all(bound is not None and _is_bound_of_bucket(bound) for bound in bounds):
            allocation.append(clause)
            for bound in bounds:
                if bound is not None and bound.operator in (">", ">="):
                    lower = float(min(max(lower, bound.constant), 100))
                elif bound is not None:
                    upper = float(max(min(upper, bound.constant), 0))
        elif constant_truth(clause) is not True:
            audience.append(clause)
    share = Share(lower, upper) if allocation else None
    return Split(share, _joined(allocation), _joined(audience))


def _is_bound_of_bucket(bound: Comparison) -> bool:
    constant = bound.constant
    is_number = isinstance(constant, (int, float)) and not isinstance(constant, bool)
    return bound.variable == "allocation" and bound.operator in SWAPPED_COMPARISONS and is_number


def _joined(parts: List[Json]) -> Json:
    """Return the condition that all ``parts`` hold."""
    return {"and": parts} if len(parts) > 1 else parts[0] if parts else True


def variables(rule: Json) -> List[str]:
    """Return the names of the variables that ``rule`` reads, each once.

    Variables in the body of a loop are left out, because they are parts of an item.
    """
    return list(dict.fromkeys(_variables(rule, 0)))


def _variables(rule: Json, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        return
    found = operation(rule)
    if found is None:
        for item in rule if isinstance(rule, list) else ():
            yield from _variables(item, depth + 1)
        return
    operator, arguments = found
    if operator == "var" and arguments and isinstance(arguments[0], str) and arguments[0]:
        yield arguments[0]
    elif operator in ("missing", "missing_some"):
        names = arguments[1:] if operator == "missing_some" else arguments
        for name in names[0] if names and isinstance(names[0], list) else names:
            if isinstance(name, str):
                yield name
    if operator in LOOP_OPERATORS:
        arguments = [*arguments[:1], *arguments[2:]]
    for argument in arguments:
        yield from _variables(argument, depth + 1)
