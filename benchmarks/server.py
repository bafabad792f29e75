"""A server that sends the same answer to every request, in a separate process.

``python -m benchmarks.server '{"certificate": PATH}'`` listens on a port of 127.0.0.1 without
TLS and, if it has a certificate, on another with TLS. Its first line names the ports. For
each line on its stdin, it prints a report of the requests so far. It ends when its stdin is
closed. ``"delay": SECONDS`` delays every HTTP response.

It uses a selector and non-blocking sockets, because asyncio, especially with TLS, would
take a third of the measured time.
"""

import contextlib
import json
import re
import selectors
import socket
import ssl
import sys
import threading
import time
from collections import deque
from typing import Callable, Deque, Optional, Tuple

from benchmarks.line_protocol import Message, answer_lines, protocol_output, send
from benchmarks.workload import ANSWER

#: Seconds until the server ends in any case.
LIFETIME = 900.0

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def request_size(data: bytes) -> Optional[int]:
    """Return the size of the request at the start of ``data``, or None if its headers are incomplete."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    length = _CONTENT_LENGTH.search(data, 0, end)
    return end + 4 + (int(length.group(1)) if length else 0)


class Edge:
    """The server: its connections and counters."""

    def __init__(self, certificate: Optional[str], delay: float = 0.0) -> None:
        self._delay = delay
        #: Delayed answers, the next one first: time and connection.
        self._due: Deque[Tuple[float, socket.socket]] = deque()
        self._selector = selectors.DefaultSelector()
        self._served = 0
        self._connections = 0
        self._latest = b""
        self.ports = {"plain": self._listen(None)}
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.ports["TLS"] = self._listen(context)

    def report(self, _question: Message) -> Message:
        """Return the counters, the CPU time and the last request."""
        head, _, body = self._latest.decode("latin-1").partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        return {
            "served": self._served,
            "connections": self._connections,
            "cpu_seconds": time.process_time(),
            "request": {"line": first, "headers": [line.split(": ", 1) for line in lines if line], "body": body},
        }

    def serve(self, stop: threading.Event) -> None:
        """Serve until ``stop`` is set. It is checked at least every half second."""
        while not stop.is_set():
            timeout = max(0.0, self._due[0][0] - time.monotonic()) if self._due else 0.5
            for key, _ in self._selector.select(min(0.5, timeout)):
                key.data()
            while self._due and self._due[0][0] <= time.monotonic():
                with contextlib.suppress(OSError):  # the client has closed the connection
                    self._due.popleft()[1].sendall(ANSWER)

    def _listen(self, context: Optional[ssl.SSLContext]) -> int:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(256)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, lambda: self._accept(listener, context))
        port: int = listener.getsockname()[1]
        return port

    def _accept(self, listener: socket.socket, context: Optional[ssl.SSLContext]) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # closed before it was accepted
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:  # the handshake happens within the first reads
            connection = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._connections += 1
        self._selector.register(connection, selectors.EVENT_READ, self._reader(connection))

    def _reader(self, connection: socket.socket) -> Callable[[], None]:
        """Return the function to call when ``connection`` is readable."""
        unread = b""

        def read() -> None:
            nonlocal unread
            try:
                while True:  # TLS may have buffered data, which the selector does not report
                    data = connection.recv(65536)
                    if not data:
                        break
                    unread = self._answer(connection, unread + data if unread else data)
                    if not isinstance(connection, ssl.SSLSocket):
                        return
            except _WOULD_BLOCK:
                return
            except OSError:
                pass  # reset, or the client rejects the certificate
            self._selector.unregister(connection)
            connection.close()

        return read

    def _answer(self, connection: socket.socket, data: bytes) -> bytes:
        """Answer every complete request in ``data`` and return the rest."""
        while data:
            size = request_size(data)
            if size is None or len(data) < size:
                break
            self._latest = data[:size]
            self._served += 1
            if self._delay:
                self._due.append((time.monotonic() + self._delay, connection))
            else:
                connection.sendall(ANSWER)  # fits into any send buffer
            data = data[size:]
        return data


def main() -> None:
    """Serve until stdin ends or the lifetime has passed."""
    settings = json.loads(sys.argv[1])
    edge = Edge(settings.get("certificate"), settings.get("delay", 0.0))
    output = protocol_output()
    send(output, {"ports": edge.ports})
    stop = threading.Event()

    def answer_questions() -> None:
        answer_lines(output, edge.report)
        stop.set()

    threading.Thread(target=answer_questions, name="benchmark-report", daemon=True).start()
    lifetime_timer = threading.Timer(LIFETIME, stop.set)
    lifetime_timer.daemon = True
    lifetime_timer.start()
    edge.serve(stop)


if __name__ == "__main__":
    main()
