"""The intended differences from the SDK for Node.js, 2.4.3.

``EXPERIENCES`` lists the only reasons for a different experience. ``CALLS`` lists the calls that only one of the two
SDKs refuses, or leaves to the edge. ``FORMS``, in ``known_forms``, lists different forms of the same decision, and
different requests.
"""

from typing import List, Sequence

from tests.comparison.comparing import KnownDifference as D
from tests.node_sdk.known_forms import FORMS
from tests.node_sdk.patterns import ANY, exactly, words


def reading(topic: str, attribute: str, why: str, theirs: str, ours: str) -> List[D]:
    """Return two entries for an attribute with different values in the two SDKs: for experiences, and for traces."""
    return [
        D(topic, "*", f"experience: {attribute}", why, theirs, ours),
        D(topic, "*trace*", f"*.trace.evaluatedCampaignTargets.*.context.{attribute}", why, theirs, ours),
    ]


EXPERIENCES: Sequence[D] = [
    *reading(
        "browser names",
        "user.browserType",
        "Target has an audience for Opera. Node.js reports the Chrome that Opera is built on.",
        words("chrome"),
        words("opera"),
    ),
    *reading(
        "browser names",
        "user.browserVersion",
        "The version is that of Opera. Node.js reports the version of Opera's Chromium.",
        exactly("125") + "|" + exactly('"125"'),
        exactly("111") + "|" + exactly('"111"'),
    ),
    *reading(
        "browser names",
        "user.browserType",
        "Chrome for iPhones and iPads calls itself CriOS, which Node.js does not know.",
        words("unknown"),
        words("chrome"),
    ),
    *reading(
        "browser names",
        "user.browserVersion",
        "The version of Chrome for iPhones and iPads (CriOS) is read. Node.js does not know this browser.",
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
        "Audiences for iPhones and iPads include their Safari, as in the Java SDK.",
        words("mobile safari"),
        words("iphone", "ipad"),
    ),
    D(
        "geographical names",
        "*",
        "experience: geo.*",
        "Geographical names are compared in upper case, and cities without blanks. Node.js compares them as written.",
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
        "If a request prefetches all named mboxes, no execute is added. Node.js adds an empty one and then refuses it.",
        "Either pageLoad or mboxes is required in execute",
        words("on-device", "server-side"),
    ),
    D(
        "remote parts",
        "* hybrid: *several*all views*",
        "outcome",
        "A request for all views includes the views that only the edge can decide, even if it also names views.",
        words("on-device"),
        words("server-side"),
    ),
    D(
        "nested parameters",
        "*",
        "outcome",
        "If a location has both parameters a.b and a.b.c, a.b.c is ignored. Node.js fails.",
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

KNOWN: Sequence[D] = [*EXPERIENCES, *CALLS, *FORMS]
