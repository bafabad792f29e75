"""Open a TCP connection to the first of several addresses that answers (RFC 8305)."""

import contextlib
import os
import selectors
import socket
from typing import Any, Callable, ContextManager, Dict, List, NamedTuple, Optional

from target_tools.clock import Deadline, monotonic
from target_tools.http.dns import AddressInfo

#: Seconds that an attempt has for itself before the next address is tried beside it.
ATTEMPT_SECONDS = 0.25

#: Send small segments at once, and probe a silent peer after a minute.
SOCKET_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ),
)


class Connected(NamedTuple):
    """An open socket and the address that it is connected to."""

    sock: socket.socket
    address: AddressInfo


def connect(
    addresses: List[AddressInfo],
    deadline: Deadline,
    show: Callable[[socket.socket], object],
    blocking: Callable[[], ContextManager[object]] = contextlib.nullcontext,
) -> Connected:
    """Return the first connection that succeeds.

    ``show`` is called with each socket before it waits, so that another thread can abort it.
    ``blocking`` is entered once every address has had its ``ATTEMPT_SECONDS``.
    Raises the last ``OSError`` if all attempts fail, and ``socket.timeout`` at the deadline.
    """
    with contextlib.closing(_Race(deadline, show)) as race:
        return race.run(addresses, blocking)


class _Race:
    """Attempts to connect to several addresses, each begun a moment after the one before."""

    def __init__(self, deadline: Deadline, show: Callable[[socket.socket], object]) -> None:
        self._deadline = deadline
        self._show = show
        self._selector = selectors.DefaultSelector()
        self._waiting: Dict[Any, AddressInfo] = {}
        self._failure: Optional[OSError] = None

    def run(self, addresses: List[AddressInfo], blocking: Callable[[], ContextManager[object]]) -> Connected:
        for address in addresses:
            _left(self._deadline)
            connected = self._begin(address) or self._wait(monotonic() + ATTEMPT_SECONDS)
            if connected is not None:
                return connected
        with blocking():
            while self._waiting:
                connected = self._wait(monotonic() + _left(self._deadline))
                if connected is not None:
                    return connected
        failure, self._failure = self._failure, None
        try:
            raise failure or OSError("no address to connect to")
        finally:
            del failure  # or error, traceback and frame would hold one another

    def _begin(self, address: AddressInfo) -> Optional[Connected]:
        """Start one attempt; return it if it succeeds at once."""
        try:
            sock = _new_socket(address)
        except OSError as error:
            self._failure = error
            return None
        try:
            sock.setblocking(False)
            sock.connect(address[4])
        except BlockingIOError:
            self._waiting[sock] = address  # from now on close() closes it
            self._selector.register(sock, selectors.EVENT_WRITE)
            self._show(sock)
        except OSError as error:
            self._failure = error
            sock.close()
        except BaseException:
            sock.close()
            raise
        else:
            return Connected(sock, address)
        return None

    def _wait(self, until: float) -> Optional[Connected]:
        """Wait for an attempt to succeed; return None at ``until``, or when one fails."""
        while self._waiting:
            seconds = min(until - monotonic(), self._deadline.remaining())
            events = self._selector.select(max(0.0, seconds))
            for key, _ in events:
                sock: Any = key.fileobj
                self._selector.unregister(sock)
                address = self._waiting.pop(sock)
                number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not number:
                    return Connected(sock, address)
                sock.close()
                self._failure = OSError(number, os.strerror(number))
            if events or monotonic() >= until:
                return None
            _left(self._deadline)
        return None

    def close(self) -> None:
        """Close the attempts that did not win."""
        for sock in list(self._waiting):
            sock.close()
        self._selector.close()


def _new_socket(address: AddressInfo) -> socket.socket:
    sock = socket.socket(address[0], address[1], address[2])
    try:
        for option in SOCKET_OPTIONS:
            sock.setsockopt(*option)
    except BaseException:
        sock.close()
        raise
    return sock


def _left(deadline: Deadline) -> float:
    """Return the seconds left; raises ``socket.timeout`` if there are none."""
    remaining = deadline.remaining()
    if remaining <= 0:
        raise socket.timeout("the connection attempt timed out")
    return remaining
