"""The server that misbehaves does so exactly as it is told, and ends when it should."""

import socket
import ssl
import threading
import time
from typing import Any, Tuple

import pytest
import urllib3

from target_python_sdk.testing import Connection, SocketServer, answer, chunked, replies, response, sequence
from tests.support import installing

pytestmark = pytest.mark.server

REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def connected(server: SocketServer) -> socket.socket:
    """A client's connection to the server."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=5)


def said_to(server: SocketServer, request: bytes = REQUEST) -> bytes:
    """Everything the server says to one request until it hangs up."""
    with connected(server) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_the_test_is_the_server() -> None:
    def greet(connection: Connection) -> None:
        connection.read_request()
        connection.send(b"hello")
        connection.send(b", client")

    with SocketServer(greet) as server:
        assert said_to(server) == b"hello, client"
    assert (server.connections, server.requests) == (1, [REQUEST])
    assert server.domain == "127.0.0.1:{}".format(server.port)


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 5\r\n\r\nhello",
        b"transfer-encoding: chunked\r\n\r\n" + chunked([b"hel", b"lo"]),
        b"Transfer-Encoding: chunked\r\n\r\n" + chunked([]),
        b"\r\n",
    ],
)
def test_requests_are_read_whole_and_one_by_one(body: bytes) -> None:
    request = b"POST / HTTP/1.1\r\n" + body

    with SocketServer(answer({})) as server, connected(server) as client:
        for piece in (request[:20], request[20:], request + request[:-1], request[-1:]):
            client.sendall(piece)
            time.sleep(0.02)  # so that pieces arrive as pieces
        client.shutdown(socket.SHUT_WR)
        assert len(b"".join(iter(lambda: client.recv(65536), b""))) == 3 * len(response({}))
    assert server.requests == [request] * 3


def test_a_client_that_hangs_up_reads_as_nothing() -> None:
    seen = []

    def listen(connection: Connection) -> None:
        seen.append(connection.read_request())

    with SocketServer(listen) as server, connected(server) as client:
        client.sendall(b"GET / HT")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert seen == [b""]


def test_dripping_takes_its_time() -> None:
    def drip(connection: Connection) -> None:
        connection.read_request()
        connection.send_slowly(b"12345", every=0.02)

    with SocketServer(drip) as server:
        started = time.monotonic()
        assert said_to(server) == b"12345"
        assert time.monotonic() - started >= 0.08


def test_a_reset_is_a_reset_and_a_close_is_an_end() -> None:
    def unread(connection: Connection) -> None:
        (Connection.reset if connection.number == 1 else Connection.close)(connection)

    with SocketServer(unread) as server:
        with pytest.raises(ConnectionResetError), connected(server) as client:
            client.recv(1)
        with connected(server) as client:
            assert client.recv(1) == b""


def test_what_was_sent_arrives_although_the_request_was_never_read() -> None:
    def impolite(connection: Connection) -> None:
        connection.wait(0.05)
        connection.send(b"go away")

    with SocketServer(impolite) as server:
        assert said_to(server) == b"go away"


def test_a_hanging_server_stops_at_once() -> None:
    with SocketServer(Connection.hang) as server, connected(server), connected(server):
        while server.connections < 2:
            time.sleep(0.001)
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("target-socket-server")]


@pytest.mark.parametrize("blocked_in", ["reading", "sending", "dripping", "waiting"])
def test_whatever_a_handler_does_it_is_ended(blocked_in: str) -> None:
    entered = threading.Event()

    def handler(connection: Connection) -> None:
        entered.set()
        if blocked_in == "reading":
            assert connection.read_request() == b""
        elif blocked_in == "sending":
            connection.send(b"x" * 100_000_000)
        elif blocked_in == "dripping":
            connection.send_slowly(b"x" * 1000, every=1)
        else:
            connection.wait(1000)

    with SocketServer(handler) as server, connected(server):
        assert entered.wait(5)
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 1


def test_what_a_handler_raises_is_raised_where_the_block_ends() -> None:
    def expects(connection: Connection) -> None:
        assert connection.read_request().startswith(b"POST"), "a POST was expected"

    with pytest.raises(AssertionError, match="a POST was expected"), SocketServer(expects) as server:
        said_to(server)


def test_the_test_s_own_failure_comes_first() -> None:
    def fails(connection: Connection) -> None:
        connection.read_request()
        raise KeyError("the server's")

    with pytest.raises(LookupError, match="the test's"), SocketServer(fails) as server:
        said_to(server)
        raise LookupError("the test's")
    assert [type(error) for error in server.failures] == [KeyError]


def test_a_client_that_goes_away_is_no_failure() -> None:
    def insists(connection: Connection) -> None:
        while True:
            connection.send(b"x" * 65536)

    with SocketServer(insists) as server:
        connected(server).close()
        time.sleep(0.05)
    assert server.failures == []


def test_whether_a_client_closes_can_be_seen() -> None:
    seen = []

    def watch(connection: Connection) -> None:
        seen.append(connection.wait_for_close(0.05))
        connection.send(b"go")
        seen.append(connection.wait_for_close(5))

    with SocketServer(watch) as server, connected(server) as client:
        assert client.recv(2) == b"go"
        client.close()
        while len(seen) < 2:
            time.sleep(0.001)
    assert seen == [False, True]


def test_answer_keeps_the_connection() -> None:
    with SocketServer(answer({"a": 1}, 201, {"X-Marked": "yes"})) as server, urllib3.PoolManager() as pool:
        for _ in range(3):
            got = pool.request("POST", "http://{}/".format(server.domain), body=b"{}")
            assert (got.status, got.data, got.headers["X-Marked"]) == (201, b'{"a": 1}', "yes")
    assert (server.connections, len(server.requests)) == (1, 3)


def test_replies_come_in_turn_and_one_request_more_is_a_failure() -> None:
    messages = [response(status=503, headers={"Connection": "close"}), response({"done": True})]
    with pytest.raises(AssertionError, match="expected 2 requests, got one more"), SocketServer(
        replies(*messages)
    ) as server:
        with connected(server) as client:
            for message in messages:
                client.sendall(REQUEST)
                assert client.recv(65536) == message
        said_to(server)


def test_a_sequence_has_a_handler_for_each_connection() -> None:
    refused = sequence(Connection.reset, answer("first"))
    with pytest.raises(AssertionError, match="expected 2 connections, got one more"), SocketServer(refused) as server:
        with pytest.raises(ConnectionResetError), connected(server) as client:
            client.recv(1)
        with connected(server) as client:
            client.sendall(REQUEST)
            assert client.recv(65536) == response("first")
        assert said_to(server) == b""
    with SocketServer(sequence(then=answer("later"))) as server, connected(server) as client:
        client.sendall(REQUEST)
        assert client.recv(65536) == response("later")


def test_a_response_is_well_formed_unless_told_otherwise() -> None:
    assert response({"a": 1}) == (
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: 8\r\n\r\n{"a": 1}'
    )
    assert response(status=204) == b"HTTP/1.1 204 No Content\r\n\r\n"
    assert response("é", 799, {"content-length": "9", "content-type": "t"}) == (
        b"HTTP/1.1 799 Unknown\r\ncontent-length: 9\r\ncontent-type: t\r\n\r\n\xc3\xa9"
    )


@pytest.fixture(scope="module")
def authority() -> Any:
    return pytest.importorskip("trustme", reason="trustme is not installed: " + installing("test")).CA()


def contexts(authority: Any) -> Tuple[ssl.SSLContext, ssl.SSLContext]:
    """A context for the server, and one for a client that trusts it."""
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    return theirs, ours


def test_tls(authority: Any) -> None:
    theirs, ours = contexts(authority)
    with SocketServer(answer("secret"), tls=theirs) as server, urllib3.PoolManager(ssl_context=ours) as pool:
        assert pool.request("GET", "https://{}/".format(server.domain)).data == b"secret"
    assert server.failed_handshakes == 0


def test_tls_that_is_not_trusted_is_counted_and_no_failure(authority: Any) -> None:
    theirs, _ = contexts(authority)
    with SocketServer(answer("secret"), tls=theirs) as server:
        with pytest.raises(ssl.SSLError), connected(server) as client:
            ssl.create_default_context().wrap_socket(client, server_hostname="127.0.0.1")
        while server.failed_handshakes == 0:
            time.sleep(0.001)


@pytest.mark.parametrize("shakes_hands", [True, False])
def test_a_hanging_tls_server_stops_at_once(authority: Any, shakes_hands: bool) -> None:
    theirs, ours = contexts(authority)
    with SocketServer(Connection.hang, tls=theirs) as server, connected(server) as plain:
        client = ours.wrap_socket(plain, server_hostname="127.0.0.1") if shakes_hands else plain
        time.sleep(0.05)
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 1
        client.close()
