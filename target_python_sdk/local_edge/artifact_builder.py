"""Builds rule artifacts from activities: one for clients, and one with which the edge decides.

There is one rule for each experience at each location. If an experience has no offer, its
rule has an empty option, so that its visitors do not fall through to the next activity. An
experience with an empty share has no rule.
"""

import base64
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Sequence, Tuple, Union

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.rule import CompiledRule
from target_python_sdk.explain.structure import Share, split_share
from target_python_sdk.local_edge.activities import Activities, Activity, Experience
from target_python_sdk.local_edge.explanations import ExperienceShare
from target_python_sdk.local_edge.validation import Json, JsonValue, error_at
from target_python_sdk.protocol import DEFAULT_GLOBAL_MBOX
from target_tools.errors import InvalidArtifact

#: The response tokens of every offer, with all decisioning methods.
RESPONSE_TOKENS = ("activity.id", "activity.name", "experience.id", "experience.name", "location.name")
GEO_TOKENS = ("geo.city", "geo.country", "geo.state")

#: In the edge's artifact, this replaces the missing content of an option. On-device decisioning
#: leaves out options without content; an edge returns them with their response tokens.
NO_CONTENT = "\0no content"
#: The response token with the share of a rule, for the explanation.
SHARE_TOKEN = "local_edge.share"
#: The response tokens that the edge needs to explain an option.
_EDGE_TOKENS = ("activity.id", "experience.id", "experience.name", SHARE_TOKEN)


_LocationRules = Dict[str, List[Json]]


class _ActivityLocation(NamedTuple):
    """A location of an activity."""

    #: ``mbox`` or ``view``.
    kind: str
    name: str
    #: The position among the activity's locations, counted from 0.
    number: int


def make_token(*parts: Union[str, int]) -> str:
    """Return a token that clients send back unchanged: the parts, encoded as Base64."""
    return base64.urlsafe_b64encode(":".join(map(str, parts)).encode()).decode("ascii")


def build_artifact(activities: Activities, *, include_remote: bool = False) -> Json:
    """Return the artifact for clients. With ``include_remote``, it also has the rules of remote activities."""
    remote = [] if include_remote else [activity for activity in activities.activities if activity.is_remote]
    local = [activity for activity in activities.activities if activity not in remote]
    mboxes, views = _rules_by_location(local)
    uses_geo = bool(activities.geo) or any(_mentions_geo(activity.audience) for activity in local)
    return {
        "version": "1.0.0",
        "meta": {"clientCode": activities.client, "environment": "production"},
        "globalMbox": DEFAULT_GLOBAL_MBOX,
        "geoTargetingEnabled": uses_geo,
        "responseTokens": [*RESPONSE_TOKENS, *(GEO_TOKENS if uses_geo else ())],
        "remoteMboxes": _names(activity.locations for activity in remote),
        "remoteViews": _names(activity.views for activity in remote),
        "localMboxes": _names(activity.locations for activity in local),
        "localViews": _names(activity.views for activity in local),
        "rules": {"mboxes": mboxes, "views": views},
    }


def _names(names: Iterable[Sequence[str]]) -> List[str]:
    return sorted(set().union(*names))


def _mentions_geo(condition: JsonValue) -> bool:
    if isinstance(condition, dict):
        names = condition.get("var")
        first = names[0] if isinstance(names, list) and names else names
        if isinstance(first, str) and first.partition(".")[0] == "geo":
            return True
        condition = list(condition.values())
    return isinstance(condition, list) and any(_mentions_geo(part) for part in condition)


def _rules_by_location(activities: Sequence[Activity]) -> Tuple[_LocationRules, _LocationRules]:
    """Return the rules of each mbox, and those of each view, in order of priority."""
    mboxes: _LocationRules = {}
    views: _LocationRules = {}
    for activity in activities:
        pairs = [("mbox", name) for name in activity.locations] + [("view", name) for name in activity.views]
        for number, (kind, name) in enumerate(dict.fromkeys(pairs)):
            location = _ActivityLocation(kind, name, number)
            (mboxes if kind == "mbox" else views).setdefault(name, []).extend(
                _rule(activity, location, index, experience)
                for index, experience in enumerate(activity.experiences)
                if experience.lower < experience.upper
            )
    return mboxes, views


def _rule(activity: Activity, location: _ActivityLocation, index: int, experience: Experience) -> Json:
    content = {} if experience.offer is None else experience.offer._asdict()
    option = {**content, "eventToken": make_token("display", activity.id, index, location.name)}
    consequence: Json = {"name": location.name, "options": [option]}
    if activity.has_analytics:
        consequence["analytics"] = display_analytics([(activity.id, index)])
    click = {"analytics": _payload([f"{activity.id}:{index}:0|32767"])} if activity.has_analytics else {}
    consequence["metrics"] = [
        {**metric, "eventToken": make_token("click", activity.id, index, location.name, number), **click}
        for number, metric in enumerate(activity.metrics)
    ]
    rule = {
        # A page load shows only one rule of each key, so each activity shows one experience.
        "ruleKey": f"{activity.id}-{location.number}",
        "activityId": activity.id,
        "meta": _meta(activity, location, index, experience),
        "condition": _condition(activity, experience),
        "consequence": consequence,
    }
    return rule if activity.property_token is None else {**rule, "propertyTokens": [activity.property_token]}


def display_analytics(shown: Iterable[Tuple[Union[int, str], Union[int, str]]]) -> Json:
    """Return the payload with which a page reports displayed experiences to Analytics.

    ``shown`` contains pairs of the ids of an activity and an experience.
    """
    return _payload(f"{activity}:{experience}:0|2" for activity, experience in shown)


def _payload(events: Iterable[str]) -> Json:
    return {"payload": {"pe": "tnt", "tnta": ",".join(dict.fromkeys(events))}}


def _meta(activity: Activity, location: _ActivityLocation, index: int, experience: Experience) -> Json:
    meta: Json = {
        "activity.id": activity.id,
        "activity.name": activity.name,
        "activity.type": "ab",
        "experience.id": index,
        "experience.name": experience.name,
        "location.id": location.number,
        "location.name": location.name,
        "location.type": location.kind,
        "audience.ids": [] if activity.audience is None else [activity.id],
        "option.id": index + 2,  # Adobe's service numbers options from 2
        "option.name": f"Offer{index + 2}",
    }
    if experience.offer is not None and location.kind == "mbox":
        meta["offer.id"] = index
        meta["offer.name"] = f"/{activity.name}/experiences/{index}"
    return meta


def _condition(activity: Activity, experience: Experience) -> Json:
    """Return the condition for the share and the audience."""
    above = "<=" if experience.lower == 0 else "<"
    share: Json = {"and": [_compare(above, experience.lower), _compare(">=", experience.upper)]}
    return share if activity.audience is None else {"and": [share, activity.audience]}


def _compare(operator: str, limit: float) -> Json:
    return {operator: [int(limit) if limit == int(limit) else limit, {"var": "allocation"}]}


def compile_edge_artifact(document: Mapping[str, Any], client: str) -> Artifact:
    """Compile an artifact for the edge's own decisions, with additional response tokens to explain them.

    Raises ``OptionError`` if no client could use the artifact.
    """
    try:
        artifact = Artifact.compile(document, client)
    except InvalidArtifact as error:
        raise error_at("", "a rule artifact", problem=f"not a rule artifact: {error}") from error
    rules = {"mboxes": _edge_rules(artifact.mboxes), "views": _edge_rules(artifact.views)}
    tokens = [*artifact.response_tokens, *_EDGE_TOKENS]
    edge_artifact = Artifact.compile({**document, "rules": rules, "responseTokens": tokens}, client)
    return edge_artifact._replace(skipped_rules=artifact.skipped_rules)


def experience_of(meta: Mapping[str, Any]) -> ExperienceShare:
    """Return the experience in the ``meta`` of a rule, or in the response tokens of an option."""
    share = meta.get(SHARE_TOKEN)
    name = str(meta.get("experience.name") or meta.get("experience.id"))
    return ExperienceShare(name, None if share is None else Share(*share))


def _edge_rules(locations: Mapping[str, Sequence[CompiledRule]]) -> Json:
    return {name: [_edge_rule(rule) for rule in rules] for name, rules in locations.items()}


def _edge_rule(rule: CompiledRule) -> Json:
    document = rule.document
    consequence = document.get("consequence") or {}
    meta = {"activity.id": rule.activity.id, "experience.id": 0, **rule.meta}
    share = split_share(document.get("condition")).share
    if share is not None:
        meta[SHARE_TOKEN] = list(share)
    options = [
        {**option, "content": NO_CONTENT} if option.get("type") is None and option.get("content") is None else option
        for option in consequence.get("options") or ()
    ]
    return {**document, "meta": meta, "consequence": {**consequence, "options": options}}
