"""Handlers of a ``SocketServer`` for common cases."""

from typing import Callable, Mapping, Optional

from target_python_sdk.testing.connection import Connection
from target_python_sdk.testing.http_bytes import Body, response

Handler = Callable[[Connection], object]


def answer(body: Body = None, status: int = 200, headers: Optional[Mapping[str, str]] = None) -> Handler:
    """Return a handler that sends the same response to every request."""
    message = response(body, status, headers)

    def answer_each(connection: Connection) -> None:
        while connection.read_request():
            connection.send(message)

    return answer_each


def replies(*messages: bytes) -> Handler:
    """Return a handler that answers the first request with the first message, and so on, across all connections.

    A request after the last message fails the test.
    """
    remaining = iter(messages)

    def answer_in_turn(connection: Connection) -> None:
        while connection.read_request():
            message = next(remaining, None)  # atomic: several connections can be served at the same time
            if message is None:
                raise AssertionError(f"expected {len(messages)} requests, got one more")
            connection.send(message)

    return answer_in_turn


def sequence(*handlers: Handler, then: Optional[Handler] = None) -> Handler:
    """Return a handler that passes the first connection to the first handler, and so on.

    Later connections are passed to ``then``; without it, they fail the test.
    """

    def by_number(connection: Connection) -> None:
        handler = handlers[connection.number - 1] if connection.number <= len(handlers) else then
        if handler is None:
            raise AssertionError(f"expected {len(handlers)} connections, got one more")
        handler(connection)

    return by_number
