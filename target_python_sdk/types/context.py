"""The context of a request: page, browser, device and location."""

from typing import Optional

from target_tools.schema.fields import JsonName, MaxLength, Pattern, Required
from target_tools.schema.model import Model
from target_tools.typing_compat import Annotated

from .enums import ChannelType, Choice, DeviceType, MobilePlatformType, ScreenOrientationType

_IP_V4 = r"(^\s*((BYTE\.){3}BYTE)\s*$)".replace("BYTE", "([0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])")

# One line for each number of groups before the "::".
_IP_V6 = "|".join(
    [
        r"((HEX:){7}(HEX|:))",
        r"((HEX:){6}(:HEX|DOTTED|:))",
        r"((HEX:){5}(((:HEX){1,2})|:DOTTED|:))",
        r"((HEX:){4}(((:HEX){1,3})|((:HEX)?:DOTTED)|:))",
        r"((HEX:){3}(((:HEX){1,4})|((:HEX){0,2}:DOTTED)|:))",
        r"((HEX:){2}(((:HEX){1,5})|((:HEX){0,3}:DOTTED)|:))",
        r"((HEX:){1}(((:HEX){1,6})|((:HEX){0,4}:DOTTED)|:))",
        r"(:(((:HEX){1,7})|((:HEX){0,5}:DOTTED)|:))",
    ]
)
_IP_V6 = _IP_V6.replace("HEX", "[0-9A-Fa-f]{1,4}").replace("DOTTED", r"(BYTE(\.BYTE){3})")
_IP_V6 = _IP_V6.replace("BYTE", r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)")

IP_ADDRESS = rf"({_IP_V4}|(^\s*({_IP_V6})(%.+)?\s*$))"
"""The schema's regular expression for an IPv4 or IPv6 address, letter for letter: error messages quote it."""


class Address(Model):
    """The visitor's page."""

    url: Annotated[Optional[str], MaxLength(4096)] = None
    """The complete URL of the page."""

    referring_url: Annotated[Optional[str], MaxLength(4096)] = None
    """The URL of the referring page."""


class Application(Model):
    """The visitor's app, for audiences that refer to apps."""

    id: Annotated[Optional[str], MaxLength(250)] = None
    """The app's identifier."""

    name: Annotated[Optional[str], MaxLength(250)] = None
    """The app's name."""

    version: Annotated[Optional[str], MaxLength(128)] = None
    """The app's version."""


class Browser(Model):
    """The browser, for the web channel."""

    host: Optional[str] = None
    """The host name of the page."""

    language: Optional[str] = None
    """The languages the visitor prefers, as in an ``Accept-Language`` header."""

    web_gl_renderer: Annotated[Optional[str], JsonName("webGLRenderer")] = None
    """The name of the graphics processor, as WebGL reports it. Helps to identify the model of the device."""


class ClientHints(Model):
    """Values of the browser's ``Sec-CH-UA`` headers. They take precedence over the user agent."""

    mobile: Optional[bool] = None
    """``Sec-CH-UA-Mobile``: whether the device is a mobile one."""

    model: Optional[str] = None
    """``Sec-CH-UA-Model``: the device's model."""

    platform: Optional[str] = None
    """``Sec-CH-UA-Platform``: the operating system's name."""

    platform_version: Optional[str] = None
    """``Sec-CH-UA-Platform-Version``: the operating system's version."""

    browser_ua_with_major_version: Annotated[Optional[str], JsonName("browserUAWithMajorVersion")] = None
    """``Sec-CH-UA``: the browser's brands with their major versions."""

    browser_ua_with_full_version: Annotated[Optional[str], JsonName("browserUAWithFullVersion")] = None
    """``Sec-CH-UA-Full-Version-List``: the browser's brands with their whole versions."""

    architecture: Optional[str] = None
    """``Sec-CH-UA-Arch``: the processor's architecture."""

    bitness: Optional[str] = None
    """``Sec-CH-UA-Bitness``: the processor's word size, in bits."""


class Geo(Model):
    """The visitor's location. Without it, the edge may use the IP address of the connection."""

    ip_address: Annotated[Optional[str], Pattern(IP_ADDRESS)] = None
    """The visitor's IPv4 or IPv6 address, from which the other values can be derived."""

    latitude: Optional[float] = None
    """Degrees north of the equator; south is negative."""

    longitude: Optional[float] = None
    """Degrees east of Greenwich; west is negative."""

    country_code: Optional[str] = None
    """The ISO 3166-1 code of two letters. A name is accepted, too, as in 1.1.0."""

    state_code: Optional[str] = None
    """The state or region: the second half of its ISO 3166-2 code, such as ``CA``."""

    city: Annotated[Optional[str], MaxLength(50)] = None
    """The city's name."""

    zip: Annotated[Optional[str], MaxLength(12)] = None
    """The postal code."""


class MobilePlatform(Model):
    """The device, for the mobile channel."""

    device_name: Optional[str] = None
    """The device's model name, as the Mobile SDK reports it. Helps to identify the model of the device."""

    device_type: Annotated[Optional[Choice], DeviceType, Required] = None
    """Phone or tablet."""

    platform_type: Annotated[Optional[Choice], MobilePlatformType, Required] = None
    """The operating system."""

    version: Annotated[Optional[str], MaxLength(128)] = None
    """The operating system's version."""


class Screen(Model):
    """The screen of the visitor's device."""

    width: Optional[float] = None
    """In pixels."""

    height: Optional[float] = None
    """In pixels."""

    color_depth: Optional[float] = None
    """In bits per pixel."""

    pixel_ratio: Optional[float] = None
    """Device pixels per CSS pixel. Helps to identify the model of the device."""

    orientation: Annotated[Optional[Choice], ScreenOrientationType] = None
    """The orientation of the screen."""


class Window(Model):
    """The browser's window."""

    width: Optional[float] = None
    """In pixels."""

    height: Optional[float] = None
    """In pixels."""


class Context(Model):
    """The context of a request, which audiences use."""

    channel: Annotated[Optional[Choice], ChannelType, Required] = None
    """Web or mobile."""

    mobile_platform: Optional[MobilePlatform] = None
    """The device, if the channel is mobile."""

    application: Optional[Application] = None
    """The app, if the channel is mobile."""

    screen: Optional[Screen] = None
    """The screen."""

    window: Optional[Window] = None
    """The browser's window."""

    browser: Optional[Browser] = None
    """The browser, if the channel is web."""

    address: Optional[Address] = None
    """The page, for all parts of the request without an address."""

    geo: Optional[Geo] = None
    """The location."""

    time_offset_in_minutes: Optional[float] = None
    """The difference between the visitor's time and UTC, in minutes; positive east of Greenwich."""

    user_agent: Optional[str] = None
    """The visitor's ``User-Agent``; the header of the request to the edge is not used."""

    beacon: Optional[bool] = False
    """Whether the edge answers with an empty 204, for requests that are sent when a page is left."""

    client_hints: Optional[ClientHints] = None
    """Values of the browser's client-hint headers."""
