"""Handlers of a ``SocketServer`` that are wanted again and again."""

import threading
from typing import Callable, Mapping, Optional

from target_python_sdk.testing.connection import Connection
from target_python_sdk.testing.http_bytes import Body, response

Handler = Callable[[Connection], object]


def answer(body: Body = None, status: int = 200, headers: Optional[Mapping[str, str]] = None) -> Handler:
    """A handler that answers every request of every connection with the same well-formed response."""
    message = response(body, status, headers)

    def answer_each(connection: Connection) -> None:
        while connection.read_request():
            connection.send(message)

    return answer_each


def replies(*messages: bytes) -> Handler:
    """A handler that answers the first request with the first message, and so on, over all connections.

    A request more than there are messages fails the test.
    """
    left = list(messages)
    lock = threading.Lock()

    def answer_in_turn(connection: Connection) -> None:
        while connection.read_request():
            with lock:
                if not left:
                    raise AssertionError("a request more than the {} that were expected".format(len(messages)))
                message = left.pop(0)
            connection.send(message)

    return answer_in_turn


def sequence(*handlers: Handler, then: Optional[Handler] = None) -> Handler:
    """A handler that gives the first connection to the first handler, and so on.

    Later connections go to ``then``; without it, one more than there are handlers fails the test.
    """

    def by_number(connection: Connection) -> None:
        handler = handlers[connection.number - 1] if connection.number <= len(handlers) else then
        if handler is None:
            raise AssertionError("a connection more than the {} that were expected".format(len(handlers)))
        handler(connection)

    return by_number
