"""The closed sets are plain classes of text, as they were in 1.1.0."""

import copy
import pickle

import pytest

from target_python_sdk.types import ChannelType, DecisioningMethod, LoggingType
from target_tools import enums

from .facts import ENUMS, type_named

every_enum = pytest.mark.parametrize("name", list(ENUMS))


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


def test_constants_are_reached_through_an_instance_too():
    assert ChannelType().WEB == "web"


def test_both_decisioning_methods_have_the_same_values():
    constants = {key: value for key, value in vars(DecisioningMethod).items() if key.isupper()}
    assert constants == {member.name: member.value for member in enums.DecisioningMethod}
