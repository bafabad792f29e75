"""Every option of a client and of a call: the accepted values, the refused ones, and the texts of the errors."""

import enum
import logging
import re

import pytest
import urllib3

from target_python_sdk import TargetClient
from target_python_sdk.delivery.call_options import call_options
from target_python_sdk.delivery.options import ByteLimits, ClientSettings, client_settings
from target_python_sdk.errors import OptionError
from target_python_sdk.types import (
    DeliveryRequest,
    ExecuteRequest,
    MboxRequest,
    Notification,
    PrefetchRequest,
    Telemetry,
    ViewRequest,
)
from target_tools.enums import DecisioningMethod
from target_tools.http.breaker import BreakerPolicy
from target_tools.logger import Log
from tests.support import offers

REQUIRED = {"client": "acmeclient", "organization_id": "1234567890@AdobeOrg"}


async def asynchronous(_):
    """Do nothing."""


def settings(**options):
    return client_settings({**REQUIRED, **options}, Log())


class Methods(enum.Enum):
    SERVER = "server-side"


class Anything:
    """An object with every method that an option requires."""

    def debug(self, *_):
        pass

    error = request = get = set = debug


ANYTHING = Anything()

GOOD = [
    ("timeout", 200, 0.2),
    ("timeout", 1500.5, 1.5005),
    ("timeout", 0, 3.0),
    ("timeout", "0", 3.0),
    ("maximum_wait_ready", -1, 10.0),
    ("timeout", "200", 0.2),
    ("timeout", "1500.5", 1.5005),
    ("timeout", "", 3.0),
    ("property_token", "", None),
    ("server_domain", "", None),
    ("server_domain", "edge.example.com", ("edge.example.com", None)),
    ("server_domain", "127.0.0.1:8080", ("127.0.0.1", 8080)),
    ("server_domain", "target_edge:80", ("target_edge", 80)),
    ("server_domain", "[::1]:8080", ("::1", 8080)),
    ("secure", False, False),
    ("logger", ANYTHING, ANYTHING),
    ("log_payloads", True, True),
    ("target_location_hint", "35", "35"),
    ("target_location_hint", b"35", "35"),
    ("property_token", "08210e2d", "08210e2d"),
    ("environment_id", 12, 12),
    ("environment_id", "12", 12),
    ("secure", 0, False),
    ("telemetry_enabled", 1, True),
    ("property_token", 5, "5"),
    ("version", 2, "2"),
    ("maximum_wait_ready", "500", 0.5),
    ("events", [], {}),
    ("events", {"client_ready": None}, {}),
    ("version", "2.10.0", "2.10.0"),
    ("decisioning_method", "server-side", DecisioningMethod.SERVER_SIDE),
    ("decisioning_method", DecisioningMethod.SERVER_SIDE, DecisioningMethod.SERVER_SIDE),
    ("decisioning_method", Methods.SERVER, DecisioningMethod.SERVER_SIDE),
    ("events", {"client_ready": print}, {"client_ready": print}),
    ("observers", [], ()),
    ("observers", [print], (print,)),
    ("telemetry_enabled", False, False),
    ("polling_interval", 0, 0),
    ("polling_interval", 300000, 300),
    ("maximum_wait_ready", 500, 0.5),
    ("artifact_location", "https://cdn.example.com/rules.json", "https://cdn.example.com/rules.json"),
    ("artifact_payload", {"version": "1.0.0"}, {"version": "1.0.0"}),
    ("artifact_format", "bin", "bin"),
    ("artifact_cache", "cache.json", "cache.json"),
    ("artifact_cache", ANYTHING, ANYTHING),
    ("environment", "Staging", "staging"),
    ("cdn_environment", "staging", "staging"),
    ("cdn_base_path", "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ("on_device_all_matching_rules_mboxes", ["a", "b"], frozenset(["a", "b"])),
    ("escape_macros", True, True),
    ("max_workers", 4, 4),
    ("max_pending", 10, 10),
    ("queue_timeout", 100, 0.1),
    ("circuit_breaker", False, None),
    ("circuit_breaker", True, BreakerPolicy()),
    ("circuit_breaker", {"failures": 2, "cooldown": 500}, BreakerPolicy(2, 0.5)),
    (
        "circuit_breaker",
        {"rate": 0.25, "window": 20000, "probes": 1},
        BreakerPolicy(rate=0.25, window=20.0, probes=1),
    ),
    ("on_error", "default", "default"),
    ("pool_manager", ANYTHING, ANYTHING),
    ("trust_env", True, True),
    ("verify_ssl", False, False),
    ("ca_certs", None, None),
    ("client_cert", None, None),
    ("max_response_bytes", 1000, ByteLimits(1000, 1000, 1000)),
    ("max_response_bytes", {"geo": 5}, ByteLimits(geo=5)),
    ("shutdown_timeout", 0, 2.0),
    ("shutdown_timeout", 1, 0.001),
    ("proxy_headers", {"X-A": "b"}, {"X-A": "b"}),
    ("headers", {"X-A": "b"}, {"X-A": "b"}),
    ("headers", {"user-agent": ""}, {"user-agent": ""}),
    ("headers", print, print),
    ("max_connections", 1, 1),
    ("max_connections", "16", 16),
    ("keep_alive", 0, 0.0),
    ("keep_alive", 1500, 1.5),
    ("artifact_bypass_cache", True, True),
]


@pytest.mark.parametrize(("option", "value", "result"), GOOD)
def test_a_valid_option_is_accepted(option, value, result):
    assert getattr(settings(**{option: value}), option) == result


def test_a_client_code_may_have_underscores():
    assert settings(client="acme_client").client == "acme_client"


@pytest.mark.parametrize("option", sorted({row[0] for row in GOOD}))
def test_none_has_the_effect_of_an_option_that_is_not_given(option):
    expected = settings()
    assert settings(**{option: None}) == expected


def test_the_default_values_of_options():
    configuration = settings()
    defaults = ClientSettings(**REQUIRED)
    assert configuration._replace(query="") == defaults
    assert (defaults.timeout, defaults.polling_interval, defaults.maximum_wait_ready) == (3.0, 300.0, 10.0)
    assert (defaults.max_workers, defaults.max_pending, defaults.queue_timeout) == (32, 10000, 30.0)
    assert (defaults.retries.attempts, defaults.shutdown_timeout) == (3, 2.0)
    assert (defaults.max_connections, defaults.keep_alive) == (256, 60.0)
    assert defaults.max_response_bytes == (8 << 20, 64 << 20, 64 << 10)


BAD = [
    ("client", "acme.evil.com"),
    ("client", "acme/"),
    ("client", "-acme"),
    ("client", "a" * 64),
    ("client", 5),
    ("client", "acmé"),
    ("organization_id", 5),
    ("organization_id", "\ud800"),
    ("timeout", "soon"),
    ("timeout", 10**400),
    ("timeout", 1e300),
    ("timeout", 7 * 86400 * 1000 + 1),
    ("timeout", True),
    ("timeout", float("nan")),
    ("timeout", float("inf")),
    ("server_domain", "https://edge.example.com"),
    ("server_domain", "edge.example.com/path"),
    ("server_domain", "user@edge.example.com"),
    ("server_domain", "edge.example.com:port"),
    ("server_domain", "edge.example.com:70000"),
    ("server_domain", "edge.example.com:0"),
    ("server_domain", "edge example"),
    ("server_domain", "edge..example"),
    ("server_domain", "edge\r\nX: y"),
    ("server_domain", "x" * 64 + ".example.com"),
    ("server_domain", 5),
    ("secure", "False"),
    ("secure", 2),
    ("logger", "adobe"),
    ("log_payloads", "yes"),
    ("target_location_hint", 35),
    ("environment_id", "1.5"),
    ("environment_id", True),
    ("property_token", 1.5),
    ("maximum_wait_ready", "soon"),
    ("version", "\udfff"),
    ("events", [print]),
    ("events", {"client_ready": "print"}),
    ("events", {5: print}),
    ("observers", print),
    ("observers", ["print"]),
    ("observers", [lambda: None]),
    ("observers", [print, asynchronous]),
    ("telemetry_enabled", "yes"),
    ("polling_interval", -1),
    ("artifact_location", "cdn.example.com/rules.json"),
    ("artifact_location", "file:///missing/rules.json"),
    ("artifact_payload", "{}"),
    ("artifact_format", "xml"),
    ("artifact_cache", 5),
    ("environment", 5),
    ("cdn_base_path", "cdn example"),
    ("on_device_all_matching_rules_mboxes", "home"),
    ("on_device_all_matching_rules_mboxes", [5]),
    ("max_workers", 0),
    ("max_workers", 1.5),
    ("max_pending", -1),
    ("queue_timeout", "x"),
    ("retries", 0),
    ("retries", True),
    ("circuit_breaker", "on"),
    ("circuit_breaker", {"failure": 2}),
    ("circuit_breaker", {"failures": 0}),
    ("circuit_breaker", {"rate": 1.5}),
    ("circuit_breaker", {"window": 0}),
    ("circuit_breaker", {"probes": 0}),
    ("on_error", "ignore"),
    ("pool_manager", "pool"),
    ("proxy", "gopher://x"),
    ("proxy", "http://a..b:1"),
    ("proxy", "http://a b:1"),
    ("proxy", "http://{}:1".format("x" * 64)),
    ("proxy", "http://user:€@proxy:1"),
    ("proxy_headers", {"A": "b\r\nC: d"}),
    ("proxy_headers", "A: b"),
    ("trust_env", "1"),
    ("verify_ssl", "no"),
    ("ca_certs", "/does/not/exist.pem"),
    ("client_cert", ("one", "two", "three")),
    ("client_cert", 5),
    ("client_cert", (__file__,)),
    ("client_cert", (__file__, "/does/not/exist.pem")),
    ("client_cert", (__file__, __file__, 5)),
    ("client_cert", (None, __file__)),
    ("client_cert", __file__),
    ("ca_certs", __file__),
    ("headers", "X-A: b"),
    ("headers", ["X-A"]),
    ("headers", {"X A": "b"}),
    ("headers", {"": "b"}),
    ("headers", {5: "b"}),
    ("headers", {"X-A": 5}),
    ("headers", {"X-A": None}),
    ("headers", {"X-A": "b\r\nC: d"}),
    ("headers", {"X-A": "é"}),
    ("headers", {"X-Ä": "b"}),
    ("headers", {"Host": "example.org"}),
    ("headers", {"CONTENT-LENGTH": "5"}),
    ("headers", {"transfer-encoding": "chunked"}),
    ("headers", {"Proxy-Authorization": "Basic eDp5"}),
    ("max_connections", 0),
    ("max_connections", 1.5),
    ("keep_alive", -1),
    ("keep_alive", "long"),
    ("artifact_bypass_cache", "yes"),
    ("escape_macros", "yes"),
    ("max_response_bytes", 0),
    ("max_response_bytes", {"telemetry": 5}),
    ("shutdown_timeout", -1),
]


@pytest.mark.parametrize(("option", "value"), BAD)
def test_the_error_names_the_option_and_has_what_was_expected(option, value):
    with pytest.raises(OptionError) as caught:
        TargetClient.create({**REQUIRED, option: value})
    error = caught.value
    assert isinstance(error, ValueError)
    assert error.option.startswith(option)
    assert error.expected
    assert re.match(rf"(Invalid option ')?{option}\b", str(error))


def test_all_but_a_few_options_have_good_and_bad_values():
    known = {name for name in ClientSettings._fields if name not in ("query", "tls")}
    assert known - {row[0] for row in BAD} == {"cdn_environment", "decisioning_method"}
    assert known - {row[0] for row in GOOD} == {"client", "organization_id", "retries", "proxy"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (None, "Options are required"),
        ({}, "Options are required"),
        ([], "Options are required, got an empty list; pass a dict or keyword arguments"),
        ("acmeclient", "Options are required, got 'acmeclient'; pass a dict or keyword arguments"),
        ({"client": ""}, "Client is required"),
        ({"organization_id": "1@AdobeOrg"}, "Client is required"),
        ({"client": "acmeclient"}, "Organization Id is required"),
        ({"client": "acmeclient", "organization_id": ""}, "Organization Id is required"),
        (
            {**REQUIRED, "decisioning_method": "elsewhere"},
            "Invalid Decisioning Method.  Must be set to one of: hybrid,on-device,server-side",
        ),
    ],
)
def test_invalid_client_options_raise_with_the_messages_of_1_1_0(options, message):
    with pytest.raises(OptionError) as caught:
        TargetClient.create(options)
    assert str(caught.value) == message


@pytest.mark.parametrize("options", [None, {}, {"client": "acmeclient", "organization_id": "1"}])
def test_the_constructor_of_a_client_raises(options):
    with pytest.raises(OptionError, match=r"^Please use TargetClient\.create static method instead$"):
        TargetClient(options)


@pytest.mark.parametrize("method", ["on-device", "hybrid", "server-side"])
def test_the_decisioning_method_of_a_call_overrides_that_of_its_client(method):
    log, configuration = Log(), settings(decisioning_method=method)
    assert call_options(offers(), configuration, log).decisioning_method is DecisioningMethod(method)
    for other in DecisioningMethod:
        by_member = call_options({**offers(), "decisioning_method": other}, configuration, log)
        by_text = call_options({**offers(), "decisioning_method": other.value}, configuration, log)
        assert by_member.decisioning_method is by_text.decisioning_method is other


def test_an_unknown_option_is_logged_with_the_nearest_known_one(caplog):
    TargetClient.create({**REQUIRED, "time_out": 5, "entirely_else": 1})
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [
        "The option 'time_out' is unknown and has no effect; did you mean 'timeout'?",
        "The option 'entirely_else' is unknown and has no effect",
    ]


def test_an_unknown_option_of_a_call_is_logged_once(caplog):
    log, configuration = Log(), settings()
    for _ in range(3):
        call_options({**offers(), "sessionid": "x", "another": 1, "third_one": 1}, configuration, log)
    assert "did you mean 'session_id'?" in caplog.text
    assert len(caplog.records) == 3  # one line for each name, not for each call


@pytest.mark.parametrize(
    ("value", "attempts"),
    [
        (1, 1),
        (5, 5),
        (urllib3.Retry(2), 3),
        (urllib3.Retry(False), 1),
        (urllib3.Retry(0), 1),
        (urllib3.Retry(total=None, connect=1), 2),
        (urllib3.Retry(total=None), 3),
        (urllib3.Retry(1, backoff_factor=0), 2),
    ],
)
def test_retries_is_the_number_of_attempts_or_a_retry_of_urllib3(value, attempts):
    assert settings(retries=value).retries.attempts == attempts


def test_the_statuses_and_pauses_of_a_retry_of_urllib3_are_used():
    policy = settings(retries=urllib3.Retry(2, status_forcelist=[500], backoff_factor=0.5)).retries
    assert (policy.statuses, policy.initial_delay) == ({500}, 0.5)


# Options of a call


def call(**options):
    return call_options({"request": DeliveryRequest(), **options}, settings(), Log())


def test_the_option_events_of_a_call_may_be_the_request(caplog):
    """An example in Adobe's documentation does this."""
    caplog.set_level(logging.INFO)
    request = DeliveryRequest()
    assert call_options({"events": request}, settings(), Log()).request is request
    assert "it is used as 'request'" in caplog.text


@pytest.mark.parametrize("value", [None, {}, [], "request", 5])
def test_a_request_of_another_type_is_an_error(value):
    with TargetClient.create(REQUIRED) as client:
        for method in (client.get_offers, client.send_notifications):
            with pytest.raises(OptionError, match=r"^Request object of type DeliveryRequest is required($|, got an? )"):
                method({"request": value})


@pytest.mark.parametrize("value", [None, {}])
def test_options_of_a_call_are_required(value):
    with TargetClient.create(REQUIRED) as client:
        for method in (client.get_offers, client.send_notifications):
            with pytest.raises(OptionError, match=r"^Options are required$"):
                method(value)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (DeliveryRequest(execute=ExecuteRequest()), "Either pageLoad or mboxes is required in execute"),
        (DeliveryRequest(execute=ExecuteRequest(mboxes=[])), "Either pageLoad or mboxes is required in execute"),
        (DeliveryRequest(prefetch=PrefetchRequest()), "Either views, pageLoad or mboxes is required in prefetch"),
        (
            DeliveryRequest(prefetch=PrefetchRequest(views=[])),
            "Either views, pageLoad or mboxes is required in prefetch",
        ),
    ],
)
def test_an_empty_request_raises_with_the_message_of_1_1_0(request_, message):
    with TargetClient.create(REQUIRED) as client, pytest.raises(OptionError) as caught:
        client.get_offers({"request": request_})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "request_",
    [
        DeliveryRequest(),
        DeliveryRequest(notifications=[]),
        DeliveryRequest(execute=ExecuteRequest(mboxes=[MboxRequest()])),
    ],
)
def test_send_notifications_without_notifications_is_an_error(request_):
    with TargetClient.create(REQUIRED) as client, pytest.raises(OptionError) as caught:
        client.send_notifications({"request": request_})
    assert str(caught.value) == "Notifications list is required in request"


@pytest.mark.parametrize("option", ["callback", "err_callback"])
def test_a_callback_that_is_not_callable_is_an_error(option):
    with TargetClient.create(REQUIRED) as client, pytest.raises(OptionError) as caught:
        client.get_offers({**offers(), option: "print"})
    assert str(caught.value) == "Callback must be a callable function"


@pytest.mark.parametrize("timeout", [10**400, "soon", float("nan"), True])
def test_an_invalid_timeout_of_a_call_is_an_error(timeout):
    with TargetClient.create(REQUIRED) as client, pytest.raises(OptionError) as caught:
        client.get_offers({**offers(), "timeout": timeout})
    assert caught.value.option == "timeout"


@pytest.mark.parametrize("names", ["home", b"home", None, 5, [5], [""], {"home": 1}])
def test_names_of_mboxes_that_are_not_a_list_of_text_are_an_error(names):
    with TargetClient.create(REQUIRED) as client, pytest.raises(OptionError) as caught:
        client.get_attributes(names)
    assert caught.value.option == "mbox_names"


@pytest.mark.parametrize("options", [5, "abc", [1]])
def test_options_of_get_attributes_that_are_not_a_dict_are_an_error(options):
    with TargetClient.create(REQUIRED) as client, pytest.raises(OptionError) as caught:
        client.get_attributes(["home"], options)
    assert caught.value.option == "options"


@pytest.mark.parametrize("act", ["flush", "close"])
@pytest.mark.parametrize("timeout", ["x", -1, 10**400, True])
def test_an_invalid_timeout_of_flush_and_close_is_an_error(act, timeout):
    with TargetClient.create(REQUIRED) as client, pytest.raises(OptionError) as caught:
        getattr(client, act)(timeout)
    assert caught.value.option == "timeout"


BAD_PARTS = [
    ({"execute": {"mboxes": {}}}, "request.execute.mboxes"),
    ({"context": {"screen": 5}}, "request.context.screen"),
    ({"notifications": [{"mbox": 5}]}, "request.notifications[0].mbox"),
    ({"id": "visitor"}, "request.id"),
    ({"context": ["web"]}, "request.context"),
    ({"experience_cloud": 5}, "request.experience_cloud"),
    ({"execute": "home"}, "request.execute"),
    ({"execute": ExecuteRequest(mboxes="home")}, "request.execute.mboxes"),
    ({"execute": ExecuteRequest(mboxes=["home"])}, "request.execute.mboxes[0]"),
    ({"prefetch": PrefetchRequest(mboxes=[MboxRequest(name="a"), 5])}, "request.prefetch.mboxes[1]"),
    ({"notifications": Notification()}, "request.notifications"),
    ({"_property": "token"}, "request._property"),
]


@pytest.mark.parametrize(("part", "place"), BAD_PARTS)
def test_the_error_names_an_invalid_part_of_the_request_before_anything_is_sent(part, place):
    request = DeliveryRequest(**part)
    with TargetClient.create({**REQUIRED, "server_domain": "127.0.0.1:1"}) as client:
        with pytest.raises(OptionError) as caught:
            if "notifications" in part:
                client.send_notifications({"request": request})
            else:
                client.get_offers({"request": request})
    assert caught.value.option == place
    assert str(caught.value).startswith(place + ": ")


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}, b"bytes"])
def test_the_error_names_a_value_that_json_cannot_represent_before_anything_is_sent(value):
    execute = ExecuteRequest(mboxes=[MboxRequest(name="home", parameters={"x": value})])
    with TargetClient.create({**REQUIRED, "server_domain": "127.0.0.1:1"}) as client:
        with pytest.raises(OptionError) as caught:
            client.get_offers({"request": DeliveryRequest(execute=execute)})
    assert caught.value.option == "request.execute.mboxes[0].parameters['x']"


@pytest.mark.server
def test_a_request_may_contain_only_telemetry():
    with TargetClient.create({**REQUIRED, "server_domain": "127.0.0.1:1", "retries": 1, "secure": False}) as client:
        with pytest.raises(Exception) as caught:
            client.send_notifications({"request": DeliveryRequest(telemetry=Telemetry())})
    assert not isinstance(caught.value, OptionError)


@pytest.mark.server
def test_a_request_may_contain_only_views():
    request = DeliveryRequest(prefetch=PrefetchRequest(views=[ViewRequest()]))
    with TargetClient.create({**REQUIRED, "server_domain": "127.0.0.1:1", "retries": 1, "secure": False}) as client:
        with pytest.raises(Exception) as caught:
            client.get_offers({"request": request})
    assert not isinstance(caught.value, OptionError)
