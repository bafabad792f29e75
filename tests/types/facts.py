"""The committed table of schema facts, and the classes in it."""

import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple, Type

import target_python_sdk.types
from target_tools.schema.model import Model

FACTS: Dict[str, Any] = json.loads(Path(__file__).with_name("schema_facts.json").read_text(encoding="utf-8"))
CLASSES: Dict[str, Any] = FACTS["classes"]
ENUMS: Dict[str, Any] = FACTS["enums"]
#: The closed sets that are classes of text constants, as in 1.1.0; ``DecisioningMethod`` is an ``enum.Enum``.
PLAIN_ENUMS: Dict[str, Any] = {name: row for name, row in ENUMS.items() if name != "DecisioningMethod"}
#: The classes that have some of the fields of another class, such as ``MboxRequestAllOf``.
PARTS: Dict[str, Any] = FACTS["parts"]
#: The differences from the schema, each with its reason.
DEVIATIONS: List[Dict[str, str]] = FACTS["deviations"]


class Limit(NamedTuple):
    """A limit that a class enforces on a field."""

    type: str
    field: str
    kind: str
    value: Any


def type_named(name: str) -> Type[Model]:
    """Return the model class of that name."""
    found = getattr(target_python_sdk.types, name)
    assert issubclass(found, Model)
    return found


def fields_of(name: str) -> List[Dict[str, Any]]:
    """Return the rows of a class, or of a part of a class, in the constructor's order."""
    if name in CLASSES:
        return list(CLASSES[name]["fields"])
    all_fields = CLASSES[PARTS[name]["part_of"]]["fields"]
    return [row for row in all_fields if row["name"] in PARTS[name]["fields"]]


def enforced_limits(row: Dict[str, Any]) -> List[str]:
    """Return the kinds of the limits that are enforced for a row."""
    return list(row.get("enforced", row.get("schema", {})))


def limits() -> Iterator[Limit]:
    """Yield every enforced limit, by class."""
    for name in [*CLASSES, *PARTS]:
        for row in fields_of(name):
            for kind in enforced_limits(row):
                yield Limit(name, row["name"], kind, row["schema"][kind])


def minimal_arguments(name: str) -> Dict[str, Any]:
    """Return the required arguments of a constructor."""
    required: Tuple[str, ...] = tuple(row["name"] for row in fields_of(name) if "required" in enforced_limits(row))
    return {field: 1 if field == "status" else "x" for field in required}
