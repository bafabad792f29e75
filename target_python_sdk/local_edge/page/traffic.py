"""Sends simulated visitors through the decisions of an edge, and reports how they split. Nothing is recorded."""

import logging
import math
from typing import Counter, Dict, Iterator, List, Optional, Tuple

from target_python_sdk.decisioning.engine import DecisionRequest, EngineContext, decide
from target_python_sdk.local_edge.content import EdgeContent
from target_python_sdk.local_edge.page.overview import describe_content
from target_python_sdk.local_edge.page.visitor import SESSION_ID, Visitor, delivery_request
from target_python_sdk.local_edge.validation import Json
from target_python_sdk.types import DeliveryResponse, VisitorId
from target_tools.json_reader import Turn
from target_tools.logger import Log
from target_tools.schema.model import copy_with
from target_tools.uuids import UuidGenerator

logger = logging.getLogger("adobe.target.local_edge")

#: The number of simulated visitors.
VISITORS = 10_000
#: The number of visitors between two reports.
STEP = 500
#: The number of standard deviations around the mean of a normal distribution that include 95 % of it.
_DEVIATIONS = 1.959964

#: The kind and the name of a location.
Place = Tuple[str, str]
#: A location, the id of an activity, and the name of an experience.
Outcome = Tuple[Place, str, str]
#: Counts the visitors of a location who get any offer.
ANY_OFFER = ("", "")


def simulate(content: EdgeContent, visitor: Visitor) -> Iterator[Json]:
    """Yield the number of visitors so far after each ``STEP``, and the split with the last one, as JSON.

    The simulated visitors have the attributes of ``visitor``. Their ids are always the same.
    """
    request = delivery_request(content, visitor)
    geo = request.context.geo if request.context else None
    context = EngineContext(content.client, Log(logger))
    outcomes: Counter[Outcome] = Counter()
    turn = Turn()
    for number in range(VISITORS):
        if number % STEP == 0:
            yield {"done": number, "total": VISITORS}
        visitor_id = f"visitor-{number + 1}"
        asked = copy_with(request, id=VisitorId(tnt_id=visitor_id))
        decision = decide(
            content.artifact, DecisionRequest(asked, SESSION_ID, visitor_id, UuidGenerator(), geo), context
        )
        outcomes.update(_outcomes(decision.response, content.artifact.global_mbox))
        turn.pause_if_over()
    yield {"done": VISITORS, "total": VISITORS, "locations": _locations(content, visitor, outcomes)}


def _outcomes(response: DeliveryResponse, global_mbox: str) -> Iterator[Outcome]:
    execute, prefetch = response.execute, response.prefetch
    located = [("mbox", mbox.name, mbox.options) for mbox in (execute and execute.mboxes) or ()]
    located += [("view", view.name, view.options) for view in (prefetch and prefetch.views) or ()]
    if execute is not None and execute.page_load is not None:
        located.append(("mbox", global_mbox, execute.page_load.options))
    for kind, name, options in located:
        place = (kind, str(name))
        for tokens in [option.response_tokens or {} for option in options or ()]:
            experience = tokens.get("experience.name") or tokens.get("experience.id")
            yield place, str(tokens.get("activity.id")), str(experience)
        if options:
            yield (place, *ANY_OFFER)


def _locations(content: EdgeContent, visitor: Visitor, outcomes: Counter[Outcome]) -> List[Json]:
    by_place: Dict[Place, List[Json]] = {}
    for activity in describe_content(content)["activities"]:
        for location in activity["locations"]:
            by_place.setdefault((location["kind"], location["name"]), []).append(activity)
    return [
        _location(place, activities, outcomes, shows_all=place[0] == "view" or place[1] == content.artifact.global_mbox)
        for place, activities in by_place.items()
        if visitor.location in (("", ""), place)
    ]


def _location(place: Place, activities: List[Json], outcomes: Counter[Outcome], *, shows_all: bool) -> Json:
    """Return the split at one location. At an mbox, an activity is reached by those without an earlier experience."""
    reached = VISITORS
    described = []
    for activity in activities:
        rows = [
            _split(experience, outcomes[place, activity["id"], experience["name"]], reached)
            for experience in activity["experiences"]
        ]
        described.append({"id": activity["id"], "name": activity["name"], "reached": reached, "experiences": rows})
        if not shows_all:
            reached -= sum(row["visitors"] for row in rows)
    without = _measured(VISITORS - outcomes[(place, *ANY_OFFER)], VISITORS)
    return {"kind": place[0], "name": place[1], "activities": described, "withoutOffer": without}


def _split(experience: Json, visitors: int, total: int) -> Json:
    lower, upper = experience["lower"], experience["upper"]
    asked: Optional[float] = None if lower is None else (upper - lower) / 100
    return {"name": experience["name"], "asked": asked, **_measured(visitors, total)}


def _measured(visitors: int, total: int) -> Json:
    share = visitors / total if total else 0.0
    return {"visitors": visitors, "share": share, "interval": wilson_interval(visitors, total)}


def wilson_interval(count: int, total: int) -> Tuple[float, float]:
    """Return the 95 % confidence interval of a share by Wilson's method, for ``count`` of ``total`` visitors."""
    if not total:
        return 0.0, 1.0
    share, weight = count / total, _DEVIATIONS**2 / total
    center = (share + weight / 2) / (1 + weight)
    margin = _DEVIATIONS / (1 + weight) * math.sqrt(share * (1 - share) / total + weight / total / 4)
    # The bounds of no visitor and of all visitors are exact, but floats are not.
    return (center - margin if count else 0.0), (center + margin if count < total else 1.0)
