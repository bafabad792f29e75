"""Retries, their budget and the circuit breaker against servers on loopback (T22, T23, T24)."""

import collections
import logging
import socket
import threading
import time
from types import SimpleNamespace

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.errors import CircuitOpen, ConnectionFailed, DeadlineExceeded, HttpStatusError
from target_python_sdk.testing import SocketServer, answer, replies
from target_python_sdk.testing.http_bytes import response
from tests.reliability.conftest import Quiet
from tests.support import ANSWER_BYTES, client_of, content, eventually, head_of, offers

pytestmark = pytest.mark.server

GOOD = response(ANSWER_BYTES)
FAILING = response({"message": "no"}, 503, {"Connection": "keep-alive"})


def outcome(client, **options):
    """Make a call. Return its status, or the class name of its error."""
    try:
        client.get_offers({**offers(), **options})
    except HttpStatusError as error:
        return error.status
    except (CircuitOpen, ConnectionFailed, DeadlineExceeded) as error:
        return type(error).__name__
    return 200


def timed_outcome(client):
    """Make a call. Return its outcome and its duration in milliseconds."""
    began = time.perf_counter()
    result = outcome(client)
    return result, (time.perf_counter() - began) * 1000


def percentile(values, share):
    return sorted(values)[int(len(values) * share)]


@pytest.fixture
def refused_port():
    with socket.socket() as reserved:  # bound, but not listening
        reserved.bind(("127.0.0.1", 0))
        yield SimpleNamespace(domain=f"127.0.0.1:{reserved.getsockname()[1]}")


# T22


@pytest.mark.parametrize(
    ("status", "attempts"),
    [
        *((status, 1) for status in (400, 401, 403, 404, 408, 425, 500, 501)),
        *((status, 3) for status in (429, 502, 503, 504)),
    ],
)
def test_t22_only_some_statuses_are_retried(status, attempts, figure):
    with SocketServer(answer(b"{}", status)) as server, client_of(server, logger=Quiet()) as client:
        with pytest.raises(HttpStatusError) as caught:
            client.get_offers(offers())
    figure(f"requests of a call that gets {status}", len(server.requests), attempts)
    assert (caught.value.status, caught.value.attempts, len(server.requests)) == (status, attempts, attempts)


def test_t22_a_refused_connection_is_retried(refused_port, figure):
    with client_of(refused_port, logger=Quiet()) as client, pytest.raises(ConnectionFailed) as caught:
        client.get_offers(offers())
    figure("attempts on a port that refuses", caught.value.attempts, 3)
    assert (caught.value.attempts, caught.value.phase) == (3, "opening")
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


@pytest.mark.parametrize(
    ("requested", "attempts"),
    [
        ("86400", 1),
        ("1" + "0" * 400, 1),
        ("Fri, 31 Dec 2100 23:59:59 GMT", 1),
        ("-1", 3),
        ("NaN", 3),
        ("1e9", 3),
        ("1;x", 3),
        ("Thu, 99 Jan 1970 00:00:00 GMT", 3),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 3),
    ],
    ids=lambda value: str(value)[:12],
)
def test_t22_a_retry_after_beyond_the_deadline_prevents_retries(requested, attempts, figure):
    """Invalid values and times in the past are ignored."""
    limited = response({"message": "no"}, 503, {"Connection": "keep-alive", "Retry-After": requested})
    with SocketServer(replies(*[limited] * attempts)) as server, client_of(server, logger=Quiet()) as client:
        result, milliseconds = timed_outcome(client)
    figure(f"ms of a call with Retry-After {requested[:12]}", milliseconds, "deadline 20000")
    assert result == 503  # the last answer, not DeadlineExceeded
    assert len(server.requests) == attempts


def test_t22_delays_are_jittered(figure):
    arrivals = []

    def fail_once(connection):
        number = 0
        while connection.read_request():
            arrivals.append(time.monotonic())
            connection.send(GOOD if number % 2 else FAILING)
            number += 1

    # A new client has a full retry budget.
    with SocketServer(fail_once) as server:
        for _ in range(60):
            with client_of(server, logger=Quiet()) as client:
                assert content(client.get_offers(offers())) == "<b>A</b>"
    pauses = [second - first for first, second in zip(arrivals[::2], arrivals[1::2])]
    figure("shortest first pause, ms", min(pauses) * 1000, "near 0")
    figure("longest first pause, ms", max(pauses) * 1000, "near 100")
    assert len(pauses) == 60
    assert max(pauses) - min(pauses) > 0.05


# T23


def test_t23_retries_add_at_most_a_tenth_to_1000_failing_calls(figure):
    calls = 1000
    options = {"logger": Quiet(), "circuit_breaker": False}
    with SocketServer(answer(b"{}", 503)) as server, client_of(server, **options) as client:
        for _ in range(100):  # spend the budget that an idle client has accumulated
            assert outcome(client) == 503
        before, began = len(server.requests), time.perf_counter()
        assert {outcome(client) for _ in range(calls)} == {503}
        seconds = time.perf_counter() - began
        retries = len(server.requests) - before - calls
    figure("requests per call after the budget is empty", (calls + retries) / calls, "1.1 at most")
    figure("seconds for 1000 failing calls", seconds, "-")
    assert 0 < retries <= calls / 10 + 1


def test_t23_the_breaker_limits_the_retries(figure):
    with SocketServer(answer(b"{}", 503)) as server, client_of(server, logger=Quiet()) as client:
        began = time.perf_counter()
        result = collections.Counter(outcome(client) for _ in range(1000))
        seconds = time.perf_counter() - began
    figure("requests of 1000 failing calls with the breaker", len(server.requests), "3 for each call sent")
    figure("seconds for 1000 failing calls with the breaker", seconds, "-")
    assert set(result) == {503, "CircuitOpen"}
    assert result[503] >= 5
    assert result["CircuitOpen"] > 900
    assert result[503] <= len(server.requests) <= 3 * result[503]


def answer_by_host(connection):
    """Answer requests to a plain HTTP proxy: with 503 for clusters, successfully for the general host."""
    while True:
        request = connection.read_request()
        if not request:
            return
        connection.send(FAILING if head_of(request)["host"].startswith("mboxedge") else GOOD)


@pytest.fixture
def client_and_proxy():
    """Yield a client without ``server_domain``, and the local proxy that receives its requests to all hosts."""
    with SocketServer(answer_by_host) as proxy:
        options = {
            "client": "acmeclient",
            "organization_id": "1234567890@AdobeOrg",
            "secure": False,
            "proxy": proxy.domain,
            "timeout": 20000,
            "logger": Quiet(),
        }
        with TargetClient.create(options) as client:
            yield client, proxy


def hosts(proxy):
    return collections.Counter(head_of(request)["host"].partition(".")[0] for request in proxy.requests)


def with_hint(cluster):
    return {"target_location_hint": cluster}


def test_t23_a_visitor_with_a_dead_cluster_does_not_spend_the_budget_of_others(client_and_proxy, figure):
    client, proxy = client_and_proxy
    for _ in range(4):  # not enough to open a circuit
        assert outcome(client, **with_hint("dead")) == 503
    requests = hosts(proxy)["mboxedgedead"]
    assert requests == 12
    for number in range(20):
        assert outcome(client, **with_hint(f"dead{number}")) == 503
    counts = [count for name, count in hosts(proxy).items() if name.startswith("mboxedgedead")]
    figure("requests of each call to one of 21 dead clusters", max(counts) // 4, 3)
    # With a shared budget of ten retries, most of these calls would have been sent only once.
    assert sorted(counts) == [3] * 20 + [12]


# T24


class Hung:
    """A handler that does not answer until ``repaired`` is set."""

    def __init__(self):
        self.repaired = threading.Event()

    def __call__(self, connection):
        while connection.read_request():
            if not self.repaired.is_set():
                connection.hang()
            connection.send(GOOD)


def test_t24_the_breaker_refuses_most_calls_of_100_callers_of_a_hung_server(figure, caplog):
    caplog.set_level(logging.INFO, "adobe.target")
    changes, hung = [], Hung()
    results, refusals = collections.Counter(), []
    all_callers_failed = threading.Barrier(101)
    options = {
        "timeout": 300,
        "events": {"circuit_opened": changes.append, "circuit_closed": changes.append},
    }

    def caller(client):
        first = outcome(client)
        all_callers_failed.wait(30)
        measured = []
        for _ in range(20):
            measured.append(timed_outcome(client))
            hung.repaired.wait(0.02)  # limits the rate of calls
        results.update([first, *(result for result, _ in measured)])
        refusals.extend(milliseconds for result, milliseconds in measured if result == "CircuitOpen")

    with SocketServer(hung) as server, client_of(server, **options) as client:
        threads = [threading.Thread(target=caller, args=(client,)) for _ in range(100)]
        for thread in threads:
            thread.start()
        all_callers_failed.wait(30)
        for thread in threads:
            thread.join()
        assert [change["type"] for change in changes] == ["circuit_opened"]
        sent = len(server.requests)
        hung.repaired.set()
        assert eventually(lambda: outcome(client) == 200)
        origin = "http://" + server.domain
    opened, closed = changes
    figure("calls of 100 callers that waited for the hung server", results["DeadlineExceeded"], "100 and a few probes")
    figure("ms of a refused call, p50", percentile(refusals, 0.5), "-")
    figure("ms of a refused call, p99", percentile(refusals, 0.99), "5")
    assert set(results) == {"DeadlineExceeded", "CircuitOpen"}
    assert sum(results.values()) == 2100
    assert results["CircuitOpen"] > 1800
    assert sent <= results["DeadlineExceeded"]  # no refused call was sent
    assert (opened.origin, opened.cause) == (closed.origin, closed.cause) == (origin, "DeadlineExceeded")
    assert 5 <= opened.failures <= opened.calls <= 100
    assert closed["type"] == "circuit_closed"
    assert closed.open_seconds > 0
    lines = [(record.levelname, record.getMessage()) for record in caplog.records if "Circuit" in record.getMessage()]
    assert [level for level, _ in lines] == ["WARNING", "INFO"]
    assert lines[0][1].startswith(
        f"Circuit of {origin} opened after {opened.failures} failures in {opened.calls} calls; "
        f"the last was DeadlineExceeded: no answer from {origin} within "
    )
    assert lines[1][1].startswith(f"Circuit of {origin} closed after ")


def test_t24_five_timeouts_of_a_single_caller_open_the_circuit(figure):
    with SocketServer(lambda connection: connection.hang()) as server:
        with client_of(server, timeout=300, logger=Quiet(), retries=1) as client:
            result = [outcome(client) for _ in range(6)]
    figure("timeouts of one thread until the circuit opens", result.count("DeadlineExceeded"), 5)
    assert result == ["DeadlineExceeded"] * 5 + ["CircuitOpen"]


def test_t24_answers_with_status_500_open_no_circuit():
    def poisoned(connection):
        while True:
            request = connection.read_request()
            if not request:
                return
            connection.send(response({}, 500, {"Connection": "keep-alive"}) if b"POISON" in request else GOOD)

    with SocketServer(poisoned) as server, client_of(server, logger=Quiet()) as client:
        result = collections.Counter()
        for _ in range(50):
            for _ in range(5):
                with pytest.raises(HttpStatusError):
                    client.get_offers(offers("POISON"))
            result[outcome(client)] += 1
    assert result == {200: 50}
    assert len(server.requests) == 300


def test_t24_a_visitor_with_a_dead_cluster_opens_only_the_circuit_of_that_cluster(client_and_proxy):
    client, proxy = client_and_proxy
    assert [outcome(client, **with_hint("dead")) for _ in range(5)] == [503] * 5
    requests_before = hosts(proxy)["mboxedgedead"]
    # The circuit of the cluster is open, so the client's own host answers.
    assert outcome(client, **with_hint("dead")) == 200
    assert hosts(proxy)["mboxedgedead"] == requests_before
    assert outcome(client) == 200
    assert hosts(proxy)["acmeclient"] == 2
