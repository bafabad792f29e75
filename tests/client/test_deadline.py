"""``timeout`` is one deadline for all waits of a call (B2, T1)."""

import socket
import threading
import time
from types import SimpleNamespace

import pytest
import urllib3

from target_python_sdk.errors import DeadlineExceeded
from target_python_sdk.testing import SocketServer, answer
from tests.support import ANSWER_BYTES, LONG, SHORT, client_of, offers

pytestmark = pytest.mark.server

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
#: Seconds. Without a deadline for the whole call, each slow server below would delay the call for longer than this.
MUCH_LATER = 20


def send_nothing(connection):
    connection.read_request()
    connection.hang()


def drip_headers(connection):
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    connection.send_slowly(b"x" * 500, every=0.1)


def drip_the_body(connection):
    connection.read_request()
    connection.send(HEAD)
    connection.send_slowly(b" " * 500, every=0.1)


def drip_the_status_line(connection):
    connection.read_request()
    connection.send_slowly(b"HTTP/1.1 200 OK\r\n", every=10)


def send_continue_for_ever(connection):
    connection.read_request()
    while True:
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.wait(0.01)


SLOW = [send_nothing, drip_headers, drip_the_body, drip_the_status_line, send_continue_for_ever]


@pytest.mark.parametrize("handler", SLOW, ids=lambda handler: handler.__name__)
def test_b2_a_call_to_a_slow_server_raises_deadline_exceeded(handler):
    with SocketServer(handler) as server, client_of(server, timeout=SHORT, retries=1) as client:
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded, match="within 200 ms") as caught:
            client.get_offers(offers())
        elapsed = time.monotonic() - began
    assert 0.2 <= elapsed < MUCH_LATER
    assert isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value, urllib3.exceptions.TimeoutError)
    assert caught.value.request.execute.mboxes[0].name == "home"


def test_b2_retries_share_the_deadline():
    def unavailable(connection):
        while connection.read_request():
            connection.wait(0.15)
            connection.send(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")

    with SocketServer(unavailable) as server, client_of(server, timeout=SHORT) as client:
        with pytest.raises(Exception) as caught:
            client.get_offers(offers())
    assert caught.value.attempts <= 2  # three attempts take 450 ms


def test_the_timeout_of_a_call_overrides_that_of_the_client():
    with SocketServer(send_nothing) as server, client_of(server, timeout=10 * LONG) as client:
        with pytest.raises(DeadlineExceeded, match="within 200 ms"):
            client.get_offers({**offers(), "timeout": SHORT})


def test_a_call_with_a_hanging_resolver_raises_deadline_exceeded(monkeypatch):
    call_has_ended = threading.Event()

    def hang(*_, **__):
        call_has_ended.wait(MUCH_LATER)
        raise socket.gaierror("too late")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server, timeout=SHORT) as client:
        with pytest.raises(DeadlineExceeded):  # the resolver's error would be ConnectionFailed
            client.get_offers(offers())
        call_has_ended.set()
        assert server.connections == 0


def test_a_call_to_a_port_that_ignores_connects_raises_deadline_exceeded():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        # The queue of a socket that never accepts is full after one or two connections.
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))

        full = SimpleNamespace(domain=f"127.0.0.1:{port}")
        with client_of(full, timeout=SHORT) as client:
            began = time.monotonic()
            with pytest.raises(DeadlineExceeded):
                client.get_offers(offers())
            assert time.monotonic() - began < MUCH_LATER  # the system gives up after minutes
        for filler in fillers:
            filler.close()


def test_the_client_works_after_a_deadline():
    def slow_once(connection):
        if connection.number == 1:
            send_nothing(connection)
        else:
            answer(ANSWER_BYTES)(connection)

    with SocketServer(slow_once) as server, client_of(server) as client:
        with pytest.raises(DeadlineExceeded):
            client.get_offers({**offers(), "timeout": SHORT})
        assert client.get_offers(offers())["response"].status == 200


def attempts_of_a_call_to_a_hung_server(first, second):
    """Make a call that is answered, and then one that is not; return how many attempts the second call makes.

    ``first`` and ``second`` are the timeouts of the calls. Return None if a busy machine did not let the first call end
    in time, or the second call send its request.
    """

    def answer_once(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(ANSWER_BYTES), ANSWER_BYTES))
        connection.read_request()
        connection.hang()

    with SocketServer(answer_once) as server, client_of(server) as client:
        try:
            client.get_offers({**offers(), "timeout": first})
        except DeadlineExceeded:
            return None
        with pytest.raises(DeadlineExceeded) as caught:
            client.get_offers({**offers(), "timeout": second})
        assert server.connections == 1
        assert len(server.requests) <= 2
        return caught.value.attempts if len(server.requests) == 2 else None


@pytest.mark.parametrize(("first", "second"), [(400, 430), (400, 400), (430, 400), (300, 348)])
def test_a_request_to_a_hung_server_is_sent_once_whatever_the_timeout_of_the_previous_call(first, second):
    attempts = (attempts_of_a_call_to_a_hung_server(first, second) for _ in range(20))
    assert next(each for each in attempts if each is not None) == 1
