"""What goes to and comes from Target's neighbours, Analytics and Audience Manager."""

from typing import Optional

from target_tools.schema.constraints import MaxLength, Minimum, MinLength
from target_tools.schema.model import Model
from target_tools.typing_compat import Annotated

from .enums import Choice, LoggingType


class AnalyticsPayload(Model):
    """The two values that a client puts into its own Analytics hit."""

    pe: Optional[str] = None
    """The mark by which Analytics knows that the hit is Target's: ``tnt``."""

    tnta: Optional[str] = None
    """The activities and experiences shown, in Analytics' notation."""


class AnalyticsRequest(Model):
    """How this request is to reach Adobe Analytics (A4T)."""

    supplemental_data_id: Annotated[Optional[str], MaxLength(33), MinLength(33)] = None
    """Joins the edge's hit to the page's own: 16 hexadecimal digits, a hyphen, 16 more."""

    logging: Annotated[Optional[Choice], LoggingType] = None
    """Who sends the hit."""

    tracking_server: Optional[str] = None
    """The Analytics host for http, without a scheme."""

    tracking_server_secure: Optional[str] = None
    """The Analytics host for https, without a scheme."""


class AnalyticsResponse(Model):
    """What a client that logs by itself has to pass on once the content is shown."""

    payload: Optional[AnalyticsPayload] = None
    """The values for the hit."""


class AudienceManager(Model):
    """What leads to the visitor's segments in Audience Manager."""

    location_hint: Annotated[Optional[int], Minimum(1)] = None
    """The number of the data collection region that knows the visitor."""

    blob: Annotated[Optional[str], MaxLength(1024), MinLength(1)] = None
    """Audience Manager's own opaque note about the visitor; not blank."""


class ExperienceCloud(Model):
    """The part of a request that is meant for the neighbours."""

    audience_manager: Optional[AudienceManager] = None
    """For Audience Manager."""

    analytics: Optional[AnalyticsRequest] = None
    """For Analytics."""
