"""What a field's annotation may note: limits, a wire name, kinds of content.

The limits are those of 1.1.0, and so are the words in which they are complained of.
"""

import re
from typing import Any, ClassVar


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

    requirement: ClassVar[str]

    def __init__(self, limit: Any) -> None:
        self.limit = limit

    def rejects(self, value: Any) -> bool:
        """Whether ``value`` is beyond the limit."""
        raise NotImplementedError

    def __str__(self) -> str:
        return "{} `{}`".format(self.requirement, self.limit)

    # Equal constraints let ``typing`` find an annotation it has made before: a quarter of the import.

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constraint) and (type(self), self.limit) == (type(other), other.limit)

    def __hash__(self) -> int:
        return hash((type(self), self.limit))


class MaxLength(Constraint):
    """The longest text a field accepts, in characters."""

    requirement = "length must be less than or equal to"

    def rejects(self, value: Any) -> bool:
        return len(value) > self.limit  # type: ignore[no-any-return]


class MinLength(Constraint):
    """The shortest text a field accepts, in characters."""

    requirement = "length must be greater than or equal to"

    def rejects(self, value: Any) -> bool:
        return len(value) < self.limit  # type: ignore[no-any-return]


class Maximum(Constraint):
    """The largest number a field accepts."""

    requirement = "must be a value less than or equal to"

    def rejects(self, value: Any) -> bool:
        return value > self.limit  # type: ignore[no-any-return]


class Minimum(Constraint):
    """The smallest number a field accepts."""

    requirement = "must be a value greater than or equal to"

    def rejects(self, value: Any) -> bool:
        return value < self.limit  # type: ignore[no-any-return]


class Pattern(Constraint):
    """The regular expression a text must contain; compiled by ``re`` when a value first needs it."""

    requirement = "must be a follow pattern or equal to"

    def rejects(self, value: Any) -> bool:
        return re.search(self.limit, value) is None

    def __str__(self) -> str:
        return "{} `/{}/`".format(self.requirement, self.limit)
