"""The ``mbox`` cookie: ``session#<id>#<expires>|PC#<device id>#<expires>``.

Names and values are percent-encoded as ``encodeURIComponent`` does it, because at.js
reads the same cookie; ``expires`` is in seconds since 1970.  What a browser sends is
read under limits and never raises: a part that makes no sense is not there.
"""

import math
import re
from typing import Dict, Optional, Tuple
from urllib.parse import quote, unquote

from target_python_sdk.protocol import (
    DEVICE_ID_COOKIE,
    DEVICE_ID_MAX_AGE,
    LOCATION_HINT_COOKIE,
    LOCATION_HINT_MAX_AGE,
    SESSION_ID_COOKIE,
    SESSION_ID_MAX_AGE,
    TARGET_COOKIE,
)
from target_python_sdk.types import TargetCookie

#: Maximum length of a cookie that is parsed, and maximum number of its parts.
PARSED_LENGTH = 8192
PARSED_PARTS = 10
#: Maximum length of a created cookie; browsers drop longer ones.
WRITTEN_LENGTH = 4096
#: Characters that ``encodeURIComponent`` does not encode, besides ``_.-~``, which ``quote`` does not encode either.
UNQUOTED = "!*'()"
#: Text without characters to encode, as in most ids.
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)

#: One part of the cookie: its name, its value, and when it expires in seconds since 1970.
Part = Tuple[str, str, float]


def parse_target_cookie(value: Optional[str], now: float) -> Dict[str, str]:
    """The values of the parts that are still alive at ``now``, by name; of two alike the last counts."""
    if not value:
        return {}
    parts = [_part(text) for text in value[:PARSED_LENGTH].strip('"').split("|", PARSED_PARTS)[:PARSED_PARTS]]
    return {name: value for name, value, expires in filter(None, parts) if math.ceil(now) <= expires}


def _part(text: str) -> Optional[Part]:
    fields = text.split("#")
    if len(fields) < 3 or not fields[0] or not fields[1]:
        return None
    try:
        expires = float(fields[2])
    except ValueError:
        return None
    if not math.isfinite(expires):
        return None
    return unquote(fields[0]), unquote(fields[1]), expires


def target_cookie(session_id: str, device_id: Optional[str], now: float) -> TargetCookie:
    """The cookie to set: the session and, once the edge has named the visitor, the device."""
    started = math.ceil(now)
    session = _written(SESSION_ID_COOKIE, session_id, started + SESSION_ID_MAX_AGE)
    if not device_id:
        return _cookie(TARGET_COOKIE, _kept(session), SESSION_ID_MAX_AGE)
    device = _written(DEVICE_ID_COOKIE, device_id, started + DEVICE_ID_MAX_AGE)
    value = session + "|" + device
    if len(value) >= WRITTEN_LENGTH:
        value = _kept(session) or _kept(device)
    return _cookie(TARGET_COOKIE, value, DEVICE_ID_MAX_AGE)


def _kept(part: str) -> str:
    """A part that a browser keeps, or nothing."""
    return part if len(part) < WRITTEN_LENGTH else ""


def location_hint_cookie(cluster: str) -> TargetCookie:
    """The cookie that brings the visitor's next call to the cluster that holds the profile."""
    return _cookie(LOCATION_HINT_COOKIE, cluster, LOCATION_HINT_MAX_AGE)


def _written(name: str, value: str, expires: int) -> str:
    """One part as text."""
    quoted = value if _PLAIN.fullmatch(value) else quote(value, UNQUOTED, errors="replace")
    return f"{name}#{quoted}#{expires}"


def _cookie(name: str, value: str, max_age: int) -> TargetCookie:
    # The documentation says ``max_age``, 1.1.0 and every sample ``maxAge``.
    return {"name": name, "value": value, "maxAge": max_age, "max_age": max_age}
