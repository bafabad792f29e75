"""Send one request and return its reply, within the deadline.

Redirects are never followed, nothing larger than asked for is read, and whatever goes wrong is a
:class:`~target_tools.errors.DeliveryError`.  What a signal handler raises passes unchanged; the
connection that it interrupted is closed.
"""

import contextlib
import contextvars
import logging
import os
from typing import Any, Callable, ContextManager, Dict, Mapping, NamedTuple, Optional, Tuple, cast

import urllib3
from urllib3.util import Retry, Timeout

from target_tools.clock import Deadline, monotonic
from target_tools.concurrency.abort import AbortableDeadline, AbortScope
from target_tools.concurrency.helper_thread import HelperThreads
from target_tools.concurrency.threads import in_main_thread
from target_tools.errors import ConnectionFailed, InvalidResponse, OptionError, ResponseTooLarge, TargetError
from target_tools.http.bodies import decode_body, read_body
from target_tools.http.exchanges import EXCHANGE, ConnectionOpener, Exchange
from target_tools.http.failures import clear_frames, to_target_error
from target_tools.http.messages import HttpReply, HttpRequest, Origin, Timings
from target_tools.http.origins import OriginTable
from target_tools.http.pools import ConnectionPool, TlsConnectionPool, socks_pools
from target_tools.http.proxies import Proxy, proxy_from_environment
from target_tools.http.replaced import Urllib3Replacements
from target_tools.http.responses import read_response
from target_tools.http.tls import ClientCert, TlsContexts
from target_tools.logger import Log

#: Send once, and follow no redirect.
NO_RETRIES = Retry(False, redirect=False)
#: The share of the remaining time that opening a connection may take if there is another host to ask.
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
    #: The name in the server's certificate, if it is not the host's; False checks none.
    assert_hostname: Any = None
    #: Idle connections kept to one origin.
    max_idle: int = 256
    #: Seconds for which they are kept: load balancers forget idle connections silently.
    idle_seconds: float = 60.0
    logger: Any = None

    def __repr__(self) -> str:
        return "TransportSettings(…)"  # headers and addresses of proxies hold secrets


class Transport:
    """Sends requests for one client in one process.  Keeps connections; takes no lock.

    ``blocking`` is entered by a thread that begins a long wait for a name look-up or a connection.
    """

    def __init__(
        self, settings: TransportSettings, blocking: Callable[[], ContextManager[object]] = contextlib.nullcontext
    ) -> None:
        self._settings = settings
        self._pid = os.getpid()
        self._tls = TlsContexts(
            settings.verify_ssl,
            settings.ca_certs,
            settings.client_cert,
            Log(settings.logger),
            is_private=settings.assert_hostname is not None,
        )
        self._opener = ConnectionOpener(self._tls, blocking)
        self._helper_threads = HelperThreads()
        #: By origin, the pool for each proxy that was used.
        self._pools: OriginTable[Dict[str, Any]] = OriginTable(lambda origin: {}, _close_pools)
        self._replacements = Urllib3Replacements()
        #: What replaces parts of urllib3, and a manager made of it for each proxy.
        self._replaced: Tuple[Any, ...] = ()
        self._replacement_managers: Dict[Optional[str], Any] = {}
        #: What ends with the client: one for each of its threads that poll.
        self._abort_scopes: Dict[int, AbortScope] = {}
        self._closed = False

    def send(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
        """Return the reply to ``request``, whatever its status.

        Raises ``ConnectionFailed``, ``TlsError``, ``DeadlineExceeded``, ``InvalidResponse`` and its subclasses,
        and ``TransportError`` for what a replaced function of urllib3 or a pool manager raises.
        """
        proxy = self._proxy(request.origin)
        manager = self._settings.pool_manager
        if manager is None:
            manager = self._replacement(proxy)
        if manager is None:
            if in_main_thread() and _URLLIB3_LOG.isEnabledFor(logging.DEBUG):
                # Handlers of a log have locks, which an exception of a signal handler could leave taken.
                return self._in_helper_thread(self._send_pooled, request, deadline, proxy)
            return self._send_pooled(request, deadline, proxy)
        if in_main_thread():  # an application's pool manager takes locks
            return self._in_helper_thread(self._send_managed, request, deadline, manager)
        return self._send_managed(request, deadline, manager)

    def close(self) -> None:
        """Close idle connections, and abort background requests; those in use close after their reply."""
        if os.getpid() != self._pid:
            return  # a forked child ends, or collects what it inherited
        self._closed = True
        for scope in list(self._abort_scopes.values()):
            scope.abort()
        for pools in self._pools.values():
            _close_pools(pools)
        for manager in list(self._replacement_managers.values()):
            clear = getattr(manager, "clear", None)
            if callable(clear):
                clear()

    def discard_inherited(self) -> None:
        """Let go, in a forked child, of the sockets that belong to the parent."""
        for pools in self._pools.values():
            for pool in list(pools.values()):
                pool.pool.discard_inherited()

    def abandoned(self) -> int:
        """Return how many look-ups, attempts to connect and calls of pool managers run that no call waits for."""
        return self._opener.abandoned() + self._helper_threads.abandoned()

    def _in_helper_thread(self, send: Any, request: HttpRequest, deadline: Deadline, route: Any) -> HttpReply:
        """Send in a helper thread, which the caller leaves behind at the deadline."""
        run = contextvars.copy_context().run
        reply: HttpReply = self._helper_threads.call(
            lambda: run(send, request, deadline, route), deadline, lambda: None, wait_for_thread_exit=True
        )
        return reply

    # Over our own connections

    def _send_pooled(self, request: HttpRequest, deadline: Deadline, proxy: Optional[Proxy]) -> HttpReply:
        exchange = Exchange(deadline, self._opener, _opening(request, deadline))
        if isinstance(deadline, AbortableDeadline):
            self._abort_scopes[id(deadline.scope)] = deadline.scope
            if self._closed:
                deadline.scope.abort()
        before = EXCHANGE.get()
        if before is not None and before.is_over:  # an exception of a signal handler kept it from being reset
            before = None
        EXCHANGE.set(exchange)
        try:
            return self._watched(self._over_pool, request, exchange, proxy)
        finally:
            EXCHANGE.set(before)
            _close_unless_kept(exchange)
            exchange.connection = exchange.reply = None  # they hold it, too
            exchange.is_over = True

    def _over_pool(self, request: HttpRequest, exchange: Exchange, proxy: Optional[Proxy]) -> HttpReply:
        pool = self._pool(request.origin, proxy)
        began = monotonic()
        response = pool.urlopen(
            request.method,
            request.url if proxy is not None and request.origin.scheme == "http" else request.target,
            headers={"Host": request.origin.host_header, **dict(request.headers)},
            timeout=Timeout(connect=_positive(exchange.opening), read=_positive(exchange.deadline)),
            assert_same_host=False,
            retries=NO_RETRIES,
            **_options(request),
        )
        if exchange.reply is None:  # a test or a monitor has answered in our place
            return read_response(response, request, exchange.deadline, began)
        reply = _read_reply(exchange, response, request)
        self._keep(exchange, pool, reply)
        return reply

    def _watched(
        self, send: Callable[..., HttpReply], request: HttpRequest, exchange: Exchange, route: Any
    ) -> HttpReply:
        """Send; raise an error of our tree for whatever goes wrong."""
        try:
            return send(request, exchange, route)
        except TargetError as error:
            clear_frames(error)
            self._drop_stale(error, request.origin)
            raise
        except Exception as error:  # noqa: BLE001 - it is raised below, or an error that stands for it
            failure = to_target_error(error, request, exchange, send == self._over_manager)
        self._drop_stale(failure, request.origin)
        try:
            raise failure  # outside the handler: what urllib3 made of it may hold it
        finally:
            del failure  # or error, traceback and frame would hold one another

    def _drop_stale(self, error: Exception, origin: Origin) -> None:
        """Close the idle connections to ``origin`` if the server dropped one: it probably dropped the others, too."""
        if isinstance(error, ConnectionFailed) and error.phase == "reuse":
            for pool in self._pools.get(origin).values():
                pool.pool.drop()

    def _keep(self, exchange: Exchange, pool: Any, reply: HttpReply) -> None:
        """Keep the connection of ``exchange`` if nothing on it can be taken for a later reply."""
        connection, received = exchange.connection, exchange.reply
        if connection is None or received is None or exchange.broken or not received.is_complete():
            return
        if self._settings.idle_seconds <= 0:
            return
        sock = connection.sock
        if sock is None or (connection.is_tls and _has_pending(sock)) or not reply.is_matched:
            return
        if received.keep_alive is not None:
            connection.keep_alive = received.keep_alive - min(1.0, received.keep_alive / 2)
        connection.end_exchange()
        pool.pool.keep(connection)

    def _pool(self, origin: Origin, proxy: Optional[Proxy]) -> Any:
        pools = self._pools.get(origin)
        name = "" if proxy is None else proxy.url
        pool = pools.get(name)
        if pool is None:
            made = new_pool(origin, proxy, self._tls, self._settings.assert_hostname)
            made.pool.limit, made.pool.seconds = self._settings.max_idle, self._settings.idle_seconds
            made.pool.closed = self._closed
            pool = pools.setdefault(name, made)
            if self._pools.peek(origin) is not pools:  # the table has dropped them in the meantime
                pool.pool.closed = True
        return pool

    def _proxy(self, origin: Origin) -> Optional[Proxy]:
        if self._settings.proxy is None and self._settings.trust_env:
            return proxy_from_environment(origin, self._settings.proxy_headers)
        return self._settings.proxy

    # Over somebody else's

    def _replacement(self, proxy: Optional[Proxy]) -> Any:
        """Return a manager of the classes that a test or monitor has put in the place of urllib3's, if any."""
        found = self._replacements.found()
        if not found:
            if self._replacement_managers:
                self._replaced, self._replacement_managers = (), {}
            return None
        if self._replaced != found:
            self._replaced, self._replacement_managers = found, {}
        managers = self._replacement_managers
        manager = managers.get(_proxy_key(proxy))
        if manager is None:
            manager = managers[_proxy_key(proxy)] = new_manager(proxy, self._tls)
        return manager

    def _send_managed(self, request: HttpRequest, deadline: Deadline, manager: Any) -> HttpReply:
        exchange = Exchange(deadline, self._opener, _opening(request, deadline))
        return self._watched(self._over_manager, request, exchange, manager)

    def _over_manager(self, request: HttpRequest, exchange: Exchange, manager: Any) -> HttpReply:
        """Return the reply that a pool manager gets, without what it usually adds."""
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


def _options(request: HttpRequest) -> Dict[str, Any]:
    """Return what is the same for a pool and for a pool manager."""
    return {
        "body": request.body or None,
        "redirect": False,
        "preload_content": False,
        "decode_content": False,
    }


def _proxy_key(proxy: Optional[Proxy]) -> Optional[str]:
    return None if proxy is None else proxy.url


def _has_pending(sock: Any) -> bool:
    """Return whether TLS has decrypted bytes that nobody has read; TLS within TLS cannot tell."""
    pending = getattr(sock, "pending", None)
    return pending is not None and pending() > 0


def _opening(request: HttpRequest, deadline: Deadline) -> Deadline:
    """Return the deadline for opening a connection: early, if another host can be asked afterwards."""
    if request.alternative is None:
        return deadline
    return deadline.at_most(max(0.0, deadline.remaining()) * OPENING_SHARE)


def _positive(deadline: Deadline) -> float:
    """Return the seconds left as urllib3 takes them: it refuses 0."""
    return max(0.001, deadline.remaining())


def _read_reply(exchange: Exchange, response: Any, request: HttpRequest) -> HttpReply:
    """Return the reply that came over one of our own connections."""
    received = exchange.reply
    assert received is not None
    if 300 <= received.status < 400:
        raw = b""  # the body of a redirect is of no use, however long it is
    elif received.isclosed():
        raw = response.data or b""  # a monitor has read it
        if len(raw) > request.max_bytes:
            raise ResponseTooLarge(f"the answer is larger than {request.max_bytes} bytes")
    else:
        raw = read_body(received, request.max_bytes)
    response.release_conn()  # or its finalizer would close the connection
    ended_at = monotonic()
    timings = Timings(
        exchange.dns,
        exchange.connect,
        exchange.tls,
        (exchange.first_byte_at - exchange.sent_at) * 1000,
        (ended_at - exchange.first_byte_at) * 1000,
        exchange.sent,
        exchange.received,
    )
    if received.status == 408 and exchange.reused:
        # The server's word for closing an idle connection, sent before it saw the request.
        raise ConnectionFailed(f"{request.origin} closed the kept-alive connection", "reuse")
    body = decode_body(raw, received.headers.get("Content-Encoding"), request.max_bytes)
    headers = cast(Mapping[str, str], received.headers)  # reads like one
    is_matched = request.is_answered_by is None or request.is_answered_by(body)
    if exchange.reused and not is_matched:
        raise InvalidResponse(f"{request.origin} answered another request on this connection; it is closed")
    return HttpReply(received.status, received.reason, headers, body, timings, is_matched=is_matched)


def _close_unless_kept(exchange: Exchange) -> None:
    """Close the connection of an exchange, unless it lies among the idle ones by now."""
    connection, received = exchange.connection, exchange.reply
    if connection is not None and connection.exchange is exchange:
        if received is not None:
            received.close()  # it holds the socket as well
        connection.close()
        connection.end_exchange()


def _close_pools(pools: Dict[str, Any]) -> None:
    for pool in list(pools.values()):
        pool.pool.closed = True
        pool.pool.drop()


def new_pool(origin: Origin, proxy: Optional[Proxy], tls: TlsContexts, assert_hostname: Any = None) -> Any:
    """Return a pool of our own kind for ``origin``, directly or through ``proxy``."""
    options: Dict[str, Any] = {}
    if origin.scheme == "https":
        options = {"ssl_context": tls.current(), "assert_hostname": assert_hostname}
    if proxy is None:
        return (TlsConnectionPool if options else ConnectionPool)(origin.host, origin.port, maxsize=0, **options)
    # A manager for each pool: its lock may be left taken by an exception of a signal handler.
    manager = new_manager(proxy, tls)
    pools: Tuple[Any, Any] = socks_pools() if proxy.scheme.startswith("socks") else (ConnectionPool, TlsConnectionPool)
    manager.pool_classes_by_scheme = dict(zip(("http", "https"), pools))
    return manager.connection_from_host(origin.host, origin.port, origin.scheme, options)


def new_manager(proxy: Optional[Proxy], tls: TlsContexts) -> Any:
    """Return urllib3's own manager, for connections that go through ``proxy``.

    Raises ``OptionError`` for a SOCKS proxy if PySocks is not installed.
    """
    context = tls.current()
    if proxy is None:
        return urllib3.PoolManager(ssl_context=context)
    if not proxy.scheme.startswith("socks"):
        bare = proxy._replace(credentials=None)
        return urllib3.ProxyManager(
            bare.url, proxy_headers=proxy.all_headers(), ssl_context=context, proxy_ssl_context=context
        )
    try:
        from urllib3.contrib.socks import SOCKSProxyManager  # noqa: PLC0415 - needs an extra
    except ImportError:
        extra = "pip install target-python-sdk[socks]"
        raise OptionError(f"proxy: a SOCKS proxy needs PySocks: {extra}", "proxy", extra) from None
    return SOCKSProxyManager(proxy.url, ssl_context=context)
