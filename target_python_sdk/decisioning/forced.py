"""Forced experiences: an activity shows one experience, whatever its audience and the visitor's bucket are.

``with_forced`` returns an artifact in which the rules of the forced experience come first and match every visitor. The
other rules of its activity are left out. All other activities are decided as usual. So the engine does not have to know
about forced experiences, and decisions without them are not slower.
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
from weakref import WeakKeyDictionary

from target_python_sdk.decisioning.artifact import Artifact, DocumentOnDemand
from target_python_sdk.decisioning.location_rules import LocationRules, Rules
from target_python_sdk.decisioning.offer import Display
from target_python_sdk.decisioning.rule import CompiledRule, text_or_none
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
    #: Identifies the experience within its activity. See ``experience_key``.
    key: Any
    #: The name of the activity, or its id if it has no name.
    activity: str
    #: The name of the experience, or its key if it has no name.
    experience: str
    #: The position of the experience in its activity, from 0.
    position: int


class ForcedArtifact(NamedTuple):
    """An artifact with forced experiences."""

    artifact: Artifact
    #: The event tokens of the forced offers. A decision adds those of each location whose rules it reads.
    tokens: Set[str]

    def without_forced(self, displays: Sequence[Display]) -> List[Display]:
        """Return the displays of offers that were not forced."""
        return [display for display in displays if self.tokens.isdisjoint(display.tokens)]


def find_experiences(
    artifact: Artifact, force: Mapping[Name, Name], subject: str = "Invalid option 'force': "
) -> List[ForcedExperience]:
    """Return the experiences to force.

    :param force: One experience for each activity. An activity is given by its name or its id, an experience by its
        name, its id, or its position, counted from 0.
    :param subject: The start of each error text.

    Raises ``OptionError`` for an unknown name. Its text lists the known ones.
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
    """Yield the experience for each pair of an activity's id and a position, counted from 0.

    Pairs without an experience are skipped.
    """
    activities = {activity.id: activity for activity in _activities(artifact)}
    for id_, position in positions:
        activity = activities.get(id_)
        if activity is not None and 0 <= position < len(activity.experiences):
            yield _experience(activity, list(activity.experiences)[position])


def names_of(forced: Sequence[ForcedExperience]) -> Dict[str, str]:
    """Return the names of the experiences by activity. Ids distinguish activities with the same name."""
    counts = Counter(experience.activity for experience in forced)
    return {
        each.activity if counts[each.activity] == 1 else f"{each.activity} ({each.activity_id})": each.experience
        for each in forced
    }


def with_forced(artifact: Artifact, forced: Sequence[ForcedExperience]) -> ForcedArtifact:
    """Return an artifact that shows the ``forced`` experiences at their locations, before all other activities."""
    forcing = _Forcing({experience.activity_id: experience.key for experience in forced}, set())
    mboxes, views = (RulesView(rules, forcing.change) for rules in (artifact.mboxes, artifact.views))
    return ForcedArtifact(artifact._replace(mboxes=mboxes, views=views), forcing.tokens)


class RulesView(LocationRules):
    """The rules of an artifact, changed for one decision. ``change`` returns the changed rules of a location."""

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


class _Forcing(NamedTuple):
    """The experiences to show, and the event tokens of their offers."""

    #: The key of each forced experience, by the id of its activity.
    keys: Mapping[Any, Any]
    #: Filled by ``change``.
    tokens: Set[str]

    def change(self, rules: Rules) -> Rules:
        """Return the rules of a location: first those of forced experiences, then those of other activities."""
        by_activity: Dict[Any, List[CompiledRule]] = {activity: [] for activity in self.keys}
        others: List[CompiledRule] = []
        for rule in rules:
            by_activity.get(rule.activity.id, others).append(rule)
        chosen = [
            _for_every_visitor(rule)
            for activity, own in by_activity.items()
            for position, rule in enumerate(own)
            if experience_key(rule.meta, position) == self.keys[activity]
        ]
        self.tokens.update(option.event_token for rule in chosen for option in rule.options if option.event_token)
        return (*chosen, *others)


def _for_every_visitor(rule: CompiledRule) -> CompiledRule:
    forced = copy.copy(rule)
    forced.condition = lambda context: True
    return forced


def experience_key(meta: Mapping[str, Json], position: int) -> Any:
    """Return the key of an experience within its activity: its id, else its name, else its position.

    :param meta: The metadata of a rule of the experience.
    :param position: The position among the activity's rules at the location, counted from 0.
    """
    candidates = (meta.get("experience.id"), meta.get("experience.name"))
    return next((value for value in candidates if isinstance(value, (int, float, str))), position)


# The names in an artifact


class _Activity(NamedTuple):
    id: Any
    name: Optional[str]
    #: The names of the experiences, by their keys, in the order of the artifact.
    experiences: Dict[Any, Optional[str]]

    def __str__(self) -> str:
        return str(self.id) if self.name is None else f"{shown(self.name)} ({self.id})"


#: The activities of each artifact, cached for its next forced calls.
_ACTIVITIES: "WeakKeyDictionary[DocumentOnDemand, List[_Activity]]" = WeakKeyDictionary()


def _activities(artifact: Artifact) -> List[_Activity]:
    """Return the activities of an artifact with their experiences."""
    cached = _ACTIVITIES.get(artifact.document)
    if cached is None:
        activities: Dict[Any, _Activity] = {}
        for locations in (artifact.mboxes, artifact.views):
            for name in locations:
                positions: Dict[Any, int] = {}
                for rule in locations[name]:
                    id_, meta = rule.activity.id, rule.meta
                    activity = activities.setdefault(id_, _Activity(id_, text_or_none(meta.get("activity.name")), {}))
                    position = positions[id_] = positions.get(id_, -1) + 1
                    experience = text_or_none(meta.get("experience.name"))
                    activity.experiences.setdefault(experience_key(meta, position), experience)
        cached = _ACTIVITIES[artifact.document] = list(activities.values())
    return cached


def _find(activities: Sequence[_Activity], name: Name, experience: Name, subject: str) -> ForcedExperience:
    found = [each for each in activities if name == each.name] or [
        each for each in activities if str(name) == str(each.id)
    ]
    if not found:
        known = _listed([str(activity) for activity in activities], "no activities")
        raise _unknown(subject, "activity", name, f"the artifact has {known}", [each.name for each in activities])
    if len(found) > 1:
        problem = f"{len(found)} activities have the name {shown(name)}: {_listed([str(each) for each in found])}"
        raise OptionError(f"{subject}{problem}; use the id", "force", "the id of an activity")
    (activity,) = found
    names = activity.experiences  # by key
    for keys in (
        [key for key, text in names.items() if text == experience],
        [key for key in names if str(key) == str(experience)],
        list(names)[experience : experience + 1] if isinstance(experience, int) and experience >= 0 else [],
    ):
        if keys:
            return _experience(activity, keys[0])
    known = _listed([str(key) if text is None else f"{shown(text)} ({key})" for key, text in names.items()])
    raise _unknown(subject, "experience", experience, f"activity {activity} has {known}", names.values())


def _experience(activity: _Activity, key: Any) -> ForcedExperience:
    name = activity.experiences[key]
    return ForcedExperience(
        activity.id,
        key,
        str(activity.id) if activity.name is None else activity.name,
        str(key) if name is None else name,
        list(activity.experiences).index(key),
    )


def _listed(names: Sequence[str], nothing: str = "") -> str:
    """Return the names as one text, shortened if there are many, or ``nothing`` if there are none."""
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return (", ".join(names[:_MAX_LISTED]) or nothing) + more


def _unknown(subject: str, kind: str, name: Name, known: str, names: Iterable[Optional[str]]) -> OptionError:
    text = f"{subject}unknown {kind} {shown(name)}; {known}{suggestion(str(name), list(filter(None, names)))}"
    return OptionError(text, "force", f"the name or id of an {kind}")
