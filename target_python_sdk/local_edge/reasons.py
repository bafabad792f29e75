"""Why a visitor gets an experience or none, as a person reads it.

An allocation stands in a rule's condition, as two limits that a bucket is compared
with.  It is read from there, so that a rule artifact that is served as it stands can be
explained like the activities of a file.
"""

from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

_LOWER, _UPPER = ("<", "<="), (">", ">=")


class Share(NamedTuple):
    """The buckets above ``lower`` up to and including ``upper``; 0 is in the first share."""

    lower: float
    upper: float

    def __str__(self) -> str:
        return "{:g} to {:g}".format(self.lower, self.upper)

    def holds(self, bucket: float) -> bool:
        """Whether the bucket is one of them."""
        return self.lower < bucket <= self.upper or bucket == self.lower == 0


class Arm(NamedTuple):
    """An experience by its name, and its share; None for one that is not a matter of buckets."""

    name: str
    share: Optional[Share]

    def __str__(self) -> str:
        return self.name if self.share is None else "{} {}".format(self.name, self.share)


def share_in(condition: Any) -> Optional[Share]:
    """The share that a condition allocates; None where it asks for no allocation."""
    limits: Dict[bool, float] = {}
    for operator, limit in _limits(condition):
        limits.setdefault(operator in _UPPER, limit)
    return Share(limits.get(False, 0), limits.get(True, 100)) if limits else None


def _limits(condition: Any) -> Iterator[Tuple[str, float]]:
    """What the allocation is compared with, in the whole condition or in what all of it joins."""
    if not isinstance(condition, dict) or len(condition) != 1:
        return
    ((operator, values),) = condition.items()
    if not isinstance(values, list):
        return
    if operator == "and":
        for part in values:
            yield from _limits(part)
    elif operator in _LOWER + _UPPER and len(values) == 2:
        limit, compared = values
        if isinstance(limit, (int, float)) and compared == {"var": "allocation"}:
            yield operator, limit


def reason_for(bucket: float, arm: Arm) -> str:
    """Why a visitor of that bucket is in ``arm``."""
    if arm.share is None:
        return "the audience of {} matches".format(arm.name)
    return "bucket {:.2f} falls in {} ({})".format(bucket, arm.name, arm.share)


def reason_against(bucket: float, arms: Iterable[Arm]) -> str:
    """Why a visitor of that bucket is in none of ``arms``."""
    known: List[Arm] = list(dict.fromkeys(arms))
    names = ", ".join(map(str, known))
    if all(arm.share is None for arm in known):
        return "no audience matches ({})".format(names)
    for arm in known:
        if arm.share is not None and arm.share.holds(bucket):
            return "bucket {:.2f} would fall in {} ({}), whose audience does not match".format(bucket, *arm)
    return "bucket {:.2f} is in no share ({})".format(bucket, names)
