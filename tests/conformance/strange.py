"""Malformed values, and documents with a few malformed nodes."""

import copy
import json

from tests.conformance.builders import ALLOCATION, GLOBAL, artifact, halves, option, parameter, rule

#: A valid artifact.
GOOD = artifact(good=halves(1, "good"), home=halves(2))


def deep(levels, inner=None):
    """Return JSON of nested lists around ``inner``, with this number of levels."""
    return "[" * levels + ("" if inner is None else inner) + "]" * levels


#: Downloads that are not an artifact, or are an unusable one.
UNUSABLE = {
    "empty": "",
    "html": "<html><body>Forbidden</body></html>",
    "truncated": json.dumps(GOOD)[:-5],
    "not UTF-8": b"\xff\xfe\x00{",
    "a list": json.dumps([GOOD]),
    "null": "null",
    "a number": "7",
    "a string": '"rules"',
    "no version": json.dumps(artifact(without=["version"])),
    "version 2": json.dumps(artifact(changes={"version": "2.0.0"})),
    "version 10": json.dumps(artifact(changes={"version": "10.0.0"})),
    "version of another type": json.dumps(artifact(changes={"version": {"major": 1}})),
    "very deep": deep(100000),
    "deep and broken": "[" * 100000,
    "deep inside": json.dumps(GOOD)[:-1] + ', "more": ' + deep(5000) + "}",
    "a number of 401 digits": json.dumps({**GOOD, "more": 10**400}),
    "rules are a list": json.dumps(artifact(changes={"rules": []})),
    "mboxes are a list": json.dumps(artifact(changes={"rules": {"mboxes": [], "views": {}}})),
    "views are text": json.dumps(artifact(changes={"rules": {"mboxes": {}, "views": "x"}})),
    "remote mboxes are text": json.dumps(artifact(changes={"remoteMboxes": "home"})),
    # Larger than the ``max_response_bytes`` of the tests.
    "huge": json.dumps({**GOOD, "padding": "x" * 200000}),
}


def nest(levels):
    """Return a condition of nested negations, with this number of levels."""
    condition = True
    for _ in range(levels):
        condition = {"!": [condition]}
    return condition


def without(*keys):
    """Return a rule without some of its keys."""
    return {key: value for key, value in rule("x").items() if key not in keys}


#: Malformed rules. Some can be used, others cannot.
STRANGE_RULES = {
    "null": None,
    "a number": 5,
    "a string": "rule",
    "a list": [],
    "empty": {},
    "no condition": without("condition"),
    "no consequence": without("consequence"),
    "no activity": without("activityId"),
    "no key": without("ruleKey"),
    "no meta": without("meta"),
    "unknown operator": rule("x", {"regex": ["a+", {"var": "mbox.foo"}]}),
    "unknown operator within": rule("x", {"or": [False, {"and": [True, {"eval": ["1"]}]}]}),
    "attribute of a Python object": rule("x", {"__class__": []}),
    "two operators": rule("x", {"==": [1, 1], "!": [1]}),
    "condition is text": rule("x", "allocation"),
    "condition is a list": rule("x", [{"var": "allocation"}]),
    "condition is deep": rule("x", nest(40)),
    "condition is wide": rule("x", {"or": [False] * 100000}),
    "condition has too many values": rule("x", {"==": list(range(50))}),
    "condition has no values": rule("x", {"<": []}),
    "variable of a list": rule("x", {"var": [["a"], ["b"]]}),
    "variable of an object": rule("x", {"var": {"a": 1}}),
    "variable with many steps": rule("x", {"var": "mbox" + ".a" * 5000}),
    "huge numbers": rule("x", {"<": [10**90, {"*": [{"var": "allocation"}, 1e308]}]}),
    "division by zero": rule("x", {"/": [1, 0]}),
    "text that is too long": rule("x", {"cat": [{"cat": ["x" * 1000, {"var": "mbox"}]}] * 100}),
    "activity is a list": rule("x", activityId=[1]),
    "activity is an object": rule("x", activityId={}),
    "activity is text": rule("x", activityId="1"),
    "activity is a float": rule("x", activityId=1.5),
    "key is a list": rule("x", ruleKey=["1"]),
    "key is null": rule("x", ruleKey=None),
    "meta is a list": rule("x", meta=[]),
    "meta holds lists": rule("x", meta={"activity.id": [1], "offer.id": {"a": 1}, "audience.ids": "all"}),
    "tokens are text": rule("x", propertyTokens="p"),
    "tokens are numbers": rule("x", propertyTokens=[1, None]),
    "consequence is a list": {**rule("x"), "consequence": []},
    "consequence is text": {**rule("x"), "consequence": "html"},
    "options are an object": rule("x", consequence={"options": {"type": "html"}}),
    "options are null": rule("x", consequence={"options": None}),
    "an option is null": rule("x", consequence={"options": [None]}),
    "an option is text": rule("x", consequence={"options": ["html"]}),
    "metrics are text": rule("x", consequence={"metrics": "click"}),
    "a metric is null": rule("x", consequence={"metrics": [None]}),
    "a metric has strange values": rule("x", consequence={"metrics": [{"type": ["click"], "eventToken": ["a"]}]}),
    "a click has a strange token": rule("x", consequence={"metrics": [{"type": "click", "eventToken": ["a"]}]}),
    "an event token is a list": rule("x", consequence={"options": [option("x", token=["a"])]}),
    "an event token is a number": rule("x", consequence={"options": [option("x", token=5)]}),
    "a type is a list": rule("x", consequence={"options": [option("x", kind=["html"])]}),
    "html is an object": rule("x", consequence={"options": [option({"a": 1}, "html")]}),
    "actions are text": rule("x", consequence={"options": [option("x", "actions")]}),
    "actions are numbers": rule("x", consequence={"options": [option([1, None, "x", ["y"]], "actions")]}),
    "a name is an object": rule("x", consequence={"name": {"a": 1}, "state": [1], "key": {"k": 1}, "analytics": "x"}),
    "analytics are strange": rule("x", consequence={"analytics": {"payload": [1]}}),
}


AGE, FOO = {"var": "mbox.age"}, {"var": "mbox.foo"}
CLICK = {"type": "click", "eventToken": "click", "selector": "#buy", "analytics": {"payload": {"pe": "tnt"}}}
#: An artifact with each kind of rule and option.
FULL = artifact(
    {GLOBAL: [*halves(3, GLOBAL), rule("${campaign.name} ${mbox.foo}", parameter("foo", "bar"), 4, GLOBAL)]},
    {"start": [rule("view", {"in": [{"var": "page.domain"}, ["hooli.com", "x"]]}, 5, "start", propertyTokens=["p"])]},
    good=halves(1, "good"),
    home=[
        rule("x", {"and": [{"<=": [0, ALLOCATION, 70]}, {"!": AGE}]}, 2, consequence={"metrics": [CLICK]}),
        rule("y", {"or": [{"==": [{"var": "user.browserType"}, "chrome"]}, True]}, 2),
        rule("z", activity=6, consequence={"options": [option([{"type": "setHtml", "content": "${a.b}"}], "actions")]}),
    ],
)
#: Replacements for a node of a document.
STRANGE = [
    *(None, True, 0, -1, 1.5, 10**30, "", "x", "2.0.0", "\ud800", "x" * 5000, [], [None], [[]], {}, {"a": {}}, [5]),
    *({"var": "mbox"}, {"no such": []}, {"==": [1]}, {"and": []}, ["x", ["x"]], {"type": "html"}, [{"type": "click"}]),
]


def paths(value, path=()):
    """Yield the path of every node of ``value``."""
    yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from paths(value[key], (*path, key))


def mutate(original, rng):
    """Return a copy of ``original`` with a few nodes replaced or missing."""
    document = copy.deepcopy(original)
    for _ in range(rng.randint(1, 3)):
        path = rng.choice([path for path in paths(document) if path])
        parent = document
        for step in path[:-1]:
            parent = parent[step]
        if rng.random() < 0.2:
            del parent[path[-1]]
        else:
            parent[path[-1]] = copy.deepcopy(rng.choice(STRANGE))
    return document


SELF_REFERENCE = {}
SELF_REFERENCE["age"] = SELF_REFERENCE
STRANGE_VALUES = {
    "empty": "",
    "letters": "abc",
    "exponent": "1e3",
    "5000 characters": "x" * 5000,
    "a list": ["7", 8],
    "an object": {"x": "Y", "y": {"z": "Z"}},
    "null": None,
    "true": True,
    "a number": 7,
    "a huge number": 10**400,
    "many digits": "9" * 5000,
    "not a number": float("nan"),
    "infinite": float("inf"),
    "half a surrogate pair": "\ud800",
    "zeros": "\0\0",
    "bytes": b"7",
    "a set": {7},
    "itself": SELF_REFERENCE,
    "a Python object": object(),
}
STRANGE_PARAMETERS = {
    "a and a.b": {"age": "7", "age.x": "y", "age.x.y": "z"},
    "a.b and a": {"age.x.y": "z", "age.x": "y", "age": "7"},
    "dots": {".": "x", "..": "x", "a..b": "x", ".a": "x", "a.": "x", "": "x"},
    "many steps": {"age" + ".x" * 2000: "7"},
    "many": {f"p{number}": "x" for number in range(5000)},
    "numbers as names": {5: "x", None: "y", ("a", "b"): "z"},
    "attributes of Python objects": {"__class__": "x", "__proto__": "y", "get": "z", "age.__init__": "7"},
    "names with _lc": {"age": "ABC", "age_lc": "def", "age_lc_lc": "X"},
    "a list": ["age"],
    "a string": "age=7",
    "a number": 7,
}
#: Malformed parameters of an mbox, by their description.
ALL_PARAMETERS = {**{name: {"age": value} for name, value in STRANGE_VALUES.items()}, **STRANGE_PARAMETERS}

ADDRESS = {"url": "https://hooli.com/a?b#c", "referringUrl": "http://x.org"}
MBOX = {"name": "home", "index": 0, "parameters": {"foo": "bar", "age": "7"}, "address": ADDRESS, "order": {"id": "1"}}
#: A request with most of its possible fields.
WHOLE_REQUEST = {
    "requestId": "r",
    "id": {"tntId": "a.35_0", "thirdPartyId": "t", "marketingCloudVisitorId": "m", "customerIds": [{"id": "1"}]},
    "environmentId": 1,
    "property": {"token": "p"},
    "trace": {"usage": {"a": "b"}},
    "context": {
        "channel": "web",
        "address": ADDRESS,
        "geo": {"latitude": 1, "city": "x"},
        "userAgent": "Chrome/1",
        "clientHints": {"platform": "Windows", "browserUAWithMajorVersion": "x"},
    },
    "execute": {"pageLoad": {"parameters": {"a": "b"}}, "mboxes": [MBOX, {"name": GLOBAL, "index": 1}]},
    "prefetch": {"pageLoad": {"address": ADDRESS}, "views": [{"name": "start", "key": "k"}, {}], "mboxes": [MBOX]},
}

CRM = {"id": "4711", "integrationCode": "crm", "authenticatedState": "authenticated"}
#: Lists of customer ids.
CUSTOMERS = {
    "one": [CRM],
    "two": [CRM, {"id": "x", "integrationCode": "loyalty", "authenticatedState": "unknown"}],
    "without code": [{"id": "4711"}],
    "without id": [{"integrationCode": "crm"}],
    "nothing": [{}],
    "null": [None],
    "null first": [None, CRM],
    "long": [{"id": "x" * 1280, "integrationCode": "c" * 500}],
    "letters of all kinds": [{"id": "\u00fc\u4e2d\U0001f600\ud800", "integrationCode": "\u00e9"}],
    "a number": [{"id": 4711, "integrationCode": 5}],
}
