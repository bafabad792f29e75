"""Parts of requests and artifacts as they are found: a model or a dict in its place, a text or anything else."""

from typing import Any, Mapping, Optional, Type, TypeVar

from target_tools.errors import InvalidResponse
from target_tools.schema.model import Model

ModelT = TypeVar("ModelT", bound=Model)


def part(value: Any, kind: Type[ModelT]) -> Optional[ModelT]:
    """``value`` as a ``kind``.  None for what cannot be one: rules then find nothing there."""
    if value is None or isinstance(value, kind):
        return value
    if not isinstance(value, Mapping):
        return None
    try:
        return kind.from_dict(value)
    except InvalidResponse:
        return None


def text(value: Any) -> Optional[str]:
    """``value`` if it is text."""
    return value if isinstance(value, str) else None
