"""The local edge's HTTP: a threaded keep-alive server around one function of request to reply."""

import gzip
import json
import os
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler
from logging import getLogger
from types import MappingProxyType
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Tuple
from urllib.parse import parse_qsl, urlsplit

logger = getLogger("adobe.target.local_edge")

#: Answers larger than this are compressed for clients that take it, in bytes.
COMPRESSED_FROM = 1024
LARGEST_REQUEST = 4 * 1024 * 1024


class RecordedRequest(NamedTuple):
    """One request as it came.  Header names are in lower case; ``body`` is parsed JSON, None if it is not.

    ``connection`` is the number of the TCP connection it came by, from 1.
    """

    method: str
    path: str
    query: Dict[str, str]
    headers: Dict[str, str]
    body: Any
    connection: int


class Reply(NamedTuple):
    """What a request is answered with: bytes and texts as they are, anything else as JSON, None as no body."""

    status: int
    body: Any = None
    #: Fields of the head, beside those that say what the body is and how long.
    headers: Mapping[str, str] = MappingProxyType({})
    #: What the body is, where it is bytes.
    content_type: str = "application/octet-stream"


def refusal(status: int, message: str) -> Reply:
    """A reply in the form of the API's own errors."""
    return Reply(status, {"status": status, "message": message})


class HttpServer(socketserver.ThreadingTCPServer):
    """Answers every request with what ``respond`` makes of it, each connection in a daemon thread."""

    daemon_threads = True
    block_on_close = False  # close_connections waits, for threads it has told to end
    request_queue_size = 128
    # Elsewhere than on POSIX this lets two servers share a port unnoticed.
    allow_reuse_address = os.name == "posix"

    def __init__(self, address: Tuple[str, int], respond: Callable[[RecordedRequest], Reply]) -> None:
        self.respond = respond
        self.accepted = 0
        self.numbers: Dict[Any, int] = {}
        self._changed = threading.Condition()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Count the connection and hand it to a thread."""
        with self._changed:
            self.accepted += 1
            self.numbers[request] = self.accepted
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close the connection, and say so."""
        super().shutdown_request(request)
        with self._changed:
            self.numbers.pop(request, None)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to print a traceback for; whatever else there is, is a defect."""
        if isinstance(sys.exc_info()[1], OSError):
            logger.debug("A connection of the local edge ended early", exc_info=True)
        else:
            logger.exception("The local edge failed to answer")

    def close_connections(self) -> None:
        """End the connections that clients keep alive; returns when their threads are done with them."""
        with self._changed:
            for request in self.numbers:
                try:
                    request.shutdown(2)
                except OSError:
                    continue  # its client was faster
            self._changed.wait_for(lambda: not self.numbers, timeout=2)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "LocalEdge"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one piece

    def setup(self) -> None:
        super().setup()
        assert isinstance(self.server, HttpServer)
        self.number = self.server.numbers[self.request]
        self.respond = self.server.respond

    def _serve(self) -> None:
        raw = self._body()
        if raw is None:
            return
        address = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(address.query, keep_blank_values=True))
        request = RecordedRequest(self.command, address.path, query, headers, _parsed(raw), self.number)
        self._send(self.respond(request))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve

    def _body(self) -> Optional[bytes]:
        """The request's body; None when it cannot be read, which is answered here."""
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding"):
            self.send_error(411, "a Content-Length is required")
        elif not (length.isascii() and length.isdigit()):
            self.send_error(400, "Content-Length is not a number")
        elif len(length) > 12 or int(length) > LARGEST_REQUEST:
            self.send_error(413, "the request is larger than {} bytes".format(LARGEST_REQUEST))
        else:
            return self.rfile.read(int(length))
        return None

    def _send(self, reply: Reply) -> None:
        body, content_type = _rendered(reply)
        headers = dict(reply.headers)
        if content_type:
            headers["Content-Type"] = content_type
        if len(body) > COMPRESSED_FROM and _takes_gzip(self.headers.get("Accept-Encoding", "")):
            body = gzip.compress(body, 5)
            headers["Content-Encoding"] = "gzip"
            if headers.get("ETag", "").startswith('"'):
                headers["ETag"] = "W/" + headers["ETag"]  # other bytes than those it was made of
        if reply.status not in (204, 304):  # they cannot have a body
            headers["Content-Length"] = str(len(body))
        self.send_response(reply.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: Optional[str] = None, explain: Optional[str] = None) -> None:
        """Refuse what is not even HTTP, as JSON, and hang up: the rest of the stream cannot be trusted."""
        self.close_connection = True
        body = json.dumps({"status": code, "message": message or self.responses[code][0]}).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json;charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def handle_expect_100(self) -> bool:
        """Tell the client to go on, at once although replies are otherwise buffered."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def log_message(self, format: str, *args: Any) -> None:
        """To the log and not, as the base class would, to stderr."""
        logger.debug(format, *args)


def _rendered(reply: Reply) -> Tuple[bytes, str]:
    """The body's bytes, and what they are."""
    if reply.body is None:
        return b"", ""
    if isinstance(reply.body, bytes):
        return reply.body, reply.content_type
    if isinstance(reply.body, str):
        return reply.body.encode(), "text/plain;charset=UTF-8"
    return json.dumps(reply.body, ensure_ascii=False).encode(), "application/json;charset=UTF-8"


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _takes_gzip(accepted: str) -> bool:
    codings = [part.replace(" ", "").lower().split(";q=") for part in accepted.split(",")]
    return any(coding[0] == "gzip" and coding[1:] not in (["0"], ["0.0"]) for coding in codings)
