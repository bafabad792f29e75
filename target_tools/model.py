"""The base class of every wire type.

A type is a class body of annotated fields.  What the schema says about a field
stands in its annotation, so a reader, a type checker and the base class all see
the same line::

    class CustomerId(Model):
        id: Annotated[Optional[str], Required, MaxLength(128)] = None

        authenticated_state: Annotated[Optional[Choice], AuthenticatedState, Required] = None

Every field has a default, because 1.1.0's constructors take their arguments by
position too; ``Required`` is what keeps ``None`` out.  A class among the notes
names the closed set a text is taken from.  The wire name is the camelCase of the
Python name unless ``JsonName`` says otherwise.

Two kinds of value meet here.  What user code builds is checked against its notes,
at construction and on assignment.  What the wire brings is taken as it is, so that
an old client survives a new server; only its structure has to be the schema's.
"""

import datetime
import enum
import functools
import re
import sys
import types
from typing import Any, Callable, ClassVar, Dict, Iterator, List, Mapping, Optional, Tuple, Type, TypeVar, Union
from typing import get_args as arguments_of
from typing import get_origin as origin_of

from target_tools.clock import as_utc
from target_tools.errors import InvalidResponse, OptionError
from target_tools.typing_compat import Annotated, dataclass_transform

ModelT = TypeVar("ModelT", bound="Model")
Load = Callable[[Any], Any]
Check = Callable[[Any], None]

#: What JSON and Python write alike; values of any other class are looked at.
_LEAVES = frozenset([str, int, float, bool, type(None)])

_UNIONS = (Union, getattr(types, "UnionType", Union))
_ANNOTATED: Any = type(Annotated[int, "a note"])


# What an annotation may note


class JsonName(str):
    """The wire name of a field, where it is not the camelCase of the Python name."""


class OneOf:
    """The kinds of JSON value that free content may be."""

    def __init__(self, *kinds: str) -> None:
        self.type_name = "OneOf" + "".join(kinds)


class Required:
    """A field that user code may not leave out or set to ``None``."""


class Constraint:
    """A limit for values that user code builds; ``demand`` is how 1.1.0 words it."""

    demand: ClassVar[str]

    def __init__(self, limit: Any) -> None:
        self.limit = limit

    def refuses(self, value: Any) -> bool:
        """Whether ``value`` is beyond the limit."""
        raise NotImplementedError

    def __str__(self) -> str:
        return "{} `{}`".format(self.demand, self.limit)

    # Equal constraints let ``typing`` find an annotation it has made before: a quarter of the import.

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constraint) and (type(self), self.limit) == (type(other), other.limit)

    def __hash__(self) -> int:
        return hash((type(self), self.limit))


class MaxLength(Constraint):
    """The longest text a field accepts, in characters."""

    demand = "length must be less than or equal to"

    def refuses(self, value: Any) -> bool:
        return len(value) > self.limit  # type: ignore[no-any-return]


class MinLength(Constraint):
    """The shortest text a field accepts, in characters."""

    demand = "length must be greater than or equal to"

    def refuses(self, value: Any) -> bool:
        return len(value) < self.limit  # type: ignore[no-any-return]


class Maximum(Constraint):
    """The largest number a field accepts."""

    demand = "must be a value less than or equal to"

    def refuses(self, value: Any) -> bool:
        return value > self.limit  # type: ignore[no-any-return]


class Minimum(Constraint):
    """The smallest number a field accepts."""

    demand = "must be a value greater than or equal to"

    def refuses(self, value: Any) -> bool:
        return value < self.limit  # type: ignore[no-any-return]


class Pattern(Constraint):
    """The regular expression a text must contain; compiled by ``re`` when a value first needs it."""

    demand = "must be a follow pattern or equal to"

    def refuses(self, value: Any) -> bool:
        return re.search(self.limit, value) is None

    def __str__(self) -> str:
        return "{} `/{}/`".format(self.demand, self.limit)


# The base class


class _InitOnFirstUse:
    """Stands in for ``__init__`` until its class is first used, then writes the real one.

    Writing a constructor takes some 50 microseconds, and a program uses a handful
    of the types; writing all of them would double the time their import takes.
    """

    def __init__(self, cls: Type["Model"]) -> None:
        self._cls = cls

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        self._cls.__init__ = init = _written_init(self._cls)  # type: ignore[method-assign]
        return init.__get__(instance, owner)


@dataclass_transform()
class Model:  # noqa: PLW1641  a value that can change has no hash
    """A value of the wire: its fields as attributes, its JSON form as a dict."""

    openapi_types: ClassVar[Dict[str, str]] = {}
    """Python name of each field to its type in the words of the schema."""

    attribute_map: ClassVar[Dict[str, str]] = {}
    """Python name of each field to its wire name."""

    discriminator: ClassVar[None] = None
    """Always ``None``, as in 1.1.0."""

    _own_fields: ClassVar[Tuple["_Field", ...]] = ()
    _names: ClassVar[Dict[str, str]] = {}
    _defaults: ClassVar[Dict[str, Any]] = {}
    _checks: ClassVar[Dict[str, Check]] = {}
    _by_wire_name: ClassVar[Dict[str, Tuple[str, Optional[Load]]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._own_fields = tuple(_fields_in_the_body_of(cls))
        if cls._own_fields or sum(issubclass(base, Model) for base in cls.__bases__) > 1:
            _complete(cls)

    @classmethod
    def from_dict(cls: Type[ModelT], data: Mapping[str, Any]) -> ModelT:
        """The model that ``data`` describes, by wire names or Python names; where both are given, by the wire name.

        Unknown keys are ignored and no value is rejected.  ``InvalidResponse`` names
        the place where a list, an object or the lack of one contradicts the schema.
        """
        try:
            return cls._loaded(data)
        except _Misfit as misfit:
            raise InvalidResponse(misfit.told_of(cls.__name__)) from None

    @classmethod
    def _loaded(cls: Type[ModelT], data: Any) -> ModelT:
        if data.__class__ is not dict:
            if isinstance(data, cls):
                return data
            if not isinstance(data, Mapping):
                raise _Misfit("an object", data)
        values = cls._defaults.copy()
        find, key = cls._by_wire_name.get, ""
        try:
            for key, value in data.items():
                found = find(key) or cls._by_python_name(key, data)
                if found is not None:
                    name, load = found
                    values[name] = value if load is None or value is None else load(value)
        except _Misfit as misfit:
            raise misfit.under("." + key) from None
        return _made(cls, values)

    @classmethod
    def _by_python_name(cls, key: Any, data: Mapping[str, Any]) -> Optional[Tuple[str, Optional[Load]]]:
        wire_name = cls.attribute_map.get(key)
        return None if wire_name is None or wire_name in data else cls._by_wire_name[wire_name]

    def to_dict(self, by_alias: bool = False, exclude_none: bool = False) -> Dict[str, Any]:
        """The model as a dict, nested models as dicts; with both arguments true it is what is sent.

        ``by_alias`` gives wire names and text for moments, ``exclude_none`` leaves out
        fields that are not set.  ``None`` inside free JSON (parameters, content, trace) stays.
        """
        try:
            return _plain_model(self, by_alias, exclude_none)
        except RecursionError:
            name = type(self).__name__
            raise OptionError("`{}` is nested too deeply, or contains itself".format(name), option=name) from None

    def replace(self: ModelT, **changes: Any) -> ModelT:
        """A copy with ``changes``; what is not changed is shared, not copied and not checked again."""
        cls = self.__class__
        for name, value in changes.items():
            if name in cls._checks:
                cls._checks[name](value)
            elif name not in cls._defaults:
                raise TypeError("{} has no field {!r}".format(cls.__name__, name))
        return _made(cls, {**self.__dict__, **changes})

    def to_str(self) -> str:
        """The model as ``pprint`` shows its dict."""
        import pprint  # noqa: PLC0415  it brings inspect along, and few programs print a model

        try:
            return pprint.pformat(self.to_dict())
        except (OptionError, RecursionError):  # a log line must not fail for what it shows
            return "<{} nested too deeply to be shown>".format(type(self).__name__)

    def __repr__(self) -> str:
        return self.to_str()

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        if self.__dict__ == other.__dict__:
            return True
        # An Enum member is its value, and a tuple is the list it will be.
        return bool(_plain(self.__dict__, False, False) == _plain(other.__dict__, False, False))

    def __setstate__(self, state: Dict[str, Any]) -> None:
        """Takes the state of a pickle; 1.1.0's, whose names are private, too."""
        values = self._defaults.copy()
        for key, value in state.items():
            if key != "discriminator":
                values[self._name_in_pickle(key)] = value
        self.__dict__.update(values)

    @classmethod
    def _name_in_pickle(cls, key: str) -> str:
        # 1.1.0 kept `content` as `_content` and `_property` as `_DeliveryRequest__property`.
        candidates = (key, key[1:], key[key.find("__") + 1 :])
        return next((name for name in candidates if name in cls._defaults), key)


# Assigning ``model.__dict__`` would ask the ``__setattr__`` of a checked class.
_set_fields = Model.__dict__["__dict__"].__set__


def _made(cls: Type[ModelT], fields: Dict[str, Any]) -> ModelT:
    """A model of ``fields``, none of them checked."""
    model = cls.__new__(cls)
    _set_fields(model, fields)
    return model


def _complete(cls: Type[Model]) -> None:
    """Gives ``cls`` the tables of its own fields and its bases', and its constructor."""
    fields = {field.name: field for base in reversed(cls.__mro__) for field in base.__dict__.get("_own_fields", ())}
    cls.openapi_types = {name: field.type_name for name, field in fields.items()}
    cls.attribute_map = {name: field.wire_name for name, field in fields.items()}
    cls._names = {name: name for name in fields}
    cls._defaults = {name: field.default for name, field in fields.items()}
    cls._checks = {name: field.check for name, field in fields.items() if field.required or field.constraints}
    cls._by_wire_name = {field.wire_name: (name, field.load) for name, field in fields.items()}
    if "__init__" not in cls.__dict__:
        cls.__init__ = _InitOnFirstUse(cls)  # type: ignore[assignment,method-assign]
    if cls._checks and "__setattr__" not in cls.__dict__:
        cls.__setattr__ = _set_checked  # type: ignore[assignment,method-assign]


def _set_checked(self: Model, name: str, value: Any) -> None:
    check = self._checks.get(name)
    if check is not None:
        check(value)
    object.__setattr__(self, name, value)


def _written_init(cls: Type[Model]) -> Any:
    """The constructor that a careful person would write by hand for ``cls``."""
    lines = ["def __init__(self, {}):".format(", ".join(name + "=None" for name in cls._defaults))]
    lines += ["    _check_{0}({0})".format(name) for name in cls._checks]
    lines += ["    __dict__ = self.__dict__"]
    lines += ["    __dict__['{0}'] = {0}".format(name) for name in cls._defaults]
    scope: Dict[str, Any] = {"_check_" + name: check for name, check in cls._checks.items()}
    exec(compile("\n".join(lines), "<constructor of {}>".format(cls.__qualname__), "exec"), scope)
    init = scope["__init__"]
    init.__defaults__ = tuple(cls._defaults.values())
    init.__module__, init.__qualname__ = cls.__module__, cls.__qualname__ + ".__init__"
    return init


# Reading the annotations


class _Field:
    """What the base class knows of one annotated line."""

    def __init__(self, name: str, hint: Any, default: Any) -> None:
        self.name = name
        self.default = default
        self.wire_name = _camel_case(name)
        self.required = False
        self.constraints: List[Constraint] = []
        hint, notes = _without_notes(hint)
        self.load, self.type_name = _loader(hint)
        for note in notes:
            self._take(note)

    def _take(self, note: Any) -> None:
        if isinstance(note, Constraint):
            self.constraints.append(note)
        elif note is Required:
            self.required = True
        elif isinstance(note, JsonName):
            self.wire_name = str(note)
        elif isinstance(note, OneOf):
            self.type_name = note.type_name
        elif isinstance(note, type):
            self.type_name = note.__name__

    def check(self, value: Any) -> None:
        """Raises 1.1.0's ``ValueError`` if user code may not set the field to ``value``."""
        if value is None:
            if self.required:
                raise ValueError("Invalid value for `{}`, must not be `None`".format(self.name))
            return
        if isinstance(value, enum.Enum):
            value = value.value
        for constraint in self.constraints:
            if constraint.refuses(value):
                raise ValueError("Invalid value for `{}`, {}".format(self.name, constraint))


def _fields_in_the_body_of(cls: type) -> Iterator[_Field]:
    if sys.version_info >= (3, 10):
        hints = cls.__annotations__
    else:
        hints = cls.__dict__.get("__annotations__", {})  # noqa: RUF063  what it names needs 3.10
    for name, hint in hints.items():
        if _of_the_class(hint):
            continue
        if isinstance(hint, str):
            raise TypeError(
                "{}.{}: a field's annotation is read when the class is made, so a file of types cannot have"
                " `from __future__ import annotations`".format(cls.__qualname__, name)
            )
        yield _Field(name, hint, cls.__dict__.get(name))


def _of_the_class(hint: Any) -> bool:
    if isinstance(hint, str):
        return "ClassVar" in hint
    return hint is ClassVar or getattr(hint, "__origin__", None) is ClassVar


def _without_notes(hint: Any) -> Tuple[Any, List[Any]]:
    """The type inside ``Optional`` and ``Annotated``, and what was noted on the way."""
    notes: List[Any] = []
    while True:
        if hint.__class__ is _ANNOTATED:
            notes += hint.__metadata__
            hint = hint.__origin__
        elif origin_of(hint) in _UNIONS:
            hint = next(arm for arm in arguments_of(hint) if arm is not type(None))
        else:
            return hint, notes


def _camel_case(name: str) -> str:
    first, *rest = name.lstrip("_").split("_")
    return first + "".join(map(str.capitalize, rest))


@functools.lru_cache(maxsize=128)
def _loader(hint: Any) -> Tuple[Optional[Load], str]:
    """How a wire value of type ``hint`` becomes a Python value, and the schema's name for it."""
    origin = origin_of(hint)
    if origin is list:
        load, name = _loader(arguments_of(hint)[0])
        return _list_of(load), "list[{}]".format(name)
    if origin is dict:
        return _object, "dict(str, {})".format(_loader(arguments_of(hint)[1])[1])
    if isinstance(hint, type) and issubclass(hint, Model):
        return hint._loaded, hint.__name__
    if hint is datetime.datetime:
        return _moment, "datetime"
    return None, "object" if hint is Any else hint.__name__


# From the wire


class _Misfit(Exception):
    """Wire structure that is not the schema's; learns its place on the way up."""

    def __init__(self, wanted: str, found: Any) -> None:
        super().__init__()
        kind = type(found).__name__
        self.complaint = "{} was expected, not {} {}".format(wanted, "an" if kind[0] in "aeiou" else "a", kind)
        self.place = ""

    def under(self, step: str) -> "_Misfit":
        """The same, seen from one step further out."""
        self.place = step + self.place
        return self

    def told_of(self, root: str) -> str:
        """The message: where, and what was expected there."""
        return "{}: {}".format(self.place.lstrip(".") or root, self.complaint)


def _list_of(load: Optional[Load]) -> Load:
    def load_list(items: Any) -> List[Any]:
        if not isinstance(items, (list, tuple)):
            raise _Misfit("a list", items)
        loaded: List[Any] = []
        try:
            for item in items:
                loaded.append(item if load is None or item is None else load(item))
        except _Misfit as misfit:
            raise misfit.under("[{}]".format(len(loaded))) from None
        return loaded

    return load_list


def _object(value: Any) -> Any:
    if not isinstance(value, (dict, Mapping)):  # dict first: asking an abstract class is slow
        raise _Misfit("an object", value)
    return value


_ISO_8601 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(?:([Zz])|([+-]\d\d):?(\d\d))?", re.ASCII
)


def _moment(value: Any) -> Any:
    """The moment that ISO 8601 text names; any other value as it is."""
    match = _ISO_8601.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value
    day, time, fraction, zulu, hours, minutes = match.groups()
    zone = "+00:00" if zulu else "{}:{}".format(hours, minutes) if hours else ""
    # The one form that 3.8 reads: six digits of fraction and an offset with a colon.
    text = "{}T{}.{}{}".format(day, time, (fraction or "")[:6].ljust(6, "0"), zone)
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:  # such as the 30th of February
        return value


# To the wire


def _plain_model(model: Model, by_alias: bool, exclude_none: bool) -> Dict[str, Any]:
    keys = model.attribute_map if by_alias else model._names
    plain: Dict[str, Any] = {}
    for name, value in model.__dict__.items():
        if value is None and exclude_none:
            continue
        key = keys.get(name)
        if key is not None:
            plain[key] = value if value.__class__ in _LEAVES else _plain(value, by_alias, exclude_none)
    return plain


def _plain(value: Any, by_alias: bool, exclude_none: bool) -> Any:
    """``value`` in dicts, lists and what JSON has for the rest."""
    if value.__class__ in _LEAVES:
        plain = value
    elif isinstance(value, Model):
        plain = _plain_model(value, by_alias, exclude_none)
    elif isinstance(value, (list, tuple)):
        plain = [_plain(item, by_alias, exclude_none) for item in value]
    elif isinstance(value, (dict, Mapping)):
        plain = {
            key if key.__class__ is str else _plain(key, by_alias, exclude_none):
            item if item.__class__ in _LEAVES else _plain(item, by_alias, exclude_none)
            for key, item in value.items()
        }
    elif isinstance(value, enum.Enum):
        plain = value.value
    elif by_alias and isinstance(value, datetime.datetime):
        plain = as_utc(value).isoformat()
    else:
        plain = value
    return plain
