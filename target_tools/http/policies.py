"""The settings of retries and of the circuit breaker.

They are separate from the code that uses them, so that parsing the options does not import that code.
"""

from typing import FrozenSet, NamedTuple

#: Statuses that mean that the server did not process the request.
RETRIED_STATUSES = frozenset({429, 502, 503, 504})


class RetryPolicy(NamedTuple):
    """The number of attempts, the retried statuses and the pauses; times in seconds."""

    #: The number of attempts, including the first.
    attempts: int = 3
    statuses: FrozenSet[int] = RETRIED_STATUSES
    #: Maximum of the first pause.  The maximum doubles with each attempt, up to ``max_delay``.
    initial_delay: float = 0.1
    max_delay: float = 2.0
    respect_retry_after: bool = True


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
