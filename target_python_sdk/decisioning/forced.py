"""Forced experiences: an activity shows one experience, whatever its audience and the visitor's bucket.

``with_forced`` returns an artifact in which the rules of the forced experience match every visitor, and the other
rules of its activity none. All other activities are decided as usual. So the engine needs no knowledge of it, and
decisions without forced experiences take no longer.
"""

import copy
from collections import Counter
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
    Union,
)

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.location_rules import LocationRules, Rules
from target_python_sdk.decisioning.offer import Display
from target_python_sdk.decisioning.rule import CompiledRule
from target_tools.error_text import shown, suggestion
from target_tools.errors import OptionError
from target_tools.typing_compat import Json

#: A name or an id. An id may also be given as text.
Name = Union[str, int]

#: The maximum number of names that an error lists.
_MAX_LISTED = 20


class ForcedExperience(NamedTuple):
    """An experience to show."""

    activity_id: Any
    #: Identifies the experience within its activity: its id or, in an artifact without ids, its name or its position.
    key: Any
    #: The names, or the ids in an artifact without names.
    activity: str
    experience: str
    #: The position of the experience in its activity, from 0.
    position: int


class ForcedArtifact(NamedTuple):
    """An artifact with forced experiences."""

    artifact: Artifact
    #: The event tokens of the forced offers, as far as a decision has read their rules.
    tokens: Set[str]

    def without_forced(self, displays: Sequence[Display]) -> List[Display]:
        """Return the displays of offers that were not forced."""
        return [display for display in displays if self.tokens.isdisjoint(display.tokens)]


def find_experiences(
    artifact: Artifact, force: Mapping[Name, Name], subject: str = "Invalid option 'force': "
) -> List[ForcedExperience]:
    """Return the experiences that ``force`` names: activities, each with an experience.

    An activity is identified by its name or its id, an experience by its name, its id or its position from 0. Raises
    ``OptionError``, whose text starts with ``subject`` and names what there is.
    """
    activities = _activities(artifact)
    found: Dict[Any, ForcedExperience] = {}
    for activity, experience in force.items():
        one = _find(activities, activity, experience, subject)
        if found.setdefault(one.activity_id, one).key != one.key:
            problem = f"two experiences of activity {shown(one.activity)} ({one.activity_id})"
            raise OptionError(f"{subject}{problem}; expected one", "force", "one experience of each activity")
    return list(found.values())


def experiences_at(artifact: Artifact, positions: Iterable[Tuple[Name, int]]) -> Iterator[ForcedExperience]:
    """Yield the experiences at positions of activities, from 0. Positions that do not exist are skipped."""
    activities = {activity.id: activity for activity in _activities(artifact)}
    for number, index in positions:
        activity = activities.get(number)
        if activity is not None and 0 <= index < len(activity.experiences):
            yield _experience(activity, list(activity.experiences)[index])


def names_of(forced: Sequence[ForcedExperience]) -> Dict[str, str]:
    """Return the names of the experiences by activity. If activities have the same name, their ids are added."""
    quantity = Counter(experience.activity for experience in forced)
    return {
        each.activity if quantity[each.activity] == 1 else f"{each.activity} ({each.activity_id})": each.experience
        for each in forced
    }


def with_forced(artifact: Artifact, forced: Sequence[ForcedExperience]) -> ForcedArtifact:
    """Return an artifact that shows the ``forced`` experiences at their locations, before all other activities."""
    changes = _Changes({experience.activity_id: experience.key for experience in forced}, set())
    mboxes, views = (RulesView(rules, changes.change) for rules in (artifact.mboxes, artifact.views))
    return ForcedArtifact(artifact._replace(mboxes=mboxes, views=views), changes.tokens)


class RulesView(LocationRules):
    """The rules of an artifact for one decision. ``change`` returns the changed rules of a location."""

    __slots__ = ("_change", "_rules")

    def __init__(self, rules: LocationRules, change: Callable[[Rules], Rules]) -> None:
        self._rules, self._change = rules, change

    def get(self, name: str, default: Rules = ()) -> Rules:  # type: ignore[override]
        """Return the rules of a location, by default none."""
        return self._change(self._rules.get(name, default))

    def __getitem__(self, name: str) -> Rules:
        return self._change(self._rules[name])

    def __contains__(self, name: object) -> bool:
        return name in self._rules

    def __iter__(self) -> Iterator[str]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)


class _Changes(NamedTuple):
    """The experiences to show."""

    #: The keys of the experiences, by activity.
    keys: Mapping[Any, Any]
    #: The event tokens of the forced offers are added to it.
    tokens: Set[str]

    def change(self, rules: Rules) -> Rules:
        """Return the rules of a location with those of forced experiences first."""
        by_activity: Dict[Any, List[CompiledRule]] = {activity: [] for activity in self.keys}
        others: List[CompiledRule] = []
        for rule in rules:
            by_activity.get(rule.activity.id, others).append(rule)
        chosen = [
            _matching_every_visitor(rule)
            for activity, own in by_activity.items()
            for position, rule in enumerate(own)
            if experience_key(rule.meta, position) == self.keys[activity]
        ]
        self.tokens.update(option.event_token for rule in chosen for option in rule.options if option.event_token)
        return (*chosen, *others)


def _matching_every_visitor(rule: CompiledRule) -> CompiledRule:
    forced = copy.copy(rule)
    forced.condition = lambda context: True
    return forced


def experience_key(meta: Mapping[str, Json], position: int) -> Any:
    """Return the id of a rule's experience, else its name, else its position among the activity's rules there."""
    named = (meta.get("experience.id"), meta.get("experience.name"))
    return next((value for value in named if isinstance(value, (int, float, str))), position)


# The names in an artifact


class _Activity(NamedTuple):
    id: Any
    name: Optional[str]
    #: The names of the experiences, by key, in the order of the artifact.
    experiences: Dict[Any, Optional[str]]

    def __str__(self) -> str:
        return str(self.id) if self.name is None else f"{shown(self.name)} ({self.id})"


def _activities(artifact: Artifact) -> List[_Activity]:
    """Return the activities of an artifact with their experiences. Parts of the wrong structure are skipped."""
    rules = artifact.document().get("rules")
    activities: Dict[Any, _Activity] = {}
    for part in ("mboxes", "views"):
        for listed in _values(_member(rules, part)):
            positions: Dict[Any, int] = {}
            for rule in listed if isinstance(listed, list) else ():
                number, meta = _member(rule, "activityId"), _member(rule, "meta") or {}
                if not isinstance(number, (int, float, str)) or not isinstance(meta, Mapping):
                    continue
                if isinstance(number, float) and number.is_integer():
                    number = int(number)
                activity = activities.setdefault(number, _Activity(number, _text(meta.get("activity.name")), {}))
                position = positions[number] = positions.get(number, -1) + 1
                activity.experiences.setdefault(experience_key(meta, position), _text(meta.get("experience.name")))
    return list(activities.values())


def _member(value: Json, key: str) -> Json:
    return value.get(key) if isinstance(value, Mapping) else None


def _values(value: Json) -> Sequence[Json]:
    return list(value.values()) if isinstance(value, Mapping) else ()


def _text(value: Json) -> Optional[str]:
    return value if isinstance(value, str) else None


def _find(activities: Sequence[_Activity], name: Name, experience: Name, subject: str) -> ForcedExperience:
    found = [each for each in activities if name == each.name] or [
        each for each in activities if str(name) == str(each.id)
    ]
    if not found:
        listed = _listed([str(activity) for activity in activities], "no activities")
        names = [activity.name for activity in activities]
        raise _unknown(subject, "activity", name, f"the artifact has {listed}", names)
    if len(found) > 1:
        problem = f"{len(found)} activities have the name {shown(name)}: {_listed([str(each) for each in found])}"
        raise OptionError(f"{subject}{problem}; use the id", "force", "the id of an activity")
    (activity,) = found
    labels = activity.experiences
    for keys in (
        [key for key, text in labels.items() if text == experience],
        [key for key in labels if str(key) == str(experience)],
        list(labels)[experience : experience + 1] if isinstance(experience, int) and experience >= 0 else [],
    ):
        if keys:
            return _experience(activity, keys[0])
    listed = _listed([str(key) if text is None else f"{shown(text)} ({key})" for key, text in labels.items()])
    raise _unknown(subject, "experience", experience, f"activity {activity} has {listed}", labels.values())


def _experience(activity: _Activity, key: Any) -> ForcedExperience:
    label = activity.experiences[key]
    return ForcedExperience(
        activity.id,
        key,
        str(activity.id) if activity.name is None else activity.name,
        str(key) if label is None else label,
        list(activity.experiences).index(key),
    )


def _listed(names: Sequence[str], nothing: str = "") -> str:
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return (", ".join(names[:_MAX_LISTED]) or nothing) + more


def _unknown(subject: str, kind: str, name: Name, known: str, names: Iterable[Optional[str]]) -> OptionError:
    text = f"{subject}unknown {kind} {shown(name)}; {known}{suggestion(str(name), list(filter(None, names)))}"
    return OptionError(text, "force", f"the name or id of an {kind}")
