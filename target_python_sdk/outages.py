"""Logs each outage of an origin in two lines, however many calls and notifications fail.

The first line names the cause. It is logged when a call is answered without offers, a notification is lost, or the
circuit opens, whichever is first. A call that raises an exception is not logged, because its caller gets the error.

Later failures are logged at DEBUG until the origin answers again. Only a failure with a new cause is logged like the
first one, unless the circuit is open.

The second line is logged when the circuit closes. If the circuit never opened, the second line is logged only if
notifications were lost.
"""

from typing import TYPE_CHECKING, Dict, Optional

from target_python_sdk.events import CIRCUIT_CLOSED, CIRCUIT_OPENED, CircuitClosed, CircuitOpened
from target_tools.clock import Deadline, monotonic
from target_tools.concurrency.lock_free import MAX_ENTRIES, Counter, Once
from target_tools.errors import CircuitOpen, DeliveryError, HttpStatusError
from target_tools.event_provider import EventProvider
from target_tools.http.breaker import CircuitChange
from target_tools.http.messages import Origin
from target_tools.logger import Log

if TYPE_CHECKING:  # few applications have observers
    from target_python_sdk.observation import Observation


class _Outage:
    """The failures of an origin since its last answer."""

    def __init__(self) -> None:
        self.began_at = monotonic()
        self.circuit_is_open = False
        #: Set by the first failure that is logged.
        self.first: Once[object] = Once()
        self._causes: Dict[str, object] = {}
        #: The number of lost requests with notifications.
        self.lost = Counter()

    def is_new_cause(self, cause: str) -> bool:
        """Return True the first time that it is called with ``cause``."""
        mine = object()
        return self._causes.setdefault(cause, mine) is mine


class OutageLog:
    """The outages of one client in one process."""

    def __init__(self, events: EventProvider, log: Log, observation: "Optional[Observation]" = None) -> None:
        self._events = events
        self._observation = observation
        self._log = log
        #: The current outages, by origin.
        self.origins: Dict[str, _Outage] = {}
        #: When the last outage of each origin ended. A call that began before that time can still fail after it.
        self._ended_at: Dict[str, float] = {}

    def is_first(self, origin: str, error: DeliveryError, is_lost: bool = False) -> bool:
        """Return whether to log a failure of ``origin``. ``is_lost`` is True if a notification was lost."""
        outage = self._outage(origin)
        if is_lost:
            outage.lost.add()
        if isinstance(error, CircuitOpen):
            return False  # the opening of the circuit has been logged
        if error.began_at is not None and error.began_at < self._ended_at.get(origin, 0.0):
            return False  # a late failure of the previous outage
        cause = str(error.status) if isinstance(error, HttpStatusError) else type(error).__name__
        is_new_cause = outage.is_new_cause(cause)
        return outage.first.set(error) or (is_new_cause and not outage.circuit_is_open)

    def answered(self, origin: Origin, deadline: Deadline) -> None:
        """End the outage of ``origin``, unless the answered call began before the outage, or the circuit is open."""
        name = str(origin)
        outage = self.origins.get(name)
        if outage is not None and not outage.circuit_is_open and outage.began_at <= deadline.at - deadline.seconds:
            self._end(name)

    def change_circuit(self, change: CircuitChange) -> None:
        """Log that a circuit opens or closes, and emit an event."""
        origin = change.origin
        failures, calls, cause = change.failures, change.calls, change.cause
        opened: CircuitOpened = {"origin": origin, "failures": failures, "calls": calls, "cause": cause}
        if change.seconds is None:
            outage = self._outage(origin)
            outage.circuit_is_open = True
            # The opening is logged at DEBUG if the outage has been logged already.
            write = self._log.warning if outage.first.set(change) else self._log.debug
            text = "Circuit of %s opened after %d failures in %d calls; the last was %s"
            write(text, origin, failures, calls, f"{cause}: {change.text}" if change.text else cause)
            self._events.emit(CIRCUIT_OPENED, opened)
        else:
            lost = self._take_lost(origin)
            if lost:
                text = "Circuit of %s closed after %.1f s; requests with notifications that were lost: %d"
                self._log.warning(text, origin, change.seconds, lost)
            else:
                self._log.info("Circuit of %s closed after %.1f s", origin, change.seconds)
            closed: CircuitClosed = {**opened, "open_seconds": change.seconds}
            self._events.emit(CIRCUIT_CLOSED, closed)
        if self._observation is not None:
            self._observation.circuit_changed(change)

    def close(self) -> None:
        """Report the notifications that were lost in outages that have not ended."""
        for origin in list(self.origins):
            self._end(origin)

    def _outage(self, origin: str) -> _Outage:
        outage = self.origins.get(origin)
        if outage is None:
            if len(self.origins) >= MAX_ENTRIES:
                self._end(next(iter(list(self.origins)), origin))
            outage = self.origins.setdefault(origin, _Outage())
        return outage

    def _end(self, origin: str) -> None:
        lost = self._take_lost(origin)
        if lost:
            self._log.error("Requests with notifications that were lost in the outage of %s: %d", origin, lost)

    def _take_lost(self, origin: str) -> int:
        """Forget the outage of ``origin``, and return the number of lost requests with notifications."""
        outage = self.origins.pop(origin, None)
        if len(self._ended_at) >= MAX_ENTRIES:
            self._ended_at.clear()
        self._ended_at[origin] = monotonic()
        return 0 if outage is None else int(outage.lost)


def one_line(error: Exception) -> str:
    """Return the class and the message of an error, for the log."""
    if not isinstance(error, DeliveryError):
        return type(error).__name__
    return f"{type(error).__name__}: {'; '.join(error.message.splitlines())}"
