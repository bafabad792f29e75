"""Any faulty reply leads to an answer, or to one SDK error whose text contains no visitor id (T5)."""

import contextlib
import gc
import json
import pickle
import resource
import tracemalloc
from types import SimpleNamespace

import pytest

from target_python_sdk.errors import (
    ApiException,
    DeliveryError,
    HttpStatusError,
    InvalidResponse,
    RedirectRefused,
    ResponseTooLarge,
)
from target_python_sdk.testing import SocketServer, answer
from target_python_sdk.types import DeliveryResponse, VisitorId
from tests.faults import FAULTS, gzip_bomb
from tests.support import ANSWER, ANSWER_BYTES, SHORT, client_of, content, offers

pytestmark = pytest.mark.server

SECRET = "visitor-17"


def secret_offers():
    return {
        **offers(id=VisitorId(tnt_id=SECRET)),
        "session_id": SECRET,
        "target_cookie": f"session#{SECRET}#4000000000|PC#{SECRET}.35_0#4000000000",
    }


def text_of(error):
    """Return the texts that a logged traceback of ``error`` would contain."""
    texts = ""
    while error is not None:
        texts += f"{error} {error!r}\n"
        error = error.__cause__ or error.__context__
    return texts


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_every_fault_leads_to_one_error_or_an_answer(fault):
    limits = {"timeout": 2 * SHORT} if fault.endless else {}
    with SocketServer(fault.handler()) as server, client_of(server, retries=1, **limits) as client:
        if fault.harmless:
            assert client.get_offers(secret_offers())["response"] is not None
            return
        with pytest.raises(DeliveryError) as caught:
            client.get_offers(secret_offers())
    error = caught.value
    assert SECRET not in text_of(error)
    assert error.request.id.tnt_id == SECRET
    assert error.attempts == 1
    unpickled = pickle.loads(pickle.dumps(error))
    assert (type(unpickled), unpickled.request) == (type(error), None)
    assert SECRET not in text_of(unpickled)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if not fault.endless], ids=str)
def test_the_client_works_after_every_fault(fault):
    # A garbage collection while deep JSON is parsed would run finalizers of earlier tests near the recursion limit.
    gc.collect()
    faulty = fault.handler()

    def faulty_first_connection(connection):
        if connection.number == 1:
            with contextlib.suppress(AssertionError):
                faulty(connection)
            connection.close()
        else:
            answer(ANSWER_BYTES)(connection)

    with SocketServer(faulty_first_connection) as server, client_of(server, retries=1) as client:
        with contextlib.suppress(DeliveryError):
            client.get_offers(offers())
        for pool in client._processes.get().transport._pools.values():
            pool.pool.drop()  # otherwise the first connection is reused if its answer was valid
        assert content(client.get_offers(offers())) == "<b>A</b>"


def serve_json(value):
    return answer(value if isinstance(value, bytes) else json.dumps(value).encode())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300, 304])
def test_a_redirect_is_never_followed(status):
    with SocketServer(answer(ANSWER_BYTES)) as elsewhere:
        headers = {"Location": f"http://{elsewhere.domain}/internal/admin"}
        with SocketServer(answer(b"", status, headers)) as server, client_of(server) as client:
            with pytest.raises(RedirectRefused) as caught:
                client.get_offers(offers())
        assert elsewhere.connections == 0
    assert caught.value.status == status


def test_b5_a_204_is_an_answer_without_content():
    with SocketServer(answer(None, 204)) as server, client_of(server) as client:
        envelope = client.get_offers(secret_offers())
    assert envelope["response"] == DeliveryResponse()
    assert SECRET in envelope["target_cookie"]["value"]


@pytest.mark.parametrize("status", [201, 202, 203, 206])
def test_b5_every_2xx_is_an_answer(status):
    with SocketServer(answer(ANSWER_BYTES, status)) as server, client_of(server) as client:
        assert content(client.get_offers(offers())) == "<b>A</b>"
    with SocketServer(answer(b"", status)) as server, client_of(server) as client:
        assert client.get_offers(offers())["response"] == DeliveryResponse()


def test_an_http_error_is_an_api_exception_of_1_1_0():
    body = {"status": 400, "message": "bad property"}
    headers = {"Set-Cookie": "secret=1", "X-Why": "because"}
    with SocketServer(answer(body, 400, headers)) as server, client_of(server) as client:
        with pytest.raises(ApiException) as caught:
            client.get_offers(offers())
    error = caught.value
    assert isinstance(error, HttpStatusError)
    assert (error.status, error.reason) == (400, "Bad Request")
    assert json.loads(error.body) == body
    assert error.headers["X-Why"] == "because"
    assert str(error).startswith("(400)\nReason: Bad Request\nHTTP response headers: ")
    assert "bad property" in str(error)
    assert "secret" not in str(error)


def test_a_long_error_body_is_truncated_and_escaped():
    body = b"<\x1b[31m\r\nfaked log line" + b"x" * 100000
    with SocketServer(answer(body, 500)) as server, client_of(server) as client:
        with pytest.raises(HttpStatusError) as caught:
            client.get_offers(offers())
    assert len(str(caught.value)) < 1000
    assert "\x1b" not in str(caught.value)
    assert "faked log line" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 5
    assert len(caught.value.body) == 4096


def test_a_gzip_bomb_is_refused_before_it_is_decompressed_completely():
    with SocketServer(gzip_bomb(300)) as server, client_of(server) as client:
        gc.collect()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(ResponseTooLarge):
            client.get_offers(offers())
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 3 * (8 << 20)


@pytest.mark.parametrize("limit", [len(ANSWER_BYTES), {"delivery": len(ANSWER_BYTES)}])
def test_the_maximum_size_of_an_answer_is_an_option(limit):
    with SocketServer(serve_json(ANSWER)) as server:
        with client_of(server, max_response_bytes=limit) as client:
            assert content(client.get_offers(offers())) == "<b>A</b>"
    with SocketServer(serve_json(ANSWER_BYTES + b" ")) as server:
        with client_of(server, max_response_bytes=limit) as client, pytest.raises(ResponseTooLarge):
            client.get_offers(offers())


@pytest.mark.parametrize(
    "fields",
    [
        {"id": {"tntId": 5}},
        {"id": {"tntId": "\ud800"}},
        {"edgeHost": 7},
        {"edgeHost": ["x"]},
        {"status": "fine"},
        {"execute": {"mboxes": [None]}},
        {"execute": {"mboxes": [{"options": [None]}]}},
        {"execute": {"mboxes": [{"index": "x", "name": 5, "options": []}]}},
        {"execute": None, "prefetch": {"views": [None], "mboxes": None}},
        {"__proto__": {"x": 1}, "constructor": None},
        {"execute": {"pageLoad": {"options": [{"responseTokens": {"a": None}, "content": 5}]}}},
    ],
    ids=str,
)
def test_unusual_values_are_accepted(fields):
    with SocketServer(serve_json({**ANSWER, **fields})) as server, client_of(server) as client:
        envelope = client.get_offers(offers())
        client.get_attributes(["home"])
    assert envelope["target_cookie"]["value"]


@pytest.mark.parametrize(
    "fields",
    [
        {"id": []},
        {"id": "x"},
        {"execute": [1]},
        {"execute": {"mboxes": {"a": 1}}},
        {"execute": {"mboxes": "home"}},
        {"execute": {"mboxes": [["x"]]}},
        {"execute": {"mboxes": [{"options": {"a": 1}}]}},
        {"prefetch": {"views": [5]}},
        {"notifications": {}},
    ],
    ids=str,
)
def test_an_invalid_structure_raises_invalid_response(fields):
    with SocketServer(serve_json({**ANSWER, **fields})) as server, client_of(server) as client:
        with pytest.raises(InvalidResponse):
            client.get_offers(offers())


@pytest.mark.parametrize(
    "body",
    [
        b'{"status": NaN}',
        b'{"status": -Infinity}',
        b'{"a":' * 101 + b"1" + b"}" * 101,
        b'{"status": 1' + b"0" * 100000 + b"}",
        "{}".encode("utf-16"),
        b"\xef\xbb\xbf\xff",
        b'"text"',
        b"12",
        b"true",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_invalid_json_is_refused(body):
    with SocketServer(answer(body)) as server, client_of(server) as client, pytest.raises(InvalidResponse):
        client.get_offers(offers())


@pytest.mark.parametrize("body", [b"\xef\xbb\xbf{}", b' {"a": ' + b"[" * 98 + b"]" * 98 + b"}\n", b'{"a": 1, "a": 2}'])
def test_unusual_but_valid_json_is_accepted(body):
    with SocketServer(answer(body)) as server, client_of(server) as client:
        assert client.get_offers(offers())["response"] == DeliveryResponse()


def test_failing_calls_do_not_accumulate_memory():
    quiet = SimpleNamespace(debug=lambda *_: None, error=lambda *_: None)  # pytest keeps every log record
    options = {"retries": 1, "logger": quiet, "circuit_breaker": False}
    with SocketServer(answer(b"{", 500)) as server, client_of(server, **options) as client:

        def fail():
            for _ in range(50):
                with contextlib.suppress(HttpStatusError):
                    client.get_offers(offers())
            gc.collect()

        fail()
        tracemalloc.start()
        fail()
        before = tracemalloc.get_traced_memory()[0]
        fail()
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
    assert grown < 50000


@pytest.mark.parametrize("size", [b"-1", b"-5", b"-0x5"])
def test_a_chunk_of_negative_size_does_not_bypass_the_limit(size):
    def send_negative_chunk(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n")
        for _ in range(64):
            connection.send(b"x" * (1 << 20))

    with SocketServer(send_negative_chunk) as server, client_of(server, max_response_bytes=1 << 20) as client:
        gc.collect()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(DeliveryError):
            client.get_offers(offers())
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 16 << 20


def test_an_answer_that_arrives_before_the_request_is_sent_ends_the_call():
    def answer_early(connection):
        connection.socket.recv(1000)
        connection.send(b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.close()

    large = offers()
    large["request"].execute.mboxes[0].parameters = {"p": "x" * (6 << 20)}
    with SocketServer(answer_early) as server, client_of(server, retries=1) as client:
        with pytest.raises(DeliveryError) as caught:
            client.get_offers(large)
    # If the reset arrives before the answer, the connection counts as dropped.
    assert caught.value.status == 413 or "dropped the connection" in str(caught.value)


def test_hostile_reasons_and_headers_are_truncated_and_escaped():
    head = b"HTTP/1.1 500 Bad\x1b[31m\x85" + b"y" * 50000 + b"\r\n"
    head += b"".join(b"X-%d: \x1b[31m%s\r\n" % (number, b"z" * 60000) for number in range(90))

    def send_long_head(connection):
        connection.read_request()
        connection.send(head + b"Content-Length: 0\r\n\r\n")

    with SocketServer(send_long_head) as server, client_of(server) as client, pytest.raises(HttpStatusError) as caught:
        client.get_offers(offers())
    assert len(str(caught.value)) < 12000
    assert "\x1b" not in str(caught.value)
    assert "\x85" not in str(caught.value)
