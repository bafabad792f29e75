"""Server-side, on-device and hybrid calls with the same activities get the same offers."""

import random
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.errors import HttpStatusError, OptionError
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.local_edge.demo import CASES, compare_methods
from target_python_sdk.types import (
    CustomerId,
    DeliveryRequest,
    ExecuteRequest,
    MboxRequest,
    PrefetchRequest,
    RequestDetails,
    ViewRequest,
    VisitorId,
)
from tests.support import client_of, eventually

pytestmark = pytest.mark.server

METHODS = ("server-side", "on-device", "hybrid")
LOCATIONS = ("demo-engineering-flags", "a1-serverside-ab", "product-recommendations", "unknown")
EVERY_MBOX = ExecuteRequest(mboxes=[MboxRequest(name=name) for name in LOCATIONS])


def at_edge(edge: LocalEdge, **options: Any) -> TargetClient:
    """Return a client that uses ``edge`` for deliveries and for the artifact."""
    defaults = {"decisioning_method": "on-device", "cdn_base_path": f"http://{edge.domain}"}
    return client_of(edge, **{**defaults, **options})


@pytest.fixture(scope="module")
def client() -> Iterator[TargetClient]:
    """A client that decides with the artifact of the sample activities."""
    with LocalEdge() as edge, at_edge(edge) as client:
        yield client


def offers(client: TargetClient, request: DeliveryRequest, method: str) -> Dict[str, Any]:
    """Return the type and the content of each offer, by location."""
    return offers_and_cookie(client, request, method)[0]


def offers_and_cookie(
    client: TargetClient, request: DeliveryRequest, method: str, cookie: Optional[str] = None
) -> Tuple[Dict[str, Any], str]:
    """Return the offers of a call with ``cookie``, and the cookie of its answer."""
    call: Any = {"request": request, "decisioning_method": method, "target_cookie": cookie}
    envelope: Any = client.get_offers(call)
    return content_of(envelope.response), envelope.target_cookie["value"]


def content_of(answer: Any) -> Dict[str, Any]:
    """Return, by location, the type and the content of each option that has an offer."""
    found: Dict[str, Any] = {}
    for mode in (answer.execute, answer.prefetch):
        locations: List[Any] = [] if mode is None else [*(mode.mboxes or ()), *(getattr(mode, "views", None) or ())]
        if mode is not None and mode.page_load is not None:
            locations.append(mode.page_load)
        for location in locations:
            name = f"{type(location).__name__} {getattr(location, 'name', '')}"
            options = [option for option in location.options or () if option.type is not None]
            found[name] = [(option.type, option.content) for option in options]
    return found


def requests() -> Iterator[DeliveryRequest]:
    """Yield requests of a hundred visitors for everything in the sample that is not remote."""
    ids = random.Random(11)
    mboxes = [MboxRequest(name=name) for name in LOCATIONS]
    for _ in range(100):
        yield DeliveryRequest(
            id=VisitorId(tnt_id="%032x.28_0" % ids.getrandbits(128)),
            execute=ExecuteRequest(page_load=RequestDetails(), mboxes=mboxes),
            prefetch=PrefetchRequest(views=[ViewRequest()], mboxes=mboxes),
        )


@pytest.mark.slow
def test_every_visitor_gets_the_same_offers_with_each_method(client: TargetClient) -> None:
    seen = set()
    for request in requests():
        expected = offers(client, request, "server-side")
        assert len(expected) == 2 * len(LOCATIONS) + 2
        assert offers(client, request, "on-device") == expected
        assert offers(client, request, "hybrid") == expected
        seen.add(repr(expected))
    assert len(seen) > 10


@pytest.mark.parametrize("identity", [{"third_party_id": "crm-7"}, {"marketing_cloud_visitor_id": "ecid-7"}])
def test_a_visitor_with_another_kind_of_id_gets_the_same_offers(client: TargetClient, identity: Dict[str, Any]) -> None:
    request = DeliveryRequest(id=VisitorId(**identity), execute=EVERY_MBOX)
    first, *others = [offers(client, request, method) for method in METHODS]
    assert others == [first, first]


#: Visitors without a tntId, by the kind of their id.
IDENTITIES: Dict[str, Callable[[int], VisitorId]] = {
    "third-party id": lambda number: VisitorId(third_party_id="crm-%d" % number),
    "Experience Cloud id": lambda number: VisitorId(marketing_cloud_visitor_id="ecid-%d" % number),
    "customer id": lambda number: VisitorId(
        customer_ids=[CustomerId(id="c-%d" % number, integration_code="crm", authenticated_state="authenticated")]
    ),
}


@pytest.mark.parametrize("identity", IDENTITIES)
@pytest.mark.parametrize("first", METHODS)
def test_a_returning_visitor_gets_the_same_offers(client: TargetClient, identity: str, first: str) -> None:
    seen = set()
    for number in range(20):
        request = DeliveryRequest(id=IDENTITIES[identity](number), execute=EVERY_MBOX)
        expected, cookie = offers_and_cookie(client, request, first)
        for method in METHODS:
            assert offers_and_cookie(client, request, method, cookie)[0] == expected
        seen.add(repr(expected))
    assert len(seen) > 1


@pytest.mark.parametrize("first", METHODS)
def test_a_visitor_who_signs_in_later_gets_the_same_offers(client: TargetClient, first: str) -> None:
    for number in range(20):
        expected, cookie = offers_and_cookie(client, DeliveryRequest(execute=EVERY_MBOX), first)
        request = DeliveryRequest(id=IDENTITIES["third-party id"](number), execute=EVERY_MBOX)
        for method in METHODS:
            assert offers_and_cookie(client, request, method, cookie)[0] == expected


def test_the_client_option_of_the_edge_overrides_the_client_code_of_the_artifact() -> None:
    rules = {**LocalEdge().rules, "meta": {"clientCode": "another", "environment": "production"}}
    ids = [VisitorId(tnt_id="visitor-%d.35_0" % number) for number in range(20)]
    visitor_requests = [DeliveryRequest(id=visitor_id, execute=EVERY_MBOX) for visitor_id in ids]
    with LocalEdge(rules, client="acmeclient") as edge, at_edge(edge) as client:
        first, *others = [[offers(client, request, method) for request in visitor_requests] for method in METHODS]
        assert others == [first, first]
        edge.load(None)
        edge.load(rules)
        assert [offers(client, request, "server-side") for request in visitor_requests] == first
    with LocalEdge(rules) as edge, at_edge(edge) as client:
        assert [offers(client, request, "on-device") for request in visitor_requests] == first
        assert [offers(client, request, "server-side") for request in visitor_requests] != first


def test_only_the_edge_decides_remote_activities(client: TargetClient) -> None:
    request = DeliveryRequest(
        id=VisitorId(tnt_id="visitor-3.35_0"), execute=ExecuteRequest(mboxes=[MboxRequest(name="loyalty-offer")])
    )
    call: Any = {"request": request, "decisioning_method": "on-device"}
    answer: Any = client.get_offers(call)
    assert (answer.response.status, answer.meta["remote_mboxes"]) == (206, ["loyalty-offer"])
    assert offers(client, request, "on-device") == {"MboxResponse loyalty-offer": []}
    from_the_edge = {"MboxResponse loyalty-offer": [("html", "<div>We pay the postage</div>")]}
    assert offers(client, request, "hybrid") == offers(client, request, "server-side") == from_the_edge


def test_the_binary_artifact_gives_the_same_offers() -> None:
    request = DeliveryRequest(
        id=VisitorId(tnt_id="visitor-3.35_0"), execute=ExecuteRequest(mboxes=[MboxRequest(name="a1-serverside-ab")])
    )
    with LocalEdge() as edge, at_edge(edge, artifact_format="bin") as client:
        assert offers(client, request, "on-device") == offers(client, request, "server-side")
        paths = [each.path for each in edge.requests if each.path.startswith("/acmeclient/")]
    assert paths == ["/acmeclient/production/v1/rules.bin"]


def test_each_method_uses_the_geo_of_the_edge() -> None:
    audience = {"==": [{"var": "geo.city"}, "RENO"]}
    activity = {"id": 1, "locations": ["m"], "audience": audience, "experiences": [{"offer": {"html": "Hello, Reno"}}]}
    context = {"channel": "web", "geo": {"ipAddress": "12.21.1.40"}}
    execute = ExecuteRequest(mboxes=[MboxRequest(name="m")])
    request = DeliveryRequest.from_dict({"context": context, "execute": execute.to_dict(by_alias=True)})
    with LocalEdge({"activities": [activity]}, geo={"city": "RENO"}) as edge, at_edge(edge) as client:
        for method in METHODS:
            assert offers(client, request, method) == {"MboxResponse m": [("html", "Hello, Reno")]}
        addresses = [each.headers["x-forwarded-for"] for each in edge.requests if each.path == "/v1/geo"]
    assert addresses == ["12.21.1.40"] * 2


def test_displays_decided_on_device_are_reported_to_the_edge() -> None:
    request = DeliveryRequest(execute=ExecuteRequest(mboxes=[MboxRequest(name="a1-serverside-ab")]))
    with LocalEdge() as edge, at_edge(edge) as client:
        offers(client, request, "on-device")
        assert client.flush(10000)
        (notification,) = edge.notifications
        assert (notification["type"], notification["mbox"]["name"]) == ("display", "a1-serverside-ab")
        offers(client, request, "server-side")
        assert len(edge.notifications) == 1


WITH_METRICS: Any = {
    "metrics": [{"type": "click", "selector": "#buy"}, {"type": "click"}],
    "experiences": [{"name": "A", "offer": {"html": "a"}}],
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mode", ["execute", "prefetch"])
def test_offers_report_displays_and_clicks(method: str, mode: str) -> None:
    activities = [
        {"id": 1, "name": "Mbox", "locations": ["m"], **WITH_METRICS},
        {"id": 2, "name": "Page", "locations": ["target-global-mbox"], **WITH_METRICS},
        {"id": 3, "name": "View", "views": ["v"], **WITH_METRICS},
        {"id": 4, "name": "Unmeasured", "locations": ["n"], "experiences": [{"offer": {"html": "n"}}]},
    ]
    requested = {"mboxes": [MboxRequest(name="m"), MboxRequest(name="n")], "page_load": RequestDetails()}
    mboxes = [("target-global-mbox", "Page", "A"), ("m", "Mbox", "A"), ("n", "Unmeasured", "A")]
    with LocalEdge({"activities": activities}) as edge, at_edge(edge, decisioning_method=method) as client:
        if mode == "execute":
            answer = client.get_offers(request=DeliveryRequest(execute=ExecuteRequest(**requested)))
            notifications, expected = [], mboxes
        else:
            prefetch = PrefetchRequest(views=[ViewRequest(name="v")], **requested)
            answer = client.get_offers(request=DeliveryRequest(prefetch=prefetch))
            prefetched_offers = [answer.page_load, answer.offer("m"), answer.offer("n"), answer.view("v")]
            notifications, expected = [offer.display() for offer in prefetched_offers], [*mboxes, ("v", "View", "A")]
        clicked = [answer.page_load, answer.offer("m"), *([answer.view("v")] if mode == "prefetch" else [])]
        notifications += [offer.click() for offer in clicked]
        with pytest.raises(OptionError, match="no activity measures clicks on it"):
            answer.offer("n").click()
        report = client.send_notifications(request=DeliveryRequest(notifications=notifications))
        assert client.flush(10000)
    assert [each.id for each in report.response.notifications or ()] == [each.id for each in notifications]
    assert sorted(event[1:] for event in edge.displays) == sorted(expected)
    clicks = [event[1:] for event in edge.clicks]
    # Each activity has two metrics, so a click sends two tokens.
    assert clicks == [event for event in [mboxes[0], mboxes[1], ("v", "View", "A")][: len(clicked)] for _ in range(2)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mode", ["execute", "prefetch"])
def test_an_offer_whose_clicks_are_not_measured_has_no_metrics(client: TargetClient, method: str, mode: str) -> None:
    body: Any = {mode: {"mboxes": [{"name": "demo-engineering-flags"}], "pageLoad": {}}}
    answer: Any = client.get_offers(request=body, decisioning_method=method)
    part = getattr(answer.response, mode)
    assert (part.mboxes[0].metrics, part.page_load.metrics) == (None, None)
    assert "metrics" not in str(answer.to_json()["response"])


@pytest.mark.parametrize("method", METHODS)
def test_the_error_explains_a_wrong_notification(client: TargetClient, method: str) -> None:
    body: Any = {"prefetch": {"mboxes": [{"name": "product-recommendations"}]}, "id": {"tntId": "visitor-2.35_0"}}
    offer = client.get_offers(request=body, decisioning_method=method).offer("product-recommendations")
    wrong = [
        (offer.display().replace(type="click"), "this is a display token"),
        (offer.click().replace(type="display"), "this is a click token"),
        (offer.display().replace(tokens=["no token"]), "unknown token"),
        (offer.display().replace(timestamp=int(time.time())), "timestamp is in 1970"),
    ]
    for notification, text in wrong:
        with pytest.raises(HttpStatusError, match=text):
            client.send_notifications(request=DeliveryRequest(notifications=[notification]))


def test_a_polling_client_uses_new_activities() -> None:
    def activities(content: str) -> Dict[str, Any]:
        return {"activities": [{"id": 1, "locations": ["m"], "experiences": [{"offer": {"html": content}}]}]}

    request = DeliveryRequest(prefetch=PrefetchRequest(mboxes=[MboxRequest(name="m")]))
    with LocalEdge(activities("one")) as edge, at_edge(edge, polling_interval=20) as client:
        assert offers(client, request, "on-device") == {"PrefetchMboxResponse m": [("html", "one")]}
        edge.load(activities("two"))
        two = {"PrefetchMboxResponse m": [("html", "two")]}
        assert eventually(lambda: offers(client, request, "on-device") == two)


def test_the_demo_reports_who_decides_each_case() -> None:
    with LocalEdge() as edge:
        results = compare_methods(edge)
    assert [(method, mbox) for method, mbox, *_ in results] == list(CASES)
    assert [decided for *_, decided, _ in results] == ["by the edge", "on-device", "on-device", "by the edge"]
    assert len({experience for _, _, experience, _, _ in results[:3]}) == 1
    assert all(milliseconds > 0 for *_, milliseconds in results)


ANALYTICS: Dict[str, Any] = {
    "activities": [
        {
            "id": number,
            "name": f"Activity {number}",
            "locations": ["m", "target-global-mbox"],
            "views": ["v"],
            "analytics": True,
            "metrics": [{"type": "click", "selector": "#buy"}],
            "experiences": [{"name": "A", "share": 0}, {"name": "B", "share": 100, "offer": {"html": "B"}}],
        }
        for number in (1, 2)
    ]
}


@pytest.mark.parametrize("logging", ["client_side", "server_side"])
def test_analytics_and_response_tokens_are_the_same_server_side_and_on_device(logging: str) -> None:
    """Two differences are ignored: only the edge adds ``experience.reason``, and only the edge sends ids as strings."""
    request = {
        "execute": {"mboxes": [{"name": "m"}], "pageLoad": {}},
        "prefetch": {"mboxes": [{"name": "m"}], "views": [{"name": "v"}]},
        "experienceCloud": {"analytics": {"logging": logging}},
        "id": {"tntId": "visitor-1.35_0"},
        "context": {"channel": "web", "geo": {"ipAddress": "203.0.113.7"}},
    }
    found = {}
    with LocalEdge(ANALYTICS, geo={"city": "RENO"}) as edge, at_edge(edge) as client:
        for method in ("server-side", "on-device"):
            answer = client.get_offers({"request": request, "decisioning_method": method})
            payloads = [details.to_dict(exclude_none=True) for details in answer.analytics_details or ()]
            clicks = [
                metric.analytics.payload.tnta
                for offer in (answer.offer("m"), answer.page_load, answer.view("v"))
                for part in offer._parts
                for metric in part.metrics or ()
            ]
            tokens = [
                {name: str(value) for name, value in each.items() if name != "experience.reason"}
                for each in answer.response_tokens or ()
            ]
            assert {each.pop("activity.decisioningMethod") for each in tokens} == {method}
            found[method] = payloads, clicks, tokens
    payloads, clicks, tokens = found["server-side"]
    assert payloads[0] == {"payload": {"pe": "tnt", "tnta": "1:1:0|2,2:1:0|2"}}
    assert clicks[0] == "1:1:0|32767"
    assert tokens[0] == {
        "activity.id": "1", "activity.name": "Activity 1", "experience.id": "1", "experience.name": "B",
        "location.name": "target-global-mbox", "geo.city": "RENO",
    }  # fmt: skip
    assert found["on-device"] == found["server-side"]
