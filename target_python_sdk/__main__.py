# ruff: noqa: T201 - a command-line program prints
"""Command line: ``python -m target_python_sdk`` runs a local edge or the demo."""

import argparse
import signal
import sys
import time
from typing import List, Optional

from target_python_sdk.local_edge.demo import run_demo
from target_python_sdk.local_edge.edge import ORGANIZATION_ID, LocalEdge
from target_tools.errors import OptionError


def main(arguments: Optional[List[str]] = None) -> int:
    """Run a command and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m target_python_sdk", description="Tools of the Adobe Target SDK.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    edge = commands.add_parser("edge", help="run a Target edge on this machine until interrupted")
    edge.add_argument("activities", nargs="?", help="a file of activities, or a rules.json; default: built-in samples")
    edge.add_argument("--port", type=_port, default=0, help="default: 0, which selects a free port")
    edge.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, which only this machine can reach")
    edge.add_argument(
        "--organization-id",
        metavar="ID",
        default=ORGANIZATION_ID,
        help="the organization whose clients can read rules.bin; default: %(default)s",
    )
    edge.add_argument("--client", metavar="CODE", help="the client code for bucketing; default: the one in the file")
    commands.add_parser("demo", help="run the documented examples against a local edge")
    chosen = parser.parse_args(arguments)
    if chosen.command == "edge":
        return _serve(chosen)
    if chosen.command == "demo":
        return run_demo()
    parser.print_help(sys.stderr)
    return 2


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 65535, got {text!r}")
    return int(text)


def _serve(chosen: argparse.Namespace) -> int:
    # Ctrl+C and a supervisor's SIGTERM end the process. An exception of a second signal would interrupt the end.
    received: List[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: received.append(number))
    content = {"client": chosen.client, "organization_id": chosen.organization_id}
    try:
        with LocalEdge(chosen.activities, chosen.port, chosen.host, **content) as edge:
            print(f"http://{edge.domain}", flush=True)
            while not received:
                time.sleep(0.1)
        return 0
    except OptionError as error:
        problem = str(error)
    except OSError as error:
        problem = error.strerror or str(error)
    print(f"error: {problem}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
