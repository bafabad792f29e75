"""Sends a request to another host if the first one cannot be reached."""

from typing import Callable

from target_tools.clock import Deadline
from target_tools.errors import ConnectionFailed, TlsError
from target_tools.http.messages import HttpReply, HttpRequest, Origin, Send

#: Values of an error's ``phase`` that mean that no part of the request was sent.
UNSENT_PHASES = frozenset({"opening", "refused"})


class FailoverSender:
    """Wraps a ``Send`` and sends to ``request.alternative`` if the origin cannot be reached.

    It does so only if no part of the request was sent: the connection failed, the certificate was not trusted, or
    the circuit is open.  ``on_unreachable`` is called with the origin, unless the call had fewer than
    ``min_connect_seconds`` to open a connection: a failure in such a short time does not show that the origin is down.
    """

    def __init__(
        self, send: Send, on_unreachable: Callable[[Origin], object], min_connect_seconds: float = 0.0
    ) -> None:
        self._send = send
        self._on_unreachable = on_unreachable
        self._min_connect_seconds = min_connect_seconds

    def __call__(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
        if request.alternative is None:
            return self._send(request, deadline)
        try:
            return self._send(request, deadline)
        except (ConnectionFailed, TlsError) as error:
            if error.phase not in UNSENT_PHASES:
                raise
            attempts, connect_seconds = error.attempts, getattr(error, "within", None)
        if connect_seconds is None or connect_seconds >= self._min_connect_seconds:
            self._on_unreachable(request.origin)
        reply = self._send(request._replace(origin=request.alternative, alternative=None), deadline)
        return reply._replace(attempts=reply.attempts + attempts)
