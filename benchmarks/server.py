"""An edge that says the same to everybody, as fast as it can; a process of its own.

``python -m benchmarks.server '{"certificate": PATH}'`` listens on 127.0.0.1 on
two ports, plain and (with a certificate) TLS, names them in its first line and
ends with its stdin.  Asked anything, it reports what it has served so far.  With
``"delay": SECONDS`` every answer takes that long.

A bare selector and blocking-free sockets: what asyncio costs for each request,
above all under TLS, would be a third of what is measured.
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

#: Seconds after which the server ends whatever happens.
LIFETIME = 900.0

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def request_size(data: bytes) -> Optional[int]:
    """How many bytes the request at the start of ``data`` has; None while its head is incomplete."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    length = _CONTENT_LENGTH.search(data, 0, end)
    return end + 4 + (int(length.group(1)) if length else 0)


class Edge:
    """Every connection it has, and what it has served."""

    def __init__(self, certificate: Optional[str], delay: float = 0.0) -> None:
        self._delay = delay
        #: Answers that are not due yet, the next one first: when, and to whom.
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
        """What has been served, what it cost, and the latest request."""
        head, _, body = self._latest.decode("latin-1").partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        return {
            "served": self._served,
            "connections": self._connections,
            "cpu_seconds": time.process_time(),
            "request": {"line": first, "headers": [line.split(": ", 1) for line in lines if line], "body": body},
        }

    def serve(self, stop: threading.Event) -> None:
        """Serve until ``stop`` is set, which is noticed within half a second."""
        while not stop.is_set():
            patience = max(0.0, self._due[0][0] - time.monotonic()) if self._due else 0.5
            for key, _ in self._selector.select(min(0.5, patience)):
                key.data()
            while self._due and self._due[0][0] <= time.monotonic():
                with contextlib.suppress(OSError):  # a client that did not wait
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
            return  # gone before it was accepted
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:  # the handshake happens within the first reads
            connection = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._connections += 1
        self._selector.register(connection, selectors.EVENT_READ, self._reader(connection))

    def _reader(self, connection: socket.socket) -> Callable[[], None]:
        """What is called whenever ``connection`` has something to read."""
        unread = b""

        def read() -> None:
            nonlocal unread
            try:
                while True:  # TLS may hold more than the socket still shows
                    data = connection.recv(65536)
                    if not data:
                        break
                    unread = self._answer(connection, unread + data if unread else data)
                    if not isinstance(connection, ssl.SSLSocket):
                        return
            except _LATER:
                return
            except OSError:
                pass  # reset, or a client that refuses the certificate
            self._selector.unregister(connection)
            connection.close()

        return read

    def _answer(self, connection: socket.socket, data: bytes) -> bytes:
        """Answer every complete request in ``data``; the rest of it."""
        while data:
            size = request_size(data)
            if size is None or len(data) < size:
                break
            self._latest = data[:size]
            self._served += 1
            if self._delay:
                self._due.append((time.monotonic() + self._delay, connection))
            else:
                connection.sendall(ANSWER)  # fits into any send buffer, and the client waits for it
            data = data[size:]
        return data


def main() -> None:
    """Serve until stdin ends or the lifetime is over."""
    settings = json.loads(sys.argv[1])
    edge = Edge(settings.get("certificate"), settings.get("delay", 0.0))
    output = protocol_output()
    send(output, {"ports": edge.ports})
    stop = threading.Event()

    def answer_until_the_end() -> None:
        answer_lines(output, edge.report)
        stop.set()

    threading.Thread(target=answer_until_the_end, name="benchmark-report", daemon=True).start()
    last_resort = threading.Timer(LIFETIME, stop.set)
    last_resort.daemon = True
    last_resort.start()
    edge.serve(stop)


if __name__ == "__main__":
    main()
