"""Who the visitor is to the edge."""

import uuid
from typing import Any, Dict, Mapping

from target_python_sdk.decisioning.visitor import with_device_id
from target_python_sdk.types import VisitorId

#: The cluster this edge says it is; a tntId that it makes ends in it.
CLUSTER = "35"


def identified(visitor: Mapping[str, Any], client: str) -> Dict[str, Any]:
    """The visitor's ids, with a tntId: their own, or one made for them.

    Somebody with another id gets the same tntId each time; somebody unknown a new one.
    """
    ids = {key: value for key, value in visitor.items() if value is not None}
    if not ids.get("tntId"):
        other = ids.get("marketingCloudVisitorId") or ids.get("thirdPartyId")
        if other:
            ids["tntId"] = "{}.{}_0".format(_made_for(other), CLUSTER)
        else:
            ids["tntId"] = with_device_id(VisitorId.from_dict(ids), client, CLUSTER).tnt_id
    return ids


def deciding(ids: Mapping[str, Any]) -> Dict[str, Any]:
    """The ids that decide.

    A tntId that was made for a thirdPartyId comes back with it, in the cookie; the
    visitor must not move to another experience because of that.
    """
    third, tnt = ids.get("thirdPartyId"), str(ids.get("tntId", "")).partition(".")[0]
    is_made = bool(third) and tnt == _made_for(str(third))
    return {key: value for key, value in ids.items() if key != "tntId" or not is_made}


def _made_for(other: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_OID, other).hex
