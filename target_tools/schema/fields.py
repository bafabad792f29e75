"""Reads the fields of models from their annotations, and generates the constructors of models.

A type is declared as a class body of annotated fields. The annotation holds everything the
schema says about a field, so readers, type checkers and the base class all use the same
line::

    class CustomerId(Model):
        id: Annotated[Optional[str], Required, MaxLength(128)] = None

        authenticated_state: Annotated[Optional[Choice], AuthenticatedState, Required] = None

The annotation may contain:

* ``Required``: the field must not be ``None``. It has a default nevertheless, because 1.1.0's
  constructors have no required parameters.
* Constraints such as ``MaxLength`` and ``Pattern``, with the limits and the error messages of 1.1.0.
* A class of constants: the values the field accepts.
* ``JsonName``: the name in JSON, if it is not the camelCase form of the Python name.
* ``OneOf``: the JSON types of free-form content.
"""

import datetime
import enum
import re
import sys
import types
from typing import Any, Callable, ClassVar, Dict, List, Mapping, Optional, Sized, Tuple, Union, get_args, get_origin

from target_tools.error_text import invalid
from target_tools.typing_compat import Annotated, Json

_UNIONS = (Union, getattr(types, "UnionType", Union))
_ANNOTATED: Any = type(Annotated[int, "a note"])


class JsonName(str):
    """The JSON name of a field, if it is not the camelCase form of the Python name."""


class OneOf:
    """The JSON types of free-form content."""

    def __init__(self, *kinds: str) -> None:
        self.type_name = "OneOf" + "".join(kinds)


class Required:
    """Marks a field that application code must not omit or set to ``None``."""


class Constraint:
    """A limit for values that application code sets. ``requirement`` is 1.1.0's wording of it."""

    requirement: ClassVar[str]
    #: Names the values that the limit applies to, for error messages.
    kind: ClassVar[str] = "text"
    #: Returns whether a value violates the limit.
    rejects: Callable[[Any], bool]

    def __init__(self, limit: Union[str, float]) -> None:
        self.limit: Any = limit

    def __str__(self) -> str:
        return f"{self.requirement} `{self.limit}`"

    # Equality lets ``typing`` reuse cached annotations, which saves a quarter of the import time.

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constraint) and (type(self), self.limit) == (type(other), other.limit)

    def __hash__(self) -> int:
        return hash((type(self), self.limit))


class MaxLength(Constraint):
    """The maximum length of a text, in characters."""

    requirement = "length must be less than or equal to"

    def rejects(self, value: Sized) -> bool:
        return bool(len(value) > self.limit)


class MinLength(Constraint):
    """The minimum length of a text, in characters."""

    requirement = "length must be greater than or equal to"

    def rejects(self, value: Sized) -> bool:
        return bool(len(value) < self.limit)


class Maximum(Constraint):
    """The maximum of a number."""

    requirement = "must be a value less than or equal to"
    kind = "a number"

    def rejects(self, value: float) -> bool:
        return bool(value > self.limit)


class Minimum(Constraint):
    """The minimum of a number."""

    requirement = "must be a value greater than or equal to"
    kind = "a number"

    def rejects(self, value: float) -> bool:
        return bool(value < self.limit)


class Pattern(Constraint):
    """A regular expression that must match somewhere in a text. Compiled on first use."""

    requirement = "must be a follow pattern or equal to"

    def rejects(self, value: str) -> bool:
        return re.search(self.limit, value) is None

    def __str__(self) -> str:
        return f"{self.requirement} `/{self.limit}/`"


class Field:
    """One field of a model class."""

    def __init__(self, name: str, hint: Any, default: Json) -> None:
        self.name = name
        self.default = default
        self.wire_name = _camel_case(name)
        self.required = False
        self.constraints: List[Constraint] = []
        #: The type inside ``Optional`` and ``Annotated``, such as ``str`` or ``List[MboxRequest]``.
        self.kind, notes = _unwrap_annotation(hint)
        self.type_name = _type_name(self.kind)
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
    def is_checked(self) -> bool:
        """Whether :meth:`check` rejects any value."""
        return self.required or bool(self.constraints)

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

    def check(self, value: Union[Json, enum.Enum, datetime.datetime]) -> None:
        """Raise 1.1.0's ``ValueError`` if ``value`` is invalid for the field."""
        if value is None:
            if self.required:
                raise ValueError(f"Invalid value for `{self.name}`, must not be `None`")
            return
        if value.__class__ is not str and isinstance(value, enum.Enum):
            value = value.value
        for constraint in self.constraints:
            try:
                is_rejected = constraint.rejects(value)
            except TypeError:
                text = invalid("", expected=constraint.kind, got=value, secret=True)
                raise ValueError(f"Invalid value for `{self.name}`, {text}") from None
            if is_rejected:
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


def _type_name(kind: Any) -> str:
    """Return the schema's name of a type."""
    origin = get_origin(kind)
    if origin is list:
        return f"list[{_type_name(get_args(kind)[0])}]"
    if origin is dict:
        return f"dict(str, {_type_name(get_args(kind)[1])})"
    return "object" if kind is Any else str(kind.__name__)


def generate_constructor(
    cls: type, fields: Mapping[str, Field], set_fields: Optional[Callable[[Any, Dict[str, Any]], None]]
) -> Callable[..., None]:
    """Return an ``__init__`` for ``cls``, with one parameter per field.

    It validates the arguments and sets the attributes: all at once by ``set_fields`` if given, otherwise one by one.
    """
    checked = [field for field in fields.values() if field.is_checked]
    lines = [f"def __init__(self, {', '.join(f'{name}=None' for name in fields)}):"]
    lines += [f"    if not ({field.validation_expression}): _check_{field.name}({field.name})" for field in checked]
    if set_fields is None:
        lines += [f"    self.{name} = {name}" for name in fields]
    else:
        lines += [f"    _set_fields(self, {{{', '.join(f'{name!r}: {name}' for name in fields)}}})"]
    scope: Dict[str, Any] = {"_check_" + field.name: field.check for field in checked}
    scope["_set_fields"] = set_fields
    exec(compile("\n".join(lines), f"<constructor of {cls.__qualname__}>", "exec"), scope)
    init: Callable[..., None] = scope["__init__"]
    init.__defaults__ = tuple(field.default for field in fields.values())
    init.__module__, init.__qualname__ = cls.__module__, cls.__qualname__ + ".__init__"
    return init
