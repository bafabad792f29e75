"""Context variables reach the thread that sends, so that monitors find the span of the caller."""

import asyncio
import contextvars
import functools
import threading
from unittest import mock

import pytest
import urllib3

from target_python_sdk import TargetClient
from target_python_sdk.testing import SocketServer, answer, response
from target_python_sdk.types import Context, DeliveryRequest, ExecuteRequest, Geo, MboxRequest, Notification
from tests.decisioning.cdn import Cdn, artifact, options
from tests.support import ANSWER, LONG, client_of, content, eventually, offers

pytestmark = pytest.mark.server

WAIT = LONG / 1000
SPAN = contextvars.ContextVar("span", default=None)


@pytest.fixture
def seen():
    """Yield a list that gets a pair for each request: its path, and the value of ``SPAN`` when it is sent."""
    found = []
    urlopen = urllib3.HTTPConnectionPool.urlopen

    @functools.wraps(urlopen)
    def record_span(pool, method, url, *arguments, **keywords):
        found.append((url.partition("?")[0], SPAN.get()))
        return urlopen(pool, method, url, *arguments, **keywords)

    with mock.patch("urllib3.HTTPConnectionPool.urlopen", record_span):
        yield found


@pytest.fixture
def edge():
    with SocketServer(answer(ANSWER)) as server:
        yield server


DELIVERY = "/rest/v1/delivery"


def call_and_wait(client):
    client.get_offers(offers())


def call_in_another_thread(client):
    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: context.run(client.get_offers, offers()))
    thread.start()
    thread.join(WAIT)


def call_with_callback(client):
    client.get_offers({**offers(), "callback": id}).get(WAIT)


def await_call(client):
    asyncio.run(client.get_offers_async(offers()))


def send_notification(client):
    client.send_notifications(
        {"request": DeliveryRequest(notifications=[Notification(id="1", type="click", timestamp=1)])}
    )


WAYS = [call_and_wait, call_in_another_thread, call_with_callback, await_call, send_notification]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_each_call_is_sent_in_the_context_of_its_caller(way, edge, seen):
    """The only worker does not keep the context of its previous caller."""
    with client_of(edge, max_workers=1) as client:
        for number in range(3):
            SPAN.set(f"span {number}")
            way(client)
    assert seen == [(DELIVERY, f"span {number}") for number in range(3)]


def test_calls_at_the_same_time_keep_their_contexts(edge, seen):
    async def call(client, number):
        SPAN.set(number)
        await client.get_offers_async(offers())

    async def calls(client):
        await asyncio.gather(*[call(client, number) for number in range(20)])

    with client_of(edge, max_workers=4) as client:
        asyncio.run(calls(client))
    assert sorted(span for _, span in seen) == list(range(20))


def test_context_variables_set_by_the_sending_thread_do_not_reach_the_caller(edge):
    urlopen = urllib3.HTTPConnectionPool.urlopen

    def change_span(pool, *arguments, **keywords):
        SPAN.set("the thread's")
        return urlopen(pool, *arguments, **keywords)

    SPAN.set("mine")
    with mock.patch("urllib3.HTTPConnectionPool.urlopen", change_span), client_of(edge, max_workers=1) as client:
        call_with_callback(client)
        await_call(client)
    assert SPAN.get() == "mine"


@pytest.mark.parametrize("way", [call_and_wait, call_with_callback, await_call], ids=lambda way: way.__name__)
def test_a_connection_is_opened_in_the_context_of_the_caller(way, edge):
    """If another thread opens the connection, it does so in a copy of the caller's context."""
    found = []
    real = urllib3.util.connection.create_connection

    def record_span(*arguments, **keywords):
        found.append(SPAN.get())
        return real(*arguments, **keywords)

    SPAN.set("mine")
    with mock.patch("urllib3.util.connection.create_connection", record_span), client_of(edge, keep_alive=0) as client:
        way(client)
        way(client)
    assert found == ["mine"] * 2


def test_a_pool_manager_is_called_in_the_context_of_the_caller(edge, seen):
    SPAN.set("mine")
    with urllib3.PoolManager() as manager, client_of(edge, pool_manager=manager, max_workers=1) as client:
        for way in (call_and_wait, call_with_callback, await_call):
            way(client)
    assert seen == [(DELIVERY, "mine")] * 3


@pytest.mark.parametrize("way", [call_and_wait, call_with_callback, await_call], ids=lambda way: way.__name__)
def test_geo_lookups_and_notifications_of_an_on_device_call_are_sent_in_its_context(way, edge, seen):
    document = artifact(geoTargetingEnabled=True)
    document["rules"]["mboxes"]["home"][0]["consequence"]["options"][0]["eventToken"] = "shown"
    place = response({"x-geo-city": "SAN FRANCISCO"})

    def reply(head, _):
        return place if "/v1/geo" in head[""] else response(document)

    class Located:
        """A client whose visitors have an IP address."""

        def __init__(self, client):
            self._client = client

        def get_offers(self, call_options):
            return self._client.get_offers(located(call_options))

        async def get_offers_async(self, call_options):
            return await self._client.get_offers_async(located(call_options))

    def located(call_options):
        execute = ExecuteRequest(mboxes=[MboxRequest(name="home")])
        context = Context(channel="web", geo=Geo(ip_address="192.0.2.1"))
        return {**call_options, "request": DeliveryRequest(context=context, execute=execute)}

    with Cdn(reply) as cdn, TargetClient.create(options(cdn, server_domain=edge.domain)) as client:
        assert content(client.get_offers(offers())) == "<b>A</b>"
        assert client.flush(LONG)
        # The request for a location hint and the notification.
        assert eventually(lambda: sum(url == DELIVERY for url, _ in seen) == 2)
        del seen[:]
        SPAN.set("mine")
        way(Located(client))
        assert client.flush(LONG)
    assert sorted(seen) == [(DELIVERY, "mine"), ("/v1/geo", "mine")]
