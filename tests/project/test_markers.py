"""The guard refuses sockets and processes to a test without the marker for them."""

import socket

import pytest

from tests.conftest import MarkerGuard


def test_a_test_without_a_marker_gets_no_socket_and_no_process(request: pytest.FixtureRequest) -> None:
    guard = MarkerGuard()
    guard.begin(request.node)
    for event in ("socket.connect", "os.fork"):
        with pytest.raises(RuntimeError, match="not marked"):
            guard.audit(event, ())
    assert guard.end() == [
        "socket.connect in a test that is not marked server",
        "os.fork in a test that is not marked process or server",
    ]


@pytest.mark.process
def test_the_marker_process_allows_no_socket(request: pytest.FixtureRequest) -> None:
    guard = MarkerGuard()
    guard.begin(request.node)
    guard.audit("os.fork", ())
    with pytest.raises(RuntimeError):
        guard.audit("socket.connect", ())


def test_a_pair_of_sockets_needs_no_marker() -> None:
    for each in socket.socketpair():
        each.close()
