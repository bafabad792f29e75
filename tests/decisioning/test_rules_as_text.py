"""Rules stay text until they are needed. Lazy and eager compilation give the same decisions."""

import gc
import json
import logging
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from target_python_sdk.artifact.format import parse_artifact
from target_python_sdk.decisioning import location_rules
from target_python_sdk.decisioning import rule as rule_module
from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.engine import DecisionRequest, EngineContext, decide
from target_python_sdk.decisioning.rule import CompiledRule
from target_python_sdk.types import DeliveryRequest
from target_tools import json_reader
from target_tools.errors import InvalidArtifact, InvalidResponse
from target_tools.http.messages import MAX_BRACKETS, parse_json
from target_tools.logger import Log
from target_tools.uuids import UuidGenerator
from tests.conformance.builders import artifact, halves, request_json, rule
from tests.decisioning.test_properties import ARTIFACTS, REQUESTS

CLIENT = "acmeclient"
SLOW = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
TRACED = {"authorizationToken": "a-token"}


def text_of(document):
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")


def load(document):
    return Artifact.load(text_of(document), CLIENT)


def load_eagerly(document):
    """Return an artifact whose rules and offers are all compiled and kept."""
    loaded = load(document)
    parts = {part: dict(getattr(loaded, part)) for part in ("mboxes", "views")}
    for rules in (*parts["mboxes"].values(), *parts["views"].values()):
        for one in rules:
            assert one.options is not None and one.tokens()
    return loaded._replace(**parts)


def decisions(loaded, request):
    """Return the response and the notifications, without random ids and times."""
    parsed = DeliveryRequest.from_dict(request)
    context = EngineContext(CLIENT, Log(), frozenset({"home"}))
    decision_request = DecisionRequest(parsed, "session", "visitor", UuidGenerator())
    response, displays = decide(loaded, decision_request, context)[:2]
    found = [response.to_dict(by_alias=True), *(one.notification().to_dict(by_alias=True) for one in displays)]
    for one in found[1:]:
        del one["id"], one["impressionId"], one["timestamp"]
    return json.loads(json.dumps(found, default=str), object_hook=without_times)


def without_times(value):
    """Return a part of a trace without the values that differ between two decisions."""
    changing = ("current_timestamp", "current_time", "id", "impressionId", "timestamp")
    return {key: item for key, item in value.items() if key not in changing}


@pytest.mark.slow
@pytest.mark.server  # imports test_properties, a server-marked module
@SLOW
@given(ARTIFACTS, st.lists(REQUESTS, min_size=1, max_size=3), st.sampled_from([8, 100, 65536]), st.integers(0, 3))
def test_lazy_and_eager_compilation_give_the_same_decisions(document, requests, window, max_compiled):
    expected = [decisions(load_eagerly(document), request) for request in requests]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_reader, "WINDOW", window)
        patch.setattr(json_reader, "FIRST_WINDOW", min(window, 4096))
        patch.setattr(location_rules, "MAX_COMPILED", max_compiled)
        patch.setattr(location_rules, "MAX_DEFERRED", 1)
        lazy = load(document)
        # The second time, some rules are still compiled; others were evicted and are compiled again.
        for _ in range(2):
            assert [decisions(lazy, request) for request in requests] == expected


@SLOW
@given(st.data())
def test_a_damaged_artifact_raises_the_same_error_as_parse_json(data):
    text = text_of(artifact(home=halves(), views={"é": halves()}))
    place = data.draw(st.integers(0, len(text) - 1))
    text = text[:place] + data.draw(st.sampled_from([b"", b"[", b"}", b'"', b"\xff", b"NaN"])) + text[place + 1 :]
    try:
        parse_json(text, MAX_BRACKETS)
        expected = None
    except Exception as error:  # noqa: BLE001 - compared below
        expected = f"Unable to read artifact JSON: {error}"
    try:
        Artifact.load(text, CLIENT)
        parse_artifact(text, False, "")
        raised = None
    except InvalidArtifact as error:
        raised = str(error)
    if expected is not None:
        assert raised == expected
    else:
        assert raised is None or not raised.startswith("Unable to read")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[]", "a rule artifact must be an object"),
        (b'{"version": "2.0.0", "rules": 1, "responseTokens": 1}', r"artifact version \(2.0.0\) is not supported"),
        (b'{"version": "1.0.0", "rules": 1, "responseTokens": 1}', "^rules must be an object"),
        (b'{"version": "1.0.0", "rules": {"mboxes": 1}, "responseTokens": 1}', "^responseTokens must be a list"),
        (b'{"version": "1.0.0", "rules": {"mboxes": []}, "meta": 1}', "^meta must be an object"),
        (b'{"version": "1.0.0", "rules": {"views": [], "mboxes": []}}', "^mboxes must be an object"),
        (b'{"version": "1.0.0", "rules": {"views": []}, "globalMbox": 1}', "^views must be an object"),
        (b'{"version": "1.0.0", "rules": {}, "globalMbox": 1, "localViews": 1}', "^globalMbox must be text"),
    ],
)
def test_the_first_of_several_problems_is_reported(text, message):
    with pytest.raises(InvalidArtifact, match=message):
        Artifact.load(text, CLIENT)


def test_the_last_of_several_equal_keys_is_used():
    one, other = json.dumps(halves()), json.dumps([rule("C"), 7])
    text = '{"version": "0", "version": "1.0.0", "rules": {"mboxes": {"lost": [7]}, "mboxes": {"home": [7, 8], '
    text += f'"shop": {one}, "home": {other}}}}}, "localMboxes": ["shop", "home", "lost"]}}'
    loaded = Artifact.load(text.encode(), CLIENT)
    assert [*loaded.mboxes] == ["home", "shop"]
    assert [len(rules) for rules in loaded.mboxes.values()] == [1, 2]
    assert loaded.skipped_rules == ("rule 1 of home: expected an object",)
    assert loaded.decidable_mboxes == {"shop", "lost"}


@pytest.mark.parametrize("depth", [120, 5000])
def test_only_a_rule_that_is_nested_too_deeply_is_skipped(depth):
    deep = '{"activityId": 1, "condition": ' + '{"!":[' * depth + "1" + "]}" * depth + "}"
    rules = f'{{"home": [{deep}, {json.dumps(rule("A"))}], "shop": {json.dumps(halves())}}}'
    text = f'{{"version": "1.0.0", "localMboxes": ["home", "shop"], "rules": {{"mboxes": {rules}}}}}'
    loaded = Artifact.load(text.encode(), CLIENT)
    assert loaded.skipped_rules == ("rule 0 of home: nested too deeply",)
    assert loaded.decidable_mboxes == {"shop"}
    assert (len(loaded.mboxes["home"]), len(loaded.mboxes["shop"])) == (1, 2)
    # The document, which ``get_raw_artifact`` returns, has None in place of the rule.
    assert loaded.document() == parse_artifact(text.encode(), False, "")
    assert loaded.document()["rules"]["mboxes"] == {"home": [None, rule("A")], "shop": halves()}


@pytest.mark.parametrize("depth", range(85, 105))
def test_the_depth_limit_of_a_rule_is_that_of_parse_json(depth):
    content = "[" * depth + "]" * depth
    deep = f'{{"activityId": 1, "consequence": {{"options": [{{"content": {content}}}]}}}}'
    text = f'{{"version": "1.0.0", "rules": {{"mboxes": {{"home": [{deep}]}}}}}}'
    loaded = Artifact.load(text.encode(), CLIENT)
    try:
        parse_json(text.encode())
    except InvalidResponse:
        assert loaded.skipped_rules == ("rule 0 of home: nested too deeply",)
        assert loaded.mboxes["home"] == ()
    else:
        assert json.dumps(loaded.mboxes["home"][0].options[0].content({}, None)).replace(" ", "") == content


# Compilation and eviction


def artifact_with(count, rules=2):
    """Return an artifact with ``count`` mboxes that have ``rules`` rules each."""
    return artifact({f"mbox-{number}": halves(number)[:1] * rules for number in range(count)})


def compiled_count(rules):
    """Return the number of compiled rules in ``rules``."""
    gc.collect()
    return sum(type(one) is CompiledRule and one._source is rules._source for one in gc.get_objects())


def test_no_rule_is_compiled_before_it_is_needed():
    loaded = load(artifact_with(50))
    assert compiled_count(loaded.mboxes) == 0
    assert (len(loaded.mboxes), "mbox-1" in loaded.mboxes, "mbox-50" in loaded.mboxes) == (50, True, False)
    assert loaded.mboxes.get("unknown") == ()
    with pytest.raises(KeyError):
        loaded.mboxes["unknown"]
    first = loaded.mboxes["mbox-7"]
    assert loaded.mboxes.get("mbox-7") is first
    assert compiled_count(loaded.mboxes) == 2


def test_a_location_with_many_rules_is_compiled_when_it_is_loaded():
    loaded = load({**artifact_with(3), "rules": {"mboxes": {"large": halves() * 10, "small": halves()}, "views": {}}})
    assert compiled_count(loaded.mboxes) == 20
    assert len(loaded.mboxes["large"]) == 20


def test_a_bounded_number_of_rules_stays_compiled(monkeypatch):
    monkeypatch.setattr(location_rules, "MAX_COMPILED", 100)
    loaded = load(artifact_with(200))
    for _ in range(3):
        for name in loaded.mboxes:
            assert len(loaded.mboxes[name]) == 2
            assert sum(map(len, loaded.mboxes._compiled.values())) <= 100
    assert compiled_count(loaded.mboxes) <= 100
    assert loaded.mboxes._room == 100 - sum(map(len, loaded.mboxes._compiled.values()))


def test_a_location_with_more_rules_than_the_limit_evicts_all_others(monkeypatch):
    monkeypatch.setattr(location_rules, "MAX_COMPILED", 100)
    loaded = load(artifact({"large": halves() * 100, **artifact_with(60)["rules"]["mboxes"]}))
    for name in loaded.mboxes:
        assert loaded.mboxes[name]
    large = loaded.mboxes["large"]
    assert compiled_count(loaded.mboxes) == 200
    assert loaded.mboxes["large"] is large


def test_locations_with_few_rules_are_evicted_first(monkeypatch):
    monkeypatch.setattr(location_rules, "MAX_COMPILED", 100)
    loaded = load(artifact({**artifact_with(100)["rules"]["mboxes"], "page": halves() * 20}))
    page = loaded.mboxes["page"]
    for _ in range(20):
        for name in loaded.mboxes:
            assert loaded.mboxes[name]
    assert loaded.mboxes["page"] is page


@pytest.mark.slow
def test_threads_share_the_rules(monkeypatch):
    monkeypatch.setattr(location_rules, "MAX_COMPILED", 40)
    loaded, problems = load(artifact_with(60)), []

    def use():
        try:
            for _ in range(20):
                for name in loaded.mboxes:
                    assert [one.activity.id for one in loaded.mboxes[name]] == [int(name[5:])] * 2
        except BaseException as error:
            problems.append(error)
            raise

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert sum(map(len, loaded.mboxes._compiled.values())) <= 40 + 2 * len(threads)


def test_a_new_artifact_compiles_the_locations_that_the_previous_one_had_compiled():
    previous, new = load(artifact_with(50)), load(artifact_with(40))
    for name in ("mbox-1", "mbox-39", "mbox-45"):
        previous.mboxes.get(name)
    new.prepare(previous)
    assert sorted(new.mboxes._compiled) == ["mbox-1", "mbox-39"]


def test_rules_that_could_not_be_read_for_lack_of_stack_are_read_again(monkeypatch):
    loaded = load(artifact(home=halves()))
    with monkeypatch.context() as patch:
        patch.setattr(json_reader.JsonReader, "value_unless_too_deep", lambda self: json_reader.TOO_DEEP)
        patch.setattr(json_reader.JsonReader, "items", lambda self: iter(range(2)))
        with pytest.raises(RecursionError, match="too little of the stack"):
            loaded.mboxes.get("home")
    assert len(loaded.mboxes["home"]) == 2


def test_rules_share_a_limited_number_of_key_strings(monkeypatch):
    monkeypatch.setattr(rule_module, "_MAX_SHARED_NAMES", 20)
    contents = [{f"name-{number}": number} for number in range(50)]
    document = artifact(
        home=[rule("A", consequence={"options": [{"type": "json", "content": each}]}) for each in contents]
    )
    rules = load(document).mboxes["home"]
    assert [one.options[0].content({}, None) for one in rules] == contents
    assert len({id(name) for one in rules for name in one.meta}) == len(rules[0].meta)
    assert len(rules[0]._source._names) <= 20


# The document


def test_neither_the_document_nor_its_parts_are_kept():
    loaded = load(artifact(home=[rule("A", activity="of this test")] * 20))
    gc.collect()
    kept_rules = [one for one in gc.get_objects() if type(one) is dict and one.get("activityId") == "of this test"]
    assert kept_rules == []
    assert len(loaded.mboxes["home"]) == 20


def test_the_document_is_parsed_once_when_it_is_first_needed():
    document = artifact_with(3)
    loaded = load(document)
    assert loaded.document() == document
    assert loaded.document() is loaded.document()


def test_the_document_and_the_offer_of_a_rule_are_read_from_its_text():
    ((one, _),) = load(artifact(home=halves())).mboxes.values()
    assert one.document == halves()[0]
    assert one.audience_ids == []
    assert one.consequence == {}
    assert not hasattr(one, "no_such_attribute")


@pytest.mark.parametrize("mode", ["prefetch", "execute"])
def test_traces_of_lazily_compiled_rules_contain_the_conditions(mode):
    document = artifact(home=halves(), target=[rule("C", {"==": [{"var": "mbox.a"}, "ü"]})])
    request = request_json(mode, ["home", "target"], trace=TRACED)
    assert decisions(load(document), request) == decisions(load_eagerly(document), request)
    conditions = json.dumps(decisions(load(document), request), ensure_ascii=False)
    assert '{"==": [{"var": "mbox.a"}, "ü"]}' in conditions


def test_skipped_rules_keep_their_messages_and_order(caplog):
    bad = [7, {**rule("A"), "activityId": None}, {**rule("B"), "condition": {"log": 1}}]
    document = artifact({"home": bad, "odd": {}, "fine": halves()}, views={"start": bad[:1]})
    with caplog.at_level(logging.WARNING):
        loaded = load(document)
    assert loaded.skipped_rules == (
        "rule 0 of home: expected an object",
        "rule 1 of home: activityId: expected a number",
        "rule 2 of home: a rule has an unknown operator: log",
        "the rules of odd: expected a list",
        "rule 0 of start: expected an object",
    )
    assert loaded.decidable_mboxes == {"fine"}


def test_an_artifact_is_freed_without_the_garbage_collector():
    loaded = load(artifact_with(20))
    assert loaded.mboxes["mbox-1"][0].options
    gc.disable()
    try:
        before = sum(type(one) is CompiledRule for one in gc.get_objects())
        del loaded
        assert sum(type(one) is CompiledRule for one in gc.get_objects()) == before - 2
    finally:
        gc.enable()
