"""Rule artifacts in the format of the real ones, and the requests for them."""

import base64
import hashlib
import json
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

Document = Dict[str, Any]
Rule = Dict[str, Any]
Condition = Any

CLIENT = "acmeclient"
#: The edge cluster of every visitor. Without it, the client would ask Adobe's edge for a cluster.
HINT = "35"
#: Used instead of the name of an mbox, to request the mboxes of the artifact in turn.
EVERY = "*"
#: The maximum number of mboxes to request in turn.
IN_TURN = 1000
GLOBAL_MBOX = "target-global-mbox"
URL = "https://shop.example.com/shoes/running?ref=mail&campaign=autumn"
USER_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/128.0.0.0 Safari/537.36"
)  # fmt: skip

_RESPONSE_TOKENS = [
    "activity.id", "activity.name", "experience.id", "experience.name", "geo.city", "geo.country", "geo.state",
    "offer.id", "offer.name", "option.id", "option.name",
]  # fmt: skip
_ALLOCATION = {"var": "allocation"}


class Visit(NamedTuple):
    """The request to make for every visitor."""

    #: ``prefetch`` or ``execute``.
    mode: str
    #: The name of the mbox, or None for the page load. With :data:`EVERY`, each call requests a different mbox.
    mbox: Optional[str]
    parameters: Optional[Dict[str, str]] = None

    def as_json(self) -> Dict[str, Any]:
        """Return the visit for the settings of a worker."""
        return dict(self._asdict(), url=URL, user_agent=USER_AGENT)


def one_test() -> Document:
    """Return an artifact with the simplest A/B test: one mbox and two rules, each for half of the visitors."""
    return _artifact({"home-hero": _split("home-hero", 334411, [50])})


def flag() -> Document:
    """Return an artifact with an mbox for a flag and a number. The two halves of the visitors get different values."""
    return _artifact({"new-checkout": _split("new-checkout", 334412, [50])})


def many_tests(activities: int) -> Document:
    """Return an artifact with ``activities`` A/B tests. Each test has two rules and its own mbox.

    Every second test has an audience that depends on the parameters ``category`` and ``segment``.
    """
    return _artifact({_mbox(number): _test(number) for number in range(activities)})


def crowded_mbox(activities: int) -> Document:
    """Return an artifact with many activities on one mbox.

    Each activity is for a thousandth of the visitors; the last one is for all others.
    """
    first = [rule for number in range(activities - 1) for rule in _split("crowded", 500000 + number, [0.1])[:1]]
    return _artifact({"crowded": [*first, *_activity("crowded", 500000 + activities, [True])]})


def page_of_24_rules() -> Document:
    """Return an artifact with seven activities for a page load, with shares and various audiences."""
    browsers = [_is("user.browserType", name) for name in ("chrome", "firefox", "safari")]
    pages: List[Condition] = [
        {"and": [{"in": ["/shoes/", {"var": "page.path"}]}, _is("page.domain_lc", "example.com")]},
        {"in": ["campaign=winter", {"var": "page.query_lc"}]},
        {"or": [_is("page.url_lc", "https://shop.example.com/"), _is("page.subdomain_lc", "www")]},
        _is("page.topLevelDomain_lc", "de"),
    ]
    members = {"and": [_is("mbox.member_lc", "gold"), {"!": _is("mbox.country", "US")}]}
    shoes = {"and": [_is("mbox.category", "shoes"), {"<": [10, {"var": "mbox.stock"}]}]}
    rules = [
        *_activity(GLOBAL_MBOX, 125880, [*browsers, True]),
        *_split(GLOBAL_MBOX, 125883, [34, 67], shoes),
        *_split(GLOBAL_MBOX, 125884, [25, 50, 75]),
        *_activity(GLOBAL_MBOX, 125885, pages),
        *_split(GLOBAL_MBOX, 125886, [50], members),
        *_split(GLOBAL_MBOX, 125887, [20, 40, 60, 80], {"<=": [100, {"var": "user.browserVersion"}]}),
        *_split(GLOBAL_MBOX, 125888, [90], {"<=": ["0000", {"var": "current_time"}, "2359"]}),
    ]
    assert len(rules) == 24
    return _artifact({GLOBAL_MBOX: rules})


#: Parameters that match the audiences of these artifacts.
PARAMETERS = {"category": "shoes", "stock": "17", "member": "Gold", "country": "CH"}


def contents(document: Document) -> List[Any]:
    """Return the contents of all offers in ``document``."""
    rules = [rule for mbox in document["rules"]["mboxes"].values() for rule in mbox]
    return [option["content"] for rule in rules for option in rule["consequence"]["options"]]


def visitors(seed: str, count: int) -> List[str]:
    """Return the ids of new visitors. The same seed gives every peer the same ids."""
    return [hashlib.md5(f"{seed}-{number}".encode("ascii")).hexdigest() for number in range(count)]


def canonical(content: Any) -> str:
    """Return ``content`` as text. Equal contents have equal texts."""
    return content if isinstance(content, str) else json.dumps(content, sort_keys=True)


def _artifact(mboxes: Dict[str, List[Rule]]) -> Document:
    numbers = sorted({rule["activityId"] for rules in mboxes.values() for rule in rules})
    site = "https://experience.example.com/#/@acme/target/activities/activitydetails/A-B/"
    return {
        "targetAdminActivityUrls": [site + str(number) for number in numbers],
        "version": "1.0.0",
        "meta": {"clientCode": CLIENT, "environment": "production"},
        "globalMbox": GLOBAL_MBOX,
        "geoTargetingEnabled": False,
        "responseTokens": list(_RESPONSE_TOKENS),
        "remoteMboxes": [],
        "remoteViews": [],
        "localMboxes": sorted(mboxes),
        "localViews": [],
        "rules": {"mboxes": mboxes, "views": {}},
    }


def _mbox(number: int) -> str:
    return f"mbox-{number:05d}"


def _test(number: int) -> List[Rule]:
    segment = f"segment-{number}"
    audience = {"or": [_is("mbox.category", "shoes"), _is("mbox.segment_lc", segment)]} if number % 2 else None
    return _split(_mbox(number), 400000 + number, [10 + 8 * (number % 10)], audience)


def _split(mbox: str, activity: int, bounds: Sequence[float], audience: Condition = None) -> List[Rule]:
    """Return the rules of an activity that divides its visitors at ``bounds``, in percent."""
    conditions: List[Condition] = []
    for low, high in zip([0, *bounds], [*bounds, 100]):
        share = {"and": [{"<" if low else "<=": [low, _ALLOCATION]}, {">=": [high, _ALLOCATION]}]}
        conditions.append({"and": [share, audience]} if audience else share)
    return _activity(mbox, activity, conditions)


def _activity(mbox: str, activity: int, conditions: Sequence[Condition]) -> List[Rule]:
    return [_rule(mbox, activity, number, condition) for number, condition in enumerate(conditions)]


def _rule(mbox: str, activity: int, number: int, condition: Condition) -> Rule:
    letter = "ABCDEFGH"[number]
    label = f"{mbox}-{activity}-{letter}"
    html = f'<div class="hero" data-activity="{activity}"><h1>Experience {letter}</h1></div>'
    json_content = {"experience": letter, "enabled": number == 0, "limit": 75 * (number + 1), "activity": activity}
    is_page_load = mbox == GLOBAL_MBOX
    return {
        "ruleKey": str(activity),
        "activityId": activity,
        "meta": {
            "activity.id": activity,
            "activity.name": f"A/B test {activity}",
            "activity.type": "ab",
            "experience.id": number,
            "experience.name": "Experience " + letter,
            "location.name": mbox,
            "location.type": "mbox",
            "location.id": 0,
            "audience.ids": [],
            "offer.id": 2 * activity + number,
            "offer.name": f"/a_b_test_{activity}/experiences/{number}/pages/0/zones/0/1612386382173",
            "option.id": number + 2,
            "option.name": f"Offer{number + 2}",
        },
        "condition": condition,
        "consequence": {
            "name": mbox,
            "options": [
                {
                    "type": "html" if is_page_load else "json",
                    "eventToken": base64.b64encode(hashlib.sha512(label.encode("ascii")).digest()).decode("ascii"),
                    "content": html if is_page_load else json_content,
                }
            ],
            "metrics": [],
        },
    }


def _is(variable: str, value: str) -> Condition:
    return {"==": [value, {"var": variable}]}
