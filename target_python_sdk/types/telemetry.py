"""How the SDK has fared: timings and features of earlier requests.  No visitor is in it."""

from typing import List, Optional

from target_tools.enums import DecisioningMethod
from target_tools.schema.model import Model
from target_tools.typing_compat import Annotated

from .enums import Choice, ExecutionMode


class TelemetryFeatures(Model):
    """What a request made use of."""

    decisioning_method: Annotated[Optional[Choice], DecisioningMethod] = None
    """Who decided."""

    execute_mbox_count: Optional[int] = None
    """How many mboxes were executed."""

    execute_page_load: Optional[bool] = None
    """Whether the page load was executed."""

    prefetch_mbox_count: Optional[int] = None
    """How many mboxes were prefetched."""

    prefetch_page_load: Optional[bool] = None
    """Whether the page load was prefetched."""

    prefetch_view_count: Optional[int] = None
    """How many views were prefetched."""


class TelemetryRequest(Model):
    """Where the time of one HTTP exchange went, with the edge or with the CDN."""

    dns: Optional[float] = None
    """Finding the address, in milliseconds."""

    tls: Optional[float] = None
    """Agreeing on keys, in milliseconds."""

    time_to_first_byte: Optional[float] = None
    """From sending until the answer began, in milliseconds."""

    download: Optional[float] = None
    """From there until it was complete, in milliseconds."""

    response_size: Optional[int] = None
    """The size of the answer, in bytes."""


class TelemetryEntry(Model):
    """One earlier request."""

    request_id: Optional[str] = None
    """The id it had."""

    timestamp: Optional[int] = None
    """When it was made, in milliseconds since 1970."""

    execution: Optional[float] = None
    """How long it took in all, in milliseconds."""

    features: Optional[TelemetryFeatures] = None
    """What it made use of."""

    mode: Annotated[Optional[Choice], ExecutionMode] = None
    """Where it was answered."""

    parsing: Optional[float] = None
    """How long reading the answer took, in milliseconds."""

    request: Optional[TelemetryRequest] = None
    """Where the time went on the network."""

    telemetry_server_token: Optional[str] = None
    """The edge's own record of it, as the response brought it."""


class Telemetry(Model):
    """What a request tells about earlier ones."""

    entries: Optional[List[TelemetryEntry]] = None
    """One for each."""
