"""``python building.py DESCRIPTIONS FILE``: build models from descriptions, and write their values and behavior.

A description is ``{"class", "args", "kwargs", "then"}``; ``then`` lists attributes to set on the new model. Values are
JSON, or:

==========================  ====================================================
``{"$model": …}``           another description
``{"$enum": [class, name]}``  a constant
``{"$text": [text, n]}``    ``text``, repeated ``n`` times
``{"$time": …}``            a ``datetime``
``{"$tuple": […]}``, ``{"$float": "nan"}``, ``{"$bytes": "…"}``, ``{"$object": …}``  a value of this type
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

from as_json import as_json, behavior, outcome  # noqa: E402

import delivery_api_client as api  # noqa: E402


def value(description: Any) -> Any:
    """Return the described value."""
    if isinstance(description, list):
        return [value(each) for each in description]
    if isinstance(description, dict):
        for mark, make in MAKERS.items():
            if mark in description:
                return make(description[mark])
        return {key: value(each) for key, each in description.items()}
    return description


def build(description: Dict[str, Any]) -> Any:
    """Build the described model, without setting the attributes of ``then``."""
    arguments = [value(each) for each in description["args"]]
    return getattr(api, description["class"])(*arguments, **value(description["kwargs"]))


MAKERS: Dict[str, Callable[[Any], Any]] = {
    "$model": build,
    "$enum": lambda arguments: getattr(getattr(api, arguments[0]), arguments[1]),
    "$text": lambda arguments: arguments[0] * arguments[1],
    "$time": datetime.datetime.fromisoformat,
    "$tuple": lambda arguments: tuple(value(each) for each in arguments),
    "$float": float,
    "$bytes": str.encode,
    "$object": lambda arguments: object(),
}


def build_report(description: Dict[str, Any]) -> Dict[str, Any]:
    """Build a model; return its values and its behavior."""
    model = outcome(lambda: build(description))
    result: Dict[str, Any] = {"made": as_json(model)}
    if isinstance(model, Exception):
        return result
    if description["then"]:
        result["then"] = [
            as_json(outcome(lambda each=each: setattr(model, each[0], value(each[1])))) for each in description["then"]
        ]
        result["after"] = as_json(model)
    twin = build(description)
    for name, new_value in description["then"]:
        outcome(lambda name=name, new_value=new_value: setattr(twin, name, value(new_value)))
    result["behavior"] = behavior(model, twin, api.Option(type="other", content=description["class"]))
    return result


def surface() -> Dict[str, Any]:
    """Return the declarations of every class with ``openapi_types``."""
    found = {}
    for name in sorted(dir(api)):
        kind = getattr(api, name)
        if isinstance(kind, type) and hasattr(kind, "openapi_types"):
            constants = {key: each for key, each in vars(kind).items() if key.isupper() and isinstance(each, str)}
            found[name] = {
                "types": [[key, str(each)] for key, each in kind.openapi_types.items()],
                "map": [[key, each] for key, each in kind.attribute_map.items()],
                "constants": constants,
                "module": is_in_models(name),
            }
    return found


def is_in_models(name: str) -> Any:
    """Return whether this name is the same class in ``delivery_api_client`` and ``delivery_api_client.Model``."""
    models = importlib.import_module("delivery_api_client.Model")
    return getattr(models, name, None) is getattr(api, name)


def main(descriptions: str, file: str) -> None:
    """Build the models described in the file ``descriptions``, and write the results to ``file``."""
    with open(descriptions, encoding="utf-8") as source:
        models: List[Dict[str, Any]] = json.load(source)
    with open(file, "w", encoding="utf-8") as out:
        json.dump({"surface": surface(), "built": [build_report(each) for each in models]}, out)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
