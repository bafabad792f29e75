"""urllib3's pools and connections, made safe against signals, forks and slow servers.

Requests go through the public ``HTTPConnectionPool.urlopen``, so whatever hooks that function,
or ``http.client``, sees them.  The differences use the places that urllib3 leaves for them:

* ``QueueCls``: idle connections lie on a ``deque``, whose operations no signal handler can interrupt
  half-way; one in six exceptions that a handler raises in a ``queue.LifoQueue`` leaves it locked for ever.
* ``ConnectionCls``: opens within the deadline, and sends the head and body of a request together.
* ``response_class`` of a connection: reads within the deadline; see :mod:`target_tools.http.replies`.

An exchange, not the pool, decides whether a connection is kept: only once the reply is complete and
belongs to its request.
"""

import contextlib
import encodings.idna  # a look-up would import it; a process forked meanwhile never could again
import encodings.utf_8_sig  # the same for JSON that begins with a byte order mark
import encodings.utf_16_le  # noqa: F401
import http.client
import queue
import re
import socket
from collections import deque
from typing import Any, Deque, List, Optional, Tuple

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import SKIP_HEADER

from target_tools.clock import monotonic
from target_tools.concurrency.abort import AbortableDeadline, AbortScope
from target_tools.concurrency.fork_safety import OpenSSLSection
from target_tools.errors import ConnectionFailed, escape_text
from target_tools.http.connect import connect
from target_tools.http.exchanges import EXCHANGE, Exchange
from target_tools.http.replaced import are_connects_replaced, connect_functions, own_class
from target_tools.http.replies import DeadlineReader, StrictResponse, set_socket_timeout

#: What is handed to the socket at once: one TLS record, so that the deadline is checked between them.
SEND_SIZE = 16384

#: Headers that urllib3 and ``http.client`` send by themselves unless they are given.
SKIPPED_HEADERS = ("Host", "User-Agent", "Accept-Encoding")
_EMPTY_LINE = b"\r\n"
#: Headers that urllib3 decides by.
_FRAMING = re.compile(rb"^(content-length|transfer-encoding):", re.IGNORECASE | re.MULTILINE)

_Plain: Any = own_class(HTTPConnection)
_Tls: Any = own_class(HTTPSConnection)


class PooledConnection(_Plain):  # type: ignore[misc]
    """A connection that outlives a request."""

    exchange: Optional[Exchange] = None
    idle_since = 0.0
    #: Seconds after which the server closes the idle connection, if it sent a hint.
    keep_alive: Optional[float] = None
    #: Whether TLS is used.
    is_tls = False
    #: Whether all threads open it in a helper thread, as what opens it does not check the deadline.
    opens_in_helper_thread = False
    #: What the connection was opened with; it is not used once a test has replaced any of it.
    opened_with: Tuple[Any, ...] = ()
    _scope: Optional[AbortScope] = None
    _outgoing: Optional[List[bytes]] = None
    _opening = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.begin_exchange(EXCHANGE.get())

    def begin_exchange(self, exchange: Optional[Exchange]) -> None:
        """Begin an exchange."""
        self.exchange = exchange
        if exchange is None:
            return
        exchange.connection, exchange.reused = self, self.sock is not None
        deadline = exchange.deadline
        self._scope = deadline.scope if isinstance(deadline, AbortableDeadline) else None
        if self.sock is not None:
            self._register_socket(self.sock)

    def end_exchange(self) -> None:
        """End the exchange."""
        self.exchange = None
        scope, self._scope = self._scope, None
        if scope is not None:
            scope.untrack_socket(id(self))

    def connect(self) -> None:
        """Open the connection, within the time that the exchange has for it."""
        exchange = self.exchange
        if exchange is None:
            self._open()
            return
        exchange.reused = False
        # A caller that leaves the helper thread behind must not close the socket that it works on.
        self._opening = True
        self.opened_with = connect_functions()
        try:
            exchange.opener.run(self._open_or_close, self, exchange.opening)
        except (BrokenPipeError, ConnectionResetError) as error:
            # urlopen ignores these errors of a request: it supposes that the server has replied before it closed.
            raise ConnectionFailed(f"no connection to {self.host}: {escape_text(error)}", "opening") from error

    def _open_or_close(self) -> None:
        try:
            self._open()
        except BaseException:
            self._opening = False
            self.close()
            raise
        self._opening = False

    def _open(self) -> None:
        _Plain.connect(self)

    def _new_conn(self) -> socket.socket:
        # urllib3's function that makes the socket, private but the same in 1.26.11 to 2.8.0: it can neither
        # bound a look-up nor try a second address beside a first one that does not answer.
        exchange = self.exchange
        if exchange is None or are_connects_replaced():
            new_socket: socket.socket = super()._new_conn()
            return new_socket
        # _dns_host, private and the same in those versions, is the host with the dot at its end that DNS knows.
        resolver, host, port = exchange.opener.resolver, self._dns_host.strip("[]"), self.port
        began = monotonic()
        addresses = resolver.addresses(host, port, exchange.opening, exchange.opening is exchange.deadline)
        exchange.dns = (monotonic() - began) * 1000
        began = monotonic()
        try:
            sock, address = connect(addresses, exchange.opening, self._register_socket, exchange.opener.blocking)
        except OSError:
            resolver.expire(host, port)
            raise
        resolver.prefer(host, port, address)
        exchange.connect = (monotonic() - began) * 1000
        try:
            self._register_socket(sock)
            set_socket_timeout(sock, exchange.opening)
        except BaseException:
            sock.close()
            raise
        return sock

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **options: Any) -> None:
        """Send a request: its head and body in one piece."""
        lines = _header_lines(headers)
        outgoing: List[bytes] = []
        self._outgoing = outgoing
        try:
            if lines is None:
                super().request(method, url, body=body, headers=headers, **options)
            else:  # one header at a time would cost more than the rest of the request
                own = {name: SKIP_HEADER for name in SKIPPED_HEADERS if name in headers}
                super().request(method, url, body=body, headers=own, **options)
                if outgoing:
                    outgoing[0] = outgoing[0][: -len(_EMPTY_LINE)] + lines + _EMPTY_LINE
        finally:
            self._outgoing = None
        exchange = self.exchange
        if exchange is not None:
            if self.sock is None and self.auto_open:
                self.connect()
            exchange.sent_at, exchange.sent, exchange.received = monotonic(), 0, 0
        try:
            self.send(b"".join(outgoing))
        except (BrokenPipeError, ConnectionResetError):
            # A server that has read enough may have said why before it closed the connection.
            if exchange is None or self.sock is None:
                raise
            exchange.broken = True

    def send(self, data: Any) -> None:
        """Hand ``data`` to the socket, one TLS record at a time, each within the deadline."""
        if self._outgoing is not None:
            self._outgoing.append(data)
            return
        exchange = self.exchange
        if exchange is None:
            super().send(data)
            return
        for start in range(0, len(data), SEND_SIZE):
            if self.sock is not None:
                set_socket_timeout(self.sock, exchange.deadline if exchange.sent_at else exchange.opening)
            super().send(data[start : start + SEND_SIZE])
        exchange.sent += len(data)

    def response_class(self, sock: Any, *arguments: Any, **options: Any) -> Any:
        """Return what ``http.client`` reads a reply with; also a proxy's reply to CONNECT."""
        exchange = self.exchange
        if exchange is None:
            return http.client.HTTPResponse(sock, *arguments, **options)
        exchange.reply = StrictResponse(DeadlineReader(sock, exchange), *arguments, **options)
        return exchange.reply

    def close(self) -> None:
        if not self._opening:
            super().close()

    def _register_socket(self, sock: socket.socket) -> None:
        """Let the thread that may abort the exchange know its socket."""
        if self._scope is not None:
            self._scope.track_socket(id(self), sock)


def _header_lines(headers: Any) -> Optional[bytes]:
    """Return the lines of ``headers``; None if urllib3 must look at each, as a double or an unusual value wants."""
    try:
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()]).encode("latin-1")
    except (AttributeError, UnicodeEncodeError):
        return None
    count = len(headers)
    is_plain = lines.count(b"\n") == lines.count(b"\r") == count and all(map(headers.get, SKIPPED_HEADERS))
    return lines if is_plain and not _FRAMING.search(lines) else None


class PooledTlsConnection(PooledConnection, _Tls):  # type: ignore[misc]
    """The same over TLS."""

    is_tls = True

    def _open(self) -> None:
        exchange = self.exchange
        if exchange is not None:
            self.ssl_context = exchange.opener.tls.current()  # files may have been renewed since the last one
        with OpenSSLSection():
            began = monotonic()
            _Tls.connect(self)
        if exchange is not None:
            exchange.tls = (monotonic() - began) * 1000 - (exchange.dns or 0.0) - (exchange.connect or 0.0)
        # Verified, or deliberately not, of which the client's log has warned: urllib3 would warn at each request.
        self.is_verified = True

    def send(self, data: Any) -> None:
        if self._outgoing is not None:
            self._outgoing.append(data)
            return
        with OpenSSLSection():
            super().send(data)

    def _tunnel(self) -> None:
        # http.client's function that sends CONNECT, private but the same in Python 3.8 to 3.14: the proxy has
        # taken some of the time, and the handshake that follows sets no time-out of its own.
        _Tls._tunnel(self)
        if self.exchange is not None:
            set_socket_timeout(self.sock, self.exchange.opening)


class IdleConnections:
    """The idle connections of a pool, in the place of its ``queue.LifoQueue``.  Takes no lock."""

    #: Set by the transport: how many connections to keep, and for how many seconds.
    limit = 256
    seconds = 60.0

    def __init__(self, maxsize: int = 0) -> None:
        self._kept: Deque[PooledConnection] = deque()
        self.closed = False

    def get(self, block: bool = True, timeout: Optional[float] = None) -> PooledConnection:
        """Return the connection that was used last; one that cannot be trusted is closed and opens again."""
        if self.closed:  # urllib3 empties a pool that is collected, in whatever thread that happens
            self.drop()
            raise queue.Empty
        try:
            connection = self._kept.pop()
        except IndexError:
            raise queue.Empty from None
        longest = self.seconds if connection.keep_alive is None else min(self.seconds, connection.keep_alive)
        is_old = monotonic() - connection.idle_since >= longest
        if is_old or connection.opened_with != connect_functions() or connection.sock.fileno() < 0:
            connection.close()
        connection.begin_exchange(EXCHANGE.get())
        return connection

    def put(self, connection: Optional[PooledConnection], block: bool = True, timeout: Optional[float] = None) -> None:
        """Do nothing: urllib3 offers a connection as soon as its body is read, the exchange keeps it later."""

    def qsize(self) -> int:
        """Return how many connections are idle."""
        return len(self._kept)

    def keep(self, connection: PooledConnection) -> None:
        """Keep ``connection`` for the next request."""
        kept = self._kept
        connection.idle_since = monotonic()
        kept.append(connection)
        if self.closed:
            self.drop()
            return
        with contextlib.suppress(IndexError):  # another thread took it
            if len(kept) > self.limit or connection.idle_since - kept[0].idle_since > self.seconds:
                self._close_oldest()

    def drop(self) -> None:
        """Close all idle connections."""
        while self._kept:
            self._close_oldest()

    def discard_inherited(self) -> None:
        """Let go of sockets that a forked child shares with its parent, without a word to the server."""
        while self._kept:
            with contextlib.suppress(IndexError):
                connection = self._kept.pop()
                if connection.sock is not None:
                    connection.sock.close()

    def _close_oldest(self) -> None:
        with contextlib.suppress(IndexError):  # another thread was quicker
            self._kept.popleft().close()


class ConnectionPool(HTTPConnectionPool):
    """The connections to one origin."""

    QueueCls = IdleConnections  # type: ignore[assignment]
    ConnectionCls = PooledConnection
    pool: IdleConnections  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]


class TlsConnectionPool(HTTPSConnectionPool):
    """The same over TLS."""

    QueueCls = IdleConnections  # type: ignore[assignment]
    ConnectionCls = PooledTlsConnection
    pool: IdleConnections  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]


def socks_pools() -> Tuple[Any, Any]:
    """Return pools for plain and for TLS connections through a SOCKS proxy.

    Raises ImportError if PySocks is not installed.
    """
    from urllib3.contrib.socks import SOCKSConnection, SOCKSHTTPSConnection  # noqa: PLC0415 - needs an extra

    class PooledSocksConnection(PooledConnection, SOCKSConnection):  # type: ignore[misc]
        """A connection through a SOCKS proxy, whose negotiation knows no deadline."""

        opens_in_helper_thread = True
        _new_conn = SOCKSConnection._new_conn  # private, see above: PySocks connects

    class PooledSocksTlsConnection(PooledTlsConnection, SOCKSHTTPSConnection):  # type: ignore[misc]
        """The same over TLS."""

        opens_in_helper_thread = True
        _new_conn = SOCKSConnection._new_conn

    class SocksConnectionPool(ConnectionPool):
        ConnectionCls = PooledSocksConnection

    class SocksTlsConnectionPool(TlsConnectionPool):
        ConnectionCls = PooledSocksTlsConnection

    return SocksConnectionPool, SocksTlsConnectionPool
