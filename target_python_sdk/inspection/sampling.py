"""Draws the attributes of simulated visitors from the values in conditions."""

import random
from typing import Any, Dict, Iterable, Iterator, List, Tuple

from target_python_sdk.decisioning.geo_names import VARIABLE as COMPARABLE_GEO
from target_python_sdk.decisioning.geo_names import comparable_names
from target_python_sdk.explain.structure import operation, variables
from target_tools.rules.fast_paths import constant_variable_name
from target_tools.typing_compat import Json

#: A text that is in no condition.
OTHER = "another value"
_MAX_DEPTH = 110


class VisitorSampler:
    """Draws visitors. All possible values of a variable are equally likely; ``_choices`` returns them."""

    def __init__(self, conditions: Iterable[Json], seed: int = 0) -> None:
        values: Dict[str, List[Any]] = {}
        for condition in conditions:
            for name in variables(condition):
                values.setdefault(name, [])
            for name, value in _compared(condition, 0):
                values.setdefault(name, []).append(value)
        values.pop("allocation", None)
        self._choices = {name: _choices(name, found) for name, found in values.items()}
        self._random = random.Random(seed)

    def draw(self) -> Dict[str, Any]:
        """Return the data of a visitor, as conditions read it."""
        data: Dict[str, Any] = {}
        for name, choices in self._choices.items():
            _insert(data, name, self._random.choice(choices))
        data[COMPARABLE_GEO] = comparable_names(data.get("geo") or {})
        return data


def _compared(rule: Json, depth: int) -> Iterator[Tuple[str, Any]]:
    """Yield each variable in ``rule`` with each constant that is an argument of the same operation."""
    if depth > _MAX_DEPTH:
        return
    found = operation(rule)
    arguments = (rule if isinstance(rule, list) else ()) if found is None else found.arguments
    names = [name for name in map(constant_variable_name, arguments) if name is not None]
    for argument in arguments:
        for value in argument if isinstance(argument, list) else [argument]:
            if not isinstance(value, (dict, list)):
                yield from ((name, value) for name in names)
        yield from _compared(argument, depth + 1)


def _choices(name: str, values: List[Any]) -> List[Any]:
    """Return the values to draw from for a variable."""
    if name == "current_day":
        return list(range(1, 8))
    if name == "current_time":
        return [f"{hour:02}{minute:02}" for hour in range(24) for minute in range(60)]
    choices: List[Any] = [OTHER]
    for value in values:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            choices += [value - 1, value, value + 1]  # below, at and above a limit
        elif value is not None:
            choices.append(value)
    return [value for index, value in enumerate(choices) if value not in choices[:index]]


def _insert(data: Dict[str, Any], name: str, value: Json) -> None:
    """Insert ``value`` at the path ``name``, unless a part of the path already has a value that is not a dict."""
    *path, last = name.split(".")
    for step in path:
        inner = data.setdefault(step, {})
        if not isinstance(inner, dict):
            return
        data = inner
    if not isinstance(data.get(last), dict):
        data[last] = value
