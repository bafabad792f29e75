"""A client that forks serves parent and child, each on connections of its own (T9, T10, T12; 2a)."""

import os

import pytest

from target_python_sdk.testing import SocketServer, answer
from tests.support import ANSWER_BYTES, client_of, content, in_a_child, offers

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no os.fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("hooks", ["with hooks", "without hooks"])
def test_parent_and_child_call_before_and_after(scheme, hooks, authority, monkeypatch):
    if hooks == "without hooks":
        # A default uWSGI worker runs none.
        monkeypatch.setattr(os, "register_at_fork", lambda **_: None)
    tls = authority.server_context() if scheme == "https" else None
    secure = {"secure": True, "ca_certs": authority.ca_file, "server_domain": None} if tls else {}
    with SocketServer(answer(ANSWER_BYTES), tls=tls) as server:
        if tls:
            secure["server_domain"] = "localhost:{}".format(server.port)
        with client_of(server, **secure) as client:

            def call():
                assert content(client.get_offers(offers())) == "<b>A</b>"

            call()
            assert in_a_child(lambda: [call() for _ in range(20)])
            for _ in range(20):
                call()
            assert in_a_child(lambda: in_a_child(call) or pytest.fail("the grandchild failed"))
            call()
        # One of the parent's, which it kept, one of each child's, and one of the grandchild's.
        assert server.connections == 3
        assert server.failures == []


def test_a_child_that_is_the_first_to_call_leaves_the_parent_nothing():
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server) as client:
        assert in_a_child(lambda: client.get_offers(offers()))
        assert content(client.get_offers(offers())) == "<b>A</b>"
        assert server.connections == 2


def test_the_child_begins_with_its_parents_hint():
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server) as client:
        client.get_offers(offers())

        def call():
            cookie = client.get_offers(offers())["target_location_hint_cookie"]
            assert cookie["value"] == "35"

        assert in_a_child(call)


def test_closing_in_the_child_closes_nothing_of_the_parents():
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server) as client:
        client.get_offers(offers())
        assert in_a_child(client.close)
        client.get_offers(offers())
        assert server.connections == 1
