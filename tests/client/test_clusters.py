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
def now(monkeypatch):
    moved = SimpleNamespace(by=0.0)
    monkeypatch.setattr(exchange, "monotonic", lambda: clock.monotonic() + moved.by)
    return moved


def memory(hint=None, open_circuits=()):
    return ClusterMemory(SETTINGS, hint, lambda asked: asked in {origin(cluster) for cluster in open_circuits})


def test_the_latest_cluster_is_used():
    remembered = memory("28")
    for cluster in ("35", None, "37", "37", None):
        remembered.learn(cluster)
    assert remembered.hint == "37"


def test_without_a_circuit_breaker_every_cluster_is_stored():
    remembered = ClusterMemory(SETTINGS, None)
    remembered.learn("35")
    assert remembered.hint == "35"


def test_a_cluster_with_an_open_circuit_is_not_stored():
    remembered = memory("28", open_circuits=["35"])
    remembered.learn("35")
    assert remembered.hint == "28"
    remembered.learn("37")
    assert remembered.hint == "37"


def test_a_lost_cluster_is_stored_again_only_after_a_while(now):
    remembered = memory("35")
    remembered.lose(origin("35"))
    assert remembered.hint is None
    remembered.learn("35")
    assert remembered.hint is None
    now.by = QUARANTINE_SECONDS - 0.5
    remembered.learn("35")
    assert remembered.hint is None
    now.by = QUARANTINE_SECONDS + 0.5
    remembered.learn("35")
    assert remembered.hint == "35"


def test_another_cluster_is_stored_at_once(now):
    remembered = memory("35")
    remembered.lose(origin("35"))
    remembered.learn("37")
    assert remembered.hint == "37"


@pytest.mark.parametrize("lost", ["37", None])
def test_only_the_stored_cluster_can_be_lost(lost):
    """A visitor's hint can name any host, and many of these hosts do not exist."""
    remembered = memory("35")
    remembered.lose(origin(lost))
    assert remembered.hint == "35"
    remembered.learn("37")
    assert remembered.hint == "37"


def test_nothing_is_lost_without_a_stored_cluster():
    remembered = memory()
    remembered.lose(origin(None))
    remembered.lose(origin("35"))
    assert remembered.hint is None
    remembered.learn("35")
    assert remembered.hint == "35"
