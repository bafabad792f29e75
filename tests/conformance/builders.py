"""Artifacts made in a line or two, and clients that decide by them."""

from target_python_sdk import TargetClient
from target_python_sdk.types import DeliveryRequest
from tests.support import LONG

ALLOCATION = {"var": "allocation"}
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
)
GLOBAL = "target-global-mbox"


def share(low, high):
    """The condition of the visitors between two shares, in percent; the upper one belongs to it."""
    return {"and": [{"<=" if low == 0 else "<": [low, ALLOCATION]}, {">=": [high, ALLOCATION]}]}


def parameter(name, value):
    """The condition that a parameter has that value."""
    return {"==": [{"var": "mbox." + name}, value]}


def option(content, kind="html", token="token"):
    """An option of a rule."""
    return {"type": kind, "content": content, "eventToken": token}


def rule(content, condition=True, activity=1, place="home", experience=0, **more):
    """A rule that shows ``content``; ``consequence`` adds to what it shows, the rest to the rule."""
    consequence = {"name": place, "options": [option(content, token=f"token-{content}")], "metrics": []}
    consequence.update(more.pop("consequence", {}))
    names = {"activity.name": "Autumn", "activity.type": "ab"}
    return {
        "ruleKey": str(activity),
        "activityId": activity,
        "meta": {"activity.id": activity, **names, "experience.id": experience},
        "condition": condition,
        "consequence": consequence,
        **more,
    }


def halves(activity=1, place="home"):
    """The rules of an activity that shows A to one half and B to the other."""
    return [rule("A", share(0, 50), activity, place), rule("B", share(50, 100), activity, place, 1)]


def yes_or_no(condition, place="home", activity=1):
    """The rules of an mbox that says yes where ``condition`` holds, else no."""
    return [rule("yes", condition, activity, place), rule("no", True, activity, place, 1)]


def artifact(places=None, views=None, without=(), changes=None, **mboxes):
    """An artifact of these mboxes, by keyword or in a dict, and of these views.

    ``changes`` replaces parts of it by their names on the wire, ``without`` takes parts away.
    """
    known = {**(places or {}), **mboxes}
    made = {
        "version": "1.0.0",
        "meta": {"clientCode": "acmeclient", "environment": "production"},
        "globalMbox": GLOBAL,
        "geoTargetingEnabled": True,
        "responseTokens": ["activity.id", "activity.name", "geo.latitude", "geo.longitude"],
        "remoteMboxes": [],
        "remoteViews": [],
        "localMboxes": sorted(known),
        "localViews": sorted(views or {}),
        "rules": {"mboxes": known, "views": views or {}},
        **(changes or {}),
    }
    return {key: value for key, value in made.items() if key not in without}


def on_device(document, domain="127.0.0.1:9", **options):
    """The options of a client that decides by ``document`` and reports to ``domain``; it downloads nothing."""
    return {
        "client": "acmeclient",
        "organization_id": "1234567890@AdobeOrg",
        "decisioning_method": "on-device",
        "artifact_payload": document,
        "polling_interval": 0,
        "telemetry_enabled": False,
        "target_location_hint": "35",  # or it would ask the edge for one
        "server_domain": domain,
        "cdn_base_path": "http://" + domain,
        "secure": False,
        "timeout": LONG,
        **options,
    }


def client_of(document, domain="127.0.0.1:9", **options):
    """Such a client."""
    return TargetClient.create(on_device(document, domain, **options))


def wanted(mode="prefetch", mboxes=("home",), visitor="visitor-1", **more):
    """A request for these mboxes, each a name or a dict, in wire names; ``context`` and so on beside them."""
    boxes = [{"index": at, **({"name": one} if isinstance(one, str) else one)} for at, one in enumerate(mboxes)]
    identity = {"tntId": visitor} if isinstance(visitor, str) else visitor
    parts = {"mboxes": boxes} if boxes else {}
    parts.update({key: more.pop(key) for key in ("pageLoad", "views") if key in more})
    made = {"id": identity, "context": {"channel": "web", **more.pop("context", {})}, mode: parts, **more}
    return {key: value for key, value in made.items() if value is not None}


def decide(client, request=None, **options):
    """The envelope of one call; ``request`` is in wire names."""
    parsed = DeliveryRequest.from_dict(wanted() if request is None else request)
    return client.get_offers({"request": parsed, **options})


def contents(envelope, mode="prefetch"):
    """The contents shown, mbox by mbox."""
    mboxes = getattr(envelope["response"], mode).mboxes or []
    return [[one.content for one in mbox.options or ()] for mbox in mboxes]


def shown(client, request=None, mode="prefetch", **options):
    """The content of the first mbox of one call; None if there is none."""
    found = contents(decide(client, request, **options), mode)[0]
    return found[0] if found else None
