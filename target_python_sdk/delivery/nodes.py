"""Parts of a request as users write them: a model, or a dict in its place."""

from typing import Any, List, Mapping, Optional, Type, TypeVar

from target_python_sdk.delivery.option_parsers import refuse
from target_tools.errors import InvalidResponse, OptionError
from target_tools.schema.model import Model

ModelT = TypeVar("ModelT", bound=Model)


def node(value: Any, kind: Type[ModelT], place: str) -> Optional[ModelT]:
    """``value`` as a ``kind``; raises ``OptionError`` that names the place for what is none."""
    if value is None or value.__class__ is kind or isinstance(value, kind):
        return value
    if isinstance(value, Mapping):
        return _from_dict(value, kind, place)
    return refuse(place, "{} or a dict".format(kind.__name__), value)


def _from_dict(value: Mapping[str, Any], kind: Type[ModelT], place: str) -> ModelT:
    try:
        return kind.from_dict(value)
    except InvalidResponse as error:  # the words are those of an answer; this is the caller's request
        raise OptionError("{}: {}".format(place, error), place, "{} or a dict".format(kind.__name__)) from None


def nodes(value: Any, kind: Type[ModelT], place: str) -> List[ModelT]:
    """``value`` as a list of ``kind`` without its holes; an empty one for None."""
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        refuse(place, "a list of {}".format(kind.__name__), value)
    found = [
        item if item.__class__ is kind else node(item, kind, "{}[{}]".format(place, index))
        for index, item in enumerate(value)
    ]
    return [item for item in found if item is not None]
