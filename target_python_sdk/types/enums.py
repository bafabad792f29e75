"""The enumerations of the Delivery API, as classes of ``str`` constants.

They are not ``enum.Enum`` because 1.1.0's were not: a constant is the text that
is sent. Members of the application's own enumerations are accepted instead of the
text.
"""

import enum
from typing import Union

from target_tools.schema.model import Model

Choice = Union[str, enum.Enum]
"""The text of a constant, or an ``Enum`` member whose value is that text."""


class AuthenticatedState(Model):
    """Whether the visitor has signed in under a customer id."""

    UNKNOWN = "unknown"
    """Unknown."""

    AUTHENTICATED = "authenticated"
    """Signed in."""

    LOGGED_OUT = "logged_out"
    """Signed out."""


class ChannelType(Model):
    """The channel that shows the content; activities for the other channel are skipped."""

    MOBILE = "mobile"
    """In a native app."""

    WEB = "web"
    """In a browser."""


class DeviceType(Model):
    """The size of a mobile device; activities without one accept both."""

    PHONE = "phone"
    """A phone."""

    TABLET = "tablet"
    """A tablet."""


class ExecutionMode(Model):
    """The place where the request of a telemetry entry was answered."""

    EDGE = "edge"
    """On the edge."""

    LOCAL = "local"
    """In this process."""


class LoggingType(Model):
    """The side that sends the hit to Adobe Analytics."""

    SERVER_SIDE = "server_side"
    """The edge, by the supplemental data id."""

    CLIENT_SIDE = "client_side"
    """The caller, with the payload of the response."""


class MetricType(Model):
    """An event of a visitor."""

    CLICK = "click"
    """A click on the content."""

    DISPLAY = "display"
    """A display of the content."""


class MobilePlatformType(Model):
    """The operating system of a mobile device; activities for the other one are skipped."""

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
    """The orientation of the screen; activities for the other orientation are skipped."""

    PORTRAIT = "portrait"
    """Upright."""

    LANDSCAPE = "landscape"
    """Across."""
