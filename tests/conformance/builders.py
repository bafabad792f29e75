"""Build small artifacts, and clients that decide with them."""

from target_python_sdk import TargetClient
from target_python_sdk.types import DeliveryRequest
from tests.support import LONG

ALLOCATION = {"var": "allocation"}
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
)
GLOBAL = "target-global-mbox"


def share(low, high):
    """Return the condition for allocations above ``low`` and up to ``high`` percent. A ``low`` of 0 includes 0."""
    return {"and": [{"<=" if low == 0 else "<": [low, ALLOCATION]}, {">=": [high, ALLOCATION]}]}


def parameter(name, value):
    """Return the condition that a parameter has this value."""
    return {"==": [{"var": "mbox." + name}, value]}


def option(content, kind="html", token="token"):
    """Return an option of a rule."""
    return {"type": kind, "content": content, "eventToken": token}


def rule(content, condition=True, activity=1, location="home", experience=0, **more):
    """Return a rule that shows ``content``. ``consequence`` extends its consequence; other keywords extend the rule."""
    consequence = {"name": location, "options": [option(content, token=f"token-{content}")], "metrics": []}
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


def halves(activity=1, location="home"):
    """Return the rules of an activity that shows A to one half of the visitors and B to the other."""
    return [rule("A", share(0, 50), activity, location), rule("B", share(50, 100), activity, location, 1)]


def yes_or_no(condition, location="home", activity=1):
    """Return the rules of an mbox that shows "yes" if ``condition`` holds, else "no"."""
    return [rule("yes", condition, activity, location), rule("no", True, activity, location, 1)]


def artifact(locations=None, views=None, without=(), changes=None, **mboxes):
    """Return an artifact with ``views``, and with the mboxes in ``locations`` and in the other keyword arguments.

    ``changes`` replaces parts of the artifact, ``without`` removes parts. Both use the names on the wire.
    """
    rules = {**(locations or {}), **mboxes}
    parts = {
        "version": "1.0.0",
        "meta": {"clientCode": "acmeclient", "environment": "production"},
        "globalMbox": GLOBAL,
        "geoTargetingEnabled": True,
        "responseTokens": ["activity.id", "activity.name", "geo.latitude", "geo.longitude"],
        "remoteMboxes": [],
        "remoteViews": [],
        "localMboxes": sorted(rules),
        "localViews": sorted(views or {}),
        "rules": {"mboxes": rules, "views": views or {}},
        **(changes or {}),
    }
    return {key: value for key, value in parts.items() if key not in without}


def on_device(document, domain="127.0.0.1:9", **options):
    """Return the options of a client that decides with ``document`` and sends notifications to ``domain``."""
    return {
        "client": "acmeclient",
        "organization_id": "1234567890@AdobeOrg",
        "decisioning_method": "on-device",
        "artifact_payload": document,
        "polling_interval": 0,
        "telemetry_enabled": False,
        "target_location_hint": "35",  # without a hint, the client would request one from the edge
        "server_domain": domain,
        "cdn_base_path": "http://" + domain,
        "secure": False,
        "timeout": LONG,
        **options,
    }


def client_of(document, domain="127.0.0.1:9", **options):
    """Create a client with the options of ``on_device``."""
    return TargetClient.create(on_device(document, domain, **options))


def request_json(mode="prefetch", mboxes=("home",), visitor="visitor-1", **more):
    """Return a request as JSON. Each of ``mboxes`` is a name or a dict with JSON names. ``more`` has other parts."""
    requested = [
        {"index": index, **({"name": one} if isinstance(one, str) else one)} for index, one in enumerate(mboxes)
    ]
    identity = {"tntId": visitor} if isinstance(visitor, str) else visitor
    details = {"mboxes": requested} if requested else {}
    details.update({key: more.pop(key) for key in ("pageLoad", "views") if key in more})
    parts = {"id": identity, "context": {"channel": "web", **more.pop("context", {})}, mode: details, **more}
    return {key: value for key, value in parts.items() if value is not None}


def decide(client, request=None, **options):
    """Return the envelope of one call. ``request`` has JSON names."""
    parsed = DeliveryRequest.from_dict(request_json() if request is None else request)
    return client.get_offers({"request": parsed, **options})


def contents(envelope, mode="prefetch"):
    """Return the contents of the options of each mbox."""
    mboxes = getattr(envelope["response"], mode).mboxes or []
    return [[one.content for one in mbox.options or ()] for mbox in mboxes]


def first_content(client, request=None, mode="prefetch", **options):
    """Return the content of the first option of the first mbox of a call, or None."""
    found = contents(decide(client, request, **options), mode)[0]
    return found[0] if found else None
