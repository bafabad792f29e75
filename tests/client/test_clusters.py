"""The cluster that a client uses for visitors without a location hint."""

from types import SimpleNamespace

import pytest

from target_python_sdk.delivery import exchange
from target_python_sdk.delivery.exchange import QUARANTINE_SECONDS, ClusterMemory, delivery_origin
from target_python_sdk.delivery.options import client_settings
from target_tools import clock
from target_tools.logger import Log

SETTINGS = client_settings({"client": "acmeclient", "organization_id": "1@AdobeOrg"}, Log())


def origin(cluster):
    return delivery_origin(SETTINGS, cluster)


@pytest.fixture
def clock_offset(monkeypatch):
    offset = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(exchange, "monotonic", lambda: clock.monotonic() + offset.seconds)
    return offset


def cluster_memory(hint=None, open_circuits=()):
    return ClusterMemory(SETTINGS, hint, lambda each: each in {origin(cluster) for cluster in open_circuits})


def test_the_latest_cluster_is_used():
    clusters = cluster_memory("28")
    for cluster in ("35", None, "37", "37", None):
        clusters.learn(cluster)
    assert clusters.hint == "37"


def test_without_a_circuit_breaker_every_cluster_is_stored():
    clusters = ClusterMemory(SETTINGS, None)
    clusters.learn("35")
    assert clusters.hint == "35"


def test_a_cluster_with_an_open_circuit_is_not_stored():
    clusters = cluster_memory("28", open_circuits=["35"])
    clusters.learn("35")
    assert clusters.hint == "28"
    clusters.learn("37")
    assert clusters.hint == "37"


def test_an_unreachable_cluster_is_stored_again_only_after_a_while(clock_offset):
    clusters = cluster_memory("35")
    clusters.lose(origin("35"))
    assert clusters.hint is None
    clusters.learn("35")
    assert clusters.hint is None
    clock_offset.seconds = QUARANTINE_SECONDS - 0.5
    clusters.learn("35")
    assert clusters.hint is None
    clock_offset.seconds = QUARANTINE_SECONDS + 0.5
    clusters.learn("35")
    assert clusters.hint == "35"


def test_after_a_failure_another_cluster_is_stored_at_once(clock_offset):
    clusters = cluster_memory("35")
    clusters.lose(origin("35"))
    clusters.learn("37")
    assert clusters.hint == "37"


@pytest.mark.parametrize("lost", ["37", None])
def test_a_failure_of_another_origin_does_not_remove_the_stored_cluster(lost):
    """A visitor's hint may name a cluster that does not exist. That must not affect the calls of other visitors."""
    clusters = cluster_memory("35")
    clusters.lose(origin(lost))
    assert clusters.hint == "35"
    clusters.learn("37")
    assert clusters.hint == "37"


def test_a_failure_has_no_effect_if_no_cluster_is_stored():
    clusters = cluster_memory()
    clusters.lose(origin(None))
    clusters.lose(origin("35"))
    assert clusters.hint is None
    clusters.learn("35")
    assert clusters.hint == "35"
