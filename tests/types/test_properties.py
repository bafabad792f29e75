"""Properties that hold for all models, tested with generated models."""

import copy
import datetime
import json
import pickle
from functools import lru_cache
from typing import Any, Dict, Type

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from target_tools.enums import DecisioningMethod
from target_tools.errors import InvalidResponse
from target_tools.schema.model import Model

from .facts import CLASSES, PARTS, type_named

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.text(max_size=5), json_values, max_size=3)
offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes)))
moments = st.datetimes(datetime.datetime(1000, 1, 1), timezones=offsets)

LEAVES: Dict[str, st.SearchStrategy[Any]] = {
    "str": st.text(max_size=8),
    "int": st.integers(),
    "float": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "datetime": moments,
    "dict(str, str)": st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    "dict(str, object)": objects,
    "OneOfstringobject": st.text(max_size=5) | objects,
    "OneOfstringobjectarray": json_values,
    "DecisioningMethod": st.text(max_size=5) | st.sampled_from(DecisioningMethod),
}


@lru_cache(maxsize=None)
def values_of(type_name: str) -> st.SearchStrategy[Any]:
    """Return a strategy for the values of a type, given its name in ``openapi_types``."""
    if type_name.startswith("list["):
        return st.lists(st.none() | values_of(type_name[5:-1]), max_size=2)
    if type_name in LEAVES:
        return LEAVES[type_name]
    cls = type_named(type_name)
    return models(cls) if cls.attribute_map else LEAVES["str"]


def models(cls: Type[Model]) -> st.SearchStrategy[Model]:
    """Return a strategy for models as a server could send them, with some fields set and without regard to limits."""

    def built(values: Dict[str, Any]) -> Model:
        model = cls.from_dict({})
        vars(model).update(values)
        return model

    fields = {name: values_of(type_name) for name, type_name in cls.openapi_types.items()}
    return st.fixed_dictionaries({}, optional=fields).map(built)


any_model = st.sampled_from([*CLASSES, *PARTS]).flatmap(values_of)
relaxed = settings(max_examples=150, suppress_health_check=list(HealthCheck))


@relaxed
@given(any_model, st.booleans(), st.booleans())
def test_a_model_is_restored_from_its_dict(model, by_alias, exclude_none):
    assert type(model).from_dict(model.to_dict(by_alias, exclude_none)) == model


@relaxed
@given(any_model)
def test_a_model_is_restored_from_json(model):
    text = json.dumps(model.to_dict(by_alias=True, exclude_none=True))
    assert type(model).from_dict(json.loads(text)) == model


@relaxed
@given(any_model)
def test_the_dict_to_send_is_the_full_dict_without_unset_fields(model):
    whole, sent = model.to_dict(by_alias=True), model.to_dict(by_alias=True, exclude_none=True)
    assert list(whole) == list(model.attribute_map.values())
    assert list(sent) == [key for key, value in whole.items() if value is not None]


@relaxed
@given(any_model)
def test_copies_and_pickles_are_equal(model):
    assert copy.copy(model) == model
    assert copy.deepcopy(model) == model
    assert pickle.loads(pickle.dumps(model)) == model
    assert model.replace() == model


@relaxed
@given(any_model)
def test_a_pickle_of_1_1_0_loads_as_an_equal_model(model):
    state = {"_" + name: value for name, value in vars(model).items()}
    if "__property" in state:
        state["_DeliveryRequest__property"] = state.pop("__property")
    loaded = type(model).__new__(type(model))
    loaded.__setstate__({**state, "discriminator": None})
    assert loaded == model


@relaxed
@given(st.sampled_from([*CLASSES, *PARTS]), json_values)
def test_any_json_is_parsed_or_raises_invalid_response(name, data):
    try:
        model = type_named(name).from_dict(data)
    except InvalidResponse:
        return
    model.to_dict(by_alias=True, exclude_none=True)
    repr(model)


@relaxed
@given(st.data())
def test_json_with_the_right_names_is_parsed_or_raises_invalid_response(data):
    cls = type_named(data.draw(st.sampled_from([*CLASSES, *PARTS])))
    values = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(cls.attribute_map.values(), json_values)))
    try:
        model = cls.from_dict(values)
    except InvalidResponse as error:
        assert str(error).split(":")[0].split(".")[0].split("[")[0] in values
        return
    assert model.to_dict(by_alias=True).keys() == set(cls.attribute_map.values())
