"""A call on its way to its answer: in the caller's thread, or in a worker's.

Everything that can be wrong with a call is found while the call is made, in the thread
of whoever made it; what is left is to ask the edge.  That part is the same whether the
caller waits, is called back or awaits; so is a decision that this process makes itself.
"""

from functools import partial
from typing import Callable, Dict, Generic, Optional, TypeVar

from target_python_sdk.artifact.source import ArtifactSource
from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.dependency import NO_REMOTE_PARTS, RemoteParts
from target_python_sdk.delivery.call_options import Call
from target_python_sdk.delivery.exchange import delivery_request
from target_python_sdk.delivery.geo import geo_from_request, look_up, needs_lookup
from target_python_sdk.delivery.here import Newest
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.delivery.pipeline import (
    Answer,
    decided,
    deliver,
    not_ready,
    only_for_the_edge,
    without_offers,
)
from target_python_sdk.delivery.prepare import prepare_request
from target_python_sdk.events import GEO_LOCATION_UPDATED, GeoLocationUpdated
from target_python_sdk.notifications import queue_notifications
from target_python_sdk.runtime import Runtime
from target_python_sdk.types import TargetDeliveryResponse
from target_tools.clock import Deadline
from target_tools.concurrency.async_result import AsyncResult
from target_tools.concurrency.per_process import PerProcess
from target_tools.concurrency.tasks import CallbackTask, TimeLimit
from target_tools.enums import DecisioningMethod
from target_tools.errors import ClientClosed, DeadlineExceeded, DeliveryError
from target_tools.event_provider import EventProvider
from target_tools.http.messages import HttpRequest
from target_tools.logger import Log
from target_tools.schema.model import deep_copy

ResultT = TypeVar("ResultT")


class Calls:
    """Where a client's calls go, and what it has opened for them in this process."""

    def __init__(self, settings: ClientSettings, events: EventProvider, log: Log) -> None:
        self._settings = settings
        self._processes = PerProcess(partial(Runtime, settings, events, log), Runtime.start, Runtime.abandon)
        self.closed = False

    def start(self) -> None:
        """Get what deciding here needs before the first call."""
        if self._settings.decisioning_method is DecisioningMethod.SERVER_SIDE:
            return
        runtime = self._processes.get()
        if self._settings.decisioning_method is DecisioningMethod.ON_DEVICE:
            runtime.wait_for_artifact(self._settings.maximum_wait_ready)

    def when_ready(self, act: Callable[[], object]) -> None:
        """Do ``act`` when calls can be answered: now, or with the first artifact of a client that decides on-device."""
        if self._settings.decisioning_method is DecisioningMethod.ON_DEVICE:
            artifacts = self._processes.get().artifacts
            if artifacts is not None:
                artifacts.on_ready(act)
                return
        act()

    def begin(self, call: Call, shape: Callable[[TargetDeliveryResponse], ResultT]) -> "OneCall[ResultT]":
        """``call``, checked and ready to be sent.  ``shape`` makes of the envelope what the caller wants."""
        return OneCall(call, self._processes.get(), shape)

    def check_open(self) -> None:
        """Raise ``ClientClosed`` after ``close``."""
        if self.closed:
            raise ClientClosed("the client was closed")

    def stats(self) -> Dict[str, int]:
        """What happened in this process so far."""
        return self._processes.get().stats()

    def location_hint(self) -> Optional[str]:
        """The cluster that the edge answered from last, or the one that the client was given."""
        runtime = self._processes.current()
        return self._settings.target_location_hint if runtime is None else runtime.location_hint

    def artifacts(self) -> Optional[ArtifactSource[Artifact]]:
        """Where this process has its artifact from, if it decides."""
        return self._processes.get().artifacts

    def flush(self, timeout: Optional[float]) -> bool:
        """Whether every call of this process that was under way is over, within that many seconds."""
        runtime = self._processes.current()
        return runtime is None or runtime.workers.flush(timeout)

    def close(self, timeout: Optional[float]) -> bool:
        """Take no more calls, give those under way that many seconds, end the others, hang up."""
        self.closed = True
        runtime = self._processes.current()
        if runtime is None:
            return True
        done = runtime.workers.close(timeout, ClientClosed("the client was closed before the call was sent"))
        runtime.close()
        return done


class OneCall(Generic[ResultT]):
    """One call, ready to be sent."""

    def __init__(
        self,
        call: Call,
        runtime: Runtime,
        shape: Callable[[TargetDeliveryResponse], ResultT],
    ) -> None:
        settings, counters = runtime.settings, runtime.counters
        self._call = call
        self._runtime = runtime
        self._shape = shape
        self._uncounted = [True]
        self.log = runtime.log
        counters.calls.add()
        prepared = self._prepared = prepare_request(call, settings, runtime.location_hint, runtime.log)
        if prepared.refused_hints:
            counters.invalid_hints.add(prepared.refused_hints)
        #: The request to the edge; None where this process decides.
        self._http: Optional[HttpRequest] = None
        #: What this process decides by, if it is there yet.
        self._newest: Optional[Newest] = None
        self._remote = self._only_for_the_edge(call.decisioning_method)
        if self._remote is not None:
            self._http = delivery_request(prepared, settings)

    def _only_for_the_edge(self, method: DecisioningMethod) -> Optional[RemoteParts]:
        """What of the call the edge is asked for, by name; None where this process decides."""
        if method is DecisioningMethod.SERVER_SIDE:
            return NO_REMOTE_PARTS
        newest = self._newest = self._runtime.newest()
        if method is DecisioningMethod.ON_DEVICE:
            return None
        return only_for_the_edge(self._prepared.request, None if newest is None else newest.artifact)

    def answer(self) -> ResultT:
        """The answer; asks the edge and waits for it, from now on for as long as the call may take."""
        runtime = self._runtime
        try:
            answer = self._decided() if self._http is None else self._delivered(self._http)
        except DeliveryError as error:
            self._count_failure(error)
            if runtime.settings.on_error == "raise":
                raise
            return self._without_offers(error)
        if answer.geo is not None:
            updated: GeoLocationUpdated = {"geo_context": answer.geo}
            runtime.events.emit(GEO_LOCATION_UPDATED, updated)
        if answer.owed is not None:
            queue_notifications(answer.owed, runtime)
        return self._shape(answer.envelope)

    def _decided(self) -> Answer:
        """The answer of this process."""
        runtime, prepared = self._runtime, self._prepared
        newest, deadline = self._newest, None
        if newest is None:
            deadline = Deadline.after(self._call.timeout)
            newest = runtime.first(deadline.remaining())
        if newest is None:
            raise not_ready(prepared) from runtime.why_not_ready()
        geo = geo_from_request(prepared.request)
        found = None
        if geo is not None and newest.artifact.geo_targeting_enabled and needs_lookup(geo):
            deadline = deadline or Deadline.after(self._call.timeout)
            found = look_up(geo, runtime.here.geo_service, runtime.send, deadline)
        return decided(prepared, newest, runtime.here, geo, found)

    def _delivered(self, http: HttpRequest) -> Answer:
        """The answer of the edge."""
        runtime = self._runtime
        deadline = Deadline.after(self._call.timeout)
        answer = deliver(self._prepared, http, runtime.send, deadline, self._remote or NO_REMOTE_PARTS)
        runtime.learn(answer)
        return answer

    def _count_failure(self, error: DeliveryError) -> None:
        """Count the failure of the call, once: a waiter may expire what a worker goes on with."""
        try:
            self._uncounted.pop()
        except IndexError:
            return
        counters = self._runtime.counters
        counters.failures.add()
        counters.retries.add(max(0, error.attempts - 1))

    def _without_offers(self, error: DeliveryError) -> ResultT:
        """Return the answer to a call that failed, for a client with ``on_error="default"``."""
        self.log.warning("A call failed (%s); it is answered without offers", type(error).__name__)
        method = DecisioningMethod.ON_DEVICE if self._http is None else DecisioningMethod.SERVER_SIDE
        return self._shape(without_offers(self._prepared, error, method))

    def _expire(self, begun: bool) -> ResultT:
        """Answer a call whose time is up before a worker has answered it."""
        settings = self._runtime.settings
        if begun:
            text = f"no answer within {self._call.timeout * 1000:.0f} ms"
        else:
            text = f"the call waited longer than {settings.queue_timeout * 1000:.0f} ms for a worker"
        error = DeadlineExceeded(text)
        error.attempts, error.request = int(begun), self._prepared.request
        self._count_failure(error)
        if settings.on_error == "default":
            return self._without_offers(error)
        try:
            raise error
        finally:
            del error  # or error, traceback and frame would hold one another

    def hand_over(
        self,
        callback: Optional[Callable[[ResultT], object]] = None,
        err_callback: Optional[Callable[[BaseException], object]] = None,
    ) -> "AsyncResult[ResultT]":
        """Let a worker answer.  A queue that is full ends the call here and now."""
        if self._http is None:  # the caller may write to the request while the call waits for its turn
            self._prepared = self._prepared._replace(request=deep_copy(self._prepared.request))
        limit = TimeLimit(self._runtime.settings.queue_timeout, self._call.timeout, self._expire)
        task = CallbackTask(self.answer, callback, err_callback, self.log, limit)
        return self._runtime.workers.submit_call(task)
