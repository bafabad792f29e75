"""The option ``headers``: a dict or a callable, checked, and added to every request."""

import json
import pickle

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.errors import OptionError
from target_python_sdk.testing import SocketServer, answer, response
from target_python_sdk.types import DeliveryRequest
from tests.conformance.builders import artifact, on_device, request_json, rule
from tests.support import ANSWER, ANSWER_BYTES, LONG, client_of, content, eventually, head_of, offers

pytestmark = pytest.mark.server


@pytest.fixture
def server():
    with SocketServer(answer(ANSWER_BYTES)) as server:
        yield server


def serving(document):
    """Return a handler for all requests of a client that decides on-device with the artifact ``document``."""

    def handle(connection):
        while True:
            request = connection.read_request()
            if not request:
                return
            path = head_of(request)[""].split()[1]
            geo = {"city": "Basel", "latitude": "47.5", "longitude": "7.6"}
            body = document if "rules.json" in path else geo if "/geo" in path else ANSWER
            connection.send(response(json.dumps(body).encode()))

    return handle


def heads(server):
    return [head_of(request) for request in server.requests]


def test_a_dict_is_added_to_each_request(server):
    with client_of(server, headers={"X-Api-Key": "key", "X-Empty": ""}) as client:
        assert content(client.get_offers(offers())) == "<b>A</b>"
        assert client.get_offers({**offers(), "callback": id}).get(LONG / 1000)
    assert [(head["x-api-key"], head["x-empty"]) for head in heads(server)] == [("key", "")] * 2


def test_a_later_change_of_the_dict_has_no_effect(server):
    headers = {"X-Api-Key": "key"}
    with client_of(server, headers=headers) as client:
        headers["X-Api-Key"] = "other\r\nX-Evil: yes"
        client.get_offers(offers())
    assert heads(server)[0]["x-api-key"] == "key"


def test_headers_of_the_sdk_are_replaced_case_insensitively(server):
    with client_of(server, headers={"user-agent": "shop", "ACCEPT": "*/*", "X-A": "1", "x-a": "2"}) as client:
        client.get_offers(offers())
    lines = server.requests[0].partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    for name, value in ((b"user-agent", b"shop"), (b"accept", b"*/*"), (b"x-a", b"2")):
        assert [line for line in lines if line.startswith(name + b":")] == [name + b": " + value]


def test_a_callable_gets_the_request(server):
    seen = []

    def headers(request):
        seen.append(request)
        return {"X-Number": str(len(seen))}

    with client_of(server, headers=headers) as client:
        for _ in range(2):
            client.get_offers({**offers(), "session_id": "session-1"})
    assert [head["x-number"] for head in heads(server)] == ["1", "2"]
    request = seen[0]
    assert request.method == "POST"
    assert request.url.startswith(f"http://{server.domain}/rest/v1/delivery?")
    assert "session-1" in request.url
    assert request.headers["Content-Type"] == "application/json"
    with pytest.raises(TypeError):
        request.headers["X-A"] = "b"
    assert repr(request) == f"OutgoingRequest(POST http://{server.domain}/rest/v1/delivery)"


def test_the_callable_is_called_for_each_attempt():
    tokens = iter(["old", "new"])

    def busy(connection):
        head = head_of(connection.read_request())
        status = b"503 Busy" if head["x-token"] == "old" else b"200 OK"
        body = b"" if head["x-token"] == "old" else ANSWER_BYTES
        connection.send(b"HTTP/1.1 %b\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))

    with SocketServer(busy) as server, client_of(server, headers=lambda _: {"X-Token": next(tokens)}) as client:
        assert content(client.get_offers(offers())) == "<b>A</b>"


@pytest.mark.parametrize("form", ["blocking", "callback"])
def test_an_error_of_the_callable_fails_only_that_call(form, server):
    reasons = [LookupError("no key for visitor-1")]

    def headers(request):
        if reasons:
            raise reasons[0]
        return {}

    with client_of(server, headers=headers) as client:
        with pytest.raises(OptionError, match="'headers': the callable raised LookupError") as caught:
            if form == "blocking":
                client.get_offers(offers())
            else:
                client.get_offers({**offers(), "callback": id}).get(LONG / 1000)
        assert caught.value.option == "headers"
        assert caught.value.__cause__ is reasons[0]
        assert "visitor-1" not in str(caught.value)
        reasons.clear()
        assert content(client.get_offers(offers())) == "<b>A</b>"
    assert len(server.requests) == 1


def test_a_keyboard_interrupt_in_the_callable_is_raised_unchanged(server):
    def headers(request):
        raise KeyboardInterrupt

    with client_of(server, headers=headers) as client, pytest.raises(KeyboardInterrupt):
        client.get_offers(offers())


BAD_RESULTS = [None, "X-A: b", [("X-A", "b")], {"X-A": 1}, {"X-A": "b\r\nX-B: c"}, {"Host": "other.example"}, {"": "b"}]


@pytest.mark.parametrize("result", BAD_RESULTS)
def test_an_invalid_result_of_the_callable_is_an_error(result, server):
    with client_of(server, headers=lambda _: result) as client:
        with pytest.raises(OptionError, match="Invalid option 'headers': the callable's result: ") as caught:
            client.get_offers(offers())
    assert caught.value.option == "headers"
    assert server.requests == []


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({"Host": "x"}, "the SDK sets or forbids the header 'Host'"),
        ({"proxy-authorization": "x"}, "'proxy-authorization'; use proxy_headers"),
        ({"X A": "x"}, "got 'X A'"),
        ({"X-A": 5}, "the value of 'X-A', got int"),
        ({"X-A": "secret\n"}, "the value of 'X-A', got other characters"),
        ("X-A: b", "got str"),
    ],
)
def test_messages_name_the_header_but_not_the_value(headers, text):
    with pytest.raises(OptionError) as caught:
        TargetClient.create({"client": "a", "organization_id": "1@AdobeOrg", "headers": headers})
    assert text in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_error_of_pickling_a_client_with_a_lambda_names_the_option(server):
    with client_of(server, headers=lambda _: {}) as client, pytest.raises(OptionError) as caught:
        pickle.dumps(client)
    assert caught.value.option == "headers"


def test_artifact_geo_location_hint_and_notification_requests_have_the_headers():
    seen = []

    def headers(request):
        seen.append(request.url.partition("?")[0].rpartition("/")[2])
        return {"X-Api-Key": "key"}

    document = artifact(home=[rule("A")])
    with SocketServer(serving(document)) as server:
        options = on_device(None, server.domain, headers=headers, polling_interval=0)
        del options["artifact_payload"], options["target_location_hint"]
        with TargetClient.create(options) as client:
            request = request_json("execute", context={"geo": {"ipAddress": "12.21.1.40"}})
            client.get_offers({"request": DeliveryRequest.from_dict(request)})
            assert client.flush(LONG)
            assert eventually(lambda: len(server.requests) == 4)
    # The requests for the artifact, the location hint and the geo location, and the notification.
    assert sorted(seen) == ["delivery", "delivery", "geo", "rules.json"]
    assert all(head["x-api-key"] == "key" for head in heads(server))


@pytest.mark.parametrize("bypass", [False, True])
def test_an_artifact_download_can_bypass_caches(bypass):
    with SocketServer(serving(artifact(home=[rule("A")]))) as server:
        options = on_device(None, server.domain, artifact_bypass_cache=bypass)
        del options["artifact_payload"]
        with TargetClient.create(options) as client:
            client.get_offers({"request": DeliveryRequest.from_dict(request_json("execute"))})
            assert client.flush(LONG)
    by_path = {head[""].split()[1].partition("?")[0].rpartition("/")[2]: head for head in heads(server)}
    expected = {"cache-control": "no-cache", "pragma": "no-cache", "authorization": ""} if bypass else {}
    names = ("cache-control", "pragma", "authorization")
    assert {name: value for name, value in by_path["rules.json"].items() if name in names} == expected
    assert not any(name in by_path["delivery"] for name in names)


def test_credentials_in_the_artifact_url_are_sent_even_if_caches_are_bypassed():
    with SocketServer(serving(artifact(home=[rule("A")]))) as server:
        location = f"http://user:secret@{server.domain}/rules.json"
        options = on_device(None, server.domain, artifact_bypass_cache=True, artifact_location=location)
        del options["artifact_payload"]
        TargetClient.create(options).close()
    head = heads(server)[0]
    assert head["authorization"].startswith("Basic ")
    assert head["cache-control"] == "no-cache"
