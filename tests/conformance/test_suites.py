"""Calls through the public client have the outcomes that the conformance cases expect.

The cases are our own and, if present, those that all Target SDKs share.

The shared cases are in the folder that ``TARGET_SHARED`` names, by default ``shared`` beside the checkout.
"""

import re
from pathlib import Path

import pytest

from tests.conformance.buckets import bucket, murmur3
from tests.conformance.comparing import differences, value_at
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
        found += report_differences(expected["notificationOutput"], outcome.reports)
    if "edgeOutput" in expected:
        body = expected["edgeOutput"]
        found += differences([] if body is None else [body], outcome.edge_requests, "requests to the edge")
    if "geoOutput" in expected:
        found += differences(expected["geoOutput"], outcome.looked_up_addresses, "looked up")
    assert found == []


def unexpected_value(response, path):
    """Return one line if the response has a value at ``path``."""
    try:
        return [f"response{path}: expected no value, got {value_at(response, path)!r}"]
    except LookupError:
        return []


def report_differences(expected, reports):
    """Compare the reports with notifications, or those with telemetry if the expected report has no notifications.

    If ``expected`` is None, there must be no report with notifications.
    """
    kind = "notifications" if expected is None or "notifications" in expected["request"] else "telemetry"
    sent = [one for one in reports if kind in one["request"]]
    return differences([] if expected is None else [expected], sent, "reported")


def test_there_are_at_least_130_of_our_own_cases():
    assert len(OURS) >= 130


def test_the_allocations_in_our_own_cases_are_those_of_the_independent_hash():
    mismatches = []
    for case in OURS:
        visitor = bucketing_id(case.content["input"]["request"].get("id", {}))
        for activity, expected in case.content.get("allocations", {}).items():
            computed = bucket(case.conf["client"], activity, visitor)
            if computed != expected:
                mismatches.append((case.name, activity, expected, computed))
    assert mismatches == []


def bucketing_id(ids):
    """Return the bucketing id: the ECID, else the ``tntId`` without its hint, else the third-party id."""
    tnt_id = re.sub(r"\..*", "", ids.get("tntId", ""))
    return ids.get("marketingCloudVisitorId") or tnt_id or ids.get("thirdPartyId")


@pytest.mark.parametrize(("activity", "expected"), [(125873, 48.44), (125871, 87.67), (125880, 75.8), (125883, 17.9)])
def test_the_independent_hash_gives_the_buckets_of_published_traces(activity, expected):
    assert bucket("someClientId", activity, "338e3c1e51f7416a8e1ccba4f81acea0.28_0") == expected


def test_the_independent_hash_gives_the_published_hash():
    assert murmur3("acmeclient.1111.702ff4d0-83b1-4e2e-a0a6-22cbe460eb15.experience") == -919077116
