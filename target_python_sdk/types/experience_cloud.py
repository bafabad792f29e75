"""Values for Adobe Analytics and Audience Manager."""

from typing import Optional

from target_tools.schema.fields import MaxLength, Minimum, MinLength
from target_tools.schema.model import Model
from target_tools.typing_compat import Annotated

from .enums import Choice, LoggingType


class AnalyticsPayload(Model):
    """The two values for the client's Analytics hit."""

    pe: Optional[str] = None
    """Marks the hit as Target's: ``tnt``."""

    tnta: Optional[str] = None
    """The displayed activities and experiences, in Analytics' notation."""


class AnalyticsRequest(Model):
    """The settings for Adobe Analytics (A4T)."""

    supplemental_data_id: Annotated[Optional[str], MaxLength(33), MinLength(33)] = None
    """Connects the edge's hit with the page's: 16 hexadecimal digits, a hyphen, 16 more."""

    logging: Annotated[Optional[Choice], LoggingType] = None
    """Whether the edge or the client sends the hit."""

    tracking_server: Optional[str] = None
    """The Analytics host for http, without a scheme."""

    tracking_server_secure: Optional[str] = None
    """The Analytics host for https, without a scheme."""


class AnalyticsResponse(Model):
    """The values that a client with client-side logging sends after the content is displayed."""

    payload: Optional[AnalyticsPayload] = None
    """The values for the hit."""


class AudienceManager(Model):
    """The values that identify the visitor's segments in Audience Manager."""

    location_hint: Annotated[Optional[int], Minimum(1)] = None
    """The number of the visitor's data collection region."""

    blob: Annotated[Optional[str], MaxLength(1024), MinLength(1)] = None
    """Audience Manager's opaque value for the visitor; not blank."""


class ExperienceCloud(Model):
    """The part of a request for Analytics and Audience Manager."""

    audience_manager: Optional[AudienceManager] = None
    """The values for Audience Manager."""

    analytics: Optional[AnalyticsRequest] = None
    """The values for Analytics."""
