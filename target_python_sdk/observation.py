"""Measures calls, and passes each finished one to the observers of the application.

Each call is passed on exactly once, in the ``contextvars`` context of the call, after its outcome is known and before
its callback runs. This includes calls that never began, because the queue was full or the client was closed.

Errors of observers do not affect calls. The first error of each observer is logged, and so is the first time that it
is slow. Calls that an observer makes are not passed to the same observer, so there is no endless recursion.
"""

from contextvars import ContextVar
from functools import partial
from typing import Callable, Iterable, List, Optional, Sequence, Tuple, TypeVar

from target_python_sdk.artifact.update import PollOutcome
from target_python_sdk.decisioning.offer import Display
from target_python_sdk.delivery.exchange import EdgeAnswer
from target_python_sdk.delivery.prepare import PreparedRequest
from target_python_sdk.events import CIRCUIT_CLOSED, CIRCUIT_OPENED
from target_python_sdk.observers import CallStart, Finish, Observed, Observer
from target_python_sdk.offers import Offer, offers_of
from target_python_sdk.protocol import DEFAULT_GLOBAL_MBOX
from target_python_sdk.types import DeliveryRequest, TargetDeliveryResponse
from target_tools.attributes_provider import AttributesProvider
from target_tools.clock import Deadline, monotonic
from target_tools.concurrency.lock_free import Counter
from target_tools.enums import DecisioningMethod
from target_tools.errors import DeliveryError, TargetError
from target_tools.foreign_errors import is_from_signal_handler
from target_tools.http.breaker import CircuitChange
from target_tools.http.messages import HttpReply, HttpRequest, Send
from target_tools.logger import Log

ResultT = TypeVar("ResultT")
ArgumentT = TypeVar("ArgumentT")

#: Seconds after which an observer counts as slow.
SLOW_SECONDS = 0.1

#: The observers that are running in this context.
_RUNNING: "ContextVar[Tuple[Observer, ...]]" = ContextVar("running observers of target_python_sdk", default=())


class Observation:
    """Passes the calls of one client in one process to its observers."""

    def __init__(self, observers: Sequence[Observer], log: Log) -> None:
        #: The observers, each with its method ``start``, if it has one.
        self.observers = [(observer, _start_of(observer)) for observer in observers]
        self._log = log
        #: How often observers were slow, and how often they raised an error.
        self.slow = Counter()
        self.failed = Counter()

    def measure(
        self, kind: str, prepared: PreparedRequest, is_on_device: bool, displays: Sequence[Display] = ()
    ) -> "MeasuredCall":
        """Return a measured call that has not begun. ``displays`` are the displays that the call reports."""
        return MeasuredCall(self, kind, prepared, is_on_device, displays)

    def observe_download(self, job: Callable[[Send], PollOutcome], send: Send) -> PollOutcome:
        """Run ``job``, a download of the rule artifact. ``PollOutcome.pass_on`` passes its outcome to the observers."""
        started = StartedObservers(self)
        replies: List[HttpReply] = []

        def send_and_keep(request: HttpRequest, deadline: Deadline) -> HttpReply:
            reply = send(request, deadline)
            replies[:] = [reply]
            return reply

        began = monotonic()
        try:
            started.start(CallStart("artifact"))
            began = monotonic()
            outcome = job(send_and_keep)
        except TargetError as error:
            outcome = PollOutcome(error=error)
        except BaseException as error:
            started.finish(Observed("artifact", seconds=monotonic() - began, error=error))
            raise
        observed = _observed_download(replies, monotonic() - began, outcome.error)
        return outcome._replace(pass_on=partial(started.finish, observed))

    def circuit_changed(self, change: CircuitChange) -> None:
        """Pass a change of a circuit to the observers, without calling their ``start``."""
        kind = CIRCUIT_OPENED if change.seconds is None else CIRCUIT_CLOSED
        observed = Observed(kind, seconds=change.seconds or 0.0, origin=change.origin)
        started = StartedObservers(self)
        started.start(None)
        started.finish(observed)

    def call(
        self, observer: Observer, function: Callable[[ArgumentT], ResultT], argument: ArgumentT
    ) -> Optional[ResultT]:
        """Call ``function`` of an observer, and return its result; None if it raises."""
        token = _RUNNING.set((*_RUNNING.get(), observer))
        began = monotonic()
        try:
            return function(argument)
        except Exception as error:
            if is_from_signal_handler(error):
                raise
            self.failed.add()
            if self._log.first_time(("observer raised", id(observer))):
                self._log.exception("The observer %s raised; later errors of it are only counted", _name_of(observer))
            return None
        finally:
            _RUNNING.reset(token)
            seconds = monotonic() - began
            if seconds > SLOW_SECONDS:
                self.slow.add()
                if self._log.first_time(("slow observer", id(observer))):
                    text = "The observer %s took %.0f ms, which delayed a call; later delays are only counted"
                    self._log.warning(text, _name_of(observer), seconds * 1000)


class StartedObservers:
    """The observers that wait for the outcome of one call."""

    __slots__ = ("_observation", "_waiting")

    def __init__(self, observation: Observation) -> None:
        self._observation = observation
        self._waiting: List[Tuple[Observer, Callable[[Observed], object]]] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def start(self, call: Optional[CallStart]) -> None:
        """Tell the observers that ``call`` starts. For a change of a circuit, which has no start, ``call`` is None.

        If an observer is interrupted, those before it still get the outcome.
        """
        running = _RUNNING.get()
        for observer, start in self._observation.observers:
            if any(each is observer for each in running):
                continue
            finish: Finish = observer
            if start is not None and call is not None:
                finish = self._observation.call(observer, start, call)
            if finish is not None:
                self._waiting.append((observer, finish))

    def finish(self, observed: Observed) -> None:
        """Pass the outcome to the observers, the last one first, so that their contexts nest.

        If one is interrupted, for example by ``KeyboardInterrupt``, the others still get the outcome.
        """
        if self._waiting:
            observer, finish = self._waiting.pop()
            try:
                self._observation.call(observer, finish, observed)
            finally:
                self.finish(observed)


class MeasuredCall:
    """One call, from its start until its outcome is passed on."""

    __slots__ = ("_displays", "_is_on_device", "_kind", "_observation", "_observers", "_prepared", "_seconds", "answer")

    def __init__(
        self,
        observation: Observation,
        kind: str,
        prepared: PreparedRequest,
        is_on_device: bool,
        displays: Sequence[Display],
    ) -> None:
        self._observation = observation
        self._observers: Optional[StartedObservers] = None
        self._kind = kind
        self._prepared = prepared
        #: Whether the call was decided, or is going to be decided, in this process.
        self._is_on_device = is_on_device
        self._displays = displays
        #: The duration of the execution; 0 if the call never began.
        self._seconds = 0.0
        #: The answer of the edge, with the timings of its exchange.
        self.answer: Optional[EdgeAnswer] = None

    def run(self, function: Callable[[], ResultT]) -> ResultT:
        """Execute the call."""
        self._start()
        began = monotonic()
        try:
            return function()
        finally:
            self._seconds = monotonic() - began

    def run_and_end(self, function: Callable[[], ResultT]) -> ResultT:
        """Execute the call, and pass its outcome on."""
        try:
            value = self.run(function)
        except BaseException as error:
            self.end(None, error)
            raise
        self.end(value, None)
        return value

    def end(self, value: object, error: Optional[BaseException]) -> None:
        """Pass the outcome on: the value that the call returned, or the error that it raised."""
        observers = self._start() if self._observers is None else self._observers
        if not observers:
            return
        envelope = value.offers_response if isinstance(value, AttributesProvider) else value
        offers: Tuple[Offer, ...] = ()
        status, attempts, timings = None, 0, None
        if isinstance(envelope, TargetDeliveryResponse):
            error, offers, status = envelope.error, tuple(offers_of(envelope.response)), envelope.response.status
            self._is_on_device = envelope.meta["decisioning_method"] == DecisioningMethod.ON_DEVICE.value
        if self.answer is not None and error is None:
            status, attempts, timings = self.answer.status, self.answer.attempts, self.answer.timings
        if isinstance(error, DeliveryError):
            status, attempts = error.status or status, error.attempts
        observed = Observed(
            self._kind, self._locations, self._decided_by, self._seconds, attempts, status, error, offers,
            self._prepared.is_new_visitor(), timings, self._prepared.request.request_id, self._prepared.session_id,
        )  # fmt: skip
        observers.finish(observed)

    def _start(self) -> StartedObservers:
        observers = self._observers = StartedObservers(self._observation)
        observers.start(CallStart(self._kind, self._locations, self._decided_by, self._prepared.request.request_id))
        return observers

    @property
    def _locations(self) -> Tuple[str, ...]:
        return locations_of(self._prepared.request, self._displays)

    @property
    def _decided_by(self) -> str:
        method = DecisioningMethod.ON_DEVICE if self._is_on_device else DecisioningMethod.SERVER_SIDE
        return method.value


def _observed_download(replies: List[HttpReply], seconds: float, error: Optional[BaseException]) -> Observed:
    """Return the observation of a download. There is no reply if a file was read, or if no server was reached."""
    attempts, status, timings = 0, None, None
    if replies:
        attempts, status, timings = replies[0].attempts, replies[0].status, replies[0].timings
    elif isinstance(error, DeliveryError):
        attempts, status = error.attempts, error.status
    return Observed("artifact", (), None, seconds, attempts, status, error, timings=timings)


def locations_of(request: DeliveryRequest, displays: Sequence[Display] = ()) -> Tuple[str, ...]:
    """Return the names of the mboxes and views of a request, of its notifications and of ``displays``, each once."""
    names: List[Optional[str]] = []
    for part in (request.execute, request.prefetch):
        if part is not None:
            names += [DEFAULT_GLOBAL_MBOX] if part.page_load is not None else []
            names += _names(part.mboxes)
            names += _names(getattr(part, "views", None))
    for notification in request.notifications or ():
        names += [DEFAULT_GLOBAL_MBOX] if notification.page_load is not None else []
        names += _names([notification.mbox, notification.view])
    names += [display.mbox for display in displays]
    return tuple(dict.fromkeys(str(name) for name in names if name))


def _start_of(observer: Observer) -> Optional[Callable[[CallStart], Finish]]:
    """Return the method ``start`` of an observer. The class must have it, because a ``Mock`` has every attribute."""
    return getattr(observer, "start", None) if hasattr(type(observer), "start") else None


def _names(parts: Optional[Iterable[object]]) -> List[Optional[str]]:
    return [getattr(part, "name", None) for part in parts or ()]


def _name_of(observer: Observer) -> str:
    """Return the name of a function. For an observer of another kind, return the name of its class."""
    return getattr(observer, "__qualname__", None) or type(observer).__qualname__
