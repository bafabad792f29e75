"""The command ``artifact check``: finds mistakes in an artifact or an activities file."""

import argparse
from typing import TYPE_CHECKING, List

from target_python_sdk.commands.output import Output, Styled, Text
from target_python_sdk.commands.parsing import add_command, add_json_argument

if TYPE_CHECKING:
    from target_python_sdk.commands.parsing import Commands

EXAMPLES = """
target-sdk artifact check activities.json
target-sdk artifact check rules.json --json
"""


def add_parser(commands: "Commands") -> None:
    """Add the command and its arguments."""
    parser = add_command(commands, "check", "find mistakes, and name their places", EXAMPLES, run)
    parser.add_argument("file", help="a file of activities, or a rules.json")
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings and return 1 if there are any."""
    from target_python_sdk.inspection.check import check_file  # noqa: PLC0415 - not needed for the help

    findings = check_file(arguments.file)
    output = Output()
    if arguments.json:
        shown = [{"place": finding.place, "problem": finding.problem} for finding in findings]
        output.json({"file": arguments.file, "findings": shown})
    else:
        for finding in findings:
            place: List[Text] = [Styled(finding.place, "bold"), ": "] if finding.place else []
            output.line(*place, finding.problem)
        count = f"{len(findings)} finding{'s' * (len(findings) != 1)}"
        output.line(arguments.file, ": ", Styled(count, "red") if findings else Styled("no findings", "green"))
    return 1 if findings else 0
