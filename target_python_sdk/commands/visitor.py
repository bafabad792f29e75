"""Arguments that describe a visitor and a page."""

import argparse
from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple

from target_python_sdk.commands.parsing import non_empty

if TYPE_CHECKING:
    from target_python_sdk.inspection.traffic import VisitorAttributes
    from target_python_sdk.types import Context, Geo, VisitorId


def add_id_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for the ids of a visitor."""
    group = parser.add_argument_group("the visitor")
    group.add_argument(
        "--visitor", metavar="ID", type=non_empty, help="device id (tntId); the part after the dot is ignored"
    )
    group.add_argument("--ecid", metavar="ID", type=non_empty, help="Experience Cloud id (marketingCloudVisitorId)")
    group.add_argument("--third-party-id", metavar="ID", type=non_empty, help="id in your own system (thirdPartyId)")


def add_attribute_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for the attributes that audiences read."""
    group = parser.add_argument_group("the page and the browser")
    group.add_argument("--url", help="URL of the page")
    group.add_argument("--referring-url", metavar="URL", help="URL of the previous page")
    group.add_argument("--user-agent", metavar="TEXT", help="User-Agent of the browser")
    group.add_argument(
        "--parameter", metavar="NAME=VALUE", type=name_and_value, action="append", default=[],
        help="parameter of the mboxes and views; can be repeated",
    )  # fmt: skip
    group.add_argument(
        "--geo", metavar="KEY=VALUE", type=name_and_value, action="append", default=[],
        help="location of the visitor: city, stateCode, countryCode, latitude or longitude; can be repeated",
    )  # fmt: skip
    group.add_argument("--property", metavar="TOKEN", help="property token")


def name_and_value(text: str) -> Tuple[str, str]:
    """Parse ``NAME=VALUE``."""
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value


def visitor_id(arguments: argparse.Namespace) -> "Optional[VisitorId]":
    """Return the ids of the visitor, or None if no id is given."""
    from target_python_sdk.types import VisitorId  # noqa: PLC0415 - not needed for the help

    if not (arguments.visitor or arguments.ecid or arguments.third_party_id):
        return None
    return VisitorId(
        tnt_id=arguments.visitor,
        marketing_cloud_visitor_id=arguments.ecid,
        third_party_id=arguments.third_party_id,
    )


def context(arguments: argparse.Namespace) -> "Context":
    """Return the context of the request: page, browser and location."""
    from target_python_sdk.types import Address, ChannelType, Context  # noqa: PLC0415 - not needed for the help

    has_address = arguments.url or arguments.referring_url
    return Context(
        channel=ChannelType.WEB,
        address=Address(url=arguments.url, referring_url=arguments.referring_url) if has_address else None,
        user_agent=arguments.user_agent,
        geo=geo(arguments),
    )


def geo(arguments: argparse.Namespace) -> "Optional[Geo]":
    """Return the location of the visitor. Raises ``OptionError`` for an unknown key."""
    from target_python_sdk.local_edge.activities import parse_geo  # noqa: PLC0415 - not needed for the help
    from target_python_sdk.types import Geo  # noqa: PLC0415

    values: Dict[str, Any] = dict(arguments.geo)
    for key in {"latitude", "longitude"}.intersection(values):
        try:
            values[key] = float(values[key])
        except ValueError:
            continue  # ``parse_geo`` reports it
    location: Optional[Geo] = Geo.from_dict(parse_geo(values)) if values else None
    return location


def has_attributes(arguments: argparse.Namespace) -> bool:
    """Return whether any argument describes the page, the browser or the location."""
    names = ("url", "referring_url", "user_agent", "parameter", "geo", "property")
    return any(getattr(arguments, name) for name in names)


def attributes(arguments: argparse.Namespace) -> "VisitorAttributes":
    """Return the attributes of simulated visitors."""
    from target_python_sdk.inspection.traffic import VisitorAttributes  # noqa: PLC0415 - not needed for the help

    return VisitorAttributes(context(arguments), dict(arguments.parameter), arguments.property, geo(arguments))
