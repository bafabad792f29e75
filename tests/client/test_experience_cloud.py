"""Calls with the ids of the Experience Cloud: the cookie, shared supplemental data ids, and reports to Analytics."""

import asyncio
import urllib.request
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from target_python_sdk import ExperienceCloudVisitor, TargetClient
from target_python_sdk.analytics import data_insertion_url
from target_python_sdk.errors import OptionError
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.testing import SocketServer, answer
from target_python_sdk.types import (
    AnalyticsRequest,
    AnalyticsResponse,
    Context,
    DeliveryRequest,
    ExecuteRequest,
    ExperienceCloud,
    MboxRequest,
    PrefetchRequest,
    TargetDeliveryResponse,
    VisitorId,
)
from tests.support import client_of, offers

ORGANIZATION = "1234567890@AdobeOrg"
COOKIE = "-133|MCMID|41782|MCAAMLH-4000000000|9|MCAAMB-4000000000|blob-1|MCOPTOUT-4000000000s|NONE"
HEADER = f"mbox=x; AMCV_1234567890%40AdobeOrg={quote(COOKIE)}; AMCV_other%40AdobeOrg=-1%7CMCMID%7C9"
ACTIVITIES = {
    "activities": [
        {
            "id": number,
            "name": f"activity {number}",
            "locations": [name],
            "analytics": True,
            "metrics": [{"type": "click"}],
            "experiences": [{"name": "A", "offer": {"html": "<b>A</b>"}}],
        }
        for number, name in enumerate(["home", "footer"], 1)
    ]
}
CLIENT_SIDE = ExperienceCloud(analytics=AnalyticsRequest(logging="client_side", tracking_server="m.example.com"))


@pytest.fixture(scope="module")
def edge():
    with LocalEdge(ACTIVITIES) as edge:
        yield edge


@pytest.fixture(scope="module", params=["server-side", "on-device"])
def client(request, edge):
    address = {"cdn_base_path": "http://" + edge.domain, "target_location_hint": "35"}
    with client_of(edge, decisioning_method=request.param, **address) as client:
        yield client


def sent_during(edge, client, act):
    """Return the result of ``act``, and the bodies of the delivery requests that ``act`` causes."""
    before = len(edge.requests)
    result = act()
    client.flush()
    return result, [each.body for each in edge.requests[before:] if each.path.startswith("/rest/v1/delivery")]


def data_id(body):
    return body["experienceCloud"]["analytics"]["supplementalDataId"]


def current(state):
    return state[ORGANIZATION]["sdid"]["supplementalDataIDCurrent"]


@pytest.mark.server
def test_the_ids_of_the_cookie_are_sent(edge, client):
    options = {**offers(), "visitor_cookie": HEADER, "customer_ids": {"crm": "4711"}}
    envelope, (body,) = sent_during(edge, client, lambda: client.get_offers(options))
    assert body["id"]["marketingCloudVisitorId"] == envelope.request.id.marketing_cloud_visitor_id == "41782"
    assert [one["id"] for one in body["id"]["customerIds"]] == ["4711"]
    assert body["experienceCloud"]["audienceManager"] == {"locationHint": 9, "blob": "blob-1"}
    assert data_id(body) == current(envelope.visitor_state)
    assert envelope.visitor_state[ORGANIZATION]["customerIDs"] == {"crm": {"id": "4711", "authState": 0}}


@pytest.mark.server
@pytest.mark.parametrize("identity", [None, VisitorId(tnt_id="visitor-1")], ids=["new visitor", "common call"])
def test_without_a_cookie_the_visitor_state_has_the_supplemental_data_id_that_was_sent(edge, client, identity):
    """An on-device decision sends the id in its notification."""
    envelopes, sent = sent_during(edge, client, lambda: [client.get_offers(offers(id=identity)) for _ in range(2)])
    ids = [data_id(body) for body in sent]
    assert len(set(ids)) == 2
    assert sorted(ids) == sorted(current(envelope.visitor_state) for envelope in envelopes)


@pytest.mark.server
def test_calls_that_share_a_visitor_share_a_supplemental_data_id(edge, client):
    visitor = ExperienceCloudVisitor(ORGANIZATION, HEADER)

    async def both():
        options = [{**offers(name), "visitor": visitor, "consumer_id": name} for name in ("home", "footer")]
        return await asyncio.gather(*map(client.get_offers_async, options))

    envelopes, sent = sent_during(edge, client, lambda: asyncio.run(both()))
    assert [data_id(body) for body in sent] == [current(visitor.get_state())] * 2
    assert [envelope.request.id.marketing_cloud_visitor_id for envelope in envelopes] == ["41782", "41782"]
    assert visitor.get_state() == envelopes[1].visitor_state


@pytest.mark.server
def test_a_consumer_that_calls_again_begins_a_new_supplemental_data_id(edge, client):
    visitor = ExperienceCloudVisitor(ORGANIZATION)
    options = {**offers(), "visitor": visitor, "consumer_id": "home"}
    envelopes, sent = sent_during(edge, client, lambda: [client.get_offers(options) for _ in range(2)])
    states = [envelope.visitor_state for envelope in envelopes]
    assert sorted(map(data_id, sent)) == sorted(map(current, states))
    assert current(states[0]) == states[1][ORGANIZATION]["sdid"]["supplementalDataIDLast"] != current(states[1])


@pytest.mark.server
def test_a_notification_has_the_supplemental_data_id_of_the_visitor(edge, client):
    visitor = ExperienceCloudVisitor(ORGANIZATION)
    prefetch = DeliveryRequest(prefetch=PrefetchRequest(mboxes=[MboxRequest(name="home")]))
    options = {"session_id": "s1", "visitor": visitor}
    display = client.get_offers(request=prefetch, **options).offer("home").display()
    request = DeliveryRequest(context=Context(channel="web"), notifications=[display])

    _, (body,) = sent_during(
        edge, client, lambda: client.send_notifications(request=request, consumer_id="display", **options)
    )
    assert data_id(body) == current(visitor.get_state())


@pytest.mark.server
def test_the_answer_of_a_failed_call_has_the_visitor_state():
    with SocketServer(answer({}, status=500)) as server:
        with client_of(server, on_error="default") as client:
            envelope = client.get_offers(offers())
    assert envelope.error is not None
    assert current(envelope.visitor_state) == envelope.request.experience_cloud.analytics.supplemental_data_id


# Reports to Analytics


@pytest.mark.server
def test_the_url_reports_the_displays_to_analytics(client):
    """Displays of on-device decisions are reported like those of the edge."""
    mboxes = [MboxRequest(name=name) for name in ("home", "footer", "unknown")]
    request = DeliveryRequest(execute=ExecuteRequest(mboxes=mboxes), experience_cloud=CLIENT_SIDE)
    envelope = client.get_offers(request=request, visitor_cookie=COOKIE, session_id="s1")
    page = "https://shop.example.com/?a=b&c=ä#d"
    with SocketServer(answer({})) as server:
        url = data_insertion_url(envelope, "suite", server.domain, page_url=page, secure=False)
        with urllib.request.urlopen(url, timeout=10) as response:
            assert response.status == 200
    (received,) = server.requests
    target = received.split(b" ", 2)[1].decode("ascii")
    assert target == url.partition(server.domain)[2]
    assert urlsplit(target).path == "/b/ss/suite/0/MOBILE-1.0/0"
    assert parse_qsl(urlsplit(target).query, keep_blank_values=True) == [
        ("pe", "tnt"),
        ("tnta", "1:0:0|2,2:0:0|2"),
        ("c.", ""),
        ("a.", ""),
        ("target.", ""),
        ("sessionId", "s1"),
        (".target", ""),
        (".a", ""),
        (".c", ""),
        ("mid", "41782"),
        ("g", page),
    ]


@pytest.mark.server
def test_the_url_reports_a_click_to_analytics(client):
    request = DeliveryRequest(prefetch=PrefetchRequest(mboxes=[MboxRequest(name="home")]), experience_cloud=CLIENT_SIDE)
    envelope = client.get_offers(request=request, visitor_cookie=COOKIE)
    (metric,) = envelope.response.prefetch.mboxes[0].metrics
    url = data_insertion_url(envelope, "s", details=[metric.analytics], secure=False)
    assert url.startswith("http://m.example.com/b/ss/s/0/MOBILE-1.0/0?pe=tnt&tnta=1%3A0%3A0%7C32767&c.&")


def envelope_of(*events, cloud_id="41782", cloud=None):
    details = [AnalyticsResponse.from_dict({"payload": {"pe": "tnt", "tnta": each}}) for each in events]
    request = DeliveryRequest(id=VisitorId(marketing_cloud_visitor_id=cloud_id), experience_cloud=cloud)
    return TargetDeliveryResponse(request=request, analytics_details=details or None)


def test_the_url_has_the_form_of_adobes_guide():
    url = data_insertion_url(envelope_of("285408:0:0|2"), "myCustomRsid", "demo.sc.omtrdc.net")
    assert url == "https://demo.sc.omtrdc.net/b/ss/myCustomRsid/0/MOBILE-1.0/0?pe=tnt&tnta=285408%3A0%3A0%7C2&mid=41782"


def test_each_event_is_reported_once():
    url = data_insertion_url(envelope_of("1:0:0|2,1:0:0|1", "1:0:0|2", None), "s", "example.com")
    assert "tnta=1%3A0%3A0%7C2%2C1%3A0%3A0%7C1&" in url


def test_parameters_are_encoded_and_empty_ones_left_out():
    given = {"pageName": "A & B/ö", "r": "", "x\ud800": "\ud800"}
    url = data_insertion_url(envelope_of("1"), "a,b", "example.com:8080", parameters=given, code_version="shop-2.1")
    assert url == (
        "https://example.com:8080/b/ss/a,b/0/shop-2.1/0?pe=tnt&tnta=1&mid=41782&pageName=A%20%26%20B%2F%C3%B6&x%3F=%3F"
    )


@pytest.mark.parametrize(("name", "has_url"), [("vid", True), ("aid", True), ("pageName", False)])
def test_a_visitor_without_an_experience_cloud_id_needs_another_id(name, has_url):
    url = data_insertion_url(envelope_of("1", cloud_id=None), "s", "example.com", parameters={name: "7"})
    assert (url is not None) is has_url


@pytest.mark.parametrize("events", [(), (None,), ("",)])
def test_without_a_payload_there_is_no_url(events):
    assert data_insertion_url(envelope_of(*events), "s", "example.com") is None
    assert data_insertion_url(envelope_of("1"), "s", "example.com", details=[None, AnalyticsResponse()]) is None


def test_the_tracking_server_is_that_of_the_request():
    analytics = AnalyticsRequest(tracking_server="m.example.com", tracking_server_secure="s.example.com")
    envelope = envelope_of("1", cloud=ExperienceCloud(analytics=analytics))
    assert data_insertion_url(envelope, "s").startswith("https://s.example.com/b/ss/s/0/")
    assert data_insertion_url(envelope, "s", secure=False).startswith("http://m.example.com/b/ss/s/0/")


@pytest.mark.parametrize(
    "server", [None, "", "https://example.com", "example.com/b", "user@example.com", "a b", "a..b", "example.com#", 7]
)
def test_a_tracking_server_that_is_not_a_host_is_refused(server):
    with pytest.raises(OptionError, match="'tracking_server': expected host or host:port"):
        data_insertion_url(envelope_of("1"), "s", server)


@pytest.mark.parametrize(
    "arguments", [{"report_suite": "a/b"}, {"report_suite": ""}, {"code_version": "1?x=y"}, {"code_version": None}]
)
def test_an_invalid_report_suite_or_version_is_refused(arguments):
    (name,) = arguments
    with pytest.raises(OptionError, match=f"Invalid argument '{name}': expected letters, digits"):
        data_insertion_url(envelope_of("1"), **{"report_suite": "s", "tracking_server": "example.com", **arguments})


def test_the_cookie_name_of_a_client_is_that_of_its_organization():
    assert TargetClient.get_visitor_cookie_name(ORGANIZATION) == "AMCV_1234567890@AdobeOrg"
