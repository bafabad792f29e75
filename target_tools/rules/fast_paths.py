"""The shapes that nearly all of Target's rules have, each as one closure.

A shortcut looks at the arguments as the rule has them, before they are compiled, and
gives an evaluation or None where it does not fit.  What it gives evaluates to the same
as the general way, to which it falls back where a value is not of the usual class.

A plain look-up is ``data[key]`` and nothing else: the data may be a dict that works
out a value when it is first asked for.

The rules of an artifact ask for the same few things, so what a shortcut gives comes off
a shelf: it is made only where no rule before had the same.
"""

from typing import Any, Callable, Dict, FrozenSet, Optional, Sequence, Tuple

from target_tools.rules.javascript import loosely_equal
from target_tools.rules.operators import ClosureCache, Evaluate, resolve_path

FastPath = Callable[[Sequence[Any], ClosureCache], Optional[Evaluate]]


# Variables


def constant_variable_name(rule: Any) -> Optional[str]:
    """The name of a variable that is constant, without a default; dots in it lead deeper."""
    if isinstance(rule, dict) and len(rule) == 1 and "var" in rule:
        name = rule["var"]
        if isinstance(name, list) and len(name) == 1:
            name = name[0]
        if name.__class__ is str and name:
            return str(name)
    return None


def _variable(arguments: Sequence[Any], cache: ClosureCache) -> Optional[Evaluate]:
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
    def read(data: Any) -> Any:
        try:
            return data[key]
        except KeyError:
            return None
        except TypeError:
            return resolve_path(data, (key,), None)

    return read


def _read_two_keys(first: str, second: str) -> Evaluate:
    def read(data: Any) -> Any:
        try:
            return data[first][second]
        except KeyError:
            return None
        except TypeError:
            return resolve_path(data, (first, second), None)

    return read


def _read_path(path: Sequence[str]) -> Evaluate:
    def read(data: Any) -> Any:
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


# A constant text equals a variable


def _equality(arguments: Sequence[Any], cache: ClosureCache) -> Optional[Evaluate]:
    found = _text_and_name(arguments)
    return None if found is None else cache.get(_equal, *found)


def _inequality(arguments: Sequence[Any], cache: ClosureCache) -> Optional[Evaluate]:
    found = _text_and_name(arguments)
    return None if found is None else cache.get(_unequal, *found)


def _text_and_name(arguments: Sequence[Any]) -> Optional[Tuple[str, str]]:
    if len(arguments) != 2:
        return None
    text, variable = arguments if arguments[0].__class__ is str else reversed(arguments)
    name = constant_variable_name(variable)
    return None if name is None or text.__class__ is not str else (text, name)


def _equal(text: str, name: str) -> Evaluate:
    path = name.split(".")
    return _equal_two(text, *path) if len(path) == 2 else _equal_any(text, _variable_reader(name))


def _unequal(text: str, name: str) -> Evaluate:
    equal = _equal(text, name)
    return lambda data: not equal(data)


def _equal_two(text: str, first: str, second: str) -> Evaluate:
    def equal(data: Any) -> bool:
        try:
            value = data[first][second]
        except KeyError:
            return False
        except TypeError:
            value = resolve_path(data, (first, second), None)
        return value == text if value.__class__ is str else loosely_equal(value, text)

    return equal


def _equal_any(text: str, read: Evaluate) -> Evaluate:
    def equal(data: Any) -> bool:
        value = read(data)
        return value == text if value.__class__ is str else loosely_equal(value, text)

    return equal


# A variable is in a list of constant texts


def _membership(arguments: Sequence[Any], cache: ClosureCache) -> Optional[Evaluate]:
    if len(arguments) != 2:
        return None
    name, texts = constant_variable_name(arguments[0]), arguments[1]
    if name is None or not isinstance(texts, list) or not all(text.__class__ is str for text in texts):
        return None
    return cache.get(_is_member, frozenset(texts), cache.get(_variable_reader, name))


def _is_member(texts: FrozenSet[str], read: Evaluate) -> Evaluate:
    def is_one(data: Any) -> bool:
        value = read(data)
        return isinstance(value, str) and value in texts

    return is_one


FAST_PATHS: Dict[str, FastPath] = {
    "var": _variable,
    "==": _equality,
    "!=": _inequality,
    "in": _membership,
}
