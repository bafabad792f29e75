"""Mistakes of applications lead to a clear error or one log line, in blocking, callback and awaited calls."""

import asyncio
import contextlib
import functools
import json
import logging
import pickle
import re
import socket
import sys
import threading
import time
from http.cookies import Morsel
from urllib.parse import quote
from urllib.request import urlopen

import pytest

import target_python_sdk.types
from target_python_sdk import TargetClient
from target_python_sdk.artifact.location import artifact_location
from target_python_sdk.delivery.options import client_settings
from target_python_sdk.errors import (
    ArtifactNotAvailable,
    ClientClosed,
    ConnectionFailed,
    DeadlineExceeded,
    DeliveryError,
    HttpStatusError,
    InvalidResponse,
    OptionError,
    TlsError,
)
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.offers import Cookie
from target_python_sdk.testing import SocketServer, answer, replies, response
from target_python_sdk.types import CustomerId, MboxRequest, VisitorId
from target_tools.logger import Log
from tests.client.mistakes import CALLS, CLIENT_OPTIONS, LOGGED
from tests.conformance.builders import artifact, rule
from tests.support import ANSWER_BYTES, LONG, body_of, client_of, eventually, offers, options_for, replace_file

pytestmark = pytest.mark.server

METHODS = ("server-side", "on-device", "hybrid")
FORMS = {
    "blocking": lambda client, options: client.get_offers(options),
    "callback": lambda client, options: client.get_offers({**options, "callback": str}).get(10),
    "awaited": lambda client, options: asyncio.run(client.get_offers_async(options)),
}


@pytest.fixture(params=METHODS)
def client(request):
    with LocalEdge() as edge:
        options = {"decisioning_method": request.param, "cdn_base_path": f"http://{edge.domain}"}
        with client_of(edge, **options) as running:
            yield running


@pytest.fixture(params=FORMS)
def call(request):
    return FORMS[request.param]


def none():
    """A callback without a parameter."""


def two(first, second):
    """A callback with two parameters."""


async def coroutine(answer):
    """A coroutine function: calling it does not run its body."""


def generator(answer):
    """A generator function: calling it does not run its body."""
    yield answer


class Page:
    """An object with a method as callback."""

    def show(self, first, second):
        """Take one argument too many."""


NAMES = {
    **vars(target_python_sdk.types),
    "partial": functools.partial,
    "none": none,
    "two": two,
    "coroutine": coroutine,
    "generator": generator,
    "Page": Page,
    "Morsel": Morsel,
    "Cookie": Cookie,
    "mbox": MboxRequest(name="home"),
    "execute": {"mboxes": [{"name": "home"}]},
    "request": offers()["request"],
    "displayed": {
        "notifications": [{"id": "n", "type": "display", "timestamp": 1700000000000, "mbox": {"name": "home"}}]
    },
}
METHOD_NAMES = ("get_offers", "get_attributes", "send_notifications")
OPTION_ROWS = [(kind, code, text) for kind, rows in CLIENT_OPTIONS.items() for code, text in rows]
CALL_ROWS = [(mistake, form) for mistake in CALLS for form in mistake.forms]


@pytest.mark.parametrize(("kind", "code", "text"), OPTION_ROWS)
def test_a_mistake_in_an_option_of_a_client_is_an_error(kind, code, text):
    options = {"client": "acmeclient", "organization_id": "1234567890@AdobeOrg", **eval(f"dict({code})", NAMES)}
    for create in (lambda: TargetClient.create(options), lambda: TargetClient.create(**options)):
        with pytest.raises(OptionError) as caught:
            create()
        assert str(caught.value) == text


def in_form(client, form):
    """Return a dict from method names to functions that call the methods of ``client`` in the given form."""

    def bind(name):
        if form == "blocking":
            return getattr(client, name)
        if form == "awaited":
            method = getattr(client, name + "_async")
            return lambda *arguments, **options: asyncio.run(method(*arguments, **options))
        return lambda *arguments, **options: getattr(client, name)(*arguments, **options, callback=str)

    return {name: bind(name) for name in METHOD_NAMES}


@pytest.fixture(scope="module", params=METHODS)
def shared_client(request):
    with LocalEdge() as edge:
        options = {"decisioning_method": request.param, "cdn_base_path": f"http://{edge.domain}"}
        with client_of(edge, **options) as shared:
            yield shared


@pytest.mark.parametrize(("mistake", "form"), CALL_ROWS)
def test_a_mistake_in_a_call_is_an_error(mistake, form, shared_client):
    with pytest.raises(OptionError) as caught:
        eval(mistake.code, {**NAMES, **in_form(shared_client, form)})
    assert str(caught.value) == mistake.text


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("row", LOGGED)
def test_a_harmless_mistake_is_logged_in_one_line(row, form, caplog):
    kind, code, level, text = row
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server) as client:
        calls = in_form(client, form)
        for _ in range(3):
            with contextlib.suppress(DeliveryError):
                eval(code, {**NAMES, **calls})
    # One kind is logged at each call, the others once.
    assert lines_of(caplog) == [(level, text)] * (3 if kind == "request as events" else 1)


def test_the_table_names_many_mistakes():
    """``pytest -s`` prints the table."""
    rows = [(kind, f"create({code})", text) for kind, code, text in OPTION_ROWS]
    rows += [(mistake.kind, mistake.code, mistake.text) for mistake in CALLS]
    rows += [(kind, code, f"{level} {text}") for kind, code, level, text in LOGGED]
    sys.stdout.write("\n" + "".join(f"{kind} | {code} | {text}\n" for kind, code, text in rows))
    assert len(rows) >= 120
    assert len({kind for kind, _, _ in rows}) >= 40


def test_a_short_time_limit_is_logged_once(caplog):
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server, shutdown_timeout=5) as client:
        for _ in range(3):
            with contextlib.suppress(DeadlineExceeded):  # on a busy machine
                client.get_offers(offers(), timeout=19.9)
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert lines == [
        "The option 'shutdown_timeout' is 5 milliseconds; did you mean seconds?",
        "The option 'timeout' is 19.9 milliseconds; did you mean seconds?",
    ]


@pytest.mark.parametrize("method", ["flush", "flush_async", "close", "close_async"])
def test_a_short_timeout_of_flush_and_close_is_logged_once(method, caplog):
    def use(timeout):
        result = getattr(client, method)(timeout)
        return asyncio.run(_await(result)) if asyncio.iscoroutine(result) else result

    with TargetClient.create({"client": "acmeclient", "organization_id": "1234567890@AdobeOrg"}) as client:
        for timeout in (0, 20, 1000, None, 5, 5, "5"):
            assert use(timeout) is True
        for timeout in ("5s", "", b"5", True, -1):
            with pytest.raises(OptionError, match="Invalid option 'timeout': expected milliseconds between 0 and"):
                use(timeout)
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert lines == [f"The timeout of {method!r} is 5 milliseconds; did you mean seconds?"]


async def _await(coroutine):
    return await coroutine


def test_a_cookie_has_the_same_effect_in_every_form(client, call):
    expires = int(time.time()) + 1000
    value = f"session#s-1#{expires}|PC#visitor-2.35_0#{expires}"
    cookie = {"name": "mbox", "value": value, "maxAge": 5, "max_age": 5}
    for form in (value, value.encode(), quote(value), quote(value, safe="!*'()"), cookie):
        envelope = call(client, {**offers(), "target_cookie": form})
        assert (envelope.session_id, envelope.request.id.tnt_id) == ("s-1", "visitor-2.35_0")


@pytest.mark.parametrize("cookie", ["not a cookie", "a=b; mboxes=session#s-1#9999999999"])
def test_a_cookie_that_is_not_from_target_is_logged_once(cookie, client, call, caplog):
    caplog.set_level(logging.INFO)
    for _ in range(3):
        assert call(client, {**offers(), "target_cookie": cookie}).session_id
    lines = [record.getMessage() for record in caplog.records if "target_cookie" in record.getMessage()]
    assert len(lines) == 1
    assert lines[0].startswith("The option 'target_cookie' is not a Target cookie and is ignored.")


INVALID_ID = ("INFO", "is invalid or cut off (PC#ID#EXPIRY)")


@pytest.mark.parametrize(
    ("cookie", "line"),
    [
        ("PC#visitor-3.35_0", INVALID_ID),
        ("session#s-1#9999999999|PC#visitor-3.35_0#", INVALID_ID),
        ("session%23s-1%239999999999%7CPC%23visitor-3", INVALID_ID),
        ("PC#visitor 3#9999999999", INVALID_ID),
        ("session#s-1#9999999999|PC#visitor-3.35_0#1700000000", ("DEBUG", "has expired")),
    ],
)
def test_a_device_id_that_is_ignored_is_logged_once(cookie, line, client, call, caplog):
    caplog.set_level(logging.DEBUG)
    for _ in range(3):
        assert call(client, {**offers(), "target_cookie": cookie}).request.id.tnt_id != "visitor-3.35_0"
    lines = [(each.levelname, each.getMessage()) for each in caplog.records if "target_cookie" in each.getMessage()]
    text = f"The device id in the option 'target_cookie' {line[1]} and is ignored."
    assert lines == [(line[0], f"{text} Later ones are ignored without a message")]


@pytest.mark.parametrize("cookie", ["session#s-1#9999999999", "session#s-1#9999999999|PC#visitor-3#9999999999"])
def test_a_cookie_with_a_session_only_or_with_a_current_device_id_is_not_logged(cookie, client, call, caplog):
    caplog.set_level(logging.DEBUG)
    assert call(client, {**offers(), "target_cookie": cookie}).session_id == "s-1"
    assert not [record for record in caplog.records if "target_cookie" in record.getMessage()]


@pytest.mark.parametrize("start", ["", "mboxEdgeCluster=35; "])
@pytest.mark.parametrize("method", ["get_offers", "get_attributes"])
def test_a_cookie_value_that_includes_the_name_is_logged_once(method, start, client, caplog):
    arguments = (["a"],) if method == "get_attributes" else ()
    cookie = start + "mbox=session#s-1#9999999999|PC#visitor-2.35_0#9999999999"
    for _ in range(3):
        getattr(client, method)(*arguments, **offers(), target_cookie=cookie)
    lines = [record.getMessage() for record in caplog.records if "target_cookie" in record.getMessage()]
    assert lines == ["The option 'target_cookie' contains 'mbox=': it must be the value of the cookie only"]


# Models


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: target_python_sdk.types.DeliveryRequest(target_python_sdk.types.ExecuteRequest()),
            "Invalid value for `request_id`, expected text, got an ExecuteRequest",
        ),
        (
            lambda: setattr(target_python_sdk.types.Notification(), "id", 5),
            "Invalid value for `id`, expected text, got an int (value not shown)",
        ),
        (
            lambda: target_python_sdk.types.Order(total="first"),
            "Invalid value for `total`, expected a number, got a str (value not shown)",
        ),
    ],
)
def test_an_error_for_a_value_of_a_wrong_type_names_the_field(make, text):
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        make()


# Loggers


class TextLogger:
    """A logger whose methods take only a message."""

    def __init__(self):
        self.lines = []

    def debug(self, message):
        self.lines.append(message)

    error = debug


class FailingLogger:
    """A logger that raises, as if its disk were full."""

    def debug(self, *_):
        raise OSError(28, "No space left on device")

    error = debug


def test_a_logger_that_takes_only_a_message_gets_the_formatted_text(call):
    logger = TextLogger()
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server, logger=logger) as client:
        assert call(client, offers()).response.status == 200
    assert any(line.startswith("Response received from http://127.0.0.1:") for line in logger.lines)
    assert all(isinstance(line, str) for line in logger.lines)


def test_a_logger_that_raises_does_not_fail_a_call(call):
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server, logger=FailingLogger()) as client:
        assert call(client, offers()).response.status == 200


# Privacy


_CUSTOMER = CustomerId(id="customer-9", integration_code="crm", authenticated_state="authenticated")


def echo_the_request(connection):
    """Answer with status 400. The body is the request itself, and the headers contain the visitor's id."""
    while True:
        raw = connection.read_request()
        if not raw:
            return
        text = raw.decode("latin-1")
        headers = {"X-Echo": "visitor-9", "Set-Cookie": "mbox=visitor-9", "Retry-After": "7"}
        connection.send(response(text, 400, headers))


@pytest.mark.parametrize("log_payloads", [False, True])
def test_the_message_of_an_error_masks_the_ids_of_the_request(log_payloads, call):
    secrets = ("visitor-9", "customer-9", "session-9")
    identity = VisitorId(tnt_id="visitor-9", customer_ids=[_CUSTOMER])
    options = {**offers(id=identity), "session_id": "session-9"}
    with SocketServer(echo_the_request) as server:
        with TargetClient.create(**options_for(server, log_payloads=log_payloads, retries=1)) as client:
            with pytest.raises(HttpStatusError) as caught:
                call(client, options)
    error = caught.value
    text = str(error) + repr(error)
    assert "Retry-After" in text
    assert "X-Echo" not in text
    assert "Set-Cookie" not in text
    assert ("session-9" in text) == log_payloads  # the text has the start of the body, which is the request line
    if not log_payloads:
        assert not [secret for secret in secrets if secret in text]
        assert "***" in text
    assert "visitor-9" in error.body


MASKED_BODIES = [
    ("customer 77 of crm is unknown", "customer *** of *** is unknown"),
    ("1770 crmx", "1770 crmx"),
    ("age: 42, height: 1.85", "age: ***, height: ***"),
    ("invalid: MAX@X.DE", "invalid: ***"),
    ("max%40x.de and Anna+Lee and Anna%20Lee", "*** and *** and ***"),
    ("device abcdef, device abcdef.35_0", "device ***, device ***"),
    ("not authenticated", "not authenticated"),
    ('{"message":"J\\u00fcrgen"}', '{"message":"***"}'),
    ('{"message":"J\\u00FCrgen"}', '{"message":"***"}'),
    ('{"message":"got {\\"name\\":\\"J\\\\u00fcrgen\\"}"}', '{"message":"got {\\"name\\":\\"***\\"}"}'),
    ('{"status":400, "message" : "a message, with 77"}', '{"status":400, "message" : "a ***, with ***"}'),
    ('[{"message":77,"crm":"crm"},"message"]', '[{"message":***,"crm":"***"},"***"]'),
    ('{"message":"77 cut off', '{"message":"*** cut off'),
    ('"crm": unknown', '"***": unknown'),
]


@pytest.mark.parametrize(("body", "text"), MASKED_BODIES)
def test_error_messages_mask_values_of_the_request_that_the_edge_repeats(body, text, call):
    customer = CustomerId(id="77", integration_code="crm", authenticated_state="authenticated")
    parameters = {"email": "max@x.de", "first": "J\xfcrgen", "name": "Anna Lee", "text": "message"}
    parameters.update(age=42, height=1.85)
    request = {
        "id": {"tntId": "abcdef.35_0", "marketingCloudVisitorId": "mid-1", "customerIds": [customer]},
        "execute": {"mboxes": [{"name": "home", "parameters": parameters, "profileParameters": {"empty": ""}}]},
    }
    with SocketServer(answer(body.encode(), 400)) as server, client_of(server, retries=1) as client:
        with pytest.raises(HttpStatusError) as caught:
            call(client, {"request": request})
    line = next(line for line in str(caught.value).splitlines() if line.startswith("HTTP response body: "))
    assert line == "HTTP response body: " + text.encode("unicode_escape").decode("ascii")
    assert caught.value.body == body


# Artifacts


@pytest.fixture
def artifact_file(tmp_path):
    with LocalEdge() as edge, urlopen(f"http://{edge.domain}/acmeclient/production/v1/rules.json") as reply:
        path = tmp_path / "rules.json"
        path.write_bytes(reply.read())
    return path


def file_client(**options):
    """Create a client that decides on-device without a server."""
    account = {"client": "acmeclient", "organization_id": "1234567890@AdobeOrg", "decisioning_method": "on-device"}
    return TargetClient.create({**account, **options})


@pytest.mark.parametrize("form", ["path", "text", "relative", "url"])
def test_an_artifact_can_be_a_file(form, artifact_file, monkeypatch):
    monkeypatch.chdir(artifact_file.parent)
    forms = {"path": artifact_file, "text": str(artifact_file), "relative": "rules.json", "url": artifact_file.as_uri()}
    with file_client(artifact_location=forms[form]) as client:
        assert client.decisioning_engine.is_ready()


def test_a_file_is_read_again_when_it_has_changed(artifact_file, caplog):
    with file_client(artifact_location=artifact_file, polling_interval=20) as client:
        artifact = client.decisioning_engine.get_raw_artifact()
        time.sleep(0.1)
        assert client.decisioning_engine.get_raw_artifact() == artifact
        artifact_file.write_text(json.dumps({**artifact, "globalMbox": "another"}), encoding="utf-8")
        assert eventually(lambda: client.decisioning_engine.get_raw_artifact()["globalMbox"] == "another")
        artifact_file.unlink()
        text = f"Could not download the rule artifact from {artifact_file}: Unable to read the file: No such file"
        assert eventually(lambda: any(record.getMessage().startswith(text) for record in caplog.records))
        assert client.decisioning_engine.is_ready()


def test_a_file_that_is_larger_than_the_limit_is_refused(artifact_file, caplog):
    with file_client(artifact_location=artifact_file, max_response_bytes={"artifact": 9}) as client:
        assert eventually(lambda: "the artifact is larger than 9 bytes" in caplog.text)
        assert not client.decisioning_engine.is_ready()


# Options of a client


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("client_redy", "; did you mean 'client_ready'?"),
        ("CLIENT_READY", "; did you mean 'client_ready'?"),
        ("ready", "; did you mean 'client_ready'?"),
        ("artifact_downloaded", "; did you mean 'artifact_download_failed' or 'artifact_download_succeeded'?"),
        ("mine", ""),
    ],
)
def test_an_unknown_event_is_logged(name, hint, caplog):
    with TargetClient.create(client="acmeclient", organization_id="1234567890@AdobeOrg", events={name: print}):
        pass
    (record,) = [record for record in caplog.records if "event_emitter" in record.getMessage()]
    assert record.getMessage() == f"The event {name!r} is unknown; only event_emitter can emit it{hint}"
    assert record.levelno == (logging.WARNING if hint else logging.INFO)


@pytest.mark.parametrize(
    ("options", "name", "missing"),
    [
        ({"client": "acmeclient", "organisation_id": "1@AdobeOrg"}, "organization_id", "Organization Id is required"),
        ({"cilent": "acmeclient", "organization_id": "1@AdobeOrg"}, "client", "Client is required"),
    ],
)
def test_a_misspelled_required_option_is_logged_before_the_error(options, name, missing, caplog):
    with pytest.raises(OptionError, match=f"^{missing}$"):
        TargetClient.create(options)
    (misspelled,) = options.keys() - {"client", "organization_id"}
    text = f"The option {misspelled!r} is unknown and has no effect; did you mean {name!r}?"
    assert [record.getMessage() for record in caplog.records] == [text]


@pytest.mark.parametrize("value", ["1234567890", "12@adobeorg", "12@AdobeOrg.com", "12@AdobeOrg "])
def test_an_organization_id_without_its_domain_is_logged(value, caplog):
    with TargetClient.create(client="acmeclient", organization_id=value):
        pass
    text = f"The option 'organization_id' is {value!r}, but should end with '@AdobeOrg'"
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [text]


# A missing artifact, and the artifact of another client


@pytest.mark.parametrize("method", ["on-device", "hybrid"])
def test_a_call_that_needs_the_artifact_of_a_server_side_client_is_logged_once(method, call, caplog):
    options = {**offers(), "decisioning_method": method}
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server) as client:
        for _ in range(3):
            if method == "on-device":
                with pytest.raises(ArtifactNotAvailable) as caught:
                    call(client, options)
                assert str(caught.value) == "Unable to fulfill request; decisioning engine not ready."
            else:
                call(client, options)
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert line == (
        f"A call with decisioning_method {method!r} cannot be decided on-device, because the client has no rule "
        "artifact: the client's decisioning_method is 'server-side'"
    )


def test_errors_of_a_client_of_a_local_edge_without_cdn_base_path_have_a_hint(caplog):
    base = "http://127.0.0.1:9"
    hint = f"server_domain does not apply to the artifact; for a local edge, set cdn_base_path to {base!r}, too"
    with SocketServer(answer(status=403)) as proxy, TargetClient.create(
        client="acmeclient",
        organization_id="1@AdobeOrg",
        decisioning_method="on-device",
        server_domain="127.0.0.1:9",
        secure=False,
        proxy=f"http://{proxy.domain}",
        retries=1,
    ) as client:
        for method in (client.get_offers, client.explain):
            with pytest.raises(ArtifactNotAvailable) as caught:
                method(offers())
            assert str(caught.value) == f"Unable to fulfill request; decisioning engine not ready. Hint: {hint}"
            assert isinstance(caught.value.__cause__, HttpStatusError)

        def errors():
            return {record.getMessage() for record in list(caplog.records) if record.levelno == logging.ERROR}

        assert eventually(errors)  # the download thread logs the error, perhaps after the calls have failed
    assert errors() == {
        "Could not download the rule artifact from http://assets.adobetarget.com/acmeclient/production/v1/rules.json: "
        f"403 Forbidden (is on-device decisioning enabled for this client?) ({hint}); on-device decisions are not "
        "possible yet"
    }


@pytest.mark.parametrize(
    ("options", "base"),
    [
        ({"server_domain": "edge:8080", "secure": False}, "http://edge:8080"),
        ({"server_domain": "[::1]:8080"}, "https://[::1]:8080"),
        ({"server_domain": "localhost"}, "https://localhost"),
        ({"server_domain": "target.example.com"}, None),
        ({"secure": False}, None),
        ({"server_domain": "127.0.0.1:9", "cdn_base_path": "http://127.0.0.1:9"}, None),
        ({"server_domain": "127.0.0.1:9", "artifact_location": "http://127.0.0.1:9/rules.json"}, None),
    ],
)
def test_only_a_client_of_a_local_edge_gets_the_hint(options, base):
    settings = client_settings({"client": "c", "organization_id": "1@AdobeOrg", **options}, Log())
    hint = artifact_location(settings, Log()).hint
    assert (hint == "") if base is None else (f"set cdn_base_path to {base!r}" in hint)


def test_an_artifact_of_another_client_is_logged_once(artifact_file, caplog):
    with file_client(artifact_location=artifact_file, client="another", polling_interval=20) as client:
        for _ in range(2):
            document = client.decisioning_engine.get_raw_artifact()
            changed = f"{len(caplog.records)}"
            replace_file(artifact_file, json.dumps({**document, "globalMbox": changed}))
            is_changed = functools.partial(_has_global_mbox, client, changed)
            assert eventually(is_changed)
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert lines == ["The rule artifact is that of the client 'acmeclient', not of 'another'"]


def _has_global_mbox(client, name):
    return client.decisioning_engine.get_raw_artifact()["globalMbox"] == name


# Answers and clients


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("execute", "; did you mean 'response.execute'?"),
        ("prefetch", "; did you mean 'response.prefetch'?"),
        ("status", "; did you mean 'response.status'?"),
        ("ofer", "; did you mean 'offer'?"),
        ("pageload", "; did you mean 'page_load'?"),
        ("target_cookies", "; did you mean 'target_cookie'?"),
        ("nonsense", ""),
        ("_private", ""),
    ],
)
def test_the_error_for_an_unknown_attribute_of_an_answer_suggests_a_similar_name(name, hint, client, call):
    envelope = call(client, offers())
    with pytest.raises(AttributeError) as caught:
        getattr(envelope, name)
    assert str(caught.value) == f"'TargetDeliveryResponse' object has no attribute {name!r}{hint}"


def test_a_call_of_a_closed_client_is_an_error(client, call):
    client.close()
    with pytest.raises(ClientClosed, match=r"^the client was closed$"):
        call(client, offers())


def test_awaiting_a_blocking_call_raises_a_type_error(client):
    async def wrong():
        await client.get_offers(offers())

    with pytest.raises(TypeError, match="TargetDeliveryResponse"):
        asyncio.run(wrong())


# TLS


def test_the_error_of_tls_to_a_plain_http_server_names_the_option(call):
    with SocketServer(lambda connection: connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        with client_of(server, secure=True, retries=1) as client, pytest.raises(TlsError) as caught:
            call(client, offers())
    assert "; the server seems to expect plain HTTP, see the option 'secure'" in str(caught.value)


TLS_SERVERS = {
    "closes": (lambda connection: connection.read_request(), ConnectionFailed),
    "alert": (
        lambda connection: (connection.read_request(), connection.send(b"\x15\x03\x01\x00\x02\x02\x46")),
        InvalidResponse,
    ),
}


@pytest.mark.parametrize("server", TLS_SERVERS)
def test_the_error_of_plain_http_to_a_simulated_tls_server_names_the_option(server, call):
    handler, kind = TLS_SERVERS[server]
    with SocketServer(handler) as running, client_of(running, retries=1) as client:
        with pytest.raises(kind) as caught:
            call(client, offers())
    assert "; if the server expects TLS, see the option 'secure'" in str(caught.value)


@pytest.mark.parametrize("on_error", ["raise", "default"])
def test_the_error_of_plain_http_to_a_tls_server_names_the_option(on_error, authority, call, caplog):
    context = authority.server_context()

    def serve(listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with contextlib.suppress(OSError), connection:
                    context.wrap_socket(connection, server_side=True)

    hint = "; if the server expects TLS, see the option 'secure'"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        domain = f"127.0.0.1:{listener.getsockname()[1]}"
        account = {"client": "acmeclient", "organization_id": "1234567890@AdobeOrg", "server_domain": domain}
        with TargetClient.create(**account, secure=False, on_error=on_error) as client:
            if on_error == "raise":
                with pytest.raises(DeliveryError, match=re.escape(hint)):
                    call(client, offers())
            else:
                assert hint in str(call(client, offers()).error)
                ((level, text),) = lines_of(caplog)
                assert level == "WARNING"
                assert hint in text
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


# The log of an outage


class Outage:
    """A handler that drops connections while ``lasts`` is true."""

    def __init__(self):
        self.lasts = True

    def __call__(self, connection):
        while connection.read_request():
            if self.lasts:
                return
            connection.send(response(ANSWER_BYTES))


def lines_of(caplog):
    """Return the level and the text of each line above DEBUG."""
    return [(record.levelname, record.getMessage()) for record in caplog.records if record.levelno > logging.DEBUG]


def client_with_method(method, server, **options):
    """Create a client that sends its calls to ``server``, or only its notifications if it decides on-device."""
    if method != "server-side":
        options["artifact_payload"] = artifact(home=[rule("A")])
    return client_of(server, decisioning_method=method, target_location_hint="35", **options)


def try_calls(count, client, call):
    """Make calls, and wait for their notifications. Return the number of calls that raised or returned an error."""
    failures = 0
    for _ in range(count):
        try:
            failures += call(client, offers()).error is not None
        except DeliveryError:
            failures += 1
        assert client.flush(LONG)
    return failures


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("on_error", ["raise", "default"])
def test_an_outage_is_logged_in_two_lines(on_error, method, call, caplog):
    outage, breaker = Outage(), {"failures": 5, "cooldown": 20}
    with SocketServer(outage) as server:
        with client_with_method(method, server, on_error=on_error, circuit_breaker=breaker) as client:
            try_calls(20, client, call)
            outage.lasts = False

            def call_and_check_for_recovery():
                try_calls(1, client, call)
                return any("closed after" in line for _, line in lines_of(caplog))

            assert eventually(call_and_check_for_recovery)
            lost = client.stats()["undelivered"]
        origin = f"http://{server.domain}"
    (level, first), (last_level, last) = lines_of(caplog)
    cause = f"ConnectionFailed: {origin} dropped the connection: Remote end closed connection without response"
    cause += "; if the server expects TLS, see the option 'secure'"
    closed = rf"Circuit of {origin} closed after \d+\.\d s"
    assert last_level == ("INFO" if method == "server-side" else "WARNING")
    if method != "server-side":
        assert (level, first) == ("ERROR", f"Notifications were not delivered ({cause}); requests lost so far: 1")
        assert re.fullmatch(rf"{closed}; requests with notifications that were lost: {lost}", last)
        return
    assert level == "WARNING"
    assert re.fullmatch(closed, last)
    if on_error == "raise":
        assert first == f"Circuit of {origin} opened after 5 failures in 5 calls; the last was {cause}"
    else:
        assert re.fullmatch(
            rf"A call failed \(request [\w-]+\); it is answered without offers: {re.escape(cause)}", first
        )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("breaker", [True, False])
def test_an_outage_is_logged_even_if_too_few_calls_fail_to_open_the_circuit(breaker, method, call, caplog):
    outage = Outage()
    with SocketServer(outage) as server:
        with client_with_method(method, server, on_error="default", circuit_breaker=breaker) as client:
            try_calls(3, client, call)
            if method == "server-side":
                (line,) = lines_of(caplog)
                assert line[0] == "WARNING"
            outage.lasts = False
            assert try_calls(1, client, call) == 0
            outage.lasts = True
            try_calls(1, client, call)  # a new outage
            lost = client.stats()["undelivered"]
    levels = [level for level, _ in lines_of(caplog)]
    if method == "server-side":
        assert levels == ["WARNING", "WARNING"]
    else:
        assert levels == ["ERROR"] * 4
        texts = [text for _, text in lines_of(caplog)]
        assert texts[1] == f"Requests with notifications that were lost in the outage of http://{server.domain}: 3"
        assert texts[3] == f"Requests with notifications that were lost in the outage of http://{server.domain}: 1"
        assert lost == 4


def test_30_failures_without_a_circuit_breaker_are_logged_in_one_line(call, caplog):
    with SocketServer(Outage()) as server:
        with client_of(server, on_error="default", circuit_breaker=False) as client:
            assert try_calls(30, client, call) == 30
    assert [level for level, _ in lines_of(caplog)] == ["WARNING"]


#: Options with which no call is answered, and the cause in the log line.
WITHOUT_ANSWERS = {
    "nothing listens": ({"server_domain": "127.0.0.1:9"}, "ConnectionFailed: no connection to http://127.0.0.1:9: "),
    "unknown host": (
        {"server_domain": "no.such.host.invalid"},
        "ConnectionFailed: no connection to no.such.host.invalid: ",
    ),
    "TLS": ({"secure": True}, "; the server seems to expect plain HTTP, see the option 'secure'"),
    "slow": ({"timeout": 30, "retries": 1}, "DeadlineExceeded: no answer from "),
}


@pytest.mark.parametrize("mistake", WITHOUT_ANSWERS)
def test_a_client_without_any_answer_logs_the_cause_once(mistake, call, caplog):
    options, cause = WITHOUT_ANSWERS[mistake]

    def bad_request(connection):
        if mistake == "slow":
            connection.hang()
        connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with SocketServer(bad_request) as server:
        with client_of(server, on_error="default", **options) as client:
            assert try_calls(3, client, call) == 3
    ((level, text),) = lines_of(caplog)
    assert level == "WARNING"
    assert cause in text


def test_with_on_error_default_a_refused_request_is_logged(caplog):
    with SocketServer(answer(b"{}", 400)) as server, client_of(server, on_error="default") as client:
        request_id = client.get_offers(offers()).request.request_id
    (line,) = [record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG]
    text = f"A call failed (request {request_id}); it is answered without offers: HttpStatusError: (400); Reason: "
    assert line.startswith(text)


def test_a_retry_is_logged_at_debug_with_its_reason(caplog):
    handler = replies(response(b"", 503), response(b"", 429, {"Retry-After": "0"}), response(ANSWER_BYTES))
    with SocketServer(handler) as server, client_of(server) as client:
        client.get_offers(offers())
        origin = f"http://{server.domain}"
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [line for line in lines if line[1].startswith("Attempt")] == [
        ("DEBUG", f"Attempt 2 of 3 at {origin}: status 503"),
        ("DEBUG", f"Attempt 3 of 3 at {origin}: status 429"),
    ]


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (answer(b"{}", 400), HttpStatusError),
        (answer(b"[]"), InvalidResponse),
        (lambda connection: connection.read_request(), ConnectionFailed),
    ],
)
def test_an_error_names_the_id_of_its_request(handler, kind, call):
    with SocketServer(handler) as server, client_of(server, retries=1) as client:
        with pytest.raises(kind) as caught:
            call(client, offers())
        error = caught.value
        assert error.request_id == body_of(server.requests[0])["requestId"]
        assert error.request_id in str(error)
        assert str(pickle.loads(pickle.dumps(error))).count(error.request_id) == 1
