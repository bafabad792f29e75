"""Groups the rules of an artifact by activity, to describe changes."""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.rule import CompiledRule
from target_python_sdk.explain.structure import Share, split_share
from target_python_sdk.inspection.split import activity_name, experience_name
from target_tools.typing_compat import Json

#: A location: ``mbox`` or ``view``, and its name.
Place = Tuple[str, str]


class RuleFacts(NamedTuple):
    """The parts of a rule that determine who gets its experience, and what the experience shows."""

    experience: str
    experience_id: Any
    #: None if the rule does not depend on the bucket.
    share: Optional[Share]
    #: True for all visitors.
    audience: Json
    #: Type and content of each option.
    options: Tuple[Tuple[Optional[str], Json], ...]
    #: Type and selector of each metric.
    metrics: Tuple[Tuple[str, str], ...]
    #: None means every property.
    properties: Optional[Tuple[str, ...]]
    #: The event tokens of the options and metrics.
    tokens: Tuple[str, ...]


class ActivityRules:
    """The rules of one activity."""

    def __init__(self, id_: Any, name: str) -> None:
        self.id = id_
        self.name = name
        #: The rules of each location, in order of priority.
        self.locations: Dict[Place, List[RuleFacts]] = {}

    @property
    def label(self) -> str:
        """The id and the name of the activity: ``activity 1112 'Two greetings'``."""
        return f"activity {self.id}" if self.name == str(self.id) else f"activity {self.id} {self.name!r}"

    def rules(self) -> List[RuleFacts]:
        """Return the rules of all locations."""
        return [rule for rules in self.locations.values() for rule in rules]

    def experiences(self) -> Dict[str, Any]:
        """Return the ids of the experiences by name, in the order of the rules."""
        return {rule.experience: rule.experience_id for rule in self.rules()}


def activities_of(artifact: Artifact) -> Dict[str, ActivityRules]:
    """Return the activities by their ids as text."""
    activities: Dict[str, ActivityRules] = {}
    for kind, locations in (("mbox", artifact.mboxes), ("view", artifact.views)):
        for name, rules in locations.items():
            for rule in rules:
                id_ = rule.activity.id
                activity = activities.setdefault(str(id_), ActivityRules(id_, activity_name(rule)))
                activity.locations.setdefault((kind, name), []).append(_facts(rule))
    return activities


def _facts(rule: CompiledRule) -> RuleFacts:
    document = rule.document
    share, _, audience = split_share(document.get("condition"))
    consequence = document.get("consequence") or {}
    options: List[Mapping[str, Any]] = consequence.get("options") or []
    metrics: List[Mapping[str, Any]] = consequence.get("metrics") or []
    return RuleFacts(
        experience_name(rule),
        rule.meta.get("experience.id"),
        share,
        audience,
        content_of(rule),
        tuple((str(metric.get("type")), str(metric.get("selector") or "")) for metric in metrics),
        None if rule.property_tokens is None else tuple(sorted(rule.property_tokens)),
        tuple(str(each.get("eventToken")) for each in (*options, *metrics)),
    )


def content_of(rule: CompiledRule) -> Tuple[Tuple[Optional[str], Json], ...]:
    """Return the type and the content of each option of a rule."""
    options = (rule.document.get("consequence") or {}).get("options") or ()
    return tuple((option.get("type"), option.get("content")) for option in options)
