"""Activities for the tests of the web frameworks, and the calls that an edge has received."""

from typing import Any, Dict, List, NamedTuple

from target_python_sdk.local_edge import LocalEdge

#: The content of the offer for the mbox ``hero``. It ends a script element unless it is escaped.
HERO = "<b>Hero</b><script>offer = 1</script>"
DEFAULT = "<b>Welcome</b>"
ACTIVITIES: Dict[str, Any] = {
    "activities": [
        {
            "id": 1,
            "locations": ["hero", "target-global-mbox"],
            "views": ["cart"],
            "metrics": [{"type": "click"}],
            "experiences": [{"name": "A", "offer": {"html": HERO}}],
        },
        {"id": 2, "locations": ["flags"], "experiences": [{"name": "A", "offer": {"json": {"color": "red"}}}]},
    ]
}


class ReceivedCall(NamedTuple):
    """The visitor, the session and the page of a call, as the edge received them."""

    visitor: str
    session: str
    url: str


def calls_since(edge: LocalEdge, count: int) -> List[ReceivedCall]:
    """Return the calls after the first ``count`` requests of the edge."""
    return [
        ReceivedCall(
            request.body.get("id", {}).get("tntId", ""),
            request.query["sessionId"],
            request.body["context"]["address"]["url"],
        )
        for request in edge.requests[count:]
    ]
