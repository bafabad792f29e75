"""Forks at any moment, with and without fork hooks, under load and while locks are held (T9 to T12)."""

import json
import os
import re
import subprocess
import sys
from collections import Counter

import pytest

from target_python_sdk.testing import SocketServer, answer
from tests.client.conftest import Authority
from tests.reliability.conftest import scaled
from tests.reliability.forking import LOCKS
from tests.support import ANSWER_BYTES

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no os.fork"),
]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("forks"))


@pytest.fixture
def server():
    with SocketServer(answer(ANSWER_BYTES)) as running:
        yield running
    assert running.failures == []


@pytest.fixture
def hung():
    def hang(connection):
        connection.socket.recv(65536)
        connection.hang()

    with SocketServer(hang) as running:
        yield running


def program(name, seconds=120, **arguments):
    """Run a program of ``forking`` and return its report."""
    command = [sys.executable, "-m", "tests.reliability.forking", name, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, timeout=seconds, check=False, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Traceback" not in done.stderr, done.stderr[-4000:]
    return json.loads(done.stdout)


def notification_counts(server):
    """Return how often each notification was received."""
    found = (re.search(rb'"notifications": ?\[\{"id": ?"([^"]+)"', request) for request in list(server.requests))
    return Counter(each.group(1).decode() for each in found if each)


@pytest.mark.parametrize("forks", scaled(200, 200))
def test_t9_two_hundred_children_forked_under_load_complete_their_calls(forks, server, figure):
    seen = program("under_load", domain=server.domain, forks=forks)
    figure(f"children that completed their calls, of {forks}", seen["children"], forks)
    figure("slowest child, s", seen["slowest"], "1 at most")
    assert seen["children"] == forks
    assert seen["slowest"] < 5
    assert seen["errors"] == []
    assert seen["stuck"] == 0
    assert seen["threads"] <= 2
    assert seen["closed"]
    counts = notification_counts(server)
    expected = {f"{who}-{n}-{part}" for who in ("parent", "child") for n in range(forks) for part in "ab"}
    assert set(counts) == expected
    twice = [name for name, count in counts.items() if count > 1]
    figure("notifications that came twice", len(twice), 0)
    assert twice == []


#: Each of ``LOCKS``, with and without fork hooks.
LOCKS_AND_HOOKS = [
    (lock, hooks)
    for lock in sorted(LOCKS)
    for hooks in (True, False)
]


@pytest.mark.parametrize(("lock", "hooks"), LOCKS_AND_HOOKS)
def test_t10_a_child_works_whichever_lock_was_held(lock, hooks, server, hung, authority, figure):  # noqa: PLR0917
    arguments = {"lock": lock, "domain": server.domain, "hung": hung.domain, "hooks": hooks}
    if lock != "a_tls_context":
        seen = program("while_held", **arguments)
    else:
        with SocketServer(answer(ANSWER_BYTES), tls=authority.server_context()) as secure:
            domain = f"localhost:{secure.port}"
            seen = program("while_held", **{**arguments, "domain": domain, "ca_file": authority.ca_file})
    figure("{}, {}: child, s".format(lock, "hooks" if hooks else "no hooks"), seen["took"], "works")
    assert seen["child"]
    assert seen["closed"]


def test_t11_a_child_and_its_own_child_can_call(server):
    assert program("twice", domain=server.domain) == {"child": True, "grandchild": "success"}


def test_t11_a_child_forked_in_a_callback_can_call(server):
    assert program("in_a_callback", domain=server.domain) == {"children": [True] * 3, "closed": True}


def test_t11_a_child_that_returns_from_a_callback_sends_nothing_twice(server):
    seen = program("out_of_a_callback", domain=server.domain)
    assert seen == {"children": [True], "closed": True}
    assert notification_counts(server) == {"queued-0": 1, "queued-1": 1, "queued-2": 1}


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_t11_a_client_can_be_an_argument_of_a_process(method, server):
    seen = program("with_a_client_as_argument", domain=server.domain, method=method)
    assert seen == {"exit": 0, "calls": 3, "closed": True}
    assert notification_counts(server) == {"other-process": 1}


@pytest.mark.parametrize("count", scaled(1000, 300))
def test_t12_parent_and_child_do_not_share_a_tls_connection(count, authority, figure):
    with SocketServer(answer(ANSWER_BYTES), tls=authority.server_context()) as server:
        domain = f"localhost:{server.port}"
        seen = program("over_tls", domain=domain, ca_file=authority.ca_file, count=count)
        figure(f"TLS errors in {count} calls of either process", len(seen["errors"]), 0)
        assert seen == {"child": True, "errors": [], "closed": True}
        assert server.connections == 2
        assert server.failed_handshakes == 0
    assert server.failures == []


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("hooks", [True, False], ids=["hooks", "no hooks"])
def test_t12_parent_child_and_grandchild_can_call_before_and_after_each_fork(scheme, hooks, authority):
    tls = authority.server_context() if scheme == "https" else None
    with SocketServer(answer(ANSWER_BYTES), tls=tls) as server:
        where = {"domain": f"localhost:{server.port}", "ca_file": authority.ca_file} if tls else {}
        seen = program("before_and_after", **{"domain": server.domain, "hooks": hooks, **where})
        assert seen == {"children": [True, True], "closed": True}
        # The parent, the first child and the grandchild opened a connection each. The second child made no call.
        assert server.connections == 3
    assert server.failures == []


#: The moment of the fork, and whether fork hooks run. Only uWSGI forks without them, and there the SDK starts no worker
#: before the fork.
RIGHT_AFTER = [("an answer", True), ("an answer", False), ("a worker's end", True), ("a worker's start", True)]


@pytest.mark.parametrize(("moment", "hooks"), RIGHT_AFTER)
@pytest.mark.parametrize("forks", scaled(1500, 25))
def test_t12_no_child_hangs_if_a_thread_uses_openssl_or_has_just_used_it(moment, hooks, forks, authority, figure):
    with SocketServer(answer(ANSWER_BYTES), tls=authority.server_context()) as server:
        domain = f"localhost:{server.port}"
        arguments = {"moment": moment, "domain": domain, "ca_file": authority.ca_file, "forks": forks, "hooks": hooks}
        seen = program("right_after", seconds=600, **arguments)
    figure("right after {}, {}: children hung, of {}".format(moment, "hooks" if hooks else "no hooks", forks),
           seen["hung"], 0)  # fmt: skip
    assert seen == {"hung": 0}
