"""Notifications as a message on a broker: how it is made, what it says in logs, and when to send it again."""

from typing import Any, Dict, Mapping, Sequence, Tuple

from target_python_sdk.delivery.call_options import call_options, check_notifications
from target_python_sdk.delivery.options import ByteLimits, ClientSettings
from target_python_sdk.delivery.prepare import prepare_request
from target_python_sdk.types import DeliveryRequest
from target_tools.errors import (
    CallLost,
    ClientClosed,
    ConnectionFailed,
    DeadlineExceeded,
    HttpStatusError,
    InvalidResponse,
    OptionError,
    QueueFull,
    TargetError,
)
from target_tools.http.bodies import parse_json, render_json
from target_tools.logger import Log

#: Errors after which the same request may come through later.  So it may after a 429 or a 5xx.
_TRANSIENT_ERRORS = (ConnectionFailed, DeadlineExceeded, InvalidResponse, QueueFull, ClientClosed, CallLost)

#: What a message is made with: what else a client knows (property, environment, a time-out) is added by the one that
#: sends it.
_PLACEHOLDER_SETTINGS = ClientSettings("", "", timeout=0)

#: The largest request that a message may hold, in bytes of JSON: as large as the largest answer that is read.
MAX_REQUEST_BYTES = ByteLimits().delivery

#: The MIME types of the serializers that messages are published with.
_CONTENT_TYPES = {"json": "application/json", "auth": "application/data"}

#: What a message consists of: the types of each value, and their description.
_FIELDS: Dict[str, Tuple[Tuple[type, ...], str]] = {
    "request": ((dict,), "a dict"),
    "session_id": ((str,), "a str"),
    "location_hint": ((str, type(None)), "a str"),
    "timeout": ((int, float, type(None)), "a number"),
}

#: What a forged request raises in the code that prepares it.
_UNUSABLE = (TargetError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def message_from_options(options: Any, log: Log) -> Dict[str, Any]:
    """What travels: plain JSON, with nothing left open that this process decides."""
    call = call_options(options, _PLACEHOLDER_SETTINGS, log)
    if call.callback is not None or call.err_callback is not None:
        raise OptionError("callback: a message cannot carry one", "callback", "None")
    check_notifications(call.request)
    prepared = prepare_request(call, _PLACEHOLDER_SETTINGS, None, log)
    check_notifications(prepared.request)  # those that cannot be used were left out
    message = message_from_request(prepared.request, prepared.session.session_id)
    if prepared.cluster is not None:
        message["location_hint"] = prepared.cluster
    if call.timeout:
        message["timeout"] = call.timeout * 1000
    return message


def message_from_request(request: DeliveryRequest, session_id: str) -> Dict[str, Any]:
    """The same of a request in which everything is settled."""
    try:
        body = render_json(request.to_dict(by_alias=True, exclude_none=True))
        wire = parse_json(body)
    except (TypeError, ValueError, RecursionError):
        expected = "values that JSON can hold"
        raise OptionError("request: {} were expected".format(expected), "request", expected) from None
    if len(body) > MAX_REQUEST_BYTES:
        expected = f"at most {MAX_REQUEST_BYTES} bytes of JSON"
        raise OptionError(f"Invalid argument 'request': expected {expected}, got {len(body)}", "request", expected)
    return {"request": wire, "session_id": session_id}


def serializer_of(settings: Any) -> str:
    """Return the serializer for messages of an application with these Celery settings.

    It is JSON whatever ``task_serializer`` says, as pickle would execute a forged message.  An application
    that signs its messages gets signed ones.  Raises ``OptionError`` if workers would not accept the message:
    Celery discards one of a type that ``accept_content`` does not name, and logs all of it.
    """
    serializer = "auth" if settings.task_serializer == "auth" else "json"
    accepted = settings.accept_content or ()
    if serializer not in accepted and _CONTENT_TYPES[serializer] not in accepted:
        expected = f"a list with {serializer!r}"
        message = f"Invalid setting 'accept_content' of the Celery application: expected {expected}, got {accepted!r}"
        raise OptionError(message, "accept_content", expected)
    return serializer


def options_from_message(args: Sequence[Any], kwargs: Mapping[str, Any], log: Log) -> Any:
    """Return the call that the arguments of a task stand for.

    Anybody who can write to the broker can send a message.  Raises ``OptionError`` for arguments that
    :func:`message_from_options` and :func:`message_from_request` do not make.
    """
    given = [*args, *kwargs.values()]
    if len(given) != 1 or not set(kwargs) <= {"message"} or not isinstance(given[0], dict):
        raise _foreign("one dict")
    message = given[0]
    foreign = set(message) - set(_FIELDS)
    if foreign:
        raise _foreign("the keys " + ", ".join(_FIELDS))
    for name, (kinds, expected) in _FIELDS.items():
        if not isinstance(message.get(name), kinds) or isinstance(message.get(name), bool):
            raise _foreign(f"{expected} as {name!r}")
    try:
        return _settled(message, log)
    except _UNUSABLE as error:  # not SoftTimeLimitExceeded: that is worth a retry
        raise _foreign(f"a request of notifications ({type(error).__name__})") from None


def _settled(message: Mapping[str, Any], log: Log) -> Dict[str, Any]:
    """Return the call; every error that preparing it can raise is raised here, not in the client."""
    options = {
        "request": DeliveryRequest.from_dict(message["request"]),
        "session_id": message["session_id"],
        "target_location_hint": message.get("location_hint"),
        "timeout": message.get("timeout"),
    }
    message_from_options(options, log)
    return options


def _foreign(expected: str) -> OptionError:
    """The message itself is not shown: it may be about a visitor."""
    return OptionError(f"Invalid message: expected {expected}", "message", expected)


def describe_message(message: Mapping[str, Any]) -> str:
    """How much a message holds, never what."""
    return "(<{} notifications>,)".format(len(message["request"].get("notifications") or ()))


def error_name(error: BaseException) -> str:
    """The class of an error, with the HTTP status if it has one."""
    status = getattr(error, "status", None)
    return type(error).__name__ if not status else "{} {}".format(type(error).__name__, status)


def redacted_error(error: TargetError) -> TargetError:
    """``error`` as it would leave the process: without the request, and without the body that was answered."""
    restore, arguments = error.__reduce__()
    made: TargetError = restore(*arguments)
    return made


def is_transient(error: BaseException) -> bool:
    """Whether the same request may come through later."""
    if isinstance(error, HttpStatusError):
        return error.status is not None and (error.status == 429 or error.status >= 500)
    return isinstance(error, _TRANSIENT_ERRORS)


def is_retryable(error: BaseException) -> bool:
    """Whether to try again: so it is where a soft limit struck, or a factory could not make a client."""
    return is_transient(error) or not isinstance(error, TargetError)
