"""Arguments that describe a visitor and a page."""

import argparse
import sys
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Optional, Tuple

from target_python_sdk.commands.output import Output, Styled
from target_python_sdk.commands.parsing import non_empty

if TYPE_CHECKING:
    from target_python_sdk.decisioning.artifact import Artifact
    from target_python_sdk.inspection.traffic import VisitorAttributes
    from target_python_sdk.types import Context, Geo, VisitorId

#: Added to the error about a cookie that seems to be incomplete.
QUOTE_HINT = "; put the cookie in quotes, because a shell treats '|' and ';' as the end of the command"


def add_id_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for the ids of a visitor."""
    group = parser.add_argument_group("the visitor")
    device = group.add_mutually_exclusive_group()
    device.add_argument(
        "--visitor", metavar="ID", type=device_id, help="device id (tntId); the part after the dot is ignored"
    )
    device.add_argument(
        "--cookie", metavar="COOKIE", type=_id_type("id_in_cookie"), dest="visitor",
        help="the visitor's cookie 'mbox', in quotes: its value, or a whole Cookie header",
    )  # fmt: skip
    ecid_type = _id_type("experience_cloud_id")
    group.add_argument("--ecid", metavar="ID", type=ecid_type, help="Experience Cloud id (marketingCloudVisitorId)")
    group.add_argument(
        "--third-party-id", metavar="ID", type=_id_type("third_party_id"), help="id in your own system (thirdPartyId)"
    )


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


def _id_type(reader: str) -> Callable[[str], str]:
    """Return an argument type that reads an id with the function ``reader`` of ``visitor_ids``."""

    def read(text: str) -> str:
        from target_python_sdk.inspection import visitor_ids  # noqa: PLC0415 - not needed for the help

        try:
            parsed: str = getattr(visitor_ids, reader)(non_empty(text))
        except ValueError as error:
            hint = QUOTE_HINT if reader == "id_in_cookie" and "PC" not in text else ""
            raise argparse.ArgumentTypeError(f"{error}{hint}") from None
        return parsed

    return read


device_id = _id_type("device_id")


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


def warn_of_unread_parameters(arguments: argparse.Namespace, artifacts: "Iterable[Artifact]") -> None:
    """Print a warning for each parameter that no rule reads."""
    from target_python_sdk.inspection.parameters import unread_parameters  # noqa: PLC0415 - not needed for the help

    print_warnings(unread_parameters(artifacts, [name for name, _ in arguments.parameter]))


def print_warnings(messages: Iterable[str]) -> None:
    """Print each message on the standard error."""
    for message in messages:
        Output(sys.stderr).line(Styled("warning:", "yellow"), f" {message}")
