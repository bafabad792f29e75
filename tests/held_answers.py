"""A server that answers only when a test lets it."""

import contextlib
import threading
from typing import Any, Iterator

from target_python_sdk.testing import SocketServer, response
from target_python_sdk.testing.connection import Connection
from tests.support import ANSWER_BYTES, LONG


@contextlib.contextmanager
def held_answers() -> Iterator[Any]:
    """Yield a ``SocketServer`` that sets the event ``received`` at each request, and answers when ``go`` is set."""
    go, received = threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        while connection.read_request():
            received.set()
            go.wait(LONG / 1000)
            connection.send(response(ANSWER_BYTES))

    with SocketServer(hold) as server:
        held: Any = server
        held.go, held.received = go, received
        yield held
        go.set()
