"""Interim replies (1xx) are never used as answers by the client, a pool manager or the generated client."""

import json
import threading
import time

import pytest
import urllib3

from delivery_api_client import ApiClient, Configuration
from target_python_sdk import TargetClient
from target_python_sdk.errors import ConnectionFailed, InvalidResponse
from target_python_sdk.testing import SocketServer, response
from target_python_sdk.types import Context, DeliveryRequest, ExecuteRequest, Geo, MboxRequest
from tests.decisioning.cdn import Cdn, artifact, good, options
from tests.support import ANSWER, LONG, client_of, content, offers

pytestmark = pytest.mark.server

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

INTERIM = [(CONTINUE,), (PROCESSING,), (HINTS,), (CONTINUE, HINTS, PROCESSING, HINTS), (HINTS,) * 20]
WITH_EACH_SEQUENCE = pytest.mark.parametrize("interim", INTERIM, ids=len)


def answer_after(interim, message=None, separately=True):
    """Return a handler that sends interim replies, and then ``message`` or, without it, ``echo(request)``."""

    def handle(connection):
        while True:
            request = connection.read_request()
            if not request:
                return
            final = message or echo(request)
            for part in (*interim, final) if separately else (b"".join(interim) + final,):
                connection.send(part)

    return handle


def echo(request):
    """Return an answer with the id and the mbox of ``request``. The content of the mbox is its name."""
    body = json.loads(request.partition(b"\r\n\r\n")[2])
    name = body["execute"]["mboxes"][0]["name"]
    mbox = {"index": 0, "name": name, "options": [{"type": "html", "content": name}]}
    return response({**ANSWER, "requestId": body["requestId"], "execute": {"mboxes": [mbox]}})


@WITH_EACH_SEQUENCE
@pytest.mark.parametrize("separately", [True, False], ids=["separately", "together"])
def test_each_visitor_gets_their_own_offer(interim, separately):
    with SocketServer(answer_after(interim, separately=separately)) as server, client_of(server) as client:
        for number in range(5):
            assert content(client.get_offers(offers(f"visitor-{number}"))) == f"visitor-{number}"
        assert server.connections == 1


def test_visitors_of_many_threads_get_their_own_offers():
    wrong = []
    with SocketServer(answer_after((CONTINUE, HINTS))) as server, client_of(server) as client:

        def call(thread):
            for number in range(20):
                name = f"visitor-{thread}-{number}"
                if content(client.get_offers(offers(name))) != name:
                    wrong.append(name)

        threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert len(server.requests) == 160


def test_an_interim_reply_after_the_answer_is_not_used():
    """The interim reply arrives together with the answer, or between two requests."""

    def answer_then_hints(connection):
        while True:
            request = connection.read_request()
            if not request:
                return
            connection.send(echo(request) + HINTS)

    with SocketServer(answer_then_hints) as server, client_of(server) as client:
        for number in range(5):
            assert content(client.get_offers(offers(f"visitor-{number}"))) == f"visitor-{number}"
        assert len(server.requests) == 5


def test_too_many_interim_replies_are_an_error():
    with SocketServer(answer_after((CONTINUE,) * 200)) as server, client_of(server) as client:
        with pytest.raises(InvalidResponse, match="not valid HTTP"):
            client.get_offers(offers())
        with pytest.raises(InvalidResponse, match="not valid HTTP"):
            client.get_offers(offers())
        assert server.connections == 2


def test_a_switch_of_protocols_is_an_error_and_closes_the_connection():
    closed = threading.Event()

    def switch(connection):
        connection.read_request()
        connection.send(SWITCHING + response(ANSWER))
        if connection.wait_for_close():
            closed.set()

    with SocketServer(switch) as server, client_of(server) as client:
        with pytest.raises(InvalidResponse, match="not valid HTTP"):
            client.get_offers(offers())
        assert closed.wait(20)


def test_closing_the_connection_after_an_interim_reply_is_an_error():
    def close_after_hints(connection):
        connection.read_request()
        connection.send(HINTS)
        connection.close()

    with SocketServer(close_after_hints) as server, client_of(server) as client:
        with pytest.raises(ConnectionFailed) as caught:
            client.get_offers(offers())
        assert (caught.value.phase, server.connections) == ("exchange", 1)


@WITH_EACH_SEQUENCE
def test_an_artifact_is_read_after_interim_replies(interim):
    def reply(head, connection):
        for part in interim:
            connection.send(part)
        return good("<b>A</b>")

    with Cdn(reply) as cdn, TargetClient.create(options(cdn)) as client:
        assert content(client.get_offers(offers())) == "<b>A</b>"
        assert len(cdn.request_headers) == 1


def test_a_geo_location_is_read_after_interim_replies():
    place = {"x-geo-latitude": "37.75", "x-geo-longitude": "-122.4", "x-geo-city": "SAN FRANCISCO"}

    def reply(head, connection):
        connection.send(CONTINUE + HINTS)
        return response(place) if "/v1/geo" in head[""] else response(artifact(geoTargetingEnabled=True))

    found = []
    with Cdn(reply) as cdn, TargetClient.create(options(cdn, events={"geo_location_updated": found.append})) as client:
        context = Context(channel="web", geo=Geo(ip_address="192.0.2.1"))
        execute = ExecuteRequest(mboxes=[MboxRequest(name="home")])
        for _ in range(3):
            assert content(client.get_offers({"request": DeliveryRequest(context=context, execute=execute)}))
        assert cdn.connections <= 2  # one for the artifact and one for geo lookups; both are kept
    assert [event["geo_context"].city for event in found] == ["SAN FRANCISCO"] * 3


def test_notifications_are_sent_despite_interim_replies():
    document = artifact()
    document["rules"]["mboxes"]["home"][0]["consequence"]["options"][0]["eventToken"] = "shown"
    edge = SocketServer(answer_after((CONTINUE, HINTS), response(ANSWER)))
    with edge, Cdn(response(document)) as cdn:
        with TargetClient.create(options(cdn, server_domain=edge.domain, max_workers=1)) as client:
            for _ in range(3):
                assert content(client.get_offers(offers())) == "<b>A</b>"
            assert client.flush(LONG)
            assert client.stats()["undelivered"] == 0
        sent = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in edge.requests]
    notified = [body for body in sent if "notifications" in body]
    assert [body["notifications"][0]["tokens"] for body in notified] == [["shown"]] * 3


@WITH_EACH_SEQUENCE
def test_the_generated_client_skips_interim_replies(interim):
    with SocketServer(answer_after(interim, response({"a": 1}))) as server:
        with ApiClient(Configuration(host="http://" + server.domain)) as client:
            for _ in range(3):
                found, status, _ = client.call_api("/any", "GET", response_types_map={200: "object"})
                assert (found, status) == ({"a": 1}, 200)
        assert server.connections == 1


@pytest.mark.parametrize("interim", [PROCESSING, HINTS, CONTINUE], ids=["102", "103", "100"])
def test_an_interim_reply_other_than_100_from_a_pool_manager_is_an_error(interim):
    """urllib3 skips only 100. If the client took a 103 as the answer, the next call would read this call's answer."""
    with SocketServer(answer_after((interim,))) as server, urllib3.PoolManager(maxsize=1) as manager:
        with client_of(server, pool_manager=manager) as client:
            for number in range(4):
                name = f"visitor-{number}"
                if interim is CONTINUE:
                    assert content(client.get_offers(offers(name))) == name
                else:
                    with pytest.raises(InvalidResponse, match="interim reply"):
                        client.get_offers(offers(name))
        assert server.connections == (1 if interim is CONTINUE else 4)


def test_the_deadline_includes_interim_replies():
    def send_interim_replies(connection):
        connection.read_request()
        while True:
            connection.send(CONTINUE)
            connection.wait(0.02)

    with SocketServer(send_interim_replies) as server, client_of(server, timeout=150) as client:
        began = time.monotonic()
        with pytest.raises(urllib3.exceptions.TimeoutError):
            client.get_offers(offers())
        assert time.monotonic() - began >= 0.15
