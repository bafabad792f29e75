"""HTTP requests and replies as values.

``Send`` is the type of a function that sends a request within a deadline and returns the reply.  Logging, retries
and the circuit breaker wrap such a function, and tests replace it.
"""

from typing import Callable, Mapping, NamedTuple, Optional, Tuple

from target_tools.clock import Deadline

#: The port that each scheme implies.
DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Scheme, host and port of a server; connections are opened and pooled per origin."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """Return ``host:port``, with an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def host_header(self) -> str:
        """Return the ``Host`` header: ``netloc`` without the port if the scheme implies it."""
        implied = self.port == DEFAULT_PORTS.get(self.scheme)
        return self.netloc.rpartition(":")[0] if implied else self.netloc

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


class HttpRequest(NamedTuple):
    """One request."""

    method: str
    origin: Origin
    #: Path and query, percent-encoded.
    target: str
    headers: Tuple[Tuple[str, str], ...]
    body: bytes
    #: Maximum size of the answer in bytes, before and after decompression.
    max_bytes: int
    #: The origin to try if ``origin`` cannot be reached.
    alternative: Optional[Origin] = None
    #: Returns whether a decompressed body can be the answer to this request; None accepts any.
    is_answered_by: Optional[Callable[[bytes], bool]] = None

    @property
    def url(self) -> str:
        """Return the whole URL.  It contains ids of the visitor: do not log it."""
        return f"{self.origin}{self.target}"

    def matches(self, body: bytes) -> bool:
        """Return whether the decompressed ``body`` can be the answer to this request."""
        return self.is_answered_by is None or self.is_answered_by(body)


class Timings(NamedTuple):
    """Durations of an exchange in milliseconds, and its sizes on the wire in bytes.

    ``dns``, ``connect`` and ``tls`` are None if a kept-alive connection was used, or one of a pool manager.
    ``first_byte`` is the time since the request was sent.
    """

    dns: Optional[float] = None
    connect: Optional[float] = None
    tls: Optional[float] = None
    first_byte: float = 0.0
    download: float = 0.0
    sent: int = 0
    received: int = 0


class HttpReply(NamedTuple):
    """The server's final answer, decompressed."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    timings: Timings
    #: The number of times that the request was sent.
    attempts: int = 1
    #: False if the body names another request, which is accepted only for the first reply on a connection.
    is_matched: bool = True


Send = Callable[[HttpRequest, Deadline], HttpReply]
