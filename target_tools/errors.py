"""All exceptions that the SDK raises.

::

    TargetError
    ├── OptionError (ValueError)                    an option or a request is invalid
    ├── ClientClosed                                the client was closed before the call
    ├── QueueFull                                   too many calls are waiting for a worker
    ├── CallLost                                    the worker of the call was lost to a fork or an exit
    ├── AttributeNotFound (LookupError)             no offer has the key passed to ``get_value``
    ├── InvalidRule (ValueError)                    a rule of an artifact is invalid; calls never raise this
    └── DeliveryError                               the edge sent no usable response
        ├── ConnectionFailed (MaxRetryError)        the connection was not opened, or it broke
        │   └── CircuitOpen                         too many recent calls to the edge failed; nothing was sent
        ├── TlsError (ApiException, HTTPError)      the certificate, the host name or the handshake was rejected
        ├── DeadlineExceeded (TimeoutError)         the call took too long; also urllib3's TimeoutError, MaxRetryError
        ├── HttpStatusError (ApiException)          the server returned an error status
        │   └── RedirectRefused                     the server returned a redirect, which is never followed
        ├── TransportError                          a replaced function, a hook or a pool manager raised an exception
        ├── ArtifactNotAvailable                    no artifact for an on-device call was downloaded yet
        └── InvalidResponse (ValueError)            the response cannot be read
            ├── InvalidArtifact                     the artifact cannot be used
            └── ResponseTooLarge                    the response is larger than ``max_response_bytes``

The classes in parentheses are additional base classes, so that code written for 1.1.0 and for urllib3 still catches
the errors that it caught. ``OpenApiException`` and its subclasses are those of 1.1.0; ``delivery_api_client``
re-exports them.

All errors can be pickled. A pickle contains no request, no body and nothing else that may belong to a visitor.
"""

from __future__ import annotations

# The codec of escape_text. Python could not import it later if no file descriptor was free.
import encodings.unicode_escape  # noqa: F401
import json
import re
from typing import Any, Dict, Iterable, List, Mapping, Optional, Pattern, Set, Tuple, Type, Union
from urllib.parse import quote

import urllib3.exceptions

#: Number of characters of a response body that a message quotes.
MAX_QUOTED_BODY = 256


def escape_text(value: object, limit: int = MAX_QUOTED_BODY) -> str:
    """Return the first ``limit`` characters of text from a server, escaped to one line of ASCII."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    cut = text if len(text) <= limit else text[:limit] + "…"
    return cut.encode("unicode_escape").decode("ascii")


#: The attributes of errors that a pickle contains.
_PICKLED_ATTRIBUTES = frozenset({"option", "expected", "status", "reason", "attempts", "request_id", "phase"})


class TargetError(Exception):
    """The base class of all errors. ``str()`` returns the message."""

    def __init__(self, message: str = "") -> None:
        Exception.__init__(self, message)  # not super(), because urllib3's classes take other arguments
        self.message = message

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> Tuple[Any, ...]:
        attributes = {name: value for name, value in vars(self).items() if name in _PICKLED_ATTRIBUTES}
        return _unpickle_error, (type(self), self._pickled_message(), attributes)

    def _pickled_message(self) -> str:
        return self.message


def _unpickle_error(cls: Type[TargetError], message: str, attributes: Dict[str, Any]) -> TargetError:
    error = cls.__new__(cls, message)
    TargetError.__init__(error, message)
    error.__dict__.update(attributes)
    return error


class OptionError(TargetError, ValueError):
    """An option or a part of the request is invalid.

    ``option`` is its name, and ``expected`` describes valid values.
    """

    def __init__(self, message: str, option: Optional[str] = None, expected: Optional[str] = None) -> None:
        super().__init__(message)
        self.option = option
        self.expected = expected


class ClientClosed(TargetError):
    """The client was closed before the call."""


class QueueFull(TargetError):
    """``max_pending`` calls are already waiting for a worker, so this one was refused."""


class CallLost(TargetError):
    """No worker will end the call: the process was forked during the call, or exited before a worker began it."""


class AttributeNotFound(TargetError, LookupError):
    """No JSON offer of the mbox has the key."""


# The errors of 1.1.0


class OpenApiException(Exception):
    """The base class of 1.1.0's errors."""


class _ApiPathError(OpenApiException):
    """An error whose message ends with the place in the document."""

    def __init__(self, msg: str, path_to_item: Optional[List[Union[str, int]]] = None) -> None:
        self.path_to_item = path_to_item
        super().__init__(f"{msg} at {render_path(path_to_item)}" if path_to_item else msg)


class ApiTypeError(_ApiPathError, TypeError):
    """The value at ``path_to_item`` has the wrong type."""

    def __init__(
        self,
        msg: str,
        path_to_item: Optional[List[Union[str, int]]] = None,
        valid_classes: Optional[Tuple[type, ...]] = None,
        key_type: Optional[bool] = None,
    ) -> None:
        self.valid_classes = valid_classes
        self.key_type = key_type
        super().__init__(msg, path_to_item)


class ApiValueError(_ApiPathError, ValueError):
    """The value at ``path_to_item`` is not allowed."""


class ApiKeyError(_ApiPathError, KeyError):
    """The key at ``path_to_item`` is missing."""


class ApiException(OpenApiException):
    """An HTTP request failed. Has ``status``, ``reason``, ``body`` (a str) and ``headers``."""

    status: Optional[int] = None
    reason: Optional[str] = None
    body: Optional[str] = None
    headers: Optional[Mapping[str, str]] = None

    def __init__(self, status: Optional[int] = None, reason: Optional[str] = None, http_resp: Any = None) -> None:
        super().__init__()
        self.status, self.reason = status, reason
        if http_resp is not None:
            self.status, self.reason = http_resp.status, http_resp.reason
            self.body, self.headers = http_resp.data, http_resp.getheaders()

    def __str__(self) -> str:
        return http_message(self.status, self.reason, self.headers, self.body)


#: The headers that a message shows. Others may contain ids of a visitor.
_SHOWN_HEADERS = frozenset({"content-type", "retry-after"})


def http_message(
    status: Optional[int],
    reason: Optional[str],
    headers: Optional[Mapping[str, str]],
    body: Optional[str],
    request_id: Optional[str] = None,
) -> str:
    """Return 1.1.0's message for a failed request, but with few headers, and with the body truncated and escaped."""
    lines = [f"({status})", f"Reason: {None if reason is None else escape_text(reason)}"]
    if headers:
        pairs = [(name, value) for name, value in headers.items() if name.lower() in _SHOWN_HEADERS]
        shown = {escape_text(name): escape_text(value) for name, value in pairs}
        lines.append(f"HTTP response headers: {shown}")
    if body:
        lines.append(f"HTTP response body: {escape_text(body)}")
    if request_id is not None:
        lines.append(_request_line(request_id))
    return "\n".join(lines) + "\n"


def _request_line(request_id: str) -> str:
    return f"Request id: {escape_text(request_id)}"


def render_path(path_to_item: List[Union[str, int]]) -> str:
    """Format a path into a document, such as ``['a'][0]``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f"['{part}']" for part in path_to_item)


class InvalidRule(TargetError, ValueError):
    """A rule of an artifact cannot be compiled, or exceeds a limit when it is evaluated.

    Calls never raise this error. They skip the rule and leave its mbox or view to the edge.
    """


# Errors of a request


class DeliveryError(TargetError):
    """The edge sent no usable response.

    ``request`` is the request, ``request_id`` its id, which the message names, ``status`` the HTTP status of the
    response or None, and ``attempts`` the number of attempts. ``origin`` is the ``scheme://host:port`` of the server.
    ``began_at`` is the time at which the call began, in seconds on ``time.monotonic``, or None if no request went to
    the edge.
    """

    request: Any = None
    request_id: Optional[str] = None
    origin: Optional[str] = None
    status: Optional[int] = None
    attempts: int = 1
    began_at: Optional[float] = None

    def __str__(self) -> str:
        return self.message if self.request_id is None else f"{self.message} (request {escape_text(self.request_id)})"


class _MaxRetryError(urllib3.exceptions.MaxRetryError):
    """urllib3's ``MaxRetryError`` without a pool. Code written for 1.1.0 catches it."""

    pool: Any = None
    url: Any = None

    @property
    def reason(self) -> Any:  # type: ignore[override]
        """The cause, under urllib3's name for it."""
        return self.__cause__


class ConnectionFailed(DeliveryError, _MaxRetryError):
    """The connection was not opened, or it broke.

    ``phase`` is one of:

    * ``opening``: the connection was not opened, so nothing was sent;
    * ``refused``: a proxy refused the connection, or too many earlier attempts are still running;
    * ``reuse``: a kept-alive connection broke before the first byte of the response;
    * ``exchange``: the connection broke later, so the server may have processed the request.
    """

    #: The time limit in seconds, if opening the connection timed out.
    within: Optional[float] = None

    def __init__(self, message: str, phase: str = "opening") -> None:
        super().__init__(message)
        self.phase = phase


class CircuitOpen(ConnectionFailed):
    """Too many recent calls to the origin failed, so nothing was sent. ``attempts`` is 0."""

    attempts = 0


class TlsError(DeliveryError, ApiException, urllib3.exceptions.HTTPError):
    """The certificate, its host name or the handshake was rejected. ``status`` is 0.

    ``phase`` is ``opening``, or ``exchange`` if the request may have been sent: if the error occurred after the
    handshake, or if a pool manager raised it.
    """

    status: Optional[int] = 0
    phase = "opening"

    def __init__(self, message: str) -> None:
        DeliveryError.__init__(self, message)
        self.status, self.reason = 0, message

    def __str__(self) -> str:
        return http_message(0, self.message, None, None, self.request_id)


class DeadlineExceeded(DeliveryError, _MaxRetryError, urllib3.exceptions.TimeoutError, TimeoutError):
    """The response was not complete within the ``timeout`` of the call.

    This is also urllib3's ``MaxRetryError``, which code written for 1.1.0 catches.
    """


class HttpStatusError(DeliveryError, ApiException):
    """The server returned an error status (4xx or 5xx) or a redirect."""

    status: Optional[int] = None  # both base classes declare it

    def __init__(self, status: int, reason: str, headers: Mapping[str, str], body: str) -> None:
        DeliveryError.__init__(self, http_message(status, reason, headers, body))
        self.status, self.reason, self.headers, self.body = status, reason, headers, body

    def __str__(self) -> str:
        return self.message if self.request_id is None else f"{self.message}{_request_line(self.request_id)}\n"

    def mask(self, values: Iterable[str]) -> None:
        """Replace ``values`` in the message, including their quoted forms in JSON and URLs. ``body`` is not changed.

        The keys of a JSON body are not masked. Values of fewer than four characters are masked only as whole words.
        """
        body, reason = self.body or "", self.reason or ""
        pattern = _pattern_of(values, f"{reason} {body}")
        if pattern is not None:
            body, reason = _mask_body(body, pattern), pattern.sub("***", reason)
        self.message = http_message(self.status, reason, self.headers, body)
        self.args = (self.message,)

    def _pickled_message(self) -> str:
        return http_message(self.status, self.reason, None, None)


#: Shorter values are masked only as whole words, because they also occur inside ordinary words.
_MIN_LENGTH_INSIDE_WORDS = 4
#: Matches a key of a JSON object, or else a string, because a string may contain what looks like a key. Compiled on
#: first use.
_JSON_KEY_OR_TEXT = r'(?s)([{,]\s*"(?:[^"\\]|\\.)*"\s*:)|"(?:[^"\\]|\\.)*(?:"|\\?\Z)'


def _pattern_of(values: Iterable[str], text: str) -> Optional[Pattern[str]]:
    """Return a pattern for the forms of ``values``, plain and quoted, that ``text`` contains; None if it has none."""
    lower = text.lower()
    found = {form for value in values for form in _quoted_forms(value) if form.lower() in lower}
    if not found:
        return None
    forms = []
    for form in sorted(found, key=len, reverse=True):
        escaped = re.escape(form)
        forms.append(escaped if len(form) >= _MIN_LENGTH_INSIDE_WORDS else rf"(?<!\w){escaped}(?!\w)")
    return re.compile("|".join(forms), re.IGNORECASE)


def _quoted_forms(value: str) -> Set[str]:
    """Return ``value`` itself, and its forms in JSON, in JSON inside a JSON text, and in URLs."""
    once = {json.dumps(value, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    twice = {json.dumps(form, ensure_ascii=False)[1:-1] for form in once}
    in_url = quote(value, "", errors="replace")
    return {value, *once, *twice, in_url, in_url.replace("%20", "+")}


def _mask_body(body: str, pattern: Pattern[str]) -> str:
    """Mask a body, except its keys if it is JSON. Uses no JSON parser, because a long body was truncated."""
    if not body.lstrip().startswith(("{", "[")):
        return pattern.sub("***", body)
    parts, end = [], 0
    for match in re.finditer(_JSON_KEY_OR_TEXT, body):
        if match.group(1) is not None:
            parts += [pattern.sub("***", body[end : match.start()]), match.group()]
            end = match.end()
    return "".join([*parts, pattern.sub("***", body[end:])])


class RedirectRefused(HttpStatusError):
    """The server returned a redirect. Redirects are not followed."""


class TransportError(DeliveryError):
    """A replaced function, a hook or a pool manager raised an exception while sending; see ``__cause__``."""


class InvalidResponse(DeliveryError, ValueError):
    """The response violates the schema or HTTP."""


class InvalidArtifact(InvalidResponse):
    """The artifact cannot be used: it is not JSON, or its version or structure is not supported."""


class ResponseTooLarge(InvalidResponse):
    """The response is larger than ``max_response_bytes``, before or after decompression."""


class ArtifactNotAvailable(DeliveryError):
    """The call must be decided on-device, and no artifact was downloaded yet. ``attempts`` is 0."""

    attempts = 0
