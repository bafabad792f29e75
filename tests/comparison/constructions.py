"""Random constructions of models, valid and invalid.

The same seed gives the same constructions in every version of Python, because only ``random.random`` is used: the
other functions of ``random`` may change.
"""

import random
from typing import Any, Dict, List, Sequence

Surface = Dict[str, Any]

#: Arguments that a constructor requires. Few constructions omit them, so that most models can be built.
REQUIRED = {
    "Context": ["channel"],
    "CustomerId": ["id", "integration_code", "authenticated_state"],
    "DeliveryRequest": ["context"],
    "MobilePlatform": ["device_type", "platform_type"],
    "ModelProperty": ["token"],
    "Trace": ["authorization_token"],
    "UnexpectedError": ["status", "message"],
}
#: Lengths of texts, among them those at and just beyond each limit.
LENGTHS = (0, 1, 12, 13, 32, 33, 34, 50, 51, 128, 129, 200, 201, 250, 251, 512, 513, 1024, 1025, 4096, 4097)
TEXTS = ("", "a", "home", "ü☃😀", "a b", "line\nbreak", "'quoted' \"twice\"", "5", "None", "${mbox.name}")
ADDRESSES = ("192.0.2.1", "2001:db8::1", "999.1.1.1", "localhost", "::", "1.2.3", " 192.0.2.1", "192.0.2.1, 10.0.0.1")
NUMBERS = (0, 1, -1, 5, 2147483647, 2147483648, 10**15, 1.5, -0.5, 0.0, True)
TIMES = ("2020-01-02T03:04:05", "2020-01-02T03:04:05.678900", "2020-01-02T03:04:05+02:00")
WRONG = (
    None, 0, 5, 1.5, True, "text", "", [], ["a", None], {}, {"a": None}, {"$tuple": [1, "a"]}, {"$float": "nan"},
    {"$float": "inf"}, {"$bytes": "bytes"}, {"$object": 1}, {"$text": ["é", 130]}, {"$time": TIMES[0]},
    {"$model": {"class": "Option", "args": [], "kwargs": {"type": "html"}, "then": []}},
)  # fmt: skip


def constructions(surface: Surface, count: int, seed: int) -> List[Dict[str, Any]]:
    """Return ``count`` descriptions for ``both/building.py``."""
    maker = _Maker(surface, random.Random(seed))
    return [maker.construction() for _ in range(count)]


class _Maker:
    def __init__(self, surface: Surface, source: random.Random) -> None:
        self._surface = surface
        self._random = source.random

    def _pick(self, values: Sequence[Any]) -> Any:
        return values[int(self._random() * len(values))]

    def construction(self) -> Dict[str, Any]:
        """Return a description of a model of any class."""
        name = self._pick(sorted(self._surface))
        types = dict(self._surface[name]["types"])
        description = self._model(name, 0)
        if self._random() < 0.05:
            description["kwargs"][self._pick(("colour", "property", "local_vars_configuration", "self"))] = 1
        if self._random() < 0.02:
            description["args"] = [None] * (len(types) + 1)
        description["then"] = [self._setter(types) for _ in range(int(self._random() * 3))] if types else []
        return description

    def _setter(self, types: Dict[str, str]) -> List[Any]:
        if self._random() < 0.05:
            return ["colour", "red"]
        name = self._pick(list(types))
        return [name, self._value(name, types[name], 1)]

    def _model(self, name: str, depth: int) -> Dict[str, Any]:
        types = self._surface[name]["types"]
        description: Dict[str, Any] = {"class": name, "args": [], "kwargs": {}, "then": []}
        if types and self._random() < 0.15:
            first = types[: 1 + int(self._random() * len(types))]
            description["args"] = [self._value(each, kind, depth + 1) for each, kind in first]
        probability = self._pick((0.15, 0.5, 0.9)) / (1 + depth)
        for each, kind in types[len(description["args"]) :]:
            required = each in REQUIRED.get(name, ())
            if self._random() < (0.95 if required else probability):
                description["kwargs"][each] = self._value(each, kind, depth + 1)
        return description

    def _value(self, name: str, kind: str, depth: int) -> Any:
        if self._random() < 0.06 / depth:
            return self._pick(WRONG)
        if kind in self._surface:
            return self._of_class(kind, depth)
        if kind.startswith("list["):
            return [self._value(name, kind[5:-1], depth + 1) for _ in range(int(self._random() * 3))]
        if kind.startswith("dict("):
            keys = [self._pick(TEXTS) for _ in range(int(self._random() * 3))]
            return {key: self._value(name, kind[10:-1], depth + 1) for key in keys}
        return self._plain(name, kind)

    def _of_class(self, kind: str, depth: int) -> Any:
        constants = sorted(self._surface[kind]["constants"])
        if constants:
            return {"$enum": [kind, self._pick(constants)]} if self._random() < 0.9 else "nothing of ours"
        return {"$model": self._model(kind, depth)} if depth < 4 else None

    def _plain(self, name: str, kind: str) -> Any:
        if name == "ip_address":
            return self._pick(ADDRESSES)
        if kind == "str":
            return self._pick(TEXTS) if self._random() < 0.75 else {"$text": ["x", self._pick(LENGTHS)]}
        if kind == "bool":
            return self._random() < 0.5
        if kind == "datetime":
            return {"$time": self._pick(TIMES)}
        if kind in ("int", "float"):
            return self._pick(NUMBERS)
        return self._pick(("<b>x</b>", {"a": [1, {"b": None}]}, [1, "a"], {}, [], [[1]], 5, {"$time": TIMES[0]}))
