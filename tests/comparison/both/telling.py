"""Values of either package as JSON, by what a user can see of them."""

import copy
import datetime
import enum
import math
import pickle
import pprint
from typing import Any, Callable, Dict, List, Tuple

#: What every error of everybody is, and nobody has to be told.
EVERY_ERROR = ("BaseException", "Exception", "object")
#: What an HTTP error is asked for.
OF_HTTP = ("status", "reason", "body")


def told(value: Any) -> Any:
    """``value`` as JSON.  A model is a dict of its attributes with its class under ``is``."""
    if value is None or isinstance(value, (bool, int, str)):
        return _named(value) if isinstance(value, enum.Enum) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, BaseException):
        return told_error(value)
    if hasattr(value, "openapi_types") and not isinstance(value, type):
        return told_model(value)
    if isinstance(value, dict):
        return {key if isinstance(key, str) else repr(key): told(each) for key, each in value.items()}
    return _told_other(value)


def _told_other(value: Any) -> Any:
    if isinstance(value, list):
        return [told(each) for each in value]
    if isinstance(value, enum.Enum):
        return _named(value)
    return next((tell(value) for kinds, tell in OTHERS if isinstance(value, kinds)), {"object": type(value).__name__})


#: Kinds that JSON does not have, and what is told of them.
OTHERS: List[Tuple[Any, Callable[[Any], Any]]] = [
    (tuple, lambda value: {"tuple": [told(each) for each in value]}),
    ((set, frozenset), lambda value: {"set": sorted(map(repr, value))}),
    ((datetime.datetime, datetime.date), lambda value: {"datetime": value.isoformat()}),
    (bytes, lambda value: {"bytes": repr(value)}),
    (type, lambda value: {"class": value.__name__}),
]


def _named(member: enum.Enum) -> Dict[str, str]:
    return {"enum": "{}.{}".format(type(member).__name__, member.name)}


def told_error(error: BaseException) -> Dict[str, Any]:
    """By which names it can be caught, its text, and what an HTTP error says beside it."""
    names = [kind.__name__ for kind in type(error).__mro__ if kind.__name__ not in EVERY_ERROR]
    answer = {name: told(getattr(error, name)) for name in OF_HTTP if hasattr(error, "http_resp") or _is_api(error)}
    headers = {"headers": sorted(error.headers or {})} if _is_api(error) else {}  # type: ignore[attr-defined]
    return {"caught as": names, "text": _text(error), **answer, **headers}


def _is_api(error: BaseException) -> bool:
    return any(kind.__name__ == "ApiException" for kind in type(error).__mro__)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as other:  # noqa: BLE001 - an error that cannot be printed is a fact like others
        return "str() raises " + type(other).__name__


def told_model(model: Any) -> Dict[str, Any]:
    """Its attributes; and ``to_dict()``, ``to_str()``, ``repr()`` where they are not what the attributes say."""
    attributes = {name: told(getattr(model, name)) for name in model.openapi_types}
    telling = {"is": type(model).__name__, **attributes}
    as_dict = outcome(model.to_dict)
    if told(as_dict) != _plain(attributes) or list(as_dict) != list(attributes):
        telling["to_dict"] = told(as_dict)
    elif outcome(model.to_str) != pprint.pformat(as_dict):
        telling["to_str"] = told(outcome(model.to_str))
    if told(outcome(lambda: repr(model))) != told(outcome(model.to_str)):
        telling["repr"] = told(outcome(lambda: repr(model)))
    return telling


def _plain(value: Any) -> Any:
    """What was told, without the names of classes."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items() if key != "is" or "is" not in value}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def outcome(act: Any) -> Any:
    """What ``act()`` returns; the error, if it raises one."""
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is compared
        return error


def manners(model: Any, twin: Any, other: Any) -> List[Any]:
    """How a model compares, copies, pickles and hashes: with a twin built alike, and with another."""
    return [
        told(outcome(act))
        for act in (
            lambda: model == twin,
            lambda: model != twin,
            lambda: model == other,
            lambda: model == model.to_dict(),
            lambda: copy.copy(model) == model,
            lambda: copy.deepcopy(model) == model,
            lambda: pickle.loads(pickle.dumps(model)) == model,
            lambda: told(pickle.loads(pickle.dumps(model))) == told(model),
            lambda: hash(model),
            lambda: model.discriminator,
        )
    ]
