"""What rules may ask about, worked out of the parts of a request.

What an engine computes it by is read with the first use: it is more than all of this package.
"""

from typing import TYPE_CHECKING, Any, Dict, Optional

from target_decisioning_engine.types.decisioning_context import (
    DecisioningContext,
    GeoContext,
    PageContext,
    UserContext,
)
from target_python_sdk.types import Address, ChannelType, Context, DeliveryRequest, Geo, MboxRequest

if TYPE_CHECKING:
    from target_python_sdk.decisioning.context import RequestContext


def create_page_context(address: Optional[Address]) -> PageContext:
    """The page at ``address``."""
    return _page_context(None if address is None else address.url)


def create_referring_context(address: Optional[Address]) -> PageContext:
    """The page that led to ``address``."""
    return _page_context(None if address is None else address.referring_url)


def create_mbox_context(mbox_request: Optional[MboxRequest]) -> Dict[str, Any]:
    """The parameters of an mbox: ``a.b`` inside ``a``, and each text in lower case beside it."""
    from target_python_sdk.decisioning.context import nest_parameters  # noqa: PLC0415 - see above

    return nest_parameters((None if mbox_request is None else mbox_request.parameters) or {})


def create_geo_context(_geo: Optional[Geo] = None) -> GeoContext:
    """Where the visitor is, as far as that is known."""
    return GeoContext(**_request_context(DeliveryRequest(), _geo)["geo"])


def create_decisioning_context(delivery_request: DeliveryRequest) -> DecisioningContext:
    """All that rules may ask about, but for mbox and allocation, which belong to a place and an activity."""
    from target_python_sdk.delivery.geo import geo_from_request  # noqa: PLC0415 - see above

    found = _request_context(delivery_request, geo_from_request(delivery_request)).as_dict()
    found["user"] = UserContext(**found["user"])
    for name, kind in (("page", PageContext), ("referring", PageContext), ("geo", GeoContext)):
        found[name] = kind(**found[name])
    return DecisioningContext(**found)


def get_lower_case_attributes(obj: Dict[str, Any]) -> Dict[str, Any]:
    """The values in lower case where they are text, each under its name with ``_lc`` behind it."""
    return {name + "_lc": value.lower() if isinstance(value, str) else value for name, value in obj.items()}


def with_lowercase_string_values(obj: Dict[str, Any]) -> Dict[str, Any]:
    """``obj``, in which each text has itself in lower case beside it; objects inside it likewise."""
    plain = {name: with_lowercase_string_values(one) if isinstance(one, dict) else one for name, one in obj.items()}
    return {**plain, **{name + "_lc": one.lower() for name, one in obj.items() if isinstance(one, str)}}


def two_digit_string(_value: int) -> str:
    """``7`` as ``07``."""
    return "{:02d}".format(_value)


def _page_context(url: Optional[str]) -> PageContext:
    from target_python_sdk.decisioning.context import PageVariables  # noqa: PLC0415 - see above

    return PageContext(**PageVariables(url).as_dict())


def _request_context(request: DeliveryRequest, geo: Optional[Geo]) -> "RequestContext":
    from target_python_sdk.decisioning.context import RequestContext  # noqa: PLC0415 - see above

    if request.context is None:
        request = request.replace(context=Context(channel=ChannelType.WEB))
    return RequestContext(request, "", geo)
