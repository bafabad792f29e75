"""The byte stream of one connection of the local edge, with limits for each request."""

import http.client
import io
import socket
from typing import Any, Optional

from target_tools.clock import monotonic

#: The maximum size of the request line and the headers together, in bytes.
MAX_HEAD = 128 * 1024
#: The maximum time to wait for the next request on a connection, in seconds.
IDLE_TIMEOUT = 60.0
#: The maximum time from the first byte of a request to its last, and for each write of a reply, in seconds.
TRANSFER_TIMEOUT = 15.0


class ConnectionStream(io.RawIOBase):
    """Reads requests from a socket and writes replies to it.

    Raises ``socket.timeout`` if a request arrives too slowly, and ``http.client.HTTPException`` if its head is too
    long, which ``http.server`` answers with status 431.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._deadline: Optional[float] = None
        self._head_left: Optional[int] = MAX_HEAD

    def expect_request(self) -> None:
        """Reset the limits for the next request."""
        self._deadline, self._head_left = None, MAX_HEAD

    def expect_body(self) -> None:
        """Remove the size limit of the head. The caller limits the size of the body."""
        self._head_left = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the bytes that are available into ``buffer``, and return their number."""
        timeout = IDLE_TIMEOUT if self._deadline is None else self._deadline - monotonic()
        if timeout <= 0:
            raise socket.timeout("the request is incomplete")
        self._socket.settimeout(timeout)
        count = self._socket.recv_into(buffer)
        if self._deadline is None:
            self._deadline = monotonic() + TRANSFER_TIMEOUT
        if self._head_left is not None:
            self._head_left -= count
            if self._head_left < 0:
                raise http.client.HTTPException(f"the head is larger than {MAX_HEAD} bytes")
        return count

    def write(self, data: Any) -> int:
        """Send all of ``data``."""
        self._socket.settimeout(TRANSFER_TIMEOUT)
        self._socket.sendall(data)
        return len(data)
