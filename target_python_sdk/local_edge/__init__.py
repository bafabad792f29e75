"""A Target edge on your machine, for development, demos and tests.

It serves the Delivery API from a small file of activities or from a rule artifact. It
decides which experience a visitor gets, explains the decision, and records the requests
that it receives. It also serves the rule artifact and the geo lookup. For on-device
decisioning, set ``"cdn_base_path": "http://" + edge.domain``::

    from target_python_sdk import TargetClient
    from target_python_sdk.local_edge import LocalEdge

    with LocalEdge() as edge:
        client = TargetClient.create({
            "client": "acmeclient",
            "organization_id": "1234567890@AdobeOrg",
            "server_domain": edge.domain,
            "secure": False,
        })
        ...
        edge.requests[-1].body      # the request that the client sent
        edge.displays, edge.clicks  # the experiences that were displayed and clicked
        edge.load("other.json")     # serve other activities from now on
        edge.fail(503)              # answer each request with this status from now on

The shell command ``target-sdk edge [activities.json]`` starts the same edge.
"""

from target_python_sdk.local_edge.activities import Activities, Activity, Experience, Offer, read_activities
from target_python_sdk.local_edge.edge import LocalEdge
from target_python_sdk.local_edge.events import RecordedEvent
from target_python_sdk.local_edge.feed import EventFeed, FeedEvent
from target_python_sdk.local_edge.http_messages import RecordedRequest
from target_python_sdk.local_edge.recording import DroppedRecords

__all__ = [
    "Activities",
    "Activity",
    "DroppedRecords",
    "EventFeed",
    "Experience",
    "FeedEvent",
    "LocalEdge",
    "Offer",
    "RecordedEvent",
    "RecordedRequest",
    "read_activities",
]
