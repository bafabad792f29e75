"""Random rule artifacts: one from each seed, with conditions on every family of attributes."""

import random
from typing import Any, Callable, Dict, List

from tests.node_sdk.values import CITIES, CONTENTS, NOW, PARAMETERS, PROPERTIES, REGIONS, TEXTS

Json = Any

CLIENT = "acmeclient"
MBOXES = ("home", "cart", "Mixed-Case", "grüezi")
VIEWS = ("start", "checkout", "Thanks")
TOKENS = (
    "activity.id", "activity.name", "activity.type", "experience.id", "experience.name", "geo.city", "geo.country",
    "geo.state", "geo.latitude", "geo.longitude", "location.id", "location.name", "location.type", "offer.id",
    "offer.name", "option.id", "option.name", "profile.score",
)  # fmt: skip
#: An mbox whose trace shows the attributes of a visitor. Only ``causes.py`` requests it.
PROBE = "probe"
PAGE_PARTS = ("url", "path", "query", "fragment", "domain", "subdomain", "topLevelDomain")


def artifact(seed: str) -> Dict[str, Json]:
    """Return the artifact for a seed."""
    dice = random.Random(seed)
    global_mbox = "page-mbox" if dice.random() < 0.15 else "target-global-mbox"
    names = [global_mbox, *dice.sample(MBOXES, dice.randint(2, len(MBOXES)))]
    views = dice.sample(VIEWS, dice.randint(0, len(VIEWS)))
    maker = _Rules(dice)
    return {
        "version": dice.choice(["1.0.0", "1.2.7"]),
        "meta": {"clientCode": CLIENT, "environment": "production", "generatedAt": "2024-03-01T00:00:00Z"},
        "globalMbox": global_mbox,
        "geoTargetingEnabled": dice.random() < 0.5,
        "responseTokens": [token for token in TOKENS if dice.random() < 0.6],
        "remoteMboxes": ["far"] + (["cart"] if dice.random() < 0.2 else []),
        "remoteViews": ["remote-view"] if dice.random() < 0.3 else [],
        "localMboxes": sorted([*names, PROBE]),
        "localViews": sorted(views),
        "rules": {
            "mboxes": {
                **{name: maker.location(name, "mbox", name == global_mbox) for name in names},
                PROBE: [maker.rule(PROBE, "mbox", 0, True, None)],
            },
            "views": {name: maker.location(name, "view", True) for name in views},
        },
    }


class _Rules:
    """Make the rules of one artifact."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._activity = 100000 + dice.randrange(900000)

    def location(self, name: str, kind: str, many: bool) -> List[Json]:
        """Return the rules of a few activities at one location."""
        return [rule for _ in range(self._dice.randint(1, 4 if many else 3)) for rule in self._rules(name, kind)]

    def _rules(self, name: str, kind: str) -> List[Json]:
        """Return the rules of an activity: a split of its visitors, or one experience per audience."""
        dice = self._dice
        self._activity += 1
        tokens = dice.sample(PROPERTIES, dice.randint(1, 2)) if dice.random() < 0.15 else None
        audience = self.condition() if dice.random() < 0.7 else None
        if dice.random() < 0.5:
            bounds = sorted(dice.sample(range(5, 100, 5), dice.randint(1, 3)))
            shares = [_share(low, high) for low, high in zip([0, *bounds], [*bounds, 100])]
            conditions = [share if audience is None else {"and": [share, audience]} for share in shares]
        else:
            conditions = [True if audience is None else audience]
            conditions += [self.condition() for _ in range(dice.randint(0, 2))]
        return [self.rule(name, kind, number, condition, tokens) for number, condition in enumerate(conditions)]

    def rule(self, name: str, kind: str, number: int, condition: Json, tokens: Json) -> Json:
        """Return one rule of the current activity."""
        dice, activity = self._dice, self._activity
        rule = {
            "ruleKey": f"{activity}" if dice.random() < 0.8 else f"{activity}-{number}",
            "activityId": activity,
            "meta": {
                "activity.id": activity,
                "activity.name": f"Activity {activity}",
                "activity.type": dice.choice(["ab", "landing"]),
                "experience.id": number,
                "experience.name": "Experience " + "ABCDEF"[number],
                "location.name": name,
                "location.type": kind,
                "location.id": 0,
                "audience.ids": dice.sample(range(1800000, 1800009), dice.randint(0, 2)),
                "offer.id": activity * 2 + number,
                "offer.name": f"/offers/{activity}/{number}",
                "option.id": number + 2,
                "option.name": f"Offer{number + 2}",
            },
            "condition": condition,
            "consequence": self._consequence(name, kind, f"A{activity}-{number}"),
        }
        if tokens is not None:
            rule["propertyTokens"] = tokens
        return rule

    def _consequence(self, name: str, kind: str, label: str) -> Json:
        dice = self._dice
        count = dice.choice([1, 1, 1, 2])
        consequence: Dict[str, Json] = {
            "name": name,
            "options": [self._option(label) for _ in range(count)],
            "metrics": [],
        }
        if dice.random() < 0.3:
            consequence["metrics"] = [self._metric() for _ in range(dice.randint(1, 2))]
        if dice.random() < 0.25:
            consequence["analytics"] = {"payload": {"pe": "tnt", "tnta": f"{self._activity}:0:0|2"}}
        if dice.random() < 0.2:
            consequence["state"] = self._token()
        if kind == "view" and dice.random() < 0.4:
            consequence["key"] = name.lower() + "-key"
        return consequence

    def _token(self) -> str:
        return f"{self._dice.getrandbits(96):024x}=="

    def _metric(self) -> Json:
        kind = self._dice.choice(["click", "click", "display"])
        metric = {"type": kind, "eventToken": self._token()}
        if kind == "click" and self._dice.random() < 0.5:
            metric["selector"] = "HTML > BODY > A:eq(0)"
        return metric

    def _option(self, label: str) -> Json:
        """Return an option. The label of the experience is in its content and in its token."""
        dice = self._dice
        kind = dice.choice(["html", "html", "json", "actions", "redirect", "none"])
        token = f"{label}-{self._token()}"
        if kind == "none":
            return {"eventToken": token}
        text = label + dice.choice(CONTENTS)
        content: Json = {
            "html": text,
            "json": {"n": dice.randint(0, 9), "flag": dice.random() < 0.5, "text": text, "deep": [1, None, {"x": 1.5}]},
            "actions": [{"type": "setHtml", "selector": "#a", "content": text},
                        {"type": "setStyle", "selector": "#b", "content": {"color": "red"}}],
            "redirect": f"https://shop.example.com/{label}?x=1",
        }[kind]  # fmt: skip
        return {"type": kind, "eventToken": token, "content": content}

    def condition(self, depth: int = 2) -> Json:
        """Return a condition. On average, it is true for about 40 % of the calls."""
        dice = self._dice
        if depth and dice.random() < 0.35:
            inner = [self.condition(depth - 1) for _ in range(dice.randint(1, 3))]
            operator = dice.choice(["and", "or", "!"])
            return {operator: inner[0] if operator == "!" else inner}
        family = dice.choice(list(FAMILIES))
        return FAMILIES[family](dice)


def _share(low: int, high: int) -> Json:
    allocation = {"var": "allocation"}
    return {"and": [{"<" if low else "<=": [low, allocation]}, {">=": [high, allocation]}]}


def _pair(dice: random.Random, operator: str, first: Json, second: Json) -> Json:
    return {operator: [first, second] if dice.random() < 0.7 or operator == "in" else [second, first]}


def _browser(dice: random.Random) -> Json:
    names = ["chrome", "firefox", "safari", "edge", "ie", "opera", "mobile safari", "iphone", "ipad", "unknown"]
    return _pair(dice, dice.choice(["==", "==", "!="]), dice.choice(names), {"var": "user.browserType"})


def _version(dice: random.Random) -> Json:
    return _pair(
        dice, dice.choice(["<", "<=", ">", ">="]), dice.choice([11, 17, 90, "100", 127]), {"var": "user.browserVersion"}
    )


def _platform(dice: random.Random) -> Json:
    return _pair(dice, "==", dice.choice(["windows", "mac", "linux", "android", "ios"]), {"var": "user.platform"})


def _address(dice: random.Random, page: str) -> Json:
    part = dice.choice(PAGE_PARTS)
    suffix = dice.choice(["", "_lc"])
    operator = dice.choice(["==", "==", "!=", "in"])
    return _pair(dice, operator, dice.choice(TEXTS[part]), {"var": f"{page}.{part}{suffix}"})


def _geo(dice: random.Random) -> Json:
    part = dice.choice(["country", "region", "city", "latitude", "longitude"])
    variable = {"var": "geo." + part}
    if part in ("latitude", "longitude"):
        return _pair(dice, dice.choice(["<", "<=", ">"]), dice.choice([0, "37.70", 47.5, -122]), variable)
    return _pair(
        dice, "==", dice.choice({"country": ["US", "CH", "FR"], "region": REGIONS, "city": CITIES}[part]), variable
    )


def _parameter(dice: random.Random) -> Json:
    name = dice.choice(list(PARAMETERS))
    value = dice.choice(PARAMETERS[name])
    suffix = dice.choice(["", "", "_lc"])
    operator = dice.choice(["==", "==", "!=", "===", "!==", "<", ">=", "in", "missing", "!!", "between"])
    variable = {"var": f"mbox.{name}{suffix}"}
    if operator == "missing":
        return {"!": [{"missing": [f"mbox.{name}"]}]}
    if operator == "!!":
        return {"!!": [variable]}
    if operator == "between":
        return {"<=": [dice.choice([0, 5, "5"]), variable, dice.choice([10, "20", 100])]}
    return _pair(dice, operator, value, variable)


def _time(dice: random.Random) -> Json:
    kind = dice.choice(["day", "time", "timestamp"])
    if kind == "day":
        return _pair(dice, "==", dice.choice([1, 3, "5", 7]), {"var": "current_day"})
    if kind == "time":
        return {"<=": [dice.choice(["0000", "0900"]), {"var": "current_time"}, dice.choice(["1200", "2359"])]}
    return _pair(
        dice, dice.choice(["<", ">="]), NOW + dice.choice([-86400000, 0, 86400000]), {"var": "current_timestamp"}
    )


def _uncommon(dice: random.Random) -> Json:
    """Return a condition of a kind that Target's own audiences do not use."""
    return dice.choice([
        True,
        False,
        {"if": [{"==": [{"var": "mbox.color"}, "red"]}, True, False]},
        {"==": [{"var": ["mbox.none", "default"]}, "default"]},
        {"==": [{"var": "mbox.none"}, None]},
        {"==": [{"+": [{"var": "mbox.size"}, 1]}, 11]},
        {"==": [{"%": [{"var": "mbox.size"}, 2]}, 0]},
        {"some": [[1, 2, 3], {"==": [{"var": ""}, 2]}]},
        {"in": [{"var": "mbox.color"}, ["red", "green"]]},
        {"==": [{"cat": ["a", {"var": "mbox.color"}]}, "ared"]},
        {"==": [{"substr": [{"var": "mbox.color"}, 0, 1]}, "r"]},
        {"max": [0, {"var": "allocation"}]},
        {"==": [{"var": "user.locale"}, "en"]},
    ])  # fmt: skip


#: For each family of attributes, a function that returns a condition on one of its attributes. Parameters are listed
#: twice, so that they are chosen more often.
FAMILIES: Dict[str, Callable[[random.Random], Json]] = {
    "browser": _browser,
    "version": _version,
    "platform": _platform,
    "page": lambda dice: _address(dice, "page"),
    "referring": lambda dice: _address(dice, "referring"),
    "geo": _geo,
    "parameter": _parameter,
    "more parameters": _parameter,
    "time": _time,
    "uncommon": _uncommon,
}
