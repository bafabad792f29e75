"""Random calls for a random artifact: as JSON, with the names that Node.js uses."""

import random
from typing import Any, Dict, List, Optional

from tests.node_sdk.artifacts import MBOXES, PROBE, VIEWS
from tests.node_sdk.values import BRANDS, CITIES, NOW, PARAMETERS, PROPERTIES, REGIONS, URLS, USER_AGENTS

Json = Any

ADDRESSES = ("203.0.113.7", "192.0.2.1")


def calls(seed: str, artifact: Json, count: int) -> List[Json]:
    """Return calls, each a dict with the client's method (``do``), the decisioning method and the options."""
    dice = random.Random(seed)
    return [_Call(dice, artifact).make() for _ in range(count)]


class _Call:
    """Make one random call."""

    def __init__(self, dice: random.Random, artifact: Json) -> None:
        self._dice = dice
        self._names = [*(set(artifact["rules"]["mboxes"]) - {PROBE}), *MBOXES, "far", "nowhere"]
        self._names.sort()

    def _happens(self, probability: float) -> bool:
        return self._dice.random() < probability

    def make(self) -> Json:
        dice = self._dice
        do = dice.choices(["get_offers", "get_attributes", "send_notifications"], [80, 14, 6])[0]
        method = dice.choices(["on-device", "hybrid", "server-side"], [68, 28, 4])[0]
        options: Dict[str, Json] = {"request": self._request(do), "sessionId": f"session-{dice.randint(0, 99)}"}
        if self._happens(0.1):
            options["targetCookie"] = f"PC#{dice.getrandbits(64):016x}.35_0#{NOW // 1000 + 5000}"
        if self._happens(0.1):
            options["customerIds"] = {"crm": {"id": f"customer-{dice.randint(0, 9)}", "authState": 1}}
        result = {"do": do, "method": method, "options": options}
        if do == "get_attributes":
            result["names"] = dice.sample(sorted(set(self._names)), dice.randint(1, 2))
        return result

    def _request(self, do: str) -> Json:
        result: Dict[str, Json] = {"context": self._context(), "id": self._id()}
        if do == "send_notifications":
            result["notifications"] = [self._notification(number) for number in range(self._dice.randint(1, 2))]
        elif do == "get_offers" or self._happens(0.3):
            result.update(self._parts())
        for name, probability, make in (
            ("property", 0.3, lambda: {"token": self._dice.choice(PROPERTIES)}),
            ("trace", 0.4 if _locations(result) == 1 else 0.02, lambda: {"authorizationToken": "token"}),
            ("requestId", 0.2, lambda: f"request-{self._dice.randint(0, 9)}"),
            ("environmentId", 0.1, lambda: 7),
            ("qaMode", 0.03, lambda: {"token": "qa", "listedActivitiesOnly": True}),
            ("preview", 0.02, lambda: {"token": "preview"}),
            ("notifications", 0.05, lambda: [self._notification(0)]),
            (
                "experienceCloud",
                0.1,
                lambda: {"analytics": {"logging": self._dice.choice(["server_side", "client_side"])}},
            ),
        ):
            if self._happens(probability):
                result.setdefault(name, make())
        return result

    def _id(self) -> Json:
        dice = self._dice
        result: Dict[str, Json] = {}
        number = dice.randint(0, 10**9)
        kind = dice.choices(["device", "cloud", "third", "all"], [55, 15, 15, 15])[0]
        if kind in ("device", "all"):
            result["tntId"] = f"{number:032x}" + dice.choice(["", ".35_0"])
        if kind in ("cloud", "all"):
            result["marketingCloudVisitorId"] = f"{number:038d}"
        if kind in ("third", "all"):
            result["thirdPartyId"] = dice.choice(["customer-", "größe-", "😀"]) + str(number)
        return result

    def _context(self) -> Json:
        dice = self._dice
        result: Dict[str, Json] = {"channel": "web", "timeOffsetInMinutes": 60}
        if self._happens(0.9):
            result["userAgent"] = dice.choice(list(USER_AGENTS.values()))
        if self._happens(0.1):
            platform = dice.choice(["Windows", "macOS", "Linux", "Android"])
            result["clientHints"] = {"platform": platform, "browserUAWithMajorVersion": BRANDS}
        if self._happens(0.9):
            result["address"] = self._address()
        if self._happens(0.5):
            result["geo"] = self._geo()
        return result

    def _address(self) -> Json:
        result = {"url": self._dice.choice(URLS)}
        if self._happens(0.5):
            result["referringUrl"] = self._dice.choice(URLS)
        return result

    def _geo(self) -> Json:
        dice = self._dice
        if self._happens(0.3):
            return {"ipAddress": dice.choice(ADDRESSES)}
        result = {"countryCode": dice.choice(["US", "CH", "FR"]), "stateCode": dice.choice(REGIONS),
                "city": dice.choice(CITIES), "latitude": dice.choice([37.75, 0, 47.4]),
                "longitude": dice.choice([-122.4, 8.5, 0])}  # fmt: skip
        return {name: value for name, value in result.items() if self._happens(0.8)}

    def _parts(self) -> Json:
        result: Dict[str, Json] = {}
        which = self._dice.choice(["execute", "execute", "prefetch", "prefetch", "both"])
        if which in ("execute", "both"):
            result["execute"] = self._part(False)
        if which in ("prefetch", "both"):
            result["prefetch"] = self._part(True)
        return result

    def _part(self, with_views: bool) -> Json:
        result: Dict[str, Json] = {}
        while not result:
            if self._happens(0.7):
                result["mboxes"] = [self._mbox(index) for index in range(self._dice.choice([1, 1, 2, 3]))]
            if self._happens(0.35):
                result["pageLoad"] = self._details()
            if with_views and self._happens(0.4):
                result["views"] = [self._view() for _ in range(self._dice.choice([1, 1, 2]))]
        return result

    def _mbox(self, index: int) -> Json:
        return {"name": self._dice.choice(self._names), "index": index, **self._details()}

    def _view(self) -> Json:
        result = self._details()
        name: Optional[str] = self._dice.choice([*VIEWS, *VIEWS, None, "remote-view", "no-view"])
        if name is not None:
            result["name"] = name
        if self._happens(0.15):
            result["key"] = "given-key"
        return result

    def _details(self) -> Json:
        dice = self._dice
        result: Dict[str, Json] = {}
        if self._happens(0.7):
            names = [name for name in PARAMETERS if self._happens(0.5)]
            if "a.b" in names and "a.b.c" in names and self._happens(0.95):  # Node.js fails if it gets both
                names.remove("a.b")
            result["parameters"] = {name: dice.choice(PARAMETERS[name]) for name in names}
        if self._happens(0.1):
            result["address"] = self._address()
        if self._happens(0.1):
            result["profileParameters"] = {"score": "7"}
        if self._happens(0.05):
            result["order"] = {"id": "order-1", "total": 9.5, "purchasedProductIds": ["p1"]}
        if self._happens(0.05):
            result["product"] = {"id": "p1", "categoryId": "c1"}
        return result

    def _notification(self, number: int) -> Json:
        dice = self._dice
        return {
            "id": f"notification-{number}",
            "impressionId": f"impression-{number}",
            "timestamp": NOW,
            "type": dice.choice(["display", "click"]),
            "mbox": {"name": dice.choice(MBOXES)},
            "tokens": ["token-1"],
        }


def _locations(request: Json) -> int:
    """Return the number of requested mboxes, page loads and views."""
    parts = [request.get(mode, {}) for mode in ("execute", "prefetch")]
    return sum(len(part.get("mboxes", ())) + len(part.get("views", ())) + ("pageLoad" in part) for part in parts)
