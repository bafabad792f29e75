"""Creates pools and pool managers, reads the responses of pool managers, and detects replaced parts of urllib3.

An application can supply a pool manager, and tests and monitors can replace parts of urllib3. Most functions that
they put in place take effect, because our pools and connections derive from urllib3's. A new ``PoolManager`` or
connection class would have no effect on our transport, so requests then go through a pool manager made of these parts.
"""

from typing import Any, Dict, List, Mapping, NoReturn, Optional, Tuple
from urllib.parse import unquote

import urllib3

from target_tools.clock import Deadline, monotonic
from target_tools.errors import InvalidResponse, OptionError
from target_tools.http.messages import READ_SIZE, HttpReply, HttpRequest, Origin, Timings, decode_body, too_large
from target_tools.http.pools import (
    AnyPool,
    ConnectionPool,
    PooledConnection,
    PooledTlsConnection,
    TlsConnectionPool,
    is_own_function,
)
from target_tools.http.proxies import Proxy
from target_tools.http.tls import TlsContexts

#: The first bytes of every gzip stream.
_GZIP = b"\x1f\x8b"


class Urllib3Replacements:
    """Detects replacements of the parts of urllib3 that 1.1.0 used for its requests and our transport does not use."""

    def __init__(self) -> None:
        #: The parts at the last check if all were urllib3's own, else empty. Empty before the first check,
        #: because urllib3 may already be patched.
        self.own: Tuple[Any, ...] = ()
        #: The parts at the last check if any of them was replaced, else empty.
        self._replaced: Tuple[Any, ...] = ()
        #: The pool manager made of these parts, by proxy.
        self._managers: Dict[Optional[Proxy], Any] = {}

    def manager(self, parts: Tuple[Any, ...], proxy: Optional[Proxy], tls: TlsContexts) -> Any:
        """Return a pool manager made of ``parts`` if any of them is replaced, else None."""
        replaced = self.found(parts)
        if self._replaced != replaced:
            self.close()
            self._replaced, self._managers = replaced, {}
        if not replaced:
            return None
        managers = self._managers
        manager = managers.get(proxy)
        if manager is None:
            manager = managers[proxy] = new_manager(proxy, tls)
        return manager

    def found(self, parts: Tuple[Any, ...]) -> Tuple[Any, ...]:
        """Return ``parts`` if any of them is replaced, else an empty tuple."""
        is_own = all(map(_is_own_class, parts[:-3])) and all(map(is_own_function, parts[-3:]))
        self.own = parts if is_own else ()
        return () if is_own else parts

    def close(self) -> None:
        """Close the idle connections of the managers."""
        for manager in list(self._managers.values()):
            clear = getattr(manager, "clear", None)
            if callable(clear):
                clear()


def _is_own_class(kind: Any) -> bool:
    return isinstance(kind, type) and kind.__module__.startswith("urllib3.")


def new_manager(proxy: Optional[Proxy], tls: TlsContexts) -> Any:
    """Return urllib3's pool manager for connections through ``proxy``.

    Raises ``OptionError`` for a SOCKS proxy if PySocks is not installed.
    """
    context = tls.current()
    if proxy is None:
        return urllib3.PoolManager(ssl_context=context)
    if not proxy.scheme.startswith("socks"):
        headers = proxy.all_headers()
        return urllib3.ProxyManager(proxy.url, proxy_headers=headers, ssl_context=context, proxy_ssl_context=context)
    try:
        from urllib3.contrib.socks import SOCKSProxyManager  # noqa: PLC0415 - needs an extra
    except ImportError:
        extra = "pip install target-python-sdk[socks]"
        raise OptionError(f"Invalid option 'proxy': a SOCKS proxy needs PySocks: {extra}", "proxy", extra) from None
    user, _, password = map(unquote, (proxy.credentials or "").partition(":"))
    return SOCKSProxyManager(proxy.url, user or None, password or None, ssl_context=context)


def _socks_pools() -> Tuple[Any, Any]:
    """Return the classes of pools through a SOCKS proxy, without and with TLS."""
    from urllib3.contrib.socks import SOCKSConnection, SOCKSHTTPSConnection  # noqa: PLC0415 - needs an extra

    class PooledSocksConnection(PooledConnection, SOCKSConnection):  # type: ignore[misc]
        opens_in_helper_thread = True  # PySocks does not check the deadline
        _new_conn = SOCKSConnection._new_conn  # private, as in PooledConnection; PySocks connects

    class PooledSocksTlsConnection(PooledTlsConnection, SOCKSHTTPSConnection):  # type: ignore[misc]
        opens_in_helper_thread = True
        _new_conn = SOCKSConnection._new_conn

    class SocksConnectionPool(ConnectionPool):
        ConnectionCls = PooledSocksConnection

    class SocksTlsConnectionPool(TlsConnectionPool):
        ConnectionCls = PooledSocksTlsConnection

    return SocksConnectionPool, SocksTlsConnectionPool


def new_pool(origin: Origin, proxy: Optional[Proxy], tls: TlsContexts, assert_hostname: Any = None) -> AnyPool:
    """Return a pool of connections to ``origin``, directly or through ``proxy``.

    Raises ``OptionError`` for a SOCKS proxy if PySocks is not installed.
    """
    options: Dict[str, Any] = {}
    if origin.scheme == "https":
        options = {"ssl_context": tls.current(), "assert_hostname": assert_hostname}
    if proxy is None:
        return (TlsConnectionPool if options else ConnectionPool)(origin.host, origin.port, maxsize=0, **options)
    # Create a manager for each pool: an exception of a signal handler could leave the lock of a shared one locked.
    manager = new_manager(proxy, tls)
    pools: Tuple[Any, Any] = _socks_pools() if proxy.scheme.startswith("socks") else (ConnectionPool, TlsConnectionPool)
    manager.pool_classes_by_scheme = dict(zip(("http", "https"), pools))
    pool: AnyPool = manager.connection_from_host(origin.host, origin.port, origin.scheme, options)
    return pool


def read_response(response: Any, request: HttpRequest, deadline: Deadline, began: float) -> HttpReply:
    """Return the content of a pool manager's response: urllib3's, or an object with a status, headers and data.

    ``began`` is the time at which the request was passed on. Raises whatever reading the body raises.
    """
    status = getattr(response, "status", None)
    if not isinstance(status, int) or isinstance(status, bool):
        _refuse("its request() must return a urllib3 response", response)
    first_byte_at = monotonic()
    complete = False
    try:
        if status < 200:
            raise InvalidResponse(f"{request.origin} sent only an interim reply ({status}) through the pool manager")
        raw, is_preloaded = (b"", False) if 300 <= status < 400 else _body(response, request.max_bytes, deadline)
        complete = True
    finally:
        end = getattr(response, "release_conn" if complete else "close", None)
        if callable(end):
            end()
    timings = Timings(
        first_byte=(first_byte_at - began) * 1000,
        download=(monotonic() - first_byte_at) * 1000,
        sent=len(request.body),
        received=len(raw),
    )
    given = getattr(response, "headers", None)
    # dict first: isinstance is slow for abstract classes
    headers: Mapping[str, str] = given if isinstance(given, (dict, Mapping)) else {}
    encoding = headers.get("Content-Encoding")
    if is_preloaded and not raw.startswith(_GZIP):
        encoding = None  # urllib3 has decompressed it
    body = decode_body(raw, encoding, request.max_bytes)
    reason = getattr(response, "reason", None)
    is_matched = request.matches(body)
    return HttpReply(status, reason if isinstance(reason, str) else "", headers, body, timings, is_matched=is_matched)


def _body(response: Any, max_bytes: int, deadline: Deadline) -> Tuple[bytes, bool]:
    """Return the body, and whether the response had already read it."""
    parts: List[bytes] = []
    size = 0
    try:
        for part in response.stream(READ_SIZE, decode_content=False):
            if deadline.remaining() <= 0:
                raise TimeoutError("timed out")
            parts.append(part)
            size += len(part)
            if size > max_bytes:
                raise too_large(max_bytes)
    except (AttributeError, TypeError, ValueError):  # a preloaded response of urllib3, or a mock, has no stream
        if parts:
            raise
    if parts:
        return b"".join(parts), False
    data = getattr(response, "data", None) or b""
    if isinstance(data, str):
        data = data.encode("utf-8")
    if not isinstance(data, bytes):
        _refuse("the data of a response must be bytes", data)
    if len(data) > max_bytes:
        raise too_large(max_bytes)
    return data, True


def _refuse(expected: str, got: object) -> NoReturn:
    raise OptionError(f"Invalid option 'pool_manager': {expected}, got {type(got).__name__}", "pool_manager", expected)
