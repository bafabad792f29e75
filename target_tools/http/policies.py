"""The settings of retries and of the circuit breaker.

They are separate from the code that uses them, so that parsing the options does not import that code.
"""

from typing import TYPE_CHECKING, FrozenSet, Iterable, NamedTuple

if TYPE_CHECKING:
    import urllib3

#: Statuses of an overloaded server, or of a gateway that got no answer. The request was most likely not processed.
RETRIED_STATUSES = frozenset({429, 502, 503, 504})


class RetryPolicy(NamedTuple):
    """The number of attempts, the retried statuses and the pauses; times in seconds."""

    #: The number of attempts, including the first.
    attempts: int = 3
    statuses: FrozenSet[int] = RETRIED_STATUSES
    #: Maximum of the first pause. The maximum doubles with each attempt, up to ``max_delay``.
    initial_delay: float = 0.1
    max_delay: float = 2.0
    respect_retry_after: bool = True

    def with_urllib3(self, retry: "urllib3.Retry", limits: Iterable[object]) -> "RetryPolicy":
        """Return the policy for urllib3's ``retry``. The smallest number in ``limits`` is the number of retries."""
        numbers = [limit for limit in limits if isinstance(limit, int)]
        return RetryPolicy(
            attempts=max(0, min(numbers, default=self.attempts - 1)) + 1,
            statuses=frozenset(retry.status_forcelist or self.statuses),
            initial_delay=float(retry.backoff_factor),
            max_delay=float(getattr(retry, "backoff_max", self.max_delay)),
            respect_retry_after=retry.respect_retry_after_header,
        )


class BreakerPolicy(NamedTuple):
    """The conditions under which a circuit opens and closes; times in seconds."""

    #: The fewest failures that open the circuit.
    failures: int = 5
    #: The time until probes are let through, and between failed probes.
    cooldown: float = 1.0
    #: The share of failed calls that opens the circuit.
    rate: float = 0.5
    #: The time over which calls are counted; longer if fewer than ``failures`` calls were made in it.
    window: float = 10.0
    #: The number of simultaneous probes.
    probes: int = 3
