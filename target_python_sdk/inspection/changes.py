"""Describes the changes between two artifacts in words."""

import json
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from target_python_sdk.explain.structure import Share
from target_python_sdk.explain.wording import describe
from target_python_sdk.inspection.activity_rules import ActivityRules, Place, RuleFacts, activities_of
from target_python_sdk.inspection.source import RuleSet
from target_tools.error_text import MAX_QUOTED, shown
from target_tools.typing_compat import Json

_SETTINGS = ("version", "globalMbox", "geoTargetingEnabled")
_LISTS = {
    "responseTokens": "response token", "remoteMboxes": "remote mbox", "remoteViews": "remote view",
    "localMboxes": "local mbox", "localViews": "local view",
}  # fmt: skip
#: Describes one aspect of an activity's rules, such as the share.
_Describe = Callable[[Sequence[RuleFacts]], str]
#: Describes the changes between two lists of rules.
_DescribeChange = Callable[[Sequence[RuleFacts], Sequence[RuleFacts]], List[str]]


class Change(NamedTuple):
    """A change between two artifacts."""

    #: ``artifact``, ``mbox hero``, or an activity with its id and name.
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.text}"


def compare_rules(old: RuleSet, new: RuleSet) -> List[Change]:
    """Return the changes from ``old`` to ``new``: settings, activities, and priorities."""
    before, after = activities_of(old.artifact), activities_of(new.artifact)
    changes = [Change("artifact", text) for text in _settings(old, new)]
    changes += [Change(before[id_].label, "removed") for id_ in before if id_ not in after]
    changes += [Change(after[id_].label, f"added to {_places(after[id_])}") for id_ in after if id_ not in before]
    for id_, activity in after.items():
        if id_ in before:
            changes += [Change(activity.label, text) for text in _activity(before[id_], activity)]
    changes += _remote(old, new)
    changes += _priorities(before, after, old, new)
    return changes


def _settings(old: RuleSet, new: RuleSet) -> Iterator[str]:
    before, after = old.artifact.document(), new.artifact.document()
    if old.client != new.client:
        yield f"{_is_was('client code', new.client, old.client)}, so all visitors are bucketed anew"
    environments = [(each.get("meta") or {}).get("environment") for each in (after, before)]
    if environments[0] != environments[1]:
        yield _is_was("environment", *environments)
    for key in _SETTINGS:
        if before.get(key) != after.get(key):
            yield _is_was(key, after.get(key), before.get(key))
    if old.activities is not None and new.activities is not None and old.geo != new.geo:
        texts = [_json(dict(each.geo)) if each.geo else "not set" for each in (new, old)]
        yield f"geo is {texts[0]}, was {texts[1]}"
    for key, what in _LISTS.items():
        names, earlier = after.get(key) or [], before.get(key) or []
        yield from (f"{what} {name!r} added" for name in names if name not in earlier)
        yield from (f"{what} {name!r} removed" for name in earlier if name not in names)


def _is_was(what: str, after: object, before: object) -> str:
    return f"{what} is {_text(after)}, was {_text(before)}"


def _text(value: object) -> str:
    return "not set" if value is None else json.dumps(value) if isinstance(value, bool) else shown(value)


def _places(activity: ActivityRules) -> str:
    return ", ".join(f"{kind} {name}" for kind, name in activity.locations)


def _remote(old: RuleSet, new: RuleSet) -> Iterator[Change]:
    """Yield the activities of a file that become remote, and those that no longer are."""
    before = {each.id: each.is_remote for each in (old.activities.activities if old.activities else ())}
    for activity in new.activities.activities if new.activities else ():
        if before.get(activity.id, activity.is_remote) != activity.is_remote:
            text = "now decided by the edge only" if activity.is_remote else "now also decided on-device"
            yield Change(f"activity {activity.id} {activity.name!r}", text)


# One activity


def _activity(old: ActivityRules, new: ActivityRules) -> Iterator[str]:
    if old.name != new.name:
        yield f"renamed from {old.name!r} to {new.name!r}"
    yield from (f"added to {kind} {name}" for kind, name in new.locations if (kind, name) not in old.locations)
    yield from (f"removed from {kind} {name}" for kind, name in old.locations if (kind, name) not in new.locations)
    common = [place for place in new.locations if place in old.locations]
    names = matched_experiences(old, new)
    earlier, later = old.experiences(), new.experiences()
    yield from (f"experience {name!r} removed" for name in earlier if name not in names)
    yield from (f"experience {name!r} added" for name in later if name not in names.values())
    yield from (f"experience {name!r} renamed to {names[name]!r}" for name in names if name != names[name])
    pair = _Pair(old, new, common)
    yield from pair.common_change("audience", _audience, names)
    yield from pair.common_change("property", _properties, names)
    for name, new_name in names.items():
        yield from pair.by_place(name, new_name, partial(_change, f"share of {new_name!r}", _share))
        yield from pair.by_place(name, new_name, partial(_offer_change, new_name))
        yield from pair.by_place(name, new_name, partial(_change, f"metrics of {new_name!r}", _metrics))
    if _tokens(old) != _tokens(new) and _without_tokens(old) == _without_tokens(new):
        yield "event tokens changed"


def matched_experiences(old: ActivityRules, new: ActivityRules) -> Dict[str, str]:
    """Return the experiences that exist before and after the change: the old and the new name of each.

    An experience counts as renamed if its name is gone, but its id belongs to an experience with a new name.
    """
    earlier, later = old.experiences(), new.experiences()
    names = {name: name for name in earlier if name in later}
    renamed = {id_: name for name, id_ in later.items() if name not in earlier and id_ is not None}
    for name, id_ in earlier.items():
        if name not in names and id_ in renamed:
            names[name] = renamed[id_]
    return {name: names[name] for name in earlier if name in names}


class _Pair(NamedTuple):
    """An activity before and after the change, and the locations that it has in both."""

    old: ActivityRules
    new: ActivityRules
    places: List[Place]

    def by_place(self, name: str, new_name: str, describe_change: _DescribeChange) -> Iterator[str]:
        """Yield each change of an experience once. If it concerns only some locations, its text names them."""
        found: Dict[str, List[str]] = {}
        for place in self.places:
            rules = _rules_of(self.old.locations[place], name), _rules_of(self.new.locations[place], new_name)
            for text in describe_change(*rules):
                found.setdefault(text, []).append(" ".join(place))
        for text, own in found.items():
            yield text if len(own) == len(self.places) else f"{text} (at {', '.join(own)})"

    def common_change(self, what: str, words: _Describe, names: Mapping[str, str]) -> Iterator[str]:
        """Yield one change if the aspect is the same for all experiences, else the changes of each experience."""
        both = [[rule for place in self.places for rule in each.locations[place]] for each in (self.old, self.new)]
        if all(len({words([rule]) for rule in rules}) == 1 for rules in both):
            yield from _change(what, words, *both)
            return
        for name, new_name in names.items():
            yield from self.by_place(name, new_name, partial(_change, f"{what} of {new_name!r}", words))


def _rules_of(rules: Sequence[RuleFacts], experience: str) -> List[RuleFacts]:
    return [rule for rule in rules if rule.experience == experience]


def _change(what: str, words: _Describe, old: Sequence[RuleFacts], new: Sequence[RuleFacts]) -> List[str]:
    """Return the change of one aspect, if any."""
    before, after = words(old), words(new)
    if before == after:
        return []
    # Use a colon instead of "is", because descriptions of audiences contain "is", and "metrics" is a plural.
    has_colon = words in (_audience, _metrics)
    return [f"{what}: {after} (was: {before})" if has_colon else f"{what} is {after}, was {before}"]


def _joined(texts: Sequence[str], separator: str = " or ") -> str:
    return separator.join(dict.fromkeys(texts)) or "none"


def _audience(rules: Sequence[RuleFacts]) -> str:
    return _joined([describe(rule.audience) for rule in rules])


def _properties(rules: Sequence[RuleFacts]) -> str:
    return _joined(["every property" if each.properties is None else _joined(each.properties) for each in rules])


def _share(rules: Sequence[RuleFacts]) -> str:
    return _joined([_share_text(rule.share) for rule in rules])


def _share_text(share: Optional[Share]) -> str:
    if share is None:
        return "100 %"
    return f"{round(max(0.0, share.upper - share.lower), 6):g} % (buckets {share})"


def _metrics(rules: Sequence[RuleFacts]) -> str:
    metrics = (metric for rule in rules for metric in rule.metrics)
    return _joined([f"{type_} on {selector!r}" if selector else type_ for type_, selector in metrics], ", ")


def _tokens(activity: ActivityRules) -> List[Any]:
    return [rule.tokens for rule in activity.rules()]


def _without_tokens(activity: ActivityRules) -> List[Any]:
    return [rule._replace(tokens=()) for rule in activity.rules()]


# Offers


def _offer_change(experience: str, old: Sequence[RuleFacts], new: Sequence[RuleFacts]) -> List[str]:
    before, after = ([option for rule in rules for option in rule.options] for rules in (old, new))
    what = f"offer of {experience!r}"
    if before == after:
        return []
    if len(before) == len(after) == 1 and before[0][0] == after[0][0] == "json":
        (_, content), (_, new_content) = before[0], after[0]
        if isinstance(content, dict) and isinstance(new_content, dict):
            return [f"{what}: {text}" for text in _key_changes(content, new_content)]
    return [f"{what} is {_joined(list(map(_option, after)), ', ')}, was {_joined(list(map(_option, before)), ', ')}"]


def _key_changes(old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[str]:
    for key in {**old, **new}:
        if key not in new:
            yield f"key {key!r} removed"
        elif key not in old:
            yield f"key {key!r} added with {_json(new[key])}"
        elif old[key] != new[key]:
            yield f"{key!r} is {_json(new[key])}, was {_json(old[key])}"


def _option(option: Tuple[Optional[str], Json]) -> str:
    type_, content = option
    if content is None:
        return "default content" if type_ is None else f"{type_} without content"
    return f"{type_} {shown(content) if isinstance(content, str) else _json(content)}"


def _json(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}..."


# Priorities


def _priorities(
    before: Mapping[str, ActivityRules], after: Mapping[str, ActivityRules], old: RuleSet, new: RuleSet
) -> Iterator[Change]:
    """Yield the locations at which the activities that are in both artifacts change their order."""
    orders = [_orders(each) for each in (old, new)]
    for place, order in orders[1].items():
        earlier = [id_ for id_ in orders[0].get(place, ()) if id_ in order]
        later = [id_ for id_ in order if id_ in earlier]
        if earlier != later:
            texts = [
                ", ".join(activities[id_].label for id_ in ids)
                for activities, ids in ((after, later), (before, earlier))
            ]
            yield Change(f"{place[0]} {place[1]}", f"the order of priority is {texts[0]} (was: {texts[1]})")


def _orders(rules: RuleSet) -> Dict[Place, List[str]]:
    """Return the ids of the activities of each location, in order of priority."""
    parts = (("mbox", rules.artifact.mboxes), ("view", rules.artifact.views))
    return {
        (kind, name): list(dict.fromkeys(str(rule.activity.id) for rule in own))
        for kind, locations in parts
        for name, own in locations.items()
    }
