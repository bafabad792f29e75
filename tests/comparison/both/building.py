"""``python building.py DESCRIPTIONS FILE``: build models as described, and write what each of them is and does.

A description is ``{"class", "args", "kwargs", "then"}``, the last one setters to try afterwards.  Values are JSON, and

==========================  ====================================================
``{"$model": …}``           another description
``{"$enum": [class, name]}``  a constant
``{"$text": [text, n]}``    a text, so many times
``{"$time": …}``            a ``datetime``
``{"$tuple": […]}``, ``{"$float": "nan"}``, ``{"$bytes": "…"}``, ``{"$object": …}``  what their names say
==========================  ====================================================
"""

import datetime
import importlib
import json
import os
import sys
import warnings
from typing import Any, Callable, Dict, List

warnings.simplefilter("ignore")

from telling import manners, outcome, told  # noqa: E402

import delivery_api_client as api  # noqa: E402


def value(described: Any) -> Any:
    """A value as described."""
    if isinstance(described, list):
        return [value(each) for each in described]
    if isinstance(described, dict):
        for mark, make in MAKERS.items():
            if mark in described:
                return make(described[mark])
        return {key: value(each) for key, each in described.items()}
    return described


def build(described: Dict[str, Any]) -> Any:
    """A model as described, before its setters."""
    arguments = [value(each) for each in described["args"]]
    return getattr(api, described["class"])(*arguments, **value(described["kwargs"]))


MAKERS: Dict[str, Callable[[Any], Any]] = {
    "$model": build,
    "$enum": lambda given: getattr(getattr(api, given[0]), given[1]),
    "$text": lambda given: given[0] * given[1],
    "$time": datetime.datetime.fromisoformat,
    "$tuple": lambda given: tuple(value(each) for each in given),
    "$float": float,
    "$bytes": str.encode,
    "$object": lambda given: object(),
}


def built(described: Dict[str, Any]) -> Dict[str, Any]:
    """What becomes of one description."""
    model = outcome(lambda: build(described))
    result: Dict[str, Any] = {"made": told(model)}
    if isinstance(model, Exception):
        return result
    if described["then"]:
        result["then"] = [
            told(outcome(lambda one=one: setattr(model, one[0], value(one[1])))) for one in described["then"]
        ]
        result["after"] = told(model)
    twin = build(described)
    for name, given in described["then"]:
        outcome(lambda name=name, given=given: setattr(twin, name, value(given)))
    result["manners"] = manners(model, twin, api.Option(type="other", content=described["class"]))
    return result


def surface() -> Dict[str, Any]:
    """Every class that has ``openapi_types``, by what it says of itself."""
    found = {}
    for name in sorted(dir(api)):
        kind = getattr(api, name)
        if isinstance(kind, type) and hasattr(kind, "openapi_types"):
            constants = {key: each for key, each in vars(kind).items() if key.isupper() and isinstance(each, str)}
            found[name] = {
                "types": [[key, str(each)] for key, each in kind.openapi_types.items()],
                "map": [[key, each] for key, each in kind.attribute_map.items()],
                "constants": constants,
                "module": stands_in_models(name),
            }
    return found


def stands_in_models(name: str) -> Any:
    """Whether ``delivery_api_client.Model`` has the same class."""
    models = importlib.import_module("delivery_api_client.Model")
    return getattr(models, name, None) is getattr(api, name)


def main(descriptions: str, file: str) -> None:
    """Build them all."""
    with open(descriptions, encoding="utf-8") as given:
        described: List[Dict[str, Any]] = json.load(given)
    with open(file, "w", encoding="utf-8") as out:
        json.dump({"surface": surface(), "built": [built(each) for each in described]}, out)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
