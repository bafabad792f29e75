"""A cluster that the client remembers becomes unreachable, and the general host still answers."""

import collections
import socket
import time
from types import SimpleNamespace

import pytest

from target_python_sdk import TargetClient, runtime
from target_python_sdk.delivery import exchange
from target_python_sdk.testing import SocketServer
from target_python_sdk.types import VisitorId
from target_tools.clock import monotonic
from target_tools.concurrency.lock_free import Counter
from target_tools.http import breaker, dns, pools, transport
from tests.reliability.conftest import Quiet
from tests.reliability.visitors import address_info, answer_to, belongs_to, unresponsive_port
from tests.support import content, head_of, in_threads, offers

pytestmark = pytest.mark.server

GENERAL, CLUSTER = "acmeclient.tt.omtrdc.net", "mboxedge35.tt.omtrdc.net"
#: Milliseconds: long enough that no call fails because the machine stalls for seconds.
TIMEOUT = 20000


def answer_and_close(connection):
    """Answer one request and close, so that each call opens a connection."""
    raw = connection.read_request()
    if raw and host_of(raw) in (GENERAL, CLUSTER):
        connection.send(answer_to(raw).replace(b"\r\n", b"\r\nConnection: close\r\n", 1))


@pytest.fixture
def edge(monkeypatch):
    """Yield a server on loopback that has two names, the general host and the cluster, and options for its clients.

    If ``lost`` is not empty, the cluster is unreachable. ``lookups`` counts the name lookups by host, and
    ``attempts`` counts the attempts to connect to the unreachable cluster.
    """
    lookups, attempts, changes, lost = collections.Counter(), Counter(), [], []

    def resolve(host, *more, **named):
        if host not in (GENERAL, CLUSTER):
            return real_resolve(host, *more, **named)
        lookups[host] += 1
        return [address_info(hole.address if lost and host == CLUSTER else ("127.0.0.1", server.port))]

    real_resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    for module in (runtime, transport):  # a call waits at most half a second for the cluster
        monkeypatch.setattr(module, "OPENING_SHARE", 500 / TIMEOUT)
    monkeypatch.setattr(dns, "FRESH_SECONDS", 0.0)  # each connection looks its address up

    def connect(addresses, *more):
        if hole.address in [address[4] for address in addresses]:
            attempts.add()
        return real_connect(addresses, *more)

    real_connect = pools.connect
    monkeypatch.setattr(pools, "connect", connect)
    options = {
        "client": "acmeclient",
        "organization_id": "1234567890@AdobeOrg",
        "secure": False,
        "timeout": TIMEOUT,
        "logger": Quiet(),
        "telemetry_enabled": False,  # every request belongs to a visitor; none sends only telemetry
        "events": {"circuit_opened": changes.append, "circuit_closed": changes.append},
    }
    with unresponsive_port() as hole, SocketServer(answer_and_close) as server:
        yield SimpleNamespace(
            options=options, server=server, lookups=lookups, attempts=attempts, changes=changes, lost=lost
        )


def call_as_new_visitor(client, marker):
    """Make a call for a new visitor."""
    envelope = client.get_offers(offers(id=VisitorId(tnt_id=marker)))
    assert (envelope["response"].id.tnt_id, content(envelope)) == (marker, f"for {marker}")


def call_as_known_visitor(client, marker):
    """Make a call for a visitor whose cookie names the cluster."""
    envelope = client.get_offers({**offers(), "target_cookie": f"PC#{marker}.35_0#9999999999"})
    assert belongs_to(envelope, marker)


def hint_of(client):
    return client.config.get("target_location_hint")


def host_of(raw):
    return head_of(raw)["host"]


def hosts(server):
    return collections.Counter(map(host_of, server.requests))


def learn(client, server):
    """Let the client learn its cluster from the general host."""
    call_as_new_visitor(client, "first")
    call_as_new_visitor(client, "second")
    assert hint_of(client) == "35"
    assert hosts(server) == {GENERAL: 1, CLUSTER: 1}
    del server.requests[:]


WHO = {
    "new visitors": lambda visitor: call_as_new_visitor,
    "visitors whose cookie names it": lambda visitor: call_as_known_visitor,
    "both": lambda visitor: (call_as_new_visitor, call_as_known_visitor)[visitor % 2],
}


@pytest.mark.parametrize("who", WHO)
def test_t30_an_unreachable_cluster_does_not_prevent_answers(who, edge, figure):
    """20 visitors call at the same time, five times each. All calls are answered, and few wait for the cluster.

    The first call of each visitor can wait for it. Four visitors can wait a second time, because only the fifth
    failure opens the circuit.
    """
    visitors, times = 20, []
    server = edge.server
    options = {**edge.options, "circuit_breaker": {"cooldown": 60000}}
    with TargetClient.create(options) as client:
        learn(client, server)
        edge.lost.append(True)

        def calls(visitor):
            for _ in range(5):
                began = time.monotonic()
                WHO[who](visitor)(client, f"v{visitor}")
                times.append(time.monotonic() - began)

        in_threads(visitors, calls)
        stats, hint = client.stats(), hint_of(client)
    waited, most = int(edge.attempts), visitors + 4
    figure(f"calls answered by the general host, {who}", hosts(server)[GENERAL], len(times))
    figure(f"calls that waited for the cluster, {who}", waited, f"{most} at most")
    figure(f"s of the slowest call, {who}", max(times), TIMEOUT / 1000)
    assert hosts(server) == {GENERAL: 100}
    assert len(times) == stats["calls"] - 2 == 100
    assert stats["failures"] == 0
    assert max(times) < TIMEOUT / 1000 + 0.5
    assert 5 <= waited <= most
    assert [change["type"] for change in edge.changes] == ["circuit_opened"]
    assert edge.changes[0].origin == f"http://{CLUSTER}"
    assert hint is None  # although each answer contained a hint


@pytest.mark.parametrize(
    "ask", [call_as_new_visitor, call_as_known_visitor], ids=["new visitor", "visitor whose cookie names it"]
)
def test_t30_calls_in_the_main_thread_fall_back_to_the_general_host(ask, edge):
    """The main thread opens connections in a helper thread, which it abandons here."""
    with TargetClient.create(edge.options) as client:
        learn(client, edge.server)
        edge.lost.append(True)
        for number in range(4):
            ask(client, f"v{number}")
        assert hosts(edge.server) == {GENERAL: 4}
        assert client.stats()["failures"] == 0
        assert hint_of(client) is None


def test_t30_a_cluster_is_not_learned_while_its_circuit_is_open(edge, monkeypatch, figure):
    """Meanwhile the client does not try to connect to the cluster. It learns the cluster again after the cooldown."""
    # An unreachable cluster is also quarantined. The test switches that off, so that only the circuit has an effect.
    monkeypatch.setattr(exchange, "QUARANTINE_SECONDS", 0.0)
    server, calls, hints = edge.server, 20, set()
    options = {**edge.options, "circuit_breaker": {"cooldown": 60000}}
    with TargetClient.create(options) as client:
        learn(client, server)
        edge.lost.append(True)
        for number in range(5):
            call_as_known_visitor(client, f"v{number}")
        assert [change["type"] for change in edge.changes] == ["circuit_opened"]
        lookups = edge.lookups[CLUSTER]
        for number in range(calls):
            (call_as_new_visitor, call_as_known_visitor)[number % 2](client, f"w{number}")
            hints.add(hint_of(client))
        figure("attempts to connect while the circuit was open", edge.lookups[CLUSTER] - lookups, 0)
        assert hints == {None}
        assert edge.lookups[CLUSTER] == lookups
        assert hosts(server) == {GENERAL: 5 + calls}

        edge.lost.clear()
        monkeypatch.setattr(breaker, "monotonic", lambda: monotonic() + 120)
        call_as_new_visitor(client, "learns")
        assert hint_of(client) == "35"
        call_as_new_visitor(client, "probes")
        assert edge.lookups[CLUSTER] == lookups + 1
        assert [change["type"] for change in edge.changes] == ["circuit_opened", "circuit_closed"]
        assert hint_of(client) == "35"
        assert client.stats()["failures"] == 0
