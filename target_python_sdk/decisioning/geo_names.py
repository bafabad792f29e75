"""Compares the names of places as the other SDKs do: in upper case, and cities without spaces.

Artifacts name a city ``SAN FRANCISCO`` or ``SANFRANCISCO``; applications and lookups also write ``San Francisco``.
Conditions that compare a place with a constant are rewritten before they are compiled: the constant gets the
comparable spelling, and the variable is replaced by one with that spelling. Other conditions read the place as it is
written.
"""

from typing import Any, Dict, List, Mapping

from target_tools.rules.fast_paths import constant_variable_name
from target_tools.rules.loop_operators import LOOP_OPERATORS
from target_tools.typing_compat import Json

#: The variable that contains the comparable names.
VARIABLE = "geo_names"
_COMPARABLE = {f"geo.{name}": f"{VARIABLE}.{name}" for name in ("country", "region", "city")}
_OPERATORS = frozenset({"==", "===", "!=", "!==", "in"})
#: Deeper conditions are not compiled.
_MAX_DEPTH = 250


def comparable_names(geo: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the names in the variable ``geo`` in their comparable spelling."""
    return {name: _comparable(f"geo.{name}", value) for name, value in geo.items()}


def with_comparable_names(condition: Json) -> Any:
    """Return ``condition``, in which places and the constants compared with them have their comparable spelling."""
    try:
        return _rewritten(condition) if "'geo." in str(condition) else condition
    except RecursionError:
        return condition  # it is nested too deeply to be compiled


def _comparable(variable: str, value: Json) -> Any:
    """Return the comparable spelling of a place, or of each place in a list. Other values are returned unchanged."""
    if isinstance(value, list):
        return [_comparable(variable, item) for item in value]
    if variable not in _COMPARABLE or not isinstance(value, str):
        return value
    return value.upper().replace(" ", "") if variable == "geo.city" else value.upper()


def _rewritten(rule: Json, depth: int = 0) -> Any:
    if depth > _MAX_DEPTH:
        return rule
    if isinstance(rule, list):
        return [_rewritten(item, depth + 1) for item in rule]
    if not isinstance(rule, dict) or len(rule) != 1:
        return rule
    ((operator, arguments),) = rule.items()
    if isinstance(arguments, list):
        if operator in _OPERATORS and len(arguments) == 2:
            return {operator: _rewritten_comparison(arguments, depth)}
        if operator in LOOP_OPERATORS:  # in the body of a loop, variables are those of an item
            return {operator: [*_rewritten(arguments[:1], depth + 1), *arguments[1:]]}
    return {operator: _rewritten(arguments, depth + 1)}


def _rewritten_comparison(arguments: List[Any], depth: int) -> List[Any]:
    for position, argument in enumerate(arguments):
        name, other = constant_variable_name(argument), arguments[1 - position]
        if name in _COMPARABLE and _is_constant(other):
            rewritten: List[Any] = [{"var": _COMPARABLE[name]}] * 2
            rewritten[1 - position] = _comparable(name, other)
            return rewritten
    return [_rewritten(argument, depth + 1) for argument in arguments]


def _is_constant(rule: Json) -> bool:
    return not any(isinstance(item, (dict, list)) for item in rule) if isinstance(rule, list) else isinstance(rule, str)
