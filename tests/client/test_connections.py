"""Idle connections: how long and how many are kept, and answers that arrive late or belong to another request."""

import json
import logging
import threading

import pytest

from target_python_sdk.delivery import exchange
from target_python_sdk.errors import ConnectionFailed, DeadlineExceeded, HttpStatusError, InvalidResponse
from target_python_sdk.testing import SocketServer, answer, response
from target_tools import clock
from target_tools.http import pools
from tests.client.test_interim_replies import echo
from tests.support import ANSWER, ANSWER_BYTES, LONG, SHORT, client_of, content, eventually, offers

pytestmark = pytest.mark.server

WAIT = LONG / 1000
TIMED_OUT = response({}, 408, {"Connection": "close"})


def idle_connections(client):
    """Return the idle connections of ``client``."""
    transport = client._processes.current().transport
    return [each for pool in transport._pools.values() for each in pool.pool._connections]


def age(client, seconds):
    """Make the idle connections older by ``seconds``."""
    for connection in idle_connections(client):
        connection.idle_since -= seconds


# Keep-Alive


@pytest.mark.parametrize(
    ("hint", "seconds", "connections"),
    [
        ("timeout=1", 0.4, 1),
        ("timeout=1", 0.6, 2),
        ("timeout=5, max=100", 3.5, 1),
        ("timeout=5, max=100", 4.1, 2),
        ("timeout=0", 0, 2),
        ("timeout=3600", 50, 1),
        ("timeout=3600", 61, 2),
        ("max=100", 50, 1),
    ],
)
def test_a_connection_is_not_used_after_the_timeout_of_the_server(hint, seconds, connections):
    """The client stops using a connection earlier, because the server may close it while a request is sent."""
    with SocketServer(answer(ANSWER, headers={"Keep-Alive": hint})) as server, client_of(server) as client:
        client.get_offers(offers())
        age(client, seconds)
        client.get_offers(offers())
        assert server.connections == connections
        assert client.stats()["retries"] == 0


@pytest.mark.parametrize(("seconds", "connections"), [(1.0, 1), (2.1, 2)])
def test_the_option_keep_alive_limits_the_idle_time(seconds, connections):
    with SocketServer(answer(ANSWER)) as server, client_of(server, keep_alive=2000) as client:
        client.get_offers(offers())
        age(client, seconds)
        client.get_offers(offers())
        assert server.connections == connections


def test_without_keep_alive_each_call_opens_a_connection():
    with SocketServer(answer(ANSWER)) as server, client_of(server, keep_alive=0) as client:
        for _ in range(3):
            client.get_offers(offers())
        assert idle_connections(client) == []
        assert server.connections == 3


def test_connections_that_are_too_old_are_closed_when_a_newer_one_is_kept():
    with SocketServer(answer_together(4)) as server, client_of(server) as client:
        call_at_once(client, 4)
        age(client, 61)
        old = idle_connections(client)
        for _ in range(6):
            client.get_offers(offers())
        assert [connection.sock for connection in old if connection not in idle_connections(client)] == [None] * 3
        assert len(idle_connections(client)) == 1


def answer_together(count):
    """Return a handler that delays the first answers until ``count`` connections have sent a request.

    Later requests are answered immediately.
    """
    together = threading.Barrier(count, timeout=WAIT)

    def handle(connection):
        waits = connection.number <= count
        while connection.read_request():
            if waits:
                together.wait()
                waits = False
            connection.send(response(ANSWER))

    return handle


def call_at_once(client, count):
    """Make ``count`` calls at the same time, so that each needs a connection."""
    threads = [threading.Thread(target=client.get_offers, args=(offers(),)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)


@pytest.mark.parametrize(("limit", "idle_count"), [(1, 1), (3, 3), (8, 6)])
def test_the_number_of_idle_connections_is_limited(limit, idle_count):
    with SocketServer(answer_together(6)) as server, client_of(server, max_connections=limit) as client:
        call_at_once(client, 6)
        assert len(idle_connections(client)) == idle_count


def test_calls_do_not_wait_for_a_connection():
    """``max_connections`` limits only idle connections."""
    with SocketServer(answer_together(5)) as server, client_of(server, max_connections=1) as client:
        call_at_once(client, 5)
        assert (server.connections, client.stats()["failures"]) == (5, 0)


# A reply belongs to its request


def test_a_connection_that_receives_late_bytes_is_not_used_again():
    sent, go = threading.Event(), threading.Event()
    other = json.dumps({**ANSWER, "client": "another visitor's"}).encode()

    def send_late_bytes(connection):
        connection.read_request()
        connection.send(response(ANSWER))
        go.wait(WAIT)
        connection.send(response(other))
        sent.set()
        connection.wait_for_close()

    with SocketServer(send_late_bytes) as server, client_of(server) as client:
        assert client.get_offers(offers())["response"].client == "acmeclient"
        (connection,) = idle_connections(client)
        go.set()
        assert sent.wait(WAIT)
        before = connection.sock
        assert client.get_offers(offers())["response"].client == "acmeclient"
        assert before.fileno() == -1
        assert server.connections == 2


def test_an_answer_to_another_request_on_a_kept_alive_connection_is_an_error():
    """The connection is closed, and the next call is answered."""
    closed = threading.Event()

    def repeat_first_answer(connection):
        first = connection.read_request()
        connection.send(echo(first))
        if connection.number == 1:
            connection.read_request()
            connection.send(echo(first))
            if connection.wait_for_close():
                closed.set()

    with SocketServer(repeat_first_answer) as server, client_of(server) as client:
        assert content(client.get_offers(offers("first"))) == "first"
        with pytest.raises(InvalidResponse, match="answered another request on this connection") as caught:
            client.get_offers(offers("second"))
        assert caught.value.attempts == 1
        assert closed.wait(WAIT)
        assert idle_connections(client) == []
        assert content(client.get_offers(offers("third"))) == "third"
        assert server.connections == 2


def test_an_answer_to_another_request_on_a_fresh_connection_is_logged(caplog):
    """The answer is used, because recorded answers contain ids of other requests. The connection is not kept."""
    recorded = response({**ANSWER, "requestId": "recorded"})

    def replay_answer(connection):
        while connection.read_request():
            connection.send(recorded)

    with SocketServer(replay_answer) as server, client_of(server) as client:
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                assert content(client.get_offers(offers())) == "<b>A</b>"
        assert server.connections == 3
        lines = [record for record in caplog.records if "requestId differs" in record.getMessage()]
        assert [record.levelname for record in lines] == ["WARNING"]
        with client_of(server) as other, caplog.at_level(logging.WARNING):
            other.get_offers(offers())
    assert sum("requestId differs" in record.getMessage() for record in caplog.records) == 2


@pytest.mark.parametrize(
    "body",
    [
        ANSWER,
        {**ANSWER, "requestId": ""},
        {**ANSWER, "requestId": None},
        {**ANSWER, "execute": {"mboxes": [{"index": 0, "name": "home", "options": [
            {"type": "json", "content": {"requestId": "an offer's"}}]}]}},
    ],
    ids=["no id", "empty id", "null id", "id in an offer"],
)  # fmt: skip
def test_an_answer_without_a_request_id_is_accepted(body, caplog):
    with SocketServer(answer(body)) as server, client_of(server) as client:
        for _ in range(3):
            assert client.get_offers(offers())["response"].status == 200
        assert server.connections == 1
    assert "requestId" not in [word for record in caplog.records if record.levelno >= logging.WARNING
                               for word in record.getMessage().split()]  # fmt: skip


# 408


def test_a_408_on_a_kept_alive_connection_closes_it():
    """The request is sent again, because the server may have sent the 408 before it read the request."""

    def gives_up(connection):
        connection.read_request()
        connection.send(response(ANSWER))
        if connection.number == 1:
            connection.read_request()
            connection.send(TIMED_OUT)

    with SocketServer(gives_up) as server, client_of(server) as client:
        for _ in range(2):
            assert content(client.get_offers(offers())) == "<b>A</b>"
        assert (server.connections, client.stats()["retries"], client.stats()["failures"]) == (2, 1, 0)


def test_a_408_on_a_fresh_connection_is_an_error_without_a_retry():
    def refuses(connection):
        connection.read_request()
        connection.send(TIMED_OUT)

    with SocketServer(refuses) as server, client_of(server) as client:
        with pytest.raises(HttpStatusError) as caught:
            client.get_offers(offers())
        assert (caught.value.status, caught.value.attempts, server.connections) == (408, 1, 1)


def test_a_408_that_arrives_on_an_idle_connection_is_ignored():
    sent = threading.Event()

    def gives_up(connection):
        connection.read_request()
        connection.send(response(ANSWER))
        if connection.number == 1:
            connection.send(TIMED_OUT)
            connection.close()
            sent.set()
        else:
            connection.read_request()

    with SocketServer(gives_up) as server, client_of(server) as client:
        assert content(client.get_offers(offers())) == "<b>A</b>"
        assert sent.wait(WAIT)
        assert content(client.get_offers(offers())) == "<b>A</b>"
        assert (server.connections, client.stats()["failures"]) == (2, 0)


# Opening a connection


@pytest.mark.parametrize("error", [ConnectionResetError(104, "reset"), BrokenPipeError(32, "broken")], ids=repr)
@pytest.mark.parametrize("way", ["blocking", "callback"])
def test_a_connection_that_is_reset_while_it_is_opened_is_retried(error, way, monkeypatch):
    """urllib3's ``urlopen`` mistakes these errors for those of a server that replied and then closed the connection."""
    real, errors = pools.connect, [error]

    def connect(*arguments):
        if errors:
            raise errors.pop()
        return real(*arguments)

    monkeypatch.setattr(pools, "connect", connect)
    with SocketServer(answer(ANSWER)) as server, client_of(server) as client:
        found = (
            client.get_offers(offers()) if way == "blocking" else client.get_offers({**offers(), "callback": id}).get()
        )
        assert content(found) == "<b>A</b>"
        assert client.stats()["retries"] == 1
    errors[:] = [error]
    with SocketServer(answer(ANSWER)) as server, client_of(server, retries=1) as client:
        with pytest.raises(ConnectionFailed) as caught:
            client.get_offers(offers())
        assert (caught.value.phase, caught.value.__cause__) == ("opening", error)


# The deadline


def delay_reading(monkeypatch, until):
    """Delay reading an answer until the event ``until`` is set."""
    parse = exchange.parse_json

    def slowly(body):
        until.wait(WAIT)
        return parse(body)

    monkeypatch.setattr(exchange, "parse_json", slowly)


def test_the_deadline_covers_reading_the_answer(monkeypatch):
    parse, real_time = exchange.parse_json, clock.monotonic

    def parse_for_a_minute(body):
        monkeypatch.setattr(clock, "monotonic", lambda: real_time() + 60)
        return parse(body)

    monkeypatch.setattr(exchange, "parse_json", parse_for_a_minute)
    with SocketServer(answer(ANSWER)) as server, client_of(server) as client:
        with pytest.raises(DeadlineExceeded, match="not read within 20000 ms") as caught:
            client.get_offers(offers())
        assert caught.value.status == 200
        assert client.stats()["failures"] == 1


def test_a_call_ends_in_time_while_its_answer_is_read(monkeypatch):
    """The worker continues, and the failure is counted once."""
    go, received = threading.Event(), []
    delay_reading(monkeypatch, go)
    with SocketServer(answer(ANSWER)) as server, client_of(server, timeout=SHORT) as client:
        result = client.get_offers({**offers(), "callback": received.append, "err_callback": received.append})
        assert eventually(lambda: server.requests)  # a worker has begun the call
        with pytest.raises(DeadlineExceeded, match="no answer within 200 ms") as caught:
            result.get()
        assert received == []
        go.set()
        assert eventually(lambda: received)
        assert received == [caught.value]
        assert eventually(lambda: client.stats()["failures"] == 1)


def test_a_call_that_waits_too_long_for_a_worker_fails_once():
    go, received = threading.Event(), []
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server, max_workers=1, queue_timeout=SHORT) as client:
        busy = client.get_offers({**offers(), "callback": lambda _: go.wait(WAIT)})
        assert eventually(lambda: server.requests)
        waiting = client.get_offers({**offers(), "callback": received.append, "err_callback": received.append})
        with pytest.raises(DeadlineExceeded, match="longer than 200 ms for a worker"):
            waiting.get()
        go.set()
        busy.get(WAIT)
        assert client.flush(LONG)
        assert eventually(lambda: received)
        assert [type(error) for error in received] == [DeadlineExceeded]
        assert client.stats()["failures"] == 1
        assert len(server.requests) == 1
