"""Values of any type are converted in the same way in every place of a call, for every decisioning method."""

import collections
import copy
import datetime
import decimal
import enum
import fractions
import io
import json
import types
import uuid

import pytest
import urllib3

from target_python_sdk import TargetClient
from target_python_sdk.delivery.call_options import call_options
from target_python_sdk.delivery.conversion import MAX_DEPTH, convert_request
from target_python_sdk.delivery.options import client_settings
from target_python_sdk.delivery.prepare import prepare_request
from target_python_sdk.errors import OptionError
from target_python_sdk.types import (
    Address,
    Context,
    CustomerId,
    DeliveryRequest,
    ExecuteRequest,
    MboxRequest,
    Notification,
    Order,
    PrefetchRequest,
    RequestDetails,
    ViewRequest,
    VisitorId,
)
from target_tools.logger import Log
from tests.conformance.builders import artifact, rule
from tests.support import ANSWER_BYTES

METHODS = ["server-side", "on-device", "hybrid"]
REQUIRED = {"client": "acmeclient", "organization_id": "1234567890@AdobeOrg"}


class Plan(str, enum.Enum):
    """An application's own constants, as text."""

    GOLD = "gold"

    def __str__(self):
        return f"the plan {self.value}"


class PlanName(enum.Enum):
    GOLD = "gold"


class Level(enum.IntEnum):
    HIGH = 150


class Text(str):
    """Text whose ``str()`` and ``format()`` differ from its content."""

    def __str__(self):
        return "other"

    def __format__(self, spec):
        return "other"


class LazyText:
    """Like a lazy translation: not a ``str``, but with the methods of ``str``."""

    def __str__(self):
        return "gold"

    def __getattr__(self, name):
        return getattr("gold", name)


class NumpyScalar:
    """An object with the attributes of a numpy scalar that the SDK uses."""

    shape = ()

    def __init__(self, value):
        self._value = value

    def item(self):
        return self._value


TEXTS = [Plan.GOLD, PlanName.GOLD, Text("gold"), LazyText(), collections.UserString("gold"), NumpyScalar("gold")]
NUMBERS = [
    Level.HIGH,
    decimal.Decimal("150"),
    decimal.Decimal("150.00"),
    fractions.Fraction(300, 2),
    NumpyScalar(150),
]
NOT_JSON = [
    object(),
    b"bytes",
    {1, 2},
    float("nan"),
    float("inf"),
    decimal.Decimal("NaN"),
    decimal.Decimal("sNaN"),
    decimal.Decimal("1E+999999"),
    complex(1, 2),
    uuid.UUID(int=1),
    datetime.date(2026, 1, 2),
    1 << 20000,
    [object()],
    {"a": {"b": object()}},
    {b"key": 1},
]


class PoolManager:
    """A pool manager that keeps each body and answers at once."""

    def __init__(self):
        self.bodies = []

    def request(self, method, url, **options):
        self.bodies.append(json.loads(options["body"]))
        return urllib3.HTTPResponse(io.BytesIO(ANSWER_BYTES), status=200, preload_content=False)


def client_with_method(method, **options):
    """Return a client with this decisioning method, and its pool manager, which sends nothing over the network."""
    pool_manager = PoolManager()
    document = artifact(home=[rule("A", condition={"==": [{"var": "mbox.plan"}, "gold"]})])
    defaults = {**REQUIRED, "pool_manager": pool_manager, "decisioning_method": method, "polling_interval": 0}
    # With these options, the client sends only the requests of the calls: no location-hint request, no telemetry.
    defaults.update(target_location_hint="35", telemetry_enabled=False)
    if method != "server-side":
        defaults["artifact_payload"] = document
    return TargetClient.create({**defaults, **options}), pool_manager


def execute_request(**fields):
    return DeliveryRequest(execute=ExecuteRequest(mboxes=[MboxRequest(**{"name": "home", **fields})]))


#: For each place: a function that builds a request with a value there, and the name of the place in errors.
PLACES = {
    "parameters": (
        lambda value: execute_request(parameters={"plan": value}),
        "request.execute.mboxes[0].parameters['plan']",
    ),
    "profile parameters": (
        lambda value: execute_request(profile_parameters={"plan": value}),
        "request.execute.mboxes[0].profile_parameters['plan']",
    ),
    "mbox name": (
        lambda value: DeliveryRequest(execute=ExecuteRequest(mboxes=[MboxRequest.from_dict({"name": value})])),
        "request.execute.mboxes[0].name",
    ),
    "a dict in place of a model": (
        lambda value: DeliveryRequest(execute={"mboxes": [{"name": "home", "parameters": {"plan": value}}]}),
        "request.execute.mboxes[0].parameters['plan']",
    ),
    "the page load": (
        lambda value: DeliveryRequest(execute=ExecuteRequest(page_load=RequestDetails(parameters={"plan": value}))),
        "request.execute.page_load.parameters['plan']",
    ),
    "prefetched views": (
        lambda value: DeliveryRequest(prefetch=PrefetchRequest(views=[ViewRequest(parameters={"plan": value})])),
        "request.prefetch.views[0].parameters['plan']",
    ),
    "an id": (
        lambda value: DeliveryRequest(
            id=VisitorId.from_dict({"thirdPartyId": value}), execute=execute_request().execute
        ),
        "request.id.third_party_id",
    ),
    "the context": (
        lambda value: DeliveryRequest(
            context={"channel": "web", "userAgent": value}, execute=execute_request().execute
        ),
        "request.context.user_agent",
    ),
    "an address": (
        lambda value: execute_request(address=Address.from_dict({"url": value})),
        "request.execute.mboxes[0].address.url",
    ),
    "a product": (
        lambda value: execute_request(product={"categoryId": value}),
        "request.execute.mboxes[0].product.category_id",
    ),
    "purchased products": (
        lambda value: execute_request(order=Order(purchased_product_ids=[value])),
        "request.execute.mboxes[0].order.purchased_product_ids[0]",
    ),
    "tokens of a notification": (
        lambda value: DeliveryRequest(notifications=[{"tokens": [value]}], execute=execute_request().execute),
        "request.notifications[0].tokens[0]",
    ),
}
by_place = pytest.mark.parametrize("place", PLACES)
by_method = pytest.mark.parametrize("method", METHODS)


@by_place
@pytest.mark.parametrize("value", TEXTS, ids=lambda value: type(value).__name__)
def test_text_of_any_type_becomes_str(value, place):
    build, _ = PLACES[place]
    assert_plain(convert_request(build(value)).to_dict())
    assert convert_request(build(value)) == convert_request(build("gold"))


@by_place
@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: type(value).__name__)
def test_numbers_of_any_type_become_json_numbers(value, place):
    build, _ = PLACES[place]
    assert_plain(convert_request(build(value)).to_dict())
    assert convert_request(build(value)) == convert_request(build(150))


def assert_plain(value):
    """Check that a value consists only of the types that ``json.loads`` returns, without subclasses."""
    if type(value) is dict:
        assert {type(key) for key in value} <= {str}
        for item in value.values():
            assert_plain(item)
    elif type(value) is list:
        for item in value:
            assert_plain(item)
    else:
        assert type(value) in (str, int, float, bool, type(None))


@by_method
@by_place
@pytest.mark.parametrize("value", NOT_JSON, ids=lambda value: type(value).__name__)
def test_a_value_that_json_cannot_hold_is_an_error_that_names_the_place(value, place, method):
    build, path = PLACES[place]
    client, pool_manager = client_with_method(method)
    with client, pytest.raises(OptionError) as caught:
        client.get_offers({"request": build(value)})
    assert caught.value.option.startswith(path)
    assert str(caught.value).startswith(path)
    assert pool_manager.bodies == []


@by_method
@pytest.mark.parametrize("value", [*TEXTS, "gold"], ids=lambda value: type(value).__name__)
def test_a_value_is_converted_alike_for_every_decisioning_method(value, method):
    client, pool_manager = client_with_method(method)
    request = execute_request(parameters={value: value, "plan": value}, profile_parameters={"plan": value})
    request.id = VisitorId(marketing_cloud_visitor_id="4" * 38)  # without it, customer ids are not sent
    options = {
        "session_id": value,
        "customer_ids": {value: {"id": value, "authState": Level(150) - 149}},
        "consumer_id": value,
    }
    with client:
        envelope = client.get_offers({"request": request, **options})
        assert client.flush(5000)
    assert envelope.session_id == "gold"
    (mbox,) = envelope["request"].execute.mboxes
    assert (mbox.parameters, mbox.profile_parameters) == ({"gold": "gold", "plan": "gold"}, {"plan": "gold"})
    (customer,) = envelope["request"].id.customer_ids
    assert (customer.id, customer.integration_code, customer.authenticated_state) == ("gold", "gold", "authenticated")
    assert_plain(envelope["request"].to_dict())
    assert len(envelope["response"].execute.mboxes[0].options) == 1
    for body in pool_manager.bodies:
        assert body["id"]["customerIds"][0]["id"] == "gold"


@by_method
def test_the_name_of_an_mbox_may_be_a_member_of_an_enum(method):
    class Mbox(str, enum.Enum):
        HOME = "home"

    client, _ = client_with_method(method)
    with client:
        request = execute_request(name=Mbox.HOME, parameters={"plan": "gold"})
        attributes = client.get_attributes([Mbox.HOME], {"request": request})
        envelope = attributes.get_response()
    assert [mbox.name for mbox in envelope["request"].execute.mboxes] == ["home"]
    assert type(envelope["request"].execute.mboxes[0].name) is str
    assert envelope["response"].execute.mboxes[0].options


# Options


LOG = Log()


def prepare(**options):
    settings = client_settings(REQUIRED, LOG)
    return prepare_request(call_options({"request": DeliveryRequest(), **options}, settings, LOG), settings, None, LOG)


@pytest.mark.parametrize(
    "convert", [Text, collections.UserString, NumpyScalar, str.encode], ids=lambda convert: convert.__name__
)
def test_cookie_session_and_hint_may_be_text_of_any_type_or_bytes(convert):
    cookie = "session#s1#4000000000|PC#device.28_0#4000000000"
    found = prepare(target_cookie=convert(cookie))
    assert (found.session_id, found.request.id.tnt_id) == ("s1", "device.28_0")
    assert prepare(session_id=convert("s2")).session_id == "s2"
    found = prepare(target_location_hint=convert("31"))
    assert (found.cluster, found.refused_hints) == ("31", 0)
    assert type(found.cluster) is str


def as_enum_member(value):
    """Return a member of an ``Enum`` that equals ``value``, but whose ``str()`` differs."""
    kind = type(value)
    return (
        enum.IntEnum("Numbers", {"MEMBER": value}).MEMBER
        if kind is int
        else enum.Enum("Texts", {"MEMBER": value}, type=kind).MEMBER
    )


def as_other_class(value):
    """Return the same text or number as an instance of another class."""
    return Text(value) if isinstance(value, str) else decimal.Decimal(value)


OPTIONS = {
    "client": "acme_client",
    "organization_id": "1@AdobeOrg",
    "timeout": 500,
    "server_domain": "edge.example.com:8080",
    "target_location_hint": "35",
    "property_token": "token",
    "environment_id": 7,
    "version": "2.1",
    "decisioning_method": "hybrid",
    "polling_interval": 600000,
    "maximum_wait_ready": 50,
    "artifact_location": "https://cdn.example.com/rules.json",
    "artifact_format": "bin",
    "artifact_cache": "rules.cache",
    "environment": "staging",
    "cdn_environment": "staging",
    "cdn_base_path": "cdn.example.com",
    "max_workers": 3,
    "max_pending": 4,
    "queue_timeout": 900,
    "retries": 2,
    "on_error": "default",
    "max_connections": 9,
    "keep_alive": 800,
    "proxy": "http://proxy:8080",
    "max_response_bytes": 4096,
    "shutdown_timeout": 700,
    "secure": 0,
    "trust_env": 1,
}


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("convert", [as_enum_member, as_other_class])
def test_an_option_of_a_client_may_have_a_value_of_any_type(option, convert):
    expected = client_settings({**REQUIRED, option: OPTIONS[option]}, LOG)
    found = client_settings({**REQUIRED, option: convert(OPTIONS[option])}, LOG)
    assert found == expected
    assert type(getattr(found, option)) is type(getattr(expected, option))
    assert f"{getattr(found, option)}" == f"{getattr(expected, option)}"


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("headers", {Text("X-A"): Text("b")}, {"X-A": "b"}),
        ("proxy_headers", {Text("X-A"): Text("b")}, {"X-A": "b"}),
        ("on_device_all_matching_rules_mboxes", [Text("home")], {"home"}),
        ("max_response_bytes", {"geo": decimal.Decimal(9)}, (8 << 20, 64 << 20, 9)),
        ("artifact_payload", {"rules": {Text("mboxes"): [Text("x")]}}, {"rules": {"mboxes": ["x"]}}),
    ],
)
def test_values_inside_an_option_may_be_of_any_type(option, value, expected):
    found = getattr(client_settings({**REQUIRED, option: value}, LOG), option)
    assert found == expected
    assert "other" not in repr(sorted(found)) + f"{found}"


@pytest.mark.parametrize("timeout", [decimal.Decimal(150), Level.HIGH, NumpyScalar(150), "150"])
def test_the_timeout_of_a_call_may_be_a_number_of_any_type(timeout):
    settings = client_settings(REQUIRED, LOG)
    assert call_options({"request": DeliveryRequest(), "timeout": timeout}, settings, LOG).timeout == 0.15


# Parts


def test_a_request_with_nothing_to_convert_is_not_copied():
    request = execute_request(parameters={"plan": "gold"}, index=1)
    assert convert_request(request) is request


def test_only_converted_parts_are_copied():
    request = DeliveryRequest(
        context=Context(channel="web"), execute=execute_request(parameters={"plan": Plan.GOLD}).execute
    )
    converted = convert_request(request)
    assert converted is not request
    assert converted.context is request.context


@by_place
@pytest.mark.parametrize("value", [Plan.GOLD, decimal.Decimal(150), {"a": [Plan.GOLD]}], ids=repr)
def test_the_callers_objects_are_not_changed(value, place):
    request = PLACES[place][0](value)
    before, text = copy.deepcopy(request), repr(request)
    convert_request(request)
    assert request == before
    assert repr(request) == text


def test_none_is_dropped_from_lists_of_parts():
    mboxes = (None, {"name": "a"}, MboxRequest(name="b"))
    request = DeliveryRequest(execute=ExecuteRequest(mboxes=mboxes), notifications=[None, Notification()])
    converted = convert_request(request)
    assert [type(mbox) for mbox in converted.execute.mboxes] == [MboxRequest, MboxRequest]
    assert converted.notifications == [Notification()]


def test_none_is_kept_among_parameters():
    assert convert_request(execute_request(parameters={"plan": None})).execute.mboxes[0].parameters == {"plan": None}


def test_a_datetime_becomes_text_in_free_json_and_is_kept_in_a_field_of_that_type():
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5)
    request = execute_request(parameters={"at": moment}, order=Order(time=moment))
    (mbox,) = convert_request(request).execute.mboxes
    assert mbox.parameters == {"at": "2026-01-02T03:04:05+00:00"}
    assert mbox.order.time is moment


@pytest.mark.parametrize(
    ("key", "name"), [(Plan.GOLD, "gold"), (5, "5"), (1.5, "1.5"), (True, "true"), (None, "null"), (Level.HIGH, "150")]
)
def test_keys_are_those_that_json_writes(key, name):
    (mbox,) = convert_request(execute_request(parameters={key: "x"})).execute.mboxes
    assert mbox.parameters == {name: "x"} == json.loads(json.dumps({key: "x"}))


def test_mappings_and_tuples_become_dicts_and_lists():
    mapping = types.MappingProxyType({"a": (1, types.MappingProxyType({"b": 2}))})
    (mbox,) = convert_request(execute_request(parameters=mapping)).execute.mboxes
    assert mbox.parameters == {"a": [1, {"b": 2}]}


def test_a_model_among_parameters_becomes_its_dict():
    (mbox,) = convert_request(execute_request(parameters={"a": Address(url="x")})).execute.mboxes
    assert mbox.parameters == {"a": {"url": "x"}}


@by_method
def test_a_value_that_contains_itself_is_an_error(method):
    endless = {}
    endless["a"] = endless
    client, _ = client_with_method(method)
    with client, pytest.raises(OptionError, match="nested too deeply, or contains itself"):
        client.get_offers({"request": execute_request(parameters=endless)})


def test_a_value_may_be_nested_deeply():
    value = "x"
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    assert convert_request(execute_request(parameters={"a": value}))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            DeliveryRequest(execute="home"),
            "request.execute: expected an ExecuteRequest or a dict, got a str (value not shown)",
        ),
        (
            DeliveryRequest(execute={"mboxes": {"name": "home"}}),
            "request.execute.mboxes: expected a list, got a dict of 1 item",
        ),
        (
            DeliveryRequest(execute=ExecuteRequest(mboxes=[["hero"]])),
            "request.execute.mboxes[0]: expected a MboxRequest or a dict, got a list of 1 item",
        ),
        (
            execute_request(parameters=["a"]),
            "request.execute.mboxes[0].parameters: expected a dict, got a list of 1 item",
        ),
        (
            execute_request(parameters={"a": float("nan")}),
            "request.execute.mboxes[0].parameters['a']: nan is not a JSON number",
        ),
        (
            execute_request(parameters={"a": b"secret"}),
            "request.execute.mboxes[0].parameters['a']: "
            "expected a value that JSON can hold, got a bytes (value not shown)",
        ),
    ],
)
def test_an_error_says_what_was_expected_and_shows_no_personal_data(request_, message):
    with pytest.raises(OptionError) as caught:
        convert_request(request_)
    assert str(caught.value) == message


def test_attributes_of_a_subclass_are_not_converted():
    class Marked(MboxRequest):
        def __init__(self, mark, **fields):
            super().__init__(**fields)
            self.mark = mark

    mark = object()
    request = DeliveryRequest(execute=ExecuteRequest(mboxes=[Marked(mark, name=Plan.GOLD)]))
    (mbox,) = convert_request(request).execute.mboxes
    assert (type(mbox), mbox.mark, mbox.name) == (Marked, mark, "gold")


def test_customer_ids_may_be_models_with_values_of_any_type():
    customers = [
        CustomerId.from_dict({"id": Plan.GOLD, "integrationCode": Text("crm"), "authenticatedState": "unknown"})
    ]
    (found,) = prepare(customer_ids=customers).request.id.customer_ids
    assert (type(found.id), found.id, type(found.integration_code)) == (str, "gold", str)
