"""Activities -> the rule artifact: the document that on-device decisioning decides by.

One rule for each experience at each place.  An experience without an offer is a rule
whose option holds no content, so that its visitors do not fall through to the next
activity; one with no share has no rule.
"""

from typing import Any, Dict, Iterable, List, NamedTuple, Sequence

from target_python_sdk.local_edge.activities import Activities, Activity, Experience
from target_python_sdk.local_edge.tokens import opaque
from target_python_sdk.protocol import DEFAULT_GLOBAL_MBOX

VERSION = "1.0.0"
ENVIRONMENT = "production"
#: What an offer tells of itself, on-device as by the edge.
RESPONSE_TOKENS = ("activity.id", "activity.name", "experience.id", "experience.name", "location.name")
GEO_TOKENS = ("geo.city", "geo.country", "geo.state")

Json = Dict[str, Any]


class _Place(NamedTuple):
    """One place of one activity: ``kind`` is ``mbox`` or ``view``, ``number`` counts within the activity."""

    kind: str
    name: str
    number: int


def rules_of(activities: Activities) -> Json:
    """The artifact as a CDN serves it: without the rules of activities that the edge alone decides."""
    remote = [activity for activity in activities.activities if activity.is_remote]
    local = [activity for activity in activities.activities if not activity.is_remote]
    return _document(activities, local, remote)


def all_rules_of(activities: Activities) -> Json:
    """The artifact the edge itself decides by: every activity is in it."""
    return _document(activities, activities.activities, [])


def _document(activities: Activities, local: Sequence[Activity], remote: Sequence[Activity]) -> Json:
    asks_for_geo = bool(activities.geo) or any(_mentions_geo(activity.audience) for activity in local)
    return {
        "version": VERSION,
        "meta": {"clientCode": activities.client, "environment": ENVIRONMENT},
        "globalMbox": DEFAULT_GLOBAL_MBOX,
        "geoTargetingEnabled": asks_for_geo,
        "responseTokens": [*RESPONSE_TOKENS, *(GEO_TOKENS if asks_for_geo else ())],
        "remoteMboxes": _names(activity.locations for activity in remote),
        "remoteViews": _names(activity.views for activity in remote),
        "localMboxes": _names(activity.locations for activity in local),
        "localViews": _names(activity.views for activity in local),
        "rules": {"mboxes": _rules_by_place(local, "mbox"), "views": _rules_by_place(local, "view")},
    }


def _names(parts: Iterable[Sequence[str]]) -> List[str]:
    return sorted({name for names in parts for name in names})


def _mentions_geo(condition: Any) -> bool:
    if isinstance(condition, dict):
        names = condition.get("var")
        first = names[0] if isinstance(names, list) and names else names
        if isinstance(first, str) and first.partition(".")[0] == "geo":
            return True
        condition = list(condition.values())
    return isinstance(condition, list) and any(_mentions_geo(part) for part in condition)


def _rules_by_place(activities: Sequence[Activity], kind: str) -> Dict[str, List[Json]]:
    """The rules of each mbox, or of each view, in order of priority."""
    found: Dict[str, List[Json]] = {}
    for activity in activities:
        for place in _places(activity):
            if place.kind == kind:
                found.setdefault(place.name, []).extend(_rules(activity, place))
    return found


def _places(activity: Activity) -> List[_Place]:
    named = [("mbox", name) for name in activity.locations] + [("view", name) for name in activity.views]
    return [_Place(kind, name, number) for number, (kind, name) in enumerate(dict.fromkeys(named))]


def _rules(activity: Activity, place: _Place) -> List[Json]:
    shared = [(branch, one) for branch, one in enumerate(activity.experiences) if one.lower < one.upper]
    return [_rule(activity, place, branch, experience) for branch, experience in shared]


def _rule(activity: Activity, place: _Place, branch: int, experience: Experience) -> Json:
    option: Json = {}
    if experience.offer is not None:
        option["type"], option["content"] = experience.offer
    option["eventToken"] = opaque("display", activity.id, branch, place.name)
    rule = {
        # Of the rules of one key at one place a page load shows one: an activity shows one experience.
        "ruleKey": "{}-{}".format(activity.id, place.number),
        "activityId": activity.id,
        "meta": _meta(activity, place, branch, experience),
        "condition": _condition(activity, experience),
        "consequence": {"name": place.name, "options": [option], "metrics": []},
    }
    return rule if activity.property_token is None else {**rule, "propertyTokens": [activity.property_token]}


def _meta(activity: Activity, place: _Place, branch: int, experience: Experience) -> Json:
    number = branch + 2  # the service counts options from 2
    meta: Json = {
        "activity.id": activity.id,
        "activity.name": activity.name,
        "activity.type": "ab",
        "experience.id": branch,
        "experience.name": experience.name,
        "location.id": place.number,
        "location.name": place.name,
        "location.type": place.kind,
        "audience.ids": [] if activity.audience is None else [activity.id],
        "option.id": number,
        "option.name": "Offer{}".format(number),
    }
    if experience.offer is not None and place.kind == "mbox":
        meta["offer.id"] = branch
        meta["offer.name"] = "/{}/experiences/{}".format(activity.name, branch)
    return meta


def _condition(activity: Activity, experience: Experience) -> Json:
    """The share, then the audience: above the lower limit, up to and including the upper one."""
    above = "<=" if experience.lower == 0 else "<"
    share: Json = {"and": [_compared(above, experience.lower), _compared(">=", experience.upper)]}
    return share if activity.audience is None else {"and": [share, activity.audience]}


def _compared(operator: str, limit: float) -> Json:
    return {operator: [int(limit) if limit == int(limit) else limit, {"var": "allocation"}]}
