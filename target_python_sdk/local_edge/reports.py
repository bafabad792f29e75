"""Describes delivery requests for the feed: the decisions, and what the client reported."""

from typing import List, Optional, Sequence, Tuple

from target_python_sdk.decisioning.context import bucketing_id
from target_python_sdk.local_edge.content import EdgeContent
from target_python_sdk.local_edge.delivery import locations_in
from target_python_sdk.local_edge.events import RecordedEvent
from target_python_sdk.local_edge.no_offer import explain_no_offer, has_location
from target_python_sdk.local_edge.validation import Json
from target_python_sdk.protocol import DEFAULT_GLOBAL_MBOX
from target_python_sdk.types import DeliveryRequest, Notification, VisitorId
from target_tools.error_text import shown

#: The maximum number of locations of a request for which the reason for the missing offer is determined.
MAX_REASONS = 20


def describe_delivery(
    content: EdgeContent, request: DeliveryRequest, response: Json, reported: Sequence[Sequence[RecordedEvent]]
) -> Tuple[List[Json], Json]:
    """Return the data of the notifications in a request, and the data of the request itself.

    ``reported`` contains the events of each notification.
    """
    visitor = bucketing_id(VisitorId.from_dict(response.get("id") or {}))
    notifications = [_notification(*each, visitor) for each in zip(request.notifications or (), reported)]
    return notifications, {
        "visitor": visitor,
        "decisions": _decisions(content, request, response, visitor),
        "notifications": [{key: each[key] for key in ("type", "location", "events")} for each in notifications],
        "telemetry": len((request.telemetry and request.telemetry.entries) or ()),
    }


def _decisions(content: EdgeContent, request: DeliveryRequest, response: Json, visitor: Optional[str]) -> List[Json]:
    """Return the decisions of a request: one for each option, and one for each location without options."""
    decisions: List[Json] = []
    without_offer = []
    for mode in ("execute", "prefetch"):
        for kind, location in locations_in(response.get(mode, {})):
            name = DEFAULT_GLOBAL_MBOX if kind == "pageLoad" else location.get("name")
            for option in location.get("options") or [{}]:
                tokens = option.get("responseTokens", {})
                keys = {each: tokens.get(f"{each}.name") for each in ("activity", "experience")}
                reason = tokens.get("experience.reason")
                decisions.append({"mode": mode, "location": name, **keys, "reason": reason})
                if not tokens:
                    without_offer.append((kind, decisions[-1]))
    answered = {view.get("name") for view in response.get("prefetch", {}).get("views") or ()}
    for view in (request.prefetch and request.prefetch.views) or ():
        if view.name and view.name not in answered:  # an answer contains only views with offers
            missing = {"mode": "prefetch", "location": view.name, "activity": None, "experience": None, "reason": None}
            decisions.append(missing)
            without_offer.append(("view", missing))
    if request.qa_mode is None:  # in QA mode, the audiences and the buckets of the activities do not decide
        token = None if request._property is None else request._property.token
        for kind, decision in without_offer[:MAX_REASONS]:
            decision["reason"] = explain_no_offer(content, kind, decision["location"], visitor, token)
            _warn_no_activity(content, kind, **decision)
    return decisions


def _warn_no_activity(content: EdgeContent, kind: str, location: str, reason: str, **_: object) -> None:
    """Log, once for each location, that no activity has this location. The name may be misspelled.

    A page load is not logged, because clients often request it even if no activity uses it.
    """
    if kind == "pageLoad" or has_location(content.artifact, kind, location):
        return
    if content.log.first_time((kind, location)):
        content.log.warning("A client requested the %s %s: %s", kind, shown(location), reason)


def _notification(notification: Notification, events: Sequence[RecordedEvent], visitor: Optional[str]) -> Json:
    """Return the data of a notification that the edge has accepted."""
    place = notification.mbox or notification.view
    return {
        "id": notification.id,
        "type": notification.type,
        "location": DEFAULT_GLOBAL_MBOX if place is None else place.name,
        "visitor": visitor,
        "events": [event._asdict() for event in events],
    }
