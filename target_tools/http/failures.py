"""Converts exceptions of the network, TLS, HTTP and replaced functions to those of the SDK."""

import http.client
import socket
import traceback
from typing import Iterator, Optional, Set, Tuple, Type

import urllib3.exceptions as urllib3_errors
from urllib3.util.ssl_match_hostname import CertificateError

from target_tools.errors import (
    ConnectionFailed,
    DeadlineExceeded,
    DeliveryError,
    HttpStatusError,
    InvalidResponse,
    RedirectRefused,
    TargetError,
    TlsError,
    TransportError,
    escape_text,
)
from target_tools.foreign_errors import is_foreign
from target_tools.http.exchanges import Exchange
from target_tools.http.messages import HttpReply, HttpRequest
from target_tools.http.proxies import Proxy
from target_tools.http.tls import CertificateFileError

_UNTRUSTED: Tuple[Type[Exception], ...] = (CertificateError, CertificateFileError, urllib3_errors.SSLError)
try:
    from ssl import SSLError
except ImportError:  # Pyodide has no such module until a program loads it
    pass
else:
    _UNTRUSTED += (SSLError,)

#: Errors of urllib3 whose last argument can be the error that they wrap.
_WRAPPERS = (urllib3_errors.ProtocolError, urllib3_errors.ProxyError, urllib3_errors.SSLError)
#: urllib3's errors about the framing and the encoding of a reply.
_MALFORMED = (
    urllib3_errors.InvalidHeader,
    urllib3_errors.HeaderParsingError,
    urllib3_errors.DecodeError,
    urllib3_errors.ResponseNotChunked,
)

#: A server that expects TLS answers plain HTTP with an alert, or closes the connection.
_TLS_ALERT = "\x15\x03"
_TLS_HINT = "; if the server expects TLS, see the option 'secure'"
_PLAIN_HTTP_HINT = "; the server seems to expect plain HTTP, see the option 'secure'"

#: Maximum size of the body in an ``HttpStatusError``, in bytes.
ERROR_BODY_SIZE = 4096


def status_error(reply: HttpReply) -> HttpStatusError:
    """Return the error for a reply whose status is not a success."""
    kind = RedirectRefused if 300 <= reply.status < 400 else HttpStatusError
    text = reply.body[:ERROR_BODY_SIZE].decode("utf-8", "replace")
    return kind(reply.status, reply.reason, reply.headers, text)


def to_target_error(
    error: Exception, request: HttpRequest, exchange: Exchange, managed: bool = False, proxy: Optional[Proxy] = None
) -> Exception:
    """Return the error to raise instead of ``error``.

    It is a ``DeliveryError`` whose cause is the error that urllib3 wrapped. Errors of the SDK and of the application
    are returned as they are. ``managed`` is True if a pool manager sent the request. The text names ``proxy``, which
    may be the cause.
    """
    bare = _unwrapped(error)
    if is_foreign(bare):
        return bare
    clear_frames(error)
    if isinstance(bare, TargetError):
        return bare
    place = str(request.origin) if proxy is None else f"{request.origin} through the proxy {proxy.url}"
    found = _to_delivery_error(bare, place, exchange, managed)
    if isinstance(found, TlsError) and (managed or exchange.sent_at):
        found.phase = "exchange"  # with TLS 1.3 a server can refuse the client certificate after the request
    found.__cause__ = bare
    return found


def _to_delivery_error(error: Exception, place: str, exchange: Exchange, managed: bool) -> DeliveryError:
    is_opening = _is_opening(error) if managed else not exchange.sent_at
    return (
        _late(error, place, exchange, is_opening)
        or _not_understood(error, place)
        or _disconnected(error, place, exchange, is_opening)
        or TransportError(f"sending to {place} failed: {type(error).__name__}")
    )


def _late(error: Exception, place: str, exchange: Exchange, is_opening: bool) -> Optional[DeliveryError]:
    """Return the error for a timeout, and for any failure after the deadline."""
    is_over = exchange.deadline.remaining() <= 0
    if not is_over and not _is_timeout(error):
        return None
    if not is_over and is_opening and exchange.opening is not exchange.deadline:
        failed = ConnectionFailed(f"no connection to {place} within {exchange.opening.seconds * 1000:.0f} ms")
        failed.within = exchange.opening.seconds
        return failed
    return DeadlineExceeded(f"no answer from {place} within {exchange.deadline.seconds * 1000:.0f} ms")


def _not_understood(error: Exception, place: str) -> Optional[DeliveryError]:
    """Return the error for a failed TLS handshake, and for an answer that is not valid HTTP."""
    if isinstance(error, _UNTRUSTED):
        hint = _PLAIN_HTTP_HINT if "WRONG_VERSION_NUMBER" in str(error) else ""
        return TlsError(f"no trusted TLS connection to {place}: {_text_of(error)}{hint}")
    is_http = isinstance(error, http.client.HTTPException)
    cut_off = isinstance(error, (http.client.IncompleteRead, ConnectionError))
    if isinstance(error, _MALFORMED) or (is_http and not cut_off):
        hint = _TLS_HINT if isinstance(error, http.client.BadStatusLine) and str(error).startswith(_TLS_ALERT) else ""
        return InvalidResponse(f"the answer of {place} is not valid HTTP ({type(error).__name__}){hint}")
    return None


def _disconnected(error: Exception, place: str, exchange: Exchange, is_opening: bool) -> Optional[DeliveryError]:
    """Return the error for a connection that could not be opened or was dropped."""
    if exchange.reused and not exchange.received and isinstance(error, OSError):
        return ConnectionFailed(f"{place} dropped the kept-alive connection", "reuse")
    if isinstance(error, http.client.IncompleteRead):
        return ConnectionFailed(f"{place} dropped the connection in the middle of its answer", "exchange")
    if not isinstance(error, (OSError, urllib3_errors.HTTPError)):
        return None
    if not is_opening:
        is_silent = isinstance(error, (ConnectionResetError, BrokenPipeError)) and not exchange.received
        hint = _TLS_HINT if is_silent and place.startswith("http:") else ""
        return ConnectionFailed(f"{place} dropped the connection: {_text_of(error)}{hint}", "exchange")
    # A proxy that refuses the tunnel will refuse it again.
    refused = str(error).startswith("Tunnel connection failed: 4")
    return ConnectionFailed(f"no connection to {place}: {_text_of(error)}", "refused" if refused else "opening")


def _text_of(error: Exception) -> str:
    """Return the text of an error if it is safe. Texts of urllib3 can contain the URL, with ids of the visitor."""
    known = (OSError, urllib3_errors.NewConnectionError, urllib3_errors.ConnectTimeoutError)
    if not isinstance(error, known):
        return type(error).__name__
    # In some errors of urllib3 the reason follows the repr of the connection.
    return escape_text(error).rpartition("Failed to establish a new connection: ")[2]


def _is_timeout(error: Exception) -> bool:
    if isinstance(error, urllib3_errors.NewConnectionError):
        return False  # in urllib3 1.26 a refused connection is a ConnectTimeoutError as well
    if isinstance(error, urllib3_errors.TimeoutError):
        return True
    # Since Python 3.10 the kernel's ETIMEDOUT raises the same class, but with an errno.
    return isinstance(error, socket.timeout) and getattr(error, "errno", None) is None


def _is_opening(error: Exception) -> bool:
    """Return whether the error of a pool manager shows that nothing was sent."""
    kinds = (
        urllib3_errors.NewConnectionError,
        urllib3_errors.ConnectTimeoutError,
        socket.gaierror,
        ConnectionRefusedError,
    )
    return isinstance(error, kinds) or str(error).startswith("Tunnel connection failed")


def _unwrapped(error: Exception) -> Exception:
    """Return the innermost error that urllib3 has wrapped."""
    while True:
        inner: Optional[object] = None
        if isinstance(error, urllib3_errors.MaxRetryError):
            inner = error.reason
        elif isinstance(error, _WRAPPERS) and not isinstance(error, http.client.IncompleteRead) and error.args:
            inner = error.args[-1]
        if isinstance(error, DeliveryError) or not isinstance(inner, Exception):
            return error
        error = inner


def clear_frames(error: BaseException) -> None:
    """Clear the local variables of urllib3's frames behind ``error``.

    They refer to the error, whose traceback refers to them, so that only a garbage collection would free them.
    """
    for each in _chain(error):
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if frame.f_globals.get("__name__", "").startswith(("urllib3.", "http.client")):
                try:
                    frame.clear()
                except RuntimeError:  # it still runs
                    continue


def _chain(error: Optional[BaseException]) -> Iterator[BaseException]:
    """Yield ``error``, its causes and its contexts."""
    seen: Set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__]
