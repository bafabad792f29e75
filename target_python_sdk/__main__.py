# ruff: noqa: T201 - a command line is the one place that prints
"""``python -m target_python_sdk``: a local edge to develop against, and a demonstration of it."""

import argparse
import signal
import sys
import time
from typing import List, Optional

from target_tools.errors import OptionError


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command; the result is the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m target_python_sdk", description="Tools around the Adobe Target SDK."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    edge = commands.add_parser("edge", help="serve a Target edge on this machine until interrupted")
    edge.add_argument(
        "activities", nargs="?", help="a JSON file of activities, or a rules.json; the built-in sample without it"
    )
    edge.add_argument("--port", type=_port, default=0, help="0, the default, takes a free one")
    edge.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, which only this machine reaches")
    edge.add_argument(
        "--organization-id", metavar="ID", help="what rules.bin is read with; default: that of the documented examples"
    )
    edge.add_argument(
        "--client", metavar="CODE", help="the client code visitors are bucketed by; default: the one in the file"
    )
    commands.add_parser("demo", help="run the documented examples against a local edge and show what happens")
    chosen = parser.parse_args(arguments)
    if chosen.command == "edge":
        return _serve(chosen)
    if chosen.command == "demo":
        return _demonstrate()
    parser.print_help(sys.stderr)
    return 2


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("a number from 0 to 65535 was expected")
    return port


def _serve(chosen: argparse.Namespace) -> int:
    from target_python_sdk.local_edge import LocalEdge  # noqa: PLC0415 - http.server only when it is needed

    # A process that is ended politely, by a person or by its supervisor, closes its port and says nothing.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    known = {} if chosen.organization_id is None else {"organization_id": chosen.organization_id}
    try:
        with LocalEdge(chosen.activities, chosen.port, chosen.host, client=chosen.client, **known) as edge:
            print("http://{}".format(edge.domain), flush=True)
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        return 0
    except OptionError as error:
        return _failed(str(error))
    except OSError as error:
        return _failed("{}:{}: cannot be served: {}".format(chosen.host, chosen.port, error.strerror or error))


def _demonstrate() -> int:
    from target_python_sdk.local_edge.demo import demonstrate  # noqa: PLC0415 - as above

    return demonstrate()


def _failed(message: str) -> int:
    print("error: {}".format(message), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
