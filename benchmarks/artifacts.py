"""Artifacts of the real shape, and what visitors ask of them."""

import base64
import hashlib
import json
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

Document = Dict[str, Any]
Rule = Dict[str, Any]
Condition = Any

CLIENT = "acmeclient"
#: The cluster of every visitor, so that nobody looks for it.
HINT = "35"
#: In place of a mbox's name: each of the artifact's in turn.
EVERY = "*"
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
    """What every visitor asks for."""

    #: ``prefetch`` or ``execute``.
    mode: str
    #: The mbox; :data:`EVERY` mbox of the artifact, a call one; None: the page load.
    mbox: Optional[str]
    parameters: Optional[Dict[str, str]] = None

    def as_json(self) -> Dict[str, Any]:
        """What a worker is told."""
        return dict(self._asdict(), url=URL, user_agent=USER_AGENT)


def one_test() -> Document:
    """The simplest A/B test: one mbox, two rules, half of the visitors each."""
    return _artifact({"home-hero": _split("home-hero", 334411, [50])})


def flag() -> Document:
    """One mbox with a flag and a number, half of the visitors each."""
    return _artifact({"new-checkout": _split("new-checkout", 334412, [50])})


def many_tests(activities: int) -> Document:
    """A/B tests of two rules, each in an mbox of its own; every second has an audience, which shoes are in."""
    return _artifact({_mbox(number): _test(number) for number in range(activities)})


def page_of_24_rules() -> Document:
    """Seven activities on a page load, with audiences of browsers, URLs and parameters, and with allocations."""
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


#: Parameters that are in the audiences of the artifacts above.
PARAMETERS = {"category": "shoes", "stock": "17", "member": "Gold", "country": "CH"}


def contents(document: Document) -> List[Any]:
    """Every content that an offer of ``document`` can have."""
    rules = [rule for mbox in document["rules"]["mboxes"].values() for rule in mbox]
    return [option["content"] for rule in rules for option in rule["consequence"]["options"]]


def visitors(seed: str, count: int) -> List[str]:
    """Ids of visitors nobody has seen: the same ones for the same seed, in every peer."""
    return [hashlib.md5("{}-{}".format(seed, number).encode("ascii")).hexdigest() for number in range(count)]


def canonical(content: Any) -> str:
    """``content`` as a text that is equal where the content is."""
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
    return "mbox-{:05d}".format(number)


def _test(number: int) -> List[Rule]:
    segment = "segment-{}".format(number)
    audience = {"or": [_is("mbox.category", "shoes"), _is("mbox.segment_lc", segment)]} if number % 2 else None
    return _split(_mbox(number), 400000 + number, [10 + 8 * (number % 10)], audience)


def _split(mbox: str, activity: int, bounds: Sequence[int], audience: Condition = None) -> List[Rule]:
    """An activity that shares its visitors out at ``bounds``, in per cent."""
    conditions: List[Condition] = []
    for low, high in zip([0, *bounds], [*bounds, 100]):
        share = {"and": [{"<" if low else "<=": [low, _ALLOCATION]}, {">=": [high, _ALLOCATION]}]}
        conditions.append({"and": [share, audience]} if audience else share)
    return _activity(mbox, activity, conditions)


def _activity(mbox: str, activity: int, conditions: Sequence[Condition]) -> List[Rule]:
    return [_rule(mbox, activity, number, condition) for number, condition in enumerate(conditions)]


def _rule(mbox: str, activity: int, number: int, condition: Condition) -> Rule:
    letter = "ABCDEFGH"[number]
    label = "{}-{}-{}".format(mbox, activity, letter)
    html = '<div class="hero" data-activity="{}"><h1>Experience {}</h1></div>'.format(activity, letter)
    json_content = {"experience": letter, "enabled": number == 0, "limit": 75 * (number + 1), "activity": activity}
    of_page = mbox == GLOBAL_MBOX
    return {
        "ruleKey": str(activity),
        "activityId": activity,
        "meta": {
            "activity.id": activity,
            "activity.name": "A/B test {}".format(activity),
            "activity.type": "ab",
            "experience.id": number,
            "experience.name": "Experience " + letter,
            "location.name": mbox,
            "location.type": "mbox",
            "location.id": 0,
            "audience.ids": [],
            "offer.id": 2 * activity + number,
            "offer.name": "/a_b_test_{}/experiences/{}/pages/0/zones/0/1612386382173".format(activity, number),
            "option.id": number + 2,
            "option.name": "Offer{}".format(number + 2),
        },
        "condition": condition,
        "consequence": {
            "name": mbox,
            "options": [
                {
                    "type": "html" if of_page else "json",
                    "eventToken": base64.b64encode(hashlib.sha512(label.encode("ascii")).digest()).decode("ascii"),
                    "content": html if of_page else json_content,
                }
            ],
            "metrics": [],
        },
    }


def _is(variable: str, value: str) -> Condition:
    return {"==": [value, {"var": variable}]}
