"""Downloads of the rule artifact and changes of circuits are observed."""

import json
import logging
import threading

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.errors import ConnectionFailed, HttpStatusError, InvalidArtifact
from target_python_sdk.observation import Observation
from target_tools.http.breaker import CircuitChange
from target_tools.logger import Log
from tests.conformance.builders import artifact, rule
from tests.observers.edges import ALWAYS, answer_of, server_side
from tests.support import LONG, eventually, offers


class Cdn:
    """A pool manager that answers requests with ``replies``, one after the other, and then with status 304."""

    def __init__(self, *replies):
        self.replies = list(replies)

    def request(self, method, url, **options):
        reply = self.replies.pop(0) if self.replies else answer_of(304)
        if isinstance(reply, Exception):
            raise reply
        return reply


def observed_downloads(cdn, count, **options):
    """Return the observations of a client's first ``count`` downloads."""
    seen = []
    client = TargetClient.create({
        "client": "acmeclient",
        "organization_id": "1234567890@AdobeOrg",
        "cdn_base_path": "http://127.0.0.1:9",
        "decisioning_method": "hybrid",
        "polling_interval": 1,
        "retries": 1,
        "target_location_hint": "35",
        "pool_manager": cdn,
        "observers": [seen.append],
        **options,
    })  # fmt: skip
    with client:
        assert eventually(lambda: len(seen) >= count)
    assert {observed.kind for observed in seen} == {"artifact"}
    return seen[:count]


def good():
    answer = answer_of(200, ALWAYS)
    answer.headers = {"ETag": '"1"'}
    return answer


def test_new_and_unchanged_artifacts_are_observed():
    first, second = observed_downloads(Cdn(good()), 2)
    assert [(each.status, each.attempts, each.error) for each in (first, second)] == [(200, 1, None), (304, 1, None)]
    assert first.timings is not None
    assert (first.locations, first.decided_by, first.offers) == ((), None, ())
    assert repr(first).startswith("<Observed artifact ")


@pytest.mark.parametrize(
    ("reply", "error", "status"),
    [
        (answer_of(403), HttpStatusError, 403),
        (answer_of(200, []), InvalidArtifact, 200),
        (OSError("no route"), ConnectionFailed, None),
    ],
)
def test_a_failed_download_is_observed(reply, error, status):
    (failed,) = observed_downloads(Cdn(reply), 1)
    assert isinstance(failed.error, error)
    assert failed.status == status


def test_an_unexpected_error_of_a_download_is_observed(monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("target_python_sdk.artifact.source.download_and_load", broken)
    (failed,) = observed_downloads(Cdn(), 1)
    assert isinstance(failed.error, ZeroDivisionError)


def test_reading_an_artifact_file_is_observed(tmp_path):
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(artifact(home=[rule("A")])))
    (read,) = observed_downloads(Cdn(), 1, artifact_location=str(path))
    assert (read.status, read.attempts, read.error) == (None, 0, None)


def test_the_observation_of_a_download_ends_after_its_event():
    order = []

    class Tracer:
        def start(self, call):
            order.append(("start", threading.get_ident()))
            return self

        def __call__(self, observed):
            order.append((observed.status, threading.get_ident()))

    def succeeded(event):
        order.append(("event", threading.get_ident()))

    options = {"decisioning_method": "on-device", "cdn_base_path": "http://127.0.0.1:9", "polling_interval": 0}
    events = {"artifact_download_succeeded": succeeded}
    with server_side(Cdn(good()), Tracer(), **options, events=events, target_location_hint="35"):
        assert eventually(lambda: len(order) == 3)
    assert [what for what, _ in order] == ["start", "event", 200]
    assert len({thread for _, thread in order}) == 1


def test_a_download_that_ends_after_close_is_observed():
    started, closing, seen = threading.Event(), threading.Event(), []

    class SlowCdn(Cdn):
        def request(self, method, url, **options):
            started.set()
            closing.wait(LONG / 1000)
            return super().request(method, url, **options)

    options = {"decisioning_method": "on-device", "cdn_base_path": "http://127.0.0.1:9", "polling_interval": 0}
    client = server_side(SlowCdn(good()), seen.append, **options, target_location_hint="35")
    assert started.wait(LONG / 1000)
    client.close()
    closing.set()
    assert eventually(lambda: [(each.kind, each.status) for each in seen] == [("artifact", 200)])


def test_changes_of_a_circuit_are_observed():
    seen = []
    down = Cdn(*[answer_of(503)] * 2)
    options = {"circuit_breaker": {"failures": 2, "cooldown": 1}, "timeout": LONG, "on_error": "default"}
    with server_side(down, seen.append, **options) as client:
        client.get_offers(offers())
        client.get_offers(offers())
        down.replies = [answer_of()] * 100
        assert eventually(lambda: client.get_offers(offers()).error is None)
        assert client.stats()["circuits"]["https://acmeclient.tt.omtrdc.net"] == "closed"
    changes = [each for each in seen if each.kind.startswith("circuit")]
    assert [(each.kind, each.origin) for each in changes] == [
        ("circuit_opened", "https://acmeclient.tt.omtrdc.net"),
        ("circuit_closed", "https://acmeclient.tt.omtrdc.net"),
    ]
    assert changes[1].seconds > 0
    assert "https://acmeclient.tt.omtrdc.net" in repr(changes[0])


def test_a_circuit_change_reaches_all_observers_if_one_is_interrupted():
    seen = []

    def interrupted(observed):
        raise KeyboardInterrupt

    observing = Observation([seen.append, interrupted, seen.append], Log(logging.getLogger("tests")))
    with pytest.raises(KeyboardInterrupt):
        observing.circuit_changed(CircuitChange("https://edge.example", False, 0, 0, "503", 3.0))
    assert [(each.kind, each.origin) for each in seen] == [("circuit_closed", "https://edge.example")] * 2
