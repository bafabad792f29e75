"""Answers reach the visitor they belong to, whatever a server or proxy does to the connection (T29, T35)."""

import collections
import json
import random
import threading
import time

import pytest

from target_python_sdk.errors import DeadlineExceeded, DeliveryError
from target_python_sdk.testing import SocketServer
from target_python_sdk.types import DeliveryRequest, Notification, NotificationMbox
from tests.reliability.conftest import Quiet, interpreter, no_interpreter, python, scaled
from tests.reliability.visitors import (
    answer_each,
    answer_to,
    belongs_to,
    forget_finished,
    options_of,
)
from tests.support import LONG, SHORT, body_of, client_of, in_threads

pytestmark = pytest.mark.server

THREADS = 64
LINK = b"Link: </style.css>; rel=preload; as=style\r\n"
INTERIM = {
    100: b"HTTP/1.1 100 Continue\r\n\r\n",
    102: b"HTTP/1.1 102 Processing\r\n\r\n",
    103: b"HTTP/1.1 103 Early Hints\r\n" + LINK + b"\r\n",
}


class OutcomeCounter:
    """Count the events of many threads by kind."""

    def __init__(self):
        self.kinds = collections.Counter()
        self._lock = threading.Lock()

    def add(self, kind):
        with self._lock:
            self.kinds[kind] += 1

    def call(self, client, marker):
        """Make a call for the visitor ``marker``. Return the envelope, or None after an error."""
        try:
            envelope = client.get_offers(options_of(marker))
        except DeliveryError as error:
            self.add(type(error).__name__)
            return None
        self.add("own" if belongs_to(envelope, marker) else "mixed")
        return envelope


# Interim replies


def with_interim_replies(sent, seed):
    """Return a handler that sends up to three interim replies before each answer.

    It sends them and the answer in one piece, one by one, one by one with pauses, or in two pieces cut at any byte.
    """

    def handle(connection):
        rng = random.Random(f"{seed} {connection.number}")
        while True:
            raw = connection.read_request()
            if not raw:
                return
            statuses = rng.choices(list(INTERIM), k=rng.randrange(4))
            pieces = [*(INTERIM[status] for status in statuses), answer_to(raw)]
            way = rng.choice(["together", "apart", "late", "cut"])
            for status in statuses:
                sent.add((status, way))
            if way in ("together", "cut"):
                pieces = [b"".join(pieces)]
            if way == "cut":  # at any byte, even inside the status line
                at = rng.randrange(1, len(pieces[0]))
                pieces = [pieces[0][:at], pieces[0][at:]]
            for piece in pieces:
                connection.send(piece)
                if way in ("late", "cut"):
                    connection.wait(rng.random() * 0.004)

    return handle


@pytest.mark.slow
@pytest.mark.parametrize("count", scaled(10000, 1000))
def test_t35_interim_replies_do_not_mix_up_answers(count, figure):
    sent, seen, seed = OutcomeCounter(), OutcomeCounter(), random.randrange(10**6)
    began = time.monotonic()
    with SocketServer(with_interim_replies(sent, seed)) as server, client_of(server, logger=Quiet()) as client:

        def calls(thread):
            for number in range(thread, count, THREADS):
                seen.call(client, f"v{number}")

        in_threads(THREADS, calls)
        connections = server.connections
    seconds = time.monotonic() - began
    figure(f"answers after interim replies (seed {seed})", seen.kinds["own"], count)
    figure("s, calls with interim replies", seconds, "-")
    assert seen.kinds == {"own": count}
    # All kinds were sent in all ways, and no connection was lost.
    assert {status for status, _ in sent.kinds} == set(INTERIM)
    assert {way for _, way in sent.kinds} == {"together", "apart", "late", "cut"}
    assert sum(sent.kinds.values()) > count
    assert connections <= THREADS


# Answers to the wrong request of a connection


def unrequested_answer():
    """Return the answer to a request that was never made."""
    body = json.dumps({"requestId": "nobody's", "id": {"tntId": "nobody.35_0"}}).encode()
    return answer_to(b"\r\n\r\n" + body)


def answer_the_request_before(connection):
    """Answer the first request with an unrequested answer, each later one with the answer to the request before it."""
    previous = unrequested_answer()
    while True:
        raw = connection.read_request()
        if not raw:
            return
        connection.send(previous)
        previous = answer_to(raw)


def answer_the_first_request_twice(connection):
    """Answer the first two requests with the first answer, each later one with the answer to the request before it."""
    previous = b""
    while True:
        raw = connection.read_request()
        if not raw:
            return
        current = answer_to(raw)
        connection.send(previous or current)
        previous = current


def send_a_surplus_answer(connection):
    """Send a surplus answer together with the answer to the first request, or a moment later."""
    raw = connection.read_request()
    if not raw:
        return
    late = connection.number % 2
    connection.send(answer_to(raw) + (b"" if late else unrequested_answer()))
    if late:
        connection.wait(random.random() * 0.002)
        connection.send(unrequested_answer())
    answer_each(connection)


SHIFTS = [answer_the_request_before, answer_the_first_request_twice, send_a_surplus_answer]


@pytest.mark.parametrize("shift", SHIFTS, ids=lambda shift: shift.__name__)
def test_t35_after_the_first_answer_of_a_connection_no_answer_to_another_request_is_used(shift, figure):
    """No visitor gets another visitor's answer, and the connection is not used again.

    The SDK accepts a wrong request id only in the first answer on a connection, because tests of applications replay
    recorded answers.
    """
    threads, calls_each = 16, 25
    seen, requests = OutcomeCounter(), collections.Counter()
    accepted = collections.Counter()

    def count_requests(connection):
        read = connection.read_request

        def read_request():
            raw = read()
            if raw:
                connection.position = getattr(connection, "position", 0) + 1
                requests[connection.number] += 1
                positions[body_of(raw)["id"]["tntId"]] = connection.position
            return raw

        connection.read_request = read_request
        shift(connection)

    positions = {}
    options = {"logger": Quiet(), "circuit_breaker": False}
    with SocketServer(count_requests) as server, client_of(server, **options) as client:

        def calls(thread):
            for number in range(calls_each):
                marker = f"v{thread}x{number}"
                envelope = seen.call(client, marker)
                if envelope is not None and not belongs_to(envelope, marker):
                    first = positions[f"{marker}.35_0"] == 1
                    unrequested = envelope["response"].id.tnt_id == "nobody.35_0"
                    accepted["unrequested" if first and unrequested else "a visitor's"] += 1

        in_threads(threads, calls)
        connections = server.connections
    figure(f"answers of another visitor, {shift.__name__}", accepted["a visitor's"], 0)
    assert accepted["a visitor's"] == 0
    assert sum(seen.kinds.values()) == threads * calls_each
    if shift is answer_the_request_before:
        # Each connection was closed after the answer with the id of another request.
        assert seen.kinds == {"mixed": threads * calls_each}
        assert set(requests.values()) == {1}
        assert connections == threads * calls_each
    elif shift is answer_the_first_request_twice:
        # The second request of each connection ends in an error, which closes the connection.
        assert set(seen.kinds) == {"own", "InvalidResponse"}
        assert seen.kinds["mixed"] == 0
        assert max(requests.values()) == 2
    else:
        # A surplus answer closes the connection. If it arrives late, the next call may end with an error instead.
        assert {count for number, count in requests.items() if number % 2 == 0} == {1}
        assert set(seen.kinds) <= {"own", "InvalidResponse"}
        assert seen.kinds["own"] >= threads * calls_each / 2


def test_t35_an_answer_after_the_deadline_is_not_read(figure):
    """The connection of a call that timed out is closed, so the next call cannot read the late answer."""
    go = threading.Event()

    def late_once(connection):
        raw = connection.read_request()
        if not raw:
            return
        if connection.number == 1:
            go.wait(LONG / 1000)
        connection.send(answer_to(raw))
        answer_each(connection)

    seen = OutcomeCounter()
    with SocketServer(late_once) as server, client_of(server, logger=Quiet()) as client:
        with pytest.raises(DeadlineExceeded):
            client.get_offers(options_of("slow", timeout=SHORT))
        go.set()
        for number in range(20):
            seen.call(client, f"v{number}")
        figure("connections after a call that timed out", server.connections, 2)
        assert server.connections == 2
    assert seen.kinds == {"own": 20}


# T29


def notification(number):
    return Notification(
        id=f"n{number}", impression_id=f"i{number}", type="display", timestamp=1, mbox=NotificationMbox(name="home")
    )


def hang_up(rng, connection):
    """Reset or close a connection, at once or while the next request is written."""
    if rng.random() < 0.5:
        connection.wait(rng.random() * 0.003)
    if rng.random() < 0.5:
        connection.reset()
    else:
        connection.close()


def notification_of(raw):
    """Return the id of the notification in a request, and the parts that a retry must repeat."""
    body = body_of(raw)
    (notification,) = body["notifications"]
    return notification["id"], (notification["impressionId"], body["requestId"])


@pytest.mark.parametrize("reads_first", [False, True], ids=["before it reads", "after it has read"])
def test_t29_connections_closed_by_the_server_lose_no_call(reads_first, figure):
    """The server closes a kept-alive connection while a request is written, before or after reading it."""
    count, threads = 1000, 8
    seen, closed, seed = collections.defaultdict(list), OutcomeCounter(), random.randrange(10**6)

    def handle(connection):
        rng = random.Random(f"{seed} {connection.number}")
        for _ in range(rng.randrange(1, 5)):
            raw = connection.read_request()
            if not raw:
                return
            name, repeated_ids = notification_of(raw)
            seen[name].append(repeated_ids)
            connection.send(answer_to_notification(raw))
        if reads_first:
            raw = connection.read_request()
            if not raw:
                return
            name, repeated_ids = notification_of(raw)
            seen[name].append(repeated_ids)
        closed.add("closed")
        hang_up(rng, connection)

    with SocketServer(handle) as server, client_of(server, logger=Quiet(), retries=5) as client:

        def calls(thread):
            for number in range(thread, count, threads):
                client.send_notifications({"request": DeliveryRequest(notifications=[notification(number)])})

        in_threads(threads, calls)
        stats = client.stats()
    repeats = sum(len(times) - 1 for times in seen.values())
    when = "after" if reads_first else "before"
    figure(f"failed calls, closed {when} the request was read (seed {seed})", stats["failures"], 0)
    figure(f"connections closed {when} the request was read", closed.kinds["closed"], "-")
    figure("notifications read twice, each with the same ids", repeats, "0" if not reads_first else "-")
    assert stats["failures"] == 0
    assert closed.kinds["closed"] > count / 10
    assert sorted(seen) == sorted(f"n{number}" for number in range(count))
    assert all(len(set(times)) == 1 for times in seen.values())
    if reads_first:
        assert repeats == closed.kinds["closed"] == stats["retries"]
    else:
        assert repeats == 0


def answer_to_notification(raw):
    """Return the bytes of the answer to a request without a visitor."""
    body = body_of(raw)
    body["id"] = {"tntId": "visitor.35_0"}
    return answer_to(b"\r\n\r\n" + json.dumps(body).encode())


# T35

#: Requests offers for marked visitors in all ways at the same time, and counts answers that belong to another visitor.
MIX = """
    import asyncio, json, sys, threading
    sys.setswitchinterval(1e-6)
    from types import SimpleNamespace
    from target_python_sdk import TargetClient
    from tests.decisioning.cdn import artifact, options
    from tests.reliability.conftest import Quiet
    from tests.reliability.visitors import belongs_to, options_of
    from tests.support import client_of, in_threads, offers
    from target_python_sdk.types import DeliveryRequest, MboxRequest, PrefetchRequest, VisitorId

    domain, threads, count, decisions = sys.argv[1], *map(int, sys.argv[2:5])
    seen, lock = {"own": 0, "mixed": 0, "errors": [], "decided": 0, "decided wrongly": 0}, threading.Lock()

    def add(name, number=1):
        with lock:
            seen[name] += number

    def guarded(act):
        def run(number):
            try:
                act(number)
            except Exception as error:
                seen["errors"].append(repr(error)[:200])
        return run

    def check_visitor(envelope, marker):
        add("own" if belongs_to(envelope, marker) else "mixed")

    def call_and_wait(thread, numbers):
        for number in numbers:
            check_visitor(client.get_offers(options_of(f"v{number}")), f"v{number}")

    def call_with_callback(thread, numbers):
        results = []
        for number in numbers:
            marker = f"v{number}"
            received = lambda envelope, marker=marker: check_visitor(envelope, marker)
            results.append(client.get_offers(options_of(marker, callback=received)))
            if len(results) == 10:
                for result in results:
                    result.get(60)
                del results[:]
        for result in results:
            result.get(60)

    def call_in_asyncio(thread, numbers):
        async def one(marker):
            check_visitor(await client.get_offers_async(options_of(marker)), marker)

        async def all_of_them():
            for start in range(0, len(numbers), 10):
                await asyncio.gather(*[one(f"v{number}") for number in numbers[start:start + 10]])

        asyncio.run(all_of_them())

    def call(thread):
        ways = [call_and_wait, call_and_wait, call_with_callback, call_in_asyncio]
        ways[thread % 4](thread, range(thread, count, threads))

    # The parameter selects one of sixty-four rules of one mbox. Content and token must belong together.
    rules = [{
        "ruleKey": str(key), "activityId": 1000 + key, "meta": {"activity.id": 1000 + key, "experience.id": key},
        "condition": {"==": [{"var": "mbox.k"}, str(key)]},
        "consequence": {"name": "home", "options": [{"type": "html", "content": f"for {key}"}], "metrics": []},
    } for key in range(64)]
    document = artifact(rules={"mboxes": {"home": rules}, "views": {}}, responseTokens=["activity.id"])
    # On a busy machine, a decision may take seconds, and a connection may be idle for a minute.
    long_limits = {"timeout": 60000, "keep_alive": 3600000, "logger": Quiet()}
    client_options = options(artifact_payload=document, polling_interval=0, telemetry_enabled=False, **long_limits)

    def decide(thread):
        for number in range(thread, decisions, threads):
            keys = [(thread * 7 + number + step) % 64 for step in range(10)]
            mboxes = [MboxRequest(name="home", index=at, parameters={"k": str(key)}) for at, key in enumerate(keys)]
            tnt_id = f"w{number}.35_0"
            request = DeliveryRequest(id=VisitorId(tnt_id=tnt_id), prefetch=PrefetchRequest(mboxes=mboxes))
            answer = on_device_client.get_offers({"request": request})["response"]
            found = [(mbox.options[0].content, mbox.options[0].response_tokens["activity.id"])
                     for mbox in answer.prefetch.mboxes]
            right = answer.id.tnt_id == tnt_id and found == [(f"for {key}", 1000 + key) for key in keys]
            add("decided" if right else "decided wrongly")

    edge = SimpleNamespace(domain=domain)
    with client_of(edge, **long_limits) as client, TargetClient.create(client_options) as on_device_client:
        in_threads(threads, guarded(call))
        in_threads(threads, guarded(decide))
    print(json.dumps(seen))
"""


@pytest.mark.slow
@pytest.mark.parametrize("count", scaled(10**6, 2000))
@pytest.mark.parametrize("version", ["this", "3.13t", "3.14t"])
def test_t35_no_visitor_gets_the_answer_of_another(version, count, figure):
    """One call in eight is an on-device decision for ten mboxes. The switch interval is a microsecond."""
    executable = interpreter(version) if version != "this" else None
    if version != "this" and executable is None:
        pytest.skip(no_interpreter(version))
    decisions = count // 8
    edge_calls = count - decisions

    def handle(connection):
        if connection.number % 16 == 0:
            forget_finished(server)
        connection._record = len  # records of a million requests would fill the memory
        answer_each(connection)

    began = time.monotonic()
    with SocketServer(handle) as server:
        program = {"options": ("-W", "error"), "timeout": 60 + count / 200}
        if executable is not None:
            program["executable"] = executable
        done = python(MIX, server.domain, THREADS, edge_calls, decisions, **program)
        assert (done.returncode, done.stderr) == (0, "")
        connections = server.connections
    seen = json.loads(done.stdout)
    figure(f"mixed of {edge_calls} answers of the edge, {version} Python", seen["mixed"], 0)
    figure(f"mixed of {decisions} decisions for 10 mboxes, {version} Python", seen["decided wrongly"], 0)
    figure(f"s, {version} Python", time.monotonic() - began, "-")
    assert seen == {"own": edge_calls, "mixed": 0, "errors": [], "decided": decisions, "decided wrongly": 0}
    # 32 threads make blocking calls, and 32 workers make the others. Each needs one connection at most.
    assert connections <= 64
