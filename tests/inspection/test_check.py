# ruff: noqa: E501 - the findings are exact
"""The check of artifacts and activity files finds each planted mistake, names its place, and finds nothing else."""

import json
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from target_python_sdk.inspection.check import check_document, check_file
from target_python_sdk.local_edge import read_activities
from target_python_sdk.local_edge.artifact_builder import build_artifact
from target_tools.errors import OptionError


def var(name: str) -> Dict[str, str]:
    return {"var": name}


def share(lower: int, upper: int) -> List[Any]:
    return [{"<": [lower, var("allocation")]}, {">=": [upper, var("allocation")]}]


def rule(activity: int, experience: int, condition: Any, name: str = "hero", **more: Any) -> Dict[str, Any]:
    """Return a rule without a mistake."""
    return {
        "ruleKey": f"{activity}-0",
        "activityId": activity,
        "meta": {
            "activity.name": f"Activity {activity}",
            "experience.id": experience,
            "experience.name": "AB"[experience],
        },
        "condition": condition,
        "consequence": {
            "name": name,
            "options": [{"type": "html", "content": "<b>${mbox.name}</b>", "eventToken": "t"}],
            "metrics": [{"type": "click", "eventToken": "c"}],
        },
        **more,
    }


FIREFOX = {"==": [var("user.browserType"), "firefox"]}
ARTIFACT: Dict[str, Any] = {
    "version": "1.0.0",
    "meta": {"clientCode": "acmeclient", "environment": "production"},
    "globalMbox": "target-global-mbox",
    "geoTargetingEnabled": False,
    "responseTokens": ["activity.id"],
    "remoteMboxes": ["remote"],
    "remoteViews": [],
    "localMboxes": ["hero", "other"],
    "localViews": ["checkout"],
    "rules": {
        "mboxes": {
            "hero": [
                rule(9, 0, {"and": [{"==": [var("mbox.z"), 1]}, {"!=": [var("mbox.y"), 2]}]}),
                rule(1, 0, {"and": [*share(0, 40), FIREFOX]}),
                rule(1, 1, {"and": [*share(40, 100), FIREFOX]}),
                rule(2, 0, {"and": share(0, 50)}, propertyTokens=["0a1b-2c"]),
                rule(3, 0, {"and": share(0, 30)}),
            ],
            "other": [rule(4, 0, True, "other")],
        },
        "views": {"checkout": [rule(5, 0, True, "checkout")]},
    },
}
Place = Tuple[Any, ...]
HERO: Place = ("rules", "mboxes", "hero")
CONDITION: Place = (*HERO, 0, "condition")
OPTION: Place = (*HERO, 0, "consequence", "options", 0)
AT_HERO = "rules.mboxes['hero']"
AT_CONDITION = f"{AT_HERO}[0].condition"
AT_OPTION = f"{AT_HERO}[0].consequence.options[0]"
#: A value for ``with_value`` that removes the key.
REMOVED = object()


def with_value(document: Any, place: Place, value: Any) -> Any:
    """Return a copy of ``document`` with another value at ``place``."""
    changed = json.loads(json.dumps(document))  # a deep copy
    parent = changed
    for step in place[:-1]:
        parent = parent[step]
    if value is REMOVED:
        del parent[place[-1]]
    elif isinstance(parent, list) and place[-1] == len(parent):
        parent.append(value)
    else:
        parent[place[-1]] = value
    return changed


def audience(*clauses: Any) -> Any:
    """Return the condition of the first rule with these clauses added."""
    return {"and": [{"==": [var("mbox.z"), 1]}, {"!=": [var("mbox.y"), 2]}, *clauses]}


#: The place and the value of each mistake, and the finding.
MISTAKES: List[Tuple[Place, Any, str]] = [
    # The document
    (("version",), "2.0.0", "version: expected a version 1.x.x, got '2.0.0'"),
    (("version",), REMOVED, "missing key 'version'"),
    (("meta", "clientCode"), REMOVED, "meta: missing key 'clientCode'"),
    (("meta", "clientCode"), 7, "meta.clientCode: expected the code of the client, got 7"),
    (("globalMbox",), 7, "globalMbox: expected the name of an mbox, got 7"),
    (("remotembox",), [], "remotembox: unknown key 'remotembox'; did you mean 'remoteMboxes'?"),
    (("responseTokens",), "activity.id", "responseTokens: expected a list, got 'activity.id'"),
    (("responseTokens", 1), 7, "responseTokens[1]: expected a name, got 7"),
    (
        ("rules", "views"),
        [],
        "rules.views: expected an object, got an empty list\nlocalViews[0]: 'checkout' has no rules in rules.views",
    ),
    # The lists of mboxes and views
    (("localMboxes", 2), "hero", "localMboxes[2]: 'hero' is already in localMboxes[0]"),
    (("localMboxes", 2), "nothing", "localMboxes[2]: 'nothing' has no rules in rules.mboxes"),
    (
        ("localViews",),
        [],
        "rules.views['checkout']: 'checkout' is neither in localViews nor in remoteViews, so hybrid clients do not use its rules",
    ),
    (
        ("localMboxes",),
        ["hero"],
        "rules.mboxes['other']: 'other' is neither in localMboxes nor in remoteMboxes, so hybrid clients do not use its rules",
    ),
    (("rules", "views", ""), [rule(6, 0, True, "")], "rules.views['']: a view without a name"),
    (("rules", "mboxes", ""), [], "rules.mboxes['']: an mbox without a name"),
    # Rules
    (HERO, {}, f"{AT_HERO}: expected a list, got an empty dict"),
    ((*HERO, 0), 7, f"{AT_HERO}[0]: expected an object, got 7"),
    ((*HERO, 0, "activityId"), REMOVED, f"{AT_HERO}[0]: missing key 'activityId'"),
    ((*HERO, 0, "activityId"), True, f"{AT_HERO}[0].activityId: expected a number, got True"),
    ((*HERO, 0, "activityId"), [1], f"{AT_HERO}[0].activityId: expected a number, got a list of 1 item"),
    ((*HERO, 0, "ruleKey"), 1.5, f"{AT_HERO}[0].ruleKey: expected text, got 1.5"),
    ((*HERO, 0, "meta"), [], f"{AT_HERO}[0].meta: expected an object, got an empty list"),
    ((*HERO, 0, "condtion"), True, f"{AT_HERO}[0].condtion: unknown key 'condtion'; did you mean 'condition'?"),
    (
        (*HERO, 4, "ruleKey"),
        "1-0",
        f"{AT_HERO}[4].ruleKey: '1-0' is the key of activity 1 in {AT_HERO}[1], too; a page load shows only one of them",
    ),
    (
        (*HERO, 2, "meta", "activity.name"),
        "X",
        f"{AT_HERO}[2].meta['activity.name']: activity 1 is named 'X' here, but 'Activity 1' in {AT_HERO}[1]",
    ),
    (
        (*HERO, 2, "meta", "experience.id"),
        0,
        f"{AT_HERO}[2].meta['experience.name']: experience 0 is named 'B' here, but 'A' in {AT_HERO}[1]",
    ),
    (
        (*HERO, 3, "propertyTokens"),
        ["my shop"],
        f"{AT_HERO}[3].propertyTokens[0]: expected a property token: letters, digits, '-' and '_', got 'my shop'",
    ),
    ((*HERO, 3, "propertyTokens"), "0a1b", f"{AT_HERO}[3].propertyTokens: expected a list, got '0a1b'"),
    # Ranges
    (
        (*HERO, 2, "condition", "and", 0),
        share(30, 0)[0],
        f"{AT_HERO}[2]: the range 30 to 100 overlaps with that of {AT_HERO}[1]: the buckets 30 to 40 are in both",
    ),
    (
        (*HERO, 2, "condition", "and", 0),
        share(60, 0)[0],
        f"{AT_HERO}[2]: no experience has the buckets 40 to 60, below this range",
    ),
    (
        (*HERO, 4, "condition", "and", 0),
        share(10, 0)[0],
        f"{AT_HERO}[4]: no experience has the buckets 0 to 10, below this range",
    ),
    (
        (*HERO, 4, "condition", "and", 1),
        share(0, 0)[1],
        f"{AT_HERO}[4]: the range 0 to 0 is empty: no visitor gets this experience",
    ),
    (
        (*HERO, 4, "condition", "and", 1),
        share(0, 150)[1],
        f"{AT_HERO}[4].condition.and[1]: expected a limit of the buckets from 0 to 100, got 150",
    ),
    (
        (*HERO, 5),
        rule(3, 1, {"and": share(0, 30)}),
        f"{AT_HERO}[5]: the range 0 to 30 overlaps with that of {AT_HERO}[4]: the buckets 0 to 30 are in both",
    ),
    (
        ("rules", "views", "checkout", 1),
        rule(5, 1, True, "checkout"),
        "rules.views['checkout'][1]: this experience has the same visitors as rules.views['checkout'][0]",
    ),
    # Priorities
    (
        ("rules", "mboxes", "other", 1),
        rule(6, 0, FIREFOX, "other"),
        "rules.mboxes['other'][1]: unreachable: every visitor already gets an experience from rules.mboxes['other'][0]",
    ),
    # Conditions
    (
        (*HERO, 0, "condition"),
        REMOVED,
        f"{AT_HERO}[0]: missing key 'condition': no visitor matches; for all visitors, write true",
    ),
    (
        CONDITION,
        audience({"equals": [var("user.browserType"), "firefox"]}),
        f"{AT_CONDITION}.and[2]: unknown operator 'equals'; did you mean '=='?",
    ),
    (
        CONDITION,
        audience({"subst": ["a", 1]}),
        f"{AT_CONDITION}.and[2]: unknown operator 'subst'; did you mean 'substr'?",
    ),
    (CONDITION, audience({"==": [var("mbox.a"), 1, 2]}), f"{AT_CONDITION}.and[2].==: '==' takes 2 arguments, got 3"),
    (CONDITION, audience({"and": []}), f"{AT_CONDITION}.and[2].and: 'and' takes at least 1 argument, got 0"),
    (CONDITION, audience({"<": [var("mbox.a")]}), f"{AT_CONDITION}.and[2].<: '<' takes 2 or 3 arguments, got 1"),
    (
        CONDITION,
        audience({"==": [var("user.browsertype"), "chrome"]}),
        f"{AT_CONDITION}.and[2].==[0].var: unknown attribute 'user.browsertype'; did you mean 'user.browserType'?",
    ),
    (
        CONDITION,
        audience({"==": [var("user.browserType"), "Chrome"]}),
        f"{AT_CONDITION}.and[2].==[1]: user.browserType is never 'Chrome'; did you mean 'chrome'?",
    ),
    (
        CONDITION,
        audience({"==": [var("current_day"), 0]}),
        f"{AT_CONDITION}.and[2].==[1]: current_day is never 0; expected 1 (Monday) to 7 (Sunday)",
    ),
    (
        CONDITION,
        audience({"<": [var("current_time"), "25:00"]}),
        f"{AT_CONDITION}.and[2].<[1]: current_time is four digits in UTC, such as '0930', and never '25:00'",
    ),
    (CONDITION, audience({"==": [1, 1]}), f"{AT_CONDITION}.and[2]: always true, so it has no effect"),
    (
        CONDITION,
        audience({"!": [{"or": [FIREFOX, True]}]}),
        f"{AT_CONDITION}.and[2].![0].or[1]: always true, so the other parts have no effect",
    ),
    (CONDITION, audience(False), f"{AT_CONDITION}.and[2]: always false, so the other parts have no effect"),
    (
        CONDITION,
        audience({"==": [var("mbox.a"), "x"]}, {"and": [{"==": ["y", var("mbox.a")]}, FIREFOX]}),
        f"{AT_CONDITION}.and[3].and[0]: contradicts {AT_CONDITION}.and[2], so the condition is never true",
    ),
    (
        CONDITION,
        audience({">": [var("mbox.a"), 5]}, {"<=": [var("mbox.a"), 5]}),
        f"{AT_CONDITION}.and[3]: contradicts {AT_CONDITION}.and[2], so the condition is never true",
    ),
    (
        CONDITION,
        audience({">=": [var("current_time"), "2200"]}, {"<": [var("current_time"), "0600"]}),
        f"{AT_CONDITION}.and[3]: contradicts {AT_CONDITION}.and[2], so the condition is never true",
    ),
    (
        CONDITION,
        audience({"or": [{"!=": [var("mbox.a"), "x"]}, {"!=": [var("mbox.a"), "y"]}]}),
        f"{AT_CONDITION}.and[2].or[1]: holds whenever {AT_CONDITION}.and[2].or[0] does not, so the 'or' is always true; did you mean 'and'?",
    ),
    (
        CONDITION,
        audience({"==": [var("geo.country"), "US"]}),
        f"geoTargetingEnabled: must be true: {AT_CONDITION} reads the visitor's location",
    ),
    (
        ("rules", "mboxes", "other", 0, "condition"),
        {"!": [True]},
        "rules.mboxes['other'][0].condition: never true: no visitor matches",
    ),
    (
        ("rules", "views", "checkout", 0, "condition"),
        {"==": [1, 1]},
        "rules.views['checkout'][0].condition: always true",
    ),
    # Offers
    ((*HERO, 0, "consequence"), REMOVED, f"{AT_HERO}[0]: missing key 'consequence'"),
    (
        (*HERO, 0, "consequence", "name"),
        "hereo",
        f"{AT_HERO}[0].consequence.name: 'hereo' is not the name of the location, 'hero'",
    ),
    (
        (*HERO, 0, "consequence", "options"),
        [],
        f"{AT_HERO}[0].consequence.options: no option: visitors get no content, and nothing is reported",
    ),
    (OPTION, "<b>", f"{AT_OPTION}: expected an object, got '<b>'"),
    ((*OPTION, "type"), "htm", f"{AT_OPTION}.type: unknown type 'htm'; did you mean 'html'?"),
    ((*OPTION, "type"), REMOVED, f"{AT_OPTION}: missing key 'type', without which the page cannot use the content"),
    ((*OPTION, "content"), REMOVED, f"{AT_OPTION}: an option of type 'html' without content"),
    ((*OPTION, "content"), {"a": 1}, f"{AT_OPTION}.content: expected text, got a dict of 1 item"),
    ((*OPTION, "type"), "json", f"{AT_OPTION}.content: expected an object or a list, got '<b>${{mbox.name}}</b>'"),
    ((*OPTION, "eventToken"), REMOVED, f"{AT_OPTION}: missing key 'eventToken'"),
    (
        (*OPTION, "eventToken"),
        "",
        f"{AT_OPTION}.eventToken: expected a token, without which displays are not counted, got ''",
    ),
    ((*OPTION, "content"), "a ${mbox.name", f"{AT_OPTION}.content: the macro '${{mbox.name' has no '}}'"),
    (
        (*OPTION, "content"),
        "a ${mbox name}",
        f"{AT_OPTION}.content: the macro '${{mbox name}}' is not replaced: expected letters, digits, '_' and '.'",
    ),
    ((*OPTION, "content"), "a ${}", f"{AT_OPTION}.content: the macro '${{}}' is not replaced: it has no name"),
    (
        (*HERO, 0, "consequence", "metrics", 0, "type"),
        "clik",
        f"{AT_HERO}[0].consequence.metrics[0].type: unknown type 'clik'; did you mean 'click'?",
    ),
    (
        (*HERO, 0, "consequence", "metrics", 0, "eventToken"),
        REMOVED,
        f"{AT_HERO}[0].consequence.metrics[0]: missing key 'eventToken'",
    ),
    ((*HERO, 0, "consequence", "metrics", 0), 7, f"{AT_HERO}[0].consequence.metrics[0]: expected an object, got 7"),
]


def findings_in(document: Any) -> List[str]:
    return [str(finding) for finding in check_document(document)]


def test_an_artifact_without_a_mistake_has_no_findings() -> None:
    assert findings_in(ARTIFACT) == []


@pytest.mark.parametrize(("place", "value", "expected"), MISTAKES, ids=[row[2][:60] for row in MISTAKES])
def test_a_planted_mistake_is_the_only_finding(place: Place, value: Any, expected: str) -> None:
    assert findings_in(with_value(ARTIFACT, place, value)) == expected.splitlines()


def actions(*contents: Any) -> Dict[str, Any]:
    return {"type": "actions", "content": list(contents), "eventToken": "t"}


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (
            {"type": "redirect", "content": "https://exa mple.com/"},
            "'https://exa mple.com/' is not a valid URL: it contains a space or a control character",
        ),
        (
            {"type": "redirect", "content": "javascript:alert(1)"},
            "'javascript:alert(1)' is not a valid URL: its scheme is 'javascript'",
        ),
        ({"type": "redirect", "content": "https:///path"}, "'https:///path' is not a valid URL: it has no host"),
        (
            {"type": "redirect", "content": "example.com"},
            "'example.com' is not a valid URL: it has no scheme, and no '/' at the start",
        ),
        ({"type": "dynamic", "content": "http://[::1/"}, "'http://[::1/' is not a valid URL: Invalid IPv6 URL"),
        ({"type": "redirect", "content": ""}, "'' is not a valid URL: it is empty"),
        ({"type": "redirect", "content": 7}, "expected text, got 7"),
    ],
)
def test_an_invalid_url_in_an_option_is_a_finding(option: Dict[str, Any], expected: str) -> None:
    assert findings_in(with_value(ARTIFACT, OPTION, {**option, "eventToken": "t"})) == [
        f"{AT_OPTION}.content: {expected}"
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([7], f"{AT_OPTION}.content[0]: expected an object, got 7"),
        ([{"content": "a"}], f"{AT_OPTION}.content[0]: missing key 'type'"),
        ([{"type": "setHtml", "content": "${"}], f"{AT_OPTION}.content[0].content: the macro '${{' has no '}}'"),
        ("a", f"{AT_OPTION}.content: expected a list, got 'a'"),
    ],
)
def test_a_mistake_in_the_actions_of_an_option_is_a_finding(content: Any, expected: str) -> None:
    assert findings_in(with_value(ARTIFACT, OPTION, {"type": "actions", "content": content, "eventToken": "t"})) == [
        expected
    ]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (OPTION, {"eventToken": "t"}),  # default content
        (OPTION, actions({"type": "setStyle", "content": {"color": "red"}})),
        ((*OPTION, "content"), "<script>`${a + b}`</script>"),
        (OPTION, {"type": "redirect", "content": "/shoes?a=b", "eventToken": "t"}),
        (OPTION, {"type": "redirect", "content": "https://example.com:8080/", "eventToken": "t"}),
        (("rules", "views", "checkout"), [rule(5, 0, FIREFOX, "checkout"), rule(6, 0, True, "checkout")]),
        (("localMboxes",), ["hero", "other"]),
        (("targetAdminActivityUrls",), {}),
        (HERO, [rule(1, 0, True, propertyTokens=["a"]), rule(2, 0, True)]),
        (
            HERO,
            [
                rule(1, 0, {"and": share(0, 50)}),
                rule(1, 1, FIREFOX),
                rule(1, 1, {"and": share(50, 90)}),
                rule(2, 0, True),
            ],
        ),
        (
            CONDITION,
            audience({"in": [var("mbox.a"), ["x", "y"]]}, {"<": [1, var("mbox.b"), 3]}, {"<=": [var("mbox.c"), 5]}),
        ),
        (CONDITION, audience({">=": [var("mbox.a"), 5]}, {"<=": [var("mbox.a"), 5]}, {"!=": [var("mbox.a"), 6]})),
        (CONDITION, audience({"some": [var("mbox.a"), {"==": [var(""), 1]}]}, {"-": [var("mbox.a")]})),
    ],
)
def test_correct_rules_have_no_findings(place: Place, value: Any) -> None:
    assert findings_in(with_value(ARTIFACT, place, value)) == []


def test_rules_that_hybrid_clients_do_not_use_are_a_finding() -> None:
    document = with_value(with_value(ARTIFACT, ("localMboxes",), ["hero"]), ("remoteMboxes",), ["other"])
    assert findings_in(document) == [
        "rules.mboxes['other']: 'other' is only in remoteMboxes, so hybrid clients do not use its rules"
    ]


@pytest.mark.parametrize("condition", [{"cat": ["a"] * 20000}, json.loads('{"!":' * 150 + "true" + "}" * 150)])
def test_a_condition_that_exceeds_the_limits_is_a_finding(condition: Any) -> None:
    (finding,) = check_document(with_value(ARTIFACT, ("rules", "mboxes", "other", 0, "condition"), condition))
    assert finding.place == "rules.mboxes['other'][0].condition"
    assert finding.problem.startswith("a rule ")


def test_missing_rules_are_a_finding() -> None:
    assert findings_in({"version": "1.0.0", "meta": {"clientCode": "a"}}) == ["missing key 'rules'"]
    assert findings_in({"version": "1.0.0", "meta": {"clientCode": "a"}, "rules": None}) == [
        "rules: expected an object, got None"
    ]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], "expected an object, got an empty list"),
        ({}, "expected a rule artifact with the key 'rules', or a file with the key 'activities'"),
    ],
)
def test_a_document_of_another_kind_is_a_finding(document: Any, expected: str) -> None:
    assert findings_in(document) == [expected]


# Files of activities

EXPERIENCES = [{"name": "A", "share": 50, "offer": {"html": "a"}}, {"name": "B", "share": 30}]
ACTIVITIES: Dict[str, Any] = {
    "client": "acmeclient",
    "activities": [
        {"id": 1, "name": "One", "locations": ["hero"], "audience": FIREFOX, "experiences": EXPERIENCES},
        {"id": 2, "name": "Two", "locations": ["hero"], "views": ["checkout"], "experiences": EXPERIENCES},
    ],
}
FIRST: Place = ("activities", 0)
MISTAKES_IN_ACTIVITIES: List[Tuple[Place, Any, str]] = [
    (("cleint",), "a", "cleint: unknown key 'cleint'; did you mean 'client'?"),
    (("client",), "", "client: expected a non-empty string, got ''"),
    (
        ("geo",),
        {"town": "x"},
        "geo: unknown key 'town'; expected one of latitude, longitude, countryCode, stateCode, city",
    ),
    (("activities",), {}, "activities: expected a list, got an empty dict"),
    ((*FIRST, "location"), ["a"], "activities[0]: unknown key 'location'; did you mean 'locations'?"),
    ((*FIRST, "id"), "1", "activities[0].id: expected an integer, got '1'"),
    ((*FIRST, "experiences"), [], "activities[0].experiences: expected at least one experience"),
    (
        (*FIRST, "experiences", 0, "share"),
        80,
        "activities[0].experiences: the shares add up to 110; at most 100 is possible",
    ),
    (
        (*FIRST, "experiences", 0, "share"),
        0,
        "activities[0].experiences[0]: the range 0 to 0 is empty: no visitor gets this experience",
    ),
    (
        (*FIRST, "experiences", 1, "name"),
        "A",
        "activities[0].experiences[1].name: two experiences are named 'A'; the other one is activities[0].experiences[0]",
    ),
    ((*FIRST, "locations"), ["a", "a"], "activities[0].locations[1]: 'a' is named twice"),
    (
        (*FIRST, "locations"),
        ["hero "],
        "activities[0].locations[0]: 'hero ' begins or ends with a blank; did you mean 'hero'?",
    ),
    (
        (*FIRST, "experiences"),
        [{"share": 0.5}, {"share": 0.5}],
        "activities[0].experiences[0].share: share is in percent: 50, not 0.5",
    ),
    ((*FIRST, "audience"), "firefox", "activities[0].audience: expected an object, got 'firefox'"),
    (
        (*FIRST, "audience"),
        {"==": ["user.browserType", "firefox"]},
        'activities[0].audience.==: both sides are constants; did you mean {"var": "user.browserType"}?',
    ),
    (
        (*FIRST, "audience"),
        {"==": [var("page.url"), "/shop"]},
        "activities[0].audience.==[1]: page.url is a complete URL, unlike '/shop'; did you mean page.path?",
    ),
    (
        (*FIRST, "experiences", 0, "offer"),
        {"html": "${activty.name} ${user.name} ${recipe.name}"},
        "activities[0].experiences[0].offer.html: unknown macro '${activty.name}'; did you mean '${activity.name}'?",
    ),
    (
        (*FIRST, "experiences", 0, "offer"),
        {"html": "${"},
        "activities[0].experiences[0].offer.html: the macro '${' has no '}'",
    ),
    (
        (*FIRST, "experiences", 0, "offer"),
        {"redirect": "a b"},
        "activities[0].experiences[0].offer.redirect: 'a b' is not a valid URL: it contains a space or a control character",
    ),
    (
        (*FIRST, "audience"),
        {"==": [var("user.browserType"), "Chrome"]},
        "activities[0].audience.==[1]: user.browserType is never 'Chrome'; did you mean 'chrome'?",
    ),
    (("activities", 1, "id"), 1, "activities[1].id: 1 is the id of activities[0], too, and has the name 'One' there"),
    (
        ("activities", 1),
        {**ACTIVITIES["activities"][1], "id": 1, "name": "One", "locations": [], "views": ["x"]},
        "activities[1].id: 1 is the id of activities[0], too",
    ),
    (
        (*FIRST,),
        {"id": 1, "locations": ["hero"], "experiences": [{}]},
        "activities[1].experiences[0]: unreachable: every visitor already gets an experience from activities[0].experiences[0]",
    ),
]


@pytest.mark.parametrize(
    ("place", "value", "expected"), MISTAKES_IN_ACTIVITIES, ids=[row[2][:60] for row in MISTAKES_IN_ACTIVITIES]
)
def test_a_planted_mistake_in_a_file_of_activities_is_the_only_finding(place: Place, value: Any, expected: str) -> None:
    assert findings_in(with_value(ACTIVITIES, place, value)) == [expected]


def test_every_activity_is_checked() -> None:
    document = with_value(with_value(ACTIVITIES, (*FIRST, "id"), "1"), ("activities", 1, "views"), 7)
    assert findings_in(document) == [
        "activities[0].id: expected an integer, got '1'",
        "activities[1].views: expected a list, got 7",
    ]


def test_an_unknown_operator_is_one_finding() -> None:
    (finding,) = check_document(with_value(ACTIVITIES, (*FIRST, "audience"), {"equals": [1, 1]}))
    assert str(finding) == "activities[0].audience: unknown operator 'equals'; did you mean '=='?"


def test_the_sample_has_no_mistake(root: Path) -> None:
    assert check_document(json.loads((root / "target_python_sdk/local_edge/sample.json").read_bytes())) == []
    assert check_document(build_artifact(read_activities())) == []


@pytest.mark.parametrize("name", ["ALLOCATION", "PROPERTY", "USER", "TIME", "TOKENS", "PAGE"])
def test_correct_artifacts_have_no_findings(root: Path, name: str) -> None:
    assert check_file(root / f"tests/conformance/artifacts/{name}.json") == []


# Text

LONG_INTEGERS_ARE_REFUSED = pytest.mark.skipif(
    not hasattr(sys, "set_int_max_str_digits"), reason="this version of Python reads integers of any length"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"a": 1,\n  "b" 2}', "line 2, column 7: invalid JSON: Expecting ':' delimiter"),
        (b"", "the file is empty"),
        (b'{"activities": {}}', "activities: expected a list, got an empty object"),
        (b'{"a":\n "\xff"}', "line 2, column 3: expected UTF-8"),
        (b"[" * 100000, "expected JSON with less nesting"),
        pytest.param(b"9" * 5000, "expected JSON with shorter numbers", marks=LONG_INTEGERS_ARE_REFUSED),
        (
            b'{"activities": [], "client": "a", "client": "b"}',
            "client: duplicate key; all values but the last are ignored",
        ),
        (
            b'{"activities": [], "geo": {"latitude": 1e999}}',
            "geo.latitude: inf is not a JSON number, or too large for one\ngeo.latitude: expected a number between -90 and 90, got inf",
        ),
        (
            b'{"activities": [{"id": 1, "locations": ["a"], "experiences": [{"offer": {"json": [NaN]}}]}]}',
            "activities[0].experiences[0].offer.json[0]: nan is not a JSON number, or too large for one",
        ),
        (b'\xef\xbb\xbf{"activities": []}', ""),
    ],
)
def test_mistakes_in_the_text_of_a_file_are_findings(tmp_path: Path, text: bytes, expected: str) -> None:
    path = tmp_path / "rules.json"
    path.write_bytes(text)
    assert "\n".join(map(str, check_file(path))) == expected


def test_a_file_that_cannot_be_read_raises_an_error(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="directory"):
        check_file(tmp_path)


def test_all_mistakes_of_a_document_are_found_at_once() -> None:
    """For each mistake in the first rule of ``hero``, a separate mbox has a copy of the rule with that mistake."""
    mboxes, expected = {}, []
    for place, value, text in MISTAKES:
        if place[:4] == (*HERO, 0) and text.startswith(f"{AT_HERO}[0]") and "'hero'" not in text[len(AT_HERO) :]:
            name = f"m{len(mboxes)}"
            rule_of_mbox = with_value(ARTIFACT["rules"]["mboxes"]["hero"][0], ("consequence", "name"), name)
            mboxes[name] = with_value([rule_of_mbox], place[3:], value)
            expected.append(text.replace(AT_HERO, f"rules.mboxes['{name}']"))
    document = {**ARTIFACT, "localMboxes": list(mboxes), "rules": {**ARTIFACT["rules"], "mboxes": mboxes}}
    assert len(expected) > 20
    assert findings_in(document) == expected


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the place of each part of a document."""
    steps = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for step in steps:
        yield (*place, step)
        yield from places(value[step], (*place, step))


@pytest.mark.slow
@pytest.mark.parametrize("value", [None, "", [[1]], {"a": 1}, {"and": [[1]]}], ids=str)
def test_no_wrong_value_raises_an_exception(value: Any) -> None:
    for document in (ARTIFACT, ACTIVITIES):
        for place in places(document):
            findings_in(with_value(document, place, value))
