"""Models are created, read, copied and compared."""

import copy
import enum
import inspect
import pickle
import pprint
from typing import Any, Dict
from unittest import mock

import pytest

from target_python_sdk.types import (
    Action,
    ChannelType,
    Context,
    CustomerId,
    DeliveryRequest,
    ExecuteRequest,
    Geo,
    MboxRequest,
    MboxResponse,
    ModelProperty,
    Notification,
    Option,
    PrefetchMboxResponse,
    RequestDetails,
)

from .facts import CLASSES, PARTS, PLAIN_ENUMS, fields_of, minimal_arguments, type_named

every_class = pytest.mark.parametrize("name", [*CLASSES, *PARTS])


class Channel(enum.Enum):
    """An application's enumeration."""

    WEB = "web"


class RequestWithATenant(DeliveryRequest):
    """An application's subclass with a different constructor."""

    def __init__(self, tenant: str, **fields: Any) -> None:
        super().__init__(**fields)
        self.tenant = tenant


@every_class
def test_arguments_may_be_given_by_position_in_the_order_of_1_1_0(name):
    cls, names = type_named(name), [row["name"] for row in fields_of(name)]
    values = {field: minimal_arguments(name).get(field) for field in names}
    assert list(inspect.signature(cls).parameters) == names
    assert cls(*values.values()) == cls(**values)


def test_a_positional_argument_sets_its_field():
    mbox = MboxRequest(None, {"a": "b"}, None, None, None, 3, "hero")
    assert (mbox.parameters, mbox.index, mbox.name) == ({"a": "b"}, 3, "hero")
    notification = Notification(None, None, None, None, None, "n1", "i1", "click")
    assert (notification.id, notification.impression_id, notification.type) == ("n1", "i1", "click")


@every_class
def test_every_argument_has_a_default(name):
    parameters = inspect.signature(type_named(name)).parameters.values()
    assert {parameter.name: parameter.default for parameter in parameters if parameter.default is not None} == (
        {"beacon": False} if name == "Context" else {}
    )


@every_class
def test_an_unknown_argument_is_a_type_error(name):
    with pytest.raises(TypeError, match="unexpected keyword argument 'no_such_field'"):
        type_named(name)(no_such_field=1)


@every_class
def test_fields_are_read_and_written_as_attributes(name):
    cls = type_named(name)
    values: Dict[str, Any] = dict.fromkeys(cls.attribute_map, "::1")
    model = cls(**minimal_arguments(name))
    for field in set(values) - {"location_hint", "total", "experience_local_id"}:  # "::1" is not valid for these
        if (name, field) not in {("AnalyticsRequest", "supplemental_data_id")} and not field.endswith("_index"):
            setattr(model, field, "::1")
            assert getattr(model, field) == "::1"


def test_a_generated_constructor_has_the_name_and_module_of_its_class():
    Geo()
    assert Geo.__init__.__qualname__ == "Geo.__init__"
    assert Geo.__init__.__module__ == Geo.__module__


def test_the_property_of_a_request_has_an_underscore():
    request = DeliveryRequest(_property=ModelProperty("token"))
    assert request.to_dict()["_property"] == {"token": "token"}
    assert request.to_dict(by_alias=True, exclude_none=True) == {"property": {"token": "token"}}
    assert not hasattr(request, "property")
    with pytest.raises(TypeError):
        DeliveryRequest(property=ModelProperty("token"))


def test_allof_in_the_schema_is_inheritance():
    assert issubclass(MboxRequest, RequestDetails)
    assert issubclass(PrefetchMboxResponse, MboxResponse)


@pytest.mark.parametrize("name", [*CLASSES, *PLAIN_ENUMS, *PARTS])
def test_the_discriminator_is_none(name):
    assert type_named(name)(**(minimal_arguments(name) if name not in PLAIN_ENUMS else {})).discriminator is None


# A user's subclass


def test_a_subclass_keeps_its_own_constructor():
    request = RequestWithATenant("acme", request_id="r1")
    assert (request.tenant, request.request_id) == ("acme", "r1")
    assert "tenant" not in request.to_dict()


def test_a_subclass_without_a_body_is_built_like_its_base():
    class Place(Geo):
        pass

    assert Place("::1", 1.5).latitude == 1.5
    with pytest.raises(ValueError, match="city"):
        Place(city="x" * 51)


def test_a_subclass_keeps_the_constructor_of_a_mixin():
    class Counted:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.built = True

    class CountedGeo(Counted, Geo):
        pass

    assert CountedGeo(city="Basel").built


def test_a_subclass_is_not_equal_to_its_base():
    assert RequestWithATenant("acme") != DeliveryRequest()
    assert DeliveryRequest() != RequestWithATenant("acme")


# Equality


def test_models_are_equal_if_their_classes_and_fields_are():
    assert Geo(city="Basel") == Geo(city="Basel")
    assert Geo(city="Basel") != Geo(city="Bern")
    assert RequestDetails(parameters={}) != MboxRequest(parameters={})
    assert Geo() != {}


def test_a_member_of_an_enum_is_equal_to_its_value():
    assert Context(channel=Channel.WEB) == Context(channel="web")
    assert Context(channel=Channel.WEB) != Context(channel=ChannelType.MOBILE)
    assert DeliveryRequest(context=Context(channel=Channel.WEB)) == DeliveryRequest(context=Context(channel="web"))


def test_a_tuple_is_equal_to_the_list_it_is_sent_as():
    assert ExecuteRequest(mboxes=(MboxRequest(),)) == ExecuteRequest(mboxes=[MboxRequest()])


def test_additional_attributes_of_a_subclass_are_compared():
    assert RequestWithATenant("acme") != RequestWithATenant("other")


def test_comparing_with_another_type_uses_the_comparison_of_that_type():
    assert Geo() == mock.ANY


@pytest.mark.parametrize("name", [*CLASSES, *PLAIN_ENUMS, *PARTS])
def test_a_model_has_no_hash(name):
    with pytest.raises(TypeError, match="unhashable"):
        hash(type_named(name)(**(minimal_arguments(name) if name not in PLAIN_ENUMS else {})))


# Text


def test_the_text_of_a_model_is_its_dict_as_formatted_by_pprint():
    context = Context(channel="web", geo=Geo(city="Basel"))
    assert context.to_str() == repr(context) == str(context) == pprint.pformat(context.to_dict())


# Copies


@pytest.fixture
def option() -> Option:
    return Option(type="actions", content=[Action(type="setHtml", content={"a": None})], response_tokens={"a": 1})


@pytest.mark.parametrize("make_copy", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_is_an_equal_but_separate_object(option, make_copy):
    twin = make_copy(option)
    assert twin == option and twin is not option and type(twin) is Option
    twin.type = "html"
    assert option.type == "actions"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_pickles_a_checked_model(protocol):
    customer = CustomerId(id="c1", integration_code="crm", authenticated_state="authenticated")
    assert pickle.loads(pickle.dumps(customer, protocol)) == customer


def test_a_parsed_model_is_pickled_and_copied_without_checks():
    geo = Geo.from_dict({"city": "x" * 51})
    assert pickle.loads(pickle.dumps(geo)) == copy.copy(geo) == geo


def test_a_deep_copy_shares_no_values_and_a_shallow_copy_shares_all(option):
    assert copy.copy(option).content is option.content
    assert copy.deepcopy(option).content[0] is not option.content[0]


def test_a_subclass_pickles_with_its_own_attributes():
    assert pickle.loads(pickle.dumps(RequestWithATenant("acme", request_id="r1"))).tenant == "acme"


# Replacing


def test_replace_returns_a_copy_that_shares_the_other_values():
    request = DeliveryRequest(request_id="r1", context=Context(channel="web"))
    replaced = request.replace(request_id="r2", _property=ModelProperty("t"))
    assert (request.request_id, replaced.request_id, request._property) == ("r1", "r2", None)
    assert replaced.context is request.context


def test_replacing_keeps_a_users_class_and_attributes():
    replaced = RequestWithATenant("acme").replace(request_id="r2")
    assert (type(replaced), replaced.tenant) == (RequestWithATenant, "acme")


def test_replacing_an_unknown_field_is_a_type_error():
    with pytest.raises(TypeError, match="Geo has no field 'town'"):
        Geo().replace(town="Basel")


# Pickles of 1.1.0


def load_state(state: Dict[str, Any], cls: type) -> Any:
    """Return the object that unpickling creates from a class and a state."""
    model = cls.__new__(cls)
    model.__setstate__(state)
    return model


def test_a_pickle_of_1_1_0_loads():
    state = {"_type": "html", "_content": "x", "_event_token": None, "_response_tokens": {}, "discriminator": None}
    option = load_state(state, Option)
    assert option == Option(type="html", content="x", response_tokens={})
    assert "discriminator" not in vars(option)


@every_class
def test_every_field_in_a_pickle_of_1_1_0_is_loaded(name):
    state: Dict[str, Any] = {"discriminator": None}
    expected: Dict[str, Any] = {}
    for number, row in enumerate(row for row in fields_of(name) if "since" not in row):
        field = row["name"]
        state["_DeliveryRequest__property" if field == "_property" else "_" + field] = number
        expected[field] = number
    found = load_state(state, type_named(name))
    assert {field: getattr(found, field) for field in expected} == expected
    assert set(vars(found)) == set(found.attribute_map)


def test_a_field_that_1_1_0_did_not_have_gets_its_default():
    assert load_state({"_channel": "web", "_beacon": True}, Context) == Context(channel="web", beacon=True)


def test_an_additional_attribute_in_a_pickle_of_1_1_0_is_kept():
    assert load_state({"_request_id": "r1", "_tenant": "acme"}, DeliveryRequest)._tenant == "acme"
