"""The ``mbox`` cookie: parsed within limits, and written in the form that at.js reads (B31)."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_python_sdk.delivery.cookies import (
    MAX_PARSED_LENGTH,
    MAX_WRITTEN_LENGTH,
    location_hint_cookie,
    parse_target_cookie,
    target_cookie,
)

NOW = 1_700_000_000.25
LATER = 4000000000


def test_a_cookie_in_the_documented_form_is_parsed():
    assert parse_target_cookie("session#abc#4000000000|PC#def.35_0#4000000000", NOW) == {
        "session": "abc",
        "PC": "def.35_0",
    }


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (None, {}),
        ("", {}),
        ("garbage", {}),
        ("session#abc", {}),
        ("session##4000000000", {}),
        ("#abc#4000000000", {}),
        ("session#abc#soon", {}),
        ("session#abc#nan", {}),
        ("session#abc#inf", {}),
        ("session#abc#-5", {}),
        ("session#abc#1700000000", {}),
        ("session#abc#1700000001", {"session": "abc"}),
        ("session#a%2Fb%20c#4000000000", {"session": "a/b c"}),
        ("session#one#4000000000|session#two#4000000000", {"session": "two"}),
        ("session#one#4000000000#more", {"session": "one"}),
        ('"session#abc#4000000000"', {"session": "abc"}),
        ("|||session#abc#4000000000|||", {"session": "abc"}),
        ("check#true#4000000000|disable#x#4000000000", {"check": "true", "disable": "x"}),
        ("|".join(["x#y#4000000000"] * 10 + ["session#late#4000000000"]), {"x": "y"}),
        ("x" * MAX_PARSED_LENGTH + "|session#late#4000000000", {}),
    ],
)
def test_invalid_parts_of_a_cookie_are_ignored(text, parts):
    assert parse_target_cookie(text, NOW) == parts


def test_b31_an_expiry_with_a_fraction_is_read():
    assert parse_target_cookie("session#abc#4000000000.5", NOW) == {"session": "abc"}


def test_b31_the_characters_that_javascript_encodes_are_encoded():
    cookie = target_cookie("a/b!*'()~_.-c d", None, NOW)
    assert cookie["value"] == "session#a%2Fb!*'()~_.-c%20d#1700001861"


def test_the_cookie_to_set_names_session_and_device():
    cookie = target_cookie("abc", "def.35_0", NOW)
    assert cookie == {
        "name": "mbox",
        "value": "session#abc#1700001861|PC#def.35_0#1763244801",
        "maxAge": 63244800,
        "max_age": 63244800,
    }


def test_without_a_device_the_cookie_expires_with_the_session():
    assert target_cookie("abc", None, NOW)["maxAge"] == 1860


def test_the_location_hint_cookie_expires_with_the_session():
    assert location_hint_cookie("35") == {"name": "mboxEdgeCluster", "value": "35", "maxAge": 1860, "max_age": 1860}


def test_a_device_id_is_left_out_if_the_cookie_would_be_too_long_for_browsers():
    cookie = target_cookie("abc", "x" * 5000, NOW)
    assert len(cookie["value"]) <= MAX_WRITTEN_LENGTH
    assert cookie["value"].startswith("session#abc#")


@pytest.mark.slow
@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_a_written_cookie_can_be_parsed(session, device):
    written = target_cookie(session, device, NOW)
    expected = {"session": session, "PC": device}
    if len(written["value"]) < 1500:
        assert parse_target_cookie(written["value"], NOW) == expected
    assert set(written["value"]) <= set(string.ascii_letters + string.digits + "%#|_.-~!*'()")


@given(st.text(max_size=300))
def test_parsing_never_raises(text):
    parse_target_cookie(text, NOW)
    parse_target_cookie("session#" + text + "#" + str(LATER), NOW)
    parse_target_cookie(text + "#1#" + text, NOW)


def test_a_lone_surrogate_is_written_as_a_question_mark():
    assert target_cookie("\ud800", None, NOW)["value"] == "session#%3F#1700001861"
