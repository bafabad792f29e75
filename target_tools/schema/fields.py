"""Reads the annotated fields of a model class: names, constraints, and how to load their values from JSON."""

import datetime
import enum
import functools
import re
import sys
import types
from typing import Any, Callable, ClassVar, Dict, List, Mapping, Optional, Tuple, Union, get_args, get_origin

from target_tools.error_text import invalid
from target_tools.schema.constraints import Constraint, JsonName, MaxLength, OneOf, Required
from target_tools.typing_compat import Annotated

Load = Callable[[Any], Any]

_UNIONS = (Union, getattr(types, "UnionType", Union))
_ANNOTATED: Any = type(Annotated[int, "a note"])


class Field:
    """One field of a model class."""

    def __init__(self, name: str, hint: Any, default: Any) -> None:
        self.name = name
        self.default = default
        self.wire_name = _camel_case(name)
        self.required = False
        self.constraints: List[Constraint] = []
        #: The type without ``Optional`` and notes, such as ``str`` or ``List[MboxRequest]``.
        self.kind, notes = _unwrap_annotation(hint)
        self.load, self.type_name = _loader(self.kind)
        for note in notes:
            self._apply_note(note)

    def _apply_note(self, note: Any) -> None:
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

    @property
    def validation_expression(self) -> str:
        """A Python expression that accepts most valid values and is faster than :meth:`check`."""
        limits = [constraint.limit for constraint in self.constraints if isinstance(constraint, MaxLength)]
        if not self.constraints:
            quick = "{0} is not None"
        elif len(limits) == len(self.constraints) == 1:
            quick = "{0}.__class__ is str and len({0}) <= " + str(limits[0])
        else:
            quick = "False"
        return (quick if self.required else "{0} is None or " + quick).format(self.name)

    def check(self, value: Any) -> None:
        """Raise 1.1.0's ``ValueError`` if ``value`` is invalid for the field."""
        if value is None:
            if self.required:
                raise ValueError(f"Invalid value for `{self.name}`, must not be `None`")
            return
        if value.__class__ is not str and isinstance(value, enum.Enum):
            value = value.value
        for constraint in self.constraints:
            if constraint.rejects(value):
                raise ValueError(f"Invalid value for `{self.name}`, {constraint}")


def declared_fields(cls: type) -> List[Field]:
    """Return the fields in the body of ``cls``, without those of its bases."""
    return [Field(name, hint, cls.__dict__.get(name)) for name, hint in field_hints(cls).items()]


def field_hints(cls: type) -> Dict[str, Any]:
    """Return the annotations of the fields in the body of ``cls``. Raises ``TypeError`` if one is a string."""
    if sys.version_info >= (3, 10):
        hints = cls.__annotations__
    else:
        hints = cls.__dict__.get("__annotations__", {})  # noqa: RUF063  the alternative needs 3.10
    of_fields = {name: hint for name, hint in hints.items() if not _is_class_var(hint)}
    for name, hint in of_fields.items():
        if isinstance(hint, str):
            raise TypeError(
                f"{cls.__qualname__}.{name}: the annotation of a field must not be a string, so modules of models"
                " cannot use `from __future__ import annotations`"
            )
    return of_fields


def _is_class_var(hint: Any) -> bool:
    if isinstance(hint, str):
        return "ClassVar" in hint
    return hint is ClassVar or getattr(hint, "__origin__", None) is ClassVar


def _unwrap_annotation(hint: Any) -> Tuple[Any, List[Any]]:
    """Return the type inside ``Optional`` and ``Annotated``, and the metadata."""
    notes: List[Any] = []
    while True:
        if hint.__class__ is _ANNOTATED:
            notes += hint.__metadata__
            hint = hint.__origin__
        elif get_origin(hint) in _UNIONS:
            hint = next(arm for arm in get_args(hint) if arm is not type(None))
        else:
            return hint, notes


def _camel_case(name: str) -> str:
    first, *rest = name.lstrip("_").split("_")
    return first + "".join(map(str.capitalize, rest))


@functools.lru_cache(maxsize=128)
def _loader(hint: Any) -> Tuple[Optional[Load], str]:
    """Return the function that loads JSON values of type ``hint``, and the schema's name of the type."""
    origin = get_origin(hint)
    if origin is list:
        load, name = _loader(get_args(hint)[0])
        return _list_loader(load), f"list[{name}]"
    if origin is dict:
        return _load_object, f"dict(str, {_loader(get_args(hint)[1])[1]})"
    if hasattr(hint, "_loaded"):  # a model; the class cannot be imported here
        return hint._loaded, hint.__name__
    if hint is datetime.datetime:
        return _load_datetime, "datetime"
    return None, "object" if hint is Any else hint.__name__


# Loading from JSON


class SchemaMismatch(Exception):
    """JSON that does not match the schema. Each level prepends its step to ``path`` while the error propagates."""

    def __init__(self, expected: str, found: Any) -> None:
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


def _list_loader(load: Optional[Load]) -> Load:
    def load_list(items: Any) -> List[Any]:
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


def _load_object(value: Any) -> Any:
    if not isinstance(value, (dict, Mapping)):  # dict first: isinstance is slow for abstract classes
        raise SchemaMismatch("an object", value)
    return value


#: Compiled on first use; most answers contain no datetime.
_ISO_8601 = r"(?a)(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(?:([Zz])|([+-]\d\d):?(\d\d))?"


def _load_datetime(value: Any) -> Any:
    """Parse ISO 8601 text as a datetime. Any other value is returned unchanged."""
    match = re.fullmatch(_ISO_8601, value) if isinstance(value, str) else None
    if match is None:
        return value
    day, time, fraction, zulu, hours, minutes = match.groups()
    zone = "+00:00" if zulu else f"{hours}:{minutes}" if hours else ""
    # The only form that Python 3.8 parses: six fractional digits and an offset with a colon.
    text = f"{day}T{time}.{(fraction or '')[:6].ljust(6, '0')}{zone}"
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:  # such as the 30th of February
        return value
