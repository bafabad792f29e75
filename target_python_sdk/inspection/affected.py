"""Computes the share of visitors that a change of the artifact affects.

If a location has no audiences and no properties, or if the attributes of the visitors are given, the share is exact: it
is computed from the ranges of the experiences. Otherwise, visitors are simulated, and their attributes are drawn from
the values in the audiences. Visitors are also simulated if the client code changes, if an audience depends on the
bucket, or if there are too many combinations of ranges.
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

#: The number of visitors between two reports of the progress.
_STEP = 100


class LocationEffect(NamedTuple):
    """The shares of visitors that a change affects at one location."""

    kind: str
    name: str
    #: The share of visitors who get another experience, or who begin or cease to get one; from 0 to 1.
    other_experience: float
    #: The share of visitors who get the same experience with another offer; from 0 to 1.
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
    #: The experience before and after the change, in words.
    before: str
    after: str


class ArtifactComparison:
    """Computes the effects of replacing the rules ``old`` with ``new``.

    :param attributes: The attributes of the visitors. By default, they are drawn at random.
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
        #: The old and the new name of each experience, by the id of its activity.
        self._new_names = {id_: matched_experiences(before[id_], after[id_]) for id_ in before if id_ in after}
        by_place: List[Dict[Place, Location]] = [
            {(each.kind, each.name): each for each in traffic.locations} for traffic in self._traffic
        ]
        #: The locations before and after the change.
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
            new_name = self._new_names.get(str(rule.activity.id), {}).get(name, name) if is_old else name
            content = json.dumps(content_of(rule), sort_keys=True)
            label = f"{activity_name(rule)}: {name}"
            rules.append((each, Shown(rule.activity.id, new_name, content, label)))
        return LocationDecider(rules, location.shows_all)

    def effects(self, progress: Optional[Progress] = None) -> List[LocationEffect]:
        """Return the effects at the locations at which the change affects visitors."""
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
        """Return whether an audience or a property matters at any location."""
        return any(pair.depends_on_attributes() for pair in self._locations.values())

    def _exact(self, pair: "LocationPair") -> Optional[LocationEffect]:
        """Return the effect as computed from the ranges, or None if they are not sufficient."""
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
        """Yield the simulated effects at the locations ``pairs``."""
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
        """Yield the changes for the visitors with these device ids. Each id is used once."""
        for visitor in dict.fromkeys(ids):
            device = visitor.partition(".")[0]  # as in decisions: the rest names a cluster of the edge
            buckets = VisitorBuckets(device), VisitorBuckets(device)
            for place, pair in self._locations.items():
                before, after = pair.decide(buckets, None)
                if contents_of(before) != contents_of(after):
                    changed_offer = " (another offer)" if experiences_of(before) == experiences_of(after) else ""
                    yield VisitorChange(visitor, *place, label_of(before), label_of(after) + changed_offer)


def _without_noise(share: float) -> float:
    """Return a share without the errors of floating-point arithmetic."""
    return max(0.0, round(share, 12))
