"""The request."""

from typing import Dict, List, Optional

from target_tools.schema.fields import MaxLength, Minimum, Required
from target_tools.schema.model import Model
from target_tools.typing_compat import Annotated

from .context import Context
from .details import MboxRequest, RequestDetails, ViewRequest
from .experience_cloud import ExperienceCloud
from .notification import Notification
from .telemetry import Telemetry
from .visitor import VisitorId


class ModelProperty(Model):
    """The property (``at_property``) whose activities apply. The schema calls it Property."""

    token: Annotated[Optional[str], Required] = None
    """The property's token."""


class Trace(Model):
    """Requests an explanation of the decisions."""

    authorization_token: Annotated[Optional[str], Required] = None
    """A token from Target's administration, which expires after some hours."""

    usage: Optional[Dict[str, str]] = None
    """Usage and diagnostic data of the SDK."""


class Preview(Model):
    """Shows offers of activities that are not live."""

    token: Optional[str] = None
    """The token that selects the offers and locations. It is valid for one client."""


class QAModePreviewIndex(Model):
    """Selects an experience of one activity for QA."""

    activity_index: Annotated[Optional[int], Minimum(1)] = None
    """The number of the activity in the token, from 1."""

    experience_index: Annotated[Optional[int], Minimum(1)] = None
    """The number of the experience, from 1. Without it the activity decides as usual."""


class QAMode(Model):
    """Shows activities to testers, without counting their visits."""

    token: Optional[str] = None
    """The encrypted token that selects the activities. It is valid for one client."""

    listed_activities_only: Optional[bool] = None
    """Whether live activities are excluded."""

    evaluate_as_true_audience_ids: Optional[List[int]] = None
    """Audiences to which the tester is assigned."""

    evaluate_as_false_audience_ids: Optional[List[int]] = None
    """Audiences from which the tester is excluded."""

    preview_indexes: Optional[List[QAModePreviewIndex]] = None
    """The experiences to show. If given, the list must not be empty."""


class ExecuteRequest(Model, is_read_as_dict=True):
    """The offers to show now. The request counts the impression."""

    page_load: Optional[RequestDetails] = None
    """Requests the offers for the page load."""

    mboxes: Optional[List[MboxRequest]] = None
    """The mboxes to request, except the global mbox."""


class PrefetchRequest(Model, is_read_as_dict=True):
    """The offers to show later. A notification counts the impression."""

    views: Optional[List[ViewRequest]] = None
    """The views to request."""

    page_load: Optional[RequestDetails] = None
    """Requests the offers for the page load, outside of views."""

    mboxes: Optional[List[MboxRequest]] = None
    """The mboxes to request."""


class DeliveryRequest(Model):
    """A request to the Delivery API."""

    request_id: Annotated[Optional[str], MaxLength(128)] = None
    """The id of the request in responses and logs. If it is missing, the SDK creates one."""

    impression_id: Annotated[Optional[str], MaxLength(128)] = None
    """The id of the page view. Requests with the same id count one impression."""

    id: Optional[VisitorId] = None
    """The visitor."""

    environment_id: Optional[int] = None
    """The number of the environment in Target. By default the host determines it."""

    _property: Optional[ModelProperty] = None
    """The property; ``property`` in JSON."""

    trace: Optional[Trace] = None
    """Requests an explanation of the decisions."""

    context: Optional[Context] = None
    """The context. The API requires it; if it is missing, the SDK fills it in."""

    experience_cloud: Optional[ExperienceCloud] = None
    """Values for Analytics and Audience Manager."""

    execute: Optional[ExecuteRequest] = None
    """The offers to show now."""

    prefetch: Optional[PrefetchRequest] = None
    """The offers to show later."""

    telemetry: Optional[Telemetry] = None
    """Measurements of earlier requests."""

    notifications: Optional[List[Notification]] = None
    """Displays and clicks of earlier offers."""

    qa_mode: Optional[QAMode] = None
    """The QA mode, for testers of activities."""

    preview: Optional[Preview] = None
    """The preview of offers."""
