"""The request as it goes out: the caller's, with what was left open filled in.

Nothing of the caller's is changed: every part that needs filling is a copy.
"""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from target_python_sdk.delivery.call_options import Call
from target_python_sdk.delivery.edge import choose_cluster
from target_python_sdk.delivery.identity import Visit, customer_ids, read_visit, server_state, visitor_id
from target_python_sdk.delivery.messages import MBOX_INVALID, NOTIFICATION_INVALID
from target_python_sdk.delivery.nodes import node, nodes
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.delivery.visitor_protocol import (
    supplemental_data_id,
    visitor_customer_ids,
    visitor_state,
    visitor_values,
)
from target_python_sdk.types import (
    AnalyticsRequest,
    AudienceManager,
    ChannelType,
    Context,
    DeliveryRequest,
    ExecuteRequest,
    ExperienceCloud,
    LoggingType,
    MboxRequest,
    MetricType,
    ModelProperty,
    Notification,
    PrefetchRequest,
    ViewRequest,
)
from target_tools.clock import utc_offset_minutes
from target_tools.logger import Log
from target_tools.schema.model import copy_with
from target_tools.uuids import UuidGenerator

_CHANNELS = (ChannelType.WEB, ChannelType.MOBILE)
_METRICS = (MetricType.CLICK, MetricType.DISPLAY)


class Prepared(NamedTuple):
    """A call that is ready to be decided."""

    request: DeliveryRequest
    visit: Visit
    cluster: Optional[str]
    #: Whether a cookie, an id or a hint of the visitor named the cluster.
    is_steered: bool
    #: How many hints of the visitor's were no hints.
    refused_hints: int
    visitor_state: Any
    #: For what else the call has to name.
    ids: UuidGenerator


def prepare(call: Call, settings: ClientSettings, client_hint: Optional[str], log: Log) -> Prepared:
    """What ``call`` asks, filled in.  Raises ``OptionError`` for parts that are not what they should be."""
    given, visitor = call.request, call.visitor
    ids = UuidGenerator()
    visit = read_visit(call, ids, log)
    values = {} if visitor is None else visitor_values(visitor)
    customers = [] if call.customer_ids is None else customer_ids(call.customer_ids)
    known = customers if visitor is None else [*visitor_customer_ids(visitor), *customers]
    identity = visitor_id(given.id, visit, values, known)
    request_id = None if identity is None else identity.tnt_id
    cluster, refused_hints = choose_cluster(visit.cookie_id, request_id, call.target_location_hint, None)
    is_steered = cluster is not None
    is_bound = given._property is not None or settings.property_token is not None
    request = copy_with(
        given,
        request_id=given.request_id or ids.next(),
        id=identity,
        environment_id=settings.environment_id if given.environment_id is None else given.environment_id,
        _property=_property(given._property, settings.property_token) if is_bound else None,
        context=_context(given.context),
        experience_cloud=_experience_cloud(given.experience_cloud, call, values),
        execute=None if given.execute is None else _execute(given.execute, log),
        prefetch=None if given.prefetch is None else _prefetch(given.prefetch, log),
        notifications=None if given.notifications is None else _notifications(given.notifications, log),
    )
    # What the page takes over: the visitor's own state, else the customer ids of the call.
    state = None
    if visitor is not None:
        state = visitor_state(visitor)
    elif customers:
        state = server_state(customers, settings.organization_id)
    return Prepared(request, visit, cluster or client_hint, is_steered, refused_hints, state, ids)


def _property(given: Any, default: Optional[str]) -> Optional[ModelProperty]:
    own = node(given, ModelProperty, "request._property")
    if own is not None and own.token:
        return own
    return ModelProperty(token=default) if default else None


def _context(given: Any) -> Context:
    """The context, on a channel the API knows, with this machine's offset from UTC where none was given."""
    own = node(given, Context, "request.context") or Context(channel=ChannelType.WEB)
    if own.time_offset_in_minutes is None:
        own = copy_with(own, time_offset_in_minutes=utc_offset_minutes())
    if getattr(own.channel, "value", own.channel) not in _CHANNELS:
        own = copy_with(own, channel=ChannelType.WEB)
    return own


def _experience_cloud(given: Any, call: Call, values: Any) -> ExperienceCloud:
    if given is None and call.visitor is None:
        return ExperienceCloud(analytics=AnalyticsRequest(logging=LoggingType.SERVER_SIDE))
    own = node(given, ExperienceCloud, "request.experience_cloud")
    if own is None:
        return ExperienceCloud(audience_manager=_audience_manager(None, values), analytics=_analytics(None, call))
    return copy_with(
        own,
        audience_manager=_audience_manager(own.audience_manager, values),
        analytics=_analytics(own.analytics, call),
    )


def _analytics(given: Any, call: Call) -> AnalyticsRequest:
    """Server-side logging unless the caller wants otherwise, and an id that Analytics can stitch by."""
    own = node(given, AnalyticsRequest, "request.experience_cloud.analytics")
    data_id = None if own is None else own.supplemental_data_id
    if data_id is None and call.visitor is not None:
        data_id = supplemental_data_id(call.visitor, call.consumer_id)
    if own is None:
        return AnalyticsRequest(supplemental_data_id=data_id, logging=LoggingType.SERVER_SIDE)
    gaps: Dict[str, Any] = {"logging": own.logging or LoggingType.SERVER_SIDE}
    if own.supplemental_data_id is None:
        gaps["supplemental_data_id"] = data_id
    return copy_with(own, **gaps)


def _audience_manager(given: Any, values: Any) -> Optional[AudienceManager]:
    if given is None and not values:
        return None
    own = node(given, AudienceManager, "request.experience_cloud.audience_manager") or AudienceManager()
    gaps: Dict[str, Any] = {}
    if own.location_hint is None and "MCAAMLH" in values:
        gaps["location_hint"] = values["MCAAMLH"]
    if own.blob is None and "MCAAMB" in values:
        gaps["blob"] = values["MCAAMB"]
    filled = copy_with(own, **gaps)
    return filled if filled.location_hint is not None or filled.blob else None


def _execute(given: Any, log: Log) -> Optional[ExecuteRequest]:
    own = node(given, ExecuteRequest, "request.execute")
    if own is None:
        return None
    mboxes = _mboxes(own.mboxes, "request.execute.mboxes", log)
    return copy_with(own, mboxes=mboxes) if mboxes or own.page_load is not None else None


def _prefetch(given: Any, log: Log) -> Optional[PrefetchRequest]:
    own = node(given, PrefetchRequest, "request.prefetch")
    if own is None:
        return None
    mboxes = _mboxes(own.mboxes, "request.prefetch.mboxes", log)
    views = nodes(own.views, ViewRequest, "request.prefetch.views") if own.views else own.views
    return copy_with(own, mboxes=mboxes, views=views) if mboxes or own.page_load is not None or views else None


def _mboxes(given: Any, place: str, log: Log) -> Optional[List[MboxRequest]]:
    """The mboxes that have a name, each with an index: 0, 1, 2 … past the highest given."""
    if given is None:
        return None
    if given.__class__ is list and not [one for one in given if not _is_complete(one)]:
        return [*given] or None  # a copy: the caller's list may change while the call waits for its turn
    good = _sift(nodes(given, MboxRequest, place), _is_mbox, MBOX_INVALID, log)
    given_indexes = [mbox.index for mbox in good if isinstance(mbox.index, int)]
    if len(given_indexes) == len(good):
        return good or None
    following = max(given_indexes, default=-1) + 1
    indexed: List[MboxRequest] = []
    for mbox in good:
        if isinstance(mbox.index, int):
            indexed.append(mbox)
        else:
            indexed.append(copy_with(mbox, index=following))
            following += 1
    return indexed


def _is_complete(one: Any) -> bool:
    return one.__class__ is MboxRequest and bool(one.name) and one.index.__class__ is int


def _is_mbox(one: MboxRequest) -> bool:
    return bool(one.name)


def _notifications(given: Any, log: Log) -> Optional[List[Notification]]:
    found = nodes(given, Notification, "request.notifications")
    return _sift(found, _is_notification, NOTIFICATION_INVALID, log) or None


def _is_notification(one: Notification) -> bool:
    moment = one.timestamp
    return (
        isinstance(one.id, str)
        and isinstance(moment, (int, float))
        and not isinstance(moment, bool)
        and getattr(one.type, "value", one.type) in _METRICS
    )


def _sift(found: Sequence[Any], is_good: Callable[[Any], bool], text: str, log: Log) -> List[Any]:
    """The good ones; the others are named in the log and left out, as 1.1.0 did."""
    good = []
    for one in found:
        if is_good(one):
            good.append(one)
        else:
            # What it holds may belong to a visitor.
            log.error("%s\n%s", text, {"name": getattr(one, "name", None), "index": getattr(one, "index", None)})
    return good
