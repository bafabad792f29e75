"""Sends one request and returns its reply, within the deadline.

Redirects are never followed, and replies are read up to the request's ``max_bytes``. Every failure is a
:class:`~target_tools.errors.DeliveryError`. An exception that a signal handler raises passes unchanged, and the
connection that it interrupted is closed.
"""

import contextlib
import functools
import logging
import os
import socket
from typing import Any, Callable, ContextManager, Dict, Mapping, NamedTuple, Optional, Tuple, cast

import urllib3
from urllib3 import poolmanager
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import Retry, Timeout

from target_tools.clock import Deadline, monotonic
from target_tools.concurrency.abort import AbortableDeadline, AbortScope
from target_tools.concurrency.lock_free import BoundedTable
from target_tools.concurrency.threads import in_main_thread
from target_tools.errors import ConnectionFailed, InvalidResponse
from target_tools.http.connect import ConnectionOpener
from target_tools.http.exchanges import EXCHANGE, Exchange
from target_tools.http.failures import to_target_error
from target_tools.http.messages import HttpReply, HttpRequest, Origin, Timings, decode_body, read_body, too_large
from target_tools.http.pool_managers import Urllib3Replacements, new_pool, read_response
from target_tools.http.pools import AnyPool
from target_tools.http.proxies import Proxy, proxy_from_environment
from target_tools.http.tls import ClientCert, TlsContexts
from target_tools.logger import Log

#: Send once, and follow no redirect.
NO_RETRIES = Retry(False, redirect=False)
#: The share of the remaining time that opening a connection may take if there is another host to try.
OPENING_SHARE = 1 / 3

_URLLIB3_LOG = logging.getLogger("urllib3.connectionpool")


class TransportSettings(NamedTuple):
    """How connections are opened and kept."""

    verify_ssl: bool = True
    ca_certs: Optional[str] = None
    client_cert: ClientCert = None
    proxy: Optional[Proxy] = None
    proxy_headers: Optional[Mapping[str, str]] = None
    trust_env: bool = False
    pool_manager: Any = None
    #: The name in the server's certificate if it is not the host name; False disables the check.
    assert_hostname: Any = None
    #: Maximum number of idle connections to one origin.
    max_idle: int = 256
    #: Seconds for which an idle connection is kept. Limited, because load balancers drop idle connections silently.
    idle_seconds: float = 60.0
    logger: Any = None

    def __repr__(self) -> str:
        return "TransportSettings(…)"  # proxy headers and URLs contain secrets


class Transport:
    """Sends requests for one client in one process, and keeps connections. Takes no lock.

    ``blocking`` returns a context manager, which a thread enters during a long wait for a name lookup or a connection.
    """

    def __init__(
        self, settings: TransportSettings, blocking: Callable[[], ContextManager[object]] = contextlib.nullcontext
    ) -> None:
        self._settings = settings
        self._pid = os.getpid()
        log, is_private = Log(settings.logger), settings.assert_hostname is not None
        tls = TlsContexts(settings.verify_ssl, settings.ca_certs, settings.client_cert, log, is_private)
        self._opener = ConnectionOpener(tls, blocking)
        make = functools.partial(_new_pool, settings, tls)
        self._pools: BoundedTable[Tuple[Origin, Optional[Proxy]], AnyPool] = BoundedTable(make, _close_pool)
        self._replacements = Urllib3Replacements()
        #: The requests of background threads, which ``close`` aborts.
        self._abort_scopes: Dict[int, AbortScope] = {}
        self._closed = False

    def send(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
        """Return the reply to ``request``, whatever its status.

        Raises ``ConnectionFailed``, ``TlsError``, ``DeadlineExceeded``, ``InvalidResponse`` and its subclasses,
        and ``TransportError`` for other errors of a pool manager or a replaced function of urllib3.
        """
        manager, proxy = self._settings.pool_manager, None
        if manager is None:
            proxy = self._proxy(request.origin)
            parts = urllib3_parts()
            if parts != self._replacements.own:  # a mock, a recorder or an APM tool has replaced parts of urllib3
                manager = self._replacements.manager(parts, proxy, self._opener.tls)
        send = functools.partial(self._send, request, deadline, proxy, manager)
        # Pool managers and log handlers take locks, which an exception of a signal handler could leave locked.
        takes_locks = manager is not None or _URLLIB3_LOG.isEnabledFor(logging.DEBUG)
        if not (takes_locks and in_main_thread()):
            return send()
        return self._opener.helper_threads.call(send, deadline)

    def close(self) -> None:
        """Close idle connections and abort background requests. Connections in use close after their reply."""
        if os.getpid() != self._pid:
            return  # the connections belong to the parent process
        self._closed = True
        for scope in list(self._abort_scopes.values()):
            scope.abort()
        for pool in self._pools.values():
            _close_pool(pool)
        self._replacements.close()

    def discard_inherited(self) -> None:
        """Close a forked child's copies of the parent's sockets."""
        for pool in self._pools.values():
            pool.pool.discard_inherited()

    def abandoned(self) -> int:
        """Return the number of running lookups, connection attempts and pool manager calls that no call waits for."""
        return self._opener.abandoned()

    def _send(self, request: HttpRequest, deadline: Deadline, proxy: Optional[Proxy], manager: Any) -> HttpReply:
        """Send through ``manager``, or over our own connections if it is None.

        Each error is raised as a ``TargetError``, except those of the application.
        """
        exchange = Exchange(deadline, self._opener, _opening(request, deadline))
        if isinstance(deadline, AbortableDeadline):
            self._abort_scopes[id(deadline.scope)] = deadline.scope
            if self._closed:
                deadline.scope.abort()
        before = EXCHANGE.get()
        if before is not None and before.is_over:  # an exception of a signal handler prevented its reset
            before = None
        EXCHANGE.set(exchange)
        try:
            if manager is None:
                return self._over_pool(request, exchange, proxy)
            return self._over_manager(request, exchange, manager)
        except Exception as error:  # noqa: BLE001 - raised below, or an error in its place
            failure = to_target_error(error, request, exchange, manager is not None, proxy)
        finally:
            EXCHANGE.set(before)
            _close_unless_kept(exchange)
            exchange.connection = exchange.reply = None  # break the reference cycles
            exchange.is_over = True
        if isinstance(failure, ConnectionFailed) and failure.phase == "reuse":
            # The server closed an idle connection, so it has probably closed the others as well.
            self._pools.get((request.origin, proxy)).pool.drop()
        try:
            raise failure  # outside the handler, which would chain urllib3's error
        finally:
            del failure  # break the reference cycle of error, traceback and frame

    def _over_pool(self, request: HttpRequest, exchange: Exchange, proxy: Optional[Proxy]) -> HttpReply:
        is_forwarded = proxy is not None and request.origin.scheme == "http"
        pool = self._pools.get((request.origin, proxy))
        began = monotonic()
        response = pool.urlopen(
            request.method,
            f"http://{request.origin.netloc}{request.target}" if is_forwarded else request.target,
            headers={"Host": request.origin.host_header, **dict(request.headers)},
            timeout=Timeout(connect=_positive(exchange.opening), read=_positive(exchange.deadline)),
            assert_same_host=False,
            retries=NO_RETRIES,
            **_options(request),
        )
        if exchange.reply is None:  # a test or a monitor has replaced the response
            return read_response(response, request, exchange.deadline, began)
        reply = _read_reply(exchange, response, request)
        self._keep(exchange, pool, reply)
        return reply

    def _over_manager(self, request: HttpRequest, exchange: Exchange, manager: Any) -> HttpReply:
        began = monotonic()
        response = manager.request(
            request.method,
            request.url,
            headers=dict(request.headers),
            timeout=Timeout(total=_positive(exchange.deadline), connect=_positive(exchange.opening)),
            retries=False,
            **_options(request),
        )
        return read_response(response, request, exchange.deadline, began)

    def _keep(self, exchange: Exchange, pool: Any, reply: HttpReply) -> None:
        """Keep the connection of ``exchange``, unless it may have more bytes to read."""
        connection, received = exchange.connection, exchange.reply
        if connection is None or connection.sock is None or received is None:
            return
        is_clean = reply.is_matched and not exchange.broken and received.is_complete()
        if self._closed or self._settings.idle_seconds <= 0 or not is_clean:
            return
        if connection.is_tls and _has_pending(connection.sock):
            return
        if received.keep_alive is not None:
            connection.keep_alive = received.keep_alive - min(1.0, received.keep_alive / 2)
        connection.end_exchange()
        pool.pool.keep(connection)

    def _proxy(self, origin: Origin) -> Optional[Proxy]:
        if self._settings.proxy is None and self._settings.trust_env:
            return proxy_from_environment(origin, self._settings.proxy_headers)
        return self._settings.proxy


def urllib3_parts() -> Tuple[Any, ...]:
    """Return the parts of urllib3 that 1.1.0 used for requests and our transport does not: classes, then functions."""
    manager = urllib3.PoolManager
    return (
        HTTPConnectionPool.ConnectionCls,
        HTTPSConnectionPool.ConnectionCls,
        *poolmanager.pool_classes_by_scheme.values(),
        manager,
        getattr(manager, "urlopen", None),
        getattr(manager, "request", None),
        getattr(manager, "connection_from_host", None),
    )


def is_urllib3_replaced() -> bool:
    """Return whether a test or a recorder has replaced one of ``urllib3_parts``."""
    return bool(Urllib3Replacements().found(urllib3_parts()))


def _options(request: HttpRequest) -> Dict[str, Any]:
    """Return the options that pools and pool managers have in common."""
    return {
        "body": request.body or None,
        "redirect": False,
        "preload_content": False,
        "decode_content": False,
    }


def _has_pending(sock: socket.socket) -> bool:
    """Return whether decrypted bytes are waiting to be read; False for TLS within TLS, which does not report them."""
    pending = getattr(sock, "pending", None)
    return pending is not None and pending() > 0


def _opening(request: HttpRequest, deadline: Deadline) -> Deadline:
    """Return the deadline for opening a connection, which is earlier if there is another host to try."""
    if request.alternative is None:
        return deadline
    return deadline.at_most(max(0.0, deadline.remaining()) * OPENING_SHARE)


def _positive(deadline: Deadline) -> float:
    """Return the seconds left, as a number above 0, as urllib3 requires."""
    return max(0.001, deadline.remaining())


def _read_reply(exchange: Exchange, response: Any, request: HttpRequest) -> HttpReply:
    """Return the reply that came over a pooled connection."""
    received = exchange.reply
    assert received is not None
    if 300 <= received.status < 400:
        raw = b""  # the body of a redirect is not needed
    elif received.isclosed():
        raw = response.data or b""  # a monitor has read it
        if len(raw) > request.max_bytes:
            raise too_large(request.max_bytes)
    else:
        raw = read_body(received, request.max_bytes)
    response.release_conn()  # otherwise its finalizer would close the connection
    timings = Timings(
        exchange.dns,
        exchange.connect,
        exchange.tls,
        (exchange.first_byte_at - exchange.sent_at) * 1000,
        (monotonic() - exchange.first_byte_at) * 1000,
        exchange.sent,
        exchange.received,
    )
    if received.status == 408 and exchange.reused:
        # The server closed an idle connection, and sent this reply before it saw the request.
        raise ConnectionFailed(f"{request.origin} closed the kept-alive connection", "reuse")
    body = decode_body(raw, received.headers.get("Content-Encoding"), request.max_bytes)
    headers = cast(Mapping[str, str], received.headers)  # HTTPMessage has the methods of a mapping
    is_matched = request.matches(body)
    if exchange.reused and not is_matched:
        raise InvalidResponse(f"{request.origin} answered another request on this connection; it is closed")
    return HttpReply(received.status, received.reason, headers, body, timings, is_matched=is_matched)


def _close_unless_kept(exchange: Exchange) -> None:
    """Close the connection of an exchange, unless it was kept for the next request."""
    connection, received = exchange.connection, exchange.reply
    if connection is not None and connection.exchange is exchange:
        if received is not None:
            received.close()  # it holds the socket as well
        connection.close()
        connection.end_exchange()


def _new_pool(settings: TransportSettings, tls: TlsContexts, key: Tuple[Origin, Optional[Proxy]]) -> AnyPool:
    """Return the pool of an origin and a proxy."""
    pool = new_pool(*key, tls, settings.assert_hostname)
    pool.pool.limit, pool.pool.seconds = settings.max_idle, settings.idle_seconds
    return pool


def _close_pool(pool: AnyPool) -> None:
    pool.pool.closed = True
    pool.pool.drop()
