"""The differences from 1.1.0 that are on purpose.

``B…`` is a defect of 1.1.0 that is mended here, ``D…`` a place where its docs and its code disagree; a word
is a section of the decisions that this project began with, with the row of its table.
"""

from typing import Dict, List, Sequence

from tests.compat.comparing import Difference as D

#: What is None, or is not there.
NOTHING = '^(null|"<absent>")$'
ENVELOPE = '"request": {'
TEXT = "came*.text"

EVERYWHERE: List[D] = [
    D(
        "B11",
        "*",
        "asked.*.headers.user-agent",
        "It says who it is.",
        "OpenAPI-Generator|urllib3/",
        "AdobeTargetPython/",
    ),
    D("B11", "*", "asked.*.headers.accept-encoding", "Answers may be compressed.", "identity", "gzip"),
    D(
        "B11",
        "*",
        "asked.*.headers.x-exc-sdk*",
        "Artifacts are asked for by name as well.",
        "absent",
        "Python|<version>",
    ),
    D("B29", "*", "asked.*.body.id", "An id that says nothing is not sent.", "^{}$", "<absent>"),
    D("B29", "*", "came*request.id", "Nor is there one in the request that was sent.", '"is": "VisitorId"', NOTHING),
    D("D1", "*", "came*.max_age", "The documented spelling, beside the one that was there.", "<absent>", r"^\d+$"),
]

REQUESTS: List[D] = [
    D(
        "B5",
        "get offers: a beacon|odd answers: 20*",
        "came",
        "Every success is one, with a body or without.",
        "to_dict",
        ENVELOPE,
    ),
    D("B15", "get offers: an order with a time*", "came|asked.0", "No log line keeps an order's time from being sent."),
    D(
        "B15",
        "get offers: a parameter that is no JSON",
        "came*",
        "It was the log line that could not be made; now the request is refused.",
        "TypeError|set",
        "absent|JSON",
    ),
    D(
        "B20",
        "get offers: a supplemental data id",
        "*supplemental*|came.request.experience_cloud.analytics.*",
        "The caller's id is kept.",
        NOTHING,
        "33 times A",
    ),
    D(
        "B21",
        "get offers: the request afterwards|*the caller's request afterwards",
        "came.*request.*|came.0.context.*",
        "The caller's request is left alone.",
        "",
        NOTHING,
    ),
    D("B24", "*a request id", "*request*d", "The caller's id is kept.", "<uuid", "request-1"),
    D(
        "B24",
        "get offers: environment, of *",
        "*nvironment*d",
        "The request's environment is kept, the client's a default.",
        "8|null|absent",
        "7",
    ),
    D("B24", "get offers: a time offset", "*ffset*", "The caller's offset is kept.", "^0$", "-480"),
    D(
        "B25",
        "get offers: ids, customer ids of the call|get offers: ids, customer ids of both",
        "*ustomer*ds*|came.visitor_state",
        "The option is sent, before those of the request, and told to the page.",
    ),
    D(
        "B26",
        "*mboxes without index*|*mboxes, without indexes",
        "*mboxes.*.index",
        "Mboxes get an index.",
        "null|absent",
        r"^\d$",
    ),
    D(
        "B27",
        "get offers: ids, no consumer id",
        "came.asked for.0",
        "The consumer has its default.",
        "null",
        "target-global-mbox",
    ),
    D(
        "B28",
        "get offers: ids, a visitor's customers|deciding: on-device, a visitor's state",
        "*",
        "States are read as the visitor's library writes them.",
        "caught as|absent",
    ),
    D("B30", "*None among the*", "*", "None among mboxes and notifications is left out.", "AttributeError|absent"),
    D("B30", "*notifications, a timestamp as text", "*", "A text is no timestamp: that notification is left out."),
    D("B31", "get offers: cookie an age with a fraction", "*", "Such ages are read, as at.js writes them."),
    D(
        "B31",
        "get offers: cookie a device that names a host|tools: cookies.serialize_cookie",
        "came*",
        "Slashes are quoted.",
        "/",
        "%2F",
    ),
    D("D10", "get offers: a request without a context", "*", "The context may be missing.", "context|absent"),
    D(
        "Calls: session id",
        "get offers: ids, a session id *|get offers: cookie a session of*|get offers: cookie a slash*"
        "|get offers: cookie a line break|get offers: cookie parts in letters to be quoted",
        "asked.0.query.sessionId|came.target_cookie.value",
        "What the API would refuse is replaced, always by the same id.",
        "",
        "<uuid",
    ),
    D(
        "Reliability: cookies",
        "get offers: cookie a NUL|get offers: cookie a device of 200*|get offers: cookie a number"
        "|get offers: cookie parts in letters to be quoted",
        "asked.0*|came|came.response.id.*|came.target_cookie.value|came.request.id*",
        "A device id or a cookie that cannot be one is ignored.",
        r"u0000|%00|caught as|absent|d e\.35|d%20e|is",
    ),
    D(
        "Calls: hint in a host name",
        "get offers: ids, a hint that names a host",
        "came.target_location_hint_cookie.value",
        "Such a hint is ignored.",
        "evil",
        "35",
    ),
    D(
        "Calls: AsyncResult",
        "*with callbacks|odd answers: called back, wrong types",
        "came.get()",
        "get() gives the envelope, as the callback is given it (B8).",
        '"is": "DeliveryResponse"|null',
        ENVELOPE,
    ),
    D(
        "Calls: AsyncResult",
        "*with callbacks",
        "came.given.0.1.*",
        "Only where the same id is first seen is another place (B8).",
        r"get\(\).id",
        r"get\(\).response.id",
    ),
]

ATTRIBUTES: List[D] = [
    D("B9", "*with a callback, twice", "came.*.1", "The caller's callback is left as it was.", "absent|false"),
    D("B22", "*attributes, without a request", "*", "Nothing of one call is left for the next."),
    D(
        "B26",
        "*attributes, of one beside mboxes without index",
        "*",
        "Mboxes without index are no obstacle.",
        "NoneType|absent",
    ),
    D(
        "B49",
        "*attributes*",
        "came*home|came*default|came*",
        "An mbox without JSON offers is an empty dict.",
        "absent|null|not iterable",
        r"^\{\}|\{\}",
    ),
    D(
        "Calls: get_attributes",
        "*attributes, of one that is prefetched",
        "*",
        "It is enough that a name is asked for anywhere.",
        "Either pageLoad|absent",
    ),
]

DECIDING: List[D] = [
    D("B21", "deciding: *", "asked.0.body.context.geo", "No empty place is put into the request.", "^{}$", "absent"),
    D(
        "B50",
        "deciding: on-device, nobody known",
        "came.*",
        "The id that was made is in the request, too.",
        "absent|<uuid",
        "<uuid of came.request.id.tnt_id>",
    ),
    D(
        "B59",
        "deciding: *",
        "asked.0.query.sessionId",
        "Notifications are of the call's session.",
        "<uuid",
        "session-of-the-scenario",
    ),
    D("B61", "deciding: *a trace*", "came*trace.*", "Only what is known is in a trace.", "null", NOTHING),
    D(
        "B67",
        "deciding: *a trace*",
        "came*trace*.artifact.*",
        "An artifact that was handed over was never fetched, and none follows.",
    ),
    D(
        "B57",
        "deciding: on-device, telemetry on",
        "asked.0",
        "Telemetry goes with the next call to the edge, not by itself.",
        "telemetry",
        "absent",
    ),
    D(
        "On-device: start-up ping",
        "deciding: on-device, without a hint",
        "came*|asked*",
        "The hint of its start is in its cookie.",
    ),
    D(
        "B7",
        "deciding: on-device, with callbacks",
        "came",
        "Callbacks are called whoever decides.",
        "no attribute 'wait'",
    ),
    D(
        "B34",
        "deciding: *a look-up of the place that fails",
        "came",
        "A call does not wait for ever for a place.",
        "hangs",
        ENVELOPE,
    ),
    D(
        "B38",
        "deciding: *",
        "came.response.*.page_load|came.answer.*.page_load",
        "A page load is decided where one is asked for.",
        '"is"',
        NOTHING,
    ),
    D("B38", "deciding: *", "came.response_tokens*|came.trace.*", "Nor are there tokens and traces of it."),
    D("B38", "deciding: *", "asked.*", "Nor is it told as displayed.", "target-global-mbox"),
    D(
        "B45",
        "deciding: on-device, display metrics, executed",
        "came.response.execute.mboxes.0.metrics*",
        "Executed options have click metrics only.",
        "display",
        "null|absent",
    ),
    D(
        "B46",
        "deciding: on-device, empty content, executed",
        "came*options*|came.response_tokens*|asked.*",
        "Empty content is content.",
        "absent|null",
    ),
    D(
        "B47",
        "deciding: *",
        "came.*.is",
        "Each place has its own class.",
        "MboxResponse",
        "PrefetchMboxResponse|PageLoadResponse|View",
    ),
    D("B47", "deciding: *", "came.*.state|came.*.key", "With its state and key.", "absent"),
    D(
        "B47",
        "deciding: *",
        "came*.options.*.content.*",
        "Actions are dicts, as the edge gives them.",
        '"is": "Action"',
        "cssSelector",
    ),
    D("B48", "deciding: *a trace, executed", "*", "A trace is JSON.", "Notification|absent"),
    D(
        "B49",
        "deciding: *attributes*",
        "came*",
        "An mbox without JSON offers is an empty dict.",
        "absent|not iterable",
        "{}",
    ),
    D("B51", "deciding: *a number that is none", "*", "No parameter raises out of a call.", "invalid literal|absent"),
    D(
        "B52",
        "deciding: *a platform's audience",
        "*",
        "Platforms are called what audiences call them.",
        "null|absent|token-page",
    ),
    D(
        "B52",
        "deciding: *a trace*",
        "*.user.platform",
        "Platforms are called what audiences call them.",
        "Unknown",
        "unknown",
    ),
    D(
        "B33",
        "deciding: hybrid, *",
        "came.meta.decisioning_method|came.*.meta.decisioning_method",
        "It names who decided.",
        "hybrid",
        "on-device|server-side",
    ),
    D(
        "On-device: elements",
        "deciding: *",
        "came.response.is|came*.is",
        "An answer is the class that the schema has for it.",
        "DecisionProviderResponse",
        "DeliveryResponse",
    ),
    D(
        "On-device: artifact version",
        "deciding: *another version",
        "came.text",
        "An artifact of another version is no artifact.",
        "not supported",
        "not ready",
    ),
]

REFUSALS: List[D] = [
    D(
        "B6",
        "options and events: *callback that is none",
        "came|asked.0",
        "What cannot be called is refused at once; it lost the answer.",
        "ApplyResult|hangs|POST",
        "Callback must be|absent",
    ),
    D(
        "D7",
        "options and events: *handler without a parameter",
        "came.called",
        "Such a handler is called.",
        "false",
        "true",
    ),
    D(
        "Types: enumerations",
        "options and events: *Enum's member",
        "came|asked.0|came.meta.decisioning_method",
        "A member is as good as its word.",
        "Invalid Decisioning Method|absent|enum",
    ),
    D(
        "Errors: new cases",
        "options and events: *names are a text|options and events: *get_attributes: request is a dict",
        "came.*|asked.0",
        "An error that came of something else says what was expected, before anything is sent.",
        "TypeError|AttributeError|attribute|iterable|POST",
        "expected|required|absent",
    ),
    D(
        "Errors: texts",
        "options and events: *made by its class, without",
        "came*",
        "The words of 1.1.0 for a client made by its class.",
        "TypeError|argument",
        "absent|create",
    ),
    D(
        "Errors: HTTP status",
        "options and events: events, artifact_download_failed",
        "came.given.0.error.*",
        "The error is the one of any status that is no answer.",
    ),
]

ANSWERS: List[D] = [
    D("B1", "odd answers: another host", "*", "Each client has its own host."),
    D("B2", "odd answers: slow, with a timeout", "came", "The timeout holds.", "", "DeadlineExceeded"),
    D("B5", "odd doors: *20*", "came*", "Every success is one.", "null", "DeliveryResponse"),
    D("B6", "odd answers: called back, 204", "came.*", "Whatever comes of a call, its result is ready."),
    D(
        "B18",
        "odd *: *a long tntId|odd *: *a number as content|odd *: *wrong types|doors: deserialize *",
        "came*",
        "Values of an answer are taken as they are.",
        "caught as|err_callback|null|absent|^5.0$",
    ),
    D(
        "Calls: retries",
        "odd answers: 429|odd answers: 50[23]*|odd answers: called back, 503",
        "asked.1|asked.2",
        "Asked three times before the call fails.",
        "absent",
    ),
    D("Calls: redirects", "odd *: *301", "came*", "Redirects are refused."),
    D(
        "Errors: HTTP status",
        "odd *|doors: *|*notifications, *",
        TEXT,
        "Headers as a dict, without Set-Cookie.",
        "HTTPHeaderDict",
        "Reason: ",
    ),
    D(
        "Errors: wrong structure",
        "odd *|doors: deserialize no JSON as an answer",
        "came*",
        "What is no answer is an error, not an empty answer.",
        "",
        "InvalidResponse|err|null",
    ),
    D(
        "Errors: wrong structure",
        "odd answers: NaN|odd answers: Latin-1|odd answers: null",
        "came*",
        "It says what is wrong with the answer.",
        "",
        "the answer is|absent",
    ),
    D("Errors: wrong structure", "odd answers: a byte order mark", "came*", "It is read over."),
    D(
        "Errors: connect, dropped connection",
        "odd answers: half a body|no answer: *",
        "came*",
        "It says what became of the connection.",
        "",
        "absent|connection",
    ),
]

DOORS: List[D] = [
    D(
        "Calls: hint in a host name",
        "tools: helper.extract_cluster_from_edge_host",
        "came.results.4",
        "No cluster is None, however the host looks.",
        '""',
        "null",
    ),
    D("Errors: texts", "doors: sanitize something else", "came*", "It says what was expected."),
    D(
        "Errors: texts",
        "doors: exceptions",
        "came.args.9.*",
        "An error carries nothing but its attributes when it is pickled.",
    ),
    D(
        "B1",
        "doors: Configuration of two hosts",
        "came.*",
        "A configuration has its own host.",
        "<server>",
        "http://[ab]",
    ),
    D("Types: the wire", "doors: sanitize a time", "came", "A time without a zone is UTC.", "", r"\+00:00"),
    D("Types: the wire", "doors: deserialize an order", "came.total", "Numbers stay what they are.", "5.0", "5"),
    D(
        "B64",
        "tools: hashing.hash_unencoded_chars",
        "came.*",
        "Nothing is remembered, so no key is made of the seed.",
        "sequence item",
    ),
    D("B55", "tools: perf_tool", "came.end", "Parts of a millisecond are measured.", "int", "float"),
]

#: Attributes that came after 1.1.0, by class (Types: constructor).
NEWER: Dict[str, Sequence[str]] = {
    "Context": ("client_hints",),
    "DeliveryResponse": ("telemetry_server_token",),
    "TelemetryEntry": ("mode", "parsing", "request", "telemetry_server_token"),
    "TelemetryFeatures": (
        "execute_mbox_count", "execute_page_load", "prefetch_mbox_count", "prefetch_page_load", "prefetch_view_count",
    ),
}  # fmt: skip

#: Attributes whose type was another, by class and name: the schema's own is told now (Types: the wire).
RETYPED = {("TelemetryEntry", "execution"): ("int", "float")}

MODELS: List[D] = [
    D("D10", "DeliveryRequest*", "made|then|after|manners", "The context may be missing.", "`context`|absent"),
    D(
        "Types: constructor",
        "TelemetryFeatures*|TelemetryEntry*|Context*|DeliveryResponse*",
        "made|made.text|then|after|manners",
        "Newer fields stand last, by position too.",
        "positional argument|absent",
    ),
    D(
        "Types: enumerations",
        "*",
        "made*.text",
        "Python's own words for a class of constants.",
        "__init__",
        "takes no arguments",
    ),
    D("Types: to_dict", "*", "*to_dict", "It is what is sent, where a tuple is a list.", "absent", r"\["),
]

#: What 1.1.0 let pass, and what it said of what it did not.
STRICTER: List[D] = [
    D(
        "Errors: new cases",
        "options and events: options of get_offers: another decisioning method",
        "came*|asked*",
        "A word that names no method is refused, as it is for a client; it was taken for server-side.",
    ),
    D(
        "B29",
        "options and events: *mboxes without a name",
        "*.execute",
        "An execute that asks for nothing is not sent.",
        r"^\{",
        NOTHING,
    ),
    D(
        "Calls: envelope",
        "tools: dicts of limited keys",
        "came.copy|came.made.visitor_state|came.set",
        "visitor_state is always there, a copy is an envelope again, and an application may add keys of its own.",
    ),
    D(
        "import surface 6.6",
        "tools: event_provider.target_event",
        "came.*",
        "A payload's type does not overwrite the event's.",
    ),
    D(
        "Errors: new cases",
        "doors: deserialize a kind nobody knows",
        "came",
        "A type that nobody knows is named, where the JSON itself was returned.",
    ),
    D(
        "Errors: new cases",
        "doors: Configuration, get_host_from_settings",
        "came.text",
        "The KeyError says what is missing.",
    ),
]

ON_PURPOSE = [*EVERYWHERE, *REQUESTS, *ATTRIBUTES, *DECIDING, *REFUSALS, *ANSWERS, *DOORS, *STRICTER]
