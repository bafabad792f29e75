"""The command ``offers``: requests the offers of a visitor from an edge."""

import argparse
import json
import logging
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple
from urllib.parse import urlsplit

from target_python_sdk.commands.output import Output, Styled, Text
from target_python_sdk.commands.parsing import add_client_argument, add_command, add_json_argument, non_empty, positive
from target_python_sdk.commands.visitor import (
    add_attribute_arguments,
    add_id_arguments,
    context,
    print_warnings,
    visitor_id,
)
from target_tools.errors import DeliveryError, OptionError

if TYPE_CHECKING:
    from target_python_sdk.commands.parsing import Commands
    from target_python_sdk.delivery.option_types import ClientOptions
    from target_python_sdk.offers import Offer
    from target_python_sdk.types import TargetDeliveryResponse

EXAMPLES = """
target-sdk offers a1-serverside-ab --edge http://127.0.0.1:8080 --visitor visitor-3
target-sdk offers hero --view checkout --edge http://127.0.0.1:8080 --parameter member=gold --url https://example.com/
target-sdk offers hero --client acmeclient --organization-id 1234567890@AdobeOrg --json
"""
#: The client code and organization for a local edge, which accepts any values. Adobe's examples use the same ones.
EXAMPLE_CLIENT, EXAMPLE_ORGANIZATION = "acmeclient", "1234567890@AdobeOrg"
HEADER = ("location", "activity", "experience", "type", "content")
#: The maximum number of characters of an offer's content in the table.
MAX_CONTENT = 60
#: Seconds that the command waits for the reasons from a local edge.
HINT_TIMEOUT = 5
#: The reasons for missing offers, by kind and name of the location.
Reasons = Dict[Tuple[str, Optional[str]], str]
#: The names of client options in error messages, and the arguments that set these options.
ARGUMENTS = {
    "the option 'secure'": "the scheme in --edge",
    "'server_domain'": "'--server-domain'",
    "'client'": "'--client'",
    "'organization_id'": "'--organization-id'",
    "'timeout'": "'--timeout'",
}


def add_parser(commands: "Commands") -> None:
    """Add the command and its arguments."""
    parser = add_command(commands, "offers", "request the offers of a visitor from an edge", EXAMPLES, run)
    parser.add_argument("mboxes", nargs="*", metavar="MBOX", help="an mbox")
    parser.add_argument("--view", metavar="NAME", action="append", default=[], help="a view; can be repeated")
    parser.add_argument("--page-load", action="store_true", help="the page load")
    parser.add_argument("--execute", action="store_true", help="execute the offers, which counts them as displayed")
    edge = parser.add_argument_group("the edge; default: Adobe's")
    edge.add_argument("--edge", metavar="URL", type=edge_url, help="a local edge, such as http://127.0.0.1:8080")
    edge.add_argument("--server-domain", metavar="HOST", type=non_empty, help="another host, which is called by HTTPS")
    add_client_argument(edge, "the client code; required without --edge, because a local edge accepts any")
    edge.add_argument(
        "--organization-id", metavar="ID", type=non_empty, help="such as 1234567890@AdobeOrg; required without --edge"
    )
    edge.add_argument("--timeout", type=positive, metavar="MS", help="the time limit in milliseconds; default: 3000")
    add_id_arguments(parser)
    add_attribute_arguments(parser)
    output = parser.add_mutually_exclusive_group()
    add_json_argument(output, "print JSON, which is the default if the output is not a terminal")
    output.add_argument("--table", action="store_true", help="print a table, which is the default on a terminal")


def edge_url(text: str) -> str:
    """Check the URL of an edge: a scheme, a host and an optional port."""
    from target_python_sdk.delivery.option_parsers import domain  # noqa: PLC0415 - not needed for the help

    try:
        parts = urlsplit(text)
        domain("edge", parts.netloc)
        is_valid = parts.scheme in ("http", "https") and not (parts.path.strip("/") or parts.query or parts.fragment)
    except ValueError:  # includes OptionError
        is_valid = False
    if not is_valid:
        raise argparse.ArgumentTypeError(f"expected a URL such as http://127.0.0.1:8080, got {text!r}")
    return text


def run(arguments: argparse.Namespace) -> int:
    """Request the offers and print them."""
    from target_python_sdk.client import TargetClient  # noqa: PLC0415 - not needed for the help

    request = _request(arguments)
    log = _Warnings()
    try:
        with TargetClient.create(_options(arguments), logger=log.logger) as client:
            answer = client.get_offers(request=request)
    except OptionError as error:
        raise OptionError(_with_argument_names(str(error)), error.option, error.expected) from error
    except DeliveryError as error:
        error.message = _with_argument_names(error.message)
        raise
    print_warnings(map(_with_argument_names, log.messages))
    offers = _offers(answer, arguments)
    reasons = _reasons(answer, offers, arguments)
    output = Output()
    if arguments.json or not (arguments.table or output.is_terminal):
        output.json(_as_json(answer, offers, reasons))
    else:
        output.table([HEADER, *(row for offer in offers for row in _rows(offer, reasons))])
    return 0


def _with_argument_names(text: str) -> str:
    """Return a message with the names of client options replaced by those of the arguments."""
    for option, argument in ARGUMENTS.items():
        text = text.replace(option, argument)
    return text


class _Warnings(logging.Handler):
    """Collects the warnings of a call. They are not printed if the call fails, because the error says the same."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: List[str] = []
        self.logger = logging.Logger("target-sdk")
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Collect the message."""
        self.messages.append(record.getMessage())


def _options(arguments: argparse.Namespace) -> "ClientOptions":
    """Return the options of the client. Raises ``OptionError`` if a required argument is missing."""
    if arguments.edge is None:
        for name in ("client", "organization_id"):
            if not getattr(arguments, name):
                option = f"--{name.replace('_', '-')}"
                raise OptionError(f"{option} is required without --edge", option, "a value")
    options: ClientOptions = {
        "client": arguments.client or EXAMPLE_CLIENT,
        "organization_id": arguments.organization_id or EXAMPLE_ORGANIZATION,
    }
    if arguments.timeout is not None:
        options["timeout"] = arguments.timeout
    if arguments.edge is not None:
        url = urlsplit(arguments.edge)
        options["server_domain"], options["secure"] = url.netloc, url.scheme == "https"
    elif arguments.server_domain:
        options["server_domain"] = arguments.server_domain
    return options


def _request(arguments: argparse.Namespace) -> Dict[str, Any]:
    """Return the request. Raises ``OptionError`` if the arguments name no location."""
    if not (arguments.mboxes or arguments.view or arguments.page_load):
        raise OptionError("expected at least one MBOX, --view or --page-load", "mboxes", "a location")
    details = {"parameters": dict(arguments.parameter)} if arguments.parameter else {}
    locations: Dict[str, Any] = {}
    if arguments.mboxes:
        locations["mboxes"] = [{"index": index, "name": name, **details} for index, name in enumerate(arguments.mboxes)]
    if arguments.page_load:
        locations["pageLoad"] = details
    views = {"views": [{"name": name, **details} for name in arguments.view]} if arguments.view else {}
    identity = visitor_id(arguments)
    parts = {
        "id": None if identity is None else identity.to_json(),
        "property": {"token": arguments.property} if arguments.property else None,
        "context": context(arguments).to_json(),
        "execute": locations if arguments.execute else None,
        "prefetch": views if arguments.execute else {**locations, **views},
    }
    return {name: part for name, part in parts.items() if part}


def _offers(answer: "TargetDeliveryResponse", arguments: argparse.Namespace) -> "List[Offer]":
    """Return the offers of all requested locations."""
    page_load = [answer.page_load] if arguments.page_load else []
    mboxes = [answer.offer(name) for name in dict.fromkeys(arguments.mboxes)]
    return [*page_load, *mboxes, *(answer.view(name) for name in dict.fromkeys(arguments.view))]


def _reasons(answer: "TargetDeliveryResponse", offers: "List[Offer]", arguments: argparse.Namespace) -> Reasons:
    """Ask a local edge why offers are missing, and return its reasons. Print its warnings about unread parameters."""
    from target_python_sdk.decisioning.context import bucketing_id  # noqa: PLC0415 - not needed for the help
    from target_python_sdk.protocol import DEFAULT_GLOBAL_MBOX  # noqa: PLC0415

    missing = [offer for offer in offers if not offer.options]
    identity = answer.response.id
    if arguments.edge is None or not missing or identity is None:
        return {}
    locations = [["mbox" if each.name is None else each.kind, each.name or DEFAULT_GLOBAL_MBOX] for each in missing]
    form = {
        "visitor": bucketing_id(identity),
        "property": arguments.property,
        "locations": locations,
        "parameters": [name for name, _ in arguments.parameter],
    }
    found = _ask_local_edge(f"{arguments.edge.rstrip('/')}/page/no-offer", form)
    print_warnings(map(str, found.get("warnings", ())))
    return {(each.kind, each.name): str(reason) for each, reason in zip(missing, found.get("reasons", ()))}


def _ask_local_edge(url: str, form: Dict[str, Any]) -> Dict[str, Any]:
    """Post JSON to a local edge, and return the JSON object in the answer. Return an empty dict if that fails."""
    import http.client  # noqa: PLC0415 - not needed for the help
    import urllib.request  # noqa: PLC0415

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, json.dumps(form).encode("ascii"), {"Content-Type": "application/json"})
    try:
        with opener.open(request, timeout=HINT_TIMEOUT) as reply:
            answer = json.load(reply)
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    return answer if isinstance(answer, dict) else {}


def _rows(offer: "Offer", reasons: Reasons) -> List[Sequence[Text]]:
    """Return the rows of the table for an offer: one for each option with content, or else a single one."""
    location = offer.kind.replace("_", " ") if offer.name is None else f"{offer.kind} {offer.name}"
    contents = [(str(option.type), option.content) for option in offer.options if option.content is not None]
    names = (location, offer.activity or "-", offer.experience or "-")
    if not contents:
        reason = reasons.get((offer.kind, offer.name))
        text = "default content" if offer.experience else f"no offer: {reason}" if reason else "no offer"
        return [(*names, "-", Styled(text, "dim"))]
    return [(*names, type_, _shortened(content)) for type_, content in contents]


def _shortened(content: object) -> str:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return text if len(text) <= MAX_CONTENT else text[: MAX_CONTENT - 1] + "…"


def _as_json(answer: "TargetDeliveryResponse", requested: "List[Offer]", reasons: Reasons) -> Dict[str, Any]:
    from target_python_sdk.offers import offers_of  # noqa: PLC0415 - not needed for the help

    response, found = answer.response, []
    unanswered = [offer for offer in requested if not offer.is_answered and (offer.kind, offer.name) in reasons]
    for offer in [*offers_of(response), *unanswered]:
        reason = reasons.get((offer.kind, offer.name))
        names = {"activity": offer.activity, "experience": offer.experience}
        found.append({**offer.to_json(), **names, **({"reason": reason} if reason else {})})
    return {"client": response.client, "id": response.id.to_json() if response.id else None, "offers": found}
