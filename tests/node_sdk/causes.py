"""Find the cause of a different experience: an attribute of the visitor whose value differs between the two SDKs.

If the experience at a location differs, the call is made again for this location only, and once more for an mbox whose
trace has the values of all attributes. The causes are the attributes that the rules of the location read and whose
values differ. The name of a city, region or country is also a cause if the rules spell it differently.
"""

import json
from typing import Any, Dict, Iterator, List, Set, Tuple

from tests.node_sdk.artifacts import PROBE
from tests.node_sdk.shape import elements

Json = Any


def isolated_calls(call: Json, place: str) -> List[Tuple[Json, Json]]:
    """Return two calls for each request for ``place``: one for this location alone, and one that traces the attributes.

    A view and a displayed mbox can be requested several times.
    """
    mode = place.partition(".")[0]
    trace = {"authorizationToken": "token"}
    pairs = []
    for part, wanted in _requests(call, place):
        probe = {key: value for key, value in wanted.items() if key in ("parameters", "address")}
        with_trace = {"execute": {"mboxes": [{**probe, "name": PROBE, "index": 0}]}, "trace": trace}
        alone = {mode: {part: wanted if part == "pageLoad" else [wanted]}}
        pairs.append((_call_for(call, alone), _call_for(call, with_trace)))
    return pairs


def _requests(call: Json, place: str) -> List[Tuple[str, Json]]:
    """Return the requests for ``place``: mboxes, the page load or views, each with its kind."""
    mode, kind, *names = place.split(".")
    part = call["options"]["request"].get(mode, {})
    if kind == "pageLoad":
        return [(kind, part[kind])]
    (name,) = names
    if kind == "views":
        return [(kind, {**view, "name": name}) for view in part[kind] if view.get("name") in (None, name)]
    mboxes = [*part.get("mboxes", ()), *({"name": added, "index": 0} for added in call.get("names", ()))]
    if kind == "displayed":
        wanted = [("mboxes", each) for each in mboxes if each["name"] == name]
        return wanted + ([("pageLoad", part["pageLoad"])] if "pageLoad" in part and name.endswith("-mbox") else [])
    mbox, _, index = name.rpartition("@")
    matches = [each for each in mboxes if (each["name"], str(each["index"])) == (mbox, index)]
    return [("mboxes", each) for each in matches or [{"name": mbox, "index": 1}]]  # added by get_attributes


def _call_for(call: Json, parts: Json) -> Json:
    request = call["options"]["request"]
    rest = {
        key: value for key, value in request.items() if key not in ("execute", "prefetch", "notifications", "trace")
    }
    return {"do": "get_offers", "method": "on-device", "options": {**call["options"], "request": {**rest, **parts}}}


def causes(artifact: Json, place: str, theirs: Json, ours: Json) -> Dict[str, Tuple[Json, Json]]:
    """Return the attributes that the location's rules read and whose values differ, each with both values.

    A geographical name that a rule spells differently is returned as well.
    """
    _, kind, *name = place.split(".")
    rules = artifact["rules"]["views" if kind == "views" else "mboxes"]
    location = artifact["globalMbox"] if kind == "pageLoad" else name[0].rpartition("@")[0] or name[0]
    read = _read_by(rules.get(location, []))
    first, second = _attributes(theirs), _attributes(ours)
    texts = set(_texts([rule["condition"] for rule in rules.get(location, [])]))
    return {
        name: (first.get(name), second.get(name))
        for name in sorted(read - {"allocation"})
        if first.get(name) != second.get(name) or _is_spelled_differently(name, second.get(name), texts)
    }


def _is_spelled_differently(name: str, value: Json, texts: Set[str]) -> bool:
    """Return whether ``texts`` contain a geographical name that differs from ``value`` only in case or blanks."""
    geo_name = json.loads(value) if name in ("geo.country", "geo.region", "geo.city") and value else None
    if not isinstance(geo_name, str):
        return False
    return any(text != geo_name and _comparable(text) == _comparable(geo_name) for text in texts)


def _comparable(geo_name: str) -> str:
    return geo_name.upper().replace(" ", "")


def _texts(condition: Json) -> Iterator[str]:
    """Yield all texts in a condition."""
    if isinstance(condition, str):
        yield condition
    elif isinstance(condition, (dict, list)):
        for each in condition.values() if isinstance(condition, dict) else condition:
            yield from _texts(each)


def _attributes(result: Json) -> Dict[str, Json]:
    """Return the values of all attributes in the traces of a shaped result."""
    attributes: Dict[str, Json] = {}
    for _, element in elements(result):
        for target in element.get("trace", {}).get("evaluatedCampaignTargets", {}).values():
            attributes.update(_flatten("", target["context"]))
    return attributes


def _flatten(prefix: str, value: Json) -> Iterator[Tuple[str, Json]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _flatten(f"{prefix}.{key}" if prefix else key, each)
    else:
        yield prefix, json.dumps(value)


def _read_by(rules: List[Json]) -> Set[str]:
    """Return the attributes that the conditions of rules read."""
    found: Set[str] = set()
    for rule in rules:
        _collect(rule["condition"], found)
    return found


def _collect(condition: Json, found: Set[str]) -> None:
    if isinstance(condition, dict):
        for operator, operand in condition.items():
            if operator == "var":
                found.add(str(operand[0] if isinstance(operand, list) else operand))
            elif operator == "missing":
                found.update(operand)
            else:
                _collect(operand, found)
    elif isinstance(condition, list):
        for each in condition:
            _collect(each, found)
