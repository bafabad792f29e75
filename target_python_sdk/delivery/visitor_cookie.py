"""Parses the ``AMCV_…`` cookie, in which the Experience Cloud ID service keeps the ids of a visitor.

The value is ``digest|KEY|VALUE|KEY-expiry|VALUE…``. It may be percent-encoded as a whole. An expiry is in seconds
since 1970, and may be followed by ``s``. A cookie comes from a browser: it is parsed under limits and never raises an
error, and invalid and expired values are ignored.
"""

import re
from typing import Dict, Optional
from urllib.parse import unquote

from target_python_sdk.protocol import VISITOR_COOKIE_PREFIX

#: A longer header, or a longer cookie, is ignored. Browsers limit a cookie to 4096 bytes.
MAX_HEADER_LENGTH = 65536
MAX_COOKIE_LENGTH = 8192
#: The maximum number of keys and values that are read.
MAX_FIELDS = 100
#: The Experience Cloud id, the location hint and the blob of Audience Manager, the legacy id of Analytics, the opt-out.
CLOUD_ID, LOCATION_HINT, BLOB, ANALYTICS_ID, OPT_OUT = "MCMID", "MCAAMLH", "MCAAMB", "MCAID", "MCOPTOUT"

_KEY = re.compile(r"(MC[A-Z]{1,10})(?:-([0-9]{1,11})s?)?")
_ID = re.compile(r"[!-~]{1,128}")
_PATTERNS = {
    CLOUD_ID: _ID,
    LOCATION_HINT: re.compile(r"[1-9][0-9]{0,8}"),
    BLOB: re.compile(r"[!-~]{1,1024}"),
    ANALYTICS_ID: _ID,
    OPT_OUT: _ID,
}
#: Stands for a value that the ID service has looked up and not found.
_NO_VALUE = "NONE"


def parse_visitor_cookie(text: Optional[str], organization_id: str, now: float) -> Dict[str, str]:
    """Return, by key, the valid values that have not expired. The last of two equal keys wins.

    ``text`` is the value of the cookie, or pairs such as those of a ``Cookie`` header. For a visitor who has opted
    out, only the opt-out is returned.
    """
    value = _cookie_value(text, organization_id) if text else ""
    if not value or len(value) > MAX_COOKIE_LENGTH:
        return {}
    whole = value.strip().strip('"')
    if "|" not in whole:
        whole = unquote(whole)
    fields = whole.split("|", MAX_FIELDS)[:MAX_FIELDS]
    first = 0 if fields[0].startswith("MC") else 1  # the digest may be missing
    values: Dict[str, str] = {}
    for key, field in zip(fields[first::2], fields[first + 1 :: 2]):
        match = _KEY.fullmatch(key)
        name, expiry = match.groups() if match is not None else ("", None)
        pattern = _PATTERNS.get(name)
        if pattern is None or pattern.fullmatch(field) is None or field == _NO_VALUE:
            continue
        if expiry is None or now < int(expiry):
            values[name] = field
    return {OPT_OUT: values[OPT_OUT]} if OPT_OUT in values else values


def _cookie_value(text: str, organization_id: str) -> str:
    """Return the value of the organization's cookie. ``text`` is this value itself, or pairs of names and values."""
    if "=" not in text[:MAX_HEADER_LENGTH].partition("|")[0]:
        return text
    if len(text) > MAX_HEADER_LENGTH:
        return ""
    wanted = VISITOR_COOKIE_PREFIX + organization_id
    for pair in text.split(";"):
        name, _, value = pair.partition("=")
        if VISITOR_COOKIE_PREFIX in name and value.strip():
            name = name.rpartition(":")[2].strip()  # the first pair may follow "Cookie:"
            if wanted in (name, unquote(name)):
                return value
    return ""
