"""The comparison of conformance cases detects differences. The harness converts dates and option names."""

import pytest

from tests.conformance.comparing import differences
from tests.conformance.harness import moment, snake

MATCHING = [
    ({}, {"a": 1}),
    ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3}),
    ({"a": None}, {}),
    ([1, "a", None, True], [1, "a", None, True]),
    ({"n": 1}, {"n": 1.0}),
    ({"n": "expect.any(Number)"}, {"n": 1.5}),
    ({"s": "expect.any(String)", "o": "expect.any(Object)"}, {"s": "", "o": {}}),
    ({"views": [{"name": "a"}, {"name": "b", "x": 1}]}, {"views": [{"name": "b", "x": 1}, {"name": "a"}]}),
]
DIFFERENT = [
    ({"a": 1}, {}),
    ({"a": 1}, {"a": 2}),
    ({"a": None}, {"a": 1}),
    ({"a": 1}, {"a": True}),
    ({"a": 0}, {"a": None}),
    ({"a": {}}, {"a": []}),
    ({"a": []}, {}),
    ([1], [1, 2]),
    ([1, 2], [2, 1]),
    ({"options": [{"name": "a"}, {"name": "b"}]}, {"options": [{"name": "b"}, {"name": "a"}]}),
    ({"views": [{"name": "a"}]}, {"views": [{"name": "a"}, {"name": "b"}]}),
    ({"n": "expect.any(Number)"}, {"n": "1"}),
    ({"n": "expect.any(Number)"}, {"n": True}),
    ({"n": "expect.any(String)"}, {}),
]


@pytest.mark.parametrize(("expected", "actual"), MATCHING)
def test_matching_values_have_no_differences(expected, actual):
    assert differences(expected, actual) == []


@pytest.mark.parametrize(("expected", "actual"), DIFFERENT)
def test_different_values_have_differences(expected, actual):
    assert differences(expected, actual) != []


def test_an_unknown_placeholder_raises():
    with pytest.raises(AssertionError, match="unknown placeholder"):
        differences({"a": "expect.something(else)"}, {"a": "expect.something(else)"})


def test_the_months_of_a_mock_date_count_from_0():
    assert moment({"year": 2020, "month": 2, "date": 25, "hours": 1, "minutes": 5}) == 1585098300


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("client", "client"),
        ("organizationId", "organization_id"),
        ("telemetryEnabled", "telemetry_enabled"),
        ("cdnBasePath", "cdn_base_path"),
        ("onDeviceAllMatchingRulesMboxes", "on_device_all_matching_rules_mboxes"),
    ],
)
def test_option_names_become_snake_case(given, expected):
    assert snake(given) == expected
