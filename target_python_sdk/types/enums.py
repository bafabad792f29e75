"""The closed sets of the Delivery API, as classes of ``str`` constants.

They are no ``enum.Enum``, because 1.1.0's were none: a constant is the text that
is sent.  Where user code has enumerations of its own, their members are accepted
in place of the text.
"""

import enum
from typing import Union

from target_tools.schema.model import Model

Choice = Union[str, enum.Enum]
"""The text of a constant, or an ``Enum`` member whose value is that text."""


class AuthenticatedState(Model):
    """Whether the visitor has signed in under a customer id."""

    UNKNOWN = "unknown"
    """Nothing is known about it."""

    AUTHENTICATED = "authenticated"
    """Signed in."""

    LOGGED_OUT = "logged_out"
    """Was signed in once and is not any more."""


class ChannelType(Model):
    """Where the content will be shown; activities for the other channel are passed over."""

    MOBILE = "mobile"
    """In a native app."""

    WEB = "web"
    """In a browser."""


class DeviceType(Model):
    """The size of a mobile device; activities without one accept both."""

    PHONE = "phone"
    """Held in one hand."""

    TABLET = "tablet"
    """Held in two."""


class ExecutionMode(Model):
    """Where the request that a telemetry entry tells about was answered."""

    EDGE = "edge"
    """On the edge."""

    LOCAL = "local"
    """In this process."""


class LoggingType(Model):
    """Who hands the hit to Adobe Analytics."""

    SERVER_SIDE = "server_side"
    """The edge, by the supplemental data id."""

    CLIENT_SIDE = "client_side"
    """The caller, who gets the payload in the response."""


class MetricType(Model):
    """What a visitor did."""

    CLICK = "click"
    """Clicked what was shown."""

    DISPLAY = "display"
    """Saw it."""


class MobilePlatformType(Model):
    """The operating system of a mobile device; activities for the other one are passed over."""

    ANDROID = "android"
    """Android."""

    IOS = "ios"
    """iOS and iPadOS."""


class OptionType(Model):
    """What the content of an option is, and so what to do with it."""

    HTML = "html"
    """Markup to show as it is."""

    JSON = "json"
    """Any JSON value, for the program to interpret."""

    REDIRECT = "redirect"
    """A URL to send the visitor to."""

    DYNAMIC = "dynamic"
    """A URL to fetch the content from."""

    ACTIONS = "actions"
    """A list of changes to the page, from the visual editor or a template."""


class ScreenOrientationType(Model):
    """How the screen is held; activities for the other orientation are passed over."""

    PORTRAIT = "portrait"
    """Upright."""

    LANDSCAPE = "landscape"
    """Across."""
