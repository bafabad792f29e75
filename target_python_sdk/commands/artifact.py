"""The command ``artifact``: inspects rule artifacts and activities files."""

from typing import TYPE_CHECKING

from target_python_sdk.commands import artifact_check, artifact_diff, artifact_split
from target_python_sdk.commands.parsing import add_command

if TYPE_CHECKING:
    from target_python_sdk.commands.parsing import Commands

#: The modules of the commands, in the order in which ``--help`` lists them.
COMMANDS = (artifact_check, artifact_diff, artifact_split)
EXAMPLES = """
target-sdk artifact check activities.json
target-sdk artifact diff old.json new.json
target-sdk artifact split rules.json
"""


def add_parser(commands: "Commands") -> None:
    """Add the command and its subcommands."""
    parser = add_command(commands, "artifact", "inspect a rule artifact or an activities file", EXAMPLES)
    subcommands = parser.add_subparsers(metavar="COMMAND", title="commands", required=True)
    for module in COMMANDS:
        module.add_parser(subcommands)
