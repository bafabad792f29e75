"""The visitor's cookies, and the edge cluster that they name.

The ``mbox`` cookie is ``session#<id>#<expires>|PC#<device id>#<expires>``. Names and values are percent-encoded as by
``encodeURIComponent``, because at.js reads the same cookie. ``expires`` is in seconds since 1970. A cookie from a
browser is parsed under limits and never raises an error; invalid parts are ignored.

The device id and the ``mboxEdgeCluster`` cookie name the cluster that stores the visitor's profile. This name, the
location hint, is untrusted text and becomes part of a host name. A hint that is not a short run of letters, digits and
inner hyphens is ignored and counted.
"""

import math
import re
from typing import TYPE_CHECKING, Dict, Mapping, Optional, Tuple
from urllib.parse import quote, unquote

from target_python_sdk.protocol import (
    DEVICE_ID_COOKIE,
    DEVICE_ID_MAX_AGE,
    EDGE_CLUSTER_PREFIX,
    EDGE_HOST_SUFFIX,
    LOCATION_HINT_COOKIE,
    LOCATION_HINT_MAX_AGE,
    SESSION_ID_COOKIE,
    SESSION_ID_MAX_AGE,
    TARGET_COOKIE,
)
from target_python_sdk.types import TargetCookie

if TYPE_CHECKING:
    from target_tools.logger import Log

#: Limits for parsing a cookie: its length, and the number of its parts.
MAX_PARSED_LENGTH = 8192
MAX_PARSED_PARTS = 10
#: A cookie that is written is shorter than this, because browsers drop longer ones.
MAX_WRITTEN_LENGTH = 4096
#: The characters, besides ``_.-~``, that ``encodeURIComponent`` does not encode. ``quote`` never encodes ``_.-~``.
SAFE_CHARACTERS = "!*'()"
#: The characters of most ids, which need no encoding.
UNQUOTED = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_HINT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,18}[A-Za-z0-9])?")

_LATER = "Later ones are ignored without a message"

#: One part of the ``mbox`` cookie: its name, its value, and its expiry in seconds since 1970.
Part = Tuple[str, str, float]


def parse_target_cookie(value: Optional[str], now: float) -> Dict[str, str]:
    """Return, by name, the values of the parts that have not expired. The last of two equal names wins."""
    if not value:
        return {}
    whole = value[:MAX_PARSED_LENGTH].strip('"')
    if "#" not in whole:
        whole = unquote(whole)  # some frameworks percent-encode the whole value of a cookie
    parts = [_part(text) for text in whole.split("|", MAX_PARSED_PARTS)[:MAX_PARSED_PARTS]]
    return {name: value for name, value, expires in filter(None, parts) if math.ceil(now) <= expires}


def _part(text: str) -> Optional[Part]:
    fields = text.split("#")
    expires = parse_expiry(fields[2]) if len(fields) > 2 and fields[0] and fields[1] else None
    return None if expires is None else (unquote(fields[0]), unquote(fields[1]), expires)


def parse_expiry(text: str) -> Optional[float]:
    """Return the expiry of a part in seconds since 1970, or None if it is not a finite number."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def has_expired_device_id(cookie: str, parts: Mapping[str, str]) -> bool:
    """Return whether the device id in ``cookie`` has expired. ``parts`` are the parts that have not expired."""
    return DEVICE_ID_COOKIE not in parts and DEVICE_ID_COOKIE in parse_target_cookie(cookie, 0)


def log_missing_device_id(cookie: str, parts: Mapping[str, str], log: "Log") -> None:
    """Log once why the device id in ``cookie`` is ignored. A cookie without a device id is not logged."""
    if has_expired_device_id(cookie, parts):
        if log.first_time("expired cookie"):
            log.debug("The device id in the option 'target_cookie' has expired and is ignored. %s", _LATER)
        return
    start = f"|{DEVICE_ID_COOKIE}#"
    if start in "|" + unquote(cookie[:MAX_PARSED_LENGTH].strip('"')) and log.first_time("invalid device id"):
        text = "The device id in the option 'target_cookie' is invalid or cut off (%s#ID#EXPIRY) and is ignored. %s"
        log.info(text, DEVICE_ID_COOKIE, _LATER)


def target_cookie(session_id: str, device_id: Optional[str], now: float) -> TargetCookie:
    """Return the cookie to set. It contains the session and, if known, the device id."""
    started = math.ceil(now)
    if device_id and UNQUOTED.fullmatch(session_id + device_id):  # as in most calls
        value = f"session#{session_id}#{started + SESSION_ID_MAX_AGE}|PC#{device_id}#{started + DEVICE_ID_MAX_AGE}"
        if len(value) < MAX_WRITTEN_LENGTH:
            return _cookie(TARGET_COOKIE, value, DEVICE_ID_MAX_AGE)
    parts, max_age = [_serialize_part(SESSION_ID_COOKIE, session_id, started + SESSION_ID_MAX_AGE)], SESSION_ID_MAX_AGE
    if device_id:
        parts.append(_serialize_part(DEVICE_ID_COOKIE, device_id, started + DEVICE_ID_MAX_AGE))
        max_age = DEVICE_ID_MAX_AGE
    value = "|".join(parts)
    if len(value) >= MAX_WRITTEN_LENGTH:
        value = next((part for part in parts if len(part) < MAX_WRITTEN_LENGTH), "")
    return _cookie(TARGET_COOKIE, value, max_age)


def location_hint_cookie(cluster: str) -> TargetCookie:
    """Return the cookie that sends the visitor's next call to the cluster with the profile."""
    return _cookie(LOCATION_HINT_COOKIE, cluster, LOCATION_HINT_MAX_AGE)


def _serialize_part(name: str, value: str, expires: int) -> str:
    """Return one part of the cookie."""
    quoted = value if UNQUOTED.fullmatch(value) else quote(value, SAFE_CHARACTERS, errors="replace")
    return f"{name}#{quoted}#{expires}"


def _cookie(name: str, value: str, max_age: int) -> TargetCookie:
    # Adobe's documentation uses ``max_age``; 1.1.0 and every sample use ``maxAge``.
    return {"name": name, "value": value, "maxAge": max_age, "max_age": max_age}


# The edge cluster


def choose_cluster(
    cookie_id: Optional[str], request_id: Optional[str], call_hint: Optional[str]
) -> Tuple[Optional[str], int]:
    """Return the cluster that holds the visitor's profile, and the number of invalid hints that were ignored.

    The device id in the cookie names it, else the device id in the request, else the hint of the call.
    """
    refused = 0
    own_id = None if request_id == cookie_id else request_id
    if cookie_id is not None or call_hint is not None or (isinstance(own_id, str) and "." in own_id):
        for hint in (cluster_of_id(cookie_id), cluster_of_id(own_id), call_hint):
            if not hint:
                continue
            valid = valid_hint(hint)
            if valid is not None:
                return valid, refused
            refused += 1
    return None, refused


def valid_hint(hint: Optional[str]) -> Optional[str]:
    """Return ``hint`` if it can be part of a host name."""
    return hint if hint and _HINT.fullmatch(hint) else None


def cluster_of_id(device_id: Optional[str]) -> Optional[str]:
    """Return the ``35`` of ``abc.35_0``."""
    if not isinstance(device_id, str) or "." not in device_id:
        return None
    suffix = device_id.partition(".")[2]
    if "." in suffix or suffix.count("_") != 1:
        return None
    return suffix.partition("_")[0] or None


def cluster_of_edge_host(edge_host: Optional[str]) -> Optional[str]:
    """Return the ``35`` of ``mboxedge35.tt.omtrdc.net``; None for a host of another form."""
    if not isinstance(edge_host, str):
        return None
    label, dot, suffix = edge_host.partition(".")
    if not label.startswith(EDGE_CLUSTER_PREFIX) or dot + suffix != "." + EDGE_HOST_SUFFIX:
        return None
    return valid_hint(label[len(EDGE_CLUSTER_PREFIX) :])
