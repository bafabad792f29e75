"""Explains why a visitor gets an experience, or none, by the shares of the experiences."""

from typing import Iterable, List, NamedTuple, Optional

from target_python_sdk.explain.structure import Share


class ExperienceShare(NamedTuple):
    """The name and the share of an experience. The share is None if the rule does not depend on the bucket."""

    name: str
    share: Optional[Share]

    def __str__(self) -> str:
        return self.name if self.share is None else f"{self.name} {self.share}"


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
