"""Sends a request to another host if the first one cannot be reached."""

from typing import Callable

from target_tools.clock import Deadline
from target_tools.errors import ConnectionFailed, TlsError
from target_tools.http.messages import HttpReply, HttpRequest, Origin, Send

#: Phases in which a failed connection has not sent the request.
UNSENT_PHASES = frozenset({"opening", "refused"})


class FailoverSender:
    """Wraps a ``Send`` and sends to ``request.alternative`` if the origin cannot be reached.

    It does so only if nothing was sent: no connection to the origin, no trust in it, or an open circuit.
    ``on_unreachable`` is called with the origin.  It is not called if the call had fewer than ``shortest`` seconds
    to open a connection, because such a short time does not show that the origin is down.
    """

    def __init__(self, send: Send, on_unreachable: Callable[[Origin], object], shortest: float = 0.0) -> None:
        self._send = send
        self._on_unreachable = on_unreachable
        self._shortest = shortest

    def __call__(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
        if request.alternative is None:
            return self._send(request, deadline)
        try:
            return self._send(request, deadline)
        except (ConnectionFailed, TlsError) as error:
            if error.phase not in UNSENT_PHASES:
                raise
            attempts, within = error.attempts, getattr(error, "within", None)
        if within is None or within >= self._shortest:
            self._on_unreachable(request.origin)
        reply = self._send(request._replace(origin=request.alternative, alternative=None), deadline)
        return reply._replace(attempts=reply.attempts + attempts)
