"""1.1.0's small functions that an application may have taken along."""

import datetime
import functools
import operator
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Set, Tuple, TypeVar

from target_python_sdk.types import DeliveryRequest, ExecuteRequest, MboxRequest, ModelProperty, PrefetchRequest
from target_tools.clock import as_utc, epoch_milliseconds, epoch_seconds, utc_offset_minutes
from target_tools.enums import DecisioningMethod
from target_tools.schema.model import Model
from target_tools.uuids import random_uuid

ResultT = TypeVar("ResultT")
EngineT = TypeVar("EngineT")

EPOCH_START = datetime.datetime(1970, 1, 1)
SECONDS_IN_MINUTE = 60
MBOXES = "mboxes"
VIEWS = "views"
REQUEST_TYPE_MAP = {"execute": ExecuteRequest, "prefetch": PrefetchRequest}
#: How many answers a memoized function remembers; 1.1.0's grew for ever.
REMEMBERED = 1000


# Requests


def requires_decisioning_engine(decisioning_method: Optional[str]) -> bool:
    """Whether calls are decided in this process, all or some."""
    return decisioning_method in (DecisioningMethod.ON_DEVICE.value, DecisioningMethod.HYBRID.value)


def decisioning_engine_ready(decisioning_engine: Optional[EngineT]) -> Optional[EngineT]:
    """The engine, if it is there and ready."""
    ready: Any = decisioning_engine
    return decisioning_engine if ready and ready.is_ready() else None


def get_property_token(_property: Optional[ModelProperty] = None) -> Optional[str]:
    """The token of a property, if there is one."""
    return _property.token if _property else None


def get_property(config: Optional[Mapping[str, Any]], request: DeliveryRequest) -> Optional[ModelProperty]:
    """The property of a request, else that of the client."""
    if get_property_token(request._property):
        return request._property
    token = (config or {}).get("property_token")
    return ModelProperty(token=token) if token else None


def _requested(items_key: str, delivery_request: DeliveryRequest) -> List[Any]:
    """The mboxes or views that a request prefetches and executes."""
    parts = (delivery_request.prefetch, delivery_request.execute)
    return [item for part in parts for item in getattr(part, items_key, None) or ()]


def has_requested(items_key: str, delivery_request: Optional[DeliveryRequest]) -> bool:
    """Whether a request asks for any mbox, or view."""
    return delivery_request is not None and bool(_requested(items_key, delivery_request))


def has_requested_views(delivery_request: Optional[DeliveryRequest]) -> bool:
    """Whether a request asks for any view."""
    return has_requested(VIEWS, delivery_request)


def get_names_for_requested(items_key: str, delivery_request: DeliveryRequest) -> Set[str]:
    """The names of the mboxes, or views, that a request asks for."""
    return {item.name for item in _requested(items_key, delivery_request) if item.name}


def get_mbox_names(delivery_request: DeliveryRequest) -> Set[str]:
    """The names of the mboxes that a request asks for."""
    return get_names_for_requested(MBOXES, delivery_request)


def get_view_names(delivery_request: DeliveryRequest) -> Set[str]:
    """The names of the views that a request asks for."""
    return get_names_for_requested(VIEWS, delivery_request)


def add_mboxes_to_request(
    mbox_names: Iterable[str], request: DeliveryRequest, request_type: str = "execute"
) -> DeliveryRequest:
    """``request`` itself, to which the mboxes were added that it did not ask for."""
    known = get_mbox_names(request)
    part = getattr(request, request_type)
    if part is None:
        part = REQUEST_TYPE_MAP[request_type]()
        setattr(request, request_type, part)
    mboxes: List[MboxRequest] = list(part.mboxes or ())
    index = max([mbox.index or 0 for mbox in mboxes], default=0)
    for name in mbox_names:
        if name not in known:
            index += 1
            mboxes.append(MboxRequest(index=index, name=name))
    part.mboxes = mboxes
    return request


# Functions


def noop(*args: Any, **kwargs: Any) -> None:
    """Do nothing."""


def memoize(
    func: Callable[..., ResultT], args_resolver: Optional[Callable[[Tuple[Any, ...], Dict[str, Any]], Any]] = None
) -> Callable[..., ResultT]:
    """``func``, whose answers are remembered by its arguments, or by what ``args_resolver`` makes of them."""
    remembered: Dict[Any, ResultT] = {}

    @functools.wraps(func)
    def memoized_func(*args: Any, **kwargs: Any) -> ResultT:
        key = args_resolver(args, kwargs) if args_resolver else (args, tuple(sorted(kwargs.items())))
        if key not in remembered:
            if len(remembered) >= REMEMBERED:
                remembered.clear()
            remembered[key] = func(*args, **kwargs)
        return remembered[key]

    return memoized_func


def compose_functions(outer: Callable[[Any], ResultT], inner: Callable[..., Any]) -> Callable[..., ResultT]:
    """The function that gives ``outer`` what ``inner`` makes of its arguments."""
    return lambda *args: outer(inner(*args))


# Values


def is_string(value: object) -> bool:
    """Whether ``value`` is text."""
    return isinstance(value, str)


def is_int(value: Any) -> bool:
    """Whether a whole number can be made of ``value``."""
    return parse_int(value) is not None


def parse_int(value: Any) -> Optional[int]:
    """The whole number that ``int`` makes of ``value``, or None."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def parse_float(value: Any) -> Optional[float]:
    """The number that ``float`` makes of ``value``, or None."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def is_dict(value: object) -> bool:
    """Whether ``value`` is a dict."""
    return isinstance(value, dict)


def is_list(value: object) -> bool:
    """Whether ``value`` is a list."""
    return isinstance(value, list)


def is_empty(val: object) -> bool:
    """Whether there is nothing in ``val``."""
    return not val


def flatten_list(_list: Optional[Any]) -> Any:
    """The lists in ``_list`` as one, in a row."""
    return functools.reduce(operator.add, _list) if _list else []


def remove_empty_values(_dict: Mapping[Any, Any]) -> Dict[Any, Any]:
    """What of ``_dict`` is not None."""
    return {key: value for key, value in _dict.items() if value is not None}


def get_value_from_object(obj: Any, key: Any) -> Any:
    """The value of a dict or the attribute of anything else, or None."""
    return obj.get(key) if isinstance(obj, dict) else getattr(obj, key, None)


def to_dict(obj: Any) -> Any:
    """``obj`` by the names on the wire, None included: models and other objects as dicts, however deep."""
    if isinstance(obj, Model):
        return obj.to_dict(by_alias=True)
    if isinstance(obj, dict):
        return {key: to_dict(value) for key, value in obj.items()}
    if isinstance(obj, (list, tuple)):
        return [to_dict(value) for value in obj]
    return to_dict(vars(obj)) if hasattr(obj, "__dict__") and not callable(obj) else obj


# Ids and time


def create_uuid() -> str:
    """A new random id."""
    return random_uuid()


def get_epoch_time(utc_datetime: Optional[datetime.datetime] = None) -> int:
    """Whole seconds since 1970, of now or of a moment in UTC."""
    return int(epoch_seconds() if utc_datetime is None else as_utc(utc_datetime).timestamp())


def get_epoch_time_milliseconds(utc_datetime: Optional[datetime.datetime] = None) -> int:
    """Whole milliseconds since 1970, as the API wants timestamps, of now or of a moment in UTC."""
    if utc_datetime is None:
        return epoch_milliseconds()
    return (as_utc(utc_datetime) - as_utc(EPOCH_START)) // datetime.timedelta(milliseconds=1)


def get_timezone_offset() -> int:
    """How many minutes this machine's local time is ahead of UTC."""
    return int(utc_offset_minutes())
