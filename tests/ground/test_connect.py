"""Attempts to connect to several addresses, of which the first that answers is used (RFC 8305)."""

import contextlib
import errno
import socket
import threading

import pytest

from target_tools.clock import Deadline, monotonic
from target_tools.http import connect as connecting
from target_tools.http.connect import SOCKET_OPTIONS, connect
from tests.support import LONG

WAIT = LONG / 1000
pytestmark = pytest.mark.server


def info(address):
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)


@pytest.fixture
def reachable_address():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        yield info(listener.getsockname())


@pytest.fixture
def refusing_address():
    with socket.socket() as idle_socket:  # the port is in use, but nothing listens
        idle_socket.bind(("127.0.0.1", 0))
        yield info(idle_socket.getsockname())


@pytest.fixture
def silent_address():
    """Yield an address to which connecting neither succeeds nor fails, because the queue of its listener is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        yield info(listener.getsockname())
        for filler in fillers:
            filler.close()


class SocketRegistry(list):
    """A list of the sockets that ``connect`` registers for other threads to abort."""

    def __call__(self, sock):
        self.append(sock)


def connect_to(addresses, seconds=WAIT):
    """Connect, return the address that answered, and check that no other socket stays open."""
    registry = SocketRegistry()
    sock, address = connect(addresses, Deadline.after(seconds), registry)
    with sock:
        assert sock.getpeername() == address[4]
    assert all(each.fileno() < 0 for each in registry)  # the block has closed the connected socket
    return address


def test_a_single_address_is_used(reachable_address):
    assert connect_to([reachable_address]) == reachable_address


def test_the_first_address_is_used_if_it_answers(reachable_address, refusing_address, silent_address):
    assert connect_to([reachable_address, refusing_address, silent_address]) == reachable_address


@pytest.mark.parametrize("refusals", [1, 2, 5])
def test_a_refused_attempt_starts_the_next_at_once(refusals, reachable_address, refusing_address, monkeypatch):
    monkeypatch.setattr(connecting, "ATTEMPT_SECONDS", WAIT)
    assert connect_to([*[refusing_address] * refusals, reachable_address]) == reachable_address


def test_the_next_address_is_tried_after_attempt_seconds_without_an_answer(reachable_address, silent_address):
    began = monotonic()
    assert connect_to([silent_address, reachable_address]) == reachable_address
    assert monotonic() - began >= connecting.ATTEMPT_SECONDS * 0.9


def test_attempts_that_wait_or_are_refused_do_not_prevent_the_next(
    reachable_address, refusing_address, silent_address, monkeypatch
):
    monkeypatch.setattr(connecting, "ATTEMPT_SECONDS", 0.05)
    assert connect_to([silent_address, refusing_address, silent_address, reachable_address]) == reachable_address


class PendingSocket(socket.socket):
    """A socket whose connection is established when ``answer`` is called."""

    def connect(self, address):
        near, self.far = socket.socketpair()
        near.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                near.send(b"x" * 65536)
        super().close()
        super().__init__(fileno=near.detach())
        raise BlockingIOError

    def answer(self):
        self.far.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.far.recv(65536)


def test_an_address_that_answers_late_can_still_be_used(refusing_address, monkeypatch):
    """The first attempt continues when the next ones start and are refused."""
    monkeypatch.setattr(connecting, "ATTEMPT_SECONDS", 0.01)
    pending = PendingSocket()
    sockets = iter([pending])
    new_socket = connecting._new_socket
    monkeypatch.setattr(connecting, "_new_socket", lambda address: next(sockets, None) or new_socket(address))
    timer = threading.Timer(0.05, pending.answer)
    registry = SocketRegistry()

    def register(sock):
        registry(sock)
        if sock is pending:
            timer.start()

    late_address = info(("192.0.2.1", 80))
    with connect(
        [late_address, refusing_address, refusing_address], Deadline.after(WAIT), register
    ).sock as sock, pending.far:
        assert sock is registry[0] is pending
        assert all(each.fileno() < 0 for each in registry[1:])
        timer.join(WAIT)  # the thread of the timer reads from ``pending.far``


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_last_error_is_raised_if_all_addresses_refuse(count, refusing_address):
    registry = SocketRegistry()
    with pytest.raises(OSError, match="refused") as caught:
        connect([refusing_address] * count, Deadline.after(WAIT), registry)
    assert caught.value.errno == errno.ECONNREFUSED
    assert all(each.fileno() < 0 for each in registry)


@pytest.mark.parametrize("count", [1, 3])
def test_the_deadline_ends_all_attempts(count, silent_address, monkeypatch):
    monkeypatch.setattr(connecting, "ATTEMPT_SECONDS", 0.02)
    registry = SocketRegistry()
    deadline = Deadline.after(0.15)
    with pytest.raises(socket.timeout):
        connect([silent_address] * count, deadline, registry)
    assert deadline.remaining() <= 0.01
    assert len(registry) == count
    assert all(each.fileno() < 0 for each in registry)


@pytest.mark.parametrize("count", [1, 2])
def test_no_connection_is_opened_after_the_deadline(count, reachable_address):
    registry = SocketRegistry()
    with pytest.raises(socket.timeout, match="timed out"):
        connect([reachable_address] * count, Deadline.after(-1), registry)
    assert registry == []


def test_an_empty_list_of_addresses_is_an_error():
    with pytest.raises(OSError, match="no address"):
        connect([], Deadline.after(WAIT), SocketRegistry())


@pytest.mark.parametrize("count", [1, 2])
def test_sockets_are_closed_when_a_signal_handler_raises(count, silent_address):
    class Signal(BaseException):
        pass

    registry = []

    def register(sock):
        registry.append(sock)
        raise Signal

    with pytest.raises(Signal):
        connect([silent_address] * count, Deadline.after(WAIT), register)
    assert [each.fileno() for each in registry] == [-1]


def test_an_address_of_an_unknown_family_is_skipped(reachable_address):
    unknown_family = (12345, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))
    assert connect_to([unknown_family, reachable_address]) == reachable_address
    with pytest.raises(OSError):
        connect([unknown_family], Deadline.after(WAIT), SocketRegistry())


def test_socket_options_are_set(reachable_address):
    sock, _ = connect([reachable_address], Deadline.after(WAIT), SocketRegistry())
    with sock:
        assert {option[:2] for option in SOCKET_OPTIONS} >= {(socket.IPPROTO_TCP, socket.TCP_NODELAY)}
        for level, name, value in SOCKET_OPTIONS:
            assert sock.getsockopt(level, name) == value
