"""Base class of the Delivery API's types. :mod:`target_tools.schema.fields` describes how their fields are declared.

Values that application code sets are validated, on construction and on assignment. Values that a server sends are not
validated, so that older clients keep working when the API grows. One thing is still required: a field that the schema
declares as an object or a list must be one, or null.
"""

import datetime
import enum
from typing import (
    Any,
    Callable,
    ClassVar,
    Dict,
    List,
    Mapping,
    Optional,
    Tuple,
    Type,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

from target_tools.clock import as_utc, parse_iso_8601
from target_tools.error_text import invalid
from target_tools.errors import InvalidResponse, OptionError
from target_tools.schema.fields import Field, declared_fields, field_hints, generate_constructor
from target_tools.typing_compat import Json, dataclass_transform

ModelT = TypeVar("ModelT", bound="Model")
#: The value of a field, or a value nested in it.
Value = Union[Json, datetime.datetime, enum.Enum, "Model", List["Model"]]
Check = Callable[[Any], None]
Load = Callable[[Any], Any]

#: Types that need no conversion between Python and JSON.
_LEAVES = frozenset([str, int, float, bool, type(None)])


class SchemaMismatch(Exception):
    """JSON that does not match the schema. Each level prepends its step to ``path`` while the error propagates."""

    def __init__(self, expected: str, found: "Union[Json, Model]") -> None:
        super().__init__()
        self.problem = invalid("", expected=expected, got=found, secret=True)
        self.path = ""

    def prefixed(self, step: str) -> "SchemaMismatch":
        """Prepend ``step`` to the path and return the error."""
        self.path = step + self.path
        return self

    def message(self, root: str) -> str:
        """Return the message, with the path or the name of the root."""
        return f"{self.path.lstrip('.') or root}: {self.problem}"


class _BuiltOnFirstUse:
    """Stands in for a class attribute until that is first read, then builds it.

    Building the tables and the constructor of a type takes about 100 microseconds. Most programs use only a few of
    the types; building all of them would double the import time. If two threads access an attribute at the same time,
    both build the same value.
    """

    def __init__(self, cls: Type["Model"], name: str, build: Callable[[Type["Model"]], None]) -> None:
        self._cls = cls
        self._name = name
        self._build = build

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        self._build(self._cls)
        found = vars(self._cls)[self._name]
        return found.__get__(instance, owner) if hasattr(found, "__get__") else found


@dataclass_transform()
class Model:  # noqa: PLW1641  mutable, so not hashable
    """A JSON object of the Delivery API, with its fields as attributes.

    ``from_dict(data)`` parses JSON objects; ``to_dict(by_alias=True, exclude_none=True)`` returns the object to send.
    Two models are equal if their classes and their fields are equal. Models are mutable and therefore not hashable.
    """

    openapi_types: ClassVar[Dict[str, str]] = {}
    """Maps each field's Python name to its type, as the schema spells it."""

    attribute_map: ClassVar[Dict[str, str]] = {}
    """Maps each field's Python name to its name in JSON."""

    discriminator: ClassVar[None] = None
    """Always ``None``. Kept for compatibility with 1.1.0."""

    #: Whether the constructor sets ``__dict__`` in one step, which is faster if every call reads ``__dict__``.
    _is_read_as_dict: ClassVar[bool] = False

    _names: ClassVar[Dict[str, str]] = {}
    _defaults: ClassVar[Dict[str, Any]] = {}
    _checks: ClassVar[Dict[str, Check]] = {}
    _by_wire_name: ClassVar[Dict[str, Tuple[str, Optional[Load]]]] = {}

    def __init_subclass__(cls, is_read_as_dict: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if is_read_as_dict:
            cls._is_read_as_dict = True
        if field_hints(cls) or sum(issubclass(base, Model) for base in cls.__bases__) > 1:
            for name, build in _BUILDERS.items():
                if name not in cls.__dict__:
                    setattr(cls, name, _BuiltOnFirstUse(cls, name, build))

    @classmethod
    def from_dict(cls: Type[ModelT], data: Mapping[str, Any]) -> ModelT:
        """Create a model from a dict with JSON names or Python names.

        If both names of a field are present, the JSON name wins. Unknown keys are ignored and values are not validated.
        Raises ``InvalidResponse``, with the path, if the schema expects an object or a list and ``data`` has something
        else there.
        """
        try:
            return cls._loaded(data)
        except SchemaMismatch as mismatch:
            raise InvalidResponse(mismatch.message(cls.__name__)) from None

    @classmethod
    def _loaded(cls: Type[ModelT], data: "Union[Json, Model]") -> ModelT:
        if not isinstance(data, dict):
            if isinstance(data, cls):
                return data
            if not isinstance(data, Mapping):
                raise SchemaMismatch("an object", data)
        values = cls._defaults.copy()
        find, key = cls._by_wire_name.get, ""
        try:
            for key, value in data.items():
                found = find(key) or cls._by_python_name(key, data)
                if found is not None:
                    name, load = found
                    values[name] = value if load is None or value is None else load(value)
        except SchemaMismatch as mismatch:
            raise mismatch.prefixed("." + key) from None
        return _create(cls, values)

    @classmethod
    def _by_python_name(cls, key: Any, data: Mapping[str, Any]) -> Optional[Tuple[str, Optional[Load]]]:
        wire_name = cls.attribute_map.get(key)
        return None if wire_name is None or wire_name in data else cls._by_wire_name[wire_name]

    def to_dict(self, by_alias: bool = False, exclude_none: bool = False) -> Dict[str, Any]:
        """Return the model and its nested models as a dict.

        :param by_alias: Use JSON names, and ISO 8601 text for datetimes.
        :param exclude_none: Leave out fields that are ``None``. ``None`` inside free-form JSON (parameters, content,
            trace) is kept.

        With both set, the result is what the SDK sends. Raises ``OptionError`` if the model is nested too deeply or
        contains itself.
        """
        try:
            return _model_to_dict(self, by_alias, exclude_none)
        except RecursionError:
            name = type(self).__name__
            raise OptionError(f"`{name}` is nested too deeply, or contains itself", option=name) from None

    def to_json(self) -> Dict[str, Any]:
        """Return the JSON object that the SDK sends for the model."""
        return self.to_dict(by_alias=True, exclude_none=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Let pydantic and FastAPI accept the model, or its JSON form, and serialize it to its JSON form."""
        from target_tools.schema.pydantic_support import schema_for  # noqa: PLC0415 - pydantic is optional

        return schema_for(cls, cls._from_json, cls.to_json)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> Dict[str, Any]:
        """Describe the model in OpenAPI documents."""
        return {"title": cls.__name__, "type": "object"}

    @classmethod
    def _from_json(cls: Type[ModelT], value: Any) -> ModelT:
        if not isinstance(value, Mapping):
            raise ValueError(f"expected an object, got {type(value).__name__}")
        return cls.from_dict(value)

    def replace(self: ModelT, **changes: Any) -> ModelT:
        """Return a copy with some fields changed.

        The changed fields are validated. All other values are shared with the original, not copied. Raises
        ``TypeError`` for a name that is not a field.
        """
        cls = self.__class__
        for name, value in changes.items():
            if name in cls._checks:
                cls._checks[name](value)
            elif name not in cls._defaults:
                raise TypeError(f"{cls.__name__} has no field {name!r}")
        return copy_with(self, **changes)

    def to_str(self) -> str:
        """Return the model's dict, formatted by ``pprint``."""
        import pprint  # noqa: PLC0415  imports inspect, and few programs print a model

        try:
            return pprint.pformat(self.to_dict())
        except (OptionError, RecursionError):  # logging a model must not raise
            return f"<{type(self).__name__} nested too deeply to be shown>"

    def __repr__(self) -> str:
        return self.to_str()

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        if self.__dict__ == other.__dict__:
            return True
        # Compare Enum members by value, and tuples as lists.
        return bool(_to_plain(self.__dict__, False, False) == _to_plain(other.__dict__, False, False))

    def __setstate__(self, state: Dict[str, Any]) -> None:
        """Restore a pickled model. Accepts pickles made by 1.1.0, whose attribute names are private."""
        values = self._defaults.copy()
        for key, value in state.items():
            if key != "discriminator":
                values[self._name_in_pickle(key)] = value
        self.__dict__.update(values)

    @classmethod
    def _name_in_pickle(cls, key: str) -> str:
        # 1.1.0 stored `content` as `_content` and `_property` as `_DeliveryRequest__property`.
        candidates = (key, key[1:], key[key.find("__") + 1 :])
        return next((name for name in candidates if name in cls._defaults), key)


# Assigning to ``model.__dict__`` would call the validating ``__setattr__``.
_set_fields = Model.__dict__["__dict__"].__set__


def _create(cls: Type[ModelT], fields: Dict[str, Any]) -> ModelT:
    """Create a model from ``fields`` without validating them."""
    model = object.__new__(cls)
    _set_fields(model, fields)
    return model


def copy_with(model: ModelT, /, **changes: Any) -> ModelT:
    """Return a copy with ``changes``, without validating them."""
    copy = object.__new__(model.__class__)
    _set_fields(copy, {**model.__dict__, **changes})
    return copy


def deep_copy(value: Any) -> Any:
    """Return a deep copy: models, lists and dicts at every level are new.

    Raises ``OptionError`` if ``value`` is nested too deeply or contains itself.
    """
    try:
        return _deep_copy(value)
    except RecursionError:
        name = type(value).__name__
        raise OptionError(f"`{name}` is nested too deeply, or contains itself", option=name) from None


def _deep_copy(value: Any) -> Any:
    if isinstance(value, Model):
        fields = value.__dict__.copy()
        for name, one in fields.items():
            if one is not None and one.__class__ not in _LEAVES:
                fields[name] = _deep_copy(one)
        return _create(value.__class__, fields)
    if isinstance(value, (list, tuple)):
        return [one if one.__class__ in _LEAVES else _deep_copy(one) for one in value]
    if isinstance(value, (dict, Mapping)):  # dict first: isinstance is slow for abstract classes
        return {name: one if one.__class__ in _LEAVES else _deep_copy(one) for name, one in value.items()}
    return value


def fields_of(cls: Type[Model]) -> Dict[str, Field]:
    """Return the fields of ``cls`` and of its bases, by name."""
    models = [base for base in reversed(cls.__mro__) if issubclass(base, Model)]
    return {field.name: field for model in models for field in declared_fields(model)}


def _build_tables(cls: Type[Model]) -> None:
    fields = fields_of(cls)
    cls.openapi_types = {name: field.type_name for name, field in fields.items()}
    cls.attribute_map = {name: field.wire_name for name, field in fields.items()}
    cls._names = {name: name for name in fields}
    cls._defaults = {name: field.default for name, field in fields.items()}
    cls._checks = {name: field.check for name, field in fields.items() if field.is_checked}
    cls._by_wire_name = {field.wire_name: (name, _loader(field.kind)) for name, field in fields.items()}


def _build_setattr(cls: Type[Model]) -> None:
    """Give ``cls`` a validating ``__setattr__``, or the inherited one if no field has constraints."""
    cls.__setattr__ = _validating_setattr if cls._checks else super(cls, cls).__setattr__  # type: ignore[method-assign,assignment]


def _validating_setattr(self: Model, name: str, value: Value) -> None:
    check = self._checks.get(name)
    if check is not None:
        check(value)
    object.__setattr__(self, name, value)


def _build_init(cls: Type[Model]) -> None:
    # Setting all fields at once also bypasses a validating ``__setattr__``; the constructor has validated the values.
    set_fields = _set_fields if cls._is_read_as_dict or cls.__setattr__ is not object.__setattr__ else None
    cls.__init__ = generate_constructor(cls, fields_of(cls), set_fields)  # type: ignore[method-assign]


_TABLES = ("openapi_types", "attribute_map", "_names", "_defaults", "_checks", "_by_wire_name")
#: The attributes that each class with fields gets, and the function that builds each.
_BUILDERS = {
    **dict.fromkeys(_TABLES, _build_tables),
    "__setattr__": _build_setattr,
    "__init__": _build_init,
}


def _loader(kind: Any) -> Optional[Load]:
    """Return the function that loads JSON values of type ``kind``; None if they need no conversion."""
    origin = get_origin(kind)
    if origin is list:
        return _list_loader(_loader(get_args(kind)[0]))
    if origin is dict:
        return _load_object
    if kind is datetime.datetime:
        return parse_iso_8601
    return kind._loaded if isinstance(kind, type) and issubclass(kind, Model) else None


def _list_loader(load: Optional[Load]) -> Load:
    def load_list(items: Json) -> List[Any]:
        if not isinstance(items, (list, tuple)):
            raise SchemaMismatch("a list", items)
        loaded: List[Any] = []
        try:
            for item in items:
                loaded.append(item if load is None or item is None else load(item))
        except SchemaMismatch as mismatch:
            raise mismatch.prefixed(f"[{len(loaded)}]") from None
        return loaded

    return load_list


def _load_object(value: Json) -> Mapping[str, Any]:
    if not isinstance(value, (dict, Mapping)):  # dict first: isinstance is slow for abstract classes
        raise SchemaMismatch("an object", value)
    return value


def _model_to_dict(model: Model, by_alias: bool, exclude_none: bool) -> Dict[str, Any]:
    cls = model.__class__
    keys = cls.attribute_map if by_alias else cls._names
    plain: Dict[str, Any] = {}
    for name, value in model.__dict__.items():
        if value is None:  # the most common case
            if exclude_none:
                continue
        elif value.__class__ not in _LEAVES:
            value = _to_plain(value, by_alias, exclude_none)  # noqa: PLW2901
        if name in keys:
            plain[keys[name]] = value
    return plain


def to_json(value: Value) -> Any:
    """Convert a value that may contain models to JSON."""
    return _to_plain(value, True, True)


def _to_plain(value: Value, by_alias: bool, exclude_none: bool) -> Any:
    """Convert ``value`` to dicts, lists and JSON scalars."""
    if value.__class__ in _LEAVES:
        plain = value
    elif isinstance(value, Model):
        # If a nested model overrides to_dict, call the override, unless the outer to_dict was called with arguments.
        is_overridden = value.__class__.to_dict is not Model.to_dict and not (by_alias or exclude_none)
        plain = value.to_dict() if is_overridden else _model_to_dict(value, by_alias, exclude_none)
    elif isinstance(value, (list, tuple)):
        plain = [item if item.__class__ in _LEAVES else _to_plain(item, by_alias, exclude_none) for item in value]
    elif isinstance(value, (dict, Mapping)):
        plain = {
            key if key.__class__ is str else _to_plain(key, by_alias, exclude_none): item
            if item.__class__ in _LEAVES
            else _to_plain(item, by_alias, exclude_none)
            for key, item in value.items()
        }
    elif isinstance(value, enum.Enum):
        plain = value.value
    elif by_alias and isinstance(value, datetime.datetime):
        plain = as_utc(value).isoformat()
    else:
        plain = value
    return plain
