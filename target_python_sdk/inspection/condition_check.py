"""Finds mistakes in conditions: operators, numbers of arguments, clauses without effect, and audiences' typos."""

from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from target_python_sdk.decisioning.audience_check import check_audience
from target_python_sdk.explain.structure import Comparison, comparison, operation, variables
from target_python_sdk.inspection.findings import Finding
from target_tools.error_text import shown, suggestion
from target_tools.errors import InvalidRule
from target_tools.rules.compiler import MAX_DEPTH, compile_condition
from target_tools.rules.loop_operators import GROWING_OPERATORS, LOOP_OPERATORS
from target_tools.rules.operators import OPERATORS
from target_tools.typing_compat import Json

_KNOWN = (*OPERATORS, *LOOP_OPERATORS, *GROWING_OPERATORS)
#: Names of operators that other languages use.
_OTHER_NAMES = {"=": "==", "equals": "==", "<>": "!=", "not": "!", "&&": "and", "||": "or", "contains": "in"}
#: The smallest and the largest number of arguments. Other operators take any number.
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
    yield from (Finding(found.path, found.problem) for found in audience)
    if not operators and not any(found.kind == "constants" for found in audience):
        try:
            compile_condition(condition)
        except InvalidRule as error:
            yield Finding(place, str(error))
        else:
            yield from _constant_condition(condition, place)
            yield from _clauses(condition, place, 0)


def _operators(rule: Json, place: str, depth: int) -> Iterator[Finding]:
    """Yield unknown operators, and wrong numbers of arguments."""
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
        yield Finding(f"{place}.{name}", f"{name!r} takes {expected} arguments, got {len(arguments)}")
    yield from _operators(rule[name], f"{place}.{name}", depth + 1)


def _constant_condition(condition: Json, place: str) -> Iterator[Finding]:
    """Yield a condition that is the same for all visitors, except ``true``."""
    truth = None if condition is True else _truth(condition)
    if truth is not None:
        yield Finding(place, "always true" if truth else "never true: no visitor matches")


def _truth(rule: Json) -> Optional[bool]:
    """Return the value of a rule that reads nothing of the visitor; otherwise None."""
    return None if variables(rule) else compile_condition(rule)({})


def _clauses(rule: Json, place: str, depth: int) -> Iterator[Finding]:
    """Yield the parts of ``and`` and ``or`` without an effect, and those that contradict each other."""
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
    if truth == (name == "and"):
        return "it has no effect"
    return "the others have no effect"


def _flat(name: str, arguments: Sequence[Any], place: str, depth: int) -> Iterator[Tuple[str, Comparison]]:
    """Yield the comparisons with constants that ``name`` joins, also in nested operations of that name."""
    for index, argument in enumerate(arguments):
        at = f"{place}[{index}]"
        compared, found = comparison(argument), operation(argument)
        if compared is not None:
            yield at, compared
        elif found is not None and found.operator == name and depth < MAX_DEPTH:
            yield from _flat(name, found.arguments, f"{at}.{name}", depth + 1)


def _contradictions(parts: Sequence[Tuple[str, Comparison]]) -> Iterator[Finding]:
    """Yield the comparisons of an ``and`` that cannot hold together with an earlier one."""
    earlier: Dict[str, List[Tuple[str, Comparison]]] = {}
    for place, compared in parts:
        if compared.variable == "allocation":
            continue  # the check of the ranges reports it
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
    is_open = ">" in (low.operator, {"<": ">"}.get(high.operator))
    return bool(low.constant >= high.constant if is_open else low.constant > high.constant)


def _comparable(one: Json, other: Json) -> bool:
    numbers = (int, float)
    return (isinstance(one, str) and isinstance(other, str)) or (
        isinstance(one, numbers) and isinstance(other, numbers) and not isinstance(one, bool)
    )


def _tautologies(parts: Sequence[Tuple[str, Comparison]]) -> Iterator[Finding]:
    """Yield the comparisons of an ``or`` of which one always holds."""
    earlier: Dict[str, Tuple[str, Comparison]] = {}
    for place, compared in parts:
        if compared.operator in _UNEQUAL:
            at, other = earlier.setdefault(compared.variable, (place, compared))
            if other.constant != compared.constant:
                yield Finding(place, f"holds whenever {at} does not, so the 'or' is always true; did you mean 'and'?")
