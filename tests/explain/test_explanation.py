"""Explanations of calls have the expected text and attributes, and no side effects."""

import json

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.errors import ArtifactNotAvailable, ClientClosed, OptionError
from target_python_sdk.explain import Clause, Explanation, Seen
from target_python_sdk.explain.calls import explain_with_artifact
from target_python_sdk.testing import SocketServer, answer
from target_python_sdk.types import DeliveryRequest
from tests.conformance.builders import CHROME, artifact, client_of, decide, parameter, rule, share
from tests.support import ANSWER_BYTES, run_python

BROWSER = {"==": [{"var": "user.browserType"}, "chrome"]}
GOLD = parameter("member", "gold")


def experience(name, condition, activity=1112, title="Two greetings", **more):
    """Return the rule of an experience, with the names of the activity and of the experience."""
    result = rule(name, condition, activity, "hero", ord(name) - ord("A"), **more)
    result["meta"].update({"activity.name": title, "experience.name": name})
    return result


def two_greetings(audience):
    """Return the rules of an activity with two equal shares."""
    return [experience("A", {"and": [share(0, 50), audience]}), experience("B", {"and": [share(50, 100), audience]})]


def request(visitor="visitor-3.35_0", mode="execute", mboxes=("hero",), **more):
    """Return a request from Chrome whose mboxes have the parameter ``member``."""
    boxes = [{"name": name, "index": index, "parameters": {"member": "silver"}} for index, name in enumerate(mboxes)]
    parts = {**({"mboxes": boxes} if boxes else {}), **more.pop("parts", {})}
    context = {"channel": "web", "userAgent": CHROME, **more.pop("context", {})}
    return {"id": {"tntId": visitor}, "context": context, mode: parts, **more}


def explain(document, *locations, **changes):
    """Return the explanation of a call with ``document``. ``changes`` are keyword arguments of ``request``."""
    compiled = Artifact.compile(document, "acmeclient")
    return explain_with_artifact(compiled, "acmeclient", {"request": request(**changes)}, locations)


def text_lines(document, *locations, **changes):
    """Return the text of an explanation as lines."""
    return str(explain(document, *locations, **changes)).split("\n")


# The text


def test_the_text_shows_the_clause_that_does_not_hold_with_the_value_seen():
    assert text_lines(artifact(hero=two_greetings({"and": [BROWSER, GOLD]}))) == [
        "hero for visitor-3: no offer",
        '  activity 1112 "Two greetings": bucket 96.19 is in B (50 to 100), whose audience does not match',
        "    yes  user.browserType is 'chrome'",
        "    NO   mbox.member is 'gold'    mbox.member = 'silver'",
    ]


def test_the_text_shows_the_winner_and_the_later_rules():
    document = artifact(
        hero=[*two_greetings(BROWSER), experience("C", True, 7, "Later"), experience("D", True, 1112, "Two greetings")]
    )
    assert text_lines(document) == [
        'hero for visitor-3: B of activity 1112 "Two greetings"',
        '  activity 1112 "Two greetings": bucket 96.19 is in B (50 to 100), whose audience matches',
        "    yes  user.browserType is 'chrome'",
        '  activity 7 "Later": C is for all visitors, but activity 1112 "Two greetings" comes first',
        '  activity 1112 "Two greetings": D is for all visitors, but B of the same activity comes first',
    ]


def test_the_text_names_the_shares_that_do_not_contain_the_bucket():
    document = artifact(hero=[experience("A", share(0, 20)), experience("B", share(20, 40.5))])
    assert text_lines(document)[1:] == [
        '  activity 1112 "Two greetings": bucket 96.19 is in no share (A 0 to 20, B 20 to 40.5)'
    ]


@pytest.mark.parametrize(
    ("token", "request_property"),
    [(None, "has no property"), ({"token": "other"}, "has the property other")],
    ids=["no property", "another property"],
)
def test_the_text_names_the_property_of_a_rule(token, request_property):
    document = artifact(hero=[experience("A", True, propertyTokens=["p", "a"])])
    assert text_lines(document, property=token)[1:] == [
        f'  activity 1112 "Two greetings": A is limited to the property a, p, but the request {request_property}'
    ]
    assert "A is for all visitors" in str(explain(document, property={"token": "p"}))


def test_the_text_names_each_share_once():
    rules = [experience("A", share(0, 20), ruleKey=key) for key in ("first", "second")]
    document = artifact(**{"target-global-mbox": rules})
    explanation = explain(document, mboxes=(), parts={"pageLoad": {}})
    assert [each.reason for each in explanation.rules] == ["bucket 96.19 is in no share (A 0 to 20)"] * 2


def test_the_parts_of_an_or_are_listed_below_it():
    audience = {"or": [GOLD, {"and": [{"in": ["/shoes", {"var": "page.path"}]}, {"var": "geo.city"}]}]}
    assert text_lines(artifact(hero=[experience("A", audience)]))[1:] == [
        '  activity 1112 "Two greetings": the audience of A does not match',
        "    NO   any of:",
        "         NO   mbox.member is 'gold'               mbox.member = 'silver'",
        "         NO   all of:",
        "              NO   page.path contains '/shoes'    page.path = ''",
        "              NO   geo.city is set                geo.city is missing",
    ]


def test_a_value_that_only_repeats_the_clause_is_not_shown():
    audience = {"and": [BROWSER, {"in": ["il", {"var": "mbox.member"}]}]}
    (found,) = explain(artifact(hero=[experience("A", audience)])).rules
    assert str(found).split("\n")[1:] == [
        "  yes  user.browserType is 'chrome'",
        "  yes  mbox.member contains 'il'    mbox.member = 'silver'",
    ]


def test_the_text_mentions_default_content():
    plain = experience("A", True, consequence={"options": [{"type": None, "content": None}]})
    first_line = text_lines(artifact(hero=[plain]))[0]
    assert first_line == 'hero for visitor-3: default content, A of activity 1112 "Two greetings"'


def test_the_text_says_that_a_location_is_unknown_remote_or_empty():
    document = artifact(hero=[], changes={"remoteMboxes": ["remote"], "remoteViews": ["cart"]}, views={"home": []})
    assert text_lines(document, "hero", "remote", "unknown", "cart", "home") == [
        "hero for visitor-3: no offer; this mbox has no activities",
        "remote for visitor-3: no offer according to the artifact; this mbox is remote: "
        "only the edge can decide it completely",
        "unknown for visitor-3: no offer; the artifact does not contain this mbox, so only the edge can decide it",
        "view cart for visitor-3: no offer according to the artifact; this view is remote: "
        "only the edge can decide it completely",
        "view home for visitor-3: no offer; this view has no activities",
    ]


def test_a_misspelled_location_has_a_suggestion():
    document = artifact(hero=[], changes={"remoteMboxes": ["checkout"]}, views={"cart": []})
    problem = "no offer; the artifact does not contain this mbox, so only the edge can decide it"
    assert text_lines(document, "hreo", "crat", "chekout", mboxes=["hero"]) == [
        f"hreo for visitor-3: {problem}; did you mean 'hero'?",
        f"crat for visitor-3: {problem}; did you mean 'cart'?",
        f"chekout for visitor-3: {problem}; did you mean 'checkout'?",
    ]


def test_the_text_contains_a_rule_that_cannot_be_used():
    document = artifact(hero=[experience("A", {"no such operator": []}), experience("B", True)])
    assert text_lines(document) == [
        'hero for visitor-3: B of activity 1112 "Two greetings" according to the artifact; this mbox is remote: '
        "only the edge can decide it completely",
        "  rule 0 of hero: a rule has an unknown operator: no such operator",
        '  activity 1112 "Two greetings": B is for all visitors',
    ]


def test_a_rule_that_takes_too_many_steps_is_explained():
    loop = {"reduce": [{"var": "mbox.list"}, {"cat": [{"var": "accumulator"}, {"var": "accumulator"}]}, "x"]}
    document = artifact(hero=[experience("A", {"==": [loop, "y"]})])
    compiled = Artifact.compile(document, "acmeclient")
    call_request = request()
    call_request["execute"]["mboxes"][0]["parameters"] = {"list": list(range(40))}
    (found,) = explain_with_artifact(compiled, "acmeclient", {"request": call_request}).rules
    assert not found.matches
    assert [clause.problem for clause in found.clauses] == ["the evaluation of a rule takes more than 100000 steps"]
    assert "cannot be evaluated: the evaluation of a rule" in str(found)


def test_a_list_as_the_result_of_a_condition_counts_as_true():
    """An empty array is true in JavaScript, but false for JSON-logic's operators."""
    document = artifact(hero=[experience("A", {"and": [{"merge": []}, True]})])
    (found,) = explain(document).rules
    assert found.chosen
    assert [clause.held for clause in found.clauses] == [True]


def test_the_text_is_safe_for_a_terminal_and_limited():
    title = "\x1b[2J\u202e" + "x" * 500
    audience = {"and": [parameter("member", "\x1b]0;title\x07"), {"==": [{"var": "mbox.\ud800\n"}, "y" * 5000]}]}
    text = str(explain(artifact(hero=[experience("A", audience, title=title)]), visitor="visitor\r\x1b"))
    assert all(line.isprintable() for line in text.split("\n"))
    assert max(map(len, text.split("\n"))) < 500


def test_long_lists_of_rules_are_cut_off():
    rules = [experience("A", GOLD, number) for number in range(60)] + [experience("B", True, 60)]
    text = text_lines(artifact(hero=rules))
    assert sum("audience of A does not match" in line for line in text) == 40
    assert "B is for all visitors" in text[-2]
    assert text[-1] == "  20 more are not shown"


# Attributes


def test_rules_and_clauses_have_attributes():
    explanation = explain(artifact(hero=two_greetings({"and": [BROWSER, GOLD]})))
    first, second = explanation.rules
    assert (first.in_share, first.matches, first.priority, first.bucket) == (False, False, 1, 96.19)
    assert (second.activity_id, second.activity, second.experience_id, second.experience) == (
        1112, "Two greetings", 1, "B",
    )  # fmt: skip
    assert second.share == (50, 100)
    assert second.clauses == (
        Clause(True, "user.browserType is 'chrome'", (Seen("user.browserType", "chrome"),)),
        Clause(False, "mbox.member is 'gold'", (Seen("mbox.member", "silver"),)),
    )
    assert not explanation.locations[0].chosen


def test_to_dict_returns_json():
    explanation = explain(artifact(hero=[experience("A", {"or": [BROWSER, {"var": "user"}, {"var": "mbox"}]})]))
    result = json.loads(json.dumps(explanation.to_dict()))
    (location,) = result["locations"]
    assert (result["visitor"], location["name"], location["kind"], location["is_remote"]) == (
        "visitor-3", "hero", "mbox", False,
    )  # fmt: skip
    (clause,) = location["rules"][0]["clauses"]
    assert clause["join"] == "or"
    assert [part["held"] for part in clause["parts"]] == [True, True, True]
    assert clause["parts"][1]["seen"][0]["value"]["browserType"] == "chrome"


def test_the_repr_shows_no_personal_data():
    explanation = explain(artifact(hero=two_greetings(GOLD)))
    assert repr(explanation) == "<Explanation of hero>"
    assert "silver" not in repr(explanation.rules)


def test_a_city_matches_regardless_of_case_and_spaces():
    audience = {"==": [{"var": "geo.city"}, "SANFRANCISCO"]}
    document = artifact(hero=[experience("A", audience)])
    (found,) = explain(document, context={"geo": {"city": "San Francisco"}}).rules
    assert found.clauses == (Clause(True, "geo.city is 'SANFRANCISCO'", (Seen("geo.city", "San Francisco"),)),)


# Locations


def test_page_loads_and_views_can_have_several_experiences():
    rules = [rule("A", BROWSER, 1), rule("B", True, 1), rule("C", True, 2)]
    document = artifact(**{"target-global-mbox": rules}, views={"home": rules})
    explanation = explain(document, mode="prefetch", mboxes=(), parts={"pageLoad": {}, "views": [{}, {"name": "home"}]})
    assert [(location.title, [each.experience for each in location.chosen]) for location in explanation.locations] == [
        ("view home", ["0", "0"]), ("view home", []), ("page load target-global-mbox", ["0", "0"]),
    ]  # fmt: skip
    assert "B" not in explanation.rules[1].reason
    assert explanation.rules[1].reason == '0 is for all visitors, but 0 of the same activity comes first'
    assert explanation.rules[3].reason == "the audience of 0 matches, but its activity was already decided"


def test_only_the_given_locations_are_explained_and_each_only_once():
    document = artifact(hero=[experience("A", True)], other=[experience("B", True)], views={"cart": []})
    explanation = explain(document, "other", "hero", "other", mboxes=["first", "hero"])
    assert [location.name for location in explanation.locations] == ["hero", "other"]
    views = explain(document, "cart", "target-global-mbox", mode="prefetch", parts={"views": [{}], "pageLoad": {}})
    assert [location.title for location in views.locations] == ["view cart", "page load target-global-mbox"]


def test_a_name_of_an_mbox_and_a_view_is_explained_as_both():
    document = artifact(hero=[experience("A", True)], views={"hero": []})
    assert [each.title for each in explain(document, "hero", mboxes=["other"]).locations] == ["hero", "view hero"]
    assert [each.title for each in explain(document, "hero").locations] == ["hero"]  # the request contains this mbox
    view = explain(document, "hero", mode="prefetch", mboxes=(), parts={"views": [{"name": "hero"}]})
    assert [each.title for each in view.locations] == ["view hero"]


@pytest.mark.parametrize(
    ("locations", "problem"),
    [
        ([5], "item 0 is 5"),
        (["hero", ""], "item 1 is an empty string"),
        ([["hero"]], "item 0 is a list of 1 item"),
        ([None], "item 0 is None"),
    ],
)
def test_the_error_names_an_invalid_location(locations, problem):
    with pytest.raises(OptionError) as raised:
        explain(artifact(), *locations)
    assert str(raised.value) == f"Invalid argument 'locations': {problem}"
    assert raised.value.option == "locations"


@pytest.mark.parametrize("options", [None, {}, {"request": {"id": {"tntId": "a"}}}])
def test_a_request_for_nothing_is_an_error_unless_locations_are_given(options):
    compiled = Artifact.compile(artifact(hero=two_greetings(GOLD)), "acmeclient")
    with pytest.raises(OptionError, match="it asks for nothing"):
        explain_with_artifact(compiled, "acmeclient", options)
    assert len(explain_with_artifact(compiled, "acmeclient", options, ["hero"]).rules) == 2


# Notes


def test_a_note_says_that_the_visitor_is_new():
    document = artifact(hero=two_greetings(GOLD))
    compiled = Artifact.compile(document, "acmeclient")
    assert explain(document).notes == ()
    new = explain_with_artifact(compiled, "acmeclient", {"request": request(visitor=None)})
    assert new.notes == ("the request has no visitor id, so this is the decision for a new visitor with a random id",)
    known = explain_with_artifact(
        compiled, "acmeclient", {"request": request(visitor=None), "target_cookie": "PC#visitor-3.35_0#9999999999"}
    )
    assert (known.visitor, known.notes) == ("visitor-3", ())


def test_a_visitor_with_a_customer_id_is_not_new():
    compiled = Artifact.compile(artifact(hero=two_greetings(GOLD)), "acmeclient")
    customer = {"id": "42", "integrationCode": "crm", "authenticatedState": "authenticated"}
    call_request = {**request(), "id": {"customerIds": [customer]}}
    first, second = (explain_with_artifact(compiled, "acmeclient", {"request": call_request}) for _ in range(2))
    assert first == second
    assert first.notes == ()


def test_a_note_says_that_an_ip_address_is_not_looked_up():
    context = {"geo": {"ipAddress": "203.0.113.7"}}
    text = "a call would look up the visitor's location by the IP address; this explanation does not"
    assert explain(artifact(hero=[]), context=context).notes == (text,)
    assert explain(artifact(hero=[], changes={"geoTargetingEnabled": False}), context=context).notes == ()


def test_a_note_says_that_forced_experiences_are_not_considered():
    with client_of(artifact(hero=two_greetings(GOLD))) as client:
        explanation = client.explain({"request": request(), "force": {1112: "A"}})
    assert explanation.notes == ("this is the decision without the forced experiences",)
    assert not explanation.locations[0].chosen


def test_a_note_names_the_parts_that_only_the_edge_considers():
    document = artifact(hero=[])
    preview = {"qaMode": {"token": "t"}, "preview": {"token": "t"}}
    assert explain(document, **preview).notes == ("on-device decisions ignore qa_mode, preview",)
    with client_of(document, decisioning_method="hybrid") as client:
        explanation = client.explain({"request": request(mboxes=["hero", "unknown"], **preview)})
        assert explanation.notes == ("the edge decides this hybrid call because of unknown, qa_mode, preview",)
        assert client.explain({"request": request()}).notes == ()


# With a client


@pytest.mark.server
def test_an_explanation_sends_nothing_and_changes_no_statistics():
    document = artifact(hero=[experience("A", {"!": {"var": "geo.city"}})])
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(document, server.domain) as client:
        call_request = request(context={"geo": {"ipAddress": "203.0.113.7"}}, trace={"authorizationToken": "t"})
        before = client.stats()
        explanation = client.explain({"request": DeliveryRequest.from_dict(call_request)}, "hero")
        assert [rule.chosen for rule in explanation.rules] == [True]
        assert client.flush(10000)
        after = client.stats()
        before["artifact"]["age"] = after["artifact"]["age"]  # it grows
        assert after == before
        assert (server.connections, before["calls"]) == (0, 0)


def test_the_explanation_takes_the_options_of_a_call():
    with client_of(artifact(hero=two_greetings(GOLD)), property_token="p") as client:
        cookie = "PC#visitor-3.35_0#9999999999"
        explanation = client.explain({"request": request(visitor=None), "target_cookie": cookie}, "hero")
        assert isinstance(explanation, Explanation)
        assert explanation.rules[1].clauses[0].held is False
        envelope = decide(client, request(visitor=None), target_cookie=cookie)
        assert envelope.response.id.tnt_id == "visitor-3.35_0"


def test_the_options_are_keywords_or_a_dict():
    with client_of(artifact(hero=two_greetings(GOLD), other=[])) as client:
        call_request = DeliveryRequest.from_dict(request(mboxes=["hero", "other"]))
        assert [each.name for each in client.explain(request=call_request).locations] == ["hero", "other"]
        explanation = client.explain({"request": call_request}, "other", timeout=500)
        assert [each.name for each in explanation.locations] == ["other"]


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        (["request", "hero"], {}, "'options': expected a dict, got a DeliveryRequest; did you mean request=?"),
        (["hero"], {"timeout": 5}, "'options': expected a dict, got 'hero'"),
        ([{"timeout": 5}], {"timeout": 6}, "'timeout': given both in the dict and as a keyword argument"),
        (
            [{}, ["hero", "cart"]],
            {"timeout": 5},
            "'locations': item 0 is a list of 2 items; "
            "pass the names as separate arguments: explain(options, 'hero', 'cart')",
        ),
    ],
)
def test_the_error_names_a_wrong_argument(arguments, keywords, message):
    call_request = DeliveryRequest.from_dict(request())
    with client_of(artifact(hero=[])) as client, pytest.raises(OptionError) as raised:
        client.explain(*[call_request if each == "request" else each for each in arguments], **keywords)
    assert str(raised.value).partition(" ")[2].partition(" ")[2] == message


def test_a_server_side_call_cannot_be_explained():
    document = artifact(hero=[])
    with client_of(document) as client, pytest.raises(OptionError) as raised:
        client.explain({"request": request(), "decisioning_method": "server-side"})
    assert raised.value.option == "decisioning_method"
    assert str(raised.value).endswith(
        "got 'server-side'; only the edge can explain its decisions; create a second client with "
        "decisioning_method='on-device', or use the command target-sdk explain"
    )


@pytest.mark.server
def test_explain_raises_without_an_artifact_and_after_closing():
    with client_of(None, maximum_wait_ready=2000) as client:
        with pytest.raises(ArtifactNotAvailable) as raised:
            client.explain({"request": request()})
        assert raised.value.__cause__ is not None
    with pytest.raises(ClientClosed):
        client.explain({"request": request()})


def test_explain_raises_for_a_server_side_client():
    options = {"client": "acmeclient", "organization_id": "1234567890@AdobeOrg"}
    with TargetClient.create(options) as client, pytest.raises(ArtifactNotAvailable) as raised:
        client.explain({"request": request(), "decisioning_method": "on-device"})
    assert str(raised.value) == (
        "Unable to fulfill request; decisioning engine not ready. "
        "Cause: the client has no rule artifact, because its decisioning_method is 'server-side'"
    )


@pytest.mark.process
def test_only_an_explanation_imports_the_modules_of_explanations():
    code = (
        "import sys\n"
        "from tests.conformance.builders import artifact, client_of, decide, halves, request_json\n"
        "loaded = lambda: any(name.startswith('target_python_sdk.explain') for name in sys.modules)\n"
        "with client_of(artifact(home=halves())) as client:\n"
        "    decide(client)\n"
        "    assert not loaded()\n"
        "    client.explain({'request': request_json()})\n"
        "    assert loaded()\n"
    )
    done = run_python("-c", code)
    assert (done.returncode, done.stderr) == (0, "")
