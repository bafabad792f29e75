"""Traces: JSON that explains the decision for a location. Created only if the request asks for a trace."""

from typing import Any, Dict, List, Mapping, Sequence

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.context import LazyDict, PageVariables
from target_python_sdk.decisioning.offer import Display
from target_python_sdk.decisioning.rule import CompiledRule
from target_python_sdk.types import DeliveryRequest
from target_tools.errors import OptionError
from target_tools.schema.model import Model
from target_tools.typing_compat import Json, JsonObject

#: The depth up to which traces contain conditions and the caller's values.
MAX_LEVELS = 120


class Tracer:
    """Creates the traces of one call."""

    def __init__(
        self, artifact: Artifact, request: DeliveryRequest, client: str, session_id: str, retrieval: JsonObject
    ) -> None:
        self._client = client
        self._environment = artifact.meta.get("environment")
        self._artifact = {**retrieval, "artifactVersion": artifact.version, **artifact.meta}
        self._session_id = session_id
        self._profile = _profile(request)

    def location_trace(self, location_type: str, details: Model, mode: str, page: PageVariables) -> "LocationTrace":
        """Return a new trace for a location, an ``mbox`` or a ``view``."""
        location = {**_as_sent(details), "type": mode}
        request = {"sessionId": self._session_id, "pageURL": page["url"], "host": page.host, location_type: location}
        trace = {"clientCode": self._client, "artifact": self._artifact, "profile": self._profile, "request": request}
        return LocationTrace(trace, self._environment)


class LocationTrace:
    """The trace of one location."""

    def __init__(self, common: JsonObject, environment: Json) -> None:
        self._common = common
        self._environment = environment
        self._campaigns: Dict[Any, JsonObject] = {}
        self._targets: Dict[Any, JsonObject] = {}

    def add_rule(self, rule: CompiledRule, matched: bool, variables: LazyDict) -> None:
        """Record that ``rule`` was evaluated with ``variables``."""
        activity_id = rule.activity.id
        if activity_id not in self._targets:
            self._targets[activity_id] = {
                "context": variables.as_dict(),
                "campaignId": activity_id,
                "campaignType": rule.meta.get("activity.type"),
                "matchedSegmentIds": [],
                "unmatchedSegmentIds": [],
                "matchedRuleConditions": [],
                "unmatchedRuleConditions": [],
            }
        target, outcome = self._targets[activity_id], "matched" if matched else "unmatched"
        _extend(target[outcome + "SegmentIds"], rule.audience_ids)
        _extend(target[outcome + "RuleConditions"], [rule.document.get("condition")])

    def add_winner(self, rule: CompiledRule, displays: Sequence[Display]) -> None:
        """Record that the response contains the offer of ``rule``, and the notifications about its display."""
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
        if displays:
            reported = [display.notification().to_json() for display in displays]
            campaign.setdefault("notifications", []).extend(reported)

    def as_dict(self) -> JsonObject:
        """Return a copy of the trace."""
        result: JsonObject = _json(
            {
                **self._common,
                "campaigns": list(self._campaigns.values()),
                "evaluatedCampaignTargets": list(self._targets.values()),
            }
        )
        return result


def _extend(items: List[Any], more: List[Any]) -> None:
    items.extend(item for item in more if item not in items)


def _as_sent(model: Model) -> JsonObject:
    """Return ``model`` as JSON, or an empty object if it is nested too deeply."""
    try:
        return model.to_dict(by_alias=True, exclude_none=True)
    except OptionError:
        return {}


def _json(value: Json, levels: int = MAX_LEVELS) -> Any:
    """Return a copy of ``value`` that JSON can hold. Parameters may be any object, and may contain themselves."""
    if isinstance(value, (str, int, float)) or value is None:
        return value
    if levels and isinstance(value, Mapping):
        return {str(key): _json(item, levels - 1) for key, item in value.items()}
    if levels and isinstance(value, (list, tuple)):
        return [_json(item, levels - 1) for item in value]
    return f"({type(value).__name__})"


def _profile(request: DeliveryRequest) -> JsonObject:
    identity = request.id
    ids = {} if identity is None else _as_sent(identity)
    device_id, _, location = str(ids.get("tntId", "")).partition(".")
    if location:  # a hint such as 28_0, which names the cluster with the visitor's profile
        ids = {**ids, "tntId": device_id, "profileLocation": location}
    return {"visitorId": ids}
