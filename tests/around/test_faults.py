"""Each fault in ``tests.faults`` does what its description says."""

import contextlib
import http.client
import socket
import time
import zlib

import pytest
import urllib3

from target_python_sdk.testing import SocketServer
from tests.around.test_socket_server import server_threads
from tests.faults import FAULTS, GOOD_BODY, MEBIBYTE, Fault, gzip_bomb
from tests.support import eventually

pytestmark = pytest.mark.server

REQUEST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
BY_NAME = {fault.name: fault for fault in FAULTS}


def test_names_and_descriptions_are_unique() -> None:
    assert len(BY_NAME) == len({fault.description for fault in FAULTS}) == len(FAULTS)
    assert all(fault.name.isidentifier() and str(fault) == fault.name for fault in FAULTS)


def connect(server: SocketServer, seconds: float) -> socket.socket:
    """Return a connection to the server, with a timeout of ``seconds``."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=seconds)


def receive(fault: Fault, max_bytes: int = 20 * MEBIBYTE, seconds: float = 0.5) -> bytes:
    """Return the bytes that a server with this fault sends until the end, a reset, or the timeout."""
    parts = b""
    # Reading ends with a timeout or a reset. A reset can come even before connect() returns.
    with SocketServer(fault.handler()) as server, contextlib.suppress(OSError), connect(server, seconds) as client:
        client.sendall(REQUEST)
        # Some faults keep the connection open until the client shuts down its side.
        client.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + seconds
        while len(parts) < max_bytes and time.monotonic() < deadline:
            part = client.recv(MEBIBYTE)
            parts += part
            if not part:
                break
    return parts


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_every_fault_can_be_stopped(fault: Fault) -> None:
    receive(fault, max_bytes=MEBIBYTE)
    assert eventually(lambda: not server_threads())


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("early_close", b"", b""),
        ("silence", b"", b""),
        ("half_body", b"HTTP/1.1 200 OK", GOOD_BODY[:-20]),
        ("http_0_9", GOOD_BODY, b""),
        ("continue_spam", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n", b""),
        ("redirect", b"HTTP/1.1 302 Found\r\n", b""),
        ("no_content", b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        ("null_body", b"HTTP/1.1 200 OK", b"\r\n\r\nnull"),
    ],
)
def test_a_client_receives_the_first_and_the_last_bytes_of_a_fault(name: str, start: bytes, end: bytes) -> None:
    reply = receive(BY_NAME[name], max_bytes=65536)
    assert reply.startswith(start)
    assert reply.endswith(end)
    assert bool(reply) == bool(start)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.endless], ids=str)
def test_endless_faults_do_not_end(fault: Fault) -> None:
    with SocketServer(fault.handler()) as server, connect(server, 0.2) as client:
        client.sendall(REQUEST)
        with contextlib.suppress(socket.timeout):
            for _ in range(20):
                assert client.recv(65536)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.harmless], ids=str)
def test_harmless_faults_contain_a_usable_answer(fault: Fault) -> None:
    with SocketServer(fault.handler()) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("POST", "/", b"{}")
        reply = connection.getresponse()
        assert reply.read() in (GOOD_BODY, b"")
        assert reply.status in (200, 204)
        connection.close()


def test_a_gzip_bomb_is_small_on_the_wire_and_large_when_decompressed() -> None:
    with SocketServer(gzip_bomb(3)) as server, urllib3.PoolManager() as pool:
        packed = pool.request("GET", f"http://{server.domain}/", decode_content=False).data
    assert len(packed) < 10000
    assert len(zlib.decompress(packed, 31)) == 3 * MEBIBYTE + len(GOOD_BODY)
