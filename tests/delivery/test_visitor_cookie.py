"""The ``AMCV_…`` cookie of the Experience Cloud ID service, parsed within limits."""

import json
import random
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from target_python_sdk.delivery.call_options import call_options
from target_python_sdk.delivery.options import client_settings
from target_python_sdk.delivery.prepare import prepare_request, render_request
from target_python_sdk.delivery.visitor_cookie import (
    MAX_COOKIE_LENGTH,
    MAX_FIELDS,
    MAX_HEADER_LENGTH,
    parse_visitor_cookie,
)
from target_python_sdk.types import DeliveryRequest
from target_tools.logger import Log

ORGANIZATION = "1234567890@AdobeOrg"
NAME = f"AMCV_{ORGANIZATION}"
NOW = 1_700_000_000.25
BLOB = "RKhpRz8krg2tLO6pguXWp5olkAcUniQYPHaMWWgdJ3xzPWQmdj0y"
VALUE = (
    "-1330315163|MCIDTS|18145|MCMID|41782396842071530584120846729035618472|MCAAMLH-1700600000|9"
    f"|MCAAMB-1700600000|{BLOB}|MCOPTOUT-1700007200s|NONE|MCAID|NONE|MCSYNCSOP|411-18152|vVersion|4.4.0"
)
IDS = {"MCMID": "41782396842071530584120846729035618472", "MCAAMLH": "9", "MCAAMB": BLOB}


def parse(text):
    return parse_visitor_cookie(text, ORGANIZATION, NOW)


@pytest.mark.parametrize(
    "text",
    [
        VALUE,
        quote(VALUE),
        f'"{VALUE}"',
        f'"{quote(VALUE)}"',
        f"  {VALUE}  ",
        VALUE.partition("|")[2],  # without the digest
        VALUE + "|",
        f"{NAME}={VALUE}",
        f"{NAME}={quote(VALUE)}",
        f"AMCV_1234567890%40AdobeOrg={quote(VALUE)}",
        f'mbox=session#a#1|PC#b#2; AMCVS_1234567890%40AdobeOrg=1; {NAME}="{VALUE}"; other=x',
        f"Cookie: {NAME}={VALUE}; other=x",
        f"cookie:{NAME}={VALUE}",
        f"AMCV_other%40AdobeOrg=-1|MCMID|999;{NAME}={VALUE}",
        f"{NAME}=; {NAME}={VALUE}",
        f"{NAME}={VALUE}; {NAME}=-1|MCMID|999",  # browsers send the cookie with the more specific path first
    ],
)
def test_the_ids_are_read_from_the_value_and_from_a_header(text):
    assert parse(text) == IDS


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (None, {}),
        ("", {}),
        ("garbage", {}),
        ("|||", {}),
        ("-1|MCMID", {}),
        ("-1|MCMID|", {}),
        ("-1|MCMID|NONE", {}),
        ("-1|MCMID|two words", {}),
        ("-1|MCMID|é", {}),
        ("-1|MCMID|" + "4" * 129, {}),
        ("-1|MCMID-1700000000|4", {}),
        ("-1|MCMID-1700000001|4", {"MCMID": "4"}),
        ("-1|MCMID-1700000001s|4", {"MCMID": "4"}),
        ("-1|MCMID-soon|4", {}),
        ("-1|MCMID--1|4", {}),
        ("-1|MCMID-" + "9" * 5000 + "|4", {}),
        ("-1|MCMID-١٧٠٠٠٠٠٠٠١|4", {}),
        ("-1|MCMID|4|MCMID|5", {"MCMID": "5"}),
        ("-1|MCMID|4|MCMID-5|5", {"MCMID": "4"}),
        ("-1|MCAAMLH|0", {}),
        ("-1|MCAAMLH|evil.example.com", {}),
        ("-1|MCAAMLH|" + "9" * 10, {}),
        ("-1|MCAAMLH|٩", {}),
        ("-1|MCAAMB|" + "b" * 1024, {"MCAAMB": "b" * 1024}),
        ("-1|MCAAMB|" + "b" * 1025, {}),
        ("-1|MCAID|2C3F736C0519519B-4000060D6006A946", {"MCAID": "2C3F736C0519519B-4000060D6006A946"}),
        ("-1|unknown|4|MCUNKNOWN|5|MCMID|6", {"MCMID": "6"}),
        ("-1|" + "MCIDTS|1|" * (MAX_FIELDS // 2) + "MCMID|4", {}),
        ("-1|MCMID|4|" + "x" * MAX_COOKIE_LENGTH, {}),
        (quote(quote(VALUE)), {}),
    ],
)
def test_invalid_and_expired_values_are_ignored(text, values):
    assert parse(text) == values


@pytest.mark.parametrize(
    "text",
    [
        f"AMCV_other%40AdobeOrg={quote(VALUE)}",
        f"{NAME}2={VALUE}",
        f"x{NAME}={VALUE}",
        f"mbox={VALUE}",
        f"{NAME}=",
        f"{NAME}",
        f"a={'x' * MAX_HEADER_LENGTH}; {NAME}={VALUE}",
        "x" * MAX_HEADER_LENGTH + f"={VALUE}",
    ],
)
def test_other_cookies_and_long_headers_are_ignored(text):
    assert parse(text) == {}


@pytest.mark.parametrize("reason", ["global", "true", "MCMID"])
def test_the_ids_of_a_visitor_who_opted_out_are_not_read(reason):
    assert parse(VALUE.replace("s|NONE", f"s|{reason}")) == {"MCOPTOUT": reason}


def test_an_opt_out_that_has_expired_is_ignored():
    assert parse(VALUE.replace("MCOPTOUT-1700007200s|NONE", "MCOPTOUT-1699999999s|global")) == IDS


def assert_harmless(text):
    values = parse(text)
    assert set(values) <= {"MCMID", "MCAAMLH", "MCAAMB", "MCAID", "MCOPTOUT"}
    for name, value in values.items():
        assert value.isascii()
        assert value.isprintable()
        assert 0 < len(value) <= (1024 if name == "MCAAMB" else 128)
        assert name != "MCAAMLH" or 0 < int(value) < 10**9


@given(st.text(max_size=300))
@example("\x00|\ud800%")
@settings(max_examples=60)
def test_parsing_never_raises(text):
    for each in (text, NAME + "=" + text, "-1|MCMID|" + text, "-1|MCMID-" + text + "|4", text + "|" + VALUE):
        assert_harmless(each)


FRAGMENTS = [*'|%=;"-s\x00\ud800é', "%7C", "%2", "MCMID", "MCOPTOUT", NAME, "NONE", "9" * 400]


def mutated(rng, text):
    """Return ``text`` with up to eight random deletions, repetitions, insertions and reversals."""
    for _ in range(rng.randint(1, 8)):
        start = rng.randint(0, len(text))
        end = min(len(text), start + rng.randint(0, 30))
        part = rng.choice(["", text[start:end] * 3, text[start:end][::-1], rng.choice(FRAGMENTS)])
        text = text[:start] + part + text[end:]
    return text


@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.fuzz)])
def test_a_mutated_cookie_never_raises_and_selects_no_host(count):
    rng, log = random.Random(16), Log()
    options = client_settings({"client": "acme", "organization_id": ORGANIZATION}, log)
    seeds = [VALUE, quote(VALUE), f"mbox=a#b|c; {NAME}={quote(VALUE)}; x=y", f"Cookie: {NAME}={VALUE}"]
    for _ in range(count):
        text = mutated(rng, rng.choice(seeds))
        assert_harmless(text)
        call = call_options({"request": DeliveryRequest(), "visitor_cookie": text}, options, log)
        prepared = prepare_request(call, options, None, log)
        assert (prepared.cluster, prepared.refused_hints) == (None, 0)
        assert json.loads(render_request(prepared.request, options))["experienceCloud"]["analytics"]
