"""Opens connections: in a helper thread if necessary, to the first of several addresses that answers (RFC 8305)."""

import contextlib
import os
import selectors
import socket
from typing import Any, Callable, ContextManager, List, NamedTuple, Optional

from target_tools.clock import Deadline, monotonic
from target_tools.concurrency.helper_thread import HelperThreads
from target_tools.concurrency.threads import in_main_thread
from target_tools.errors import DeadlineExceeded
from target_tools.http.dns import AddressInfo, Resolver
from target_tools.http.tls import TlsContexts

#: Seconds after which the next address is tried while the earlier attempts go on.
ATTEMPT_SECONDS = 0.25

#: The socket options: send small segments at once, and probe a silent peer after a minute.
SOCKET_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ),
)


class ConnectionOpener:
    """The resources for opening connections, shared by the pools of one client in one process."""

    def __init__(self, tls: TlsContexts, blocking: Callable[[], ContextManager[object]]) -> None:
        self.tls = tls
        self.resolver = Resolver(blocking)
        #: Entered by a thread that begins a long wait for a lookup or a connection.
        self.blocking = blocking
        #: The threads that open connections or make whole requests.
        self.helper_threads = HelperThreads()

    def run(self, act: Callable[[], None], undo: Callable[[], object], deadline: Deadline, in_thread: bool) -> None:
        """Call ``act``, which opens a connection: in this thread, or in a helper thread that the call can abandon.

        The main thread always uses a helper thread. Name lookups, TLS and urllib3 take locks, which an exception
        raised by a signal handler could leave locked. If ``in_thread`` is True, other threads use one, too. ``undo``
        is called if the connection is opened after the deadline.
        """
        if not in_thread and not in_main_thread():
            act()
            return
        try:
            # This also waits until the helper thread has exited. It could not exit later in a uWSGI process without
            # enable-threads, which runs no thread between requests.
            with self.blocking():
                self.helper_threads.call(act, deadline, undo)
        except DeadlineExceeded:  # perhaps only the deadline for opening has passed, so another host can be tried
            raise socket.timeout("the connection attempt timed out") from None

    def abandoned(self) -> int:
        """Return the number of running lookups and functions in helper threads that no call waits for."""
        return self.resolver.abandoned() + self.helper_threads.abandoned()


class Connected(NamedTuple):
    """An open socket and the address that it is connected to."""

    sock: socket.socket
    address: AddressInfo


def connect(
    addresses: List[AddressInfo],
    deadline: Deadline,
    register: Callable[[socket.socket], object],
    blocking: Callable[[], ContextManager[object]] = contextlib.nullcontext,
) -> Connected:
    """Return the first connection that succeeds.

    ``register`` is called with each socket that does not connect at once, so that another thread can abort the attempt.
    ``blocking`` is entered if no address has answered within its ``ATTEMPT_SECONDS``.
    Raises the last ``OSError`` if all attempts fail, and ``socket.timeout`` at the deadline.
    """
    with contextlib.closing(_Race(deadline, register)) as race:
        return race.run(addresses, blocking)


class _Race:
    """Attempts to connect to several addresses, each started shortly after the previous one."""

    def __init__(self, deadline: Deadline, register: Callable[[socket.socket], object]) -> None:
        self._deadline = deadline
        self._register = register
        self._selector = selectors.DefaultSelector()
        self._failure: Optional[OSError] = None

    def run(self, addresses: List[AddressInfo], blocking: Callable[[], ContextManager[object]]) -> Connected:
        for address in addresses:
            _left(self._deadline)
            connected = self._begin(address) or self._wait(monotonic() + ATTEMPT_SECONDS)
            if connected is not None:
                return connected
        with blocking():
            while self._selector.get_map():
                connected = self._wait(monotonic() + _left(self._deadline))
                if connected is not None:
                    return connected
        failure, self._failure = self._failure, None
        try:
            raise failure or OSError("no address to connect to")
        finally:
            del failure  # break the reference cycle of error, traceback and frame

    def _begin(self, address: AddressInfo) -> Optional[Connected]:
        """Start an attempt; return its connection if it succeeds at once."""
        try:
            sock = _new_socket(address)
        except OSError as error:
            self._failure = error
            return None
        try:
            sock.setblocking(False)
            sock.connect(address[4])
        except BlockingIOError:
            self._selector.register(sock, selectors.EVENT_WRITE, address)  # from now on, close() closes it
            self._register(sock)
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
        """Wait until an attempt succeeds; return None at ``until``, or when an attempt fails."""
        while self._selector.get_map():
            seconds = min(until - monotonic(), self._deadline.remaining())
            events = self._selector.select(max(0.0, seconds))
            for key, _ in events:
                sock: Any = key.fileobj
                self._selector.unregister(sock)
                number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not number:
                    return Connected(sock, key.data)
                sock.close()
                self._failure = OSError(number, os.strerror(number))
            if events or monotonic() >= until:
                return None
            _left(self._deadline)
        return None

    def close(self) -> None:
        """Close the sockets of the other attempts."""
        for key in list(self._selector.get_map().values()):
            sock: Any = key.fileobj
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
    """Return the seconds left, or raise ``socket.timeout`` after the deadline."""
    remaining = deadline.remaining()
    if remaining <= 0:
        raise socket.timeout("the connection attempt timed out")
    return remaining
