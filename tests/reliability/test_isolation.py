"""A reply belongs to its request: no visitor gets another one's answer, whatever a server sends (T35)."""

import json
import random
import re
import sys
import threading

import pytest

from target_python_sdk.errors import TargetError
from target_python_sdk.testing import SocketServer, response
from target_python_sdk.types import VisitorId
from tests.reliability.conftest import Quiet, scaled
from tests.support import body_of, client_of, content, offers

pytestmark = pytest.mark.server

INTERIM = (
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
)


def answer_to(raw):
    """Return the answer to a request: it carries the visitor's id, and repeats the id of the request."""
    body = body_of(raw)
    visitor = body["id"]["tntId"]
    mbox = {"index": 0, "name": "home", "options": [{"type": "html", "content": "for " + visitor}]}
    return response(
        {"status": 200, "requestId": body["requestId"], "id": {"tntId": visitor}, "execute": {"mboxes": [mbox]}}
    )


class Honest:
    """Answers each request, and remembers nothing."""

    def __init__(self, before=lambda connection: None):
        self.before = before

    def __call__(self, connection):
        # Not read_request alone: it would keep every request of a long run.
        connection._record = lambda request: None
        while True:
            raw = connection.read_request()
            if not raw:
                return
            self.before(connection)
            connection.send(answer_to(raw))


def visit(client, visitor, **options):
    """Return whose answer the call of ``visitor`` got, by offer, id and cookie."""
    envelope = client.get_offers({**offers(id=VisitorId(tnt_id=visitor)), **options})
    return whose(envelope)


def whose(envelope):
    cookie = re.search(r"PC#([^#]+)", envelope["target_cookie"]["value"]).group(1)
    return content(envelope), envelope["response"].id.tnt_id, cookie


def in_threads(threads, count, act):
    """Call ``act(number)`` ``count`` times, spread over that many threads."""
    numbers = iter(range(count))
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            act(number)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


@pytest.fixture
def switching():
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("count", scaled(1000000, 4000))
def test_t35_no_answer_reaches_another_visitor(count, switching, figure):
    mixed, failed = [], []

    def call(number):
        visitor = "v{}.35_0".format(number)
        try:
            if number % 4:
                got = visit(client, visitor)
            else:
                request = offers(id=VisitorId(tnt_id=visitor))
                got = whose(client.get_offers({**request, "callback": id, "err_callback": failed.append}).get(60))
        except TargetError as error:
            failed.append(error)
            return
        if got != ("for " + visitor, visitor, visitor):
            mixed.append((visitor, got))

    with SocketServer(Honest()) as server, client_of(server, logger=Quiet(), timeout=60000) as client:
        in_threads(64, count, call)
    figure("{} answers, 64 threads: mixed".format(count), len(mixed), 0)
    figure("{} answers, 64 threads: failed".format(count), len(failed), 0)
    assert (mixed, failed) == ([], [])


@pytest.mark.parametrize("count", scaled(10000, 2000))
def test_t35_interim_replies_before_each_answer(count, figure):
    chance = random.Random(20261129)
    lock = threading.Lock()

    def interim(connection):
        with lock:
            replies = [chance.choice(INTERIM) for _ in range(chance.randint(1, 3))]
            pause = chance.choice((0, 0, 0.002))
            apart = chance.random() < 0.5
        if apart:
            for reply in replies:
                connection.send(reply)
                connection.wait(pause)
        else:
            connection.send(b"".join(replies))
            connection.wait(pause)

    mixed, failed = [], []

    def call(number):
        visitor = "v{}.35_0".format(number)
        try:
            if visit(client, visitor) != ("for " + visitor, visitor, visitor):
                mixed.append(visitor)
        except TargetError as error:
            failed.append(error)

    with SocketServer(Honest(interim)) as server, client_of(server, logger=Quiet(), timeout=60000) as client:
        in_threads(64, count, call)
        connections = server.connections
    figure("{} answers after 100, 102, 103: mixed".format(count), len(mixed), 0)
    figure("{} answers after 100, 102, 103: failed".format(count), len(failed), 0)
    figure("{} answers after 100, 102, 103: connections".format(count), connections, "64 at most")
    assert (mixed, failed) == ([], [])
    assert connections <= 64


def test_t35_a_server_that_shifts_its_answers_by_one(figure):
    """After a connection's first answer, none is taken that belongs to another request."""
    first = []

    def shifted(connection):
        before = None
        while True:
            raw = connection.read_request()
            if not raw:
                return
            if before is None:
                first.append(body_of(raw)["id"]["tntId"])
                before = raw
            connection.send(answer_to(before))
            before = raw

    taken, refused = [], []

    def call(number):
        visitor = "v{}.35_0".format(number)
        try:
            got = visit(client, visitor)
        except TargetError as error:
            refused.append(error)
        else:
            if got[1] != visitor and visitor not in first:
                taken.append((visitor, got))

    with SocketServer(shifted) as server:
        with client_of(server, logger=Quiet(), retries=1, circuit_breaker=False) as client:
            in_threads(8, 400, call)
    figure("another visitor's answer taken, of 400 calls", len(taken), 0)
    assert taken == []
    assert refused
    assert all("answered another request" in str(error) for error in refused)


def test_t35_a_server_whose_answers_are_late_by_one(figure):
    """The answer to a call that timed out comes with the next request on that connection: it is not read."""
    go = threading.Event()

    def late(connection):
        raw = connection.read_request()
        if not raw:
            return
        if connection.number == 1:
            go.wait(20)
        connection.send(answer_to(raw))
        Honest()(connection)

    with SocketServer(late) as server, client_of(server, logger=Quiet()) as client:
        with pytest.raises(TimeoutError):
            visit(client, "slow.35_0", timeout=200)
        go.set()
        for number in range(20):
            visitor = "v{}.35_0".format(number)
            assert visit(client, visitor) == ("for " + visitor, visitor, visitor)
        figure("connections after one that timed out", server.connections, 2)
        assert server.connections == 2


def test_t35_an_answer_with_a_body_behind_it(figure):
    """What a server sends behind an answer belongs to no request."""

    def twice(connection):
        while True:
            raw = connection.read_request()
            if not raw:
                return
            other = json.dumps({**body_of(raw), "id": {"tntId": "other.35_0"}}).encode()
            connection.send(answer_to(raw) + answer_to(b"x\r\n\r\n" + other))

    with SocketServer(twice) as server, client_of(server, logger=Quiet()) as client:
        for number in range(20):
            visitor = "v{}.35_0".format(number)
            assert visit(client, visitor) == ("for " + visitor, visitor, visitor)
        figure("connections of 20 answers with one behind each", server.connections, 20)
        assert server.connections == 20
