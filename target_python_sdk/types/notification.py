"""What is reported back: content that was shown or clicked."""

from typing import Any, Dict, List, Optional

from target_tools.schema.constraints import MaxLength
from target_tools.schema.model import Model
from target_tools.typing_compat import Annotated

from .details import RequestDetails
from .enums import Choice, MetricType


class NotificationMbox(Model):
    """The mbox that a notification is about."""

    name: Annotated[Optional[str], MaxLength(250)] = None
    """The mbox's name; not blank."""

    state: Optional[str] = None
    """The state that came with its prefetched content."""


class NotificationPageLoad(Model):
    """The page load that a notification is about."""

    state: Optional[str] = None
    """The state that came with its prefetched content."""


class NotificationView(Model):
    """The view that a notification is about."""

    name: Annotated[Optional[str], MaxLength(128)] = None
    """The view's name."""

    key: Annotated[Optional[str], MaxLength(512)] = None
    """The view's key, where its name is not enough."""

    state: Optional[str] = None
    """The state that came with its prefetched content."""


class NotificationAllOf(Model):
    """What a notification has that a page load has not.  It is about an mbox, a view or the page load."""

    id: Annotated[Optional[str], MaxLength(200)] = None
    """Names it; the response lists the ids it has taken in."""

    impression_id: Annotated[Optional[str], MaxLength(128)] = None
    """Joins it to an earlier request with the same id, so that one impression counts once."""

    type: Annotated[Optional[Choice], MetricType] = None
    """What happened: a display or a click."""

    timestamp: Optional[int] = None
    """When it happened, in milliseconds since 1970."""

    tokens: Optional[List[str]] = None
    """The event tokens of the options shown, or of the metrics clicked."""

    mbox: Optional[NotificationMbox] = None
    """The mbox it is about."""

    view: Optional[NotificationView] = None
    """The view it is about."""

    page_load: Optional[NotificationPageLoad] = None
    """Set, if with an empty value, when it is about the page load."""


class Notification(NotificationAllOf, RequestDetails):
    """Tells the edge what became of content that was prefetched or decided here."""


class NotificationResponse(Model):
    """Confirms one notification."""

    id: Optional[str] = None
    """The id of the notification that was taken in."""

    trace: Optional[Dict[str, Any]] = None
    """How it was handled, when the request asked for a trace."""
