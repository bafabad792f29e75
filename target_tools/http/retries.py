"""When a request is sent again, and how long that waits.

A delivery counts impressions, so it is sent again only where the server cannot have
acted on it (no connection; a kept-alive one that was gone) or says so itself (429, 502,
503, 504).  Its ids are made once per call, so a repeated one counts nothing twice.
Waiting is full jitter inside the deadline, and a budget keeps a failing edge from being
asked more than a tenth again as often.
"""

import email.utils
import random
import time
from typing import Callable, Dict, FrozenSet, NamedTuple, Optional

from target_tools.clock import Deadline, epoch_seconds
from target_tools.errors import ConnectionFailed, DeliveryError
from target_tools.http.messages import HttpReply, HttpRequest, Origin, Send

#: Statuses by which a server says that it did not act.
RETRIED_STATUSES = frozenset({429, 502, 503, 504})
#: Origins whose budget is remembered; beyond that the oldest is forgotten.
ORIGIN_LIMIT = 32


class RetryPolicy(NamedTuple):
    """How often, on what, and how far apart; times in seconds."""

    #: How many times a request is sent in all.
    attempts: int = 3
    statuses: FrozenSet[int] = RETRIED_STATUSES
    #: The first pause is up to this long, the next up to twice that, and so on.
    base: float = 0.1
    longest: float = 2.0
    respect_retry_after: bool = True


class RetryBudget:
    """Tokens that retries cost: one each.  Every call earns a tenth of one.

    The count is not exact under threads, and need not be: it bounds a rate.
    """

    CAPACITY = 10.0
    EARNED = 0.1

    def __init__(self) -> None:
        self._tokens = self.CAPACITY

    def earn(self) -> None:
        """A call began."""
        if self._tokens < self.CAPACITY:
            self._tokens = min(self.CAPACITY, self._tokens + self.EARNED)

    def spend(self) -> bool:
        """Whether one more retry is affordable; if so it is paid."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Retrying:
    """A ``send`` that tries again.  Wraps the transport's."""

    def __init__(self, send: Send, policy: RetryPolicy) -> None:
        self._send = send
        self._policy = policy
        #: One for each origin: a visitor's hint that leads nowhere must cost the others nothing.
        self._budgets: Dict[Origin, RetryBudget] = {}
        # Not the module's generator: forked children would all wait the same times.
        self._uniform = random.SystemRandom().uniform
        self._sleep: Callable[[float], None] = time.sleep

    def __call__(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
        budget = self._budget(request.origin)
        budget.earn()
        attempt = 1
        while True:
            try:
                reply = self._send(request, deadline)
            except ConnectionFailed as error:
                error.attempts = attempt
                if not self._may_follow(error, attempt, deadline, budget):
                    raise
            except DeliveryError as error:
                error.attempts = attempt
                raise
            else:
                if attempt > 1:
                    reply = reply._replace(attempts=attempt)
                if reply.status not in self._policy.statuses:
                    return reply
                if not self._wait(self._pause_asked(reply, attempt), attempt, deadline, budget):
                    return reply
            attempt += 1

    def _budget(self, origin: Origin) -> RetryBudget:
        budget = self._budgets.get(origin)
        if budget is None:
            while len(self._budgets) >= ORIGIN_LIMIT:
                self._budgets.pop(next(iter(list(self._budgets)), origin), None)
            budget = self._budgets.setdefault(origin, RetryBudget())
        return budget

    def _may_follow(
        self, error: ConnectionFailed, attempt: int, deadline: Deadline, budget: RetryBudget
    ) -> bool:
        """Whether another attempt may follow a connection that failed; if so, the pause is over."""
        if error.phase == "reuse":
            # The server has seen nothing of the request, so a fresh connection is no load to spare it.
            return attempt < self._policy.attempts
        return error.phase == "opening" and self._wait(self._jitter(attempt), attempt, deadline, budget)

    def _pause_asked(self, reply: HttpReply, attempt: int) -> float:
        asked = retry_after(reply.headers.get("Retry-After")) if self._policy.respect_retry_after else None
        return self._jitter(attempt) if asked is None else asked

    def _jitter(self, attempt: int) -> float:
        return self._uniform(0.0, min(self._policy.longest, self._policy.base * 2 ** (attempt - 1)))

    def _wait(self, pause: float, attempt: int, deadline: Deadline, budget: RetryBudget) -> bool:
        """Whether another attempt is allowed and affordable; if so, the pause is over."""
        if attempt >= self._policy.attempts or pause >= deadline.remaining() or not budget.spend():
            return False
        if pause > 0:
            self._sleep(pause)
        return True


def retry_after(text: Optional[str]) -> Optional[float]:
    """Seconds that a Retry-After header asks for; None where it asks for nothing that makes sense."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
        return None if moment.tzinfo is None else max(0.0, moment.timestamp() - epoch_seconds())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
