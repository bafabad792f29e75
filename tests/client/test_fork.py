"""A client in a forked child. ``reliability/test_forks.py`` forks at bad moments."""

import os

import pytest

from target_python_sdk.testing import SocketServer, answer
from tests.support import ANSWER_BYTES, client_of, content, in_a_child, offers

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no os.fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]


def test_parent_and_child_open_their_own_connections():
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server) as client:
        assert in_a_child(lambda: client.get_offers(offers()))
        assert content(client.get_offers(offers())) == "<b>A</b>"
        assert server.connections == 2


def test_the_child_inherits_the_location_hint():
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server) as client:
        client.get_offers(offers())

        def call():
            cookie = client.get_offers(offers())["target_location_hint_cookie"]
            assert cookie["value"] == "35"

        assert in_a_child(call)


def test_closing_in_the_child_keeps_the_parents_connection():
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server) as client:
        client.get_offers(offers())
        assert in_a_child(client.close)
        client.get_offers(offers())
        assert server.connections == 1
