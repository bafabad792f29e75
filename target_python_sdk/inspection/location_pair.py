"""The decisions of a location before and after a change, and the share of visitors for whom they differ."""

from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from target_python_sdk.decisioning.rule import CompiledRule
from target_python_sdk.explain.structure import comparison, operation, split_share, variables
from target_python_sdk.inspection.activity_rules import Place
from target_python_sdk.inspection.sampling import VisitorSampler
from target_python_sdk.inspection.split import VisitorBuckets
from target_python_sdk.inspection.traffic import BucketedRule, evaluate
from target_tools.typing_compat import Json

#: The number of buckets: 0.00 to 99.99 in steps of 0.01.
BUCKETS = 10000
#: The variable that stands for the property in the conditions of the sampler.
_PROPERTY = "the property"
#: If a location needs more combinations of buckets, visitors are simulated instead.
_MAX_COMBINATIONS = 20000

#: Returns whether a rule matches a visitor.
_Matches = Callable[[BucketedRule], bool]
#: Drawn attributes of a visitor: the data that conditions read, and the property.
Drawn = Tuple[Dict[str, Any], Optional[str]]


class Shown(NamedTuple):
    """The experience that a visitor gets from one activity."""

    activity: Any
    #: The name of the experience after the change.
    experience: str
    #: The type and the content of each option, as JSON.
    content: str
    #: The activity and the experience in words.
    label: str


def experiences_of(shown: Sequence[Shown]) -> Set[Tuple[str, str]]:
    """Return the pairs of activity and experience that a visitor gets."""
    return {(str(each.activity), each.experience) for each in shown}


def contents_of(shown: Sequence[Shown]) -> Set[Tuple[str, str, str]]:
    """Return the triples of activity, experience and content that a visitor gets."""
    return {(str(each.activity), each.experience, each.content) for each in shown}


def label_of(shown: Sequence[Shown]) -> str:
    """Return in words what a visitor gets."""
    return ", ".join(each.label for each in shown) or "no offer"


class _BucketNeeded(Exception):
    """Raised if a decision depends on the bucket in an activity, and the bucket is not chosen yet."""

    def __init__(self, activity: Any) -> None:
        super().__init__(activity)
        self.activity = activity


class LocationDecider(NamedTuple):
    """Makes the decisions of one location."""

    rules: List[Tuple[BucketedRule, Shown]]
    #: Whether the location shows the offers of all matching activities.
    shows_all: bool

    def decide(self, matches: _Matches) -> List[Shown]:
        """Return the experiences that a visitor gets. ``matches`` returns whether a rule matches the visitor."""
        decided: Dict[Any, Shown] = {}
        for rule, shown in self.rules:
            if rule.rule.key not in decided and matches(rule):
                decided[rule.rule.key] = shown
                if not self.shows_all:
                    break
        return list(decided.values())

    def of_activity(self, activity: Any) -> "LocationDecider":
        """Return a copy with only the rules of one activity."""
        return self._replace(rules=[each for each in self.rules if each[1].activity == activity])

    def signature(self) -> List[Any]:
        """Return everything that the decisions depend on."""
        return [
            [rule.rule.key, rule.rule.document.get("condition"), rule.rule.document.get("propertyTokens"), shown[:3]]
            for rule, shown in self.rules
        ]


class LocationPair(NamedTuple):
    """A location before and after the change."""

    place: Place
    old: LocationDecider
    new: LocationDecider

    def _rules(self) -> List[BucketedRule]:
        return [rule for decider in (self.old, self.new) for rule, _ in decider.rules]

    def differs(self) -> bool:
        """Return whether the change can affect a decision."""
        return self.old.shows_all != self.new.shows_all or self.old.signature() != self.new.signature()

    def depends_on_attributes(self) -> bool:
        """Return whether an audience or a property makes a difference."""
        return any(
            rule.rule.property_tokens is not None or _condition_parts(rule.rule)[1] is not True
            for rule in self._rules()
        )

    def reads_bucket_in_audience(self) -> bool:
        """Return whether a condition depends on the bucket in another way than by a range."""
        return any("allocation" in variables(_condition_parts(rule.rule)[1]) for rule in self._rules())

    def independent_parts(self) -> "List[LocationPair]":
        """Return one pair for each activity if the activities do not compete with each other, else only this pair."""
        if not (self.old.shows_all and self.new.shows_all):
            return [self]
        activities = dict.fromkeys(rule.rule.activity.id for rule in self._rules())
        if len({(rule.rule.key, rule.rule.activity.id) for rule in self._rules()}) > len(
            {rule.rule.key for rule in self._rules()}
        ):
            return [self]  # some activities have the same key, so only the first of them is shown
        return [self._replace(old=self.old.of_activity(id_), new=self.new.of_activity(id_)) for id_ in activities]

    def exact_shares(self) -> Optional[Tuple[float, float]]:
        """Return the share of visitors who get the same experiences, and the share who also get the same offers.

        Returns None if there are too many combinations of buckets.
        """
        atoms = self._atoms()
        # Shares of visitors, each with the buckets that these visitors have. If a decision needs the bucket in another
        # activity, the share is divided among the groups of buckets in ``atoms`` of that activity.
        stack: List[Tuple[float, Dict[Any, float]]] = [(1.0, {})]
        same_experience = same = 0.0
        combinations = 0
        while stack:
            share, buckets = stack.pop()

            def matches(rule: BucketedRule, buckets: Dict[Any, float] = buckets) -> bool:
                activity = rule.rule.activity.id
                if activity not in buckets:
                    raise _BucketNeeded(activity)
                return rule.matches(buckets[activity])

            try:
                before, after = self.old.decide(matches), self.new.decide(matches)
            except _BucketNeeded as needed:
                parts = atoms[needed.activity]
                combinations += len(parts)
                if combinations > _MAX_COMBINATIONS:
                    return None
                stack += [(share * part, {**buckets, needed.activity: bucket}) for bucket, part in parts]
            else:
                if experiences_of(before) == experiences_of(after):
                    same_experience += share
                    same += share * (contents_of(before) == contents_of(after))
        return same_experience, same

    def _atoms(self) -> Dict[Any, List[Tuple[float, float]]]:
        """Return the atoms of each activity: groups of buckets that match the same rules.

        An atom is given as one of its buckets and its share of all buckets.
        """
        rules: Dict[Any, List[BucketedRule]] = {}
        for rule in self._rules():
            rules.setdefault(rule.rule.activity.id, []).append(rule)
        return {activity: _atoms_of(own) for activity, own in rules.items()}

    def sampler(self) -> Callable[[], Drawn]:
        """Return a function that draws the data and the property of a visitor."""
        rules = [rule.rule for rule in self._rules()]
        properties = sorted({token for rule in rules for token in rule.property_tokens or ()})
        conditions: List[Any] = [rule.document.get("condition") for rule in rules]
        conditions += [{"==": [{"var": _PROPERTY}, token]} for token in properties]
        sampler = VisitorSampler(conditions)

        def draw() -> Drawn:
            data = sampler.draw()
            return data, data.pop(_PROPERTY, None)

        return draw

    def decide(
        self,
        buckets: Tuple[VisitorBuckets, VisitorBuckets],
        drawn: Optional[Drawn],
    ) -> Tuple[List[Shown], List[Shown]]:
        """Return the experiences that a visitor gets before and after the change.

        :param buckets: The visitor's buckets before and after the change.
        :param drawn: The visitor's attributes; None means those with which the rules were created.
        """

        def decided(decider: LocationDecider, own: VisitorBuckets) -> List[Shown]:
            def matches(rule: BucketedRule) -> bool:
                bucket = own.of(rule.rule)
                if drawn is None:
                    return rule.matches(bucket)
                data, token = drawn
                tokens = rule.rule.property_tokens
                if tokens is not None and token not in tokens:
                    return False
                return evaluate(rule.rule.condition, {**data, "allocation": bucket})

            return decider.decide(matches)

        return decided(self.old, buckets[0]), decided(self.new, buckets[1])


def _condition_parts(rule: CompiledRule) -> Tuple[Json, Json]:
    """Return the condition on the bucket, and the audience."""
    _, allocation, audience = split_share(rule.document.get("condition"))
    return allocation, audience


def _atoms_of(rules: Sequence[BucketedRule]) -> List[Tuple[float, float]]:
    limits: Set[float] = set()
    for rule in rules:
        limits.update(_limits(_condition_parts(rule.rule)[0]))
    shares: Dict[Tuple[bool, ...], List[float]] = {}
    for first, last in _ranges(limits):
        bucket = first / 100
        signature = tuple(rule.matches(bucket) for rule in rules)
        shares.setdefault(signature, [bucket, 0.0])[1] += (last - first + 1) / BUCKETS
    return [(bucket, share) for bucket, share in shares.values()]


def _ranges(limits: Set[float]) -> Iterator[Tuple[int, int]]:
    """Yield the first and the last bucket of each range between the limits, in hundredths."""
    starts = {0}
    for limit in limits:
        hundredths = round(limit * 100, 6)
        for start in (int(hundredths // 1) + (hundredths % 1 > 0), int(hundredths // 1) + 1):
            if 0 < start < BUCKETS:
                starts.add(start)
    ordered = sorted(starts)
    yield from zip(ordered, [*(start - 1 for start in ordered[1:]), BUCKETS - 1])


def _limits(allocation: Json) -> Iterator[float]:
    """Yield the constants with which a condition compares the bucket."""
    compared, found = comparison(allocation), operation(allocation)
    if compared is not None:
        yield compared.constant
    elif found is not None:
        for argument in found.arguments:
            if isinstance(argument, (int, float)):
                yield argument
            else:
                yield from _limits(argument)
