"""Where a visitor is, asked of the CDN by the visitor's IP address.

It is asked only if the artifact has rules or tokens about places, and the request says
nothing of the place but an IP address.  No answer means that nothing is known: a place
that cannot be found must not cost the visitor the offers.
"""

from typing import NamedTuple, Optional

from target_python_sdk.artifact.address import Address, address_of, cdn_url
from target_python_sdk.artifact.download import geo_context
from target_python_sdk.decisioning.parts import part
from target_python_sdk.protocol import SDK_HEADERS
from target_python_sdk.types import DeliveryRequest, Geo
from target_tools.clock import Deadline
from target_tools.errors import DeliveryError
from target_tools.http.bodies import parse_json
from target_tools.http.messages import HttpRequest, Send

#: The parts of a place that a look-up finds.
_FOUND = ("latitude", "longitude", "country_code", "state_code", "city")


class GeoService(NamedTuple):
    """Whom to ask, and how."""

    address: Address
    #: The largest answer that is read, in bytes.
    max_bytes: int


def geo_address(cdn_base_path: str, secure: bool) -> Address:
    """Where the CDN is asked about IP addresses."""
    return address_of(cdn_url(cdn_base_path, secure, "/v1/geo"), "cdn_base_path")


def given_geo(request: DeliveryRequest) -> Optional[Geo]:
    """The place that ``request`` tells of."""
    context = request.context
    return None if context is None or context.geo is None else part(context.geo, Geo)


def wants_look_up(geo: Geo) -> bool:
    """Whether an IP address is all that is known.  0 degrees are a place."""
    return bool(geo.ip_address) and all(getattr(geo, name) in (None, "") for name in _FOUND)


def look_up(geo: Geo, service: GeoService, send: Send, deadline: Deadline) -> Optional[Geo]:
    """The place of ``geo.ip_address``; None where the CDN does not know it."""
    ip_address = str(geo.ip_address).strip()
    if not (ip_address.isascii() and ip_address.isprintable()):
        return None
    headers = (("Accept", "application/json"), *SDK_HEADERS, ("x-forwarded-for", ip_address))
    request = HttpRequest("GET", service.address.origin, service.address.target, headers, b"", service.max_bytes)
    try:
        reply = send(request, deadline)
        answer = parse_json(reply.body) if reply.status == 200 else None
    except DeliveryError:
        return None
    known = geo_context(answer) if isinstance(answer, dict) else None
    # What a server says is taken as it is, and is not checked as what a caller writes.
    return None if known is None else Geo.from_dict({**known, "ipAddress": geo.ip_address, "zip": geo.zip})
