"""Bring results into a shape in which equal parts are at equal places, whatever the order of lists."""

import json
import re
from typing import Any, Dict, Iterator, List, Tuple

Json = Any

_UUID = re.compile(r"\b[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}\b")
_DATA_ID = re.compile(r"\b[0-9A-F]{16}-[0-9A-F]{16}\b")
_CONDITIONS = ("matchedRuleConditions", "unmatchedRuleConditions", "matchedSegmentIds", "unmatchedSegmentIds")


def shape_outcome(outcome: Json) -> Json:
    """Return a copy of an outcome without random ids, in which lists of named elements are objects."""
    shaped = _without_random_ids(outcome)
    result = shaped["result"]
    for part in _parts(result):
        if "mboxes" in part:
            part["mboxes"] = _by_name(part["mboxes"], "name", "index")
        if "views" in part:
            part["views"] = _by_name(part["views"], "name")
    for _, element in elements(result):
        if "trace" in element:
            _shape_trace(element["trace"])
    # Traces and response tokens repeat what the elements contain, so only the lengths of the lists are kept.
    for name in ("trace", "responseTokens"):
        if name in result:
            result[name] = len(result[name])
    for name in ("remoteMboxes", "remoteViews"):
        if name in result.get("meta", {}):
            result["meta"][name] = dict.fromkeys(result["meta"][name], True)
    if "analyticsDetails" in result:
        result["analyticsDetails"] = _as_keys(result["analyticsDetails"])
    shaped["sent"] = _by_name([_shape_request(each) for each in shaped["sent"]], "what")
    return shaped


def elements(result: Json) -> Iterator[Tuple[str, Json]]:
    """Yield the place and the value of each mbox, page load and view of a shaped result."""
    for mode in ("execute", "prefetch"):
        part = result.get("response", {}).get(mode) or {}
        if "pageLoad" in part:
            yield f"{mode}.pageLoad", part["pageLoad"]
        for kind in ("mboxes", "views"):
            for name, element in part.get(kind, {}).items():
                yield f"{mode}.{kind}.{name}", element


def _parts(result: Json) -> List[Json]:
    response = result.get("response") or {}
    return [part for part in (response.get("execute"), response.get("prefetch")) if part]


def _by_name(values: List[Json], *names: str) -> Dict[str, Json]:
    """Return a list as an object. Each key ends with a number, because several values can have the same name."""
    values_by_name: Dict[str, Json] = {}
    for value in values:
        key, number = "@".join(str(value.get(name)) for name in names).replace(".", "_"), 1
        while f"{key}#{number}" in values_by_name:
            number += 1
        values_by_name[f"{key}#{number}"] = value
    return values_by_name


def _as_keys(values: List[Json]) -> Json:
    """Return the different values of a list as the keys of an object."""
    return {json.dumps(each, sort_keys=True).replace(".", "_"): True for each in values}


def _shape_trace(trace: Json) -> None:
    trace["campaigns"] = {str(each["id"]): each for each in trace["campaigns"]}
    trace["evaluatedCampaignTargets"] = {str(each["campaignId"]): each for each in trace["evaluatedCampaignTargets"]}
    for target in trace["evaluatedCampaignTargets"].values():
        for name in _CONDITIONS:
            target[name] = _as_keys(target[name])


def _shape_request(sent: Json) -> Json:
    if "geo" in sent:
        return {"what": "geo", **sent}
    body = sent["body"]
    kinds = [kind for kind in ("execute", "prefetch", "notifications") if kind in body]
    if "notifications" in body:
        body["notifications"] = _by_name(
            [{**each, "of": f"{each['mbox']['name']} {each['tokens']}"} for each in body["notifications"]], "of"
        )
    return {"what": " ".join(kinds), **sent}


def _without_random_ids(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _without_random_ids(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_random_ids(each) for each in value]
    if isinstance(value, str):
        return _DATA_ID.sub("<supplemental data id>", _UUID.sub("<uuid>", value))
    if isinstance(value, float) and value.is_integer():
        return int(value)  # JavaScript has only one type of number
    return value


_LABEL = re.compile(r"A\d{6,7}-\d")


def experiences(outcome: Json) -> Dict[str, List[str]]:
    """Return the labels of the experiences in a shaped outcome, by location.

    Elements with the same name share one list. An executed offer may have no content, so the labels in the tokens of
    notifications are added, once per mbox.
    """
    labels_by_place: Dict[str, List[str]] = {}
    for place, element in elements(outcome["result"]):
        labels = [label for option in element.get("options", ()) for label in _LABEL.findall(json.dumps(option))]
        if not labels and ".mboxes." in place and "options" in element:
            labels = ["no content"]
        labels_by_place.setdefault(place.partition("#")[0], []).extend(dict.fromkeys(labels))
    for sent in outcome["sent"].values():
        for each in sent.get("body", {}).get("notifications", {}).values():
            labels = [label for token in each["tokens"] for label in _LABEL.findall(token)]
            place = "execute.displayed." + each["mbox"]["name"]
            labels_by_place[place] = sorted({*labels_by_place.get(place, ()), *labels})
    return {place: labels for place, labels in labels_by_place.items() if labels}
