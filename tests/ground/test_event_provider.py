"""Subscribers come, go, raise and are told."""

import pytest

from target_tools.event_provider import Event, EventProvider, accepts_event


def test_everybody_who_subscribed_is_told_in_order():
    told = []
    events = EventProvider({"ready": lambda event: told.append(("first", event.type))})
    events.subscribe("ready", lambda: told.append("second"))
    events.subscribe("other", lambda: told.append("never"))
    events.emit("ready")
    assert told == [("first", "ready"), "second"]


def test_b19_an_id_is_never_used_twice():
    told = []
    events = EventProvider()
    first = events.subscribe("ready", lambda: told.append("first"))
    second = events.subscribe("ready", lambda: told.append("second"))
    events.unsubscribe(first)
    third = events.subscribe("ready", lambda: told.append("third"))
    assert len({first, second, third}) == 3
    assert all(one.startswith("ready:") for one in (first, second, third))
    events.emit("ready")
    assert told == ["second", "third"]


def test_unsubscribing_twice_or_a_stranger_does_no_harm():
    events = EventProvider()
    one = events.subscribe("ready", print)
    for name in (one, one, "ready:99", ""):
        events.unsubscribe(name)
    assert not events.has_subscriber("ready")


def test_an_event_reads_both_ways_and_keeps_its_type():
    seen = []
    EventProvider({"failed": seen.append}).emit("failed", {"error": "why", "type": "something else"})
    (event,) = seen
    assert (event["error"], event.error, event["type"], event.type) == ("why", "why", "failed", "failed")
    with pytest.raises(AttributeError, match="no 'artifact'"):
        _ = event.artifact


def test_a_raising_subscriber_is_logged_and_the_others_are_told(caplog):
    told = []

    def raises(event):
        raise ValueError("mine")

    events = EventProvider({"ready": raises})
    events.subscribe("ready", lambda: told.append(1))
    events.emit("ready")
    assert told == [1]
    assert "A subscriber of the event ready raised" in caplog.text
    assert "ValueError: mine" in caplog.text


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_what_is_meant_for_the_process_passes(interrupt):
    def raises():
        raise interrupt

    with pytest.raises(interrupt):
        EventProvider({"ready": raises}).emit("ready")


def test_a_subscriber_may_subscribe_and_unsubscribe():
    events = EventProvider()
    told = []

    def first():
        told.append("first")
        events.unsubscribe(mine)
        events.subscribe("ready", lambda: told.append("later"))

    mine = events.subscribe("ready", first)
    events.emit("ready")
    events.emit("ready")
    assert told == ["first", "later"]


class Bound:
    def none(self):
        pass

    def one(self, event):
        pass

    def __call__(self, event):
        pass


@pytest.mark.parametrize(
    ("subscriber", "takes"),
    [
        (lambda: None, False),
        (lambda event: None, True),
        (lambda event=None: None, True),
        (lambda *events: None, True),
        (lambda **named: None, False),
        (Bound().none, False),
        (Bound().one, True),
        (Bound(), True),
        (print, True),
        ([].append, True),
        (dict, True),
    ],
)
def test_subscribers_take_the_event_or_nothing(subscriber, takes):
    assert accepts_event(subscriber) is takes


def test_what_a_subscriber_takes_is_asked_when_it_subscribes(monkeypatch):
    """Asking imports a module: whoever tells is a thread of ours, and a process may be forked meanwhile."""
    events, told = EventProvider(), []
    events.subscribe("ready", lambda: told.append(None))
    events.subscribe("ready", told.append)
    monkeypatch.setattr("target_tools.event_provider.accepts_event", lambda _: pytest.fail("asked too late"))
    events.emit("ready")
    assert told == [None, {"type": "ready"}]


def test_an_event_is_a_dict():
    assert Event({"a": 1}, type="x") == {"a": 1, "type": "x"}
