"""Fixtures for the web frameworks: a local edge, a client that calls it, and clients that get no offers."""

from typing import Any, Dict, Iterator

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.local_edge import LocalEdge
from tests.integrations.browsing import ACTIVITIES
from tests.support import client_of


@pytest.fixture(scope="module")
def edge() -> Iterator[LocalEdge]:
    with LocalEdge(ACTIVITIES) as running:
        yield running


@pytest.fixture(scope="module")
def client(edge: LocalEdge) -> Iterator[TargetClient]:
    with client_of(edge) as made:
        yield made


@pytest.fixture(scope="module", params=["no activities", "edge down"])
def client_without_offers(request: pytest.FixtureRequest) -> Iterator[TargetClient]:
    empty: Dict[str, Any] = {"activities": []}
    with LocalEdge(empty) as edge, client_of(edge, retries=1) as made:
        if request.param == "edge down":
            edge.stop()
        yield made
