"""What is asked of the edge, or of the decisions made here."""

from typing import Dict, List, Optional

from target_tools.schema.constraints import MaxLength, Minimum, Required
from target_tools.schema.model import Model
from target_tools.typing_compat import Annotated

from .context import Context
from .details import MboxRequest, RequestDetails, ViewRequest
from .experience_cloud import ExperienceCloud
from .notification import Notification
from .telemetry import Telemetry
from .visitor import VisitorId


class ModelProperty(Model):
    """The property (``at_property``) that bounds which activities may answer.  The schema calls it Property."""

    token: Annotated[Optional[str], Required] = None
    """The property's token."""


class Trace(Model):
    """Asks the edge to explain its decisions."""

    authorization_token: Annotated[Optional[str], Required] = None
    """A token from Target's administration; it expires after some hours."""

    usage: Optional[Dict[str, str]] = None
    """What the SDK tells of itself, to be found again in the trace."""


class Preview(Model):
    """Shows offers as they would look, without an activity being live."""

    token: Optional[str] = None
    """Which offers at which places; it belongs to one client."""


class QAModePreviewIndex(Model):
    """Picks an experience of one activity for QA."""

    activity_index: Annotated[Optional[int], Minimum(1)] = None
    """Which of the activities in the token, counted from 1."""

    experience_index: Annotated[Optional[int], Minimum(1)] = None
    """Which of its experiences, counted from 1; without it the activity chooses as ever."""


class QAMode(Model):
    """Shows activities to those who test them, without counting what they do."""

    token: Optional[str] = None
    """Which activities may be shown; encrypted, and it belongs to one client."""

    listed_activities_only: Optional[bool] = None
    """Whether the live activities stay out of it."""

    evaluate_as_true_audience_ids: Optional[List[int]] = None
    """Audiences that the tester is taken to belong to."""

    evaluate_as_false_audience_ids: Optional[List[int]] = None
    """Audiences that the tester is taken not to belong to."""

    preview_indexes: Optional[List[QAModePreviewIndex]] = None
    """The experiences to show; not empty where given."""


class ExecuteRequest(Model):
    """What is to be shown at once; asking counts as an impression."""

    page_load: Optional[RequestDetails] = None
    """Asks for what belongs to the page as a whole."""

    mboxes: Optional[List[MboxRequest]] = None
    """Asks for these mboxes, the global one excepted."""


class PrefetchRequest(Model):
    """What may be shown later; a notification makes it count."""

    views: Optional[List[ViewRequest]] = None
    """Asks for what belongs to views."""

    page_load: Optional[RequestDetails] = None
    """Asks for what belongs to the page as a whole, to no view."""

    mboxes: Optional[List[MboxRequest]] = None
    """Asks for these mboxes."""


class DeliveryRequest(Model):
    """One request to the Delivery API."""

    request_id: Annotated[Optional[str], MaxLength(128)] = None
    """Names the request in responses and logs; made up when sent if there is none."""

    impression_id: Annotated[Optional[str], MaxLength(128)] = None
    """Names the page view: further requests with the same id count no further impression."""

    id: Optional[VisitorId] = None
    """Who is asking."""

    environment_id: Optional[int] = None
    """The environment, by its number in Target; otherwise the host decides."""

    _property: Optional[ModelProperty] = None
    """The property; ``property`` on the wire."""

    trace: Optional[Trace] = None
    """Asks for an explanation."""

    context: Optional[Context] = None
    """Under what circumstances; the one part the API insists on, filled when sent if there is none."""

    experience_cloud: Optional[ExperienceCloud] = None
    """What the neighbours need."""

    execute: Optional[ExecuteRequest] = None
    """What to show now."""

    prefetch: Optional[PrefetchRequest] = None
    """What to have ready."""

    telemetry: Optional[Telemetry] = None
    """How earlier requests fared."""

    notifications: Optional[List[Notification]] = None
    """What became of content delivered before."""

    qa_mode: Optional[QAMode] = None
    """For those who test activities."""

    preview: Optional[Preview] = None
    """For those who look at offers."""
