"""The timings of an exchange with a server. A step that the exchange did not need has no time."""

import contextlib
import socket
import time

import pytest

from target_python_sdk.testing import SocketServer, answer, response
from target_tools.clock import Deadline, monotonic
from target_tools.http.messages import HttpRequest, Origin
from target_tools.http.proxies import Proxy
from target_tools.http.transport import Transport, TransportSettings
from tests.support import LONG

pytestmark = pytest.mark.server

BODY = b'{"status": 200}'
#: The seconds that a slow server or resolver waits, and the milliseconds that must be measured for this wait.
PAUSE = 0.03
PAUSE_MS = 0.9 * 1000 * PAUSE


@contextlib.contextmanager
def sender(server, host="127.0.0.1", scheme="http", **settings):
    """Yield a function that sends a request to ``server`` and returns the timings of the exchange."""
    transport = Transport(TransportSettings(**settings))
    request = HttpRequest("POST", Origin(scheme, host, server.port), "/", (), b"{}", 1 << 20)

    def send():
        began = monotonic()
        timings = transport.send(request, Deadline.after(LONG / 1000)).timings
        steps = [timings.dns, timings.connect, timings.tls, timings.first_byte, timings.download]
        assert all(step >= 0 for step in steps if step is not None)
        assert sum(step or 0 for step in steps) <= (monotonic() - began) * 1000
        return timings

    try:
        yield send
    finally:
        transport.close()


def test_a_new_connection_to_an_address_has_no_lookup():
    with SocketServer(answer(BODY)) as server, sender(server) as send:
        timings = send()
    assert timings.connect > 0
    assert timings.dns is timings.tls is None


def test_a_kept_alive_connection_is_neither_looked_up_nor_opened():
    with SocketServer(answer(BODY)) as server, sender(server, host="localhost") as send:
        assert send().connect is not None
        timings = send()
        assert server.connections == 1
    assert timings.dns is timings.connect is timings.tls is None


def test_a_name_is_looked_up_for_the_first_connection_only(monkeypatch):
    resolve, names = socket.getaddrinfo, []

    def slow_lookup(host, *arguments, **options):
        names.append(host)
        time.sleep(PAUSE)
        return resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow_lookup)
    with SocketServer(answer(BODY)) as server, sender(server, host="localhost", idle_seconds=0) as send:
        first, second = send(), send()
        assert server.connections == 2
    assert names == ["localhost"]
    assert first.dns >= PAUSE_MS
    assert second.dns is None
    assert second.connect > 0


def test_the_handshake_is_measured_apart_from_the_connection(authority):
    context = authority.server_context()
    with SocketServer(answer(BODY), tls=context) as server:
        with sender(server, host="localhost", scheme="https", ca_certs=authority.ca_file) as send:
            first, second = send(), send()
    assert first.tls > 0
    assert first.connect > 0
    assert second.tls is None


def test_the_wait_for_the_reply_of_a_proxy_is_part_of_the_time_to_connect(authority):
    def slow_proxy(connection):
        connection.read_request()
        time.sleep(PAUSE)
        connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        connection.socket = context.wrap_socket(connection.socket, server_side=True)
        answer(BODY)(connection)

    context = authority.server_context()
    with SocketServer(slow_proxy) as server:
        proxy = Proxy("http", "127.0.0.1", server.port, None, ())
        with sender(server, "localhost", "https", ca_certs=authority.ca_file, proxy=proxy) as send:
            timings = send()
    assert timings.connect >= PAUSE_MS
    assert timings.tls > 0


def test_the_first_byte_is_timed_from_the_request_and_the_download_from_the_first_byte():
    sent = response(BODY)

    def slow(connection):
        while connection.read_request():
            time.sleep(PAUSE)
            connection.send(sent[:-5])
            time.sleep(PAUSE)
            connection.send(sent[-5:])

    with SocketServer(slow) as server, sender(server) as send:
        # If a busy machine delivers all bytes at once, the next request is measured.
        timings = next(timings for timings in (send() for _ in range(100)) if timings.download >= PAUSE_MS)
    assert timings.first_byte >= PAUSE_MS


def test_the_sizes_are_those_on_the_wire():
    sent = response(BODY)
    with SocketServer(answer(BODY)) as server, sender(server) as send:
        timings = [send(), send()]
        requests = server.requests
    assert [each.received for each in timings] == [len(sent)] * 2
    assert [each.sent for each in timings] == [len(request) for request in requests]
