"""Models are converted to dicts and back: ``to_dict`` and ``from_dict``."""

import datetime
import enum
import json
from types import MappingProxyType
from typing import Any

import pytest

from target_python_sdk.types import (
    Action,
    Browser,
    ClientHints,
    Context,
    DeliveryRequest,
    DeliveryResponse,
    ExecuteRequest,
    ExecuteResponse,
    Geo,
    MboxRequest,
    MboxResponse,
    ModelProperty,
    Notification,
    Option,
    Order,
    PrefetchMboxResponse,
    RequestDetails,
    Trace,
    VisitorId,
)
from target_tools.errors import InvalidResponse, OptionError

UTC = datetime.timezone.utc


class Channel(enum.Enum):
    """An application's enumeration."""

    WEB = "web"


class Word(str, enum.Enum):
    """An application's enumeration of ``str``."""

    WEB = "web"


# To the wire


def test_a_dict_has_every_field_by_its_python_name():
    assert Option(type="html", content="x").to_dict() == {
        "type": "html",
        "content": "x",
        "event_token": None,
        "response_tokens": None,
    }


def test_nested_models_are_dicts_in_lists_and_dicts():
    execute = ExecuteRequest(page_load=RequestDetails(), mboxes=[MboxRequest(name="hero"), None])
    assert execute.to_dict()["page_load"]["order"] is None
    assert execute.to_dict()["mboxes"][0]["name"] == "hero"
    assert execute.to_dict()["mboxes"][1] is None
    assert Option(content={"a": Action(type="setHtml")}).to_dict()["content"]["a"]["css_selector"] is None


def test_the_dict_to_send_has_wire_names_and_no_unset_fields():
    request = DeliveryRequest(
        id=VisitorId(tnt_id="t1"),
        context=Context(channel="web", browser=Browser(web_gl_renderer="x"), time_offset_in_minutes=0),
    )
    assert request.to_dict(by_alias=True, exclude_none=True) == {
        "id": {"tntId": "t1"},
        "context": {
            "channel": "web",
            "browser": {"webGLRenderer": "x"},
            "timeOffsetInMinutes": 0,
            "beacon": False,
        },
    }


def test_by_alias_and_exclude_none_can_be_used_alone():
    assert Trace("t").to_dict(by_alias=True) == {"authorizationToken": "t", "usage": None}
    assert Trace("t").to_dict(exclude_none=True) == {"authorization_token": "t"}


def test_the_keys_are_in_the_order_of_the_declaration():
    assert list(Geo(zip="1", ip_address="::1").to_dict()) == list(Geo.attribute_map)
    assert list(Geo.from_dict({"zip": "1", "ipAddress": "::1"}).to_dict(True, True)) == ["ipAddress", "zip"]


@pytest.mark.parametrize("by_alias", [False, True])
def test_none_inside_free_json_is_kept(by_alias):
    free = {"a": None, "b": [None, {"c": None}]}
    sent = Option(content=free, response_tokens={"x": None}).to_dict(by_alias, True)
    assert sent["content"] == free
    assert sent["responseTokens" if by_alias else "response_tokens"] == {"x": None}
    assert MboxRequest(parameters={"a": None}).to_dict(by_alias, True) == {"parameters": {"a": None}}
    assert MboxResponse(trace=free).to_dict(by_alias, True) == {"trace": free}


@pytest.mark.parametrize("member", [Channel.WEB, Word.WEB])
def test_members_of_enums_become_their_values_in_fields_keys_and_lists(member):
    context = Context(channel=member)
    assert type(context.to_dict()["channel"]) is str
    assert context.to_dict()["channel"] == "web"
    details = RequestDetails(parameters={member: member, "list": [member]})
    assert json.dumps(details.to_dict(True, True)) == '{"parameters": {"web": "web", "list": ["web"]}}'


def test_tuples_and_other_mappings_are_accepted():
    sent = ExecuteRequest(mboxes=(MboxRequest(parameters=MappingProxyType({"a": "b"})),)).to_dict(True, True)
    assert sent == {"mboxes": [{"parameters": {"a": "b"}}]}


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime.datetime(2024, 2, 29, 12, 30), "2024-02-29T12:30:00+00:00"),
        (datetime.datetime(2024, 2, 29, 12, 30, 1, 5000, tzinfo=UTC), "2024-02-29T12:30:01.005000+00:00"),
        (
            datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone(datetime.timedelta(hours=-5))),
            "2024-02-29T00:00:00-05:00",
        ),
    ],
)
def test_a_datetime_is_sent_as_text_and_one_without_a_zone_as_utc(moment, text):
    order = Order(time=moment)
    assert order.to_dict()["time"] is moment
    assert order.to_dict(by_alias=True, exclude_none=True) == {"time": text}


def test_an_attribute_that_is_not_a_field_is_not_sent():
    geo = Geo(city="Basel")
    geo.note = "x"
    assert "note" not in geo.to_dict()


def test_to_dict_returns_a_deep_copy():
    content = {"a": [1]}
    option = Option(content=content)
    option.to_dict()["content"]["a"].append(2)
    assert content == {"a": [1]}


# From the wire


def test_wire_names_and_python_names_are_both_read():
    assert VisitorId.from_dict({"tntId": "a", "third_party_id": "b"}) == VisitorId(tnt_id="a", third_party_id="b")
    assert ClientHints.from_dict({"browserUAWithMajorVersion": "a"}).browser_ua_with_major_version == "a"
    token = {"token": "t"}
    assert DeliveryRequest.from_dict({"property": token}) == DeliveryRequest.from_dict({"_property": token})
    assert DeliveryRequest.from_dict({"property": token})._property == ModelProperty("t")


@pytest.mark.parametrize("wire", ["w", None])
def test_the_wire_name_has_priority_in_any_order(wire):
    assert VisitorId.from_dict({"tntId": wire, "tnt_id": "p"}).tnt_id == wire
    assert VisitorId.from_dict({"tnt_id": "p", "tntId": wire}).tnt_id == wire


def test_unknown_keys_are_ignored():
    assert Geo.from_dict({"planet": "Mars", 5: 6, None: 1, "city": "Basel"}) == Geo(city="Basel")


def test_nested_objects_become_instances_of_their_model_classes():
    response = DeliveryResponse.from_dict(
        {"execute": {"mboxes": [{"options": [{"type": "html"}]}]}, "prefetch": {"mboxes": [{"state": "s"}]}}
    )
    assert isinstance(response.execute, ExecuteResponse)
    assert response.execute.mboxes == [MboxResponse(options=[Option(type="html")])]
    assert response.prefetch.mboxes == [PrefetchMboxResponse(state="s")]


def test_models_among_the_data_are_kept():
    visitor = VisitorId(tnt_id="t")
    assert DeliveryRequest.from_dict({"id": visitor}).id is visitor
    assert ExecuteRequest.from_dict({"mboxes": [MboxRequest(name="a")]}).mboxes == [MboxRequest(name="a")]


def test_other_mappings_and_tuples_are_read():
    data = MappingProxyType({"mboxes": (MappingProxyType({"name": "a"}),)})
    assert ExecuteRequest.from_dict(data) == ExecuteRequest(mboxes=[MboxRequest(name="a")])


def test_a_null_stays_none():
    assert MboxResponse.from_dict({"options": [None, {}], "analytics": None}) == MboxResponse(options=[None, Option()])
    assert DeliveryResponse.from_dict({"execute": None, "notifications": None}) == DeliveryResponse()


@pytest.mark.parametrize("value", [0, "", "later", [], {}, True, 1.5, 10**30])
def test_values_of_any_type_are_accepted(value):
    response = DeliveryResponse.from_dict({"status": value, "edgeHost": value})
    assert (response.status, response.edge_host) == (value, value)
    assert Context.from_dict({"channel": value}).channel == value
    assert Option.from_dict({"content": value}).content == value


def test_an_empty_answer_is_an_empty_response():
    assert DeliveryResponse.from_dict({}) == DeliveryResponse()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-02-29T12:30:00Z", datetime.datetime(2024, 2, 29, 12, 30, tzinfo=UTC)),
        ("2024-02-29T12:30:00.5+00:00", datetime.datetime(2024, 2, 29, 12, 30, 0, 500000, tzinfo=UTC)),
        ("2024-02-29t12:30:00,123456789z", datetime.datetime(2024, 2, 29, 12, 30, 0, 123456, tzinfo=UTC)),
        ("2024-02-29 12:30:00", datetime.datetime(2024, 2, 29, 12, 30)),
        (
            "2024-02-29T12:30:00-0530",
            datetime.datetime(
                2024, 2, 29, 12, 30, tzinfo=datetime.timezone(-datetime.timedelta(hours=5, minutes=30))
            ),
        ),
    ],
)
def test_the_time_of_an_order_is_parsed(text, moment):
    time = Order.from_dict({"time": text}).time
    assert time == moment
    assert time.utcoffset() == moment.utcoffset()


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2024-02-30T00:00:00Z", "2024-02-29", "2024-02-29T25:00:00Z", "2024-02-29T12:30:0٢Z", 5]
)
def test_a_time_that_cannot_be_parsed_is_kept_unchanged(text):
    assert Order.from_dict({"time": text}).time == text


def test_a_datetime_is_kept():
    now = datetime.datetime(2024, 1, 1)
    assert Order.from_dict({"time": now}).time is now


# Structure


@pytest.mark.parametrize(
    ("cls", "data", "message"),
    [
        (DeliveryResponse, [], "DeliveryResponse: expected an object, got an empty list"),
        (DeliveryResponse, None, "DeliveryResponse: expected an object, got None"),
        (DeliveryResponse, "secret", "DeliveryResponse: expected an object, got a str (value not shown)"),
        (DeliveryResponse, {"execute": []}, "execute: expected an object, got an empty list"),
        (DeliveryResponse, {"id": 5}, "id: expected an object, got an int (value not shown)"),
        (
            DeliveryResponse,
            {"execute": {"mboxes": [{"options": "secret"}]}},
            "execute.mboxes[0].options: expected a list, got a str (value not shown)",
        ),
        (
            DeliveryResponse,
            {"execute": {"mboxes": [{}, None, {"options": [{}, "secret"]}]}},
            "execute.mboxes[2].options[1]: expected an object, got a str (value not shown)",
        ),
        (DeliveryResponse, {"prefetch": {"views": {}}}, "prefetch.views: expected a list, got an empty dict"),
        (
            DeliveryRequest,
            {"qa_mode": {"previewIndexes": [[]]}},
            "qa_mode.previewIndexes[0]: expected an object, got an empty list",
        ),
        (MboxRequest, {"parameters": []}, "parameters: expected an object, got an empty list"),
        (Option, {"responseTokens": "secret"}, "responseTokens: expected an object, got a str (value not shown)"),
        (Notification, {"tokens": "secret"}, "tokens: expected a list, got a str (value not shown)"),
    ],
)
def test_a_wrong_structure_raises_an_error_that_names_the_path(cls, data, message):
    with pytest.raises(InvalidResponse) as error:
        cls.from_dict(data)
    assert str(error.value) == message
    assert "secret" not in str(error.value)
    assert error.value.__cause__ is None and error.value.__suppress_context__


# Depth


def nested(levels: int) -> Any:
    value: Any = "leaf"
    for _ in range(levels):
        value = {"a": [value]}
    return value


def test_free_json_of_any_depth_is_read():
    deep = nested(50_000)
    response = MboxResponse.from_dict({"trace": deep})
    assert response.trace is deep
    assert repr(response) == "<MboxResponse nested too deeply to be shown>"
    _dismantle(deep)


def test_a_request_that_is_too_deep_to_send_is_an_option_error():
    deep = nested(50_000)
    with pytest.raises(OptionError, match="`MboxRequest` is nested too deeply, or contains itself"):
        MboxRequest(parameters=deep).to_dict(by_alias=True, exclude_none=True)
    _dismantle(deep)


def test_a_request_that_contains_itself_is_an_option_error():
    parameters: Any = {}
    parameters["again"] = parameters
    with pytest.raises(OptionError, match="contains itself"):
        MboxRequest(parameters=parameters).to_dict()


def _dismantle(value: Any) -> None:
    """Empty a deeply nested value level by level, because some interpreters would free it recursively."""
    while isinstance(value, dict):
        value = value.pop("a").pop()
