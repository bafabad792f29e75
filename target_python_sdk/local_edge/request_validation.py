"""Validates delivery requests. Rejects requests that the API would reject, and names the place."""

from typing import List

from target_python_sdk.local_edge.validation import Json, JsonValue, check_object, check_objects, check_text, error_at


def validate_request(value: JsonValue) -> Json:
    """Return the request as a dict. Raises ``OptionError`` for a request that the API would reject."""
    request = check_object(value, "request")
    context = check_object(request.get("context"), "context")
    if context.get("channel") not in ("web", "mobile"):
        raise error_at("context.channel", "'web' or 'mobile'", context.get("channel"))
    optional_object(context, "address", "context.")
    optional_object(context, "geo", "context.")
    for key, visitor_id in optional_object(request, "id").items():
        if key in ("tntId", "thirdPartyId", "marketingCloudVisitorId") and visitor_id is not None:
            check_text(visitor_id, f"id.{key}")
    optional_object(optional_object(request, "experienceCloud"), "analytics", "experienceCloud.")
    for mode in ("execute", "prefetch"):
        _check_mode(optional_object(request, mode), mode)
    request_notifications(request)
    return request


def optional_object(parent: Json, key: str, place: str = "") -> Json:
    """Return an object of ``parent``, or an empty one if it is missing."""
    return {} if parent.get(key) is None else check_object(parent[key], place + key)


def request_notifications(request: Json) -> List[Json]:
    """Return the notifications of a request. Raises ``OptionError`` if the API would reject one."""
    notifications = check_objects(request.get("notifications"), "notifications")
    for place, notification in notifications:
        check_text(notification.get("id"), f"{place}.id")
        if notification.get("type") not in ("click", "display"):
            raise error_at(f"{place}.type", "'click' or 'display'", notification.get("type"))
        if not isinstance(notification.get("timestamp"), int):
            raise error_at(f"{place}.timestamp", "milliseconds since 1970", notification.get("timestamp"))
    return [notification for _, notification in notifications]


def _check_mode(details: Json, mode: str) -> None:
    for place, mbox in check_objects(details.get("mboxes"), f"{mode}.mboxes"):
        check_text(mbox.get("name"), f"{place}.name")
    if mode == "prefetch":
        for place, view in check_objects(details.get("views"), f"{mode}.views"):
            if view.get("name"):  # a view without a name requests all views
                check_text(view["name"], f"{place}.name")
