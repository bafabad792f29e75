"""Every conformance case passes through the public client: our own, and those that all Target SDKs share, if present.

The shared cases are in the folder that ``TARGET_SHARED`` names, by default ``shared`` beside the checkout.
"""

import re
from pathlib import Path

import pytest

from tests.conformance.buckets import bucket, murmur3
from tests.conformance.comparing import at, differences
from tests.conformance.harness import cases_in, run
from tests.conftest import SHARED

HERE = Path(__file__).resolve().parent
OURS = cases_in(HERE)
SHARED_CASES = cases_in(SHARED / "conformance")


@pytest.mark.server
@pytest.mark.parametrize("case", [*OURS, *SHARED_CASES], ids=lambda case: case.name)
def test_a_case_passes(case, monkeypatch):
    check(case, run(case, monkeypatch))


def check(case, outcome):
    """Compare the outcome of a case with its expectations."""
    expected = case.content
    found = differences(expected.get("output", {}), outcome.response, "response")
    found += differences(expected.get("meta", {}), outcome.meta, "meta")
    for path in expected.get("absent", ()):
        found += unexpected_value(outcome.response, path)
    if "notificationOutput" in expected:
        found += reports_differ(expected["notificationOutput"], outcome.reported)
    if "edgeOutput" in expected:
        wanted = expected["edgeOutput"]
        found += differences([] if wanted is None else [wanted], outcome.asked, "asked")
    if "geoOutput" in expected:
        found += differences(expected["geoOutput"], outcome.looked_up, "looked up")
    assert found == []


def unexpected_value(response, path):
    """Return one line if the response has a value at ``path``."""
    try:
        return [f"response{path}: expected no value, got {at(response, path)!r}"]
    except LookupError:
        return []


def reports_differ(expected, reported):
    """Return the differences between the reported requests and the expected one.

    Requests without notifications or telemetry, such as the one for the location hint, do not count.
    """
    kind = "notifications" if expected is None or "notifications" in expected["request"] else "telemetry"
    sent = [one for one in reported if kind in one["request"]]
    return differences([] if expected is None else [expected], sent, "reported")


def test_there_are_at_least_130_of_our_own_cases():
    assert len(OURS) >= 130


def test_the_buckets_in_our_own_cases_are_those_of_the_specification():
    wrong = []
    for case in OURS:
        visitor = bucketing_id(case.content["input"]["request"].get("id", {}))
        for activity, expected in case.content.get("allocations", {}).items():
            computed = bucket(case.conf["client"], activity, visitor)
            if computed != expected:
                wrong.append((case.name, activity, expected, computed))
    assert wrong == []


def bucketing_id(known):
    """Return the bucketing id: the ECID, else the ``tntId`` without its hint, else the third-party id."""
    tnt_id = re.sub(r"\..*", "", known.get("tntId", ""))
    return known.get("marketingCloudVisitorId") or tnt_id or known.get("thirdPartyId")


@pytest.mark.parametrize(("activity", "expected"), [(125873, 48.44), (125871, 87.67), (125880, 75.8), (125883, 17.9)])
def test_our_own_hash_gives_the_buckets_of_the_published_traces(activity, expected):
    assert bucket("someClientId", activity, "338e3c1e51f7416a8e1ccba4f81acea0.28_0") == expected


def test_our_own_hash_gives_the_published_vector():
    assert murmur3("acmeclient.1111.702ff4d0-83b1-4e2e-a0a6-22cbe460eb15.experience") == -919077116
