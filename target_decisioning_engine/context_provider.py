"""1.1.0's functions that compute the data that conditions read."""

from typing import Any, Dict, Optional

from target_decisioning_engine.types.decisioning_context import DecisioningContext, GeoContext, PageContext, UserContext
from target_python_sdk.decisioning.context import PageVariables, RequestContext, nest_parameters
from target_python_sdk.delivery.conversion import convert_request
from target_python_sdk.types import Address, DeliveryRequest, Geo, MboxRequest


def create_page_context(address: Optional[Address]) -> PageContext:
    """Return the parts of the page's URL."""
    return _page_context(None if address is None else address.url)


def create_referring_context(address: Optional[Address]) -> PageContext:
    """Return the parts of the referring page's URL."""
    return _page_context(None if address is None else address.referring_url)


def create_mbox_context(mbox_request: Optional[MboxRequest]) -> Dict[str, Any]:
    """Return the parameters of an mbox. ``a.b`` becomes ``b`` in the dict ``a``; texts are also added in lower case."""
    return nest_parameters((None if mbox_request is None else mbox_request.parameters) or {})


def create_geo_context(_geo: Optional[Geo] = None) -> GeoContext:
    """Return the known fields of the visitor's location."""
    return GeoContext(**RequestContext(DeliveryRequest(), "", _geo)["geo"])


def create_decisioning_context(delivery_request: DeliveryRequest) -> DecisioningContext:
    """Return the data of a request, without ``mbox`` and ``allocation``, which vary by mbox and activity."""
    request = convert_request(delivery_request)
    values = RequestContext(request, "", None if request.context is None else request.context.geo).as_dict()
    values["user"] = UserContext(**values["user"])
    for name, context_type in (("page", PageContext), ("referring", PageContext), ("geo", GeoContext)):
        values[name] = context_type(**values[name])
    return DecisioningContext(**values)


def get_lower_case_attributes(obj: Dict[str, Any]) -> Dict[str, Any]:
    """Return the values under their names plus ``_lc``, with text in lower case."""
    return {f"{name}_lc": value.lower() if isinstance(value, str) else value for name, value in obj.items()}


def with_lowercase_string_values(obj: Dict[str, Any]) -> Dict[str, Any]:
    """Return ``obj`` with an additional lower-case entry, such as ``url_lc``, for each text at any level."""
    lower = {f"{name}_lc": value.lower() for name, value in obj.items() if isinstance(value, str)}
    nested = {name: with_lowercase_string_values(value) for name, value in obj.items() if isinstance(value, dict)}
    return {**obj, **nested, **lower}


def two_digit_string(_value: int) -> str:
    """Format a number with two digits."""
    return f"{_value:02d}"


def _page_context(url: Optional[str]) -> PageContext:
    return PageContext(**PageVariables(url).as_dict())
