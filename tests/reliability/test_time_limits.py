"""Deadlines, full queues, dropped connections, look-ups and dead clusters (T1, T21, T29, T30)."""

import asyncio
import collections
import contextlib
import random
import socket
import threading
import time
from types import SimpleNamespace

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.errors import ConnectionFailed, DeadlineExceeded, QueueFull, TargetError
from target_python_sdk.testing import SocketServer, answer
from target_python_sdk.types import DeliveryRequest, Notification, NotificationMbox
from tests.reliability.conftest import Quiet, scaled
from tests.support import ANSWER, ANSWER_BYTES, LONG, body_of, client_of, eventually, head_of, offers

pytestmark = pytest.mark.server

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def end_of(act):
    """Return how ``act`` ended, and after how many seconds."""
    began = time.monotonic()
    try:
        act()
        how = "answered"
    except TargetError as error:
        how = type(error).__name__
    return how, time.monotonic() - began


# T1


def again_and_again(piece, every, first=b""):
    """A handler that answers without an end."""

    def handler(connection):
        connection.read_request()
        connection.send(first)
        while True:
            connection.send(piece)
            connection.wait(every)

    return handler


def only_accept(connection):
    connection.hang()


def read_and_hang(connection):
    connection.read_request()
    connection.hang()


STALLS = {
    "no read": only_accept,
    "no answer": read_and_hang,
    "status line": again_and_again(b"H", 0.02),
    "header line": again_and_again(b"x", 0.02, b"HTTP/1.1 200 OK\r\nA: "),
    "body": again_and_again(b" ", 0.02, HEAD + b"Content-Length: 100000\r\n\r\n"),
    "body up to the close": again_and_again(b" ", 0.02, HEAD + b"Connection: close\r\n\r\n"),
    "chunks": again_and_again(b"1\r\n \r\n", 0.001, CHUNKED),
    "chunk size": again_and_again(b"0", 0.02, CHUNKED),
    "trailers": again_and_again(b"A: b\r\n", 0.001, CHUNKED + b"0\r\n"),
    "interim replies": again_and_again(b"HTTP/1.1 102 Processing\r\n\r\n", 0.01),
}


@pytest.mark.parametrize("stall", list(STALLS))
def test_t1_a_server_that_stalls_does_not_extend_the_deadline(stall, figure):
    with SocketServer(STALLS[stall]) as server, client_of(server, timeout=200, logger=Quiet()) as client:
        how, seconds = end_of(lambda: client.get_offers(offers()))
    figure("{}: ms with a time-out of 200".format(stall), seconds * 1000, "250 at most")
    assert how == "DeadlineExceeded"
    assert seconds < 2  # the deadline itself, with slack for a busy machine; none of these servers ever ends


def test_t1_a_handshake_that_never_comes(figure):
    with SocketServer(only_accept) as server, client_of(server, timeout=200, secure=True, verify_ssl=False) as client:
        how, seconds = end_of(lambda: client.get_offers(offers()))
    figure("TLS handshake: ms with a time-out of 200", seconds * 1000, "250 at most")
    assert how == "DeadlineExceeded"
    assert seconds < 2


# T21


@pytest.mark.parametrize("count", scaled(10000, 2000))
def test_t21_a_burst_that_overflows_the_queue(count, figure):
    capacity, workers, refused, slowest = count // 10, 4, [], [0.0]
    with SocketServer(read_and_hang) as server:
        options = {"max_pending": capacity, "max_workers": workers, "circuit_breaker": False, "logger": Quiet()}
        client = client_of(server, timeout=60000, **options)

        def burst():
            for _ in range(count // 8):
                began = time.monotonic()
                client.get_offers({**offers(), "callback": id, "err_callback": refused.append})
                slowest[0] = max(slowest[0], time.monotonic() - began)

        threads = [threading.Thread(target=burst) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        told, stats = len(refused), client.stats()
        client.close(0)
    figure("{} calls, room for {}: counted but not told".format(count, capacity), stats["refused"] - told, 0)
    figure("slowest submit, ms", slowest[0] * 1000, "1 on an idle machine")
    assert all(isinstance(error, QueueFull) for error in refused[:told])
    assert stats["refused"] == told
    assert stats["pending"] + stats["running"] + told == count
    assert stats["threads"] <= workers


def test_t21_calls_end_in_time_whatever_the_workers_do(figure):
    """All workers are held by callbacks of the application: waiters end, and ``err_callback`` runs afterwards."""
    held, go, told = threading.Semaphore(0), threading.Event(), []

    def hold(_):
        held.release()
        go.wait(LONG / 1000)

    with SocketServer(answer(ANSWER_BYTES)) as server:
        client = client_of(server, max_workers=2, queue_timeout=300, timeout=300, logger=Quiet())
        try:
            holding = [client.get_offers({**offers(), "callback": hold}) for _ in range(2)]
            assert all(held.acquire(timeout=20) for _ in holding)
            waiting = client.get_offers({**offers(), "callback": id, "err_callback": told.append})
            ends = [end_of(waiting.get), end_of(lambda: asyncio.run(client.get_offers_async(offers())))]
            assert told == []
        finally:
            go.set()
        assert eventually(lambda: len(told) == 1)
        for one in holding:
            one.get(20)
        assert client.flush(LONG)
        assert server.connections <= 2
        client.close()
    for form, (how, seconds) in zip(("get", "await"), ends):
        figure("{} with all workers held: ms until its end".format(form), seconds * 1000, "600 at most")
        assert how == "DeadlineExceeded"
        assert seconds < 5
    assert isinstance(told[0], DeadlineExceeded)
    assert len(told) == 1


# T29


@pytest.mark.parametrize("count", scaled(10000, 1200))
def test_t29_connections_that_the_server_drops_between_two_requests(count, figure):
    chance, seen, failed, lock = random.Random(29), collections.Counter(), [], threading.Lock()

    def serves_a_few(connection):
        with lock:
            left, resets, pause = chance.randint(1, 4), chance.random() < 0.5, chance.random() * 0.003
        connection._record = lambda request: None
        for _ in range(left):
            raw = connection.read_request()
            if not raw:
                return
            with lock:
                seen.update(one["id"] for one in body_of(raw)["notifications"])
            connection.send(b"%sContent-Length: %d\r\n\r\n%s" % (HEAD, len(ANSWER_BYTES), ANSWER_BYTES))
        if resets:
            connection.wait(pause)
            connection.reset()

    def notify(number):
        shown = Notification(id=str(number), type="display", timestamp=1, mbox=NotificationMbox(name="home"))
        try:
            client.send_notifications({"request": DeliveryRequest(notifications=[shown])})
        except TargetError as error:
            failed.append(error)

    with SocketServer(serves_a_few) as server, client_of(server, logger=Quiet()) as client:
        numbers = iter(range(count))

        def work():
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                notify(number)

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        figure("{} notifications, {} connections: errors".format(count, server.connections), len(failed), 0)
    figure("ids that never arrived", count - len(seen), 0)
    assert failed == []
    assert len(seen) == count


# T30


@contextlib.contextmanager
def black_hole():
    """An address that answers no attempt to connect: the queue of its listener is full."""
    with socket.socket() as listener, contextlib.ExitStack() as fillers:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()


def addresses(*found):
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in found]


def leads_to(monkeypatch, find):
    """Let look-ups be answered by ``find(host)``; return the list of the hosts that were looked up."""
    asked = []

    def getaddrinfo(host, *_, **__):
        asked.append(host)
        return find(host)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def raising(error):
    def find(host):
        raise error

    return find


@pytest.mark.parametrize(
    "find",
    [
        raising(socket.gaierror(socket.EAI_NONAME, "Name or service not known")),
        raising(socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")),
        raising(UnicodeError("label too long")),
        raising(ZeroDivisionError("a resolver of the application")),
        lambda host: [],
        lambda host: None,
    ],
    ids=["unknown name", "temporary failure", "UnicodeError", "another error", "no address", "None"],
)
def test_t30_a_resolver_that_fails_is_a_failed_connection(find, monkeypatch):
    leads_to(monkeypatch, find)
    with client_of(SimpleNamespace(domain="edge.test:80"), retries=1, logger=Quiet()) as client:
        with pytest.raises(ConnectionFailed, match=r"edge\.test"):
            client.get_offers(offers())


def test_t30_a_first_address_that_does_not_answer_costs_a_quarter_of_a_second(monkeypatch, figure):
    with black_hole() as hole, SocketServer(answer(ANSWER_BYTES)) as server:
        leads_to(monkeypatch, lambda host: addresses(hole, ("127.0.0.1", server.port)))
        with client_of(SimpleNamespace(domain="edge.test:80"), logger=Quiet()) as client:
            how, seconds = end_of(lambda: client.get_offers(offers()))
            second = end_of(lambda: client.get_offers(offers()))
    figure("first address a black hole: ms", seconds * 1000, "300 at most")
    assert (how, second[0]) == ("answered", "answered")
    assert server.connections == 1
    assert seconds < LONG / 1000 / 2  # beside, and not after, the attempt that would take the whole deadline


def test_t30_only_black_holes_end_at_the_deadline(monkeypatch, figure):
    with black_hole() as hole:
        leads_to(monkeypatch, lambda host: addresses(*[hole] * 10))
        with client_of(SimpleNamespace(domain="edge.test:80"), timeout=400, logger=Quiet()) as client:
            how, seconds = end_of(lambda: client.get_offers(offers()))
    figure("ten black holes: ms with a time-out of 400", seconds * 1000, "450 at most")
    assert how == "DeadlineExceeded"
    assert seconds < 3


def test_t30_many_awaited_calls_with_a_resolver_that_hangs(monkeypatch, figure):
    """All end, and one look-up serves them all."""
    go = threading.Event()

    def hang(host):
        go.wait(LONG / 1000)
        raise socket.gaierror(socket.EAI_AGAIN, "too late")

    asked = leads_to(monkeypatch, hang)
    client = client_of(
        SimpleNamespace(domain="edge.test:80"), timeout=200, retries=1, circuit_breaker=False, logger=Quiet()
    )

    async def all_of_them():
        calls = [client.get_offers_async(offers()) for _ in range(500)]
        return await asyncio.gather(*calls, return_exceptions=True)

    try:
        began = time.monotonic()
        ends = asyncio.run(all_of_them())
        seconds, stats = time.monotonic() - began, client.stats()
    finally:
        go.set()
    figure("500 awaited calls, resolver hangs: s until the last", seconds, "3.3 on 32 workers")
    figure("threads of the workers", stats["threads"], "32 at most")
    assert {type(end) for end in ends} == {DeadlineExceeded}
    assert len(asked) == 1
    assert stats["abandoned"] == 1
    assert stats["threads"] <= 32
    assert eventually(lambda: client.stats()["abandoned"] == 0)
    client.close()


@pytest.mark.parametrize("place", ["main thread", "other threads"])
def test_t30_a_cluster_that_swallows_connects_is_left_for_the_general_host(place, monkeypatch, figure):
    with black_hole() as hole, SocketServer(answer(ANSWER)) as server:
        asked = leads_to(
            monkeypatch, lambda host: addresses(hole if host.startswith("mboxedge") else ("127.0.0.1", server.port))
        )
        options = {"client": "acmeclient", "organization_id": "1@AdobeOrg", "secure": False, "logger": Quiet()}
        with TargetClient.create({**options, "timeout": 3000}) as client:
            client.get_offers(offers())
            assert client.config["target_location_hint"] == "35"
            ends = []

            def visitor():
                for _ in range(5):
                    ends.append(end_of(lambda: client.get_offers(offers())))

            if place == "main thread":
                visitor()
            else:
                threads = [threading.Thread(target=visitor) for _ in range(20)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            assert "target_location_hint" not in client.config
        hosts = {head_of(raw)["host"] for raw in server.requests}
    figure("{}: slowest of {} calls, ms".format(place, len(ends)), max(end[1] for end in ends) * 1000, "1100")
    assert {how for how, _ in ends} == {"answered"}
    assert hosts == {"acmeclient.tt.omtrdc.net"}
    assert "mboxedge35.tt.omtrdc.net" in asked
