"""One call with a prepared request, executed in the caller's thread or by a worker.

Errors in the options are raised while the call is prepared, in the caller's thread. The rest is the same for
blocking calls, calls with a callback and awaited calls, and for both the edge and on-device decisions.
"""

from typing import Callable, Generic, Optional, TypeVar

from target_python_sdk.artifact.update import CurrentArtifact
from target_python_sdk.decisioning.engine import NO_REMOTE_PARTS, RemoteParts
from target_python_sdk.delivery.call_options import Call
from target_python_sdk.delivery.exchange import delivery_request
from target_python_sdk.delivery.geo import geo_from_request, look_up, needs_lookup
from target_python_sdk.delivery.pipeline import (
    CallResult,
    artifact_not_available,
    decide_on_device,
    default_envelope,
    parts_for_the_edge,
    request_edge,
)
from target_python_sdk.delivery.prepare import prepare_request
from target_python_sdk.events import GEO_LOCATION_UPDATED, GeoLocationUpdated
from target_python_sdk.notifications import queue_notifications
from target_python_sdk.runtime import Runtime
from target_python_sdk.types import TargetDeliveryResponse
from target_tools.clock import Deadline
from target_tools.concurrency.tasks import AsyncResult, CallbackTask, TimeLimit
from target_tools.enums import DecisioningMethod
from target_tools.errors import DeadlineExceeded, DeliveryError, HttpStatusError
from target_tools.http.messages import HttpRequest
from target_tools.schema.model import deep_copy

ResultT = TypeVar("ResultT")


class PreparedCall(Generic[ResultT]):
    """A call that is ready to be executed. ``convert`` turns its envelope into the result of the method."""

    def __init__(self, call: Call, runtime: Runtime, convert: Callable[[TargetDeliveryResponse], ResultT]) -> None:
        self._call = call
        self._runtime = runtime
        self._convert = convert
        #: Emptied when the failure of the call is counted.
        self._uncounted = [True]
        prepared = self._prepared = prepare_request(call, runtime.settings, runtime.location_hint, runtime.log)
        counters = runtime.counters
        counters.calls.add()
        if prepared.refused_hints:
            counters.invalid_hints.add(prepared.refused_hints)
        #: The request to the edge; None for an on-device decision.
        self._http: Optional[HttpRequest] = None
        #: The artifact of an on-device decision, if it is available yet.
        self._artifact: Optional[CurrentArtifact] = None
        self._remote = self._parts_for_the_edge(call.decisioning_method)
        if self._remote is not None:
            self._http = delivery_request(prepared, runtime.settings)

    def _parts_for_the_edge(self, method: DecisioningMethod) -> Optional[RemoteParts]:
        """Return the parts for which the edge is needed; None for an on-device decision."""
        if method is DecisioningMethod.SERVER_SIDE:
            return NO_REMOTE_PARTS
        current = self._artifact = self._runtime.current_artifact()
        if method is DecisioningMethod.ON_DEVICE:
            return None
        return parts_for_the_edge(self._prepared.request, None if current is None else current.artifact)

    def execute(self) -> ResultT:
        """Return the result of the call. Its timeout begins now."""
        runtime = self._runtime
        try:
            result = self._decide_on_device() if self._http is None else self._request_edge(self._http)
        except DeliveryError as error:
            self._count_failure(error)
            if isinstance(error, HttpStatusError) and not runtime.settings.log_payloads:
                from target_python_sdk.delivery.personal_data import personal_values  # noqa: PLC0415 - failures only

                error.mask(personal_values(self._prepared))
            if runtime.settings.on_error == "raise":
                raise
            return self._default_result(error)
        if result.geo is not None:
            updated: GeoLocationUpdated = {"geo_context": result.geo}
            runtime.events.emit(GEO_LOCATION_UPDATED, updated)
        if result.pending_notifications is not None:
            queue_notifications(result.pending_notifications, runtime)
        return self._convert(result.envelope)

    def _decide_on_device(self) -> CallResult:
        runtime, prepared = self._runtime, self._prepared
        current, deadline = self._artifact, None
        if current is None:
            deadline = Deadline.after(self._call.timeout)
            current = runtime.first_artifact(deadline.remaining())
        if current is None:
            raise artifact_not_available(prepared) from runtime.last_download_error()
        geo = geo_from_request(prepared.request)
        looked_up = None
        if geo is not None and current.artifact.geo_targeting_enabled and needs_lookup(geo):
            deadline = deadline or Deadline.after(self._call.timeout)
            looked_up = look_up(geo, runtime.on_device_context.geo_service, runtime.send, deadline)
        return decide_on_device(prepared, current, runtime.on_device_context, geo, looked_up)

    def _request_edge(self, http: HttpRequest) -> CallResult:
        runtime, remote = self._runtime, self._remote
        deadline = Deadline.after(self._call.timeout)
        remote = NO_REMOTE_PARTS if remote is None else remote
        result = request_edge(self._prepared, http, runtime.send, deadline, remote)
        runtime.learn(result)
        return result

    def _count_failure(self, error: DeliveryError) -> None:
        """Count the failure once: a waiter can expire a call that a worker still executes."""
        try:
            self._uncounted.pop()
        except IndexError:
            return
        counters = self._runtime.counters
        counters.failures.add()
        counters.retries.add(max(0, error.attempts - 1))

    def _default_result(self, error: DeliveryError) -> ResultT:
        """Return the result of a failed call for a client with ``on_error="default"``."""
        self._runtime.log.warning("A call failed (%s); it is answered without offers", type(error).__name__)
        method = DecisioningMethod.ON_DEVICE if self._http is None else DecisioningMethod.SERVER_SIDE
        return self._convert(default_envelope(self._prepared, error, method))

    def _expire(self, begun: bool) -> ResultT:
        """End a call that no worker has answered in time."""
        settings = self._runtime.settings
        if begun:
            text = f"no answer within {self._call.timeout * 1000:.0f} ms"
        else:
            text = f"the call waited longer than {settings.queue_timeout * 1000:.0f} ms for a worker"
        error = DeadlineExceeded(text)
        error.attempts, error.request = int(begun), self._prepared.request
        self._count_failure(error)
        if settings.on_error == "default":
            return self._default_result(error)
        try:
            raise error
        finally:
            del error  # the error, its traceback and this frame would form a reference cycle

    def submit(self) -> "AsyncResult[ResultT]":
        """Let a worker execute the call. If the queue is full, the call ends at once."""
        call, runtime = self._call, self._runtime
        if self._http is None:  # the caller can change the request while the call is queued
            self._prepared = self._prepared._replace(request=deep_copy(self._prepared.request))
        limit = TimeLimit(runtime.settings.queue_timeout, call.timeout, self._expire)
        task = CallbackTask(self.execute, call.callback, call.err_callback, runtime.log, limit)
        return runtime.workers.submit_call(task)
