"""One connection of a ``SocketServer``."""

import contextlib
import os
import socket
import ssl
import struct
import threading
from typing import Callable

from target_python_sdk.testing.http_bytes import request_size

#: ``SO_LINGER`` with a timeout of 0: closing the socket resets the connection.
_RESET = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class Connection:
    """A client's connection. ``number`` is its position among the server's connections, counted from 1.

    Sending raises ``ConnectionError`` if the client has disconnected, and waiting raises it if the server was stopped.
    The error ends a handler that does not catch it. Use ``socket`` for everything else.
    """

    def __init__(
        self, accepted: socket.socket, number: int, stopped: threading.Event, record: Callable[[bytes], None]
    ) -> None:
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # send without delay
        self.number = number
        self.socket = accepted
        self.is_closed = False
        self._stopped = stopped
        self._record = record
        self._unread = b""

    def read_request(self) -> bytes:
        """Return the bytes of the next request, or ``b""`` if the client has closed the connection."""
        while (size := request_size(self._unread)) is None:
            if not self._read_more():
                return b""
        request, self._unread = self._unread[:size], self._unread[size:]
        self._record(request)
        return request

    def send(self, data: bytes) -> None:
        """Send all of ``data``."""
        self.socket.sendall(data)

    def send_slowly(self, data: bytes, every: float) -> None:
        """Send ``data`` byte by byte, and wait ``every`` seconds after each byte."""
        for position in range(len(data)):
            self.send(data[position : position + 1])
            self.wait(every)

    def wait(self, seconds: float) -> None:
        """Wait for ``seconds``."""
        if self._stopped.wait(seconds):
            raise ConnectionAbortedError("the server was stopped")

    def hang(self) -> None:
        """Wait until the server is stopped, then raise ``ConnectionAbortedError``."""
        self.wait(threading.TIMEOUT_MAX)

    def wait_for_close(self, seconds: float = 5) -> bool:
        """Return whether the client closes the connection within ``seconds``. Data that it sends is discarded."""
        self.socket.settimeout(seconds)
        try:
            while self._read_more():
                self._unread = b""
        except ConnectionError:
            return True
        except socket.timeout:
            self.socket.settimeout(None)
            return False
        return True

    def close(self) -> None:
        """Close the connection gracefully: the client receives everything that was sent."""
        if self.is_closed:
            return
        self.is_closed = True
        with contextlib.suppress(OSError):
            self._shut_down(socket.SHUT_WR)
            # Closing a socket with unread bytes resets the connection, and the client could lose
            # data that was sent. Reading the bytes first makes this unlikely.
            self.socket.setblocking(False)
            while socket.socket.recv(self.socket, 65536):
                pass
        self.socket.close()

    def reset(self) -> None:
        """Reset the connection: the client receives RST instead of the end of the stream."""
        self.is_closed = True
        with contextlib.suppress(OSError):  # the client may already have disconnected
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.socket.close()

    def encrypt(self, tls: ssl.SSLContext) -> None:
        """Perform the TLS handshake with the client and encrypt everything after it."""
        # The handshake is a separate step, so that shut_down() can interrupt it.
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.wait(0)
        self.socket.do_handshake()

    def shut_down(self) -> None:
        """End the connection from another thread, and interrupt its handler."""
        with contextlib.suppress(OSError):
            self._shut_down(socket.SHUT_RDWR)

    def _read_more(self) -> bool:
        part = self.socket.recv(65536)
        self._unread += part
        return bool(part)

    def _shut_down(self, how: int) -> None:
        # SSLSocket.shutdown() would stop encrypting while the handler still uses the socket.
        socket.socket.shutdown(self.socket, how)
