"""Reports circuits that open and close: one log line and one event each."""

from typing import Callable

from target_python_sdk.events import CIRCUIT_CLOSED, CIRCUIT_OPENED, CircuitClosed, CircuitOpened
from target_tools.event_provider import EventProvider
from target_tools.http.breaker import CircuitChange
from target_tools.logger import Log


def circuit_reporter(events: EventProvider, log: Log) -> Callable[[CircuitChange], None]:
    """Return the function that logs a change and emits its event."""

    def report(change: CircuitChange) -> None:
        origin, _, failures, calls, cause, seconds = change
        opened: CircuitOpened = {"origin": origin, "failures": failures, "calls": calls, "cause": cause}
        if seconds is None:
            text = "Circuit of %s opened after %d failures in %d calls; the last was %s"
            log.warning(text, origin, failures, calls, cause)
            events.emit(CIRCUIT_OPENED, opened)
        else:
            log.info("Circuit of %s closed after %.1f s", origin, seconds)
            closed: CircuitClosed = {**opened, "open_seconds": seconds}
            events.emit(CIRCUIT_CLOSED, closed)

    return report
