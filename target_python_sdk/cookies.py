"""1.1.0's functions for the ``mbox`` cookie, in the format that at.js and ``TargetClient`` read and write."""

import math
from typing import Any, Dict, List, Mapping, Optional, Sequence
from urllib.parse import quote, unquote

from target_python_sdk import protocol as service
from target_python_sdk.delivery.cookies import MAX_PARSED_LENGTH, MAX_PARSED_PARTS, SAFE_CHARACTERS, parse_expiry
from target_python_sdk.types import TargetCookie
from target_tools.clock import epoch_seconds

TARGET_COOKIE = service.TARGET_COOKIE
SESSION_ID_COOKIE = service.SESSION_ID_COOKIE
DEVICE_ID_COOKIE = service.DEVICE_ID_COOKIE
LOCATION_HINT_COOKIE = service.LOCATION_HINT_COOKIE

#: A part of the cookie: ``name``, ``value``, and ``expires`` in seconds since 1970.
InternalCookie = Dict[str, Any]


def create_internal_cookie(name: str, value: str, expires: float) -> InternalCookie:
    """Return a part of the cookie."""
    return {"name": name, "value": value, "expires": expires}


def get_internal_cookies(cookie_value: str) -> List[str]:
    """Split the value of a cookie into its parts."""
    return cookie_value.split("|")


def deserialize_cookie(string: str) -> Optional[InternalCookie]:
    """Parse a part of the cookie. Returns None if it is malformed."""
    fields = string.split("#")
    expires = parse_expiry(fields[2]) if len(fields) > 2 else None
    if expires is None:
        return None
    return create_internal_cookie(
        unquote(fields[0]), unquote(fields[1]), int(expires) if expires.is_integer() else expires
    )


def serialize_cookie(cookie: Mapping[str, Any]) -> str:
    """Return a part of the cookie as text."""
    name, value = quote(cookie["name"], SAFE_CHARACTERS), quote(cookie["value"], SAFE_CHARACTERS)
    return f"{name}#{value}#{cookie['expires']}"


def get_expires(cookie: Mapping[str, Any]) -> Any:
    """Return the time at which a part expires."""
    return cookie.get("expires")


def get_max_expires(cookies: Sequence[Mapping[str, Any]]) -> Any:
    """Return the time at which the last of the parts expires."""
    return max(map(get_expires, cookies))


def parse_cookies(target_cookie: Optional[str]) -> Dict[str, InternalCookie]:
    """Return the parts of a cookie that have not expired, by name. If several have the same name, the last one wins."""
    if not target_cookie:
        return {}
    texts = get_internal_cookies(target_cookie[:MAX_PARSED_LENGTH].strip('"'))[:MAX_PARSED_PARTS]
    parts = filter(None, map(deserialize_cookie, texts))
    return {part["name"]: part for part in parts if math.ceil(epoch_seconds()) <= part["expires"]}


def create_target_cookie(cookies: Sequence[Mapping[str, Any]]) -> TargetCookie:
    """Return the cookie with the parts ``cookies``. It expires together with the last part."""
    max_age = int(get_max_expires(cookies) - math.ceil(epoch_seconds()))
    value = "|".join(map(serialize_cookie, cookies))
    return {"name": TARGET_COOKIE, "value": value, "maxAge": max_age, "max_age": max_age}
