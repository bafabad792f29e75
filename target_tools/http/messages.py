"""One HTTP exchange as values.

``Send`` is the seam: a function from request and deadline to reply.  Logging, retrying and
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
        return "{}:{}".format("[{}]".format(self.host) if ":" in self.host else self.host, self.port)

    @property
    def host_header(self) -> str:
        """The same without the port that the scheme implies."""
        implied = self.port == DEFAULT_PORTS.get(self.scheme)
        return self.netloc.rpartition(":")[0] if implied else self.netloc


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
    #: the host to ask if `origin` cannot be reached
    alternative: Optional[Origin] = None

    @property
    def url(self) -> str:
        """The whole address.  It holds ids of the visitor: not for a log."""
        return "{}://{}{}".format(self.origin.scheme, self.origin.netloc, self.target)


class Timings(NamedTuple):
    """What an exchange took, in milliseconds, and how large its answer was, in bytes.

    ``dns`` and ``tls`` are None where a kept-alive connection served.
    """

    dns: Optional[float]
    tls: Optional[float]
    first_byte: float
    download: float
    size: int


class HttpReply(NamedTuple):
    """What the server answered, decompressed."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    timings: Timings
    #: How many times the request was sent until this came.
    attempts: int = 1


Send = Callable[[HttpRequest, Deadline], HttpReply]
