"""The door of a call: its options as frozen values, or an error before anything is sent."""

from typing import Any, Callable, Mapping, NamedTuple, Optional

from target_python_sdk.delivery import option_parsers as parse
from target_python_sdk.delivery.messages import (
    EXECUTE_FIELDS_REQUIRED,
    INVALID_CALLBACK,
    NOTIFICATIONS_REQUIRED,
    OPTIONS_REQUIRED,
    PREFETCH_FIELDS_REQUIRED,
    REQUEST_REQUIRED,
)
from target_python_sdk.delivery.nodes import node
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.types import DeliveryRequest, ExecuteRequest, PrefetchRequest
from target_tools.enums import DecisioningMethod
from target_tools.errors import OptionError
from target_tools.logger import Log


class Call(NamedTuple):
    """The options of one call, checked.  Times are seconds here."""

    request: DeliveryRequest
    timeout: float
    decisioning_method: DecisioningMethod
    target_cookie: Optional[str] = None
    target_location_hint: Any = None
    consumer_id: Optional[str] = None
    customer_ids: Any = None
    session_id: Optional[str] = None
    visitor: Any = None
    callback: Optional[Callable[[Any], object]] = None
    err_callback: Optional[Callable[[BaseException], object]] = None


def call_options(options: Optional[Mapping[str, Any]], settings: ClientSettings, log: Log) -> Call:
    """The options of one call, whatever it asks for; raises ``OptionError``."""
    if not options:
        raise OptionError(OPTIONS_REQUIRED, "options", "a dict")
    if options.__class__ is not dict and not isinstance(options, Mapping):  # dict first: asking an ABC is slow
        parse.refuse("options", "a dict", options)
    if len(options) == 1:
        only = options.get("request")
        if isinstance(only, DeliveryRequest):  # as in most calls
            return Call(only, settings.timeout, settings.decisioning_method)
    given = parse.given(options)
    get = given.get
    request = get("request")
    if request is None and isinstance(get("events"), DeliveryRequest):
        log.info("The option `events` of a call holds a DeliveryRequest: it is taken as `request`")
        request = get("events")
    if not isinstance(request, DeliveryRequest):
        raise OptionError(REQUEST_REQUIRED, "request", "a DeliveryRequest")
    _check_call(given, log)
    timeout, method = get("timeout"), get("decisioning_method")
    return Call(
        request,
        settings.timeout if timeout is None or parse.is_below(1, timeout) else _call_timeout("timeout", timeout),
        settings.decisioning_method if method is None else parse.decisioning_method("decisioning_method", method),
        parse.visitor_text(get("target_cookie")),
        get("target_location_hint"),
        get("consumer_id"),
        get("customer_ids"),
        _session_id(get("session_id")),
        get("visitor"),
        get("callback"),
        get("err_callback"),
    )


def check_offers(request: DeliveryRequest) -> None:
    """Raise ``OptionError`` for an ``execute`` or ``prefetch`` that asks for nothing."""
    execute = None if request.execute is None else node(request.execute, ExecuteRequest, "request.execute")
    prefetch = None if request.prefetch is None else node(request.prefetch, PrefetchRequest, "request.prefetch")
    if execute is not None and not (execute.page_load or execute.mboxes):
        raise OptionError(EXECUTE_FIELDS_REQUIRED, "request.execute", "page_load or mboxes")
    if prefetch is not None and not (prefetch.views or prefetch.page_load or prefetch.mboxes):
        raise OptionError(PREFETCH_FIELDS_REQUIRED, "request.prefetch", "views, page_load or mboxes")


def check_notifications(request: DeliveryRequest) -> None:
    """Raise ``OptionError`` for a request that brings neither notifications nor telemetry."""
    if not request.notifications and request.telemetry is None:
        raise OptionError(NOTIFICATIONS_REQUIRED, "request.notifications", "a list of Notification")


def _check_call(options: Mapping[str, Any], log: Log) -> None:
    parse.name_unknown(options, _CALL_OPTIONS, log)
    for name in ("callback", "err_callback"):
        value = options.get(name)
        if value is not None and not callable(value):
            raise OptionError(INVALID_CALLBACK, name, "a callable")
    consumer = options.get("consumer_id")
    if consumer is not None:
        parse.text("consumer_id", consumer)


def _session_id(value: Any) -> Optional[str]:
    if value is None:
        return None
    if isinstance(value, bytes):
        return parse.decoded(value)
    return value if isinstance(value, str) else str(value)  # a number or a UUID, as 1.1.0 took them


_call_timeout = parse.milliseconds(1)

_CALL_OPTIONS = dict.fromkeys(
    (
        "request",
        "target_cookie",
        "target_location_hint",
        "consumer_id",
        "customer_ids",
        "session_id",
        "callback",
        "err_callback",
        "visitor",
        "visitor_cookie",
        "decisioning_method",
        "timeout",
        "events",
    )
)
