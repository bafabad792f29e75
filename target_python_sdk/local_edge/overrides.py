"""Overrides decisions: with experiences forced for a visitor, and in QA mode.

Both replace the artifact for one request, so the engine needs no special cases. A token for QA mode lists activities.
It is not encrypted. Visitors can send any token, so a token that this edge cannot read has no effect.
"""

import contextlib
import copy
import json
import threading
from base64 import urlsafe_b64decode
from logging import getLogger
from typing import Any, Callable, ContextManager, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.context import LocationContext
from target_python_sdk.decisioning.forced import (
    ForcedExperience,
    Name,
    RulesView,
    experience_key,
    experiences_at,
    find_experiences,
    with_forced,
)
from target_python_sdk.decisioning.location_rules import LocationRules, Rules
from target_python_sdk.decisioning.rule import CompiledRule
from target_python_sdk.explain.structure import Share
from target_python_sdk.local_edge.artifact_builder import experience_of, make_token
from target_python_sdk.local_edge.validation import check_text
from target_python_sdk.types import DeliveryRequest, QAMode, QAModePreviewIndex, VisitorId
from target_tools.errors import OptionError

logger = getLogger("adobe.target.local_edge")

#: The maximum length of a token for QA mode.
_MAX_TOKEN = 4096
_TOKEN_START = "qa"
#: The key of experiences that are forced for every visitor. No visitor has this id.
_EVERY_VISITOR = ""


class Override(NamedTuple):
    """The changes to the decisions for one request."""

    #: The artifact to decide with.
    artifact: Artifact
    #: The reasons for overridden decisions, by activity. In other activities, the reason is the visitor's bucket.
    reasons: Mapping[Any, str] = {}
    #: Whether displays are counted.
    counts_displays: bool = True


class ForcedVisitors:
    """The forced experiences of visitors. Several threads can use an instance at the same time."""

    def __init__(self) -> None:
        self._by_visitor: Dict[str, Dict[Name, Name]] = {}
        self._lock = threading.Lock()

    def add(
        self, artifact: Artifact, visitor: Optional[str], activity: Name, experience: Name
    ) -> ContextManager[object]:
        """Force an experience for the visitor with the id ``visitor``, or for every visitor if it is None.

        Raises ``OptionError`` for an unknown name. The end of a ``with`` block restores the earlier experience.
        """
        find_experiences(artifact, {activity: experience}, "")
        key = _EVERY_VISITOR if visitor is None else _without_cluster(check_text(visitor, "visitor"))
        with self._lock:
            forced = dict(self._by_visitor.get(key, {}))
            earlier = forced.pop(activity, None)  # the last entry takes precedence, so a new one must be at the end
            self._by_visitor[key] = {**forced, activity: experience}
        stack = contextlib.ExitStack()
        stack.callback(self._restore, key, activity, experience, earlier)
        return stack

    def clear(self, visitor: Optional[str] = None) -> None:
        """Remove the forced experiences of a visitor, by default of all visitors."""
        with self._lock:
            if visitor is None:
                self._by_visitor = {}
            else:
                self._by_visitor.pop(_without_cluster(visitor), None)

    def _restore(self, key: str, activity: Name, experience: Name, earlier: Optional[Name]) -> None:
        """Restore the ``earlier`` experience, unless the experience has been changed or cleared since."""
        with self._lock:
            forced = dict(self._by_visitor.get(key, {}))
            if forced.get(activity) != experience:
                return
            del forced[activity]
            self._by_visitor[key] = forced if earlier is None else {**forced, activity: earlier}

    def of(self, identity: Optional[VisitorId]) -> Dict[Name, Name]:
        """Return the experiences that are forced for every visitor, and those forced for the visitor with these ids."""
        if not self._by_visitor:
            return {}
        ids: List[Any] = []
        if identity is not None:
            ids += [identity.marketing_cloud_visitor_id, identity.tnt_id, identity.third_party_id]
            ids += [customer.id for customer in identity.customer_ids or () if customer is not None]
        keys = [_EVERY_VISITOR, *(_without_cluster(each) for each in ids if isinstance(each, str))]
        return {name: forced for key in keys for name, forced in self._by_visitor.get(key, {}).items()}


def override_for(artifact: Artifact, request: DeliveryRequest, forced: Mapping[Name, Name]) -> Override:
    """Return the override for ``request``, whose visitor has the ``forced`` experiences. QA mode takes precedence."""
    override = Override(artifact) if request.qa_mode is None else _in_qa_mode(artifact, request.qa_mode)
    found: List[ForcedExperience] = []
    for activity, experience in forced.items():
        try:
            found += find_experiences(artifact, {activity: experience}, "")
        except OptionError as error:  # other activities were loaded in the meantime
            logger.warning("A forced experience has no effect: %s", error)
    experiences = [each for each in found if each.activity_id not in override.reasons]
    if not experiences:
        return override
    reasons = {experience.activity_id: "forced by LocalEdge.force" for experience in experiences}
    return override._replace(
        artifact=with_forced(override.artifact, experiences).artifact, reasons={**override.reasons, **reasons}
    )


def make_qa_mode(
    artifact: Artifact, activity: Name, experience: Optional[Name], listed_activities_only: bool, any_audience: bool
) -> QAMode:
    """Return the QA mode that shows an activity. Raises ``OptionError`` for an unknown name.

    With ``any_audience``, the audiences of the activity match every visitor.
    """
    (found,) = find_experiences(artifact, {activity: 0 if experience is None else experience}, "")
    rules = [rule for locations in (artifact.mboxes, artifact.views) for name in locations for rule in locations[name]]
    ids = [number for rule in rules if rule.activity.id == found.activity_id for number in rule.audience_ids]
    index = QAModePreviewIndex(activity_index=1, experience_index=None if experience is None else found.position + 1)
    return QAMode(
        token=make_token(json.dumps([_TOKEN_START, found.activity_id])),
        listed_activities_only=listed_activities_only or None,
        preview_indexes=[index],
        evaluate_as_true_audience_ids=list(dict.fromkeys(filter(_is_integer, ids))) or None if any_audience else None,
    )


def _is_integer(value: object) -> bool:
    return isinstance(value, int)


def _without_cluster(visitor: str) -> str:
    """Return a tntId without the edge cluster at its end. Other ids are returned unchanged."""
    device, dot, cluster = visitor.rpartition(".")
    return device if dot and cluster.partition("_")[0].isdigit() and cluster.endswith("_0") else visitor


# QA mode


def _in_qa_mode(artifact: Artifact, qa_mode: QAMode) -> Override:
    activities = _listed_activities(qa_mode.token)
    if activities is None:
        logger.warning("A request has a QA mode token that is not from this edge; it has no effect")
        return Override(artifact)
    positions = [
        (activities[index.activity_index - 1], index.experience_index - 1)
        for index in qa_mode.preview_indexes or ()
        if index is not None
        and isinstance(index.activity_index, int)
        and isinstance(index.experience_index, int)
        and 0 < index.activity_index <= len(activities)
    ]
    shown = {experience.activity_id: experience.key for experience in experiences_at(artifact, positions)}
    rules = _QARules(
        set(activities) if qa_mode.listed_activities_only else None,
        shown,
        qa_mode.evaluate_as_true_audience_ids or (),
        qa_mode.evaluate_as_false_audience_ids or (),
    )
    mboxes, views = rules.view(artifact.mboxes), rules.view(artifact.views)
    reasons = dict.fromkeys(shown, "shown in QA mode")
    return Override(artifact._replace(mboxes=mboxes, views=views), reasons, counts_displays=False)


def _listed_activities(token: Optional[str]) -> Optional[List[Any]]:
    """Return the activities in a token that ``make_qa_mode`` has made, or None for any other token."""
    if not isinstance(token, str) or len(token) > _MAX_TOKEN:
        return None
    try:
        values = json.loads(urlsafe_b64decode(token.encode("ascii", "replace")))
    except (ValueError, RecursionError):
        return None
    is_ours = isinstance(values, list) and len(values) > 1 and values[0] == _TOKEN_START
    return values[1:] if is_ours and all(isinstance(each, (int, str)) for each in values) else None


class _QARules(NamedTuple):
    """Changes the rules of an artifact for QA mode."""

    #: The activities that can be shown; None means all.
    listed: Optional[Set[Any]]
    #: The key of the experience to show, by activity.
    shown: Mapping[Any, Any]
    true_audiences: Sequence[int]
    false_audiences: Sequence[int]

    def view(self, rules: LocationRules) -> RulesView:
        """Return the changed rules of an artifact's mboxes or views."""
        return RulesView(rules, self._change)

    def _change(self, rules: Rules) -> Rules:
        positions: Dict[Any, int] = {}
        changed = []
        for rule in rules:
            activity = rule.activity.id
            position = positions[activity] = positions.get(activity, -1) + 1
            is_other = activity in self.shown and experience_key(rule.meta, position) != self.shown[activity]
            is_excluded = is_other or any(number in self.false_audiences for number in rule.audience_ids)
            if not is_excluded and (self.listed is None or activity in self.listed):
                changed.append(self._rule(rule))
        return tuple(changed)

    def _rule(self, rule: CompiledRule) -> CompiledRule:
        share = experience_of(rule.meta).share or Share(0, 100)
        is_shown = rule.activity.id in self.shown
        is_true = bool(rule.audience_ids) and all(number in self.true_audiences for number in rule.audience_ids)
        if not (is_shown or is_true):
            return rule
        copied = copy.copy(rule)
        if is_true:
            copied.condition = _always if is_shown else lambda context: share.contains(context["allocation"])
        else:
            copied.condition = _in_share(rule.condition, share)
        return copied


def _always(context: LocationContext) -> bool:
    return True


def _in_share(condition: Callable[[Any], bool], share: Share) -> Callable[[LocationContext], bool]:
    """Return a condition that holds if ``condition`` holds for a visitor in the share."""

    def holds(context: LocationContext) -> bool:
        context["allocation"] = share.upper
        try:
            return condition(context)
        finally:
            del context["allocation"]

    return holds
