"""Calls that fail at once while an origin is down, and the one that finds out that it is up again.

After a few failures in a row the breaker of an origin opens: for a while every call to
it fails before a socket is touched, so that an application does not wait for each.
Then one call is let through; if it succeeds all are, if not the while begins anew.
"""

import random
from typing import Dict, NamedTuple

from target_tools.clock import Deadline, monotonic
from target_tools.errors import CircuitOpen, ConnectionFailed, DeadlineExceeded, TlsError
from target_tools.http.messages import HttpReply, HttpRequest, Origin, Send

#: Origins that are remembered; beyond that the oldest is forgotten.
ORIGIN_LIMIT = 32


class BreakerPolicy(NamedTuple):
    """When a breaker opens, and for how long."""

    #: Failures in a row that open it.
    failures: int = 5
    #: Seconds until one call is let through.
    cooldown: float = 1.0


class _Circuit:
    """What is known of one origin.  Written without a lock: a failure counted twice or not at all does no harm."""

    def __init__(self) -> None:
        self.failures = 0
        #: When the next call may try.
        self.next_try_at = 0.0


class Breaking:
    """A ``send`` that refuses while an origin is down.  Wraps the one that retries.

    A call that gave the origin less than ``patience`` seconds says nothing of it by being late.
    """

    def __init__(self, send: Send, policy: BreakerPolicy, patience: float) -> None:
        self._send = send
        self._policy = policy
        self._patience = patience
        self._circuits: Dict[Origin, _Circuit] = {}

    def __call__(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
        circuit = self._circuits.get(request.origin)
        if circuit is None or circuit.failures < self._policy.failures:
            return self._watched(request, deadline)
        now = monotonic()
        if now < circuit.next_try_at:
            raise _open(request.origin)
        # This call tries, and nobody else does while it may last.  A moment, not a token:
        # one that a signal handler took along would be missed for ever.
        circuit.next_try_at = now + max(self._policy.cooldown, deadline.remaining())
        return self._watched(request, deadline)

    def _watched(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
        """The reply, and a note of how it went.  What a signal handler raises says nothing of the server."""
        try:
            reply = self._send(request, deadline)
        except (ConnectionFailed, TlsError) as error:
            if getattr(error, "phase", "") != "refused":  # that was nobody's answer
                self._failed(request.origin)
            raise
        except DeadlineExceeded:
            if deadline.seconds >= self._patience:
                self._failed(request.origin)
            raise
        if reply.status >= 500:
            self._failed(request.origin)
        elif self._circuits:
            self._circuits.pop(request.origin, None)
        return reply

    def _failed(self, origin: Origin) -> None:
        circuit = self._circuits.get(origin)
        if circuit is None:
            while len(self._circuits) >= ORIGIN_LIMIT:
                self._circuits.pop(next(iter(list(self._circuits))), None)
            circuit = self._circuits.setdefault(origin, _Circuit())
        circuit.failures += 1
        # Jitter: the processes of one application must not all try in the same moment.
        circuit.next_try_at = monotonic() + self._policy.cooldown * random.SystemRandom().uniform(0.8, 1.2)


def _open(origin: Origin) -> CircuitOpen:
    place = "{}://{}".format(origin.scheme, origin.netloc)
    return CircuitOpen("{} failed again and again and is not asked for a moment".format(place))
