"""A Target edge on this machine, for development, demos and tests.

It serves the Delivery API from a small file of activities, or from a rule artifact,
decides for real which experience a visitor gets, says why, and remembers what it was
asked.  It serves the artifact of its activities, too, and the geo look-up: give a client
that decides on-device ``"cdn_base_path": "http://" + edge.domain``::

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
        edge.requests[-1].body      # what the client really sent
        edge.notifications          # what was displayed or clicked
        edge.load("other.json")     # what is served from now on

From a shell, ``python -m target_python_sdk edge [activities.json]`` serves the same.
"""

from target_python_sdk.local_edge.activities import Activities, Activity, Experience, Offer, read_activities
from target_python_sdk.local_edge.edge import LocalEdge
from target_python_sdk.local_edge.server import RecordedRequest

__all__ = ["Activities", "Activity", "Experience", "LocalEdge", "Offer", "RecordedRequest", "read_activities"]
