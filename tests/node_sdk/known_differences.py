"""The intended differences from the SDK for Node.js, 2.4.3.

``EXPERIENCES`` are the only reasons for another experience. ``CALLS`` are calls that one of the two refuses or lets
the edge decide. ``FORMS`` are different forms of the same decision, and different requests.
"""

import re
from typing import List, Sequence

from tests.comparison.comparing import KnownDifference as D

ABSENT = '^"<absent>"$'
ANY = "."


def exactly(text: str) -> str:
    """Return a pattern for exactly this JSON."""
    return "^" + re.escape(text) + "$"


def words(*texts: str) -> str:
    """Return a pattern for one of these strings, as JSON or as the text of an attribute, which is JSON in a string."""
    return r'^"(\\")?(' + "|".join(map(re.escape, texts)) + r')(\\")?"$'


def reading(topic: str, attribute: str, why: str, theirs: str, ours: str) -> List[D]:
    """Return the entries for an attribute that the two read differently: in experiences, and in traces."""
    return [
        D(topic, "*", f"experience: {attribute}", why, theirs, ours),
        D(topic, "*trace*", f"*.trace.evaluatedCampaignTargets.*.context.{attribute}", why, theirs, ours),
    ]


EXPERIENCES: Sequence[D] = [
    *reading(
        "browser names",
        "user.browserType",
        "Opera is an audience of Target. Node.js takes it for the Chrome that it is built on.",
        words("chrome"),
        words("opera"),
    ),
    *reading(
        "browser names",
        "user.browserVersion",
        "The version of Opera, not that of its Chromium.",
        exactly("125") + "|" + exactly('"125"'),
        exactly("111") + "|" + exactly('"111"'),
    ),
    *reading(
        "browser names",
        "user.browserType",
        "Chrome for iPhones and iPads calls itself CriOS, and Node.js does not know it.",
        words("unknown"),
        words("chrome"),
    ),
    *reading(
        "browser names",
        "user.browserVersion",
        "Its version is known as well.",
        exactly("-1") + "|" + exactly('"-1"'),
        exactly("126") + "|" + exactly('"126"'),
    ),
    *reading(
        "browser names",
        "user.browserType",
        "A web view on an iPhone names no browser. Target's old audience for iPhones includes it.",
        words("unknown"),
        words("iphone"),
    ),
    *reading(
        "browser names",
        "user.browserType",
        "Audiences for iPhones and iPads include Safari, as in the Java SDK.",
        words("mobile safari"),
        words("iphone", "ipad"),
    ),
    D(
        "places",
        "*",
        "experience: geo.*",
        "Places are compared in upper case, and cities without blanks. Node.js compares them as they are written.",
        ANY,
        ANY,
    ),
    *reading(
        "platform names",
        "user.platform",
        "Platforms are in lower case, like windows, mac and linux. Node.js writes iOS and Android as the browser does.",
        words("iOS", "Android"),
        words("ios", "android"),
    ),
    *reading(
        "referring page",
        "referring.*",
        "The referring page of a location is its referringUrl. Node.js reads its url.",
        ANY,
        ANY,
    ),
    D(
        "views",
        "*",
        "experience: fewer of several: prefetch.views.*",
        "A view that is requested twice shows an activity once. Node.js adds the offers of both requests.",
        r'^\["A\d+-\d"',
        r'^\["A\d+-\d"',
    ),
]

CALLS: Sequence[D] = [
    D(
        "qa mode and preview",
        "* hybrid: *qaMode*|* hybrid: *preview*",
        "outcome",
        "Only the edge knows the tokens of QA mode and preview.",
        words("on-device"),
        words("server-side"),
    ),
    D(
        "get_attributes",
        "get_attributes *",
        "outcome",
        "If all mboxes are prefetched, nothing is added. Node.js adds an empty execute, and refuses it.",
        "Either pageLoad or mboxes is required in execute",
        words("on-device", "server-side"),
    ),
    D(
        "remote parts",
        "* hybrid: *several*all views*",
        "outcome",
        "A request for all views includes those that only the edge can decide, also beside others.",
        words("on-device"),
        words("server-side"),
    ),
    D(
        "nested parameters",
        "*",
        "outcome",
        "If there are both a.b and a.b.c, a.b.c is ignored. Node.js fails.",
        "Cannot create property 'c' on ",
        words("on-device", "server-side"),
    ),
    D(
        "global mbox",
        "* hybrid: *global mbox*",
        "outcome",
        "A page load is the global mbox of the artifact. Node.js looks for target-global-mbox, so the edge decides.",
        words("server-side"),
        words("on-device"),
    ),
]

#: The traces of locations that may show several experiences.
LATER = "|".join(
    f"*.{location}.trace.{part}*"
    for location in ("mboxes.*-mbox@*", "pageLoad")
    for part in ("campaigns", "evaluatedCampaignTargets")
)

FORMS: Sequence[D] = [
    D(
        "supplemental data id",
        "*",
        "result.visitorState*",
        "Node.js includes the visitor library, and creates an id for Analytics.",
        "supplementalDataIDCurrent",
        ABSENT,
    ),
    D(
        "supplemental data id",
        "*",
        "sent.*.body.experienceCloud.analytics.supplementalDataId",
        "The same id in requests. Here it comes from the application's visitor.",
        '^"[0-9A-F]{16}-[0-9A-F]{16}"$',
        ABSENT,
    ),
    D(
        "beacon",
        "*",
        "sent.*.body.context.beacon",
        "As in 1.1.0, a request says that it is no beacon.",
        ABSENT,
        exactly("false"),
    ),
    D("analytics", "*", "result.analyticsDetails", "The payloads of page loads are listed, too.", ABSENT, "payload"),
    D("analytics", "*", "result.analyticsDetails.*payload*", "And beside others.", ABSENT, exactly("true")),
    D(
        "analytics",
        "*",
        "result.analyticsDetails.null",
        "An offer without a payload is not listed.",
        exactly("true"),
        ABSENT,
    ),
    D(
        "analytics",
        "*",
        "result.response.*.pageLoad.analytics",
        "A page load reports the Analytics payload of its offers.",
        ABSENT,
        "payload",
    ),
    D(
        "analytics",
        "*",
        "result.response.prefetch.views.*.analytics",
        "A view reports the Analytics payload of each of its activities. Node.js has that of the first one.",
        ABSENT,
        "payload",
    ),
    D(
        "analytics",
        "*",
        "result.response.prefetch.views.*.analytics.payload.tnta",
        "Several payloads are one, whose values are separated by commas, as at the edge.",
        r'^"[^,]*"$',
        r'^"[^,"]*(,[^,"]*)+"$',
    ),
    D(
        "analytics",
        "*",
        "result.analyticsDetails.*payload*",
        "So the payload of the first activity is not listed alone.",
        exactly("true"),
        ABSENT,
    ),
    D(
        "qa mode and preview",
        "*qaMode*|*preview*",
        "result.meta.ignored",
        "The answer says that they had no effect.",
        ABSENT,
        "qa_mode|preview",
    ),
    D(
        "views",
        "*all views*",
        "result.response.prefetch.views.*#2",
        "A view is one element, whatever requests it.",
        ANY,
        ABSENT,
    ),
    D(
        "views",
        "*all views*",
        "result.response.prefetch.views.*#1.options.*",
        "It has the offers of both requests.",
        ABSENT,
        ANY,
    ),
    D(
        "state",
        "*",
        "result.response.execute.mboxes.*.state",
        "The state is for the notification of a prefetched offer.",
        ANY,
        ABSENT,
    ),
    D("state", "*", "result.response.prefetch.pageLoad.state", "A prefetched page load has it as well.", ABSENT, '^"'),
    D(
        "metrics",
        "*",
        "result.response.prefetch.mboxes.*.metrics|*.prefetch.pageLoad.metrics",
        "Prefetched mboxes and page loads keep the metrics of clicks.",
        ABSENT,
        '"type": "click"',
    ),
    D(
        "global mbox",
        "*",
        "result.response.*.mboxes.*-mbox@*",
        "A requested mbox is always answered. Node.js leaves the global mbox out if nothing matches.",
        ABSENT,
        r'^{"index": \d, "name": "[a-z-]*-mbox"',
    ),
    D(
        "global mbox",
        "*global mbox*",
        "result.meta.remoteMboxes.target-global-mbox",
        "A page load is the global mbox of the artifact.",
        exactly("true"),
        ABSENT,
    ),
    D(
        "global mbox",
        "*global mbox*",
        "result.response.status",
        "So the page load is decided here.",
        exactly("206"),
        exactly("200"),
    ),
    D(
        "location macros",
        "*",
        "*.content",
        "${mbox.name} and ${view.name} are the name of the location, whatever its kind.",
        r"\${(mbox|view)\.name}",
        "^",
    ),
    D(
        "remote parts",
        "* server-side: *",
        "result.meta.remote*",
        "A call that the edge decides has no remote parts.",
        exactly("true"),
        ABSENT,
    ),
    D(
        "remote parts",
        "*all views*",
        "result.meta.remoteViews.remote-view",
        "A request for all views includes those that only the edge can decide, also beside others.",
        ABSENT,
        exactly("true"),
    ),
    D(
        "remote parts",
        "*all views*",
        "result.response.status",
        "So the answer is not complete.",
        exactly("200"),
        exactly("206"),
    ),
    D(
        "notifications",
        "*",
        "sent.notifications#1.query.sessionId",
        "Displays are reported in the session of the call. Node.js starts another one.",
        words("<uuid>"),
        '^"session-',
    ),
    D(
        "notifications",
        "*",
        "sent.notifications#1.body.context.geo|sent.notifications#1.body.context.geo.*",
        "A location that was not given is not sent. Node.js adds the empty object, or what it looked up.",
        ANY,
        ABSENT,
    ),
    D(
        "notifications",
        "*",
        "sent.notifications#1.body.property",
        "Displays are reported for the property of the call.",
        ABSENT,
        '"token"',
    ),
    D(
        "notifications",
        "*",
        "sent.notifications#1.body.environmentId",
        "And for its environment.",
        ABSENT,
        exactly("7"),
    ),
    D(
        "notifications",
        "* trace*",
        "sent.notifications#1.body.trace",
        "And with its trace.",
        ABSENT,
        "authorizationToken",
    ),
    D("notifications", "*qaMode*", "sent.notifications#1.body.qaMode", "And with its QA mode.", ABSENT, '"qa"'),
    D("notifications", "*preview*", "sent.notifications#1.body.preview", "And with its preview.", ABSENT, '"preview"'),
    D(
        "notifications",
        "*notifications*",
        "sent.notifications#1",
        "Notifications of a request that is decided on-device are sent. Node.js drops them.",
        ABSENT,
        "'token-1'",
    ),
    D(
        "notifications",
        "*notifications*",
        "sent.notifications#1.body.notifications.*'token-1'*",
        "They are sent together with the displays.",
        ABSENT,
        '"notification-0"',
    ),
    D(
        "customer ids",
        "*",
        "*.id.customerIds*",
        "The API refuses customer ids without an Experience Cloud id, and Node.js repeats them.",
        '"authenticatedState": "authenticated"',
        ABSENT,
    ),
    D(
        "artifact in traces",
        "*trace*",
        "*.trace.artifact.pollingHalted",
        "Without an interval there is no polling.",
        exactly("false"),
        exactly("true"),
    ),
    D("page in traces", "*trace*", "*.trace.request.host", "The host, not its registrable domain.", ANY, ANY),
    D("page in traces", "*trace*", "*.trace.request.pageURL", "The address of the location, if it has one.", ANY, ANY),
    D(
        "traces of several",
        "*trace*",
        LATER,
        "Traces are complete. Those of Node.js lack what came after the match.",
        ABSENT,
        ANY,
    ),
    D(
        "traces of several",
        "*trace*several*",
        "*.trace.campaigns*|*.trace.evaluated*|*.trace.request.view.name",
        "Each location has its own trace. Node.js mixes those of a call.",
        ANY,
        ANY,
    ),
    D("traces without options", "*trace*", "*.pageLoad.trace", "A page load without options has a trace.", ABSENT, ANY),
    D("traces without options", "*trace*", "result.trace", "It is in the list of traces.", r"absent|^\d+$", r"^\d+$"),
]

KNOWN: Sequence[D] = [*EXPERIENCES, *CALLS, *FORMS]
