"""Defects of 1.1.0's on-device decisions, tested through the public client.

Defects of the artifact's download are tested in ``test_artifact_download`` and in ``tests.client``.
"""

import copy
import gc
import json
import pickle
import re
import time
import tracemalloc
import warnings

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.errors import HttpStatusError
from target_python_sdk.testing import SocketServer, answer, response
from target_python_sdk.types import (
    DeliveryRequest,
    MboxResponse,
    Option,
    PageLoadResponse,
    PrefetchMboxResponse,
    View,
)
from tests.conformance.buckets import bucket
from tests.conformance.builders import (
    CHROME,
    GLOBAL,
    artifact,
    client_of,
    contents,
    decide,
    first_content,
    halves,
    on_device,
    option,
    parameter,
    request_json,
    rule,
    share,
    yes_or_no,
)
from tests.support import ANSWER_BYTES, SHORT, body_of, head_of

pytestmark = pytest.mark.server

IN_US = {"==": [{"var": "geo.country"}, "US"]}
BY_ADDRESS = {"geo": {"ipAddress": "192.0.2.7"}}
IN_RENO = {"x-geo-country-code": "US", "x-geo-latitude": 37.74, "x-geo-longitude": -122.44, "x-geo-city": "RENO"}


def hang(connection):
    connection.read_request()
    connection.hang()


def hang_up(connection):
    connection.read_request()
    connection.reset()


GEO_FAILURES = {
    "hangs": hang,
    "hangs up": hang_up,
    "404": answer(status=404),
    "500": answer(status=500),
    "garbage": answer("<html>"),
    "a list": answer("[]"),
    "nothing": answer(),
    "strange values": answer({name: ["x"] for name in IN_RENO}),
}


@pytest.mark.parametrize("failure", GEO_FAILURES.values(), ids=GEO_FAILURES)
def test_b34_offers_are_decided_if_the_geo_lookup_fails(failure):
    with SocketServer(failure) as geo, client_of(artifact(home=yes_or_no(IN_US)), geo.domain, timeout=SHORT) as client:
        assert first_content(client, request_json(context=BY_ADDRESS)) == "no"
        assert geo.requests


def test_b34_offers_are_decided_if_the_geo_service_is_unreachable():
    with client_of(artifact(home=yes_or_no(IN_US)), "127.0.0.1:1", timeout=SHORT) as client:
        assert first_content(client, request_json(context=BY_ADDRESS)) == "no"


@pytest.mark.parametrize("geo", [None, {}, {"countryCode": "DE"}, {"countryCode": "DE", "ipAddress": "192.0.2.7"}])
def test_b35_only_an_ip_address_without_other_geo_fields_is_looked_up(geo):
    context = {} if geo is None else {"geo": geo}
    with SocketServer(answer(IN_RENO)) as service, client_of(artifact(home=yes_or_no(IN_US)), service.domain) as client:
        assert first_content(client, request_json(context=context)) == "no"
        assert service.requests == []


def test_b35_the_geo_lookup_uses_the_ip_address_of_the_request():
    with SocketServer(answer(IN_RENO)) as service, client_of(artifact(home=yes_or_no(IN_US)), service.domain) as client:
        assert first_content(client, request_json(context=BY_ADDRESS)) == "yes"
        assert [head_of(raw)["x-forwarded-for"] for raw in service.requests] == ["192.0.2.7"]


def test_b36_a_failing_geo_lookup_does_not_change_the_geo_of_the_request():
    with SocketServer(answer(status=404)) as service, client_of(artifact(home=halves()), service.domain) as client:
        envelope = decide(client, request_json(context={"geo": {"ipAddress": "192.0.2.7", "zip": "89501"}}))
    assert envelope["request"].context.geo.to_dict(by_alias=True, exclude_none=True) == {
        "ipAddress": "192.0.2.7",
        "zip": "89501",
    }


def test_b37_a_geo_answer_with_several_ip_addresses_is_accepted():
    two = {**IN_RENO, "x-forwarded-for": "192.0.2.7, 203.0.113.4"}
    with SocketServer(answer(two)) as service, client_of(artifact(home=yes_or_no(IN_US)), service.domain) as client:
        assert first_content(client, request_json(context=BY_ADDRESS)) == "yes"


@pytest.mark.parametrize("mode", ["execute", "prefetch"])
def test_b38_a_page_load_is_decided_and_reported_only_if_requested(mode):
    document = artifact({GLOBAL: [rule("page", location=GLOBAL, activity=2)]}, home=[rule("home")])
    with SocketServer(answer(ANSWER_BYTES)) as edge, client_of(document, edge.domain) as client:
        response = decide(client, request_json(mode))["response"].to_dict(by_alias=True, exclude_none=True)
        client.flush()
        reported = [one["mbox"]["name"] for raw in edge.requests for one in body_of(raw)["notifications"]]
    assert set(response[mode]) == {"mboxes"}
    assert ("execute" in response, "prefetch" in response) == (mode == "execute", mode == "prefetch")
    assert reported == (["home"] if mode == "execute" else [])


def test_b39_a_page_load_is_remote_if_the_global_mbox_is():
    document = artifact(ours=[rule("page", location="ours")], changes={"globalMbox": "ours", "remoteMboxes": ["ours"]})
    with client_of(document) as client:
        envelope = decide(client, request_json(mboxes=(), pageLoad={}))
    assert envelope["response"].status == 206
    assert envelope["meta"]["remote_mboxes"] == ["ours"]


def test_b39_a_hybrid_client_sends_a_remote_page_load_to_the_edge():
    document = artifact({GLOBAL: [rule("page", location=GLOBAL)]}, changes={"remoteMboxes": [GLOBAL]})
    with SocketServer(answer(ANSWER_BYTES)) as edge:
        with client_of(document, edge.domain, decisioning_method="hybrid") as client:
            envelope = decide(client, request_json("execute", mboxes=(), pageLoad={}))
        assert [body_of(raw)["execute"] for raw in edge.requests] == [{"pageLoad": {}}]
    assert envelope["meta"]["decisioning_method"] == "server-side"


def test_b40_a_hybrid_client_without_an_artifact_sends_one_request_to_the_edge():
    with SocketServer(answer(ANSWER_BYTES)) as edge, SocketServer(answer(status=404)) as cdn:
        options = {**on_device(None, edge.domain), "decisioning_method": "hybrid", "retries": 1}
        del options["artifact_payload"]
        options["artifact_location"] = f"http://{cdn.domain}/rules.json"
        with TargetClient.create(options) as client:
            envelope = decide(client, request_json("execute"))
        assert len(edge.requests) == 1
    assert contents(envelope, "execute") == [["<b>A</b>"]]
    assert envelope["meta"]["decisioning_method"] == "server-side"


def test_b44_a_polling_interval_is_in_milliseconds():
    body = json.dumps(artifact(home=halves()))
    with SocketServer(answer(body)) as cdn:
        options = on_device(None, artifact_location=f"http://{cdn.domain}/rules.json", polling_interval=20)
        with TargetClient.create(options):
            until = time.monotonic() + 15
            while len(cdn.requests) < 4 and time.monotonic() < until:
                time.sleep(0.01)
        assert len(cdn.requests) >= 4


@pytest.mark.parametrize("click_metrics", [[], [{"type": "click", "eventToken": "c", "selector": "#a"}]])
def test_b45_an_execute_response_contains_no_display_metrics(click_metrics):
    metrics = [{"type": "display", "eventToken": "d"}, *click_metrics]
    document = artifact(
        {GLOBAL: [rule("y", activity=2, location=GLOBAL, consequence={"metrics": metrics})]},
        home=[rule("x", consequence={"metrics": metrics})],
    )
    with SocketServer(answer(ANSWER_BYTES)) as edge, client_of(document, edge.domain) as client:
        execute = decide(client, request_json("execute", pageLoad={}))["response"].execute
    for part in (execute.mboxes[0], execute.page_load):
        assert [metric.event_token for metric in part.metrics or ()] == [one["eventToken"] for one in click_metrics]


@pytest.mark.parametrize("mode", ["execute", "prefetch"])
@pytest.mark.parametrize(("kind", "content"), [("html", ""), ("json", {}), ("json", []), ("actions", []), ("json", 0)])
def test_b46_empty_content_is_returned(mode, kind, content):
    document = artifact(home=[rule("x", consequence={"options": [option(content, kind)]})])
    with SocketServer(answer(ANSWER_BYTES)) as edge, client_of(document, edge.domain) as client:
        envelope = decide(client, request_json(mode))
    (found,) = getattr(envelope["response"], mode).mboxes[0].options
    assert (found.type, found.content) == (kind, content)


def test_b46_an_option_without_type_and_content_is_returned_by_prefetch_only():
    document = artifact(home=[rule("x", consequence={"options": [{"eventToken": "default"}]})])
    with SocketServer(answer(ANSWER_BYTES)) as edge, client_of(document, edge.domain) as client:
        prefetched = decide(client)["response"].prefetch.mboxes[0].options
        executed = decide(client, request_json("execute"))["response"].execute.mboxes[0].options
    assert [one.event_token for one in prefetched] == ["default"]
    assert not executed


@pytest.mark.parametrize("mode", ["execute", "prefetch"])
@pytest.mark.parametrize("tokens", [{"changes": {"responseTokens": []}}, {"without": ["responseTokens"]}])
def test_an_offer_has_its_activity_and_experience_even_without_response_tokens(mode, tokens):
    document = artifact(home=[rule("x", experience=3)], **tokens)
    with SocketServer(answer(ANSWER_BYTES)) as edge, client_of(document, edge.domain) as client:
        envelope = decide(client, request_json(mode))
    offer = envelope.offer("home")
    assert (offer.activity, offer.experience) == ("Autumn", "3")
    first_option = offer.options[0]
    loaded = pickle.loads(pickle.dumps(first_option))
    assert first_option == loaded == copy.deepcopy(first_option) == Option.from_dict(first_option.to_dict())
    assert "Autumn" not in f"{first_option!r}{first_option.to_dict()}{vars(first_option)}"


def test_b47_locations_have_the_classes_of_the_schema_and_the_actions_of_the_artifact():
    actions = [{"type": "setHtml", "selector": "#a", "content": "x"}]
    document = artifact(
        {GLOBAL: [rule("y", activity=2, location=GLOBAL, consequence={"state": "of-the-page"})]},
        home=[rule("x", consequence={"state": "of-the-mbox", "options": [option(actions, "actions")]})],
        views={"start": [rule("z", activity=3, location="start", consequence={"state": "of-the-view", "key": "k"})]},
    )
    with SocketServer(answer(ANSWER_BYTES)) as edge, client_of(document, edge.domain) as client:
        execute = decide(client, request_json("execute", pageLoad={}))["response"].execute
        prefetch = decide(client, request_json(pageLoad={}, views=[{"name": "start"}]))["response"].prefetch
    assert type(execute.mboxes[0]) is MboxResponse
    assert type(execute.page_load) is type(prefetch.page_load) is PageLoadResponse
    assert type(prefetch.mboxes[0]) is PrefetchMboxResponse
    assert type(prefetch.views[0]) is View
    assert type(prefetch.mboxes[0].options[0]) is Option
    assert execute.mboxes[0].options[0].content == prefetch.mboxes[0].options[0].content == actions
    assert prefetch.mboxes[0].state == "of-the-mbox"
    assert (prefetch.views[0].state, prefetch.views[0].key) == ("of-the-view", "k")


def test_b48_the_trace_of_an_executed_location_is_plain_json():
    document = artifact({GLOBAL: halves(2, GLOBAL)}, home=halves())
    with SocketServer(answer(ANSWER_BYTES)) as edge, client_of(document, edge.domain) as client:
        envelope = decide(client, request_json("execute", pageLoad={}, trace={}))
    for execute in (envelope["response"].to_dict()["execute"], envelope["response"].execute.to_dict()):
        traces = [execute["page_load"]["trace"], execute["mboxes"][0]["trace"]]
        for trace in json.loads(json.dumps(traces)):
            assert trace["campaigns"][0]["notifications"][0]["type"] == "display"


def by_customer_id(client, number):
    """Return the contents and the ``tntId`` of a visitor whose only id is this customer id."""
    customer = {"id": number, "integrationCode": "crm", "authenticatedState": "authenticated"}
    envelope = decide(client, request_json(mboxes=["home", "again", "third"], visitor={"customerIds": [customer]}))
    return contents(envelope), envelope["response"].id.tnt_id


def test_b50_a_visitor_with_only_a_customer_id_always_gets_the_same_experience():
    document = artifact(home=halves(), again=halves(1, "again"), third=halves(1, "third"))
    with client_of(document) as client:
        seen = {str(number): by_customer_id(client, str(number)) for number in range(40)}
        for number, (found, tnt_id) in seen.items():
            expected = "A" if bucket("acmeclient", 1, tnt_id.partition(".")[0]) <= 50 else "B"
            assert found == [[expected]] * 3
            assert by_customer_id(client, number) == (found, tnt_id)
    assert {found[0][0] for found, _ in seen.values()} == {"A", "B"}
    assert len({tnt_id for _, tnt_id in seen.values()}) == 40


def test_b50_a_generated_id_is_in_response_and_cookie_and_keeps_the_experience():
    with client_of(artifact(home=halves())) as client:
        for _ in range(20):
            envelope = decide(client, request_json(visitor=None))
            tnt_id = envelope["response"].id.tnt_id
            assert re.fullmatch(r"[0-9a-f]{32}\.35_0", tnt_id)
            assert "PC#" + tnt_id in envelope["target_cookie"]["value"]
            again = decide(client, request_json(visitor=None), target_cookie=envelope["target_cookie"]["value"])
            assert again["response"].id.tnt_id == tnt_id
            assert contents(again) == contents(envelope)


AGE = {"var": "mbox.age"}
NUMBERS = [
    ({"<": [5, AGE]}, "abc", "no"),
    ({"<": [5, AGE]}, "", "no"),
    ({"<": [5, AGE]}, "1e3", "yes"),
    ({"<": [5, AGE]}, "7", "yes"),
    ({">": [5, AGE]}, "abc", "no"),
    ({"in": [{"var": "mbox.zip"}, "94107,94108"]}, "7", "no"),
    ({"==": [{"var": "mbox.missing"}, "None"]}, "7", "no"),
    ({"==": [{"var": "mbox.missing"}, "null"]}, "7", "no"),
    ({"in": ["x", AGE]}, "7", "no"),
]


@pytest.mark.parametrize(("condition", "value", "expected"), NUMBERS)
def test_b51_unusual_parameters_neither_raise_nor_match_by_mistake(condition, value, expected):
    with client_of(artifact(home=yes_or_no(condition))) as client:
        assert first_content(client, request_json(mboxes=[{"name": "home", "parameters": {"age": value}}])) == expected


PLATFORMS = {
    "windows": CHROME,
    "linux": "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0",
    "mac": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:121.0) Gecko/20100101 Firefox/121.0",
}


@pytest.mark.parametrize(("platform", "agent"), PLATFORMS.items())
def test_b52_operating_system_audiences_match(platform, agent):
    condition = {"==": [{"var": "user.platform"}, platform]}
    with client_of(artifact(home=yes_or_no(condition))) as client:
        assert first_content(client, request_json(context={"userAgent": agent})) == "yes"


ADDRESSES = [
    ("http://local-target-test:8080/", "domain", "local-target-test"),
    ("http://someone@local-target-test/", "domain", "local-target-test"),
    ("http://www.sub.hooli.com/", "subdomain", "sub"),
    ("http://www2.hooli.com/", "subdomain", "www2"),
    ("http://www.hooli.com/", "subdomain", ""),
    ("http://hooli.co.uk/", "topLevelDomain", "co.uk"),
]


@pytest.mark.parametrize(("url", "name", "expected"), ADDRESSES)
def test_b53_url_parts_have_the_values_that_audiences_expect(url, name, expected):
    condition = {"==": [{"var": "page." + name}, expected]}
    with client_of(artifact(home=yes_or_no(condition))) as client:
        assert first_content(client, request_json(context={"address": {"url": url}})) == "yes"


def test_b54_the_referring_url_of_an_mbox_is_used_for_its_referring_page():
    address = {"url": "https://hooli.com/", "referringUrl": "https://search.org/"}
    condition = {"==": [{"var": "referring.domain"}, "search.org"]}
    with client_of(artifact(home=yes_or_no(condition))) as client:
        assert first_content(client, request_json(mboxes=[{"name": "home", "address": address}])) == "yes"
        address = {"url": "https://search.org/"}
        assert first_content(client, request_json(mboxes=[{"name": "home", "address": address}])) == "no"


TIMESTAMP = 1585098300.123


def test_b56_the_current_timestamp_has_millisecond_resolution(monkeypatch):
    condition = {"<=": [int(TIMESTAMP * 1000), {"var": "current_timestamp"}]}
    with client_of(artifact(home=yes_or_no(condition))) as client:
        for moment, expected in ((TIMESTAMP - 0.001, "no"), (TIMESTAMP, "yes"), (TIMESTAMP + 0.001, "yes")):
            monkeypatch.setattr("time.time", lambda moment=moment: moment)
            assert first_content(client) == expected


def test_b56_the_timestamp_of_a_display_has_millisecond_resolution(monkeypatch):
    with SocketServer(answer(ANSWER_BYTES)) as edge, client_of(artifact(home=halves()), edge.domain) as client:
        monkeypatch.setattr("time.time", lambda: TIMESTAMP)
        decide(client, request_json("execute"))
        client.flush()
        assert [one["timestamp"] for one in body_of(edge.requests[0])["notifications"]] == [1585098300123]


def test_b58_a_failed_display_notification_emits_an_event():
    received = []
    events = {"send_notification_error": received.append}
    with SocketServer(answer({"status": 400, "message": "no"}, 400)) as edge:
        with client_of(artifact(home=[rule("x")]), edge.domain, events=events) as client:
            assert first_content(client, request_json("execute"), "execute") == "x"
            client.flush()
            (event,) = received
    assert event["type"] == "send_notification_error"
    assert isinstance(event.error, HttpStatusError)
    assert event.notification.notifications[0].tokens == ["token-x"]


def test_b59_a_display_notification_has_the_session_and_settings_of_its_call():
    request = request_json(
        "execute", property={"token": "p"}, environmentId=3, qaMode={"token": "qa"}, trace={"authorizationToken": "t"}
    )
    data_id = "0123456789ABCDEF-0123456789ABCDEF"
    request["experienceCloud"] = {"analytics": {"logging": "client_side", "supplementalDataId": data_id}}
    with SocketServer(answer(ANSWER_BYTES)) as edge, client_of(artifact(home=[rule("x")]), edge.domain) as client:
        decide(client, request, session_id="session-1")
        client.flush()
        (raw,) = edge.requests
    body = body_of(raw)
    assert "sessionId=session-1" in head_of(raw)[""]
    for name in ("property", "environmentId", "qaMode", "trace", "experienceCloud", "id"):
        assert body[name] == request[name]
    assert "execute" not in body
    assert "prefetch" not in body


MACROS = {
    "${campaign.name}": "Autumn",
    "${Campaign.name}": "Autumn",
    "${to_str} ${__class__} ${to_dict}": "${to_str} ${__class__} ${to_dict}",
    "${mbox.name} ${view.name}": "home home",
}


@pytest.mark.parametrize(("text", "expected"), MACROS.items())
def test_b60_macros_are_replaced_only_by_fields_of_the_activity_and_the_request(text, expected):
    with client_of(artifact(home=[rule(text)])) as client:
        assert first_content(client) == expected


@pytest.mark.parametrize("trace", [{}, None])
@pytest.mark.parametrize("without", ["meta", "responseTokens", "remoteMboxes", "localViews", "globalMbox"])
def test_b61_an_artifact_without_optional_metadata_is_accepted(without, trace):
    without_meta = {key: value for key, value in rule("x").items() if key != "meta"}
    other = {**rule("y", location="other"), "meta": {"activity.id": 1, "audience.ids": None}}
    document = artifact(home=[without_meta], other=[other], without=(without,))
    with SocketServer(answer(ANSWER_BYTES)) as edge, client_of(document, edge.domain) as client:
        envelope = decide(client, request_json("execute", mboxes=["home", "other"], trace=trace))
    assert contents(envelope, "execute") == [["x"], ["y"]]
    assert (envelope["response"].execute.mboxes[0].trace is None) == (trace is None)


def memory_growth(client, visitors):
    """Return the bytes by which memory grows while one call is made for each visitor."""
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    for visitor in visitors:
        decide(client, request_json(mboxes=["home", "other"], visitor=visitor))
    gc.collect()
    return tracemalloc.get_traced_memory()[0] - before


@pytest.mark.slow
def test_b64_memory_does_not_grow_with_the_number_of_visitors():
    document = artifact(home=halves(), other=yes_or_no({"==": [{"var": "user.browserType"}, "ie"]}, "other", 2))
    with client_of(document) as client:
        tracemalloc.start()
        try:
            memory_growth(client, [f"warm-up-{number}" for number in range(300)])
            assert memory_growth(client, [f"visitor-{number}" for number in range(1500)]) < 50000
        finally:
            tracemalloc.stop()


def test_b65_ids_are_hashed_by_utf_16_code_units():
    with client_of(artifact(home=halves())) as client:
        for number in range(40):
            visitor = f"\U0001f600\u00fc-{number}"
            expected = "A" if bucket("acmeclient", 1, visitor) <= 50 else "B"
            assert first_content(client, request_json(visitor={"thirdPartyId": visitor})) == expected


def test_b66_latitude_and_longitude_0_are_valid():
    condition = {"and": [{"===": [{"var": "geo.latitude"}, 0]}, {"===": [{"var": "geo.longitude"}, 0]}]}
    geo = {"latitude": 0, "longitude": 0, "ipAddress": "192.0.2.7"}
    document = artifact(home=yes_or_no(condition))
    with SocketServer(answer(IN_RENO)) as service, client_of(document, service.domain) as client:
        envelope = decide(client, request_json(context={"geo": geo}))
        assert service.requests == []
    assert contents(envelope) == [["yes"]]
    tokens = envelope["response"].prefetch.mboxes[0].options[0].response_tokens
    assert (tokens["geo.latitude"], tokens["geo.longitude"]) == (0, 0)


def test_b69_a_call_raises_no_python_warning():
    body = json.dumps(artifact(home=yes_or_no({"<": [1, {"var": "current_day"}]})))
    with SocketServer(lambda connection: answer_requests(connection, body)) as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        options = on_device(None, server.domain, artifact_location=f"http://{server.domain}/rules.json")
        with TargetClient.create(options) as client:
            envelope = decide(client, request_json("execute", trace={}))
            client.flush()
    assert envelope["response"].execute.mboxes[0].trace["artifact"]["artifactLastRetrieved"].endswith(("Z", "+00:00"))


def answer_requests(connection, body):
    """Answer GET requests with the artifact, and POST requests with a response of the edge."""
    while True:
        raw = connection.read_request()
        if not raw:
            return
        connection.send(response(body if raw.startswith(b"GET") else ANSWER_BYTES))


@pytest.mark.parametrize("method", ["on-device", "hybrid"])
def test_b70_an_empty_list_of_views_requests_no_view(method):
    views = {"start": [rule("view", location="start", activity=2)]}
    document = artifact(home=[rule("x")], views=views, changes={"remoteViews": ["cart"], "remoteMboxes": ["there"]})
    with client_of(document, decisioning_method=method) as client:
        envelope = decide(client, request_json(views=[]))
    assert contents(envelope) == [["x"]]
    assert not envelope["response"].prefetch.views
    assert envelope["response"].status == 200
    assert envelope["meta"]["decisioning_method"] == "on-device"
    assert envelope["meta"]["remote_views"] == []


def test_the_request_and_the_artifact_payload_are_not_modified():
    document = artifact(home=yes_or_no({"and": [share(0, 100), parameter("a.b", "x")]}))
    document_before = json.dumps(document)
    parameters = {"a.b": "x", "c": {"d": "E"}, "c.f": "g"}
    mboxes = [{"name": "home", "parameters": parameters}]
    request = DeliveryRequest.from_dict(request_json("execute", mboxes, visitor=None))
    request_before = json.dumps(request.to_dict(by_alias=True, exclude_none=True))
    with SocketServer(answer(ANSWER_BYTES)) as edge, client_of(document, edge.domain) as client:
        envelope = client.get_offers({"request": request})
        envelope["response"].execute.mboxes[0].options[0].content = "changed"
        assert contents(client.get_offers({"request": request}), "execute") == [["yes"]]
    assert json.dumps(document) == document_before
    assert json.dumps(request.to_dict(by_alias=True, exclude_none=True)) == request_before
