"""Sends a request again after certain failures, to the same host or to another one.

The edge counts impressions, so a request is sent again only if the server has most likely not processed it: no
connection was opened, a kept-alive connection was closed before a byte of the answer arrived, or the status is 429,
502, 503 or 504. The ids of a call are created once, so a repeated request counts nothing twice. Pauses have full jitter
and end before the deadline. A budget per origin limits the additional load on a failing edge to a tenth.
"""

import email.utils
import random
import time
from typing import Callable, Optional

from target_tools.clock import Deadline, epoch_seconds
from target_tools.concurrency.lock_free import BoundedTable
from target_tools.errors import ConnectionFailed, DeliveryError, TlsError
from target_tools.http.messages import HttpReply, HttpRequest, Origin, Send
from target_tools.http.policies import RetryPolicy
from target_tools.logger import Log

#: Values of an error's ``phase`` that mean that no part of the request was sent.
UNSENT_PHASES = frozenset({"opening", "refused"})


class RetryBudget:
    """Tokens for retries. A retry costs one token, and each call adds a tenth of one.

    If several threads use the budget, the count can be slightly wrong. It is exact enough to limit a rate.
    """

    CAPACITY = 10.0
    EARNED = 0.1

    def __init__(self) -> None:
        self._tokens = self.CAPACITY

    def deposit(self) -> None:
        """Add the tokens of one call."""
        if self._tokens < self.CAPACITY:
            self._tokens = min(self.CAPACITY, self._tokens + self.EARNED)

    def try_spend(self) -> bool:
        """Take the token for one retry; return False if there are too few."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class RetryingSender:
    """Wraps the ``Send`` of the transport, and retries."""

    def __init__(self, send: Send, policy: RetryPolicy, log: Optional[Log] = None) -> None:
        self._send = send
        self._policy = policy
        self._log = log or Log()
        # One budget per origin, so that a location hint that names a dead host cannot use up the budget of the others.
        self._budgets: BoundedTable[Origin, RetryBudget] = BoundedTable(lambda origin: RetryBudget())
        # Not the random module's own generator, which has the same state in every forked child.
        self._uniform = random.SystemRandom().uniform
        self._sleep: Callable[[float], None] = time.sleep

    def __call__(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
        budget = self._budgets.get(request.origin)
        budget.deposit()
        attempt = 1
        while True:
            try:
                reply = self._send(request, deadline)
            except ConnectionFailed as error:
                error.attempts, error.origin = attempt, str(request.origin)
                if not self._retry_connection(request, error, attempt, deadline, budget):
                    raise
                reason = str(error)
            except DeliveryError as error:
                error.attempts, error.origin = attempt, str(request.origin)
                raise
            else:
                if attempt > 1:
                    reply = reply._replace(attempts=attempt)
                if reply.status not in self._policy.statuses:
                    return reply
                if not self._pause(self._requested_pause(reply, attempt), attempt, deadline, budget):
                    return reply
                reason = f"status {reply.status}"
            attempt += 1
            self._log.debug("Attempt %d of %d at %s: %s", attempt, self._policy.attempts, request.origin, reason)

    def _retry_connection(
        self, request: HttpRequest, error: ConnectionFailed, attempt: int, deadline: Deadline, budget: RetryBudget
    ) -> bool:
        """Return whether the request may be sent again after ``error``. Pauses first if that is necessary."""
        if error.phase == "reuse":
            # The server has most likely not seen the request, so this retry needs no pause and no token.
            return attempt < self._policy.attempts
        if error.phase != "opening" or request.alternative is not None:
            return False
        return self._pause(self._jitter(attempt), attempt, deadline, budget)

    def _requested_pause(self, reply: HttpReply, attempt: int) -> float:
        requested = parse_retry_after(reply.headers.get("Retry-After")) if self._policy.respect_retry_after else None
        return self._jitter(attempt) if requested is None else requested

    def _jitter(self, attempt: int) -> float:
        return self._uniform(0.0, min(self._policy.max_delay, self._policy.initial_delay * 2 ** (attempt - 1)))

    def _pause(self, seconds: float, attempt: int, deadline: Deadline, budget: RetryBudget) -> bool:
        """Pause and return True if the policy, the deadline and the budget allow another attempt."""
        if attempt >= self._policy.attempts or seconds >= deadline.remaining() or not budget.try_spend():
            return False
        if seconds > 0:
            self._sleep(seconds)
        return True


class FailoverSender:
    """Wraps a ``Send`` and sends to ``request.alternative`` if the origin cannot be reached.

    It does so only if no part of the request was sent: the connection failed, the certificate was not trusted, or
    the circuit is open. ``on_unreachable`` is called with the origin, unless the call had fewer than
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


def parse_retry_after(text: Optional[str]) -> Optional[float]:
    """Return the seconds that a Retry-After header requests, or None if it has no usable value."""
    text = (text or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
        return None if moment.tzinfo is None else max(0.0, moment.timestamp() - epoch_seconds())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
