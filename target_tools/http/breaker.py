"""A circuit breaker per origin: calls fail at once while the origin is down.

The circuit of an origin opens if enough recent calls failed and they are a large enough share of all recent calls.
While it is open, calls fail before a socket is touched. After a cooldown a few calls are let through as probes; the
first probe that the origin answers closes the circuit.

Only failures of the origin count: no connection, no trusted TLS connection, no answer in time, and the statuses 502,
503 and 504 of a gateway. A status 500 or 4xx is an answer to one request, so a visitor cannot open the circuit for
others.

Nothing here takes a lock. Every state change is one atomic dict operation, so concurrent threads agree on it, and a
signal handler that raises leaves the circuit usable.
"""

import functools
import random
from typing import Callable, Dict, NamedTuple, Optional, Tuple

from target_tools.clock import Deadline, monotonic
from target_tools.concurrency.lock_free import BoundedTable, Counter, Once
from target_tools.errors import (
    CircuitOpen,
    ConnectionFailed,
    DeadlineExceeded,
    DeliveryError,
    InvalidResponse,
    TlsError,
)
from target_tools.http.messages import HttpReply, HttpRequest, Origin, Send
from target_tools.http.policies import BreakerPolicy

#: Statuses by which a gateway reports that the origin is down.
FAILING_STATUSES = frozenset({502, 503, 504})
#: The timeout of a probe, in seconds.
PROBE_SECONDS = 1.0
#: The number of windows that the breaker looks back if there were few calls.
_OLDEST_WINDOW = 6

#: Receives the outcome of a call: the cause of a failure or None if the origin answered, and the text of the cause.
_Report = Callable[[Optional[str], str], None]


class CircuitChange(NamedTuple):
    """A circuit that opened or closed."""

    #: ``scheme://host:port``.
    origin: str
    is_open: bool
    #: Failures and calls in the window when the circuit opened.
    failures: int
    calls: int
    #: The last failure: the name of an error class, or a status.
    cause: str
    #: The time that the circuit was open, in seconds; None if it has just opened.
    seconds: Optional[float] = None
    #: The message of the last failure; empty for a status.
    text: str = ""


class _Half:
    """The calls of half a window."""

    def __init__(self) -> None:
        self.successes = Counter()
        self.failures = Counter()


class _Probe(NamedTuple):
    """A call that was let through while the circuit is open."""

    slot: int
    #: The time at which the slot becomes free even if a signal handler's exception has prevented its release.
    expires_at: float


class _Outage:
    """The open state of a circuit."""

    def __init__(self, change: CircuitChange, began_at: float, next_probe_at: float) -> None:
        self.change = change
        self.began_at = began_at
        self.next_probe_at = next_probe_at
        self._probes: Dict[int, _Probe] = {}

    def begin_probe(self, now: float, limit: int) -> Optional[_Probe]:
        """Reserve one of ``limit`` slots; return None if all are in use."""
        for slot in range(limit):
            current = self._probes.get(slot)
            if current is not None and current.expires_at < now:
                self.end_probe(current)
            mine = _Probe(slot, now + 2 * PROBE_SECONDS)
            if self._probes.setdefault(slot, mine) is mine:
                return mine
        return None

    def end_probe(self, probe: _Probe) -> None:
        """Free the slot of ``probe``."""
        if self._probes.get(probe.slot) is probe:
            self._probes.pop(probe.slot, None)

    def refuses(self, now: float, limit: int) -> bool:
        """Return whether a call would be refused now."""
        if now < self.next_probe_at:
            return True
        probes = (self._probes.get(slot) for slot in range(limit))
        return all(probe is not None and probe.expires_at >= now for probe in probes)


class _Circuit:
    """The circuit of an origin until it closes after an outage. Then a new ``_Circuit`` replaces it.

    Calls that began earlier report to the old one, so their late failures cannot open the new one.
    """

    def __init__(self) -> None:
        self._halves: Dict[int, _Half] = {}
        self.opened: Once[_Outage] = Once()
        self.closed: Once[CircuitChange] = Once()

    def half(self, number: int) -> _Half:
        """Return the counts of the half-window ``number``."""
        half = self._halves.get(number)
        if half is None:
            half = self._halves.setdefault(number, _Half())
            for old in list(self._halves):
                if old <= number - 2 * _OLDEST_WINDOW:
                    self._halves.pop(old, None)
        return half

    def totals(self, number: int, enough_calls: int) -> Tuple[int, int]:
        """Return the number of failures and of calls in the window that ends with the half-window ``number``.

        If the window has fewer than ``enough_calls``, it extends into the past: a single thread that waits three
        seconds for each call makes too few calls in a window of ten seconds.
        """
        failures = calls = 0
        for counted in sorted(self._halves, reverse=True):
            half = self._halves.get(counted)
            if half is None:
                continue
            if counted < number - 1 and calls >= enough_calls:
                break
            failures += int(half.failures)
            calls += int(half.failures) + int(half.successes)
        return failures, calls


class CircuitBreaker:
    """Wraps a retrying ``Send``. Refuses calls to an origin that is down.

    A timeout counts as a failure of the origin only if the call had at least ``patience`` seconds.
    ``on_change`` is called once for each opening and closing, in the thread of the call that caused it.
    """

    def __init__(
        self,
        send: Send,
        policy: BreakerPolicy,
        patience: float,
        on_change: Callable[[CircuitChange], object] = lambda change: None,
    ) -> None:
        self._send = send
        self._policy = policy
        self._patience = patience
        self._on_change = on_change
        self._half_seconds = policy.window / 2
        self._circuits: BoundedTable[Origin, _Circuit] = BoundedTable(lambda origin: _Circuit())
        # Not the random module's own generator, which has the same state in every forked child.
        self._uniform = random.SystemRandom().uniform

    def __call__(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
        circuit = self._circuit(request.origin)
        outage = circuit.opened.get()
        if outage is not None:
            return self._probe(circuit, outage, request, deadline)
        counts = deadline.seconds >= self._patience and deadline.remaining() >= self._patience / 2
        return self._watch(request, deadline, counts, functools.partial(self._count, circuit, request.origin))

    def is_open(self, origin: Origin) -> bool:
        """Return whether a call to ``origin`` would be refused now."""
        circuit = self._circuits.peek(origin)
        if circuit is None or circuit.closed.get() is not None:
            return False
        outage = circuit.opened.get()
        return outage is not None and outage.refuses(monotonic(), self._policy.probes)

    def states(self) -> Dict[str, str]:
        """Return the state of each circuit by origin: ``closed``, ``open``, or ``half-open`` if a probe is due."""
        states = {}
        for origin, circuit in self._circuits.items():
            outage = None if circuit.closed.get() is not None else circuit.opened.get()
            is_half_open = outage is not None and monotonic() >= outage.next_probe_at
            states[str(origin)] = "closed" if outage is None else "half-open" if is_half_open else "open"
        return states

    def _circuit(self, origin: Origin) -> _Circuit:
        circuit = self._circuits.get(origin)
        if circuit.closed.get() is not None:
            self._circuits.drop(origin)
            circuit = self._circuits.get(origin)
        return circuit

    def _watch(self, request: HttpRequest, deadline: Deadline, late_counts: bool, report: _Report) -> HttpReply:
        """Send the request. Report the outcome, except for errors that say nothing about the state of the origin."""
        try:
            reply = self._send(request, deadline)
        except DeliveryError as error:
            if isinstance(error, InvalidResponse):
                report(None, "")
            elif _is_failure(error, late_counts):
                report(type(error).__name__, error.message)
            raise
        report(str(reply.status) if reply.status in FAILING_STATUSES else None, "")
        return reply

    def _count(self, circuit: _Circuit, origin: Origin, cause: Optional[str], text: str) -> None:
        """Count a call through the closed circuit, and open it if too many failed."""
        now = monotonic()
        number = int(now / self._half_seconds)
        half = circuit.half(number)
        if cause is None:
            half.successes.add()
            return
        half.failures.add()
        failures, calls = circuit.totals(number, self._policy.failures)
        if failures < self._policy.failures or failures < self._policy.rate * calls:
            return
        if circuit.opened.get() is None:
            change = CircuitChange(str(origin), True, failures, calls, cause, text=text)
            if circuit.opened.set(_Outage(change, now, now + self._cooldown())):
                self._on_change(change)

    def _probe(self, circuit: _Circuit, outage: _Outage, request: HttpRequest, deadline: Deadline) -> HttpReply:
        """Let the call through as a probe, or raise ``CircuitOpen``."""
        now = monotonic()
        wait = outage.next_probe_at - now
        if wait > 0:
            raise _refusal(outage, f"next attempt in {wait:.1f} s")
        probe = outage.begin_probe(now, self._policy.probes)
        if probe is None:
            raise _refusal(outage, "waiting for the attempts under way")
        try:
            # If a probe had little time, its timeout does not renew the cooldown, because the origin may be up.
            counts = deadline.remaining() >= min(self._patience, PROBE_SECONDS) / 2
            report = functools.partial(self._conclude, circuit, outage)
            return self._watch(request, deadline.at_most(PROBE_SECONDS), counts, report)
        finally:
            outage.end_probe(probe)

    def _conclude(self, circuit: _Circuit, outage: _Outage, cause: Optional[str], text: str) -> None:
        """Close the circuit after a successful probe; renew the cooldown after a failed one."""
        now = monotonic()
        if cause is not None:
            outage.next_probe_at = now + self._cooldown()
            return
        change = outage.change._replace(is_open=False, seconds=now - outage.began_at)
        if circuit.closed.set(change):
            self._on_change(change)

    def _cooldown(self) -> float:
        # Jitter: the processes of an application must not all probe at the same moment.
        return self._policy.cooldown * self._uniform(0.8, 1.2)


def is_outage(error: DeliveryError) -> bool:
    """Return whether a call failed because the origin seems to be down."""
    return isinstance(error, (ConnectionFailed, DeadlineExceeded, TlsError)) or error.status in FAILING_STATUSES


def _is_failure(error: DeliveryError, late_counts: bool) -> bool:
    """Return whether ``error`` shows that the origin is down."""
    if isinstance(error, DeadlineExceeded):
        return late_counts
    # Phase "refused": a proxy or this process refused the connection, not the origin.
    if isinstance(error, ConnectionFailed):
        return late_counts if error.within is not None else error.phase != "refused"
    return isinstance(error, TlsError)


def _refusal(outage: _Outage, outlook: str) -> CircuitOpen:
    change = outage.change
    error = CircuitOpen(f"{change.origin}: circuit open after {change.failures} failures; {outlook}")
    error.origin = change.origin
    return error
