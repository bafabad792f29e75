"""A delivery request as a dict -> the delivery response as a dict.

The SDK's own engine decides.  What only an edge has is added here: the tokens a client
hands back, and why it was decided so.
"""

import logging
import uuid
from typing import Any, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from target_python_sdk.decisioning.artifact import Artifact
from target_python_sdk.decisioning.bucketing import bucketing_id
from target_python_sdk.decisioning.engine import DecisionRequest, EngineContext, decide
from target_python_sdk.local_edge.incoming import Json, checked_request, part
from target_python_sdk.local_edge.own_rules import NOTHING, arm_of
from target_python_sdk.local_edge.reasons import reason_against, reason_for
from target_python_sdk.local_edge.served import Served
from target_python_sdk.local_edge.tokens import opaque
from target_python_sdk.local_edge.visitors import CLUSTER, identified
from target_python_sdk.protocol import EDGE_CLUSTER_PREFIX, EDGE_HOST_SUFFIX
from target_python_sdk.types import DeliveryRequest, Geo
from target_tools.errors import InvalidResponse, OptionError
from target_tools.hashing import bucket
from target_tools.logger import Log
from target_tools.uuids import UuidGenerator

EDGE_HOST = "{}{}.{}".format(EDGE_CLUSTER_PREFIX, CLUSTER, EDGE_HOST_SUFFIX)
logger = logging.getLogger("adobe.target.local_edge")


def answer(served: Served, request: Any, session_id: str) -> Json:
    """The delivery response to ``request``.  Raises ``OptionError`` for a request the API would refuse."""
    request = checked_request(request)
    try:
        asked = DeliveryRequest.from_dict(request)
    except InvalidResponse as error:
        raise OptionError(str(error)) from error
    identity = identified(asked.id, served.client)
    known = asked.replace(id=identity)
    decision = DecisionRequest(known, session_id, bucketing_id(identity), UuidGenerator(), _geo(request, served.geo))
    situation = EngineContext(served.client, Log(logger))
    decided = decide(served.artifact, decision, situation).response.to_dict(by_alias=True, exclude_none=True)
    is_logged_client_side = part(part(request, "experienceCloud"), "analytics").get("logging") == "client_side"
    told = _Told(served, bucketing_id(identity), is_logged_client_side)
    response: Json = {
        "status": 200,
        "requestId": request.get("requestId") or str(uuid.uuid4()),
        "client": served.client,
        "id": identity.to_dict(by_alias=True, exclude_none=True),
        "edgeHost": EDGE_HOST,
    }
    for mode in ("execute", "prefetch"):
        if request.get(mode) is not None:
            response[mode] = told.completed(decided.get(mode, {}), mode)
    if request.get("notifications") is not None:
        response["notifications"] = [{"id": found["id"]} for found in request["notifications"]]
    return response


def _geo(request: Json, own: Mapping[str, Any]) -> Optional[Geo]:
    """Where the request says the visitor is; where it says nothing, what the edge makes of any address."""
    given = {key: value for key, value in part(request["context"], "geo").items() if key != "ipAddress"}
    return Geo.from_dict(dict(given or own)) if given or own else None


class _Told(NamedTuple):
    """What an answer tells besides the decision."""

    served: Served
    #: The id that decides.
    visitor: str
    is_logged_client_side: bool

    def completed(self, decided: Json, mode: str) -> Json:
        """One mode of the answer, with what only an edge has."""
        for kind, place in _places(decided):
            options: List[Json] = place.get("options") or []
            tokens = [option.get("responseTokens", {}) for option in options]
            if mode == "prefetch" and options:
                place["state"] = opaque("state", kind, place.get("name", ""))
            if self.is_logged_client_side and options and "analytics" not in place:
                place["analytics"] = {"payload": {"pe": "tnt", "tnta": _tnta(tokens)}}
            place_options = [self._option(option) for option in options]
            if place_options:
                place["options"] = place_options
            if mode == "execute" and not place.get("metrics", True):
                del place["metrics"]  # an edge names those that there are
            if "trace" in place:
                self._explain(place["trace"])
        return decided

    def _option(self, option: Json) -> Json:
        tokens = option.get("responseTokens", {})
        reason = reason_for(self._bucket(tokens["activity.id"]), arm_of(tokens))
        listed = self.served.rules.get("responseTokens") or ()
        option["responseTokens"] = {
            **{name: _as_text(name, value) for name, value in tokens.items() if name in listed},
            "activity.decisioningMethod": "server-side",
            "experience.reason": reason,
        }
        return {key: value for key, value in option.items() if (key, value) != ("content", NOTHING)}

    def _explain(self, trace: Json) -> None:
        trace["profile"]["bucketedBy"] = self.visitor
        shown = {campaign["id"]: campaign["branchId"] for campaign in trace["campaigns"]}
        rules = _metas(self.served.artifact, trace["request"])
        for target in trace["evaluatedCampaignTargets"]:
            number = target["campaignId"]
            where = target["bucket"] = self._bucket(number)
            metas = [meta for activity, meta in rules if activity == number]
            if number in shown:
                winner = next(meta for meta in metas if meta.get("experience.id") == shown[number])
                target["reason"] = reason_for(where, arm_of(winner))
            else:
                target["reason"] = reason_against(where, map(arm_of, metas))

    def _bucket(self, activity: object) -> float:
        return bucket("{}.{}.{}.0".format(self.served.client, activity, self.visitor))


def _places(decided: Json) -> Iterator[Tuple[str, Json]]:
    """Each page load, mbox and view, with what it is."""
    if "pageLoad" in decided:
        yield "pageLoad", decided["pageLoad"]
    for kind, key in (("mbox", "mboxes"), ("view", "views")):
        for place in decided.get(key, ()):
            yield kind, place


def _tnta(tokens: Iterable[Json]) -> str:
    """Activities and experiences as Analytics takes them, each once."""
    shown = ["{}:{}:0|2".format(found.get("activity.id"), found.get("experience.id")) for found in tokens]
    return ",".join(dict.fromkeys(shown))


def _as_text(name: str, value: Any) -> Any:
    """Ids are texts in an answer, though numbers in an artifact."""
    return str(value) if name.endswith(".id") else value


def _metas(artifact: Artifact, asked: Mapping[str, Any]) -> List[Tuple[object, Mapping[str, Any]]]:
    """The rules at the place that a trace is of: activity and meta of each."""
    kind, places = ("view", artifact.views) if "view" in asked else ("mbox", artifact.mboxes)
    return [(rule.activity.id, rule.meta) for rule in places.get(asked[kind]["name"], ())]
