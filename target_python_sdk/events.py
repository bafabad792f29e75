"""The events that a client emits: their names, and the types of their payloads.

A subscriber receives a dict: the payload, and the name of the event as ``type``.
"""

from typing import Any, Dict, List, TypedDict, Union

from target_python_sdk.types import DeliveryRequest, Geo

#: Emitted once, 0.1 s after ``create``, but not before an on-device client has an artifact. The payload is empty.
CLIENT_READY = "client_ready"
#: Seconds between ``create`` and ``client_ready``, if no artifact is awaited.
CLIENT_READY_DELAY = 0.1
ARTIFACT_DOWNLOAD_SUCCEEDED = "artifact_download_succeeded"
ARTIFACT_DOWNLOAD_FAILED = "artifact_download_failed"
GEO_LOCATION_UPDATED = "geo_location_updated"
CIRCUIT_OPENED = "circuit_opened"
CIRCUIT_CLOSED = "circuit_closed"
SEND_NOTIFICATION_ERROR = "send_notification_error"
EDGE_FAILED = "edge_failed"

EVENT_NAMES = (
    CLIENT_READY,
    ARTIFACT_DOWNLOAD_SUCCEEDED,
    ARTIFACT_DOWNLOAD_FAILED,
    GEO_LOCATION_UPDATED,
    CIRCUIT_OPENED,
    CIRCUIT_CLOSED,
    SEND_NOTIFICATION_ERROR,
    EDGE_FAILED,
)


class ArtifactDownloadSucceeded(TypedDict):
    """A new rule artifact is in use."""

    artifact_location: str
    #: The artifact's JSON. Each event has its own copy.
    artifact_payload: Any


class ArtifactDownloadFailed(TypedDict):
    """A download failed, or ``artifact_payload`` is invalid."""

    artifact_location: str
    error: BaseException


class GeoLocationUpdated(TypedDict):
    """The CDN sent a location: this machine's with an artifact, or a visitor's for a decision."""

    #: With an artifact, a dict with the JSON names of the fields of ``Geo``.
    geo_context: Union[Geo, Dict[str, Any]]


class CircuitOpened(TypedDict):
    """An origin failed too often. Calls to it fail at once until the circuit closes."""

    #: ``scheme://host:port``.
    origin: str
    #: Failures and calls in the window before the circuit opened.
    failures: int
    calls: int
    #: The last failure: the name of an error class, or an HTTP status.
    cause: str


class CircuitClosed(CircuitOpened):
    """An origin works again."""

    open_seconds: float


class SendNotificationError(TypedDict):
    """A request with notifications could not be delivered in the background."""

    notification: DeliveryRequest
    session_id: str
    error: Exception


class EdgeFailed(TypedDict):
    """The edge failed in a hybrid call, which was decided without it."""

    error: Exception
    #: The mboxes and views that were not decided.
    remote_mboxes: List[str]
    remote_views: List[str]
