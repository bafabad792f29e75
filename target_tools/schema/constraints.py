"""Metadata for the annotations of fields: constraints, JSON names, types of content.

The limits and the error messages are those of 1.1.0.
"""

import re
from typing import Any, ClassVar


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

    def __init__(self, limit: Any) -> None:
        self.limit = limit

    def rejects(self, value: Any) -> bool:
        """Return whether ``value`` violates the limit."""
        raise NotImplementedError

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

    def rejects(self, value: Any) -> bool:
        return len(value) > self.limit  # type: ignore[no-any-return]


class MinLength(Constraint):
    """The minimum length of a text, in characters."""

    requirement = "length must be greater than or equal to"

    def rejects(self, value: Any) -> bool:
        return len(value) < self.limit  # type: ignore[no-any-return]


class Maximum(Constraint):
    """The maximum of a number."""

    requirement = "must be a value less than or equal to"

    def rejects(self, value: Any) -> bool:
        return value > self.limit  # type: ignore[no-any-return]


class Minimum(Constraint):
    """The minimum of a number."""

    requirement = "must be a value greater than or equal to"

    def rejects(self, value: Any) -> bool:
        return value < self.limit  # type: ignore[no-any-return]


class Pattern(Constraint):
    """A regular expression that a text must contain a match of. Compiled on first use."""

    requirement = "must be a follow pattern or equal to"

    def rejects(self, value: Any) -> bool:
        return re.search(self.limit, value) is None

    def __str__(self) -> str:
        return f"{self.requirement} `/{self.limit}/`"
