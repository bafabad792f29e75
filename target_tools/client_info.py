"""Finds the visitor's browser and platform. Audiences know only the names in ``BROWSERS`` and ``PLATFORMS``.

There are thousands of browsers, but only these names. The rules are:

- The User-Agent is trusted. A bot that claims to be Chrome is chrome.
- A browser without a name here counts as the browser that it is built on, with the version of that browser, because
  the engine determines how a page looks. Samsung Internet, Brave, Vivaldi, Yandex, Silk and web views on Android are
  chrome; SeaMonkey is firefox; Epiphany is safari.
- All browsers on iOS use the same engine, so only their own tokens count. Chrome, Firefox, Edge and Opera are
  recognized. Safari, other browsers, apps and pages inside apps have the name of the device, ipad or iphone (also for
  an iPod), so that an audience for iPhones holds for all of them. The version is that of Safari, or unknown.
- An iPad that requests desktop pages claims to be a Mac, so it is safari on mac.
- The old browsers of Android, BlackBerry and others, which only resemble a mobile Safari, are unknown.
- The version of Internet Explorer is that of its engine, even in a compatibility mode, and at most 11, the last one.
- Windows Phone and Xbox are windows. Chrome OS, and televisions whose User-Agent contains Linux, are linux.
"""

import functools
import re
from typing import Dict, NamedTuple, Optional, Tuple, Union

BROWSERS = ("chrome", "edge", "firefox", "ie", "ipad", "iphone", "opera", "safari", "unknown")
PLATFORMS = ("android", "ios", "linux", "mac", "windows", "unknown")

#: Number of characters of a User-Agent or a client hint that are read. Visitors may send headers of any length.
MAX_USER_AGENT = 1024
#: A version has at most five digits. A longer number is not a version.
_VERSION = re.compile(r"[0-9]{1,5}(?![0-9])")


class ClientInfo(NamedTuple):
    """The visitor's browser and platform."""

    browser: str
    #: The major version, or -1.
    version: int
    platform: str


def _by_token(names: Dict[str, Tuple[str, ...]]) -> Tuple[Tuple[str, str], ...]:
    """Return the tokens in their order, each with the browser or platform that it identifies."""
    return tuple((token, name) for name, tokens in names.items() for token in tokens)


# The first match counts. If the User-Agent of one browser contains the tokens of another, that browser comes first.
_USER_AGENT_TOKENS = _by_token({
    "edge": ("Edg/", "Edge/", "EdgA/", "EdgiOS/"),
    "opera": ("OPR/", "Opera Mini/", "OPiOS/", "OPT/", "OPX/", "Opera/", "Opera "),
    "ie": ("Trident/", "MSIE "),
    "firefox": ("Firefox/", "FxiOS/"),
    "chrome": ("Chrome/", "CriOS/", "Chromium/"),
})  # fmt: skip

# In this order, because the User-Agent of Windows Phone contains Android and iPhone, and that of an iPhone contains
# Mac OS.
_PLATFORM_TOKENS = _by_token({
    "windows": ("Windows",),
    "android": ("Android",),
    "ios": ("iPhone", "iPad", "iPod"),
    "mac": ("Macintosh", "Mac OS"),
    "linux": ("Linux", "LINUX", "CrOS"),
})  # fmt: skip

_BRANDS = _by_token({
    "edge": ("MicrosoftEdge",),
    "opera": ("Opera", "OperaGX", "OperaMobile", "OperaMini", "OperaMiniAndroid"),
    "firefox": ("Firefox",),
    "safari": ("Safari",),
    "chrome": ("GoogleChrome", "HeadlessChrome", "Chromium"),  # Chromium is in most lists, so it is last
})  # fmt: skip
# Brands as they appear in a client hint after its spaces are removed. The comma excludes parts of longer names.
_BRAND_TOKENS = tuple((f',"{brand}";v="', browser) for brand, browser in _BRANDS)

_HINTED_PLATFORMS = dict(_by_token({
    "windows": ("windows",),
    "mac": ("macos", "mac os x"),
    "linux": ("linux", "chrome os", "chromium os"),
    "android": ("android",),
    "ios": ("ios",),
}))  # fmt: skip


def parse_client_info(
    user_agent: Optional[str], brands: Optional[str] = None, platform: Optional[str] = None
) -> ClientInfo:
    """Return the browser and platform of a request. Any text is allowed; other types count as missing.

    :param brands: Sec-CH-UA or Sec-CH-UA-Full-Version-List.
    :param platform: Sec-CH-UA-Platform.

    Valid client hints override the User-Agent.
    """
    return _parse(_limited(user_agent), _limited(brands), _limited(platform))


@functools.lru_cache(maxsize=256)
def _parse(user_agent: str, brands: str, platform: str) -> ClientInfo:
    """Return the browser and platform of a request. Many visitors send the same headers, so results are cached."""
    platform_name = _platform(user_agent)
    browser, version = (_browser_from_brands(brands) if brands else None) or _browser(user_agent, platform_name)
    if platform:
        platform_name = _HINTED_PLATFORMS.get(platform.strip(' "').lower(), platform_name)
    if browser == "safari" and platform_name == "ios":
        browser = _device(user_agent)
    return ClientInfo(browser, version, platform_name)


def _limited(text: Optional[str]) -> str:
    """Return the part of a header that is read. It is empty if the header is not text."""
    return text[:MAX_USER_AGENT] if isinstance(text, str) else ""


def _browser(text: str, platform: str) -> Tuple[str, int]:
    """Return the browser in a User-Agent, and its version."""
    for token, browser in _USER_AGENT_TOKENS:
        if token in text:
            return browser, _version(text, token)
    version = _number_after(text, "Version/") if "Safari/" in text else -1
    if platform == "ios":
        return _device(text), version
    if version >= 0 and platform != "android" and "Mobile" not in text:
        return "safari", version
    return "unknown", -1


def _device(text: str) -> str:
    """Return the browser of an iOS device that has no other name."""
    return "ipad" if "iPad" in text else "iphone"


def _version(text: str, token: str) -> int:
    if token == "Trident/":
        engine = _number_after(text, token)
        return min(engine + 4, 11) if engine >= 0 else _number_after(text, "MSIE ")
    if token == "Opera/" and "Version/" in text:
        # From version 10 on, the number after Opera/ is always 9.80.
        token = "Version/"
    return _number_after(text, token)


def _platform(text: str) -> str:
    """Return the platform in a User-Agent."""
    return next((platform for token, platform in _PLATFORM_TOKENS if token in text), "unknown")


def _browser_from_brands(brands: str) -> Optional[Tuple[str, int]]:
    """Return the browser and version in a list of brands, or None."""
    text = "," + brands.replace(" ", "")
    for token, browser in _BRAND_TOKENS:
        version = _number_after(text, token)
        if version >= 0:
            return browser, version
    return None


def _number_after(text: str, token: str) -> int:
    """Return the integer right after ``token``, or -1 if there is none or it has too many digits."""
    at = text.find(token)
    number = _VERSION.match(text, at + len(token)) if at >= 0 else None
    return int(number.group()) if number else -1


# 1.1.0's names

OTHER = "Other"
UNKNOWN = "Unknown"
DESKTOP = "Desktop"
OS_MAPPING = {"Mac OS X": "mac"}

# 1.1.0's names for our browsers and platforms.
_BROWSERS = {"ie": "IE", "ipad": "Mobile Safari", "iphone": "Mobile Safari"}
_PLATFORMS = {"ios": "iOS", "mac": "mac"}


def browser_from_user_agent(user_agent: Optional[str] = None) -> Dict[str, Union[str, int]]:
    """Return ``name`` and ``version`` of the browser. An unknown version is -1."""
    browser, version, _ = parse_client_info(user_agent)
    return {"name": _BROWSERS.get(browser) or browser.title(), "version": version}


def operating_system_from_user_agent(user_agent: Optional[str]) -> str:
    """Return the platform."""
    platform = parse_client_info(user_agent).platform
    return _PLATFORMS.get(platform) or platform.title()


def device_type_from_user_agent(user_agent: Optional[str]) -> str:
    """Return the device's name in the User-Agent, such as iPhone or Pixel 8; computers are Mac or Desktop."""
    text = _limited(user_agent)
    platform = _platform(text)
    if platform == "ios":
        return next(name for name in ("iPad", "iPod", "iPhone") if name in text)
    if platform == "android":
        return _model(text)
    return "Mac" if platform == "mac" else DESKTOP


def _model(text: str) -> str:
    """Return the model of an Android device, such as ``Pixel 8`` in ``(Linux; Android 14; Pixel 8 Build/…)``."""
    parts = text.partition("Android")[2].partition(")")[0].split(";")
    return parts[-1].partition(" Build/")[0].strip() or OTHER if len(parts) > 1 else OTHER
