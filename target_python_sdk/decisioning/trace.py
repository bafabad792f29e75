"""Why a place shows what it shows, as plain JSON; made only for a request that asks for a trace."""

from typing import Any, Dict, List, Mapping, Sequence

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.bucketing import location_hint_of
from target_python_sdk.decisioning.context import LazyDict
from target_python_sdk.decisioning.rule import CompiledRule
from target_python_sdk.types import DeliveryRequest, Notification
from target_tools.errors import OptionError
from target_tools.schema.model import Model

Json = Dict[str, Any]

#: How deep a trace goes into what a caller gave, and into conditions.
MAX_LEVELS = 120


class Tracer:
    """What the traces of one call have in common."""

    def __init__(
        self, artifact: Artifact, request: DeliveryRequest, client: str, session_id: str, retrieval: Json
    ) -> None:
        self._client = client
        self._environment = artifact.meta.get("environment")
        self._artifact = {**retrieval, "artifactVersion": artifact.version, **artifact.meta}
        self._session_id = session_id
        self._profile = _profile(request)

    def location_trace(self, kind: str, details: Model, mode: str, asked_about: LazyDict) -> "LocationTrace":
        """The trace of one place, an ``mbox`` or a ``view``, to be told of its rules one by one."""
        page = asked_about["page"]
        what = {**_requested_location(details), "type": mode}
        requested = {"sessionId": self._session_id, "pageURL": page["url"], "host": page.host, kind: what}
        trace = {"clientCode": self._client, "artifact": self._artifact, "profile": self._profile, "request": requested}
        return LocationTrace(trace, self._environment)


class LocationTrace:
    """The trace of one place."""

    def __init__(self, common: Json, environment: Any) -> None:
        self._common = common
        self._environment = environment
        self._campaigns: Dict[Any, Json] = {}
        self._targets: Dict[Any, Json] = {}

    def add_rule(self, rule: CompiledRule, matched: bool, asked_about: LazyDict) -> None:
        """``rule`` was asked, and this is what it could ask about."""
        number = rule.activity.id
        if number not in self._targets:
            self._targets[number] = {
                "context": asked_about.as_dict(),
                "campaignId": number,
                "campaignType": rule.meta.get("activity.type"),
                "matchedSegmentIds": [],
                "unmatchedSegmentIds": [],
                "matchedRuleConditions": [],
                "unmatchedRuleConditions": [],
            }
        target, outcome = self._targets[number], "matched" if matched else "unmatched"
        _extend(target[outcome + "SegmentIds"], rule.audience_ids)
        _extend(target[outcome + "RuleConditions"], [rule.document.get("condition")])

    def add_winner(self, rule: CompiledRule, notifications: Sequence[Notification]) -> None:
        """``rule`` is shown, and ``notifications`` say so."""
        campaign = self._campaigns.setdefault(
            rule.activity.id,
            {
                "id": rule.activity.id,
                "campaignType": rule.meta.get("activity.type"),
                "branchId": rule.meta.get("experience.id"),
                "offers": [],
                "environment": self._environment,
            },
        )
        offer = rule.meta.get("offer.id")
        _extend(campaign["offers"], [] if offer is None else [offer])
        if notifications:
            reported = [notification.to_dict(by_alias=True, exclude_none=True) for notification in notifications]
            campaign.setdefault("notifications", []).extend(reported)

    def as_dict(self) -> Json:
        """The trace, shared with nobody."""
        result: Json = _json(
            {
                **self._common,
                "campaigns": list(self._campaigns.values()),
                "evaluatedCampaignTargets": list(self._targets.values()),
            }
        )
        return result


def _extend(known: List[Any], found: List[Any]) -> None:
    known.extend(one for one in found if one not in known)


def _requested_location(details: Model) -> Json:
    """What was asked for, as it is sent; nothing of it where a caller put in what cannot be sent."""
    try:
        return details.to_dict(by_alias=True, exclude_none=True)
    except OptionError:
        return {}


def _json(value: Any, levels: int = MAX_LEVELS) -> Any:
    """``value`` as JSON of its own.  What a caller gave may be anything, and may hold itself."""
    if isinstance(value, (str, int, float)) or value is None:
        return value
    if levels and isinstance(value, Mapping):
        return {str(key): _json(item, levels - 1) for key, item in value.items()}
    if levels and isinstance(value, (list, tuple)):
        return [_json(item, levels - 1) for item in value]
    return "({})".format(type(value).__name__)


def _profile(request: DeliveryRequest) -> Json:
    identity = request.id
    ids = {} if identity is None else _requested_location(identity)
    location = location_hint_of(identity)
    if location is not None:
        ids = {**ids, "tntId": str(ids["tntId"]).partition(".")[0], "profileLocation": location}
    return {"visitorId": ids}
