"""Adds the application's own headers to every request of a client."""

import re
from types import MappingProxyType
from typing import Any, Callable, Dict, FrozenSet, Mapping, NamedTuple, NoReturn, Tuple, Union

from target_tools.clock import Deadline
from target_tools.errors import OptionError
from target_tools.http.failures import is_foreign
from target_tools.http.messages import HttpReply, HttpRequest, Send

#: Headers that frame a message, choose its encoding, or change which kind of answer comes.
REFUSED: FrozenSet[str] = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "range",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = r"[\x20-\x7e]*"
_EXPECTED = "a dict of header names and printable ASCII values, or a callable that returns one"


class OutgoingRequest(NamedTuple):
    """The request that a ``headers`` callable is called with."""

    method: str
    #: The whole address.  It holds ids of the visitor: not for a log.
    url: str
    #: The headers that the SDK sends, read-only.
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"OutgoingRequest({self.method} {self.url.partition('?')[0]})"


Headers = Union[Mapping[str, str], Callable[[OutgoingRequest], Mapping[str, str]]]


def check_headers(headers: Any, source: str = "") -> Dict[str, str]:
    """Return a copy of ``headers``.  Raises ``OptionError`` for a name or value that must not be sent.

    ``source`` begins the message if the headers are not the option itself.
    """
    if not isinstance(headers, Mapping):
        _refuse(f"{source}expected {_EXPECTED}, got {type(headers).__name__}")
    for name, value in headers.items():
        if not isinstance(name, str) or re.fullmatch(_NAME, name) is None:
            _refuse(f"{source}expected header names of letters, digits and hyphens, got {name!a}")
        if name.lower() in REFUSED:
            hint = "; use proxy_headers" if name.lower() == "proxy-authorization" else ""
            _refuse(f"{source}the SDK sets or forbids the header {name!r}{hint}")
        if not isinstance(value, str) or re.fullmatch(_VALUE, value) is None:
            _refuse(f"{source}expected printable ASCII text as the value of {name!r}, got {_kind(value)}")
    return dict(headers)


def _kind(value: object) -> str:
    """Describe a value without showing it: headers hold secrets."""
    return "other characters" if isinstance(value, str) else type(value).__name__


def _refuse(problem: str) -> NoReturn:
    raise OptionError(f"Invalid option 'headers': {problem}", "headers", _EXPECTED)


def with_headers(send: Send, headers: "Union[Headers, None]") -> Send:
    """Return a ``send`` that adds ``headers``, or what they return if they are a callable, to each request.

    They replace the SDK's headers of the same name.  A callable that raises ends that request with ``OptionError``.
    """
    if callable(headers):
        return _Computed(send, headers)
    return _Fixed(send, headers) if headers else send


class _Fixed:
    """A ``send`` that adds the same headers to each request."""

    def __init__(self, send: Send, headers: Mapping[str, str]) -> None:
        self._send = send
        self._headers = headers

    def __call__(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
        return self._send(_extended(request, self._headers), deadline)


class _Computed:
    """A ``send`` that asks a callable which headers to add."""

    def __init__(self, send: Send, compute: Callable[[OutgoingRequest], Mapping[str, str]]) -> None:
        self._send = send
        self._compute = compute

    def __call__(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
        view = OutgoingRequest(request.method, request.url, MappingProxyType(dict(request.headers)))
        try:
            computed = self._compute(view)
        except Exception as error:
            if is_foreign(error):
                raise
            # Not its text, which may hold a secret or an id.
            message = f"Invalid option 'headers': the callable raised {type(error).__name__}"
            raise OptionError(message, "headers", _EXPECTED) from error
        return self._send(_extended(request, check_headers(computed, "the callable's result: ")), deadline)


def _extended(request: HttpRequest, headers: Mapping[str, str]) -> HttpRequest:
    """Return ``request`` with ``headers``; names are compared without case, and the last of equal ones counts."""
    last = {name.lower(): (name, value) for name, value in headers.items()}
    own: Tuple[Tuple[str, str], ...] = tuple(pair for pair in request.headers if pair[0].lower() not in last)
    return request._replace(headers=(*own, *last.values()))
