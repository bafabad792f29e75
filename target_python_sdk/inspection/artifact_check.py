"""Finds mistakes in a rule artifact."""

import re
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set, Tuple

from target_python_sdk.decisioning.artifact import SUPPORTED_MAJOR
from target_python_sdk.decisioning.audience_check import Finding
from target_python_sdk.explain.structure import comparison, operation, split_share, variables
from target_python_sdk.inspection.condition_check import check_condition
from target_python_sdk.inspection.findings import items, member, missing_or_wrong, place_of, text, wrong
from target_python_sdk.inspection.location_check import PlacedRule, check_location
from target_python_sdk.inspection.offer_check import check_consequence
from target_python_sdk.local_edge.validation import JsonValue
from target_python_sdk.protocol import DEFAULT_GLOBAL_MBOX
from target_tools.error_text import suggestion
from target_tools.typing_compat import Json

_KEYS = (
    "version", "meta", "globalMbox", "geoTargetingEnabled", "responseTokens", "remoteMboxes", "remoteViews",
    "localMboxes", "localViews", "rules",
)  # fmt: skip
_RULE_KEYS = ("ruleKey", "activityId", "meta", "condition", "consequence", "propertyTokens")
_PROPERTY_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_KINDS = (("mboxes", "Mboxes"), ("views", "Views"))


def check_artifact(document: Mapping[str, Any]) -> List[Finding]:
    """Return the mistakes in a rule artifact."""
    return _ArtifactCheck(document).run()


class _ArtifactCheck:
    """The check of one artifact."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._findings: List[Finding] = []
        #: The first name of each activity, and of each experience of an activity, with its place.
        self._names: Dict[Tuple[Any, ...], Tuple[str, str]] = {}
        #: The activity of each rule key at a location, with its place.
        self._keys: Dict[Tuple[str, Any], Tuple[Any, str]] = {}
        #: The place of the first condition that reads the visitor's location.
        self._geo_condition: Optional[str] = None

    def run(self) -> List[Finding]:
        """Return the findings."""
        document, findings = self._document, self._findings
        version = document.get("version")
        if not isinstance(version, str) or version.partition(".")[0] != SUPPORTED_MAJOR:
            findings.append(missing_or_wrong(document, "version", "", f"a version {SUPPORTED_MAJOR}.x.x"))
        meta = member(document, "meta", "", findings)
        if text(meta.get("clientCode")) is None:
            findings.append(missing_or_wrong(meta, "clientCode", "meta", "the code of the client"))
        for key in document:
            hint = "" if key in _KEYS else suggestion(key, _KEYS)
            if hint:
                findings.append(Finding(place_of("", key), f"unknown key {key!r}{hint}"))
        if document.get("globalMbox") is not None and text(document["globalMbox"]) is None:
            findings.append(wrong("globalMbox", "the name of an mbox", document["globalMbox"]))
        self._names_in("responseTokens")
        rules = member(document, "rules", "", findings, required=True)
        for part, kind in _KINDS:
            locations = member(rules, part, "rules", findings)
            for name, rule_list in locations.items():
                self._check_location(part, name, rule_list)
            self._check_lists(part, kind, locations)
        if self._geo_condition is not None and document.get("geoTargetingEnabled") is not True:
            problem = f"must be true: {self._geo_condition} reads the visitor's location"
            findings.append(Finding("geoTargetingEnabled", problem))
        return findings

    def _names_in(self, key: str) -> Dict[str, str]:
        """Return the names in the list at ``key`` of the document, with their places."""
        found: Dict[str, str] = {}
        for place, name in items(self._document.get(key), key, self._findings):
            if not isinstance(name, str) or not name:
                self._findings.append(wrong(place, "a name", name))
            elif name in found:
                self._findings.append(Finding(place, f"{name!r} is already in {found[name]}"))
            else:
                found[name] = place
        return found

    def _check_lists(self, part: str, kind: str, locations: Mapping[str, JsonValue]) -> None:
        """Check two lists: the mboxes or views that clients can decide, and those that only the edge can decide."""
        local, remote = self._names_in(f"local{kind}"), self._names_in(f"remote{kind}")
        for name, place in local.items():
            if name not in locations:
                self._findings.append(Finding(place, f"{name!r} has no rules in rules.{part}"))
        for name in locations:
            if name and name not in local:
                where = f"only in remote{kind}" if name in remote else f"neither in local{kind} nor in remote{kind}"
                problem = f"{name!r} is {where}, so hybrid clients do not use its rules"
                self._findings.append(Finding(f"rules.{part}[{name!r}]", problem))

    def _check_location(self, part: str, name: str, rule_list: JsonValue) -> None:
        place = f"rules.{part}[{name!r}]"
        if not name:
            self._findings.append(Finding(place, f"a{'n mbox' if part == 'mboxes' else ' view'} without a name"))
        placed_rules = []
        for at, rule in items(rule_list, place, self._findings):
            if isinstance(rule, Mapping):
                placed_rules.append(self._check_rule(rule, part, name, at))
            else:
                self._findings.append(wrong(at, "an object", rule))
        shows_all = part == "views" or name == (self._document.get("globalMbox") or DEFAULT_GLOBAL_MBOX)
        self._findings += check_location(placed_rules, shows_all=shows_all)

    def _check_rule(self, rule: Mapping[str, Any], part: str, name: str, place: str) -> PlacedRule:
        findings = self._findings
        for key in rule:
            hint = "" if key in _RULE_KEYS else suggestion(key, _RULE_KEYS)
            if hint:
                findings.append(Finding(place_of(place, key), f"unknown key {key!r}{hint}"))
        activity, rule_key = rule.get("activityId"), rule.get("ruleKey")
        if not isinstance(activity, (int, float, str)) or isinstance(activity, bool):
            findings.append(missing_or_wrong(rule, "activityId", place, "a number"))
            activity = place  # so that the rule counts as a separate activity
        if rule_key is None:
            rule_key = activity
        elif not isinstance(rule_key, (int, str)):
            findings.append(wrong(f"{place}.ruleKey", "text", rule_key))
            rule_key = str(rule_key)
        self._check_names(rule, activity, place)
        first, at = self._keys.setdefault((f"{part} {name}", rule_key), (activity, place))
        if first != activity:
            problem = f"{rule_key!r} is the key of activity {first} in {at}, too; a page load shows only one of them"
            findings.append(Finding(f"{place}.ruleKey", problem))
        properties = self._check_properties(rule, place)
        condition = rule.get("condition")
        if condition is None:
            findings.append(Finding(place, "missing key 'condition': no visitor matches; for all visitors, write true"))
        else:
            at = f"{place}.condition"
            findings += check_condition(condition, at)
            findings += _check_bounds(condition, at)
            if self._geo_condition is None and any(each.partition(".")[0] == "geo" for each in variables(condition)):
                self._geo_condition = at
        findings += check_consequence(rule, name, place)
        share, _, audience = split_share(condition)
        return PlacedRule(place, activity, rule_key, share, audience if condition is not None else False, properties)

    def _check_names(self, rule: Mapping[str, Any], activity: Json, place: str) -> None:
        """Check that the activity and the experience of a rule have the same names as in earlier rules."""
        meta = member(rule, "meta", place, self._findings)
        experience = (activity, meta.get("experience.id"))
        for what, id_, key in (
            ("activity", (activity,), "activity.name"),
            ("experience", experience, "experience.name"),
        ):
            name = meta.get(key)
            if name is not None and None not in id_:
                first, at = self._names.setdefault((what, *map(str, id_)), (str(name), place))
                if first != name:
                    problem = f"{what} {id_[-1]} is named {name!r} here, but {first!r} in {at}"
                    self._findings.append(Finding(f"{place}.meta['{key}']", problem))

    def _check_properties(self, rule: Mapping[str, Any], place: str) -> Optional[Tuple[str, ...]]:
        tokens: Set[str] = set()
        for at, token in items(rule.get("propertyTokens"), f"{place}.propertyTokens", self._findings):
            if not isinstance(token, str) or not _PROPERTY_TOKEN.fullmatch(token):
                self._findings.append(wrong(at, "a property token: letters, digits, '-' and '_'", token))
            else:
                tokens.add(token)
        return tuple(sorted(tokens)) or None


def _check_bounds(condition: Json, place: str) -> Iterator[Finding]:
    """Yield the bounds of the bucket that are not numbers from 0 to 100."""
    compared, found = comparison(condition), operation(condition)
    if compared is not None:
        limit = compared.constant
        is_number = isinstance(limit, (int, float)) and not isinstance(limit, bool)
        if compared.variable == "allocation" and not (is_number and 0 <= limit <= 100):
            yield wrong(place, "a limit of the buckets from 0 to 100", limit)
    elif found is not None and found.operator in ("and", "or"):
        for index, argument in enumerate(found.arguments):
            yield from _check_bounds(argument, f"{place}.{found.operator}[{index}]")
