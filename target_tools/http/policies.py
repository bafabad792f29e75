"""The settings of retries and of the circuit breaker; read with the options, before what they govern."""

from typing import FrozenSet, NamedTuple

#: Statuses that say that the server did not act.
RETRIED_STATUSES = frozenset({429, 502, 503, 504})


class RetryPolicy(NamedTuple):
    """The number of attempts, the statuses that are retried, and the pauses; times in seconds."""

    #: The number of attempts, the first included.
    attempts: int = 3
    statuses: FrozenSet[int] = RETRIED_STATUSES
    #: The longest first pause; each further limit is twice the one before.
    initial_delay: float = 0.1
    max_delay: float = 2.0
    respect_retry_after: bool = True


class BreakerPolicy(NamedTuple):
    """When a circuit opens, and how it closes; times in seconds."""

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
