"""Handles one connection of the local edge: reads requests within their limits, and sends the replies."""

import contextlib
import gzip
import io
import socket
from http.server import BaseHTTPRequestHandler
from logging import getLogger
from typing import Any, Dict, Optional
from urllib.parse import parse_qsl, urlsplit

from target_python_sdk.local_edge.connection_stream import TRANSFER_TIMEOUT, ConnectionStream
from target_python_sdk.local_edge.http_messages import (
    ByteStream,
    RecordedRequest,
    Reply,
    RequestHead,
    accepts_gzip,
    encode_body,
    error_reply,
    parse_body,
)
from target_python_sdk.local_edge.recording import VALUE_SIZE, estimated_memory
from target_python_sdk.local_edge.server import LARGE_BODY, HttpServer
from target_tools.clock import monotonic

logger = getLogger("adobe.target.local_edge")

#: Replies with more bytes are compressed if the client accepts it.
MIN_GZIP_SIZE = 1024
#: The maximum size of the body of a request, in bytes.
MAX_REQUEST_SIZE = 4 * 1024 * 1024
#: The rest of a refused request is read and discarded, so that the client can receive the reply: at most this number of
#: bytes, for at most this time in seconds.
MAX_DISCARDED = 16 * 1024 * 1024
DISCARD_TIMEOUT = 2.0
_NO_HEAD = RequestHead("-", "-", {})


class ConnectionHandler(BaseHTTPRequestHandler):
    """Serves the requests of one connection, one after the other."""

    server: HttpServer  # pyright: ignore[reportIncompatibleVariableOverride] - the only server that uses this class
    protocol_version = default_request_version = "HTTP/1.1"
    server_version = "LocalEdge"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Replace the streams of the base class, whose time limits apply to single reads and writes."""
        super().setup()
        self.rfile.close()
        self.wfile.close()
        self._stream = ConnectionStream(self.connection)
        self.rfile = io.BufferedReader(self._stream)
        self.wfile = io.BufferedWriter(self._stream)  # sends headers and body together
        self._is_body_unread = False
        self._start_request()

    def handle(self) -> None:
        """Serve requests until one side closes the connection."""
        self.close_connection = False
        while not self.close_connection:
            self._stream.expect_request()
            self.server.set_idle(self.request, True)
            self.handle_one_request()

    def parse_request(self) -> bool:
        """Parse the head of a request, after its first line has arrived."""
        self._start_request()
        self.server.set_idle(self.request, False)
        return super().parse_request()

    def finish(self) -> None:
        """Close the streams, and discard the rest of a refused request, because otherwise the reply could be lost."""
        super().finish()
        if self._is_body_unread:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_WR)
                self._discard()

    def send_error(self, code: int, message: Optional[str] = None, explain: Optional[str] = None) -> None:
        """Send an error about invalid HTTP as JSON, and close the connection, because the rest cannot be parsed."""
        self._is_body_unread = True
        reply = error_reply(code, (message or self.responses[code][0])[:200])
        self._send(reply._replace(headers={"Connection": "close"}))

    def handle_expect_100(self) -> bool:
        """Accept the request for now. ``_respond`` sends ``100 Continue`` unless the request is refused."""
        self._expects_100 = True
        return True

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Log the request without its query, which contains the visitor's session id."""
        logger.debug("%s %s: %s", self._head.method, self._head.path, code)

    def log_message(self, format: str, *args: Any) -> None:
        """Log a problem, which the base class would print to the standard error."""
        logger.debug(format, *args)

    def _start_request(self) -> None:
        self._started = monotonic()
        self._head = _NO_HEAD
        self._expects_100 = False
        self._application_headers: Dict[str, str] = {}

    def _serve(self) -> None:
        try:
            address = urlsplit(self.path)
        except ValueError:
            self.send_error(400, "the address is not a URL")
            return
        self._head = RequestHead(self.command, address.path, self._header_fields())
        self._application_headers = self.server.application.headers(self._head)
        reply = self.server.application.screen(self._head)
        if reply is None:
            length = self._body_length()
            if length is None:
                return
            with self.server.large_bodies if length > LARGE_BODY else contextlib.nullcontext():
                reply = self._respond(address.query, length)
        elif self._head.headers.keys() & {"content-length", "transfer-encoding"}:
            self._is_body_unread = True
            reply = reply._replace(headers={**reply.headers, "Connection": "close"})
        if reply is not None:
            self._send(reply)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve

    def _respond(self, query: str, length: int) -> Optional[Reply]:
        """Read the body and return the reply to the request, or None if there is nothing more to send."""
        self._stream.expect_body()
        if self._expects_100:
            super().handle_expect_100()
            self.wfile.flush()  # the client waits for this line before it sends the body
        try:
            raw = self.rfile.read(length)
        except socket.timeout:
            self.send_error(408, f"the request did not arrive within {TRANSFER_TIMEOUT:g} seconds")
            return None
        if len(raw) < length:
            self.close_connection = True
            return None
        fields = dict(parse_qsl(query, keep_blank_values=True))
        request = RecordedRequest(*self._head[:2], fields, self._head.headers, parse_body(raw), self._number)
        size = sum(map(len, [self.path, *self._head.headers.values()])) + VALUE_SIZE * len(self._head.headers)
        if request.body is not None:
            size += estimated_memory(raw)
        try:
            return self.server.application.respond(request, size)
        except Exception:  # a defect of the edge: log it, and continue serving
            logger.exception("Unexpected error while answering %s %s", *self._head[:2])
            return error_reply(500, "unexpected error of the local edge; see its log")

    @property
    def _number(self) -> int:
        return self.server.numbers[self.request]

    def _header_fields(self) -> Dict[str, str]:
        """Return the headers. The values of a repeated header are joined, as HTTP defines."""
        fields: Dict[str, str] = {}
        for name, value in self.headers.items():
            key = name.lower()
            fields[key] = f"{fields[key]}, {value}" if key in fields else value
        return fields

    def _body_length(self) -> Optional[int]:
        """Return the length of the body. If it cannot be read, send an error and return None."""
        headers = self._head.headers
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers:
            self.send_error(411, "Content-Length is required")
        elif not (length.isascii() and length.isdigit()):
            self.send_error(400, "Content-Length is not a number")
        elif len(length) > 12 or int(length) > MAX_REQUEST_SIZE:
            self.send_error(413, f"the request is larger than {MAX_REQUEST_SIZE} bytes")
        else:
            return int(length)
        return None

    def _send(self, reply: Reply) -> None:
        stream = reply.body if callable(reply.body) else None
        body, type_headers = encode_body(None if callable(reply.body) else reply.body)
        headers = {"X-Content-Type-Options": "nosniff", **self._application_headers, **type_headers, **reply.headers}
        vary = [each["Vary"] for each in (reply.headers, self._application_headers) if "Vary" in each]
        if vary:
            headers["Vary"] = ", ".join(vary)
        if len(body) > MIN_GZIP_SIZE and accepts_gzip(self._head.headers.get("accept-encoding", "")):
            body = gzip.compress(body, 5)
            headers["Content-Encoding"] = "gzip"
            if headers.get("ETag", "").startswith('"'):
                headers["ETag"] = "W/" + headers["ETag"]  # the compressed bytes differ from the tagged ones
        if stream is not None:
            headers["Connection"] = "close"  # which marks the end of the body
        elif reply.status not in (204, 304):  # these have no body
            headers["Content-Length"] = str(len(body))
        self.server.application.answered(self._head, reply, monotonic() - self._started)
        self.send_response(reply.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if stream is not None and self.command != "HEAD":
            self._send_stream(stream(lambda: self.server.is_stream_ended(self.request)))
        elif self.command != "HEAD":
            self.wfile.write(body)

    def _send_stream(self, parts: ByteStream) -> None:
        self.server.add_stream(self.request)
        self.wfile.flush()
        with contextlib.closing(parts):  # close it at once: a logged traceback could keep it alive
            for part in parts:
                self.wfile.write(part)
                self.wfile.flush()

    def _discard(self) -> None:
        deadline, left = monotonic() + DISCARD_TIMEOUT, MAX_DISCARDED
        while left > 0 and monotonic() < deadline:
            self.connection.settimeout(DISCARD_TIMEOUT)
            part = self.connection.recv(65536)
            if not part:
                return
            left -= len(part)
