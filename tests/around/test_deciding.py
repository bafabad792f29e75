"""Who gets which experience: stable for each visitor, in the shares the activities ask for."""

import random
import uuid
from collections import Counter
from typing import Any, Dict, Tuple

import pytest

from target_python_sdk.local_edge import Activity, read_activities
from target_python_sdk.local_edge.decide import bucketed_by, decide, identified
from target_tools.hashing import bucket

VISITORS = 10000


def activity_of(*shares: float) -> Activity:
    """An activity with experiences A, B … of these shares."""
    experiences = [{"share": share} for share in shares]
    document = {"activities": [{"id": 1111, "locations": ["m"], "experiences": experiences}]}
    return read_activities(document).activities[0]


def counted(activity: Activity) -> Dict[str, int]:
    """How many of ten thousand visitors got which experience."""
    ids = random.Random(7)
    made = (decide("acmeclient", activity, "%032x" % ids.getrandbits(128)) for _ in range(VISITORS))
    return Counter(decision.experience.name if decision.experience else "nothing" for decision in made)


@pytest.mark.parametrize("shares", [(50, 50), (10, 90), (20, 30), (33.3, 33.3, 33.4), (0, 100)])
def test_visitors_are_shared_out_as_asked(shares: Tuple[float, ...]) -> None:
    got = counted(activity_of(*shares))
    expected = {"nothing": 100 - sum(shares), **dict(zip("ABC", shares))}
    for name, share in expected.items():
        assert got.get(name, 0) == pytest.approx(share * VISITORS / 100, abs=2 * VISITORS / 100)
    assert all(got.get(name, 0) == 0 for name, share in expected.items() if share < 0.001)


def test_a_visitor_is_bucketed_by_client_activity_and_id() -> None:
    activity = activity_of(50, 50)
    made = decide("acmeclient", activity, "visitor")
    assert made.bucket == bucket("acmeclient.1111.visitor.0")
    assert made == decide("acmeclient", activity, "visitor")


def test_the_reason_tells_the_bucket_and_the_share() -> None:
    activity = activity_of(50, 30)
    reasons = {name: decide("acmeclient", activity, name).reason for name in ("visitor-2", "visitor-7", "visitor-8")}
    assert reasons == {
        "visitor-2": "bucket 31.14 falls in A (0 to 50)",
        "visitor-7": "bucket 53.50 falls in B (50 to 80)",
        "visitor-8": "bucket 88.05 is in no share (A 0 to 50, B 50 to 80)",
    }


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ({"marketingCloudVisitorId": "ecid", "tntId": "t.28_0", "thirdPartyId": "crm"}, "ecid"),
        ({"tntId": "t.28_0", "thirdPartyId": "crm"}, "t"),
        ({"tntId": "t"}, "t"),
        ({"thirdPartyId": "crm"}, "crm"),
    ],
)
def test_the_order_of_ids(ids: Dict[str, Any], expected: str) -> None:
    assert bucketed_by(ids) == expected


def test_a_visitor_without_a_tnt_id_is_given_one_with_a_hint() -> None:
    tnt_id = identified({})["tntId"]
    name, _, hint = tnt_id.partition(".")
    assert (len(name), uuid.UUID(name).version, hint) == (32, 4, "35_0")
    assert identified({})["tntId"] != tnt_id


def test_a_visitor_s_own_ids_are_kept() -> None:
    ids = {"tntId": "t.28_0", "thirdPartyId": "crm", "customerIds": [{"id": "7"}]}
    assert identified(ids) == ids


@pytest.mark.parametrize("ids", [{"thirdPartyId": "crm"}, {"marketingCloudVisitorId": "ecid"}])
def test_a_known_visitor_stays_in_the_same_bucket_when_the_given_tnt_id_comes_back(ids: Dict[str, Any]) -> None:
    first = identified(ids)
    assert identified(ids) == first
    assert bucketed_by(first) == bucketed_by(ids) == bucketed_by(identified(first))
