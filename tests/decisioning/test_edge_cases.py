"""Edge cases of on-device decisions, in which this SDK agrees with Target's other SDKs or differs on purpose."""

import json
import math
import sys
import time

import pytest

from target_python_sdk.decisioning import engine
from target_python_sdk.decisioning.context import RequestContext
from target_python_sdk.decisioning.geo_names import with_comparable_names
from target_python_sdk.errors import ArtifactNotAvailable, DeadlineExceeded, InvalidRule
from target_python_sdk.testing import SocketServer, response
from target_tools.rules.compiler import CHECKED_NODES, compile_condition, compile_rule
from target_tools.rules.loop_operators import MAX_DECISION_STEPS, MAX_STEPS
from tests.conformance.builders import (
    GLOBAL,
    artifact,
    client_of,
    decide,
    first_content,
    option,
    request_json,
    rule,
    yes_or_no,
)
from tests.support import LONG, eventually

pytestmark = pytest.mark.server

ALWAYS = [rule("A")]


def contents(part):
    """Return the contents of an mbox, a view or a page load."""
    return [one.content for one in part.options or ()]


# Geographical names


def variable(name):
    return {"var": name}


CITY, REGION, COUNTRY = variable("geo.city"), variable("geo.region"), variable("geo.country")


@pytest.mark.parametrize("city", ["SAN FRANCISCO", "San Francisco", "SANFRANCISCO", "sanfrancisco"])
@pytest.mark.parametrize(
    "condition",
    [
        {"==": [CITY, "SAN FRANCISCO"]},
        {"==": ["SANFRANCISCO", CITY]},
        {"===": [CITY, "San Francisco"]},
        {"in": [CITY, ["RENO", "SAN FRANCISCO"]]},
        {"in": [CITY, ["RENO", "SANFRANCISCO"]]},
        {"in": ["FRANCISCO", CITY]},
        {"!": {"!=": [CITY, "SAN FRANCISCO"]}},
        {"and": [{"or": [{"==": [CITY, "RENO"]}, {"==": [{"var": ["geo.city"]}, "SANFRANCISCO"]}]}, {"!!": [CITY]}]},
    ],
    ids=json.dumps,
)
def test_either_spelling_of_a_city_matches(condition, city):
    with client_of(artifact(home=yes_or_no(condition))) as client:
        assert first_content(client, request_json(context={"geo": {"city": city}})) == "yes"
        assert first_content(client, request_json(context={"geo": {"city": "OAKLAND"}})) == "no"
        assert first_content(client, request_json(context={"geo": {"countryCode": "US"}})) == "no"


@pytest.mark.parametrize(
    ("condition", "geo", "expected"),
    [
        ({"==": [COUNTRY, "US"]}, {"countryCode": "us"}, "yes"),
        ({"in": [REGION, ["CA", "NV"]]}, {"stateCode": "ca"}, "yes"),
        ({"==": [REGION, "new york"]}, {"stateCode": "New York"}, "yes"),
        ({"==": [REGION, "NEWYORK"]}, {"stateCode": "New York"}, "no"),  # only cities are compared without spaces
        ({"==": [CITY, variable("mbox.city")]}, {"city": "Reno"}, "yes"),
        ({"==": [{"substr": [CITY, 0, 2]}, "Re"]}, {"city": "Reno"}, "yes"),
        ({"==": [CITY, None]}, {"countryCode": "US"}, "yes"),
        ({"<": [30, variable("geo.latitude")]}, {"latitude": 37.5}, "yes"),
    ],
)
def test_names_of_places_are_compared_in_upper_case(condition, geo, expected):
    home = {"name": "home", "parameters": {"city": "Reno"}}
    with client_of(artifact(home=yes_or_no(condition))) as client:
        assert first_content(client, request_json(mboxes=[home], context={"geo": geo})) == expected


def test_a_trace_and_response_tokens_show_the_city_as_it_was_sent():
    document = artifact(home=yes_or_no({"==": [CITY, "SAN FRANCISCO"]}), changes={"responseTokens": ["geo.city"]})
    request = request_json(context={"geo": {"city": "San Francisco"}}, trace={})
    with client_of(document) as client:
        mbox = decide(client, request).response.prefetch.mboxes[0]
    (target,) = mbox.trace["evaluatedCampaignTargets"]
    assert target["context"]["geo"] == {"city": "San Francisco"}
    assert "geo_names" not in target["context"]
    assert mbox.options[0].response_tokens["geo.city"] == "San Francisco"


def test_conditions_on_geo_attributes_of_loop_items_are_unchanged():
    condition = {"some": [[{"geo": {"city": "Reno"}}], {"==": [CITY, "Reno"]}]}
    assert with_comparable_names(condition) == condition


# Artifacts


@pytest.mark.parametrize("changes", [{"without": ["rules"]}, {"changes": {"rules": None}}], ids=str)
def test_an_artifact_without_rules_is_refused(changes, caplog):
    with client_of(artifact(home=ALWAYS, **changes)) as client, pytest.raises(ArtifactNotAvailable) as raised:
        decide(client, request_json())
    assert "must have rules" in str(raised.value.__cause__)


def cdn_serving(*documents):
    """Return a CDN that serves these artifacts in turn, and the last one repeatedly."""
    remaining = [response(document) for document in documents]

    def serve(connection):
        while connection.read_request():
            connection.send(remaining.pop(0) if len(remaining) > 1 else remaining[0])

    return SocketServer(serve)


EMPTY = artifact()
EMPTY_LISTS = artifact(home=[])


@pytest.mark.parametrize("empty", [EMPTY, EMPTY_LISTS], ids=["no mboxes", "empty lists"])
def test_the_loss_of_all_rules_is_logged_once(empty, caplog):
    full = artifact(home=ALWAYS)
    with cdn_serving(full, full, empty, empty, empty, full, full) as cdn, client_of(
        None, cdn.domain, polling_interval=10, artifact_location=f"http://{cdn.domain}/rules.json"
    ):
        assert eventually(lambda: len(cdn.requests) > 8)
    lines = [record for record in caplog.records if "contains no rules" in record.getMessage()]
    assert [line.levelname for line in lines] == ["WARNING"]


def test_a_first_artifact_without_rules_is_not_logged(caplog):
    with client_of(EMPTY) as client:
        decide(client, request_json())
    assert "contains no rules" not in caplog.text


def test_a_foreign_client_code_is_logged_once_with_both_codes(caplog):
    foreign = artifact(home=ALWAYS, changes={"meta": {"clientCode": "othershop"}})
    with client_of(foreign) as client:
        for _ in range(3):
            assert first_content(client, request_json()) == "A"
    lines = [record for record in caplog.records if "othershop" in record.getMessage()]
    assert [line.levelname for line in lines] == ["WARNING"]
    assert "acmeclient" in lines[0].getMessage()


@pytest.mark.slow
@pytest.mark.parametrize("depth", [101, 5000, 100000])
@pytest.mark.parametrize("part", ["condition", "content", "unknown"])
def test_only_a_rule_that_is_nested_too_deeply_is_skipped(tmp_path, depth, part, caplog):
    """The mbox of the rule counts as remote; other mboxes are decided. The depth may exceed the JSON parser's limit."""
    deep = "[" * depth + "1" + "]" * depth
    rules = {"condition": rule("deep"), "content": rule("x"), "unknown": rule("deep")}
    deep_rule = rules[part]
    if part == "condition":
        deep_rule["condition"] = {"!": ["HERE"]}
    elif part == "content":
        deep_rule["consequence"]["options"] = [option("HERE", "json")]
    else:
        deep_rule["unknown"] = "HERE"
    document = artifact(home=ALWAYS, deep=[deep_rule, rule("B", activity=2)], changes={"more": 1})
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(document).replace('"HERE"', deep))
    with client_of(None, artifact_location=str(path)) as client:
        envelope = decide(client, request_json(mboxes=["home", "deep"]))
        assert eventually(lambda: "rule 0 of deep" in caplog.text)
    assert contents(envelope.response.prefetch.mboxes[0]) == ["A"]
    assert envelope.meta["remote_mboxes"] == ["deep"]
    lines = [record for record in caplog.records if "rule 0 of deep" in record.getMessage()]
    assert [line.levelname for line in lines] == ["WARNING"]


# Rules


@pytest.mark.parametrize("key", [{}, {"ruleKey": None}], ids=["missing", "null"])
def test_a_missing_rule_key_defaults_to_the_activity_id(key):
    rules = [rule("A"), rule("B", experience=1), rule("C", activity=2)]
    for one in rules:
        del one["ruleKey"]
        one.update(key)
    with client_of(artifact({GLOBAL: rules})) as client:
        decided = client.get_offers({"request": {"execute": {"pageLoad": {}}}}).response
    assert decided.status == 200
    assert contents(decided.execute.page_load) == ["A", "C"]


@pytest.mark.parametrize("consequence", [{}, {"consequence": None}, {"consequence": {}}], ids=str)
@pytest.mark.parametrize("part", ["execute", "prefetch"])
def test_a_rule_without_consequence_matches_and_shows_nothing(consequence, part):
    """The visitor is in the activity, so later activities do not apply. The page keeps its default content."""
    bare_rule = rule("A")
    del bare_rule["consequence"]
    document = artifact({"home": [{**bare_rule, **consequence}, rule("B", activity=2)], GLOBAL: [bare_rule]})
    document["rules"]["views"] = {"cart": [bare_rule]}
    document["localViews"] = ["cart"]
    with client_of(document) as client:
        request = {part: {"mboxes": [{"name": "home"}], "pageLoad": {}}}
        if part == "prefetch":
            request[part]["views"] = [{"name": "cart"}]
        envelope = client.get_offers({"request": request})
    decided = getattr(envelope.response, part)
    assert (envelope.response.status, contents(decided.mboxes[0]), contents(decided.page_load)) == (200, [], [])
    assert envelope.offer("home").html is None
    assert part == "execute" or contents(decided.views[0]) == []


@pytest.mark.parametrize("mode", ["execute", "prefetch"])
def test_unknown_fields_of_a_consequence_are_left_out(mode):
    unknown = {"unknown": 1}
    parts = {"options": [{**option("A"), **unknown}], "metrics": [{"type": "click", "eventToken": "c", **unknown}]}
    with client_of(artifact(home=[rule("A", consequence={**parts, **unknown})])) as client:
        decided = decide(client, request_json(mode)).response
    assert contents(getattr(decided, mode).mboxes[0]) == ["A"]
    assert "unknown" not in json.dumps(decided.to_dict(by_alias=True, exclude_none=True))


@pytest.mark.parametrize(("requested", "configured"), [("a", "b"), ("a", None)])
def test_the_key_of_a_view_is_that_of_the_artifact(requested, configured):
    document = artifact(views={"cart": [rule("A", consequence={"key": configured})]})
    with client_of(document) as client:
        request = {"prefetch": {"views": [{"name": "cart", "key": requested}]}}
        (view,) = client.get_offers({"request": request}).response.prefetch.views
    assert view.key == configured


def test_missing_metrics_are_none_except_that_a_view_has_an_empty_list():
    """The conformance cases expect an empty list for a view."""
    display = {"type": "display", "eventToken": "t"}
    rules = [rule("A"), rule("B", activity=2, consequence={"metrics": [display]})]
    document = artifact({"home": rules[:1], "other": rules[1:], GLOBAL: rules}, views={"cart": rules[:1]})
    request = {
        part: {"mboxes": [{"name": "home"}, {"name": "other"}], "pageLoad": {}} for part in ("execute", "prefetch")
    }
    request["prefetch"]["views"] = [{"name": "cart"}]
    with client_of(document) as client:
        decided = client.get_offers({"request": request}).response
    parts = [*decided.execute.mboxes, decided.execute.page_load]
    parts += [*decided.prefetch.mboxes, decided.prefetch.page_load]
    assert [part.metrics for part in parts] == [None] * 6
    assert decided.prefetch.views[0].metrics == []
    assert json.dumps(decided.to_dict(by_alias=True, exclude_none=True)).count('"metrics"') == 1


def analytics_of(tnta):
    return {"consequence": {"analytics": {"payload": {"pe": "tnt", "tnta": tnta}}}}


@pytest.mark.parametrize("part", ["execute", "prefetch"])
def test_a_page_load_reports_the_analytics_of_all_its_activities(part):
    rules = [
        rule("A", activity=1, **analytics_of("1:0:0|2,1:0:0|1")),
        rule("B", activity=2),
        rule("C", activity=3, **analytics_of("3:1:0|2")),
        rule("D", activity=4, condition=False, **analytics_of("4:0:0|2")),
        rule("E", activity=5, **analytics_of("3:1:0|2")),
        rule("F", activity=6, consequence={"analytics": {"payload": {"pe": 7, "tnta": None}}}),
    ]
    with client_of(artifact({GLOBAL: rules})) as client:
        envelope = client.get_offers({"request": {part: {"pageLoad": {}}}})
    payload = getattr(envelope.response, part).page_load.analytics.payload
    assert (payload.pe, payload.tnta) == ("tnt", "1:0:0|2,1:0:0|1,3:1:0|2")
    assert [details.payload.tnta for details in envelope.analytics_details] == [payload.tnta]


def test_a_view_reports_the_analytics_of_all_its_activities():
    rules = [rule("A", activity=1, **analytics_of("1:0:0|2")), rule("B", activity=2, **analytics_of("2:0:0|2"))]
    with client_of(artifact(views={"cart": rules})) as client:
        envelope = client.get_offers({"request": {"prefetch": {"views": [{"name": "cart"}]}}})
    assert envelope.response.prefetch.views[0].analytics.payload.tnta == "1:0:0|2,2:0:0|2"


def test_a_trace_counts_a_payload_as_a_retrieval():
    with client_of(artifact(home=ALWAYS)) as client:
        trace = decide(client, request_json(trace={})).response.prefetch.mboxes[0].trace["artifact"]
    assert (trace["artifactLocation"], trace["artifactRetrievalCount"]) == ("Not Applicable", 1)
    assert trace["artifactLastRetrieved"].endswith("Z")


def test_a_decision_without_a_trace_creates_no_tracer(monkeypatch):
    monkeypatch.setattr(engine, "Tracer", lambda *_: pytest.fail("a tracer was created"))
    with client_of(artifact(home=ALWAYS)) as client:
        assert first_content(client) == "A"
        with pytest.raises(pytest.fail.Exception):
            decide(client, request_json(trace={}))


# Parts of the request that only the edge uses


ORDER = {"id": "ord-1", "total": 8.5}
HOME = {"mboxes": [{"name": "home"}]}


@pytest.mark.parametrize(
    ("given", "ignored"),
    [
        ({"qaMode": {"token": "a"}}, ["qa_mode"]),
        ({"preview": {"token": "b"}}, ["preview"]),
        ({"qaMode": {"token": "a"}, "preview": {"token": "b"}}, ["qa_mode", "preview"]),
        ({"execute": {"mboxes": [{"name": "home", "order": ORDER}]}}, ["order"]),
        ({"execute": {**HOME, "pageLoad": {"order": ORDER}}}, ["order"]),
    ],
)
def test_meta_and_one_log_line_name_each_part_that_has_no_effect(given, ignored, caplog):
    with client_of(artifact(home=ALWAYS)) as client:
        for _ in range(3):
            envelope = client.get_offers({"request": {"execute": HOME, **given}})
            assert (envelope.meta["ignored"], envelope.offer("home").html) == (ignored, "A")
        assert "ignored" not in decide(client, request_json()).meta
    lines = [record for record in caplog.records if "No effect" in record.getMessage()]
    assert [(line.levelname, line.getMessage().rpartition(": ")[2]) for line in lines] == [
        ("WARNING", name) for name in ignored
    ]


# Macros

HOSTILE = "<script>alert(\"1\" + '2')</script>&"
ESCAPED = "&lt;script&gt;alert(&quot;1&quot; + &#x27;2&#x27;)&lt;/script&gt;&amp;"
MACRO_CALL = {"request": {"prefetch": {"mboxes": [{"name": "home", "parameters": {"first": HOSTILE, "n": 1}}]}}}


def render(content, kind="html", **options):
    document = artifact(home=[rule("A", consequence={"options": [option(content, kind)]})])
    with client_of(document, **options) as client:
        return client.get_offers(MACRO_CALL).response.prefetch.mboxes[0].options[0].content


def test_macros_are_not_escaped_by_default():
    assert render("<b>${first}</b>") == f"<b>{HOSTILE}</b>"
    assert render("<b>${first}</b>", escape_macros=False) == f"<b>{HOSTILE}</b>"


@pytest.mark.parametrize("macro", ["first", "mbox.first"])
def test_values_that_are_inserted_into_html_are_escaped(macro):
    text = f"<a title='${{{macro}}}'>${{{macro}}}</a> ${{n}} ${{unknown}} ${{mbox.name}} & ${{activity.name}}"
    expected = f"<a title='{ESCAPED}'>{ESCAPED}</a> 1 ${{unknown}} home & Autumn"
    assert render(text, escape_macros=True) == expected


def test_values_are_escaped_in_actions_with_html_but_not_with_plain_text():
    kinds = ["setHtml", "insertAfter", "customCode", None, "setText", "redirect"]
    actions = render([{"type": kind, "content": "${first}"} for kind in kinds], "actions", escape_macros=True)
    assert [action["content"] for action in actions] == [ESCAPED] * 4 + [HOSTILE] * 2


def test_json_offers_have_no_macros():
    assert render({"a": "${first}"}, "json", escape_macros=True) == {"a": "${first}"}


# Time and steps

#: A condition that uses most of the steps that one evaluation may take.
LOOPS = {"some": [list(range(140)), {"some": [list(range(140)), {"==": [variable(""), -1]}]}]}


def long_rule(parts):
    return {"or": [{"===": [variable(f"mbox.p{number}"), "x"]} for number in range(parts)]}


def slow_mboxes(condition, count):
    rules = [rule("slow", condition, activity=number) for number in range(1, count + 1)]
    return {"slow": [*rules, rule("last", activity=count + 1)], "home": ALWAYS}


@pytest.mark.parametrize("mode", ["blocking", "callback"])
def test_forty_slow_rules_end_at_the_deadline_and_the_next_call_is_answered(mode):
    with client_of(artifact(slow_mboxes(LOOPS, 40)), timeout=LONG) as client:
        for _ in range(3):
            call = {"request": request_json(mboxes=["slow"]), "timeout": 100}
            began = time.monotonic()
            with pytest.raises(DeadlineExceeded, match="longer than 100 ms") as raised:
                if mode == "blocking":
                    client.get_offers(call)
                else:
                    client.get_offers({**call, "callback": lambda answer: None}).get()
            sys.stdout.write(f"ended after {(time.monotonic() - began) * 1000:.0f} ms\n")
            assert raised.value.request_id == raised.value.request.request_id is not None
            assert first_content(client, request_json()) == "A"


class LimitedChecks:
    """Limits of an evaluation. The time is up after the given number of checks."""

    steps_left = MAX_DECISION_STEPS

    def __init__(self, checks):
        self.checks = checks

    def check_time(self):
        self.checks -= 1
        if self.checks < 0:
            raise DeadlineExceeded("the time is up")


class Data(dict):
    def __init__(self, limits):
        super().__init__()
        self.limits = limits


@pytest.mark.parametrize(
    ("condition", "checks"),
    [
        (LOOPS, 40),
        (long_rule(4 * CHECKED_NODES), 4),
        ({"!": [{"and": [{"!": [long_rule(2 * CHECKED_NODES)]}, {"!": [long_rule(2 * CHECKED_NODES)]}]}]}, 4),
        ({"reduce": [list(range(3000)), {"+": [variable("current"), variable("accumulator")]}, 0]}, 5),
    ],
    ids=["loops", "long", "nested", "reduce"],
)
def test_long_rules_check_the_time_repeatedly(condition, checks):
    condition = compile_condition(condition)
    with pytest.raises(DeadlineExceeded):
        condition(Data(LimitedChecks(checks - 1)))
    assert condition(Data(LimitedChecks(10**6))) in (True, False)
    assert condition({}) in (True, False)


def test_the_time_is_checked_after_16_short_rules(monkeypatch):
    """The time is checked after every 16 rules of an mbox if more follow.

    The check before the first rule calls ``check_time`` only if the time is up, so it is not counted here.
    """
    checks = []
    monkeypatch.setattr(RequestContext, "check_time", lambda self: checks.append(1))
    rules = [rule("no", False, activity=number) for number in range(1, 50)]
    with client_of(artifact({"few": rules[:16], "many": rules})) as client:
        decide(client, request_json(mboxes=["few"]))
        assert checks == []
        decide(client, request_json(mboxes=["many"]))
        assert len(checks) == 3


LONG_TEXT = "\U0001f600" * 5000


@pytest.mark.parametrize(
    "request_parts",
    [
        {"mboxes": [{"name": "few", "parameters": {"a": 1, "long": LONG_TEXT}}]},
        {"mboxes": [{"name": "few", "parameters": {"list": [LONG_TEXT]}}]},
        {"mboxes": [{"name": "few", "address": {"url": "https://shop.example/?q=" + LONG_TEXT}}]},
        {"mboxes": ["few"], "context": {"address": {"referringUrl": "https://shop.example/?q=" + LONG_TEXT}}},
    ],
    ids=["parameter", "list", "url", "referring url"],
)
def test_the_time_is_checked_before_each_rule_if_rules_can_read_long_texts(monkeypatch, request_parts):
    checks = []
    monkeypatch.setattr(RequestContext, "check_time", lambda self: checks.append(1))
    reads = {"in": ["x", {"cat": [variable("mbox.a"), variable("page.path"), variable("referring.path")]}]}
    rules = [rule("no", False, activity=1), *(rule("no", reads, activity=number) for number in range(2, 17))]
    with client_of(artifact({"few": rules})) as client:
        decide(client, request_json(**request_parts))
        assert len(checks) == 14  # one for each rule that follows the first rule that reads long texts
        decide(client, request_json(mboxes=[{"name": "few", "parameters": {"a": 1, "b": True, "c": "short"}}]))
        assert len(checks) == 14


@pytest.mark.parametrize("condition", [{"in": ["x", variable("text")]}, {"substr": [variable("text"), 1, 2]}], ids=str)
def test_operations_on_long_texts_check_the_time(condition):
    evaluate = compile_rule({"cat": [condition] * 3})
    data = Data(LimitedChecks(2))
    data["text"] = LONG_TEXT
    with pytest.raises(DeadlineExceeded):
        evaluate(data)
    data["text"] = "short"
    assert evaluate(data) is not None


@pytest.mark.parametrize("mode", ["prefetch", "execute"])
def test_the_time_is_checked_before_each_mbox(monkeypatch, mode):
    late = iter([0.0, math.inf])
    monkeypatch.setattr("target_python_sdk.decisioning.engine.monotonic", lambda: next(late))
    monkeypatch.setattr("target_python_sdk.decisioning.context.monotonic", lambda: math.inf)
    with client_of(artifact(home=ALWAYS)) as client, pytest.raises(DeadlineExceeded):
        decide(client, request_json(mode, ["home", "home"]))
    assert list(late) == []


@pytest.mark.slow
def test_the_rules_of_a_decision_share_its_steps(caplog):
    """Each rule stays within the limit of an evaluation. Together, the rules exceed the limit of a decision."""
    mboxes = slow_mboxes(LOOPS, 3 * MAX_DECISION_STEPS // MAX_STEPS)
    with client_of(artifact(mboxes), timeout=10 * LONG) as client:
        assert first_content(client, request_json(mboxes=["slow"])) == "last"
        lines = [record.getMessage() for record in caplog.records if "could not be evaluated" in record.getMessage()]
        assert len(lines) == 1, lines
        assert f"more than {MAX_DECISION_STEPS} steps" in lines[0]
        assert first_content(client, request_json()) == "A"


def test_an_evaluation_within_another_has_its_own_steps():
    """A signal handler can start a decision while another one is in progress."""
    data = Data(None)
    condition = compile_condition({"some": [list(range(1000)), {"==": [variable("x.y"), "inner"]}]})

    class Outer(dict):
        done = False

        def __missing__(self, key):
            if not Outer.done:
                Outer.done = True
                assert condition(data) is False
            raise KeyError(key)

    outer = Outer()
    loops = compile_condition({"and": [{"!": [variable("a.b")]}, LOOPS]})
    assert loops(outer) is False
    with pytest.raises(InvalidRule, match=f"more than {MAX_STEPS} steps"):
        compile_condition({"some": [list(range(1000)), LOOPS]})({})
