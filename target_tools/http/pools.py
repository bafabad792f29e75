"""Extends urllib3's pools and connections, so that signals, forks and slow servers do no harm.

Requests go through the public ``HTTPConnectionPool.urlopen``, so that code which hooks this function, or
``http.client``, sees them. The changes use extension points of urllib3:

* ``QueueCls``: idle connections are kept in a ``deque``, whose operations no signal handler can interrupt half-way.
  One in six exceptions that a handler raises within ``queue.LifoQueue`` leaves it locked forever.
* ``ConnectionCls``: connections open within the deadline, and send the head and body of a request together.
* ``response_class`` of a connection: reads end at the deadline; see :mod:`target_tools.http.exchanges`.

The transport, not the pool, keeps a connection for the next request, and only if the reply is complete and belongs to
its request.
"""

import contextlib

# Import these codecs early. If a process forked while a thread imports them on first use, the child could never import
# them. Lookups, JSON with a byte order mark, and hashes use them.
import encodings.idna
import encodings.utf_8_sig
import encodings.utf_16_le  # noqa: F401
import http.client
import os
import queue
import re
import socket
import types
from collections import deque
from typing import Any, Callable, Deque, List, Optional, Tuple, Union

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ProtocolError
from urllib3.util import SKIP_HEADER
from urllib3.util import connection as urllib3_connection

from target_tools.clock import monotonic
from target_tools.concurrency.abort import AbortableDeadline, AbortScope
from target_tools.concurrency.fork_safety import OpenSSLSection
from target_tools.http.connect import connect
from target_tools.http.exchanges import EXCHANGE, DeadlineReader, Exchange, StrictResponse, set_socket_timeout

#: The folder that urllib3's code objects name. In a frozen application ``urllib3.__file__`` is in another folder.
_URLLIB3 = os.path.dirname(urllib3.add_stderr_logger.__code__.co_filename) + os.sep
#: Modules whose ``socket`` class opens real connections, unlike that of a test double.
_SOCKET_MODULES = ("socket", "gevent", "eventlet")
#: Bytes to send at once: one TLS record, so that the deadline is checked between records.
SEND_SIZE = 16384

#: Headers that urllib3 and ``http.client`` send by themselves unless they are given.
SKIPPED_HEADERS = ("Host", "User-Agent", "Accept-Encoding")
_EMPTY_LINE = b"\r\n"
#: Headers by which urllib3 chooses the framing of the body.
_FRAMING = re.compile(rb"^(content-length|transfer-encoding):", re.IGNORECASE | re.MULTILINE)


def connect_functions() -> Tuple[Any, ...]:
    """Return the functions that connections are opened with; a comparison shows whether one was replaced."""
    return socket.socket, socket.socket.connect, socket.getaddrinfo, urllib3_connection.create_connection


def are_connects_replaced() -> bool:
    """Return whether sockets come from other code than urllib3, the standard library, gevent or eventlet."""
    return not (
        is_own_function(urllib3_connection.create_connection)
        and is_own_function(own_class(HTTPConnection)._new_conn)  # a private function, which is only compared
        and socket.socket.__module__.partition(".")[0] in _SOCKET_MODULES
    )


def own_class(kind: type) -> Any:
    """Return urllib3's class behind ``kind``: inside a vcrpy cassette, an import returns a derived class."""
    return next((one for one in kind.__mro__ if one.__module__ == "urllib3.connection"), kind)


def is_own_function(function: Callable[..., Any]) -> bool:
    """Return whether urllib3 defines ``function``. A wrapper can copy the name of a function, but not its code."""
    return type(function) is types.FunctionType and function.__code__.co_filename.startswith(_URLLIB3)


_Plain: Any = own_class(HTTPConnection)
_Tls: Any = own_class(HTTPSConnection)


class PooledConnection(_Plain):  # type: ignore[misc]
    """A connection that can carry several exchanges."""

    exchange: Optional[Exchange] = None
    idle_since = 0.0
    #: Seconds for which the connection may be idle, if the server sent a ``Keep-Alive`` header.
    keep_alive: Optional[float] = None
    #: Whether TLS is used.
    is_tls = False
    #: Whether the connection is always opened in a helper thread, because the code that opens it ignores the deadline.
    opens_in_helper_thread = False
    #: The functions that opened the connection. It is closed if a test has replaced one of them since.
    opened_with: Tuple[Any, ...] = ()
    _scope: Optional[AbortScope] = None
    _outgoing: Optional[List[bytes]] = None
    _opening = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.begin_exchange(EXCHANGE.get())

    def begin_exchange(self, exchange: Optional[Exchange]) -> None:
        """Attach the connection to ``exchange``."""
        self.exchange = exchange
        if exchange is None:
            return
        exchange.connection, exchange.reused = self, self.sock is not None
        deadline = exchange.deadline
        self._scope = deadline.scope if isinstance(deadline, AbortableDeadline) else None
        if self.sock is not None:
            self._register_socket(self.sock)

    def end_exchange(self) -> None:
        """Detach the connection from its exchange."""
        self.exchange = None
        scope, self._scope = self._scope, None
        if scope is not None:
            scope.untrack_socket(id(self))

    def connect(self) -> None:
        """Open the connection, within the exchange's deadline for connecting."""
        exchange = self.exchange
        if exchange is None:
            self._open()
            return
        exchange.reused = False
        # If the caller stops waiting for the helper thread, the caller must not close the socket that the thread uses.
        self._opening = True
        self.opened_with = connect_functions()
        try:
            exchange.opener.run(self._open_or_close, self.close, exchange.opening, self.opens_in_helper_thread)
        except (BrokenPipeError, ConnectionResetError) as error:
            # Wrap the error: urlopen ignores these two classes, because a server may reply to a request before it
            # closes the connection. Here, no request has been sent.
            raise ProtocolError("Connection aborted.", error) from error

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
        # Overrides a private function of urllib3; it is the same in 1.26.11 to 2.8.0. The original can neither limit
        # the time of a lookup nor try a second address while the first one does not answer.
        exchange = self.exchange
        if exchange is None or are_connects_replaced():
            new_socket: socket.socket = super()._new_conn()
            return new_socket
        # Unlike ``host``, _dns_host keeps the final dot of a host name. It is private, and the same in those versions.
        resolver, host, port = exchange.opener.resolver, self._dns_host.strip("[]"), self.port
        addresses = resolver.known_addresses(host, port)
        if not addresses:
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
        """Send the head and body of a request together."""
        lines = _header_lines(headers)
        outgoing: List[bytes] = []
        self._outgoing = outgoing
        try:
            if lines is None:
                super().request(method, url, body=body, headers=headers, **options)
            else:  # faster: adding the headers one by one costs more than the rest of the request
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
            # The server may have replied before it closed the connection.
            if exchange is None or self.sock is None:
                raise
            exchange.broken = True

    def send(self, data: bytes) -> None:
        """Send ``data``, one TLS record at a time, each within the deadline."""
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

    def response_class(self, sock: socket.socket, *arguments: Any, **options: Any) -> Any:
        """Return the object that ``http.client`` reads a reply with, including a proxy's reply to CONNECT."""
        exchange = self.exchange
        if exchange is None:
            return http.client.HTTPResponse(sock, *arguments, **options)
        exchange.reply = StrictResponse(DeadlineReader(sock, exchange), *arguments, **options)
        return exchange.reply

    def close(self) -> None:
        if not self._opening:
            super().close()

    def _register_socket(self, sock: socket.socket) -> None:
        """Register the socket, so that another thread can abort the exchange."""
        if self._scope is not None:
            self._scope.track_socket(id(self), sock)


def _header_lines(headers: Any) -> Optional[bytes]:
    """Return the lines of ``headers``, or None if urllib3 must add them one by one.

    It must do so if ``headers`` is not a mapping, if one of ``SKIPPED_HEADERS`` is missing, if a value is unusual, or
    if a header affects the framing.
    """
    try:
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()]).encode("latin-1")
    except (AttributeError, UnicodeEncodeError):
        return None
    count = len(headers)
    is_plain = lines.count(b"\n") == lines.count(b"\r") == count and all(map(headers.get, SKIPPED_HEADERS))
    return lines if is_plain and not _FRAMING.search(lines) else None


class PooledTlsConnection(PooledConnection, _Tls):  # type: ignore[misc]
    """A TLS connection that can carry several exchanges."""

    is_tls = True

    def _open(self) -> None:
        exchange = self.exchange
        if exchange is not None:
            self.ssl_context = exchange.opener.tls.current()  # certificate files may have changed
        with OpenSSLSection():
            began = monotonic()
            _Tls.connect(self)
        if exchange is not None:
            exchange.tls = (monotonic() - began) * 1000 - (exchange.dns or 0.0) - (exchange.connect or 0.0)
        # Prevents a warning of urllib3 at each request. If verification is disabled, the client has logged a warning.
        self.is_verified = True

    def send(self, data: bytes) -> None:
        if self._outgoing is not None:
            self._outgoing.append(data)
            return
        with OpenSSLSection():
            super().send(data)

    def _tunnel(self) -> None:
        # Overrides the private function of http.client that sends CONNECT; it is the same in Python 3.8 to 3.14.
        # The timeout must be reduced by the time that the proxy took, because the TLS handshake does not set it.
        exchange, began = self.exchange, monotonic()
        _Tls._tunnel(self)
        if exchange is not None:
            exchange.connect = (exchange.connect or 0.0) + (monotonic() - began) * 1000
            set_socket_timeout(self.sock, exchange.opening)


class IdleConnections:
    """The idle connections of a pool. Replaces its ``queue.LifoQueue`` and uses no lock."""

    #: Maximum number of idle connections, and seconds to keep them. The transport sets both.
    limit = 256
    seconds = 60.0

    def __init__(self, maxsize: int = 0) -> None:
        self._connections: Deque[PooledConnection] = deque()
        self.closed = False

    def get(self, block: bool = True, timeout: Optional[float] = None) -> PooledConnection:
        """Return the connection that was used last.

        If it is too old, or a test has replaced the functions that opened it, close it first; urllib3 opens it again.
        """
        if self.closed:  # urllib3 empties a pool when it is garbage-collected, in any thread
            self.drop()
            raise queue.Empty
        try:
            connection = self._connections.pop()
        except IndexError:
            raise queue.Empty from None
        longest = self.seconds if connection.keep_alive is None else min(self.seconds, connection.keep_alive)
        is_old = monotonic() - connection.idle_since >= longest
        if is_old or connection.opened_with != connect_functions() or connection.sock.fileno() < 0:
            connection.close()
        connection.begin_exchange(EXCHANGE.get())
        return connection

    def put(self, connection: Optional[PooledConnection], block: bool = True, timeout: Optional[float] = None) -> None:
        """Do nothing. urllib3 returns a connection once the reply is read; the transport calls ``keep`` later."""

    def keep(self, connection: PooledConnection) -> None:
        """Keep ``connection`` for the next request."""
        idle = self._connections
        connection.idle_since = monotonic()
        idle.append(connection)
        if self.closed:
            self.drop()
            return
        with contextlib.suppress(IndexError):  # another thread took it
            if len(idle) > self.limit or connection.idle_since - idle[0].idle_since > self.seconds:
                self._close_oldest()

    def drop(self) -> None:
        """Close all idle connections."""
        while self._connections:
            self._close_oldest()

    def discard_inherited(self) -> None:
        """Close a forked child's copies of the parent's sockets, without sending anything to the servers."""
        while self._connections:
            with contextlib.suppress(IndexError):
                connection = self._connections.pop()
                if connection.sock is not None:
                    connection.sock.close()

    def _close_oldest(self) -> None:
        with contextlib.suppress(IndexError):  # another thread was faster
            self._connections.popleft().close()


class ConnectionPool(HTTPConnectionPool):
    """The connections to one origin without TLS."""

    QueueCls = IdleConnections  # type: ignore[assignment]
    ConnectionCls = PooledConnection
    pool: IdleConnections  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]


class TlsConnectionPool(HTTPSConnectionPool):
    """The TLS connections to one origin."""

    QueueCls = IdleConnections  # type: ignore[assignment]
    ConnectionCls = PooledTlsConnection
    pool: IdleConnections  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]


AnyPool = Union[ConnectionPool, TlsConnectionPool]
