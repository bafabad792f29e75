"""The HTTP server of the local edge. It calls functions for each request, and sends the reply."""

import os
import socket
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler
from logging import getLogger
from typing import Callable, Dict, NamedTuple, Optional, Tuple, Union

from target_python_sdk.local_edge.http_messages import RecordedRequest, Reply, RequestHead

logger = getLogger("adobe.target.local_edge")

#: The maximum number of connections that are not event streams. Each has a thread.
MAX_CONNECTIONS = 512
#: The maximum number of event streams. A new one replaces the oldest.
MAX_STREAMS = 16
#: The maximum number of request bodies of more than ``LARGE_BODY`` bytes that are processed at the same time.
MAX_LARGE_BODIES = 4
LARGE_BODY = 64 * 1024


class Application(NamedTuple):
    """The functions that an ``HttpServer`` calls, in the thread of the connection unless stated otherwise."""

    #: Called with the head of a request. Returns the reply if it does not depend on the body, else None.
    screen: Callable[[RequestHead], Optional[Reply]]
    #: Returns the reply to a complete request, whose approximate memory in bytes is the second argument.
    respond: Callable[[RecordedRequest, int], Reply]
    #: Called with each request, its reply and its duration in seconds, before the reply is sent.
    answered: Callable[[RequestHead, Reply, float], None]
    #: Returns additional headers for each reply.
    headers: Callable[[RequestHead], Dict[str, str]]
    #: Called to make event streams check whether they must end.
    wake_streams: Callable[[], None]
    #: Called at short intervals, in the thread that accepts connections.
    poll: Callable[[], None]


#: A request in the terms of ``socketserver``: the socket of a connection, or the packet and the socket of a datagram.
_Request = Union[socket.socket, Tuple[bytes, socket.socket]]


class HttpServer(socketserver.ThreadingTCPServer):
    """Accepts connections in a background thread, and answers the requests of each connection in another thread."""

    daemon_threads = True
    block_on_close = False  # stop() ends the threads and waits for them
    request_queue_size = 128
    # On Windows, this would allow two servers on one port.
    allow_reuse_address = os.name == "posix"

    def __init__(
        self, address: Tuple[str, int], application: Application, handler: Callable[..., BaseHTTPRequestHandler]
    ) -> None:
        self.application = application
        self.accepted = 0
        self.is_stopping = False
        self.large_bodies = threading.BoundedSemaphore(MAX_LARGE_BODIES)
        #: The number of each open connection.
        self.numbers: Dict[_Request, int] = {}
        self._idle: Dict[_Request, None] = {}  # the longest idle first
        self._streams: Dict[_Request, None] = {}  # the oldest first
        self._replaced_streams: Dict[_Request, None] = {}
        self._changed = threading.Condition()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="target-local-edge", daemon=True)
        self._thread.start()

    def service_actions(self) -> None:
        """Call the application's ``poll``."""
        self.application.poll()

    def process_request(self, request: _Request, client_address: Tuple[str, int]) -> None:
        """Count the connection and start its thread. If too many are open, close an idle one, or else this one."""
        with self._changed:
            self.accepted += 1
            count = len(self.numbers) - len(self._streams) - len(self._replaced_streams)
            if count >= MAX_CONNECTIONS and not _close_first(self._idle):
                logger.warning("Refused a connection: %d are open", len(self.numbers))
                super().shutdown_request(request)
                return
            self.numbers[request] = self.accepted
        super().process_request(request, client_address)

    def set_idle(self, request: _Request, is_idle: bool) -> None:
        """Record whether a connection waits for a request. Waiting connections are closed first."""
        with self._changed:
            self._idle.pop(request, None)
            if is_idle:
                self._idle[request] = None

    def add_stream(self, request: _Request) -> None:
        """Count a connection as an event stream. Event streams have a separate limit."""
        with self._changed:
            if len(self._streams) >= MAX_STREAMS:
                oldest = next(iter(self._streams))
                _close_first(self._streams)
                self._replaced_streams[oldest] = None
            self._streams[request] = None
        self.application.wake_streams()

    def is_stream_ended(self, request: _Request) -> bool:
        """Return whether an event stream must end."""
        return self.is_stopping or request not in self._streams

    def shutdown_request(self, request: _Request) -> None:
        """Close the connection and notify ``stop``."""
        super().shutdown_request(request)
        with self._changed:
            for connections in (self.numbers, self._idle, self._streams, self._replaced_streams):
                connections.pop(request, None)
            self._changed.notify_all()

    def handle_error(self, request: _Request, client_address: Tuple[str, int]) -> None:
        """Log an error: a lost connection at DEBUG, because it is normal, and any other error as a defect."""
        if isinstance(sys.exc_info()[1], OSError):
            logger.debug("Connection lost", exc_info=True)
        else:
            logger.exception("Unexpected error while handling a request")

    def stop(self) -> None:
        """Close the port and the open connections, and wait for their threads."""
        self.is_stopping = True
        self.application.wake_streams()
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._changed:
            for request in self.numbers:
                _shut_down(request)
            self._changed.wait_for(lambda: not self.numbers, timeout=2)


def _close_first(connections: Dict[_Request, None]) -> bool:
    """Close the first connection, whose thread then ends, and remove it. Return False if ``connections`` is empty."""
    first = next(iter(connections), None)
    if first is None:
        return False
    del connections[first]
    _shut_down(first)
    return True


def _shut_down(connection: _Request) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
    except OSError:
        logger.debug("The client has closed the connection")
