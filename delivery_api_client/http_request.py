"""Validates the arguments of a call and builds the HTTP request."""

import re
import urllib.parse
from functools import partial
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple, Union

from target_python_sdk.delivery.option_parsers import MAX_MILLISECONDS, domain
from target_python_sdk.delivery.options import ByteLimits
from target_python_sdk.protocol import SDK_HEADERS
from target_tools.error_text import invalid
from target_tools.errors import ApiException, ApiTypeError, ApiValueError
from target_tools.http.messages import DEFAULT_PORTS, HttpRequest, Origin, render_json
from target_tools.typing_compat import Json

#: Seconds that a call without ``_request_timeout`` may take. 1.1.0 waited without a limit.
DEFAULT_SECONDS = 60.0
METHODS = frozenset({"GET", "HEAD", "DELETE", "POST", "PUT", "PATCH", "OPTIONS"})
WITH_BODY = frozenset({"DELETE", "POST", "PUT", "PATCH"})
#: Headers that the transport sets.
TRANSPORT_HEADERS = frozenset({"accept-encoding", "connection", "content-length", "transfer-encoding"})
USER_AGENT = dict(SDK_HEADERS)["User-Agent"]

FORM = "application/x-www-form-urlencoded"

Headers = Optional[Mapping[str, Any]]
#: The body of a request: text, bytes, or a value that is converted to JSON.
Body = Union[Json, bytes]
Pairs = Union[None, Dict[str, Any], Iterable[Tuple[str, Any]]]
Timeout = Union[None, float, Tuple[Optional[float], Optional[float]]]


def http_request(
    method: str, url: str, *, query_params: Pairs, headers: Headers, body: Body, post_params: Pairs
) -> HttpRequest:
    """Build a request. Raises ``ApiValueError`` or ``ApiTypeError`` for invalid arguments."""
    from target_python_sdk.delivery.exchange import is_answer  # noqa: PLC0415 - imported with the first request

    method = method.upper()
    if method not in METHODS:
        raise ApiValueError("http method must be `GET`, `HEAD`, `OPTIONS`, `POST`, `PATCH`, `PUT` or `DELETE`.")
    if body is not None and post_params:
        raise ApiValueError("body parameter cannot be used with post_params parameter.")
    origin, target = _split_url(url, query_params)
    fields = _headers(headers or {}, origin)
    content_type = next(text for name, text in fields.items() if name.lower() == "content-type")
    content = _body(content_type, body, post_params) if method in WITH_BODY else b""
    request_id = body.get("requestId") if isinstance(body, dict) else None
    return HttpRequest(
        method,
        origin,
        target,
        (*fields.items(), ("Accept-Encoding", "gzip")),
        content,
        ByteLimits().delivery,
        is_answered_by=partial(is_answer, request_id) if isinstance(request_id, str) else None,
    )


def seconds(timeout: Timeout) -> float:
    """Return the time limit of a whole call: a number, or the sum of a pair for connecting and for reading."""
    if isinstance(timeout, tuple) and len(timeout) == 2:
        return min(MAX_MILLISECONDS / 1000, sum(seconds(part) for part in timeout))
    if timeout is None or timeout == 0:  # as in 1.1.0, 0 means the same as None
        return DEFAULT_SECONDS
    if not isinstance(timeout, (int, float)) or isinstance(timeout, bool):
        expected = "a number of seconds or a pair of them"
        raise ApiTypeError(invalid("Invalid argument '_request_timeout'", expected=expected, got=timeout))
    if not timeout > 0:
        expected = "a number of seconds above 0"
        raise ApiValueError(invalid("Invalid argument '_request_timeout'", expected=expected, got=timeout))
    return min(MAX_MILLISECONDS / 1000, float(timeout))


def _split_url(url: str, query_params: Pairs) -> Tuple[Origin, str]:
    """Return the origin and the request target of a URL."""
    parts = urllib.parse.urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS or not re.fullmatch(r"[\x21-\x7e]*", url):
        raise ApiValueError("Invalid host: expected a URL that begins with http:// or https://")
    host, port = domain("host", parts.netloc)
    query = "&".join(filter(None, (parts.query, urllib.parse.urlencode(pairs_of(query_params)))))
    target = (parts.path or "/") + ("?" + query if query else "")
    return Origin(scheme, host, port or DEFAULT_PORTS[scheme]), target


def pairs_of(given: Pairs) -> List[Tuple[str, Any]]:
    """Return parameters as pairs."""
    pairs: Any = given.items() if isinstance(given, dict) else given or ()
    return list(pairs)


def _headers(given: Mapping[str, Any], origin: Origin) -> Dict[str, str]:
    """Validate headers and add the defaults. Names are compared case-insensitively."""
    fields = {"content-type": ("Content-Type", "application/json"), "user-agent": ("User-Agent", USER_AGENT)}
    for name, value in given.items():
        if value is not None and name.lower() not in TRANSPORT_HEADERS:
            fields[name.lower()] = (name, str(value))
    host = fields.pop("host", ("Host", origin.host_header))[1]
    if host != origin.host_header:
        raise ApiValueError("Invalid headers: Host must match the URL")
    for name, text in fields.values():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or not re.fullmatch(r"[\t\x20-\x7e\xa0-\xff]*", text):
            raise ApiValueError("Invalid headers: names must be tokens, and values must not contain control characters")
    return dict(fields.values())


def _body(content_type: str, body: Body, post_params: Pairs) -> bytes:
    """Encode ``body`` as ``content_type``. For a form, encode ``post_params`` instead."""
    if re.search("json", content_type, re.IGNORECASE):
        try:
            return b"" if body is None else render_json(body)
        except TypeError as error:
            raise ApiTypeError(f"the body cannot be represented in JSON ({error})") from error
        except (ValueError, RecursionError) as error:
            raise ApiValueError(f"the body cannot be represented in JSON ({error})") from error
    if content_type == FORM:
        return urllib.parse.urlencode(pairs_of(post_params)).encode("ascii")
    if isinstance(body, (str, bytes)):
        return body.encode("utf-8") if isinstance(body, str) else body
    raise ApiException(status=0, reason=f"a body with the content type {content_type} must be text or bytes")
