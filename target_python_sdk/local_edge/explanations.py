"""Explains why a visitor gets an experience, or none.

The share of an experience is read from its rule's condition, where the visitor's bucket
is compared with two limits. This also works for a rule artifact, which has no activities
file.
"""

from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from target_python_sdk.local_edge.validation import JsonValue


class Share(NamedTuple):
    """The buckets above ``lower`` and up to ``upper``. Bucket 0 is in the first share."""

    lower: float
    upper: float

    def __str__(self) -> str:
        return f"{self.lower:g} to {self.upper:g}"

    def contains(self, bucket: float) -> bool:
        """Return whether the bucket is in this share."""
        return self.lower < bucket <= self.upper or bucket == self.lower == 0


class ExperienceShare(NamedTuple):
    """The name of an experience and its share; None if it does not depend on the bucket."""

    name: str
    share: Optional[Share]

    def __str__(self) -> str:
        return self.name if self.share is None else f"{self.name} {self.share}"


def share_from_condition(condition: JsonValue) -> Optional[Share]:
    """Return the share that a condition allocates, or None if it does not depend on the bucket."""
    limits: Dict[str, float] = {}
    for name, limit in _limits(condition):
        limits.setdefault(name, limit)
    return Share(limits.get("lower", 0), limits.get("upper", 100)) if limits else None


def _limits(condition: JsonValue) -> Iterator[Tuple[str, float]]:
    """Yield the limits that the allocation is compared with, in the condition or in its ``and`` parts."""
    if not isinstance(condition, dict) or len(condition) != 1:
        return
    ((operator, values),) = condition.items()
    if not isinstance(values, list):
        return
    if operator == "and":
        for part in values:
            yield from _limits(part)
    elif operator in ("<", "<=", ">", ">=") and len(values) == 2:
        limit, compared = values
        if isinstance(limit, (int, float)) and compared == {"var": "allocation"}:
            yield "lower" if operator.startswith("<") else "upper", limit


def explain_match(bucket: float, experience: ExperienceShare) -> str:
    """Return the reason why a visitor with this bucket gets the experience."""
    if experience.share is None:
        return f"the audience of {experience.name} matches"
    return f"bucket {bucket:.2f} falls in {experience.name} ({experience.share})"


def explain_no_match(bucket: float, experiences: Iterable[ExperienceShare]) -> str:
    """Return the reason why a visitor with this bucket gets none of the experiences."""
    distinct: List[ExperienceShare] = list(dict.fromkeys(experiences))
    names = ", ".join(map(str, distinct))
    if all(experience.share is None for experience in distinct):
        return f"no audience matches ({names})"
    for name, share in distinct:
        if share is not None and share.contains(bucket):
            return f"bucket {bucket:.2f} would fall in {name} ({share}), whose audience does not match"
    return f"bucket {bucket:.2f} is in no share ({names})"
