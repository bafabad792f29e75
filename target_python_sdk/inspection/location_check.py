"""Finds mistakes in the rules of a location: empty and overlapping ranges, gaps between ranges, unreachable rules."""

import json
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from target_python_sdk.decisioning.audience_check import Finding
from target_python_sdk.explain.structure import Share
from target_tools.typing_compat import Json

_ALL_BUCKETS = Share(0.0, 100.0)


class PlacedRule(NamedTuple):
    """A rule of a location, with its place in the document."""

    place: str
    activity: Any
    #: The rule key. A page load or a view shows at most one rule of each key.
    key: Any
    #: None if the condition does not depend on the bucket.
    share: Optional[Share]
    #: The condition without the share; True for all visitors.
    audience: Json
    #: The properties that the rule is limited to; None means all.
    properties: Optional[Tuple[str, ...]] = None

    @property
    def group(self) -> str:
        """The audience and the properties as text. Rules of one group differ only in their shares and experiences."""
        return json.dumps([self.audience, self.properties], sort_keys=True, default=str)

    @property
    def buckets(self) -> Share:
        """The buckets that the rule includes."""
        return _ALL_BUCKETS if self.share is None else self.share


def check_location(rules: Sequence[PlacedRule], *, shows_all: bool) -> Iterator[Finding]:
    """Yield the mistakes in the rules of one location.

    :param shows_all: Whether the location shows the offers of all matching activities.
    """
    activities: Dict[Any, List[PlacedRule]] = {}
    for rule in rules:
        activities.setdefault((rule.activity, rule.key), []).append(rule)
        if rule.share is not None and not rule.share.lower < rule.share.upper:
            yield Finding(rule.place, f"the range {rule.share} is empty: no visitor gets this experience")
    for own in activities.values():
        yield from _check_ranges(own)
    if not shows_all:
        yield from _unreachable(list(activities.values()))


def _check_ranges(rules: Sequence[PlacedRule]) -> Iterator[Finding]:
    """Yield the overlaps of an activity's ranges, and the gaps below them."""
    groups: Dict[str, List[PlacedRule]] = {}
    for rule in rules:
        if rule.buckets.lower < rule.buckets.upper:
            groups.setdefault(rule.group, []).append(rule)
    for group in groups.values():
        upper, above = 0.0, ""
        for rule in sorted(group, key=lambda rule: rule.buckets):
            lower = rule.buckets.lower
            if above and lower < upper:
                both = Share(lower, min(upper, rule.buckets.upper))
                problem = f"the range {rule.buckets} overlaps with that of {above}: the buckets {both} are in both"
                if rule.share is None:
                    problem = f"this experience has the same visitors as {above}"
                yield Finding(rule.place, problem)
            elif lower > upper:
                yield Finding(rule.place, f"no experience has the buckets {Share(upper, lower)}, below this range")
            if rule.buckets.upper > upper or not above:
                upper, above = rule.buckets.upper, rule.place


def _unreachable(activities: Sequence[Sequence[PlacedRule]]) -> Iterator[Finding]:
    """Yield a finding for each activity that is preceded by one that gives every visitor an experience."""
    covering: List[PlacedRule] = []  # one rule of each activity that gives every visitor an experience
    for own in activities:
        for earlier in covering:
            if earlier.properties in (None, own[0].properties):
                yield Finding(
                    own[0].place, f"unreachable: every visitor already gets an experience from {earlier.place}"
                )
                break
        everyone = [rule for rule in own if rule.audience is True]
        for rule in everyone:
            if _covers_all([other.buckets for other in everyone if other.properties == rule.properties]):
                covering.append(rule)
                break


def _covers_all(shares: Sequence[Share]) -> bool:
    upper = 0.0
    for share in sorted(shares):
        if share.lower > upper:
            return False
        upper = max(upper, share.upper)
    return upper >= 100
