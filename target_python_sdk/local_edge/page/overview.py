"""Describes the content of an edge for the page: activities with locations, audiences, experiences and offers.

The description is built from the rules, so rule artifacts and files of activities are described in the same way.
"""

import json
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from target_python_sdk.decisioning.rule import CompiledRule
from target_python_sdk.explain.structure import split_share
from target_python_sdk.explain.wording import describe
from target_python_sdk.local_edge.artifact_builder import NO_CONTENT
from target_python_sdk.local_edge.content import EdgeContent
from target_python_sdk.local_edge.validation import Json, JsonValue

#: The maximum number of activities that the page shows.
MAX_ACTIVITIES = 500
#: The maximum number of characters of an offer that the page shows.
MAX_OFFER = 10_000


class _LocatedRule(NamedTuple):
    """A rule at one of its locations; ``kind`` is ``mbox`` or ``view``."""

    kind: str
    location: str
    rule: CompiledRule


def describe_content(content: EdgeContent) -> Json:
    """Return the overview as JSON."""
    by_activity: Dict[Any, List[_LocatedRule]] = {}
    for located in _located_rules(content):
        by_activity.setdefault(located.rule.activity.id, []).append(located)
    activities = () if content.activities is None else content.activities.activities
    remote = {activity.id for activity in activities if activity.is_remote}
    # A file of activities is in order of priority. The rules of an artifact are grouped by location, so the activities
    # of an artifact are shown in the order in which they first occur.
    ordered = [activity.id for activity in activities if activity.id in by_activity] or list(by_activity)
    return {
        "client": content.client,
        "total": len(ordered),
        "activities": [
            _activity(number, by_activity[number], is_remote=number in remote) for number in ordered[:MAX_ACTIVITIES]
        ],
    }


def _located_rules(content: EdgeContent) -> Iterator[_LocatedRule]:
    for kind, locations in (("mbox", content.artifact.mboxes), ("view", content.artifact.views)):
        for name, rules in locations.items():
            for rule in rules:
                yield _LocatedRule(kind, name, rule)


def _activity(number: JsonValue, located: List[_LocatedRule], *, is_remote: bool) -> Json:
    experiences: Dict[Tuple[str, str], List[_LocatedRule]] = {}
    for each in located:
        experiences.setdefault(_experience_key(each.rule), []).append(each)
    described = [_experience(name, rules) for (_, name), rules in experiences.items()]
    audiences = {each["audience"] for each in described}
    first = located[0].rule
    return {
        "id": str(number),
        "name": str(first.meta.get("activity.name") or f"Activity {number}"),
        "remote": is_remote,
        "locations": [{"kind": kind, "name": name} for kind, name in dict.fromkeys(each[:2] for each in located)],
        "properties": sorted(first.property_tokens or ()),
        "clicks": len([metric for metric in first.metrics if metric.get("type") == "click"]),
        # None if the experiences have different audiences.
        "audience": audiences.pop() if len(audiences) == 1 else None,
        "experiences": described,
    }


def _experience_key(rule: CompiledRule) -> Tuple[str, str]:
    number = str(rule.meta.get("experience.id"))
    return number, str(rule.meta.get("experience.name") or number)


def _experience(name: str, located: List[_LocatedRule]) -> Json:
    share, _, audience = split_share(located[0].rule.document.get("condition"))
    offers: Dict[Tuple[str, str], List[str]] = {}
    for each in located:
        for option in each.rule.document["consequence"].get("options") or ():
            if option.get("content") != NO_CONTENT:
                key = str(option.get("type")), offer_source(option.get("content"))
                offers.setdefault(key, []).append(each.location)
    return {
        "name": name,
        "audience": describe(audience),
        **({"lower": None, "upper": None} if share is None else share._asdict()),
        "offers": [
            {"type": kind, "content": content, "locations": list(dict.fromkeys(locations))}
            for (kind, content), locations in offers.items()
        ],
    }


def offer_source(content: JsonValue) -> str:
    """Return the content of an offer as text, shortened if it is very long."""
    text = content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False)
    return text if len(text) <= MAX_OFFER else text[:MAX_OFFER] + "…"
