"""Utility functions of 1.1.0, kept for applications that use them."""

import datetime
import functools
import operator
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Set, Tuple, TypeVar

from target_python_sdk.types import DeliveryRequest, ExecuteRequest, MboxRequest, ModelProperty, PrefetchRequest
from target_tools.clock import as_utc, epoch_milliseconds, epoch_seconds, utc_offset_minutes
from target_tools.enums import DecisioningMethod
from target_tools.logger import get_logger as get_logger  # noqa: PLC0414 - exported, as in 1.1.0
from target_tools.schema.model import Model
from target_tools.typing_compat import Json
from target_tools.uuids import random_uuid

ResultT = TypeVar("ResultT")
EngineT = TypeVar("EngineT")

EPOCH_START = datetime.datetime(1970, 1, 1)
SECONDS_IN_MINUTE = 60
MBOXES = "mboxes"
VIEWS = "views"
REQUEST_TYPE_MAP = {"execute": ExecuteRequest, "prefetch": PrefetchRequest}
#: Number of results that a memoized function keeps. In 1.1.0 there was no limit.
MAX_MEMOIZED = 1000


# Requests


def requires_decisioning_engine(decisioning_method: Optional[str]) -> bool:
    """Return whether the method decides at least some calls on-device."""
    return decisioning_method in (DecisioningMethod.ON_DEVICE.value, DecisioningMethod.HYBRID.value)


def decisioning_engine_ready(decisioning_engine: Optional[EngineT]) -> Optional[EngineT]:
    """Return the engine if it is ready, else None."""
    ready: Any = decisioning_engine
    return decisioning_engine if ready and ready.is_ready() else None


def get_property_token(_property: Optional[ModelProperty] = None) -> Optional[str]:
    """Return the token of a property, or None."""
    return _property.token if _property else None


def get_property(config: Optional[Mapping[str, Any]], request: DeliveryRequest) -> Optional[ModelProperty]:
    """Return the property of the request, or that of the client if the request has none."""
    if get_property_token(request._property):
        return request._property
    token = (config or {}).get("property_token")
    return ModelProperty(token=token) if token else None


def _requested(items_key: str, delivery_request: DeliveryRequest) -> List[Any]:
    """Return the mboxes or views of the prefetch and execute parts."""
    parts = (delivery_request.prefetch, delivery_request.execute)
    return [item for part in parts for item in getattr(part, items_key, None) or ()]


def has_requested(items_key: str, delivery_request: Optional[DeliveryRequest]) -> bool:
    """Return whether the request contains items of that kind: ``"mboxes"`` or ``"views"``."""
    return delivery_request is not None and bool(_requested(items_key, delivery_request))


def has_requested_views(delivery_request: Optional[DeliveryRequest]) -> bool:
    """Return whether the request contains views."""
    return has_requested(VIEWS, delivery_request)


def get_names_for_requested(items_key: str, delivery_request: DeliveryRequest) -> Set[str]:
    """Return the names of the requested ``"mboxes"`` or ``"views"``."""
    return {item.name for item in _requested(items_key, delivery_request) if item.name}


def get_mbox_names(delivery_request: DeliveryRequest) -> Set[str]:
    """Return the names of the requested mboxes."""
    return get_names_for_requested(MBOXES, delivery_request)


def get_view_names(delivery_request: DeliveryRequest) -> Set[str]:
    """Return the names of the requested views."""
    return get_names_for_requested(VIEWS, delivery_request)


def add_mboxes_to_request(
    mbox_names: Iterable[str], request: DeliveryRequest, request_type: str = "execute"
) -> DeliveryRequest:
    """Add the mboxes that ``request`` does not contain yet. Return ``request``."""
    existing = get_mbox_names(request)
    part = getattr(request, request_type) or REQUEST_TYPE_MAP[request_type]()
    mboxes: List[MboxRequest] = list(part.mboxes or ())
    first_index = max([mbox.index or 0 for mbox in mboxes], default=0) + 1
    names = [name for name in mbox_names if name not in existing]
    part.mboxes = mboxes + [MboxRequest(index=index, name=name) for index, name in enumerate(names, first_index)]
    setattr(request, request_type, part)
    return request


# Functions


def noop(*args: Any, **kwargs: Any) -> None:
    """Do nothing."""


def memoize(
    func: Callable[..., ResultT], args_resolver: Optional[Callable[[Tuple[Any, ...], Dict[str, Any]], Any]] = None
) -> Callable[..., ResultT]:
    """Return ``func`` with a cache. The keys are the arguments, or what ``args_resolver`` returns for them."""
    results: Dict[Any, ResultT] = {}

    @functools.wraps(func)
    def memoized_func(*args: Any, **kwargs: Any) -> ResultT:
        key = args_resolver(args, kwargs) if args_resolver else (args, tuple(sorted(kwargs.items())))
        if key not in results:
            if len(results) >= MAX_MEMOIZED:
                results.clear()
            results[key] = func(*args, **kwargs)
        return results[key]

    return memoized_func


def compose_functions(outer: Callable[[Any], ResultT], inner: Callable[..., Any]) -> Callable[..., ResultT]:
    """Return a function that passes the result of ``inner`` to ``outer``."""
    return lambda *args: outer(inner(*args))


# Values


def is_string(value: object) -> bool:
    """Return whether ``value`` is a str."""
    return isinstance(value, str)


def is_int(value: Json) -> bool:
    """Return whether ``int`` accepts ``value``."""
    return parse_int(value) is not None


def parse_int(value: Json) -> Optional[int]:
    """Return ``int(value)``, or None if ``value`` is not a number."""
    return _parse(int, value)


def parse_float(value: Json) -> Optional[float]:
    """Return ``float(value)``, or None if ``value`` is not a number."""
    return _parse(float, value)


def _parse(number_type: Callable[[Any], ResultT], value: Json) -> Optional[ResultT]:
    try:
        return number_type(value)
    except (TypeError, ValueError, OverflowError):
        return None


def is_dict(value: object) -> bool:
    """Return whether ``value`` is a dict."""
    return isinstance(value, dict)


def is_list(value: object) -> bool:
    """Return whether ``value`` is a list."""
    return isinstance(value, list)


def is_empty(val: object) -> bool:
    """Return whether ``val`` is empty or falsy."""
    return not val


def flatten_list(_list: Optional[Any]) -> Any:
    """Concatenate the lists in ``_list``."""
    return functools.reduce(operator.add, _list) if _list else []


def remove_empty_values(_dict: Mapping[Any, Any]) -> Dict[Any, Any]:
    """Return a copy of ``_dict`` without the values that are None."""
    return {key: value for key, value in _dict.items() if value is not None}


def get_value_from_object(obj: Any, key: Any) -> Any:
    """Return the item ``key`` of a dict, or the attribute of another object. None if it is missing."""
    return obj.get(key) if isinstance(obj, dict) else getattr(obj, key, None)


def to_dict(obj: Any) -> Any:
    """Convert models and other objects to dicts at every level. Keys are wire names; values of None are kept."""
    if isinstance(obj, Model):
        return obj.to_dict(by_alias=True)
    if isinstance(obj, dict):
        return {key: to_dict(value) for key, value in obj.items()}
    if isinstance(obj, (list, tuple)):
        return [to_dict(value) for value in obj]
    return to_dict(vars(obj)) if hasattr(obj, "__dict__") and not callable(obj) else obj


# Ids and time


def create_uuid() -> str:
    """Return a random UUID."""
    return random_uuid()


def get_epoch_time(utc_datetime: Optional[datetime.datetime] = None) -> int:
    """Return the whole seconds from 1970 until now, or until ``utc_datetime``."""
    return int(epoch_seconds() if utc_datetime is None else as_utc(utc_datetime).timestamp())


def get_epoch_time_milliseconds(utc_datetime: Optional[datetime.datetime] = None) -> int:
    """Return the whole milliseconds from 1970 until now, or until ``utc_datetime``."""
    if utc_datetime is None:
        return epoch_milliseconds()
    return (as_utc(utc_datetime) - as_utc(EPOCH_START)) // datetime.timedelta(milliseconds=1)


def get_timezone_offset() -> int:
    """Return the offset of local time from UTC in minutes, positive east of Greenwich."""
    return int(utc_offset_minutes())
