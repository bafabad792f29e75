"""Browser and platform of a visitor, by the names that audiences compare with.

browser: edge, opera, ie, firefox, chrome, safari, mobile safari, ipad, iphone, unknown;
platform: windows, mac, linux, ios, android, unknown.

There are thousands of browsers and few names, so these rules hold:

- Who says to be one of them is taken at its word: a bot that renders like Chrome is
  chrome, and is offered what visitors with Chrome are offered.
- A browser that has no name here has that of the one it is built on and says to be, with
  that one's version, because this decides how a page looks: Samsung Internet, Brave,
  Vivaldi, Yandex, Silk and web views on Android are chrome, SeaMonkey is firefox, and
  Epiphany is safari.
- On iOS all are built on the same engine, so there only their own names count: Chrome,
  Firefox, Edge and Opera are themselves.  Safari on an iPhone, iPad or iPod is mobile
  safari: it says both Version/ and Safari/.  What says less is no browser but an app, or
  a page shown inside one: it has the name of its device, ipad or iphone (an iPod is an
  iphone), and no version.
- An iPad that asks for desktop pages says it is a Mac, and is safari on a mac.
- The old browsers of Android, BlackBerry and their kind, which are only like a mobile
  Safari, are unknown.
- Internet Explorer is as old as its engine, also where it shows a page as an older one would.
- Windows Phone and the Xbox are windows; Chrome OS, and televisions that say Linux, are linux.
"""

from typing import Dict, NamedTuple, Optional, Tuple, Union

#: Characters of a User-Agent, or of a hint, that are read: a visitor may send any number.
MAX_USER_AGENT = 1024
#: Digits of a version; what has more is none.
MAX_VERSION_DIGITS = 5


class ClientInfo(NamedTuple):
    """What a visitor looks at the page with."""

    browser: str
    #: The major version, -1 where it is unknown.
    version: int
    platform: str


# The first that is found counts, so those that claim to be others too come before them.
_USER_AGENT_TOKENS: Tuple[Tuple[str, str], ...] = (
    ("Edg/", "edge"),
    ("Edge/", "edge"),
    ("EdgA/", "edge"),
    ("EdgiOS/", "edge"),
    ("OPR/", "opera"),
    ("Opera Mini/", "opera"),
    ("OPiOS/", "opera"),
    ("OPT/", "opera"),
    ("OPX/", "opera"),
    ("Opera/", "opera"),
    ("Opera ", "opera"),
    ("Trident/", "ie"),
    ("MSIE ", "ie"),
    ("Firefox/", "firefox"),
    ("FxiOS/", "firefox"),
    ("Chrome/", "chrome"),
    ("CriOS/", "chrome"),
    ("Chromium/", "chrome"),
)

# Brands as they stand in a hint without spaces; the comma tells them from a part of another's name.
# Chromium is in most lists, so it comes last.
_BRANDS: Tuple[Tuple[str, str], ...] = (
    (',"MicrosoftEdge";v="', "edge"),
    (',"Opera";v="', "opera"),
    (',"OperaGX";v="', "opera"),
    (',"OperaMobile";v="', "opera"),
    (',"OperaMini";v="', "opera"),
    (',"OperaMiniAndroid";v="', "opera"),
    (',"GoogleChrome";v="', "chrome"),
    (',"HeadlessChrome";v="', "chrome"),
    (',"Chromium";v="', "chrome"),
)

_HINTED_PLATFORMS = {
    "windows": "windows",
    "macos": "mac",
    "mac os x": "mac",
    "linux": "linux",
    "chrome os": "linux",
    "chromium os": "linux",
    "android": "android",
    "ios": "ios",
}


def parse_client_info(
    user_agent: Optional[str], brands: Optional[str] = None, platform: Optional[str] = None
) -> ClientInfo:
    """The browser and platform that a request tells of; any text is allowed, and what is no text says nothing.

    ``brands`` is Sec-CH-UA or Sec-CH-UA-Full-Version-List, ``platform`` is
    Sec-CH-UA-Platform.  A hint that can be read wins over the User-Agent.
    """
    text = user_agent[:MAX_USER_AGENT] if isinstance(user_agent, str) else ""
    named = _platform(text)
    browser, version = (_browser_from_brands(brands) if brands else None) or _browser(text, named)
    return ClientInfo(browser, version, (_platform_from_hint(platform) if platform else None) or named)


def _browser(text: str, platform: str) -> Tuple[str, int]:
    """The browser that a User-Agent names, and its version."""
    for token, browser in _USER_AGENT_TOKENS:
        if token in text:
            return browser, _version(text, token)
    version = _number_after(text, "Version/") if "Safari/" in text else -1
    if platform == "ios":
        if version >= 0:
            return "mobile safari", version
        return ("ipad" if "iPad" in text else "iphone"), -1
    if version >= 0 and platform != "android" and "Mobile" not in text:
        return "safari", version
    return "unknown", -1


def _version(text: str, token: str) -> int:
    if token == "Trident/":
        engine = _number_after(text, token)
        return engine + 4 if engine >= 0 else _number_after(text, "MSIE ")
    if token == "Opera/" and "Version/" in text:
        # Opera has said 9.80 in the first place ever since it became 10.
        token = "Version/"
    return _number_after(text, token)


def _platform(text: str) -> str:
    """The platform that a User-Agent names."""
    # Windows Phone says that it is like Android and like an iPhone, and an iPhone that it is like a Mac.
    if "Windows" in text:
        return "windows"
    if "Android" in text:
        return "android"
    if "iPhone" in text or "iPad" in text or "iPod" in text:
        return "ios"
    if "Macintosh" in text or "Mac OS" in text:
        return "mac"
    return "linux" if "Linux" in text or "LINUX" in text or "CrOS" in text else "unknown"


def _browser_from_brands(brands: str) -> Optional[Tuple[str, int]]:
    """The browser and version that a list of brands tells of; None where it names none of ours."""
    text = "," + brands[:MAX_USER_AGENT].replace(" ", "") if isinstance(brands, str) else ""
    for token, browser in _BRANDS:
        version = _number_after(text, token)
        if version >= 0:
            return browser, version
    return None


def _platform_from_hint(platform: str) -> Optional[str]:
    text = platform[:MAX_USER_AGENT] if isinstance(platform, str) else ""
    return _HINTED_PLATFORMS.get(text.strip(' "').lower())


def _number_after(text: str, token: str) -> int:
    """The whole number right after ``sign``; -1 where there is none that may be a version."""
    at = text.find(token)
    if at < 0:
        return -1
    start = end = at + len(token)
    # One digit more than allowed tells "just fits" from "too long".
    stop = min(len(text), start + MAX_VERSION_DIGITS + 1)
    while end < stop and "0" <= text[end] <= "9":
        end += 1
    return int(text[start:end]) if 0 < end - start <= MAX_VERSION_DIGITS else -1


# 1.1.0's names

OTHER = "Other"
UNKNOWN = "Unknown"
DESKTOP = "Desktop"
OS_MAPPING = {"Mac OS X": "mac"}

# What it called ours.
_BROWSERS = {"ie": "IE", "ipad": "Mobile Safari", "iphone": "Mobile Safari"}
_PLATFORMS = {"ios": "iOS", "mac": "mac"}


def browser_from_user_agent(user_agent: Optional[str] = None) -> Dict[str, Union[str, int]]:
    """``name`` and ``version`` of the browser; -1 for an unknown version."""
    browser, version, _ = parse_client_info(user_agent)
    return {"name": _BROWSERS.get(browser) or browser.title(), "version": version}


def operating_system_from_user_agent(user_agent: Optional[str]) -> str:
    """The platform."""
    platform = parse_client_info(user_agent).platform
    return _PLATFORMS.get(platform) or platform.title()


def device_type_from_user_agent(user_agent: Optional[str]) -> str:
    """The device, by the name that it has in the User-Agent; a computer is a Mac or a desktop."""
    text = user_agent[:MAX_USER_AGENT] if isinstance(user_agent, str) else ""
    platform = _platform(text)
    if platform == "ios":
        return next(name for name in ("iPad", "iPhone", "iPod") if name in text)
    if platform == "android":
        return _model(text)
    return "Mac" if platform == "mac" else DESKTOP


def _model(text: str) -> str:
    """The ``Pixel 8`` of ``(Linux; Android 14; Pixel 8 Build/…)``."""
    parts = text.partition("Android")[2].partition(")")[0].split(";")
    return parts[-1].partition(" Build/")[0].strip() or OTHER if len(parts) > 1 else OTHER
