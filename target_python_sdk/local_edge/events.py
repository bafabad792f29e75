"""Displays and clicks: the tokens with which clients report them, and the notifications that the edge accepts."""

from logging import getLogger
from typing import Dict, List, Mapping, NamedTuple, Sequence, Tuple

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.local_edge.validation import check_text, error_at
from target_python_sdk.types import MetricType, Notification
from target_tools.clock import timestamp_problem

logger = getLogger("adobe.target.local_edge")

#: A smaller timestamp is a placeholder: as a time in seconds, it would be before March 1973.
MIN_SECONDS = 100_000_000


class RecordedEvent(NamedTuple):
    """A display or a click of an experience.

    ``location`` is the name of an mbox or a view. For the page load it is ``target-global-mbox``.
    """

    type: str
    location: str
    activity: str
    experience: str


def events_by_token(artifact: Artifact) -> Dict[str, RecordedEvent]:
    """Return the events that clients can report, by event token."""
    events: Dict[str, RecordedEvent] = {}
    for locations in (artifact.mboxes, artifact.views):
        for location, rules in locations.items():
            for rule in rules:
                activity = str(rule.meta.get("activity.name", rule.activity.id))
                experience = str(rule.meta.get("experience.name", rule.meta.get("experience.id")))
                tokens: List[Tuple[object, object]] = [(MetricType.DISPLAY, each.event_token) for each in rule.options]
                tokens += [(metric.get("type"), metric.get("eventToken")) for metric in rule.metrics]
                for type_, token in tokens:
                    if isinstance(token, str):
                        events[token] = RecordedEvent(str(type_), location, activity, experience)
    return events


def reported_events(
    notifications: Sequence[Notification], known: Mapping[str, RecordedEvent]
) -> List[List[RecordedEvent]]:
    """Return the events that each notification reports.

    Raises ``OptionError`` for a notification that the API would reject, or that has the token of another event.
    """
    events = []
    for index, notification in enumerate(notifications):
        place = f"notifications[{index}]"
        if notification is None:
            raise error_at(place, "an object", None)
        check_text(notification.id, f"{place}.id")
        if notification.type not in (MetricType.CLICK, MetricType.DISPLAY):
            raise error_at(f"{place}.type", "'click' or 'display'", notification.type)
        _check_timestamp(notification, f"{place}.timestamp")
        if not (notification.mbox or notification.view or notification.page_load):
            raise error_at(place, "an mbox, view or page_load", problem="it has no mbox, view or page_load")
        tokens = enumerate(notification.tokens or ())
        events.append([_event(notification, token, f"{place}.tokens[{at}]", known) for at, token in tokens])
    return events


def _check_timestamp(notification: Notification, place: str) -> None:
    expected, timestamp = "milliseconds since 1970", notification.timestamp
    if not isinstance(timestamp, int) or isinstance(timestamp, bool):
        raise error_at(place, expected, timestamp)
    problem = timestamp_problem(timestamp)
    if problem and not notification.tokens and 0 <= timestamp < MIN_SECONDS:
        # It is a placeholder, not a time in seconds. The notification reports nothing, so its time does not matter.
        logger.warning("Accepted a notification that reports nothing: %s: %s", place, problem)
    elif problem:
        year = "in 1970" if timestamp >= 0 else "before 1970"
        raise error_at(place, expected, problem=f"the timestamp is {year}; {problem}")


def _event(notification: Notification, token: str, place: str, known: Mapping[str, RecordedEvent]) -> RecordedEvent:
    event, type_ = known.get(check_text(token, place)), notification.type
    expected = f"the token of a {type_}"
    if event is None:
        raise error_at(place, expected, problem="unknown token; this edge has not sent it")
    if event.type != type_:
        problem = f"this is a {event.type} token of {event.location}, but the notification is of type {type_!r}"
        raise error_at(place, expected, problem=problem)
    for kind, part in (("mbox", notification.mbox), ("view", notification.view)):
        if part is not None and part.name not in (None, event.location):
            problem = f"this token belongs to {event.location!r}, but the notification is of {kind} {part.name!r}"
            raise error_at(place, expected, problem=problem)
    return event
