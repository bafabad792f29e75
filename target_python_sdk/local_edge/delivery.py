"""Answers delivery requests.

The SDK's on-device engine decides. This module adds what only an edge returns: the tokens
that clients send back, and the reason for each decision.
"""

import logging
from typing import Any, Iterator, List, Mapping, NamedTuple, Optional, Tuple, Union

from target_python_sdk.decisioning.context import bucketing_id, with_device_id
from target_python_sdk.decisioning.engine import DecisionRequest, EngineContext, decide
from target_python_sdk.decisioning.forced import Name
from target_python_sdk.local_edge.artifact_builder import (
    NO_CONTENT,
    display_analytics,
    experience_of,
    make_token,
)
from target_python_sdk.local_edge.content import EdgeContent
from target_python_sdk.local_edge.events import RecordedEvent
from target_python_sdk.local_edge.explanations import explain_match, explain_no_match
from target_python_sdk.local_edge.overrides import override_for
from target_python_sdk.local_edge.validation import Json, JsonValue, check_object, check_text, error_at
from target_python_sdk.protocol import EDGE_CLUSTER_PREFIX, EDGE_HOST_SUFFIX
from target_python_sdk.types import ChannelType, DeliveryRequest, Geo, LoggingType, VisitorId
from target_tools.errors import InvalidResponse, OptionError
from target_tools.hashing import bucket
from target_tools.logger import Log
from target_tools.schema.model import copy_with
from target_tools.uuids import UuidGenerator

#: The cluster in the answers, and at the end of the tntIds that this edge creates.
CLUSTER = "35"
EDGE_HOST = f"{EDGE_CLUSTER_PREFIX}{CLUSTER}.{EDGE_HOST_SUFFIX}"
#: The maximum number of mboxes to execute or to prefetch, which limits the size of the answer.
MAX_MBOXES = 1000
logger = logging.getLogger("adobe.target.local_edge")

_NOTHING_FORCED: Mapping[Name, Name] = {}


class EdgeAnswer(NamedTuple):
    """The answer to a delivery request, and the displays of executed offers, which the edge counts."""

    response: Json
    displays: List[RecordedEvent]


def parse_request(body: JsonValue) -> DeliveryRequest:
    """Parse a request. Raises ``OptionError``, which names the place, if the API would reject the request."""
    try:
        request: DeliveryRequest = DeliveryRequest.from_dict(check_object(body, "request"))
    except InvalidResponse as error:
        raise OptionError(str(error)) from error
    channel = None if request.context is None else request.context.channel
    if channel not in (ChannelType.WEB, ChannelType.MOBILE):
        raise error_at("context.channel", "'web' or 'mobile'", channel)
    ids = (request.id or VisitorId()).to_dict(by_alias=True, exclude_none=True)
    for key in {"tntId", "thirdPartyId", "marketingCloudVisitorId"}.intersection(ids):
        check_text(ids[key], f"id.{key}")
    for mode, part in (("execute", request.execute), ("prefetch", request.prefetch)):
        if part and part.mboxes and len(part.mboxes) > MAX_MBOXES:
            raise error_at(f"{mode}.mboxes", f"at most {MAX_MBOXES} mboxes", part.mboxes)
        for index, mbox in enumerate((part and part.mboxes) or ()):
            check_text(None if mbox is None else mbox.name, f"{mode}.mboxes[{index}].name")
    for index, view in enumerate((request.prefetch and request.prefetch.views) or ()):
        place = f"prefetch.views[{index}]"
        if view is None:
            raise error_at(place, "an object", None)
        check_text(view.name or "all", f"{place}.name")
    return request


def has_only_telemetry(body: JsonValue) -> bool:
    """Return whether a request reports telemetry and nothing else, as clients do in the background."""
    if not isinstance(body, dict) or not body.get("telemetry"):
        return False
    return not (body.get("execute") or body.get("prefetch") or body.get("notifications"))


def build_response(
    content: EdgeContent, request: DeliveryRequest, session_id: str, forced: Mapping[Name, Name] = _NOTHING_FORCED
) -> EdgeAnswer:
    """Return the answer to a parsed request. ``forced`` contains the visitor's forced experiences, by activity."""
    ids = UuidGenerator()
    # As on-device, a tntId is created only if the request has no id for bucketing. A tntId for a visitor with a
    # thirdPartyId would be in the cookie of the next request, take precedence, and change the bucket.
    identity = with_device_id(request.id, content.client, CLUSTER)
    visitor = bucketing_id(identity)
    completed = copy_with(request, id=identity, request_id=request.request_id or ids.next())
    decision_request = DecisionRequest(completed, session_id, visitor, ids, _geo(request, content.geo))
    override = override_for(content.artifact, request, forced)
    decision = decide(override.artifact, decision_request, EngineContext(content.client, Log(logger)))
    response: Json = {**decision.response.to_dict(by_alias=True, exclude_none=True), "edgeHost": EDGE_HOST}
    analytics = request.experience_cloud and request.experience_cloud.analytics
    is_logged_client_side = bool(analytics and analytics.logging == LoggingType.CLIENT_SIDE)
    details = _AnswerDetails(content, visitor, override.reasons, is_logged_client_side)
    for mode in ("execute", "prefetch"):
        details.add_edge_fields(response.get(mode, {}), mode)
    for view in reversed((request.prefetch and request.prefetch.views) or ()):
        for decided in response["prefetch"].get("views", ()):
            # The rules contain no keys of views, so the answer repeats the key in the request.
            if view.key and view.name in (None, decided["name"]):
                decided["key"] = view.key
    if request.notifications is not None:
        response["notifications"] = [{"id": notification.id} for notification in request.notifications]
    displays = decision.displays if override.counts_displays else []
    tokens = [token for display in displays for token in display.tokens]
    return EdgeAnswer(response, [content.events[token] for token in tokens])


def _geo(request: DeliveryRequest, default: Mapping[str, Any]) -> Optional[Geo]:
    """Return the visitor's location in the request, or the ``default`` if the request has none."""
    requested = None if request.context is None else request.context.geo
    if requested is not None and requested != Geo(ip_address=requested.ip_address):
        return requested
    return Geo.from_dict(default) if default else None


class _AnswerDetails(NamedTuple):
    """Completes an answer with the fields that only an edge returns."""

    content: EdgeContent
    #: The id that determines the visitor's buckets.
    visitor: str
    #: The reasons for overridden decisions, by activity.
    reasons: Mapping[Any, str]
    is_logged_client_side: bool

    def add_edge_fields(self, decided: Json, mode: str) -> None:
        """Complete one mode of the answer."""
        for kind, location in locations_in(decided):
            options: List[Json] = location.get("options") or []
            if options:
                if mode == "prefetch":
                    location["state"] = make_token("state", kind, location.get("name", ""))
                if self.is_logged_client_side and "analytics" not in location:
                    shown = [option["responseTokens"] for option in options]
                    ids = ((tokens["activity.id"], tokens["experience.id"]) for tokens in shown)
                    location["analytics"] = display_analytics(ids)
                location["options"] = [self._option(option) for option in options]
            if not location.get("metrics", True):
                del location["metrics"]  # unlike an on-device decision, an edge leaves out the empty list of a view
            if "trace" in location:
                self._explain(location["trace"])

    def _option(self, option: Json) -> Json:
        tokens = option["responseTokens"]
        reason = self._reason(tokens["activity.id"], tokens)
        names = self.content.rules.get("responseTokens") or ()
        option["responseTokens"] = {
            # Ids are strings in an answer, but numbers in an artifact.
            **{name: str(value) if name.endswith(".id") else value for name, value in tokens.items() if name in names},
            "activity.decisioningMethod": "server-side",
            "experience.reason": reason,
        }
        return {key: value for key, value in option.items() if (key, value) != ("content", NO_CONTENT)}

    def _explain(self, trace: Json) -> None:
        trace["profile"]["bucketedBy"] = self.visitor
        shown = {campaign["id"]: campaign["branchId"] for campaign in trace["campaigns"]}
        artifact, requested = self.content.artifact, trace["request"]
        kind, locations = ("view", artifact.views) if "view" in requested else ("mbox", artifact.mboxes)
        rules = locations.get(requested[kind]["name"], ())
        for target in trace["evaluatedCampaignTargets"]:
            number = target["campaignId"]
            visitor_bucket = target["bucket"] = self._bucket(number)
            metas = [rule.meta for rule in rules if rule.activity.id == number]
            if number in shown:
                winner = next(meta for meta in metas if meta.get("experience.id") == shown[number])
                target["reason"] = self._reason(number, winner)
            else:
                target["reason"] = explain_no_match(visitor_bucket, map(experience_of, metas))

    def _reason(self, activity: Union[int, str], meta: Mapping[str, Any]) -> str:
        """Return why the visitor gets the experience that ``meta`` names."""
        return self.reasons.get(activity) or explain_match(self._bucket(activity), experience_of(meta))

    def _bucket(self, activity: Union[int, str]) -> float:
        return bucket(f"{self.content.client}.{activity}.{self.visitor}.0")


def locations_in(decided: Json) -> Iterator[Tuple[str, Json]]:
    """Yield each page load, mbox and view with its kind."""
    if "pageLoad" in decided:
        yield "pageLoad", decided["pageLoad"]
    for kind, key in (("mbox", "mboxes"), ("view", "views")):
        for location in decided.get(key, ()):
            yield kind, location
