"""Values as they are sent, and what was received as values: models, and what JSON has for the rest.

Types are named in the words of the schema, as in ``openapi_types``: ``DeliveryResponse``,
``list[MboxRequest]``, ``dict(str, object)``, ``int``, ``datetime``.
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
#: What is handed on as it came.
ANYTHING: FrozenSet[TypeName] = frozenset({"object", object, "dict", dict, "list", list, "bytes", bytes})


def sanitized(value: Any) -> Any:
    """``value`` as JSON will have it: models by their wire names without what is not set, moments as text."""
    try:
        return _plain(value)
    except RecursionError:
        raise ApiValueError("a {} is nested too deeply, or contains itself".format(type(value).__name__)) from None


def _plain(value: Any) -> Any:
    plain = value
    if isinstance(value, enum.Enum):
        plain = _plain(value.value)
    elif isinstance(value, list):
        plain = [_plain(item) for item in value]
    elif isinstance(value, tuple):
        plain = tuple(_plain(item) for item in value)
    elif isinstance(value, Mapping):
        plain = {_plain(name): _plain(item) for name, item in value.items()}
    elif isinstance(value, datetime.datetime):
        plain = as_utc(value).isoformat()
    elif isinstance(value, datetime.date):
        plain = value.isoformat()
    elif hasattr(value, "openapi_types") and hasattr(value, "attribute_map"):
        plain = _plain_model(value)
    elif value is not None and not isinstance(value, (float, bool, bytes, str, int)):
        raise ApiTypeError(
            "a {} cannot be sent: models, dicts, lists, text and numbers can".format(type(value).__name__)
        )
    return plain


def _plain_model(model: Any) -> Dict[str, Any]:
    given = ((wire_name, getattr(model, name)) for name, wire_name in model.attribute_map.items())
    return {wire_name: _plain(value) for wire_name, value in given if value is not None}


def loaded_text(body: Union[str, bytes], kind: TypeName) -> Any:
    """What JSON says, as a value of that type; text that is no JSON, where a text will do.

    Raises ``InvalidResponse`` for the wrong structure; no value inside a model is rejected.
    """
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    try:
        value = parse_json(raw)
    except InvalidResponse:
        if not (kind in ANYTHING or kind in PRIMITIVES or kind in PRIMITIVES.values() or kind in _MOMENTS):
            raise
        value = raw.decode("utf-8", "replace")
    return loaded(value, kind)


def loaded(value: Any, kind: TypeName) -> Any:
    """What was parsed from JSON, as a value of that type; None stays None."""
    if value is None or kind in ANYTHING:
        return value
    items, entries = _within("list[", kind, "]"), _within("dict(", kind, ")").partition(",")[2].lstrip()
    if items:
        return [loaded(item, items) for item in _of(list, value, kind)]
    if entries:
        return {name: loaded(item, entries) for name, item in _of(dict, value, kind).items()}
    return _one(value, kind)


def _within(before: str, kind: TypeName, after: str) -> str:
    """What stands between the two, if it is so much as text; else nothing."""
    if isinstance(kind, str) and kind.startswith(before) and kind.endswith(after):
        return kind[len(before) : -len(after)]
    return ""


def _one(value: Any, kind: TypeName) -> Any:
    """A model, a primitive or a moment."""
    read_moment = _MOMENTS.get(kind)
    if read_moment is not None:
        return read_moment(value)
    found = _class_of(kind)
    if issubclass(found, Model):
        return found.from_dict(value) if found.attribute_map else value  # a closed set has no fields
    try:
        return found(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidResponse("{} was expected, not this {}".format(found.__name__, type(value).__name__)) from None


def empty(kind: TypeName) -> Any:
    """What stands for a body that was not sent: a model that says nothing, or None."""
    try:
        return _class_of(kind)() if isinstance(kind, type) or kind[:1].isupper() else None
    except ValueError:  # it has fields that user code may not leave out
        return None


def _class_of(kind: TypeName) -> Type[Any]:
    found: Any = kind
    if isinstance(kind, str):
        found = PRIMITIVES.get(kind) or MODELS.get(kind)
    if not isinstance(found, type):
        raise ApiTypeError("`{}` is no type of the API".format(kind))
    return found


def _of(wanted: Type[Any], value: Any, kind: TypeName) -> Any:
    if not isinstance(value, wanted):
        raise InvalidResponse("{} was expected, not a {}".format(kind, type(value).__name__))
    return value


def _moment(value: Any) -> datetime.datetime:
    moment = Order.from_dict({"time": value}).time  # read as a model's are
    if not isinstance(moment, datetime.datetime):
        raise ApiException(status=0, reason="Failed to parse `{}` as datetime object".format(value))
    return moment


def _day(value: Any) -> datetime.date:
    try:
        return datetime.date.fromisoformat(str(value)[:10])
    except ValueError:
        raise ApiException(status=0, reason="Failed to parse `{}` as date object".format(value)) from None


_MOMENTS: Dict[TypeName, Callable[[Any], Any]] = {
    "datetime": _moment,
    datetime.datetime: _moment,
    "date": _day,
    datetime.date: _day,
}
