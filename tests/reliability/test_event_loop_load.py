"""Hundreds of awaited calls that start together do not block the event loop; flush and close wait for all of them."""

import asyncio
import collections
import gc
import math
import socket
import threading
import time
from types import SimpleNamespace

import pytest

from target_python_sdk import Visit, VisitSettings
from target_python_sdk.errors import ClientClosed, DeliveryError
from target_python_sdk.testing import SocketServer, answer
from target_tools.concurrency import event_loops
from tests.decisioning.cdn import artifact
from tests.reliability.conftest import Quiet
from tests.support import ANSWER_BYTES, LONG, SHORT, client_of, offers

pytestmark = [pytest.mark.server, pytest.mark.slow]

CALLS = 500
EDGE = SimpleNamespace(domain="edge.example:80")
NOTIFICATION = {"id": "n", "type": "display", "timestamp": 1700000000000, "mbox": {"name": "home"}}
#: A dict, because parsing it takes longer than parsing a model.
REQUEST = {"context": {"channel": "web"}, "execute": {"mboxes": [{"name": "home"}]}}
#: An artifact with content for ``home`` and ``flags``.
ARTIFACT = artifact()
FLAGS = {"name": "flags", "options": [{"type": "json", "content": {"color": "red"}}], "metrics": []}
ARTIFACT["rules"]["mboxes"]["flags"] = [{**ARTIFACT["rules"]["mboxes"]["home"][0], "consequence": FLAGS}]
ARTIFACT["localMboxes"].append("flags")
#: The ASGI scope of a browser's request.
BROWSER = {
    "type": "http",
    "path": "/",
    "headers": [(b"host", b"shop.example"), (b"cookie", b"mbox=PC#abc.35_0#9999999999"), (b"user-agent", b"Mozilla")],
}


@pytest.fixture
def hanging_resolver(monkeypatch):
    go = threading.Event()

    def resolve(*_, **__):
        go.wait(LONG / 1000)
        raise socket.gaierror(socket.EAI_AGAIN, "too late")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    yield
    go.set()


@pytest.fixture(autouse=True)
def no_garbage_collection():
    """Disable the garbage collector: a full collection of the suite's objects takes longer than a turn of the loop."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def calls_of(client):
    """Yield a coroutine for each call: notifications, attributes and offers."""
    for number in range(CALLS):
        if number % 10 == 0:
            yield client.send_notifications_async({"request": {"notifications": [NOTIFICATION]}})
        elif number % 3 == 0:
            yield client.get_attributes_async(["flags"], {"request": REQUEST})
        else:
            yield client.get_offers_async({"request": REQUEST})


METHODS = ("server-side", "on-device", "hybrid")


async def visited(visit, number):
    """Make a call with a visit. Return whether the visitor got an offer."""
    method = METHODS[number % 3]
    if number % 9 < 3:
        return bool((await visit.attributes_async("flags", decisioning_method=method)).as_object("flags"))
    offers = await visit.offers_async("home", prefetch=number % 9 < 6, decisioning_method=method)
    visit.display(offers["home"])  # sends nothing for executed offers
    return bool(offers["home"])


def visits_of(client):
    """Return coroutines that use visits. The visits exist before the calls start."""
    visits = [Visit.of(BROWSER, VisitSettings(client=client)) for _ in range(CALLS)]
    return [visited(visit, number) for number, visit in enumerate(visits)]


async def load(coroutines):
    """Run the coroutines. Return their outcomes, and the CPU seconds of the longest turn of the event loop."""
    turns, ended = [], asyncio.Event()

    async def measure():
        while not ended.is_set():
            began = time.thread_time()
            await asyncio.sleep(0)
            turns.append(time.thread_time() - began)

    measuring = asyncio.ensure_future(measure())
    outcomes = await asyncio.gather(*coroutines, return_exceptions=True)
    ended.set()
    await measuring
    return outcomes, max(turns)


@pytest.mark.parametrize("on_error", ["raise", "default"])
@pytest.mark.parametrize("circuit_breaker", [True, False], ids=["breaker", "no breaker"])
def test_t30_calls_are_spread_over_many_turns_of_the_event_loop(
    hanging_resolver, monkeypatch, on_error, circuit_breaker, figure
):
    client_options = {"timeout": SHORT, "queue_timeout": 1000, "logger": Quiet()}
    client_options.update(on_error=on_error, circuit_breaker=circuit_breaker)
    longest = {}
    for limit in (math.inf, event_loops.TURN_SECONDS):
        monkeypatch.setattr(event_loops, "TURN_SECONDS", limit)
        with client_of(EDGE, **client_options) as client:
            outcomes, longest[limit] = asyncio.run(load(calls_of(client)))
            stats = client.stats()
        assert len(outcomes) == stats["calls"] == stats["failures"] == CALLS
        failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert all(isinstance(error, DeliveryError) for error in failed)
        assert len(failed) == (CALLS if on_error == "raise" else 0)
        assert stats["pending"] == 0
    unlimited, limited = longest.values()
    figure(f"ms of CPU of the longest turn, {on_error}, without a limit", unlimited * 1000, "-", number=30)
    figure(f"ms of CPU of the longest turn, {on_error}", limited * 1000, 20, number=30)
    assert limited < unlimited / 3


def test_t30_the_calls_of_visits_are_spread_over_many_turns(hanging_resolver, monkeypatch, figure):
    """The calls use all three methods. Those that need the edge end at their deadline, the others with an offer."""
    local = {"decisioning_method": "hybrid", "artifact_payload": ARTIFACT, "polling_interval": 0}
    client_options = {"timeout": SHORT, "queue_timeout": 1000, "logger": Quiet(), **local}
    longest, began = {}, time.monotonic()
    for limit in (math.inf, event_loops.TURN_SECONDS):
        monkeypatch.setattr(event_loops, "TURN_SECONDS", limit)
        with client_of(EDGE, **client_options) as client:
            outcomes, longest[limit] = asyncio.run(load(visits_of(client)))
            assert client.stats()["pending"] == 0
        assert [set(outcomes[number::3]) for number in range(3)] == [{False}, {True}, {True}]
    unlimited, limited = longest.values()
    figure("ms of CPU of the longest turn, visits, without a limit", unlimited * 1000, "-", number=30)
    figure("ms of CPU of the longest turn, visits", limited * 1000, 20, number=30)
    figure("s for both loads of visits", time.monotonic() - began, "-", number=30)
    assert limited < unlimited / 3


def test_a_later_change_of_the_request_does_not_affect_awaited_calls(monkeypatch):
    monkeypatch.setattr(event_loops, "TURN_SECONDS", 1e-9)
    request = {"context": {"channel": "web"}, "execute": {"mboxes": [{"name": "home"}]}}

    async def main(client):
        def call(number):
            request["execute"]["mboxes"][0]["name"] = f"mbox-{number}"
            return client.get_offers_async({"request": request})

        async def change_and_call(number):
            return await call(number)

        answers = await asyncio.gather(*[change_and_call(number) for number in range(20)])
        return [envelope.request.execute.mboxes[0].name for envelope in answers]

    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server) as client:
        assert asyncio.run(main(client)) == [f"mbox-{number}" for number in range(20)]


@pytest.mark.parametrize("method", ["flush_async", "close_async"])
def test_flush_and_close_wait_for_calls_that_are_not_prepared_yet(method, monkeypatch):
    monkeypatch.setattr(event_loops, "TURN_SECONDS", 1e-9)

    async def main(client):
        calls = [asyncio.ensure_future(client.get_offers_async(offers())) for _ in range(50)]
        await asyncio.sleep(0)
        assert await getattr(client, method)(LONG) is True
        await asyncio.sleep(0)
        assert client.stats()["calls"] == 50
        return await asyncio.gather(*calls)

    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server) as client:
        answers = asyncio.run(main(client))
    assert collections.Counter(envelope.response.status for envelope in answers) == {200: 50}


@pytest.mark.parametrize("seconds", [1e-9, event_loops.TURN_SECONDS], ids=["short turns", "default"])
@pytest.mark.parametrize("count", [1, 20, 500])
@pytest.mark.parametrize("method", ["flush_async", "close_async", "__aexit__"])
def test_flush_and_close_wait_for_the_calls_of_tasks_that_have_not_begun(method, count, seconds, monkeypatch):
    monkeypatch.setattr(event_loops, "TURN_SECONDS", seconds)

    async def main(client):
        calls = [asyncio.ensure_future(client.get_offers_async(offers())) for _ in range(count)]
        if method == "__aexit__":
            await client.__aexit__(None, None, None)
        else:
            assert await getattr(client, method)(LONG) is True
        assert client.stats()["calls"] == count
        return await asyncio.gather(*calls)

    client_options = {"shutdown_timeout": LONG, "timeout": LONG}
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server, **client_options) as client:
        answers = asyncio.run(main(client))
    assert collections.Counter(envelope.response.status for envelope in answers) == {200: count}


@pytest.mark.parametrize("turns", range(5))
def test_cancelling_a_flush_while_calls_are_prepared_does_not_affect_the_calls(turns, monkeypatch):
    monkeypatch.setattr(event_loops, "TURN_SECONDS", 1e-9)

    async def main(client):
        calls = [asyncio.ensure_future(client.get_offers_async(offers())) for _ in range(20)]
        flushing = asyncio.ensure_future(client.flush_async())
        for _ in range(turns):
            await asyncio.sleep(0)
        flushing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await flushing
        assert await client.flush_async(LONG) is True
        assert client.stats()["calls"] == 20
        return await asyncio.gather(*calls)

    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server, timeout=LONG) as client:
        assert len(asyncio.run(main(client))) == 20


@pytest.mark.parametrize("turns", range(1, 5))
def test_cancelling_a_close_while_calls_are_prepared_still_closes_the_client(turns, monkeypatch):
    """Calls that were not prepared before the client was closed raise ``ClientClosed``."""
    monkeypatch.setattr(event_loops, "TURN_SECONDS", 1e-9)

    async def main(client):
        calls = [asyncio.ensure_future(client.get_offers_async(offers())) for _ in range(20)]
        closing = asyncio.ensure_future(client.close_async(LONG))
        for _ in range(turns):
            await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert "(closed)" in repr(client)
        return await asyncio.gather(*calls, return_exceptions=True)

    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server, timeout=LONG) as client:
        outcomes = asyncio.run(main(client))
    not_closed = [outcome for outcome in outcomes if not isinstance(outcome, ClientClosed)]
    assert len(outcomes) == 20
    assert 1 <= len(not_closed) < 20
    assert {envelope.response.status for envelope in not_closed} == {200}
