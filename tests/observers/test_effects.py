"""Calls of a client whose observers raise, are slow, make calls themselves, or have the method ``start``."""

import asyncio
import dataclasses
import pickle
import signal
import threading
from unittest import mock

import pytest

from target_python_sdk import observation
from target_python_sdk.errors import HttpStatusError, OptionError
from target_tools import clock
from target_tools.concurrency import tasks
from tests.observers.edges import Edge, on_device, server_side
from tests.support import LONG, in_threads, offers

WAIT = LONG / 1000
NOTIFICATION = {"id": "n", "type": "display", "timestamp": 1700000000000, "mbox": {"name": "home"}}


@pytest.fixture
def edge():
    return Edge()


def lines_of(caplog, text):
    return [record.getMessage() for record in caplog.records if text in record.getMessage()]


def raising(observed):
    raise ValueError("the observer failed")


def test_an_observer_that_raises_is_logged_once(edge, caplog):
    seen = []
    with server_side(edge, raising, seen.append) as client:
        for _ in range(3):
            client.get_offers(offers())
        assert client.stats()["failed_observers"] == 3
    assert len(seen) == 3
    assert lines_of(caplog, "The observer") == ["The observer raising raised; later errors of it are only counted"]


def test_a_slow_observer_is_reported_once(edge, caplog, monkeypatch):
    class Slow:
        def __call__(self, observed):
            """Take longer than the limit, which is 0."""

    monkeypatch.setattr(observation, "SLOW_SECONDS", 0.0)
    with server_side(edge, Slow()) as client:
        for _ in range(2):
            client.get_offers(offers())
        assert client.stats()["slow_observers"] == 2
    (line,) = lines_of(caplog, "delayed a call")
    assert "Slow took" in line


def test_the_calls_of_an_observer_are_not_passed_to_it(edge):
    own, other = [], []

    def calls_again(observed):
        own.append(observed.locations)
        client.get_offers(offers("inner"))
        client.get_offers({**offers("inner"), "callback": id}).get(WAIT)

    with server_side(edge, calls_again, lambda observed: other.append(observed.locations)) as client:
        client.get_offers(offers("outer"))
        client.get_offers(offers("outer"))
    assert own == [("outer",)] * 2
    assert sorted(other) == [("inner",)] * 4 + [("outer",)] * 2


def test_a_background_notification_of_an_observers_call_is_not_passed_to_it(edge):
    seen = []

    def calls_again(observed):
        seen.append(observed.kind)
        client.get_offers(offers("home"))

    with on_device(edge, calls_again) as client:
        client.get_offers(offers("unknown"))
        assert client.flush(LONG)
    assert seen == ["get_offers"]
    assert len(edge.sent) == 1


@pytest.mark.parametrize("create", [server_side, on_device])
def test_all_calls_succeed_and_are_observed_despite_three_bad_observers(create, edge, monkeypatch):
    monkeypatch.setattr(observation, "SLOW_SECONDS", 0.0)
    seen, pause = [], threading.Event()

    def slow(observed):
        pause.wait(0.002)
        seen.append(observed.request_id)

    def reentrant(observed):
        client.get_offers(offers("inner"))

    answered = []

    def make_calls(number):
        for _ in range(5):
            answered.append(client.get_offers(offers()).request.request_id)
            answered.append(client.get_offers({**offers(), "callback": id}).get(WAIT).request.request_id)
            answered.append(asyncio.run(client.get_offers_async(offers())).request.request_id)

    with create(edge, raising, slow, reentrant) as client:
        in_threads(4, make_calls)
        assert client.flush(LONG)
        stats = client.stats()
    assert len(answered) == 60
    assert set(answered) <= set(seen)
    assert len(seen) == len(set(seen))
    assert stats["failures"] == stats["undelivered"] == 0
    # ``seen`` includes the notifications, and the calls of the re-entrant observer.
    assert stats["failed_observers"] == len(seen)
    assert stats["slow_observers"] >= len(seen)


def test_a_slow_observer_does_not_expire_a_call(edge, monkeypatch):
    observing, release = threading.Event(), threading.Event()

    def use_up_the_time(observed):
        monkeypatch.setattr(tasks, "monotonic", lambda: clock.monotonic() + 600)
        observing.set()
        release.wait(WAIT)

    with server_side(edge, use_up_the_time) as client:
        result = client.get_offers({**offers(), "callback": id})
        assert observing.wait(WAIT)
        result.wait(0.1)
        release.set()
        assert result.get(WAIT).error is None


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this system has no SIGUSR1")
def test_an_error_of_a_signal_handler_is_raised(edge):
    class Interrupted(Exception):
        pass

    def interrupt(*_):
        raise Interrupted

    previous = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with server_side(edge, lambda observed: signal.raise_signal(signal.SIGUSR1)) as client:
            with pytest.raises(Interrupted):
                client.get_offers(offers())
            assert client.stats()["failed_observers"] == 0
    finally:
        signal.signal(signal.SIGUSR1, previous)


def test_a_client_with_a_function_as_observer_can_be_pickled(edge):
    with server_side(None, print) as client, pickle.loads(pickle.dumps(client)) as copied:
        assert copied.config["observers"] == (print,)
    with server_side(None, lambda observed: None) as client, pytest.raises(OptionError) as raised:
        pickle.dumps(client)
    assert raised.value.option == "observers"


# Observers with the method ``start``


class Tracer:
    """Records the start and the end of each call."""

    def __init__(self, name, events):
        self.name = name
        self.events = events

    def start(self, call):
        self.events.append(("start", self.name, call.kind, call.locations, threading.get_ident()))
        return lambda observed: self.events.append(("end", self.name, type(observed.error), threading.get_ident()))

    def __call__(self, observed):
        self.events.append(("event", self.name, observed.kind))


@pytest.mark.parametrize("callback", [None, id])
def test_starts_and_ends_are_nested_around_the_exchange_in_one_thread(callback, edge):
    events = []
    edge.reply = lambda body: events.append("sent") or mock.Mock(status=200, reason="", headers={}, data=b"{}")
    with server_side(edge, Tracer("a", events), Tracer("b", events)) as client:
        result = client.get_offers({**offers(), "callback": callback})
        assert callback is None or result.get(WAIT)
    thread = events[0][-1]
    assert events == [
        ("start", "a", "get_offers", ("home",), thread),
        ("start", "b", "get_offers", ("home",), thread),
        "sent",
        ("end", "b", type(None), thread),
        ("end", "a", type(None), thread),
    ]


def test_a_failed_call_ends_after_its_start(edge):
    edge.reply, events = 500, []
    with server_side(edge, Tracer("a", events)) as client, pytest.raises(HttpStatusError):
        client.get_offers(offers())
    assert [event[0] for event in events] == ["start", "end"]
    assert events[1][2] is HttpStatusError


def test_a_call_that_never_began_has_a_start_and_an_end(edge):
    events = []
    with server_side(edge, Tracer("a", events), max_pending=1, max_workers=1) as client:
        client._processes.get().workers.close(0, OptionError("closed"))
        client.get_offers({**offers(), "callback": id}).wait(WAIT)
    assert [event[0] for event in events] == ["start", "end"]


def test_a_start_that_raises_or_returns_none_has_no_end(edge):
    class Broken(Tracer):
        def start(self, call):
            raise ValueError

    class Sampling(Tracer):
        def start(self, call):
            return None

    events = []
    with server_side(edge, Broken("a", events), Sampling("b", events)) as client:
        client.get_offers(offers())
        assert client.stats()["failed_observers"] == 1
    assert events == []


class Traced:
    """An observer with ``start``. If ``raises_in`` is "start" or "end", it raises ``KeyboardInterrupt`` there."""

    def __init__(self, log, name, raises_in=""):
        self._log, self._name, self._raises_in = log, name, raises_in

    def start(self, call):
        self._add("start")
        return lambda observed: self._add("end")

    def __call__(self, observed):
        """Ignore observations without a start."""

    def _add(self, place):
        self._log.append(f"{place} {self._name}")
        if place == self._raises_in:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("start", ["start A", "start B", "end A"]),
        ("end", ["start A", "start B", "start C", "end C", "end B", "end A"]),
    ],
)
def test_each_started_observer_ends_if_another_one_is_interrupted(place, expected, edge):
    log = []
    with server_side(edge, Traced(log, "A"), Traced(log, "B", place), Traced(log, "C")) as client:
        with pytest.raises(KeyboardInterrupt):
            client.get_offers(offers())
    assert log == expected


def test_observers_of_a_download_end_if_one_is_interrupted(edge):
    log = []
    with server_side(edge, Traced(log, "A"), Traced(log, "B", "start")) as client:
        observation = client._processes.get().observation
        with pytest.raises(KeyboardInterrupt):
            observation.observe_download(mock.Mock(), mock.Mock())
    assert log == ["start A", "start B", "end A"]


def test_a_mock_is_an_observer_without_a_start(edge):
    observer = mock.Mock()
    with server_side(edge, observer) as client:
        client.get_offers(offers())
    assert [call.args[0].kind for call in observer.call_args_list] == ["get_offers"]


def test_a_start_method_without_a_parameter_is_refused(edge):
    with pytest.raises(OptionError, match=r"observers\[0\]\.start"):
        server_side(edge, ThreadLike())


class ThreadLike:
    """A callable whose method ``start`` has another purpose."""

    def __call__(self, observed):
        """Ignore the call."""

    def start(self):
        """Start something."""


def test_an_observer_is_passed_the_calls_that_an_equal_observer_makes(edge):
    @dataclasses.dataclass
    class Counting:
        client = None
        count = 0

        def __call__(self, observed):
            self.count += 1
            if observed.kind == "get_offers" and self.client is not None:
                self.client.send_notifications({"request": {"notifications": [NOTIFICATION]}})

    first, second = Counting(), Counting()
    assert first == second
    with server_side(edge, first, second) as client:
        first.client = client
        client.get_offers(offers())
    assert (first.count, second.count) == (1, 2)
