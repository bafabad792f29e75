"""Sends simulated visitors through the rules of an edge, and reports how they split. Nothing is recorded."""

from typing import Iterator

from target_python_sdk.inspection.split import VISITORS, Simulation
from target_python_sdk.inspection.traffic import VisitorAttributes
from target_python_sdk.local_edge.content import EdgeContent
from target_python_sdk.local_edge.page.visitor import Visitor
from target_python_sdk.local_edge.validation import Json
from target_python_sdk.types import Geo
from target_tools.json_reader import Turn

#: The number of visitors between two reports.
STEP = 500
#: The number of visitors between two possible pauses, in which other requests are answered.
VISITORS_PER_PAUSE = 20


def simulate(content: EdgeContent, visitor: Visitor) -> Iterator[Json]:
    """Yield the progress after every ``STEP`` visitors, and finally the split, as JSON.

    The simulated visitors have the attributes of ``visitor``. Each simulation uses the same ids.
    """
    attributes = VisitorAttributes(
        visitor.context,
        visitor.parameters,
        visitor.property_token or None,
        Geo.from_dict(content.geo) if content.geo else None,
    )
    simulation = Simulation(content.artifact, attributes)
    turn = Turn()
    while simulation.visitors < VISITORS:
        if simulation.visitors % STEP == 0:
            yield {"done": simulation.visitors, "total": VISITORS}
        simulation.send(VISITORS_PER_PAUSE)
        turn.pause_if_over()
    locations = simulation.result().to_dict()["locations"]
    if visitor.location[0]:
        locations = [each for each in locations if (each["kind"], each["name"]) == visitor.location]
    yield {"done": VISITORS, "total": VISITORS, "locations": locations}
