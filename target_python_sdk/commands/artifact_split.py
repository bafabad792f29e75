"""The command ``artifact split``: shows how simulated visitors split among the experiences."""

import argparse
from typing import TYPE_CHECKING, Iterable, List, Sequence

from target_python_sdk.commands.output import Output, ProgressLine, Styled, Text, percent
from target_python_sdk.commands.parsing import add_client_argument, add_command, add_json_argument, positive
from target_python_sdk.commands.visitor import (
    add_attribute_arguments,
    attributes,
    print_warnings,
    warn_of_unread_parameters,
)

if TYPE_CHECKING:
    from target_python_sdk.commands.parsing import Commands
    from target_python_sdk.inspection.split import ActivitySplit, Interval, LocationSplit

EXAMPLES = """
target-sdk artifact split activities.json
target-sdk artifact split rules.json --visitors 100000 --json
target-sdk artifact split rules.json --url https://example.com/shoes --parameter member=gold
target-sdk artifact split rules.json --all-audiences
"""
HEADER = ("activity", "experience", "expected", "measured", "95 % interval", "visitors")


def add_parser(commands: "Commands") -> None:
    """Add the command and its arguments."""
    parser = add_command(commands, "split", "send simulated visitors through all locations", EXAMPLES, run)
    parser.add_argument("file", help="a file of activities, or a rules.json")
    parser.add_argument(
        "--visitors", type=positive, default=10000, metavar="N", help="the number of visitors; default: %(default)s"
    )
    add_client_argument(parser, "the client code for bucketing; default: the one in the file")
    parser.add_argument("--all-audiences", action="store_true", help="let every audience and property match")
    add_attribute_arguments(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Simulate the visitors and print their experiences."""
    from target_python_sdk.inspection.source import read_rules  # noqa: PLC0415 - not needed for the help
    from target_python_sdk.inspection.split import measure_split  # noqa: PLC0415

    rules = read_rules(arguments.file, arguments.client)
    with ProgressLine("visitors") as progress:
        split = measure_split(
            rules.artifact,
            arguments.visitors,
            rules.attributes(attributes(arguments)),
            all_audiences=arguments.all_audiences,
            progress=progress.show,
        )
    warn_of_skipped_rules(rules.artifact.skipped_rules)
    warn_of_unread_parameters(arguments, [rules.artifact])
    output = Output()
    if arguments.json:
        output.json({"client": rules.client, **split.to_dict()})
        return 0
    output.line(f"{split.visitors} visitors of client {rules.client}")
    for location in split.locations:
        output.line()
        output.line(Styled(f"{location.kind} {location.name}", "bold"))
        output.table([HEADER, *_rows(location)], "  ")
    experiences = [
        each for location in split.locations for activity in location.activities for each in activity.experiences
    ]
    if any(each.expected is None for each in experiences):
        output.line()
        output.line("not in an audience: describe the visitors, for example with --parameter, or use --all-audiences")
    if not all(each.is_as_expected for each in experiences):
        output.line()
        output.line("! an expected share is outside its interval. This happens to 1 of 20 intervals by chance.")
    return 0


def warn_of_skipped_rules(messages: Iterable[str]) -> None:
    """Print a warning for each message about a rule that cannot be used."""
    print_warnings(f"skipped {message}" for message in messages)


def _rows(location: "LocationSplit") -> List[Sequence[Text]]:
    rows: List[Sequence[Text]] = []
    for activity in location.activities:
        rows += _activity_rows(activity, location)
    share, interval = percent(location.share_without_offer), _interval(location.interval_without_offer)
    rows.append((Styled("no offer", "dim"), "", "", share, interval, str(location.without_offer)))
    return rows


def _activity_rows(activity: "ActivitySplit", location: "LocationSplit") -> List[Sequence[Text]]:
    name = f"{activity.id} {activity.name}" if activity.name != str(activity.id) else activity.name
    rows: List[Sequence[Text]] = []
    for each in activity.experiences:
        if each.expected is None:
            rows.append((name, each.name, "", "", "", Styled("not in the audience or property", "dim")))
            continue
        if not activity.reached:
            rows.append((name, each.name, percent(each.expected), "", "", Styled("not reached", "dim")))
            continue
        mark: Text = percent(each.share) if each.is_as_expected else Styled(f"{percent(each.share)} !", "yellow")
        visitors = f"{each.visitors} of {activity.reached}"
        rows.append((name, each.name, percent(each.expected), mark, _interval(each.interval), visitors))
    return rows


def _interval(interval: "Interval") -> str:
    return f"{percent(interval.low)} to {percent(interval.high)}"
