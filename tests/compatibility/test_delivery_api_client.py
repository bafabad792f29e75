"""``delivery_api_client``: the generated client of 1.1.0, with this SDK's models and transport."""

import base64
import contextvars
import copy
import datetime
import enum
import importlib
import io
import logging
import os
import pickle
import socket
import sys
import threading
import time
import zlib

import pytest
import urllib3

import delivery_api_client
import target_python_sdk.types
from delivery_api_client import (
    ApiClient,
    ApiException,
    ApiKeyError,
    ApiTypeError,
    ApiValueError,
    Configuration,
    DeliveryApi,
    DeliveryRequest,
    DeliveryResponse,
)
from delivery_api_client.rest import RESTClientObject, RESTResponse
from target_python_sdk.errors import (
    CallLost,
    ClientClosed,
    ConnectionFailed,
    DeadlineExceeded,
    HttpStatusError,
    InvalidResponse,
    OptionError,
    QueueFull,
    RedirectRefused,
    ResponseTooLarge,
    TlsError,
)
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.testing import SocketServer, answer, replies, response
from target_python_sdk.version import __version__
from target_tools import errors
from target_tools.concurrency import task_workers
from tests.client.conftest import Authority
from tests.faults import FAULTS
from tests.support import ANSWER, ANSWER_BYTES, LONG, body_of, eventually, head_of, in_a_child, run_python

#: The modules of 1.1.0's ``delivery_api_client.Model``, and the class that each defines.
MODELS = {
    "action": "Action",
    "address": "Address",
    "analytics_payload": "AnalyticsPayload",
    "analytics_request": "AnalyticsRequest",
    "analytics_response": "AnalyticsResponse",
    "application": "Application",
    "audience_manager": "AudienceManager",
    "authenticated_state": "AuthenticatedState",
    "browser": "Browser",
    "channel_type": "ChannelType",
    "context": "Context",
    "customer_id": "CustomerId",
    "decisioning_method": "DecisioningMethod",
    "delivery_request": "DeliveryRequest",
    "delivery_response": "DeliveryResponse",
    "device_type": "DeviceType",
    "execute_request": "ExecuteRequest",
    "execute_response": "ExecuteResponse",
    "experience_cloud": "ExperienceCloud",
    "geo": "Geo",
    "logging_type": "LoggingType",
    "mbox_request": "MboxRequest",
    "mbox_request_all_of": "MboxRequestAllOf",
    "mbox_response": "MboxResponse",
    "metric": "Metric",
    "metric_type": "MetricType",
    "mobile_platform": "MobilePlatform",
    "mobile_platform_type": "MobilePlatformType",
    "model_property": "ModelProperty",
    "notification": "Notification",
    "notification_all_of": "NotificationAllOf",
    "notification_mbox": "NotificationMbox",
    "notification_page_load": "NotificationPageLoad",
    "notification_response": "NotificationResponse",
    "notification_view": "NotificationView",
    "option": "Option",
    "option_type": "OptionType",
    "order": "Order",
    "page_load_response": "PageLoadResponse",
    "prefetch_mbox_response": "PrefetchMboxResponse",
    "prefetch_mbox_response_all_of": "PrefetchMboxResponseAllOf",
    "prefetch_request": "PrefetchRequest",
    "prefetch_response": "PrefetchResponse",
    "preview": "Preview",
    "product": "Product",
    "qa_mode": "QAMode",
    "qa_mode_preview_index": "QAModePreviewIndex",
    "request_details": "RequestDetails",
    "screen": "Screen",
    "screen_orientation_type": "ScreenOrientationType",
    "telemetry": "Telemetry",
    "telemetry_entry": "TelemetryEntry",
    "telemetry_features": "TelemetryFeatures",
    "trace": "Trace",
    "unexpected_error": "UnexpectedError",
    "view": "View",
    "view_request": "ViewRequest",
    "view_request_all_of": "ViewRequestAllOf",
    "visitor_id": "VisitorId",
    "window": "Window",
}
ERRORS = ("ApiException", "ApiKeyError", "ApiTypeError", "ApiValueError", "OpenApiException")

# A request, and one object of each class in alphabetical order, pickled by 1.1.0 in Python 3.11:
#   base64.b64encode(zlib.compress(pickle.dumps([request, [Action(), Address(), ...]], protocol=4), 9))
PICKLE_OF_1_1_0 = """
eNqVWetuHLcVtqqbdbGktZUaTeA4RtM4dmLJTpoGCFC0G8ltA0u0WjuXJnDZ2R3uktLszGSGo0uAAi3aPwH4r9N36Uv0SdpfeYIeHnI43F1rZm1As+QZ
zncOz530Xxf+def1K/jvRfmuuh+ySJyy7IIGqaD9SLBY7hwmQN1xbzL2bcFyWarNfUv6g6X8s7z3t/IvALNWLaIiLNWPskel2qBilGYsz0USaypR8/jy
7cs5nopcyCTDZStfmMlnYc1lmcrYcFi3S3c+/Ig+BMGo5CILaRpk8sIwe4OOguyESREPgUlShNRDJ+oa7Re5TEZMz/PyRal+drlc3tJSre7ZmScZX1Fz
/VJ1qIglG2aB1Hvuw7elmhOl2qZBITngiX4gWUhzCT+lujZGhXko8n4mRiIOQM6SFL2A34YnbI/FpyJL4hEz+yfqdTphC0rTLEkZ7L9U716+lZF+ekuv
IfmomjtVL1GZnLAYbJk+Ko0UQMqCPgPmV2FvsNFzcIk7DVqr1izv2ZFDBwAexDGLSjV/xnql2qKjpCciRtMokIMkGwGXdYBMI60c0CbMlylohzEzPBNx
mJyhLL0sOctZhuMgDLXLNcrl1ix37cjJtUCLDGTa5lKm+Se7u+w8GKURg62MdrVHZ2zAsky7lF5HjF4W6JAlwP0mlWLEaDIY5AysFFMwZCFZDq/WaAES
0mAIUqD4PRaAesrvDUKHsnPQP8jYZ8ZZcTPsnPUL7Sj3Lt+MXVPH6MZjQ5kK0VWIjiGjURKEKMKol5wz9Px3GtwFFtXYa4cwnQTmH+v9QeQFIyZZlgNN
zQXw1ytzdUO72gANWy8g4EpJFlqTwYKw6EukglHZefnkilqkMawu1QKHSDP+Z2NhBT4AK8g+hy9WqWQRA9jsAmYbNE6kGFiPyRH924Bql7ec2KlgZ9Zu
Ovu91eAlfXQ7tdQ1A6fHRSovUg24QnNg3sdQ1fkkz32CjRFtb2THP7Hq+iXhv7Ke814D+ziILiAz5KC4C7SZ2upWtCNLcjLNU5RoUefHoHwVdGfbGn3K
c16jeQGRyHT2CSIaBjIwSegqeNNwCOEA4y3MDic6NsDVT9G4Nydp8NMvMlZJ+P5sEuYpWBOcoeOJaGleRqn0ZLEb0rmfVtRa15vV+Zzwb/T+ACDH7GNA
G6plUIQmfkcg+hC2rza7lnRoKU7YDdCb4Ui5wIywSHtR0qvYPGhi85JCcr3rU58h0TIDwLzXlA2r7KmWP7Ujz9N5kkv09CiIhwVsAg0NGZsOIzAMRGum
DW2kbkgjNtubyFFre2b6XM98OfkDq/6H/BH/gPAPCf854R8R/gsCWYb/mvAu4Z8SvmfyJr9ZV18oUm+ouQ9KfkstF/FJnJzFZauThawvtHm1g0IS4QlE
WWe/Jh4a2piI85bnEuFXifaTtwi/Q/g9wu+/qvj7hD8m/AXhfyKcEv5nwoP20PW6sioutupWYDIsltFFCsiFWuAVnfcNGiZPFkJBMDa2ktD26AkhiYKb
G1Ou7uNs2pK/s6p4QvhBe/DUVaza06YrYxNbmhlxoqBqxIq0hxSnpA6dCl6tHZeCKge/dTk73QGo+d/C02uJRer6ERNDUsgCa9EqJIB4WM2gdiRFDDXM
tIy6nGJgV9NF2hdSF7gF+p1IZwg3m5WrcDsw02kjHbkKzp8R/iXhXxH+R8K/1smvNRP5rQENoggaH3BFr0PoRtHTQW03D/VuK2rlBusGb9IHvrbpOUnr
Sq+7AGOs/2A4IqeGAm/WQ4E/NAMHzgkXuvtkp7rbNm0wgrZFhkGsIsPATim9qZmb7IHVxiFSjiqCc651asMQ2yRSzw3zxZQnMdMda4VlX8yLJC/593Yv
OzOLYj+/Pi7PtEe9bXV4V83JstVP/XYNbE38qddejjnnCuZdjr0ftNsQKKMU+1k0VI7hop0IB7bde9Luzb4ozps7vkQT7lzJcbw5d+UKOd7CZwef1/XT
MX1vRqYotNryWWrnrzl+oztkU/Et9MMZoevGX237+EdAP/AbyeNbKDqC784IXgfrGPZ00K7UYTmrTtB+4zr5QpN8nSzQEwbJ0Re9IepNxoCof5qOuxlE
/QnhP+j+ptqRc6nWyDeoVeQb6OnIv90AgMchtfgUfz2V4UEcum5w5x/TtMigk8qh8bOHJry7wL5fYBrY9g+SuseMTKO+SsPCdLnmJJQUErhnM/ThznX8
fqPym2kb/5fw/+lcaa1xr91Rq9Mcncj820f2RUMFcOyAkW//j1+VnYv4n7yM63jk+4zuz8Covj2rsKcOWEvo6LnJVAftMeJh1zZx4BOqOv6qSkcHqC0E
v9MIbsJu+ciOnNLvzvK1Oc3rr83Id+Z1ql1wmGTmkq4VrTq9q6XfdzXFFwVOl5HI9SlIH9VPhRQsp0kc6UbpTSjeQVToHirI4RBasLrFMyFze2zFIIjy
qSVb1YWBuZZgLhHstgo8/iXUTSO+VehnSHTW36w2cGGXk/ELIUs0vBu6h6oXC5kMRJRD9beOtm8Jl5XUtpxpr93U0jMz8Pz2TISSY/nlTAy5xFakn0RJ
BmKk+GqdpuIczn54K4rzRG9M2ms9w/1RG3f/I5tnXzPiPK1fTKfcn16OW98cqZXnbuxdKMBSgM5n0LyDwm8AcMMBPo59VDiEmX5BH77wgGOuNlfogMEx
Lau5vT8LN/eR6jiGv6lobic36EvOuZZNQ0kyl71q8Tn+OjRzlw3W+M7aAvtj/jk4Q5HjDUFraixi7d19HbosyxJ9VfK5Iz1GilPYv5/MYW+fI7aaG9mu
8s2m/0XQ2WthslE4foB58JIK9U4znncHqnFfcgc6FlGOW1vb6WPXhyiPxUTXOQbM1y11k/AO4dcJv9EezPbiXC19aQauTPwde9d/OHTGdv4PWXdQKg==
"""


def request(**fields):
    mboxes = [delivery_api_client.MboxRequest(name="home", index=0)]
    execute = delivery_api_client.ExecuteRequest(mboxes=mboxes)
    return DeliveryRequest(context=delivery_api_client.Context(channel="web"), execute=execute, **fields)


def client_of(server, **attributes):
    configuration = Configuration(host="http://" + server.domain)
    for name, value in attributes.items():
        setattr(configuration, name, value)
    return ApiClient(configuration)


def execute(client, **keywords):
    return DeliveryApi(client).execute("1@AdobeOrg", "session", request(), **keywords)


def content(result):
    return result.execute.mboxes[0].options[0].content


@pytest.fixture
def edge():
    with SocketServer(answer(ANSWER_BYTES)) as server:
        yield server


@pytest.fixture
def client(edge):
    with client_of(edge) as made:
        yield made


@pytest.fixture
def no_default():
    yield
    Configuration.set_default(None)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


# Names


@pytest.mark.parametrize(("module", "name"), MODELS.items())
def test_each_model_is_importable_from_its_own_module(module, name):
    expected = getattr(target_python_sdk.types, name)
    if name == "DecisioningMethod":  # target_python_sdk.types has an enumeration of this name
        expected = delivery_api_client.models.DecisioningMethod
    assert getattr(importlib.import_module("delivery_api_client.Model." + module), name) is expected
    assert getattr(delivery_api_client.Model, name) is getattr(delivery_api_client, name) is expected
    assert getattr(getattr(delivery_api_client.Model, module), name) is expected


def test_the_model_names_are_those_of_1_1_0():
    assert len(MODELS) == 60
    assert sorted(delivery_api_client.Model.__all__) == sorted([*MODELS, *MODELS.values()])
    assert set(delivery_api_client.Model.__all__) <= set(dir(delivery_api_client.Model))


@pytest.mark.parametrize("name", ERRORS)
def test_exceptions_are_importable_from_each_module(name):
    assert getattr(delivery_api_client.exceptions, name) is getattr(delivery_api_client, name) is getattr(errors, name)


def test_other_classes_are_importable_from_their_modules():
    assert delivery_api_client.api.DeliveryApi is delivery_api_client.api.delivery_api.DeliveryApi is DeliveryApi
    assert delivery_api_client.DeliveryApi is DeliveryApi
    assert delivery_api_client.ApiClient is delivery_api_client.api_client.ApiClient is ApiClient
    assert delivery_api_client.Configuration is delivery_api_client.configuration.Configuration is Configuration
    assert delivery_api_client.rest.RESTResponse is RESTResponse
    assert delivery_api_client.exceptions.render_path(["a", 0]) == "['a'][0]"
    assert {"ApiClient", "Model", "rest", "Option"} <= set(dir(delivery_api_client))


@pytest.mark.parametrize("package", [delivery_api_client, delivery_api_client.Model])
def test_an_unknown_name_raises_attribute_error(package):
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        package.Nonsense  # noqa: B018 - the access itself is the test


@pytest.mark.process
def test_importing_does_not_load_the_transport():
    program = (
        "import sys, delivery_api_client, delivery_api_client.Model;"
        "loaded = [name for name, module in sys.modules.items() if getattr(module, '__file__', None)"
        " and name.startswith(('delivery_api_client.', 'target_tools.http.transport'))];"
        "assert loaded == ['delivery_api_client.models', 'delivery_api_client.Model'], loaded;"
        "from delivery_api_client import *; ApiClient(Configuration()), DeliveryApi();"
        "assert 'target_tools.http.transport' not in sys.modules;"
        "assert 'target_tools.concurrency.task_workers' not in sys.modules;"
        "assert delivery_api_client.Model.option.Option is Option"
    )
    done = run_python("-c", program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_pickles_of_1_1_0_can_be_loaded():
    old_request, one_of_each = pickle.loads(zlib.decompress(base64.b64decode(PICKLE_OF_1_1_0)))
    models = target_python_sdk.types
    visitor = models.CustomerId(id="c", integration_code="i", authenticated_state="authenticated")
    assert old_request == DeliveryRequest(
        request_id="r1",
        id=models.VisitorId(tnt_id="visitor.35_0", customer_ids=[visitor]),
        _property=models.ModelProperty(token="p1"),
        context=models.Context(channel="web", address=models.Address(url="https://example.com/")),
        execute=models.ExecuteRequest(mboxes=[models.MboxRequest(name="home", index=0, parameters={"a": "b"})]),
    )
    assert [type(model) for model in one_of_each] == [
        delivery_api_client.models.MODELS[name] for name in sorted(MODELS.values())
    ]
    assert all(type(model).from_dict(model.to_dict()) == model for model in one_of_each)


def test_every_model_can_be_pickled():
    for name in MODELS.values():
        model = getattr(delivery_api_client.Model, name).from_dict({})
        assert pickle.loads(pickle.dumps(model)) == copy.deepcopy(model) == model


# Values


class Channel(enum.Enum):
    WEB = "web"


NOON = datetime.datetime(2020, 1, 2, 12, tzinfo=datetime.timezone.utc)
TYPES = target_python_sdk.types

SANITIZED = [
    (None, None),
    (1.5, 1.5),
    (b"x", b"x"),
    ([1, None, Channel.WEB], [1, None, "web"]),
    ((1, Channel.WEB), (1, "web")),
    ({"a": None, "b": (NOON,)}, {"a": None, "b": ("2020-01-02T12:00:00+00:00",)}),
    (datetime.date(2020, 1, 2), "2020-01-02"),
    (NOON.replace(tzinfo=None), "2020-01-02T12:00:00+00:00"),
    (TYPES.ChannelType.WEB, "web"),
    (TYPES.ChannelType(), {}),
    (TYPES.Context(channel=Channel.WEB), {"channel": "web", "beacon": False}),
    (TYPES.DeliveryRequest(_property=TYPES.ModelProperty("t")), {"property": {"token": "t"}}),
    (TYPES.MboxRequest(name="x", parameters={"a": None}), {"parameters": {"a": None}, "name": "x"}),
    ([TYPES.Option(content={"a": [TYPES.Action(type="x")]})], [{"content": {"a": [{"type": "x"}]}}]),
    (TYPES.Browser(web_gl_renderer="x"), {"webGLRenderer": "x"}),
]


@pytest.mark.parametrize(("value", "plain"), SANITIZED)
def test_values_are_converted_for_sending(value, plain):
    sanitized = ApiClient().sanitize_for_serialization(value)
    assert sanitized == plain
    assert type(sanitized) is type(plain)


def test_a_model_is_sent_like_the_result_of_to_dict():
    order = TYPES.Order(id="1", time=NOON, purchased_product_ids=("a", "b"))
    plain = ApiClient().sanitize_for_serialization(order)
    assert {**plain, "purchasedProductIds": ["a", "b"]} == order.to_dict(by_alias=True, exclude_none=True)


def test_values_that_json_cannot_represent_are_refused():
    recursive = []
    recursive.append(recursive)
    with pytest.raises(ApiTypeError, match="a set cannot be sent"):
        ApiClient().sanitize_for_serialization([{1, 2}])
    with pytest.raises(ApiValueError, match="contains itself"):
        ApiClient().sanitize_for_serialization(recursive)


def deserialize_text(data, kind):
    return ApiClient().deserialize(urllib3.HTTPResponse(io.BytesIO(data.encode())), kind)


ONE = DeliveryResponse(status=1)
LOADED = [
    ('{"status": 1, "zzz": 2}', "DeliveryResponse", ONE),
    ('{"status": 1}', DeliveryResponse, ONE),
    ('[{"status": 1}, null]', "list[DeliveryResponse]", [ONE, None]),
    ('{"a": {"status": 1}}', "dict(str, DeliveryResponse)", {"a": ONE}),
    ('{"a": [1]}', "dict(str,list[str])", {"a": ["1"]}),
    ("null", "DeliveryResponse", None),
    ('"web"', "ChannelType", "web"),
    ('"1"', "int", 1),
    ("1.5", "int", 1),
    ("1", "long", 1),
    ("1", "float", 1.0),
    ("1", "bool", True),
    ("1", "str", "1"),
    ("not JSON", "str", "not JSON"),
    ("not JSON", "object", "not JSON"),
    ('{"a": 1}', "object", {"a": 1}),
    ('{"a": 1}', object, {"a": 1}),
    ('{"a": 1}', None, {"a": 1}),
    ('"2020-01-02T12:00:00Z"', "datetime", NOON),
    ('"2020-01-02T12:00:00Z"', datetime.datetime, NOON),
    ("2020-01-02", "date", datetime.date(2020, 1, 2)),
]


@pytest.mark.parametrize(("data", "kind", "value"), LOADED)
def test_values_are_parsed_as_the_requested_type(data, kind, value):
    loaded = deserialize_text(data, kind)
    assert loaded == value
    assert type(loaded) is type(value)


def test_b18_the_values_of_an_answer_are_not_validated():
    too_long = deserialize_text('{"id": {"tntId": "' + "x" * 130 + '"}}', "DeliveryResponse")
    assert too_long.id.tnt_id == "x" * 130
    wrong_type = deserialize_text('{"execute": {"mboxes": [{"options": [{"content": 3}]}]}}', "DeliveryResponse")
    assert repr(content(wrong_type)) == "3"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ("[1]", "DeliveryResponse"),
        ("not JSON", "DeliveryResponse"),
        ('{"execute": []}', "DeliveryResponse"),
        ("{}", "list[int]"),
        ("[]", "dict(str, int)"),
        ('["x"]', "list[int]"),
    ],
)
def test_a_wrong_structure_raises_invalid_response(data, kind):
    with pytest.raises(InvalidResponse):
        deserialize_text(data, kind)


def test_json_that_is_nested_too_deeply_is_returned_as_text():
    text = "[" * 200 + "]" * 200
    assert deserialize_text(text, "object") == text


def test_unknown_types_and_invalid_dates_are_refused():
    with pytest.raises(ApiTypeError, match="unknown type `file`"):
        deserialize_text('"x"', "file")
    with pytest.raises(ApiException, match="Failed to parse `bla` as datetime object"):
        deserialize_text('"bla"', "datetime")
    with pytest.raises(ApiException, match="Failed to parse `bla` as date object"):
        deserialize_text('"bla"', "date")


def test_lists_are_formatted_by_their_collection_format():
    lists = {name: [1, 2] for name in ("multi", "csv", "ssv", "tsv", "pipes")}
    pairs = ApiClient().parameters_to_tuples({**lists, "one": "x"}, {name: name for name in lists})
    assert pairs == [
        ("multi", 1),
        ("multi", 2),
        ("csv", "1,2"),
        ("ssv", "1 2"),
        ("tsv", "1\t2"),
        ("pipes", "1|2"),
        ("one", "x"),
    ]


def test_accept_and_content_type_are_chosen_as_in_1_1_0():
    client = ApiClient()
    assert client.select_header_accept([]) is None
    assert client.select_header_accept(["a", "Application/JSON"]) == "application/json"
    assert client.select_header_accept(["a", "b"]) == "a, b"
    chosen = [client.select_header_content_type(types) for types in ([], ["*/*"], ["a", "application/json"], ["a"])]
    assert chosen == ["application/json", "application/json", "application/json", "a"]


# Configuration


def test_a_new_configuration_has_default_values():
    configuration = Configuration()
    assert (configuration.host, configuration.verify_ssl, configuration.debug) == (
        "https://.tt.omtrdc.net",
        True,
        False,
    )
    for name in ("ssl_ca_cert", "cert_file", "key_file", "assert_hostname", "proxy", "proxy_headers", "retries"):
        assert getattr(configuration, name) is None, name
    assert (configuration.api_key, configuration.api_key_prefix, configuration.auth_settings()) == ({}, {}, {})
    assert configuration.connection_pool_maxsize > 0
    assert (configuration.temp_folder_path, configuration.safe_chars_for_path_param) == (None, "")
    assert configuration.logger["package_logger"].name == "delivery_api_client"
    assert configuration.logger["urllib3_logger"].name == "urllib3"


def test_an_api_key_gets_its_prefix_and_basic_auth_is_encoded():
    configuration = Configuration(api_key={"a": "k"}, api_key_prefix={"a": "Bearer"}, username="u", password="p")
    assert configuration.get_api_key_with_prefix("a") == "Bearer k"
    assert configuration.get_api_key_with_prefix("b") is None
    assert configuration.get_basic_auth_token() == "Basic dTpw"


def test_the_debug_report_contains_the_versions():
    lines = Configuration().to_debug_report().split("\n")
    assert lines[0] == "Python SDK Debug Report:"
    assert [line.partition(":")[0] for line in lines[1:3]] == ["OS", "Python Version"]
    assert lines[-2:] == ["Version of the API: 1.0.0", "SDK Package Version: " + __version__]


def test_the_client_code_is_inserted_into_the_host_settings():
    configuration = Configuration()
    setting = {"url": "https://{clientCode}.tt.omtrdc.net/", "description": "No description provided"}
    assert configuration.get_host_settings() == [setting]
    assert configuration.get_host_from_settings(0, {"clientCode": "acme"}) == "https://acme.tt.omtrdc.net/"
    with pytest.raises(ApiKeyError):
        configuration.get_host_from_settings(0)
    with pytest.raises(ApiValueError, match="Invalid index 5 when selecting the host settings"):
        configuration.get_host_from_settings(5)


def test_b1_configurations_share_no_state():
    first, second = Configuration(host="http://first"), Configuration(host="http://second")
    assert (first.host, second.host, Configuration().host) == (
        "http://first",
        "http://second",
        "https://.tt.omtrdc.net",
    )
    first.api_key["a"] = "k"
    assert second.api_key == Configuration().api_key == {}


def test_b1_the_default_configuration_is_copied_and_its_host_can_be_overridden(no_default):
    default = Configuration(host="http://first", api_key={"a": "k"})
    default.proxy = "http://127.0.0.1:1"
    Configuration.set_default(default)
    default.proxy = "http://127.0.0.1:2"
    default.api_key["b"] = "k"
    configuration = Configuration(host="http://second")
    assert (configuration.host, configuration.api_key) == ("http://second", {"a": "k"})
    assert configuration.proxy == "http://127.0.0.1:1"
    assert Configuration().host == "http://first"
    configuration.proxy = None
    assert ApiClient().configuration.proxy == "http://127.0.0.1:1"
    Configuration.set_default(None)
    assert (Configuration().host, Configuration().proxy) == ("https://.tt.omtrdc.net", None)


def test_a_configuration_can_be_copied_and_pickled():
    configuration = Configuration(host="http://first", api_key={"a": "k"})
    configuration.debug = True
    copies = [copy.copy(configuration), copy.deepcopy(configuration), pickle.loads(pickle.dumps(configuration))]
    for each in copies:
        each.api_key["b"] = "k"
        assert (each.host, each.debug, each.logger) == ("http://first", True, configuration.logger)
    assert configuration.api_key == {"a": "k"}


@pytest.mark.server
def test_b12_debug_logs_payloads_and_leaves_other_loggers_unchanged(edge, caplog):
    loggers = [logging.getLogger(name) for name in ("", "urllib3", "http.client")]
    before = [(logger.level, logger.handlers[:]) for logger in loggers]
    client = client_of(edge)
    with caplog.at_level(logging.DEBUG, "delivery_api_client"):
        execute(client)
        assert '"name": "home"' in caplog.text
        assert "visitor.35_0" not in caplog.text
        client.configuration.debug = True
        execute(client)
    assert "visitor.35_0" in caplog.text
    assert [(logger.level, logger.handlers[:]) for logger in loggers] == before


@pytest.mark.server
def test_logger_file_receives_the_log_lines(edge, tmp_path, caplog):
    configuration = Configuration(host="http://" + edge.domain)
    logger = configuration.logger["package_logger"]
    handlers = logger.handlers[:]
    configuration.logger_file = str(tmp_path / "one.log")
    configuration.logger_file = str(tmp_path / "two.log")
    configuration.logger_format = "shown as %(message)s"
    assert logger.handlers == [*handlers, configuration.logger_file_handler]
    with caplog.at_level(logging.DEBUG, "delivery_api_client"):
        execute(ApiClient(configuration))
    assert (configuration.logger_file, configuration.logger_format) == (
        str(tmp_path / "two.log"),
        "shown as %(message)s",
    )
    configuration.logger_file = None
    assert logger.handlers == handlers
    assert (tmp_path / "two.log").read_text().startswith("shown as Request sent to http://127.0.0.1")
    assert not (tmp_path / "one.log").exists()


# Calls


@pytest.mark.server
def test_execute_sends_a_request_line_headers_and_a_body(edge, client):
    api = DeliveryApi(client)
    result = api.execute("1@AdobeOrg", "s e/s?&ü", request(), version="1.2", headers={"X-EXC-SDK": "mine"})
    assert type(result) is DeliveryResponse
    assert content(result) == "<b>A</b>"
    head, target = head_of(edge.requests[0]), "imsOrgId=1%40AdobeOrg&sessionId=s+e%2Fs%3F%26%C3%BC&version=1.2"
    assert head[""] == f"POST /rest/v1/delivery?{target} HTTP/1.1"
    assert (head["accept"], head["content-type"]) == ("application/json", "application/json")
    assert (head["user-agent"], head["x-exc-sdk"]) == ("AdobeTargetPython/" + __version__, "mine")
    assert body_of(edge.requests[0]) == request().to_dict(by_alias=True, exclude_none=True)


@pytest.mark.server
def test_a_call_to_the_local_edge_is_answered():
    with LocalEdge() as edge, client_of(edge) as client:
        mboxes = [delivery_api_client.MboxRequest(name=name, index=0) for name in ["a1-serverside-ab"]]
        delivery_request = DeliveryRequest(
            context=delivery_api_client.Context(channel="web"),
            execute=delivery_api_client.ExecuteRequest(mboxes=mboxes),
        )
        result = DeliveryApi(client).execute("1234567890@AdobeOrg", "session", delivery_request)
    assert result.status == 200
    assert result.execute.mboxes[0].name == "a1-serverside-ab"


@pytest.mark.server
def test_execute_with_http_info_returns_status_and_headers(client):
    api = DeliveryApi(client)
    data, status, headers = api.execute_with_http_info("1@AdobeOrg", "session", request())
    assert (content(data), status, headers["content-type"]) == ("<b>A</b>", 200, "application/json;charset=UTF-8")
    data_only = api.execute_with_http_info("1@AdobeOrg", "session", request(), _return_http_data_only=True)
    assert content(data_only) == content(execute(client, _return_http_data_only=False)) == "<b>A</b>"
    assert (client.last_response.status, client.last_response.data) == (200, ANSWER_BYTES.decode())


@pytest.mark.server
def test_without_preload_content_the_urllib3_response_is_returned(client):
    raw = execute(client, _preload_content=False)
    assert isinstance(raw, urllib3.HTTPResponse)
    assert (raw.status, raw.reason, raw.headers["Content-Type"]) == (200, "OK", "application/json;charset=UTF-8")
    assert raw.read() == ANSWER_BYTES
    assert client.last_response is raw


@pytest.mark.parametrize("method", ["execute", "execute_with_http_info"])
def test_an_unknown_keyword_is_refused_with_the_message_of_1_1_0(method):
    with pytest.raises(ApiTypeError) as caught:
        getattr(DeliveryApi(), method)("1@AdobeOrg", "session", request(), x=1)
    assert str(caught.value) == "Got an unexpected keyword argument 'x' to method execute"


@pytest.mark.server
def test_client_side_validation_refuses_missing_arguments(edge, client):
    assert content(DeliveryApi(client).execute(None, None, None)) == "<b>A</b>"
    assert head_of(edge.requests[0])[""] == "POST /rest/v1/delivery HTTP/1.1"
    client.client_side_validation = True
    for arguments, missing in [
        ((None, "s", 1), "ims_org_id"),
        (("o", None, 1), "session_id"),
        (("o", "s", None), "delivery_request"),
    ]:
        with pytest.raises(ApiValueError) as caught:
            DeliveryApi(client).execute(*arguments)
        assert str(caught.value) == f"Missing the required parameter `{missing}` when calling `execute`"


@pytest.mark.server
def test_headers_of_the_client_override_those_of_the_call(edge):
    client = ApiClient(Configuration(host="http://" + edge.domain), "X-H", "h", cookie="a=b")
    client.set_default_header("X-D", "d")
    client.user_agent = "mine"
    execute(client, headers={"x-d": "other", "X-C": "c", "Accept-Encoding": "br"})
    head = head_of(edge.requests[0])
    sent = [head[name] for name in ("x-h", "x-d", "x-c", "cookie", "user-agent", "accept-encoding")]
    assert sent == ["h", "d", "c", "a=b", "mine", "gzip"]
    assert (client.user_agent, client.default_headers["X-H"]) == ("mine", "h")


@pytest.mark.parametrize("header", [("X-A", "1\r\nX-B: 2"), ("X-A\r\n", "1"), ("Host", "other"), ("X-A", "\u20ac")])
def test_invalid_headers_are_refused(header):
    with pytest.raises(ApiValueError, match="headers"):
        execute(ApiClient(Configuration(host="http://127.0.0.1:9")), headers=dict([header]))


@pytest.mark.server
def test_request_auth_is_sent_as_a_header_a_query_parameter_or_a_cookie(edge, client):
    for location in ("header", "query", "cookie"):
        execute(client, _request_auth={"type": "api_key", "in": location, "key": "x-key", "value": "v"})
    assert head_of(edge.requests[0])["x-key"] == "v"
    assert head_of(edge.requests[1])[""].endswith("sessionId=session&x-key=v HTTP/1.1")
    assert head_of(edge.requests[2])["cookie"] == "v"
    with pytest.raises(ApiValueError, match="Authentication token must be in `query` or `header`"):
        execute(client, _request_auth={"in": "body", "key": "x", "value": "v"})


def test_only_known_auth_settings_of_the_configuration_are_sent():
    class Secured(Configuration):
        def auth_settings(self):
            return {"key": {"type": "api_key", "in": "header", "key": "X-Key", "value": self.api_key["a"]}}

    headers, query = {}, []
    ApiClient(Secured(api_key={"a": "k"})).update_params_for_auth(headers, query, ["key", "other"])
    assert (headers, query) == ({"X-Key": "k"}, [])


@pytest.mark.server
@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (response(None, 204), DeliveryResponse()),
        (response(None, 202), DeliveryResponse()),
        (response({"status": 201}, 201), DeliveryResponse(status=201)),
        (response({"status": 206}, 206), DeliveryResponse(status=206)),
    ],
)
def test_b5_every_2xx_status_is_a_success(reply, expected):
    with SocketServer(replies(reply)) as server, client_of(server) as client:
        data, status, _ = DeliveryApi(client).execute_with_http_info("1@AdobeOrg", "session", request())
    assert data == expected
    assert status == int(reply.split()[1])


@pytest.mark.server
def test_an_error_is_an_api_exception_and_an_http_status_error():
    body = {"status": 400, "message": "bad"}
    with SocketServer(answer(body, 400, {"X-Y": "z", "Set-Cookie": "a=b"})) as server, client_of(server) as client:
        with pytest.raises(delivery_api_client.ApiException) as caught:
            execute(client)
        with pytest.raises(HttpStatusError):
            execute(client, _preload_content=False)
    error = caught.value
    assert isinstance(error, HttpStatusError)
    assert (error.status, error.reason, error.headers["x-y"]) == (400, "Bad Request", "z")
    assert error.body == '{"status": 400, "message": "bad"}'
    text = str(error).split("\n")
    assert text[:2] == ["(400)", "Reason: Bad Request"]
    assert text[3] == 'HTTP response body: {"status": 400, "message": "bad"}'
    assert "a=b" not in str(error)


@pytest.mark.server
def test_a_redirect_is_not_followed():
    with SocketServer(answer(None, 301, {"Location": "/x"})) as server, client_of(server) as client:
        with pytest.raises(RedirectRefused):
            execute(client)
        assert len(server.requests) == 1


@pytest.mark.server
def test_a_503_is_not_retried():
    """As in 1.1.0."""
    with SocketServer(answer(None, 503)) as server, client_of(server) as client:
        with pytest.raises(ApiException, match="503"):
            execute(client)
        assert len(server.requests) == 1


@pytest.mark.server
def test_a_urllib3_retry_selects_the_statuses_to_retry():
    retry = urllib3.Retry(2, status_forcelist=[503], backoff_factor=0)
    with SocketServer(replies(response(None, 503), response(None, 503), response(ANSWER))) as server:
        assert content(execute(client_of(server, retries=retry))) == "<b>A</b>"


@pytest.mark.server
@pytest.mark.parametrize(("retries", "attempts"), [(None, 4), (False, 1), (0, 1), (1, 2), (urllib3.Retry(1), 2)])
def test_the_attribute_retries_limits_connection_attempts(retries, attempts):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # reserves a port on which no server listens
        configuration = Configuration(host=f"http://127.0.0.1:{bound.getsockname()[1]}")
        configuration.retries = retries
        with pytest.raises(ConnectionFailed) as caught:
            execute(ApiClient(configuration))
    assert caught.value.attempts == attempts
    assert isinstance(caught.value, urllib3.exceptions.MaxRetryError)


@pytest.mark.server
@pytest.mark.parametrize("timeout", [0.2, (0.1, 0.1)])
def test_b2_request_timeout_limits_the_whole_call_in_seconds(timeout):
    def drip(connection):
        connection.read_request()
        connection.send_slowly(response(ANSWER), 0.05)

    with SocketServer(drip) as server, client_of(server) as client:
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded) as caught:
            execute(client, _request_timeout=timeout)
    assert 0.15 < time.monotonic() - began < LONG / 1000
    assert isinstance(caught.value, urllib3.exceptions.TimeoutError)


@pytest.mark.server
def test_b2_request_timeout_applies_to_single_requests_and_async_calls(edge, client):
    with SocketServer(lambda connection: connection.hang()) as server:
        with pytest.raises(DeadlineExceeded):
            client.request("GET", "http://" + server.domain, _request_timeout=0.1)
        with pytest.raises(DeadlineExceeded):
            execute(client_of(server), async_req=True, _request_timeout=0.1).get(20)


@pytest.mark.parametrize(
    ("timeout", "kind"), [("1", ApiTypeError), (True, ApiTypeError), (-1, ApiValueError), (float("nan"), ApiValueError)]
)
def test_an_invalid_timeout_is_refused(timeout, kind):
    with pytest.raises(kind, match="_request_timeout"):
        execute(ApiClient(Configuration(host="http://127.0.0.1:9")), _request_timeout=timeout)


@pytest.mark.server
@pytest.mark.parametrize("timeout", [None, 0, (None, 5), 1000000000, float("inf")])
def test_unlimited_and_very_long_timeouts_are_accepted(client, timeout):
    assert content(execute(client, _request_timeout=timeout)) == "<b>A</b>"


@pytest.mark.server
def test_an_answer_that_is_too_large_is_refused():
    with SocketServer(answer(b"[" + b"1," * (5 << 20) + b"1]")) as server, client_of(server) as client:
        with pytest.raises(ResponseTooLarge):
            execute(client)


@pytest.mark.server
def test_a_compressed_answer_is_read():
    zipped = zlib.compressobj(wbits=31)
    body = zipped.compress(ANSWER_BYTES) + zipped.flush()
    with SocketServer(answer(body, 200, {"Content-Encoding": "gzip"})) as server, client_of(server) as client:
        assert content(execute(client)) == "<b>A</b>"
        assert execute(client, _preload_content=False).data == ANSWER_BYTES


@pytest.mark.parametrize(
    "host", ["https://.tt.omtrdc.net", "ftp://x", "http://a@b", "http://x y", "http://x\r\nX: y", "nothing"]
)
def test_an_invalid_host_is_refused_before_anything_is_sent(host):
    with pytest.raises(ValueError, match="host"):
        execute(ApiClient(Configuration(host=host)))


def test_a_body_that_json_cannot_represent_is_refused():
    client = ApiClient(Configuration(host="http://127.0.0.1:9"))
    for body, kind in [({"a": float("nan")}, ApiValueError), ({"a": b"x"}, ApiTypeError)]:
        with pytest.raises(kind, match="JSON"):
            DeliveryApi(client).execute("o", "s", body)


@pytest.mark.server
def test_b1_each_call_goes_to_the_host_of_its_client(no_default):
    first_answer, second_answer = response({"client": "first"}), response({"client": "second"})
    with SocketServer(replies(first_answer)) as one, SocketServer(replies(second_answer, second_answer)) as two:
        Configuration.set_default(Configuration(host="http://" + one.domain))
        second = client_of(two)
        assert execute(second).client == "second"
        assert execute(ApiClient()).client == "first"
        second.configuration.host = f"http://localhost:{two.port}"
        assert execute(second).client == "second"
        assert (one.connections, two.connections) == (1, 2)


@pytest.mark.server
def test_b3_a_connection_is_reused_until_the_client_is_closed(edge, client):
    for _ in range(5):
        execute(client)
    assert edge.connections == 1
    client.close()
    execute(client)
    assert edge.connections == 2


# Other methods and paths


RESPONSE_TYPES = {200: "object"}
FORM = "application/x-www-form-urlencoded"


@pytest.mark.server
def test_call_api_sends_any_method_path_and_body(edge, client):
    data, status, _ = client.call_api(
        "/a/{id}/b",
        "GET",
        path_params={"id": "x/y z"},
        query_params={"q": "1 2", "many": [1, 2]},
        collection_formats={"many": "csv"},
        response_types_map=RESPONSE_TYPES,
        _host=f"http://{edge.domain}/pre/",
    )
    assert (data, status) == (ANSWER, 200)
    client.configuration.safe_chars_for_path_param = "/"
    client.call_api(
        "/a/{id}", "DELETE", path_params=[("id", "x/y")], body={"when": NOON}, response_types_map=RESPONSE_TYPES
    )
    client.call_api("/f", "POST", post_params=[("a", "b c")], header_params={"Content-Type": FORM})
    client.call_api("/t", "PUT", body="text", header_params={"content-type": "text/plain"})
    heads = [head_of(each)[""] for each in edge.requests]
    assert [head.partition(" HTTP")[0] for head in heads] == [
        "GET /pre/a/x%2Fy%20z/b?q=1+2&many=1%2C2",
        "DELETE /a/x/y",
        "POST /f",
        "PUT /t",
    ]
    bodies = [each.partition(b"\r\n\r\n")[2] for each in edge.requests]
    assert bodies == [b"", b'{"when":"2020-01-02T12:00:00+00:00"}', b"a=b+c", b"text"]


def test_call_api_refuses_invalid_arguments():
    client = ApiClient(Configuration(host="http://127.0.0.1:9"))
    with pytest.raises(ApiValueError, match="http method must be `GET`"):
        client.call_api("/a", "BREW")
    with pytest.raises(ApiValueError, match="files cannot be sent"):
        client.call_api("/a", "POST", files={"a": "b"})
    with pytest.raises(ApiValueError, match="body parameter cannot be used with post_params"):
        client.call_api("/a", "POST", body={}, post_params=[("a", "b")])
    with pytest.raises(ApiException, match="must be text or bytes"):
        client.call_api("/a", "POST", body={"a": 1}, header_params={"Content-Type": "application/xml"})
    with pytest.raises(ApiValueError, match="host"):
        client.call_api("/a b", "GET")


@pytest.mark.server
def test_the_answer_to_a_head_request_has_no_data(client):
    with SocketServer(lambda one: one.read_request() and one.send(b"HTTP/1.1 200 OK\r\n\r\n")) as server:
        assert client.rest_client.HEAD("http://" + server.domain).data == ""


@pytest.mark.server
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
def test_a_single_request_with_each_http_method_returns_a_rest_response(edge, client, method):
    url = f"http://{edge.domain}/q?x=1"
    keywords = {"body": {"a": 1}} if method in ("POST", "PUT", "PATCH", "DELETE") else {}
    first = client.request(method, url, query_params=[("y", "2")], headers={"X-A": 1}, **keywords)
    second = getattr(RESTClientObject(client.configuration), method)(url, {"X-A": "1"}, [("y", "2")], **keywords)
    assert type(first) is type(second) is RESTResponse
    assert (first.status, first.reason, first.data) == (200, "OK", ANSWER_BYTES.decode())
    assert first.getheader("content-length") == str(len(ANSWER_BYTES))
    assert (first.getheader("X-None"), first.getheader("X-None", "d")) == (None, "d")
    assert edge.requests[0] == edge.requests[1]
    assert head_of(edge.requests[0])[""] == f"{method} /q?x=1&y=2 HTTP/1.1"
    assert isinstance(client.request(method, url, _preload_content=False), urllib3.HTTPResponse)


def test_an_exception_can_be_created_from_a_response():
    raw = urllib3.HTTPResponse(io.BytesIO(b"x"), {"A": "b"}, 418, reason="Teapot", preload_content=False)
    error = ApiException(http_resp=RESTResponse(raw))
    assert (error.status, error.reason, error.body, error.headers["a"]) == (418, "Teapot", "x", "b")


# Calls in other threads


@pytest.mark.server
def test_async_req_returns_a_result_object(client):
    result = execute(client, async_req=True)
    assert content(result.get(20)) == "<b>A</b>"
    assert result.ready() and result.successful()
    api = DeliveryApi(client)
    data, status, _ = api.execute_with_http_info("1@AdobeOrg", "session", request(), async_req=True).get(20)
    assert (content(data), status) == ("<b>A</b>", 200)


@pytest.mark.server
def test_callbacks_get_the_answer_or_the_error(client):
    received, page = [], contextvars.ContextVar("page")
    page.set("/checkout")

    def succeed(data):
        received.append((page.get(), content(data)))

    result = execute(client, async_req=True, callback=succeed, err_callback=received.append)
    result.wait(20)
    assert received == [("/checkout", "<b>A</b>")]
    with SocketServer(answer(None, 500)) as server:
        failed = execute(client_of(server), async_req=True, callback=received.append, err_callback=received.append)
        failed.wait(20)
        assert not failed.successful()
        with pytest.raises(ApiException):
            failed.get(20)
    assert [type(each) for each in received[1:]] == [HttpStatusError]


@pytest.mark.server
@pytest.mark.parametrize("name", ["callback", "err_callback"])
def test_a_callback_without_async_req_is_ignored(client, name):
    """As in 1.1.0."""
    received = []
    assert content(execute(client, **{name: received.append})) == "<b>A</b>"
    assert received == []


@pytest.mark.server
def test_b6_an_exception_of_a_callback_is_logged_and_later_calls_work(client, caplog):
    result = execute(client, async_req=True, callback=lambda _: 1 / 0)
    assert content(result.get(20)) == "<b>A</b>"
    assert "ZeroDivisionError" in caplog.text
    assert content(execute(client, async_req=True).get(20)) == "<b>A</b>"


def test_an_invalid_argument_raises_and_calls_no_callback():
    received = []
    with pytest.raises(ApiTypeError):
        DeliveryApi(ApiClient()).execute("o", "s", {1, 2}, callback=received.append, err_callback=received.append)
    assert received == []


def worker_count():
    return sum(thread.name.startswith("delivery-api-client") for thread in threading.enumerate())


@pytest.mark.server
def test_b4_a_client_per_call_leaks_no_thread(edge, monkeypatch):
    monkeypatch.setattr(task_workers, "IDLE_SECONDS", 60.0)  # longer than ``eventually`` waits
    before = worker_count()  # workers that other tests left
    for _ in range(20):
        assert content(execute(client_of(edge), async_req=True).get(20)) == "<b>A</b>"
    assert edge.connections == 20
    # The workers exit before their idle timeout, and without garbage collection.
    assert eventually(lambda: worker_count() <= before)


@pytest.mark.server
@pytest.mark.parametrize("threads", [1, 3])
def test_pool_threads_limits_the_concurrent_calls(threads):
    running, peak, lock = [0], [0], threading.Lock()

    def serve(connection):
        while connection.read_request():
            with lock:
                running[0] += 1
                peak[0] = max(peak[0], running[0])
            connection.wait(0.05)
            with lock:
                running[0] -= 1
            connection.send(response(ANSWER))

    with SocketServer(serve) as server:
        with ApiClient(Configuration(host="http://" + server.domain), pool_threads=threads) as client:
            results = [execute(client, async_req=True) for _ in range(9)]
        assert all(result.ready() for result in results)  # the end of the block waits for them
    assert peak[0] == threads


@pytest.mark.server
def test_b4_threads_can_share_a_client(edge, client):
    failures = []

    def work():
        try:
            for _ in range(10):
                assert content(execute(client)) == content(execute(client, async_req=True).get(10)) == "<b>A</b>"
        except Exception as error:  # noqa: BLE001 - checked below
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert edge.connections <= 9  # one for each thread, and one for the worker


def test_an_application_can_use_the_pool():
    received = []
    with ApiClient() as client:
        pool = client.pool
        assert client.pool is pool
        with pytest.raises(TypeError):
            pool.apply_async(divmod, (7,), {}).get(20)
        assert pool.apply_async(int, ("12",), {"base": 8}, callback=received.append).get(20) == 10
        failed = pool.apply_async(int, ("x",), error_callback=lambda error: received.append(type(error)))
        with pytest.raises(ValueError, match="invalid literal"):
            failed.get(20)
        assert received == [10, ValueError]
        with pytest.raises(ApiValueError, match="still running"):
            pool.join()
        pool.close()
        pool.join()
        with pytest.raises(ApiValueError, match="Pool not running"):
            pool.apply_async(int)
    assert client.pool is not pool  # a closed client creates a new pool
    client.close()


def test_terminating_the_pool_cancels_queued_calls():
    client, started, release = ApiClient(), threading.Event(), threading.Event()
    first = client.pool.apply_async(lambda: (started.set(), release.wait(20)))
    assert started.wait(20)
    waiting = client.pool.apply_async(int)
    client.pool.terminate()
    with pytest.raises(ClientClosed):
        waiting.get(20)
    release.set()
    assert first.get(20) == (None, True)
    client.close()


def test_a_full_pool_refuses_calls(monkeypatch):
    monkeypatch.setattr("delivery_api_client.pool.MAX_PENDING", 1)
    client, started, release, received = ApiClient(), threading.Event(), threading.Event(), []
    busy = client.pool.apply_async(lambda: (started.set(), release.wait(20)))
    assert started.wait(20)
    waiting = client.pool.apply_async(int)
    full = client.pool.apply_async(int, error_callback=received.append)
    assert [type(error) for error in received] == [QueueFull]
    release.set()
    assert (busy.get(20), waiting.get(20)) == ((None, True), 0)
    with pytest.raises(QueueFull):
        full.get(20)
    client.close()


def test_system_exit_in_a_worker_fails_only_its_call():
    with ApiClient() as client:
        result = client.pool.apply_async(sys.exit, (3,))
        with pytest.raises(SystemExit):
            result.get(20)
        assert client.pool.apply_async(int).get(20) == 0


@pytest.mark.server
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no os.fork")
def test_a_forked_child_opens_new_connections_and_starts_new_workers(edge, client):
    execute(client)
    execute(client, async_req=True).get(20)
    release = threading.Event()
    pending = client.pool.apply_async(release.wait, (5,))

    def call_in_child():
        assert content(execute(client)) == content(execute(client, async_req=True).get(20)) == "<b>A</b>"
        try:
            pending.get(20)
        except CallLost:
            client.close()
            return
        raise AssertionError("the parent's call was answered in the child")

    assert in_a_child(call_in_child)
    release.set()
    assert pending.get(20) is True
    assert content(execute(client)) == "<b>A</b>"
    assert edge.connections == 2  # the parent's and the child's


# Proxies and TLS


@pytest.mark.server
def test_calls_go_through_a_proxy():
    with SocketServer(answer(ANSWER_BYTES)) as proxy:
        configuration = Configuration(host="http://acmeclient.tt.omtrdc.net")
        configuration.proxy, configuration.proxy_headers = "http://user:word@" + proxy.domain, {"X-P": "p"}
        assert content(execute(ApiClient(configuration))) == "<b>A</b>"
        head = head_of(proxy.requests[0])
    assert head[""].startswith("POST http://acmeclient.tt.omtrdc.net:80/rest/v1/delivery?")
    assert (head["host"], head["x-p"]) == ("acmeclient.tt.omtrdc.net", "p")
    assert head["proxy-authorization"] == "Basic dXNlcjp3b3Jk"


def test_an_invalid_proxy_is_refused():
    configuration = Configuration()
    configuration.proxy = "http://"
    with pytest.raises(OptionError, match="proxy"):
        ApiClient(configuration)


@pytest.mark.server
def test_ssl_ca_cert_and_verify_ssl_apply_to_calls(authority):
    with SocketServer(answer(ANSWER_BYTES), tls=authority.server_context("localhost")) as server:
        configuration = Configuration(host=f"https://localhost:{server.port}")
        with pytest.raises(TlsError):
            execute(ApiClient(configuration))
        configuration.ssl_ca_cert = authority.ca_file
        assert content(execute(ApiClient(configuration))) == "<b>A</b>"
        configuration.ssl_ca_cert, configuration.verify_ssl = None, False
        assert content(execute(ApiClient(configuration))) == "<b>A</b>"


@pytest.mark.server
def test_a_client_certificate_is_sent(authority):
    context = authority.trust(authority.server_context("localhost"))
    with SocketServer(answer(ANSWER_BYTES), tls=context) as server:
        configuration = Configuration(host=f"https://localhost:{server.port}")
        configuration.ssl_ca_cert = authority.ca_file
        with pytest.raises((TlsError, ConnectionFailed)):
            execute(ApiClient(configuration))
        configuration.cert_file, configuration.key_file = authority.client_files()
        assert content(execute(ApiClient(configuration))) == "<b>A</b>"


@pytest.mark.server
def test_assert_hostname_accepts_a_certificate_for_another_name(authority):
    with SocketServer(answer(ANSWER_BYTES), tls=authority.server_context("edge.example")) as server:
        configuration = Configuration(host=f"https://localhost:{server.port}")
        configuration.ssl_ca_cert = authority.ca_file
        for assert_hostname in (None, "other.example"):
            configuration.assert_hostname = assert_hostname
            with pytest.raises(TlsError):
                execute(ApiClient(configuration), _request_timeout=5)
        for assert_hostname in ("edge.example", False):
            configuration.assert_hostname = assert_hostname
            assert content(execute(ApiClient(configuration))) == "<b>A</b>"


@pytest.mark.server
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if not fault.harmless], ids=str)
def test_every_harmful_fault_raises_a_delivery_error(fault):
    with SocketServer(fault.handler()) as server, client_of(server) as client:
        with pytest.raises(errors.DeliveryError):
            execute(client, _request_timeout=0.5)
