"""The state of one request and its reply on a connection. Reads the reply within the deadline of the call.

``http.client`` reads the body, with these changes:

* The timeout of each read is the time left for the call. A constant socket timeout would start again with each
  read, so a slow server could make a call last forever.
* Interim replies (RFC 9110, section 15.2) are skipped; ``http.client`` skips only status 100.
* Ambiguous framing (RFC 9112, section 6.3) is an error, or closes the connection after the reply.
* Headers are parsed strictly; ``http.client`` uses the parser for e-mail.
"""

import http.client
import io
import re
import socket
from contextvars import ContextVar
from typing import Any, List, Optional, Protocol, Tuple

from target_tools.clock import Deadline, monotonic
from target_tools.http.connect import ConnectionOpener

#: Maximum number of interim replies before the final one.
INTERIM_LIMIT = 100
#: Maximum number of header lines, and maximum number of bytes of a line.
HEADER_LIMIT = 100
LINE_LIMIT = 65536
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\r\n")
_DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)


class ExchangeConnection(Protocol):
    """A connection that carries an exchange."""

    sock: Any
    exchange: "Optional[Exchange]"
    keep_alive: Optional[float]
    is_tls: bool

    def close(self) -> None:
        """Close the connection, unless a helper thread is opening it."""

    def end_exchange(self) -> None:
        """Detach the connection from its exchange."""


class Exchange:
    """One request and its reply, shared by the transport and the connection that carries them."""

    def __init__(self, deadline: Deadline, opener: ConnectionOpener, opening: Optional[Deadline] = None) -> None:
        self.deadline = deadline
        #: The deadline for opening the connection.
        self.opening = deadline if opening is None else opening
        self.opener = opener
        self.connection: Optional[ExchangeConnection] = None
        self.reply: Optional[StrictResponse] = None
        #: Whether the connection has carried a reply before.
        self.reused = False
        #: Whether the server closed the connection before it had read the whole request.
        self.broken = False
        # Durations are in milliseconds, times are on the monotonic clock, sizes are in bytes.
        self.dns: Optional[float] = None
        self.connect: Optional[float] = None
        self.tls: Optional[float] = None
        self.sent_at = 0.0
        self.sent = 0
        #: The time at which the first byte of the reply arrived.
        self.first_byte_at = 0.0
        self.received = 0
        self.is_over = False

    def reads_until(self) -> Deadline:
        """Return the deadline for the next read. Before the request is sent, it reads a proxy's reply to CONNECT."""
        return self.deadline if self.sent_at else self.opening


#: The exchange of the current context. urllib3 cannot pass an exchange to the connection that it creates or reuses.
EXCHANGE: "ContextVar[Optional[Exchange]]" = ContextVar("target_exchange", default=None)


def set_socket_timeout(sock: socket.socket, deadline: Deadline) -> None:
    """Set the timeout of the next operation on ``sock`` to the time left. Raises ``socket.timeout`` if none is left.

    Setting it is a system call, so a timeout that is less than 5 ms too long is not changed.
    """
    remaining = deadline.remaining()
    if remaining <= 0:
        raise socket.timeout("timed out")
    current = sock.gettimeout()
    if current is None or not remaining <= current < remaining + 0.005:
        sock.settimeout(remaining)


class DeadlineReader(io.RawIOBase):
    """Reads the bytes of one reply from a socket; each read ends at the deadline of the exchange."""

    def __init__(self, sock: socket.socket, exchange: Exchange) -> None:
        super().__init__()
        self._sock = sock
        self._raw = sock.makefile("rb", 0)  # positional, because some test doubles take no keyword
        self._exchange = exchange
        self._stopped = False

    def makefile(self, mode: str) -> "ReplyFile":
        """Return a buffered file; called by ``http.client``, which expects a socket."""
        return ReplyFile(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Optional[int]:
        if self._stopped:
            return None
        exchange = self._exchange
        set_socket_timeout(self._sock, exchange.reads_until())
        count = self._raw.readinto(buffer)
        if not exchange.received:
            exchange.first_byte_at = monotonic()
        exchange.received += count or 0
        return count

    def stop(self) -> None:
        """Stop reading from the socket; from now on ``readinto`` returns None."""
        self._stopped = True

    def close(self) -> None:
        self._raw.close()
        super().close()


class ReplyFile(io.BufferedReader):
    """The buffered bytes of one reply."""

    raw: DeadlineReader  # pyright: ignore[reportIncompatibleVariableOverride]
    #: Whether the server has sent more than the reply; set by ``close``.
    leftover = False
    _checked = False

    def read(self, size: Optional[int] = -1) -> bytes:
        # http.client accepts a negative chunk size, and would then read until the connection closes.
        if size is None or size < 0:
            raise http.client.HTTPException("negative size")
        return super().read(size)

    def close(self) -> None:
        # Check only once: after a close that a signal handler interrupted, peek would fail.
        if not self._checked:
            self._checked = True
            self.raw.stop()
            self.leftover = bool(self.peek(1))
        super().close()


class StrictResponse(http.client.HTTPResponse):
    """Reads the final reply to a request, and refuses ambiguous framing."""

    #: The file of the reply. ``http.client`` drops its own reference when it closes the file.
    file: ReplyFile
    #: Seconds for which the server keeps an idle connection open, from its Keep-Alive header.
    keep_alive: Optional[float] = None

    def __init__(self, reader: DeadlineReader, *arguments: Any, **options: Any) -> None:
        super().__init__(reader, *arguments, **options)  # type: ignore[arg-type]  # it only calls makefile
        self.file = self.fp  # type: ignore[assignment]

    def begin(self) -> None:
        """Read the status line and the headers of the final reply."""
        for _ in range(INTERIM_LIMIT + 1):
            # A private function of http.client, the same in Python 3.8 to 3.14.
            version, status, reason = self._read_status()  # type: ignore[attr-defined]
            headers = read_headers(self.fp)
            if status == 101:
                raise http.client.HTTPException("the server switched protocols although the request did not ask for it")
            if status >= 200:
                break
        else:
            raise http.client.HTTPException(f"more than {INTERIM_LIMIT} interim replies")
        self.code = self.status = status
        self.reason = reason.strip()
        self.headers = self.msg = headers
        self.version = 11 if version.startswith("HTTP/1.") and version != "HTTP/1.0" else 10
        self._frame()

    # The next two methods override private methods of http.client, which are the same in Python 3.8 to 3.14. The
    # originals accept "-5", "+5", "0x5" and "0_5" as a size, and any two bytes after a chunk.

    def _get_chunk_left(self) -> Optional[int]:
        left = self.chunk_left
        if left:
            return int(left)
        if left is not None and self._safe_read(2) != b"\r\n":  # type: ignore[attr-defined]
            raise http.client.HTTPException("an invalid chunk")
        size = self._read_next_chunk_size()
        if size == 0:
            self._read_and_discard_trailer()  # type: ignore[attr-defined]
            self._close_conn()  # type: ignore[attr-defined]
        self.chunk_left = size or None
        return self.chunk_left

    def _read_next_chunk_size(self) -> int:
        line = self.fp.readline(LINE_LIMIT + 1)
        if not line.endswith(b"\n"):
            raise http.client.IncompleteRead(line)
        found = _CHUNK_SIZE.match(line)
        if found is None:
            raise http.client.HTTPException("an invalid chunk size")
        return int(found.group(1), 16)

    def is_complete(self) -> bool:
        """Return whether the connection can be reused: the body has been read to its end, and no bytes follow."""
        return self.isclosed() and not self.will_close and not self.file.leftover

    def _frame(self) -> None:
        """Determine where the body ends, and whether the connection can be used afterwards.

        Sets the attributes by which ``http.client`` reads the body. Raises ``HTTPException`` for ambiguous framing.
        """
        headers = self.headers
        names = [name.lower() for name in headers.keys()]  # noqa: SIM118 - a message is not a dict
        options = _items(headers.get_all("Connection")) if "connection" in names else []
        encodings = _items(headers.get_all("Transfer-Encoding")) if "transfer-encoding" in names else []
        lengths = _items(headers.get_all("Content-Length")) if "content-length" in names else []
        self.will_close = "close" in options if self.version == 11 else "keep-alive" not in options
        self.chunked = bool(encodings)
        self.chunk_left = self.length = None
        if encodings:
            if encodings != ["chunked"]:
                raise http.client.HTTPException("an unknown transfer encoding")
            self.will_close = self.will_close or bool(lengths) or self.version < 11
        elif lengths:
            if len(set(lengths)) > 1 or not _DIGITS.fullmatch(lengths[0]):
                raise http.client.HTTPException("an invalid Content-Length")
            self.length = int(lengths[0])
            if len(lengths) > 1:  # several equal lengths: urllib3 and monitoring tools expect one number
                del headers["Content-Length"]
                headers["Content-Length"] = lengths[0]
        # _method is the request's method. It is private, but unchanged from Python 3.8 to 3.14.
        if self.status in (204, 304) or self._method == "HEAD":  # type: ignore[attr-defined]
            self.length, self.chunked = 0, False
        elif not encodings and not lengths:
            self.will_close = True  # the body ends with the connection
        if "keep-alive" in names:
            self.keep_alive = _keep_alive(headers.get("Keep-Alive"))


def read_headers(file: Any) -> http.client.HTTPMessage:
    """Read header lines up to the empty line.

    Invalid lines and an early end are errors (RFC 9112, section 5). This function is about three times as fast as
    ``http.client.parse_headers``.
    """
    pairs: List[Tuple[str, str]] = []
    for _ in range(HEADER_LIMIT + 1):
        line = file.readline(LINE_LIMIT + 1)
        if len(line) > LINE_LIMIT:
            raise http.client.LineTooLong("header line")
        if not line.endswith(b"\n"):
            raise http.client.IncompleteRead(line)
        text = line.decode("latin-1").rstrip("\r\n")
        if not text:
            message = http.client.HTTPMessage()
            for name, value in pairs:
                message[name] = value
            return message
        name, colon, value = text.partition(":")
        if text[0] in " \t" and pairs:  # continues the previous value
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]} {text.strip()}")
        elif not colon or not _TOKEN.fullmatch(name) or "\r" in value or "\0" in value:
            raise http.client.HTTPException("an invalid header line")
        else:
            pairs.append((name, value.strip(" \t")))
    raise http.client.HTTPException(f"got more than {HEADER_LIMIT} headers")


def _items(values: Optional[List[str]]) -> List[str]:
    """Return the items of a header in lower case. Each of its values can be a comma-separated list."""
    return [item.strip().lower() for value in values or () for item in value.split(",")]


def _keep_alive(value: Optional[str]) -> Optional[float]:
    """Return the seconds of a Keep-Alive header such as ``timeout=5``, or None if it has no ``timeout``."""
    found = re.search(r"timeout\s*=\s*\"?([0-9]{1,6})", value or "", re.ASCII | re.IGNORECASE)
    return None if found is None else float(found.group(1))
