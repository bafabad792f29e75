"""``SocketServer`` sends exactly what its handler sends, and ``stop`` interrupts the handler."""

import socket
import ssl
import threading
import time
from typing import Any, List, Tuple

import pytest
import urllib3

from target_python_sdk.testing import Connection, SocketServer, answer, chunked, replies, response, sequence
from tests.support import eventually, installing

pytestmark = pytest.mark.server

REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def connect(server: SocketServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def exchange(server: SocketServer, request: bytes = REQUEST) -> bytes:
    """Send one request, and return everything until the server closes the connection."""
    with connect(server) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_a_handler_receives_the_request_and_sends_the_answer() -> None:
    def greet(connection: Connection) -> None:
        connection.read_request()
        connection.send(b"hello")
        connection.send(b", client")

    with SocketServer(greet) as server:
        assert exchange(server) == b"hello, client"
    assert (server.connections, server.requests) == (1, [REQUEST])
    assert server.domain == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 5\r\n\r\nhello",
        b"transfer-encoding: chunked\r\n\r\n" + chunked([b"hel", b"lo"]),
        b"Transfer-Encoding: chunked\r\n\r\n" + chunked([]),
        b"\r\n",
    ],
)
def test_requests_are_read_one_by_one(body: bytes) -> None:
    request = b"POST / HTTP/1.1\r\n" + body

    with SocketServer(answer({})) as server, connect(server) as client:
        for piece in (request[:20], request[20:], request + request[:-1], request[-1:]):
            client.sendall(piece)
            time.sleep(0.02)  # so that each piece arrives separately
        client.shutdown(socket.SHUT_WR)
        assert len(b"".join(iter(lambda: client.recv(65536), b""))) == 3 * len(response({}))
    assert server.requests == [request] * 3


def test_a_closed_connection_reads_as_empty() -> None:
    results = []

    def listen(connection: Connection) -> None:
        results.append(connection.read_request())

    with SocketServer(listen) as server, connect(server) as client:
        client.sendall(b"GET / HT")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert results == [b""]


def test_send_slowly_waits_after_each_byte() -> None:
    def slow(connection: Connection) -> None:
        connection.read_request()
        connection.send_slowly(b"12345", every=0.02)

    with SocketServer(slow) as server:
        started = time.monotonic()
        assert exchange(server) == b"12345"
        assert time.monotonic() - started >= 0.08


def test_reset_sends_rst_and_close_ends_the_stream() -> None:
    def unread(connection: Connection) -> None:
        (Connection.reset if connection.number == 1 else Connection.close)(connection)

    with SocketServer(unread) as server:
        with pytest.raises(ConnectionResetError), connect(server) as client:
            client.recv(1)
        with connect(server) as client:
            assert client.recv(1) == b""


def test_sent_data_arrives_even_if_the_request_is_never_read() -> None:
    def unread(connection: Connection) -> None:
        connection.wait(0.05)
        connection.send(b"go away")

    with SocketServer(unread) as server:
        assert exchange(server) == b"go away"


def server_threads() -> List[str]:
    """Return the names of the running server threads."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("target-socket-server")]


def test_a_hanging_server_stops_at_once() -> None:
    with SocketServer(Connection.hang) as server, connect(server), connect(server):
        while server.connections < 2:
            time.sleep(0.001)
        server.stop()
    assert eventually(lambda: not server_threads())


@pytest.mark.parametrize("blocked_in", ["reading", "sending", "sending slowly", "waiting"])
def test_stop_interrupts_every_kind_of_handler(blocked_in: str) -> None:
    entered = threading.Event()

    def handler(connection: Connection) -> None:
        entered.set()
        if blocked_in == "reading":
            assert connection.read_request() == b""
        elif blocked_in == "sending":
            connection.send(b"x" * 100_000_000)
        elif blocked_in == "sending slowly":
            connection.send_slowly(b"x" * 1000, every=100)
        else:
            connection.wait(1000)

    with SocketServer(handler) as server, connect(server):
        assert entered.wait(20)
        server.stop()
    assert eventually(lambda: not server_threads())


def test_an_exception_of_a_handler_is_raised_at_the_end_of_the_block() -> None:
    def expect_post(connection: Connection) -> None:
        assert connection.read_request().startswith(b"POST"), "a POST was expected"

    with pytest.raises(AssertionError, match="a POST was expected"), SocketServer(expect_post) as server:
        exchange(server)


def test_the_exception_of_the_block_takes_precedence() -> None:
    def raise_key_error(connection: Connection) -> None:
        connection.read_request()
        raise KeyError("from the handler")

    with pytest.raises(LookupError, match="from the block"), SocketServer(raise_key_error) as server:
        exchange(server)
        raise LookupError("from the block")
    assert [type(error) for error in server.failures] == [KeyError]


def test_a_lost_client_is_not_a_failure() -> None:
    def send_forever(connection: Connection) -> None:
        while True:
            connection.send(b"x" * 65536)

    with SocketServer(send_forever) as server:
        connect(server).close()
        time.sleep(0.05)
    assert server.failures == []


def test_wait_for_close_returns_whether_the_client_has_closed() -> None:
    results = []

    def watch(connection: Connection) -> None:
        results.append(connection.wait_for_close(0.05))
        connection.send(b"go")
        results.append(connection.wait_for_close(5))

    with SocketServer(watch) as server, connect(server) as client:
        assert client.recv(2) == b"go"
        client.close()
        while len(results) < 2:
            time.sleep(0.001)
    assert results == [False, True]


def test_answer_keeps_the_connection_open() -> None:
    with SocketServer(answer({"a": 1}, 201, {"X-Marked": "yes"})) as server, urllib3.PoolManager() as pool:
        for _ in range(3):
            reply = pool.request("POST", f"http://{server.domain}/", body=b"{}")
            assert (reply.status, reply.data, reply.headers["X-Marked"]) == (201, b'{"a": 1}', "yes")
    assert (server.connections, len(server.requests)) == (1, 3)


def test_replies_are_sent_in_order_and_another_request_is_a_failure() -> None:
    messages = [response(status=503, headers={"Connection": "close"}), response({"done": True})]
    with pytest.raises(AssertionError, match="expected 2 requests, got one more"), SocketServer(
        replies(*messages)
    ) as server:
        with connect(server) as client:
            for message in messages:
                client.sendall(REQUEST)
                assert client.recv(65536) == message
        exchange(server)


def test_sequence_has_one_handler_per_connection() -> None:
    refused = sequence(Connection.reset, answer("first"))
    with pytest.raises(AssertionError, match="expected 2 connections, got one more"), SocketServer(refused) as server:
        with pytest.raises(ConnectionResetError), connect(server) as client:
            client.recv(1)
        with connect(server) as client:
            client.sendall(REQUEST)
            assert client.recv(65536) == response("first")
        assert exchange(server) == b""
    with SocketServer(sequence(then=answer("later"))) as server, connect(server) as client:
        client.sendall(REQUEST)
        assert client.recv(65536) == response("later")


def test_response_is_well_formed_by_default() -> None:
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
    """Return a context for the server, and a context for a client that trusts it."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    return server_context, client_context


def test_connections_can_use_tls(authority: Any) -> None:
    server_context, client_context = contexts(authority)
    pool = urllib3.PoolManager(ssl_context=client_context)
    with SocketServer(answer("secret"), tls=server_context) as server, pool:
        assert pool.request("GET", f"https://{server.domain}/").data == b"secret"
    assert server.failed_handshakes == 0


def test_a_rejected_certificate_is_counted_and_not_a_failure(authority: Any) -> None:
    server_context, _ = contexts(authority)
    with SocketServer(answer("secret"), tls=server_context) as server:
        with pytest.raises(ssl.SSLError), connect(server) as client:
            ssl.create_default_context().wrap_socket(client, server_hostname="127.0.0.1")
        while server.failed_handshakes == 0:
            time.sleep(0.001)


@pytest.mark.parametrize("has_handshake", [True, False])
def test_a_hanging_tls_server_stops_at_once(authority: Any, has_handshake: bool) -> None:
    server_context, client_context = contexts(authority)
    with SocketServer(Connection.hang, tls=server_context) as server, connect(server) as plain:
        client = client_context.wrap_socket(plain, server_hostname="127.0.0.1") if has_handshake else plain
        time.sleep(0.05)
        server.stop()
        assert eventually(lambda: not server_threads())
        client.close()
