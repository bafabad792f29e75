"""Pool managers of the application: the same errors and retries as with the SDK's own connections."""

import socket
import ssl
from importlib.util import find_spec
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import urllib3

from target_python_sdk.errors import (
    ConnectionFailed,
    DeadlineExceeded,
    DeliveryError,
    HttpStatusError,
    InvalidResponse,
    OptionError,
    TlsError,
    TransportError,
)
from target_python_sdk.testing import SocketServer, answer
from tests.support import ANSWER, ANSWER_BYTES, LONG, SHORT, client_of, content, installing, offers

pytestmark = pytest.mark.server

needs_socks = pytest.mark.skipif(find_spec("socks") is None, reason="no PySocks: " + installing("test"))


def call_and_wait(client):
    return client.get_offers(offers())


def call_with_callback(client):
    return client.get_offers({**offers(), "callback": id}).get(LONG / 1000)


WITH_BOTH_CALLS = pytest.mark.parametrize(
    "call", [call_and_wait, call_with_callback], ids=["call_and_wait", "callback"]
)


@pytest.fixture
def refusing_port():
    """Yield a stand-in for a server. Nothing listens on the port of its ``domain``."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield SimpleNamespace(domain=f"127.0.0.1:{bound.getsockname()[1]}")


class Manager:
    """A pool manager whose behavior the test defines."""

    def __init__(self, act):
        self.calls = []
        self._act = act

    def request(self, method, url, **options):
        self.calls.append((method, url, options))
        return self._act()


def raising_manager(error):
    def act():
        raise error

    return Manager(act)


# Refused connections


@WITH_BOTH_CALLS
@pytest.mark.parametrize("retries", [1, 3])
def test_a_refused_connection_is_retried(call, retries, refusing_port):
    with urllib3.PoolManager() as manager, client_of(refusing_port, pool_manager=manager, retries=retries) as client:
        with pytest.raises(ConnectionFailed, match=r"no connection to http://127\.0\.0\.1") as caught:
            call(client)
    assert (caught.value.phase, caught.value.attempts) == ("opening", retries)
    assert isinstance(caught.value.__cause__, urllib3.exceptions.NewConnectionError)


@WITH_BOTH_CALLS
@pytest.mark.parametrize("proxy_scheme", ["http", "https"])
@pytest.mark.parametrize("kind", ["manager", "own"])
def test_a_refused_connection_to_a_proxy_is_retried(kind, proxy_scheme, call, refusing_port):
    address = f"{proxy_scheme}://{refusing_port.domain}"
    options = {"pool_manager": urllib3.ProxyManager(address)} if kind == "manager" else {"proxy": address}
    with client_of(SimpleNamespace(domain="127.0.0.1:9"), retries=2, **options) as client:
        with pytest.raises(ConnectionFailed) as caught:
            call(client)
    assert (caught.value.phase, caught.value.attempts) == ("opening", 2)


@needs_socks
@WITH_BOTH_CALLS
@pytest.mark.parametrize("kind", ["manager", "own"])
def test_a_refused_connection_to_a_socks_proxy_is_retried(kind, call, refusing_port):
    address = f"socks5://{refusing_port.domain}"
    options = {"proxy": address}
    if kind == "manager":
        from urllib3.contrib.socks import SOCKSProxyManager  # noqa: PLC0415 - needs an extra

        options = {"pool_manager": SOCKSProxyManager(address)}
    with client_of(SimpleNamespace(domain="127.0.0.1:9"), retries=2, **options) as client:
        with pytest.raises(ConnectionFailed) as caught:
            call(client)
    assert (caught.value.phase, caught.value.attempts) == ("opening", 2)


def socks5_proxy(code):
    """Return the handler of a SOCKS proxy that replies with ``code``: 0 means success, 5 means connection refused."""

    def handle(connection):
        sock = connection.socket
        sock.recv(3)
        connection.send(b"\x05\x00")
        request = sock.recv(10)
        connection.send(bytes([5, code, 0, 1, 0, 0, 0, 0, 0, 0]))
        if code == 0:
            with socket.create_connection(
                (socket.inet_ntoa(request[4:8]), int.from_bytes(request[8:10], "big"))
            ) as target:
                target.sendall(connection.read_request())
                target.shutdown(socket.SHUT_WR)
                while True:
                    part = target.recv(65536)
                    if not part:
                        return
                    connection.send(part)

    return handle


@needs_socks
@WITH_BOTH_CALLS
def test_a_call_goes_through_a_socks_proxy(call):
    with SocketServer(answer(ANSWER, headers={"Connection": "close"})) as server, SocketServer(
        socks5_proxy(0)
    ) as proxy:
        with client_of(server, proxy="socks5://" + proxy.domain) as client:
            assert content(call(client)) == "<b>A</b>"
        assert (server.connections, proxy.connections) == (1, 1)


@needs_socks
@WITH_BOTH_CALLS
def test_a_socks_proxy_that_cannot_connect_is_retried(call, refusing_port):
    with SocketServer(socks5_proxy(5)) as proxy, client_of(
        refusing_port, proxy="socks5://" + proxy.domain, retries=3
    ) as client:
        with pytest.raises(ConnectionFailed, match="refused") as caught:
            call(client)
        assert (caught.value.phase, caught.value.attempts, proxy.connections) == ("opening", 3, 3)


@needs_socks
@WITH_BOTH_CALLS
def test_a_socks_proxy_that_hangs_does_not_exceed_the_deadline(call):
    with SocketServer(lambda connection: connection.hang()) as proxy:
        with client_of(proxy, proxy="socks5://" + proxy.domain, timeout=SHORT) as client:
            with pytest.raises(DeadlineExceeded):
                call(client)


# Errors of a manager


class HookError(Exception):
    pass


ERRORS = [
    (HookError("mine"), TransportError),
    (ValueError("mine"), TransportError),
    (KeyError("mine"), TransportError),
    (AssertionError("a double met an unexpected request"), TransportError),
    (OSError("mine"), ConnectionFailed),
    (ConnectionResetError(104, "reset"), ConnectionFailed),
    (urllib3.exceptions.ProtocolError("mine"), ConnectionFailed),
    (urllib3.exceptions.HTTPError("mine"), ConnectionFailed),
    (urllib3.exceptions.LocationParseError("mine"), ConnectionFailed),
    (urllib3.exceptions.ReadTimeoutError(None, "/", "mine"), DeadlineExceeded),
    (urllib3.exceptions.SSLError("mine"), TlsError),
    (ssl.SSLError(1, "mine"), TlsError),
    (socket.timeout("mine"), DeadlineExceeded),
]


@WITH_BOTH_CALLS
@pytest.mark.parametrize(("error", "kind"), ERRORS, ids=lambda value: type(value).__name__ + "-" + str(value)[:9])
def test_any_error_of_a_manager_becomes_an_error_of_the_sdk(error, kind, call):
    manager = raising_manager(error)
    with client_of(SimpleNamespace(domain="edge.example:8080"), pool_manager=manager, retries=3) as client:
        with pytest.raises(DeliveryError) as caught:
            call(client)
        assert client.stats()["failures"] == 1
    assert type(caught.value) is kind
    assert caught.value.__cause__ is error
    assert len(manager.calls) == 1  # the server may have processed the request


@WITH_BOTH_CALLS
def test_a_manager_that_cannot_connect_is_retried(call):
    error = urllib3.exceptions.MaxRetryError(None, "/", urllib3.exceptions.NewConnectionError(None, "mine"))
    manager = raising_manager(error)
    with client_of(SimpleNamespace(domain="edge.example:8080"), pool_manager=manager, retries=3) as client:
        with pytest.raises(ConnectionFailed) as caught:
            call(client)
    assert (caught.value.phase, caught.value.attempts, len(manager.calls)) == ("opening", 3, 3)
    assert caught.value.__cause__ is error.reason


# Responses of a manager


@WITH_BOTH_CALLS
@pytest.mark.parametrize(
    "reply",
    [
        lambda: urllib3.HTTPResponse(body=ANSWER_BYTES, status=200),
        lambda: Mock(status=200, data=ANSWER_BYTES, headers={}),
        lambda: Mock(status=200, reason="OK", data=ANSWER_BYTES.decode()),
        lambda: SimpleNamespace(status=200, data=ANSWER_BYTES),
    ],
    ids=["preloaded", "mock", "text", "object"],
)
def test_every_kind_of_response_is_read(reply, call):
    manager = Manager(reply)
    with client_of(SimpleNamespace(domain="edge.example:8080"), pool_manager=manager) as client:
        for _ in range(2):
            assert content(call(client)) == "<b>A</b>"
    ((method, url, options), _) = manager.calls
    assert (method, url.partition("?")[0]) == ("POST", "http://edge.example:8080/rest/v1/delivery")
    assert options["retries"] is options["redirect"] is options["preload_content"] is False


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Mock(status=503, data=b"{}", headers={}), HttpStatusError),
        (Mock(status=103, data=ANSWER_BYTES, headers={}), InvalidResponse),
        (Mock(status=200, data=b"<html>", headers={}), InvalidResponse),
        (None, OptionError),
        (Mock(), OptionError),
    ],
    ids=["503", "103", "no JSON", "nothing", "mock without a status"],
)
def test_an_invalid_response_is_an_error(reply, kind):
    manager = Manager(lambda: reply)
    with client_of(SimpleNamespace(domain="edge.example:8080"), pool_manager=manager, retries=1) as client:
        with pytest.raises(kind):
            client.get_offers(offers())


def test_a_manager_that_hangs_does_not_exceed_the_deadline():
    with SocketServer(lambda connection: connection.hang()) as server, urllib3.PoolManager() as manager:
        with client_of(server, pool_manager=manager, timeout=SHORT) as client:
            with pytest.raises(DeadlineExceeded):
                client.get_offers(offers())
