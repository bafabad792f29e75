"""The visitor id that determines the bucket of a visitor."""

from typing import List, Optional

from target_python_sdk.types import CustomerId, VisitorId
from target_tools.schema.model import copy_with
from target_tools.uuids import random_uuid, uuid_from_text


def with_device_id(given: Optional[VisitorId], client: str, cluster: Optional[str]) -> VisitorId:
    """Return ``given``, with a new device id (``tnt_id``) if it has no id to bucket the visitor by.

    The device id is derived from the first customer id, if any. So a visitor with a customer id gets the same
    experience on every visit, even without a cookie.
    """
    identity = VisitorId() if given is None else given
    if bucketing_id(identity):
        return identity
    device_id = _derive_device_id(identity.customer_ids, client) or random_uuid()
    suffix = "" if cluster is None else f".{cluster}_0"
    return copy_with(identity, tnt_id=device_id.replace("-", "") + suffix)


def _derive_device_id(customers: Optional[List[CustomerId]], client: str) -> Optional[str]:
    for customer in customers or ():
        if customer is not None and customer.id:
            return uuid_from_text(f"{client}.{customer.integration_code}.{customer.id}")
    return None


def bucketing_id(identity: VisitorId) -> str:
    """Return the first of Experience Cloud id, device id (without its location hint) and third-party id, or ""."""
    known = identity.marketing_cloud_visitor_id or str(identity.tnt_id or "").partition(".")[0]
    return str(known or identity.third_party_id or "")


def location_hint_of(identity: Optional[VisitorId]) -> Optional[str]:
    """Return the suffix of the device id, such as ``28_0``, which names the cluster with the visitor's profile."""
    return str(getattr(identity, "tnt_id", None) or "").partition(".")[2] or None
