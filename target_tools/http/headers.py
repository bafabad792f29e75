"""Adds the application's own headers to every request of a client."""

import re
from types import MappingProxyType
from typing import Callable, Dict, Mapping, NamedTuple, NoReturn, Optional, Union

from target_tools.errors import OptionError
from target_tools.foreign_errors import is_foreign
from target_tools.http.messages import HttpRequest, Send

#: Headers that frame a message, choose its encoding, change the kind of answer, or are meant for a proxy.
REFUSED = frozenset({
    "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect", "host", "if-match",
    "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "keep-alive", "proxy-authorization",
    "proxy-connection", "range", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = r"[\x20-\x7e]*"
_EXPECTED = "a dict of header names and printable ASCII values, or a callable that returns one"


class OutgoingRequest(NamedTuple):
    """The request that a ``headers`` callable is called with."""

    method: str
    #: The whole URL. It contains ids of the visitor: do not log it.
    url: str
    #: The headers that the SDK sends, read-only.
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"OutgoingRequest({self.method} {self.url.partition('?')[0]})"


HeadersCallable = Callable[[OutgoingRequest], Mapping[str, str]]
Headers = Union[Mapping[str, str], HeadersCallable]


def check_headers(headers: Mapping[str, str], source: str = "") -> Dict[str, str]:
    """Return a copy of ``headers``. Raises ``OptionError`` for a name or value that must not be sent.

    If the headers are not the option itself, ``source`` says where they come from. The message begins with ``source``.
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
    """Describe a value without showing it, since headers contain secrets."""
    return "other characters" if isinstance(value, str) else type(value).__name__


def _refuse(problem: str) -> NoReturn:
    raise OptionError(f"Invalid option 'headers': {problem}", "headers", _EXPECTED)


def with_headers(send: Send, headers: Optional[Headers]) -> Send:
    """Return a ``Send`` that adds ``headers`` to each request.

    If ``headers`` is callable, it is called for each request and returns the headers to add. They replace the SDK's
    headers of the same name. If the callable raises, the request fails with ``OptionError``.
    """
    if callable(headers):
        compute = headers
        return lambda request, deadline: send(_extended(request, _computed(compute, request)), deadline)
    if not headers:
        return send
    fixed = headers
    return lambda request, deadline: send(_extended(request, fixed), deadline)


def _computed(compute: HeadersCallable, request: HttpRequest) -> Mapping[str, str]:
    view = OutgoingRequest(request.method, request.url, MappingProxyType(dict(request.headers)))
    try:
        computed = compute(view)
    except Exception as error:
        if is_foreign(error):
            raise
        # Leave out the error's text: it may contain a secret or an id.
        message = f"Invalid option 'headers': the callable raised {type(error).__name__}"
        raise OptionError(message, "headers", _EXPECTED) from error
    return check_headers(computed, "the callable's result: ")


def _extended(request: HttpRequest, headers: Mapping[str, str]) -> HttpRequest:
    """Return ``request`` with ``headers``. Names are compared case-insensitively; the last of equal names is used."""
    added = {name.lower(): (name, value) for name, value in headers.items()}
    kept = [pair for pair in request.headers if pair[0].lower() not in added]
    return request._replace(headers=(*kept, *added.values()))
