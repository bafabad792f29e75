"""Who the visitor is to the edge."""

from typing import Optional

from target_python_sdk.decisioning.bucketing import with_device_id
from target_python_sdk.types import VisitorId

#: The cluster this edge says it is; a tntId that it makes ends in it.
CLUSTER = "35"


def identified(given: Optional[VisitorId], client: str) -> VisitorId:
    """The visitor's ids, with a tntId made where none of them could bucket the visitor, as on-device.

    A tntId beside a thirdPartyId would come back in the cookie, and decide from then on.
    """
    return with_device_id(given, client, CLUSTER)
