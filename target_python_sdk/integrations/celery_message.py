"""Converts notifications to messages for a broker and back, and classifies the errors of sending them."""

from typing import TYPE_CHECKING, Any, Dict, Mapping, Sequence, Union

from target_python_sdk.delivery.call_options import call_options, check_notifications
from target_python_sdk.delivery.option_parsers import reject
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
from target_tools.http.messages import parse_json, render_json
from target_tools.logger import Log

if TYPE_CHECKING:
    from celery.app.utils import Settings

    from target_python_sdk.delivery.option_types import CallOptions

#: Errors after which the same request may succeed later, besides the statuses 429 and 5xx.
_TRANSIENT_ERRORS = (ConnectionFailed, DeadlineExceeded, InvalidResponse, QueueFull, ClientClosed, CallLost)

#: Settings for preparing a message. The client that sends it adds its own property, environment and timeout.
_PLACEHOLDER_SETTINGS = ClientSettings("", "", timeout=0)

#: Maximum size of the request in a message, in bytes of JSON. It equals the default limit for answers.
MAX_REQUEST_BYTES = ByteLimits().delivery

#: The MIME types of the serializers that messages are published with.
_CONTENT_TYPES = {"json": "application/json", "auth": "application/data"}

#: The keys of a message.
_KEYS = ("request", "session_id", "location_hint", "timeout")

#: Errors that a forged request can raise in the code that prepares it.
_UNUSABLE = (TargetError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def message_from_options(options: "Union[CallOptions, Mapping[str, Any], None]", log: Log) -> Dict[str, Any]:
    """Return the message for the options of ``send_notifications``: JSON values with all ids and times."""
    call = call_options(options, _PLACEHOLDER_SETTINGS, log)
    if call.callback is not None or call.err_callback is not None:
        reject("callback", "None", problem="a message cannot contain a callback")
    check_notifications(call.request, call.hint)
    prepared = prepare_request(call, _PLACEHOLDER_SETTINGS, None, log)
    message = message_from_request(prepared.request, prepared.session_id)
    if prepared.cluster is not None:
        message["location_hint"] = prepared.cluster
    if call.timeout:
        message["timeout"] = call.timeout * 1000
    return message


def message_from_request(request: DeliveryRequest, session_id: str) -> Dict[str, Any]:
    """Return the message for a request that has all ids and times."""
    try:
        body = render_json(request.to_dict(by_alias=True, exclude_none=True))
        wire = parse_json(body)
    except (TypeError, ValueError, RecursionError):
        expected = "values that JSON can represent"
        raise OptionError(f"Invalid argument 'request': expected {expected}", "request", expected) from None
    if len(body) > MAX_REQUEST_BYTES:
        expected = f"at most {MAX_REQUEST_BYTES} bytes of JSON"
        raise OptionError(f"Invalid argument 'request': expected {expected}, got {len(body)}", "request", expected)
    return {"request": wire, "session_id": session_id}


def serializer_of(settings: "Settings") -> str:
    """Return the name of the serializer for messages, given the settings of a Celery application.

    It is JSON even if ``task_serializer`` is pickle, which would execute the code in a forged message. It is "auth" if
    the application signs its messages. Raises ``OptionError`` if ``accept_content`` does not contain the serializer,
    because workers would then discard the message and log its content.
    """
    serializer = "auth" if settings.task_serializer == "auth" else "json"
    accepted = settings.accept_content or ()
    if serializer not in accepted and _CONTENT_TYPES[serializer] not in accepted:
        expected = f"a list with {serializer!r}"
        message = f"Invalid setting 'accept_content' of the Celery application: expected {expected}, got {accepted!r}"
        raise OptionError(message, "accept_content", expected)
    return serializer


def options_from_message(args: Sequence[Any], kwargs: Mapping[str, Any], log: Log) -> Any:
    """Return the options of ``send_notifications`` from the arguments of a task.

    The arguments are untrusted, because anyone with access to the broker can send a message. Raises ``OptionError``
    for arguments that :func:`message_from_options` and :func:`message_from_request` do not create.
    """
    given = [*args, *kwargs.values()]
    if len(given) != 1 or not set(kwargs) <= {"message"} or not isinstance(given[0], dict):
        raise _invalid("one dict")
    message = given[0]
    if not set(message) <= set(_KEYS):
        raise _invalid("the keys " + ", ".join(_KEYS))
    hint = message.get("location_hint")
    if not isinstance(message.get("session_id"), str) or not (hint is None or isinstance(hint, str)):
        raise _invalid("a str as 'session_id' and 'location_hint'")
    options = {"session_id": message["session_id"], "target_location_hint": hint, "timeout": message.get("timeout")}
    try:
        options["request"] = DeliveryRequest.from_dict(message["request"])
        message_from_options(options, log)  # prepares the call, to raise any error here instead of in the client
    except _UNUSABLE as error:  # not SoftTimeLimitExceeded, which is retried
        raise _invalid(f"a request with notifications ({type(error).__name__})") from None
    return options


def _invalid(expected: str) -> OptionError:
    """Return the error for an invalid message, without its content, which may be about a visitor."""
    return OptionError(f"Invalid message: expected {expected}", "message", expected)


def describe_message(message: Mapping[str, Any]) -> str:
    """Return a text for logs that has the number of notifications, but not their content."""
    count = len(message["request"].get("notifications") or ())
    return f"(<{count} notifications>,)"


def error_name(error: BaseException) -> str:
    """Return the class name of an error, with the HTTP status if it has one."""
    status = getattr(error, "status", None)
    return f"{type(error).__name__} {status}" if status else type(error).__name__


def redacted_error(error: TargetError) -> TargetError:
    """Return a copy of ``error`` as pickle would create it: without the request and the body of the answer."""
    restore, arguments = error.__reduce__()
    made: TargetError = restore(*arguments)
    return made


def is_transient(error: BaseException) -> bool:
    """Return whether the same request may succeed later."""
    if isinstance(error, HttpStatusError):
        return error.status is not None and (error.status == 429 or error.status >= 500)
    return isinstance(error, _TRANSIENT_ERRORS)
