"""The form of the page: how it is read, and the offers of one visitor and of 10,000 visitors."""

from typing import Any, Dict, List, Optional

import pytest

from target_python_sdk.errors import OptionError
from target_python_sdk.explain.explanation import MAX_RULES
from target_python_sdk.local_edge.content import EdgeContent
from target_python_sdk.local_edge.page.traffic import STEP, VISITORS, simulate
from target_python_sdk.local_edge.page.visitor import FIELDS, decisions, delivery_request, read_visitor

ORGANIZATION = "1234567890@AdobeOrg"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
AB = "mbox a1-serverside-ab"


def content(source: Any = None) -> EdgeContent:
    """Return the content of an edge, by default the sample activities."""
    return EdgeContent(source, ORGANIZATION)


def activity(**parts: Any) -> Dict[str, Any]:
    """Return an activity at the mbox ``m`` with these parts."""
    return {"id": 1, "name": "One", "locations": ["m"], "experiences": [{"offer": {"html": "a"}}], **parts}


def experience(source: Any, **fields: str) -> Optional[str]:
    """Return the name of the experience that a visitor gets at the mbox ``m``, or None."""
    (location,) = decisions(content({"activities": [source]}), read_visitor({"id": "v", **fields}))["locations"]
    return next((offer["experience"] for offer in location["offers"]), None)


@pytest.mark.parametrize(
    ("condition", "fields", "other"),
    [
        ({"==": [{"var": "user.browserType"}, "firefox"]}, {"userAgent": FIREFOX}, {"userAgent": "curl"}),
        ({"==": [{"var": "page.path"}, "/shoes"]}, {"url": "http://h.example/shoes"}, {"url": "http://h.example/"}),
        ({"==": [{"var": "referring.domain"}, "a.example"]}, {"referrer": "http://a.example/"}, {}),
        ({"==": [{"var": "mbox.a"}, "1 = one"]}, {"parameters": "b=2\n\n a = 1 = one "}, {"parameters": "a="}),
        ({"==": [{"var": "user.platform"}, "mac"]}, {"platform": '"macOS"', "brands": '"Chromium";v="118"'}, {}),
    ],
)
def test_the_fields_reach_the_audiences(condition: Any, fields: Dict[str, str], other: Dict[str, str]) -> None:
    source = activity(audience=condition)
    assert experience(source, **fields) == "A"
    assert experience(source, **other) is None


def test_the_property_selects_activities() -> None:
    assert experience(activity(property="p1"), property="p1") == "A"
    assert experience(activity(property="p1"), property="p2") is None


@pytest.mark.parametrize(
    ("fields", "bucketed_by"),
    [
        ({"id": "visitor-1.35_0"}, "visitor-1"),
        ({"id": "7", "kind": "marketingCloudVisitorId"}, "7"),
        ({"id": "7", "kind": "thirdPartyId"}, "7"),
        ({"cookies": "a=b; mbox=PC#visitor-3.35_0#4102444800|session#s#4102444800"}, "visitor-3"),
        ({"cookies": "mbox=PC#visitor-3.35_0#4102444800", "id": "visitor-1"}, "visitor-1"),
        ({"id": "session#s#1|PC#visitor-3.35_0#4102444800"}, "visitor-3"),
        ({"cookies": "PC#visitor-3.35_0#4102444800"}, "visitor-3"),
    ],
)
def test_the_visitor_id_comes_from_the_field_or_else_from_the_cookie(fields: Dict[str, str], bucketed_by: str) -> None:
    assert decisions(content(), read_visitor(fields))["visitor"] == bucketed_by


def test_a_visitor_without_an_id_gets_a_new_one() -> None:
    found = [decisions(content(), read_visitor({}))["visitor"] for _ in range(2)]
    assert len(set(found)) == 2


def test_all_locations_or_one_are_decided() -> None:
    everything = decisions(content(), read_visitor({"id": "visitor-3"}))["locations"]
    assert [each["title"] for each in everything if each["title"].startswith("view")] == ["view checkout"]
    assert {"page load target-global-mbox", "loyalty-offer"} < {each["title"] for each in everything}
    (location,) = decisions(content(), read_visitor({"id": "visitor-3", "location": AB}))["locations"]
    assert location["offers"] == [
        {
            "activity": "Serverside AB",
            "experience": "B",
            "type": "html",
            "content": "<div>Greetings from experience B</div>",
        }
    ]
    assert location["rules"] == [
        {
            "activity": 'activity 1111 "Serverside AB"',
            "reason": "bucket 84.27 is in B (50 to 100)",
            "chosen": True,
            "clauses": [],
        }
    ]


def test_an_explanation_has_the_clauses_and_the_values_that_they_read() -> None:
    member = {"==": [{"var": "mbox.member"}, "gold"]}
    browser = {"or": [{"==": [{"var": "user.browserType"}, name]} for name in ("chrome", "edge")]}
    url = {"or": [{"==": [{"var": "page.domain"}, "a.example"]}, member]}
    targeted = activity(audience={"and": [member, browser, url]})
    visitor = read_visitor({"parameters": "member=silver", "userAgent": FIREFOX})
    (location,) = decisions(content({"activities": [targeted]}), visitor)["locations"]
    assert (location["title"], location["reason"], location["offers"]) == ("m", "no offer", [])
    (rule,) = location["rules"]
    assert [(each["held"], each["text"], each["seen"]) for each in rule["clauses"][:2]] == [
        (False, "mbox.member is 'gold'", "mbox.member = 'silver'"),
        (False, "user.browserType is one of 'chrome', 'edge'", "user.browserType = 'firefox'"),
    ]
    assert rule["clauses"][2]["join"] == "or"
    assert [part["text"] for part in rule["clauses"][2]["parts"]] == [
        "page.domain is 'a.example'",
        "mbox.member is 'gold'",
    ]


def test_parameters_that_no_rule_reads_are_warnings() -> None:
    source = content({"activities": [activity(audience={"==": [{"var": "mbox.member"}, "gold"]})]})
    found = decisions(source, read_visitor({"parameters": "member=gold\nmembr=gold"}))
    assert found["warnings"] == ["no rule reads the parameter 'membr'; did you mean 'member'?"]


def test_a_new_visitor_is_the_same_for_the_offers_and_the_explanation() -> None:
    halves = activity(experiences=[{"name": "A", "offer": {"html": "a"}}, {"name": "B", "offer": {"html": "b"}}])
    edge_content = content({"activities": [halves]})
    for _ in range(20):
        (location,) = decisions(edge_content, read_visitor({}))["locations"]
        assert f"is in {location['offers'][0]['experience']} " in location["rules"][0]["reason"]


def test_the_number_of_rules_is_bounded() -> None:
    many = [activity(id=number, experiences=[{"share": 0.01}]) for number in range(1, MAX_RULES + 3)]
    (location,) = decisions(content({"activities": many}), read_visitor({"id": "visitor-1"}))["locations"]
    assert (len(location["rules"]), location["more"]) == (MAX_RULES, 2)


def test_an_experience_without_an_offer_shows_default_content() -> None:
    (location,) = decisions(content({"activities": [activity(experiences=[{}])]}), read_visitor({}))["locations"]
    (offer,) = location["offers"]
    assert (offer["experience"], offer["type"], offer["content"]) == ("A", None, None)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (None, "form: expected an object"),
        ([], "form: expected an object"),
        ({"browser": "x"}, "form: unknown key 'browser'"),
        ({"url": 1}, "url: expected text"),
        ({"kind": "cookie"}, "kind: expected one of tntId, "),
        ({"parameters": "a=1\nnonsense"}, "parameters: line 2: expected name=value"),
        ({"parameters": "=1"}, "parameters: line 1: "),
        ({"cookies": "mbox=PC#v.35_0#1"}, "cookies: the device id in the cookie has expired"),
        ({"cookies": "a=b"}, "cookies: no mbox cookie with a device id"),
        ({"id": "visitor-3#1"}, "id: expected one id, got text with '#'"),
        ({"id": "1|2", "kind": "marketingCloudVisitorId"}, "id: expected one id, got text with '|'"),
        ({"id": "PC#v#1", "kind": "thirdPartyId"}, "id: expected an id, got a cookie"),
        ({"id": "x" * (FIELDS["id"] + 1)}, "id: 301 characters are too many"),
    ],
)
def test_an_error_names_the_invalid_field(body: Any, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_visitor(body)
    assert str(caught.value).startswith(message)


def test_the_number_of_locations_is_bounded() -> None:
    many = [activity(id=number, locations=[f"m{number}"]) for number in range(300)]
    request = delivery_request(content({"activities": many}), read_visitor({}))
    assert request.execute is not None
    assert len(request.execute.mboxes or ()) == 200


def locations_of(source: Any, **fields: str) -> List[Dict[str, Any]]:
    """Return the locations in the last report of a simulation."""
    reports = list(simulate(content(source), read_visitor(fields)))
    assert [report["done"] for report in reports] == list(range(0, VISITORS + 1, STEP))
    locations: List[Dict[str, Any]] = reports[-1]["locations"]
    return locations


def test_visitors_are_split_by_the_shares() -> None:
    shares = [{"name": "A", "share": 60, "offer": {"html": "a"}}, {"name": "B", "share": 30}]
    (location,) = locations_of({"activities": [activity(experiences=shares)]})
    (found,) = location["activities"]
    assert [(each["name"], each["expected"]) for each in found["experiences"]] == [("A", 0.6), ("B", 0.3)]
    parts = [*found["experiences"], {**location["withoutOffer"], "expected": 0.1}]
    assert sum(each["visitors"] for each in parts) == found["reached"] == VISITORS
    # 0.025 is five standard deviations. The ids of the visitors are always the same, so the result never changes.
    assert [abs(each["share"] - each["expected"]) < 0.025 for each in parts] == [True] * 3


def test_all_simulated_visitors_have_the_attributes_of_the_form() -> None:
    gold = activity(audience={"==": [{"var": "mbox.member"}, "gold"]}, property="p", locations=["m"], views=["n"])
    source = {"activities": [gold], "geo": {"city": "BERLIN"}}
    (matching,) = locations_of(source, parameters="member=gold", property="p", location="view n")
    (other,) = locations_of(source, parameters="member=silver", property="p", location="view n")
    assert [(each["name"], each["withoutOffer"]["share"]) for each in (matching, other)] == [("n", 0), ("n", 1)]
