"""Mutates the values of JSON documents, because mutated bytes are hardly ever JSON."""

import copy
import json
import random
from typing import Any, Callable, List, Tuple

#: Replacements for a value.
_VALUES: Tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        1e308,
        10**30,
        "",
        "0",
        " 7 ",
        "x",
        "\ud800",
        "é",
        "x" * 1100,
        [],
        [None],
        [[]],
        {},
    ),
    *({"var": ""}, {"var": "a.b"}, {"var": ["a", 1]}, {"a": {"b": [1]}}, "NaN", "-0", "__proto__", "length"),
)
_Place = Tuple[Any, Any]


def _places(value: Any, found: List[_Place]) -> List[_Place]:
    """Add each place in ``value`` to ``found``: a list and an index, or a dict and a key. Return ``found``."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        found.append((value, key))
        _places(value[key], found)
    return found


def mutated_document(document: Any, names: List[str], rng: random.Random) -> Any:
    """Return a copy of ``document`` with a few values replaced, renamed, removed, repeated or exchanged.

    ``names`` are keys and texts that have a meaning for the target.
    """
    root = [copy.deepcopy(document)]
    for _ in range(rng.randint(1, 4)):
        places = _places(root, [])
        if not places:
            break
        parent, key = rng.choice(places)
        other, other_key = rng.choice(places)
        kind = rng.randrange(8)
        if kind == 0:
            parent[key] = copy.deepcopy(rng.choice(_VALUES))
        elif kind == 1 and parent is not root:
            del parent[key]
        elif kind == 2:
            parent[key] = copy.deepcopy(other[other_key])
        elif kind == 3 and isinstance(parent, dict):
            parent[rng.choice(names)] = parent.pop(key)
        elif kind == 4 and isinstance(parent, list) and parent is not root:
            parent.insert(key, copy.deepcopy(other[other_key]))
        elif kind == 5:
            parent[key] = rng.choice([[parent[key]], {rng.choice(names): parent[key]}])
        elif kind == 6:
            parent[key] = _changed(parent[key], names, rng)
        else:
            parent[key] = rng.choice(names)
    return root[0] if root else None


def _changed(value: Any, names: List[str], rng: random.Random) -> Any:
    """Return a value that is close to ``value``."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, (int, float)):
        return rng.choice([value + 1, -value, value / 2, str(value)])
    if isinstance(value, str):
        at = rng.randrange(len(value) + 1)
        return value[:at] + rng.choice([*names, chr(rng.randrange(1, 0x300)), "$", "{", "}"]) + value[at:]
    if isinstance(value, dict):
        return {**value, rng.choice(names): rng.choice(_VALUES)}
    return [*value, *value]


def _mutated_bytes(data: bytes, names: List[str], rng: random.Random) -> bytes:
    """Return ``data`` with a byte replaced, a name inserted, or some bytes removed or repeated."""
    at = rng.randrange(len(data) + 1)
    end = at + rng.randrange(1, 20)
    name = rng.choice(names).encode("utf-8", "surrogatepass")
    inserted = rng.choice([bytes([rng.randrange(256)]), name, b"", data[at:end] * 2])
    return data[:at] + inserted + data[rng.choice([at, end]) :]


def json_mutator(names: List[str]) -> Callable[[bytes, int, int], bytes]:
    """Return a function that mutates the values of a document, or its bytes if it is not JSON or too long."""

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.randrange(10):
            try:
                result = json.dumps(mutated_document(json.loads(data), names, rng), separators=(",", ":")).encode()
            except (ValueError, RecursionError, OverflowError):
                pass
            else:
                if len(result) <= max_size:
                    return result
        return _mutated_bytes(data, names, rng)[:max_size]

    return mutate
