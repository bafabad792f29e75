"""The statistics of one client in one process."""

from typing import Dict, Optional

from target_python_sdk.artifact.source import ArtifactSource
from target_python_sdk.runtime import LATENCY_BOUNDS, Runtime
from target_tools.clock import monotonic
from target_tools.concurrency.lock_free import Histogram
from target_tools.typing_compat import TypedDict

#: The names of the buckets: their upper bounds as Prometheus writes them.
_BUCKETS = (*map(str, LATENCY_BOUNDS), "+Inf")


class LatencyStats(TypedDict):
    """The durations of calls."""

    count: int
    """The number of calls."""

    sum: float
    """The total of all durations in seconds."""

    buckets: Dict[str, int]
    """By number of seconds: how many calls took at most that long. The last key is ``+Inf``."""


class ArtifactStats(TypedDict):
    """The rule artifact in use."""

    version: str
    """The version of its format."""

    generated_at: Optional[str]
    """When Target created it, according to the artifact."""

    age: Optional[float]
    """The seconds since the server sent it or confirmed that it is current; None if it has not done so yet."""

    stale: bool
    """Whether it comes from the cache, and no download has confirmed it yet."""


class ClientStats(TypedDict):
    """The statistics of one client in one process."""

    calls: int
    """Calls of ``get_offers``, ``get_attributes`` and ``send_notifications``."""

    failures: int
    """Calls without a usable answer of the edge, without an artifact, or without a decision in time."""

    retries: int
    """Attempts after the first attempt of a call."""

    invalid_hints: int
    """Location hints that were invalid and ignored."""

    undelivered: int
    """Lost requests with notifications."""

    new_visitors: int
    """Calls without any id of the visitor."""

    dropped_notifications: int
    """Requests with notifications that were not sent, because the queue was full or the client was closed."""

    pending: int
    """Calls that wait for a worker."""

    running: int
    """Calls that a worker is executing."""

    threads: int
    """Worker threads."""

    blocked: int
    """Workers that wait for a name lookup or a connection."""

    refused: int
    """Calls that a full queue refused."""

    dropped: int
    """Calls that ``close`` dropped."""

    abandoned: int
    """Network operations that no call waits for any more."""

    failed_observers: int
    """How often an observer raised an error."""

    slow_observers: int
    """How often an observer took more than 0.1 s."""

    errors: Dict[str, int]
    """The number of failures, by the name of the error's class."""

    latencies: Dict[str, LatencyStats]
    """The durations of calls: ``on-device``, or ``server-side`` for those that were sent to the edge."""

    circuits: Dict[str, str]
    """The state of each origin's circuit: ``closed``, ``open`` or ``half-open``."""

    artifact: Optional[ArtifactStats]
    """The rule artifact in use; None before the first one."""


def client_stats(runtime: Runtime) -> ClientStats:
    """Return the statistics of a client."""
    counters, workers, observation = runtime.counters, runtime.workers, runtime.observation
    breaker, source = runtime.breaker, runtime.artifacts
    return {
        "calls": int(counters.calls),
        "failures": int(counters.failures),
        "retries": int(counters.retries),
        "invalid_hints": int(counters.invalid_hints),
        "undelivered": int(counters.undelivered),
        "new_visitors": int(counters.new_visitors),
        "dropped_notifications": int(counters.dropped_notifications),
        "pending": workers.pending(),
        "running": workers.running(),
        "threads": workers.threads(),
        "blocked": workers.blocked(),
        "refused": int(workers.refused),
        "dropped": int(workers.dropped),
        "abandoned": runtime.transport.abandoned(),
        "failed_observers": 0 if observation is None else int(observation.failed),
        "slow_observers": 0 if observation is None else int(observation.slow),
        "errors": {name: int(counter) for name, counter in list(runtime.errors.items())},
        "latencies": {
            "on-device": _latency(runtime.on_device_latency),
            "server-side": _latency(runtime.server_side_latency),
        },
        "circuits": {} if breaker is None else breaker.states(),
        "artifact": None if source is None else _artifact(source),
    }


def _latency(histogram: Histogram) -> LatencyStats:
    counts, total = histogram.totals()
    return {"count": counts[-1], "sum": total, "buckets": dict(zip(_BUCKETS, counts))}


def _artifact(source: ArtifactSource) -> Optional[ArtifactStats]:
    current = source.current
    if current is None:
        return None
    generated_at, confirmed_at = current.artifact.meta.get("generatedAt"), source.confirmed_at
    return {
        "version": current.artifact.version,
        "generated_at": generated_at if isinstance(generated_at, str) else None,
        "age": None if confirmed_at is None else monotonic() - confirmed_at,
        "stale": current.stale,
    }
