"""Notifications as a message on a broker: how it is made, what it says in logs, and when to send it again."""

from typing import Any, Dict, Mapping

from target_python_sdk.delivery.call_options import call_options, check_notifications
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.delivery.prepare import prepare
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
_PASSING = (ConnectionFailed, DeadlineExceeded, InvalidResponse, QueueFull, ClientClosed, CallLost)

#: What a message is made with: what else a client knows (property, environment, a time-out) is added by the one that
#: sends it.
_NOBODY = ClientSettings("", "", timeout=0)


def message_of_call(options: Any, log: Log) -> Dict[str, Any]:
    """What travels: plain JSON, with nothing left open that this process decides."""
    call = call_options(options, _NOBODY, log)
    if call.callback is not None or call.err_callback is not None:
        raise OptionError("callback: a message cannot carry one", "callback", "None")
    check_notifications(call.request)
    prepared = prepare(call, _NOBODY, None, log)
    check_notifications(prepared.request)  # those that cannot be used were left out
    message = message_of(prepared.request, prepared.visit.session_id)
    if prepared.cluster is not None:
        message["location_hint"] = prepared.cluster
    if call.timeout:
        message["timeout"] = call.timeout * 1000
    return message


def message_of(request: DeliveryRequest, session_id: str) -> Dict[str, Any]:
    """The same of a request in which everything is settled."""
    try:
        wire = parse_json(render_json(request.to_dict(by_alias=True, exclude_none=True)))
    except (TypeError, ValueError, RecursionError):
        expected = "values that JSON can hold"
        raise OptionError("request: {} were expected".format(expected), "request", expected) from None
    return {"request": wire, "session_id": session_id}


def options_of(message: Mapping[str, Any]) -> Any:
    """The call that a message stands for."""
    return {
        "request": DeliveryRequest.from_dict(message["request"]),
        "session_id": message["session_id"],
        "target_location_hint": message.get("location_hint"),
        "timeout": message.get("timeout"),
    }


def shown(message: Mapping[str, Any]) -> str:
    """How much a message holds, never what."""
    return "(<{} notifications>,)".format(len(message["request"].get("notifications") or ()))


def named(error: BaseException) -> str:
    """The class of an error, with the HTTP status if it has one."""
    status = getattr(error, "status", None)
    return type(error).__name__ if not status else "{} {}".format(type(error).__name__, status)


def bare(error: TargetError) -> TargetError:
    """``error`` as it would leave the process: without the request, and without the body that was answered."""
    restore, arguments = error.__reduce__()
    made: TargetError = restore(*arguments)
    return made


def may_pass(error: BaseException) -> bool:
    """Whether the same request may come through later."""
    if isinstance(error, HttpStatusError):
        return error.status is not None and (error.status == 429 or error.status >= 500)
    return isinstance(error, _PASSING)


def is_worth_a_retry(error: BaseException) -> bool:
    """Whether to try again: so it is where a soft limit struck, or a factory could not make a client."""
    return may_pass(error) or not isinstance(error, TargetError)
