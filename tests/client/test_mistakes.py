"""Mistakes of applications: a clear error or one log line, in blocking, callback and awaited calls."""

import asyncio
import logging
import time
from urllib.parse import quote

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.errors import HttpStatusError, OptionError
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.testing import SocketServer, answer, response
from target_python_sdk.types import CustomerId, VisitorId
from tests.support import ANSWER_BYTES, client_of, offers, options_for

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
        with client_of(edge, **options) as made:
            yield made


@pytest.fixture(params=FORMS)
def call(request):
    return FORMS[request.param]


COOKIE = "the value of the cookie as text, or the dict that an answer contains"
BAD_OPTIONS = {
    "seconds": ({"timeout": 0.5}, "Invalid option 'timeout': expected milliseconds between 1 and 604800000, got 0.5"),
    "negative": ({"timeout": -1}, "Invalid option 'timeout': expected milliseconds between 1 and 604800000, got -1"),
    "cookie": (
        {"target_cookie": 5},
        f"Invalid option 'target_cookie': expected {COOKIE}, got an int (value not shown)",
    ),
    "cookie list": (
        {"target_cookie": ["a", "b"]},
        f"Invalid option 'target_cookie': expected {COOKIE}, got a list of 2 items",
    ),
}


@pytest.mark.parametrize("mistake", BAD_OPTIONS)
def test_a_bad_option_of_a_call_is_an_error_that_says_what_was_expected(mistake, client, call):
    options, text = BAD_OPTIONS[mistake]
    with pytest.raises(OptionError) as caught:
        call(client, {**offers(), **options})
    assert str(caught.value) == text


@pytest.mark.parametrize("name", ["timeout", "maximum_wait_ready", "queue_timeout", "shutdown_timeout"])
@pytest.mark.parametrize("value", [0.5, -2, "0.25"])
def test_a_time_limit_of_a_client_in_seconds_is_an_error(name, value):
    with pytest.raises(OptionError, match=f"Invalid option '{name}': expected milliseconds between 1 and 604800000"):
        TargetClient.create(client="acmeclient", organization_id="1234567890@AdobeOrg", **{name: value})


def test_a_short_time_limit_is_logged_once(caplog):
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server, shutdown_timeout=5) as client:
        for _ in range(3):
            client.get_offers(offers(), timeout=19.9)
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert lines == [
        "The option 'shutdown_timeout' is 5 milliseconds; is it meant in seconds?",
        "The option 'timeout' is 19.9 milliseconds; is it meant in seconds?",
    ]


def test_a_cookie_means_the_same_in_every_form(client, call):
    expires = int(time.time()) + 1000
    value = f"session#s-1#{expires}|PC#visitor-2.35_0#{expires}"
    cookie = {"name": "mbox", "value": value, "maxAge": 5, "max_age": 5}
    for form in (value, value.encode(), quote(value), quote(value, safe="!*'()"), cookie):
        envelope = call(client, {**offers(), "target_cookie": form})
        assert (envelope.session_id, envelope.request.id.tnt_id) == ("s-1", "visitor-2.35_0")


def test_a_cookie_that_is_not_one_of_target_is_logged_once(client, call, caplog):
    caplog.set_level(logging.INFO)
    for _ in range(3):
        assert call(client, {**offers(), "target_cookie": "not a cookie"}).session_id
    lines = [record.getMessage() for record in caplog.records if "target_cookie" in record.getMessage()]
    assert len(lines) == 1
    assert lines[0].startswith("A target_cookie is not a cookie of Target and is ignored.")


# Loggers


class TakesText:
    """A logger whose methods take only a message."""

    def __init__(self):
        self.lines = []

    def debug(self, message):
        self.lines.append(message)

    error = debug


class Raises:
    """A logger whose disk is full."""

    def debug(self, *_):
        raise OSError(28, "No space left on device")

    error = debug


def test_a_logger_of_another_kind_gets_the_finished_text(call):
    logger = TakesText()
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server, logger=logger) as client:
        assert call(client, offers()).response.status == 200
    assert any(line.startswith("Response received from http://127.0.0.1:") for line in logger.lines)
    assert all(isinstance(line, str) for line in logger.lines)


def test_a_logger_that_raises_does_not_fail_a_call(call):
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server, logger=Raises()) as client:
        assert call(client, offers()).response.status == 200


# Privacy


_CUSTOMER = CustomerId(id="customer-9", integration_code="crm", authenticated_state="authenticated")


def echoes(connection):
    """Answer with status 400, and repeat what the visitor sent."""
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
    with SocketServer(echoes) as server:
        with TargetClient.create(**options_for(server, log_payloads=log_payloads, retries=1)) as client:
            with pytest.raises(HttpStatusError) as caught:
                call(client, options)
    error = caught.value
    shown = str(error) + repr(error)
    assert "Retry-After" in shown
    assert "X-Echo" not in shown
    assert "Set-Cookie" not in shown
    assert ("session-9" in shown) == log_payloads  # in the first 256 characters of the body
    if not log_payloads:
        assert not [secret for secret in secrets if secret in shown]
        assert "***" in shown
    assert "visitor-9" in error.body
