"""Everything this SDK raises.

::

    TargetError
    ├── OptionError (ValueError)                    an option or a request that cannot be used
    ├── ClientClosed                                a call on a client after ``close()``
    ├── QueueFull                                   too many calls wait for a worker: this one was not taken
    ├── CallLost                                    a fork or an exit took the worker of the call away
    ├── AttributeNotFound (LookupError)             ``get_value`` of a key no offer holds
    ├── InvalidRule (ValueError)                    a rule of an artifact that cannot be used; never leaves a call
    └── DeliveryError                               the edge gave no usable answer
        ├── ConnectionFailed (MaxRetryError)        no connection, or one that broke
        │   └── CircuitOpen                         most recent calls to the edge failed; nothing was sent
        ├── TlsError (ApiException, HTTPError)      no trust: certificate, host name or handshake
        ├── DeadlineExceeded (TimeoutError)         the call's time was up; urllib3's TimeoutError, MaxRetryError too
        ├── HttpStatusError (ApiException)          an HTTP status that is no answer
        │   └── RedirectRefused                     3xx: a redirect is never followed
        ├── TransportError                          a replacement, a hook or a pool manager raised while sending
        ├── ArtifactNotAvailable                    on-device, and no rule artifact has come yet
        └── InvalidResponse (ValueError)            an answer that cannot be read
            ├── InvalidArtifact                     a rule artifact that cannot be used
            └── ResponseTooLarge                    one that is larger than ``max_response_bytes``

The classes in brackets are also bases, so that code written for 1.1.0 and for
urllib3 goes on catching what it caught.  ``ApiException`` and its siblings are
1.1.0's own; ``delivery_api_client`` hands them on.

Every error pickles, without the request, the body and whatever else may belong
to a visitor.
"""

# Messages are made with it, and a process without a free descriptor could not import it then.
import encodings.unicode_escape  # noqa: F401
from typing import Any, ClassVar, Dict, List, Mapping, Optional, Tuple, Type, Union

import urllib3.exceptions

#: How much of a response body a message quotes, in characters.
MAX_QUOTED_BODY = 256


def escape_text(value: object, limit: int = MAX_QUOTED_BODY) -> str:
    """Remote text as it may stand in a message or a log line: escaped, on one line, cut."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    cut = text if len(text) <= limit else text[:limit] + "…"
    return cut.encode("unicode_escape").decode("ascii")


class TargetError(Exception):
    """The root of the tree.  ``str()`` is the message."""

    #: Attributes that may leave the process with a pickle.
    _kept: ClassVar[Tuple[str, ...]] = ()

    def __init__(self, message: str = "") -> None:
        Exception.__init__(self, message)  # not super(): urllib3's bases want arguments of their own
        self.message = message

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> Tuple[Any, ...]:
        kept = {name: getattr(self, name) for name in self._kept}
        return _restore, (type(self), self._message_to_keep(), kept)

    def _message_to_keep(self) -> str:
        return self.message


def _restore(cls: Type[TargetError], message: str, kept: Dict[str, Any]) -> TargetError:
    error = cls.__new__(cls, message)
    TargetError.__init__(error, message)
    error.__dict__.update(kept)
    return error


class OptionError(TargetError, ValueError):
    """An option, or a part of the request, that cannot be used as it was given.

    ``option`` names it and ``expected`` says what would have been accepted.
    """

    _kept: ClassVar[Tuple[str, ...]] = ("option", "expected")

    def __init__(self, message: str, option: Optional[str] = None, expected: Optional[str] = None) -> None:
        super().__init__(message)
        self.option = option
        self.expected = expected


class ClientClosed(TargetError):
    """A call on a client after its ``close()``."""


class QueueFull(TargetError):
    """As many calls as ``max_pending`` allows wait for a worker; this one was not taken."""


class CallLost(TargetError):
    """No worker will answer the call: the process was forked and the parent has them, or it ended before."""


class AttributeNotFound(TargetError, LookupError):
    """No JSON offer of the mbox holds that key."""


# 1.1.0's own tree


class OpenApiException(Exception):
    """The root of 1.1.0's tree."""


class ApiTypeError(OpenApiException, TypeError):
    """A value of the wrong type, at ``path_to_item``."""

    def __init__(
        self,
        msg: str,
        path_to_item: Optional[List[Union[str, int]]] = None,
        valid_classes: Optional[Tuple[type, ...]] = None,
        key_type: Optional[bool] = None,
    ) -> None:
        self.path_to_item = path_to_item
        self.valid_classes = valid_classes
        self.key_type = key_type
        super().__init__(_at_path(msg, path_to_item))


class ApiValueError(OpenApiException, ValueError):
    """A value that is not allowed, at ``path_to_item``."""

    def __init__(self, msg: str, path_to_item: Optional[List[Union[str, int]]] = None) -> None:
        self.path_to_item = path_to_item
        super().__init__(_at_path(msg, path_to_item))


class ApiKeyError(OpenApiException, KeyError):
    """A key that is missing, at ``path_to_item``."""

    def __init__(self, msg: str, path_to_item: Optional[List[Union[str, int]]] = None) -> None:
        self.path_to_item = path_to_item
        super().__init__(_at_path(msg, path_to_item))


class ApiException(OpenApiException):
    """An HTTP exchange that failed: ``status``, ``reason``, ``body`` (str) and ``headers``."""

    status: Optional[int] = None
    reason: Optional[str] = None
    body: Optional[str] = None
    headers: Optional[Mapping[str, str]] = None

    def __init__(self, status: Optional[int] = None, reason: Optional[str] = None, http_resp: Any = None) -> None:
        super().__init__()
        if http_resp is not None:
            self.status, self.reason = http_resp.status, http_resp.reason
            self.body, self.headers = http_resp.data, http_resp.getheaders()
        else:
            self.status, self.reason = status, reason

    def __str__(self) -> str:
        return http_message(self.status, self.reason, self.headers, self.body)


#: Headers that may hold a visitor's ids.
_HIDDEN = frozenset({"set-cookie", "location"})
#: How many of the others a message shows.
_SHOWN_HEADERS = 20


def http_message(
    status: Optional[int], reason: Optional[str], headers: Optional[Mapping[str, str]], body: Optional[str]
) -> str:
    """1.1.0's text of a failed exchange, without cookies and with the body cut and escaped."""
    lines = ["({})".format(status), "Reason: {}".format(None if reason is None else escape_text(reason))]
    if headers:
        pairs = [(name, value) for name, value in headers.items() if name.lower() not in _HIDDEN]
        shown = {escape_text(name): escape_text(value) for name, value in pairs[:_SHOWN_HEADERS]}
        lines.append("HTTP response headers: {}".format(shown))
    if body:
        lines.append("HTTP response body: {}".format(escape_text(body)))
    return "\n".join(lines) + "\n"


def render_path(path_to_item: List[Union[str, int]]) -> str:
    """A path into a document, as ``['a'][0]``."""
    return "".join("[{}]".format(part) if isinstance(part, int) else "['{}']".format(part) for part in path_to_item)


def _at_path(msg: str, path_to_item: Optional[List[Union[str, int]]]) -> str:
    return "{} at {}".format(msg, render_path(path_to_item)) if path_to_item else msg


class InvalidRule(TargetError, ValueError):
    """A rule of an artifact that cannot be compiled, or that goes past its bounds when it is evaluated.

    It never leaves a call: the rule is left out, and its mbox or view is the edge's to decide.
    """


# A call that got no answer


class DeliveryError(TargetError):
    """The edge gave no usable answer.

    ``request`` is what was sent, ``status`` the HTTP status if there was one, and
    ``attempts`` how often it was tried.
    """

    _kept: ClassVar[Tuple[str, ...]] = ("status", "attempts")
    request: Any = None
    status: Optional[int] = None
    attempts: int = 1


class ConnectionFailed(DeliveryError, urllib3.exceptions.MaxRetryError):
    """No connection could be opened, or the one that was open broke.

    ``phase`` says when: ``opening``, before anything was sent; ``refused``, before that, by a
    proxy or because too many attempts hang; ``reuse``, on a kept-alive connection before a
    byte of the answer came; ``exchange``, when the server may have acted on the request.
    """

    _kept: ClassVar[Tuple[str, ...]] = ("status", "attempts", "phase")
    pool: Any = None
    url: Any = None
    #: If opening the connection timed out, the seconds that it had.
    within: Optional[float] = None

    def __init__(self, message: str, phase: str = "opening") -> None:
        DeliveryError.__init__(self, message)
        self.phase = phase

    @property
    def reason(self) -> Any:  # type: ignore[override]
        """The cause, by urllib3's name."""
        return self.__cause__


class CircuitOpen(ConnectionFailed):
    """Most recent calls to the origin failed, so nothing was sent to it.  ``attempts`` is 0."""

    attempts = 0


class TlsError(DeliveryError, ApiException, urllib3.exceptions.HTTPError):
    """The certificate, its host name or the handshake gave no ground for trust.  ``status`` is 0.

    ``phase`` is ``opening``; or ``exchange`` if a pool manager of the application raised it, which
    does not tell whether the request was sent.
    """

    status: Optional[int] = 0
    phase = "opening"
    _kept: ClassVar[Tuple[str, ...]] = ("status", "reason", "attempts")

    def __init__(self, message: str) -> None:
        DeliveryError.__init__(self, message)
        self.status, self.reason = 0, message

    def __str__(self) -> str:
        return http_message(0, self.message, None, None)


class DeadlineExceeded(
    DeliveryError, urllib3.exceptions.MaxRetryError, urllib3.exceptions.TimeoutError, TimeoutError
):
    """The ``timeout`` of the call was up before the answer was complete.

    Also urllib3's ``MaxRetryError``, as which code written for 1.1.0 caught it.
    """

    pool: Any = None
    url: Any = None

    def __init__(self, message: str = "") -> None:
        DeliveryError.__init__(self, message)

    @property
    def reason(self) -> Any:  # type: ignore[override]
        """The cause, by urllib3's name."""
        return self.__cause__


class HttpStatusError(DeliveryError, ApiException):
    """The server answered with a status that is no answer: 4xx, 5xx, or a redirect."""

    status: Optional[int] = None
    _kept: ClassVar[Tuple[str, ...]] = ("status", "reason", "attempts")

    def __init__(self, status: int, reason: str, headers: Mapping[str, str], body: str) -> None:
        DeliveryError.__init__(self, http_message(status, reason, headers, body))
        self.status, self.reason, self.headers, self.body = status, reason, headers, body

    def _message_to_keep(self) -> str:
        return http_message(self.status, self.reason, None, None)


class RedirectRefused(HttpStatusError):
    """The server answered with a redirect; none is followed."""


class TransportError(DeliveryError):
    """Something other than the network failed while sending: a replacement, a hook or a pool manager raised.

    ``__cause__`` is the exception that it raised.
    """


class InvalidResponse(DeliveryError, ValueError):
    """The answer is not what the schema or HTTP says it should be."""


class InvalidArtifact(InvalidResponse):
    """A rule artifact that cannot be used: not JSON, not of this version, not of this structure."""


class ResponseTooLarge(InvalidResponse):
    """The answer is larger than ``max_response_bytes`` allows, before or after decompression."""


class ArtifactNotAvailable(DeliveryError):
    """On-device decisioning was asked for, and no rule artifact has come yet.  Nothing was sent: ``attempts`` is 0."""

    attempts = 0
