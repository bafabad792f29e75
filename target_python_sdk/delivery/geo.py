"""Looks up the location of an IP address at the CDN, for geo targeting.

A lookup is made only if the artifact has rules or tokens about locations and the request's geo
has an IP address, but no coordinates, country, state or city. A failed lookup is not an error:
the location is then unknown, and the visitor still gets offers.
"""

import math
from typing import Any, Dict, Mapping, Optional

from target_python_sdk.artifact.location import cdn_url, parse_url
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.protocol import SDK_HEADERS
from target_python_sdk.types import Geo
from target_tools.clock import Deadline
from target_tools.errors import DeliveryError
from target_tools.http.messages import HttpRequest, Send, parse_json
from target_tools.typing_compat import Json

#: The fields that a lookup fills in.
_LOOKED_UP = ("latitude", "longitude", "country_code", "state_code", "city")


def geo_request(settings: ClientSettings) -> HttpRequest:
    """Return the request to the CDN's geo service, without an IP address."""
    url = parse_url(cdn_url(settings.cdn_base_path, settings.secure, "/v1/geo"), "cdn_base_path")
    headers = (("Accept", "application/json"), *SDK_HEADERS)
    return HttpRequest("GET", url.origin, url.target, headers, b"", settings.max_response_bytes.geo)


def needs_lookup(geo: Geo) -> bool:
    """Return whether an IP address is known, but no field that a lookup fills in. A latitude of 0 counts as known."""
    return bool(geo.ip_address) and all(getattr(geo, name) in (None, "") for name in _LOOKED_UP)


def look_up(geo: Geo, request: HttpRequest, send: Send, deadline: Deadline) -> Optional[Geo]:
    """Return the location of ``geo.ip_address``, or None if the CDN does not know it."""
    ip_address = str(geo.ip_address).strip()
    if not (ip_address.isascii() and ip_address.isprintable()):
        return None
    request = request._replace(headers=(*request.headers, ("x-forwarded-for", ip_address)))
    try:
        reply = send(request, deadline)
        answer = parse_json(reply.body) if reply.status == 200 else None
    except DeliveryError:
        return None
    found = geo_from_headers(answer) if isinstance(answer, dict) else None
    # ``from_dict``, unlike the constructor, does not validate the values, which come from a server.
    return None if found is None else Geo.from_dict({**found, "ipAddress": geo.ip_address, "zip": geo.zip})


def geo_from_headers(headers: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
    """Return the location in the CDN's headers as a dict with the JSON names of ``Geo``, or None if it is unknown.

    ``headers`` may also be the JSON of the geo service: its keys are the names of these headers.
    """
    forwarded_for = _text(headers.get("x-forwarded-for"))
    geo = {
        # Each proxy appends the address of its client, so the first one is the original client.
        "ipAddress": forwarded_for and _text(forwarded_for.partition(",")[0]),
        "latitude": _degrees(headers.get("x-geo-latitude")),
        "longitude": _degrees(headers.get("x-geo-longitude")),
        "countryCode": _text(headers.get("x-geo-country-code")),
        "stateCode": _text(headers.get("x-geo-region-code")),
        "city": _text(headers.get("x-geo-city")),
        "zip": None,
    }
    is_known = any(value is not None for name, value in geo.items() if name != "ipAddress")
    return geo if is_known else None


def _text(value: Json) -> Optional[str]:
    return value.strip() or None if isinstance(value, str) else None


def _degrees(value: Json) -> Optional[float]:
    try:
        degrees = float(value) if isinstance(value, (str, int, float)) else math.nan
    except (ValueError, OverflowError):
        return None
    return degrees if math.isfinite(degrees) else None
