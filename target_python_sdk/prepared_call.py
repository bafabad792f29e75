"""One call with a prepared request: it is executed in the caller's thread or by a worker, and returns an envelope.

Errors in the options are raised while the call is prepared, in the caller's thread. The rest is the same for
blocking calls, calls with a callback and awaited calls, and for both the edge and on-device decisions.

The envelope contains the response, the cookies to set, and details for Analytics and the page.

If the edge fails in a hybrid call, this process decides what it can. The envelope contains the error, and names the
mboxes and views that were not decided.
"""

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, Generic, List, Optional, Sequence, Type, TypeVar, Union

from target_python_sdk.artifact.report import not_available
from target_python_sdk.artifact.update import CurrentArtifact, drop_tracebacks
from target_python_sdk.decisioning.engine import NO_REMOTE_PARTS, PARTIAL, RemoteParts, remote_parts
from target_python_sdk.delivery.call_options import Call
from target_python_sdk.delivery.cookies import cluster_of_edge_host, location_hint_cookie, target_cookie
from target_python_sdk.delivery.exchange import delivery_request
from target_python_sdk.delivery.on_device import (
    Decision,
    OnDeviceContext,
    after_request,
    before_decision,
    decide_on_device,
    parts_without_effect,
)
from target_python_sdk.delivery.prepare import PreparedRequest, prepare_request
from target_python_sdk.delivery.redaction import personal_values
from target_python_sdk.events import EDGE_FAILED, GEO_LOCATION_UPDATED, EdgeFailed, GeoLocationUpdated
from target_python_sdk.notifications import Method, notification_request, queue_notifications
from target_python_sdk.outages import one_line
from target_python_sdk.runtime import Runtime
from target_python_sdk.types import (
    AnalyticsResponse,
    DeliveryRequest,
    DeliveryResponse,
    ExecuteRequest,
    ExecuteResponse,
    MboxResponse,
    PageLoadResponse,
    PrefetchMboxResponse,
    PrefetchRequest,
    PrefetchResponse,
    ResponseMeta,
    TargetDeliveryResponse,
    View,
)
from target_tools.clock import Deadline, epoch_seconds, monotonic
from target_tools.concurrency.lock_free import claim
from target_tools.concurrency.tasks import AsyncResult, CallbackTask, TimeLimit
from target_tools.enums import DecisioningMethod
from target_tools.errors import ArtifactNotAvailable, DeadlineExceeded, DeliveryError, HttpStatusError
from target_tools.http.breaker import is_outage
from target_tools.http.messages import HttpRequest
from target_tools.schema.model import deep_copy

if TYPE_CHECKING:  # few applications have observers
    from target_python_sdk.observation import MeasuredCall

ResultT = TypeVar("ResultT")


class PreparedCall(Generic[ResultT]):
    """A call that is ready to be executed. ``convert`` turns its envelope into the result of the method."""

    def __init__(
        self,
        call: Call,
        runtime: Runtime,
        convert: Callable[[TargetDeliveryResponse], ResultT],
        send_notifications: Optional[Method] = None,
    ) -> None:
        self._call = call
        self._on_error = call.on_error or runtime.settings.on_error
        self._runtime = runtime
        self._convert = convert
        #: The client's ``send_notifications``, if a subclass or a test has replaced it.
        self._send_notifications = send_notifications
        #: Emptied when the failure of the call is counted.
        self._uncounted = [True]
        #: The error of the edge in a hybrid call with callbacks, until ``err_callback`` gets it.
        self._edge_errors: List[DeliveryError] = []
        #: When the execution began, on the monotonic clock.
        self._began = 0.0
        prepared = self._prepared = prepare_request(call, runtime.settings, runtime.location_hint, runtime.log)
        runtime.count_call(prepared.refused_hints)
        if prepared.is_new_visitor():
            runtime.counters.new_visitors.add()
        self._measured: Optional[MeasuredCall] = None
        #: The artifact of an on-device decision, if it is available yet.
        self._artifact: Optional[CurrentArtifact] = None
        self._remote = self._parts_for_the_edge(call.decisioning_method)
        #: The request to the edge; None for an on-device decision.
        self._http = None if self._remote is None else delivery_request(prepared, runtime.settings)

    def _parts_for_the_edge(self, method: DecisioningMethod) -> Optional[RemoteParts]:
        """If the edge decides, return the parts that cannot be decided on-device; None for an on-device decision.

        In a hybrid call, the edge decides if it is needed for any part. It also decides if there is no artifact, and
        for a preview or QA mode.
        """
        if method is DecisioningMethod.SERVER_SIDE:
            return NO_REMOTE_PARTS
        current = self._artifact = self._runtime.current_artifact()
        if method is DecisioningMethod.ON_DEVICE:
            return None
        if current is None:
            return NO_REMOTE_PARTS
        request = self._prepared.request
        remote = remote_parts(current.artifact, request)
        return remote if remote or request.qa_mode is not None or request.preview is not None else None

    def execute(self) -> ResultT:
        """Return the result of the call. Its timeout begins now."""
        if self._http is not None and _runs_event_loop() and self._runtime.log.first_time("blocked event loop"):
            text = "%s blocks the event loop that runs in this thread; await the method that ends in _async instead"
            self._runtime.log.warning(text, self._call.kind)
        measured = self._measure()
        return self._execute() if measured is None else measured.run_and_end(self._execute)

    def _measure(self) -> "Optional[MeasuredCall]":
        """Return the measured call, for observers; None if there are no observers."""
        observation = self._runtime.observation
        if observation is not None:
            self._measured = observation.measure(self._call.kind, self._prepared, self._http is None)
        return self._measured

    def _execute(self) -> ResultT:
        runtime, self._began = self._runtime, monotonic()
        try:
            if self._http is None:
                deadline = Deadline.after(self._call.timeout)
                envelope = self._decide_on_device(self._artifact or self._first_artifact(), deadline)
            else:
                envelope = self._request_edge(self._http)
        except DeliveryError as error:
            self._count_failure(error)
            if self._on_error == "raise":
                raise
            return self._default_result(error)
        finally:
            latency = runtime.on_device_latency if self._http is None else runtime.server_side_latency
            latency.add(monotonic() - self._began)
        return self._convert(envelope)

    def _first_artifact(self) -> CurrentArtifact:
        """Return the first artifact, or raise ``ArtifactNotAvailable``."""
        current = self._runtime.first_artifact(self._call.timeout)
        if current is None:
            raise self._not_available() from self._runtime.last_download_error()
        return current

    def _decide_on_device(self, current: CurrentArtifact, deadline: Deadline) -> TargetDeliveryResponse:
        runtime, prepared = self._runtime, self._prepared
        decision = self._decide(current, deadline)
        # Add the telemetry record before the notification about this decision is queued, which can then carry it.
        if runtime.telemetry is not None and self._call.consent:
            runtime.telemetry.add(prepared.request, self._began)
        if decision.geo is not None:
            runtime.events.emit(GEO_LOCATION_UPDATED, GeoLocationUpdated(geo_context=decision.geo))
        if decision.displays is not None:
            pending = notification_request(decision.prepared)
            queue_notifications(pending, decision.displays, runtime, self._send_notifications, self._call.visitor)
        ignored = parts_without_effect(prepared.request)
        for name in ignored:
            if runtime.log.first_time(f"no effect on-device: {name}"):
                runtime.log.warning("No effect on-device, because only the edge uses it: %s", name)
        return build_envelope(
            decision.prepared, decision.response, DecisioningMethod.ON_DEVICE, decision.remote, current.stale, ignored
        )

    def _decide(self, current: CurrentArtifact, deadline: Deadline) -> Decision:
        return decide_on_device(self._prepared, current, self._on_device_context(), deadline)

    def _on_device_context(self) -> OnDeviceContext:
        return self._runtime.on_device_context

    def _not_available(self) -> ArtifactNotAvailable:
        source = self._runtime.artifacts
        error = not_available("" if source is None else source.hint)
        error.request = self._prepared.request
        return error

    def _request_edge(self, http: HttpRequest) -> TargetDeliveryResponse:
        runtime, prepared, current = self._runtime, self._prepared, self._artifact
        deadline = Deadline.after(self._call.timeout)
        if current is None:
            answer = runtime.request_edge(prepared, http, runtime.send, deadline)
        else:
            try:
                answer = runtime.request_edge(prepared, http, runtime.send, before_decision(deadline))
            except DeliveryError as error:
                return self._decide_without_edge(current, deadline, error)
        if self._measured is not None:
            self._measured.answer = answer
        if runtime.telemetry is not None:
            runtime.telemetry.add_answer(prepared.request, self._began, answer)
        runtime.learn(answer)
        remote = NO_REMOTE_PARTS if self._remote is None else self._remote
        return build_envelope(prepared, answer.response, DecisioningMethod.SERVER_SIDE, remote)

    def _decide_without_edge(
        self, current: CurrentArtifact, deadline: Deadline, error: DeliveryError
    ) -> TargetDeliveryResponse:
        """Decide the parts of a hybrid call that need no edge, after the edge failed."""
        self._count_failure(error)
        envelope = self._decide_on_device(current, after_request(deadline))
        envelope.response.status = PARTIAL
        drop_tracebacks(error)  # the traceback leads to the caller's frame, which refers to the envelope: a cycle
        envelope.error = error
        self._log_failure("The edge failed; a hybrid call is decided without it (request %s): %s", error)
        remote = envelope.meta
        self._runtime.events.emit(
            EDGE_FAILED,
            EdgeFailed(error=error, remote_mboxes=remote["remote_mboxes"], remote_views=remote["remote_views"]),
        )
        if self._call.callback is not None and self._call.err_callback is not None:
            self._edge_errors.append(error)
        return envelope

    def _run_callbacks(self, result: ResultT) -> object:
        """Pass the edge's error to ``err_callback``, if there is one, and then the result to ``callback``."""
        call = self._call
        if self._edge_errors and call.err_callback is not None:
            try:
                call.err_callback(self._edge_errors.pop())
            except Exception:
                self._runtime.log.exception("A callback raised")
        return None if call.callback is None else call.callback(result)

    def _count_failure(self, error: DeliveryError) -> None:
        """Count the failure once, although a waiter can expire a call that a worker is still executing."""
        if isinstance(error, HttpStatusError) and not self._runtime.settings.log_payloads:
            error.mask(personal_values(self._prepared))
        if not claim(self._uncounted):
            return
        self._runtime.count_failure(error)
        self._runtime.counters.retries.add(max(0, error.attempts - 1))

    def _default_result(self, error: DeliveryError) -> ResultT:
        """Return the result of a failed call for ``on_error="default"``: no offers, but the cookies and the error."""
        text = "A call failed (request %s); it is answered without offers: %s"
        if self._call.kind == "send_notifications":
            text = "A call failed (request %s); its notifications were not delivered: %s"
        self._log_failure(text, error)
        envelope = self._envelope_without_offers()
        drop_tracebacks(error)  # the traceback leads to the caller's frame, which refers to the envelope: a cycle
        envelope.error = error
        return self._convert(envelope)

    def _envelope_without_offers(self) -> TargetDeliveryResponse:
        method = DecisioningMethod.ON_DEVICE if self._http is None else DecisioningMethod.SERVER_SIDE
        return build_envelope(self._prepared, _empty_response(self._prepared.request), method)

    def _log_failure(self, text: str, error: DeliveryError) -> None:
        """Log the failure of a call: at WARNING, or at DEBUG if it belongs to an outage that is already logged."""
        runtime = self._runtime
        origin = error.origin or (None if self._http is None else str(self._http.origin))
        is_known = origin is not None and is_outage(error) and not runtime.outages.is_first(origin, error)
        write = runtime.log.debug if is_known else runtime.log.warning
        write(text, self._prepared.request.request_id, one_line(error))

    def _expire(self, begun: bool) -> ResultT:
        """End a call that no worker has answered in time."""
        settings = self._runtime.settings
        if begun:
            text = f"no answer within {self._call.timeout * 1000:.0f} ms"
        else:
            text = f"the call waited longer than {settings.queue_timeout * 1000:.0f} ms for a worker"
        error = DeadlineExceeded(text)
        error.attempts, error.request = int(begun), self._prepared.request
        error.request_id = error.request.request_id
        self._count_failure(error)
        if self._on_error == "default":
            return self._default_result(error)
        try:
            raise error
        finally:
            del error  # the error, its traceback and this frame would form a reference cycle

    def submit(self) -> "AsyncResult[ResultT]":
        """Let a worker execute the call. If the queue is full, the call ends at once."""
        call, runtime = self._call, self._runtime
        if self._http is None or self._artifact is not None:  # the caller can change the request in the meantime
            self._prepared = self._prepared.with_request(deep_copy(self._prepared.request))
        limit = TimeLimit(runtime.settings.queue_timeout, call.timeout, self._expire)
        callback = self._run_callbacks if self._artifact is not None and self._http is not None else call.callback
        measured = self._measure()
        if measured is None:
            task = CallbackTask(self._execute, callback, call.err_callback, runtime.log, limit)
        else:
            function = partial(measured.run, self._execute)
            task = CallbackTask(function, callback, call.err_callback, runtime.log, limit, measured.end)
        return runtime.workers.submit_call(task)


def _runs_event_loop() -> bool:
    """Return whether asyncio runs in this thread; False in a notebook, whose cells all run in an event loop."""
    get_running_loop = getattr(sys.modules.get("asyncio.events"), "_get_running_loop", None)
    return get_running_loop is not None and get_running_loop() is not None and "ipykernel" not in sys.modules


# The envelope


def build_envelope(  # noqa: PLR0917 - the parts of an envelope
    prepared: PreparedRequest,
    response: DeliveryResponse,
    method: DecisioningMethod,
    remote: RemoteParts = NO_REMOTE_PARTS,
    stale: bool = False,
    ignored: Sequence[str] = (),
) -> TargetDeliveryResponse:
    """Return the envelope of a call that was decided by ``method``.

    ``remote`` names the parts that could not be decided on-device. ``stale`` means that the artifact is a cached
    copy that no download has confirmed yet. ``ignored`` names the parts of the request that had no effect.
    """
    request, session_id = prepared.request, prepared.session_id
    cluster = prepared.cluster or cluster_of_edge_host(response.edge_host)
    meta: ResponseMeta = {
        "decisioning_method": method._value_,  # faster than the property `value`
        "remote_mboxes": [*remote.mboxes],
        "remote_views": [*remote.views],
    }
    if stale:
        meta["stale"] = True
    if ignored:
        meta["ignored"] = [*ignored]
    analytics: List[AnalyticsResponse] = []
    traces: List[Dict[str, Any]] = []
    tokens: List[Dict[str, Any]] = []
    for location in locations_of(response):
        if location is None:  # an answer can contain null
            continue
        if location.analytics is not None:
            analytics.append(location.analytics)
        if location.trace:
            traces.append(location.trace)
        if location.options:
            tokens += [option.response_tokens for option in location.options if option and option.response_tokens]
    return TargetDeliveryResponse(
        visitor_state=prepared.visitor_state,
        request=request,
        target_cookie=target_cookie(session_id, _device_id(response, request), epoch_seconds()),
        target_location_hint_cookie=None if cluster is None else location_hint_cookie(cluster),
        analytics_details=analytics or None,
        trace=traces or None,
        response_tokens=tokens or None,
        meta=meta,
        response=response,
        session_id=session_id,
    )


def _device_id(response: DeliveryResponse, request: DeliveryRequest) -> Optional[str]:
    """Return the device id from the response, else from the request."""
    device_id = None if response.id is None else response.id.tnt_id
    if not (device_id and isinstance(device_id, str)) and request.id is not None:
        device_id = request.id.tnt_id
    return device_id if device_id and isinstance(device_id, str) else None


def locations_of(response: DeliveryResponse) -> List[Any]:
    """Return the mboxes, views and page loads of a response, in the order in which 1.1.0 lists their details."""
    execute, prefetch = response.execute, response.prefetch
    found: List[Any] = []
    if execute is not None:
        found.append(execute.page_load)
        found += execute.mboxes or ()
    if prefetch is not None:
        found.append(prefetch.page_load)
        found += prefetch.views or ()
        found += prefetch.mboxes or ()
    return found


def _empty_response(request: DeliveryRequest) -> DeliveryResponse:
    """Return the response that an edge without offers would send to ``request``."""
    response = DeliveryResponse(request_id=request.request_id)
    execute, prefetch = request.execute, request.prefetch
    if execute is not None:
        response.execute = ExecuteResponse(**_empty_parts(execute, MboxResponse))
    if prefetch is not None:
        views = None if prefetch.views is None else [View(view.name, view.key) for view in prefetch.views if view.name]
        response.prefetch = PrefetchResponse(views=views, **_empty_parts(prefetch, PrefetchMboxResponse))
    return response


def _empty_parts(requested: Union[ExecuteRequest, PrefetchRequest], kind: Type[MboxResponse]) -> Dict[str, Any]:
    """Return the page load and the mboxes without content."""
    mboxes = requested.mboxes
    return {
        "page_load": None if requested.page_load is None else PageLoadResponse(options=[]),
        "mboxes": None if mboxes is None else [kind(index=mbox.index, name=mbox.name) for mbox in mboxes],
    }
