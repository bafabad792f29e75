"""Measures how simulated visitors split among the experiences of each activity.

>>> rules = read_rules("activities.json")
>>> split = measure_split(rules.artifact, 10000)
>>> split.locations[0].activities[0].experiences[0]
ExperienceSplit(name='A', expected=0.5, visitors=5012, share=0.5012, interval=Interval(low=0.4914, high=0.511))
"""

import math
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.rule import CompiledRule
from target_python_sdk.explain.structure import split_share
from target_python_sdk.inspection.traffic import Location, Traffic, VisitorAttributes
from target_tools.hashing import HashSuffix
from target_tools.typing_compat import JsonObject

#: The default number of simulated visitors.
VISITORS = 10000
#: 95 % of a normal distribution are within this number of standard deviations of its mean.
_DEVIATIONS = 1.959964
#: The number of visitors between two reports of the progress.
_STEP = 100

#: Called with the number of visitors so far and their total number. If it raises an exception, the simulation ends.
Progress = Callable[[int, int], object]


class Interval(NamedTuple):
    """A confidence interval of a share, from 0 to 1."""

    low: float
    high: float


class ExperienceSplit(NamedTuple):
    """The visitors of one experience."""

    name: str
    #: The share in the rules, from 0 to 1; None if the visitors are not in the audience or the property.
    expected: Optional[float]
    #: The number of visitors who get the experience.
    visitors: int
    #: The measured share of the visitors who reach the activity, and its 95 % confidence interval.
    share: float
    interval: Interval

    @property
    def is_as_expected(self) -> bool:
        """Whether the share in the rules is in the confidence interval. True if ``expected`` is None."""
        return self.expected is None or self.interval.low <= self.expected <= self.interval.high


class ActivitySplit(NamedTuple):
    """The visitors of one activity at one location."""

    id: Any
    name: str
    #: The number of visitors who get no experience of an activity with a higher priority.
    reached: int
    experiences: Tuple[ExperienceSplit, ...]


class LocationSplit(NamedTuple):
    """The visitors of one location."""

    #: ``mbox`` or ``view``.
    kind: str
    name: str
    activities: Tuple[ActivitySplit, ...]
    #: The number of visitors who get no experience, their share, and its 95 % confidence interval.
    without_offer: int
    share_without_offer: float
    interval_without_offer: Interval


class TrafficSplit(NamedTuple):
    """The result of a simulation."""

    visitors: int
    locations: Tuple[LocationSplit, ...]

    def to_dict(self) -> JsonObject:
        """Return the result as JSON."""
        return {
            "visitors": self.visitors,
            "locations": [
                {
                    "kind": location.kind,
                    "name": location.name,
                    "activities": [_activity_as_json(activity) for activity in location.activities],
                    "withoutOffer": {
                        "visitors": location.without_offer,
                        "share": location.share_without_offer,
                        "interval": list(location.interval_without_offer),
                    },
                }
                for location in self.locations
            ],
        }


def _activity_as_json(activity: ActivitySplit) -> JsonObject:
    experiences = [{**each._asdict(), "interval": list(each.interval)} for each in activity.experiences]
    return {"id": activity.id, "name": activity.name, "reached": activity.reached, "experiences": experiences}


def wilson_interval(count: int, total: int) -> Interval:
    """Return the 95 % confidence interval of the share ``count`` of ``total``, computed by Wilson's method."""
    if not total:
        return Interval(0.0, 1.0)
    z2, share = _DEVIATIONS**2, count / total
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _DEVIATIONS / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    # If ``count`` is 0 or ``total``, one limit is exactly 0 or 1. Floating-point arithmetic would not be exact.
    return Interval(0.0 if count == 0 else middle - half, 1.0 if count == total else middle + half)


def measure_split(
    artifact: Artifact,
    visitors: int = VISITORS,
    attributes: Optional[VisitorAttributes] = None,
    *,
    all_audiences: bool = False,
    progress: Optional[Progress] = None,
) -> TrafficSplit:
    """Send visitors with different ids through all locations and count their experiences.

    The ids are always the same, so a repeated simulation has the same result.

    :param attributes: The attributes of the visitors, which audiences read.
    :param all_audiences: Whether every audience and property counts as matching.
    :param progress: Called at the start, after every 100 visitors, and at the end.
    """
    simulation = Simulation(artifact, attributes, all_audiences=all_audiences)
    while simulation.visitors < visitors:
        if progress is not None:
            progress(simulation.visitors, visitors)
        simulation.send(min(_STEP, visitors - simulation.visitors))
    if progress is not None:
        progress(visitors, visitors)
    return simulation.result()


class Simulation:
    """Sends visitors through all locations step by step. See :func:`measure_split` for the parameters."""

    def __init__(
        self, artifact: Artifact, attributes: Optional[VisitorAttributes] = None, *, all_audiences: bool = False
    ) -> None:
        #: The number of visitors so far.
        self.visitors = 0
        self._traffic = Traffic(artifact, attributes or VisitorAttributes(), all_audiences=all_audiences)
        self._counts = [_LocationCounts(location) for location in self._traffic.locations]

    def send(self, visitors: int) -> None:
        """Send more visitors."""
        for number in range(self.visitors, self.visitors + visitors):
            buckets = VisitorBuckets(simulated_id(number))
            for counts in self._counts:
                counts.count(buckets)
        self.visitors += visitors

    def result(self) -> TrafficSplit:
        """Return the split of the visitors so far."""
        return TrafficSplit(self.visitors, tuple(each.result(self.visitors, self._traffic) for each in self._counts))


def simulated_id(number: int) -> str:
    """Return the id of a simulated visitor."""
    return f"visitor-{number + 1}"


class VisitorBuckets(Dict[Any, float]):
    """The buckets of a visitor by activity id, computed when they are first read."""

    __slots__ = ("_suffix",)

    def __init__(self, visitor: str) -> None:
        self._suffix = HashSuffix(visitor + ".0")

    def of(self, rule: CompiledRule) -> float:
        """Return the bucket in the activity of ``rule``."""
        activity = rule.activity
        bucket = self.get(activity.id)
        if bucket is None:
            bucket = self[activity.id] = self._suffix.bucket(activity.hash_prefix)
        return bucket


def experience_name(rule: CompiledRule) -> str:
    """Return the name of the experience of ``rule``, or its id."""
    meta = rule.meta
    return str(meta.get("experience.name") or meta.get("experience.id", 0))


def activity_name(rule: CompiledRule) -> str:
    """Return the name of the activity of ``rule``, or its id."""
    return str(rule.meta.get("activity.name") or rule.activity.id)


class _LocationCounts:
    """Counts the visitors of one location."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._rules = [(each, each.rule.activity.id, experience_name(each.rule)) for each in location.rules]
        #: The number of visitors who reach each activity, by its id, in the order of the activities' first rules.
        self._reached: Dict[Any, int] = {id_: 0 for _, id_, _ in self._rules}
        self._visitors: Dict[Tuple[Any, str], int] = {(id_, name): 0 for _, id_, name in self._rules}
        self._without_offer = 0

    def count(self, buckets: VisitorBuckets) -> None:
        """Count a visitor."""
        decided: Set[Any] = set()
        reached: Set[Any] = set()
        for rule, activity, name in self._rules:
            if rule.rule.key in decided:
                continue
            reached.add(activity)
            if rule.matches(buckets.of(rule.rule)):
                self._visitors[activity, name] += 1
                decided.add(rule.rule.key)
                if not self._location.shows_all:
                    break
        for activity in reached:
            self._reached[activity] += 1
        if not decided:
            self._without_offer += 1

    def result(self, visitors: int, traffic: Traffic) -> LocationSplit:
        """Return the split at this location. ``visitors`` is the number of all visitors."""
        rules: Dict[Any, List[CompiledRule]] = {}
        for each in self._location.rules:
            rules.setdefault(each.rule.activity.id, []).append(each.rule)
        activities = tuple(self._activity(own, traffic) for own in rules.values())
        without = self._without_offer
        share = without / visitors if visitors else 0.0
        return LocationSplit(
            self._location.kind, self._location.name, activities, without, share, wilson_interval(without, visitors)
        )

    def _activity(self, rules: Sequence[CompiledRule], traffic: Traffic) -> ActivitySplit:
        activity = rules[0].activity.id
        reached = self._reached[activity]
        experiences = []
        for name in dict.fromkeys(map(experience_name, rules)):
            visitors = self._visitors[activity, name]
            expected = _expected([rule for rule in rules if experience_name(rule) == name], traffic)
            share = visitors / reached if reached else 0.0
            experiences.append(ExperienceSplit(name, expected, visitors, share, wilson_interval(visitors, reached)))
        return ActivitySplit(activity, activity_name(rules[0]), reached, tuple(experiences))


def _expected(rules: Sequence[CompiledRule], traffic: Traffic) -> Optional[float]:
    """Return the sum of the shares of ``rules``, from 0 to 1, without rules whose audience does not match.

    Returns None if no audience matches.
    """
    shares = [split_share(rule.document.get("condition")).share for rule in rules if traffic.audience_matches(rule)]
    if not shares:
        return None
    return min(1.0, sum(1.0 if share is None else max(0.0, share.upper - share.lower) / 100 for share in shares))
