"""Subscribing, unsubscribing and emitting events."""

import pytest

from target_tools.callables import accepts
from target_tools.event_provider import Event, EventProvider


def test_all_subscribers_are_called_in_order():
    received = []
    events = EventProvider({"ready": lambda event: received.append(("first", event.type))})
    events.subscribe("ready", lambda: received.append("second"))
    events.subscribe("other", lambda: received.append("never"))
    events.emit("ready")
    assert received == [("first", "ready"), "second"]


def test_b19_an_id_is_never_used_twice():
    received = []
    events = EventProvider()
    first = events.subscribe("ready", lambda: received.append("first"))
    second = events.subscribe("ready", lambda: received.append("second"))
    events.unsubscribe(first)
    third = events.subscribe("ready", lambda: received.append("third"))
    assert len({first, second, third}) == 3
    assert all(each.startswith("ready:") for each in (first, second, third))
    events.emit("ready")
    assert received == ["second", "third"]


def test_unsubscribing_an_unknown_id_does_nothing():
    events = EventProvider()
    subscription = events.subscribe("ready", print)
    for name in (subscription, subscription, "ready:99", ""):
        events.unsubscribe(name)
    assert not events.has_subscriber("ready")


def test_an_event_has_items_and_attributes_and_keeps_its_type():
    seen = []
    EventProvider({"failed": seen.append}).emit("failed", {"error": "why", "type": "something else"})
    (event,) = seen
    assert (event["error"], event.error, event["type"], event.type) == ("why", "why", "failed", "failed")
    with pytest.raises(AttributeError, match="no 'artifact'"):
        _ = event.artifact


def test_an_exception_of_a_subscriber_is_logged_and_the_others_are_called(caplog):
    received = []

    def raise_error(event):
        raise ValueError("mine")

    events = EventProvider({"ready": raise_error})
    events.subscribe("ready", lambda: received.append(1))
    events.emit("ready")
    assert received == [1]
    assert "A subscriber of the event ready raised" in caplog.text
    assert "ValueError: mine" in caplog.text


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_exceptions_that_end_the_process_propagate(interrupt):
    def raise_error():
        raise interrupt

    with pytest.raises(interrupt):
        EventProvider({"ready": raise_error}).emit("ready")


def test_a_subscriber_may_subscribe_and_unsubscribe():
    events = EventProvider()
    received = []

    def first():
        received.append("first")
        events.unsubscribe(own_id)
        events.subscribe("ready", lambda: received.append("later"))

    own_id = events.subscribe("ready", first)
    events.emit("ready")
    events.emit("ready")
    assert received == ["first", "later"]


class Methods:
    def no_argument(self):
        pass

    def one_argument(self, event):
        pass

    def __call__(self, event):
        pass


@pytest.mark.parametrize(
    ("subscriber", "takes_event"),
    [
        (lambda: None, False),
        (lambda event: None, True),
        (lambda event=None: None, True),
        (lambda *events: None, True),
        (lambda **keywords: None, False),
        (Methods().no_argument, False),
        (Methods().one_argument, True),
        (Methods(), True),
        (print, True),
        ([].append, True),
        (dict, True),
    ],
)
def test_a_subscriber_may_take_the_event_or_no_argument(subscriber, takes_event):
    assert accepts(subscriber, 1) is takes_event


def test_a_subscriber_is_inspected_when_it_subscribes(monkeypatch):
    """``emit`` inspects nothing: that may import a module, and a child forked meanwhile never finishes the import."""
    events, received = EventProvider(), []
    events.subscribe("ready", lambda: received.append(None))
    events.subscribe("ready", received.append)
    monkeypatch.setattr("target_tools.event_provider.accepts", lambda *_: pytest.fail("inspected too late"))
    events.emit("ready")
    assert received == [None, {"type": "ready"}]


def test_an_event_is_a_dict():
    assert Event({"a": 1}, type="x") == {"a": 1, "type": "x"}
