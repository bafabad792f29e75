"""The artifact that the edge itself decides by: all that is served, and what an answer tells besides."""

from typing import Any, Dict, List, Mapping

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.local_edge.checks import wrong
from target_python_sdk.local_edge.reasons import Arm, Share, share_in
from target_tools.errors import InvalidArtifact

Json = Dict[str, Any]

#: Stands in an option without content: on-device decisioning shows nothing then, an edge says which experience it is.
NOTHING = "\0nothing"
#: The token that carries a rule's share from the rule to the answer.
SHARE = "local_edge.share"
#: What the answer needs to know of an option.
_NEEDED = ("activity.id", "experience.id", "experience.name", SHARE)


def own_artifact(document: Mapping[str, Any], client: str) -> Artifact:
    """``document`` compiled for the edge's own use.  Raises ``OptionError`` for one that no client could use."""
    try:
        Artifact.compile(document, client)
        rules: Mapping[str, Any] = document.get("rules") or {}
        own = {kind: _places(rules.get(kind) or {}) for kind in ("mboxes", "views")}
        tokens = [*(document.get("responseTokens") or ()), *_NEEDED]
        return Artifact.compile({**document, "rules": own, "responseTokens": tokens}, client)
    except InvalidArtifact as error:
        raise wrong("", "a rule artifact", error) from error


def arm_of(meta: Mapping[str, Any]) -> Arm:
    """The experience that a rule's ``meta``, or an option's tokens, tell of."""
    share = meta.get(SHARE)
    name = str(meta.get("experience.name") or meta.get("experience.id"))
    return Arm(name, None if share is None else Share(*share))


def _places(places: Mapping[str, Any]) -> Json:
    return {name: _rules(found) if isinstance(found, list) else found for name, found in places.items()}


def _rules(rules: List[Any]) -> List[Any]:
    return [_rule(rule) if isinstance(rule, dict) else rule for rule in rules]


def _rule(rule: Json) -> Json:
    meta, consequence = rule.get("meta") or {}, rule.get("consequence") or {}
    if not isinstance(meta, dict) or not isinstance(consequence, dict):
        return rule
    share = share_in(rule.get("condition"))
    own_meta = {"activity.id": rule.get("activityId"), "experience.id": 0, **meta}
    if share is not None:
        own_meta[SHARE] = list(share)
    options = consequence.get("options")
    if isinstance(options, list):
        consequence = {**consequence, "options": [_option(option) for option in options]}
    return {**rule, "meta": own_meta, "consequence": consequence}


def _option(option: Any) -> Any:
    if not isinstance(option, dict) or option.get("type") is not None or option.get("content") is not None:
        return option
    return {**option, "content": NOTHING}
