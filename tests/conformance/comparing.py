"""Compare a response with the expectation of a case."""

import re

#: The checks for ``expect.any(…)``, by the name of a JavaScript type.
KINDS = {
    "Number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "String": lambda value: isinstance(value, str),
    "Boolean": lambda value: isinstance(value, bool),
    "Array": lambda value: isinstance(value, list),
    "Object": lambda value: isinstance(value, (dict, list)),
}
#: Lists whose order means nothing.
UNORDERED = ("views",)


def differences(expected, actual, place=""):
    """Return one line for each expected value that ``actual`` lacks.

    Objects may have more than is expected, lists may not. An expected ``null`` matches ``null`` and a missing value.
    """
    if isinstance(expected, str) and expected.startswith("expect."):
        return _kind_differs(expected, actual, place)
    if isinstance(expected, dict):
        return _object_differs(expected, actual, place)
    if isinstance(expected, list):
        return _list_differs(expected, actual, place)
    same = expected == actual and isinstance(expected, bool) == isinstance(actual, bool)
    return [] if same else [f"{place}: expected {expected!r}, got {actual!r}"]


def _kind_differs(expected, actual, place):
    name = re.fullmatch(r"expect\.any\((\w+)\)", expected)
    if name is None or name.group(1) not in KINDS:
        raise AssertionError(f"{place}: unknown placeholder: {expected}")
    fits = KINDS[name.group(1)](actual)
    return [] if fits else [f"{place}: expected {expected}, got {actual!r}"]


def _object_differs(expected, actual, place):
    if not isinstance(actual, dict):
        return [f"{place}: expected an object, got {actual!r}"]
    found = []
    for name, value in expected.items():
        found += differences(value, actual.get(name), f"{place}.{name}")
    return found


def _list_differs(expected, actual, place):
    if not isinstance(actual, list):
        return [f"{place}: expected a list, got {actual!r}"]
    if len(expected) != len(actual):
        return [f"{place}: expected {len(expected)} elements, got {actual!r}"]
    if place.rpartition(".")[2] in UNORDERED:
        expected, actual = sorted(expected, key=_name), sorted(actual, key=_name)
    found = []
    for number, (value, there) in enumerate(zip(expected, actual)):
        found += differences(value, there, f"{place}[{number}]")
    return found


def _name(element):
    return str(element.get("name")) if isinstance(element, dict) else ""


def at(value, path):
    """Return the value at ``path``, a list of names and numbers. Raises ``LookupError`` if there is none."""
    for step in path:
        value = value[step]
    return value
