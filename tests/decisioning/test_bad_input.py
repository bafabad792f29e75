"""With any input, calls raise only SDK errors, visitors keep their experiences, and warnings are not repeated."""

import copy
import json
import logging
import random
import re
import threading

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.errors import ArtifactNotAvailable, InvalidArtifact, InvalidResponse, OptionError, TargetError
from target_python_sdk.testing import SocketServer, answer
from target_python_sdk.types import DeliveryRequest, MboxRequest
from tests.conformance.buckets import bucket
from tests.conformance.builders import (
    GLOBAL,
    artifact,
    client_of,
    contents,
    decide,
    first_content,
    halves,
    on_device,
    parameter,
    request_json,
    rule,
    yes_or_no,
)
from tests.conformance.strange import (
    AGE,
    ALL_PARAMETERS,
    CUSTOMERS,
    FOO,
    FULL,
    GOOD,
    STRANGE_RULES,
    UNUSABLE,
    WHOLE_REQUEST,
    mutate,
)
from tests.support import ANSWER_BYTES

pytestmark = pytest.mark.server

#: The maximum number of seconds to wait for an event.
PATIENCE = 15
SEED = 20261122
VISITORS = [f"visitor-{number}" for number in range(12)]
#: The experience of activity 1 that each visitor gets.
EXPECTED = ["A" if bucket("acmeclient", 1, visitor) <= 50 else "B" for visitor in VISITORS]


def experiences(client):
    """Return the content that each visitor gets in the mbox ``good``."""
    return [first_content(client, request_json(mboxes=["good"], visitor=visitor)) for visitor in VISITORS]


# Unusable artifacts


#: The value of the option ``max_response_bytes``. One of the unusable artifacts is larger.
SMALL = {"artifact": 100000}


class FailedDownloads:
    """Records the events of a client's failed downloads."""

    def __init__(self):
        self.received = []
        self._first = threading.Event()

    def events(self):
        """Return the value of the client's option ``events``."""
        return {"artifact_download_failed": self._record}

    def wait(self):
        """Wait for the first failure."""
        assert self._first.wait(PATIENCE), "the download emitted no event"

    def _record(self, event):
        self.received.append(event)
        self._first.set()


def download_options(cdn, edge, failures, **options):
    """Return the options of a client that downloads from ``cdn`` and sends notifications to ``edge``."""
    location = f"http://{cdn.domain}/rules.json"
    events = failures.events()
    defaults = on_device(None, edge.domain, artifact_location=location, events=events, max_response_bytes=SMALL)
    del defaults["artifact_payload"]
    return {**defaults, "retries": 1, **options}


@pytest.mark.parametrize("body", UNUSABLE.values(), ids=UNUSABLE)
def test_with_an_unusable_artifact_the_edge_decides_hybrid_calls(body, caplog):
    failures = FailedDownloads()
    with SocketServer(answer(body)) as cdn, SocketServer(answer(ANSWER_BYTES)) as edge:
        with TargetClient.create(download_options(cdn, edge, failures, decisioning_method="hybrid")) as client:
            failures.wait()
            envelope = decide(client, request_json("execute"))
            assert contents(envelope, "execute") == [["<b>A</b>"]]
            assert envelope["meta"]["decisioning_method"] == "server-side"
    assert isinstance(failures.received[0].error, InvalidResponse)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert max(map(len, caplog.messages)) < 3000


@pytest.mark.parametrize("body", UNUSABLE.values(), ids=UNUSABLE)
def test_a_usable_artifact_is_kept_if_the_next_one_is_unusable(body):
    failures = FailedDownloads()
    with SocketServer(answer(body)) as cdn, SocketServer(answer(ANSWER_BYTES)) as edge:
        options = download_options(cdn, edge, failures, artifact_payload=GOOD, polling_interval=100)
        with TargetClient.create(options) as client:
            failures.wait()
            assert experiences(client) == EXPECTED
    assert all(isinstance(event.error, InvalidResponse) for event in failures.received)


@pytest.mark.parametrize("payload", [{}, {"version": "2.0.0"}], ids=str)
def test_an_unusable_payload_emits_an_event_and_raises_nothing(payload):
    failures = FailedDownloads()
    with SocketServer(answer(ANSWER_BYTES)) as edge:
        options = on_device(payload, edge.domain, events=failures.events(), decisioning_method="hybrid")
        with TargetClient.create(options) as client:
            failures.wait()
            assert contents(decide(client, request_json("execute")), "execute") == [["<b>A</b>"]]
    assert isinstance(failures.received[0].error, InvalidArtifact)


# Artifacts with unusable parts


@pytest.fixture(scope="module")
def edge():
    """Yield the address of an edge that accepts every notification."""
    with SocketServer(answer(ANSWER_BYTES)) as server:
        yield server.domain


def warnings_in(caplog):
    """Return the messages of the warnings and errors."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.slow
@pytest.mark.parametrize("trace", [None, {}], ids=["plain", "traced"])
@pytest.mark.parametrize("strange", STRANGE_RULES.values(), ids=STRANGE_RULES)
def test_an_unusual_rule_raises_nothing_and_changes_no_other_decision(strange, trace, edge, caplog):
    mboxes = {"good": halves(1, "good"), "home": [strange, rule("fallback", False, 2)], GLOBAL: [strange]}
    document = artifact(mboxes, {"start": [strange]})
    with client_of(document, edge) as client:
        skip_warnings = warnings_in(caplog)
        for request in (
            request_json("execute", ["home", "good"], VISITORS[0], pageLoad={}, trace=trace),
            request_json(mboxes=["good", "home"], pageLoad={}, views=[{}, {"name": "start"}], trace=trace),
        ):
            envelope = decide(client, request)
            json.dumps(envelope["response"].to_dict(by_alias=True, exclude_none=True))
        client.flush()
        assert experiences(client) == EXPECTED
    # Either the rule is used, or its three locations are left to the edge, each with one warning.
    assert len(skip_warnings) == (3 if envelope["response"].status == 206 else 0)
    assert all(len(line) < 1000 for line in skip_warnings)
    assert [line for line in warnings_in(caplog) if "Skipped" in line] == skip_warnings


@pytest.mark.parametrize("rules", [None, {}, "x", 5, True], ids=str)
def test_rules_of_the_wrong_type_make_their_mbox_remote(rules, edge, caplog):
    with client_of(artifact({"good": halves(1, "good"), "home": rules}), edge) as client:
        envelope = decide(client, request_json(mboxes=["home", "good"]))
        assert experiences(client) == EXPECTED
    assert envelope["response"].status == 206
    assert envelope["meta"]["remote_mboxes"] == ["home"]
    assert len(warnings_in(caplog)) == 1


def test_a_thousand_unsupported_rules_do_not_flood_the_log(edge, caplog):
    rules = [rule("x", {"regex": [number]}) for number in range(1000)]
    with client_of(artifact(good=halves(1, "good"), home=rules), edge) as client:
        for _ in range(3):
            assert decide(client)["response"].status == 206
        assert experiences(client) == EXPECTED
    assert 1 <= len(warnings_in(caplog)) < 50


@pytest.mark.slow
@pytest.mark.parametrize("count", [200, pytest.param(50000, marks=pytest.mark.fuzz)])
def test_a_mutated_artifact_gives_decisions_or_is_refused(count, edge):
    rng = random.Random(SEED)
    seen = {"decided": 0, "refused": 0}
    mboxes = ["good", {"name": "home", "parameters": {"foo": "bar", "age": "7", "a.b": "c"}}, GLOBAL]
    views = [{"name": "start", "address": {"url": "https://hooli.com"}}, {}]
    for number in range(count):
        document = mutate(FULL, rng)
        trace = None if number % 2 else {}
        with client_of(document, edge) as client:
            try:
                decide(client, request_json("execute", mboxes, pageLoad={}, trace=trace))
                request = request_json(mboxes=mboxes, pageLoad={}, views=views, trace=trace)
                decided = decide(client, request)["response"]
            except ArtifactNotAvailable:
                seen["refused"] += 1
                continue
        assert decided.status in (200, 206)
        json.dumps(decided.to_dict(by_alias=True, exclude_none=True))
        seen["decided"] += 1
    assert min(seen.values()) > count / 50


# Requests


UNUSUAL_CONDITIONS = [
    {"<": [5, AGE]},
    {"<=": [1, AGE, 9]},
    {"==": [AGE, 7]},
    {"in": ["a", AGE]},
    {"in": [AGE, "abc"]},
    {"+": [AGE, 1]},
    {"-": [AGE]},
    {"cat": [AGE, FOO]},
    {"substr": [AGE, 1, 3]},
    {"max": [AGE, FOO, 3]},
    {"%": [AGE, 3]},
    {"==": [AGE, FOO]},
    {"==": [{"var": "mbox.age_lc"}, "abc"]},
    {"var": "mbox.age.x.y"},
    {"var": "mbox"},
    {"map": [AGE, {"var": ""}]},
    {"!": AGE},
]
UNUSUAL_ARTIFACT = artifact(
    {GLOBAL: [rule(str(index), one, index + 10, GLOBAL) for index, one in enumerate(UNUSUAL_CONDITIONS)]},
    good=halves(1, "good"),
    **{f"ask{index}": yes_or_no(one, "x", index + 10) for index, one in enumerate(UNUSUAL_CONDITIONS)},
)
#: The memory address in the ``repr`` of an object.
ADDRESS = re.compile(" at 0x[0-9a-f]+")


#: The unusual parameters that JSON cannot hold, or that are not a dict.
INVALID_PARAMETERS = (
    *("a list", "a number", "a set", "a string", "a Python object", "bytes"),
    *("infinite", "itself", "not a number", "numbers as names"),
)
VALID_PARAMETERS = [name for name in ALL_PARAMETERS if name not in INVALID_PARAMETERS]


def with_parameters(parameters, mode, names, visitor):
    """Return a request whose mboxes and page load all have these parameters."""
    mboxes = [MboxRequest(name=name, index=index, parameters=parameters) for index, name in enumerate(names)]
    request = DeliveryRequest.from_dict(request_json(mode, (), visitor, pageLoad={}))
    part = getattr(request, mode)
    part.mboxes, part.page_load.parameters = mboxes, parameters
    return request


@pytest.mark.parametrize("mode", ["execute", "prefetch"])
@pytest.mark.parametrize("name", INVALID_PARAMETERS)
def test_the_error_about_invalid_parameters_names_their_place(name, mode, edge):
    with client_of(UNUSUAL_ARTIFACT, edge) as client:
        with pytest.raises(OptionError, match=rf"^request\.{mode}\.page_load\.parameters") as caught:
            client.get_offers({"request": with_parameters(ALL_PARAMETERS[name], mode, ["good"], VISITORS[0])})
    assert len(str(caught.value)) < 400


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["execute", "prefetch"])
@pytest.mark.parametrize("parameters", [ALL_PARAMETERS[name] for name in VALID_PARAMETERS], ids=VALID_PARAMETERS)
def test_an_unusual_parameter_raises_nothing_and_changes_no_other_decision(parameters, mode, edge, caplog):
    names = ["good", *UNUSUAL_ARTIFACT["localMboxes"]]
    before, parameters = repr(parameters), copy.deepcopy(parameters)
    with client_of(UNUSUAL_ARTIFACT, edge) as client:
        for visitor, expected in zip(VISITORS[:4], EXPECTED):
            request = with_parameters(parameters, mode, names, visitor)
            found = contents(client.get_offers({"request": request}), mode)
            assert found[0] == [expected]
            assert len(found) >= len(names)
        client.flush()
    assert ADDRESS.sub("", repr(parameters)) == ADDRESS.sub("", before)
    lines = [line for line in warnings_in(caplog) if "could not be evaluated" in line]
    assert len(lines) == len(set(lines))


@pytest.mark.slow
@pytest.mark.parametrize("count", [600, pytest.param(100000, marks=pytest.mark.fuzz)])
def test_mutated_requests_are_answered_or_raise_an_sdk_error(count, edge):
    rng = random.Random(SEED)
    seen = {"answered": 0, "refused": 0}
    with client_of(FULL, edge) as client:
        for _ in range(count):
            request = mutate(WHOLE_REQUEST, rng)
            try:
                envelope = decide(client, request)
            except TargetError as error:
                assert str(error)
                seen["refused"] += 1
            else:
                json.dumps(envelope["response"].to_dict(by_alias=True, exclude_none=True))
                seen["answered"] += 1
    assert min(seen.values()) > count / 10


@pytest.mark.parametrize("visitor", [{}, {"tntId": ""}, {"tntId": ".35_0"}, {"thirdPartyId": ""}, None], ids=str)
def test_a_visitor_without_an_id_gets_one_experience_in_a_call(visitor, edge):
    document = artifact(home=halves(), again=halves(1, "again"))
    with client_of(document, edge) as client:
        for _ in range(10):
            one, another = contents(decide(client, request_json(mboxes=["home", "again"], visitor=visitor or None)))
            assert one == another
            assert one in (["A"], ["B"])


@pytest.mark.parametrize("customers", CUSTOMERS.values(), ids=CUSTOMERS)
def test_customer_ids_with_an_id_give_a_visitor_a_stable_tnt_id_and_experience(customers, edge):
    document = artifact(home=halves(), again=halves(1, "again"))
    request = DeliveryRequest.from_dict(request_json(mboxes=["home", "again"], visitor={"customerIds": customers}))
    has_id = any(one is not None and one.get("id") for one in customers)
    seen = set()
    with client_of(document, edge) as client:
        for _ in range(6):
            envelope = client.get_offers({"request": request})
            one, another = contents(envelope)
            tnt_id = envelope["response"].id.tnt_id.partition(".")[0]
            assert one == another == ["A" if bucket("acmeclient", 1, tnt_id) <= 50 else "B"]
            seen.add(tnt_id)
    assert request.id.tnt_id is None
    assert (len(seen) == 1) == has_id


def test_a_visitor_with_only_the_option_customer_ids_gets_one_tnt_id(edge):
    with client_of(artifact(home=halves()), edge) as client:
        ids = {"crm": {"id": "4711", "authState": 1}}
        answers = [decide(client, request_json(visitor=None), customer_ids=ids)["response"] for _ in range(5)]
    assert len({one.id.tnt_id for one in answers}) == 1


URLS = [
    *("http://", "http://[", "://", "//hooli.com/x", "hooli.com", "javascript:alert(1)", "http://a b/", "http://.."),
    *("http://.com", "http://hooli.com:99999999/", "http://hooli.com:port/", "http://[::1]:8080/a", "/", "%", "?#"),
    *("http://xn--/", "http://xn--a-\u00e9/", "http://\u0130.com/", "http://\ud800/", "\0", "x" * 4096),
    "http://" + "a." * 1500 + "com/",
]


@pytest.mark.parametrize("url", URLS, ids=lambda url: ascii(url)[:30])
def test_an_unusual_url_raises_nothing_and_changes_no_decision(url, edge):
    parts = ["url", "domain", "subdomain", "topLevelDomain", "path", "query", "fragment", "domain_lc"]
    names = [f"{page}.{part}" for page in ("page", "referring") for part in parts]
    url_rules = [rule("x", {"==": [{"var": name}, "?"]}, 9, "good") for name in names]
    document = artifact(good=[*url_rules, *halves(1, "good")])
    context = {"address": {"url": url, "referringUrl": url}}
    with client_of(document, edge) as client:
        found = [
            first_content(client, request_json(mboxes=["good"], visitor=one, context=context)) for one in VISITORS[:4]
        ]
        mboxes = [{"name": "good", **context}]
        assert [first_content(client, request_json(mboxes=mboxes, visitor=one)) for one in VISITORS[:4]] == found
    assert found == EXPECTED[:4]


AGENTS = ["", " ", "Mozilla/5.0", "Chrome/", "Chrome/x", "Chrome/" + "9" * 5000, "(" * 10000, "\ud800", "x" * 100000]


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: ascii(agent)[:20])
def test_an_unusual_user_agent_raises_nothing_and_changes_no_decision(agent, edge):
    conditions = [
        {"==": [{"var": "user." + part}, "x"]} for part in ("browserType", "platform", "browserVersion", "locale")
    ]
    document = artifact(good=[*(rule("x", one, 9, "good") for one in conditions), *halves(1, "good")])
    hints = {"platform": agent, "browserUAWithMajorVersion": agent, "browserUAWithFullVersion": agent}
    with client_of(document, edge) as client:
        for context in ({"userAgent": agent}, {"clientHints": hints}, {"userAgent": agent, "clientHints": hints}):
            found = [
                first_content(client, request_json(mboxes=["good"], visitor=one, context=context))
                for one in VISITORS[:4]
            ]
            assert found == EXPECTED[:4]


NAMES = ["", " ", "x" * 5000, "\ud800", "__class__", "a.b", "\0", "home\n"]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:20])
def test_an_unusual_name_raises_nothing_and_changes_no_other_decision(name, edge):
    with client_of(GOOD, edge) as client:
        for visitor, expected in zip(VISITORS[:4], EXPECTED):
            request = request_json("execute", ["good", name], visitor)
            request["prefetch"] = {"views": [{"name": name}]}
            envelope = decide(client, request)
            assert contents(envelope, "execute")[0] == [expected]
        client.flush()


@pytest.mark.parametrize("name", [5, True, ["start"], {"start": 1}], ids=str)
def test_a_view_name_that_is_not_a_string_matches_no_view_of_the_artifact(name, edge):
    document = artifact(good=halves(1, "good"), views={"start": [rule("x", location="start", activity=3)]})
    with client_of(document, edge) as client:
        envelope = decide(client, request_json(mboxes=["good"], visitor=VISITORS[0], views=[{"name": name}]))
    assert contents(envelope) == [[EXPECTED[0]]]
    assert not envelope["response"].prefetch.views


GEO_ANSWERS = {
    "numbers as text": {"x-geo-latitude": "37.7", "x-geo-longitude": "-122"},
    "letters for numbers": {"x-geo-latitude": "north", "x-geo-longitude": ""},
    "lists": {"x-geo-latitude": [1], "x-geo-city": ["x"], "x-geo-country-code": {}},
    "long names": {"x-geo-city": "x" * 500, "x-geo-country-code": "y" * 500},
    "huge numbers": {"x-geo-latitude": 1e300, "x-geo-longitude": 10**30},
    "null": {"x-geo-latitude": None, "x-geo-city": None},
}


@pytest.mark.parametrize("geo_answer", GEO_ANSWERS.values(), ids=GEO_ANSWERS)
def test_an_unusual_geo_answer_raises_nothing_and_changes_no_decision(geo_answer):
    conditions = [
        {"==": [{"var": "geo." + part}, "?"]} for part in ("latitude", "longitude", "city", "country", "region")
    ]
    document = artifact(good=[*(rule("x", one, 9, "good") for one in conditions), *halves(1, "good")])
    context = {"geo": {"ipAddress": "192.0.2.7"}}
    with SocketServer(answer(geo_answer)) as service, client_of(document, service.domain) as client:
        found = [
            first_content(client, request_json(mboxes=["good"], visitor=one, context=context)) for one in VISITORS[:4]
        ]
    assert found == EXPECTED[:4]
    assert len(service.requests) == 4


def test_an_invalid_property_token_matches_no_rule_with_tokens(edge):
    rules = [rule("bound", propertyTokens=["p"]), rule("free", activity=2)]
    with client_of(artifact(home=rules), edge) as client:
        for token in ("", "p ", "x" * 5000, 5, True, ["p"], {"p": "p"}):
            assert first_content(client, request_json(property={"token": token})) == "free"
        assert first_content(client, request_json(property={"token": "p"})) == "bound"


def test_an_on_device_call_of_a_server_side_client_raises_target_error(edge):
    options = on_device(None, edge)
    del options["artifact_payload"]
    with TargetClient.create({**options, "decisioning_method": "server-side"}) as client:
        with pytest.raises(TargetError, match="decisioning engine not ready"):
            decide(client, decisioning_method="on-device")


def test_a_missing_or_null_parameter_does_not_match(edge):
    with client_of(artifact(home=yes_or_no(parameter("foo", "bar"))), edge) as client:
        for details in ({}, {"parameters": None}, {"parameters": {}}, {"parameters": {"foo": None}}):
            assert first_content(client, request_json(mboxes=[{"name": "home", **details}])) == "no"
