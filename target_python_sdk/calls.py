"""A call on its way to its answer: in the caller's thread, or in a worker's.

Everything that can be wrong with a call is found while the call is made, in the thread
of whoever made it; what is left is to ask the edge.  That part is the same whether the
caller waits, is called back or awaits; so is a decision that this process makes itself.
"""

import contextvars
from functools import partial
from typing import Any, Callable, Dict, Generic, Optional, TypeVar

from target_python_sdk.artifact_source import GEO_LOCATION_UPDATED, ArtifactSource
from target_python_sdk.background import send_in_background
from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.dependency import NOTHING_REMOTE, Remote
from target_python_sdk.decisioning.geo import given_geo
from target_python_sdk.delivery.call_options import Call
from target_python_sdk.delivery.here import Newest
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.delivery.pipeline import (
    Answer,
    decided,
    deliver,
    not_ready,
    only_for_the_edge,
    question_of_place,
    without_offers,
)
from target_python_sdk.delivery.prepare import prepare
from target_python_sdk.runtime import Runtime
from target_python_sdk.types import DeliveryRequest, TargetDeliveryResponse
from target_tools.async_result import AsyncResult
from target_tools.clock import Deadline, monotonic
from target_tools.enums import DecisioningMethod
from target_tools.errors import ClientClosed, DeadlineExceeded, DeliveryError, QueueFull, TargetError
from target_tools.event_provider import EventProvider
from target_tools.flow import Flow, begin, resume, run
from target_tools.logger import Log
from target_tools.model import detached
from target_tools.per_process import PerProcess
from target_tools.workers import Task

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
        self.log = runtime.log
        self.queue_timeout = settings.queue_timeout
        counters.calls.add()
        prepared = self._prepared = prepare(call, settings, runtime.location_hint, runtime.log)
        if prepared.refused_hints:
            counters.invalid_hints.add(prepared.refused_hints)
        #: The conversation with the edge; None where this process decides, which whoever answers does.
        self._flow: Optional[Flow[Answer]] = None
        #: What this process decides by, if it is there yet.
        self._newest: Optional[Newest] = None
        remote = self._only_for_the_edge(call.decisioning_method)
        if remote is not None:
            self._flow = deliver(prepared, settings, remote)
            # The first step finds what JSON cannot hold; nothing is sent by it.
            self._begun = begin(self._flow)

    def _only_for_the_edge(self, method: DecisioningMethod) -> Optional[Remote]:
        """What of the call the edge is asked for, by name; None where this process decides."""
        if method is DecisioningMethod.SERVER_SIDE:
            return NOTHING_REMOTE
        newest = self._newest = self._runtime.newest()
        if method is DecisioningMethod.ON_DEVICE:
            return None
        return only_for_the_edge(self._prepared.request, None if newest is None else newest.artifact)

    @property
    def request(self) -> DeliveryRequest:
        """The request as it goes out."""
        return self._prepared.request

    def answer(self) -> ResultT:
        """The answer; asks the edge and waits for it, from now on for as long as the call may take."""
        runtime = self._runtime
        try:
            answer = self._decided() if self._flow is None else self._delivered(self._flow)
        except DeliveryError as error:
            return self.fail(error)
        if answer.geo is not None:
            runtime.events.emit(GEO_LOCATION_UPDATED, {"geo_context": answer.geo})
        if answer.owed is not None:
            send_in_background(answer.owed, runtime)
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
        geo = given_geo(prepared.request)
        question = None if geo is None else question_of_place(geo, newest.artifact, runtime.here)
        if question is None:
            return decided(prepared, newest, runtime.here, geo)
        found = run(question, runtime.send, deadline or Deadline.after(self._call.timeout))
        return decided(prepared, newest, runtime.here, geo, found)

    def _delivered(self, flow: "Flow[Answer]") -> Answer:
        """The answer of the edge."""
        runtime = self._runtime
        answer = resume(flow, self._begun, runtime.send, Deadline.after(self._call.timeout))
        runtime.learn(answer)
        return answer

    def fail(self, error: DeliveryError) -> ResultT:
        """What a call gives that has no answer: ``error``, raised, or no offers, as the client was told."""
        counters = self._runtime.counters
        counters.failures.add()
        counters.retries.add(max(0, error.attempts - 1))
        if self._runtime.settings.on_error == "raise":
            raise error
        self.log.warning("A call failed (%s); it is answered without offers", type(error).__name__)
        method = DecisioningMethod.ON_DEVICE if self._flow is None else DecisioningMethod.SERVER_SIDE
        return self._shape(without_offers(self._prepared, error, method))

    def abandon(self) -> None:
        """Nobody will ask for the answer any more."""
        if self._flow is not None:
            self._flow.close()

    def hand_over(
        self,
        callback: Optional[Callable[[ResultT], object]] = None,
        err_callback: Optional[Callable[[BaseException], object]] = None,
    ) -> "AsyncResult[ResultT]":
        """Let a worker answer.  A queue that is full ends the call here and now."""
        if self._flow is None:  # the caller may write to the request while the call waits for its turn
            self._prepared = self._prepared._replace(request=detached(self._prepared.request))
        queued = QueuedCall(self, callback, err_callback)
        workers = self._runtime.workers
        queued.result.on_wait(lambda: workers.lend_a_hand(queued))
        try:
            workers.submit(queued)
        except QueueFull as error:
            queued.drop(error)
        return queued.result


class QueuedCall(Task, Generic[ResultT]):
    """A call that waits for a worker.  One of its callbacks runs, once, and then its result is there."""

    def __init__(
        self,
        call: OneCall[ResultT],
        callback: Optional[Callable[[ResultT], object]],
        err_callback: Optional[Callable[[BaseException], object]],
    ) -> None:
        self.result: AsyncResult[ResultT] = AsyncResult()
        self._call = call
        self._callback = callback
        self._err_callback = err_callback
        # The callback sees the context variables of whoever made the call.
        self._context = contextvars.copy_context()
        self._since = monotonic()

    def run(self, here: bool = False) -> None:
        """Answer the call and tell the caller."""
        self._context.run(self._run, here)

    def drop(self, error: Exception) -> None:
        """Tell the caller that the call ended unsent."""
        self._call.abandon()
        self._context.run(self._tell, None, error)

    def wait(self, seconds: float) -> bool:
        """Whether the caller has been told, within that time."""
        self.result.wait(seconds)
        return self.result.ready()

    def is_over(self) -> bool:
        """Whether the caller has been told."""
        return self.result.ready()

    def _run(self, here: bool) -> None:
        try:
            value = self._answer()
        except TargetError as error:
            self._tell(None, error)
        except Exception as error:
            self._tell(None, error)
            if here:
                raise  # it may be what a signal handler raised, and that is the application's
        except BaseException as error:
            self._tell(None, error)
            raise  # something ends this thread; the call is over, and so may it be
        else:
            self._tell(value, None)

    def _answer(self) -> ResultT:
        limit = self._call.queue_timeout
        if monotonic() - self._since > limit:
            self._call.abandon()
            error = DeadlineExceeded("the call waited longer than {:.0f} ms for a worker".format(limit * 1000))
            error.attempts, error.request = 0, self._call.request
            return self._call.fail(error)
        return self._call.answer()

    def _tell(self, value: Any, error: Optional[BaseException]) -> None:
        """Run the callback that was given for this end, if one was; whatever it does, the result is there."""
        callback: Optional[Callable[[Any], object]] = self._callback if error is None else self._err_callback
        log = self._call.log
        try:
            if callback is not None:
                told: Any = value if error is None else error
                self.result.tell(lambda: callback(told))
        except Exception:
            log.exception("A callback raised")
        finally:
            self.result.complete(value, error)
            # An error holds its traceback, and that this: what is not needed any more must not go along.
            del self._call, self._callback, self._err_callback, self._context
