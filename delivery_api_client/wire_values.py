"""Converts values to JSON and parses JSON as models and other values.

Types have the schema's names, as in ``openapi_types``: ``DeliveryResponse``, ``list[MboxRequest]``,
``dict(str, object)``, ``int``, ``datetime``.
"""

import datetime
import enum
from typing import Any, Callable, Dict, FrozenSet, Mapping, Type, Union

from delivery_api_client.models import MODELS
from target_python_sdk.types import Order
from target_tools.clock import as_utc
from target_tools.errors import ApiException, ApiTypeError, ApiValueError, InvalidResponse
from target_tools.http.bodies import parse_json
from target_tools.schema.model import Model

#: The name of a type, or the class itself.
TypeName = Union[str, Type[Any]]

PRIMITIVES: Dict[str, Type[Any]] = {"int": int, "long": int, "float": float, "str": str, "bool": bool}
#: Types whose values are returned as parsed.
ANYTHING: FrozenSet[TypeName] = frozenset({"object", object, "dict", dict, "list", list, "bytes", bytes})


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
        if type_name not in {*ANYTHING, *_DATE_LOADERS, *PRIMITIVES, *PRIMITIVES.values()}:
            raise
        value = raw.decode("utf-8", "replace")
    return load_value(value, type_name)


def load_value(value: Any, type_name: TypeName) -> Any:
    """Convert a parsed JSON value to a type. None stays None."""
    if value is None or type_name in ANYTHING:
        return value
    items = _inner_type("list[", type_name, "]")
    if items:
        return [load_value(item, items) for item in _expect(list, value, type_name)]
    entries = _inner_type("dict(", type_name, ")").partition(",")[2].lstrip()
    if entries:
        return {name: load_value(item, entries) for name, item in _expect(dict, value, type_name).items()}
    return _load_scalar_or_model(value, type_name)


def _inner_type(before: str, type_name: TypeName, after: str) -> str:
    """Return the part of a type name between ``before`` and ``after``, or an empty text."""
    if isinstance(type_name, str) and type_name.startswith(before) and type_name.endswith(after):
        return type_name[len(before) : -len(after)]
    return ""


def _load_scalar_or_model(value: Any, type_name: TypeName) -> Any:
    """Load a model, a primitive value or a date."""
    load_date = _DATE_LOADERS.get(type_name)
    if load_date is not None:
        return load_date(value)
    cls = _resolve(type_name)
    if issubclass(cls, Model):
        return cls.from_dict(value) if cls.attribute_map else value  # enumerations have no fields
    try:
        return cls(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidResponse(f"expected {cls.__name__}, got {type(value).__name__}") from None


def empty_value(type_name: TypeName) -> Any:
    """Return the value for a missing body: an empty model, or None."""
    try:
        return _resolve(type_name)() if isinstance(type_name, type) or type_name[:1].isupper() else None
    except ValueError:  # the model has required fields
        return None


def _resolve(type_name: TypeName) -> Type[Any]:
    cls: Any = type_name
    if isinstance(type_name, str):
        cls = PRIMITIVES.get(type_name) or MODELS.get(type_name)
    if not isinstance(cls, type):
        raise ApiTypeError(f"unknown type `{type_name}`")
    return cls


def _expect(cls: Type[Any], value: Any, type_name: TypeName) -> Any:
    if not isinstance(value, cls):
        raise InvalidResponse(f"expected {type_name}, got {type(value).__name__}")
    return value


def _load_datetime(value: Any) -> datetime.datetime:
    time = Order.from_dict({"time": value}).time
    if not isinstance(time, datetime.datetime):
        raise ApiException(status=0, reason=f"Failed to parse `{value}` as datetime object")
    return time


def _load_date(value: Any) -> datetime.date:
    try:
        return datetime.date.fromisoformat(str(value)[:10])
    except ValueError:
        raise ApiException(status=0, reason=f"Failed to parse `{value}` as date object") from None


_DATE_LOADERS: Dict[TypeName, Callable[[Any], Any]] = {
    "datetime": _load_datetime,
    datetime.datetime: _load_datetime,
    "date": _load_date,
    datetime.date: _load_date,
}
