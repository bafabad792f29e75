"""Closed sets of values are classes of text constants, as in 1.1.0; ``DecisioningMethod`` is an enumeration."""

import copy
import json
import pickle

import pytest

import delivery_api_client
import target_python_sdk
from target_python_sdk.types import ChannelType, DecisioningMethod, LoggingType, TelemetryFeatures
from target_tools import enums

from .facts import ENUMS, PLAIN_ENUMS, type_named

every_enum = pytest.mark.parametrize("name", list(PLAIN_ENUMS))


@every_enum
def test_a_constant_is_text(name):
    assert all(type(getattr(type_named(name), key)) is str for key in ENUMS[name]["values"])


@every_enum
def test_an_enum_can_be_instantiated_as_an_empty_model(name):
    cls = type_named(name)
    assert cls() == cls()
    assert cls().to_dict() == cls().to_dict(True, True) == cls.openapi_types == cls.attribute_map == {}
    assert cls().discriminator is None
    assert repr(cls()) == "{}"
    assert copy.copy(cls()) == copy.deepcopy(cls()) == pickle.loads(pickle.dumps(cls())) == cls()
    assert cls.from_dict({"x": 1}) == cls()


@every_enum
def test_an_instance_takes_no_argument(name):
    with pytest.raises(TypeError):
        type_named(name)("x")


def test_instances_of_different_enums_differ():
    assert ChannelType() != LoggingType()


def test_constants_are_attributes_of_instances_too():
    assert ChannelType().WEB == "web"


# DecisioningMethod


def test_decisioning_method_is_the_same_class_in_each_module():
    assert DecisioningMethod is enums.DecisioningMethod is target_python_sdk.DecisioningMethod


@pytest.mark.parametrize(("name", "text"), ENUMS["DecisioningMethod"]["values"].items())
def test_a_decisioning_method_equals_its_text(name, text):
    method = getattr(DecisioningMethod, name)
    assert method == text
    assert {text: "found"}[method] == "found"
    assert str(method) == f"{method}" == text
    assert json.dumps(method) == json.dumps(text)
    assert DecisioningMethod(text) is pickle.loads(pickle.dumps(method)) is copy.deepcopy(method) is method
    assert TelemetryFeatures(decisioning_method=method).to_dict() == TelemetryFeatures(text).to_dict()
    assert type(TelemetryFeatures(method).to_dict()["decisioning_method"]) is str


def test_the_generated_client_keeps_its_class_of_constants():
    cls = delivery_api_client.DecisioningMethod
    constants = {key: value for key, value in vars(cls).items() if key.isupper()}
    assert constants == ENUMS["DecisioningMethod"]["values"]
    assert {type(value) for value in constants.values()} == {str}
    assert pickle.loads(pickle.dumps(cls())) == cls() == cls.from_dict({"x": 1})
    assert cls().to_dict() == cls.openapi_types == cls.attribute_map == {}
