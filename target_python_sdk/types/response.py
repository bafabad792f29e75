"""The response: options to show, metrics to report, tokens for notifications."""

from typing import Any, Dict, List, Optional

from target_tools.schema.fields import MaxLength, OneOf, Required
from target_tools.schema.model import Model
from target_tools.typing_compat import Annotated

from .enums import MetricType, OptionType
from .experience_cloud import AnalyticsResponse
from .notification import NotificationResponse
from .visitor import VisitorId


class Action(Model):
    """One change to the page, from the content of an ``actions`` option."""

    type: Optional[str] = None
    """The kind of change, such as ``setHtml`` or ``insertAfter``."""

    selector: Optional[str] = None
    """The element to change, as a selector of the visual editor."""

    css_selector: Optional[str] = None
    """The element to change, as a CSS selector."""

    content: Annotated[Any, OneOf("string", "object")] = None
    """The new content: text, or an object whose keys depend on the kind of change."""


class Option(Model):
    """Content to show."""

    __slots__ = ("_rule_meta",)
    """The ``meta`` of the rule that decided on-device. Not a field: it is not sent, compared, printed or pickled."""

    type: Annotated[Optional[str], OptionType] = None
    """The kind of the content."""

    content: Annotated[Any, OneOf("string", "object", "array")] = None
    """The content: any JSON value, for example a list of actions."""

    event_token: Optional[str] = None
    """For prefetched content: the token for a display notification."""

    response_tokens: Optional[Dict[str, Any]] = None
    """Values of the activity and the visitor, by the names chosen in Target."""

    def __getstate__(self) -> Dict[str, Any]:
        return self.__dict__


class Metric(Model):
    """An event to report in a notification."""

    type: Annotated[Optional[str], MetricType] = None
    """The kind of the event."""

    selector: Optional[str] = None
    """The element of the event, as a selector."""

    event_token: Optional[str] = None
    """The token for the notification."""

    analytics: Optional[AnalyticsResponse] = None
    """The values for Analytics if the event happens."""


class MboxResponse(Model):
    """The offers for one mbox."""

    index: Optional[int] = None
    """The index of the mbox in the request."""

    name: Optional[str] = None
    """The mbox's name. Several mboxes may have the same name; the index distinguishes them."""

    options: Optional[List[Option]] = None
    """The options to show."""

    metrics: Optional[List[Metric]] = None
    """The clicks to report."""

    analytics: Optional[AnalyticsResponse] = None
    """The values for Analytics."""

    trace: Optional[Dict[str, Any]] = None
    """An explanation of the decision, if the request has a trace."""


class PrefetchMboxResponseAllOf(Model):
    """The additional field of a prefetched mbox."""

    state: Optional[str] = None
    """A token for the display notification."""


class PrefetchMboxResponse(PrefetchMboxResponseAllOf, MboxResponse):
    """The offers for one mbox, to show later."""


class PageLoadResponse(Model):
    """The offers for the page load."""

    options: Optional[List[Option]] = None
    """The options to show."""

    metrics: Optional[List[Metric]] = None
    """The clicks to report."""

    analytics: Optional[AnalyticsResponse] = None
    """The values for Analytics."""

    state: Optional[str] = None
    """If prefetched: a token for the display notification."""

    trace: Optional[Dict[str, Any]] = None
    """An explanation of the decision, if the request has a trace."""


class View(Model):
    """The offers for one view of a single-page app."""

    name: Annotated[Optional[str], MaxLength(128)] = None
    """The view's name."""

    key: Annotated[Optional[str], MaxLength(512)] = None
    """The view's key, if the name is not unique."""

    options: Optional[List[Option]] = None
    """The options to show when the view is entered."""

    metrics: Optional[List[Metric]] = None
    """The clicks in the view to report."""

    analytics: Optional[AnalyticsResponse] = None
    """The values for Analytics."""

    state: Optional[str] = None
    """A token for the display notification."""

    trace: Optional[Dict[str, Any]] = None
    """An explanation of the decision, if the request has a trace."""


class ExecuteResponse(Model):
    """The offers to show now."""

    page_load: Optional[PageLoadResponse] = None
    """The page load."""

    mboxes: Optional[List[MboxResponse]] = None
    """The mboxes."""


class PrefetchResponse(Model):
    """The offers to show later."""

    views: Optional[List[View]] = None
    """The views."""

    page_load: Optional[PageLoadResponse] = None
    """The page load."""

    mboxes: Optional[List[PrefetchMboxResponse]] = None
    """The mboxes."""

    metrics: Optional[List[Metric]] = None
    """Clicks outside of views to report, from activities that have views."""


class DeliveryResponse(Model):
    """A response of the Delivery API, or of an on-device decision."""

    status: Optional[int] = None
    """200 if the response is complete, 206 if some parts can be decided by the edge only."""

    request_id: Optional[str] = None
    """The id of the request."""

    id: Optional[VisitorId] = None
    """The visitor, with the ``tnt_id`` to keep."""

    client: Optional[str] = None
    """The client code of the request."""

    edge_host: Optional[str] = None
    """The host of the cluster that answered, for the visitor's next requests."""

    execute: Optional[ExecuteResponse] = None
    """The offers to show now."""

    prefetch: Optional[PrefetchResponse] = None
    """The offers to show later."""

    notifications: Optional[List[NotificationResponse]] = None
    """The accepted notifications."""

    telemetry_server_token: Optional[str] = None
    """The edge's token for this request, to send with the next telemetry."""


class UnexpectedError(Model):
    """The body of an error response."""

    status: Annotated[Optional[int], Required] = None
    """The HTTP status: 4xx for an invalid request, 5xx for a failure of the edge."""

    message: Annotated[Optional[str], Required] = None
    """A description of the error."""
