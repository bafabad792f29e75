"""One connection of a misbehaving server, and what a handler can do to it."""

import contextlib
import os
import socket
import ssl
import struct
import threading
from typing import Callable

from target_python_sdk.testing.http_bytes import request_size

#: "Do not linger": closing the socket resets the connection.
_RESET = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class Connection:
    """A client's connection; ``number`` counts them from 1, ``socket`` is there for what is not.

    Acts raise ``ConnectionError`` once the client is gone or the server is stopped, which
    ends a handler that does not catch it.
    """

    def __init__(
        self, accepted: socket.socket, number: int, stopped: threading.Event, record: Callable[[bytes], None]
    ) -> None:
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is sent leaves at once
        self.number = number
        self.socket = accepted
        self.is_closed = False
        self._stopped = stopped
        self._record = record
        self._unread = b""

    def read_request(self) -> bytes:
        """The next request, head and body, as its bytes; empty when the client has hung up."""
        size = request_size(self._unread)
        while size is None:
            if not self._read_more():
                return b""
            size = request_size(self._unread)
        request, self._unread = self._unread[:size], self._unread[size:]
        self._record(request)
        return request

    def send(self, data: bytes) -> None:
        """Send all of ``data``."""
        self.socket.sendall(data)

    def drip(self, data: bytes, every: float) -> None:
        """Send ``data`` byte by byte, with that many seconds after each."""
        for position in range(len(data)):
            self.send(data[position : position + 1])
            self.wait(every)

    def wait(self, seconds: float) -> None:
        """Do nothing for that long."""
        if self._stopped.wait(seconds):
            raise ConnectionAbortedError("the server was stopped")

    def hang(self) -> None:
        """Do nothing until the server is stopped.  Never returns."""
        self._stopped.wait()
        raise ConnectionAbortedError("the server was stopped")

    def wait_for_close(self, seconds: float = 5) -> bool:
        """Whether the client closes the connection within that time; what it still sends is thrown away."""
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
        """Say goodbye properly: what was sent arrives, then the end of the stream."""
        if self.is_closed:
            return
        self.is_closed = True
        with contextlib.suppress(OSError):
            self._shut_down(socket.SHUT_WR)
            # A socket that is closed with bytes unread resets the connection, and may take with it
            # what was sent. Reading what is there makes that unlikely.
            self.socket.setblocking(False)
            while socket.socket.recv(self.socket, 65536):
                pass
        self.socket.close()

    def reset(self) -> None:
        """Break the connection: the client gets a reset (RST) instead of an end."""
        self.is_closed = True
        with contextlib.suppress(OSError):  # the client may have gone first
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.socket.close()

    def encrypt(self, tls: ssl.SSLContext) -> None:
        """Take the client's TLS handshake; from then on everything is encrypted."""
        # Wrapped first and shaken hands with later, so that abandon() finds the socket to be woken.
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.wait(0)
        self.socket.do_handshake()

    def abandon(self) -> None:
        """End the connection from another thread: its handler wakes with a ``ConnectionError`` or an end."""
        with contextlib.suppress(OSError):
            self._shut_down(socket.SHUT_RDWR)

    def _read_more(self) -> bool:
        part = self.socket.recv(65536)
        self._unread += part
        return bool(part)

    def _shut_down(self, how: int) -> None:
        # Not SSLSocket's own, which would forget that the stream is encrypted while the handler uses it.
        socket.socket.shutdown(self.socket, how)
