"""The command ``demo``: runs the documented examples against a local edge."""

import argparse
from typing import TYPE_CHECKING

from target_python_sdk.commands.parsing import add_command

if TYPE_CHECKING:
    from target_python_sdk.commands.parsing import Commands


def add_parser(commands: "Commands") -> None:
    """Add the command."""
    add_command(commands, "demo", "run the documented examples against a local edge", "target-sdk demo", run)


def run(_arguments: argparse.Namespace) -> int:
    """Run the demo."""
    from target_python_sdk.local_edge.demo import run_demo  # noqa: PLC0415 - other commands need no client

    return run_demo()
