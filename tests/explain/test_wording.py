"""Conditions are described in words, and split into clauses, shares and variables."""

import pytest
from hypothesis import given

from target_python_sdk.explain import structure
from target_python_sdk.explain.structure import (
    Share,
    clauses,
    constant_truth,
    split,
    split_share,
    variables,
    without_not,
)
from target_python_sdk.explain.wording import MAX_TEXT, describe
from target_tools.errors import InvalidRule
from target_tools.rules.compiler import compile_rule
from target_tools.rules.operators import is_truthy
from tests.conformance.builders import share as allocation_of
from tests.decisioning.test_properties import JSON, LOGIC, PARAMETERS


def var(*arguments):
    """Return the rule that reads a variable."""
    return {"var": arguments[0] if len(arguments) == 1 else list(arguments)}


GOLD = {"==": [var("mbox.member"), "gold"]}
CHROME = {"==": [var("user.browserType"), "chrome"]}
ADULT = {"<=": [18, var("mbox.age")]}

SENTENCES = [
    # Comparison
    (GOLD, "mbox.member is 'gold'"),
    ({"==": ["gold", var("mbox.member")]}, "mbox.member is 'gold'"),
    ({"!=": [var("mbox.member"), "gold"]}, "mbox.member is not 'gold'"),
    ({"===": [var("mbox.age"), 7]}, "mbox.age is exactly 7"),
    ({"!==": [var("mbox.age"), 7]}, "mbox.age is not exactly 7"),
    ({"<": [var("mbox.age"), 18]}, "mbox.age is below 18"),
    ({"<": [18, var("mbox.age")]}, "mbox.age is above 18"),
    ({">=": [var("mbox.age"), "18"]}, "mbox.age is at least '18'"),
    ({">=": [18, var("mbox.age")]}, "mbox.age is at most 18"),
    ({"==": [var("mbox.a"), var("mbox.b")]}, "mbox.a is mbox.b"),
    ({"<": [1]}, "1 is below undefined"),
    ({"==": [var("geo.city"), None]}, "geo.city is missing"),
    ({"!=": [var("geo.city"), None]}, "geo.city is present"),
    ({"!==": [None, var("geo.city")]}, "geo.city is present"),
    ({"==": [var("page.query"), ""]}, "page.query is empty"),
    ({"!=": [var("page.query"), ""]}, "page.query is not empty"),
    ({"==": [var("mbox.a"), True]}, "mbox.a is true"),
    # Each family of attributes
    ({"==": [var("user.platform"), "ios"]}, "user.platform is 'ios'"),
    ({"in": ["/shoes", var("referring.path_lc")]}, "referring.path_lc contains '/shoes'"),
    ({"<": ["37.70", var("geo.latitude")]}, "geo.latitude is above '37.70'"),
    ({"in": [var("geo.country"), ["US", "CA"]]}, "geo.country is one of 'US', 'CA'"),
    ({"==": [var("mbox.my parameter"), 1]}, "mbox.my parameter is 1"),
    ({"<=": [1585098300000, var("current_timestamp")]}, "current_timestamp is at or after 2020-03-25 01:05 UTC"),
    ({"<": [var("current_timestamp"), 1585098301000]}, "current_timestamp is before 2020-03-25 01:05:01 UTC"),
    ({">": [var("current_timestamp"), 1585098300001]}, "current_timestamp is after 2020-03-25 01:05:00.001 UTC"),
    ({">": [var("current_timestamp"), -1]}, "current_timestamp is after -1"),
    ({"<=": [var("current_time"), "2359"]}, "current_time is at or before 23:59 UTC"),
    ({"==": [var("current_time"), "noon"]}, "current_time is 'noon'"),
    ({"==": [var("current_day"), 1]}, "current_day is 1 (Monday)"),
    ({"==": [var("current_day"), "7"]}, "current_day is '7' (Sunday)"),
    ({"==": [var("current_day"), 8]}, "current_day is 8"),
    ({"in": [var("current_day"), [1, 2, 3, 4, 5]]}, "current_day is from 1 (Monday) to 5 (Friday)"),
    ({"in": [var("current_day"), [6, 7]]}, "current_day is one of 6 (Saturday), 7 (Sunday)"),
    # Ranges
    ({"<": [18, var("mbox.age"), 65]}, "mbox.age is above 18 and below 65"),
    ({"<=": [18, var("mbox.age"), 65]}, "mbox.age is from 18 to 65"),
    ({"!": {"<=": [18, var("mbox.age"), 65]}}, "mbox.age is not from 18 to 65"),
    (allocation_of(50, 100), "allocation is above 50 and at most 100"),
    ({"!": allocation_of(50, 100)}, "allocation is not (above 50 and at most 100)"),
    ({"and": [ADULT, GOLD, {">": [65, var("mbox.age")]}]},
     "mbox.age is at least 18 and below 65 and mbox.member is 'gold'"),
    ({"and": [ADULT, ADULT]}, "mbox.age is at least 18 and mbox.age is at least 18"),
    ({"<=": ["0900", var("current_time"), "1659"]}, "current_time is from 09:00 UTC to 16:59 UTC"),
    ({"<": [var("mbox.a"), var("mbox.b"), 3]}, "mbox.a < mbox.b < 3"),
    ({"!": {"<": [var("mbox.a"), var("mbox.b"), 3]}}, "not (mbox.a < mbox.b < 3)"),
    # Membership
    ({"in": ["ar", var("mbox.foo")]}, "mbox.foo contains 'ar'"),
    ({"!": {"in": ["ar", var("mbox.foo")]}}, "mbox.foo does not contain 'ar'"),
    ({"in": [var("mbox.zip"), "94107,94108"]}, "mbox.zip is part of '94107,94108'"),
    ({"!": {"in": [var("mbox.zip"), "94107"]}}, "mbox.zip is not part of '94107'"),
    ({"in": [var("mbox.zip"), ["94107"]]}, "mbox.zip is '94107'"),
    ({"in": [var("mbox.zip"), []]}, "mbox.zip is in an empty list"),
    ({"!": {"in": [var("mbox.zip"), ["1", "2"]]}}, "mbox.zip is none of '1', '2'"),
    ({"in": [1, [var("mbox.a"), 2]]}, "1 is in [mbox.a, 2]"),
    ({"in": [var("mbox.n"), list(range(40))]}, f"mbox.n is one of {', '.join(map(str, range(12)))}, and 28 more"),
    # And, or, not
    ({"and": [CHROME, {"and": [GOLD, ADULT]}]},
     "user.browserType is 'chrome' and mbox.member is 'gold' and mbox.age is at least 18"),
    ({"and": [True, GOLD, {"!": False}]}, "mbox.member is 'gold'"),
    ({"or": [CHROME, GOLD]}, "user.browserType is 'chrome' or mbox.member is 'gold'"),
    ({"and": [ADULT, {"or": [CHROME, GOLD]}]},
     "mbox.age is at least 18 and (user.browserType is 'chrome' or mbox.member is 'gold')"),
    ({"or": [GOLD, allocation_of(1, 2)]}, "mbox.member is 'gold' or (allocation is above 1 and at most 2)"),
    ({"or": [GOLD, {"in": [var("mbox.member"), ["silver"]]}]}, "mbox.member is one of 'gold', 'silver'"),
    ({"!": {"or": [GOLD, {"==": [var("mbox.member"), "silver"]}]}}, "mbox.member is none of 'gold', 'silver'"),
    ({"!": {"or": [CHROME, GOLD]}}, "user.browserType is not 'chrome' and mbox.member is not 'gold'"),
    ({"!": {"and": [CHROME, ADULT]}}, "user.browserType is not 'chrome' or mbox.age is not at least 18"),
    ({"!": [{"!": [GOLD]}]}, "mbox.member is 'gold'"),
    ({"!!": GOLD}, "mbox.member is 'gold'"),
    ({"!": {"!=": [var("a"), 1]}}, "a is 1"),
    ({"!": {"===": [var("a"), 1]}}, "a is not exactly 1"),
    ({"!": {"==": [var("a"), None]}}, "a is present"),
    ({"!": {"!=": [var("a"), None]}}, "a is missing"),
    ({"and": [GOLD]}, "mbox.member is 'gold'"),
    ({"or": GOLD}, "mbox.member is 'gold'"),
    ({"or": [{"==": [var(f"v{number}"), 1]} for number in range(35)]},
     " or ".join([*(f"v{number} is 1" for number in range(30)), "5 more conditions"])),
    # Conditions without a comparison
    (True, "every visitor"),
    (False, "no visitor"),
    (None, "no visitor"),
    ("yes", "every visitor"),
    ({}, "every visitor"),
    ({"and": []}, "no visitor"),
    ({"!": []}, "every visitor"),
    (var("mbox.a"), "mbox.a is set"),
    ({"!": var("mbox.a")}, "mbox.a is not set"),
    (var(""), "the data is set"),
    ({"var": []}, "the data is set"),
    (var(7), "7 is set"),
    ({"==": [var("mbox.foo", "none"), "none"]}, "mbox.foo (by default 'none') is 'none'"),
    ({"==": [var({"cat": ["a", "b"]}), 1]}, "the variable named ('a' followed by 'b') is 1"),
    ({"missing": ["mbox.a"]}, "mbox.a is missing"),
    ({"!": {"missing": [["mbox.a", "mbox.b"]]}}, "all of mbox.a, mbox.b are present"),
    ({"missing": ["mbox.a", var("b")]}, "not all of mbox.a, b are present"),
    ({"missing_some": [2, ["a", "b", "c"]]}, "fewer than 2 of a, b, c are present"),
    ({"!": {"missing_some": [1, ["a", "b"]]}}, "at least 1 of a, b are present"),
    ({"if": [GOLD, True, False]}, "mbox.member is 'gold'"),
    ({"if": [GOLD, False, True]}, "mbox.member is not 'gold'"),
    ({"if": [GOLD, CHROME]}, "if mbox.member is 'gold' then user.browserType is 'chrome', otherwise no visitor"),
    ({"!": {"?:": [GOLD, CHROME, ADULT]}},
     "not (if mbox.member is 'gold' then user.browserType is 'chrome', otherwise mbox.age is at least 18)"),
    # Values
    ({"==": [{"+": [var("a"), 1]}, 2]}, "(a + 1) is 2"),
    ({"==": [{"-": [var("a"), {"*": [2, 3]}]}, {"-": 1}]}, "(a - (2 * 3)) is (-1)"),
    ({"==": [{"%": [var("a"), 2]}, {"/": [4, 2]}]}, "(a modulo 2) is (4 / 2)"),
    ({">": [{"max": [1, var("a")]}, {"min": [2, 3]}]}, "(the largest of 1, a) is above (the smallest of 2, 3)"),
    ({"==": [{"cat": ["x", var("a")]}, "xy"]}, "('x' followed by a) is 'xy'"),
    ({"==": [{"substr": [var("a"), 0, 3]}, "abc"]}, "(the part of a from position 0 with length 3) is 'abc'"),
    ({"substr": [var("a"), -3]}, "(the part of a from position -3) is not empty"),
    ({"!": {"cat": [var("a")]}}, "(a) is empty"),
    ({"in": [1, {"merge": [var("a"), [2]]}]}, "(the items of a, [2]) contains 1"),
    ({"==": [{"missing": ["a"]}, {"missing_some": [1, ["a"]]}]},
     "(the missing ones of 'a') is (the missing ones of ['a'] if fewer than 1 are present)"),
    ({"==": [{"!": var("a")}, {"<": [var("b"), 1]}]}, "(a is not set) is (b is below 1)"),
    ({"==": [{"if": [GOLD, 1, CHROME, 2, 3]}, 2]},
     "(if mbox.member is 'gold' then 1, otherwise if user.browserType is 'chrome' then 2, otherwise 3) is 2"),
    ({"==": [[var("a"), {"b": 1, "c": 2}], {"b": 1, "c": 2}]}, "[a, a dict of 2 items] is a dict of 2 items"),
    # Loops
    ({"some": [var("l"), {"==": [var(""), 1]}]}, "for at least one item of l, the item is 1"),
    ({"!": {"all": [var("l"), {">": [var("price"), 1]}]}}, "not (for every item of l, price of the item is above 1)"),
    ({"none": [var("l"), var("a")]}, "for no item of l, a of the item is set"),
    ({"filter": [var("l"), {">": [var(""), 1]}]}, "(the items of l where the item is above 1) is not empty"),
    ({"in": [2, {"map": [var("l"), {"*": [var(""), 2]}]}]}, "((the item * 2) for each item of l) contains 2"),
    ({"==": [{"reduce": [var("l"), {"+": [var("current"), var("accumulator")]}, 0]}, 6]},
     "((current + accumulator) over the items of l, starting with 0) is 6"),
    ({"reduce": [var("l"), 1]}, "(1 over the items of l, starting with null) is set"),
    ({"some": []}, "for at least one item of null, no visitor"),
    # Odd and hostile input
    ({"nonsense": [1, var("x")]}, "(unknown operator 'nonsense' of 1, x) is set"),
    ({"nonsense": []}, "(unknown operator 'nonsense' of nothing) is set"),
    ({"cat": []}, "(operator 'cat' of nothing) is not empty"),
    ({"==": [var("x"), "\ud800\x1b[2J"]}, r"x is '\ud800\x1b[2J'"),
    ({"==": [var("x\n"), 10**5000]}, r"x\n is Infinity"),
    ({"==": [var("x"), "y" * 100]}, f"x is '{'y' * 60}'..."),
    ({"==": [var("x"), [[[1]]]]}, "x is [[[1]]]"),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "sentence"), SENTENCES, ids=[sentence[:60] for _, sentence in SENTENCES])
def test_a_condition_is_described_in_words(condition, sentence):
    assert describe(condition) == sentence


def test_deep_conditions_are_cut_off():
    chain, loop, some = True, True, True
    for _ in range(5000):
        chain = {"if": [{"!": [{"or": [chain, var("a")]}]}, 1, 2]}
        loop = {"==": [{"cat": [[loop]]}, "a"]}
        some = {"missing_some": [1, [{"reduce": [some, 1, 1]}]]}
    assert "…" in describe(chain)
    assert "…" in describe(loop)
    assert "…" in describe(some)
    assert variables(loop) == []
    assert split(chain)[0] == ""


@pytest.mark.parametrize("negate", [False, True])
def test_the_time_for_a_deep_condition_does_not_double_at_each_level(monkeypatch, negate):
    """Each of 100 levels is an ``or`` or an ``and`` with a single argument. The innermost condition has two parts."""
    condition = {"and": [var("a"), var("b")]}
    for level in range(100):
        condition = {("or", "and")[level % 2]: [condition]}
        condition = {"!": [condition]} if negate else condition
    calls = []

    def count_call(rule):
        calls.append(rule)
        assert len(calls) < 10000
        return without_not(rule)

    monkeypatch.setattr(structure, "without_not", count_call)
    assert describe(condition) == "a is set and b is set"


def test_long_texts_are_cut_off():
    text = describe({"and": [{"==": [var("x" * 70 + str(number)), "y" * 60]} for number in range(30)]})
    assert len(text) == MAX_TEXT
    assert text.endswith("…")


@given(JSON | LOGIC)
def test_any_condition_is_one_printable_line(condition):
    text = describe(condition)
    assert text.isprintable()
    assert 0 < len(text) <= MAX_TEXT


@given(LOGIC, PARAMETERS)
def test_the_clauses_of_a_condition_hold_if_and_only_if_it_holds(condition, parameters):
    data = {"mbox": parameters, "allocation": 42.0}
    try:
        expected = is_truthy(compile_rule(condition)(data))
    except InvalidRule:
        return  # it cannot be evaluated

    def holds(rule):
        return is_truthy(compile_rule(rule)(data))

    assert all(map(holds, clauses(condition))) == expected
    connective, parts = split(condition)
    assert (any if connective == "or" else all)(map(holds, parts)) == expected
    _, allocation, audience = split_share(condition)
    assert (holds(allocation) and holds(audience)) == expected
    truth = constant_truth(condition)
    assert truth is None or truth == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (True, (None, True, True)),
        (GOLD, (None, True, GOLD)),
        (allocation_of(50, 100), (Share(50, 100), allocation_of(50, 100), True)),
        ({"and": [allocation_of(0, 50), GOLD]}, (Share(0, 50), allocation_of(0, 50), GOLD)),
        ({"and": [{">": [var("allocation"), 10]}, GOLD, CHROME]},
         (Share(10, 100), {">": [var("allocation"), 10]}, {"and": [GOLD, CHROME]})),
        ({"<": [var("allocation"), 10**400]}, (Share(0, 100), {"<": [var("allocation"), 10**400]}, True)),
        ({"!": [allocation_of(0, 50)]}, (None, True, {"!": [allocation_of(0, 50)]})),
        ({"==": [var("allocation"), "7"]}, (None, True, {"==": [var("allocation"), "7"]})),
    ],
)  # fmt: skip
def test_the_share_is_separated_from_the_audience(condition, expected):
    assert split_share(condition) == expected


def test_a_share_is_shown_as_a_range():
    assert str(Share(0, 33.33)) == "0 to 33.33"


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ({"and": [GOLD, {"==": [var("mbox.a", var("b")), var("mbox.member")]}]}, ["mbox.member", "mbox.a", "b"]),
        ({"missing": ["a", "b"]}, ["a", "b"]),
        ({"missing_some": [var("n"), ["a", 7]]}, ["a", "n"]),
        ({"some": [var("l"), var("x")]}, ["l"]),
        ({"reduce": [var("l"), var("current"), var("start")]}, ["l", "start"]),
        ([var("a"), 1], ["a"]),
        (var(""), []),
        (var({"cat": ["a", var("b")]}), ["b"]),
    ],
)
def test_the_variables_of_a_rule_are_listed_without_those_of_loops(rule, names):
    assert variables(rule) == names
