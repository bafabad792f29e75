"""Prepares a request for sending: fills in session, ids, context and other defaults.

The caller's objects are not changed: each part that needs a default is copied.
"""

import re
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, TypeVar

from target_python_sdk.delivery.call_options import Call, hinted
from target_python_sdk.delivery.cookies import choose_cluster, log_missing_device_id, parse_target_cookie
from target_python_sdk.delivery.legacy_messages import MBOX_INVALID, NOTIFICATION_INVALID
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.delivery.visitor_cookie import parse_visitor_cookie
from target_python_sdk.delivery.visitor_protocol import (
    VisitorValues,
    state_of_customer_ids,
    supplemental_data_id,
    valid_values,
    visitor_customer_ids,
    visitor_state,
    visitor_values,
)
from target_python_sdk.protocol import (
    DEFAULT_GLOBAL_MBOX,
    DEVICE_ID_COOKIE,
    SESSION_ID_COOKIE,
    VISITOR_COOKIE_PREFIX,
)
from target_python_sdk.types import (
    AnalyticsRequest,
    AudienceManager,
    ChannelType,
    Context,
    CustomerId,
    DeliveryRequest,
    ExecuteRequest,
    ExperienceCloud,
    LoggingType,
    MboxRequest,
    MetricType,
    ModelProperty,
    Notification,
    PrefetchRequest,
    VisitorId,
)
from target_tools.clock import epoch_milliseconds, epoch_seconds, timestamp_problem, utc_offset_minutes
from target_tools.error_text import invalid
from target_tools.errors import OptionError
from target_tools.http.messages import render_json
from target_tools.logger import Log
from target_tools.schema.model import copy_with
from target_tools.uuids import UuidGenerator, uuid_from_text

_CHANNELS = (ChannelType.WEB, ChannelType.MOBILE)
#: The types of the name and the index of an mbox.
_TYPES = (str, int)
_METRICS = (MetricType.CLICK, MetricType.DISPLAY)
#: The API accepts session ids of 1 to 128 printable characters, without space, ``?`` and ``/``.
_SESSION = re.compile(r"[^\s?/]{1,128}")
_DEVICE_ID = re.compile(r"[!-~]{1,128}", re.ASCII)

PartT = TypeVar("PartT", ExecuteRequest, PrefetchRequest)

_DEFAULT_CONSUMER = f"payload:{DEFAULT_GLOBAL_MBOX}"
_NO_VALUES = VisitorValues()
_NO_CLOUD = ExperienceCloud()
_SERVER_SIDE_LOGGING = AnalyticsRequest(logging=LoggingType.SERVER_SIDE)


class PreparedRequest:
    """A request with its defaults filled in, and the other values that its call needs."""

    __slots__ = ("cluster", "ids", "is_steered", "refused_hints", "request", "session_id", "visitor_state")

    def __init__(  # noqa: PLR0917 - one for each attribute
        self,
        request: DeliveryRequest,
        session_id: str,
        cluster: Optional[str],
        is_steered: bool,
        refused_hints: int,
        visitor_state: Optional[Mapping[str, Any]],
        ids: UuidGenerator,
    ) -> None:
        self.request = request
        self.session_id = session_id
        self.cluster = cluster
        #: Whether the visitor's cookie, id or hint chose the cluster.
        self.is_steered = is_steered
        #: The number of the visitor's hints that were invalid.
        self.refused_hints = refused_hints
        #: The state that the page's VisitorAPI.js takes over, for the envelope.
        self.visitor_state = visitor_state
        #: Generates further ids for this call.
        self.ids = ids

    def is_new_visitor(self) -> bool:
        """Return whether nothing identifies the visitor yet."""
        return not any(vars(self.request.id).values())

    def with_request(self, request: DeliveryRequest) -> "PreparedRequest":
        """Return a copy with another request."""
        session_id, refused_hints, state = self.session_id, self.refused_hints, self.visitor_state
        return PreparedRequest(request, session_id, self.cluster, self.is_steered, refused_hints, state, self.ids)


def prepare_request(call: Call, settings: ClientSettings, client_hint: Optional[str], log: Log) -> PreparedRequest:
    """Return the request of ``call`` with its defaults filled in."""
    given, visitor = call.request, call.visitor
    ids = UuidGenerator()
    session_id, cookie_id = resolve_session(call, ids, log)
    values = _visitor_values(call, settings, log)
    customers = call.customer_ids or []
    known = customers if visitor is None else [*visitor_customer_ids(visitor), *customers]
    identity = _visitor_id(given.id, cookie_id, values.cloud_id, known)
    cluster, refused_hints = choose_cluster(cookie_id, identity.tnt_id, call.target_location_hint)
    data_id = _new_data_id(given.experience_cloud, call, ids)
    errors: List[OptionError] = []
    execute, prefetch = given.execute, given.prefetch
    request = copy_with(
        given,
        request_id=given.request_id or ids.next(),
        id=identity,
        environment_id=settings.environment_id if given.environment_id is None else given.environment_id,
        _property=_property(given._property, settings.property_token),
        context=complete_context(given.context),
        experience_cloud=_experience_cloud(given.experience_cloud, values, data_id),
        execute=None if execute is None else _with_valid_mboxes(execute, "execute", errors, log),
        prefetch=None if prefetch is None else _with_valid_mboxes(prefetch, "prefetch", errors, log),
        notifications=_notifications(given, ids, log, call.hint) if given.notifications else None,
    )
    state = _page_state(data_id, call, settings) if visitor is None else visitor_state(visitor)
    if errors:
        _check_sends_something(request, errors, call.hint)
    is_steered = cluster is not None
    return PreparedRequest(request, session_id, cluster or client_hint, is_steered, refused_hints, state, ids)


# Session and visitor


def resolve_session(call: Call, ids: UuidGenerator, log: Log) -> Tuple[str, Optional[str]]:
    """Return the session id, and the device id in the cookie.

    The session id is the one in the cookie, unless it has expired, else the caller's, else a new one.
    """
    if not call.target_cookie and call.session_id is None:
        return ids.next(), None
    parts = parse_target_cookie(call.target_cookie, epoch_seconds()) if call.target_cookie else {}
    session = parts.get(SESSION_ID_COOKIE) or call.session_id
    device = parts.get(DEVICE_ID_COOKIE)
    if device is not None and not _DEVICE_ID.fullmatch(device):
        device = None
    if device is None and call.target_cookie:
        log_missing_device_id(call.target_cookie, parts, log)
    return ids.next() if session is None else _valid_session_id(session, log), device


def is_valid_session_id(session: str) -> bool:
    """Return whether the API accepts ``session``."""
    return _SESSION.fullmatch(session) is not None and session.isprintable()


def _valid_session_id(session: str, log: Log) -> str:
    """Return ``session``, or a uuid5 of it if the API would refuse it."""
    if is_valid_session_id(session):
        return session
    log.info("A session id that the API would refuse was replaced by its uuid5")
    return uuid_from_text(session)


def _visitor_id(
    given: Optional[VisitorId], cookie_id: Optional[str], cloud_id: Optional[str], customers: List[CustomerId]
) -> VisitorId:
    """Return the caller's id, completed from the cookie and the visitor. The result is empty for an unknown visitor."""
    if given is None and cloud_id is None and not customers:
        return VisitorId(tnt_id=cookie_id)
    own = VisitorId() if given is None else given
    ids = [*customers, *(own.customer_ids or ())]
    device_id = own.tnt_id or cookie_id
    cloud_id = own.marketing_cloud_visitor_id or cloud_id
    if own is given and device_id is own.tnt_id and cloud_id is own.marketing_cloud_visitor_id and not ids:
        return own if own.customer_ids is None else copy_with(own, customer_ids=None)
    return copy_with(own, tnt_id=device_id, marketing_cloud_visitor_id=cloud_id, customer_ids=ids or None)


def _visitor_values(call: Call, settings: ClientSettings, log: Log) -> VisitorValues:
    """Return the values of the visitor object, else those of the visitor's cookie."""
    if call.visitor is not None:
        return visitor_values(call.visitor)
    if call.visitor_cookie is None:
        return _NO_VALUES
    values = parse_visitor_cookie(call.visitor_cookie, settings.organization_id, epoch_seconds())
    if not values and VISITOR_COOKIE_PREFIX in call.visitor_cookie and log.first_time("visitor cookie without ids"):
        log.info("A visitor_cookie has no current ids for the organization %s", settings.organization_id)
    return valid_values(values)


def _page_state(data_id: Optional[str], call: Call, settings: ClientSettings) -> Optional[Mapping[str, Any]]:
    """Return the state that the page's VisitorAPI.js takes over, for a call without a visitor object."""
    state = {} if data_id is None else state_of_data_id(data_id, call.consumer_id)
    if call.customer_ids:
        state["customerIDs"] = state_of_customer_ids(call.customer_ids)
    return {settings.organization_id: state} if state else None


def state_of_data_id(data_id: str, consumer_id: Optional[str]) -> Dict[str, Any]:
    """Return the page's state for one organization, with ``data_id`` and its consumer."""
    consumer = _DEFAULT_CONSUMER if consumer_id is None else f"payload:{consumer_id}"
    return {
        "sdid": {
            "supplementalDataIDCurrent": data_id,
            "supplementalDataIDCurrentConsumed": {consumer: True},
            "supplementalDataIDLastConsumed": {},
        }
    }


# Defaults


def _property(given: Optional[ModelProperty], default: Optional[str]) -> Optional[ModelProperty]:
    if given is not None and given.token:
        return given
    return ModelProperty(token=default) if default else None


def complete_context(given: Optional[Context]) -> Context:
    """Return the context with a channel that the API knows and, by default, this machine's offset from UTC."""
    own = given or Context(channel=ChannelType.WEB)
    if own.time_offset_in_minutes is None:
        own = copy_with(own, time_offset_in_minutes=utc_offset_minutes())
    return own if own.channel in _CHANNELS else copy_with(own, channel=ChannelType.WEB)


def default_experience_cloud(data_id: Optional[str]) -> ExperienceCloud:
    """Return the default values for the Experience Cloud: server-side logging with ``data_id``."""
    return copy_with(_NO_CLOUD, analytics=copy_with(_SERVER_SIDE_LOGGING, supplemental_data_id=data_id))


def _experience_cloud(
    given: Optional[ExperienceCloud], values: VisitorValues, data_id: Optional[str]
) -> ExperienceCloud:
    if given is None and values.location_hint is None and values.blob is None:
        return default_experience_cloud(data_id)
    own = given or ExperienceCloud()
    analytics = _analytics(own.analytics, data_id)
    return copy_with(own, audience_manager=_audience_manager(own.audience_manager, values), analytics=analytics)


def _new_data_id(given: Optional[ExperienceCloud], call: Call, ids: UuidGenerator) -> Optional[str]:
    """Return a supplemental data id for the call; None if the request already has one."""
    if given is not None and given.analytics is not None and given.analytics.supplemental_data_id is not None:
        return None
    return ids.next_data_id() if call.visitor is None else supplemental_data_id(call.visitor, call.consumer_id)


def _analytics(given: Optional[AnalyticsRequest], data_id: Optional[str]) -> AnalyticsRequest:
    """Return the caller's settings for Analytics, completed with ``data_id`` and server-side logging."""
    own = given or AnalyticsRequest()
    if own.supplemental_data_id is not None:
        data_id = own.supplemental_data_id
    return copy_with(own, supplemental_data_id=data_id, logging=own.logging or LoggingType.SERVER_SIDE)


def _audience_manager(given: Optional[AudienceManager], values: VisitorValues) -> Optional[AudienceManager]:
    own = given or AudienceManager()
    hint = values.location_hint if own.location_hint is None else own.location_hint
    blob = values.blob if own.blob is None else own.blob
    return copy_with(own, location_hint=hint, blob=blob) if hint is not None or blob else None


def _check_sends_something(request: DeliveryRequest, errors: List[OptionError], hint: str) -> None:
    """Raise the first of ``errors`` if the request asks for nothing after its invalid mboxes were left out."""
    if not (request.execute or request.prefetch or request.notifications or request.telemetry):
        raise hinted(errors.pop(0), hint)  # pop avoids a cycle of traceback, frame and list


def _are_complete(mboxes: List[MboxRequest]) -> bool:
    """Return whether each mbox has a name and an index of the usual types."""
    return not [mbox for mbox in mboxes if (mbox.name.__class__, mbox.index.__class__) != _TYPES or not mbox.name]


def _with_valid_mboxes(given: PartT, part: str, errors: List[OptionError], log: Log) -> Optional[PartT]:
    mboxes = _mboxes(given.mboxes, f"request.{part}.mboxes", errors, log)
    is_kept = mboxes or given.page_load is not None or (isinstance(given, PrefetchRequest) and given.views)
    return copy_with(given, mboxes=mboxes) if is_kept else None


def _mboxes(
    given: Optional[List[MboxRequest]], place: str, errors: List[OptionError], log: Log
) -> Optional[List[MboxRequest]]:
    """Return the mboxes that have a name, with an index.

    The others are left out, as in 1.1.0: they are logged, and their errors are added to ``errors``.
    """
    if not given:
        return None
    if _are_complete(given):
        return [*given]  # as in most calls
    named = []
    for position, mbox in enumerate(given):
        if mbox.name and isinstance(mbox.name, str):
            named.append(mbox)
        else:
            part, expected = f"{place}[{position}].name", "text that is not empty"
            text = invalid(part, expected=expected, got=mbox.name, secret=True)
            log.error("%s%s", MBOX_INVALID, text)
            errors.append(OptionError(text, part, expected))
    return numbered(named) or None


def numbered(mboxes: List[MboxRequest]) -> List[MboxRequest]:
    """Return the mboxes in a new list. Those without an index get the numbers after the highest index."""
    copied = [*mboxes]
    indexes = [mbox.index for mbox in mboxes if isinstance(mbox.index, int)]
    if len(indexes) < len(mboxes):
        following = max(indexes, default=-1) + 1
        for position, mbox in enumerate(mboxes):
            if not isinstance(mbox.index, int):
                copied[position] = copy_with(mbox, index=following)
                following += 1
    return copied


def _notifications(given: DeliveryRequest, ids: UuidGenerator, log: Log, hint: str) -> Optional[List[Notification]]:
    """Return the notifications that can be sent, each with an id and a timestamp.

    The others are logged and left out, as in 1.1.0. Raises ``OptionError`` if none is left and no offers are requested.
    """
    sent, errors = [], []
    for position, notification in enumerate(given.notifications or ()):
        place = f"request.notifications[{position}]"
        error = _notification_error(notification, place)
        if error is not None:
            errors.append(error)
            continue
        time = epoch_milliseconds() if notification.timestamp is None else round(notification.timestamp)
        problem = timestamp_problem(time)
        if problem and log.first_time("timestamp in 1970"):
            log.warning("%s.timestamp: %s", place, problem)
        is_complete = notification.id and isinstance(notification.timestamp, int)
        own_id = notification.id or ids.next()
        has_place = notification.mbox or notification.view or notification.page_load
        if not has_place and log.first_time("notification of nothing"):
            log.warning("%s has no mbox, view or page_load; the edge refuses it", place)
        sent.append(notification if is_complete else copy_with(notification, id=own_id, timestamp=time))
    if errors and not sent and given.execute is None and given.prefetch is None:
        raise hinted(errors.pop(0), hint)  # pop avoids a cycle of traceback, frame and list
    for error in errors:
        log.error("%s%s", NOTIFICATION_INVALID, error)
    return sent or None


def _notification_error(notification: Notification, place: str) -> Optional[OptionError]:
    """Return the error about a notification that the API would refuse."""
    own_id, time = notification.id, notification.timestamp
    is_time = time is None or (isinstance(time, (int, float)) and not isinstance(time, bool))
    checks = (
        ("id", "text", own_id is None or isinstance(own_id, str)),
        ("type", "'click' or 'display'", notification.type in _METRICS),
        ("timestamp", "milliseconds since 1970", is_time),
    )
    for name, expected, is_valid in checks:
        if not is_valid:
            text = invalid(f"{place}.{name}", expected=expected, got=getattr(notification, name), secret=True)
            return OptionError(text, f"{place}.{name}", expected)
    return None


# The body


def render_request(
    request: DeliveryRequest, settings: ClientSettings, render: Callable[[DeliveryRequest], bytes] = render_json
) -> bytes:
    """Return the body for a prepared request. Raises ``OptionError`` if JSON cannot hold the request."""
    try:
        return render(wire_request(request, settings.logger))
    except (TypeError, ValueError, RecursionError) as error:
        raise OptionError(f"request: {error}", "request", "a request that JSON can hold") from error


def wire_request(request: DeliveryRequest, logger: Any) -> DeliveryRequest:
    """Return a prepared request as it is sent.

    The API refuses an empty visitor id, and customer ids without an Experience Cloud id, so these are left out.
    """
    identity = request.id
    if identity is None:
        return request
    if identity.customer_ids is not None and not identity.marketing_cloud_visitor_id:
        if identity.customer_ids:
            Log(logger).debug("Customer ids are not sent, because the visitor has no Experience Cloud id")
        identity = copy_with(identity, customer_ids=None)
    if not identity.tnt_id and all(value is None for value in vars(identity).values()):
        return copy_with(request, id=None)
    return request if identity is request.id else copy_with(request, id=identity)
