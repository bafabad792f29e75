"""Notifications of displays and clicks."""

from typing import Any, Dict, List, Optional

from target_tools.schema.fields import MaxLength
from target_tools.schema.model import Model
from target_tools.typing_compat import Annotated

from .details import RequestDetails
from .enums import Choice, MetricType


class NotificationMbox(Model):
    """The mbox of a notification."""

    name: Annotated[Optional[str], MaxLength(250)] = None
    """The mbox's name; not blank."""

    state: Optional[str] = None
    """The state of the prefetched content."""


class NotificationPageLoad(Model):
    """The page load of a notification."""

    state: Optional[str] = None
    """The state of the prefetched content."""


class NotificationView(Model):
    """The view of a notification."""

    name: Annotated[Optional[str], MaxLength(128)] = None
    """The view's name."""

    key: Annotated[Optional[str], MaxLength(512)] = None
    """The view's key, if the name is not unique."""

    state: Optional[str] = None
    """The state of the prefetched content."""


class NotificationAllOf(Model):
    """The additional fields of a notification, which concerns an mbox, a view or the page load."""

    id: Annotated[Optional[str], MaxLength(200)] = None
    """The id of the notification; the response lists the accepted ids."""

    impression_id: Annotated[Optional[str], MaxLength(128)] = None
    """The ``impression_id`` of an earlier request or notification; together they count as one impression."""

    type: Annotated[Optional[Choice], MetricType] = None
    """The kind of the event: a display or a click."""

    timestamp: Optional[int] = None
    """The time of the event, in milliseconds since 1970."""

    tokens: Optional[List[str]] = None
    """The event tokens of the displayed options, or of the clicked metrics."""

    mbox: Optional[NotificationMbox] = None
    """The mbox."""

    view: Optional[NotificationView] = None
    """The view."""

    page_load: Optional[NotificationPageLoad] = None
    """The page load. An empty ``NotificationPageLoad`` is enough to report it."""


class Notification(NotificationAllOf, RequestDetails):
    """Reports a display or a click of prefetched or on-device content."""


class NotificationResponse(Model):
    """Confirms one notification."""

    id: Optional[str] = None
    """The id of the accepted notification."""

    trace: Optional[Dict[str, Any]] = None
    """An explanation, if the request has a trace."""
