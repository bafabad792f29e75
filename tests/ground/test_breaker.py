"""Circuits open and close, let probes through, and report each change once (T24)."""

import sys
import threading

import pytest

from target_tools.clock import Deadline
from target_tools.concurrency.abort import AbortableDeadline, AbortScope
from target_tools.concurrency.lock_free import MAX_ENTRIES
from target_tools.errors import (
    CircuitOpen,
    ConnectionFailed,
    DeadlineExceeded,
    DeliveryError,
    InvalidResponse,
    OptionError,
    TlsError,
)
from target_tools.http import breaker
from target_tools.http.breaker import BreakerPolicy, CircuitBreaker, CircuitChange
from target_tools.http.messages import HttpReply, HttpRequest, Origin, Timings
from tests.support import eventually, in_threads, switching_often

ORIGIN = Origin("https", "edge.example.com", 443)
#: Longer than any jittered cooldown of the default policy, shorter than two of them.
AFTER_COOLDOWN = 1.3


def request(origin=ORIGIN):
    return HttpRequest("POST", origin, "/", (), b"", 100)


def reply(status):
    return HttpReply(status, "", {}, b"", Timings())


class Edge:
    """A ``send`` function that returns or raises ``outcome``."""

    def __init__(self):
        self.outcome = reply(200)
        self.request_count = 0
        self.deadlines = []

    def __call__(self, request_, deadline):
        self.request_count += 1
        self.deadlines.append(deadline)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(breaker, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def changes():
    return []


@pytest.fixture
def edge():
    return Edge()


@pytest.fixture
def circuit_breaker(edge, changes, clock):
    return CircuitBreaker(edge, BreakerPolicy(), 0.5, changes.append)


def call(circuit_breaker, origin=ORIGIN, seconds=3.0):
    return circuit_breaker(request(origin), Deadline.after(seconds))


def expect_outcome(circuit_breaker, outcome, **options):
    """Make a call, and check that ``outcome`` is returned or raised unchanged."""
    circuit_breaker._send.outcome = outcome
    if isinstance(outcome, BaseException):
        with pytest.raises(type(outcome)) as caught:
            call(circuit_breaker, **options)
        assert caught.value is outcome
    else:
        assert call(circuit_breaker, **options) is outcome


def fail(circuit_breaker, times=5, **options):
    for _ in range(times):
        expect_outcome(circuit_breaker, ConnectionFailed("no route"), **options)


def expect_refusal(circuit_breaker, origin=ORIGIN):
    with pytest.raises(CircuitOpen) as caught:
        call(circuit_breaker, origin)
    return caught.value


def test_after_five_failures_calls_fail_before_anything_is_sent(edge, circuit_breaker):
    fail(circuit_breaker)
    for _ in range(100):
        error = expect_refusal(circuit_breaker)
    assert edge.request_count == 5
    assert error.attempts == 0


def test_the_error_names_the_origin_the_failures_and_the_next_attempt(circuit_breaker):
    circuit_breaker._uniform = lambda low, high: 0.8
    fail(circuit_breaker)
    assert str(expect_refusal(circuit_breaker)) == (
        "https://edge.example.com: circuit open after 5 failures; next attempt in 0.8 s"
    )


@pytest.mark.parametrize(
    ("outcome", "cause"),
    [
        (ConnectionFailed("x"), "ConnectionFailed"),
        (ConnectionFailed("x", "exchange"), "ConnectionFailed"),
        (DeadlineExceeded("x"), "DeadlineExceeded"),
        (TlsError("x"), "TlsError"),
        (reply(502), "502"),
        (reply(503), "503"),
        (reply(504), "504"),
    ],
)
def test_failures_of_the_origin_open_the_circuit(outcome, cause, circuit_breaker, changes):
    for _ in range(5):
        expect_outcome(circuit_breaker, outcome)
    expect_refusal(circuit_breaker)
    text = "x" if isinstance(outcome, DeliveryError) else ""
    assert changes == [CircuitChange("https://edge.example.com", True, 5, 5, cause, text=text)]


@pytest.mark.parametrize("outcome", [InvalidResponse("x"), *map(reply, (200, 302, 400, 404, 408, 429, 500, 501, 505))])
def test_other_answers_count_as_successes(outcome, edge, circuit_breaker):
    for _ in range(50):
        expect_outcome(circuit_breaker, outcome)
    assert edge.request_count == 50
    fail(circuit_breaker, 49)  # less than half of 99 calls
    expect_outcome(circuit_breaker, reply(200))
    assert edge.request_count == 100


@pytest.mark.parametrize("outcome", [ConnectionFailed("x", "refused"), OptionError("x"), RuntimeError("from a signal")])
def test_other_errors_do_not_open_the_circuit(outcome, edge, circuit_breaker, changes):
    for _ in range(10):
        expect_outcome(circuit_breaker, outcome)
    fail(circuit_breaker)
    assert [(change.failures, change.calls) for change in changes] == [(5, 5)]
    assert edge.request_count == 15


@pytest.mark.parametrize(("timeout", "remaining"), [(0.4, 0.4), (3.0, 0.2)])
def test_the_timeout_of_a_call_with_little_time_does_not_count(timeout, remaining, edge, circuit_breaker, clock):
    edge.outcome = DeadlineExceeded("late")
    short = Deadline.after(remaining)._replace(seconds=timeout)
    for _ in range(10):
        with pytest.raises(DeadlineExceeded):
            circuit_breaker(request(), short)
    assert edge.request_count == 10
    assert not circuit_breaker.is_open(ORIGIN)


def test_500_responses_between_successes_do_not_open_the_circuit(edge, circuit_breaker, changes):
    for _ in range(100):
        for _ in range(5):
            expect_outcome(circuit_breaker, reply(500))
        expect_outcome(circuit_breaker, reply(200))
    assert edge.request_count == 600
    assert changes == []


def test_a_dead_cluster_opens_only_its_own_circuit(edge, circuit_breaker, changes):
    cluster = Origin("https", "mboxedge99.example.com", 443)
    for _ in range(5):
        fail(circuit_breaker, 1, origin=cluster)
        expect_outcome(circuit_breaker, reply(200))
    expect_refusal(circuit_breaker, cluster)
    expect_outcome(circuit_breaker, reply(200))
    assert [change.origin for change in changes] == ["https://mboxedge99.example.com"]
    assert circuit_breaker.is_open(cluster)
    assert not circuit_breaker.is_open(ORIGIN)


def test_a_failure_rate_below_the_limit_does_not_open_the_circuit(edge, circuit_breaker, changes):
    for _ in range(100):
        expect_outcome(circuit_breaker, reply(200))
        expect_outcome(circuit_breaker, reply(200))
        fail(circuit_breaker, 1)
    assert edge.request_count == 300
    assert changes == []


def test_only_calls_within_the_window_count(edge, circuit_breaker, changes, clock):
    for _ in range(1000):
        expect_outcome(circuit_breaker, reply(200))
    clock[0] += 10
    fail(circuit_breaker)
    assert [(change.failures, change.calls) for change in changes] == [(5, 5)]


def test_failures_before_the_window_do_not_count_if_there_were_calls_since(edge, circuit_breaker, changes, clock):
    fail(circuit_breaker, 4)
    clock[0] += 5
    for _ in range(5):
        expect_outcome(circuit_breaker, reply(200))
    clock[0] += 5
    fail(circuit_breaker, 4)
    assert changes == []
    fail(circuit_breaker, 1)
    assert [(change.failures, change.calls) for change in changes] == [(5, 10)]


def test_a_single_thread_whose_calls_time_out_opens_the_circuit(edge, circuit_breaker, changes, clock):
    """The circuit opens although five calls of three seconds do not fit into the window of ten seconds."""
    for _ in range(5):
        expect_outcome(circuit_breaker, DeadlineExceeded("late"))
        clock[0] += 3
    assert [(change.failures, change.calls, change.cause) for change in changes] == [(5, 5, "DeadlineExceeded")]


def test_failures_far_apart_do_not_open_the_circuit(edge, circuit_breaker, changes, clock):
    for _ in range(50):
        fail(circuit_breaker, 1)
        clock[0] += 20
    assert changes == []


def test_a_custom_policy_is_applied(edge, changes, clock):
    circuit_breaker = CircuitBreaker(
        edge, BreakerPolicy(failures=2, rate=0.25, window=2.0, cooldown=10.0), 0.5, changes.append
    )
    for _ in range(6):
        expect_outcome(circuit_breaker, reply(200))
    fail(circuit_breaker, 2)
    assert [(change.failures, change.calls) for change in changes] == [(2, 8)]
    clock[0] += 7.9
    expect_refusal(circuit_breaker)
    clock[0] += 4.2
    expect_outcome(circuit_breaker, reply(200))


def test_a_probe_that_is_answered_closes_the_circuit(edge, circuit_breaker, changes, clock):
    fail(circuit_breaker)
    clock[0] += 0.7
    expect_refusal(circuit_breaker)
    assert circuit_breaker.is_open(ORIGIN)
    clock[0] += 0.6
    assert not circuit_breaker.is_open(ORIGIN)
    expect_outcome(circuit_breaker, reply(500))
    expect_outcome(circuit_breaker, reply(200))
    assert edge.request_count == 7
    opened, closed = changes
    assert closed == opened._replace(is_open=False, seconds=pytest.approx(1.3))


def test_a_probe_that_fails_renews_the_cooldown(edge, circuit_breaker, changes, clock):
    fail(circuit_breaker)
    for probes in range(1, 4):
        clock[0] += AFTER_COOLDOWN
        fail(circuit_breaker, 1)
        expect_refusal(circuit_breaker)
        assert edge.request_count == 5 + probes
    assert len(changes) == 1


def test_a_circuit_that_has_closed_counts_from_zero(circuit_breaker, changes, clock):
    fail(circuit_breaker)
    clock[0] += AFTER_COOLDOWN
    expect_outcome(circuit_breaker, reply(200))
    fail(circuit_breaker, 4)
    assert [change.is_open for change in changes] == [True, False]
    fail(circuit_breaker, 1)
    assert [(change.is_open, change.failures, change.calls) for change in changes[2:]] == [(True, 5, 5)]


def test_a_probe_takes_at_most_a_second(edge, circuit_breaker, clock):
    fail(circuit_breaker)
    clock[0] += AFTER_COOLDOWN
    expect_outcome(circuit_breaker, DeadlineExceeded("late"), seconds=30.0)
    assert edge.deadlines[-1].seconds == breaker.PROBE_SECONDS
    assert edge.deadlines[-1].remaining() <= breaker.PROBE_SECONDS
    clock[0] += AFTER_COOLDOWN
    expect_outcome(circuit_breaker, reply(200), seconds=0.8)
    assert edge.deadlines[-1].seconds == 0.8


def test_aborting_the_scope_of_a_probe_ends_its_deadline(edge, circuit_breaker, clock):
    fail(circuit_breaker)
    clock[0] += AFTER_COOLDOWN
    edge.outcome = reply(200)
    scope = AbortScope()
    circuit_breaker(request(), scope.deadline(30.0))
    limited = edge.deadlines[-1]
    assert isinstance(limited, AbortableDeadline)
    assert limited.scope is scope
    assert limited.seconds == breaker.PROBE_SECONDS
    assert limited.remaining() <= breaker.PROBE_SECONDS
    scope.abort()
    assert limited.remaining() == -1.0


def test_the_timeout_of_a_probe_with_little_time_does_not_renew_the_cooldown(edge, circuit_breaker, clock):
    fail(circuit_breaker)
    clock[0] += AFTER_COOLDOWN
    expect_outcome(circuit_breaker, DeadlineExceeded("late"), seconds=0.1)
    expect_outcome(circuit_breaker, reply(200))
    assert edge.request_count == 7


class Gate:
    """A ``send`` function whose calls wait until ``finish`` sets their outcome."""

    def __init__(self):
        self.waiting = []
        self._entered = threading.Semaphore(0)

    def __call__(self, request_, deadline):
        release, outcome = threading.Event(), []
        self.waiting.append((release, outcome))
        self._entered.release()
        release.wait(20)
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]

    def wait_for_call(self):
        return self._entered.acquire(timeout=20)

    def finish(self, outcome):
        release, outcomes = self.waiting.pop(0)
        outcomes.append(outcome)
        release.set()


class Caller(threading.Thread):
    """A thread that makes one call and keeps its outcome."""

    def __init__(self, circuit_breaker):
        super().__init__()
        self.outcome = None
        self._circuit_breaker = circuit_breaker
        self.start()

    def run(self):
        try:
            self.outcome = call(self._circuit_breaker)
        except Exception as error:  # noqa: BLE001 - checked by the test
            self.outcome = error


def calls_at_gate(circuit_breaker, count):
    """Return a gate and ``count`` threads whose calls wait at that gate."""
    gate = circuit_breaker._send = Gate()
    callers = []
    for _ in range(count):
        callers.append(Caller(circuit_breaker))
        assert gate.wait_for_call()
    return gate, callers


def test_there_are_at_most_three_simultaneous_probes(circuit_breaker, changes, clock):
    fail(circuit_breaker)
    clock[0] += AFTER_COOLDOWN
    gate, callers = calls_at_gate(circuit_breaker, 3)
    assert str(expect_refusal(circuit_breaker)).endswith("open after 5 failures; waiting for the attempts under way")
    assert circuit_breaker.is_open(ORIGIN)
    for _ in callers:
        gate.finish(reply(200))
    for caller in callers:
        caller.join()
    assert [caller.outcome.status for caller in callers] == [200, 200, 200]
    assert [change.is_open for change in changes] == [True, False]


def test_a_probe_that_ends_allows_the_next(circuit_breaker, clock):
    fail(circuit_breaker)
    clock[0] += AFTER_COOLDOWN
    gate, callers = calls_at_gate(circuit_breaker, 3)
    gate.finish(ConnectionFailed("x", "refused"))  # shows nothing about the origin
    callers[0].join()
    callers.append(Caller(circuit_breaker))
    assert gate.wait_for_call()
    expect_refusal(circuit_breaker)
    for _ in range(3):
        gate.finish(reply(200))
    for caller in callers:
        caller.join()
    assert [type(caller.outcome).__name__ for caller in callers] == ["ConnectionFailed", *["HttpReply"] * 3]


def test_calls_that_began_before_the_circuit_closed_cannot_open_it_again(circuit_breaker, changes, clock):
    gate, callers = calls_at_gate(circuit_breaker, 20)
    for _ in range(5):
        gate.finish(DeadlineExceeded("late"))
    for caller in callers[:5]:
        caller.join()
    clock[0] += AFTER_COOLDOWN
    circuit_breaker._send = Edge()
    expect_outcome(circuit_breaker, reply(200))
    for _ in range(15):
        gate.finish(DeadlineExceeded("late"))
    for caller in callers:
        caller.join()
    expect_outcome(circuit_breaker, reply(200))
    assert [change.is_open for change in changes] == [True, False]


def test_a_probe_that_a_signal_handler_interrupts_frees_its_slot(circuit_breaker, clock):
    fail(circuit_breaker)
    clock[0] += AFTER_COOLDOWN
    for _ in range(10):
        expect_outcome(circuit_breaker, KeyboardInterrupt())
    expect_outcome(circuit_breaker, reply(200))


def test_a_signal_at_any_line_does_not_prevent_probes(clock):
    """Raise at every line of the breaker during a probe; the circuit must close once the origin answers."""

    class Interrupt(Exception):
        pass

    line_count = 0
    while True:
        edge = Edge()
        circuit_breaker = CircuitBreaker(edge, BreakerPolicy(probes=1), 0.5)
        fail(circuit_breaker)
        clock[0] += AFTER_COOLDOWN
        remaining = [line_count]

        def trace(frame, event, argument, remaining=remaining):
            if frame.f_code.co_filename != breaker.__file__:
                return None
            if event == "line":
                if remaining[0] == 0:
                    raise Interrupt
                remaining[0] -= 1
            return trace

        previous = sys.gettrace()
        sys.settrace(trace)
        try:
            edge.outcome = DeadlineExceeded("late")
            call(circuit_breaker)
        except (DeadlineExceeded, Interrupt) as error:
            interrupted = isinstance(error, Interrupt)
        finally:
            sys.settrace(previous)
        clock[0] += AFTER_COOLDOWN + 2 * breaker.PROBE_SECONDS
        expect_outcome(circuit_breaker, reply(200))
        expect_outcome(circuit_breaker, reply(200))
        if not interrupted:
            break
        line_count += 1
    assert line_count > 20


def test_64_threads_open_and_close_the_circuit_once(changes):
    edge = Edge()
    circuit_breaker = CircuitBreaker(edge, BreakerPolicy(cooldown=0.001, probes=64), 0.5, changes.append)
    outcomes = []

    def make_call(_):
        try:
            outcomes.append(call(circuit_breaker).status)
        except (ConnectionFailed, CircuitOpen) as error:
            outcomes.append(type(error).__name__)

    for round_ in range(20):
        del changes[:], outcomes[:]
        edge.outcome = ConnectionFailed("no route")
        with switching_often():
            in_threads(64, make_call)
        assert [change.is_open for change in changes] == [True], round_
        assert set(outcomes) <= {"ConnectionFailed", "CircuitOpen"}
        edge.outcome = reply(200)
        assert eventually(lambda: not circuit_breaker.is_open(ORIGIN))
        with switching_often():
            in_threads(64, make_call)
        assert [change.is_open for change in changes] == [True, False], round_
        assert set(outcomes) <= {"ConnectionFailed", "CircuitOpen", 200}
    assert edge.request_count <= 20 * 128


def test_the_least_recently_used_circuit_is_evicted(circuit_breaker):
    fail(circuit_breaker)
    for number in range(2 * MAX_ENTRIES):
        fail(circuit_breaker, origin=Origin("https", f"edge{number}", 443))
        expect_refusal(circuit_breaker)  # this counts as a use
    assert len(circuit_breaker._circuits.values()) == MAX_ENTRIES
    assert not circuit_breaker.is_open(Origin("https", "edge0", 443))
    assert circuit_breaker.is_open(Origin("https", f"edge{2 * MAX_ENTRIES - 1}", 443))


def test_a_subscriber_may_query_the_breaker_and_raise(edge, clock):
    """The change is complete before it is reported."""
    seen = []

    def report(change):
        seen.append((change.is_open, circuit_breaker.is_open(ORIGIN)))
        raise RuntimeError("from a subscriber")

    circuit_breaker = CircuitBreaker(edge, BreakerPolicy(failures=1), 0.5, report)
    edge.outcome = reply(503)
    with pytest.raises(RuntimeError):
        call(circuit_breaker)
    expect_refusal(circuit_breaker)
    clock[0] += AFTER_COOLDOWN
    edge.outcome = reply(200)
    with pytest.raises(RuntimeError):
        call(circuit_breaker)
    assert call(circuit_breaker).status == 200
    assert seen == [(True, True), (False, False)]
