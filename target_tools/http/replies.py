"""The bytes of one answer, read from a socket under the deadline of the call.

A socket's own time-out starts anew with each byte, so a server that drips could stretch
it.  Here every read is given what is left of the call's time.
"""

import http.client
import io
import socket
from typing import Any, Optional

from target_tools.clock import Deadline, monotonic


def give_time(sock: socket.socket, deadline: Deadline) -> None:
    """Let the next operation on ``sock`` wait until the deadline.

    Setting a time-out is a system call that lets go of the interpreter, so one that is a
    few milliseconds too long stays.  One that is too short never does: it would fire
    before the call's time is up.
    """
    remaining = deadline.remaining()
    if remaining <= 0:
        raise socket.timeout("timed out")
    current = sock.gettimeout()
    if current is None or not remaining <= current < remaining + 0.005:
        sock.settimeout(remaining)


class TimedReader(io.RawIOBase):
    """The bytes of one answer as they come, each read bounded by the call's deadline."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline = deadline
        self._ended = False
        self.received = 0
        self.first_byte_at = 0.0

    def makefile(self, mode: str) -> "Answer":
        """What ``http.client`` asks a socket for."""
        return Answer(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Optional[int]:
        if self._ended:
            return None
        give_time(self._sock, self._deadline)
        count = self._raw.readinto(buffer)
        if not self.received:
            self.first_byte_at = monotonic()
        self.received += count or 0
        return count

    def end(self) -> None:
        """Let no further byte in: what the buffer holds now came with the answer."""
        self._ended = True

    def close(self) -> None:
        self._raw.close()
        super().close()


class Answer(io.BufferedReader):
    """One answer.  ``leftover`` tells, once it is closed, whether the server sent more than that."""

    raw: TimedReader  # pyright: ignore[reportIncompatibleVariableOverride]
    leftover = False
    _asked = False

    def read(self, size: Optional[int] = -1) -> bytes:
        # ``http.client`` believes a chunk that says it has fewer than no bytes, and would read to the end.
        if size is None or size < 0:
            raise http.client.HTTPException("a size below zero")
        return super().read(size)

    def close(self) -> None:
        # Asked once: a close that a signal interrupted leaves nothing to peek into.
        if not self._asked:
            self._asked = True
            self.raw.end()
            self.leftover = bool(self.peek(1))
        super().close()
