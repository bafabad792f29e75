"""1.1.0's functions that compute the bucket of a visitor."""

from typing import Optional, Union

from target_decisioning_engine.constants import CAMPAIGN_BUCKET_SALT
from target_python_sdk.decisioning.context import bucketing_id
from target_python_sdk.types import VisitorId
from target_tools.hashing import bucket
from target_tools.uuids import random_uuid

TOTAL_BUCKETS = 10000
MAX_PERCENTAGE = 100


def valid_tnt_id(tnt_id: Optional[str] = None) -> Optional[str]:
    """Return a device id without its location hint; None if it is empty or not text."""
    return tnt_id.partition(".")[0] if tnt_id and isinstance(tnt_id, str) else None


def get_or_create_visitor_id(visitor_id: Optional[VisitorId]) -> str:
    """Return the id that the visitor is bucketed by, or a new random id if there is none."""
    return (bucketing_id(visitor_id) if visitor_id else "") or random_uuid()


def compute_allocation(
    client_id: str, activity_id: Union[int, str], visitor_id: Union[VisitorId, str], salt: str = CAMPAIGN_BUCKET_SALT
) -> float:
    """Return the bucket of a visitor in an activity, from 0.00 to 99.99. ``visitor_id`` can also be a single id."""
    visitor = get_or_create_visitor_id(visitor_id) if isinstance(visitor_id, VisitorId) else visitor_id
    return bucket(f"{client_id}.{activity_id}.{visitor}.{salt}")
