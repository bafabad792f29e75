"""Rules give the same results as json-logic-js, which computed the table of cases. The limits on rules are our own."""

import contextlib
import json
import math
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_tools.errors import InvalidRule
from target_tools.rules.compiler import MAX_DEPTH, MAX_NODES, compile_condition, compile_rule
from target_tools.rules.javascript import UNDEFINED, to_boolean
from target_tools.rules.loop_operators import GROWING_OPERATORS, LOOP_OPERATORS
from target_tools.rules.operators import MAX_CACHED, OPERATORS, ClosureCache

TABLE = json.loads((Path(__file__).parent / "json_logic" / "cases.json").read_text(encoding="utf-8"))
SPECIAL_VALUES = {"undefined": UNDEFINED, "NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf, "-0": -0.0}
ERROR = {"$": "error"}


def is_special(value):
    return isinstance(value, dict) and list(value) == ["$"]


def operator_of(rule):
    return next(iter(rule)) if isinstance(rule, dict) and len(rule) == 1 else "literal"


def cases():
    """Yield the rule, the data and the result of each case."""
    for rule, data, result in TABLE["cases"]:
        yield rule, TABLE["shared_data"] if data == {"$": "shared"} else data, result


def are_same(expected, actual):
    """Return whether a result has the expected value and type: 1 differs from True, and -0 from 0."""
    if is_special(expected):
        expected = SPECIAL_VALUES[expected["$"]]
    if isinstance(expected, list):
        return isinstance(actual, list) and len(expected) == len(actual) and all(map(are_same, expected, actual))
    if isinstance(expected, dict):
        return expected == actual
    if type(expected) in (int, float) and type(actual) in (int, float):
        pair = float(expected), float(actual)
        return all(map(math.isnan, pair)) or (
            pair[0] == pair[1] and math.copysign(1, pair[0]) == math.copysign(1, pair[1])
        )
    return type(expected) is type(actual) and expected == actual


def mismatches(compile_case, agrees):
    """Yield a text for each case whose result does not agree with the table."""
    for rule, data, result in cases():
        if result != ERROR:
            value = compile_case(rule)(data)
            if not agrees(result, value):
                yield f"{json.dumps(rule)} of {json.dumps(data)[:200]}: expected {result}, got {value!r}"


# The table


def test_each_case_has_the_result_of_json_logic_js():
    assert list(mismatches(compile_rule, are_same)) == []


def test_each_condition_is_true_or_false_as_in_an_if_statement_of_javascript():
    def agrees(expected, actual):
        return actual is to_boolean(SPECIAL_VALUES[expected["$"]] if is_special(expected) else expected)

    assert list(mismatches(compile_condition, agrees)) == []


def test_a_rule_for_which_json_logic_js_throws_is_refused_or_evaluates_to_none():
    outcomes = {}
    for rule, data, result in cases():
        if result == ERROR:
            try:
                outcomes[json.dumps(rule)] = compile_rule(rule)(data)
            except InvalidRule as error:
                outcomes[json.dumps(rule)] = type(error)
    assert outcomes.pop('{"missing_some": [1, null]}') is None
    assert set(outcomes.values()) == {InvalidRule}


def test_the_table_names_its_source_and_covers_every_operator():
    version = json.loads((Path(__file__).parent / "json_logic" / "package.json").read_text())["dependencies"]
    assert TABLE["computed_by"] == "json-logic-js {}".format(version["json-logic-js"])
    assert len(TABLE["cases"]) >= 2000
    assert {*OPERATORS, *LOOP_OPERATORS, *GROWING_OPERATORS} <= {operator_of(rule) for rule, _, _ in cases()}


def test_the_comparison_with_the_table_detects_wrong_results():
    for expected, actual in (
        (1, True),
        (0, -0.0),
        ([1], [1, 2]),
        ("1", 1),
        ({"$": "NaN"}, None),
        (False, None),
    ):
        assert not are_same(expected, actual)
    assert not are_same({"$": "-0"}, 0)
    assert not are_same({"$": "undefined"}, None)


# Defects of 1.1.0


@pytest.mark.parametrize("parameter", ["abc", "", "1e3", "5", "4", None, [], {}, "٣", "Infinity"])
def test_b51_a_parameter_that_is_not_a_number_is_compared_and_raises_nothing(parameter):
    above_five = compile_condition({"<": [5, {"var": "mbox.age"}]})
    assert above_five({"mbox": {"age": parameter}}) is (parameter in ("1e3", "Infinity"))


def test_b51_a_missing_parameter_is_in_no_list_and_raises_nothing():
    for zips in ("94107,94108", ["94107", "94108"]):
        assert compile_condition({"in": [{"var": "mbox.zip"}, zips]})({"mbox": {}}) is False
        assert compile_condition({"in": [{"var": "mbox.zip"}, zips]})({"mbox": {"zip": "94107"}}) is True
    assert compile_condition({"in": ["x", {"var": "mbox.zip"}]})({"mbox": {}}) is False


def test_b51_a_missing_variable_does_not_equal_the_text_none():
    for text in ("None", "null", "undefined", ""):
        for rule in (
            {"==": [text, {"var": "mbox.name"}]},
            {"==": [{"var": "a"}, text]},
            {"==": [{"var": "a.b.c"}, text]},
        ):
            assert compile_condition(rule)({"mbox": {}}) is False


# Refused rules


@pytest.mark.parametrize("name", ["method", "log", "nope", "", "var.length", "constructor", "x" * 1000])
def test_an_unknown_operator_anywhere_in_a_rule_is_refused_at_compile_time(name):
    unknown = {name: [1]}
    for rule in (
        unknown,
        [unknown],
        {"if": [True, 1, unknown]},
        {"map": [[], unknown]},
        {"==": [{"var": "a"}, unknown]},
    ):
        with pytest.raises(InvalidRule):
            compile_rule(rule)


def nest(levels, wrap):
    rule = {"var": "a"}
    for _ in range(levels):
        rule = wrap(rule)
    return rule


@pytest.mark.parametrize(
    "wrap",
    [
        lambda rule: {"!": rule},
        lambda rule: {"and": [True, rule]},
        lambda rule: {"if": [rule, 1, 2]},
        lambda rule: [rule],
        lambda rule: {"some": [[1], rule]},
        lambda rule: {"cat": [rule, "x"]},
    ],
)
def test_a_rule_may_have_at_most_100_levels(wrap):
    compile_condition(nest(MAX_DEPTH, wrap))({"a": 1})
    for levels in (MAX_DEPTH + 1, 3000):
        with pytest.raises(InvalidRule, match="nested"):
            compile_condition(nest(levels, wrap))


def test_a_rule_may_have_at_most_10000_parts():
    compile_rule({"or": [{"!": [0]}] * (MAX_NODES // 2 - 1)})
    for rule in ({"or": [{"!": [0]}] * MAX_NODES}, [[[{}] * 100] * 100], {"cat": ["x" * 1024 * MAX_NODES]}):
        with pytest.raises(InvalidRule, match="parts"):
            compile_rule(rule)


def test_a_long_list_of_plain_values_is_a_small_rule():
    zips = [str(number) for number in range(100000)]
    assert compile_condition({"in": [{"var": "zip"}, zips]})({"zip": "99999"})
    assert compile_condition({"in": [{"var": ["zip", 1]}, zips]})({"zip": "99999"})


def test_literal_objects_are_returned_unchanged():
    literal = {"a": {"no such operator": 1}, "b": [{"deep": {}}]}
    assert compile_rule(literal)({}) is literal
    assert compile_rule({})(None) == {}
    assert compile_rule({"if": [{"var": "x"}, 1, literal]})({}) is literal


# Limits of an evaluation


def reduce_rule(body, start):
    return {"reduce": [list(range(60)), body, start]}


ACCUMULATOR, CURRENT = {"var": "accumulator"}, {"var": "current"}
RANGE = list(range(300))


@pytest.mark.parametrize(
    "rule",
    [
        reduce_rule({"cat": [ACCUMULATOR, ACCUMULATOR]}, "ab"),
        reduce_rule({"merge": [ACCUMULATOR, ACCUMULATOR]}, [1]),
        reduce_rule([ACCUMULATOR, ACCUMULATOR], 1),
        {"cat": [reduce_rule([ACCUMULATOR, ACCUMULATOR], 1)]},
        reduce_rule({"cat": [[ACCUMULATOR, ACCUMULATOR]]}, "ab"),
        reduce_rule({"reduce": [[1, 2, 3], {"cat": [ACCUMULATOR, ACCUMULATOR]}, ACCUMULATOR]}, "ab"),
        {"some": [RANGE, {"some": [RANGE, {"some": [RANGE, {"<": [{"var": ""}, 0]}]}]}]},
        {"map": [RANGE, {"map": [RANGE, {"filter": [RANGE, True]}]}]},
        {"none": [RANGE, {"all": [RANGE, {"reduce": [RANGE, {"+": [ACCUMULATOR, CURRENT]}, 1]}]}]},
        {"cat": [{"var": "long"}] * 1000},
        {"map": [RANGE, {"cat": ["x" * 100000]}]},
    ],
)
def test_a_rule_with_too_many_steps_is_stopped(rule):
    with pytest.raises(InvalidRule, match="steps"):
        compile_rule(rule)({"long": "x" * 100000})


def test_each_evaluation_in_each_thread_has_a_separate_budget():
    total = compile_rule({"reduce": [{"var": "items"}, {"+": [ACCUMULATOR, CURRENT]}, 0]})
    data, wrong_results = {"items": [1] * 2000}, []

    def evaluate():
        for _ in range(5):
            if total(data) != 2000:
                wrong_results.append(1)

    threads = [threading.Thread(target=evaluate) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong_results == []
    with pytest.raises(InvalidRule):
        total({"items": [1] * 100000})
    assert total(data) == 2000


def test_a_loop_over_a_cart_of_500_items_is_within_the_budget():
    cart = [{"id": str(number), "price": number, "tags": ["a", "b"]} for number in range(500)]
    rule = {"some": [{"var": "cart"}, {"and": [{">": [{"var": "price"}, 498]}, {"in": ["b", {"var": "tags"}]}]}]}
    assert compile_condition(rule)({"cart": cart}) is True


# Shared parts of rules


def test_each_case_has_the_same_result_if_all_cases_share_a_cache():
    cache = ClosureCache()
    assert list(mismatches(lambda rule: compile_rule(rule, cache), are_same)) == []


def test_the_cache_distinguishes_values_that_are_equal_only_in_python():
    cache = ClosureCache()
    values = [1, 1.0, True, "1", 0, 0.0, -0.0, False, "0", "", None]
    data = {"a": 1, "b": {"c": "1"}}
    for rule in (
        lambda value: {"===": [value, {"var": "a"}]},
        lambda value: {"==": [value, {"var": "b.c"}]},
        lambda value: {"<=": [value, {"var": "a"}]},
        lambda value: {"and": [{"<=": [value, {"var": "a"}]}, {">=": [1, {"var": "a"}]}]},
        lambda value: {"/": [1, value]},
        lambda value: {"if": [value, "yes", "no"]},
        lambda value: {"in": [value, "110"]},
        lambda value: value,
    ):
        for value in values:
            expected, actual = compile_rule(rule(value))(data), compile_rule(rule(value), cache)(data)
            assert repr(actual) == repr(expected)


def test_a_cache_keeps_a_bounded_number_of_closures_and_returns_the_right_ones():
    cache = ClosureCache()
    conditions = [compile_condition({"==": [str(number), {"var": "a.b"}]}, cache) for number in range(2 * MAX_CACHED)]
    assert cache.get.cache_info().currsize == MAX_CACHED
    assert all(condition({"a": {"b": str(number)}}) for number, condition in enumerate(conditions))
    duplicate = compile_condition({"==": [str(2 * MAX_CACHED - 1), {"var": "a.b"}]}, cache)
    assert duplicate is conditions[-1]
    assert compile_condition({"==": ["0", {"var": "a.b"}]}) is not compile_condition({"==": ["0", {"var": "a.b"}]})


def test_rules_that_share_a_cache_share_neither_results_nor_budgets():
    cache = ClosureCache()
    first, second = (compile_rule({"if": [True, [1, {"var": "a"}]]}, cache) for _ in range(2))
    first({}).append("mine")
    assert second({}) == [1, None]
    total = {"reduce": [{"var": "items"}, {"+": [ACCUMULATOR, CURRENT]}, 0]}
    first, second = (compile_rule({"+": [1, total]}, cache) for _ in range(2))
    with pytest.raises(InvalidRule):
        first({"items": [1] * 100000})
    assert second({"items": [1] * 2000}) == 2001


def test_a_range_counts_as_its_two_comparisons_towards_the_limits():
    share = {"and": [{"<": [0, {"var": "a"}]}, {">=": [50, {"var": "a"}]}]}
    assert compile_rule({"or": [share] * (MAX_NODES // 3)})({"a": 50}) is True
    with pytest.raises(InvalidRule, match="parts"):
        compile_rule({"or": [share] * (MAX_NODES // 3 + 1)})
    for levels in range(3):
        rule = share
        for _ in range(MAX_DEPTH - levels):
            rule = {"!": rule}
        with pytest.raises(InvalidRule, match="nested") if levels == 0 else contextlib.nullcontext():
            compile_rule(rule)


# Data


def test_variables_are_read_by_subscript_only_so_that_data_can_be_lazy():
    class Lazy(dict):
        computed = ()

        def __missing__(self, key):
            if key == "nothing":
                raise KeyError(key)
            self.computed = (*self.computed, key)
            self[key] = {"name": "firefox", "level": 30}
            return self[key]

        def get(self, key, default=None):
            raise AssertionError("the lookup called get")

        def __contains__(self, key):
            raise AssertionError("the lookup tested whether the key exists")

        def __iter__(self):
            raise AssertionError("the lookup iterated over the keys")

    data = Lazy()
    assert compile_condition({"==": [{"var": "user.name"}, "firefox"]})(data) is True
    assert compile_condition({"<": [5, {"var": "user.level"}]})(data) is True
    assert compile_condition({"==": [{"var": "user.name.length"}, 7]})(data) is True
    assert compile_rule({"var": ["nothing", "default"]})(data) == "default"
    assert compile_rule({"var": "nothing.more"})(data) is None
    assert compile_rule({"<": [5, {"var": "nothing"}]})(data) is False
    assert data.computed == ("user",)


def test_an_exception_while_computing_a_variable_is_raised():
    class Broken(dict):
        def __missing__(self, key):
            raise TypeError("a mistake in the context")

    for rule in ({"var": "a"}, {"==": ["x", {"var": "a.b"}]}, {"<": [1, {"var": "a"}]}, {"var": "a.b.c"}):
        with pytest.raises(TypeError, match="mistake"):
            compile_rule(rule)(Broken())


def test_an_empty_array_as_a_name_means_the_data_itself():
    assert compile_rule({"var": []})({"a": 1}) == {"a": 1}
    assert compile_rule({"missing": [[[], "b"]]})({"a": 1}) == ["b"]
    assert compile_rule({"missing": [[[]]]})({"a": 1}) == []
    assert compile_rule({"missing": [[[]]]})(None) == [[]]
    assert compile_rule({"missing_some": [1, [[], "b"]]})({"a": 1}) == []


def test_data_is_never_run_as_a_rule_and_inherits_nothing():
    data = {"names": {"cat": ["a"]}, "a": 1, "rule": {"!": [False]}, "indexOf": {"indexOf": 1}}
    assert compile_rule({"missing": [{"var": "names"}]})(data) == [{"cat": ["a"]}]
    assert compile_rule({"var": "rule"})(data) == {"!": [False]}
    assert compile_rule({"in": [1, {"var": "indexOf"}]})(data) is False
    for name in ("constructor", "toString", "__proto__", "__class__", "a.constructor", "names.keys"):
        assert compile_rule({"var": name})(data) is None
        assert compile_rule({"missing": [name]})(data) == [name]


def test_data_and_rules_are_not_changed():
    rule = {"merge": [[1, 2], {"var": "items"}, {"map": [{"var": "items"}, [{"var": ""}]]}]}
    data = {"items": [3]}
    before = json.dumps([rule, data])
    result = compile_rule(rule)(data)
    result.append("mine")
    compile_rule([1, 2])(data).append("mine")
    assert json.dumps([rule, data]) == before


# Random rules and data


HUGE = 10**400
PLAIN = (
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats() | st.sampled_from([HUGE, -HUGE])
    | st.sampled_from(["", "a", "b", "a.b", "accumulator", "current", "0", "length", "1e3", "0x10", " 5 "])
    | st.sampled_from(["\ud83d", "\U0001f600"])
)  # fmt: skip
DATA = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("ab"), inner), max_leaves=12
)
RULES = st.recursive(
    PLAIN | st.sampled_from([{"var": name} for name in ("", "a", "b", "a.b", "b.0.a", "accumulator", "current")]),
    lambda inner: (
        st.builds(
            lambda name, arguments: {name: arguments},
            st.sampled_from([*OPERATORS, *LOOP_OPERATORS, *GROWING_OPERATORS]),
            inner | st.lists(inner, max_size=4),
        )
        | st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from("ab"), inner, min_size=2)
    ),
    max_leaves=15,
)


@given(RULES, DATA)
def test_rules_and_data_of_any_form_raise_only_invalid_rule(rule, data):
    try:
        condition = compile_condition(rule)
        evaluate = compile_rule(rule)
    except InvalidRule:
        return
    try:
        value = evaluate(data)
    except InvalidRule:
        return
    assert condition(data) is to_boolean(value)


@given(
    st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in"]),
    st.sampled_from(["a", "a.b", "a.b.a", "a.length", "a.0"]),
    PLAIN | st.lists(PLAIN, max_size=3),
    st.booleans(),
    DATA,
)
def test_a_fast_path_has_the_result_of_the_general_closure(name, path, other, is_reversed, data):
    def rule(variable):
        return {name: [other, variable] if is_reversed else [variable, other]}

    # A null default does not change the result, but there is no fast path for variables with a default.
    assert compile_rule(rule({"var": path}))(data) is compile_rule(rule({"var": [path, None]}))(data)


BOUNDS = st.integers(-2, 101) | st.floats() | st.sampled_from([0, 50.0, -0.0, True, None, "5", HUGE])


@given(st.tuples(*[st.sampled_from(["<", "<=", ">", ">="]), BOUNDS, st.booleans()] * 2), BOUNDS | DATA, DATA)
def test_the_fast_path_of_a_range_has_the_result_of_the_general_closure(bounds, value, other):
    def range_rule(variable):
        pairs = (bounds[:3], bounds[3:])
        return {
            "and": [
                {name: [variable, bound] if is_reversed else [bound, variable]} for name, bound, is_reversed in pairs
            ]
        }

    for data in ({"a": value}, other):
        assert compile_rule(range_rule({"var": "a"}))(data) is compile_rule(range_rule({"var": ["a", None]}))(data)


def test_data_that_is_nested_deeper_than_the_stack_raises_only_invalid_rule():
    lists, dicts = [], {}
    for _ in range(50000):
        lists, dicts = [lists], {"a": dicts}
    for data in (lists, dicts):
        for name in ("==", "<", "+", "cat", "substr", "in", "merge", "missing", "!", "max"):
            compile_rule({name: [{"var": ""}, "a"]})(data)
            with contextlib.suppress(InvalidRule):  # the loop takes too many steps
                compile_rule({"map": [[{"var": ""}], {name: [{"var": ""}, "a"]}]})(data)
