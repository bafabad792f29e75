"""The live feed of the local edge, and ``GET /events``."""

import http.client
import json
import threading
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.local_edge.artifact_builder import make_token
from target_python_sdk.local_edge.feed import MAX_EVENTS, EventFeed, server_sent_events
from tests.around.edge_http import ask

GREETING = {"mboxes": [{"index": 0, "name": "a1-serverside-ab"}, {"index": 1, "name": "unknown"}]}


def deliver(edge: LocalEdge, **parts: Any) -> int:
    path = "/rest/v1/delivery?imsOrgId=o&sessionId=a-session"
    return ask(edge, "POST", path, {"context": {"channel": "web"}, "id": {"tntId": "visitor-1.28_0"}, **parts}).status


class Stream:
    """A connection to ``GET /events``."""

    def __init__(self, edge: LocalEdge, query: str = "", **headers: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=60)
        self._connection.request("GET", "/events" + query, headers=headers)
        self.response = self._connection.getresponse()
        if self.response.status == 200:
            assert self.response.readline() == b": connected\n"  # the stream sends every event from now on
            assert self.response.readline() == b"\n"

    def read(self) -> Tuple[int, str, Dict[str, Any]]:
        """Return id, type and data of the next event."""
        fields = {}
        while True:
            line = self.response.readline().decode().rstrip("\n")
            if not line and fields:
                return int(fields["id"]), fields["event"], json.loads(fields["data"])
            name, _, text = line.partition(": ")
            if name:
                fields[name] = text

    def close(self) -> None:
        self.response.close()
        self._connection.close()


@pytest.fixture()
def edge() -> Iterator[LocalEdge]:
    with LocalEdge() as edge:
        yield edge


def test_readers_get_the_events_since_their_last_one() -> None:
    feed = EventFeed()
    assert feed.wait(0, 0) == []
    feed.publish("a", {})
    feed.publish("b", {"x": 1})
    assert [(each.number, each.type) for each in feed.wait(0, 0)] == [(1, "a"), (2, "b")]
    (second,) = feed.wait(1, 0)
    assert (second.number, second.data["x"]) == (2, 1)
    assert (feed.wait(2, 0), feed.last) == ([], 2)


def test_an_event_has_the_time_at_which_it_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = EventFeed()
    for now in (1_700_000_000_000, 1_700_000_060_000):
        monkeypatch.setattr("target_python_sdk.local_edge.feed.epoch_milliseconds", lambda now=now: now)
        feed.publish("a", {})
    assert [event.data for event in feed.wait(0, 0)] == [{"time": 1_700_000_000_000}, {"time": 1_700_000_060_000}]


def test_the_oldest_events_are_dropped() -> None:
    feed = EventFeed()
    for number in range(MAX_EVENTS + 3):
        feed.publish("a", {"number": number})
    assert [event.number for event in feed.wait(0, 0)] == list(range(4, MAX_EVENTS + 4))


def test_the_size_of_events_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("target_python_sdk.local_edge.feed.MAX_BYTES", 2500)
    feed = EventFeed()
    for _ in range(3):
        feed.publish("a", {"visitor": "x" * 1000})
    assert [event.number for event in feed.wait(0, 0)] == [2, 3]


def test_a_waiting_reader_gets_an_event_of_another_thread() -> None:
    feed = EventFeed()
    received: List[Any] = []
    reader = threading.Thread(target=lambda: received.extend(feed.wait(0, 60)))
    reader.start()
    feed.publish("a", {})
    reader.join(60)
    assert [(event.number, event.type) for event in received] == [(1, "a")]


def test_an_idle_stream_sends_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("target_python_sdk.local_edge.feed.PING_INTERVAL", 0)
    parts = server_sent_events(EventFeed(), 0, lambda: False)
    assert [next(parts), next(parts)] == [b": connected\n\n", b": ping\n\n"]


@pytest.mark.server
def test_the_feed_has_requests_with_their_decisions(edge: LocalEdge) -> None:
    deliver(edge, execute=GREETING, prefetch={"pageLoad": {}})
    ask(edge, "GET", "/nowhere?email=a@b.c")
    ask(edge, "GET", "/")
    delivery, nowhere = (event.data for event in edge.feed.wait(0, 0))
    assert delivery.pop("milliseconds") >= 0
    greeting = {
        "mode": "execute",
        "location": "a1-serverside-ab",
        "activity": "Serverside AB",
        "experience": "A",
        "reason": "bucket 40.40 falls in A (0 to 50)",
    }
    nothing = {"mode": "execute", "location": "unknown", "activity": None, "experience": None}
    nothing["reason"] = "no activity has this location"
    assert delivery["decisions"][0] == greeting
    assert delivery["decisions"][1] == nothing
    assert delivery["decisions"][2]["location"] == "target-global-mbox"
    assert (delivery["visitor"], delivery["status"], delivery["path"]) == ("visitor-1", 200, "/rest/v1/delivery")
    assert (nowhere["method"], nowhere["path"], nowhere["status"]) == ("GET", "/nowhere", 404)
    assert nowhere["problem"] == "/nowhere: not found"


@pytest.mark.server
def test_the_feed_has_notifications_with_their_events(edge: LocalEdge) -> None:
    token = make_token("display", 1111, 0, "a1-serverside-ab")
    display = {"id": "n1", "type": "display", "timestamp": 1700000000000, "mbox": {"name": "a1-serverside-ab"}}
    deliver(edge, notifications=[{**display, "tokens": [token]}, {**display, "id": "n2"}])
    first, second, request = edge.feed.wait(0, 0)
    event = {"type": "display", "location": "a1-serverside-ab", "activity": "Serverside AB", "experience": "A"}
    assert (first.type, second.type, request.type) == ("notification", "notification", "request")
    assert first.data == {
        "time": first.data["time"],
        "id": "n1",
        "type": "display",
        "location": "a1-serverside-ab",
        "visitor": "visitor-1",
        "events": [event],
    }
    assert (second.data["id"], second.data["events"]) == ("n2", [])
    assert request.data["notifications"] == [
        {"type": "display", "location": "a1-serverside-ab", "events": [event]},
        {"type": "display", "location": "a1-serverside-ab", "events": []},
    ]
    assert request.data["telemetry"] == 0


@pytest.mark.server
def test_a_stream_sends_the_events_after_its_start(edge: LocalEdge) -> None:
    deliver(edge)
    stream = Stream(edge)
    assert stream.response.headers["Content-Type"] == "text/event-stream"
    deliver(edge, execute=GREETING)
    number, kind, data = stream.read()
    assert (number, kind, data["decisions"][0]["experience"]) == (2, "request", "A")
    stream.close()


@pytest.mark.server
def test_a_stream_resumes_after_the_last_event_that_the_browser_has_seen(edge: LocalEdge) -> None:
    for _ in range(3):
        deliver(edge)
    for stream, first in (
        (Stream(edge, "?after=0"), 1),
        (Stream(edge, "?after=1"), 2),
        (Stream(edge, **{"Last-Event-ID": "2"}), 3),
        (Stream(edge, **{"Last-Event-ID": "900"}), 1),  # the id is from an earlier edge on this port
    ):
        assert stream.read()[0] == first
        stream.close()


@pytest.mark.server
def test_stop_ends_streams(edge: LocalEdge) -> None:
    streams = [Stream(edge) for _ in range(3)]
    edge.stop()
    for stream in streams:
        assert stream.response.read() == b""
        stream.close()


@pytest.mark.server
def test_streams_have_a_separate_connection_limit(edge: LocalEdge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("target_python_sdk.local_edge.server.MAX_CONNECTIONS", 1)
    monkeypatch.setattr("target_python_sdk.local_edge.server.MAX_STREAMS", 3)
    streams = [Stream(edge) for _ in range(4)]
    assert streams[0].response.read() == b""  # the fourth stream has replaced the first
    assert deliver(edge) == 200
    for stream in streams[1:]:
        assert stream.read()[1] == "request"
    for stream in streams:
        stream.close()
