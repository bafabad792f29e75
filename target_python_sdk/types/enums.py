"""The enumerations of the Delivery API, as classes of ``str`` constants.

They are not subclasses of ``enum.Enum``, because 1.1.0's were not: each constant is the
string that is sent. Members of the application's own ``Enum`` classes are accepted, too,
if their values are these strings.
"""

import enum
from typing import Union

from target_tools.schema.model import Model

Choice = Union[str, enum.Enum]
"""The text of a constant, or an ``Enum`` member whose value is that text."""


class AuthenticatedState(Model):
    """Whether the visitor has signed in under a customer id."""

    UNKNOWN = "unknown"
    """It is not known whether the visitor has signed in."""

    AUTHENTICATED = "authenticated"
    """Signed in."""

    LOGGED_OUT = "logged_out"
    """Signed out."""


class ChannelType(Model):
    """The channel that shows the content. Activities for the other channel are skipped."""

    MOBILE = "mobile"
    """In a native app."""

    WEB = "web"
    """In a browser."""


class DeviceType(Model):
    """The type of a mobile device."""

    PHONE = "phone"
    """A phone."""

    TABLET = "tablet"
    """A tablet."""


class ExecutionMode(Model):
    """Where the request of a telemetry entry was answered."""

    EDGE = "edge"
    """By the edge."""

    LOCAL = "local"
    """On-device, in the application's process."""


class LoggingType(Model):
    """Which side sends the hit to Adobe Analytics."""

    SERVER_SIDE = "server_side"
    """The edge; the supplemental data id links the hit to the visitor's other hits."""

    CLIENT_SIDE = "client_side"
    """The caller, who sends the payload that the response contains."""


class MetricType(Model):
    """The kind of event that a metric or a notification is about."""

    CLICK = "click"
    """A click on the content."""

    DISPLAY = "display"
    """A display of the content."""


class MobilePlatformType(Model):
    """The operating system of a mobile device."""

    ANDROID = "android"
    """Android."""

    IOS = "ios"
    """iOS and iPadOS."""


class OptionType(Model):
    """The kind of the content of an option."""

    HTML = "html"
    """Markup to show unchanged."""

    JSON = "json"
    """Any JSON value, for the application."""

    REDIRECT = "redirect"
    """A URL to send the visitor to."""

    DYNAMIC = "dynamic"
    """A URL to fetch the content from."""

    ACTIONS = "actions"
    """A list of changes to the page, from the visual editor or a template."""


class ScreenOrientationType(Model):
    """The orientation of the screen."""

    PORTRAIT = "portrait"
    """Taller than wide."""

    LANDSCAPE = "landscape"
    """Wider than tall."""
