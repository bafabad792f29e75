"""An origin that is down is not asked, and not forgotten (T24)."""

import threading

import pytest

from target_tools.clock import Deadline
from target_tools.errors import CircuitOpen, ConnectionFailed, DeadlineExceeded, InvalidResponse, TlsError
from target_tools.http import breaker
from target_tools.http.breaker import BreakerPolicy, Breaking
from target_tools.http.messages import HttpReply, HttpRequest, Origin, Timings

LONG = Deadline.after(0.5)
ORIGIN = Origin("https", "edge.example.com", 443)


def request(origin=ORIGIN):
    return HttpRequest("POST", origin, "/", (), b"", 100)


def reply(status):
    return HttpReply(status, "", {}, b"", Timings())


class Edge:
    """A ``send`` in place of an edge: answers, or raises, what it is set to."""

    def __init__(self):
        self.turn = reply(200)
        self.asked = 0

    def __call__(self, request_, deadline):
        self.asked += 1
        if isinstance(self.turn, BaseException):
            raise self.turn
        return self.turn


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(breaker, "monotonic", lambda: now[0])
    return now


def see(breaking, turn):
    """Call, and see that ``turn`` comes back as it is."""
    if isinstance(turn, BaseException):
        with pytest.raises(type(turn)) as caught:
            breaking(request(), LONG)
        assert caught.value is turn
    else:
        assert breaking(request(), LONG) is turn


def down(edge, breaking, times=5):
    edge.turn = ConnectionFailed("refused")
    for _ in range(times):
        with pytest.raises(ConnectionFailed):
            breaking(request(), LONG)


def test_after_five_failures_in_a_row_nobody_is_asked(clock):
    edge = Edge()
    breaking = Breaking(edge, BreakerPolicy(), 0.5)
    down(edge, breaking)
    for _ in range(100):
        with pytest.raises(CircuitOpen, match=r"https://edge\.example\.com:443 failed again") as caught:
            breaking(request(), LONG)
    assert edge.asked == 5
    assert caught.value.attempts == 0


@pytest.mark.parametrize("turn", [ConnectionFailed("x", "exchange"), DeadlineExceeded("x"), TlsError("x"), reply(503)])
def test_what_counts_as_down(turn, clock):
    edge = Edge()
    edge.turn = turn
    breaking = Breaking(edge, BreakerPolicy(failures=2), 0.5)
    for _ in range(2):
        see(breaking, turn)
    with pytest.raises(CircuitOpen):
        breaking(request(), LONG)


@pytest.mark.parametrize("turn", [InvalidResponse("x"), reply(404), reply(429), RuntimeError("a signal's")])
def test_what_does_not(turn, clock):
    edge = Edge()
    edge.turn = turn
    breaking = Breaking(edge, BreakerPolicy(failures=2), 0.5)
    for _ in range(10):
        see(breaking, turn)
    assert edge.asked == 10


def test_a_call_in_a_hurry_says_nothing_of_the_origin(clock):
    edge = Edge()
    edge.turn = DeadlineExceeded("late")
    breaking = Breaking(edge, BreakerPolicy(failures=2), patience=3.0)
    for _ in range(10):
        see(breaking, edge.turn)
    assert edge.asked == 10


def test_a_success_in_between_begins_the_count_anew(clock):
    edge = Edge()
    breaking = Breaking(edge, BreakerPolicy(), 0.5)
    for _ in range(10):
        down(edge, breaking, 4)
        edge.turn = reply(200)
        breaking(request(), LONG)
    assert edge.asked == 50


def test_after_the_while_one_call_tries_and_opens_the_way_for_all(clock):
    edge = Edge()
    breaking = Breaking(edge, BreakerPolicy(cooldown=1.0), 0.5)
    down(edge, breaking)
    clock[0] += 0.7
    with pytest.raises(CircuitOpen):
        breaking(request(), LONG)
    clock[0] += 0.6
    edge.turn = reply(200)
    assert breaking(request(), LONG).status == 200
    assert breaking(request(), LONG).status == 200


def test_a_try_that_fails_begins_the_while_anew(clock):
    edge = Edge()
    breaking = Breaking(edge, BreakerPolicy(), 0.5)
    down(edge, breaking)
    clock[0] += 1.3
    down(edge, breaking, 1)
    with pytest.raises(CircuitOpen):
        breaking(request(), LONG)
    assert edge.asked == 6


def test_only_one_tries_at_a_time(clock):
    edge = Edge()
    breaking = Breaking(edge, BreakerPolicy(), 0.5)
    down(edge, breaking)
    clock[0] += 1.3
    inside, go = threading.Event(), threading.Event()

    def slow(*_):
        inside.set()
        go.wait(20)
        return reply(200)

    breaking._send = slow
    first = threading.Thread(target=breaking, args=(request(), LONG))
    first.start()
    assert inside.wait(20)
    with pytest.raises(CircuitOpen):
        breaking(request(), LONG)
    go.set()
    first.join()
    assert breaking(request(), LONG).status == 200


def test_a_try_that_a_signal_ends_may_be_made_again(clock):
    edge = Edge()
    breaking = Breaking(edge, BreakerPolicy(), 0.5)
    down(edge, breaking)
    clock[0] += 1.3
    edge.turn = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        breaking(request(), LONG)
    clock[0] += 1.3
    edge.turn = reply(200)
    assert breaking(request(), LONG).status == 200


def test_origins_are_watched_apart_and_not_too_many(clock):
    edge = Edge()
    breaking = Breaking(edge, BreakerPolicy(failures=1), 0.5)
    edge.turn = ConnectionFailed("refused")
    for number in range(100):
        with pytest.raises(ConnectionFailed):
            breaking(request(Origin("https", "edge{}".format(number), 443)), LONG)
    assert len(breaking._circuits) == breaker.ORIGIN_LIMIT
    with pytest.raises(CircuitOpen):
        breaking(request(Origin("https", "edge99", 443)), LONG)
