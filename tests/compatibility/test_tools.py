"""The small modules of 1.1.0 in ``target_tools`` and ``target_python_sdk``, and the attributes of a client.

Each expected value is the one that 1.1.0 returned when it was run. If ours differs on purpose, the test says so.
"""

import copy
import datetime
import importlib
import json
import pickle
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any, Dict, List, Tuple

import pytest

from target_python_sdk import DEFAULT_OPTS, DEFAULT_TIMEOUT, TargetClient, cookies, helper, messages, validators
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.testing import SocketServer, answer
from target_python_sdk.types import (
    Address,
    AnalyticsPayload,
    AnalyticsResponse,
    Context,
    CustomerId,
    DeliveryRequest,
    DeliveryResponse,
    ExecuteRequest,
    ExecuteResponse,
    MboxRequest,
    MboxResponse,
    ModelProperty,
    Notification,
    Option,
    PageLoadResponse,
    PrefetchMboxResponse,
    PrefetchRequest,
    PrefetchResponse,
    RequestDetails,
    View,
    ViewRequest,
    VisitorId,
)
from target_tools import (
    attributes_provider,
    client_info,
    constants,
    event_provider,
    hashing,
    logger,
    perf_tool,
    response_helpers,
    utils,
)
from target_tools import messages as tool_messages
from target_tools.errors import OptionError
from target_tools.types.limited_key_dict import LimitedKeyDict
from tests.support import ANSWER_BYTES, client_of, offers, run_python

NOW = 1700000000.25
FAR = 4000000000


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock at ``NOW``."""
    monkeypatch.setattr(time, "time", lambda: NOW)


def request_for(*names: str, **parts: Any) -> DeliveryRequest:
    """Return a request to execute these mboxes, without indexes."""
    execute = ExecuteRequest(mboxes=[MboxRequest(name=name) for name in names])
    return DeliveryRequest(context=Context(channel="web"), execute=execute, **parts)


# target_python_sdk.cookies

COOKIE_PARTS: List[Tuple[str, Any]] = [
    ("session#abc#4000000000", ("session", "abc", FAR)),
    ("a%20b#c%23d#12", ("a b", "c#d", 12)),
    ("#b#3", ("", "b", 3)),
    ("a##3", ("a", "", 3)),
    ("a#b#3#4", ("a", "b", 3)),
    ("a#b#-5", ("a", "b", -5)),
    ("a#b# 7 ", ("a", "b", 7)),
    ("a#b#٣", ("a", "b", 3)),
    ("", None),
    ("a#b", None),
    ("a#b#c", None),
    ("a#b#0x10", None),
    ("a#b#inf", None),
    ("a#b#nan", None),
]


@pytest.mark.parametrize("text, part", COOKIE_PARTS)
def test_a_part_of_a_cookie_is_parsed(text: str, part: Any) -> None:
    """The result has name, value and expiry. It is None if the part is malformed."""
    expected = None if part is None else dict(zip(("name", "value", "expires"), part))
    assert cookies.deserialize_cookie(text) == expected


def test_the_expiry_of_a_part_may_have_a_fraction() -> None:
    """1.1.0 dropped parts with a fractional expiry, which at.js writes (B31)."""
    part = cookies.deserialize_cookie("session#abc#4000000000.5")
    assert part == {"name": "session", "value": "abc", "expires": 4000000000.5}


def test_a_part_of_a_cookie_is_written() -> None:
    """Name and value are quoted as by ``encodeURIComponent``, so that at.js can read them (B31)."""
    part = cookies.create_internal_cookie("a b", "ü/é#|!*'()", 5)
    assert part == {"name": "a b", "value": "ü/é#|!*'()", "expires": 5}
    assert cookies.serialize_cookie(part) == "a%20b#%C3%BC%2F%C3%A9%23%7C!*'()#5"
    assert cookies.get_expires(part) == 5
    assert cookies.get_max_expires([part, {"expires": 3}]) == 5
    assert cookies.get_internal_cookies("a||b") == ["a", "", "b"]


def test_the_unexpired_parts_are_returned_by_name(stopped_clock: None) -> None:
    """If two parts have the same name, the last one is returned. Expired and malformed parts are ignored."""
    session = {"name": "session", "value": "abc", "expires": FAR}
    assert cookies.parse_cookies("session#abc#4000000000|PC#d#1|x#y|||") == {"session": session}
    assert cookies.parse_cookies('"session#abc#4000000000"') == {"session": session}
    assert cookies.parse_cookies("PC#a#4000000000|PC#b#4000000000")["PC"]["value"] == "b"
    assert cookies.parse_cookies("PC#a#1700000001")["PC"]["value"] == "a"
    for nothing in (None, "", '""', "|||||", "session#abc#1700000000"):
        assert cookies.parse_cookies(nothing) == {}


def test_a_cookie_lives_as_long_as_the_longest_lived_part(stopped_clock: None) -> None:
    """Both ``maxAge`` and ``max_age`` contain the remaining seconds."""
    cookie = cookies.create_target_cookie(
        [cookies.create_internal_cookie("session", "x y", 1700001000), cookies.create_internal_cookie("PC", "d", 5)]
    )
    assert cookie == {"name": "mbox", "value": "session#x%20y#1700001000|PC#d#5", "maxAge": 999, "max_age": 999}


def test_parse_cookies_reads_the_cookie_of_the_helper(stopped_clock: None) -> None:
    """``parse_cookies`` returns the session and the device id."""
    written = helper.get_target_cookie("s x", VisitorId(tnt_id="d.35_0"))
    parts = cookies.parse_cookies(written["value"])
    assert written == {
        "name": "mbox",
        "value": "session#s%20x#1700001861|PC#d.35_0#1763244801",
        "maxAge": 63244800,
        "max_age": 63244800,
    }
    assert helper.get_session_id(parts, None) == "s x"
    assert helper.get_device_id(parts) == "d.35_0"
    assert helper.get_target_cookie("s", VisitorId())["maxAge"] == 1860


# target_python_sdk.helper

CLUSTERS: List[Tuple[Any, Any]] = [
    ("abc.35_0", "35"), (".35_0", "35"), ("abc.35_", "35"), ("abc", None), ("abc.35", None), ("", None), (None, None),
    ("a.b.35_0", None), ("abc.35_0_1", None), ("abc._0", None),
]  # fmt: skip


@pytest.mark.parametrize("device_id, cluster", CLUSTERS)
def test_the_cluster_is_a_suffix_of_the_device_id(device_id: Any, cluster: Any) -> None:
    """Without a suffix, ``get_cluster`` returns its second argument."""
    assert helper.extract_cluster_from_device_id(device_id) == cluster
    assert helper.get_cluster(device_id, "7") == (cluster or "7")
    assert helper.get_cluster(device_id, None) == cluster


def test_only_the_host_name_of_an_edge_contains_a_cluster() -> None:
    """1.1.0 returned the first label of any host in ``tt.omtrdc.net``, with ``mboxedge`` removed."""
    known = {"mboxedge35.tt.omtrdc.net": "35", "mboxedgeabc.tt.omtrdc.net": "abc"}
    for host, cluster in known.items():
        assert helper.extract_cluster_from_edge_host(host) == cluster
    for other in ("acme.tt.omtrdc.net", "xmboxedge35.tt.omtrdc.net", "mboxedge.tt.omtrdc.net", "mboxedge35", "", None):
        assert helper.extract_cluster_from_edge_host(other) is None


def test_get_target_host_prefers_the_cluster_to_server_domain() -> None:
    """Without either, the host is that of the client."""
    assert helper.get_target_host(None, None, "acme", True) == "https://acme.tt.omtrdc.net"
    assert helper.get_target_host(None, None, "acme", None) == "https://acme.tt.omtrdc.net"
    assert helper.get_target_host(None, "35", "acme", False) == "http://mboxedge35.tt.omtrdc.net"
    assert helper.get_target_host("my.host:80", None, "acme", False) == "http://my.host:80"
    assert helper.get_target_host("my.host", "35", "acme", True) == "https://mboxedge35.tt.omtrdc.net"
    # This text from a visitor's cookie is not a cluster. 1.1.0 put it into the host.
    assert helper.get_target_host(None, "35.evil/", "acme", True) == "https://acme.tt.omtrdc.net"
    assert helper.get_target_host("my.host", "", "acme", True) == "https://my.host"


def test_the_location_hint_cookie_has_the_cluster() -> None:
    """The cluster of the request takes precedence over that of the edge that answered."""
    cookie = {"name": "mboxEdgeCluster", "value": "35", "maxAge": 1860, "max_age": 1860}
    assert helper.get_target_location_hint_cookie("35") == cookie
    assert helper.get_target_location_hint_cookie(None, "mboxedge35.tt.omtrdc.net") == cookie
    assert helper.get_target_location_hint_cookie("35", "mboxedge34.tt.omtrdc.net") == cookie
    assert helper.get_target_location_hint_cookie(None, None) is None
    assert helper.get_target_location_hint_cookie("", "x") is None


def test_the_session_id_comes_from_the_cookie_or_the_caller_or_is_new() -> None:
    """An empty id counts as missing."""
    cookie = {"session": {"name": "session", "value": "s", "expires": 1}}
    assert helper.get_session_id(cookie, "mine", lambda: "new") == "s"
    assert helper.get_session_id({}, "mine", lambda: "new") == "mine"
    assert helper.get_session_id({"session": {}}, "", lambda: "new") == "new"
    assert len(helper.get_session_id({}, None)) == 36
    assert helper.get_device_id({}) is None


def test_create_headers_names_the_sdk_its_version_and_the_request() -> None:
    assert helper.create_headers(lambda: "id") == {
        "Content-Type": "application/json",
        "X-EXC-SDK": "AdobeTargetPython",
        "X-EXC-SDK-Version": helper.SDK_VERSION,
        "X-Request-Id": "id",
    }


def test_channels_location_hints_mboxes_and_notifications_are_checked() -> None:
    """An unknown channel becomes ``web``. A location hint that is not a whole number becomes None."""
    given = (None, "web", "mobile", "tv", "", 5)
    assert [helper.set_channel(each) for each in given] == ["web", "web", "mobile", "web", "web", "web"]
    hints = ("9", " 9 ", 9, "0", "", None, "abc", "9.5")
    assert [helper.get_location_hint(each) for each in hints] == [9, 9, 9, 0, None, None, None, None]
    assert [helper.valid_mbox(MboxRequest(name=name)) for name in ("a", "", None)] == ["a", "", None]
    complete: Dict[str, Any] = {"id": "1", "type": "click", "timestamp": 1}
    assert helper.valid_notification(Notification(**complete))
    assert helper.valid_notification(Notification(**{**complete, "timestamp": 0}))
    for missing in complete:
        assert not helper.valid_notification(Notification(**{**complete, missing: None}))
    assert not helper.valid_notification(Notification(**{**complete, "type": "x"}))


def test_the_customer_ids_of_a_visitor_precede_those_of_the_request() -> None:
    """Both spellings of the key work, and the state may be a number or text."""
    own = [CustomerId(id="z", integration_code="i", authenticated_state="unknown")]
    for key in ("customer_ids", "customerIDs"):
        ids = {"a": {"id": "1", "authState": "1"}, "b": {"id": "2", "authState": 0}, "c": "x"}
        visitor = SimpleNamespace(get_state=lambda key=key, ids=ids: {"org": {key: ids}})
        assert helper.get_visitor_customer_ids(visitor) == ids
        known = helper.get_customer_ids(own, visitor) or []
        assert [(each.integration_code, each.id, each.authenticated_state) for each in known] == [
            ("a", "1", "authenticated"), ("b", "2", "unknown"), ("c", "x", "unknown"), ("i", "z", "unknown"),
        ]  # fmt: skip
    assert len(own) == 1
    assert helper.get_customer_ids(own, None) is own
    assert helper.get_customer_ids(None, None) is None
    assert helper.get_visitor_customer_ids(SimpleNamespace(get_state=dict)) is None
    assert helper.get_marketing_cloud_visitor_id(SimpleNamespace(get_visitor_values=lambda: {"MCMID": "mm"})) == "mm"
    assert helper.get_marketing_cloud_visitor_id(None) is None


def test_analytics_traces_and_tokens_are_collected_from_the_whole_answer() -> None:
    """The functions search page loads, mboxes and views."""
    analytics = [AnalyticsResponse(payload=AnalyticsPayload(pe="tnt", tnta=str(number))) for number in range(5)]

    def shown(number: int) -> Dict[str, Any]:
        options = [Option(type="html", content="c", response_tokens={"n": number}), Option(type="html")]
        return {"options": options, "analytics": analytics[number], "trace": {"t": number}}

    response = DeliveryResponse(
        execute=ExecuteResponse(
            page_load=PageLoadResponse(**shown(0)), mboxes=[MboxResponse(name="m", **shown(1)), MboxResponse(name="n")]
        ),
        prefetch=PrefetchResponse(
            page_load=PageLoadResponse(**shown(2)),
            mboxes=[PrefetchMboxResponse(name="p", **shown(4))],
            views=[View(name="v", **shown(3))],
        ),
    )
    assert helper.get_analytics_details(response) == analytics
    assert helper.get_trace_details(response) == [{"t": number} for number in range(5)]
    assert helper.get_response_tokens(response) == [{"n": number} for number in range(5)]
    for empty in (DeliveryResponse(), DeliveryResponse(execute=ExecuteResponse())):
        assert helper.get_analytics_details(empty) is None
        assert helper.get_trace_details(empty) is None
        assert helper.get_response_tokens(empty) is None
    assert helper.get_analytics_from_object(None) is helper.get_trace_from_object(MboxResponse()) is None
    assert helper.get_response_tokens_from_object(None) == []
    assert helper.get_response_tokens_from_list([]) is helper.get_trace_from_list(None) is None


def test_the_constants_of_the_helper_are_those_of_1_1_0() -> None:
    assert helper.SCHEME == {"HTTP": "http://", "HTTPS": "https://"}
    assert helper.AUTH_STATE == {"0": "unknown", "1": "authenticated", "2": "logged_out"}
    assert (helper.EDGE_CLUSTER_PREFIX, helper.HOST) == ("mboxedge", "tt.omtrdc.net")
    ages = (helper.SESSION_ID_MAX_AGE, helper.DEVICE_ID_MAX_AGE, helper.LOCATION_HINT_MAX_AGE)
    assert ages == (1860, 63244800, 1860)
    assert helper.CHANNEL_TYPES == ["web", "mobile"]
    assert helper.PLATFORM_TYPES == ["android", "ios"]
    assert helper.DEVICE_TYPES == ["phone", "tablet"]
    assert helper.SCREEN_ORIENTATION_TYPES == ["portrait", "landscape"]
    assert helper.METRIC_TYPES == ["click", "display"]


# target_python_sdk.messages and .validators


def test_the_messages_are_those_of_1_1_0() -> None:
    """This applies to ``target_python_sdk.messages`` and to ``target_tools.messages``."""
    assert messages.MESSAGES == {
        "PRIVATE_CONSTRUCTOR": "Please use TargetClient.create static method instead",
        "ORG_ID_REQUIRED": "Organization Id is required",
        "DECISIONING_METHOD_INVALID": (
            "Invalid Decisioning Method.  Must be set to one of: hybrid,on-device,server-side"
        ),
        "FETCH_API_REQUIRED": "Fetch API is required",
        "REQUEST_REQUIRED": "Request object of type DeliveryRequest is required",
        "EXECUTE_FIELDS_REQUIRED": "Either pageLoad or mboxes is required in execute",
        "PREFETCH_FIELDS_REQUIRED": "Either views, pageLoad or mboxes is required in prefetch",
        "NOTIFICATIONS_REQUIRED": "Notifications list is required in request",
        "MBOX_INVALID": "Mbox validation failed for: ",
        "NOTIFICATION_INVALID": "Notification validation failed for: ",
        "CLIENT_REQUIRED": "Client is required",
        "OPTIONS_REQUIRED": "Options are required",
        "REQUEST_SENT": "Request sent",
        "RESPONSE_RECEIVED": "Response received",
        "FETCH_UNDEFINED": "Fetch is not defined!",
        "DECISIONING_ENGINE_UNDEFINED": "Decisioning Engine is undefined",
        "LOCATION_HINT_REQUEST_FAILED": "Unable to retrieve location hint cookie.",
        "INVALID_CALLBACK": "Callback must be a callable function",
    }
    assert tool_messages.attribute_not_exist("k", "m") == "Attribute 'k' does not exist for mbox 'm'"
    assert tool_messages.property_token_mismatch("a", "b") == (
        "The property token specified in the request 'a' does not match the one specified in the config 'b'."
    )
    assert tool_messages.DECISIONING_ENGINE_NOT_READY == ("Unable to fulfill request; decisioning engine not ready.")


CLIENT_OPTIONS: List[Tuple[Any, Any]] = [
    (None, "OPTIONS_REQUIRED"),
    ({}, "OPTIONS_REQUIRED"),
    ({"internal": True}, "CLIENT_REQUIRED"),
    ({"organization_id": "o"}, "CLIENT_REQUIRED"),
    ({"client": "", "organization_id": "o"}, "CLIENT_REQUIRED"),
    ({"client": "a"}, "ORG_ID_REQUIRED"),
    ({"client": "a", "organization_id": "o", "decisioning_method": "x"}, "DECISIONING_METHOD_INVALID"),
    ({"client": "a", "organization_id": "o", "decisioning_method": ""}, None),
    ({"client": "a", "organization_id": "o", "decisioning_method": "on-device"}, None),
    ({"client": "a", "organization_id": "o"}, None),
]


@pytest.mark.parametrize("options, wrong", CLIENT_OPTIONS)
def test_the_options_of_a_client_are_checked(options: Any, wrong: Any) -> None:
    """The result is the error text or None; the client refuses the same options."""
    assert validators.validate_client_options(options) == (wrong and messages.MESSAGES[wrong])
    if wrong and options != {"internal": True}:
        with pytest.raises(OptionError) as raised:
            TargetClient.create(options)
        assert str(raised.value) == messages.MESSAGES[wrong]


def test_the_options_of_calls_are_checked() -> None:
    """Each mistake has its text; None means that there is no mistake."""
    context = Context(channel="web")
    notifications = [Notification(id="1", type="click", timestamp=1)]
    page_load = DeliveryRequest(execute=ExecuteRequest(page_load=RequestDetails()))
    views = DeliveryRequest(prefetch=PrefetchRequest(views=[ViewRequest()]))
    empty = DeliveryRequest(prefetch=PrefetchRequest())
    cases: List[Tuple[Any, Any, Any]] = [
        (None, "OPTIONS_REQUIRED", "OPTIONS_REQUIRED"),
        ({}, "OPTIONS_REQUIRED", "OPTIONS_REQUIRED"),
        ({"request": {}}, "REQUEST_REQUIRED", "REQUEST_REQUIRED"),
        ({"request": 5}, "REQUEST_REQUIRED", "REQUEST_REQUIRED"),  # for notifications, 1.1.0 raised AttributeError
        ({"request": DeliveryRequest(context=context)}, None, "NOTIFICATIONS_REQUIRED"),
        ({"request": request_for("a")}, None, "NOTIFICATIONS_REQUIRED"),
        ({"request": request_for()}, "EXECUTE_FIELDS_REQUIRED", "NOTIFICATIONS_REQUIRED"),
        ({"request": page_load}, None, "NOTIFICATIONS_REQUIRED"),
        ({"request": empty}, "PREFETCH_FIELDS_REQUIRED", "NOTIFICATIONS_REQUIRED"),
        ({"request": views}, None, "NOTIFICATIONS_REQUIRED"),
        ({"request": DeliveryRequest(context=context, notifications=notifications)}, None, None),
        ({"request": request_for("a"), "callback": 5}, "INVALID_CALLBACK", "NOTIFICATIONS_REQUIRED"),
        ({"request": request_for("a"), "callback": len}, None, "NOTIFICATIONS_REQUIRED"),
    ]  # fmt: skip
    for options, for_offers, for_notifications in cases:
        found = validators.validate_get_offers_options(options)
        assert found == (for_offers and messages.MESSAGES[for_offers]), options
        found = validators.validate_send_notifications_options(options)
        assert found == (for_notifications and messages.MESSAGES[for_notifications]), options


# target_tools.utils


def test_numbers_are_parsed_as_by_int_and_float() -> None:
    """If ``int`` or ``float`` refuses a value, the result is None."""
    whole = {"1": 1, "-1": -1, " 1 ": 1, "1_000": 1000, "٣": 3, True: 1, 1.5: 1, b"1": 1, 10**30: 10**30}
    for value, number in whole.items():
        assert utils.parse_int(value) == number
        assert utils.is_int(value)
    for value in (None, "", "1.5", "1e3", "abc", "0x1f", "1abc", b"", [1], {}, "inf", "nan", float("nan")):
        assert utils.parse_int(value) is None
        assert not utils.is_int(value)
    assert [utils.parse_float(each) for each in ("1.5", "1e3", 2)] == [1.5, 1000.0, 2.0]
    assert [utils.parse_float(each) for each in ("x", None, [])] == [None, None, None]
    assert utils.parse_int(float("inf")) is None  # 1.1.0 raised OverflowError


def test_types_of_values_are_recognized() -> None:
    """The functions recognize text, dicts, lists and empty values."""
    assert [utils.is_string(each) for each in ("", "a", b"a", 1, None)] == [True, True, False, False, False]
    assert [utils.is_dict(each) for each in ({}, [], None)] == [True, False, False]
    assert [utils.is_list(each) for each in ([], (), {})] == [True, False, False]
    empty = (None, "", 0, 0.0, False, [], (), {}, set(), b"")
    assert all(utils.is_empty(each) for each in empty)
    assert not any(utils.is_empty(each) for each in ("a", 1, [0], {"a": None}, float("nan")))


def test_lists_are_flattened_and_dicts_are_cleaned_and_read() -> None:
    """``remove_empty_values`` removes only None. ``get_value_from_object`` reads a key or an attribute."""
    assert utils.flatten_list([[1], [2, [3]]]) == [1, 2, [3]]
    assert utils.flatten_list([]) == utils.flatten_list(None) == []
    assert utils.remove_empty_values({"a": None, "b": "", "c": 0, "d": []}) == {"b": "", "c": 0, "d": []}
    assert utils.get_value_from_object({"a": 1}, "a") == 1
    assert utils.get_value_from_object({"a": 1}, 0) is None
    assert utils.get_value_from_object(MboxRequest(name="n"), "name") == "n"
    assert utils.get_value_from_object(None, "a") is None


def test_to_dict_uses_the_names_on_the_wire() -> None:
    """``to_dict`` converts models and other objects, also inside lists and dicts. Fields that are None are kept."""
    mbox = MboxRequest(name="a", address=Address(url="x"))
    expected = {
        "address": {"url": "x", "referringUrl": None}, "parameters": None, "profileParameters": None, "order": None,
        "product": None, "index": None, "name": "a",
    }  # fmt: skip
    assert utils.to_dict(mbox) == expected
    assert utils.to_dict({"m": [mbox, (mbox,)]}) == {"m": [expected, [expected]]}
    assert utils.to_dict(SimpleNamespace(a=1, _b=mbox)) == {"a": 1, "_b": expected}
    for plain in (None, 1, "a", 1.5, True):
        assert utils.to_dict(plain) == plain


def test_the_names_of_executed_and_prefetched_mboxes_and_views_are_found() -> None:
    prefetch = PrefetchRequest(mboxes=[MboxRequest(name="c")], views=[ViewRequest(name="v"), ViewRequest()])
    request = request_for("a", "b", prefetch=prefetch)
    assert utils.get_mbox_names(request) == utils.get_names_for_requested("mboxes", request) == {"a", "b", "c"}
    assert utils.get_view_names(request) == {"v"}
    assert utils.has_requested("mboxes", request)
    assert utils.has_requested_views(request)
    for empty in (DeliveryRequest(), request_for(), None):
        assert not utils.has_requested("mboxes", empty)
        assert not utils.has_requested_views(empty)


def test_mboxes_are_added_to_the_request_itself() -> None:
    """Only mboxes that the request lacks are added. They get the next indexes."""
    request = DeliveryRequest(context=Context(channel="web"))
    assert utils.add_mboxes_to_request(["z", "a"], request) is request
    assert request.execute is not None
    assert [(each.index, each.name) for each in request.execute.mboxes or ()] == [(1, "z"), (2, "a")]
    utils.add_mboxes_to_request(["a", "n"], request, "prefetch")
    assert request.prefetch is not None
    assert [(each.index, each.name) for each in request.prefetch.mboxes or ()] == [(1, "n")]
    with pytest.raises(AttributeError):
        utils.add_mboxes_to_request(["q"], request, "x")


def test_an_mbox_is_added_to_mboxes_without_an_index() -> None:
    """1.1.0 raised ``TypeError`` (B26)."""
    request = utils.add_mboxes_to_request(["n"], request_for("a"))
    assert request.execute is not None
    assert [(each.index, each.name) for each in request.execute.mboxes or ()] == [(None, "a"), (1, "n")]


def test_the_property_of_the_request_takes_precedence_over_that_of_the_client() -> None:
    own, plain = DeliveryRequest(_property=ModelProperty(token="t")), DeliveryRequest()
    assert utils.get_property_token() is None
    assert utils.get_property({"property_token": "c"}, own) == ModelProperty(token="t")
    assert utils.get_property({"property_token": "c"}, plain) == ModelProperty(token="c")
    assert utils.get_property({"property_token": ""}, plain) is utils.get_property(None, plain) is None


def test_only_on_device_and_hybrid_calls_need_an_engine() -> None:
    """``decisioning_engine_ready`` returns the engine if it is ready, else None."""
    methods = ("on-device", "hybrid", "server-side", "x", None)
    assert [utils.requires_decisioning_engine(each) for each in methods] == [True, True, False, False, False]
    ready = SimpleNamespace(is_ready=lambda: True)
    assert utils.decisioning_engine_ready(ready) is ready
    assert utils.decisioning_engine_ready(SimpleNamespace(is_ready=lambda: False)) is None
    assert utils.decisioning_engine_ready(None) is None


def test_a_memoized_function_is_called_once_for_each_key() -> None:
    """The key consists of the arguments, or is the result of the resolver."""
    calls: List[Any] = []

    def count(*args: Any, **kwargs: Any) -> int:
        calls.append((args, kwargs))
        return len(calls)

    memoized = utils.memoize(count)
    counts = [memoized("a"), memoized("a"), memoized("a", "b"), memoized("a-b"), memoized(a="x"), memoized(a="x")]
    assert counts == [1, 1, 2, 3, 4, 4]
    by_first = utils.memoize(count, lambda args, kwargs: args[0])
    assert [by_first(1, 2), by_first(1, 3)] == [5, 5]


def test_b64_the_number_of_memoized_results_is_limited() -> None:
    """Otherwise a service that runs for months would use more and more memory."""
    memoized = utils.memoize(str)
    for number in range(3 * utils.MAX_MEMOIZED):
        memoized(number)
    assert len(memoized.__closure__[-1].cell_contents) <= utils.MAX_MEMOIZED  # type: ignore[attr-defined]


def test_functions_are_composed() -> None:
    """The outer function receives the result of the inner one. ``noop`` accepts any arguments."""
    assert utils.compose_functions(lambda made: made * 2, lambda a, b: a + b)(1, 2) == 6
    utils.noop(1, a=2)


def test_times_are_not_rounded_up(stopped_clock: None) -> None:
    """1.1.0 rounded all times up to the next second (B56)."""
    assert utils.get_epoch_time() == 1700000000
    assert utils.get_epoch_time_milliseconds() == 1700000000250
    moment = datetime.datetime(2020, 1, 1, 0, 0, 0, 123456)
    assert utils.get_epoch_time(moment) == 1577836800
    assert utils.get_epoch_time_milliseconds(moment) == 1577836800123
    assert utils.get_epoch_time_milliseconds(moment.replace(tzinfo=datetime.timezone.utc)) == 1577836800123
    assert utils.get_epoch_time(utils.EPOCH_START) == utils.get_epoch_time_milliseconds(utils.EPOCH_START) == 0
    assert utils.get_epoch_time_milliseconds(datetime.datetime(1969, 12, 31, 23, 59, 59, 500000)) == -500


@pytest.mark.process
def test_the_timezone_offset_is_in_minutes_and_negative_west_of_greenwich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Etc/GMT+5")
    program = "from target_tools.utils import get_timezone_offset; print(get_timezone_offset())"
    assert run_python("-c", program).stdout.strip() == "-300"


def test_each_uuid_is_new() -> None:
    assert len({utils.create_uuid() for _ in range(100)}) == 100
    assert len(utils.create_uuid()) == 36


# target_tools.hashing

HASHES = {
    "": 0,
    "a": 1867108634,
    "ab": 374890698,
    "abc": 1118836419,
    "abcd": 1157274932,
    "hello world": 1689409188,
    "ü": 474257349,
    "日本語テキスト": 512020068,
    "acme.123.visitor.0": -265933683,
    "x" * 100: 1092639841,
}


def test_hashes_are_those_of_1_1_0() -> None:
    """Both functions return the same hash. A seed is 32 bits, signed or unsigned."""
    for text, expected in HASHES.items():
        assert hashing.hash_unencoded_chars(text) == hashing.hash_unencoded_chars_raw(text) == expected
        assert hashing.hash_unencoded_chars_raw(text, 0) == hashing.hash_unencoded_chars(text, 0) == expected
    assert hashing.hash_unencoded_chars_raw("a", -1) == hashing.hash_unencoded_chars_raw("a", 2**32 - 1)


def test_arithmetic_is_that_of_javascript_with_32_bits() -> None:
    """Unlike in JavaScript, ``char_code_at`` returns whole code points."""
    signed = {2**31: -(2**31), 2**31 - 1: 2**31 - 1, 2**32: 0, 2**32 - 1: -1, -(2**32) - 5: -5, 2**40 + 3: 3}
    assert {number: hashing.int32(number) for number in signed} == signed
    assert hashing.mul32(123456789, 2**31 - 1) == 2024026859
    assert hashing.mul32(-987654321, 0xCC9E2D51) == -1644444929
    assert hashing.zero_fill_right_shift(-1, 16) == 65535
    assert hashing.zero_fill_right_shift(123456789, 5) == 3858024
    assert [hashing.char_code_at("a😀b", index) for index in (0, 1, -1)] == [97, 128512, 98]
    with pytest.raises(IndexError):
        hashing.char_code_at("", 0)


# target_tools.client_info

CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) " + CHROME
APPLE = "Mozilla/5.0 ({}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 {}Safari/605.1.15"
VISITORS: List[Tuple[Any, Any, int, str, str]] = [
    ("", "Unknown", -1, "Unknown", "Desktop"),
    ("x", "Unknown", -1, "Unknown", "Desktop"),
    (None, "Unknown", -1, "Unknown", "Desktop"),
    (WINDOWS, "Chrome", 120, "Windows", "Desktop"),
    (WINDOWS + " Edg/120.0.2210.61", "Edge", 120, "Windows", "Desktop"),
    (WINDOWS + " OPR/105.0.0.0", "Opera", 105, "Windows", "Desktop"),
    ("Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko", "IE", 11, "Windows", "Desktop"),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0", "Firefox", 121, "Linux", "Desktop"),
    (APPLE.format("Macintosh; Intel Mac OS X 10_15_7", ""), "Safari", 17, "mac", "Mac"),
    (APPLE.format("iPhone; CPU iPhone OS 17_1 like Mac OS X", "Mobile/1 "), "Mobile Safari", 17, "iOS", "iPhone"),
    (APPLE.format("iPad; CPU OS 16_6 like Mac OS X", "Mobile/1 "), "Mobile Safari", 17, "iOS", "iPad"),
    (APPLE.format("iPod touch; CPU iPhone OS 12_5 like Mac OS X", "Mobile/1 "), "Mobile Safari", 17, "iOS", "iPod"),
    ("Mozilla/5.0 (Windows NT 10.0; Trident/8.0; rv:11.0) like Gecko", "IE", 11, "Windows", "Desktop"),
    # 1.1.0 called this browser Chrome Mobile. The name of the device was the same.
    (
        "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UD1A) AppleWebKit/537.36 Chrome/120.0.0.0 Mobile Safari/537.36",
        "Chrome", 120, "Android", "Pixel 8",
    ),
    ("Mozilla/5.0 (Linux; Android 14) Chrome/120.0.0.0", "Chrome", 120, "Android", "Other"),
]  # fmt: skip


@pytest.mark.parametrize("agent, browser, version, system, device", VISITORS)
def test_a_user_agent_is_parsed(agent: Any, browser: str, version: int, system: str, device: str) -> None:
    """The results are the browser with its version, the platform and the device."""
    assert client_info.browser_from_user_agent(agent) == {"name": browser, "version": version}
    assert client_info.operating_system_from_user_agent(agent) == system
    assert client_info.device_type_from_user_agent(agent) == device


def test_constants_of_the_client_info_are_those_of_1_1_0() -> None:
    assert (client_info.OTHER, client_info.UNKNOWN, client_info.DESKTOP) == ("Other", "Unknown", "Desktop")
    assert client_info.OS_MAPPING == {"Mac OS X": "mac"}
    assert client_info.browser_from_user_agent() == {"name": "Unknown", "version": -1}


# Other modules of target_tools


def test_ids_of_subscriptions_are_numbered_and_events_keep_their_type() -> None:
    """The third subscription, which is to the event ``a``, has the id ``a:3``."""
    events = event_provider.EventProvider({"a": print, "b": print})
    received: List[Any] = []
    third = events.subscribe("a", received.append)
    assert (third, events.subscription_count) == ("a:3", 3)
    events.unsubscribe("a:1")
    assert events.subscription_count == 2
    events.emit("a", {"z": 1})
    assert received == [{"type": "a", "z": 1}]
    assert event_provider.target_event("t") == {"type": "t"}
    assert event_provider.target_event("t", {"type": "x", "b": 2}) == {"type": "t", "b": 2}


def test_the_json_offers_of_an_answer_are_merged_by_mbox() -> None:
    """Executed offers override prefetched ones, and later options earlier ones."""

    def options(*contents: Dict[str, int]) -> List[Option]:
        return [Option(type="json", content=content) for content in contents]

    executed = [MboxResponse(name="m", options=options({"a": 1}, {"b": 2, "a": 3})), MboxResponse(name="none")]
    prefetched = [PrefetchMboxResponse(name="m", options=options({"a": 9, "z": 1}))]
    response = DeliveryResponse(execute=ExecuteResponse(mboxes=executed), prefetch=PrefetchResponse(mboxes=prefetched))
    assert attributes_provider.create_indexed(response)["m"] == {"a": 3, "z": 1, "b": 2}
    assert attributes_provider.create_indexed(DeliveryResponse()) == {}
    provider = attributes_provider.get_attributes_callback({"response": response})
    assert provider.get_value("m", "a") == 3
    with pytest.raises(Exception, match="Attribute 'q' does not exist for mbox 'm'"):
        provider.get_value("m", "q")
    assert provider.get_value("m", "q", None) is None
    assert provider.get_value("other", "a", default=7) == 7


def test_b14_get_logger_returns_the_given_logger() -> None:
    """``get_logger`` returns the given logger even after it has returned the default one. It sets no level."""
    own, level = SimpleNamespace(), logger.LOG.level
    assert logger.get_logger() is logger.LOG
    assert logger.get_logger(own) is own
    assert logger.LOGGER_NAME == "adobe.target"
    assert (logger.LOG.name, logger.LOG.level) == ("adobe.target", level)


def test_constants_of_the_tools_are_those_of_1_1_0() -> None:
    assert constants.DEFAULT_GLOBAL_MBOX == "target-global-mbox"
    assert (constants.DEFAULT_NUM_FETCH_RETRIES, constants.DEFAULT_MAXIMUM_WAIT_READY) == (10, -1)
    assert constants.REQUEST_TYPES == ["prefetch", "execute"]
    assert constants.POSSIBLE_ENVIRONMENTS == ["production", "staging", "development"]
    assert (constants.EMPTY_STRING, constants.MILLISECONDS_IN_SECOND) == ("", 1000)
    assert (DEFAULT_TIMEOUT, DEFAULT_OPTS) == (3000, {"internal": True, "decisioning_method": "server-side"})


@pytest.mark.parametrize("module", ["target_tools.constants", "target_python_sdk"])
def test_b22_an_empty_request_stays_empty(module: str) -> None:
    """Each access to ``EMPTY_REQUEST`` returns a new object."""
    home: Any = importlib.import_module(module)
    utils.add_mboxes_to_request(["a"], home.EMPTY_REQUEST)
    afterwards: DeliveryRequest = home.EMPTY_REQUEST
    assert afterwards == DeliveryRequest(context=Context(channel="web"))
    with pytest.raises(AttributeError, match="no attribute 'EMPTY'"):
        home.EMPTY  # noqa: B018 - the access itself is the test


def test_timers_measure_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer has a name and optionally a number.

    ``time_end`` subtracts an offset. It returns -1 if the timer was not started.
    """
    seconds = [0.0]
    monkeypatch.setattr(perf_tool, "monotonic", lambda: seconds[0])
    tool = perf_tool._PerfTool()
    assert tool.time_start("a") == "a"
    assert [tool.time_start("a", True), tool.time_start("a", True), tool.time_start("b", True)] == ["a1", "a2", "b1"]
    seconds[0] = 1.5
    assert (tool.time_end("a"), tool.time_end("a1", 500), tool.time_end("z")) == (1500, 1000, -1)
    assert (tool.get_timing("a"), tool.get_timing("z")) == (1500, None)
    assert tool.get_timings() == {"a": 1500, "a1": 1000}
    tool.reset()
    assert (tool.get_timings(), tool.time_end("a")) == ({}, -1)
    assert perf_tool.get_perf_tool_instance() is perf_tool.get_perf_tool_instance()


def test_b55_a_timer_can_be_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    """1.1.0 kept the first start forever, so a timing grew with the age of the process."""
    seconds = [0.0]
    monkeypatch.setattr(perf_tool, "monotonic", lambda: seconds[0])
    tool = perf_tool._PerfTool()
    for _ in range(3):
        tool.time_start("a")
        seconds[0] += 1
        assert tool.time_end("a") == 1000
        seconds[0] += 100


def test_consequences_of_rules_are_converted_to_models() -> None:
    """The helpers return options, metrics and analytics. Metrics lose their own ``analytics``.

    For an empty consequence, the helpers return None.
    """
    payload = {"payload": {"pe": "p", "tnta": "q"}}
    consequence = {
        "index": 1,
        "name": "m",
        "options": [{"type": "html", "content": "x", "eventToken": "e", "responseTokens": {"z": 1}}],
        "metrics": [{"type": "click", "selector": "s", "eventToken": "t", "analytics": payload}],
        "analytics": payload,
    }
    assert response_helpers.create_mbox_response(consequence).to_dict(by_alias=True, exclude_none=True) == {
        **consequence,
        "metrics": [{"type": "click", "selector": "s", "eventToken": "t"}],
    }
    for read in (response_helpers.create_options, response_helpers.create_metrics):
        assert read(None) is read({}) is None
        assert read({"index": 1}) == []
    assert response_helpers.create_analytics_response({"analytics": {"payload": {}}}) is None
    action = response_helpers.create_action({"type": "t", "selector": "s", "cssSelector": "c", "content": "q"})
    assert action is not None
    assert action.to_dict() == {"type": "t", "selector": "s", "css_selector": "c", "content": "q"}
    assert response_helpers.create_action({}) is None


class Point(LimitedKeyDict):
    """A dict whose only keys are x and y."""

    def __init__(self, **kwargs: Any) -> None:
        dict.__init__(self)
        self._validate_kwargs_and_update(kwargs)

    def _get_valid_keys(self) -> List[str]:
        return ["x", "y"]


def test_a_limited_key_dict_refuses_to_assign_other_keys() -> None:
    """The constructor drops other keys. ``update`` and ``setdefault`` do not check keys."""
    point = Point(x=1, z=3)
    assert point == {"x": 1}
    with pytest.raises(KeyError) as raised:
        point["z"] = 3
    assert raised.value.args == ()
    point["y"] = 2
    assert json.dumps(point) == '{"x": 1, "y": 2}'
    assert type(point.copy()) is dict
    for same in (copy.copy(point), copy.deepcopy(point), pickle.loads(pickle.dumps(point))):
        assert type(same) is Point
        assert same == point
    point.update(z=3)
    assert point["z"] == point.setdefault("q", 3) == 3
    with pytest.raises(KeyError):
        copy.copy(point)


def test_limited_key_dict_is_an_abstract_class() -> None:
    """A subclass must define its keys."""
    with pytest.raises(NotImplementedError):
        LimitedKeyDict({})
    with pytest.raises(NotImplementedError):
        LimitedKeyDict._get_valid_keys(Point())


# Attributes of a client


def test_the_config_of_a_client_has_the_old_keys() -> None:
    """The options override 1.1.0's defaults. The view is read-only."""
    with TargetClient.create({"client": "acme", "organization_id": "1@A", "secure": False}) as client:
        assert client.config == {
            "internal": True,
            "decisioning_method": "server-side",
            "client": "acme",
            "organization_id": "1@A",
            "timeout": 3000,
            "secure": False,
        }
        assert client.config.get("target_location_hint") is None
        with pytest.raises(TypeError):
            client.config["timeout"] = 5  # type: ignore[index]


def test_the_repr_of_the_config_shows_no_secrets() -> None:
    """The text contains only the names of the options."""
    secret = {"proxy": "http://user:pa55word@127.0.0.1:1", "proxy_headers": {"X": "t0ken"}}
    with TargetClient.create({"client": "acme", "organization_id": "1@A", "timeout": 100, **secret}) as client:
        assert repr(client.config) == (
            "<config of acme: internal, decisioning_method, timeout, client, organization_id, proxy, proxy_headers>"
        )
        assert client.config["proxy"] == secret["proxy"]


@pytest.mark.server
def test_the_config_contains_the_current_cluster() -> None:
    """At first the cluster is that of the option, then that of the latest answer."""
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server, target_location_hint="28") as client:
        config = client.config
        assert config["target_location_hint"] == "28"
        client.get_offers(offers())
        assert config["target_location_hint"] == "35"


def test_a_client_has_the_logger_of_its_options_and_emits_events() -> None:
    """``event_emitter`` calls the subscribers."""
    received: List[Any] = []
    own = SimpleNamespace(debug=lambda *_: None, error=lambda *_: None)
    options = {"client": "acme", "organization_id": "1@A", "logger": own, "events": {"mine": received.append}}
    with TargetClient.create(options) as client:  # type: ignore[arg-type]
        assert client.logger is own
        client.event_emitter("mine", {"a": 1})
        client.initialize()
        assert received == [{"type": "mine", "a": 1}]
        assert client.decisioning_engine is None


@pytest.mark.server
def test_the_engine_of_a_client_stays_ready_after_polling_was_stopped() -> None:
    """The engine has the artifact of the client."""
    with LocalEdge() as edge:
        options = {"decisioning_method": "on-device", "artifact_payload": edge.rules}
        with client_of(edge, **options) as client:
            engine = client.decisioning_engine
            assert engine is not None
            assert utils.decisioning_engine_ready(engine) is engine
            assert (engine.get_raw_artifact() or {})["version"]
            engine.stop_polling()
            assert engine.is_ready()


def test_a_star_import_has_no_old_names() -> None:
    """``__all__`` does not contain the old names."""
    home: Any = sys.modules["target_python_sdk"]
    assert not {"EMPTY_REQUEST", "DEFAULT_OPTS", "DEFAULT_TIMEOUT"} & set(home.__all__)


@pytest.mark.process
@pytest.mark.parametrize(
    ("package", "names"),
    [
        ("target_python_sdk", ["cookies", "helper", "messages", "validators"]),
        ("target_tools", ["client_info", "constants", "hashing", "perf_tool", "response_helpers", "types", "utils"]),
    ],
)
def test_old_modules_are_attributes_of_their_packages(package: str, names: List[str]) -> None:
    """Importing a package makes its modules available. Unknown names raise ``AttributeError``."""
    script = "import {0} as package; print([getattr(package, name).__name__ for name in {1}], hasattr(package, 'x'))"
    done = subprocess.run(
        [sys.executable, "-c", script.format(package, names)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "{} False".format([f"{package}.{name}" for name in names])
