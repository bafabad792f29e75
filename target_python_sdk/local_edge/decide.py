"""Which experience a visitor gets, and why."""

import uuid
from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from target_python_sdk.local_edge.activities import Activities, Activity, Experience
from target_tools.hashing import bucket

#: The cluster this edge says it is; a tntId that it makes ends in it.
CLUSTER = "35"


class Decision(NamedTuple):
    """One activity's answer for one visitor; ``experience`` is None for somebody outside its shares."""

    activity: Activity
    experience: Optional[Experience]
    bucket: float
    reason: str

    @property
    def branch(self) -> Optional[int]:
        """The position of the experience in its activity."""
        return None if self.experience is None else self.activity.experiences.index(self.experience)


def identified(visitor: Mapping[str, Any]) -> Dict[str, Any]:
    """The visitor's ids, with a tntId: their own, or one made for them.

    Somebody with another id gets the same tntId each time; somebody unknown a new one.
    """
    ids = {key: value for key, value in visitor.items() if value is not None}
    if not ids.get("tntId"):
        other = ids.get("marketingCloudVisitorId") or ids.get("thirdPartyId")
        made = uuid.uuid5(uuid.NAMESPACE_OID, other) if other else uuid.uuid4()
        ids["tntId"] = "{}.{}_0".format(made.hex, CLUSTER)
    return ids


def bucketed_by(ids: Mapping[str, Any]) -> str:
    """The id that decides: marketingCloudVisitorId, else tntId without its hint, else thirdPartyId."""
    mcid, third = ids.get("marketingCloudVisitorId"), ids.get("thirdPartyId")
    if mcid:
        return str(mcid)
    tnt = str(ids.get("tntId", "")).partition(".")[0]
    # A tntId that was made for a thirdPartyId comes back with it, in the cookie; the visitor must
    # not move to another experience because of that.
    if third and tnt in ("", uuid.uuid5(uuid.NAMESPACE_OID, third).hex):
        return str(third)
    return tnt


def decide(client: str, activity: Activity, visitor: str) -> Decision:
    """The experience of ``activity`` in whose share the visitor's bucket falls."""
    where = bucket("{}.{}.{}.0".format(client, activity.id, visitor))
    for experience in activity.experiences:
        if experience.lower <= where < experience.upper:
            reason = "bucket {:.2f} falls in {} ({})".format(where, experience.name, experience.range)
            return Decision(activity, experience, where, reason)
    shares = ", ".join("{} {}".format(experience.name, experience.range) for experience in activity.experiences)
    return Decision(activity, None, where, "bucket {:.2f} is in no share ({})".format(where, shares))


def decide_all(activities: Activities, at: List[Activity], visitor: str) -> List[Decision]:
    """The decision of each activity in ``at``, in order of priority."""
    return [decide(activities.client, activity, visitor) for activity in at]
