"""A flow's requests over urllib3: one request, one reply, within the deadline.

Redirects are never followed, nothing larger than asked for is read, and whatever goes
wrong is one :class:`~target_tools.errors.DeliveryError`.  Exceptions of others (a
signal handler's above all) pass unchanged; the connection they interrupted is closed.
"""

import _thread
import http.client
import os
import socket
import ssl
import threading
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, NoReturn, Optional, cast

import urllib3
import urllib3.exceptions
from urllib3.util.ssl_match_hostname import CertificateError

from target_tools.clock import Deadline, monotonic
from target_tools.errors import (
    ConnectionFailed,
    DeadlineExceeded,
    DeliveryError,
    InvalidResponse,
    OptionError,
    ResponseTooLarge,
    TlsError,
    quoted,
)
from target_tools.handover import Handover
from target_tools.http.bodies import decode_body, read_body
from target_tools.http.messages import HttpReply, HttpRequest, Origin, Timings
from target_tools.http.pools import Connections, KeptConnection
from target_tools.http.proxies import Proxy, proxy_of_environment
from target_tools.http.tls import ClientCert, TlsContexts
from target_tools.logger import Log

#: What the network, TLS and HTTP raise; nothing else is ours to explain.
NETWORK_ERRORS = (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError, CertificateError)


class TransportSettings(NamedTuple):
    """How connections are opened."""

    verify_ssl: bool = True
    ca_certs: Optional[str] = None
    client_cert: ClientCert = None
    proxy: Optional[Proxy] = None
    proxy_headers: Optional[Mapping[str, str]] = None
    trust_env: bool = False
    pool_manager: Any = None
    #: Idle connections kept for each host, and the seconds that one is kept.
    max_idle: int = 256
    idle_seconds: float = 60.0
    logger: Any = None

    def __repr__(self) -> str:
        return "TransportSettings(…)"  # headers and addresses of proxies hold secrets


class Transport:
    """Sends requests for one client in one process.  Keeps connections; takes no lock."""

    def __init__(self, settings: TransportSettings, is_worker: Callable[[], bool] = lambda: False) -> None:
        self._settings = settings
        self._pid = os.getpid()
        self._contexts = TlsContexts(
            settings.verify_ssl, settings.ca_certs, settings.client_cert, Log(settings.logger)
        )
        self._connections = Connections(self._contexts.current, self._http_proxy, is_worker)
        self._handover = Handover()
        self._managers: Dict[str, Any] = {}

    def send(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
        """The reply to ``request``; any status is a reply."""
        manager = self._manager(request.origin)
        if manager is None:
            return self._send_kept(request, deadline)
        if _thread.get_ident() != threading.main_thread().ident:
            return _send_by(manager, request, deadline)
        # Somebody else's pool takes locks, and this is the thread that signal handlers raise in.
        # It may use TLS for a proxy, whatever the origin wants.
        return self._handover.call(lambda: _send_by(manager, request, deadline), deadline, lambda: None, sees_off=True)

    def close(self) -> None:
        """Close idle connections, and end what nobody waits for; those in use close when their reply has come."""
        if os.getpid() != self._pid:
            return  # a forked child ends, or collects what it inherited: a manager's lock may be held for ever
        self._connections.close()
        for manager in list(self._managers.values()):
            manager.clear()

    def abandon(self) -> None:
        """Let go, in a forked child, of the sockets that belong to the parent."""
        self._connections.abandon()

    def _send_kept(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
        connection: Optional[KeptConnection] = None
        kept = False
        try:
            connection = self._connections.take(request.origin, deadline)
            reply = self._exchange(connection, request)
            kept = connection.sock is not None
            return reply
        except DeliveryError:
            raise
        except NETWORK_ERRORS as error:
            self._explain(error, request, deadline, connection)
        finally:
            if connection is not None:
                if kept:
                    self._connections.give_back(request.origin, connection)
                else:
                    connection.close()

    def _exchange(self, connection: KeptConnection, request: HttpRequest) -> HttpReply:
        message = _rendered(request, connection.via)
        sent_at = monotonic()
        response = connection.ask(request.method, message)
        with response:
            # Nobody will look at the body of a redirect, however long it is.
            refused = 300 <= response.status < 400
            body = b"" if refused else read_body(response, request.max_bytes)
            whole = response.isclosed()
        ended_at = monotonic()
        reader, answer = connection.reader, connection.answer
        assert reader is not None and answer is not None
        if not whole or answer.leftover or response.will_close:
            connection.close()  # whatever follows belongs to no request of ours
        timings = Timings(
            connection.dns,
            connection.tls,
            (reader.first_byte_at - sent_at) * 1000,
            (ended_at - reader.first_byte_at) * 1000,
            reader.received,
        )
        plain = decode_body(body, response.headers.get("Content-Encoding"), request.max_bytes)
        headers = cast(Mapping[str, str], response.headers)  # reads like one
        return HttpReply(response.status, response.reason, headers, plain, timings)

    def _explain(
        self, error: Exception, request: HttpRequest, deadline: Deadline, connection: Optional[KeptConnection]
    ) -> NoReturn:
        """Raise the error of our tree that ``error`` is."""
        answered = connection is not None and connection.reader is not None and connection.reader.received > 0
        reused = connection is not None and connection.uses > 0
        late = deadline.remaining() <= 0 or isinstance(error, socket.timeout)
        if reused and not answered and not late and isinstance(error, OSError):
            self._connections.drop_idle(request.origin)
            raise ConnectionFailed("the kept-alive connection was dropped", "reuse") from error
        phase = "opening" if connection is None else "exchange"
        raise explained(error, request.origin, deadline, phase) from error

    def _proxy(self, origin: Origin) -> Optional[Proxy]:
        if self._settings.proxy is None and self._settings.trust_env:
            return proxy_of_environment(origin, self._settings.proxy_headers)
        return self._settings.proxy

    def _http_proxy(self, origin: Origin) -> Optional[Proxy]:
        """The proxy that our own connections go through."""
        proxy = self._proxy(origin)
        return proxy if proxy is not None and proxy.scheme == "http" else None

    def _manager(self, origin: Origin) -> Any:
        """The pool manager that serves ``origin``: the user's own, or urllib3's for SOCKS and TLS proxies."""
        if self._settings.pool_manager is not None:
            return self._settings.pool_manager
        proxy = self._proxy(origin)
        if proxy is None or proxy.scheme == "http":
            return None
        manager = self._managers.get(proxy.url)
        if manager is None:
            manager = self._managers.setdefault(proxy.url, proxy_manager(proxy, self._contexts.current()))
        return manager


def _rendered(request: HttpRequest, via: Optional[Proxy]) -> bytes:
    """The request as bytes, for the origin or for a proxy.  Every part was checked or percent-encoded at the door."""
    target, headers = request.target, request.headers
    if via is not None:
        target, headers = request.url, (*headers, *via.all_headers().items())
    lines = ["{} {} HTTP/1.1".format(request.method, target), "Host: " + request.origin.host_header]
    lines += [name + ": " + value for name, value in headers]
    if request.body or request.method != "GET":
        lines.append("Content-Length: {}".format(len(request.body)))
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1") + request.body


def proxy_manager(proxy: Proxy, context: ssl.SSLContext) -> Any:
    """urllib3's manager for a SOCKS or a TLS proxy.  Raises ``OptionError`` where SOCKS is not installed."""
    if proxy.scheme.startswith("socks"):
        try:
            from urllib3.contrib.socks import SOCKSProxyManager  # noqa: PLC0415 - needs an extra
        except ImportError:
            extra = "pip install target-python-sdk[socks]"
            raise OptionError("proxy: a SOCKS proxy needs PySocks: {}".format(extra), "proxy", extra) from None
        return SOCKSProxyManager(proxy.url, ssl_context=context)
    bare = proxy._replace(credentials=None)
    return urllib3.ProxyManager(
        bare.url, proxy_headers=proxy.all_headers(), ssl_context=context, proxy_ssl_context=context
    )


def _send_by(manager: Any, request: HttpRequest, deadline: Deadline) -> HttpReply:
    """The reply that somebody's pool manager gets; nothing of what it usually adds is wanted."""
    sent_at = monotonic()
    try:
        response = manager.request(
            request.method,
            request.url,
            body=request.body,
            headers=dict(request.headers),
            timeout=urllib3.Timeout(total=max(0.001, deadline.remaining())),
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
    except NETWORK_ERRORS as error:
        raise explained(error, request.origin, deadline, "opening" if _unsent(error) else "exchange") from error
    if not hasattr(response, "stream"):
        raise OptionError("pool_manager: its request() gave no urllib3 response", "pool_manager", "a PoolManager")
    first_byte_at = monotonic()
    try:
        body = b"" if 300 <= response.status < 400 else _read_by_parts(response, request, deadline)
    except NETWORK_ERRORS as error:
        response.close()
        raise explained(error, request.origin, deadline, "exchange") from error
    ended_at = monotonic()
    response.release_conn()
    timings = Timings(None, None, (first_byte_at - sent_at) * 1000, (ended_at - first_byte_at) * 1000, len(body))
    plain = decode_body(body, response.headers.get("Content-Encoding"), request.max_bytes)
    return HttpReply(response.status, response.reason or "", response.headers, plain, timings)


def _read_by_parts(response: Any, request: HttpRequest, deadline: Deadline) -> bytes:
    parts: List[bytes] = []
    size = 0
    for part in response.stream(65536, decode_content=False):
        if deadline.remaining() <= 0:
            raise socket.timeout("timed out")
        parts.append(part)
        size += len(part)
        if size > request.max_bytes:
            response.close()
            raise ResponseTooLarge("the answer is larger than {} bytes".format(request.max_bytes))
    return b"".join(parts)


def _unsent(error: Exception) -> bool:
    return isinstance(error, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError))


def explained(error: Exception, origin: Origin, deadline: Deadline, phase: str) -> DeliveryError:
    """The error of our tree for what the network, TLS or HTTP raised."""
    place = "{}://{}".format(origin.scheme, origin.netloc)
    # No socket of ours has a time-out but what was left of the deadline.
    if deadline.remaining() <= 0 or isinstance(error, (socket.timeout, urllib3.exceptions.TimeoutError)):
        return DeadlineExceeded("no answer from {} within {:.0f} ms".format(place, deadline.seconds * 1000))
    if isinstance(error, (ssl.SSLError, CertificateError, urllib3.exceptions.SSLError)):
        return TlsError("no trusted TLS connection to {}: {}".format(place, quoted(error)))
    if isinstance(error, http.client.IncompleteRead):
        return ConnectionFailed("{} dropped the connection in the middle of its answer".format(place), "exchange")
    if isinstance(error, http.client.HTTPException) and not isinstance(error, ConnectionError):
        kind = type(error).__name__
        return InvalidResponse("what {} answered is not HTTP ({})".format(place, kind))
    # A retry loop of somebody else's names the whole address, session and all.
    reason = quoted(error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) else error)
    if phase == "opening":
        # A proxy that says no will not say yes in a moment.
        refused = reason.startswith("Tunnel connection failed: 4")
        return ConnectionFailed("no connection to {}: {}".format(place, reason), "refused" if refused else phase)
    return ConnectionFailed("{} dropped the connection: {}".format(place, reason), phase)
