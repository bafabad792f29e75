"""Parses and validates the options of a call, before anything is sent."""

import re
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Union

from target_python_sdk.delivery import option_parsers as parse
from target_python_sdk.delivery.conversion import (
    Given,
    convert_customer_ids,
    convert_request,
    hint_text,
    plain,
    text_or_none,
    unknown_keys,
)
from target_python_sdk.delivery.legacy_messages import (
    EXECUTE_FIELDS_REQUIRED,
    NOTIFICATIONS_REQUIRED,
    OPTIONS_REQUIRED,
    PREFETCH_FIELDS_REQUIRED,
    REQUEST_REQUIRED,
)
from target_python_sdk.protocol import TARGET_COOKIE
from target_python_sdk.types import CustomerId, DeliveryRequest, ExecuteRequest, MboxRequest
from target_tools.enums import DecisioningMethod
from target_tools.error_text import OMITTED, invalid, shown, suggestion
from target_tools.errors import OptionError
from target_tools.logger import Log
from target_tools.schema.model import copy_with

if TYPE_CHECKING:  # the first client imports the options
    from target_python_sdk.delivery.options import ClientSettings
    from target_python_sdk.delivery.visitor_protocol import Visitor


#: Matches the start of Target's cookie: the name of the first part, and ``#``. Other text is a whole ``Cookie`` header
#: or a different cookie. Compiled on first use.
_COOKIE_START = r'"?[A-Za-z0-9_.-]+(?:#|%23)'
#: Parts of a request. If they are among the options, the caller passed the request itself instead of the options.
_REQUEST_PARTS = frozenset(["execute", "prefetch", "notifications", "telemetry", "context"])
_REQUEST_HINT = "did you mean request=?"


class Call(NamedTuple):
    """The parsed options of one call. Times are in seconds; the request consists of models and JSON values."""

    request: DeliveryRequest
    timeout: float
    decisioning_method: DecisioningMethod
    target_cookie: Optional[str] = None
    target_location_hint: Optional[str] = None
    consumer_id: Optional[str] = None
    customer_ids: Optional[List[CustomerId]] = None
    session_id: Optional[str] = None
    visitor: "Optional[Visitor]" = None
    visitor_cookie: Optional[str] = None
    callback: Optional[Callable[[Any], object]] = None
    err_callback: Optional[Callable[[BaseException], object]] = None
    force: Optional[Mapping[Union[str, int], Union[str, int]]] = None
    force_impressions: bool = False
    consent: bool = True
    on_error: Optional[str] = None
    #: The name of the client's method.
    kind: str = "get_offers"
    #: A hint about the first unknown key of the request, for errors about a missing part; empty if all keys are known.
    hint: str = ""


def call_options(
    options: Optional[Mapping[str, Any]], settings: "ClientSettings", log: Log, requires_request: bool = True
) -> Call:
    """Return the parsed options of a call. Raises ``OptionError``.

    Without ``requires_request``, a missing request becomes an empty one.
    """
    if not options:
        if requires_request:
            raise OptionError(OPTIONS_REQUIRED, "options", "a dict")
        options = {} if options is None else options
    if options.__class__ is not dict and not isinstance(options, Mapping):  # isinstance of an ABC is slow
        raise _invalid_argument(
            "options", "a dict", options, hint=_REQUEST_HINT if isinstance(options, DeliveryRequest) else ""
        )
    if len(options) == 1:
        only = options.get("request")
        if isinstance(only, DeliveryRequest):  # as in most calls
            converted = convert_request(only)
            hint = "" if converted is only else _warn_unknown_keys(only, log)
            return Call(converted, settings.timeout, settings.decisioning_method, hint=hint)
    given = parse.drop_empty(options)
    request = given.get("request")
    if request is None and isinstance(given.get("events"), DeliveryRequest):
        log.info("The option 'events' of a call is a DeliveryRequest; it is used as 'request'")
        request = given["events"]
    if request is None and not requires_request:
        request = DeliveryRequest()
    parse.warn_unknown_options(given, _CALL_OPTIONS, log)
    if not isinstance(request, DeliveryRequest) and not (request and isinstance(request, Mapping)):
        raise _invalid_request(request, given)
    values: Dict[str, Any] = {"timeout": settings.timeout, "decisioning_method": settings.decisioning_method}
    values.update(parse.parse_options(given, _CALL_OPTIONS, log))
    _warn_no_artifact(values["decisioning_method"], settings, log)
    if values.get("force") and values["decisioning_method"] is DecisioningMethod.SERVER_SIDE:
        problem = "only an on-device decision can be forced, and the decisioning_method of this call is 'server-side'"
        hint = "use a QA link of Target, or qa_link or force of a local edge"
        parse.reject("force", "decisioning_method 'on-device' or 'hybrid'", problem=problem, hint=hint)
    cookie = values.get("target_cookie")
    if cookie and re.match(_COOKIE_START, cookie) is None:
        _log_cookie(cookie, log)
    converted = convert_request(request)
    if converted is not request:  # it is a dict, or contains dicts
        values["hint"] = _warn_unknown_keys(request, log)
    return Call(converted, **values)


def check_offers(request: DeliveryRequest, hint: str = "") -> None:
    """Raise ``OptionError`` for a request that asks for nothing, and for an empty ``execute`` or ``prefetch``."""
    check_parts(request, hint)
    if not (request.execute or request.prefetch or request.notifications or request.telemetry):
        expected = "execute, prefetch or notifications"
        text = invalid("request", f"it has no {expected}, so it asks for nothing", hint=hint)
        raise OptionError(text, "request", expected)


def check_parts(request: DeliveryRequest, hint: str = "") -> None:
    """Raise ``OptionError`` for an empty ``execute`` or ``prefetch``."""
    execute, prefetch = request.execute, request.prefetch
    if execute is not None and not (execute.page_load or execute.mboxes):
        text = invalid("", EXECUTE_FIELDS_REQUIRED, hint=hint)
        raise OptionError(text, "request.execute", "page_load or mboxes")
    if prefetch is not None and not (prefetch.views or prefetch.page_load or prefetch.mboxes):
        text = invalid("", PREFETCH_FIELDS_REQUIRED, hint=hint)
        raise OptionError(text, "request.prefetch", "views, page_load or mboxes")


def with_mboxes(request: DeliveryRequest, names: List[str]) -> DeliveryRequest:
    """Return ``request`` with the missing mboxes of ``names`` added to ``execute``.

    Their indexes start at 1, as in 1.1.0. If ``execute`` already has mboxes, ``prepare`` continues their indexes.
    """
    execute, prefetch = request.execute, request.prefetch
    executed = (execute.mboxes if execute is not None else None) or []
    prefetched = (prefetch.mboxes if prefetch is not None else None) or ()
    known = {str(mbox.name) for mbox in (*executed, *prefetched)}
    missing = [name for name in dict.fromkeys(names) if name not in known]
    if not missing:
        return request
    added = [MboxRequest(name=name, index=None if executed else index) for index, name in enumerate(missing, 1)]
    mboxes = [*executed, *added]
    return copy_with(
        request, execute=ExecuteRequest(mboxes=mboxes) if execute is None else copy_with(execute, mboxes=mboxes)
    )


def check_not_forced(call: Call) -> None:
    """Raise ``OptionError`` if ``force`` is given to ``send_notifications``, which makes no decisions."""
    if call.force:
        parse.reject("force", "get_offers or get_attributes", problem="send_notifications makes no decisions")


def check_notifications(request: DeliveryRequest, hint: str = "") -> None:
    """Raise ``OptionError`` for a request that has neither notifications nor telemetry."""
    if not request.notifications and request.telemetry is None:
        text = invalid("", NOTIFICATIONS_REQUIRED, hint=hint)
        raise OptionError(text, "request.notifications", "a list of Notification")


def hinted(error: OptionError, hint: str) -> OptionError:
    """Return ``error`` with ``hint`` at the end of its text."""
    return OptionError(invalid("", error.message, hint=hint), error.option, error.expected) if hint else error


def parse_mbox_names(mbox_names: Iterable[str]) -> List[str]:
    """Return the argument ``mbox_names`` of ``get_attributes`` as a list of text."""
    return parse_names(mbox_names, "mbox_names", "a list of mbox names")


def parse_names(names: Iterable[str], argument: str, expected: str, list_hint: str = "") -> List[str]:
    """Return the names of mboxes or views as a list of text.

    Raises ``OptionError``. Its text contains ``argument`` and, if a name is a list, ``list_hint``.
    """
    is_list = isinstance(names, (list, tuple))  # first, because isinstance is slow for abstract classes
    if not is_list and (not isinstance(names, Iterable) or isinstance(names, (str, bytes, Mapping))):
        raise _invalid_argument(argument, expected, names)
    parsed = [plain(name) for name in names]
    for position, name in enumerate(parsed):
        if not isinstance(name, str) or not name:
            problem = f"item {position} is {'an empty string' if name == '' else shown(name)}"
            hint = list_hint if isinstance(name, (list, tuple)) else ""
            raise _invalid_argument(argument, expected, problem=problem, hint=hint)
    return parsed


def _invalid_request(request: Given, options: Mapping[str, Any]) -> OptionError:
    if request is None:
        hint = _misspelled_option(options) if options.keys().isdisjoint(_REQUEST_PARTS) else _REQUEST_HINT
        text = invalid("", REQUEST_REQUIRED, hint=hint)
    elif isinstance(request, Mapping):  # it is empty
        text = REQUEST_REQUIRED
    else:
        text = invalid("", REQUEST_REQUIRED, got=request, secret=True, hint="a dict is accepted, too")
    return OptionError(text, "request", "a DeliveryRequest or a dict")


def _misspelled_option(options: Mapping[str, Any]) -> str:
    """Return a hint about an unknown option whose name is similar to ``request``, or an empty string."""
    hints = {name: suggestion(name, ("request",)) for name in options if name not in _CALL_OPTIONS}
    return next((f"unknown option {shown(name)}{hint}" for name, hint in hints.items() if hint), "")


def _invalid_argument(name: str, expected: str, got: Any = OMITTED, problem: str = "", hint: str = "") -> OptionError:
    text = invalid(f"Invalid argument '{name}'", problem, expected=expected, got=got, hint=hint)
    return OptionError(text, name, expected)


def _warn_unknown_keys(request: Union[DeliveryRequest, Mapping[str, Any]], log: Log) -> str:
    """Log once for each unknown key that it is not sent, and suggest a known key. Return a hint about the first one."""
    unknown = unknown_keys(request)
    for place, key, known in unknown:
        if log.first_time(("unknown key", key)):
            log.warning("%s: the key %r is unknown and is not sent%s", place, key, suggestion(key, known))
    return next((f"unknown key {shown(key)} in {place}{suggestion(key, known)}" for place, key, known in unknown), "")


def _warn_no_artifact(method: DecisioningMethod, settings: "ClientSettings", log: Log) -> None:
    server_side = DecisioningMethod.SERVER_SIDE
    if method is not server_side and settings.decisioning_method is server_side and log.first_time("no artifact"):
        text = "A call with decisioning_method %r cannot be decided on-device, because the client has no rule artifact"
        log.warning(text + ": the client's decisioning_method is %r", method.value, server_side.value)


def _target_cookie(option: str, value: Union[str, bytes, Mapping[str, Any]]) -> str:
    """Return the value of the cookie. It may be given as bytes, or as the dict that the envelope contains."""
    content = value.get("value") if isinstance(value, Mapping) else value
    text = text_or_none(content)
    if text is None:
        expected = "the value of the cookie as text, or the dict that an answer contains"
        hint = "did you mean its attribute .value?" if hasattr(value, "value") else ""
        parse.reject(option, expected, value, hint=hint)
    return text


def _log_cookie(cookie: str, log: Log) -> None:
    """Log once that ``cookie`` is not the value of Target's cookie."""
    if f"; {TARGET_COOKIE}=" in f"; {cookie}":
        if log.first_time("cookie with its name"):
            log.warning("The option 'target_cookie' contains 'mbox=': it must be the value of the cookie only")
    elif log.first_time("unreadable cookie"):
        log.info(
            "The option 'target_cookie' is not a Target cookie and is ignored. Later ones are ignored without a message"
        )


def _visitor(option: str, value: "Visitor") -> "Visitor":
    if isinstance(value, (str, bytes, int, float, list, tuple, Mapping)):
        parse.reject(option, "an Experience Cloud visitor with the method get_visitor_values", value)
    return value


def _visitor_cookie(option: str, value: Union[str, bytes]) -> str:
    text = text_or_none(value)
    if text is None:
        parse.reject(option, "the value of the AMCV cookie, or a Cookie header, as text", value)
    return text


def _session_id(option: str, value: parse.OptionValue) -> str:
    text = text_or_none(value)
    if text is None and isinstance(value, (Mapping, list, tuple, set)):
        parse.reject(option, "text", value)
    return str(plain(value)) if text is None else text  # 1.1.0 accepted numbers and UUIDs


def _force(option: str, value: Mapping[Any, Any]) -> Mapping[Any, Any]:
    expected = "the name or id of an activity, and of its experience: {'Two greetings': 'B'}"
    forced = plain(value)
    if not isinstance(forced, Mapping):
        parse.reject(option, expected, value)
    for activity, experience in forced.items():
        for name in (activity, experience):
            if not isinstance(name, (str, int)) or isinstance(name, bool) or name == "":
                parse.reject(option, expected, name)
    return forced


#: The parsers of all options but the request, which is converted separately.
_CALL_OPTIONS: Dict[str, Optional[parse.Parser[Any]]] = {
    "request": None,
    "timeout": parse.time_limit,
    "decisioning_method": parse.decisioning_method,
    "target_cookie": _target_cookie,
    "target_location_hint": lambda _, value: hint_text(value),
    "consumer_id": parse.text,
    "customer_ids": lambda _, value: convert_customer_ids(value),
    "session_id": _session_id,
    "visitor": _visitor,
    "visitor_cookie": _visitor_cookie,
    "callback": parse.callback("the answer"),
    "err_callback": parse.callback("the error"),
    "force": _force,
    "force_impressions": parse.boolean,
    "consent": parse.boolean,
    "on_error": parse.one_of("raise", "default"),
    "events": None,  # one page of 1.1.0's documentation passes the request under this name
}

CALL_OPTION_NAMES = frozenset(_CALL_OPTIONS)
