"""The limits of the local edge: sizes, times, connections and records. Random requests are answered."""

import contextlib
import http.client
import json
import random
import socket
import time
from typing import Any, Iterator, List, Optional, Tuple

import pytest

from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.local_edge.connection_stream import MAX_HEAD
from target_python_sdk.local_edge.http_messages import MAX_BRACKETS
from target_python_sdk.local_edge.recording import Recording, estimated_memory
from target_python_sdk.local_edge.security import AccessPolicy
from tests.around.edge_http import ask

DELIVERY = "/rest/v1/delivery?imsOrgId=o&sessionId=s"
FUZZ_SEED = 15


@pytest.fixture(scope="module")
def edge() -> Iterator[LocalEdge]:
    with LocalEdge() as edge:
        yield edge


def connect(edge: LocalEdge) -> socket.socket:
    return socket.create_connection(("127.0.0.1", edge.port), timeout=60)


def read_all(connection: socket.socket) -> bytes:
    """Return everything that the edge sends until it closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while True:
            part = connection.recv(65536)
            if not part:
                break
            received += part
    return received


def post(edge: LocalEdge, body: Any, path: str = DELIVERY) -> Tuple[int, Any]:
    """Send a body, and return the status and the parsed answer."""
    answer = ask(edge, "POST", path, body)
    return answer.status, answer.json() if answer.body else None


def test_the_newest_items_are_kept() -> None:
    recording: Recording[int] = Recording(max_items=3, max_bytes=100)
    recording.add([1, 2], 20)
    recording.add([3], 10)
    assert (recording.items(), recording.dropped) == ([1, 2, 3], 0)
    recording.add([4], 10)
    assert (recording.items(), recording.dropped) == ([2, 3, 4], 1)
    recording.add([5], 85)
    assert (recording.items(), recording.dropped) == ([4, 5], 3)
    recording.add([], 1000)
    recording.add([6], 101)
    assert (recording.items(), recording.dropped) == ([], 6)
    recording.add([7], 100)
    assert recording.items() == [7]


def test_the_memory_of_parsed_json_is_estimated_from_its_values() -> None:
    assert estimated_memory(b"[[],[],[]]") > estimated_memory(b'["abcdef"]')
    assert estimated_memory(b"x" * 1000) >= 1000


@pytest.mark.server
def test_dropped_records_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("target_python_sdk.local_edge.edge.MAX_RECORDED", 2)
    display = {"type": "display", "timestamp": 1700000000000, "mbox": {"name": "m"}}
    body = {"context": {"channel": "web"}, "execute": {"mboxes": [{"index": 0, "name": "a1-serverside-ab"}] * 3}}
    with LocalEdge() as edge:
        for number in range(3):
            assert post(edge, {**body, "notifications": [{**display, "id": str(number)}]})[0] == 200
        assert len(edge.requests) == len(edge.displays) == 2
        assert [sent["id"] for sent in edge.notifications] == ["1", "2"]
        assert edge.dropped == (1, 1, 1)


@pytest.mark.server
def test_the_memory_of_records_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("target_python_sdk.local_edge.edge.MAX_RECORDED_BYTES", 1_000_000)
    with LocalEdge() as edge:
        for _ in range(5):
            post(edge, {"x": ["a" * 100] * 1000}, "/elsewhere")
        assert 0 < len(edge.requests) < 5
        assert edge.dropped.requests == 5 - len(edge.requests)


@pytest.mark.server
def test_a_body_with_too_many_values_is_not_parsed(edge: LocalEdge) -> None:
    status, answer = post(edge, b"[" + b"[]," * MAX_BRACKETS + b"[]]")
    assert (status, answer["message"]) == (400, "request: expected an object, got None")
    assert edge.requests[-1].body is None


@pytest.mark.server
@pytest.mark.parametrize("mode", ["execute", "prefetch"])
def test_the_number_of_mboxes_is_limited(edge: LocalEdge, mode: str) -> None:
    mboxes = [{"index": 0, "name": "m"}] * 1001
    status, answer = post(edge, {"context": {"channel": "web"}, mode: {"mboxes": mboxes}})
    assert (status, answer["message"]) == (
        400,
        f"{mode}.mboxes: expected at most 1000 mboxes, got a list of 1001 items",
    )


@pytest.mark.server
def test_a_long_head_is_refused(edge: LocalEdge) -> None:
    with connect(edge) as connection:
        lines = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 60000) for number in range(MAX_HEAD // 60000 + 1))
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + lines + b"\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 431 ")


@pytest.mark.server
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx", b"HTTP/1.1 408 "),
        (b"POST / HTTP/1.1\r\nHost: loc", b""),
        (b"PO", b""),
    ],
)
def test_an_incomplete_request_times_out(
    edge: LocalEdge, monkeypatch: pytest.MonkeyPatch, sent: bytes, status: bytes
) -> None:
    monkeypatch.setattr("target_python_sdk.local_edge.connection_stream.TRANSFER_TIMEOUT", 0.2)
    request_count = len(edge.requests)
    with connect(edge) as connection:
        connection.sendall(sent)
        answer = read_all(connection)
    assert answer.startswith(status)
    assert bool(answer) == bool(status)
    assert len(edge.requests) == request_count


@pytest.mark.server
def test_a_slow_sender_does_not_extend_the_time_limit_of_a_request(
    edge: LocalEdge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("target_python_sdk.local_edge.connection_stream.TRANSFER_TIMEOUT", 0.3)
    with connect(edge) as connection:
        connection.settimeout(0.05)
        sent = 0
        connection.sendall(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(OSError):  # the edge closes the connection
            while sent < 1000:
                connection.sendall(b"X")
                sent += 1
                with contextlib.suppress(socket.timeout):
                    if not connection.recv(1):
                        break
    assert sent < 1000


@pytest.mark.server
def test_a_truncated_request_is_ignored(edge: LocalEdge) -> None:
    request_count = len(edge.requests)
    with connect(edge) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{}")
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b""
    assert len(edge.requests) == request_count


@pytest.mark.server
def test_an_idle_connection_makes_room_for_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("target_python_sdk.local_edge.server.MAX_CONNECTIONS", 2)
    with LocalEdge() as edge, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(edge)) for _ in range(2)]
        for connection in connections:
            connection.sendall(b"GET /v1/geo HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert edge._server is not None
        while len(edge._server._idle) < 2:  # the edge marks a connection as idle after it has sent the reply
            time.sleep(0.01)
        assert post(edge, {"context": {"channel": "web"}})[0] == 200
        assert read_all(connections[0]) == b""


@pytest.mark.server
def test_a_connection_beyond_the_limit_is_refused_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("target_python_sdk.local_edge.server.MAX_CONNECTIONS", 1)
    with LocalEdge() as edge, connect(edge) as busy:
        busy.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        assert busy.recv(100).startswith(b"HTTP/1.1 100 ")
        with connect(edge) as refused:
            assert read_all(refused) == b""
        busy.sendall(b"1")
        assert busy.recv(100).startswith(b"HTTP/1.1 405 ")
    assert "Refused a connection: 1 are open" in caplog.text


@pytest.mark.server
def test_an_unexpected_exception_is_answered_with_500(
    edge: LocalEdge, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("target_python_sdk.local_edge.edge.parse_request", lambda _: 1 / 0)
    assert post(edge, {})[0] == 500
    assert "Unexpected error while answering POST /rest/v1/delivery" in caplog.text


@pytest.mark.server
@pytest.mark.parametrize("name", ["\ud800", "a\udfffb", "\ud83d\ude00"])
def test_requests_with_surrogates_are_answered(edge: LocalEdge, name: str) -> None:
    request = {
        "context": {"channel": "web"},
        "requestId": name,
        "id": {"tntId": name, "customerIds": [{"id": name, "integrationCode": name, "authenticatedState": "unknown"}]},
        "execute": {"mboxes": [{"index": 0, "name": name, "parameters": {name: name}}]},
        "trace": {"authorizationToken": name},
    }
    status, answer = post(edge, request)
    assert (status, answer["execute"]["mboxes"][0]["name"]) == (200, json.loads(json.dumps(name)))
    display = {"id": name, "type": "display", "timestamp": 1700000000000, "mbox": {"name": name}, "tokens": [name]}
    assert post(edge, {"context": {"channel": "web"}, "notifications": [display]})[0] == 400
    assert post(edge, {"context": {"channel": "web"}, "notifications": [{**display, "tokens": None}]})[0] == 200


@pytest.mark.server
def test_an_unusual_address_is_answered(edge: LocalEdge) -> None:
    for target, status in (
        (b"http://[/x", b"400"),
        (b"http://localhost/v1/geo", b"200"),
        (b"*", b"404"),
        (b"/v1/geo?" + b"a&" * 20000, b"200"),
        (b"/" + b"x" * 70000, b"414"),
        (b"/\xff%ff", b"404"),
    ):
        with connect(edge) as connection:
            connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert read_all(connection).split(b" ", 2)[:2] == [b"HTTP/1.1", status], target[:50]


TEXTS = ["", "a1-serverside-ab", "web", "checkout", "\ud800", "\0", "é" * 50, "x" * 5000, "../..", "${x}", "<script>"]
KEYS = """
    context channel beacon geo city latitude id tntId thirdPartyId marketingCloudVisitorId customerIds execute prefetch
    pageLoad mboxes views name index key parameters profileParameters order product notifications type timestamp tokens
    mbox view trace authorizationToken experienceCloud analytics logging property token qaMode preview requestId
    environmentId telemetry browser address url userAgent timeOffsetInMinutes
""".split()  # noqa: SIM905 - one line for each key would be longer


def random_json(rng: random.Random, depth: int = 0) -> Any:
    """Return a random JSON value, often with the keys of the API."""
    kind = rng.randrange(8 if depth < 5 else 5)
    if kind < 5:
        numbers = [0, -1, 1.5, 10**30, 1e308, 2**63, 1700000000000]
        return rng.choice([None, True, False, rng.choice(TEXTS), rng.choice(numbers)])
    if kind == 5:
        return [random_json(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(KEYS): random_json(rng, depth + 1) for _ in range(rng.randrange(6))}


def random_request(rng: random.Random) -> bytes:
    """Return a random request with valid framing, so that the edge knows where the request ends."""
    body = random_json(rng)
    if rng.random() < 0.6:
        display = {"id": "n", "type": "display", "timestamp": 1700000000000, "mbox": {"name": "m"}}
        body = {
            "context": {"channel": rng.choice(["web", "mobile"]), rng.choice(KEYS): random_json(rng, 4)},
            rng.choice(["execute", "prefetch"]): {
                "mboxes": [{"name": rng.choice(TEXTS[1:]), rng.choice(KEYS): random_json(rng, 4)}],
                rng.choice(["pageLoad", "views"]): random_json(rng, 4),
            },
            "notifications": rng.choice([None, [{**display, rng.choice(KEYS): random_json(rng, 4)}]]),
        }
    encoded = json.dumps(body).encode()
    payload = rng.choice([encoded, encoded, encoded, rng.getrandbits(256).to_bytes(32, "big")])
    others = ["/", "/notifications", "/a/b/v1/rules.json", "/a/b/v1/rules.bin", "/v1/geo", "/%00", "x", "//["]
    method, path = rng.choice(["GET", "GET", "HEAD", "PUT", "OPTIONS", "BREW"]), rng.choice(others)
    if rng.random() < 0.6:
        method, path = "POST", DELIVERY
    headers = {
        "Host": rng.choice(["localhost"] * 20 + ["evil.example", "[", ""]),
        "Content-Length": str(len(payload)),
        "Origin": rng.choice([None] * 20 + ["null", "https://evil.example", "https://shop.example", "\xff"]),
        "Accept-Encoding": rng.choice([None, "gzip", ";q=,gzip;q=x", "*"]),
        "If-None-Match": rng.choice([None, "*", '"', "\xff"]),
        "X-Forwarded-For": rng.choice([None, "\xff", "1.2.3.4"]),
    }
    lines = [f"{name}: {text}\r\n" for name, text in headers.items() if text is not None]
    return f"{method} {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode("latin-1") + payload


def send_random_requests(edge: LocalEdge, count: int) -> List[int]:
    """Send random requests, and return the status of each answer. A connection is reused until the edge closes it."""
    rng = random.Random(FUZZ_SEED)
    statuses = []
    connection: Optional[socket.socket] = None
    for _ in range(count):
        request = random_request(rng)
        if connection is None:
            connection = connect(edge)
        connection.sendall(request)
        response = http.client.HTTPResponse(connection, method=request.split(b" ", 1)[0].decode())
        response.begin()
        body = response.read()
        statuses.append(response.status)
        if body and response.getheader("Content-Encoding") is None and "json" in response.getheader("Content-Type", ""):
            json.loads(body)
        if response.will_close:
            connection.close()
            connection = None
    if connection is not None:
        connection.close()
    return statuses


@pytest.mark.server
@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.fuzz)])
def test_every_random_request_is_answered(count: int, caplog: pytest.LogCaptureFixture) -> None:
    with LocalEdge(origins=["https://shop.example"]) as edge:
        statuses = send_random_requests(edge, count)
    assert len(statuses) == count
    assert {200, 304, 400, 403, 404, 405, 501} <= set(statuses)
    assert 500 not in statuses, [record for record in caplog.records if record.exc_info]


def test_hostile_headers_raise_no_error_in_the_access_policy() -> None:
    policy = AccessPolicy("127.0.0.1")
    for text in ("[" * 1000, "[::1", "[v1.x]", "\x00", "a:b:c", "::1", "localhost:99999", "%31"):
        policy.refusal("GET", "/", {"host": text, "origin": text})
        policy.cors_headers({"origin": text})
