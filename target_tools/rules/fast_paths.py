"""Compiles the forms that most of Target's rules have to a single closure each.

A fast path inspects the uncompiled arguments and returns a closure, or None if it does not apply. The closure returns
the same results as the general one, and uses the general functions for values of unusual types.

A variable is read as ``data[key]``, because the data may be a dict that computes its values on first use.

The rules of an artifact read the same few variables, so closures come from the ``ClosureCache``.
"""

from typing import Any, Callable, Dict, FrozenSet, Optional, Sequence, Tuple

from target_tools.rules.javascript import loosely_equal
from target_tools.rules.operators import ClosureCache, Evaluate, resolve_path

FastPath = Callable[[Sequence[Any], ClosureCache], Optional[Evaluate]]


# Variables


def constant_variable_name(rule: Any) -> Optional[str]:
    """Return the name of a variable if it is constant and there is no default, else None. Dots separate levels."""
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


# Comparison of a variable with a constant text


def _equality(arguments: Sequence[Any], cache: ClosureCache) -> Optional[Evaluate]:
    text_and_name = _text_and_name(arguments)
    return None if text_and_name is None else cache.get(_equal, *text_and_name)


def _inequality(arguments: Sequence[Any], cache: ClosureCache) -> Optional[Evaluate]:
    text_and_name = _text_and_name(arguments)
    return None if text_and_name is None else cache.get(_unequal, *text_and_name)


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


# Membership of a variable in a list of constant texts


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
