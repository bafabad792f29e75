"""The model classes have the fields, types and limits listed in ``schema_facts.json``."""

import pytest

import target_python_sdk.types
from target_tools.schema.model import Model

from .facts import CLASSES, DEVIATIONS, ENUMS, PARTS, PLAIN_ENUMS, enforced_limits, fields_of, type_named


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
def test_fields_newer_than_1_1_0_come_last(name):
    newer = ["since" in row for row in fields_of(name)]
    assert newer == sorted(newer)


def test_every_limit_that_is_not_enforced_is_a_deviation_with_a_reason():
    not_enforced = {
        (name, row["name"], limit)
        for name in CLASSES
        for row in fields_of(name)
        for limit in row.get("schema", {})
        if limit not in enforced_limits(row)
    }
    deviations = {(row["class"], row["field"], row["limit"]) for row in DEVIATIONS if "limit" in row and "field" in row}
    assert not_enforced == deviations
    assert all(row["why"] for row in DEVIATIONS)
