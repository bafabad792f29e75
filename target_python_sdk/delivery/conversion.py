"""Converts requests to models, and their values to JSON values, once for each call.

Callers may pass a dict for any part of a request, members of an ``Enum`` or lazy translations for text,
``Decimal`` or numpy values for numbers. After the conversion each part has the type of its annotation,
so all three decisioning methods see the same values. The caller's objects are never changed. The result
contains them where no conversion is needed.
"""

from __future__ import annotations

import datetime
import enum
import functools
import math
import os
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Type, Union, cast, get_args, get_origin

from target_python_sdk.types import AuthenticatedState, CustomerId, DeliveryRequest
from target_tools.clock import as_utc
from target_tools.error_text import OMITTED, invalid, shown
from target_tools.errors import OptionError
from target_tools.schema.model import Model, SchemaMismatch, copy_with, fields_of
from target_tools.typing_compat import Json

#: A value as an application passes it: JSON, or a value of another type that stands for JSON.
Given = Union[Json, bytes, enum.Enum, datetime.datetime, Model, "os.PathLike[str]"]
Converter = Callable[[Any], Any]

#: Maximum nesting depth of a value of a request; the same as for the edge's answers.
MAX_DEPTH = 100
#: Numbers with a smaller magnitude need no check: they are neither infinite nor too long.
_UNCHECKED_BELOW = 1 << 64
#: Maximum length of the path to an invalid value in an error message.
_MAX_PATH_LENGTH = 200
#: Maximum size of an integer. Python refuses to convert integers of more than 4300 digits to text, about 14,280 bits.
MAX_INTEGER_BITS = 13000

_JSON_SCALARS = frozenset([str, int, float, bool, type(None)])
_STR = frozenset([str])
_UNREADABLE_HINT = "\ufffd"
_EXPECTED_JSON = "a value that JSON can hold"
#: The authentication states by their numbers in the Experience Cloud ID service.
AUTH_STATES = {
    0: AuthenticatedState.UNKNOWN,
    1: AuthenticatedState.AUTHENTICATED,
    2: AuthenticatedState.LOGGED_OUT,
}


class _NotConvertible(Exception):
    """A value that cannot be converted. Each level prepends its step to ``path`` while the error propagates."""

    def __init__(self, expected: str, got: Any = OMITTED, problem: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.path = ""
        self.hint = ""
        self._got = got
        self._problem = problem

    def prefixed(self, step: str) -> _NotConvertible:
        """Prepend ``step``, such as ``.mboxes`` or ``[0]``, and return the error."""
        self.path = step + self.path
        return self

    def as_option_error(self, root: str) -> OptionError:
        """Return the error to raise. Its message leaves out text and numbers, which may be personal data."""
        place = root + self.path
        if len(place) > _MAX_PATH_LENGTH:
            place = place[:_MAX_PATH_LENGTH] + "..."
        text = invalid(place, self._problem, expected=self.expected, got=self._got, secret=True, hint=self.hint)
        return OptionError(text, place, self.expected)


def convert_request(request: Union[DeliveryRequest, Mapping[str, Any]]) -> DeliveryRequest:
    """Return ``request`` with a model for each part and a JSON value for each value.

    The keys of a dict are the field names of the Delivery API or of the models. Raises ``OptionError``, which names the
    place, for a part of another type and for values that JSON cannot hold.
    """
    if type(request) is DeliveryRequest and plain_check(DeliveryRequest)(request):
        return request  # as in most calls
    try:
        return cast("DeliveryRequest", _convert_part(DeliveryRequest, request))
    except _NotConvertible as error:
        raise error.as_option_error("request") from None


def unknown_keys(value: Any, kind: Any = DeliveryRequest, place: str = "request") -> List[Tuple[str, str, List[str]]]:
    """Return the place, the key and the known keys for each key in ``value`` that is not a field of its model."""
    if isinstance(value, (list, tuple)):
        return [found for index, item in enumerate(value) for found in unknown_keys(item, kind, f"{place}[{index}]")]
    if not isinstance(value, (Mapping, kind)):
        return []
    unknown = []
    fields, wire_names = fields_of(kind), kind.attribute_map
    python_names = {wire: name for name, wire in wire_names.items()}
    for key, item in value.items() if isinstance(value, Mapping) else vars(value).items():
        name = key if key in wire_names else python_names.get(key)
        kind_of_item = fields[name].kind if name in fields else None
        part = get_args(kind_of_item)[0] if get_origin(kind_of_item) is list else kind_of_item
        if isinstance(part, type) and issubclass(part, Model):
            unknown += unknown_keys(item, part, f"{place}.{key}")
        elif name is None and isinstance(value, Mapping):
            unknown.append((place, str(key), [*python_names, *wire_names]))
    return unknown


def convert_customer_ids(given: Given) -> List[CustomerId]:
    """Return the option ``customer_ids`` as models. It is a list of ids or a dict by integration code."""
    try:
        if isinstance(given, Mapping):
            return [_customer_id(code, value) for code, value in given.items()]
        if not isinstance(given, (list, tuple)):
            raise _NotConvertible("a list of CustomerId or a dict by integration code", given)
        return cast("List[CustomerId]", _convert_customer_list(given))
    except _NotConvertible as error:
        raise error.as_option_error("customer_ids") from None


def _customer_id(code: Given, value: Given) -> CustomerId:
    """Return the customer id that ``{"id": …, "authState": …}`` or a bare id describes."""
    code, place = plain(code), f"[{shown(code)}]"
    fields = value if isinstance(value, Mapping) else {"id": value}
    number, state = plain(fields.get("id")), plain(fields.get("authState", fields.get("auth_state", 0)))
    if not isinstance(number, (str, int)) or not isinstance(code, str):
        raise _NotConvertible("an id, or a dict with id and authState", value).prefixed(place)
    digits = str(state)
    known = AUTH_STATES.get(int(digits) if digits in ("0", "1", "2") else -1)
    if known is None:
        raise _NotConvertible("0, 1 or 2", state).prefixed(f"{place}['authState']")
    try:
        return CustomerId(id=str(number), integration_code=code, authenticated_state=known)
    except (TypeError, ValueError):
        expected = "a code of up to 50 characters and an id of up to 128"
        raise _NotConvertible(expected, value).prefixed(place) from None


def convert_object(option: str, value: Given) -> Mapping[str, Any]:
    """Return a dict of JSON values. Raises ``OptionError``, which names the place inside ``option``."""
    try:
        return _convert_object(value)
    except _NotConvertible as error:
        raise error.as_option_error(option) from None


# Values


def plain(value: Any) -> Any:  # noqa: PLR0911 - one for each kind of value
    """Return text and numbers of any type as ``str``, ``int``, ``float`` or ``bool``; other values unchanged.

    A member of an ``Enum`` becomes its value.
    """
    if value.__class__ in _JSON_SCALARS:
        return value
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    import numbers  # noqa: PLC0415 - other types than those above are rare

    if isinstance(value, numbers.Number):
        return _plain_number(value)
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):  # a scalar of numpy
        return plain(value.item())
    return _plain_text(value)


def _plain_number(value: Any) -> Any:
    try:
        number = float(value)
        # Convert to float first: Decimal("1E+999999") becomes infinite, while int() would fill the memory.
        return int(value) if math.isfinite(number) and number.is_integer() and not isinstance(value, float) else number
    except (TypeError, ValueError, OverflowError):  # complex, a signalling NaN, a huge Fraction
        return value


def _plain_text(value: Any) -> Any:
    """Return the text of a lazy translation or a ``UserString``, which have the methods of ``str``."""
    casefold = getattr(value, "casefold", None)
    folded = casefold() if callable(casefold) else None
    return str(value) if isinstance(folded, str) or (folded is not None and type(folded) is type(value)) else value


def text_or_none(value: Any) -> Optional[str]:
    """Return text from a visitor's cookie, hint or session; None for anything else. Legacy WSGI code passes bytes."""
    if value is None or value.__class__ is str:
        return value
    if isinstance(value, bytes):
        import six  # noqa: PLC0415 - a twentieth of the import time, and few programs pass bytes

        return six.ensure_str(value, "utf-8", "replace")
    text = plain(value)
    return text if isinstance(text, str) else None


def hint_text(value: Given) -> Optional[str]:
    """Return a location hint as text. A value of another type becomes an invalid hint, so that it is counted."""
    text = text_or_none(value)
    return _UNREADABLE_HINT if text is None and value is not None else text


def json_value(value: Any, depth: int = 0) -> Any:  # noqa: PLR0911 - one for each kind of value
    """Return ``value`` converted to the types that ``json`` can write. Raises ``_NotConvertible``."""
    kind = value.__class__
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        if value.bit_length() > MAX_INTEGER_BITS:
            raise _NotConvertible(_EXPECTED_JSON, value)
        return value
    if kind is float:
        if not math.isfinite(value):
            raise _NotConvertible(_EXPECTED_JSON, problem=f"{value!r} is not a JSON number")
        return value
    if depth == MAX_DEPTH:
        raise _NotConvertible(_EXPECTED_JSON, problem="nested too deeply, or contains itself")
    if kind is dict or isinstance(value, Mapping):
        return _json_object(value, depth)
    if isinstance(value, (list, tuple)):
        return _json_array(value, depth)
    if isinstance(value, datetime.datetime):
        return as_utc(value).isoformat()
    if isinstance(value, Model):
        return json_value(value.to_dict(by_alias=True, exclude_none=True), depth + 1)
    converted = plain(value)
    if converted.__class__ not in _JSON_SCALARS:
        raise _NotConvertible(_EXPECTED_JSON, value)
    return json_value(converted)


def _json_object(value: Mapping[Any, Any], depth: int = 0) -> Mapping[str, Any]:
    if value.__class__ is dict and {*map(type, value), *map(type, value.values())} <= _STR:
        return value
    converted: Dict[str, Any] = {}
    for key, item in value.items():
        try:
            converted[_json_key(key)] = json_value(item, depth + 1)
        except _NotConvertible as error:
            raise error.prefixed(f"[{shown(key)}]") from None
    return converted


def _json_key(key: Given) -> str:
    """Return the text that ``json`` writes for a key of a dict."""
    name = plain(key)
    if isinstance(name, str):
        return name
    if name is None or isinstance(name, bool):
        return {None: "null", True: "true", False: "false"}[name]
    if isinstance(name, (int, float)):
        return repr(json_value(name))
    raise _NotConvertible("text as a key", name)


def _json_array(value: Union[List[Any], Tuple[Any, ...]], depth: int) -> List[Any]:
    converted = []
    for item in value:
        try:
            converted.append(json_value(item, depth + 1))
        except _NotConvertible as error:
            raise error.prefixed(f"[{len(converted)}]") from None
    return converted


# Models


def _convert_model(model: Any) -> Any:
    """Return ``model``, or a copy with the parts that were converted."""
    converters = _converters(model.__class__)
    changes: Dict[str, Any] = {}
    for name, value in model.__dict__.items():
        if value is None or name not in converters:  # an attribute of a subclass is not a field
            continue
        try:
            converted = converters[name](value)
        except _NotConvertible as error:
            from target_python_sdk.delivery.positional_hints import positional_hint  # noqa: PLC0415 - for errors only
            error.hint = error.hint or positional_hint(model, name, value)
            raise error.prefixed("." + name) from None
        if converted is not value:
            changes[name] = converted
    return copy_with(model, **changes) if changes else model


@functools.lru_cache(maxsize=256)
def _converters(cls: Type[Model]) -> Dict[str, Converter]:
    """Return the functions that convert values of the fields, by field name."""
    return {name: _converter_of(field.kind) for name, field in fields_of(cls).items()}


@functools.lru_cache(maxsize=256)
def plain_check(cls: Type[Model]) -> Callable[[Any], bool]:
    """Generate a function that returns True if all values of a model have the usual types, so it needs no conversion.

    The function runs in every call, so it reads each field by name and calls nothing but the checks of nested models.
    It may return False for a model that needs no conversion.
    """
    scope: Dict[str, Any] = {"LIMIT": _UNCHECKED_BELOW}
    lines = ["def is_plain(model):", "  try:", "    fields = model.__dict__"]
    for name, field in fields_of(cls).items():
        value, kind, origin = f"fields['{name}']", field.kind, get_origin(field.kind)
        part = get_args(kind)[0] if origin is list else kind
        item = value if origin is None else "item"
        if _is_model(part):
            scope.update({f"class_{name}": part, f"is_plain_{name}": plain_check(part)})
            odd = f"{item}.__class__ is not class_{name} or not is_plain_{name}({item})"
        elif kind in (int, float):
            odd = f"{value}.__class__ is not int and {value}.__class__ is not float or not -LIMIT < {value} < LIMIT"
        else:
            odd = f"{item}.__class__ is not {'bool' if kind is bool else 'str'}"
        lines.append(f"    if {value} is not None:")
        if origin is None:
            lines.append(f"      if {odd}: return False")
        elif origin is list:
            lines.append(f"      if {value}.__class__ is not list: return False")
            lines.append(f"      for item in {value}:\n        if {odd}: return False")
        else:
            lines.append(f"      if {value}.__class__ is not dict: return False")
            lines.append(f"      for key, item in {value}.items():")
            lines.append(f"        if key.__class__ is not str or {odd}: return False")
    lines += ["  except KeyError: return False", "  return True"]  # an application can delete attributes
    exec(compile("\n".join(lines), f"<check of {cls.__qualname__}>", "exec"), scope)
    return cast("Callable[[Any], bool]", scope["is_plain"])


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Model)


def _converter_of(kind: Any) -> Converter:
    origin = get_origin(kind)
    if origin is dict:
        return _convert_object
    if origin is list:
        item = get_args(kind)[0]
        return _list_converter(item) if _is_model(item) else functools.partial(_convert_array, item)
    if kind is datetime.datetime:
        return _convert_datetime
    return functools.partial(_convert_part, kind) if _is_model(kind) else json_value


def _convert_object(value: Given) -> Mapping[str, Any]:
    if not isinstance(value, (dict, Mapping)):
        raise _NotConvertible("a dict", value)
    return _json_object(value)


def _convert_array(kind: type, value: Given) -> List[Any]:
    """Return a list of text or of numbers. The types of the items are not checked: 1.1.0 also sent numbers as ids."""
    if not isinstance(value, (list, tuple)):
        raise _NotConvertible("a list", value)
    if None in value:
        raise _NotConvertible("text" if kind is str else "a number", None).prefixed(f"[{value.index(None)}]")
    return _json_array(value, 0)


def _convert_datetime(value: Given) -> Any:
    return value if isinstance(value, datetime.datetime) else json_value(value)


def _convert_part(kind: Type[Model], value: Any) -> Any:
    """Return the converted model for ``value``, which is a model of ``kind`` or a dict."""
    if isinstance(value, kind):
        return _convert_model(value)
    expected = f"{'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__} or a dict"
    if not isinstance(value, Mapping):
        raise _NotConvertible(expected, value)
    try:
        model: Any = kind._loaded(value)
    except SchemaMismatch as mismatch:
        raise _NotConvertible(expected, problem=mismatch.problem).prefixed(mismatch.path) from None
    return model if plain_check(model.__class__)(model) else _convert_model(model)


def _list_converter(kind: Type[Model]) -> Converter:
    """Return a function that converts a list of models. It drops None, as 1.1.0 did."""

    def convert(items: Given) -> List[Any]:
        if not isinstance(items, (list, tuple)):
            raise _NotConvertible(f"a list of {kind.__name__}", items)
        converted, is_changed = [], items.__class__ is not list
        for index, item in enumerate(items):
            try:
                found = None if item is None else _convert_part(kind, item)
            except _NotConvertible as error:
                raise error.prefixed(f"[{index}]") from None
            if found is not None:
                converted.append(found)
            is_changed = is_changed or found is None or found is not item
        return converted if is_changed else items  # type: ignore[return-value]

    return convert


_convert_customer_list = _list_converter(CustomerId)
