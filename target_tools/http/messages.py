"""One HTTP exchange as values.

``Send`` is the seam: a function from request and deadline to reply.  Logging, retries and
the circuit breaker wrap it, and tests replace it.
"""

from typing import Callable, Mapping, NamedTuple, Optional, Tuple

from target_tools.clock import Deadline

#: The port that each scheme implies.
DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Where a request goes: what a connection is opened to."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """``host:port``; an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def host_header(self) -> str:
        """The same without the port that the scheme implies."""
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
    #: The largest answer that is read, in bytes, before and after decompression.
    max_bytes: int
    #: The host to ask if ``origin`` cannot be reached.
    alternative: Optional[Origin] = None
    #: Whether a decompressed body can be the answer to this request; None accepts any.
    is_answered_by: Optional[Callable[[bytes], bool]] = None

    @property
    def url(self) -> str:
        """The whole address.  It contains ids of the visitor: do not log it."""
        return f"{self.origin}{self.target}"


class Timings(NamedTuple):
    """Durations of an exchange in milliseconds, and its sizes on the wire in bytes.

    ``dns``, ``connect`` and ``tls`` are None if a kept-alive connection served, or if the
    connection is not one of our own.  ``first_byte`` counts from the moment the request was sent.
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
    #: How many times the request was sent until this reply came.
    attempts: int = 1
    #: False if the body names another request; possible on a connection's first reply only.
    is_matched: bool = True


Send = Callable[[HttpRequest, Deadline], HttpReply]
