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
    """A ``send`` that returns or raises ``turn``."""

    def __init__(self):
        self.turn = reply(200)
        self.asked = 0
        self.deadlines = []

    def __call__(self, request_, deadline):
        self.asked += 1
        self.deadlines.append(deadline)
        if isinstance(self.turn, BaseException):
            raise self.turn
        return self.turn


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
def breaking(edge, changes, clock):
    return CircuitBreaker(edge, BreakerPolicy(), 0.5, changes.append)


def call(breaking, origin=ORIGIN, seconds=3.0):
    return breaking(request(origin), Deadline.after(seconds))


def see(breaking, turn, **options):
    """Call, and check that ``turn`` comes through unchanged."""
    breaking._send.turn = turn
    if isinstance(turn, BaseException):
        with pytest.raises(type(turn)) as caught:
            call(breaking, **options)
        assert caught.value is turn
    else:
        assert call(breaking, **options) is turn


def down(breaking, times=5, **options):
    for _ in range(times):
        see(breaking, ConnectionFailed("no route"), **options)


def refused(breaking, origin=ORIGIN):
    with pytest.raises(CircuitOpen) as caught:
        call(breaking, origin)
    return caught.value


def test_after_five_failures_calls_fail_before_anything_is_sent(edge, breaking):
    down(breaking)
    for _ in range(100):
        error = refused(breaking)
    assert edge.asked == 5
    assert error.attempts == 0


def test_the_error_names_origin_failures_and_next_attempt(breaking):
    breaking._uniform = lambda low, high: 0.8
    down(breaking)
    assert str(refused(breaking)) == ("https://edge.example.com: circuit open after 5 failures; next attempt in 0.8 s")


@pytest.mark.parametrize(
    ("turn", "cause"),
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
def test_failures_of_the_origin_count(turn, cause, breaking, changes):
    for _ in range(5):
        see(breaking, turn)
    refused(breaking)
    text = "x" if isinstance(turn, DeliveryError) else ""
    assert changes == [CircuitChange("https://edge.example.com", True, 5, 5, cause, text=text)]


@pytest.mark.parametrize("turn", [InvalidResponse("x"), *map(reply, (200, 302, 400, 404, 408, 429, 500, 501, 505))])
def test_any_answer_counts_as_a_success(turn, edge, breaking):
    for _ in range(50):
        see(breaking, turn)
    assert edge.asked == 50
    down(breaking, 49)  # 49 of 99 calls
    see(breaking, reply(200))
    assert edge.asked == 100


@pytest.mark.parametrize("turn", [ConnectionFailed("x", "refused"), OptionError("x"), RuntimeError("from a signal")])
def test_errors_that_do_not_come_from_the_origin_do_not_count(turn, edge, breaking, changes):
    for _ in range(10):
        see(breaking, turn)
    down(breaking)
    assert [(change.failures, change.calls) for change in changes] == [(5, 5)]
    assert edge.asked == 15


@pytest.mark.parametrize(("timeout", "left"), [(0.4, 0.4), (3.0, 0.2)])
def test_the_timeout_of_a_call_with_little_time_does_not_count(timeout, left, edge, breaking, clock):
    edge.turn = DeadlineExceeded("late")
    short = Deadline.after(left)._replace(seconds=timeout)
    for _ in range(10):
        with pytest.raises(DeadlineExceeded):
            breaking(request(), short)
    assert edge.asked == 10
    assert not breaking.is_open(ORIGIN)


def test_statuses_500_of_one_visitor_do_not_open_the_circuit(edge, breaking, changes):
    for _ in range(100):
        for _ in range(5):
            see(breaking, reply(500))
        see(breaking, reply(200))
    assert edge.asked == 600
    assert changes == []


def test_a_dead_cluster_opens_only_its_own_circuit(edge, breaking, changes):
    cluster = Origin("https", "mboxedge99.example.com", 443)
    for _ in range(5):
        down(breaking, 1, origin=cluster)
        see(breaking, reply(200))
    refused(breaking, cluster)
    see(breaking, reply(200))
    assert [change.origin for change in changes] == ["https://mboxedge99.example.com"]
    assert breaking.is_open(cluster)
    assert not breaking.is_open(ORIGIN)


def test_a_failure_rate_below_the_limit_does_not_open_the_circuit(edge, breaking, changes):
    for _ in range(100):
        see(breaking, reply(200))
        see(breaking, reply(200))
        down(breaking, 1)
    assert edge.asked == 300
    assert changes == []


def test_the_rate_is_that_of_the_window(edge, breaking, changes, clock):
    for _ in range(1000):
        see(breaking, reply(200))
    clock[0] += 10
    down(breaking)
    assert [(change.failures, change.calls) for change in changes] == [(5, 5)]


def test_failures_before_the_window_do_not_count_if_there_were_calls_since(edge, breaking, changes, clock):
    down(breaking, 4)
    clock[0] += 5
    for _ in range(5):
        see(breaking, reply(200))
    clock[0] += 5
    down(breaking, 4)
    assert changes == []
    down(breaking, 1)
    assert [(change.failures, change.calls) for change in changes] == [(5, 10)]


def test_a_single_thread_whose_calls_time_out_opens_the_circuit(edge, breaking, changes, clock):
    """Five calls of three seconds do not fit into a window of ten."""
    for _ in range(5):
        see(breaking, DeadlineExceeded("late"))
        clock[0] += 3
    assert [(change.failures, change.calls, change.cause) for change in changes] == [(5, 5, "DeadlineExceeded")]


def test_failures_far_apart_do_not_open_the_circuit(edge, breaking, changes, clock):
    for _ in range(50):
        down(breaking, 1)
        clock[0] += 20
    assert changes == []


def test_the_policy_is_applied(edge, changes, clock):
    breaking = CircuitBreaker(
        edge, BreakerPolicy(failures=2, rate=0.25, window=2.0, cooldown=10.0), 0.5, changes.append
    )
    for _ in range(6):
        see(breaking, reply(200))
    down(breaking, 2)
    assert [(change.failures, change.calls) for change in changes] == [(2, 8)]
    clock[0] += 7.9
    refused(breaking)
    clock[0] += 4.2
    see(breaking, reply(200))


def test_a_probe_that_is_answered_closes_the_circuit(edge, breaking, changes, clock):
    down(breaking)
    clock[0] += 0.7
    refused(breaking)
    assert breaking.is_open(ORIGIN)
    clock[0] += 0.6
    assert not breaking.is_open(ORIGIN)
    see(breaking, reply(500))
    see(breaking, reply(200))
    assert edge.asked == 7
    opened, closed = changes
    assert closed == opened._replace(is_open=False, seconds=pytest.approx(1.3))


def test_a_probe_that_fails_renews_the_cooldown(edge, breaking, changes, clock):
    down(breaking)
    for probes in range(1, 4):
        clock[0] += AFTER_COOLDOWN
        down(breaking, 1)
        refused(breaking)
        assert edge.asked == 5 + probes
    assert len(changes) == 1


def test_a_circuit_that_closed_counts_from_zero(breaking, changes, clock):
    down(breaking)
    clock[0] += AFTER_COOLDOWN
    see(breaking, reply(200))
    down(breaking, 4)
    assert [change.is_open for change in changes] == [True, False]
    down(breaking, 1)
    assert [(change.is_open, change.failures, change.calls) for change in changes[2:]] == [(True, 5, 5)]


def test_a_probe_takes_at_most_a_second(edge, breaking, clock):
    down(breaking)
    clock[0] += AFTER_COOLDOWN
    see(breaking, DeadlineExceeded("late"), seconds=30.0)
    assert edge.deadlines[-1].seconds == breaker.PROBE_SECONDS
    assert edge.deadlines[-1].remaining() <= breaker.PROBE_SECONDS
    clock[0] += AFTER_COOLDOWN
    see(breaking, reply(200), seconds=0.8)
    assert edge.deadlines[-1].seconds == 0.8


def test_the_deadline_of_a_probe_ends_with_its_abort_scope(edge, breaking, clock):
    down(breaking)
    clock[0] += AFTER_COOLDOWN
    edge.turn = reply(200)
    scope = AbortScope()
    breaking(request(), scope.deadline(30.0))
    limited = edge.deadlines[-1]
    assert isinstance(limited, AbortableDeadline)
    assert limited.scope is scope
    assert 0 < limited.remaining() <= breaker.PROBE_SECONDS
    scope.abort()
    assert limited.remaining() < 0


def test_the_timeout_of_a_probe_with_little_time_does_not_renew_the_cooldown(edge, breaking, clock):
    down(breaking)
    clock[0] += AFTER_COOLDOWN
    see(breaking, DeadlineExceeded("late"), seconds=0.1)
    see(breaking, reply(200))
    assert edge.asked == 7


class Gate:
    """A ``send`` whose calls wait until they get their outcome."""

    def __init__(self):
        self.waiting = []
        self._entered = threading.Semaphore(0)

    def __call__(self, request_, deadline):
        go, outcome = threading.Event(), []
        self.waiting.append((go, outcome))
        self._entered.release()
        go.wait(20)
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]

    def entered(self):
        return self._entered.acquire(timeout=20)

    def end(self, outcome):
        go, outcomes = self.waiting.pop(0)
        outcomes.append(outcome)
        go.set()


class Caller(threading.Thread):
    """A thread that makes one call and keeps its outcome."""

    def __init__(self, breaking):
        super().__init__()
        self.outcome = None
        self._breaking = breaking
        self.start()

    def run(self):
        try:
            self.outcome = call(self._breaking)
        except Exception as error:  # noqa: BLE001 - checked by the test
            self.outcome = error


def calls_at_gate(breaking, count):
    """Return a gate and ``count`` threads, each with a call that waits at it."""
    gate = breaking._send = Gate()
    callers = []
    for _ in range(count):
        callers.append(Caller(breaking))
        assert gate.entered()
    return gate, callers


def test_there_are_at_most_three_simultaneous_probes(breaking, changes, clock):
    down(breaking)
    clock[0] += AFTER_COOLDOWN
    gate, callers = calls_at_gate(breaking, 3)
    assert str(refused(breaking)).endswith("open after 5 failures; waiting for the attempts under way")
    assert breaking.is_open(ORIGIN)
    for _ in callers:
        gate.end(reply(200))
    for caller in callers:
        caller.join()
    assert [caller.outcome.status for caller in callers] == [200, 200, 200]
    assert [change.is_open for change in changes] == [True, False]


def test_a_probe_that_ends_allows_the_next(breaking, clock):
    down(breaking)
    clock[0] += AFTER_COOLDOWN
    gate, callers = calls_at_gate(breaking, 3)
    gate.end(ConnectionFailed("x", "refused"))  # shows nothing about the origin
    callers[0].join()
    callers.append(Caller(breaking))
    assert gate.entered()
    refused(breaking)
    for _ in range(3):
        gate.end(reply(200))
    for caller in callers:
        caller.join()
    assert [type(caller.outcome).__name__ for caller in callers] == ["ConnectionFailed", *["HttpReply"] * 3]


def test_calls_from_before_the_circuit_closed_cannot_open_it_again(breaking, changes, clock):
    gate, late = calls_at_gate(breaking, 20)
    for _ in range(5):
        gate.end(DeadlineExceeded("late"))
    for caller in late[:5]:
        caller.join()
    clock[0] += AFTER_COOLDOWN
    breaking._send = Edge()
    see(breaking, reply(200))
    for _ in range(15):
        gate.end(DeadlineExceeded("late"))
    for caller in late:
        caller.join()
    see(breaking, reply(200))
    assert [change.is_open for change in changes] == [True, False]


def test_a_probe_that_a_signal_handler_interrupts_frees_its_slot(breaking, clock):
    down(breaking)
    clock[0] += AFTER_COOLDOWN
    for _ in range(10):
        see(breaking, KeyboardInterrupt())
    see(breaking, reply(200))


def test_a_signal_at_any_line_does_not_prevent_probes(clock):
    """Raise at every line of the breaker during a probe; the circuit must close once the origin answers."""

    class Interrupt(Exception):
        pass

    lines = 0
    while True:
        edge = Edge()
        breaking = CircuitBreaker(edge, BreakerPolicy(probes=1), 0.5)
        down(breaking)
        clock[0] += AFTER_COOLDOWN
        left = [lines]

        def trace(frame, event, argument, left=left):
            if frame.f_code.co_filename != breaker.__file__:
                return None
            if event == "line":
                if left[0] == 0:
                    raise Interrupt
                left[0] -= 1
            return trace

        previous = sys.gettrace()
        sys.settrace(trace)
        try:
            edge.turn = DeadlineExceeded("late")
            call(breaking)
        except (DeadlineExceeded, Interrupt) as error:
            interrupted = isinstance(error, Interrupt)
        finally:
            sys.settrace(previous)
        clock[0] += AFTER_COOLDOWN + 2 * breaker.PROBE_SECONDS
        see(breaking, reply(200))
        see(breaking, reply(200))
        if not interrupted:
            break
        lines += 1
    assert lines > 20


def test_64_threads_open_and_close_the_circuit_once(changes):
    edge = Edge()
    breaking = CircuitBreaker(edge, BreakerPolicy(cooldown=0.001, probes=64), 0.5, changes.append)
    outcomes = []

    def one(_):
        try:
            outcomes.append(call(breaking).status)
        except (ConnectionFailed, CircuitOpen) as error:
            outcomes.append(type(error).__name__)

    for round_ in range(20):
        del changes[:], outcomes[:]
        edge.turn = ConnectionFailed("no route")
        with switching_often():
            in_threads(64, one)
        assert [change.is_open for change in changes] == [True], round_
        assert set(outcomes) <= {"ConnectionFailed", "CircuitOpen"}
        edge.turn = reply(200)
        assert eventually(lambda: not breaking.is_open(ORIGIN))
        with switching_often():
            in_threads(64, one)
        assert [change.is_open for change in changes] == [True, False], round_
        assert set(outcomes) <= {"ConnectionFailed", "CircuitOpen", 200}
    assert edge.asked <= 20 * 128


def test_the_least_recently_used_circuit_is_evicted(breaking):
    down(breaking)
    for number in range(2 * MAX_ENTRIES):
        down(breaking, origin=Origin("https", f"edge{number}", 443))
        refused(breaking)  # this counts as a use
    assert len(breaking._circuits.values()) == MAX_ENTRIES
    assert not breaking.is_open(Origin("https", "edge0", 443))
    assert breaking.is_open(Origin("https", f"edge{2 * MAX_ENTRIES - 1}", 443))


def test_a_subscriber_may_query_the_breaker_and_raise(edge, clock):
    """The change is complete before it is reported."""
    seen = []

    def report(change):
        seen.append((change.is_open, breaking.is_open(ORIGIN)))
        raise RuntimeError("a subscriber's")

    breaking = CircuitBreaker(edge, BreakerPolicy(failures=1), 0.5, report)
    edge.turn = reply(503)
    with pytest.raises(RuntimeError):
        call(breaking)
    refused(breaking)
    clock[0] += AFTER_COOLDOWN
    edge.turn = reply(200)
    with pytest.raises(RuntimeError):
        call(breaking)
    assert call(breaking).status == 200
    assert seen == [(True, True), (False, False)]
