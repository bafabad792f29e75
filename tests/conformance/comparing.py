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
#: Lists whose order is irrelevant.
UNORDERED = ("views",)


def differences(expected, actual, path=""):
    """Return one line for each part of ``actual`` that does not match ``expected``.

    Objects may contain more than expected, lists may not. An expected ``null`` matches ``null`` and a missing value.
    """
    if isinstance(expected, str) and expected.startswith("expect."):
        return _compare_with_placeholder(expected, actual, path)
    if isinstance(expected, dict):
        return _compare_objects(expected, actual, path)
    if isinstance(expected, list):
        return _compare_lists(expected, actual, path)
    same = expected == actual and isinstance(expected, bool) == isinstance(actual, bool)
    return [] if same else [f"{path}: expected {expected!r}, got {actual!r}"]


def _compare_with_placeholder(expected, actual, path):
    name = re.fullmatch(r"expect\.any\((\w+)\)", expected)
    if name is None or name.group(1) not in KINDS:
        raise AssertionError(f"{path}: unknown placeholder: {expected}")
    matches = KINDS[name.group(1)](actual)
    return [] if matches else [f"{path}: expected {expected}, got {actual!r}"]


def _compare_objects(expected, actual, path):
    if not isinstance(actual, dict):
        return [f"{path}: expected an object, got {actual!r}"]
    found = []
    for name, value in expected.items():
        found += differences(value, actual.get(name), f"{path}.{name}")
    return found


def _compare_lists(expected, actual, path):
    if not isinstance(actual, list):
        return [f"{path}: expected a list, got {actual!r}"]
    if len(expected) != len(actual):
        return [f"{path}: expected {len(expected)} elements, got {actual!r}"]
    if path.rpartition(".")[2] in UNORDERED:
        expected, actual = sorted(expected, key=_name), sorted(actual, key=_name)
    found = []
    for number, (value, actual_value) in enumerate(zip(expected, actual)):
        found += differences(value, actual_value, f"{path}[{number}]")
    return found


def _name(element):
    return str(element.get("name")) if isinstance(element, dict) else ""


def value_at(value, path):
    """Return the value at ``path``, a list of names and numbers. Raise ``LookupError`` if it does not exist."""
    for step in path:
        value = value[step]
    return value
