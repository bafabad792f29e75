"""Explains in a few words why a location has no offer, without evaluating audiences again."""

from typing import List, Optional

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.rule import CompiledRule
from target_python_sdk.explain.structure import split_share
from target_python_sdk.local_edge.content import EdgeContent
from target_tools.error_text import suggestion
from target_tools.hashing import bucket

#: If there are more locations, no similar name is suggested, because the comparison would take too long.
MAX_SUGGESTED = 1000


def explain_no_offer(
    content: EdgeContent, kind: str, name: str, visitor: Optional[str], property_token: Optional[str]
) -> str:
    """Return the reason why a visitor gets no offer at a location.

    :param kind: ``mbox``, ``view`` or ``pageLoad``.
    :param visitor: The id that determines the buckets.
    """
    artifact = content.artifact
    rules = (artifact.views if kind == "view" else artifact.mboxes).get(name) or ()
    if not rules:
        return _unknown(artifact, kind, name)
    reasons = []
    for activity in dict.fromkeys(rule.activity.id for rule in rules):
        visitor_bucket = bucket(f"{content.client}.{activity}.{visitor}.0")
        own = [rule for rule in rules if rule.activity.id == activity]
        reasons.append(_reason(own, visitor_bucket, property_token))
    return ", ".join(dict.fromkeys(reasons))


def has_location(artifact: Artifact, kind: str, name: str) -> bool:
    """Return whether an activity has this location. ``kind`` is ``mbox``, ``view`` or ``pageLoad``."""
    if kind == "view":
        return name in artifact.views or name in artifact.remote_views
    return name in artifact.mboxes or name in artifact.remote_mboxes


def _reason(rules: List[CompiledRule], visitor_bucket: float, property_token: Optional[str]) -> str:
    """Return why none of the rules of an activity has an offer for the visitor."""
    allowed = [rule for rule in rules if rule.property_tokens is None or property_token in rule.property_tokens]
    if not allowed:
        return "limited to another property"
    splits = [(split_share(rule.document.get("condition")), rule.options) for rule in allowed]
    reached = [each for each in splits if each[0].share is None or each[0].share.contains(visitor_bucket)]
    if not reached:
        return "outside the shares"
    if all(split.audience is not True and options for split, options in reached):
        return "audience not met"
    is_certain = any(split.audience is True for split, _ in reached)
    return "experience without content" if is_certain else "audience not met, or experience without content"


def _unknown(artifact: Artifact, kind: str, name: str) -> str:
    """Return why a location has no rules."""
    if has_location(artifact, kind, name):
        return "the artifact has no usable rules for it"
    if has_location(artifact, "mbox" if kind == "view" else "view", name):
        return "no activity has this " + ("view; it is an mbox" if kind == "view" else "mbox; it is a view")
    mboxes, views = [*artifact.mboxes, *artifact.remote_mboxes], [*artifact.views, *artifact.remote_views]
    known = dict.fromkeys([*views, *mboxes] if kind == "view" else [*mboxes, *views])
    return "no activity has this location" + (suggestion(name, known) if len(known) <= MAX_SUGGESTED else "")
