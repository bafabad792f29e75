"""The rule artifact that the local edge builds or serves, and the geo lookup."""

import gzip
import http.client
import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

import pytest

from target_python_sdk.artifact.format import obfuscate
from target_python_sdk.local_edge import LocalEdge, read_activities
from target_python_sdk.local_edge.artifact_builder import build_artifact
from target_tools.errors import OptionError
from target_tools.hashing import bucket
from tests.around.edge_http import ask

RULES = "/acmeclient/production/v1/rules.json"
ALLOCATION = {"var": "allocation"}
IN_THE_US = {"==": [{"var": "geo.country"}, "US"]}


@pytest.fixture
def edge() -> Iterator[LocalEdge]:
    with LocalEdge() as edge:
        yield edge


def rules(*experiences: Dict[str, Any], **activity: Any) -> List[Dict[str, Any]]:
    """Return the rules of one activity in the mbox ``m``."""
    document = {"activities": [{"id": 7, "locations": ["m"], "experiences": experiences, **activity}]}
    found = build_artifact(read_activities(document))["rules"]["mboxes"]["m"]
    assert isinstance(found, list)
    return found


#: Parts without a fixed structure.
FREE = (".condition", ".options[].content")


def shape(value: Any, path: str = "") -> Set[str]:
    """Return all paths in a document with their types, and with ``*`` for the names of mboxes and views."""
    if path.endswith(FREE):
        return {path}
    if isinstance(value, dict):
        has_names = path in (".rules.mboxes", ".rules.views")
        parts = (shape(part, f"{path}.{'*' if has_names else key}") for key, part in value.items())
        return {path + ": object"}.union(*parts)
    if isinstance(value, list):
        return {path + ": list"}.union(*(shape(part, path + "[]") for part in value))
    return {f"{path}: {type(value).__name__}"}


#: Paths of real artifacts that the artifact of the sample does not have.
ABSENT = (".targetAdminActivityUrls", ".propertyTokens", ".audience.ids[]", ".metrics[].selector")
#: Mboxes of real artifacts have no metrics, so the metrics of our mboxes are compared with those of real views.
METRICS = (".rules.mboxes.*[].consequence.metrics[]", ".rules.views.*[].consequence.metrics[]")


def test_a_built_artifact_has_the_structure_of_a_real_one(shared: Path) -> None:
    real: Set[str] = set()
    for path in (shared / "conformance" / "artifacts").glob("*.json"):
        real |= shape(json.loads(path.read_text("utf-8")))
    ours = {place.replace(*METRICS) for place in shape(build_artifact(read_activities()))}
    assert ours - real == set()
    assert [place for place in real - ours if not any(part in place for part in ABSENT)] == []


def test_the_contents_of_a_built_rule() -> None:
    (rule,) = rules({"name": "A", "offer": {"json": {"a": 1}}}, name="Greeting")
    token = rule["consequence"]["options"][0].pop("eventToken")
    assert token
    assert rule == {
        "ruleKey": "7-0",
        "activityId": 7,
        "meta": {
            "activity.id": 7,
            "activity.name": "Greeting",
            "activity.type": "ab",
            "experience.id": 0,
            "experience.name": "A",
            "location.id": 0,
            "location.name": "m",
            "location.type": "mbox",
            "audience.ids": [],
            "option.id": 2,
            "option.name": "Offer2",
            "offer.id": 0,
            "offer.name": "/Greeting/experiences/0",
        },
        "condition": {"and": [{"<=": [0, ALLOCATION]}, {">=": [100, ALLOCATION]}]},
        "consequence": {"name": "m", "options": [{"type": "json", "content": {"a": 1}}], "metrics": []},
    }


def test_shares_become_ranges_without_a_gap() -> None:
    found = rules({"share": 0}, {"share": 50}, {"share": 0}, {"share": 30.5})
    assert [(rule["meta"]["experience.id"], rule["condition"]) for rule in found] == [
        (1, {"and": [{"<=": [0, ALLOCATION]}, {">=": [50, ALLOCATION]}]}),
        (3, {"and": [{"<": [50, ALLOCATION]}, {">=": [80.5, ALLOCATION]}]}),
    ]


def test_an_experience_without_an_offer_is_an_option_without_content() -> None:
    (rule,) = rules({})
    (option,) = rule["consequence"]["options"]
    assert list(option) == ["eventToken"]
    assert "offer.id" not in rule["meta"]


def test_an_audience_is_combined_with_the_share() -> None:
    (rule,) = rules({}, audience=IN_THE_US)
    assert rule["condition"] == {"and": [{"and": [{"<=": [0, ALLOCATION]}, {">=": [100, ALLOCATION]}]}, IN_THE_US]}
    assert rule["meta"]["audience.ids"] == [7]


def test_metrics_become_click_tokens() -> None:
    found = rules({}, {}, metrics=[{"type": "click", "selector": "#buy"}, {"type": "click"}])
    metrics = [metric for rule in found for metric in rule["consequence"]["metrics"]]
    assert [(metric["type"], metric.get("selector")) for metric in metrics] == [("click", "#buy"), ("click", None)] * 2
    tokens = [metric["eventToken"] for metric in metrics]
    assert len({*tokens, *(rule["consequence"]["options"][0]["eventToken"] for rule in found)}) == 6


def test_a_property_becomes_a_token_of_the_rule() -> None:
    assert "propertyTokens" not in rules({})[0]
    assert rules({}, property="p-1")[0]["propertyTokens"] == ["p-1"]


def test_each_location_of_an_activity_has_a_separate_rule_key() -> None:
    experiences = [{"name": "A"}, {"name": "B"}]
    document = {"activities": [{"id": 7, "locations": ["m", "n", "m"], "views": ["m"], "experiences": experiences}]}
    found = build_artifact(read_activities(document))["rules"]
    placed_rules = [*found["mboxes"]["m"], *found["mboxes"]["n"], *found["views"]["m"]]
    assert [rule["ruleKey"] for rule in placed_rules] == ["7-0", "7-0", "7-1", "7-1", "7-2", "7-2"]
    assert [rule["meta"]["location.type"] for rule in placed_rules] == ["mbox"] * 4 + ["view"] * 2


def test_the_artifact_lists_remote_locations_but_not_their_rules() -> None:
    activities = read_activities({
        "activities": [
            {"id": 1, "locations": ["here", "both"], "views": ["v"], "experiences": [{}]},
            {"id": 2, "locations": ["there", "both"], "views": ["w"], "experiences": [{}], "remote": True},
        ],
    })  # fmt: skip
    client_artifact, edge_artifact = build_artifact(activities), build_artifact(activities, include_remote=True)
    assert (client_artifact["localMboxes"], client_artifact["remoteMboxes"]) == (["both", "here"], ["both", "there"])
    assert (client_artifact["localViews"], client_artifact["remoteViews"]) == (["v"], ["w"])
    assert {name: len(at) for name, at in client_artifact["rules"]["mboxes"].items()} == {"here": 1, "both": 1}
    assert edge_artifact["localMboxes"] == ["both", "here", "there"]
    assert (edge_artifact["remoteMboxes"], edge_artifact["remoteViews"]) == ([], [])
    edge_rules = edge_artifact["rules"]["mboxes"]
    assert {name: len(rules) for name, rules in edge_rules.items()} == {"here": 1, "both": 2, "there": 1}


@pytest.mark.parametrize(
    ("more", "is_enabled"),
    [
        ({}, False),
        ({"geo": {"city": "SAN FRANCISCO"}}, True),
        ({"audience": {"and": [IN_THE_US, {"==": [1, 1]}]}}, True),
        ({"audience": {"!": {"var": ["geo.city", "nowhere"]}}}, True),
        ({"audience": {"==": [{"var": "mbox.geo"}, "geo.city"]}}, False),
    ],
)
def test_a_geo_of_the_edge_or_in_an_audience_enables_geo_targeting(more: Dict[str, Any], is_enabled: bool) -> None:
    audience = more.pop("audience", None)
    activity = {"id": 1, "locations": ["m"], "experiences": [{}], "audience": audience}
    document = build_artifact(read_activities({"activities": [activity], **more}))
    assert document["geoTargetingEnabled"] is is_enabled
    assert ("geo.city" in document["responseTokens"]) is is_enabled


@pytest.mark.server
def test_the_artifact_has_an_etag(edge: LocalEdge) -> None:
    status, headers, body = ask(edge, "GET", RULES)
    assert (status, headers["content-type"]) == (200, "application/json;charset=UTF-8")
    assert json.loads(body) == edge.rules == build_artifact(read_activities())
    assert headers["etag"].startswith('"')
    for known in (headers["etag"], "W/" + headers["etag"], '"other", ' + headers["etag"], "*"):
        status, again, nothing = ask(edge, "GET", RULES, headers={"If-None-Match": known})
        assert (status, again["etag"], nothing) == (304, headers["etag"], b"")
        assert "content-length" not in again
    assert ask(edge, "GET", RULES, headers={"If-None-Match": '"other"'}).status == 200


@pytest.mark.server
def test_a_compressed_artifact_has_a_weak_etag_that_is_recognized(edge: LocalEdge) -> None:
    _, headers, body = ask(edge, "GET", RULES, headers={"Accept-Encoding": "gzip"})
    assert headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(body)) == edge.rules
    assert headers["etag"].startswith('W/"')
    assert ask(edge, "GET", RULES, headers={"Accept-Encoding": "gzip", "If-None-Match": headers["etag"]}).status == 304


@pytest.mark.server
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/other/staging/v1/rules.json", 200),
        ("/acmeclient/production/v1/8ce2d3e9-b299-c0ea-2e0c-2e21255db6bb/rules.json", 200),
        ("/acmeclient/production/v1/rules.bin", 200),
        ("/acmeclient/production/v2/rules.json", 404),
        ("/acmeclient/v1/rules.json", 404),
        ("/acmeclient/production/v1/a/b/rules.json", 404),
        ("/acmeclient/production/v1/rules.jsonx", 404),
        ("/v1/geo/", 404),
    ],
)
def test_the_path_can_have_any_client_environment_and_property(edge: LocalEdge, path: str, status: int) -> None:
    assert ask(edge, "GET", path).status == status


@pytest.mark.server
def test_the_artifact_can_only_be_read(edge: LocalEdge) -> None:
    assert ask(edge, "PUT", RULES).status == 405
    assert ask(edge, "DELETE", "/v1/geo").status == 405


@pytest.mark.server
def test_rules_bin_can_be_read_with_the_organization_id() -> None:
    with LocalEdge(organization_id="ORG@AdobeOrg") as edge:
        status, headers, body = ask(edge, "GET", RULES.replace(".json", ".bin"))
        plain = ask(edge, "GET", RULES)
    assert (status, headers["content-type"], body[:8]) == (200, "application/octet-stream", b"ATOD:001")
    pad = b"ORG@AdobeOrg" + body[8:40]
    assert bytes(byte ^ pad[at % len(pad)] for at, byte in enumerate(body[40:])) == plain[2]
    assert headers["etag"] != plain[1]["etag"]


@pytest.mark.parametrize("size", [0, 1, 43, 44, 45, 1000])
def test_the_obfuscation_repeats_its_pad(size: int) -> None:
    data = bytes(size)
    obfuscated = obfuscate(data, "1234567890@A")
    pad = b"1234567890@A" + obfuscated[8:40]
    assert len(obfuscated) == 40 + size
    assert obfuscated[40:] == (pad * (size // len(pad) + 1))[:size]


@pytest.mark.server
def test_an_edge_can_load_another_file(edge: LocalEdge, tmp_path: Path) -> None:
    before = ask(edge, "GET", RULES).headers["etag"]
    path = tmp_path / "activities.json"
    path.write_text('{"activities": [{"id": 9, "locations": ["new"], "experiences": [{}]}]}')
    edge.load(path)
    _, headers, body = ask(edge, "GET", RULES, headers={"If-None-Match": before})
    assert headers["etag"] != before
    assert json.loads(body)["localMboxes"] == ["new"]
    assert b"new (A 0 to 100)" in ask(edge, "GET", "/").body
    edge.load(None)
    assert ask(edge, "GET", RULES).headers["etag"] == before


@pytest.mark.server
def test_an_invalid_file_changes_nothing(edge: LocalEdge) -> None:
    before = edge.rules
    with pytest.raises(OptionError):
        edge.load({"activities": [{}]})
    assert edge.rules is before


@pytest.mark.server
def test_the_geo_lookup_returns_the_geo_of_the_edge() -> None:
    geo = {"city": "SAN FRANCISCO", "countryCode": "US", "stateCode": "CA", "latitude": 37.75, "longitude": -122.4}
    expected = {
        "x-geo-city": "SAN FRANCISCO",
        "x-geo-country-code": "US",
        "x-geo-region-code": "CA",
        "x-geo-latitude": 37.75,
        "x-geo-longitude": -122.4,
    }
    with LocalEdge(geo=geo) as first, LocalEdge({"activities": [], "geo": geo}) as second:
        assert ask(first, "GET", "/v1/geo").json() == expected
        found = ask(second, "GET", "/v1/geo", headers={"X-Forwarded-For": "12.21.1.40"}).json()
        (lookup,) = second.requests
    assert found == {**expected, "x-forwarded-for": "12.21.1.40"}
    assert (lookup.method, lookup.path, lookup.headers["x-forwarded-for"]) == ("GET", "/v1/geo", "12.21.1.40")


@pytest.mark.server
def test_requests_of_clients_are_recorded_and_pages_for_people_are_not(edge: LocalEdge) -> None:
    for path in ("/", RULES, "/notifications", "/v1/geo", "/elsewhere"):
        ask(edge, "GET", path)
    assert [request.path for request in edge.requests] == [RULES, "/v1/geo", "/elsewhere"]


def artifact_of(shared: Path, name: str) -> Tuple[Path, Dict[str, Any]]:
    path = shared / "conformance" / "artifacts" / name
    return path, json.loads(path.read_text("utf-8"))


@pytest.mark.server
@pytest.mark.parametrize("as_path", [True, False])
def test_a_rule_artifact_is_served_unchanged(shared: Path, as_path: bool) -> None:
    path, document = artifact_of(shared, "TEST_ARTIFACT_VIEWS.json")
    with LocalEdge(path if as_path else document) as edge:
        assert ask(edge, "GET", RULES).json() == document == edge.rules
        assert edge.activities is None
        page = ask(edge, "GET", "/").body.decode()
    assert "edge for targettesting" in page
    assert "view contact: 6 rules" in page


def no_rules(**changes: Optional[Any]) -> Dict[str, Any]:
    """Return an artifact without rules, with these changes."""
    return {"version": "1.0.0", "rules": {"mboxes": {}, "views": {}}, **changes}


@pytest.mark.parametrize(
    "document",
    [no_rules(version="2.0.0"), no_rules(rules=[]), no_rules(rules={"mboxes": []}), no_rules(meta={"clientCode": 7})],
)
def test_an_unusable_artifact_is_rejected(document: Any, tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(document))
    with pytest.raises(OptionError, match=r"rules\.json: "):
        LocalEdge(path)


def deliver(edge: LocalEdge, **request: Any) -> Dict[str, Any]:
    """Send a delivery request, and return the parsed response."""
    connection = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=60)
    body = {"context": {"channel": "web"}, **request}
    connection.request("POST", "/rest/v1/delivery?imsOrgId=o&sessionId=s", json.dumps(body))
    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert isinstance(answer, dict)
    return answer


@pytest.mark.server
def test_an_edge_decides_with_a_rule_artifact(shared: Path) -> None:
    path, document = artifact_of(shared, "TEST_ARTIFACT_AB_SIMPLE.json")
    mboxes = {"mboxes": [{"index": 1, "name": "mbox-magician"}, {"index": 2, "name": "elsewhere"}]}
    with LocalEdge(path) as edge:
        answer = deliver(edge, id={"tntId": "338e3c1e51f7416a8e1ccba4f81acea0.28_0"}, execute=mboxes)
    assert (answer["status"], answer["client"]) == (200, "targettesting")
    magician, elsewhere = answer["execute"]["mboxes"]
    assert elsewhere == {"index": 2, "name": "elsewhere"}
    (option,) = magician["options"]
    tokens = option["responseTokens"]
    visitor_bucket = bucket("targettesting.125873.338e3c1e51f7416a8e1ccba4f81acea0.0")
    name, limits = ("A", "0 to 50") if visitor_bucket <= 50 else ("B", "50 to 100")
    assert tokens["experience.reason"] == f"bucket {visitor_bucket:.2f} falls in Experience {name} ({limits})"
    assert tokens["activity.decisioningMethod"] == "server-side"
    assert set(tokens) - {"experience.reason", "activity.decisioningMethod"} <= set(document["responseTokens"])


@pytest.mark.server
def test_a_matching_audience_of_a_rule_artifact_is_given_as_the_reason(shared: Path) -> None:
    path, _ = artifact_of(shared, "TEST_ARTIFACT_BROWSER.json")
    context = {"channel": "web", "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:84.0) Gecko/20100101 Firefox/84.0"}
    with LocalEdge(path) as edge:
        answer = deliver(edge, context=context, execute={"mboxes": [{"name": "mbox-browsers"}]}, trace={})
    (mbox,) = answer["execute"]["mboxes"]
    (target,) = mbox["trace"]["evaluatedCampaignTargets"]
    name = mbox["options"][0]["responseTokens"]["experience.name"]
    assert target["reason"] == f"the audience of {name} matches"


@pytest.mark.server
def test_an_unusable_rule_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    rules = [{"activityId": 1, "ruleKey": "1", "condition": {"method": []}}, {"activityId": 2, "condition": True}]
    document = {"version": "1.0.0", "rules": {"mboxes": {"m": rules}, "views": {}}}
    with LocalEdge(document) as edge:
        answer = deliver(edge, id={"tntId": "t"}, execute={"mboxes": [{"name": "m"}]}, trace={})
    assert answer["execute"]["mboxes"][0]["trace"]["evaluatedCampaignTargets"][0]["campaignId"] == 2
    assert "Skipped a rule: rule 0 of m: " in caplog.text


ACTIVITY: Dict[str, Any] = {"id": 1, "locations": ["m"], "experiences": [{}, {}]}


def test_mistakes_in_audiences_are_logged_once_with_their_place(caplog: pytest.LogCaptureFixture) -> None:
    audience = {"==": [{"var": "user.browserType"}, "Chrome"]}
    with caplog.at_level("WARNING", logger="adobe.target.local_edge"):
        edge = LocalEdge({"activities": [{**ACTIVITY, "audience": audience}]})
    problem = "user.browserType is never 'Chrome'; did you mean 'chrome'?"
    assert caplog.messages == [f"activities[0].audience.==[1]: {problem}"]

    caplog.clear()
    LocalEdge(edge.rules)
    (message,) = caplog.messages
    assert message == f"rules.mboxes['m'][0].condition.and[1].==[1]: {problem} (and 1 more)"


def test_only_the_first_20_mistakes_in_audiences_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    audience = {"or": [{"==": [{"var": "user.browserType"}, f"X{number}"]} for number in range(25)]}
    with caplog.at_level("WARNING", logger="adobe.target.local_edge"):
        LocalEdge({"activities": [{**ACTIVITY, "audience": audience}]})
    assert len(caplog.messages) == 21
    assert caplog.messages[-1] == "Audiences have 5 more mistakes"


def test_an_audience_that_no_visitor_matches_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    activity = {"id": 1, "locations": ["m"], "experiences": [{"offer": {"html": "a"}}]}
    for audience in ({"==": [1, 2]}, {"==": ["user.browserType", "firefox"]}):
        LocalEdge({"activities": [{**activity, "audience": audience}]})
    assert caplog.messages == [
        "activities[0].audience: never true: no visitor matches",
        'activities[0].audience.==: both sides are constants; did you mean {"var": "user.browserType"}?',
    ]
