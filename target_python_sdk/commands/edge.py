"""The command ``edge``: runs a local edge until it is interrupted."""

import argparse
import datetime
import signal
import sys
from typing import TYPE_CHECKING, Any, Dict, List

from target_python_sdk.commands.output import Output, Styled, Text
from target_python_sdk.commands.parsing import add_client_argument, add_command, delay, non_empty, port, status
from target_tools.errors import OptionError

if TYPE_CHECKING:
    from target_python_sdk.commands.parsing import Commands
    from target_python_sdk.local_edge.feed import FeedEvent

EXAMPLES = """
target-sdk edge
target-sdk edge --port 8080 activities.json
target-sdk edge --port 8080 --client acmeclient rules.json
target-sdk edge --port 8080 --origin http://localhost:3000 activities.json
target-sdk edge --delay 2000 --fail 503
"""
#: The maximum number of decisions and reports in the line about a request.
MAX_PARTS = 5
#: The maximum number of characters of the path in the line about a request.
MAX_PATH = 100


def add_parser(commands: "Commands") -> None:
    """Add the command and its arguments."""
    parser = add_command(commands, "edge", "run a Target edge on this machine until interrupted", EXAMPLES, run)
    parser.add_argument(
        "activities",
        nargs="?",
        help="a file of activities or a rules.json, loaded again whenever it changes; default: samples",
    )
    parser.add_argument("--port", type=port, default=0, help="default: 0, which selects a free port")
    parser.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, which only this machine can reach")
    parser.add_argument(
        "--origin",
        metavar="URL",
        action="append",
        default=[],
        help="the origin of web pages that may use the edge, such as http://localhost:3000; can be repeated",
    )
    parser.add_argument(
        "--organization-id",
        metavar="ID",
        type=non_empty,
        help="the organization whose clients can read rules.bin; default: 1234567890@AdobeOrg",
    )
    add_client_argument(parser, "the client code for bucketing; default: the one in the file")
    parser.add_argument("--delay", metavar="MS", type=delay, default=0, help="delay each answer by MS milliseconds")
    parser.add_argument(
        "--fail", metavar="STATUS", type=status, help="answer each request with this status, from 400 to 599"
    )
    parser.add_argument("--quiet", action="store_true", help="do not print a line for each request and reload")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    from target_python_sdk.local_edge.edge import ORGANIZATION_ID, LocalEdge  # noqa: PLC0415 - not needed for the help

    # The handlers raise no exceptions, so a second signal does not interrupt the shutdown.
    received: List[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: received.append(number))
    edge = LocalEdge(
        arguments.activities,
        arguments.port,
        arguments.host,
        organization_id=arguments.organization_id or ORGANIZATION_ID,
        client=arguments.client,
        origins=arguments.origin,
        reload=True,
    )
    edge.slow(arguments.delay)
    edge.fail(arguments.fail)
    try:
        edge.start()
    except OSError as error:
        raise OptionError(error.strerror or str(error), "port", "a free port") from error
    with edge:
        output, log = Output(), Output(sys.stderr)
        output.line(f"http://{edge.domain}")
        output.flush()
        last, is_stopping = 0, False
        while not is_stopping:
            is_stopping = bool(received)
            for event in edge.feed.wait(last, 0 if is_stopping else 0.1):
                last = event.number
                parts = [] if arguments.quiet else event_line(event)
                if parts:
                    time = datetime.datetime.fromtimestamp(event.data["time"] / 1000)
                    log.line(f"{time:%H:%M:%S}  ", *parts)
    return 0


def event_line(event: "FeedEvent") -> List[Text]:
    """Return the line about a request or a reload, without personal data; an empty list for other events."""
    if event.type == "reload":
        return [Styled("reloaded", "green"), f" {event.data['path']}"]
    return _request_line(event.data) if event.type == "request" else []


def _request_line(data: Dict[str, Any]) -> List[Text]:
    status = data["status"]
    style = "green" if status < 400 else "yellow" if status < 500 else "red"
    request = f"{data['method']} {data['path'][:MAX_PATH]} "
    shown = [*map(_decision, data.get("decisions", ())), *map(_notification, data.get("notifications", ()))]
    if data.get("telemetry"):
        shown.append(f"telemetry: {data['telemetry']}")
    if len(shown) > MAX_PARTS:
        shown[MAX_PARTS:] = [f"{len(shown) - MAX_PARTS} more"]
    if status == 403:
        shown.append(data["problem"])
    return [request, Styled(str(status), style), f" {data['milliseconds']:g} ms  ", ", ".join(shown)]


def _decision(data: Dict[str, Any]) -> str:
    """Describe the decision for a location."""
    if data["experience"]:
        return f"{data['location']}: {data['experience']}"
    return f"{data['location']}: no offer" + (f" ({data['reason']})" if data["reason"] else "")


def _notification(data: Dict[str, Any]) -> str:
    """Describe a display or click that a client reported."""
    experiences = ", ".join(dict.fromkeys(event["experience"] for event in data["events"]))
    return f"{data['location']}: {data['type']} " + (f"of {experiences}" if experiences else "without a token")
