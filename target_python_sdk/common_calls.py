"""A fast path for the most common on-device calls: the visitor has a device id, and the call has no special options.

For these calls, this module does what ``call_options``, ``prepare``, ``on_device`` and ``prepared_call`` do together.
All other calls take that ordinary path. A property-based test compares the outcomes of both paths.
"""

from operator import itemgetter
from typing import Any, Mapping, Optional, TypeVar

from target_python_sdk.decisioning.context import bucketing_id
from target_python_sdk.decisioning.engine import DecisionRequest, decide, remote_parts
from target_python_sdk.delivery.conversion import plain_check
from target_python_sdk.delivery.cookies import choose_cluster
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.delivery.prepare import (
    PreparedRequest,
    complete_context,
    default_experience_cloud,
    is_valid_session_id,
    numbered,
    state_of_data_id,
)
from target_python_sdk.notifications import Method, notification_request, queue_notifications
from target_python_sdk.prepared_call import build_envelope
from target_python_sdk.runtime import Runtime
from target_python_sdk.types import DeliveryRequest, ExecuteRequest, PrefetchRequest, TargetDeliveryResponse
from target_tools.clock import Deadline, monotonic
from target_tools.enums import DecisioningMethod
from target_tools.errors import DeliveryError
from target_tools.schema.model import copy_with
from target_tools.uuids import UuidGenerator

PartT = TypeVar("PartT", ExecuteRequest, PrefetchRequest)

_OPTIONS = frozenset({"request", "session_id"})
_COMMON_FIELDS = ("request_id", "impression_id", "id", "context", "execute", "prefetch")
_OTHER_FIELDS = tuple(name for name in vars(DeliveryRequest()) if name not in _COMMON_FIELDS)
#: Returns the values of ``_OTHER_FIELDS``, which are all None in a common call.
_other_values = itemgetter(*_OTHER_FIELDS)
_ALL_NONE = (None,) * len(_OTHER_FIELDS)


def has_common_calls(settings: ClientSettings) -> bool:
    """Return whether a client with these settings can have common calls."""
    if settings.decisioning_method is not DecisioningMethod.ON_DEVICE or settings.on_error != "raise":
        return False
    return settings.property_token is None and settings.environment_id is None and not settings.observers


def common_request(options: Mapping[Any, Any]) -> Optional[DeliveryRequest]:
    """Return a call's request if it needs no conversion and no option besides ``session_id`` is given, else None."""
    request, session_id = options.get("request"), options.get("session_id")
    if request.__class__ is not DeliveryRequest or not options.keys() <= _OPTIONS:
        return None
    if session_id is not None and not (session_id.__class__ is str and is_valid_session_id(session_id)):
        return None
    return request if plain_check(DeliveryRequest)(request) else None


def decide_common_call(
    given: DeliveryRequest, session_id: Optional[str], runtime: Runtime, send_notifications: Optional[Method]
) -> Optional[TargetDeliveryResponse]:
    """Return the envelope for a request that ``common_request`` returned.

    Return None, without effects, if the call is not a common one after all. Raises ``DeadlineExceeded`` if
    the rules take too long.
    """
    current, fields, identity, context = runtime.current_artifact(), vars(given), given.id, given.context
    if current is None or (context is not None and context.geo is not None):
        return None
    if identity is None or identity.customer_ids is not None:
        return None
    visitor = bucketing_id(identity) if identity.tnt_id else ""
    if not visitor:
        return None
    if _other_values(fields) != _ALL_NONE:
        return None
    execute, prefetch = given.execute, given.prefetch
    if not (_is_common(execute) and _is_common(prefetch)) or (execute is None and prefetch is None):
        return None

    settings, began = runtime.settings, monotonic()
    deadline = Deadline(began + settings.timeout, settings.timeout)
    ids = UuidGenerator()
    session_id = session_id or ids.next()
    cluster, refused_hints = choose_cluster(None, identity.tnt_id, None)
    data_id = ids.next_data_id()
    request = copy_with(
        given,
        request_id=given.request_id or ids.next(),
        context=complete_context(context),
        experience_cloud=default_experience_cloud(data_id),
        execute=None if execute is None else _copy(execute),
        prefetch=None if prefetch is None else _copy(prefetch),
    )
    is_steered, cluster = cluster is not None, cluster or runtime.location_hint
    state = {settings.organization_id: state_of_data_id(data_id, None)}
    prepared = PreparedRequest(request, session_id, cluster, is_steered, refused_hints, state, ids)
    runtime.count_call(refused_hints)
    remote = remote_parts(current.artifact, request)
    decision_request = DecisionRequest(request, session_id, visitor, ids, None, remote, deadline)
    try:
        response, displays = decide(current.artifact, decision_request, runtime.on_device_context.engine)
    except DeliveryError as error:
        runtime.count_failure(error)
        raise
    if runtime.telemetry is not None:
        runtime.telemetry.add(request, began)
    if displays:
        queue_notifications(notification_request(prepared), displays, runtime, send_notifications)
    envelope = build_envelope(prepared, response, DecisioningMethod.ON_DEVICE, remote, current.stale)
    runtime.on_device_latency.add(monotonic() - began)
    return envelope


def _is_common(part: Any) -> bool:
    """Return whether ``part`` is None, or requests a page load, mboxes that all have names, or both."""
    if part is None:
        return True
    if not part.mboxes:
        return part.mboxes is None and part.page_load is not None
    return all(mbox.name for mbox in part.mboxes)


def _copy(part: PartT) -> PartT:
    """Return a copy that does not share the list of mboxes, which the caller may change."""
    return copy_with(part, mboxes=None if part.mboxes is None else numbered(part.mboxes))
