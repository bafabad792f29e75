"""Converts values to JSON and parses JSON as models and other values.

Types are named as in ``openapi_types``: ``DeliveryResponse``, ``list[MboxRequest]``, ``dict(str, object)``, ``int``,
``datetime``.
"""

import datetime
import enum
import re
from typing import Any, Dict, Mapping, Match, Optional, Type, Union

from delivery_api_client.models import MODELS
from target_python_sdk.types import Order
from target_tools.clock import as_utc
from target_tools.errors import ApiException, ApiTypeError, ApiValueError, InvalidResponse
from target_tools.http.messages import parse_json
from target_tools.schema.model import Model
from target_tools.typing_compat import Json

#: The name of a type, or the class itself.
TypeName = Union[str, Type[Any]]

#: Types whose JSON values are returned unchanged.
_ANYTHING = (object, dict, list, bytes)
_TYPES: Dict[str, Type[Any]] = {
    **{cls.__name__: cls for cls in (*_ANYTHING, int, float, str, bool, datetime.datetime, datetime.date)},
    "long": int,
    **MODELS,
}
_CONTAINER = re.compile(r"list\[(.+)\]|dict\([^,]*, *(.+)\)")


def to_json_value(value: Any) -> Any:
    """Convert ``value`` to JSON values. Models lose their unset fields; datetimes become text."""
    try:
        return _convert(value)
    except RecursionError:
        raise ApiValueError(f"a {type(value).__name__} is nested too deeply, or contains itself") from None


def _convert(value: Any) -> Any:
    plain = value
    if isinstance(value, enum.Enum):
        plain = _convert(value.value)
    elif isinstance(value, list):
        plain = [_convert(item) for item in value]
    elif isinstance(value, tuple):
        plain = tuple(_convert(item) for item in value)
    elif isinstance(value, Mapping):
        plain = {_convert(name): _convert(item) for name, item in value.items()}
    elif isinstance(value, datetime.datetime):
        plain = as_utc(value).isoformat()
    elif isinstance(value, datetime.date):
        plain = value.isoformat()
    elif hasattr(value, "openapi_types") and hasattr(value, "attribute_map"):
        attributes = ((wire_name, getattr(value, name)) for name, wire_name in value.attribute_map.items())
        plain = {wire_name: _convert(attribute) for wire_name, attribute in attributes if attribute is not None}
    elif value is not None and not isinstance(value, (float, bool, bytes, str, int)):
        raise ApiTypeError(f"a {type(value).__name__} cannot be sent; expected a model, dict, list, text or number")
    return plain


def parse_body(body: Union[str, bytes], type_name: TypeName) -> Any:
    """Parse a JSON body as a value of a type.

    A body that is not JSON is returned as text, or parsed as a date, if the type is not a model. Raises
    ``InvalidResponse`` for the wrong structure. Values inside models are not validated.
    """
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    try:
        value = parse_json(raw)
    except InvalidResponse:
        if _container(type_name) or issubclass(_class_of(type_name), Model):
            raise
        value = raw.decode("utf-8", "replace")
    return load_value(value, type_name)


def load_value(value: Json, type_name: TypeName) -> Any:
    """Convert a parsed JSON value to a type. None stays None."""
    if value is None:
        return None
    container = _container(type_name)
    if container is None:
        return _load_scalar_or_model(value, _class_of(type_name))
    items, entries = container.groups()
    if items and isinstance(value, list):
        return [load_value(item, items) for item in value]
    if entries and isinstance(value, dict):
        return {name: load_value(item, entries) for name, item in value.items()}
    raise InvalidResponse(f"expected {type_name}, got {type(value).__name__}")


def _load_scalar_or_model(value: Any, cls: Type[Any]) -> Any:
    if cls in _ANYTHING:
        return value
    if issubclass(cls, Model):
        return cls.from_dict(value) if cls.attribute_map else value  # enumerations have no fields
    if issubclass(cls, datetime.date):
        return _load_time(value, cls)
    try:
        return cls(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidResponse(f"expected {cls.__name__}, got {type(value).__name__}") from None


def _load_time(value: Json, cls: Type[datetime.date]) -> datetime.date:
    """Parse ``value`` as a datetime, or its first ten characters as a date."""
    text = str(value) if cls is datetime.datetime else f"{value!s:.10}T00:00:00"
    time = Order.from_dict({"time": text}).time
    if not isinstance(time, datetime.datetime):
        raise ApiException(status=0, reason=f"Failed to parse `{value}` as {cls.__name__} object")
    return time if cls is datetime.datetime else time.date()


def empty_value(type_name: TypeName) -> Any:
    """Return the value for a missing body: an empty model, or None."""
    cls = None if _container(type_name) else _class_of(type_name)
    return cls.from_dict({}) if cls is not None and issubclass(cls, Model) else None


def _container(type_name: TypeName) -> Optional[Match[str]]:
    """Match the name of a list or dict type. Group 1 is the type of a list's items, group 2 that of a dict's values."""
    return _CONTAINER.fullmatch(type_name) if isinstance(type_name, str) else None


def _class_of(type_name: TypeName) -> Type[Any]:
    cls = _TYPES.get(type_name) if isinstance(type_name, str) else type_name
    if cls is None:
        raise ApiTypeError(f"unknown type `{type_name}`")
    return cls
