"""By which of a visitor's ids activities are allocated."""

from typing import List, Optional

from target_python_sdk.types import CustomerId, VisitorId
from target_tools.uuids import random_uuid, uuid_from_text


def with_device_id(given: Optional[VisitorId], client: str, cluster: Optional[str]) -> VisitorId:
    """``given`` with a device id (``tnt_id``) where it has nothing to bucket the visitor by.

    A visitor of whom nothing but customer ids is known gets the device id that belongs to
    the first of them, so that the experience stays the same without a cookie, too.
    """
    identity = VisitorId() if given is None else given
    if bucketing_id(identity):
        return identity
    made = _derive_device_id(identity.customer_ids, client) or random_uuid()
    suffix = "" if cluster is None else ".{}_0".format(cluster)
    return identity.replace(tnt_id=made.replace("-", "") + suffix)


def _derive_device_id(customers: Optional[List[CustomerId]], client: str) -> Optional[str]:
    for customer in customers or ():
        if customer is not None and customer.id:
            return uuid_from_text("{}.{}.{}".format(client, customer.integration_code, customer.id))
    return None


def bucketing_id(identity: VisitorId) -> str:
    """The id that decides: the Experience Cloud's, else the device's without its hint, else the third party's.

    Empty where nobody is known.
    """
    known = identity.marketing_cloud_visitor_id or str(identity.tnt_id or "").partition(".")[0]
    return str(known or identity.third_party_id or "")


def location_hint_of(identity: Optional[VisitorId]) -> Optional[str]:
    """The hint in a device id, which says where the visitor's profile lies: ``28_0``."""
    return str(getattr(identity, "tnt_id", None) or "").partition(".")[2] or None
