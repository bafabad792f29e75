"""What comes back: options to show, metrics to watch, tokens to report."""

from typing import Any, Dict, List, Optional

from target_tools.schema.constraints import MaxLength, OneOf, Required
from target_tools.schema.model import Model
from target_tools.typing_compat import Annotated

from .enums import MetricType, OptionType
from .experience_cloud import AnalyticsResponse
from .notification import NotificationResponse
from .visitor import VisitorId


class Action(Model):
    """One change to the page, out of the content of an ``actions`` option."""

    type: Optional[str] = None
    """What to do, such as ``setHtml`` or ``insertAfter``."""

    selector: Optional[str] = None
    """The element to do it to, in the selector language of the visual editor."""

    css_selector: Optional[str] = None
    """The same element as a CSS selector."""

    content: Annotated[Any, OneOf("string", "object")] = None
    """What to do it with: text, or an object whose keys depend on the kind of action."""


class Option(Model):
    """Content to show."""

    type: Annotated[Optional[str], OptionType] = None
    """What kind of content it is."""

    content: Annotated[Any, OneOf("string", "object", "array")] = None
    """The content itself; what JSON had in its place, lists of actions included."""

    event_token: Optional[str] = None
    """For prefetched content: what a display notification reports as shown."""

    response_tokens: Optional[Dict[str, Any]] = None
    """What the activity tells of itself and the visitor, by the names chosen in Target."""


class Metric(Model):
    """Something to watch for and report."""

    type: Annotated[Optional[str], MetricType] = None
    """What to watch for."""

    selector: Optional[str] = None
    """On which element."""

    event_token: Optional[str] = None
    """What a notification reports when it happens."""

    analytics: Optional[AnalyticsResponse] = None
    """What Analytics is to be told when it happens."""


class MboxResponse(Model):
    """What there is for one mbox."""

    index: Optional[int] = None
    """The index of the request for it."""

    name: Optional[str] = None
    """The mbox's name; several answers may share it, so look at the index too."""

    options: Optional[List[Option]] = None
    """What to show."""

    metrics: Optional[List[Metric]] = None
    """Which clicks to report."""

    analytics: Optional[AnalyticsResponse] = None
    """What Analytics is to be told."""

    trace: Optional[Dict[str, Any]] = None
    """How it was decided, when the request asked for a trace."""


class PrefetchMboxResponseAllOf(Model):
    """What a prefetched mbox has that an executed one has not."""

    state: Optional[str] = None
    """Goes back with the notification that it was displayed."""


class PrefetchMboxResponse(PrefetchMboxResponseAllOf, MboxResponse):
    """What there is for one mbox, to be shown later."""


class PageLoadResponse(Model):
    """What there is for the page as a whole."""

    options: Optional[List[Option]] = None
    """What to show."""

    metrics: Optional[List[Metric]] = None
    """Which clicks to report."""

    analytics: Optional[AnalyticsResponse] = None
    """What Analytics is to be told."""

    state: Optional[str] = None
    """If prefetched: goes back with the notification that it was displayed."""

    trace: Optional[Dict[str, Any]] = None
    """How it was decided, when the request asked for a trace."""


class View(Model):
    """What there is for one view of a single-page app."""

    name: Annotated[Optional[str], MaxLength(128)] = None
    """The view's name."""

    key: Annotated[Optional[str], MaxLength(512)] = None
    """The view's key, where its name is not enough."""

    options: Optional[List[Option]] = None
    """What to show when the view is entered."""

    metrics: Optional[List[Metric]] = None
    """Which clicks in the view to report."""

    analytics: Optional[AnalyticsResponse] = None
    """What Analytics is to be told."""

    state: Optional[str] = None
    """Goes back with the notification that it was displayed."""

    trace: Optional[Dict[str, Any]] = None
    """How it was decided, when the request asked for a trace."""


class ExecuteResponse(Model):
    """What is to be shown now."""

    page_load: Optional[PageLoadResponse] = None
    """For the page as a whole."""

    mboxes: Optional[List[MboxResponse]] = None
    """For the mboxes."""


class PrefetchResponse(Model):
    """What may be shown later."""

    views: Optional[List[View]] = None
    """For the views."""

    page_load: Optional[PageLoadResponse] = None
    """For the page as a whole."""

    mboxes: Optional[List[PrefetchMboxResponse]] = None
    """For the mboxes."""

    metrics: Optional[List[Metric]] = None
    """Clicks to report that belong to no view, out of activities that have views."""


class DeliveryResponse(Model):
    """One answer of the Delivery API, or of the decisions made here."""

    status: Optional[int] = None
    """200 when it is complete, 206 when parts were left to the edge."""

    request_id: Optional[str] = None
    """The id of the request."""

    id: Optional[VisitorId] = None
    """The visitor, with the ``tnt_id`` to keep."""

    client: Optional[str] = None
    """The client code the request was for."""

    edge_host: Optional[str] = None
    """The host of the cluster that answered, where the visitor's next requests had best go."""

    execute: Optional[ExecuteResponse] = None
    """What to show now."""

    prefetch: Optional[PrefetchResponse] = None
    """What to have ready."""

    notifications: Optional[List[NotificationResponse]] = None
    """The notifications that were taken in."""

    telemetry_server_token: Optional[str] = None
    """The edge's record of this request, to be handed back with the next telemetry."""


class UnexpectedError(Model):
    """The body of an answer that is an error."""

    status: Annotated[Optional[int], Required] = None
    """The HTTP status: 4xx blames the request, 5xx the edge."""

    message: Annotated[Optional[str], Required] = None
    """What was wrong."""
