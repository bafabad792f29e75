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
def create_at_edge(edge: LocalEdge, monkeypatch: pytest.MonkeyPatch) -> Iterator[Create]:
    """Yield ``TargetClient.create`` with the edge's address as the default, and close the created clients afterwards.

    During the test, ``TargetClient.create_async`` has the same default.
    """
    clients: List[TargetClient] = []
    create, create_async = TargetClient.create, TargetClient.create_async

    def at_edge(options: Optional[Mapping[str, Any]], keywords: Mapping[str, Any]) -> Any:
        client_options: Any = {**(options or {}), **keywords}
        return (
            client_options
            if "server_domain" in client_options
            else {**client_options, "server_domain": edge.domain, "secure": False}
        )

    def create_at_edge(options: Optional[Mapping[str, Any]] = None, **keywords: Any) -> TargetClient:
        clients.append(create(at_edge(options, keywords)))
        return clients[-1]

    def create_async_at_edge(options: Optional[Mapping[str, Any]] = None, **keywords: Any) -> Any:
        return create_async(at_edge(options, keywords))

    monkeypatch.setattr(TargetClient, "create_async", staticmethod(create_async_at_edge))
    yield create_at_edge
    for client in clients:
        client.close()
