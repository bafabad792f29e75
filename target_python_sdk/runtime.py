"""The mutable state of a client in one process: connections, workers, the artifact, the cluster, counters.

A client has one ``Runtime`` per process, created on first use, so that a forked child shares nothing with its parent.
"""

import math
import weakref
from functools import partial
from typing import TYPE_CHECKING, Callable, Dict, List, Optional

from target_python_sdk.artifact.source import ArtifactSource
from target_python_sdk.artifact.update import CurrentArtifact
from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.engine import EngineContext
from target_python_sdk.delivery.call_options import Call
from target_python_sdk.delivery.cookies import valid_hint
from target_python_sdk.delivery.exchange import ClusterMemory, EdgeAnswer, PayloadLogger, delivery_request, request_edge
from target_python_sdk.delivery.geo import geo_request
from target_python_sdk.delivery.on_device import OnDeviceContext
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.delivery.prepare import prepare_request
from target_python_sdk.outages import OutageLog
from target_python_sdk.telemetry import Telemetry
from target_python_sdk.types import DeliveryRequest
from target_tools.clock import Deadline, monotonic
from target_tools.concurrency.abort import AbortScope
from target_tools.concurrency.lock_free import Counter, Histogram, claim
from target_tools.concurrency.poller import Poller
from target_tools.concurrency.task_workers import WorkerPool
from target_tools.concurrency.threads import is_about_to_fork
from target_tools.enums import DecisioningMethod
from target_tools.errors import ClientClosed, DeliveryError, TargetError
from target_tools.event_provider import EventProvider
from target_tools.http.breaker import CircuitBreaker
from target_tools.http.headers import with_headers
from target_tools.http.messages import Origin, Send
from target_tools.http.retries import FailoverSender, RetryingSender
from target_tools.http.transport import OPENING_SHARE, Transport
from target_tools.logger import Log

if TYPE_CHECKING:  # few applications have observers
    from target_python_sdk.observation import Observation

#: The upper bounds of the buckets of latencies, in seconds. On-device decisions take a fraction of a millisecond.
LATENCY_BOUNDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0),
)
#: Seconds between two log lines about lost notifications. The counter and the event report all of them.
WARNING_INTERVAL = 10.0


class Counters:
    """The events that ``stats`` counts."""

    def __init__(self) -> None:
        self.calls = Counter()
        self.failures = Counter()
        self.retries = Counter()
        self.invalid_hints = Counter()
        self.undelivered = Counter()
        self.new_visitors = Counter()
        self.dropped_notifications = Counter()


class Runtime:
    """The mutable state of one client in one process."""

    def __init__(
        self,
        settings: ClientSettings,
        events: EventProvider,
        log: Log,
        inherited: Optional["Runtime"] = None,
        *,
        requests_hint: bool = True,
        open_transport: Callable[..., Transport] = Transport,
    ) -> None:
        self.settings = settings
        self.events = events
        self.log = log
        #: Measures calls for the observers; None if there are none.
        self.observation = _observation(settings, log)
        self.workers = WorkerPool(
            settings.max_workers, settings.max_pending, settings.shutdown_timeout, f"target-{settings.client}"
        )
        self.transport = open_transport(settings.transport(), self.workers.blocking)
        send_once = with_headers(self.transport.send, settings.headers)
        retrying = RetryingSender(send_once, settings.retries, log)
        self.outages = OutageLog(events, log, self.observation)
        self.send: Send = PayloadLogger(
            retrying, log, settings.log_payloads, self.outages.answered, self.outages.origins
        )
        self.counters = Counters()
        #: The number of failures, by the name of the error's class.
        self.errors: Dict[str, Counter] = {}
        self.on_device_latency = Histogram(LATENCY_BOUNDS)
        self.server_side_latency = Histogram(LATENCY_BOUNDS)
        #: The circuit breaker, unless it is disabled.
        self.breaker: Optional[CircuitBreaker] = None
        circuit_is_open: Optional[Callable[[Origin], bool]] = None
        if settings.circuit_breaker is not None:
            change_circuit = self.outages.change_circuit
            self.breaker = CircuitBreaker(self.send, settings.circuit_breaker, settings.timeout, change_circuit)
            self.send, circuit_is_open = self.breaker, self.breaker.is_open
        hint = valid_hint(settings.target_location_hint) if inherited is None else inherited.location_hint
        if inherited is None and hint is None and settings.target_location_hint is not None:
            self.counters.invalid_hints.add()
        self._clusters = ClusterMemory(settings, hint, circuit_is_open)
        # If a call had less than half of the usual time to open a connection, its failure does not show that the
        # cluster is down.
        self.send = FailoverSender(self.send, self._clusters.lose, settings.timeout * OPENING_SHARE / 2)
        #: None if the application has disabled it.
        self.telemetry: Optional[Telemetry] = None
        self.request_edge: Callable[..., EdgeAnswer] = request_edge
        if settings.telemetry_enabled:
            clusters, send_once = self._clusters, PayloadLogger(send_once, log, settings.log_payloads)
            send_alone = FailoverSender(send_once, lambda origin: None)
            self.telemetry = Telemetry(settings, log, send_alone, lambda: clusters.hint, circuit_is_open)
            self.request_edge = self.telemetry.request_edge
        #: The source of the rule artifact; None for a server-side client.
        self.artifacts: Optional[ArtifactSource] = None
        if settings.decisioning_method is not DecisioningMethod.SERVER_SIDE:
            load_artifact = partial(Artifact.load, client=settings.client, escape_macros=settings.escape_macros)
            known = None if inherited is None else inherited.artifacts
            self.artifacts = ArtifactSource(settings, load_artifact, retrying, log, events, known)
            if self.observation is not None:
                self.artifacts.observe_download = self.observation.observe_download
            if self.telemetry is not None:
                self.artifacts.record_download = self.telemetry.add_download
            weakref.finalize(self, self.artifacts.stop)
        self._has_waited = False
        #: Emptied by the one thread that requests the location hint.
        self._unrequested_hint: List[bool] = [True] if requests_hint else []
        self._no_warning_until = 0.0
        trace_details = dict if self.artifacts is None else self.artifacts.trace_details
        engine = EngineContext(settings.client, log, settings.on_device_all_matching_rules_mboxes, trace_details)
        self.on_device_context = OnDeviceContext(engine, geo_request(settings), self.send)
        # A client that is not closed stops its threads and closes its connections when it is collected, or at exit.
        weakref.finalize(self, self.workers.stop)
        weakref.finalize(self, self.transport.close)

    def _request_location_hint(self) -> None:
        """Request the hint in the background.

        Device ids that this process creates contain the cluster that will store the visitor's profile. An on-device
        client decides without the edge, so it would learn no cluster. Therefore it makes one request per process. No
        call waits for the answer. Closing the client, or the end of the process, aborts the request. Without a hint in
        the device id, the edge still finds the profile.
        """
        if not is_about_to_fork() and claim(self._unrequested_hint) and self.location_hint is None:
            settings, scope = self.settings, AbortScope()
            send = with_headers(self.transport.send, settings.headers)
            # A weak reference, so that a server that does not answer cannot keep an unused client alive.
            request = partial(_request_location_hint, settings, send, weakref.ref(self), self.log, scope)
            # If no thread can be started, there is no request: the hint is not worth a wait in the calling thread.
            Poller(request, f"target-{settings.client}-hint", scope).start()

    def start(self) -> None:
        """Start the polling of the artifact and the request for a location hint. May be called again."""
        if self.artifacts is not None:
            self.artifacts.start()
            self._request_location_hint()

    def flush(self, timeout: Optional[float], caller: Optional[int] = None) -> bool:
        """Wait ``timeout`` seconds at most for the unfinished calls, and send telemetry.

        ``caller`` is the id of the thread for which the current thread waits; by default, it waits for itself. Return
        False if some calls were still in progress.
        """
        deadline = Deadline.after(math.inf if timeout is None else timeout)
        done = self.workers.flush(timeout, caller)
        if self.telemetry is not None:
            self.telemetry.flush(deadline.remaining())
        return done

    def close(self, timeout: Optional[float], caller: Optional[int] = None) -> bool:
        """Wait up to ``timeout`` seconds for the calls, cancel those that have not begun, and close the connections.

        ``caller`` is the id of the thread that closes the client; by default, that of the current thread. Return False
        if some calls were still in progress.
        """
        deadline = Deadline.after(math.inf if timeout is None else timeout)
        done = self.workers.close(timeout, ClientClosed("the client was closed before the call was sent"), caller)
        if self.telemetry is not None:
            self.telemetry.close(deadline.remaining())
        if self.artifacts is not None:
            self.artifacts.stop()
        self.transport.close()
        self.outages.close()
        return done

    def discard_inherited(self) -> None:
        """Forget the connections of a parent process without closing them."""
        self.transport.discard_inherited()

    def current_artifact(self) -> Optional[CurrentArtifact]:
        """Return the current artifact, if there is one."""
        source = self.artifacts
        if source is None:
            return None
        source.start()  # an earlier start may have been interrupted, or may have failed to start a thread
        if self._unrequested_hint:  # ``start`` was interrupted, or uWSGI was about to fork this process
            self._request_location_hint()
        return source.current

    def first_artifact(self, seconds: float) -> Optional[CurrentArtifact]:
        """Return the current artifact, or None. Wait for it, unless ``create`` or an earlier call has waited."""
        self.wait_for_artifact(min(seconds, self.settings.maximum_wait_ready))
        return self.current_artifact()

    def wait_for_artifact(self, seconds: float) -> None:
        """Wait for the first artifact, unless an earlier call has already waited."""
        if self.artifacts is not None and not self._has_waited:
            self.artifacts.wait(seconds)
            self._has_waited = True

    def last_download_error(self) -> Optional[BaseException]:
        """Return the error of the last download."""
        return None if self.artifacts is None else self.artifacts.last_error

    def count_call(self, refused_hints: int) -> None:
        """Count a call, and the hints of its visitor that were invalid."""
        self.counters.calls.add()
        if refused_hints:
            self.counters.invalid_hints.add(refused_hints)

    def count_failure(self, error: DeliveryError) -> None:
        """Count a failed call, by the class of its error."""
        self.counters.failures.add()
        self.errors.setdefault(type(error).__name__, Counter()).add()

    def should_log_warning(self) -> bool:
        """Return whether to log a warning that can occur very often: True once per ``WARNING_INTERVAL``."""
        now = monotonic()
        if now < self._no_warning_until:
            return False
        self._no_warning_until = now + WARNING_INTERVAL
        return True

    def learn(self, answer: EdgeAnswer) -> None:
        """Count the retries of an answer, and remember the cluster that it names."""
        if answer.attempts > 1:
            self.counters.retries.add(answer.attempts - 1)
        self._clusters.learn(answer.edge_cluster)

    @property
    def location_hint(self) -> Optional[str]:
        """The cluster for visitors without a hint."""
        return self._clusters.hint


def _observation(settings: ClientSettings, log: Log) -> "Optional[Observation]":
    """Return the observation of a client; None if nothing is observed."""
    if not settings.observers:
        return None
    from target_python_sdk.observation import Observation  # noqa: PLC0415 - few applications use it

    return Observation(settings.observers, log)


def _request_location_hint(
    settings: ClientSettings, send: Send, reference: "weakref.ref[Runtime]", log: Log, scope: AbortScope
) -> None:
    """Request the cluster and store it. Returns None, so that the poller calls this once."""
    try:
        call = Call(DeliveryRequest(), settings.timeout, DecisioningMethod.SERVER_SIDE)
        prepared = prepare_request(call, settings, None, log)
        request = delivery_request(prepared, settings)
        answer = request_edge(prepared, request, send, scope.deadline(settings.timeout))
        runtime = reference()
        if runtime is not None and runtime.location_hint is None:
            runtime.learn(answer)
    except TargetError as error:
        log.debug("Unable to retrieve location hint cookie. (%s)", type(error).__name__)
    except Exception:  # noqa: BLE001 - a custom pool manager may raise anything, and no call waits for the answer
        log.exception_safely("Unable to retrieve location hint cookie.")
