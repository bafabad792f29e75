"""Connecting to the first of several addresses that answers (RFC 8305)."""

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
def good():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        yield info(listener.getsockname())


@pytest.fixture
def refused():
    with socket.socket() as bound:  # the port is in use, but nothing listens
        bound.bind(("127.0.0.1", 0))
        yield info(bound.getsockname())


@pytest.fixture
def silent():
    """Return an address whose connections neither succeed nor fail, because its queue is full."""
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


class Registered(list):
    """The registered sockets, which another thread could abort."""

    def __call__(self, sock):
        self.append(sock)


def opened(addresses, seconds=WAIT):
    """Connect; return the address that answered. Check that no other socket stays open."""
    registered = Registered()
    sock, address = connect(addresses, Deadline.after(seconds), registered)
    with sock:
        assert sock.getpeername() == address[4]
    assert all(one.fileno() < 0 for one in registered)  # the block has closed the connected one
    return address


def test_a_single_address_is_connected_to(good):
    assert opened([good]) == good


def test_the_first_address_is_used_if_it_answers(good, refused, silent):
    assert opened([good, refused, silent]) == good


@pytest.mark.parametrize("before", [1, 2, 5])
def test_a_refused_attempt_starts_the_next_at_once(before, good, refused, monkeypatch):
    monkeypatch.setattr(connecting, "ATTEMPT_SECONDS", WAIT)
    assert opened([*[refused] * before, good]) == good


def test_the_next_address_is_tried_after_attempt_seconds_without_an_answer(good, silent):
    began = monotonic()
    assert opened([silent, good]) == good
    assert monotonic() - began >= connecting.ATTEMPT_SECONDS * 0.9


def test_attempts_that_wait_or_are_refused_do_not_prevent_the_next(good, refused, silent, monkeypatch):
    monkeypatch.setattr(connecting, "ATTEMPT_SECONDS", 0.05)
    assert opened([silent, refused, silent, good]) == good


class Pending(socket.socket):
    """A socket that is connected once ``answer`` was called."""

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


def test_an_address_that_answers_late_can_still_be_used(refused, monkeypatch):
    """The first attempt continues when the next ones start and are refused."""
    monkeypatch.setattr(connecting, "ATTEMPT_SECONDS", 0.01)
    pending = Pending()
    made = iter([pending])
    new_socket = connecting._new_socket
    monkeypatch.setattr(connecting, "_new_socket", lambda address: next(made, None) or new_socket(address))
    late = threading.Timer(0.05, pending.answer)
    registered = Registered()

    def register(sock):
        registered(sock)
        if sock is pending:
            late.start()

    late_address = info(("192.0.2.1", 80))
    with connect([late_address, refused, refused], Deadline.after(WAIT), register).sock as sock, pending.far:
        assert sock is registered[0] is pending
        assert all(one.fileno() < 0 for one in registered[1:])
        late.join(WAIT)  # it reads from ``pending.far``


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_last_error_is_raised_if_all_addresses_refuse(count, refused):
    registered = Registered()
    with pytest.raises(OSError, match="refused") as caught:
        connect([refused] * count, Deadline.after(WAIT), registered)
    assert caught.value.errno == errno.ECONNREFUSED
    assert all(one.fileno() < 0 for one in registered)


@pytest.mark.parametrize("count", [1, 3])
def test_the_deadline_ends_all_attempts(count, silent, monkeypatch):
    monkeypatch.setattr(connecting, "ATTEMPT_SECONDS", 0.02)
    registered = Registered()
    deadline = Deadline.after(0.15)
    with pytest.raises(socket.timeout):
        connect([silent] * count, deadline, registered)
    assert deadline.remaining() <= 0.01
    assert len(registered) == count
    assert all(one.fileno() < 0 for one in registered)


@pytest.mark.parametrize("count", [1, 2])
def test_nothing_is_connected_to_after_the_deadline(count, good):
    registered = Registered()
    with pytest.raises(socket.timeout, match="timed out"):
        connect([good] * count, Deadline.after(-1), registered)
    assert registered == []


def test_an_empty_list_of_addresses_is_an_error():
    with pytest.raises(OSError, match="no address"):
        connect([], Deadline.after(WAIT), Registered())


@pytest.mark.parametrize("count", [1, 2])
def test_sockets_are_closed_when_a_signal_handler_raises(count, silent):
    class Signal(BaseException):
        pass

    registered = []

    def register(sock):
        registered.append(sock)
        raise Signal

    with pytest.raises(Signal):
        connect([silent] * count, Deadline.after(WAIT), register)
    assert [one.fileno() for one in registered] == [-1]


def test_an_address_of_an_unknown_family_is_skipped(good):
    unknown = (12345, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))
    assert opened([unknown, good]) == good
    with pytest.raises(OSError):
        connect([unknown], Deadline.after(WAIT), Registered())


def test_socket_options_are_set(good):
    sock, _ = connect([good], Deadline.after(WAIT), Registered())
    with sock:
        assert {option[:2] for option in SOCKET_OPTIONS} >= {(socket.IPPROTO_TCP, socket.TCP_NODELAY)}
        for level, name, value in SOCKET_OPTIONS:
            assert sock.getsockopt(level, name) == value
