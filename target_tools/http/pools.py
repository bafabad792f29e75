"""Kept-alive connections that a signal, a fork or a slow server cannot spoil.

The connections are urllib3's; what is done differently, and why:

* Idle ones lie on one ``deque`` per origin.  Its operations cannot be interrupted
  half-way, where ``queue.LifoQueue`` (urllib3's pool) is left locked for ever by one
  signal handler in six that raises inside it.
* Opening happens through :mod:`target_tools.handover`: the caller waits on a raw lock.
* Every read is given what is left of the call's deadline: see :mod:`target_tools.http.replies`.
* Head and body of a request leave in one segment, and ``http.client`` reads the answer.
  urllib3's ``urlopen`` costs more than half as much again (``docs/internals.md`` measures it),
  for redirects, retries and decoding that are not wanted here.
"""

import contextlib
import encodings.idna  # a look-up would import it; a process forked meanwhile never could again
import encodings.utf_8_sig  # and JSON with a mark before it these two
import encodings.utf_16_le  # noqa: F401
import http.client
import socket
import ssl
from collections import deque
from typing import Any, Callable, Deque, Dict, Optional, Tuple

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError
from urllib3.util import connection as urllib3_connection
from urllib3.util import is_connection_dropped

from target_tools.clock import Deadline, monotonic
from target_tools.exits import Line, LineDeadline
from target_tools.forks import Crossing
from target_tools.handover import Handover
from target_tools.http.messages import Origin
from target_tools.http.proxies import Proxy
from target_tools.http.replies import Answer, TimedReader, give_time

#: Seconds after which an idle connection is not trusted any more: load balancers forget it silently.
IDLE_SECONDS = 60.0
#: Idle connections kept to one origin, and origins kept.
IDLE_LIMIT = 256
ORIGIN_LIMIT = 32
#: What is handed to the socket at once: one TLS record, so that the deadline is looked at between them.
SEND_SIZE = 16384

#: No waiting for a second segment; a word after a minute of silence, so that a dead peer is noticed.
SOCKET_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ),
)


class KeptConnection(HTTPConnection):
    """A connection to an origin, plain or through a proxy, that outlives a request."""

    deadline: Deadline
    reader: Optional[TimedReader] = None
    answer: Optional[Answer] = None
    response: Optional[http.client.HTTPResponse] = None
    #: The proxy that requests in plain HTTP are handed to.
    via: Optional[Proxy] = None
    #: How many answers it has carried.
    uses = 0
    idle_since = 0.0
    #: Milliseconds of the opening; None when it is long ago.
    dns: Optional[float] = None
    tls: Optional[float] = None
    #: Whose exchange it carries, where somebody may end that.
    line: Optional[Line] = None
    _connected_at = 0.0

    def serve(self, deadline: Deadline) -> None:
        """Begin an exchange."""
        self.deadline = deadline
        self.line = deadline.line if isinstance(deadline, LineDeadline) else None
        if self.sock is not None:
            self.show(self.sock)

    def show(self, sock: socket.socket) -> None:
        """Let whoever may end the exchange know the socket."""
        if self.line is not None:
            self.line.hold(id(self), sock)

    def leave(self) -> None:
        """The exchange is over."""
        line, self.line = self.line, None
        if line is not None:
            line.release(id(self))

    def open(self) -> None:
        """Look the name up, connect, and shake hands; runs in a thread that may be left behind."""
        HTTPConnection.connect(self)

    def _new_conn(self) -> socket.socket:
        """A connected socket: every address of the host gets a fair part of the time that is left."""
        host = self._dns_host.strip("[]")
        began = monotonic()
        addresses = socket.getaddrinfo(
            host, self.port, urllib3_connection.allowed_gai_family(), socket.SOCK_STREAM
        )
        self.dns = (monotonic() - began) * 1000
        failure: Optional[OSError] = None
        for index, address in enumerate(addresses):
            left = self.deadline.remaining() / (len(addresses) - index)
            if left <= 0:
                break
            try:
                sock = _connected(address, left, self.show)
            except OSError as error:
                failure = error
            else:
                self._connected_at = monotonic()
                sock.settimeout(max(0.001, self.deadline.remaining()))
                return sock
        raise failure or ConnectTimeoutError(self, "no time left to connect")

    def send(self, data: Any) -> None:
        """Hand ``data`` to the socket, as much at a time as one TLS record holds."""
        for start in range(0, len(data), SEND_SIZE):
            assert self.sock is not None
            give_time(self.sock, self.deadline)
            self.sock.sendall(data[start : start + SEND_SIZE])

    def put(self, message: bytes) -> None:
        """Send a whole request."""
        self.send(message)

    def response_class(self, sock: socket.socket, *arguments: Any, **options: Any) -> http.client.HTTPResponse:  # type: ignore[override]
        """What ``http.client`` reads an answer with; a proxy's answer to CONNECT, too."""
        self.reader = TimedReader(sock, self.deadline)
        self.response = http.client.HTTPResponse(self.reader, *arguments, **options)  # type: ignore[arg-type]
        self.answer = self.response.fp  # type: ignore[assignment]
        return self.response

    def ask(self, method: str, head_and_body: bytes) -> http.client.HTTPResponse:
        """The head of the answer to a request, which leaves in one segment."""
        self.reader = self.answer = self.response = None
        broken: Optional[OSError] = None
        try:
            self.put(head_and_body)
        except (BrokenPipeError, ConnectionResetError) as error:
            broken = error  # a server that has read enough says why before it hangs up
        response = self.response_class(self.sock, method=method)
        try:
            response.begin()
        except (OSError, http.client.HTTPException):
            if broken is not None:
                raise broken from None
            raise
        response.will_close = response.will_close or broken is not None
        return response

    def close(self) -> None:
        if self.response is not None:
            self.response.close()  # it holds the socket, too
        super().close()
        self.leave()


class KeptTlsConnection(KeptConnection, HTTPSConnection):  # pyright: ignore[reportIncompatibleVariableOverride]
    """The same over TLS."""

    #: urllib3 1.26 misses it on connections that its pool did not make.
    assert_hostname = None

    #: The connected socket, until hands are shaken over it.
    _reached: Optional[socket.socket] = None

    def open(self) -> None:
        self._reached = super()._new_conn()
        with Crossing():
            HTTPSConnection.connect(self)
        self.tls = (monotonic() - self._connected_at) * 1000

    def put(self, message: bytes) -> None:
        with Crossing():
            self.send(message)

    def _new_conn(self) -> socket.socket:
        sock, self._reached = self._reached, None
        assert sock is not None
        return sock

    def _tunnel(self) -> None:
        HTTPSConnection._tunnel(self)
        assert self.sock is not None
        give_time(self.sock, self.deadline)  # the proxy has taken some, and the handshake sets none


def _connected(
    address: Tuple[Any, ...], timeout: float, show: Callable[[socket.socket], None]
) -> socket.socket:
    family, kind, protocol, _, target = address
    sock = socket.socket(family, kind, protocol)
    try:
        show(sock)
        for option in SOCKET_OPTIONS:
            sock.setsockopt(*option)
        sock.settimeout(timeout)
        sock.connect(target)
    except BaseException:
        sock.close()
        raise
    return sock


class Connections:
    """The kept-alive connections of one client in one process."""

    def __init__(
        self,
        tls_context: Callable[[], ssl.SSLContext],
        proxy: Callable[[Origin], Optional[Proxy]],
        is_worker: Callable[[], bool],
    ) -> None:
        self._tls_context = tls_context
        self._proxy = proxy
        self._idle: Dict[Origin, Deque[KeptConnection]] = {}
        self._handover = Handover(is_worker)
        #: What ends with the client: one for each of its threads that poll.
        self._lines: Dict[int, Line] = {}
        self._closed = False

    def take(self, origin: Origin, deadline: Deadline) -> KeptConnection:
        """An open connection: the one used last, if it is still alive."""
        if isinstance(deadline, LineDeadline):
            self._lines[id(deadline.line)] = deadline.line
            if self._closed:
                deadline.line.end()
        idle = self._idle.get(origin)
        while idle:
            try:
                connection = idle.pop()
            except IndexError:
                break
            if monotonic() - connection.idle_since < IDLE_SECONDS and not _dropped(connection):
                connection.serve(deadline)
                connection.dns = connection.tls = None
                return connection
            connection.close()
        return self._open(origin, deadline)

    def give_back(self, origin: Origin, connection: KeptConnection) -> None:
        """Keep ``connection`` for the next request."""
        connection.leave()
        idle = self._idle.get(origin)
        if idle is None:
            self._forget_an_origin()
            idle = self._idle.setdefault(origin, deque())
        connection.uses += 1
        connection.idle_since = monotonic()
        idle.append(connection)
        if self._closed:
            self.close()
        elif len(idle) > IDLE_LIMIT or connection.idle_since - idle[0].idle_since > IDLE_SECONDS:
            _close_oldest(idle)

    def drop_idle(self, origin: Origin) -> None:
        """Close what is idle there: where one was dropped, the others probably were."""
        idle = self._idle.get(origin)
        while idle:
            _close_oldest(idle)

    def close(self) -> None:
        """Close everything idle, and end what no call waits for; what is in use is closed when it is given back."""
        self._closed = True
        for line in list(self._lines.values()):
            line.end()
        for origin in list(self._idle):
            self.drop_idle(origin)

    def abandon(self) -> None:
        """Let go of the sockets a parent process shares with this one, without a word to the server."""
        for idle in list(self._idle.values()):
            while idle:
                with contextlib.suppress(IndexError):
                    connection = idle.pop()
                    if connection.sock is not None:
                        connection.sock.close()

    def _open(self, origin: Origin, deadline: Deadline) -> KeptConnection:
        made: Deque[KeptConnection] = deque()

        def act() -> KeptConnection:
            connection = self._new(origin)
            connection.serve(deadline)
            made.append(connection)
            try:
                connection.open()
            except BaseException:
                connection.close()
                raise
            return connection

        def undo() -> None:
            for connection in list(made):
                connection.close()

        return self._handover.call(act, deadline, undo, sees_off=origin.scheme == "https")

    def _new(self, origin: Origin) -> KeptConnection:
        """A connection that is not open yet."""
        proxy = self._proxy(origin)
        host, port = (origin.host, origin.port) if proxy is None else (proxy.host, proxy.port)
        if origin.scheme == "http":
            plain = KeptConnection(host, port)
            plain.via = proxy
            return plain
        context = self._tls_context()
        connection = KeptTlsConnection(host, port, ssl_context=context)
        # urllib3 1.26 sets the context's mode from this.
        connection.cert_reqs = context.verify_mode
        if proxy is not None:
            connection.set_tunnel(origin.host, origin.port, proxy.all_headers())
        return connection

    def _forget_an_origin(self) -> None:
        """Make room: hints that visitors send may name many clusters."""
        while len(self._idle) >= ORIGIN_LIMIT:
            try:
                oldest = next(iter(self._idle))
                idle = self._idle.pop(oldest)
            except (KeyError, RuntimeError, StopIteration):  # another thread was quicker
                return
            while idle:
                _close_oldest(idle)


def _close_oldest(idle: "Deque[KeptConnection]") -> None:
    with contextlib.suppress(IndexError):  # another thread was quicker
        idle.popleft().close()


def _dropped(connection: Any) -> bool:
    """Whether the server hung up, or said something unasked, while the connection was idle."""
    return bool(is_connection_dropped(connection))
