"""A local edge for the examples, and clients that call it although the examples name no server."""

from typing import Any, Callable, Iterator, List, Mapping, Optional

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.local_edge import LocalEdge

Create = Callable[..., TargetClient]


@pytest.fixture
def edge() -> Iterator[LocalEdge]:
    """A local edge with the sample activities."""
    with LocalEdge() as edge:
        yield edge


@pytest.fixture
def create_at_edge(edge: LocalEdge) -> Iterator[Create]:
    """``TargetClient.create`` with the edge's address as the default. Closes the clients afterwards."""
    clients: List[TargetClient] = []
    create = TargetClient.create

    def create_at_edge(options: Optional[Mapping[str, Any]] = None, **keywords: Any) -> TargetClient:
        given: Any = {**(options or {}), **keywords}
        if "server_domain" not in given:
            given.update(server_domain=edge.domain, secure=False)
        clients.append(create(given))
        return clients[-1]

    yield create_at_edge
    for client in clients:
        client.close()
