"""Compare the outcomes of random calls."""

from collections import Counter
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

from tests.comparison.comparing import Difference, between
from tests.node_sdk.causes import causes, isolated_calls
from tests.node_sdk.shape import experiences, shape_outcome

Json = Any
#: A function that makes calls with an artifact and returns their outcomes.
Side = Callable[[Json, List[Json]], List[Json]]


def compare(artifact: Json, calls: List[Json], node: Side, this_sdk: Side) -> List[Difference]:
    """Return the differences between the outcomes of calls.

    If the experience of a call differs, only the causes of that difference are reported.
    """
    found: List[Difference] = []
    others: List[_DifferentExperience] = []
    for call, node_outcome, sdk_outcome in zip(calls, *_outcomes(artifact, calls, node, this_sdk)):
        name = scenario(artifact, call)
        kinds = _kind(node_outcome["result"]), _kind(sdk_outcome["result"])
        if kinds[0] != kinds[1]:
            found.append(Difference(name, "outcome", *kinds))
            continue
        if kinds[0].startswith("error"):
            continue
        other = _other_experiences(node_outcome, sdk_outcome)
        others += [_DifferentExperience(name, call, place, *pair) for place, pair in other.items()]
        if not other:
            found += [Difference(name, *each) for each in between("", node_outcome, sdk_outcome)]
    return found + _explain(artifact, others, node, this_sdk)


class _DifferentExperience(NamedTuple):
    """Different experiences at one place of a call."""

    scenario: str
    call: Json
    place: str
    node_experiences: List[str]
    sdk_experiences: List[str]


def _explain(artifact: Json, others: List[_DifferentExperience], node: Side, this_sdk: Side) -> List[Difference]:
    """Return a difference for each cause of a different experience, or one for the experience if no cause is found."""
    isolated = [
        (number, *pair) for number, other in enumerate(others) for pair in isolated_calls(other.call, other.place)
    ]
    if not isolated:
        return []
    alone = _outcomes(artifact, [each for _, each, _ in isolated], node, this_sdk)
    traced = _outcomes(artifact, [each for _, _, each in isolated], node, this_sdk)
    requests = Counter(number for number, *_ in isolated)
    known: Dict[int, Dict[str, Any]] = {}
    for (number, *_), first, second, node_outcome, sdk_outcome in zip(isolated, *alone, *traced):
        if _other_experiences(first, second):
            found = causes(artifact, others[number].place, node_outcome["result"], sdk_outcome["result"])
            known.setdefault(number, {}).update(found)
    differences = []
    for number, other in enumerate(others):
        # This SDK can show fewer experiences of a place that is requested several times; see ``known_differences``.
        fewer = (
            requests[number] > 1 and number not in known and set(other.sdk_experiences) <= set(other.node_experiences)
        )
        place = f"fewer of several: {other.place}" if fewer else other.place
        values = known.get(number) or {place: (other.node_experiences, other.sdk_experiences)}
        differences += [Difference(other.scenario, f"experience: {cause}", *pair) for cause, pair in values.items()]
    return differences


def _outcomes(artifact: Json, calls: List[Json], node: Side, this_sdk: Side) -> Tuple[List[Json], List[Json]]:
    first, second = node(artifact, calls), this_sdk(artifact, calls)
    return [shape_outcome(each) for each in first], [shape_outcome(each) for each in second]


def scenario(artifact: Json, call: Json) -> str:
    """Return the name of a call: its method and its special features."""
    request = call["options"]["request"]
    parts = [request.get(mode) or {} for mode in ("execute", "prefetch")]
    several = sum(len(part.get("mboxes", ())) + 2 * len(part.get("views", ())) + ("pageLoad" in part) for part in parts)
    marks = [name for name in ("trace", "notifications", "qaMode", "preview", "property") if name in request]
    several += 2 * len(call.get("names", ()))
    marks += ["several"] if several > 1 else []
    marks += ["all views"] if any("name" not in view for part in parts for view in part.get("views", ())) else []
    marks += [] if artifact["globalMbox"] == "target-global-mbox" else ["global mbox"]
    marks += ["hints"] if "clientHints" in request["context"] else []
    return f"{call['do']} {call['method']}: {' '.join(marks)}"


def _kind(result: Json) -> str:
    """Return where a call was decided, or its error."""
    if "error" in result:
        return f"error: {result['error']}"
    return str(result.get("meta", {}).get("decisioningMethod"))


def _other_experiences(node_outcome: Json, sdk_outcome: Json) -> Dict[str, Tuple[List[str], List[str]]]:
    first, second = experiences(node_outcome), experiences(sdk_outcome)
    places = dict.fromkeys([*first, *second])
    return {
        place: (first.get(place, []), second.get(place, []))
        for place in places
        if first.get(place) != second.get(place)
    }
