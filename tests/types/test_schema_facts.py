"""The table of schema facts, held against the classes on one side and the schema's YAML on the other."""

from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
import yaml

import target_python_sdk.types
from target_tools.schema.model import Model

from .facts import CLASSES, DEVIATIONS, ENUMS, PARTS, PLAIN_ENUMS, enforced, fields_of, type_named

LIMITS = ("maxLength", "minLength", "minimum", "maximum", "pattern", "maxItems")
PLAIN_DICTS = {
    "Parameters": "dict(str, str)",
    "ResponseTokens": "dict(str, object)",
    "TraceResponse": "dict(str, object)",
}
WORDS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}

Schema = Dict[str, Any]


# The classes say what the table says


def test_every_row_has_a_class_and_every_class_a_row():
    exported = {
        name
        for name in target_python_sdk.types.__all__
        if isinstance(getattr(target_python_sdk.types, name), type)
        and issubclass(getattr(target_python_sdk.types, name), Model)
    }
    assert exported == {*CLASSES, *PLAIN_ENUMS, *PARTS}


@pytest.mark.parametrize("name", [*CLASSES, *PARTS])
def test_a_class_has_the_fields_of_the_table_in_its_order(name):
    rows = fields_of(name)
    assert list(type_named(name).attribute_map.items()) == [(row["name"], row["wire"]) for row in rows]
    assert list(type_named(name).openapi_types.items()) == [(row["name"], row["type"]) for row in rows]


@pytest.mark.parametrize("name", list(ENUMS))
def test_an_enum_has_the_constants_of_the_table(name):
    members = vars(getattr(target_python_sdk.types, name))
    constants = {key: getattr(value, "value", value) for key, value in members.items() if key.isupper()}
    assert constants == ENUMS[name]["values"]


@pytest.mark.parametrize("name", [*CLASSES, *PARTS])
def test_what_is_newer_than_1_1_0_comes_last(name):
    newer = ["since" in row for row in fields_of(name)]
    assert newer == sorted(newer)


def test_every_limit_that_is_not_enforced_is_a_deviation_with_a_reason():
    let_through = {
        (name, row["name"], limit)
        for name in CLASSES
        for row in fields_of(name)
        for limit in row.get("schema", {})
        if limit not in enforced(row)
    }
    excused = {(row["class"], row["field"], row["limit"]) for row in DEVIATIONS if "limit" in row and "field" in row}
    assert let_through == excused
    assert all(row["why"] for row in DEVIATIONS)


# The table says what the schema says


@pytest.fixture(scope="module")
def schemas(shared: Path) -> Dict[str, Schema]:
    """Every component of the schema by its name, those inside other components' files included."""
    found: Dict[str, Schema] = {}
    for file in sorted((shared / "openapi").glob("*/components/*.yaml")):
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        found[file.stem] = document[file.stem]
        found.update(document.get("components", {}).get("schemas", {}))
    return found


def test_every_component_is_in_the_table_or_a_deviation(schemas):
    told = {row["component"] for row in [*CLASSES.values(), *ENUMS.values()]}
    excused = {row["component"] for row in DEVIATIONS if "component" in row}
    assert set(schemas) - told == excused - told
    assert told <= set(schemas)


@pytest.mark.parametrize("name", list(ENUMS))
def test_the_values_of_an_enum_are_the_schemas(schemas, name):
    assert list(ENUMS[name]["values"].values()) == schemas[ENUMS[name]["component"]]["enum"]


@pytest.mark.parametrize("name", list(CLASSES))
def test_wire_names_types_and_limits_are_the_schemas(schemas, name):
    properties, required = _properties(schemas, schemas[CLASSES[name]["component"]])
    excused = {row["wire"] for row in DEVIATIONS if row.get("class") in (name, "*") and "wire" in row}
    told = {row["wire"]: (row["type"], row.get("schema", {})) for row in fields_of(name)}
    said = {
        wire: (_type(schema), _limits(schema, wire in required))
        for wire, schema in properties.items()
        if wire not in excused
    }
    assert told == said
    assert set(required) <= set(told) | excused


def _properties(schemas: Dict[str, Schema], component: Schema) -> Tuple[Dict[str, Schema], List[str]]:
    properties: Dict[str, Schema] = {}
    for part in component.get("allOf", [component]):
        if "$ref" in part:
            properties.update(_properties(schemas, schemas[_referred(part)])[0])
        else:
            properties.update(part.get("properties", {}))
    return properties, component.get("required", [])


def _referred(schema: Schema) -> str:
    return str(schema["$ref"]).rsplit("/", 1)[-1]


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = _referred(schema)
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
