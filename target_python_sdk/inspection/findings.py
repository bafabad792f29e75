"""Builds findings, and the places that they name."""

import re
from typing import List, Mapping, Optional, Sequence, Tuple

from target_python_sdk.decisioning.audience_check import Finding
from target_python_sdk.local_edge.validation import JsonValue
from target_tools.error_text import invalid, suggestion

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def place_of(place: str, key: str) -> str:
    """Return the place of ``key`` in the object at ``place``."""
    if _NAME.fullmatch(key):
        return f"{place}.{key}" if place else key
    return f"{place}[{key!r}]"


def wrong(place: str, expected: str, got: JsonValue) -> Finding:
    """Return the finding about a value that is not as ``expected``."""
    return Finding(place, invalid("", expected=expected, got=got))


def unknown(place: str, what: str, name: str, known: Sequence[str]) -> Finding:
    """Return the finding about an unknown name."""
    hint = suggestion(name, known) or f"; expected one of {', '.join(known)}"
    return Finding(place, f"unknown {what} {name!r}{hint}")


def member(
    parent: Mapping[str, JsonValue], key: str, place: str, findings: List[Finding], *, required: bool = False
) -> Mapping[str, JsonValue]:
    """Return the object at ``key`` of ``parent``, or an empty one if it is missing or not an object.

    Adds a finding if the value is not an object, or if it is missing but ``required``.
    """
    value = parent.get(key)
    if isinstance(value, Mapping):
        return value
    if value is not None or required:
        findings.append(missing_or_wrong(parent, key, place, "an object"))
    return {}


def missing_or_wrong(parent: Mapping[str, JsonValue], key: str, place: str, expected: str) -> Finding:
    """Return the finding about the value at ``key``, which is missing or not as ``expected``."""
    if key not in parent:
        return Finding(place, f"missing key {key!r}")
    return wrong(place_of(place, key), expected, parent[key])


def items(value: JsonValue, place: str, findings: List[Finding]) -> List[Tuple[str, JsonValue]]:
    """Return the items of a list, each with its place. None counts as an empty list.

    Adds a finding if ``value`` is not a list.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        findings.append(wrong(place, "a list", value))
        return []
    return [(f"{place}[{index}]", item) for index, item in enumerate(value)]


def text(value: JsonValue) -> Optional[str]:
    """Return ``value`` if it is a non-empty string, else None."""
    return value if isinstance(value, str) and value else None
