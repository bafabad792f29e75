"""The HTTP server of the local edge: calls a function with each request and sends its reply."""

import gzip
import json
import os
import socket
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler
from logging import getLogger
from types import MappingProxyType
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Tuple, Union
from urllib.parse import parse_qsl, urlsplit

logger = getLogger("adobe.target.local_edge")

#: Larger replies are compressed, if the client accepts it. In bytes.
MIN_GZIP_SIZE = 1024
MAX_REQUEST_SIZE = 4 * 1024 * 1024


class RecordedRequest(NamedTuple):
    """A received request. Header names are in lower case; ``body`` is the parsed JSON, or None if it is not JSON.

    ``connection`` is the number of its TCP connection, counted from 1.
    """

    method: str
    path: str
    query: Dict[str, str]
    headers: Dict[str, str]
    body: Any
    connection: int


class Reply(NamedTuple):
    """A reply. A body of bytes or text is sent unchanged, None as no body, and anything else as JSON.

    ``headers`` are those besides ``Content-Length`` and the ``Content-Type`` of text and JSON.
    """

    status: int
    body: Any = None
    headers: Mapping[str, str] = MappingProxyType({})


def error_reply(status: int, message: str) -> Reply:
    """Return a reply in the format of the API's errors."""
    return Reply(status, {"status": status, "message": message})


#: What ``socketserver`` calls a request: the socket of a connection, or the packet and the socket of a datagram.
_Request = Union[socket.socket, Tuple[bytes, socket.socket]]


class HttpServer(socketserver.ThreadingTCPServer):
    """Answers requests with the replies of ``respond``, in a background thread and one more for each connection."""

    daemon_threads = True
    block_on_close = False  # stop() ends the threads and waits for them
    request_queue_size = 128
    # On Windows, this would allow two servers on one port.
    allow_reuse_address = os.name == "posix"

    def __init__(self, address: Tuple[str, int], respond: Callable[[RecordedRequest], Reply]) -> None:
        self.respond = respond
        self.accepted = 0
        self.numbers: Dict[Any, int] = {}
        self._changed = threading.Condition()
        super().__init__(address, _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="target-local-edge", daemon=True)
        self._thread.start()

    def process_request(self, request: _Request, client_address: Tuple[str, int]) -> None:
        """Count the connection and start its thread."""
        with self._changed:
            self.accepted += 1
            self.numbers[request] = self.accepted
        super().process_request(request, client_address)

    def shutdown_request(self, request: _Request) -> None:
        """Close the connection and notify ``stop``."""
        super().shutdown_request(request)
        with self._changed:
            self.numbers.pop(request, None)
            self._changed.notify_all()

    def handle_error(self, request: _Request, client_address: Tuple[str, int]) -> None:
        """Log an error. A lost connection is normal; anything else is a defect."""
        if isinstance(sys.exc_info()[1], OSError):
            logger.debug("Connection lost", exc_info=True)
        else:
            logger.exception("Unexpected error while handling a request")

    def stop(self) -> None:
        """Close the port and the open connections, and wait for their threads."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._changed:
            for request in self.numbers:
                try:
                    request.shutdown(2)
                except OSError:
                    continue  # closed by the client
            self._changed.wait_for(lambda: not self.numbers, timeout=2)


class _Handler(BaseHTTPRequestHandler):
    server: HttpServer  # pyright: ignore[reportIncompatibleVariableOverride] - the only server that uses this class
    protocol_version = "HTTP/1.1"
    server_version = "LocalEdge"
    disable_nagle_algorithm = True
    wbufsize = -1  # send headers and body together

    def _serve(self) -> None:
        raw = self._body()
        if raw is None:
            return
        address = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(address.query, keep_blank_values=True))
        number = self.server.numbers[self.request]
        request = RecordedRequest(self.command, address.path, query, headers, _parse(raw), number)
        self._send(self.server.respond(request))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve

    def _body(self) -> Optional[bytes]:
        """Return the body. If it cannot be read, send an error and return None."""
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding"):
            self.send_error(411, "Content-Length is required")
        elif not (length.isascii() and length.isdigit()):
            self.send_error(400, "Content-Length is not a number")
        elif len(length) > 12 or int(length) > MAX_REQUEST_SIZE:
            self.send_error(413, f"the request is larger than {MAX_REQUEST_SIZE} bytes")
        else:
            return self.rfile.read(int(length))
        return None

    def _send(self, reply: Reply) -> None:
        body, type_headers = _encode_body(reply.body)
        headers = {**reply.headers, **type_headers}
        if len(body) > MIN_GZIP_SIZE and _accepts_gzip(self.headers.get("Accept-Encoding", "")):
            body = gzip.compress(body, 5)
            headers["Content-Encoding"] = "gzip"
            if headers.get("ETag", "").startswith('"'):
                headers["ETag"] = "W/" + headers["ETag"]  # the compressed bytes differ from the tagged ones
        if reply.status not in (204, 304):  # these have no body
            headers["Content-Length"] = str(len(body))
        self.send_response(reply.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: Optional[str] = None, explain: Optional[str] = None) -> None:
        """Send an error for invalid HTTP as JSON, and close the connection, because what follows cannot be parsed."""
        reply = error_reply(code, message or self.responses[code][0])
        self._send(reply._replace(headers={"Connection": "close"}))

    def handle_expect_100(self) -> bool:
        """Send ``100 Continue`` at once, although replies are buffered."""
        is_handled = super().handle_expect_100()
        self.wfile.flush()
        return is_handled

    def log_message(self, format: str, *args: Any) -> None:
        """Log the request. The base class would print it to stderr."""
        logger.debug(format, *args)


def _encode_body(body: Any) -> Tuple[bytes, Dict[str, str]]:
    """Return the bytes of a body, and the header with the type of text or JSON."""
    if body is None or isinstance(body, bytes):
        return body or b"", {}
    if isinstance(body, str):
        return body.encode(), {"Content-Type": "text/plain;charset=UTF-8"}
    return json.dumps(body, ensure_ascii=False).encode(), {"Content-Type": "application/json;charset=UTF-8"}


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _accepts_gzip(accepted: str) -> bool:
    codings = [part.replace(" ", "").lower().split(";q=") for part in accepted.split(",")]
    return any(coding[0] == "gzip" and coding[1:] not in (["0"], ["0.0"]) for coding in codings)
