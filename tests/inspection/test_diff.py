# ruff: noqa: E501 - the texts are exact
"""Each change is described in words, and the affected share agrees with decisions of the engine."""

import json
import logging
import math
from typing import Any, Dict, List, Tuple

import pytest

from target_python_sdk.decisioning.engine import DecisionRequest, EngineContext, decide
from target_python_sdk.inspection.affected import ArtifactComparison, LocationEffect
from target_python_sdk.inspection.changes import compare_rules
from target_python_sdk.inspection.source import RuleSet, read_rules
from target_python_sdk.inspection.split import simulated_id
from target_python_sdk.inspection.traffic import VisitorAttributes
from target_python_sdk.local_edge import read_activities
from target_python_sdk.local_edge.artifact_builder import build_artifact
from target_python_sdk.types import ChannelType, Context, DeliveryRequest, Geo
from target_tools.logger import Log
from target_tools.uuids import UuidGenerator
from tests.inspection.test_check import REMOVED, Place, with_value

FIREFOX = {"==": [{"var": "user.browserType"}, "firefox"]}
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0"
IN_FIREFOX = VisitorAttributes(Context(channel=ChannelType.WEB, user_agent=USER_AGENT))


def html(text: str, **more: Any) -> Dict[str, Any]:
    return {"offer": {"html": text}, **more}


ACTIVITIES: Dict[str, Any] = {
    "client": "acmeclient",
    "activities": [
        {
            "id": 1,
            "name": "One",
            "locations": ["hero"],
            "experiences": [html("a", name="A", share=30), html("b", name="B", share=30)],
        },
        {
            "id": 2,
            "name": "Two",
            "locations": ["hero", "target-global-mbox"],
            "experiences": [html("c", name="C", share=50), {"name": "D", "share": 50}],
        },
        {
            "id": 3,
            "name": "Flags",
            "locations": ["flags"],
            "experiences": [{"name": "E", "offer": {"json": {"x": 1, "y": [2]}}}],
        },
        {
            "id": 4,
            "name": "Page",
            "locations": ["target-global-mbox"],
            "views": ["checkout"],
            "metrics": [{"type": "click"}],
            "experiences": [html("f", name="F", share=40)],
        },
    ],
}
FIRST: Place = ("activities", 0)
SECOND: Place = ("activities", 1)
ONE, TWO, FLAGS, PAGE = "activity 1 'One'", "activity 2 'Two'", "activity 3 'Flags'", "activity 4 'Page'"

#: For each location: the share of visitors with another experience, and with another offer of the same experience.
Shares = Dict[str, Tuple[float, float]]
#: The place of each change, the new value, the description, and the affected shares.
CHANGES: List[Tuple[Place, Any, List[str], Shares]] = [
    ((*FIRST, "name"), "Uno", ["activity 1 'Uno': renamed from 'One' to 'Uno'"], {}),
    (
        (*FIRST, "experiences", 0, "share"),
        40,
        [
            f"{ONE}: share of 'A' is 40 % (buckets 0 to 40), was 30 % (buckets 0 to 30)",
            f"{ONE}: share of 'B' is 30 % (buckets 40 to 70), was 30 % (buckets 30 to 60)",
        ],
        {"mbox hero": (0.2, 0.0)},
    ),
    (
        (*FIRST, "experiences", 1, "share"),
        10,
        [f"{ONE}: share of 'B' is 10 % (buckets 30 to 40), was 30 % (buckets 30 to 60)"],
        {"mbox hero": (0.2, 0.0)},
    ),
    ((*FIRST, "experiences", 1), REMOVED, [f"{ONE}: experience 'B' removed"], {"mbox hero": (0.3, 0.0)}),
    (
        (*FIRST, "experiences", 2),
        html("z", name="Z", share=20),
        [f"{ONE}: experience 'Z' added"],
        {"mbox hero": (0.2, 0.0)},
    ),
    ((*FIRST, "experiences", 1, "name"), "Bee", [f"{ONE}: experience 'B' renamed to 'Bee'"], {}),
    (
        (*FIRST, "experiences", 1, "offer", "html"),
        "bb",
        [f"{ONE}: offer of 'B' is html 'bb', was html 'b'"],
        {"mbox hero": (0.0, 0.3)},
    ),
    (
        (*FIRST, "experiences", 1, "offer"),
        REMOVED,
        [f"{ONE}: offer of 'B' is default content, was html 'b'"],
        {"mbox hero": (0.0, 0.3)},
    ),
    (
        (*FIRST, "experiences", 1, "offer"),
        {"redirect": "/b"},
        [f"{ONE}: offer of 'B' is redirect '/b', was html 'b'"],
        {"mbox hero": (0.0, 0.3)},
    ),
    (
        (*FIRST, "audience"),
        FIREFOX,
        [f"{ONE}: audience: user.browserType is 'firefox' (was: every visitor)"],
        {"mbox hero": (0.3, 0.0)},
    ),
    ((*FIRST, "property"), "p1", [f"{ONE}: property is p1, was every property"], {"mbox hero": (0.3, 0.0)}),
    (
        (*FIRST, "locations"),
        ["hero", "footer"],
        ["artifact: local mbox 'footer' added", f"{ONE}: added to mbox footer"],
        {"mbox footer": (0.6, 0.0)},
    ),
    ((*SECOND, "locations"), ["target-global-mbox"], [f"{TWO}: removed from mbox hero"], {"mbox hero": (0.4, 0.0)}),
    (
        (*FIRST, "metrics"),
        [{"type": "click", "selector": "#a"}],
        [f"{ONE}: metrics of 'A': click on '#a' (was: none)", f"{ONE}: metrics of 'B': click on '#a' (was: none)"],
        {},
    ),
    (
        (*FIRST, "remote"),
        True,
        [f"{ONE}: now decided by the edge only"],
        {},
    ),
    (FIRST, REMOVED, [f"{ONE}: removed"], {"mbox hero": (0.6, 0.0)}),
    (
        ("activities", 4),
        {"id": 5, "name": "New", "locations": ["hero", "extra"], "views": ["v"], "experiences": [html("n")]},
        [
            "artifact: local mbox 'extra' added",
            "artifact: local view 'v' added",
            "activity 5 'New': added to mbox hero, mbox extra, view v",
        ],
        {"mbox extra": (1.0, 0.0), "view v": (1.0, 0.0)},
    ),
    (
        ("activities",),
        [ACTIVITIES["activities"][index] for index in (1, 0, 2, 3)],
        [f"mbox hero: the order of priority is {TWO}, {ONE} (was: {ONE}, {TWO})"],
        {"mbox hero": (0.6, 0.0)},
    ),
    (
        ("activities", 2, "experiences", 0, "offer", "json"),
        {"x": 2, "z": None},
        [
            f"{FLAGS}: offer of 'E': 'x' is 2, was 1",
            f"{FLAGS}: offer of 'E': key 'y' removed",
            f"{FLAGS}: offer of 'E': key 'z' added with null",
        ],
        {"mbox flags": (0.0, 1.0)},
    ),
    (
        ("activities", 2, "experiences", 0, "offer", "json"),
        [1],
        [f"""{FLAGS}: offer of 'E' is json [1], was json {{"x": 1, "y": [2]}}"""],
        {"mbox flags": (0.0, 1.0)},
    ),
    (
        ("activities", 3, "experiences", 0, "share"),
        60,
        [f"{PAGE}: share of 'F' is 60 % (buckets 0 to 60), was 40 % (buckets 0 to 40)"],
        {"mbox target-global-mbox": (0.2, 0.0), "view checkout": (0.2, 0.0)},
    ),
    (("activities", 3, "metrics"), [], [f"{PAGE}: metrics of 'F': none (was: click)"], {}),
    (
        ("activities", 1, "experiences", 0, "offer", "html"),
        "cc",
        [f"{TWO}: offer of 'C' is html 'cc', was html 'c'"],
        {"mbox hero": (0.0, 0.2), "mbox target-global-mbox": (0.0, 0.5)},
    ),
    (
        ("geo",),
        {"city": "Paris"},
        [
            "artifact: geoTargetingEnabled is true, was false",
            'artifact: geo is {"city": "Paris"}, was not set',
            "artifact: response token 'geo.city' added",
            "artifact: response token 'geo.country' added",
            "artifact: response token 'geo.state' added",
        ],
        {},
    ),
    (
        ("client",),
        "other",
        ["artifact: client code is 'other', was 'acmeclient', so all visitors are bucketed anew"],
        {"mbox hero": (0.74, 0.0), "mbox target-global-mbox": (0.74, 0.0), "view checkout": (0.48, 0.0)},
    ),
]


def effects(old: RuleSet, new: RuleSet, attributes: Any = None) -> Dict[str, LocationEffect]:
    return {f"{each.kind} {each.name}": each for each in ArtifactComparison(old, new, attributes, 3000).effects()}


@pytest.mark.parametrize(("place", "value", "texts", "shares"), CHANGES, ids=[row[2][0][:60] for row in CHANGES])
def test_a_change_is_described_with_the_affected_shares(
    place: Place, value: Any, texts: List[str], shares: Shares
) -> None:
    old, new = read_rules(ACTIVITIES), read_rules(with_value(ACTIVITIES, place, value))
    assert [str(change) for change in compare_rules(old, new)] == texts
    found = effects(old, new)
    assert set(found) == set(shares)
    for name, (experience, offer) in shares.items():
        effect = found[name]
        # The first experience also has bucket 0, so its share is 0.01 % larger.
        tolerance = 0.0002 if effect.method == "exact" else 0.03
        assert effect.other_experience == pytest.approx(experience, abs=tolerance)
        assert effect.other_offer == pytest.approx(offer, abs=tolerance)
    expected = "simulated" if place[-1] in ("audience", "property", "client") else "exact"
    assert {effect.method for effect in found.values()} <= {expected}


VISITORS = 300


def decisions(rules: RuleSet, attributes: VisitorAttributes) -> Dict[str, List[Any]]:
    """Return the activity, experience and content of each offer that the engine decides, by location and visitor."""
    context = attributes.context or Context(channel=ChannelType.WEB)
    names = list(rules.artifact.mboxes)
    request = DeliveryRequest.from_dict(
        {
            "context": context.to_dict(by_alias=True, exclude_none=True),
            "property": {"token": attributes.property_token} if attributes.property_token else None,
            "prefetch": {"mboxes": [{"index": 1, "name": name} for name in names], "views": [{}]},
        }
    )
    engine = EngineContext(rules.client, Log(logging.getLogger("tests")))
    found: Dict[str, List[Any]] = {}
    for number in range(VISITORS):
        decision_request = DecisionRequest(request, "s", simulated_id(number), UuidGenerator(), attributes.geo)
        prefetch = decide(rules.artifact, decision_request, engine).response.prefetch
        assert prefetch is not None
        triples: Dict[str, List[Any]] = {}
        for kind, parts in (("mbox", prefetch.mboxes), ("view", prefetch.views)):
            for part in parts or ():
                for option in part.options or ():
                    meta = option._rule_meta
                    content = json.dumps([option.type, option.content], sort_keys=True)
                    triple = (meta["activity.id"], meta["experience.name"], content)
                    triples.setdefault(f"{kind} {part.name}", []).append(triple)
        for name in {*triples, *(f"mbox {name}" for name in names), *(f"view {name}" for name in rules.artifact.views)}:
            found.setdefault(name, []).append(sorted(triples.get(name, [])))
    return found


def simulated_shares(old: RuleSet, new: RuleSet, attributes: VisitorAttributes) -> Dict[str, Tuple[float, float]]:
    """Return the affected shares, computed from the decisions of the engine."""
    before, after = decisions(old, attributes), decisions(new, attributes)
    shares = {}
    for name in {*before, *after}:
        pairs = list(zip(before.get(name, [[]] * VISITORS), after.get(name, [[]] * VISITORS)))
        experience = sum(
            [each[:2] for each in old_offers] != [each[:2] for each in new_offers] for old_offers, new_offers in pairs
        )
        whole = sum(old_offers != new_offers for old_offers, new_offers in pairs)
        shares[name] = (experience / VISITORS, (whole - experience) / VISITORS)
    return {name: each for name, each in shares.items() if any(each)}


#: The changes that neither rename an experience nor change an audience or a property.
COMPARABLE_CHANGES = [
    row for row in CHANGES if row[0][-1] not in ("audience", "property") and "renamed to" not in row[2][0]
]


@pytest.mark.parametrize(
    ("place", "value", "texts", "shares"), COMPARABLE_CHANGES, ids=[row[2][0][:60] for row in COMPARABLE_CHANGES]
)
def test_the_share_agrees_with_the_decisions_of_the_engine(
    place: Place, value: Any, texts: List[str], shares: Shares
) -> None:
    old, new = read_rules(ACTIVITIES), read_rules(with_value(ACTIVITIES, place, value))
    assert_agrees(old, new, VisitorAttributes(), effects(old, new))


def assert_agrees(old: RuleSet, new: RuleSet, attributes: VisitorAttributes, found: Dict[str, LocationEffect]) -> None:
    simulated = simulated_shares(old, new, attributes)
    assert set(simulated) == set(found)
    for name, observed_shares in simulated.items():
        for share, observed in zip(found[name][2:4], observed_shares):
            # Four standard deviations of the simulation in this test
            tolerance = 4 * math.sqrt(max(share * (1 - share), 1e-4) / VISITORS)
            assert abs(share - observed) <= tolerance, name


AUDIENCES = {
    "activities": [
        {"id": 1, "locations": ["hero"], "audience": FIREFOX, "experiences": [html("a", share=40), html("b", share=20)]},
        {"id": 2, "locations": ["hero"], "property": "p", "experiences": [html("c", share=80)]},
        {"id": 3, "locations": ["hero"], "views": ["v"], "audience": {"!": [FIREFOX]}, "experiences": [html("d")]},
    ]
}  # fmt: skip


@pytest.mark.parametrize("attributes", [VisitorAttributes(), IN_FIREFOX, IN_FIREFOX._replace(property_token="p")])
@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((*FIRST, "experiences", 0, "share"), 10),
        ((*FIRST, "audience"), True),
        ((*SECOND, "property"), "q"),
        ((*SECOND, "experiences", 0, "share"), 30),
        (("activities", 2, "audience"), None),
    ],
)
def test_the_share_is_exact_if_the_attributes_are_given(
    attributes: VisitorAttributes, place: Place, value: Any
) -> None:
    old, new = read_rules(AUDIENCES), read_rules(with_value(AUDIENCES, place, value))
    found = effects(old, new, attributes)
    assert {effect.method for effect in found.values()} <= {"exact"}
    assert_agrees(old, new, attributes, found)


def test_equal_artifacts_have_no_changes() -> None:
    rules = read_rules(AUDIENCES)
    comparison = ArtifactComparison(rules, read_rules(AUDIENCES))
    assert compare_rules(rules, rules) == []
    assert comparison.effects() == []
    assert list(comparison.visitor_changes(["a"])) == []


def test_a_file_of_activities_and_its_artifact_have_no_changes() -> None:
    activities = read_activities(ACTIVITIES)
    assert compare_rules(read_rules(ACTIVITIES), read_rules(build_artifact(activities))) == []


def artifact(*conditions: Any, names: str = "AB", **more: Any) -> Dict[str, Any]:
    """Return an artifact with one activity. Each experience has one of the conditions."""
    rules = [
        {
            "activityId": 7,
            "condition": condition,
            "meta": {"experience.id": index, "experience.name": name},
            "consequence": {"options": [{"type": "html", "content": name, "eventToken": "t"}]},
        }
        for index, (name, condition) in enumerate(zip(names, conditions))
    ]
    return {"version": "1.0.0", "rules": {"mboxes": {"hero": rules}}, **more}


BELOW_HALF = {"<=": [{"var": "allocation"}, 50]}


@pytest.mark.parametrize(
    ("old", "new", "texts"),
    [
        (
            artifact(BELOW_HALF),
            artifact(FIREFOX),
            [
                "activity 7: audience: user.browserType is 'firefox' (was: every visitor)",
                "activity 7: share of 'A' is 100 %, was 50 % (buckets 0 to 50)",
            ],
        ),
        (
            artifact(FIREFOX, True),
            artifact({"!": FIREFOX}, True),
            ["activity 7: audience of 'A': user.browserType is not 'firefox' (was: user.browserType is 'firefox')"],
        ),
        (
            artifact(True),
            artifact(True, version="1.0.1", globalMbox="g"),
            ["artifact: version is '1.0.1', was '1.0.0'", "artifact: globalMbox is 'g', was not set"],
        ),
        (artifact(True, meta={"environment": "a"}), artifact(True), ["artifact: environment is not set, was 'a'"]),
        (
            artifact(True, localMboxes=["a"]),
            artifact(True, remoteMboxes=["a"]),
            ["artifact: remote mbox 'a' added", "artifact: local mbox 'a' removed"],
        ),
        (
            artifact(FIREFOX, True, names="AA"),
            artifact(True, True, names="AA"),
            ["activity 7: audience of 'A': every visitor (was: user.browserType is 'firefox' or every visitor)"],
        ),
    ],
)
def test_changes_of_an_artifact_are_described(old: Any, new: Any, texts: List[str]) -> None:
    assert [str(change) for change in compare_rules(read_rules(old), read_rules(new))] == texts


def test_changed_event_tokens_are_described() -> None:
    old = artifact(True)
    new = with_value(old, ("rules", "mboxes", "hero", 0, "consequence", "options", 0, "eventToken"), "u")
    assert [str(change) for change in compare_rules(read_rules(old), read_rules(new))] == [
        "activity 7: event tokens changed"
    ]


def test_a_change_at_only_one_of_two_locations_is_described_with_its_location() -> None:
    old = artifact(BELOW_HALF)
    old["rules"]["mboxes"]["other"] = artifact(BELOW_HALF)["rules"]["mboxes"]["hero"]
    new = with_value(old, ("rules", "mboxes", "other", 0, "condition"), {"<=": [{"var": "allocation"}, 30]})
    assert [str(change) for change in compare_rules(read_rules(old), read_rules(new))] == [
        "activity 7: share of 'A' is 30 % (buckets 0 to 30), was 50 % (buckets 0 to 50) (at mbox other)"
    ]


@pytest.mark.parametrize(
    ("old", "new", "share"),
    [
        (BELOW_HALF, {"<": [{"var": "allocation"}, 50]}, 1 / 10000),
        ({"<": [0, {"var": "allocation"}]}, {"<=": [0, {"var": "allocation"}]}, 1 / 10000),
        ({"<=": [{"var": "allocation"}, 33.333]}, {"<=": [{"var": "allocation"}, 33.335]}, 0),
        ({"<=": [{"var": "allocation"}, 33.333]}, {"<=": [{"var": "allocation"}, 33.34]}, 1 / 10000),
        ({"<": [20, {"var": "allocation"}, 50]}, {"<": [20, {"var": "allocation"}, 60]}, 0.1),
        (True, BELOW_HALF, 0.4999),
    ],
)
def test_the_exact_share_counts_each_bucket(old: Any, new: Any, share: float) -> None:
    found = effects(read_rules(artifact(old)), read_rules(artifact(new)))
    assert found["mbox hero"].method == "exact" if share else not found
    if share:
        assert found["mbox hero"].other_experience == pytest.approx(share)


def test_a_condition_that_computes_with_the_bucket_is_simulated() -> None:
    even = {"==": [{"%": [{"var": "allocation"}, 2]}, 0]}
    found = effects(read_rules(artifact(even)), read_rules(artifact(False)))
    assert found["mbox hero"].method == "simulated"
    assert found["mbox hero"].other_experience == pytest.approx(0.005, abs=0.003)


def activities_at(count: int, location: str, share: float) -> Dict[str, Any]:
    return {
        "activities": [
            {"id": number + 1, "locations": [location], "experiences": [html("a", share=share), html("b", share=1)]}
            for number in range(count)
        ]
    }


def test_a_location_with_too_many_combinations_of_buckets_is_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("target_python_sdk.inspection.location_pair._MAX_COMBINATIONS", 20)
    found = effects(read_rules(activities_at(9, "hero", 10)), read_rules(activities_at(9, "hero", 11)))
    assert found["mbox hero"].method == "simulated"
    interval = found["mbox hero"].interval
    assert interval is not None
    assert interval.low <= found["mbox hero"].other_experience <= interval.high


def test_the_share_of_a_page_load_with_many_activities_is_exact() -> None:
    old, new = activities_at(40, "target-global-mbox", 10), activities_at(40, "target-global-mbox", 11)
    found = effects(read_rules(old), read_rules(new))["mbox target-global-mbox"]
    assert found.method == "exact"
    # The buckets from 10 to 11 change from B to A, and those from 11 to 12 from no experience to B.
    assert found.other_experience == pytest.approx(1 - 0.98**40)


def test_activities_of_a_view_that_share_a_key_are_compared_together() -> None:
    def view(share: int) -> Dict[str, Any]:
        rules = [
            {"activityId": id_, "ruleKey": "k", "condition": {"<=": [{"var": "allocation"}, share]}} for id_ in (1, 2)
        ]
        return {"version": "1.0.0", "rules": {"views": {"v": rules}}}

    found = effects(read_rules(view(50)), read_rules(view(40)))["view v"]
    assert found.method == "exact"
    # 10 % of the visitors lose activity 1. 50 % get it neither before nor after; 10 % of these lose activity 2.
    assert found.other_experience == pytest.approx(0.1 + 0.5 * 0.1, abs=0.001)


def test_drawn_attributes_cover_every_kind_of_value() -> None:
    audience = {
        "and": [
            {"in": [{"var": "geo.city"}, ["SANFRANCISCO"]]},
            {">": [{"var": "mbox.age"}, 18]},
            {"!": [{"missing": ["mbox.a.b", "mbox.a"]}]},
            {"<": [{"var": "current_time"}, "1200"]},
            {"<": [{"var": "current_day"}, 6]},
        ]
    }
    found = effects(read_rules(artifact(audience)), read_rules(artifact(False)))["mbox hero"]
    assert found.method == "simulated"
    # Half of the drawn visitors are in the city, and half come before noon. A quarter are aged 19, which is the only
    # number above 18 among the four values that are drawn for the age. Five of the seven days match.
    expected = 1 / 2 * 1 / 4 * 1 / 2 * 5 / 7
    assert found.other_experience == pytest.approx(expected, abs=0.01)


def test_the_progress_of_a_simulation_is_reported() -> None:
    steps: List[Tuple[int, int]] = []
    comparison = ArtifactComparison(read_rules(AUDIENCES), read_rules({"activities": []}), None, 150)
    comparison.effects(lambda done, total: steps.append((done, total)))
    assert steps == [(0, 150), (100, 150)]


def test_the_cluster_of_a_device_id_has_no_effect() -> None:
    new = with_value(ACTIVITIES, (*FIRST, "experiences", 0, "share"), 10)
    comparison = ArtifactComparison(read_rules(ACTIVITIES), read_rules(new))
    ids = list(map(simulated_id, range(200)))
    changes = list(comparison.visitor_changes(ids))
    assert changes
    assert [each._replace(visitor=f"{each.visitor}.35_0") for each in changes] == list(
        comparison.visitor_changes(f"{each}.35_0" for each in ids)
    )


def test_an_id_that_is_given_twice_is_compared_once() -> None:
    new = with_value(ACTIVITIES, (*FIRST, "experiences"), [html("n", name="N")])
    comparison = ArtifactComparison(read_rules(ACTIVITIES), read_rules(new))
    assert len(list(comparison.visitor_changes(["a", "a"]))) == len(list(comparison.visitor_changes(["a"]))) > 0


def in_city(city: str) -> Dict[str, Any]:
    """Return a file with an activity for Paris, and with ``city`` as the city of all visitors."""
    audience = {"==": [{"var": "geo.city"}, "PARIS"]}
    activity = {"id": 1, "locations": ["hero"], "audience": audience, "experiences": [html("a")]}
    return {"client": "acmeclient", "geo": {"city": city}, "activities": [activity]}


def test_visitors_have_the_geo_of_the_file() -> None:
    old, new = read_rules(in_city("PARIS")), read_rules(in_city("ROME"))
    (change,) = compare_rules(old, new)
    assert str(change) == 'artifact: geo is {"city": "ROME"}, was {"city": "PARIS"}'
    (effect,) = ArtifactComparison(old, new, VisitorAttributes()).effects()
    assert (effect.other_experience, effect.method) == (1.0, "exact")
    (visitor,) = ArtifactComparison(old, new).visitor_changes(["a"])
    assert visitor.after == "no offer"
    in_paris = VisitorAttributes(geo=Geo(city="PARIS"))
    assert ArtifactComparison(old, new, in_paris).effects() == []


def test_visitor_changes_have_the_experience_before_and_after() -> None:
    new = with_value(
        with_value(AUDIENCES, (*FIRST, "experiences", 0, "share"), 10), ("activities", 2, "experiences"), [html("e")]
    )
    comparison = ArtifactComparison(read_rules(AUDIENCES), read_rules(new), IN_FIREFOX)
    changes = list(comparison.visitor_changes(map(simulated_id, range(200))))
    assert {(each.before, each.after) for each in changes} == {
        ("Activity 1: A", "Activity 1: B"), ("Activity 1: A", "no offer"), ("Activity 1: B", "no offer")
    }  # fmt: skip
    others = ArtifactComparison(read_rules(AUDIENCES), read_rules(new)).visitor_changes(["a"])
    assert {(each.kind, each.name, each.before, each.after) for each in others} == {
        ("mbox", "hero", "Activity 3: A", "Activity 3: A (another offer)"),
        ("view", "v", "Activity 3: A", "Activity 3: A (another offer)"),
    }
