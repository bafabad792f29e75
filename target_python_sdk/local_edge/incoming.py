"""A delivery request as it came: what the API would refuse is refused, with its place."""

from typing import Any, Dict, List

from target_python_sdk.local_edge.checks import checked_list, checked_object, checked_text, wrong

Json = Dict[str, Any]


def checked_request(value: Any) -> Json:
    """A request that is in order.  Raises ``OptionError`` for one the API would refuse."""
    request = checked_object(value, "request")
    context = checked_object(request.get("context"), "context")
    if context.get("channel") not in ("web", "mobile"):
        raise wrong("context.channel", "'web' or 'mobile'", context.get("channel"))
    part(context, "address", "context.")
    part(context, "geo", "context.")
    for key in ("tntId", "thirdPartyId", "marketingCloudVisitorId"):
        if part(request, "id").get(key) is not None:
            checked_text(request["id"][key], "id." + key)
    part(part(request, "experienceCloud"), "analytics", "experienceCloud.")
    for mode in ("execute", "prefetch"):
        _check_asked(part(request, mode), mode)
    notifications(request)
    return request


def part(whole: Json, key: str, place: str = "") -> Json:
    """An object that may be missing."""
    return {} if whole.get(key) is None else checked_object(whole[key], place + key)


def _check_asked(asked: Json, mode: str) -> None:
    for at, mbox in enumerate(_list(asked, "mboxes", mode)):
        place = "{}.mboxes[{}]".format(mode, at)
        checked_text(checked_object(mbox, place).get("name"), place + ".name")
    if mode == "prefetch":
        for at, view in enumerate(_list(asked, "views", mode)):
            place = "{}.views[{}]".format(mode, at)
            if checked_object(view, place).get("name"):  # without a name it asks for all of them
                checked_text(view["name"], place + ".name")


def _list(asked: Json, key: str, mode: str) -> List[Any]:
    return [] if asked.get(key) is None else checked_list(asked[key], "{}.{}".format(mode, key))


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
