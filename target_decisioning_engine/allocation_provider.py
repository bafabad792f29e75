"""Which share of an activity a visitor falls into.

What an engine computes it by is read with the first use.
"""

from typing import Any, Optional

from target_decisioning_engine.constants import CAMPAIGN_BUCKET_SALT
from target_python_sdk.types import VisitorId

TOTAL_BUCKETS = 10000
MAX_PERCENTAGE = 100


def valid_tnt_id(tnt_id: Any = None) -> Optional[str]:
    """A device id without the cluster behind its dot; None for what is none."""
    return tnt_id.partition(".")[0] if tnt_id and isinstance(tnt_id, str) else None


def get_or_create_visitor_id(visitor_id: Optional[VisitorId]) -> str:
    """The id that decides which experience a visitor gets; a new random one where nobody is known."""
    from target_python_sdk.decisioning.bucketing import bucketing_id  # noqa: PLC0415 - see above
    from target_tools.uuids import random_uuid  # noqa: PLC0415 - see above

    return (bucketing_id(visitor_id) if visitor_id is not None else "") or random_uuid()


def compute_allocation(client_id: str, activity_id: object, visitor_id: Any, salt: str = CAMPAIGN_BUCKET_SALT) -> float:
    """Where a visitor, or the id of one, falls in an activity: 0.00 to 99.99."""
    from target_tools.hashing import bucket  # noqa: PLC0415 - see above

    visitor = get_or_create_visitor_id(visitor_id) if isinstance(visitor_id, VisitorId) else visitor_id
    return bucket("{}.{}.{}.{}".format(client_id, activity_id, visitor, salt))
