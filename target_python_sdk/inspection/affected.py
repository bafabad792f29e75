"""Computes the share of visitors whom the change between two artifacts affects.

If audiences and properties make no difference at a location, the share follows from the ranges of the experiences, so
it is exact. The same holds if the attributes of the visitors are given. Otherwise visitors are simulated, whose
attributes are drawn from the values that the audiences name.
"""

import json
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence

from target_python_sdk.inspection.activity_rules import Place, activities_of, content_of
from target_python_sdk.inspection.changes import matched_experiences
from target_python_sdk.inspection.location_pair import (
    LocationDecider,
    LocationPair,
    Shown,
    contents_of,
    experiences_of,
    label_of,
)
from target_python_sdk.inspection.source import RuleSet
from target_python_sdk.inspection.split import (
    VISITORS,
    Interval,
    Progress,
    VisitorBuckets,
    activity_name,
    experience_name,
    simulated_id,
    wilson_interval,
)
from target_python_sdk.inspection.traffic import Location, Traffic, VisitorAttributes

#: The progress is reported after this many visitors.
_STEP = 100


class LocationEffect(NamedTuple):
    """The visitors affected at one location."""

    kind: str
    name: str
    #: The share of visitors who get another experience, or none any more; from 0 to 1.
    other_experience: float
    #: The share of visitors who keep their experience, whose offer has changed.
    other_offer: float
    #: ``exact``, or ``simulated``.
    method: str
    #: The 95 % confidence interval of ``other_experience`` if it is simulated.
    interval: Optional[Interval] = None


class VisitorChange(NamedTuple):
    """The effect for one visitor at one location."""

    visitor: str
    kind: str
    name: str
    before: str
    after: str


class ArtifactComparison:
    """The effects of replacing the rules ``old`` by ``new``.

    :param attributes: The attributes of the visitors. Without them, they are drawn.
    :param visitors: The number of visitors of a simulation.
    """

    def __init__(
        self, old: RuleSet, new: RuleSet, attributes: Optional[VisitorAttributes] = None, visitors: int = VISITORS
    ) -> None:
        self._attributes = attributes
        self._visitors = visitors
        self._same_client = old.client == new.client
        given = attributes or VisitorAttributes()
        own = old.attributes(given), new.attributes(given)
        self._same_attributes = own[0] == own[1]
        self._traffic = Traffic(old.artifact, own[0]), Traffic(new.artifact, own[1])
        before, after = activities_of(old.artifact), activities_of(new.artifact)
        self._renamed = {
            id_: matched_experiences(before[id_], after[id_]) for id_ in before if id_ in after
        }  # fmt: skip
        by_place: List[Dict[Place, Location]] = [
            {(each.kind, each.name): each for each in traffic.locations} for traffic in self._traffic
        ]
        #: The locations before and after.
        self._locations: Dict[Place, LocationPair] = {}
        for place in dict.fromkeys([*by_place[0], *by_place[1]]):
            empty = Location(*place, shows_all=place[0] == "view", rules=[])
            pair = [self._decider(each.get(place, empty), index == 0) for index, each in enumerate(by_place)]
            self._locations[place] = LocationPair(place, pair[0], pair[1])

    def _decider(self, location: Location, is_old: bool) -> "LocationDecider":
        rules = []
        for each in location.rules:
            rule = each.rule
            name = experience_name(rule)
            matched = self._renamed.get(str(rule.activity.id), {}).get(name, name) if is_old else name
            content = json.dumps(content_of(rule), sort_keys=True)
            label = f"{activity_name(rule)}: {name}"
            rules.append((each, Shown(rule.activity.id, matched, content, label)))
        return LocationDecider(rules, location.shows_all)

    def effects(self, progress: Optional[Progress] = None) -> List[LocationEffect]:
        """Return the effects at all locations with affected visitors."""
        found: Dict[Place, LocationEffect] = {}
        simulated = []
        for place, pair in self._locations.items():
            if not pair.differs() and self._same_client and (self._attributes is None or self._same_attributes):
                continue
            effect = self._exact(pair)
            if effect is None:
                simulated.append(pair)
            else:
                found[place] = effect
        for effect in self._simulate(simulated, progress):
            found[effect.kind, effect.name] = effect
        effects = [found[place] for place in self._locations if place in found]
        return [each for each in effects if each.other_experience or each.other_offer]

    def has_audiences(self) -> bool:
        """Return whether an audience or a property matters at a location."""
        return any(pair.depends_on_attributes() for pair in self._locations.values())

    def _exact(self, pair: "LocationPair") -> Optional[LocationEffect]:
        """Return the effect as the ranges give it; None if audiences or properties matter."""
        if not self._same_client or (self._attributes is None and pair.depends_on_attributes()):
            return None
        if pair.reads_bucket_in_audience():
            return None
        same_experience = same = 1.0
        for part in pair.independent_parts():
            shares = part.exact_shares()
            if shares is None:
                return None
            same_experience *= shares[0]
            same *= shares[1]
        other = _without_noise(1 - same_experience)
        return LocationEffect(*pair.place, other, _without_noise(same_experience - same), "exact")

    def _simulate(self, pairs: Sequence["LocationPair"], progress: Optional[Progress]) -> Iterator[LocationEffect]:
        """Yield the effects at locations where audiences or properties matter."""
        counts = [[0, 0] for _ in pairs]
        draws = [None if self._attributes is not None else pair.sampler() for pair in pairs]
        for number in range(self._visitors if pairs else 0):
            if progress is not None and number % _STEP == 0:
                progress(number, self._visitors)
            buckets = VisitorBuckets(simulated_id(number)), VisitorBuckets(simulated_id(number))
            for pair, count, draw in zip(pairs, counts, draws):
                before, after = pair.decide(buckets, None if draw is None else draw())
                if experiences_of(before) != experiences_of(after):
                    count[0] += 1
                elif contents_of(before) != contents_of(after):
                    count[1] += 1
        for pair, (other, offer) in zip(pairs, counts):
            total = self._visitors
            yield LocationEffect(
                *pair.place, other / total, offer / total, "simulated", wilson_interval(other, total)
            )  # fmt: skip

    def visitor_changes(self, ids: Iterable[str]) -> Iterator[VisitorChange]:
        """Yield the changes for visitors with these device ids, each id once."""
        for visitor in dict.fromkeys(ids):
            device = visitor.partition(".")[0]  # as decisions do: the rest names a cluster of the edge
            buckets = VisitorBuckets(device), VisitorBuckets(device)
            for place, pair in self._locations.items():
                before, after = pair.decide(buckets, None)
                if contents_of(before) != contents_of(after):
                    changed_offer = " (another offer)" if experiences_of(before) == experiences_of(after) else ""
                    yield VisitorChange(visitor, *place, label_of(before), label_of(after) + changed_offer)


def _without_noise(share: float) -> float:
    """Return a share without the errors of floating-point arithmetic."""
    return max(0.0, round(share, 12))
