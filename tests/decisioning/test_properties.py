"""Properties of on-device calls with any artifact, request and visitor, through the public client."""

import json
import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from target_python_sdk.testing import SocketServer, answer
from target_python_sdk.types import DeliveryRequest
from tests.conformance.buckets import bucket
from tests.conformance.builders import (
    artifact,
    client_of,
    contents,
    decide,
    option,
    parameter,
    request_json,
    rule,
    share,
)
from tests.support import ANSWER_BYTES

pytestmark = pytest.mark.server

SEED = 20261122
PROPERTY = settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

NAMES = ["home", "shop", "target-global-mbox", "never heard of"]
VIEWS = ["start", "cart"]
VARIABLES = [
    *("allocation", "mbox.foo", "mbox.age", "mbox.foo_lc", "mbox.a.b", "mbox", "geo.latitude", "geo.country"),
    *("user.browserType", "user.browserVersion", "user.platform", "page.domain", "page.path_lc", "referring.query"),
    *("current_day", "current_time", "current_timestamp", "nobody.knows", "", "user", "page.url.x", "a..b"),
]
OPERATORS = [
    *("and", "or", "!", "!!", "if", "?:", "==", "!=", "===", "!==", "<", "<=", ">", ">=", "in", "var"),
    *("+", "-", "*", "/", "%", "min", "max", "cat", "substr", "missing", "missing_some", "merge"),
    *("map", "filter", "reduce", "all", "none", "some", "no such operator", "method", "log", "__class__"),
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "bar", "7", "1e3", "chrome", "0900", " ", "NaN"]),
    st.text(max_size=8),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)
LOGIC = st.recursive(
    st.one_of(SCALARS, st.sampled_from(VARIABLES).map(lambda name: {"var": name})),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(OPERATORS), st.lists(inner, max_size=4)).map(lambda pair: {pair[0]: pair[1]}),
        st.tuples(st.sampled_from(OPERATORS), inner).map(lambda pair: {pair[0]: pair[1]}),
        st.lists(inner, max_size=3),
    ),
    max_leaves=12,
)
MACROS = st.sampled_from(["${campaign.name}", "${mbox.foo}", "${mbox.name}", "${a.b.c}", "${", "}", "$", " ", "\\1"])
CONTENT = st.one_of(JSON, st.lists(MACROS, max_size=5).map("".join), st.lists(JSON, max_size=2))


def or_none(strategy):
    """Return a strategy for None and the values of ``strategy``."""
    return st.one_of(st.none(), strategy)


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["html", "json", "actions", "redirect", "dynamic", "new"]),
        "content": CONTENT,
        "eventToken": st.text(max_size=5),
    },
)
METRICS = st.fixed_dictionaries(
    {},
    optional={"type": st.sampled_from(["click", "display"]), "eventToken": st.text(max_size=5), "selector": st.text()},
)
CONSEQUENCES = st.fixed_dictionaries(
    {"options": st.lists(OPTIONS, max_size=3), "metrics": st.lists(METRICS, max_size=2)}
)
RULES = st.builds(
    lambda condition, activity, key, consequence, tokens: rule(
        "x", condition, activity, ruleKey=key, propertyTokens=tokens, consequence=consequence
    ),
    LOGIC,
    st.integers(1, 4),
    st.sampled_from(["1", "2", "2-0", "2-1", "3"]),
    CONSEQUENCES,
    or_none(st.lists(st.sampled_from(["p", "q"]), max_size=2)),
)
ARTIFACTS = st.builds(
    lambda mboxes, views, remote: artifact(mboxes, views, changes={"remoteMboxes": remote}),
    st.dictionaries(st.sampled_from(NAMES), st.lists(RULES, max_size=4)),
    st.dictionaries(st.sampled_from(VIEWS), st.lists(RULES, max_size=4)),
    st.lists(st.sampled_from(NAMES), max_size=1),
)
PARAMETERS = st.dictionaries(
    st.one_of(st.sampled_from(["foo", "age", "a", "a.b", "a.b.c", "a..b", ".", "foo_lc"]), st.text(max_size=5)),
    st.one_of(st.sampled_from(["bar", "BAR", "7", "", "abc", "1e3"]), JSON),
    max_size=4,
)
ADDRESSES = st.fixed_dictionaries({}, optional={"url": st.text(max_size=30), "referringUrl": st.text(max_size=30)})
DETAILS = st.fixed_dictionaries({}, optional={"parameters": PARAMETERS, "address": ADDRESSES})
VISITOR_IDS = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional={
            "tntId": st.text(min_size=1, max_size=40),
            "thirdPartyId": st.text(min_size=1, max_size=40),
            "marketingCloudVisitorId": st.text(min_size=1, max_size=40),
            "customerIds": st.lists(st.fixed_dictionaries({"id": st.text(max_size=9)}), max_size=2),
        },
    ),
)
TEXT = st.text()
CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "userAgent": st.one_of(TEXT, st.sampled_from(["Chrome/120.0", "MSIE 10.0; Windows", "Edg/"])),
        "clientHints": st.fixed_dictionaries({}, optional={"platform": TEXT, "browserUAWithMajorVersion": TEXT}),
        "geo": st.fixed_dictionaries({}, optional={"latitude": st.floats(-90, 90), "city": st.text(max_size=20)}),
        "address": ADDRESSES,
    },
)
REQUESTS = st.builds(
    lambda visitor, context, mboxes, page, views, mode, trace, token: request_json(
        mode,
        [{**details, "name": name} for name, details in mboxes],
        visitor,
        context=context,
        pageLoad=page,
        trace=trace,
        property=None if token is None else {"token": token},
        **({"views": [{**details, **name} for name, details in views]} if mode == "prefetch" else {}),
    ),
    VISITOR_IDS,
    CONTEXTS,
    st.lists(st.tuples(st.sampled_from(NAMES), DETAILS), max_size=3),
    DETAILS,
    st.lists(st.tuples(st.sampled_from([{}, {"name": "start"}, {"name": "cart"}]), DETAILS), max_size=2),
    st.sampled_from(["execute", "prefetch"]),
    st.sampled_from([None, {}]),
    st.sampled_from([None, "p"]),
)


KNOWN_VISITORS = st.one_of(
    # A tntId that begins with a dot contains only a location hint, and identifies no visitor.
    st.builds(lambda text: {"tntId": text}, st.text(min_size=1, max_size=40).filter(lambda text: text[0] != ".")),
    st.builds(lambda text: {"thirdPartyId": text}, st.text(min_size=1, max_size=128)),
    st.builds(lambda text: {"marketingCloudVisitorId": text}, st.text(min_size=1, max_size=40)),
)


@pytest.fixture(scope="module")
def edge():
    """Yield the address of an edge that accepts every notification."""
    with SocketServer(answer(ANSWER_BYTES)) as server:
        yield server.domain


class FormattingLogger:
    """A logger that formats every line and discards it."""

    def debug(self, message, *arguments):
        message % arguments

    error = debug


class DisabledLogger(FormattingLogger):
    """A disabled logger, for tests with many calls."""

    def isEnabledFor(self, level):
        return False


def client_at(edge, document):
    """Return a client that decides with ``document``, and whose log lines are formatted and discarded."""
    return client_of(document, edge, logger=FormattingLogger())


def decisions(envelope):
    """Return the decision without the request id, which differs for each call."""
    decided = envelope["response"].to_dict(by_alias=True, exclude_none=True)
    decided.pop("requestId")
    return decided


@pytest.mark.slow
@PROPERTY
@given(ARTIFACTS, REQUESTS)
def test_no_combination_of_artifact_and_request_makes_a_call_raise(edge, document, request):
    with client_at(edge, document) as client:
        envelope = decide(client, request)
    assert envelope["response"].status in (200, 206)
    assert envelope["meta"]["decisioning_method"] == "on-device"
    json.dumps(envelope["response"].to_dict(by_alias=True, exclude_none=True))


@pytest.mark.slow
@PROPERTY
@given(ARTIFACTS, REQUESTS, KNOWN_VISITORS)
def test_equal_visitors_get_equal_answers_from_any_client(edge, document, request, visitor):
    visitor_request = {**request, "id": visitor}
    visitor_request.pop("trace", None)
    before = json.dumps(document)
    with client_at(edge, document) as one, client_of(json.loads(before), edge) as another:
        first = decisions(decide(one, visitor_request))
        assert decisions(decide(one, visitor_request)) == first
        assert decisions(decide(another, visitor_request)) == first
    assert json.dumps(document) == before


@pytest.mark.slow
@PROPERTY
@given(ARTIFACTS, REQUESTS)
def test_a_location_gets_at_most_one_experience_of_an_activity(edge, document, request):
    for locations in document["rules"].values():
        for rules in locations.values():
            for number, one in enumerate(rules):
                one["ruleKey"] = str(one["activityId"])
                one["consequence"] = {"name": "x", "options": [option("{} {}".format(one["activityId"], number))]}
    with client_at(edge, document) as client:
        decided = decide(client, request)["response"]
    for part in (decided.execute, decided.prefetch):
        if part is not None:
            mboxes = {}
            for mbox in part.mboxes or ():
                mboxes.setdefault(mbox.index, []).extend(mbox.options or ())
            locations = [*mboxes.values(), part.page_load.options if part.page_load is not None else ()]
            locations += [view.options for view in getattr(part, "views", None) or ()]
            for options in locations:
                activities = [one.content.partition(" ")[0] for one in options]
                assert len(activities) == len(set(activities))


def split_at(cuts, audience=True):
    """Return the rules of an activity that divides all visitors at ``cuts``, and a list of 0, the cuts and 10000.

    Cuts are in hundredths of a percent. The content of a rule is the number of its experience.
    """
    ends = [0, *sorted(cuts), 10000]
    shares = [share(low / 100, high / 100) for low, high in zip(ends, ends[1:])]
    rules = [rule(str(number), {"and": [one, audience]}, 7, experience=number) for number, one in enumerate(shares)]
    return rules, ends


@PROPERTY
@given(st.sets(st.integers(1, 9999), max_size=9), KNOWN_VISITORS, st.booleans())
@example({5000}, {"thirdPartyId": "\U0001f600"}, True)
def test_shares_that_add_up_to_100_give_every_visitor_the_right_experience(edge, cuts, visitor, matches):
    rules, ends = split_at(cuts, parameter("foo", "bar"))
    parameters = {"foo": "bar" if matches else "cow"}
    mboxes = [{"name": name, "parameters": parameters} for name in ("home", "target-global-mbox")]
    with client_at(edge, artifact({"home": rules, "target-global-mbox": rules})) as client:
        found = contents(decide(client, request_json(mboxes=mboxes, visitor=visitor)))
    (visitor_id,) = visitor.values()
    if "tntId" in visitor:
        visitor_id = visitor_id.partition(".")[0]
    if not matches:
        assert found == [[], []]
    else:
        position = round(bucket("acmeclient", 7, visitor_id) * 100)
        expected = next(number for number, end in enumerate(ends[1:]) if position <= end)
        assert found == [[str(expected)], [str(expected)]]


#: The shares of the experiences in each of two activities, in percent.
WEIGHTS = [10, 20, 30, 40]
#: With 3 and with 15 degrees of freedom, a chi-square value exceeds these bounds with a probability of one in a
#: million.
BOUND_3, BOUND_15 = 30.7, 57.4


def chi_square(observed, expected):
    """Return the deviation of the observed counts from the expected ones."""
    return sum((count - mean) ** 2 / mean for count, mean in zip(observed, expected))


@pytest.mark.slow
@pytest.mark.parametrize("count", [25000, pytest.param(100000, marks=pytest.mark.fuzz)])
def test_visitors_are_distributed_by_the_weights(edge, count):
    rules, _ = split_at([1000, 3000, 6000])
    numbers = {"home": 31, "shop": 32}
    mboxes = {name: [{**one, "activityId": number} for one in rules] for name, number in numbers.items()}
    rng = random.Random(SEED)
    pairs = Counter()
    request = DeliveryRequest.from_dict(request_json(mboxes=("home", "shop")))
    with client_of(artifact(mboxes), edge, logger=DisabledLogger()) as client:
        for _ in range(count):
            request.id.tnt_id = f"{rng.getrandbits(128):032x}"
            home, shop = contents(client.get_offers({"request": request}))
            assert len(home) == len(shop) == 1
            pairs[int(home[0]), int(shop[0])] += 1
    expected = [count * weight / 100 for weight in WEIGHTS]
    for activity in (0, 1):
        counts = [sum(many for pair, many in pairs.items() if pair[activity] == number) for number in range(4)]
        assert chi_square(counts, expected) < BOUND_3, counts
    # The experience in one activity does not depend on that in the other.
    expected = [count * one * other / 10000 for one in WEIGHTS for other in WEIGHTS]
    assert chi_square([pairs[one, other] for one in range(4) for other in range(4)], expected) < BOUND_15
