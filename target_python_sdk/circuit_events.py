"""Reports circuits that open and close: one log line and one event each."""

from typing import Callable

from target_tools.event_provider import EventProvider
from target_tools.http.breaker import CircuitChange
from target_tools.logger import Log

CIRCUIT_OPENED = "circuit_opened"
CIRCUIT_CLOSED = "circuit_closed"


def circuit_reporter(events: EventProvider, log: Log) -> Callable[[CircuitChange], None]:
    """Return the function that logs a change and emits its event."""

    def report(change: CircuitChange) -> None:
        payload = {
            "origin": change.origin,
            "failures": change.failures,
            "calls": change.calls,
            "cause": change.cause,
        }
        if change.is_open:
            log.warning(
                "Circuit of %s opened after %d failures in %d calls; the last was %s",
                change.origin,
                change.failures,
                change.calls,
                change.cause,
            )
            events.emit(CIRCUIT_OPENED, payload)
        else:
            log.info("Circuit of %s closed after %.1f s", change.origin, change.seconds)
            events.emit(CIRCUIT_CLOSED, {**payload, "open_seconds": change.seconds})

    return report
