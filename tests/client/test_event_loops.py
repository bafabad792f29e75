"""Awaited calls under asyncio, and their error under other event loops."""

import asyncio
import importlib.util
import re
import sys
import threading

import pytest

from target_python_sdk.errors import OptionError
from target_python_sdk.testing import SocketServer, answer, make_artifact, response
from target_python_sdk.types import DeliveryRequest
from target_tools.concurrency.tasks import AsyncResult
from tests.support import ANSWER_BYTES, client_of, installing, offers, run_python

pytestmark = pytest.mark.server

MESSAGE = r"awaited calls need asyncio; .*trio\.to_thread"


@pytest.fixture
def server():
    with SocketServer(answer(ANSWER_BYTES)) as running:
        yield running


@pytest.fixture
def client(server):
    with client_of(server) as running_client:
        yield running_client


def calls_of(client):
    return [
        client.get_offers_async(offers()),
        client.send_notifications_async({"request": DeliveryRequest(notifications=[NOTIFICATION])}),
        client.get_attributes_async(["home"]),
    ]


NOTIFICATION = {"id": "n", "type": "display", "timestamp": 1700000000000, "mbox": {"name": "home"}}


def test_under_trio_a_call_raises_before_anything_is_sent(client, server):
    trio = pytest.importorskip("trio")

    async def main():
        for call in calls_of(client):
            with pytest.raises(OptionError, match=MESSAGE):
                await call

    trio.run(main)
    assert server.connections == 0
    assert client.stats()["calls"] == 0


def test_under_trio_a_call_works_in_a_thread_of_trio(client):
    trio = pytest.importorskip("trio")
    envelope = trio.run(trio.to_thread.run_sync, client.get_offers, offers())
    assert envelope["response"].status == 200


def test_a_call_still_ends_after_its_result_was_awaited_under_trio():
    """The call is submitted before the await raises, so it still gets its answer."""
    trio = pytest.importorskip("trio")
    may_answer, received = threading.Event(), []

    def hold_answer(connection):
        connection.read_request()
        may_answer.wait(20)
        connection.send(response(ANSWER_BYTES))

    with SocketServer(hold_answer) as server, client_of(server) as client:

        async def main():
            result = client.get_offers({**offers(), "callback": received.append})
            with pytest.raises(OptionError, match=MESSAGE):
                await result
            may_answer.set()
            return result

        result = trio.run(main)
        assert result.get(20)["response"].status == 200
        assert len(received) == 1
        assert len(result._wake_ups) == 0


UNDER_TRIO_ASYNCIO = """
import sys, trio, trio_asyncio
from target_python_sdk.errors import OptionError
from tests.support import client_of, offers

class Server:
    domain = sys.argv[1]

async def main(client):
    async with trio_asyncio.open_loop():
        try:
            await client.get_offers_async(offers())
        except OptionError as error:
            print(error)
        answer = await trio_asyncio.aio_as_trio(client.get_offers_async)(offers())
        print(answer.response.status)

with client_of(Server) as client:
    trio.run(main, client)
"""


def test_under_trio_asyncio_a_call_can_be_awaited_only_in_asyncio_code(server):
    """The program runs in a new process, because importing trio_asyncio changes the event loops of asyncio."""
    if importlib.util.find_spec("trio_asyncio") is None:
        pytest.skip("trio-asyncio is not installed: " + installing("test"))
    process = run_python("-W", "default", "-c", UNDER_TRIO_ASYNCIO, server.domain)
    refused, status = process.stdout.splitlines()
    assert re.search(MESSAGE, refused)
    assert status == "200", process.stderr


def test_under_anyio_on_asyncio_a_call_is_awaited(client):
    anyio = pytest.importorskip("anyio")
    assert anyio.run(client.get_offers_async, offers())["response"].status == 200


def test_a_coroutine_that_is_driven_by_hand_raises(client, server):
    """The coroutine raises both without a running event loop and in a callback of a running event loop."""

    def drive():
        for call in calls_of(client):
            with pytest.raises(OptionError, match=MESSAGE):
                call.send(None)
        waiting = AsyncResult().__await__()
        with pytest.raises(OptionError, match=MESSAGE):
            waiting.send(None)

    async def main():
        done = asyncio.Event()

        def callback():
            drive()
            done.set()

        asyncio.get_running_loop().call_soon(callback)
        await asyncio.wait_for(done.wait(), 20)

    drive()
    asyncio.run(main())
    assert server.connections == 0


def test_a_call_that_blocks_an_event_loop_is_logged_once(client, caplog):
    async def block():
        client.get_attributes(["home"])
        client.get_offers(offers())

    asyncio.run(block())
    assert [record.getMessage() for record in caplog.records if "event loop" in record.getMessage()] == [
        "get_attributes blocks the event loop that runs in this thread;"
        " await the method that ends in _async instead"
    ]


def test_calls_that_block_no_event_loop_are_not_logged(client, server, caplog, monkeypatch):
    """These are awaited calls, calls with a callback or in another thread, on-device calls, and calls in a notebook."""

    async def main():
        await asyncio.gather(*calls_of(client))
        client.get_offers({**offers(), "callback": id}).wait()
        await asyncio.get_running_loop().run_in_executor(None, client.get_offers, offers())
        with client_of(server, decisioning_method="on-device", artifact_payload=make_artifact({})) as on_device:
            on_device.get_offers(offers())
        monkeypatch.setitem(sys.modules, "ipykernel", threading)
        client.get_offers(offers())

    asyncio.run(main())
    client.get_offers(offers())
    assert client.stats()["calls"] == 7
    assert "event loop" not in caplog.text


def test_event_loops_of_several_threads_can_await_calls_of_one_client(client):
    answers = []

    def loop():
        answers.append(asyncio.run(client.get_offers_async(offers())))

    threads = [threading.Thread(target=loop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(answers) == 4
