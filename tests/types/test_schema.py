"""The table of schema facts agrees with the schema's YAML. Collected only if the schema is present."""

from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
import yaml

from .facts import CLASSES, DEVIATIONS, ENUMS, fields_of

LIMITS = ("maxLength", "minLength", "minimum", "maximum", "pattern", "maxItems")
PLAIN_DICTS = {
    "Parameters": "dict(str, str)",
    "ResponseTokens": "dict(str, object)",
    "TraceResponse": "dict(str, object)",
}
WORDS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}

Schema = Dict[str, Any]


@pytest.fixture(scope="module")
def schemas(shared: Path) -> Dict[str, Schema]:
    """Return every component of the schema by its name, including those in the files of other components."""
    found: Dict[str, Schema] = {}
    for file in sorted((shared / "openapi").glob("*/components/*.yaml")):
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        found[file.stem] = document[file.stem]
        found.update(document.get("components", {}).get("schemas", {}))
    return found


def test_every_component_is_in_the_table_or_a_deviation(schemas):
    listed = {row["component"] for row in [*CLASSES.values(), *ENUMS.values()]}
    excused = {row["component"] for row in DEVIATIONS if "component" in row}
    assert set(schemas) - listed == excused - listed
    assert listed <= set(schemas)


@pytest.mark.parametrize("name", list(ENUMS))
def test_the_values_of_an_enum_are_those_of_the_schema(schemas, name):
    assert list(ENUMS[name]["values"].values()) == schemas[ENUMS[name]["component"]]["enum"]


@pytest.mark.parametrize("name", list(CLASSES))
def test_wire_names_types_and_limits_are_those_of_the_schema(schemas, name):
    properties, required = _properties(schemas, schemas[CLASSES[name]["component"]])
    excused = {row["wire"] for row in DEVIATIONS if row.get("class") in (name, "*") and "wire" in row}
    listed = {row["wire"]: (row["type"], row.get("schema", {})) for row in fields_of(name)}
    expected = {
        wire: (_type(schema), _limits(schema, wire in required))
        for wire, schema in properties.items()
        if wire not in excused
    }
    assert listed == expected
    assert set(required) <= set(listed) | excused


def _properties(schemas: Dict[str, Schema], component: Schema) -> Tuple[Dict[str, Schema], List[str]]:
    properties: Dict[str, Schema] = {}
    for part in component.get("allOf", [component]):
        if "$ref" in part:
            properties.update(_properties(schemas, schemas[_referenced_name(part)])[0])
        else:
            properties.update(part.get("properties", {}))
    return properties, component.get("required", [])


def _referenced_name(schema: Schema) -> str:
    return str(schema["$ref"]).rsplit("/", 1)[-1]


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = _referenced_name(schema)
        by_component = {row["component"]: own for own, row in CLASSES.items()}
        return PLAIN_DICTS.get(name) or by_component.get(name, name)
    if "oneOf" in schema:
        return "OneOf" + "".join(kind["type"] for kind in schema["oneOf"])
    if schema["type"] == "array":
        return "list[{}]".format(_type(schema["items"]))
    if schema["type"] == "object":
        return "dict(str, {})".format(_type(schema["additionalProperties"]))
    return "datetime" if schema.get("format") == "date-time" else WORDS[schema["type"]]


def _limits(schema: Schema, required: bool) -> Dict[str, Any]:
    limits: Dict[str, Any] = {"required": True} if required else {}
    limits.update((limit, schema[limit]) for limit in LIMITS if limit in schema)
    return limits
