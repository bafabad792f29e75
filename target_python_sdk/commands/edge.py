"""The command ``edge``: runs a local edge until it is interrupted."""

import argparse
import signal
import time
from typing import TYPE_CHECKING, List

from target_python_sdk.commands.output import Output
from target_python_sdk.commands.parsing import add_command, port
from target_tools.errors import OptionError

if TYPE_CHECKING:
    from target_python_sdk.commands.parsing import Commands

EXAMPLES = """
target-sdk edge
target-sdk edge --port 8080 activities.json
target-sdk edge --port 8080 --client acmeclient rules.json
"""


def add_parser(commands: "Commands") -> None:
    """Add the command and its arguments."""
    parser = add_command(commands, "edge", "run a Target edge on this machine until interrupted", EXAMPLES, run)
    parser.add_argument("activities", nargs="?", help="a file of activities, or a rules.json; default: samples")
    parser.add_argument("--port", type=port, default=0, help="default: 0, which selects a free port")
    parser.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, which only this machine can reach")
    parser.add_argument(
        "--organization-id",
        metavar="ID",
        help="the organization whose clients can read rules.bin; default: the one of the documentation's examples",
    )
    parser.add_argument("--client", metavar="CODE", help="the client code for bucketing; default: the one in the file")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    from target_python_sdk.local_edge.edge import ORGANIZATION_ID, LocalEdge  # noqa: PLC0415 - not needed for the help

    # A second signal must not interrupt the end, so the handlers raise nothing.
    received: List[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: received.append(number))
    edge = LocalEdge(
        arguments.activities,
        arguments.port,
        arguments.host,
        organization_id=arguments.organization_id or ORGANIZATION_ID,
        client=arguments.client,
    )
    try:
        edge.start()
    except OSError as error:
        raise OptionError(error.strerror or str(error), "port", "a free port") from error
    with edge:
        output = Output()
        output.line(f"http://{edge.domain}")
        output.flush()
        while not received:
            time.sleep(0.1)
    return 0
