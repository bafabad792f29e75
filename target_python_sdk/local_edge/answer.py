"""A delivery request as a dict -> the delivery response as a dict."""

import base64
import uuid
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional

from target_python_sdk.local_edge.activities import Activities
from target_python_sdk.local_edge.checks import checked_list, checked_object, checked_text, wrong
from target_python_sdk.local_edge.decide import CLUSTER, Decision, bucketed_by, decide_all, identified
from target_tools.constants import DEFAULT_GLOBAL_MBOX, EDGE_CLUSTER_PREFIX, EDGE_HOST_SUFFIX

EDGE_HOST = "{}{}.{}".format(EDGE_CLUSTER_PREFIX, CLUSTER, EDGE_HOST_SUFFIX)

Json = Dict[str, Any]


class Asked(NamedTuple):
    """One delivery request that is in order: what deciding and answering need of it."""

    activities: Activities
    session_id: str
    ids: Json
    visitor: str
    address: Json
    is_traced: bool
    is_logged_client_side: bool


def _asked(activities: Activities, request: Json, session_id: str) -> Asked:
    context = checked_object(request.get("context"), "context")
    if context.get("channel") not in ("web", "mobile"):
        raise wrong("context.channel", "'web' or 'mobile'", context.get("channel"))
    given = _part(request, "id")
    for key in ("tntId", "thirdPartyId", "marketingCloudVisitorId"):
        if given.get(key) is not None:
            checked_text(given[key], "id." + key)
    analytics = _part(_part(request, "experienceCloud"), "analytics", "experienceCloud.")
    ids = identified(given)
    return Asked(
        activities,
        session_id,
        ids,
        visitor=bucketed_by(ids),
        address=_part(context, "address", "context."),
        is_traced=request.get("trace") is not None,
        is_logged_client_side=analytics.get("logging") == "client_side",
    )


def _part(whole: Json, key: str, place: str = "") -> Json:
    """An object that may be missing."""
    return {} if whole.get(key) is None else checked_object(whole[key], place + key)


def answer(activities: Activities, request: Any, session_id: str) -> Json:
    """The delivery response to ``request``.  Raises ``OptionError`` for a request the API would refuse."""
    request = checked_object(request, "request")
    asked = _asked(activities, request, session_id)
    response: Json = {
        "status": 200,
        "requestId": request.get("requestId") or str(uuid.uuid4()),
        "client": activities.client,
        "id": asked.ids,
        "edgeHost": EDGE_HOST,
    }
    if request.get("execute") is not None:
        response["execute"] = _executed(asked, checked_object(request["execute"], "execute"))
    if request.get("prefetch") is not None:
        response["prefetch"] = _prefetched(asked, checked_object(request["prefetch"], "prefetch"))
    if request.get("notifications") is not None:
        response["notifications"] = [{"id": found["id"]} for found in notifications(request)]
    return response


def notifications(request: Json) -> List[Json]:
    """The notifications of a request, in order.  Raises ``OptionError`` for one the API would refuse."""
    found = checked_list(request.get("notifications") or [], "notifications")
    for at, value in enumerate(found):
        place = "notifications[{}]".format(at)
        notification = checked_object(value, place)
        checked_text(notification.get("id"), place + ".id")
        if notification.get("type") not in ("click", "display"):
            raise wrong(place + ".type", "'click' or 'display'", notification.get("type"))
        if not isinstance(notification.get("timestamp"), int):
            raise wrong(place + ".timestamp", "milliseconds since 1970", notification.get("timestamp"))
    return found


def _executed(asked: Asked, execute: Json) -> Json:
    result: Json = {}
    if execute.get("pageLoad") is not None:
        result["pageLoad"] = _page_load(asked, _option, "execute")
    if execute.get("mboxes") is not None:
        result["mboxes"] = _mboxes(asked, execute["mboxes"], _option, "execute")
    return result


def _prefetched(asked: Asked, prefetch: Json) -> Json:
    result: Json = {}
    if prefetch.get("views") is not None:
        result["views"] = _views(asked, prefetch["views"])
    if prefetch.get("pageLoad") is not None:
        result["pageLoad"] = _page_load(asked, _prefetched_option, "prefetch")
    if prefetch.get("mboxes") is not None:
        result["mboxes"] = _mboxes(asked, prefetch["mboxes"], _prefetched_option, "prefetch")
    return result


def _page_load(asked: Asked, option: Callable[[Decision, str], Json], mode: str) -> Json:
    at = asked.activities.at_location(DEFAULT_GLOBAL_MBOX)
    decisions = decide_all(asked.activities, at, asked.visitor)
    result: Json = {"options": [option(made, DEFAULT_GLOBAL_MBOX) for made in decisions if made.experience]}
    return _completed(asked, result, decisions, "pageLoad", {"type": mode})


def _mboxes(asked: Asked, mboxes: Any, option: Callable[[Decision, str], Json], mode: str) -> List[Json]:
    results = []
    for at, value in enumerate(checked_list(mboxes, mode + ".mboxes")):
        place = "{}.mboxes[{}]".format(mode, at)
        mbox = checked_object(value, place)
        name = checked_text(mbox.get("name"), place + ".name")
        result: Json = {key: mbox[key] for key in ("index", "name") if mbox.get(key) is not None}
        decisions = decide_all(asked.activities, asked.activities.at_location(name), asked.visitor)
        winners = [made for made in decisions if made.experience]
        if winners and name != DEFAULT_GLOBAL_MBOX:  # a regional mbox shows one activity, the global one all
            winners = winners[:1]
        if winners:
            result["options"] = [option(made, name) for made in winners]
        results.append(_completed(asked, result, decisions, "mbox", {"name": name, "type": mode}))
    return results


def _views(asked: Asked, views: Any) -> List[Json]:
    wanted: Dict[str, Optional[str]] = {}
    for at, value in enumerate(checked_list(views, "prefetch.views")):
        view = checked_object(value, "prefetch.views[{}]".format(at))
        for name in [view["name"]] if view.get("name") else asked.activities.views:
            wanted.setdefault(name, view.get("key"))
    results = []
    for name, key in wanted.items():
        decisions = decide_all(asked.activities, asked.activities.at_view(name), asked.visitor)
        options = [_prefetched_option(made, name) for made in decisions if made.experience]
        if options:
            result: Json = {"name": name, "key": key, "options": options}
            result = {part: value for part, value in result.items() if value is not None}
            results.append(_completed(asked, result, decisions, "view", {"name": name, "type": "prefetch"}))
    return results


def _option(made: Decision, location: str) -> Json:
    option: Json = {}
    if made.experience is not None and made.experience.offer is not None:
        option["type"], option["content"] = made.experience.offer
    option["responseTokens"] = {
        "activity.id": str(made.activity.id),
        "activity.name": made.activity.name,
        "experience.id": str(made.branch),
        "experience.name": made.experience.name if made.experience else "",
        "experience.reason": made.reason,
        "location.name": location,
    }
    return option


def _prefetched_option(made: Decision, location: str) -> Json:
    option = _option(made, location)
    option["eventToken"] = _token("display", made.activity.id, made.branch, location)
    return option


def _completed(asked: Asked, result: Json, decisions: List[Decision], kind: str, what: Json) -> Json:
    shown = [made for made in decisions if made.experience][: len(result.get("options", []))]
    if what["type"] == "prefetch" and shown:
        result["state"] = _token("state", kind, what.get("name", ""))
    if asked.is_logged_client_side and shown:
        tnta = ",".join("{}:{}:0|2".format(made.activity.id, made.branch) for made in shown)
        result["analytics"] = {"payload": {"pe": "tnt", "tnta": tnta}}
    if asked.is_traced:
        result["trace"] = _trace(asked, decisions, shown, {kind: what})
    return result


def _trace(asked: Asked, decisions: List[Decision], shown: List[Decision], what: Mapping[str, Json]) -> Json:
    return {
        "clientCode": asked.activities.client,
        "request": {"sessionId": asked.session_id, "pageURL": asked.address.get("url"), **what},
        "profile": {"visitorId": asked.ids, "bucketedBy": asked.visitor},
        "campaigns": [{"id": made.activity.id, "name": made.activity.name, "branchId": made.branch} for made in shown],
        "evaluatedCampaignTargets": [
            {"campaignId": made.activity.id, "bucket": made.bucket, "reason": made.reason} for made in decisions
        ],
    }


def _token(*parts: object) -> str:
    """Opaque to a client; decoded, it reads as what it stands for."""
    return base64.urlsafe_b64encode(":".join(map(str, parts)).encode()).decode("ascii")
