"""All kinds of calls end at their deadline wherever the network stalls, even if the queue is full (T1, T21, T30)."""

import asyncio
import collections
import contextlib
import socket
import sys
import threading
import time
from types import SimpleNamespace

import pytest
import urllib3

from target_python_sdk.errors import ConnectionFailed, DeadlineExceeded, DeliveryError, HttpStatusError, QueueFull
from target_python_sdk.testing import SocketServer, answer, response
from target_tools.concurrency.task_workers import MAX_BLOCKED
from target_tools.http import connect as connecting
from target_tools.http import dns
from tests.reliability.conftest import Quiet, scaled
from tests.reliability.visitors import address_info, unresponsive_port
from tests.support import ANSWER_BYTES, LONG, SHORT, client_of, content, eventually, in_threads, offers

pytestmark = pytest.mark.server

#: Seconds that a busy machine may add to a deadline. Without a deadline, the calls would take longer.
SLACK = 20.0
WAYS = ("sync", "callback", "await")
IMPATIENT = {"timeout": SHORT, "logger": Quiet(), "circuit_breaker": False}
GOOD = response(ANSWER_BYTES)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def timed_outcome(function):
    """Call ``function``. Return ``answered`` or the error, and the duration in seconds."""
    began = time.monotonic()
    try:
        function()
    except DeliveryError as error:
        return error, time.monotonic() - began
    return "answered", time.monotonic() - began


def in_every_way(client):
    """Make a call in each way, all at the same time.

    Return the outcome and the duration in seconds by way, and the errors that ``err_callback`` got.
    """
    errors, found = [], {}

    async def call_async():
        await client.get_offers_async(offers())

    acts = {
        "sync": lambda: client.get_offers(offers()),
        "callback": lambda: client.get_offers({**offers(), "callback": str, "err_callback": errors.append}).get(),
        "await": lambda: asyncio.run(call_async()),
    }

    def run(way):
        found[way] = timed_outcome(acts[way])

    others = [threading.Thread(target=run, args=(way,)) for way in WAYS[1:]]
    for thread in others:
        thread.start()
    run("sync")  # in the main thread, which opens connections in a helper thread
    for thread in others:
        thread.join()
    return found, errors


def repeat(piece, every, first=b""):
    """Return a handler that sends ``first``, and then ``piece`` every ``every`` seconds."""

    def handle(connection):
        connection.read_request()
        connection.send(first)
        while True:
            connection.send(piece)
            connection.wait(every)

    return handle


def answer_nothing(connection):
    connection.read_request()
    connection.hang()


def read_nothing(connection):
    connection.hang()


def answer_503(connection):
    while connection.read_request():
        connection.wait(0.15)
        connection.send(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")


STALLS = {
    "answers nothing": answer_nothing,
    "reads nothing": read_nothing,
    "status line byte by byte": repeat(b"1", 0.05, b"HTTP/"),
    "header byte by byte": repeat(b"x", 0.05, b"HTTP/1.1 200 OK\r\nX-Slow: "),
    "header after header": repeat(b"A: b\r\n", 0.05, b"HTTP/1.1 200 OK\r\n"),
    "body byte by byte": repeat(b" ", 0.05, HEAD + b"Content-Length: 100000\r\n\r\n"),
    "body without end byte by byte": repeat(b" ", 0.02, HEAD + b"Connection: close\r\n\r\n"),
    "small chunks": repeat(b"1\r\n \r\n", 0.0001, CHUNKED),
    "chunk size byte by byte": repeat(b"0", 0.05, CHUNKED),
    "chunk extension byte by byte": repeat(b"x", 0.01, CHUNKED + b"1;"),
    "trailer after trailer": repeat(b"A: b\r\n", 0.05, CHUNKED + b"0\r\n"),
    "100 after 100": repeat(b"HTTP/1.1 100 Continue\r\n\r\n", 0.05),
    "103 after 103": repeat(b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n", 0.05),
    "503 repeatedly": answer_503,
}


def check_deadline(client, figure, name, kinds=(DeadlineExceeded,)):
    """Make a call in each way and check that it ends at its deadline. Return the errors."""
    found, errors = in_every_way(client)
    figure(f"s of the slowest call, {name}", max(elapsed for _, elapsed in found.values()), "0.25")
    for error, elapsed in found.values():
        assert type(error) in kinds
        assert elapsed < SHORT / 1000 + SLACK
        assert elapsed > SHORT / 1000 - 0.02 or type(error) is not DeadlineExceeded
    assert eventually(lambda: errors)
    assert errors == [found["callback"][0]]  # the error that get() raised; the callback ran once
    return [error for error, _ in found.values()]


@pytest.mark.parametrize("name", STALLS)
def test_t1_a_call_to_a_stalling_server_ends_at_its_deadline(name, figure):
    # An attempt that ends shortly before the deadline is not repeated, and the call ends with the status of the answer.
    kinds = (DeadlineExceeded, HttpStatusError) if name == "503 repeatedly" else (DeadlineExceeded,)
    with SocketServer(STALLS[name]) as server, client_of(server, **IMPATIENT) as client:
        check_deadline(client, figure, name, kinds)
        assert server.connections == len(WAYS)  # a request that was sent is not sent again


def test_t1_a_call_whose_tls_handshake_hangs_ends_at_its_deadline(figure):
    with SocketServer(read_nothing) as server, client_of(server, secure=True, **IMPATIENT) as client:
        check_deadline(client, figure, "TLS handshake")
        # On a busy machine, a deadline may pass before the connect, and the server may accept later.
        assert eventually(lambda: server.connections >= 1)
        assert server.connections <= len(WAYS)


def test_t1_a_call_to_a_port_that_ignores_connects_ends_at_its_deadline(figure):
    with unresponsive_port() as hole, client_of(hole, **IMPATIENT) as client:
        check_deadline(client, figure, "connect")
        assert eventually(lambda: client.stats()["abandoned"] == 0)  # an attempt ends at its deadline


# T30


@pytest.fixture
def hanging_resolver(monkeypatch):
    """Replace the resolver with one that hangs until ``go`` is set. ``lookups`` lists the hosts of its calls."""
    go, lookups = threading.Event(), []

    def resolve(host, *_, **__):
        lookups.append(host)
        go.wait(LONG / 1000)
        raise socket.gaierror(socket.EAI_AGAIN, "too late")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    yield SimpleNamespace(go=go, lookups=lookups)
    go.set()


EDGE = SimpleNamespace(domain="edge.example:80")


def test_t1_t30_a_call_with_a_hanging_resolver_ends_at_its_deadline(hanging_resolver, figure):
    with client_of(EDGE, **IMPATIENT) as client:
        check_deadline(client, figure, "lookup")
        assert hanging_resolver.lookups == ["edge.example"]  # three calls share one lookup
        assert client.stats()["abandoned"] == 1
        hanging_resolver.go.set()
        assert eventually(lambda: client.stats()["abandoned"] == 0)


@pytest.mark.parametrize(
    "resolver_error",
    [
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
        UnicodeError("label too long"),
        RuntimeError("a resolver of the application"),
        None,
    ],
    ids=["unknown", "again", "unicode", "other", "no address"],
)
def test_t30_a_lookup_without_an_address_is_an_error(resolver_error, monkeypatch, figure):
    lookups = []

    def resolve(host, *_, **__):
        lookups.append(host)
        if resolver_error is not None:
            raise resolver_error
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with client_of(EDGE, logger=Quiet()) as client:
        error, elapsed = timed_outcome(lambda: client.get_offers(offers()))
    figure(f"s of a call whose lookup ends with {resolver_error!r:.40}", elapsed, "-")
    assert type(error) is ConnectionFailed
    assert (error.phase, error.attempts, len(lookups)) == ("opening", 3, 3)
    assert error.__cause__ is resolver_error


def test_t30_a_known_address_is_used_while_the_resolver_fails_or_hangs(monkeypatch, figure):
    """No connection stays open, so each call needs an address."""
    closing = answer(ANSWER_BYTES, headers={"Connection": "close"})
    monkeypatch.setattr(dns, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(dns, "PATIENCE_SECONDS", 0.05)
    go, mode = threading.Event(), ["answers"]

    def resolve(*_, **__):
        if mode[0] == "answers":
            return [address_info(("127.0.0.1", server.port))]
        if mode[0] == "hangs":
            go.wait(LONG / 1000)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with SocketServer(closing) as server, client_of(EDGE, logger=Quiet()) as client:
        for mode[0] in ("answers", "fails", "hangs"):
            _, elapsed = timed_outcome(lambda: [content(client.get_offers(offers())) for _ in range(3)])
            figure(f"s of 3 calls, the resolver {mode[0]}", elapsed, "-")
        go.set()
        assert server.connections == len(server.requests) == 9
        assert client.stats()["failures"] == 0


def test_t30_a_call_to_ten_addresses_that_ignore_connects_ends_at_its_deadline(monkeypatch, figure):
    with unresponsive_port() as hole:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address_info(hole.address)] * 10)
        with client_of(EDGE, **IMPATIENT) as client:
            check_deadline(client, figure, "ten addresses")


class Attempts:
    """Record when the SDK's attempts to connect begin and end."""

    def __init__(self, monkeypatch):
        self.events = []
        make, record = connecting._new_socket, self.record

        class Recorded(socket.socket):
            def close(self):
                if self.tried is not None:
                    record("ends", self.tried)
                self.tried = None
                super().close()

        def recorded(address):
            with contextlib.closing(make(address)) as made:
                sock = Recorded(made.family, made.type, made.proto, made.detach())
            sock.tried = address
            record("begins", address)
            return sock

        monkeypatch.setattr(connecting, "_new_socket", recorded)

    def record(self, what, address):
        self.events.append((what, address, time.monotonic()))

    def order(self):
        return [(what, address) for what, address, _ in self.events]


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_t30_a_broken_first_address_does_not_delay_the_call(family, monkeypatch, figure):
    """The second attempt begins during the first one (RFC 8305). The successful address is remembered."""
    v6 = family == "IPv6"
    kind, host = (socket.AF_INET6, "::1") if v6 else (socket.AF_INET, "127.0.0.1")
    with contextlib.ExitStack() as stack:
        try:
            hole = stack.enter_context(unresponsive_port(kind, host))
        except OSError:
            pytest.skip("no IPv6 on this machine: enable it on the loopback interface")
        closing = answer(ANSWER_BYTES, headers={"Connection": "close"})
        server = stack.enter_context(SocketServer(closing))
        bad, good = address_info(hole.address, kind), address_info(("127.0.0.1", server.port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [bad, good])
        attempts = Attempts(monkeypatch)
        client = stack.enter_context(client_of(EDGE, logger=Quiet()))
        first, elapsed = timed_outcome(lambda: client.get_offers(offers()))
        second, took_later = timed_outcome(lambda: client.get_offers(offers()))
        stats = client.stats()
    (_, _, began), (_, _, second_began) = attempts.events[:2]
    figure(f"s until the second address is tried, {family}", second_began - began, "0.25")
    figure(f"s of a call whose first address is broken, {family}", elapsed, "0.3")
    figure(f"s of the next call, {family}", took_later, "-")
    assert (first, second, stats["failures"]) == ("answered", "answered", 0)
    assert attempts.order() == [
        ("begins", bad),
        ("begins", good),
        ("ends", bad),  # abandoned, because the other attempt has succeeded
        ("ends", good),
        ("begins", good),
        ("ends", good),
    ]


# T21


@pytest.mark.parametrize("count", scaled(10000, 2000))
def test_t21_each_call_of_a_burst_that_exceeds_the_queue_is_queued_or_refused(count, figure):
    """Making a call does not wait for the server, which does not answer at first. Each call ends exactly once."""
    capacity, workers, submitters = count // 10, 4, 8
    refused, answered, slowest, repaired = [], [], [0.0] * submitters, threading.Event()

    def answer_when_repaired(connection):
        while connection.read_request():
            repaired.wait(LONG / 1000)
            connection.send(GOOD)

    limits = {"max_pending": capacity, "max_workers": workers, "circuit_breaker": False, "timeout": 60000}
    with SocketServer(answer_when_repaired) as server, client_of(server, logger=Quiet(), **limits) as client:
        options = {"callback": answered.append, "err_callback": refused.append}

        def burst(number):
            for _ in range(count // submitters):
                began = time.monotonic()
                client.get_offers({**offers(), **options})
                slowest[number] = max(slowest[number], time.monotonic() - began)

        in_threads(submitters, burst)
        assert answered == []  # no call waited for the server
        assert eventually(lambda: client.stats()["running"] == workers)
        stats, errors_raised = client.stats(), len(refused)
        repaired.set()
        assert client.flush(60000)
        assert len(refused) == errors_raised
    figure(f"{count} calls, room for {capacity}: refused without an error", stats["refused"] - errors_raised, 0)
    figure("calls that wait, at most the room and one for each thread", stats["pending"], capacity + submitters)
    figure("ms of the slowest submit", max(slowest) * 1000, "1 on an idle machine")
    assert {type(error) for error in refused} == {QueueFull}
    assert stats["refused"] == errors_raised
    assert stats["pending"] + stats["running"] + errors_raised == count
    assert capacity - workers <= stats["pending"] <= capacity + submitters
    assert stats["threads"] == workers
    assert len(answered) == count - errors_raised


# Blocked workers


class Threads:
    """Measures the largest number of threads beyond those that exist when the object is created."""

    def __init__(self):
        self._before, self.max_threads = len(sys._current_frames()), 0

    def measure(self):
        self.max_threads = max(self.max_threads, len(sys._current_frames()) - self._before)


def test_t30_500_awaited_calls_with_a_hanging_resolver_end_in_time(hanging_resolver, figure):
    count, workers, waiting, running = 500, 8, 300, 300
    max_threads = workers + 2 + MAX_BLOCKED  # workers that wait for the lookup are replaced
    outcomes, longest, thread_peak = collections.Counter(), [], Threads()
    limits = {"queue_timeout": waiting, "timeout": running, "max_workers": workers, "circuit_breaker": False}

    async def make_call(client):
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded) as caught:
            await client.get_offers_async(offers())
        longest.append(time.monotonic() - began)
        outcomes["begun" if caught.value.attempts else "waited"] += 1

    async def measure():
        while True:
            thread_peak.measure()
            await asyncio.sleep(0.01)

    async def all_of_them(client):
        measuring = asyncio.ensure_future(measure())
        await asyncio.gather(*[make_call(client) for _ in range(count)])
        measuring.cancel()

    with client_of(EDGE, logger=Quiet(), **limits) as client:
        asyncio.run(all_of_them(client))
        stats = client.stats()
        hanging_resolver.go.set()
        assert client.flush(LONG)
        assert eventually(lambda: client.stats()["abandoned"] == 0)
    figure("s of the slowest of 500 awaited calls", max(longest), (waiting + running) / 1000)
    figure("threads for 500 awaited calls", thread_peak.max_threads, f"{max_threads} at most")
    assert sum(outcomes.values()) == count
    assert set(outcomes) == {"begun", "waited"}
    assert max(longest) < (waiting + running) / 1000 + SLACK
    assert hanging_resolver.lookups == ["edge.example"]
    assert stats["abandoned"] <= 1
    assert 1 <= thread_peak.max_threads <= max_threads


@pytest.mark.parametrize("where", ["lookup", "connect"])
def test_t30_a_worker_that_waits_for_a_connection_is_replaced(where, monkeypatch, figure):
    """While both workers wait for an unreachable cluster, 20 other calls are answered."""
    # The answers name another cluster, to which the client sends its later calls.
    cluster, workers, count, timeout = "mboxedge44.tt.omtrdc.net", 2, 20, 90000
    go = threading.Event()

    def resolve(host, *_, **__):
        if host != cluster:
            return [address_info(("127.0.0.1", server.port))]
        if where == "lookup":
            go.wait(LONG / 1000)
            raise socket.gaierror(socket.EAI_AGAIN, "too late")
        return [address_info(hole.address)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with unresponsive_port() as hole, SocketServer(answer(ANSWER_BYTES)) as server:
        options = {"server_domain": None, "timeout": timeout, "max_workers": workers, "logger": Quiet()}
        with client_of(server, **options) as client:
            with_hint = {**offers(), "target_location_hint": "44", "callback": str}
            hung = [client.get_offers(with_hint) for _ in range(workers)]
            assert eventually(lambda: client.stats()["blocked"] == workers)
            others = [client.get_offers({**offers(), "callback": str}) for _ in range(count)]
            assert all(content(result.get(LONG / 1000)) for result in others)
            ready, stats = [result.ready() for result in hung], client.stats()
            go.set()
            hole.close()
            assert all(content(result.get(LONG / 1000)) for result in hung)  # answered by the general host
            assert eventually(lambda: client.stats()["threads"] <= workers)
    figure(f"calls answered while both workers wait, {where}", count, count)
    assert ready == [False] * workers
    assert stats["blocked"] == workers
    assert stats["threads"] <= 2 * workers


@pytest.mark.parametrize("how", ["get", "await"])
def test_t21_calls_end_in_time_while_callbacks_hold_all_workers(how, figure):
    """The callback of an expired call runs later, once, on the next free worker."""
    workers, waiting, count = 3, 200, 20
    go, blocked_threads, received = threading.Event(), [], []

    def hold_worker(_):
        blocked_threads.append(threading.get_ident())
        go.wait(LONG / 1000)

    def err_callback(number):
        return lambda error: received.append((number, error, threading.get_ident()))

    thread_peak = Threads()
    with SocketServer(answer(ANSWER_BYTES)) as server:
        with client_of(server, logger=Quiet(), max_workers=workers, queue_timeout=waiting) as client:
            blocked_calls = [client.get_offers({**offers(), "callback": hold_worker}) for _ in range(workers)]
            assert eventually(lambda: len(blocked_threads) == workers)
            requests = len(server.requests)
            began = time.monotonic()
            results = []
            for number in range(count):
                options = {**offers(), "callback": pytest.fail, "err_callback": err_callback(number)}
                results.append(client.get_offers(options))
            errors = [error_of_expired_call(result, how) for result in results]
            elapsed = time.monotonic() - began
            thread_peak.measure()
            assert received == []  # no worker was free
            assert not any(result.ready() for result in blocked_calls)
            go.set()
            assert eventually(lambda: len(received) == count)
            assert client.flush(LONG)
            # The server received no expired call.
            assert [result.get(0)["response"].status for result in blocked_calls] == [200] * workers
            assert len(server.requests) == requests == workers
            stats = client.stats()
    figure(f"s of 20 calls without a free worker, {how}", elapsed, waiting / 1000)
    assert elapsed < waiting / 1000 + SLACK
    assert sorted((number, error) for number, error, _ in received) == list(enumerate(errors))
    assert {thread for _, _, thread in received} <= set(blocked_threads)
    assert stats["failures"] == count
    # The server has a thread that accepts connections, and one for each connection.
    assert thread_peak.max_threads <= workers + 2 + 1 + workers


def error_of_expired_call(result, how):
    """Return the error of a call that no worker began in time."""

    async def call_async():
        return await result

    with pytest.raises(DeadlineExceeded, match="waited longer than 200 ms for a worker") as caught:
        result.get() if how == "get" else asyncio.run(call_async())
    assert caught.value.attempts == 0
    return caught.value


def test_t1_a_call_whose_worker_exceeds_the_deadline_fails_once(figure):
    """The application's pool manager ignores its ``timeout`` argument."""
    go, received = threading.Event(), []

    class IgnoresTimeout:
        def request(self, *_, **__):
            go.wait(LONG / 1000)
            raise urllib3.exceptions.ProtocolError("too late")

        clear = str

    options = {"pool_manager": IgnoresTimeout(), "timeout": SHORT, "retries": 1, "logger": Quiet(), "max_workers": 1}
    with client_of(EDGE, **options) as client:
        result = client.get_offers({**offers(), "callback": pytest.fail, "err_callback": received.append})
        error, elapsed = timed_outcome(result.get)
        figure("s of a call whose worker hangs", elapsed, SHORT / 1000)
        assert type(error) is DeadlineExceeded
        assert (received, client.stats()["running"]) == ([], 1)  # the call has ended, but its worker is still busy
        go.set()
        assert client.flush(LONG)  # waits for the callback of the expired call
        assert received == [error]
        assert client.close(LONG)
        assert client.stats()["failures"] == 1
