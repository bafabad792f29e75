"""Reads the ids of visitors as they are copied from a browser or a log: as an id, or as a whole cookie.

The functions raise ``ValueError`` with the problem. Its text does not contain the id or the cookie.
"""

import re

from target_python_sdk.delivery.cookies import has_expired_device_id, parse_target_cookie
from target_python_sdk.protocol import DEVICE_ID_COOKIE, TARGET_COOKIE
from target_python_sdk.visits.environ import request_cookies
from target_tools.clock import epoch_seconds

#: The beginning of a part of the ``mbox`` cookie, possibly percent-encoded.
_COOKIE_PART = re.compile(r"\b(?:PC|session)(?:#|%23)")
#: Characters that cookies and lists have between ids.
_SEPARATOR = re.compile(r"[\s#|;,]")
_WHERE = f"in the cookie {TARGET_COOKIE!r}, the device id is between '{DEVICE_ID_COOKIE}#' and the next '#'"


def id_in_cookie(text: str) -> str:
    """Return the device id in an ``mbox`` cookie: its value, ``mbox=VALUE``, or a whole ``Cookie`` header."""
    header = re.sub(r"\A\s*cookie:", "", text, flags=re.IGNORECASE)
    value = request_cookies({"HTTP_COOKIE": header}, [TARGET_COOKIE]).get(TARGET_COOKIE, header.strip())
    parts = parse_target_cookie(value, epoch_seconds())
    if DEVICE_ID_COOKIE in parts:
        return parts[DEVICE_ID_COOKIE]
    if has_expired_device_id(value, parts):
        raise ValueError("the device id in the cookie has expired, and calls ignore it; to use it, pass only the id")
    raise ValueError(f"no {TARGET_COOKIE} cookie with a device id ({DEVICE_ID_COOKIE}#ID#EXPIRY)")


def device_id(text: str) -> str:
    """Return a device id. A whole ``mbox`` cookie or ``Cookie`` header is accepted in its place."""
    if _COOKIE_PART.search(text) or f"{TARGET_COOKIE}=" in text:
        return id_in_cookie(text)
    return _without_separators(text, f"; {_WHERE}")


def experience_cloud_id(text: str) -> str:
    """Return an Experience Cloud id."""
    return _without_separators(text)


def third_party_id(text: str) -> str:
    """Return an id from another system. It can have any form, but cookies are refused."""
    if _COOKIE_PART.search(text):
        raise ValueError("expected an id, got a cookie")
    return text.strip()


def _without_separators(text: str, hint: str = "") -> str:
    stripped = text.strip()
    separator = _SEPARATOR.search(stripped)
    if separator is not None:
        raise ValueError(f"expected one id, got text with {separator.group()!r}{hint}")
    return stripped
