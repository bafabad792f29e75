"""One file of activities, three ways to decide by it: the edge, on-device and hybrid agree."""

import random
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.local_edge.decisioning_demo import CASES, compare_methods
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
LOCATIONS = ("demo-engineering-flags", "a1-serverside-ab", "product-recommendations", "nobody-knows")
EVERY_MBOX = ExecuteRequest(mboxes=[MboxRequest(name=name) for name in LOCATIONS])


def at_edge(edge: LocalEdge, **options: Any) -> TargetClient:
    """A client that has all it needs from ``edge``."""
    given = {"decisioning_method": "on-device", "cdn_base_path": "http://" + edge.domain, **options}
    return client_of(edge, **given)


@pytest.fixture(scope="module")
def client() -> Iterator[TargetClient]:
    """One client that has the sample's artifact, and its edge."""
    with LocalEdge() as edge, at_edge(edge) as client:
        yield client


def shown(client: TargetClient, request: DeliveryRequest, method: str) -> Dict[str, Any]:
    """What there is at each place: the kind and the content of each option that shows something."""
    return visited(client, request, method)[0]


def visited(
    client: TargetClient, request: DeliveryRequest, method: str, cookie: Optional[str] = None
) -> Tuple[Dict[str, Any], str]:
    """What ``shown`` tells of a visit with ``cookie``, and the cookie it leaves."""
    call: Any = {"request": request, "decisioning_method": method, "target_cookie": cookie}
    envelope: Any = client.get_offers(call)
    return content_of(envelope.response), envelope.target_cookie["value"]


def content_of(answer: Any) -> Dict[str, Any]:
    """The kind and the content of each option of ``answer`` that shows something, by its place."""
    found: Dict[str, Any] = {}
    for mode in (answer.execute, answer.prefetch):
        places: List[Any] = [] if mode is None else [*(mode.mboxes or ()), *(getattr(mode, "views", None) or ())]
        if mode is not None and mode.page_load is not None:
            places.append(mode.page_load)
        for place in places:
            name = "{} {}".format(type(place).__name__, getattr(place, "name", ""))
            options = [option for option in place.options or () if option.type is not None]
            found[name] = [(option.type, option.content) for option in options]
    return found


def requests() -> Iterator[DeliveryRequest]:
    """Everything in the sample that can be decided anywhere, for a hundred visitors."""
    ids = random.Random(11)
    mboxes = [MboxRequest(name=name) for name in LOCATIONS]
    for _ in range(100):
        yield DeliveryRequest(
            id=VisitorId(tnt_id="%032x.28_0" % ids.getrandbits(128)),
            execute=ExecuteRequest(page_load=RequestDetails(), mboxes=mboxes),
            prefetch=PrefetchRequest(views=[ViewRequest()], mboxes=mboxes),
        )


def test_every_visitor_is_shown_the_same_in_each_way(client: TargetClient) -> None:
    seen = set()
    for request in requests():
        expected = shown(client, request, "server-side")
        assert len(expected) == 2 * len(LOCATIONS) + 2
        assert shown(client, request, "on-device") == expected
        assert shown(client, request, "hybrid") == expected
        seen.add(repr(expected))
    assert len(seen) > 10


@pytest.mark.parametrize("known", [{"third_party_id": "crm-7"}, {"marketing_cloud_visitor_id": "ecid-7"}])
def test_a_visitor_known_by_another_id_is_shown_the_same(client: TargetClient, known: Dict[str, Any]) -> None:
    request = DeliveryRequest(id=VisitorId(**known), execute=EVERY_MBOX)
    first, *others = [shown(client, request, method) for method in METHODS]
    assert others == [first, first]


#: Visitors without a device id of their own, by what is known of the one with that number.
KNOWN: Dict[str, Callable[[int], VisitorId]] = {
    "the third party's id": lambda number: VisitorId(third_party_id="crm-%d" % number),
    "the Experience Cloud's id": lambda number: VisitorId(marketing_cloud_visitor_id="ecid-%d" % number),
    "a customer id": lambda number: VisitorId(
        customer_ids=[CustomerId(id="c-%d" % number, integration_code="crm", authenticated_state="authenticated")]
    ),
}


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("first", METHODS)
def test_a_visitor_is_shown_the_same_when_the_cookie_comes_back(client: TargetClient, known: str, first: str) -> None:
    seen = set()
    for number in range(20):
        request = DeliveryRequest(id=KNOWN[known](number), execute=EVERY_MBOX)
        expected, cookie = visited(client, request, first)
        for method in METHODS:
            assert visited(client, request, method, cookie)[0] == expected
        seen.add(repr(expected))
    assert len(seen) > 1


@pytest.mark.parametrize("first", METHODS)
def test_a_visitor_who_says_later_who_they_are_is_shown_the_same(client: TargetClient, first: str) -> None:
    for number in range(20):
        expected, cookie = visited(client, DeliveryRequest(execute=EVERY_MBOX), first)
        request = DeliveryRequest(id=KNOWN["the third party's id"](number), execute=EVERY_MBOX)
        for method in METHODS:
            assert visited(client, request, method, cookie)[0] == expected


def test_an_artifact_of_another_client_decides_the_same_for_the_client_that_is_named() -> None:
    rules = {**LocalEdge().rules, "meta": {"clientCode": "another", "environment": "production"}}
    ids = [VisitorId(tnt_id="visitor-%d.35_0" % number) for number in range(20)]
    asked = [DeliveryRequest(id=known, execute=EVERY_MBOX) for known in ids]
    with LocalEdge(rules, client="acmeclient") as edge, at_edge(edge) as client:
        first, *others = [[shown(client, request, method) for request in asked] for method in METHODS]
        assert others == [first, first]
        edge.load(None)
        edge.load(rules)
        assert [shown(client, request, "server-side") for request in asked] == first
    with LocalEdge(rules) as edge, at_edge(edge) as client:
        assert [shown(client, request, "on-device") for request in asked] == first
        assert [shown(client, request, "server-side") for request in asked] != first


def test_what_is_remote_is_left_to_the_edge(client: TargetClient) -> None:
    request = DeliveryRequest(
        id=VisitorId(tnt_id="visitor-3.35_0"), execute=ExecuteRequest(mboxes=[MboxRequest(name="loyalty-offer")])
    )
    call: Any = {"request": request, "decisioning_method": "on-device"}
    answer: Any = client.get_offers(call)
    assert (answer.response.status, answer.meta["remote_mboxes"]) == (206, ["loyalty-offer"])
    assert shown(client, request, "on-device") == {"MboxResponse loyalty-offer": []}
    edges = {"MboxResponse loyalty-offer": [("html", "<div>We pay the postage</div>")]}
    assert shown(client, request, "hybrid") == shown(client, request, "server-side") == edges


def test_the_hidden_format_says_the_same() -> None:
    request = DeliveryRequest(
        id=VisitorId(tnt_id="visitor-3.35_0"), execute=ExecuteRequest(mboxes=[MboxRequest(name="a1-serverside-ab")])
    )
    with LocalEdge() as edge, at_edge(edge, artifact_format="bin") as client:
        assert shown(client, request, "on-device") == shown(client, request, "server-side")
        paths = [asked.path for asked in edge.requests if asked.path.startswith("/acmeclient/")]
    assert paths == ["/acmeclient/production/v1/rules.bin"]


def test_geo_of_the_edge_decides_in_each_way() -> None:
    audience = {"==": [{"var": "geo.city"}, "RENO"]}
    activity = {"id": 1, "locations": ["m"], "audience": audience, "experiences": [{"offer": {"html": "Hello, Reno"}}]}
    context = {"channel": "web", "geo": {"ipAddress": "12.21.1.40"}}
    execute = ExecuteRequest(mboxes=[MboxRequest(name="m")])
    request = DeliveryRequest.from_dict({"context": context, "execute": execute.to_dict(by_alias=True)})
    with LocalEdge({"activities": [activity]}, geo={"city": "RENO"}) as edge, at_edge(edge) as client:
        for method in METHODS:
            assert shown(client, request, method) == {"MboxResponse m": [("html", "Hello, Reno")]}
        asked = [found.headers["x-forwarded-for"] for found in edge.requests if found.path == "/v1/geo"]
    assert asked == ["12.21.1.40"] * 2


def test_what_is_displayed_on_device_is_told_to_the_edge() -> None:
    request = DeliveryRequest(execute=ExecuteRequest(mboxes=[MboxRequest(name="a1-serverside-ab")]))
    with LocalEdge() as edge, at_edge(edge) as client:
        shown(client, request, "on-device")
        assert client.flush(10000)
        (told,) = edge.notifications
        assert (told["type"], told["mbox"]["name"]) == ("display", "a1-serverside-ab")
        shown(client, request, "server-side")
        assert len(edge.notifications) == 1


def test_a_client_that_polls_notices_another_file() -> None:
    def activities(content: str) -> Dict[str, Any]:
        return {"activities": [{"id": 1, "locations": ["m"], "experiences": [{"offer": {"html": content}}]}]}

    request = DeliveryRequest(prefetch=PrefetchRequest(mboxes=[MboxRequest(name="m")]))
    with LocalEdge(activities("one")) as edge, at_edge(edge, polling_interval=20) as client:
        assert shown(client, request, "on-device") == {"PrefetchMboxResponse m": [("html", "one")]}
        edge.load(activities("two"))
        two = {"PrefetchMboxResponse m": [("html", "two")]}
        assert eventually(lambda: shown(client, request, "on-device") == two)


def test_the_demonstration_decides_by_whom_it_says() -> None:
    with LocalEdge() as edge:
        results = compare_methods(edge)
    assert [(result.method, result.location) for result in results] == list(CASES)
    assert [result.decided for result in results] == ["by the edge", "on-device", "on-device", "by the edge"]
    assert len({result.experience for result in results[:3]}) == 1
    assert all(result.milliseconds > 0 for result in results)
