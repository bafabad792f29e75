"""Finds parameters that no rule reads, for example because their names are misspelled."""

import json
import re
from typing import Iterable, Iterator, List, Optional, Sequence

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.explain.structure import operation, variables
from target_tools.error_text import suggestion
from target_tools.rules.compiler import MAX_DEPTH
from target_tools.typing_compat import Json

_GROUP = "mbox"
_MACRO = re.compile(r"\$\{(?:[a-zA-Z0-9_.]*\.)?([a-zA-Z0-9_]+)\}")


def unread_parameters(artifacts: Iterable[Artifact], names: Iterable[str]) -> List[str]:
    """Return a message for each parameter in ``names`` that neither a condition nor a macro in an offer reads.

    Return no messages if a condition reads all parameters, or computes the name of a variable.
    """
    wanted = list(dict.fromkeys(names))
    read = list(dict.fromkeys(_names_read(artifacts))) if wanted else []
    if None in read:
        return []
    known = [name for name in read if name is not None]
    return [
        f"no rule reads the parameter {name!r}{suggestion(name, known) or suggestion(name.lower(), known)}"
        for name in wanted
        if not any(_is_read_by(name, each) for each in known)
    ]


def _is_read_by(name: str, read: str) -> bool:
    """Return whether ``read`` is the parameter ``name``, its lower-case form, an object around it, or a part of it."""
    return read in (name, f"{name}_lc") or read.startswith(f"{name}.") or name.startswith(f"{read}.")


def _names_read(artifacts: Iterable[Artifact]) -> Iterator[Optional[str]]:
    """Yield the names of the parameters that rules read; None if a rule can read any parameter."""
    for artifact in artifacts:
        for locations in (artifact.mboxes, artifact.views):
            for rules in locations.values():
                for rule in rules:
                    condition = rule.document.get("condition")
                    yield from map(_parameter, filter(_is_in_group, variables(condition)))
                    if _has_computed_name(condition, 0):
                        yield None
                    yield from _MACRO.findall(json.dumps(rule.document.get("consequence")))


def _is_in_group(variable: str) -> bool:
    return variable.partition(".")[0] == _GROUP


def _parameter(variable: str) -> Optional[str]:
    return variable.partition(".")[2] or None


def _has_computed_name(condition: Json, depth: int) -> bool:
    """Return whether a condition computes the name of a variable."""
    found = operation(condition)
    parts: Sequence[Json] = condition if isinstance(condition, list) else () if found is None else found.arguments
    if found is not None and found.operator == "var" and parts and isinstance(parts[0], (dict, list)):
        return True
    return depth <= MAX_DEPTH and any(_has_computed_name(part, depth + 1) for part in parts)
