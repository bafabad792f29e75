"""Finds mistakes in conditions: operators, arguments, attributes, impossible values, and clauses without effect."""

from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from target_python_sdk.decisioning.audience_check import Finding, check_audience
from target_python_sdk.explain.structure import Comparison, comparison, operation, variables
from target_tools.error_text import shown, suggestion
from target_tools.errors import InvalidRule
from target_tools.rules.compiler import MAX_DEPTH, compile_condition
from target_tools.rules.loop_operators import GROWING_OPERATORS, LOOP_OPERATORS
from target_tools.rules.operators import OPERATORS
from target_tools.typing_compat import Json

_KNOWN = (*OPERATORS, *LOOP_OPERATORS, *GROWING_OPERATORS)
#: Names of operators in other languages, with the corresponding operators of JSON-logic.
_OTHER_NAMES = {"=": "==", "equals": "==", "<>": "!=", "not": "!", "&&": "and", "||": "or", "contains": "in"}
#: The minimum and maximum number of arguments. Operators that are not listed take any number.
_COUNTS: Mapping[str, Tuple[int, int]] = {
    **dict.fromkeys(("==", "===", "!=", "!==", ">", ">=", "in", "%", "/", "missing_some"), (2, 2)),
    **dict.fromkeys(("map", "filter", "all", "none", "some"), (2, 2)),
    **dict.fromkeys(("<", "<=", "substr", "reduce"), (2, 3)),
    **dict.fromkeys(("!", "!!"), (1, 1)),
    **dict.fromkeys(("var", "-"), (1, 2)),
    **dict.fromkeys(("and", "or", "if", "?:", "max", "min"), (1, 1_000_000)),
}
_EQUAL, _UNEQUAL = ("==", "==="), ("!=", "!==")
_LOWER, _UPPER = (">", ">="), ("<", "<=")


def check_condition(condition: Json, place: str) -> Iterator[Finding]:
    """Yield the mistakes in a condition."""
    operators = list(_operators(condition, place, 0))
    yield from operators
    audience = list(check_audience(condition, place))
    yield from audience
    if not operators and not any(found.kind == "constants" for found in audience):
        try:
            compile_condition(condition)
        except InvalidRule as error:
            yield Finding(place, str(error))
        else:
            yield from _constant_condition(condition, place)
            yield from _clauses(condition, place, 0)


def _operators(rule: Json, place: str, depth: int) -> Iterator[Finding]:
    """Yield the unknown operators, and those with a wrong number of arguments."""
    if depth > MAX_DEPTH:
        return
    if isinstance(rule, list):
        for index, item in enumerate(rule):
            yield from _operators(item, f"{place}[{index}]", depth + 1)
    found = operation(rule)
    if found is None or not isinstance(rule, Mapping):
        return
    name, arguments = found
    if name not in _KNOWN:
        other = _OTHER_NAMES.get(name)
        hint = suggestion(name, _KNOWN) if other is None else f"; did you mean {other!r}?"
        yield Finding(place, f"unknown operator {shown(name)}{hint}")
        return
    fewest, most = _COUNTS.get(name, (0, len(arguments)))
    if not fewest <= len(arguments) <= most:
        expected = str(fewest) if fewest == most else f"at least {fewest}" if most > 3 else f"{fewest} or {most}"
        plural = "" if expected.endswith("1") else "s"
        yield Finding(f"{place}.{name}", f"{name!r} takes {expected} argument{plural}, got {len(arguments)}")
    yield from _operators(rule[name], f"{place}.{name}", depth + 1)


def _constant_condition(condition: Json, place: str) -> Iterator[Finding]:
    """Yield a finding if the condition has the same result for all visitors. The condition ``true`` is fine."""
    truth = None if condition is True else _truth(condition)
    if truth is not None:
        yield Finding(place, "always true" if truth else "never true: no visitor matches")


def _truth(rule: Json) -> Optional[bool]:
    """Return whether a condition without variables holds, or None if it has variables."""
    return None if variables(rule) else compile_condition(rule)({})


def _clauses(rule: Json, place: str, depth: int) -> Iterator[Finding]:
    """Yield the parts of ``and`` and ``or`` that have no effect or that contradict each other."""
    found = operation(rule)
    if found is None or depth > MAX_DEPTH:
        return
    name, arguments = found
    if name in ("!", "!!"):
        for argument in arguments[:1]:
            at = f"{place}.{name}" + ("[0]" if isinstance(rule, dict) and isinstance(rule[name], list) else "")
            yield from _clauses(argument, at, depth + 1)
    elif name in ("and", "or"):
        for index, argument in enumerate(arguments):
            at = f"{place}.{name}[{index}]"
            truth = _truth(argument)
            if truth is None:
                yield from _clauses(argument, at, depth + 1)
            else:
                yield Finding(at, f"always {str(truth).lower()}, so {_effect(name, truth)}")
        parts = list(_flat(name, arguments, f"{place}.{name}", depth))
        yield from _contradictions(parts) if name == "and" else _tautologies(parts)


def _effect(name: str, truth: bool) -> str:
    return "it has no effect" if truth == (name == "and") else "the other parts have no effect"


def _flat(name: str, arguments: Sequence[Any], place: str, depth: int) -> Iterator[Tuple[str, Comparison]]:
    """Yield the comparisons with constants in an operation called ``name`` and in nested operations of this name."""
    for index, argument in enumerate(arguments):
        at = f"{place}[{index}]"
        compared, found = comparison(argument), operation(argument)
        if compared is not None:
            yield at, compared
        elif found is not None and found.operator == name and depth < MAX_DEPTH:
            yield from _flat(name, found.arguments, f"{at}.{name}", depth + 1)


def _contradictions(parts: Sequence[Tuple[str, Comparison]]) -> Iterator[Finding]:
    """Yield the comparisons in an ``and`` that cannot hold together with an earlier one."""
    earlier: Dict[str, List[Tuple[str, Comparison]]] = {}
    for place, compared in parts:
        if compared.variable == "allocation":
            continue  # ``location_check`` reports empty ranges
        others = earlier.setdefault(compared.variable, [])
        for at, other in others:
            if _exclude(other, compared):
                yield Finding(place, f"contradicts {at}, so the condition is never true")
                break
        others.append((place, compared))


def _exclude(one: Comparison, other: Comparison) -> bool:
    """Return whether two comparisons of a variable exclude each other."""
    if one.operator in _EQUAL and other.operator in _EQUAL:
        return type(one.constant) is type(other.constant) and one.constant != other.constant
    low, high = (one, other) if one.operator in _LOWER else (other, one)
    if low.operator not in _LOWER or high.operator not in _UPPER or not _comparable(low.constant, high.constant):
        return False
    is_open = low.operator == ">" or high.operator == "<"
    return bool(low.constant >= high.constant if is_open else low.constant > high.constant)


def _comparable(one: Json, other: Json) -> bool:
    numbers = (int, float)
    return (isinstance(one, str) and isinstance(other, str)) or (
        isinstance(one, numbers) and isinstance(other, numbers) and not isinstance(one, bool)
    )


def _tautologies(parts: Sequence[Tuple[str, Comparison]]) -> Iterator[Finding]:
    """Yield the comparisons in an ``or`` that hold whenever an earlier one does not, so the ``or`` is always true."""
    earlier: Dict[str, Tuple[str, Comparison]] = {}
    for place, compared in parts:
        if compared.operator in _UNEQUAL:
            at, other = earlier.setdefault(compared.variable, (place, compared))
            if other.constant != compared.constant:
                yield Finding(place, f"holds whenever {at} does not, so the 'or' is always true; did you mean 'and'?")
