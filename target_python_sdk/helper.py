"""The functions of 1.1.0's ``helper`` that applications may call: cookies, clusters, ids and parts of an answer."""

from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Union

from target_python_sdk import protocol as service
from target_python_sdk.delivery.conversion import AUTH_STATES
from target_python_sdk.delivery.cookies import (
    cluster_of_edge_host,
    cluster_of_id,
    location_hint_cookie,
    target_cookie,
    valid_hint,
)
from target_python_sdk.delivery.visitor_protocol import Visitor, visitor_customer_ids, visitor_state, visitor_values
from target_python_sdk.offers import Part
from target_python_sdk.prepared_call import locations_of
from target_python_sdk.types import (
    AnalyticsResponse,
    ChannelType,
    CustomerId,
    DeliveryResponse,
    DeviceType,
    MboxRequest,
    MetricType,
    MobilePlatformType,
    Notification,
    ScreenOrientationType,
    TargetCookie,
    VisitorId,
)
from target_python_sdk.version import __version__
from target_tools.clock import epoch_seconds
from target_tools.utils import create_uuid, flatten_list, is_int, parse_int

SDK_VERSION = __version__
SCHEME = {"HTTP": "http://", "HTTPS": "https://"}
AUTH_STATE = {str(number): state for number, state in AUTH_STATES.items()}
HOST = service.EDGE_HOST_SUFFIX
SESSION_ID_COOKIE = service.SESSION_ID_COOKIE
DEVICE_ID_COOKIE = service.DEVICE_ID_COOKIE
LOCATION_HINT_COOKIE = service.LOCATION_HINT_COOKIE
EDGE_CLUSTER_PREFIX = service.EDGE_CLUSTER_PREFIX
SESSION_ID_MAX_AGE = service.SESSION_ID_MAX_AGE
DEVICE_ID_MAX_AGE = service.DEVICE_ID_MAX_AGE
LOCATION_HINT_MAX_AGE = service.LOCATION_HINT_MAX_AGE
CHANNEL_TYPES = [ChannelType.WEB, ChannelType.MOBILE]
PLATFORM_TYPES = [MobilePlatformType.ANDROID, MobilePlatformType.IOS]
DEVICE_TYPES = [DeviceType.PHONE, DeviceType.TABLET]
SCREEN_ORIENTATION_TYPES = [ScreenOrientationType.PORTRAIT, ScreenOrientationType.LANDSCAPE]
METRIC_TYPES = [MetricType.CLICK, MetricType.DISPLAY]

#: The parts of a cookie, as returned by ``cookies.parse_cookies``.
Cookies = Mapping[str, Mapping[str, Any]]


# Requests


def create_headers(uuid_method: Callable[[], str] = create_uuid) -> Dict[str, str]:
    """Return the headers that identify the sender of a delivery request."""
    return {
        "Content-Type": "application/json",
        "X-EXC-SDK": service.SDK_NAME,
        "X-EXC-SDK-Version": SDK_VERSION,
        "X-Request-Id": uuid_method(),
    }


def set_channel(channel: Optional[str]) -> str:
    """Return ``channel`` if it is valid, otherwise ``web``."""
    return str(channel) if channel in CHANNEL_TYPES else ChannelType.WEB


def valid_mbox(mbox: MboxRequest) -> Any:
    """Return the name of an mbox. An mbox without a name is invalid."""
    return mbox.name


def valid_notification(notification: Notification) -> bool:
    """Return whether a notification has an id, a timestamp and a known type."""
    known = notification.type in METRIC_TYPES
    return notification.id is not None and is_int(notification.timestamp) and known


# Session, device, cluster


def get_session_id(
    cookies: Cookies, user_session_id: Optional[str], uuid_method: Callable[[], str] = create_uuid
) -> str:
    """Return the session id in the cookie, else ``user_session_id``, else a new one."""
    return cookies.get(service.SESSION_ID_COOKIE, {}).get("value") or user_session_id or uuid_method()


def get_device_id(cookies: Cookies) -> Optional[str]:
    """Return the device id in the cookie, or None."""
    return cookies.get(service.DEVICE_ID_COOKIE, {}).get("value")


def extract_cluster_from_device_id(_id: Optional[str]) -> Optional[str]:
    """Return the cluster in a device id, such as ``35`` in ``abc.35_0``, or None."""
    return cluster_of_id(_id)


def extract_cluster_from_edge_host(host: Optional[str]) -> Optional[str]:
    """Return the cluster in a host name, such as ``35`` in ``mboxedge35.tt.omtrdc.net``, or None."""
    return cluster_of_edge_host(host)


def get_cluster(device_id: Optional[str], cluster: Optional[str]) -> Optional[str]:
    """Return the cluster in the device id, else ``cluster``."""
    return cluster_of_id(device_id) or cluster


def get_target_host(server_domain: Optional[str], cluster: Optional[str], client: str, secure: Optional[bool]) -> str:
    """Return the scheme and host: that of ``cluster``, else ``server_domain``, else the general host of the client.

    A cluster that is invalid in a host name is ignored. ``TargetClient``, unlike this function, prefers
    ``server_domain``.
    """
    scheme = SCHEME["HTTP" if secure is False else "HTTPS"]
    hint = valid_hint(cluster) if cluster else None
    if hint is not None:
        return f"{scheme}{EDGE_CLUSTER_PREFIX}{hint}.{HOST}"
    return scheme + (server_domain or f"{client}.{HOST}")


def get_location_hint(location_hint_string: Union[str, int, None]) -> Optional[int]:
    """Return a location hint of Audience Manager as an integer, or None."""
    return parse_int(location_hint_string)


def get_target_cookie(session_id: str, _id: VisitorId) -> TargetCookie:
    """Return the cookie that stores the session and the device."""
    return target_cookie(session_id, _id.tnt_id, epoch_seconds())


def get_target_location_hint_cookie(
    request_cluster: Optional[str], edge_host: Optional[str] = None
) -> Optional[TargetCookie]:
    """Return the cookie that stores the cluster: ``request_cluster``, else the one in ``edge_host``."""
    cluster = request_cluster or cluster_of_edge_host(edge_host)
    return location_hint_cookie(cluster) if cluster else None


# Visitor


def get_marketing_cloud_visitor_id(visitor: Optional[Visitor]) -> Any:
    """Return the visitor's Experience Cloud id."""
    return visitor_values(visitor).cloud_id if visitor else None


def get_visitor_customer_ids(visitor: Optional[Visitor]) -> Any:
    """Return the customer ids in a visitor's state, unchanged."""
    state = visitor_state(visitor) if visitor else None
    first: Mapping[str, Any] = next(iter((state or {}).values()), {})
    return first.get("customerIDs", first.get("customer_ids"))


def get_customer_ids(
    customer_ids: Optional[List[CustomerId]], visitor: Optional[Visitor]
) -> Optional[List[CustomerId]]:
    """Return the visitor's customer ids, followed by those of the request."""
    known = visitor_customer_ids(visitor) if visitor else []
    return [*known, *(customer_ids or ())] if known else customer_ids


# Parts of an answer


def get_analytics_from_object(_object: Optional[Part]) -> Optional[List[AnalyticsResponse]]:
    """Return a list with the Analytics payload of an mbox, view or page load, or None."""
    return [_object.analytics] if _object and _object.analytics else None


def get_analytics_from_list(_list: Optional[Iterable[Optional[Part]]]) -> Optional[List[AnalyticsResponse]]:
    """Return the Analytics payloads of a list of mboxes, views or page loads, or None."""
    return _flatten(map(get_analytics_from_object, _list or ()))


def get_analytics_details(response: DeliveryResponse) -> Optional[List[AnalyticsResponse]]:
    """Return all Analytics payloads of an answer, or None."""
    return get_analytics_from_list(locations_of(response))


def get_trace_from_object(_object: Optional[Part]) -> Optional[List[Dict[str, Any]]]:
    """Return a list with the trace of an mbox, view or page load, or None."""
    return [_object.trace] if _object and _object.trace else None


def get_trace_from_list(_list: Optional[Iterable[Optional[Part]]]) -> Optional[List[Dict[str, Any]]]:
    """Return the traces of a list of mboxes, views or page loads, or None."""
    return _flatten(map(get_trace_from_object, _list or ()))


def get_trace_details(response: DeliveryResponse) -> Optional[List[Dict[str, Any]]]:
    """Return all traces of an answer, or None."""
    return get_trace_from_list(locations_of(response))


def get_response_tokens_from_object(_object: Optional[Part]) -> List[Dict[str, Any]]:
    """Return the response tokens of an mbox, view or page load, one dict per option."""
    options = (_object.options if _object else None) or ()
    return [option.response_tokens for option in options if option.response_tokens]


def get_response_tokens_from_list(_list: Optional[Iterable[Optional[Part]]]) -> Optional[List[Dict[str, Any]]]:
    """Return the response tokens of a list of mboxes, views or page loads, or None."""
    return _flatten(map(get_response_tokens_from_object, _list or ()))


def get_response_tokens(response: DeliveryResponse) -> Optional[List[Dict[str, Any]]]:
    """Return all response tokens of an answer, or None."""
    return get_response_tokens_from_list(locations_of(response))


def _flatten(lists: Iterable[Optional[List[Any]]]) -> Optional[List[Any]]:
    return flatten_list([each for each in lists if each]) or None
