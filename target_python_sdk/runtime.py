"""What a client has that can change: connections, workers, the artifact, the retry budget, the last hint, counters.

It hangs on one object per process, made when a call first needs one.
"""

import weakref
from typing import Any, Callable, Dict, List, Optional, Union

from target_python_sdk.artifact.source import ArtifactSource
from target_python_sdk.circuit_events import circuit_reporter
from target_python_sdk.clusters import ClusterMemory
from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.engine import EngineContext
from target_python_sdk.delivery.edge import valid_hint
from target_python_sdk.delivery.exchange import Heard
from target_python_sdk.delivery.geo import GeoService, geo_url
from target_python_sdk.delivery.here import Here, Newest
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.delivery.pipeline import Answer
from target_python_sdk.delivery.wire_log import Logged
from target_python_sdk.location_hint import request_location_hint
from target_tools.clock import monotonic
from target_tools.concurrency.counter import Counter
from target_tools.concurrency.task_workers import WorkerPool
from target_tools.concurrency.threads import is_about_to_fork
from target_tools.enums import DecisioningMethod
from target_tools.event_provider import EventProvider
from target_tools.http.breaker import CircuitBreaker
from target_tools.http.failover import FailoverSender
from target_tools.http.headers import with_headers
from target_tools.http.messages import Origin, Send
from target_tools.http.retries import RetryingSender
from target_tools.http.transport import Transport
from target_tools.logger import Log

#: Seconds between two log lines about notifications that were lost; the count and the event miss none.
COMPLAINT_SECONDS = 10.0


class Counters:
    """What happened so far in this process."""

    def __init__(self) -> None:
        self.calls = Counter()
        self.failures = Counter()
        self.retries = Counter()
        self.invalid_hints = Counter()
        self.undelivered = Counter()


class Runtime:
    """The mutable part of one client in one process."""

    def __init__(
        self,
        settings: ClientSettings,
        events: EventProvider,
        log: Log,
        inherited: Optional["Runtime"] = None,
        asks_for_cluster: bool = True,
    ) -> None:
        self.settings = settings
        self.events = events
        self.log = log
        self.workers = WorkerPool(
            settings.max_workers, settings.max_pending, settings.shutdown_timeout, "target-{}".format(settings.client)
        )
        self.transport = Transport(settings.transport(), self.workers.blocking)
        retrying = RetryingSender(with_headers(self.transport.send, settings.headers), settings.retries)
        self.send: Send = Logged(retrying, log, settings.log_payloads)
        self.counters = Counters()
        circuit_is_open: Optional[Callable[[Origin], bool]] = None
        if settings.circuit_breaker is not None:
            on_change = circuit_reporter(events, log)
            breaking = CircuitBreaker(self.send, settings.circuit_breaker, settings.timeout, on_change)
            self.send, circuit_is_open = breaking, breaking.is_open
        hint = self._initial_location_hint() if inherited is None else inherited.location_hint
        self._clusters = ClusterMemory(settings, hint, circuit_is_open)
        # A third of the time-out is for opening a connection to a cluster; half of that says something about it.
        self.send = FailoverSender(self.send, self._clusters.lose, settings.timeout / 6)
        #: The rule artifact, where this process decides.
        self.artifacts: Optional[ArtifactSource[Artifact]] = None
        if settings.decisioning_method is not DecisioningMethod.SERVER_SIDE:
            known = None if inherited is None else inherited.artifacts
            self.artifacts = ArtifactSource(settings, _compiler(settings), retrying, log, events, known)
            weakref.finalize(self, self.artifacts.stop)
        self._has_waited = False
        #: The question for the cluster, until one thread has taken it.
        self._unasked: List[bool] = [True] if asks_for_cluster else []
        self._quiet_until = 0.0
        self.here = self._here()
        # A client that nobody closed lets its threads go and hangs up when it is collected, or at exit.
        weakref.finalize(self, self.workers.stop)
        weakref.finalize(self, self.transport.close)

    def _here(self) -> Here:
        settings, source = self.settings, self.artifacts
        url = geo_url(settings.cdn_base_path, settings.secure)
        everywhere = settings.on_device_all_matching_rules_mboxes
        trace_details = dict if source is None else source.trace_details
        situation = EngineContext(settings.client, self.log, everywhere, trace_details)
        return Here(situation, GeoService(url, settings.max_response_bytes.geo))

    def _request_location_hint(self) -> None:
        """Ask, unless another thread does or this is no process to start a thread in."""
        if is_about_to_fork():
            return
        try:
            self._unasked.pop()
        except IndexError:
            return
        if self.location_hint is None:
            send = with_headers(self.transport.send, self.settings.headers)
            request_location_hint(self.settings, send, self, self.log)

    def _initial_location_hint(self) -> Optional[str]:
        """The hint that the client was given, if it can be one."""
        given = self.settings.target_location_hint
        hint = valid_hint(given)
        if hint is None and given is not None:
            self.counters.invalid_hints.add()
        return hint

    def start(self) -> None:
        """Begin what does not wait for a call: the way to the artifact, and to the cluster.  May be called again."""
        if self.artifacts is None:
            return
        self.artifacts.start()
        self._request_location_hint()

    def close(self) -> None:
        """Stop looking for artifacts, and hang up."""
        if self.artifacts is not None:
            self.artifacts.stop()
        self.transport.close()

    def abandon(self) -> None:
        """Leave the connections to the parent process, whose they are."""
        self.transport.discard_inherited()

    def newest(self) -> Optional[Newest]:
        """The newest artifact, where this process decides and there is one."""
        source = self.artifacts
        if source is None:
            return None
        source.start()  # which may have been interrupted, or refused a thread
        if self._unasked:  # a signal handler raised, or uWSGI was about to fork this process, a worker by now
            self._request_location_hint()
        current = source.current
        return None if current.artifact is None else Newest(current.artifact, current.stale)

    def first(self, seconds: float) -> Optional[Newest]:
        """The first artifact, for a call that found none: waited for where nobody has waited in vain yet.

        ``create`` has done so; who comes before an artifact after that is told so at once.
        """
        self.wait_for_artifact(min(seconds, self.settings.maximum_wait_ready))
        return self.newest()

    def wait_for_artifact(self, seconds: float) -> None:
        """Wait for the first artifact, unless that was done in vain already."""
        if self.artifacts is not None and not self._has_waited:
            self.artifacts.wait(seconds)
            self._has_waited = True

    def why_not_ready(self) -> Optional[BaseException]:
        """What the last download failed with."""
        return None if self.artifacts is None else self.artifacts.last_error

    def may_complain(self) -> bool:
        """Whether to write a line about what may come a thousand times a second: one for a while."""
        now = monotonic()
        if now < self._quiet_until:
            return False
        self._quiet_until = now + COMPLAINT_SECONDS
        return True

    def learn(self, answer: Union[Answer, Heard]) -> None:
        """Take over what an answer of the edge tells the client."""
        if answer.attempts > 1:
            self.counters.retries.add(answer.attempts - 1)
        self._clusters.learn(answer.edge_cluster)

    @property
    def location_hint(self) -> Optional[str]:
        """The cluster that is asked for visitors without a hint of their own."""
        return self._clusters.hint

    def stats(self) -> Dict[str, int]:
        """The counts by name."""
        workers = self.workers
        return {
            **{name: int(counter) for name, counter in vars(self.counters).items()},
            "pending": workers.pending(),
            "running": workers.running(),
            "threads": workers.threads(),
            "blocked": workers.blocked(),
            "refused": int(workers.refused),
            "dropped": int(workers.dropped),
            "abandoned": self.transport.abandoned(),
        }


def _compiler(settings: ClientSettings) -> Callable[[Any], Artifact]:
    return lambda document: Artifact.compile(document, settings.client)
