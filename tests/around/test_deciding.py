"""Decisions of the local edge: their shares, their stability and their reasons."""

import random
import uuid
from collections import Counter
from typing import Any, Dict, List, Optional, Tuple

import pytest

from target_python_sdk.decisioning.context import with_device_id
from target_python_sdk.explain.structure import Share, split_share
from target_python_sdk.local_edge.content import EdgeContent
from target_python_sdk.local_edge.delivery import build_response, parse_request
from target_python_sdk.local_edge.explanations import ExperienceShare, explain_match, explain_no_match
from target_python_sdk.types import VisitorId
from target_tools.errors import OptionError
from target_tools.hashing import bucket

VISITORS = 2000
ALLOCATION = {"var": "allocation"}
Json = Dict[str, Any]


def content_with(*activities: Json, **document: Any) -> EdgeContent:
    """Return the content of an edge with these activities in the mbox ``m``. Their ids start at 1111."""
    with_ids = [{"id": 1111 + at, "locations": ["m"], **activity} for at, activity in enumerate(activities)]
    return EdgeContent({"activities": with_ids, **document}, "1234567890@AdobeOrg")


def with_shares(*values: float) -> Json:
    """Return an activity whose experiences have these shares and the names A, B and so on."""
    return {"experiences": [{"share": share} for share in values]}


def respond(contents: EdgeContent, request: Json) -> Json:
    return build_response(contents, parse_request(request), "s").response


def decide_mbox(contents: EdgeContent, visitor: str = "visitor", **request: Any) -> Json:
    """Request the mbox ``m`` for this visitor, and return the mbox of the answer."""
    execute_mboxes = {"mboxes": [{"index": 0, "name": "m"}]}
    request_body: Json = {"context": {"channel": "web"}, "id": {"tntId": visitor}, "execute": execute_mboxes, **request}
    (mbox,) = respond(contents, request_body)["execute"]["mboxes"]
    assert isinstance(mbox, dict)
    return mbox


def tokens(mbox: Json) -> List[Json]:
    """Return the response tokens of each option."""
    return [option["responseTokens"] for option in mbox.get("options", [])]


def name_and_reason(mbox: Json) -> Optional[Tuple[str, str]]:
    """Return the experience name and the reason of the first option, or None if the mbox has no option."""
    found = [(each["experience.name"], each["experience.reason"]) for each in tokens(mbox)]
    return found[0] if found else None


@pytest.mark.parametrize("shares", [(50, 50), (10, 90), (20, 30), (33.3, 33.3, 33.4), (0, 100)])
def test_visitors_are_divided_by_the_shares(shares: Tuple[float, ...]) -> None:
    contents, ids = content_with(with_shares(*shares)), random.Random(7)
    decisions = (name_and_reason(decide_mbox(contents, "%032x" % ids.getrandbits(128))) for _ in range(VISITORS))
    visitor_counts = Counter(found[0] if found else "nothing" for found in decisions)
    expected = {"nothing": 100 - sum(shares), **dict(zip("ABC", shares))}
    for name, share in expected.items():
        assert visitor_counts.get(name, 0) == pytest.approx(share * VISITORS / 100, abs=4 * VISITORS / 100)
    assert all(visitor_counts.get(name, 0) == 0 for name, share in expected.items() if share < 0.001)


def test_the_bucket_is_a_hash_of_the_client_the_activity_and_the_visitor() -> None:
    found = name_and_reason(decide_mbox(content_with(with_shares(50, 50), client="mine")))
    visitor_bucket = bucket("mine.1111.visitor.0")
    assert found is not None
    assert found[1].startswith(f"bucket {visitor_bucket:.2f} ")
    assert found[0] == ("A" if visitor_bucket <= 50 else "B")


def test_the_reason_contains_the_bucket_and_the_share() -> None:
    contents = content_with(with_shares(50, 30))
    results = {name: name_and_reason(decide_mbox(contents, name)) for name in ("visitor-2", "visitor-7", "visitor-8")}
    assert results == {
        "visitor-2": ("A", "bucket 31.14 falls in A (0 to 50)"),
        "visitor-7": ("B", "bucket 53.50 falls in B (50 to 80)"),
        "visitor-8": None,
    }
    trace = decide_mbox(contents, "visitor-8", trace={})["trace"]
    (target,) = trace["evaluatedCampaignTargets"]
    assert target["reason"] == "bucket 88.05 is in no share (A 0 to 50, B 50 to 80)"
    assert target["bucket"] == 88.05


@pytest.mark.parametrize(
    ("condition", "share"),
    [
        ({"and": [{"<=": [0, ALLOCATION]}, {">=": [50, ALLOCATION]}]}, Share(0, 50)),
        ({"and": [{"and": [{"<": [50, ALLOCATION]}, {">=": [80.5, ALLOCATION]}]}, {"==": [1, 1]}]}, Share(50, 80.5)),
        ({">=": [50, ALLOCATION]}, Share(0, 50)),
        ({"or": [{">=": [50, ALLOCATION]}]}, Share(0, 50)),
        ({"or": [{">=": [50, ALLOCATION]}, False]}, None),
        ({">=": [ALLOCATION, 50]}, Share(50, 100)),
        ({">=": [50, {"var": "geo.latitude"}]}, None),
        ({">=": 50}, None),
        ({"and": []}, None),
        ({"==": [{"var": "user.browserType"}, "chrome"]}, None),
        (True, None),
    ],
)
def test_a_share_is_read_from_a_condition(condition: Any, share: Optional[Share]) -> None:
    assert split_share(condition).share == share


@pytest.mark.parametrize(
    ("bucket", "experience_name"),
    [(0, "A"), (0.01, "A"), (50, "A"), (50.01, "B"), (80, "B"), (80.01, None), (99.99, None)],
)
def test_a_share_includes_its_upper_limit(bucket: float, experience_name: Optional[str]) -> None:
    experiences = [ExperienceShare("A", Share(0, 50)), ExperienceShare("B", Share(50, 80))]
    assert [each.name for each in experiences if each.share and each.share.contains(bucket)] == (
        [experience_name] if experience_name else []
    )


def test_without_shares_the_reason_is_the_audience() -> None:
    chrome, firefox = ExperienceShare("Chrome", None), ExperienceShare("Firefox", None)
    assert explain_match(12.345, chrome) == "the audience of Chrome matches"
    assert explain_no_match(12.345, [chrome, firefox, chrome]) == "no audience matches (Chrome, Firefox)"


def test_an_audience_decides_which_activity_a_visitor_is_in() -> None:
    audience = {"==": [{"var": "mbox.colour"}, "red"]}
    contents = content_with({"experiences": [{}], "audience": audience}, {"experiences": [{"name": "the rest"}]})
    red = {"mboxes": [{"index": 0, "name": "m", "parameters": {"colour": "red"}}]}
    assert [each["activity.id"] for each in tokens(decide_mbox(contents, execute=red))] == ["1111"]
    mbox = decide_mbox(contents, trace={})
    assert [each["activity.id"] for each in tokens(mbox)] == ["1112"]
    first, second = mbox["trace"]["evaluatedCampaignTargets"]
    visitor_bucket = bucket("acmeclient.1111.visitor.0")
    assert first["reason"] == f"bucket {visitor_bucket:.2f} would fall in A (0 to 100), whose audience does not match"
    assert second["reason"].endswith("falls in the rest (0 to 100)")


def test_an_activity_with_a_property_runs_only_in_it() -> None:
    contents = content_with({"experiences": [{}], "property": "p-1"})
    assert "options" not in decide_mbox(contents)
    assert "options" not in decide_mbox(contents, property={"token": "p-2"})
    assert tokens(decide_mbox(contents, property={"token": "p-1"}))


def test_the_edge_also_decides_remote_activities() -> None:
    mbox = decide_mbox(content_with({"experiences": [{"offer": {"html": "far"}}], "remote": True}))
    assert [option["content"] for option in mbox["options"]] == ["far"]


def test_after_default_content_no_other_activity_is_shown() -> None:
    mbox = decide_mbox(content_with({"experiences": [{}]}, {"experiences": [{"offer": {"html": "second"}}]}))
    (option,) = mbox["options"]
    assert list(option) == ["responseTokens"]
    assert option["responseTokens"]["activity.id"] == "1111"


def test_the_geo_of_the_edge_is_the_default() -> None:
    audience = {"==": [{"var": "geo.country"}, "US"]}
    contents = content_with({"experiences": [{}], "audience": audience}, geo={"countryCode": "US", "city": "RENO"})
    found = tokens(decide_mbox(contents))
    assert [(each["geo.country"], each["geo.city"]) for each in found] == [("US", "RENO")]
    assert tokens(decide_mbox(contents, context={"channel": "web", "geo": {"ipAddress": "12.21.1.40"}}))
    assert not tokens(decide_mbox(contents, context={"channel": "web", "geo": {"countryCode": "FR"}}))


@pytest.mark.parametrize(
    ("ids", "bucketing_id"),
    [
        ({"marketingCloudVisitorId": "ecid", "tntId": "t.28_0", "thirdPartyId": "crm"}, "ecid"),
        ({"tntId": "t.28_0", "thirdPartyId": "crm"}, "t"),
        ({"tntId": "t"}, "t"),
        ({"thirdPartyId": "crm"}, "crm"),
    ],
)
def test_a_visitor_is_bucketed_by_ecid_else_tnt_id_else_third_party_id(ids: Json, bucketing_id: str) -> None:
    mbox = decide_mbox(content_with({"experiences": [{}]}), id=ids, trace={})
    assert mbox["trace"]["profile"]["bucketedBy"] == bucketing_id
    assert mbox["trace"]["evaluatedCampaignTargets"][0]["bucket"] == bucket(f"acmeclient.1111.{bucketing_id}.0")


def ids_in_answer(ids: Optional[Json], **document: Any) -> Json:
    """Return the visitor's ids in the answer to a request with these ids."""
    request = {"context": {"channel": "web"}, "id": ids}
    found = respond(content_with({"experiences": [{}]}, **document), request)["id"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("ids", [None, {}, {"tntId": None}, {"customerIds": []}])
def test_a_visitor_without_ids_gets_a_tnt_id_with_a_cluster(ids: Optional[Json]) -> None:
    tnt_id = ids_in_answer(ids)["tntId"]
    name, _, hint = tnt_id.partition(".")
    assert (len(name), uuid.UUID(name).version, hint) == (32, 4, "35_0")
    assert ids_in_answer(ids)["tntId"] != tnt_id


@pytest.mark.parametrize(
    "ids",
    [
        {"tntId": "t.28_0", "thirdPartyId": "crm", "customerIds": [{"id": "7"}]},
        {"thirdPartyId": "crm"},
        {"thirdPartyId": "crm", "customerIds": [{"id": "7"}]},
        {"marketingCloudVisitorId": "ecid"},
    ],
)
def test_a_visitor_with_a_bucketing_id_gets_no_other_id(ids: Json) -> None:
    assert ids_in_answer(ids) == ids


def test_the_tnt_id_of_a_customer_is_the_same_as_on_device() -> None:
    customer = {"id": "7", "integrationCode": "crm", "authenticatedState": "authenticated"}
    found = ids_in_answer({"customerIds": [customer]}, client="mine")
    visitor_id = with_device_id(VisitorId.from_dict({"customerIds": [customer]}), "mine", "35")
    assert found == {"tntId": visitor_id.tnt_id, "customerIds": [customer]}
    assert ids_in_answer({"customerIds": [customer]}, client="mine") == ids_in_answer(found, client="mine") == found
    assert ids_in_answer({"customerIds": [customer]}, client="other") != found


#: A source of each kind, with the client code ``mine``.
SOURCES: Dict[str, Json] = {
    "activities": {"client": "mine", "activities": [{"id": 1, "locations": ["m"], "experiences": [{}]}]},
    "an artifact": {
        "version": "1.0.0",
        "meta": {"clientCode": "mine"},
        "rules": {"mboxes": {"m": [{"activityId": 1, "ruleKey": "1", "condition": True}]}, "views": {}},
    },
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize(("client_option", "client_code"), [(None, "mine"), ("acmeclient", "acmeclient")])
def test_the_client_option_overrides_the_client_code_of_the_source(
    kind: str, client_option: Optional[str], client_code: str
) -> None:
    contents = EdgeContent(SOURCES[kind], "1234567890@AdobeOrg", client=client_option)
    (target,) = decide_mbox(contents, trace={})["trace"]["evaluatedCampaignTargets"]
    assert target["bucket"] == bucket(f"{client_code}.1.visitor.0")
    assert contents.client == respond(contents, {"context": {"channel": "web"}})["client"] == client_code
    # Activities become an artifact of that client; an artifact is not changed.
    assert contents.rules["meta"]["clientCode"] == (client_code if kind == "activities" else "mine")


@pytest.mark.parametrize("client", ["", 7])
def test_an_invalid_client_code_is_rejected(client: Any) -> None:
    with pytest.raises(OptionError, match=r"^client: expected a non-empty string, got "):
        EdgeContent(SOURCES["an artifact"], "1234567890@AdobeOrg", client=client)
