"""Which requests are retried, how often, and after which pauses (B10, T22, T23)."""

import socket
import time

import pytest
import urllib3

from target_python_sdk.errors import CircuitOpen, ConnectionFailed, HttpStatusError, OptionError
from target_python_sdk.testing import SocketServer, answer, replies
from target_python_sdk.testing.http_bytes import response
from tests.support import ANSWER_BYTES, body_of, client_of, content, head_of, offers

pytestmark = pytest.mark.server

GOOD = response(ANSWER_BYTES)


def failing(status, **headers):
    return response({"status": status, "message": "no"}, status, {"Connection": "keep-alive", **headers})


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_b10_statuses_of_requests_that_were_not_processed_are_retried(status):
    with SocketServer(replies(failing(status), failing(status), GOOD)) as server, client_of(server) as client:
        assert content(client.get_offers(offers())) == "<b>A</b>"
        assert client.stats()["retries"] == 2
        assert server.connections == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500, 501])
def test_b10_no_other_status_is_retried(status):
    with SocketServer(replies(failing(status))) as server, client_of(server) as client:
        with pytest.raises(HttpStatusError) as caught:
            client.get_offers(offers())
    assert (caught.value.status, caught.value.attempts) == (status, 1)


def test_b10_there_are_at_most_three_attempts():
    with SocketServer(answer(status=503)) as server, client_of(server) as client:
        with pytest.raises(HttpStatusError) as caught:
            client.get_offers(offers())
        assert len(server.requests) == 3
    assert (caught.value.status, caught.value.attempts) == (503, 3)


@pytest.mark.parametrize(("retries", "attempts"), [(1, 1), (2, 2), (urllib3.Retry(1), 2), (urllib3.Retry(False), 1)])
def test_the_number_of_attempts_is_an_option(retries, attempts):
    with SocketServer(answer(status=503)) as server, client_of(server, retries=retries) as client:
        with pytest.raises(HttpStatusError):
            client.get_offers(offers())
        assert len(server.requests) == attempts


def test_a_repeated_request_is_identical():
    with SocketServer(replies(failing(503), failing(503), GOOD)) as server, client_of(server) as client:
        client.get_offers(offers())
    assert len(set(server.requests)) == 1
    assert body_of(server.requests[0])["requestId"]
    assert len(head_of(server.requests[0])["x-request-id"]) == 36


@pytest.mark.parametrize("retry_after", ["86400", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_a_retry_after_beyond_the_deadline_ends_the_call(retry_after):
    limited = failing(503, **{"Retry-After": retry_after})
    with SocketServer(replies(limited)) as server, client_of(server) as client:
        began = time.monotonic()
        with pytest.raises(HttpStatusError):
            client.get_offers(offers())
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("retry_after", ["0", "-1", "NaN", "inf", "soon", "", "Thu, 01 Jan 1970 00:00:00 GMT", "١"])
def test_a_retry_after_that_is_zero_past_or_invalid_does_no_harm(retry_after):
    limited = failing(503).replace(b"\r\n\r\n", b"\r\nRetry-After: " + retry_after.encode() + b"\r\n\r\n", 1)
    with SocketServer(replies(limited, GOOD)) as server, client_of(server) as client:
        assert content(client.get_offers(offers())) == "<b>A</b>"


def test_a_refused_connection_is_retried_and_then_raises_an_error_that_is_also_one_of_urllib3():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))

        class Unreachable:
            domain = f"127.0.0.1:{free.getsockname()[1]}"

        with client_of(Unreachable) as client, pytest.raises(ConnectionFailed) as caught:
            client.get_offers(offers())
    assert caught.value.attempts == 3
    assert caught.value.phase == "opening"
    assert isinstance(caught.value, urllib3.exceptions.MaxRetryError)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def test_t23_a_failing_edge_gets_few_additional_requests():
    calls = 300
    with SocketServer(answer(status=503)) as server, client_of(server, circuit_breaker=False) as client:
        for _ in range(20):  # the initial budget of a client
            with pytest.raises(HttpStatusError):
                client.get_offers(offers())
        spent = len(server.requests)
        for _ in range(calls):
            with pytest.raises(HttpStatusError):
                client.get_offers(offers())
        assert calls <= len(server.requests) - spent <= 1.1 * calls + 1


def test_t24_a_failing_edge_gets_no_requests_for_a_while():
    with SocketServer(answer(status=503)) as server, client_of(server, retries=1) as client:
        for _ in range(5):
            with pytest.raises(HttpStatusError):
                client.get_offers(offers())
        for _ in range(100):
            with pytest.raises(CircuitOpen) as caught:
                client.get_offers(offers())
        assert len(server.requests) == 5
    assert caught.value.request.execute.mboxes[0].name == "home"


def test_with_on_error_default_a_failed_call_returns_no_offers(caplog):
    with SocketServer(answer(status=500)) as server, client_of(server, on_error="default") as client:
        envelope = client.get_offers({**offers(), "session_id": "mine"})
        (mbox,) = envelope["response"].execute.mboxes
        assert (mbox.name, mbox.index, mbox.options) == ("home", 0, None)
        assert envelope["target_cookie"]["value"].startswith("session#mine#")
        assert isinstance(envelope.error, HttpStatusError)
        assert client.get_attributes(["home"]).as_object("home") == {}
        assert client.stats()["failures"] == 2
        with pytest.raises(OptionError):
            client.get_offers({"request": None})
    assert "HttpStatusError" in caplog.text
