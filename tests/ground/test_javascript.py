"""Conversions and comparisons of values as in ECMA-262. ``test_json_logic`` compares with a real JavaScript engine."""

import math
from enum import IntEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_tools.errors import InvalidRule
from target_tools.rules.javascript import (
    UNDEFINED,
    code_units,
    contains,
    divide,
    from_code_units,
    get_property,
    less_or_equal,
    less_than,
    loosely_equal,
    parse_float,
    remainder,
    strictly_equal,
    substr,
    to_boolean,
    to_number,
    to_string,
)

#: Larger than any double.
HUGE = 10**400


class Level(IntEnum):
    LOW = 1


class Text(str):
    pass


@pytest.mark.parametrize("value", [True, 1, -0.5, HUGE, "0", "false", [], {}, (), [0], object(), math.inf])
def test_truthy_values_are_converted_to_true(value):
    assert to_boolean(value) is True


@pytest.mark.parametrize("value", [False, 0, -0.0, math.nan, "", None, UNDEFINED])
def test_falsy_values_are_converted_to_false(value):
    assert to_boolean(value) is False


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (-0.0, "0"), (5, "5"), (5.0, "5"), (-1.5, "-1.5"), (0.1, "0.1"), (100.0, "100"),
        (0.000001, "0.000001"), (1e-7, "1e-7"), (1.5e-7, "1.5e-7"), (-1e-7, "-1e-7"), (5e-324, "5e-324"),
        (1e20, "100000000000000000000"), (1e21, "1e+21"), (1.5e300, "1.5e+300"),
        (2**53 + 1, "9007199254740992"), (12345678901234567890, "12345678901234567000"),
        (123456789012345680000, "123456789012345680000"), (HUGE, "Infinity"), (-HUGE, "-Infinity"),
        (math.nan, "NaN"), (math.inf, "Infinity"), (Level.LOW, "1"),
    ],
)  # fmt: skip
def test_numbers_are_converted_to_text_as_in_javascript(number, text):
    assert to_string(number) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), (UNDEFINED, "undefined"), (True, "true"), (False, "false"), ({}, "[object Object]"),
        ([], ""), ([None], ""), ([1, [2, [3, []]], None, "x"], "1,2,3,,,x"), ([{}], "[object Object]"), ((1, 2), "1,2"),
        (object(), "[object Object]"), (Text("t"), "t"),
    ],
)  # fmt: skip
def test_other_values_are_converted_to_text(value, text):
    assert to_string(value) == text


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("", 0), (" \t\n\ufeff\u00a0", 0), (" 12 ", 12), ("1e3", 1000), ("0x1F", 31), ("0b11", 3), ("0o17", 15),
        (".5", 0.5), ("5.", 5), ("-Infinity", -math.inf), ("1e400", math.inf),
        (None, 0), (True, 1), (False, 0), ([], 0), (["7"], 7), (HUGE, math.inf), (-HUGE, -math.inf),
    ],
)  # fmt: skip
def test_values_are_converted_to_numbers(value, number):
    assert to_number(value) == number


@pytest.mark.parametrize(
    "value",
    ["abc", "12px", "1 2", "1_000", "-0x1", "0x", "inf", "nan", "\x1c5", "١", UNDEFINED, {}, [1, 2]],
)
def test_values_without_a_number_are_converted_to_nan(value):
    assert math.isnan(to_number(value))


def test_numbers_of_thousands_of_digits_count_as_infinity():
    for huge in (10**5000, "9" * 5000, "0x" + "f" * 5000):
        assert to_number(huge) == math.inf
        assert to_string(to_number(huge)) == to_string([10**5000]) == "Infinity"
    assert math.isnan(to_number("1" * 100000 + "x"))
    assert get_property([10], "9" * 5000) is UNDEFINED
    assert to_boolean(10**5000)
    assert less_than(1, 10**5000)


def test_parse_float_reads_the_number_at_the_start_of_a_text():
    assert [parse_float(text) for text in ("12px", " 1.5.5", "1e", "-Infinity!", "0x10", [3, 4])] == [
        12, 1.5, 1, -math.inf, 0, 3,
    ]  # fmt: skip
    assert all(math.isnan(parse_float(value)) for value in ("", "px", None, True, {}, UNDEFINED))
    assert math.copysign(1, parse_float(-0.0)) == 1


def test_division_and_remainder_have_the_results_of_javascript():
    assert divide(1, 0) == math.inf
    assert divide(-1, 0) == -math.inf
    assert divide(1, -0.0) == -math.inf
    assert math.isnan(divide(0, 0))
    assert math.isnan(divide("x", 0))
    assert divide(HUGE, 2) == math.inf
    assert [remainder(-7, 3), remainder(7, -3), remainder(5, math.inf)] == [-1, 1, 5]
    assert math.isnan(remainder(5, 0))
    assert math.isnan(remainder(math.inf, 5))
    assert math.copysign(1, remainder(-6, 3)) == -1


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, "1"), ("1e3", 1000), ("", 0), (True, "1"), (False, ""), (None, UNDEFINED), ([], ""), ([], 0), ([], False),
        ([5], 5), ([1, 2], "1,2"), ({}, "[object Object]"), (2**53, 2**53 + 1), (HUGE, math.inf), (0, -0.0), ([[]], ""),
        (["0x10"], 16),
    ],
)  # fmt: skip
def test_loosely_equal_returns_true_in_both_orders(left, right):
    assert loosely_equal(left, right) is True
    assert loosely_equal(right, left) is True


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (None, 0), (None, ""), (None, "None"), (None, "null"), (None, False), (None, []), (UNDEFINED, 0),
        (math.nan, math.nan), ("abc", 0), (True, "true"), (True, 2),
        ([], []), ({}, {}), ("1", "1.0"), ({}, 0), ("a", "A"),
    ],
)  # fmt: skip
def test_loosely_equal_returns_false_in_both_orders(left, right):
    assert loosely_equal(left, right) is False
    assert loosely_equal(right, left) is False


def test_strictly_equal_compares_types_and_the_identity_of_objects():
    items = [1]
    assert strictly_equal(items, items)
    assert strictly_equal(1, 1.0)
    assert strictly_equal(Text("a"), "a")
    assert strictly_equal(UNDEFINED, UNDEFINED)
    for left, right in ([items, [1]], [1, True], [1, "1"], [None, UNDEFINED], [math.nan, math.nan], [{}, {}]):
        assert not strictly_equal(left, right)


@pytest.mark.parametrize("value", ["abc", math.nan, UNDEFINED, {}, [1, 2], "1,5"])
def test_comparisons_with_nan_are_false(value):
    for compare in (less_than, less_or_equal):
        assert compare(value, 5) is False
        assert compare(5, value) is False


def test_texts_are_compared_with_texts_by_code_units_and_with_numbers_as_numbers():
    assert less_than("10", "9")
    assert less_than("10", 9) is False
    assert less_than(9, "10")
    assert less_than("\U0001f600", "\uffff")
    assert less_than("a", "ab")
    assert less_or_equal("é", "é")
    assert less_than([1], [2])
    assert less_than(None, 1)
    assert less_than(HUGE, HUGE + 1) is False


def test_lengths_and_positions_count_utf16_code_units():
    assert get_property("a\U0001f600", "length") == 3
    assert get_property("a\U0001f600", "1") == "\ud83d"
    assert substr("a\U0001f600b", 1, 2) == "\U0001f600"
    assert substr("a\U0001f600b", -2, 1) == "\ude00"
    assert from_code_units("\ud83d\ude00") == "\U0001f600"
    assert contains("a\U0001f600", "\ud83d")
    assert not contains("abc", "\ud83d")


@given(st.text(alphabet=st.characters()))
def test_code_units_are_utf16(text):
    units = code_units(text)
    assert [ord(unit) for unit in units] == list(memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H"))
    assert from_code_units(units).encode("utf-16-le", "surrogatepass") == text.encode("utf-16-le", "surrogatepass")


def test_only_items_lengths_and_keys_can_be_read():
    assert get_property([10, 20], "1") == 20
    assert get_property([10, 20], "length") == 2
    assert get_property({"length": 5}, "length") == 5
    for value, key in (
        ([10], "1"), ([10], "-1"), ([10], "00"), ([10], "append"), ("abc", "upper"), (5, "real"),
        ({}, "toString"), ({}, "keys"), (None, "a"), (True, "length"),
    ):  # fmt: skip
        assert get_property(value, key) is UNDEFINED


def test_a_dict_may_compute_a_missing_value():
    class Lazy(dict):
        def __missing__(self, key):
            return key * 2

    assert get_property(Lazy(), "ab") == "abab"


def test_an_array_that_contains_itself_is_refused():
    recursive = []
    recursive.append(recursive)
    with pytest.raises(InvalidRule):
        to_string(recursive)


def test_arrays_that_are_nested_deeper_than_the_stack_are_converted_to_text():
    deep = ["x"]
    for _ in range(50000):
        deep = [deep]
    assert to_string(deep) == "x"
    assert loosely_equal(deep, "x")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters())
    | st.sampled_from([UNDEFINED, HUGE, -HUGE]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(ANYTHING, ANYTHING)
def test_no_value_raises_and_comparisons_are_consistent(left, right):
    assert loosely_equal(left, right) is loosely_equal(right, left)
    assert not (strictly_equal(left, right) and not loosely_equal(left, right))
    assert not (less_than(left, right) and less_than(right, left))
    assert not (less_than(left, right) and not less_or_equal(left, right))
    assert math.isnan(to_number(left)) or loosely_equal(to_number(to_string(to_number(left))), to_number(left))
    for value in (divide(left, right), remainder(left, right), parse_float(left)):
        assert isinstance(value, float)
    assert isinstance(substr(to_string(left), right, left), str)


@given(st.floats(allow_nan=False))
def test_a_number_that_is_converted_to_text_and_back_is_unchanged(number):
    assert to_number(to_string(number)) == number
