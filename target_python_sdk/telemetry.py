"""Telemetry for Target: the timings of calls and artifact downloads, and the features that calls used.

It has no data of visitors. Each call adds a record to a queue. The next request to the edge, for a call or for
notifications, takes records from the queue and carries them as entries. Records that have waited for a minute are sent
in a request without anything else, and so are those that wait at ``flush`` and ``close``. If a request fails, its
records return to the queue, and are sent later with the same request ids.

An on-device decision only appends a record. The JSON is written when the record is sent.
"""

import json
import weakref
from collections import deque
from functools import partial
from typing import Any, Callable, Deque, Dict, List, NamedTuple, Optional

from target_python_sdk.artifact.download import DownloadedArtifact
from target_python_sdk.delivery.call_options import Call
from target_python_sdk.delivery.exchange import (
    EdgeAnswer,
    delivery_request,
    delivery_response,
    notification_response,
    request_edge,
)
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.delivery.prepare import PreparedRequest, prepare_request
from target_python_sdk.delivery.replaced_api import REPLACEMENTS
from target_python_sdk.types import DeliveryRequest, DeliveryResponse
from target_python_sdk.types.enums import ExecutionMode
from target_tools.clock import Deadline, epoch_seconds, monotonic
from target_tools.concurrency.helper_thread import HelperThreads
from target_tools.concurrency.lock_free import claim, take
from target_tools.concurrency.poller import Poller
from target_tools.concurrency.shutdown import EXIT_COORDINATOR
from target_tools.enums import DecisioningMethod
from target_tools.errors import CircuitOpen, HttpStatusError, TargetError
from target_tools.http.messages import HttpReply, HttpRequest, Origin, Send, Timings
from target_tools.http.transport import is_urllib3_replaced
from target_tools.logger import Log

#: Maximum number of records that wait. The oldest are dropped.
MAX_RECORDS = 5000
#: Maximum number of entries in a request of a call or of notifications, and in a request of telemetry alone.
MAX_CARRIED = 20
MAX_ALONE = 250
#: Seconds after which records are sent alone, and after which a failed attempt is repeated.
MAX_AGE = 60.0
#: Seconds that ``flush`` and ``close`` may take for telemetry.
FINAL_SECONDS = 1.0
#: Number of refused requests with entries after which entries are only sent alone, because they may be the cause.
MAX_REFUSALS = 10
#: Longest ``telemetryServerToken`` that is sent back.
MAX_TOKEN_LENGTH = 8192
#: Seconds by which the system clock may drift from the monotonic clock before timestamps follow the system clock.
CLOCK_TOLERANCE = 0.05
#: The request id of an artifact download, as in the other SDKs.
ARTIFACT_DOWNLOAD = "ArtifactDownload"

#: The fields of ``Features`` in the API.
_FEATURES = ("executePageLoad", "executeMboxCount", "prefetchPageLoad", "prefetchMboxCount", "prefetchViewCount")
_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Network(NamedTuple):
    """The part of a record about an exchange with the edge or the CDN."""

    timings: Optional[Timings]
    parse_seconds: float
    server_token: object = None


class Features(NamedTuple):
    """The parts that a call requested."""

    execute_page_load: bool
    execute_mboxes: int
    prefetch_page_load: bool
    prefetch_mboxes: int
    prefetch_views: int


class Record(NamedTuple):
    """A call, or a download if it has no features."""

    request_id: Optional[str]
    #: Seconds on the monotonic clock.
    began: float
    ended: float
    features: Optional[Features]
    #: None for a decision of this process.
    network: Optional[Network] = None


class Telemetry:
    """The records of one client in one process.

    ``send`` sends a request without retries. ``is_open`` returns whether the circuit of an origin is open.
    """

    def __init__(
        self,
        settings: ClientSettings,
        log: Log,
        send: Send,
        location_hint: Callable[[], Optional[str]],
        is_open: Optional[Callable[[Origin], bool]] = None,
    ) -> None:
        self._settings = settings
        self._log = log
        self._send = send
        self._location_hint = location_hint
        self._is_open = is_open
        self._waiting: Deque[Record] = deque(maxlen=MAX_RECORDS)
        #: Number of requests with entries that the edge has refused since entries were last accepted or dropped.
        self._refusals = 0
        #: Monotonic times before which the timer sends nothing, and before which no timer is started.
        self._next_attempt = self._next_timer_start = 0.0
        #: Contains True while there is no timer. The thread that takes it starts one.
        self._has_no_timer: List[bool] = [True]
        #: The latest timer. It is stopped when this object is garbage-collected.
        self._timers: List[Poller] = []
        self._is_closed = False
        #: Epoch seconds minus monotonic seconds. Kept, so that a record that is sent again has the same timestamp.
        self._since_epoch = 0.0
        weakref.finalize(self, _stop, self._timers)

    def add(self, request: DeliveryRequest, began: float, network: Optional[Network] = None) -> None:
        """Add a call that began at ``began`` and has just ended. Without ``network``, this process decided it."""
        execute, prefetch = request.execute, request.prefetch
        features = Features(
            execute is not None and execute.page_load is not None,
            0 if execute is None else len(execute.mboxes or ()),
            prefetch is not None and prefetch.page_load is not None,
            0 if prefetch is None else len(prefetch.mboxes or ()),
            0 if prefetch is None else len(prefetch.views or ()),
        )
        self._add(Record(request.request_id, began, monotonic(), features, network))

    def add_answer(self, request: DeliveryRequest, began: float, answer: EdgeAnswer) -> None:
        """Add a call that the edge answered."""
        token = answer.response.telemetry_server_token
        self.add(request, began, Network(answer.timings, answer.parse_seconds, token))

    def add_download(self, download: DownloadedArtifact) -> None:
        """Add the download of an artifact."""
        if download.timings is not None:
            network = Network(download.timings, download.parse_seconds)
            self._add(Record(ARTIFACT_DOWNLOAD, download.began, monotonic(), None, network))

    def request_edge(
        self,
        prepared: PreparedRequest,
        http: HttpRequest,
        send: Send,
        deadline: Deadline,
        read: Callable[[HttpReply], DeliveryResponse] = delivery_response,
    ) -> EdgeAnswer:
        """Return the edge's answer, as ``exchange.request_edge`` does. The request carries records that wait."""
        can_carry = prepared.request.telemetry is None and self._refusals < MAX_REFUSALS
        if not (self._waiting and can_carry) or _is_replaced():
            return request_edge(prepared, http, send, deadline, read)
        records, is_answered = take(self._waiting, MAX_CARRIED), False
        try:
            answer = request_edge(prepared, self._with_entries(http, records), send, deadline, read)
            is_answered = True
        except HttpStatusError:
            self._refusals += 1
            raise
        finally:
            if not is_answered:
                self._put_back(records)
        self._refusals = 0
        return answer

    def flush(self, seconds: float) -> None:
        """Send the records that wait. A failure is logged at DEBUG level, and leaves them waiting."""
        deadline = Deadline.after(min(seconds, FINAL_SECONDS))
        if not self._waiting or deadline.seconds <= 0 or EXIT_COORDINATOR.begun:
            return
        try:
            # Send in a helper thread: in the main thread, an exception from a signal handler would look like a failure.
            HelperThreads().call(partial(self._send_waiting, deadline), deadline)
        except TargetError as error:
            self._log_failure(error)

    def close(self, seconds: float) -> None:
        """Stop the timer, and send the records that wait."""
        self._is_closed = True
        _stop(self._timers)
        self.flush(seconds)

    def _add(self, record: Record) -> None:
        self._waiting.append(record)
        if self._has_no_timer:
            self._start_timer()

    def _put_back(self, records: List[Record]) -> None:
        """Let ``records`` wait again. If there is not enough room, drop the oldest."""
        room = MAX_RECORDS - len(self._waiting)
        self._waiting.extendleft(reversed(records[max(0, len(records) - room) :]))

    def _with_entries(self, http: HttpRequest, records: List[Record]) -> HttpRequest:
        """Return ``http`` with ``records`` as the telemetry of its JSON."""
        since_epoch = epoch_seconds() - monotonic()
        if abs(since_epoch - self._since_epoch) > CLOCK_TOLERANCE:
            self._since_epoch = since_epoch
        entries = _ENCODE([self._entry(record) for record in records])
        return http._replace(body=b'%s,"telemetry":{"entries":%s}}' % (http.body[:-1], entries.encode("ascii")))

    def _entry(self, record: Record) -> Dict[str, Any]:
        """Return the ``TelemetryEntry`` of a record."""
        entry: Dict[str, Any] = {
            "requestId": record.request_id,
            "timestamp": int((record.began + self._since_epoch) * 1000),
            "execution": _milliseconds(record.ended - record.began),
        }
        network, features = record.network, record.features
        if features is None:
            entry["features"] = {"decisioningMethod": self._settings.decisioning_method.value}
        else:
            method = DecisioningMethod.ON_DEVICE if network is None else DecisioningMethod.SERVER_SIDE
            entry["mode"] = ExecutionMode.LOCAL if network is None else ExecutionMode.EDGE
            entry["features"] = {"decisioningMethod": method.value, **_used(features)}
        if network is not None:
            entry["parsing"] = _milliseconds(network.parse_seconds)
            if network.timings is not None:
                entry["request"] = _request_timings(network.timings)
            token = network.server_token
            if isinstance(token, str) and 0 < len(token) <= MAX_TOKEN_LENGTH:
                entry["telemetryServerToken"] = token
        return entry

    def _send_waiting(self, deadline: Deadline) -> None:
        """Send the records that wait, in requests with telemetry alone, until one fails."""
        if _is_replaced() or is_urllib3_replaced():
            self._next_attempt = monotonic() + MAX_AGE
            return
        for _ in range(MAX_RECORDS // MAX_ALONE):
            if not self._waiting or not self._send_alone(deadline):
                return

    def _send_alone(self, deadline: Deadline) -> bool:
        """Send the oldest records in one request. If it fails, let them wait again and return False.

        Records that the edge would also refuse later are dropped instead.
        """
        records, is_done = take(self._waiting, MAX_ALONE), False
        try:
            settings = self._settings
            call = Call(DeliveryRequest(), settings.timeout, DecisioningMethod.SERVER_SIDE)
            prepared = prepare_request(call, settings, self._location_hint(), self._log)
            http = delivery_request(prepared, settings)
            if self._is_open is not None and self._is_open(http.origin):
                raise CircuitOpen(f"the circuit of {http.origin} is open")
            request_edge(prepared, self._with_entries(http, records), self._send, deadline, notification_response)
            is_done = True
        except Exception as error:  # noqa: BLE001 - a custom pool manager may raise anything; the thread is ours
            is_done = isinstance(error, HttpStatusError) and _is_refusal(error.status)
            self._next_attempt = monotonic() + MAX_AGE
            self._log_failure(error)
        finally:
            if not is_done:
                self._put_back(records)
        if is_done:
            self._refusals = 0
        return is_done

    def _log_failure(self, error: Exception) -> None:
        self._log.debug("Telemetry was not sent (%s)", type(error).__name__)

    # The timer

    def _start_timer(self) -> None:
        """Start the thread that sends old records. It ends when no records wait."""
        now = monotonic()
        if self._is_closed or now < self._next_timer_start or not claim(self._has_no_timer):
            return
        timer = Poller(_poll_function(weakref.ref(self)), f"target-{self._settings.client}-telemetry")
        self._timers[:] = [timer]
        if not timer.start(MAX_AGE):
            self._next_timer_start = now + MAX_AGE
            self._has_no_timer.append(True)

    def _poll(self) -> Optional[float]:
        """Send old records. Return the seconds until the next poll; None, to end the timer, if no records wait."""
        try:
            oldest = self._waiting[0]
        except IndexError:
            self._has_no_timer.append(True)
            # A record that was added in the meantime may have started no timer, because this timer still existed.
            return MAX_AGE if self._waiting and claim(self._has_no_timer) else None
        pause = max(oldest.ended + MAX_AGE, self._next_attempt) - monotonic()
        if pause <= 0:
            self._send_waiting(self._timers[0].scope.deadline(self._settings.timeout))
        return max(0.0, pause)


def _poll_function(reference: "weakref.ref[Telemetry]") -> Callable[[], Optional[float]]:
    """Return the function that the timer calls. It does not keep the telemetry of an unused client alive."""

    def poll() -> Optional[float]:
        telemetry = reference()
        return None if telemetry is None else telemetry._poll()

    return poll


def _stop(timers: List[Poller]) -> None:
    for timer in timers:
        timer.stop()


def _is_replaced() -> bool:
    """Return whether a test has replaced ``DeliveryApi``. Then nothing is sent, and the test gets no telemetry."""
    find = REPLACEMENTS.find
    return find is not None and find() is not None


def _is_refusal(status: Optional[int]) -> bool:
    """Return whether the edge would also refuse the same request later."""
    return status is not None and 400 <= status < 500 and status not in (408, 425, 429)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)


def _used(features: Features) -> Dict[str, Any]:
    """Return the features that a call used, by their names in the API."""
    return {name: value for name, value in zip(_FEATURES, features) if value}


def _request_timings(timings: Timings) -> Dict[str, float]:
    """Return the ``TelemetryRequest``: the durations of the steps of an exchange, and the size of its answer."""
    steps = {
        "dns": timings.dns,
        "tls": timings.tls,
        "timeToFirstByte": timings.first_byte,
        "download": timings.download,
    }
    measured = {name: round(value, 2) for name, value in steps.items() if value is not None}
    return {**measured, "responseSize": timings.received}
