"""The command ``explain``: shows why a visitor gets an experience, or none."""

import argparse
from typing import TYPE_CHECKING, Any, Dict, List, NoReturn

from target_python_sdk.commands.output import Output, Styled
from target_python_sdk.commands.parsing import add_client_argument, add_command, add_json_argument
from target_python_sdk.commands.visitor import (
    add_attribute_arguments,
    add_id_arguments,
    context,
    visitor_id,
    warn_of_unread_parameters,
)
from target_tools.error_text import suggestion
from target_tools.errors import OptionError

if TYPE_CHECKING:
    from target_python_sdk.commands.parsing import Commands
    from target_python_sdk.inspection.source import RuleSet

EXAMPLES = """
target-sdk explain activities.json hero --visitor visitor-3 --parameter member=silver
target-sdk explain rules.json hero cart --visitor visitor-3 --url https://example.com/shoes
target-sdk explain rules.json --cookie "PC#visitor-3.35_0#1900000000" --json
"""


def add_parser(commands: "Commands") -> None:
    """Add the command and its arguments."""
    parser = add_command(commands, "explain", "show why a visitor gets an experience, or none", EXAMPLES, run)
    parser.add_argument("file", help="a file of activities, or a rules.json")
    parser.add_argument(
        "locations", nargs="*", default=[], metavar="LOCATION", help="mboxes and views; default: all in the file"
    )
    parser.add_argument("--edge", type=_refuse_edge, help=argparse.SUPPRESS)
    add_client_argument(parser, "the client code for bucketing; default: the one in the file")
    add_id_arguments(parser)
    add_attribute_arguments(parser)
    add_json_argument(parser)


def _refuse_edge(url: str) -> NoReturn:
    """Reject ``--edge``, an argument of ``offers``. The error shows the command that downloads the edge's rules."""
    from target_python_sdk.local_edge.activities import file_path  # noqa: PLC0415 - not needed for the help

    try:
        file_path(url if "://" in url else f"http://{url}")
    except OptionError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    raise argparse.ArgumentTypeError("expected a file as the first argument, not an edge")


def run(arguments: argparse.Namespace) -> int:
    """Explain the decision and print the explanation."""
    from target_python_sdk.explain.calls import explain_with_artifact  # noqa: PLC0415 - not needed for the help
    from target_python_sdk.inspection.source import read_rules  # noqa: PLC0415

    rules = read_rules(arguments.file, arguments.client)
    known = list(dict.fromkeys([*rules.artifact.mboxes, *rules.artifact.views]))
    names = arguments.locations or known
    if rules.activities is not None:  # unlike an artifact, a file of activities has all locations
        for name in names:
            if name and name not in known:
                raise OptionError(f"{arguments.file} has no mbox or view {name!r}{suggestion(name, known)}", "LOCATION")
    options = {"request": _request(arguments, rules, names)}
    explanation = explain_with_artifact(rules.artifact, rules.client, options, names)
    warn_of_unread_parameters(arguments, [rules.artifact])
    output = Output()
    if arguments.json:
        output.json(explanation.to_dict())
        return 0
    for line in str(explanation).split("\n"):
        output.line(Styled(line, "red") if line.lstrip().startswith("NO ") else line)
    return 0


def _request(arguments: argparse.Namespace, rules: "RuleSet", names: List[str]) -> Dict[str, Any]:
    """Return a request for the locations. A name that the file does not contain counts as an mbox."""
    details = {"parameters": dict(arguments.parameter)}
    mboxes, views = rules.artifact.mboxes, rules.artifact.views
    identity = visitor_id(arguments)
    visitor_context = context(arguments).to_json()
    if rules.geo:
        visitor_context.setdefault("geo", dict(rules.geo))
    return {
        "id": None if identity is None else identity.to_json(),
        "property": {"token": arguments.property} if arguments.property else None,
        "context": visitor_context,
        "prefetch": {
            "mboxes": [
                {"index": index, "name": name, **details}
                for index, name in enumerate(names)
                if name in mboxes or name not in views
            ],
            "views": [{"name": name, **details} for name in names if name in views],
        },
    }
