"""Telemetry: timings and features of earlier requests, without data of visitors."""

from typing import List, Optional

from target_tools.enums import DecisioningMethod
from target_tools.schema.model import Model
from target_tools.typing_compat import Annotated

from .enums import Choice, ExecutionMode


class TelemetryFeatures(Model):
    """The features that a request used."""

    decisioning_method: Annotated[Optional[Choice], DecisioningMethod] = None
    """The decisioning method."""

    execute_mbox_count: Optional[int] = None
    """The number of executed mboxes."""

    execute_page_load: Optional[bool] = None
    """Whether the page load was executed."""

    prefetch_mbox_count: Optional[int] = None
    """The number of prefetched mboxes."""

    prefetch_page_load: Optional[bool] = None
    """Whether the page load was prefetched."""

    prefetch_view_count: Optional[int] = None
    """The number of prefetched views."""


class TelemetryRequest(Model):
    """The timings of one HTTP exchange with the edge or the CDN."""

    dns: Optional[float] = None
    """The time of the name lookup, in milliseconds."""

    tls: Optional[float] = None
    """The time of the TLS handshake, in milliseconds."""

    time_to_first_byte: Optional[float] = None
    """The time from sending to the first byte of the answer, in milliseconds."""

    download: Optional[float] = None
    """The time from the first to the last byte, in milliseconds."""

    response_size: Optional[int] = None
    """The size of the answer, in bytes."""


class TelemetryEntry(Model):
    """One earlier request."""

    request_id: Optional[str] = None
    """The id of the request."""

    timestamp: Optional[int] = None
    """The time of the request, in milliseconds since 1970."""

    execution: Optional[float] = None
    """The total time, in milliseconds."""

    features: Optional[TelemetryFeatures] = None
    """The features that the request used."""

    mode: Annotated[Optional[Choice], ExecutionMode] = None
    """Whether the edge or this process answered."""

    parsing: Optional[float] = None
    """The time of parsing the answer, in milliseconds."""

    request: Optional[TelemetryRequest] = None
    """The timings of the network."""

    telemetry_server_token: Optional[str] = None
    """The edge's token for the request, from the response."""


class Telemetry(Model):
    """The telemetry in a request."""

    entries: Optional[List[TelemetryEntry]] = None
    """One entry for each earlier request."""
