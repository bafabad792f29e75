"""Flows: conversations with a server, written without doing any I/O.

A flow is a generator.  It yields each :class:`HttpRequest` it needs answered, is
sent the :class:`HttpReply` (or thrown the :class:`~target_tools.errors.DeliveryError`
that came instead), and returns its result.  It sends nothing itself, so one flow
serves a blocking call, a worker thread and an awaited call, and a test can play the
server by hand with ``next``, ``send`` and ``throw``.

``send`` is the seam: whatever wants to log, retry, time or fake wraps it.
"""

from typing import Callable, Generator, Mapping, NamedTuple, Optional, Tuple, TypeVar

from target_tools.clock import Deadline
from target_tools.errors import DeliveryError

ResultT = TypeVar("ResultT")


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
    """What a flow wants sent."""

    method: str
    origin: Origin
    #: Path and query, percent-encoded.
    target: str
    headers: Tuple[Tuple[str, str], ...]
    body: bytes
    #: The largest answer that is read, in bytes, before and after decompression.
    max_bytes: int

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


Flow = Generator[HttpRequest, HttpReply, ResultT]
Send = Callable[[HttpRequest, Deadline], HttpReply]


#: What a flow asks next, or, where that is None, what it returned.
Step = Tuple[Optional[HttpRequest], Optional[ResultT]]


def run(flow: "Flow[ResultT]", send: Send, deadline: Deadline) -> ResultT:
    """Drive ``flow`` to its result in this thread."""
    return resume(flow, begin(flow), send, deadline)


def begin(flow: "Flow[ResultT]") -> "Step[ResultT]":
    """The first step of ``flow``; one thread may begin it and another go on."""
    return _step(flow, None)


def resume(flow: "Flow[ResultT]", begun: "Step[ResultT]", send: Send, deadline: Deadline) -> ResultT:
    """Drive a flow that was begun to its result; it is closed whatever happens.

    Only a :class:`DeliveryError` is a turn in the conversation.  Any other exception,
    a soft time limit above all, goes to the caller as it is.
    """
    try:
        asked, result = begun
        while asked is not None:
            try:
                answer = send(asked, deadline)
            except DeliveryError as error:
                asked, result = _step(flow, error)
            else:
                asked, result = _step(flow, answer)
        return result  # type: ignore[return-value]  # the flow has returned
    finally:
        flow.close()


def _step(flow: "Flow[ResultT]", turn: object) -> "Step[ResultT]":
    """The next step of ``flow`` after an answer, or after the error that came instead."""
    try:
        if isinstance(turn, DeliveryError):
            return flow.throw(turn), None
        return flow.send(turn), None  # type: ignore[arg-type]  # None starts it
    except StopIteration as done:
        return None, done.value
