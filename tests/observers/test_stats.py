"""The statistics of a client."""

import json
import threading

import pytest

from target_python_sdk.errors import DeadlineExceeded, HttpStatusError
from target_python_sdk.runtime import LATENCY_BOUNDS
from target_python_sdk.types import VisitorId
from target_tools.concurrency.lock_free import Histogram
from tests.conformance.builders import decide, request_json
from tests.observers.edges import Edge, answer_of, on_device, server_side
from tests.support import LONG, in_threads, offers

ORIGIN = "https://acmeclient.tt.omtrdc.net"


@pytest.fixture
def edge():
    return Edge()


def test_a_histogram_counts_durations_up_to_each_bound():
    histogram = Histogram((0.001, 0.01))
    for seconds in (0.0005, 0.001, 0.002, 5.0):
        histogram.add(seconds)
    counts, total = histogram.totals()
    assert counts == [2, 3, 4]
    assert total == pytest.approx(5.0035)


def test_threads_that_add_to_a_histogram_lose_nothing():
    histogram = Histogram((1.0,))

    def add(number):
        for _ in range(1000):
            histogram.add(number)

    in_threads(4, add)
    assert histogram.totals() == ([2000, 4000], 6000.0)


def test_latencies_are_counted_by_decisioning_method(edge):
    with on_device(edge) as client:
        decide(client)  # takes the fast path in ``common_calls``
        decide(client, request_json(mboxes=["home", "unknown"], visitor={"thirdPartyId": "p"}))
        decide(client, decisioning_method="server-side")
        latencies = client.stats()["latencies"]
    assert {name: latency["count"] for name, latency in latencies.items()} == {"on-device": 2, "server-side": 1}
    on_device_latency = latencies["on-device"]
    assert list(on_device_latency["buckets"]) == [*map(str, LATENCY_BOUNDS), "+Inf"]
    assert on_device_latency["buckets"]["+Inf"] == 2
    assert 0 < on_device_latency["sum"] < LONG


def test_failed_calls_are_counted_by_class_and_in_the_latencies(edge):
    with server_side(edge) as client:
        for status in (500, 500, 404):
            edge.reply = status
            with pytest.raises(HttpStatusError):
                client.get_offers(offers())
        stats = client.stats()
    assert stats["errors"] == {"HttpStatusError": 3}
    assert stats["failures"] == stats["latencies"]["server-side"]["count"] == 3


def test_a_decision_that_takes_too_long_is_counted_as_deadline_exceeded(edge, monkeypatch):
    def too_slow(*_):
        raise DeadlineExceeded("too slow")

    monkeypatch.setattr("target_python_sdk.common_calls.decide", too_slow)
    with on_device(edge) as client:
        with pytest.raises(DeadlineExceeded):
            decide(client)
        assert client.stats()["errors"] == {"DeadlineExceeded": 1}


@pytest.mark.parametrize("create", [server_side, on_device])
def test_new_visitors_are_counted(create, edge):
    with create(edge) as client:
        for identity in (None, VisitorId(tnt_id="known.35_0"), VisitorId(third_party_id="known"), None):
            client.get_offers(offers(id=identity))
        assert client.stats()["new_visitors"] == 2


def test_notifications_that_were_not_sent_are_counted(edge):
    release, entered = threading.Event(), threading.Event()

    def hold(body):
        entered.set()
        release.wait(LONG / 1000)
        return answer_of()

    edge.reply = hold
    with on_device(edge, max_workers=1, max_pending=1) as client:
        client.get_offers(offers())
        assert entered.wait(LONG / 1000)
        client.get_offers(offers())  # its notification waits in the queue
        client.get_offers(offers())  # its notification finds the queue full
        assert client.stats()["dropped_notifications"] == 1
        client.close(1)
        assert client.stats()["dropped_notifications"] == client.stats()["undelivered"] == 2
        release.set()


def test_stats_contain_the_state_of_each_circuit(edge):
    edge.reply = 503
    with server_side(edge, circuit_breaker={"failures": 1, "cooldown": 600_000}, on_error="default") as client:
        assert client.stats()["circuits"] == {}
        client.get_offers(offers())
        assert client.stats()["circuits"] == {ORIGIN: "open"}
    with server_side(edge, circuit_breaker={"failures": 1, "cooldown": 1}, on_error="default") as client:
        client.get_offers(offers())
        breaker = client._processes.get().breaker
        for outage in [circuit.opened.get() for _, circuit in breaker._circuits.items()]:
            outage.next_probe_at = 0.0
        assert client.stats()["circuits"] == {ORIGIN: "half-open"}
    with server_side(edge, circuit_breaker=False) as client:
        assert client.stats()["circuits"] == {}


def test_stats_contain_the_age_and_the_version_of_the_artifact(edge):
    with on_device(edge) as client:
        artifact = client.stats()["artifact"]
    assert artifact["version"] == "1.0.0"
    assert 0 <= artifact["age"] < LONG
    assert artifact["stale"] is False
    assert "generated_at" in artifact
    with server_side(edge) as client:
        assert client.stats()["artifact"] is None
    with server_side(edge, decisioning_method="hybrid", artifact_location="http://127.0.0.1:9/x", retries=1) as client:
        assert client.stats()["artifact"] is None


def test_statistics_can_be_written_as_json(edge):
    with on_device(edge) as client:
        decide(client)
        stats = client.stats()
    assert json.loads(json.dumps(stats)) == stats


def test_a_histogram_never_shows_fewer_durations_for_a_larger_bound():
    histogram = Histogram((0.001, 0.01))
    histogram._counts[0].add(5)  # as if another thread had counted a batch for the first bound only
    assert histogram.totals()[0] == [5, 5, 5]
