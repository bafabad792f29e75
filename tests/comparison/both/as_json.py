"""Convert values of either package to JSON, as far as users can see them."""

import copy
import datetime
import enum
import math
import pickle
import pprint
from typing import Any, Callable, Dict, List, Tuple

#: The base classes of all errors, which are left out.
EVERY_ERROR = ("BaseException", "Exception", "object")
#: Attributes of an HTTP error.
HTTP_ATTRIBUTES = ("status", "reason", "body")


def as_json(value: Any) -> Any:
    """Convert a value. A model becomes a dict of its attributes, with the name of its class under the key ``is``."""
    if value is None or isinstance(value, (bool, int, str)):
        return _enum_as_json(value) if isinstance(value, enum.Enum) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, BaseException):
        return error_as_json(value)
    if hasattr(value, "openapi_types") and not isinstance(value, type):
        return model_as_json(value)
    if isinstance(value, dict):
        return {key if isinstance(key, str) else repr(key): as_json(each) for key, each in value.items()}
    return _other_as_json(value)


def _other_as_json(value: Any) -> Any:
    if isinstance(value, list):
        return [as_json(each) for each in value]
    if isinstance(value, enum.Enum):
        return _enum_as_json(value)
    return next(
        (convert(value) for kinds, convert in OTHERS if isinstance(value, kinds)), {"object": type(value).__name__}
    )


#: How to convert types that JSON lacks.
OTHERS: List[Tuple[Any, Callable[[Any], Any]]] = [
    (tuple, lambda value: {"tuple": [as_json(each) for each in value]}),
    ((set, frozenset), lambda value: {"set": sorted(map(repr, value))}),
    ((datetime.datetime, datetime.date), lambda value: {"datetime": value.isoformat()}),
    (bytes, lambda value: {"bytes": repr(value)}),
    (type, lambda value: {"class": value.__name__}),
]


def _enum_as_json(member: enum.Enum) -> Dict[str, str]:
    return {"enum": f"{type(member).__name__}.{member.name}"}


def error_as_json(error: BaseException) -> Dict[str, Any]:
    """Convert an error to its class names, its text, and the attributes of an HTTP error."""
    names = [kind.__name__ for kind in type(error).__mro__ if kind.__name__ not in EVERY_ERROR]
    answer = {
        name: as_json(getattr(error, name)) for name in HTTP_ATTRIBUTES if hasattr(error, "http_resp") or _is_api(error)
    }
    headers = {"headers": sorted(error.headers or {})} if _is_api(error) else {}  # type: ignore[attr-defined]
    return {"caught as": names, "text": _text(error), **answer, **headers}


def _is_api(error: BaseException) -> bool:
    return any(kind.__name__ == "ApiException" for kind in type(error).__mro__)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as other:  # noqa: BLE001 - a ``str()`` that raises is part of the result
        return "str() raises " + type(other).__name__


def model_as_json(model: Any) -> Dict[str, Any]:
    """Convert a model to its attributes. Add ``to_dict()``, ``to_str()`` and ``repr()`` only if they are unusual."""
    attributes = {name: as_json(getattr(model, name)) for name in model.openapi_types}
    result = {"is": type(model).__name__, **attributes}
    as_dict = outcome(model.to_dict)
    if as_json(as_dict) != _plain(attributes) or list(as_dict) != list(attributes):
        result["to_dict"] = as_json(as_dict)
    elif outcome(model.to_str) != pprint.pformat(as_dict):
        result["to_str"] = as_json(outcome(model.to_str))
    if as_json(outcome(lambda: repr(model))) != as_json(outcome(model.to_str)):
        result["repr"] = as_json(outcome(lambda: repr(model)))
    return result


def _plain(value: Any) -> Any:
    """Return a converted value without class names."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items() if key != "is" or "is" not in value}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def outcome(act: Any) -> Any:
    """Return the result of ``act()``, or the error that it raises."""
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - every error is compared
        return error


def behavior(model: Any, twin: Any, other: Any) -> List[Any]:
    """Compare a model with an equal one and another one; copy, pickle and hash it. Return the results."""
    return [
        as_json(outcome(act))
        for act in (
            lambda: model == twin,
            lambda: model != twin,
            lambda: model == other,
            lambda: model == model.to_dict(),
            lambda: copy.copy(model) == model,
            lambda: copy.deepcopy(model) == model,
            lambda: pickle.loads(pickle.dumps(model)) == model,
            lambda: as_json(pickle.loads(pickle.dumps(model))) == as_json(model),
            lambda: hash(model),
            lambda: model.discriminator,
        )
    ]
