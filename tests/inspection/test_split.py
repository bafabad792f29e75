"""The split of simulated visitors agrees with the engine. Its intervals agree with the literature."""

import logging
from collections import Counter
from typing import Any, Dict, List, Tuple
from typing import Counter as CounterType

import pytest

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.engine import DecisionRequest, EngineContext, decide
from target_python_sdk.inspection.source import read_rules
from target_python_sdk.inspection.split import (
    ExperienceSplit,
    LocationSplit,
    TrafficSplit,
    measure_split,
    simulated_id,
    wilson_interval,
)
from target_python_sdk.inspection.traffic import VisitorAttributes
from target_python_sdk.types import ChannelType, Context, DeliveryRequest, Geo
from target_tools.logger import Log
from target_tools.uuids import UuidGenerator

VISITORS = 400
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0"
IS_FIREFOX = {"==": [{"var": "user.browserType"}, "firefox"]}


def offer(html: str, **more: object) -> Dict[str, Any]:
    """Return an experience with an HTML offer."""
    return {"offer": {"html": html}, **more}


#: Activities with and without an audience, a property and ``remote``. All of them are in the mbox ``m``.
ACTIVITIES: Dict[str, Any] = {
    "client": "acmeclient",
    "activities": [
        {
            "id": 1,
            "name": "Firefox",
            "locations": ["m", "target-global-mbox"],
            "audience": IS_FIREFOX,
            "experiences": [offer("a", share=30), offer("b", share=20)],
        },
        {
            "id": 2,
            "name": "Gold",
            "locations": ["m"],
            "views": ["v"],
            "audience": {"==": [{"var": "mbox.member"}, "gold"]},
            "experiences": [offer("c", share=60), {"share": 10}],
        },
        {
            "id": 3,
            "name": "Shop",
            "locations": ["m", "target-global-mbox"],
            "property": "shop",
            "experiences": [offer("d", share=80)],
        },
        {
            "id": 4,
            "name": "Paris",
            "locations": ["m"],
            "views": ["v"],
            "remote": True,
            "audience": {"==": [{"var": "geo.city"}, "PARIS"]},
            "experiences": [offer("e"), offer("f")],
        },
    ],
}
ATTRIBUTES = [
    VisitorAttributes(),
    VisitorAttributes(Context(channel=ChannelType.WEB, user_agent=FIREFOX), {"member": "gold"}),
    VisitorAttributes(None, {"member": "gold"}, "shop", Geo(city="Paris")),
    VisitorAttributes(Context(channel=ChannelType.WEB, user_agent=FIREFOX), {}, "shop"),
]
Counts = Dict[Tuple[str, str], CounterType[Tuple[str, str]]]


def count_decisions(artifact: Artifact, attributes: VisitorAttributes) -> Counts:
    """Return the number of visitors for whom the engine chooses each experience, by location."""
    counts: Counts = {}
    context = attributes.context or Context(channel=ChannelType.WEB)
    details = {"parameters": dict(attributes.parameters)}
    request = DeliveryRequest.from_dict({
        "context": context.to_dict(by_alias=True, exclude_none=True),
        "property": {"token": attributes.property_token} if attributes.property_token else None,
        "prefetch": {
            "mboxes": [{"index": 1, "name": "m", **details}],
            "views": [{"name": "v", **details}],
            "pageLoad": details,
        },
    })  # fmt: skip
    engine = EngineContext("acmeclient", Log(logging.getLogger("tests")))
    for number in range(VISITORS):
        decision_request = DecisionRequest(request, "s", simulated_id(number), UuidGenerator(), attributes.geo)
        prefetch = decide(artifact, decision_request, engine).response.prefetch
        assert prefetch is not None
        parts: Dict[Tuple[str, str], List[Any]] = {
            ("mbox", "m"): list(prefetch.mboxes or ()),
            ("view", "v"): list(prefetch.views or ()),
            ("mbox", "target-global-mbox"): [prefetch.page_load],
        }
        for place, found in parts.items():
            metas = [option._rule_meta for part in found for option in part.options or ()]
            names = [(each["activity.name"], each["experience.name"]) for each in metas]
            counts.setdefault(place, Counter()).update(names or [("", "")])
    return counts


def counts_of_split(split: TrafficSplit) -> Counts:
    """Return the numbers of a split in the form of ``count_decisions``."""
    counts: Counts = {}
    for location in split.locations:
        counter: CounterType[Tuple[str, str]] = Counter({("", ""): location.without_offer})
        for activity in location.activities:
            counter.update({(activity.name, each.name): each.visitors for each in activity.experiences})
        counts[location.kind, location.name] = +counter
    return counts


@pytest.mark.parametrize("attributes", ATTRIBUTES)
def test_the_split_agrees_with_the_decisions(attributes: VisitorAttributes) -> None:
    artifact = read_rules(ACTIVITIES).artifact
    assert counts_of_split(measure_split(artifact, VISITORS, attributes)) == count_decisions(artifact, attributes)


def location(split: TrafficSplit, name: str) -> LocationSplit:
    """Return a location of the split."""
    return next(each for each in split.locations if each.name == name)


def test_each_activity_is_compared_with_the_visitors_who_reach_it() -> None:
    firefox, gold, shop, paris = location(
        measure_split(read_rules(ACTIVITIES).artifact, 5000, ATTRIBUTES[2]), "m"
    ).activities
    assert [each.expected for each in firefox.experiences] == [None, None]
    assert (firefox.reached, gold.reached) == (5000, 5000)
    assert [each.expected for each in gold.experiences] == [0.6, pytest.approx(0.1)]
    assert shop.reached == 5000 - sum(each.visitors for each in gold.experiences)
    assert [each.expected for each in shop.experiences] == [0.8]
    assert paris.reached == shop.reached - shop.experiences[0].visitors
    assert all(each.is_as_expected for activity in (firefox, gold, shop) for each in activity.experiences)


def test_with_all_audiences_every_audience_and_property_matches() -> None:
    split = measure_split(read_rules(ACTIVITIES).artifact, 100, all_audiences=True)
    expected_shares = [each.expected for activity in location(split, "m").activities for each in activity.experiences]
    assert expected_shares == [0.3, pytest.approx(0.2), 0.6, pytest.approx(0.1), 0.8, 0.5, 0.5]
    assert location(split, "m").activities[0].experiences[0].visitors > 0


def test_a_rule_that_does_not_read_the_bucket_has_a_share_of_100_percent() -> None:
    rule = {"activityId": 7, "condition": True, "consequence": {"options": [{"type": "html", "content": "a"}]}}
    artifact = read_rules({"version": "1.0.0", "rules": {"mboxes": {"m": [rule]}}}).artifact
    (only,) = measure_split(artifact, 10).locations
    assert only.without_offer == 0
    assert only.activities[0].name == "7"
    assert only.activities[0].experiences[0][:3] == ("0", 1.0, 10)


@pytest.mark.slow
def test_a_rule_that_exceeds_its_limits_does_not_match() -> None:
    items = {"map": [list(range(2000)), {"map": [list(range(2000)), 1]}]}
    rule = {"activityId": 7, "condition": {"and": [{"var": "allocation"}, items]}}
    artifact = read_rules({"version": "1.0.0", "rules": {"views": {"v": [rule]}}}).artifact
    (only,) = measure_split(artifact, 3).locations
    assert only.without_offer == 3


def test_the_progress_is_reported() -> None:
    steps: List[Tuple[int, int]] = []
    measure_split(read_rules(ACTIVITIES).artifact, 250, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(0, 250), (100, 250), (200, 250), (250, 250)]


def test_to_dict_returns_json() -> None:
    activities = {"activities": [{"id": 1, "locations": ["m"], "experiences": [offer("a", share=0.0001)]}]}
    assert measure_split(read_rules(activities).artifact, 1).to_dict() == {
        "visitors": 1,
        "locations": [
            {
                "kind": "mbox",
                "name": "m",
                "activities": [
                    {
                        "id": 1,
                        "name": "Activity 1",
                        "reached": 1,
                        "experiences": [
                            {
                                "name": "A",
                                "expected": pytest.approx(0.000001),
                                "visitors": 0,
                                "share": 0.0,
                                "interval": [0.0, pytest.approx(0.793450, abs=1e-6)],
                            }
                        ],
                    }
                ],
                "withoutOffer": {"visitors": 1, "share": 1.0, "interval": [pytest.approx(0.206550, abs=1e-6), 1.0]},
            }
        ],
    }


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    # Newcombe, Two-sided confidence intervals for the single proportion, Statistics in Medicine 17 (1998), table I
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_intervals_are_those_of_the_literature(count: int, total: int, low: float, high: float) -> None:
    assert wilson_interval(count, total) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_the_interval_of_no_visitors_is_0_to_1() -> None:
    assert wilson_interval(0, 0) == (0, 1)
    assert ExperienceSplit("A", 0.7, 0, 0.0, wilson_interval(0, 0)).is_as_expected
