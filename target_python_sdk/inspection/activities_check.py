"""Finds mistakes in a file of activities."""

from typing import Any, Dict, Iterator, List, Mapping, Tuple

from target_python_sdk.decisioning.audience_check import Finding
from target_python_sdk.explain.structure import Share
from target_python_sdk.inspection.condition_check import check_condition
from target_python_sdk.inspection.findings import items, unknown, wrong
from target_python_sdk.inspection.location_check import PlacedRule, check_location
from target_python_sdk.inspection.offer_check import check_content
from target_python_sdk.local_edge.activities import Activity, parse_activities
from target_python_sdk.protocol import DEFAULT_GLOBAL_MBOX
from target_tools.errors import OptionError

_KEYS = ("client", "geo", "activities")


def check_activities(document: Mapping[str, Any]) -> List[Finding]:
    """Return the mistakes in a document of activities."""
    findings = [unknown(key, "key", key, _KEYS) for key in document if key not in _KEYS]
    findings += _problem({"activities": [], **{key: document[key] for key in ("client", "geo") if key in document}})
    ids: Dict[Any, Tuple[str, Any]] = {}
    locations: Dict[Tuple[str, str], List[PlacedRule]] = {}
    for place, value in items(document.get("activities"), "activities", findings):
        # The audience is checked separately, because ``parse_activities`` reports only the first mistake.
        bare = {**value, "audience": None} if isinstance(value, Mapping) else value
        problems = _problem({"activities": [bare]})
        findings += [each._replace(place=each.place.replace("activities[0]", place, 1)) for each in problems]
        if isinstance(value, Mapping):
            audience = value.get("audience")
            if isinstance(audience, (bool, Mapping)):
                findings += check_condition(audience, f"{place}.audience")
            elif audience is not None:
                findings.append(wrong(f"{place}.audience", "an object", audience))
            if isinstance(value.get("id"), int):
                first, name = ids.setdefault(value["id"], (place, value.get("name")))
                if first != place:
                    other = "" if name == value.get("name") else f", and has the name {name!r} there"
                    findings.append(Finding(f"{place}.id", f"{value['id']} is the id of {first}, too{other}"))
            if not problems:
                findings += _suspicious_values(value, place)
                activity = parse_activities({"activities": [bare]}).activities[0]
                _add_rules(activity._replace(audience=audience), place, locations, findings)
    for (kind, name), rules in locations.items():
        findings += check_location(rules, shows_all=kind == "view" or name == DEFAULT_GLOBAL_MBOX)
    return findings


def _suspicious_values(activity: Mapping[str, Any], place: str) -> Iterator[Finding]:
    """Yield repeated names, names that begin or end with a blank, and shares that look like fractions of 1."""
    for key in ("locations", "views"):
        names = activity.get(key) or []
        for index, name in enumerate(names):
            at = f"{place}.{key}[{index}]"
            if name in names[:index]:
                yield Finding(at, f"{name!r} is named twice")
            elif name != name.strip():
                yield Finding(at, f"{name!r} begins or ends with a blank; did you mean {name.strip()!r}?")
    shares = [each["share"] for each in activity["experiences"] if "share" in each]
    for index, share in enumerate(shares):
        if 0 < share < 1 and max(shares) <= 1:
            at = f"{place}.experiences[{index}].share"
            yield Finding(at, f"share is in percent: {round(share * 100, 6):g}, not {share:g}")
            break


def _problem(document: Mapping[str, Any]) -> List[Finding]:
    """Return a list with the first mistake in the structure of a document, or an empty list."""
    try:
        parse_activities(document)
    except OptionError as error:
        place, _, problem = str(error).partition(": ")
        return [Finding(place, problem)]
    return []


def _add_rules(
    activity: Activity, place: str, locations: Dict[Tuple[str, str], List[PlacedRule]], findings: List[Finding]
) -> None:
    """Add the rules of an activity to ``locations``, and the mistakes in its offers to ``findings``."""
    properties = None if activity.property_token is None else (activity.property_token,)
    audience = True if activity.audience is None else activity.audience
    rules = []
    for index, experience in enumerate(activity.experiences):
        at, offer = f"{place}.experiences[{index}]", experience.offer
        share = Share(experience.lower, experience.upper)
        rules.append(PlacedRule(at, activity.id, activity.id, share, audience, properties))
        if offer is not None:
            findings += check_content(offer.type, offer.content, f"{at}.offer.{offer.type}")
    for kind, names in (("mbox", activity.locations), ("view", activity.views)):
        for name in dict.fromkeys(names):
            locations.setdefault((kind, name), []).extend(rules)
