"""Blocking, callback and awaited calls have the same answers and errors. The matching callback runs exactly once."""

import asyncio
import contextvars
import multiprocessing
import signal
import threading
import time

import pytest
import urllib3

from target_python_sdk.errors import ClientClosed, DeadlineExceeded, HttpStatusError, OptionError, QueueFull
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.testing import SocketServer, answer
from target_python_sdk.types import DeliveryRequest, ExecuteRequest, MboxRequest, Notification
from target_tools.concurrency.tasks import AsyncResult
from tests.held_answers import held_answers
from tests.reliability.conftest import Quiet
from tests.support import ANSWER_BYTES, LONG, SHORT, client_of, content, eventually, in_threads, offers, switching_often

pytestmark = pytest.mark.server

WAIT = LONG / 1000
ACTIVITY = {"id": 1, "locations": ["home"], "experiences": [{"offer": {"html": "hello"}}]}
REQUEST_ID = contextvars.ContextVar("request_id", default="nobody's")


@pytest.fixture(scope="module")
def server():
    with SocketServer(answer(ANSWER_BYTES)) as running:
        yield running


@pytest.fixture(scope="module")
def forbidding_server():
    with SocketServer(answer(b"{}", 403)) as running:
        yield running


@pytest.fixture
def client(server):
    with client_of(server, max_workers=4, logger=Quiet()) as made:
        yield made


@pytest.fixture
def held():
    with held_answers() as server:
        yield server


def notifications():
    notification = Notification(id="n", type="display", timestamp=1, tokens=["t"])
    return {"request": DeliveryRequest(notifications=[notification])}


# Callbacks


def test_b8_a_callback_runs_once_in_another_thread_and_get_returns_its_envelope(client):
    seen, kept, assigned = [], [], threading.Event()

    def callback(envelope):
        assigned.wait(WAIT)
        seen.append((envelope, kept[0].ready(), threading.current_thread()))

    kept.append(client.get_offers({**offers(), "callback": callback, "err_callback": seen.append}))
    assert isinstance(kept[0], AsyncResult)
    assigned.set()
    envelope = kept[0].get(WAIT)
    assert seen == [(envelope, False, seen[0][2])]
    assert seen[0][2] is not threading.main_thread()
    assert seen[0][2].name.startswith("target-acmeclient-")
    assert content(envelope) == "<b>A</b>"


def test_b7_all_methods_accept_a_callback(client):
    seen = []
    results = [
        client.get_offers({**offers(), "callback": seen.append}),
        client.send_notifications({**notifications(), "callback": seen.append}),
        client.get_attributes(["home"], {"callback": seen.append}),
        client.get_attributes(["home"], {**offers(), "callback": seen.append}),
    ]
    values = [result.get(WAIT) for result in results]
    assert all(any(value is each for each in seen) for value in values)
    assert len(seen) == 4
    assert [type(value).__name__ for value in values[1:3]] == ["TargetDeliveryResponse", "AttributesProvider"]


@pytest.mark.parametrize("body", [b"null", b'{"execute": {"mboxes": [{"options": [null]}]}}', b""])
def test_b6_an_unusual_response_reaches_exactly_one_callback(body):
    received = []
    with SocketServer(answer(body)) as server, client_of(server) as client:
        result = client.get_offers({**offers(), "callback": received.append, "err_callback": received.append})
        result.wait(WAIT)
        assert result.ready()
    assert len(received) == 1


def test_b9_options_can_be_used_again(client):
    seen = []
    options = {**offers(), "callback": seen.append, "session_id": "s"}
    before = dict(options)
    for _ in range(3):
        client.get_attributes(["home"], options).get(WAIT)
        client.get_offers(options).get(WAIT)
    assert options == before
    assert len(seen) == 6


def test_b6_an_err_callback_gets_the_error_that_get_raises(forbidding_server):
    received = []
    with client_of(forbidding_server) as client:
        options = {"callback": lambda _: received.append("callback"), "err_callback": received.append}
        result = client.get_offers({**offers(), **options})
        with pytest.raises(HttpStatusError) as caught:
            result.get(WAIT)
        assert client.stats()["failures"] == 1
    assert received == [caught.value]
    assert not result.successful()


def test_without_an_err_callback_the_result_holds_the_error(forbidding_server, caplog):
    received = []
    with client_of(forbidding_server) as client:
        result = client.get_offers({**offers(), "callback": received.append})
        result.wait(WAIT)
        assert not result.successful()
        for _ in range(2):
            with pytest.raises(HttpStatusError):
                result.get()
    assert received == []
    assert "callback raised" not in caplog.text


def test_a_call_with_only_an_err_callback_is_synchronous(server, forbidding_server):
    received = []
    with client_of(server) as client:
        assert content(client.get_offers({**offers(), "err_callback": received.append})) == "<b>A</b>"
        assert client.stats()["threads"] == 0
    with client_of(forbidding_server) as client:
        with pytest.raises(HttpStatusError):
            client.get_offers({**offers(), "err_callback": received.append})
        assert client.stats()["threads"] == 0
    assert received == []


def test_a_callback_runs_in_the_contextvars_context_of_its_caller(client, forbidding_server):
    seen = []

    def callback(_):
        seen.append(REQUEST_ID.get())
        REQUEST_ID.set("the callback's")

    token = REQUEST_ID.set("mine")
    try:
        for number in range(20):
            REQUEST_ID.set(f"mine {number}")
            client.get_offers({**offers(), "callback": callback}).get(WAIT)
        with client_of(forbidding_server) as other:
            other.get_offers({**offers(), "callback": callback, "err_callback": callback}).wait(WAIT)
        assert REQUEST_ID.get() == "mine 19"
    finally:
        REQUEST_ID.reset(token)
    assert seen == [f"mine {number}" for number in range(20)] + ["mine 19"]


def test_the_err_callback_of_a_full_queue_runs_in_the_contextvars_context_of_its_caller(held):
    seen = []
    with client_of(held, max_workers=1, max_pending=1, shutdown_timeout=1) as client:
        client.get_offers({**offers(), "callback": str})
        assert eventually(lambda: client.stats()["running"] == 1)
        client.get_offers({**offers(), "callback": str})
        token = REQUEST_ID.set("mine")
        try:
            client.get_offers({**offers(), "callback": str, "err_callback": lambda _: seen.append(REQUEST_ID.get())})
        finally:
            REQUEST_ID.reset(token)
        held.go.set()
    assert seen == ["mine"]


@pytest.mark.parametrize("status", [200, 503])
def test_the_notification_of_a_decision_is_sent_in_the_contextvars_context_of_its_call(status):
    """If sending fails, the subscriber of the event runs in the same context."""
    seen = []

    class Manager(urllib3.PoolManager):
        def request(self, *args, **kwargs):
            seen.append(REQUEST_ID.get())
            return super().request(*args, **kwargs)

    with LocalEdge({"activities": [ACTIVITY]}) as edge, SocketServer(answer(ANSWER_BYTES, status)) as server:
        options = {
            "decisioning_method": "on-device",
            "artifact_payload": edge.rules,
            "polling_interval": 0,
            "target_location_hint": "35",  # prevents the location hint request
            "retries": 1,
            "pool_manager": Manager(),
            "events": {"send_notification_error": lambda _: seen.append("failed for " + REQUEST_ID.get())},
        }
        with client_of(server, **options) as client:
            for number in range(2):
                token = REQUEST_ID.set(f"mine {number}")
                client.get_offers(offers())
                REQUEST_ID.reset(token)
                assert client.flush(LONG)
    expected = [[f"mine {number}"] + [f"failed for mine {number}"] * (status != 200) for number in range(2)]
    assert seen == expected[0] + expected[1]


MISTAKES = [
    {},
    {"request": "home"},
    {"request": DeliveryRequest(execute=ExecuteRequest())},
    {**offers(), "err_callback": 5},
    {**offers(), "timeout": "soon"},
    {"request": DeliveryRequest(execute=ExecuteRequest(mboxes=[MboxRequest(name="a", parameters={"a": object()})]))},
]


@pytest.mark.parametrize("options", MISTAKES, ids=range(len(MISTAKES)))
def test_invalid_options_raise_in_the_callers_thread_before_anything_is_queued(options):
    received = []
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server) as client:
        with pytest.raises(ValueError):
            client.get_offers({"err_callback": received.append, "callback": received.append, **options})
        with pytest.raises(ValueError):
            asyncio.run(client.get_offers_async(options))
        stats = client.stats()
    assert received == []
    assert server.requests == []
    assert (stats["pending"], stats["running"], stats["threads"], stats["refused"]) == (0, 0, 0, 0)


def test_a_callback_that_is_not_callable_is_refused(client):
    with pytest.raises(OptionError) as caught:
        client.get_offers({**offers(), "callback": "print"})
    assert caught.value.option == "callback"


# The queue


def test_a_full_queue_calls_the_err_callback_before_the_call_returns(held):
    received = []
    with client_of(held, max_workers=1, max_pending=2, logger=Quiet()) as client:
        client.get_offers({**offers(), "callback": str})
        assert eventually(lambda: client.stats()["running"] == 1)
        waiting = [client.get_offers({**offers(), "callback": str}) for _ in range(2)]
        for number in range(1, 6):
            err_callback = lambda error: received.append((threading.current_thread(), error))  # noqa: E731
            result = client.get_offers({**offers(), "callback": str, "err_callback": err_callback})
            assert len(received) == number
            assert received[-1][0] is threading.main_thread()
            assert result.ready()
            with pytest.raises(QueueFull) as caught:
                result.get()
            assert caught.value is received[-1][1]
        with pytest.raises(QueueFull):
            asyncio.run(client.get_offers_async(offers()))
        stats = client.stats()
        assert (stats["refused"], stats["pending"], stats["running"], stats["threads"]) == (6, 2, 1, 1)
        held.go.set()
        assert all(result.get(WAIT) for result in waiting)
        assert client.stats()["calls"] == 9
    assert len(held.requests) == 3


def test_a_call_that_waited_too_long_fails_without_being_sent(held):
    received = []
    with client_of(held, max_workers=1, queue_timeout=50, logger=Quiet()) as client:
        first = client.get_offers({**offers("first"), "callback": str})
        assert eventually(lambda: len(held.requests) == 1)
        late = client.get_offers({**offers("late"), "callback": str, "err_callback": received.append})
        time.sleep(0.1)
        held.go.set()
        assert first.get(WAIT)
        with pytest.raises(DeadlineExceeded, match="waited longer than 50 ms") as caught:
            late.get(WAIT)
        assert content(client.get_offers({**offers(), "callback": str}).get(WAIT)) == "<b>A</b>"
    assert received == [caught.value]
    assert caught.value.attempts == 0
    assert b"late" not in b"".join(held.requests)
    assert len(held.requests) == 2


def test_the_timeout_of_a_queued_call_starts_when_a_worker_begins_it(held):
    with client_of(held, max_workers=1, logger=Quiet()) as client:
        first = client.get_offers({**offers(), "callback": str})
        assert eventually(lambda: client.stats()["running"] == 1)
        second = client.get_offers({**offers(), "callback": str, "timeout": 5000})
        third = client.get_offers({**offers(), "callback": str, "timeout": SHORT})
        time.sleep(1.5 * SHORT / 1000)
        held.go.set()
        assert [bool(result.get(WAIT)) for result in (first, second, third)] == [True] * 3


# flush, close, stats


def test_flush_and_close_return_whether_all_calls_are_done(held):
    received = []
    client = client_of(held, max_workers=1, logger=Quiet())
    assert client.flush() is True
    running = client.get_offers({**offers(), "callback": lambda _: received.append("running")})
    assert eventually(lambda: client.stats()["running"] == 1)
    waiting = [client.get_offers({**offers(), "callback": str, "err_callback": received.append}) for _ in range(3)]
    assert client.flush(30) is False
    assert client.stats()["pending"] == 3
    assert client.close(30) is False
    assert [type(error) for error in received] == [ClientClosed] * 3
    for result in waiting:
        with pytest.raises(ClientClosed):
            result.get(0)
    stats = client.stats()
    assert (stats["dropped"], stats["pending"], stats["running"], stats["calls"]) == (3, 0, 1, 4)
    assert not running.ready()
    held.go.set()
    assert content(running.get(WAIT)) == "<b>A</b>"
    assert received[3:] == ["running"]
    assert client.flush(LONG) is True
    assert client.close() is True
    assert eventually(lambda: client.stats()["threads"] == 0)
    assert len(held.requests) == 1


def test_the_with_block_waits_for_callbacks(server):
    received = []
    with client_of(server, max_workers=2, logger=Quiet()) as client:
        for _ in range(50):
            client.get_offers({**offers(), "callback": received.append})
    assert len(received) == 50


def test_stats_count_each_call_once(server, forbidding_server):
    with client_of(server, max_workers=4, logger=Quiet()) as client:
        threads = [
            threading.Thread(
                target=lambda: [client.get_offers({**offers(), "callback": str}) for _ in range(100)]
                + [client.get_offers(offers()) for _ in range(20)]
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.flush(LONG)
        stats = client.stats()
        assert 1 <= stats.pop("threads") <= 4
        counters = {name: value for name, value in stats.items() if isinstance(value, int)}
        assert counters == {**dict.fromkeys(counters, 0), "calls": 960, "new_visitors": 960}
    with client_of(forbidding_server, max_workers=4, logger=Quiet()) as client:
        results = [client.get_offers({**offers(), "callback": str}) for _ in range(50)]
        assert client.flush(LONG)
        assert not any(result.successful() for result in results)
        assert (client.stats()["calls"], client.stats()["failures"]) == (50, 50)


# Awaiting


def test_awaited_calls_return_answers_and_raise_errors(server, forbidding_server):
    async def all_of(client):
        return (
            await client.get_offers_async(offers()),
            await client.send_notifications_async(notifications()),
            await client.get_attributes_async(["home"]),
        )

    with client_of(server) as client:
        envelope, notified, attributes = asyncio.run(all_of(client))
        assert content(envelope) == "<b>A</b>"
        assert notified["response"].status == 200
        assert attributes.as_object("home") == {}
    with client_of(forbidding_server) as client, pytest.raises(HttpStatusError):
        asyncio.run(all_of(client))


def test_a_hundred_calls_can_be_awaited_together(server):
    async def gather(client):
        return await asyncio.gather(*(client.get_offers_async(offers()) for _ in range(100)))

    with client_of(server, max_workers=8, logger=Quiet()) as client:
        assert [content(each) for each in asyncio.run(gather(client))] == ["<b>A</b>"] * 100
        assert eventually(lambda: client.stats()["threads"] <= 8)  # workers that open a connection may be replaced


def test_cancelling_an_await_does_not_affect_the_client(held):
    async def cancel_and_call_again(client):
        waiting = asyncio.ensure_future(client.get_offers_async(offers()))
        while not held.requests:
            await asyncio.sleep(0.002)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.get_offers_async(offers()), 0.05)
        held.go.set()
        return await client.get_offers_async(offers())

    with client_of(held, max_workers=4, logger=Quiet()) as client:
        assert content(asyncio.run(cancel_and_call_again(client))) == "<b>A</b>"
        assert client.flush(LONG)
        assert client.stats()["calls"] == 3


def test_an_event_loop_may_end_before_the_answer_arrives(held, caplog):
    async def leave(client):
        waiting = asyncio.ensure_future(client.get_offers_async(offers()))
        while not held.requests:
            await asyncio.sleep(0.002)
        assert not waiting.done()

    with client_of(held, max_workers=2) as client:
        asyncio.run(leave(client))
        held.go.set()
        assert client.flush(LONG)
        assert content(client.get_offers({**offers(), "callback": str}).get(WAIT)) == "<b>A</b>"
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


def test_two_event_loops_in_two_threads_can_use_one_client(server):
    seen = []

    async def many(client):
        return [content(each) for each in await asyncio.gather(*(client.get_offers_async(offers()) for _ in range(50)))]

    with client_of(server, max_workers=4, logger=Quiet()) as client:
        threads = [threading.Thread(target=lambda: seen.append(asyncio.run(many(client)))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT)
    assert seen == [["<b>A</b>"] * 50] * 2


def test_awaiting_a_call_does_not_block_the_event_loop(held):
    async def both(client):
        waiting = asyncio.ensure_future(client.get_offers_async(offers()))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not waiting.done()
        held.go.set()
        return await waiting

    with client_of(held) as client:
        assert content(asyncio.run(both(client))) == "<b>A</b>"


def test_the_result_of_a_call_with_a_callback_can_be_awaited(client):
    received = []

    async def wait():
        return await client.get_offers({**offers(), "callback": received.append})

    assert asyncio.run(wait()) is received[0]


def test_get_and_successful_raise_while_a_result_is_not_ready(held):
    with client_of(held, logger=Quiet()) as client:
        result = client.get_offers({**offers(), "callback": str})
        with pytest.raises(multiprocessing.TimeoutError):
            result.get(0.01)
        with pytest.raises(ValueError, match="not ready"):
            result.successful()
        held.go.set()
        assert result.get(WAIT) and result.successful()


def test_b4_a_burst_from_many_threads_does_not_exceed_max_workers(server):
    """Counting the workers and starting one are two steps, which many threads perform here at the same time."""
    thread_counts = []
    with switching_often():
        for _ in range(10):
            with client_of(server, max_workers=3, logger=Quiet()) as client:

                def burst(_, client=client):
                    for _ in range(5):
                        options = {**offers(), "callback": lambda _: thread_counts.append(client.stats()["threads"])}
                        client.get_offers(options)

                in_threads(16, burst)
                assert client.flush(LONG)
    assert len(thread_counts) == 800
    assert max(thread_counts) <= 3


def test_t17_no_call_is_lost_if_a_signal_handler_raises_during_close(held, figure):
    """Each queued call ends with a result or an error, no matter when the signal arrives."""
    class Limit(Exception):
        pass

    def raise_limit(*_):
        raise Limit

    before = signal.signal(signal.SIGALRM, raise_limit)
    interrupted, lost = 0, 0
    try:
        for number in range(100):
            client = client_of(held, max_workers=1, logger=Quiet())
            received = []
            options = {**offers(), "callback": received.append, "err_callback": received.append}
            first = client.get_offers(options)
            results = [client.get_offers(options) for _ in range(20)]
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0002 + number * 0.00002)
                client.close(0)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Limit:
                interrupted += 1
            client.close(0)
            for result in results:
                result.wait(WAIT)
            lost += sum(not result.ready() for result in results)
            assert len(received) in (20, 21) or not first.ready()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    figure(f"close interrupted {interrupted} times: calls lost of 2000", lost, 0)
    assert lost == 0
    assert interrupted > 0
