"""The command ``artifact diff``: describes the changes between two artifacts, and counts the affected visitors."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, List, Sequence

from target_python_sdk.commands.artifact_split import warn_of_skipped_rules
from target_python_sdk.commands.output import Output, ProgressLine, Styled, Text, percent
from target_python_sdk.commands.parsing import add_client_argument, add_command, add_json_argument, positive
from target_python_sdk.commands.visitor import (
    add_attribute_arguments,
    attributes,
    device_id,
    has_attributes,
    warn_of_unread_parameters,
)
from target_tools.errors import OptionError

if TYPE_CHECKING:
    from target_python_sdk.commands.parsing import Commands
    from target_python_sdk.inspection.affected import LocationEffect, VisitorChange
    from target_python_sdk.inspection.changes import Change

EXAMPLES = """
target-sdk artifact diff old.json new.json
target-sdk artifact diff old.json new.json --visitor visitor-3 --visitor visitor-5
target-sdk artifact diff old.json new.json --visitors ids.txt --json
"""


def add_parser(commands: "Commands") -> None:
    """Add the command and its arguments."""
    parser = add_command(commands, "diff", "describe the changes and count the affected visitors", EXAMPLES, run)
    parser.add_argument("old", help="a file of activities, or a rules.json")
    parser.add_argument("new", help="a file of either kind, after the change")
    add_client_argument(parser, "the client code for bucketing; default: that of each file")
    parser.add_argument(
        "--simulate", type=positive, default=10000, metavar="N",
        help="the number of visitors to simulate; default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--visitor", metavar="ID", type=device_id, action="append", default=[],
        help="show the changes for the visitor with this device id; can be repeated",
    )  # fmt: skip
    parser.add_argument("--visitors", metavar="FILE", help="show the changes for the ids in this file, one per line")
    add_attribute_arguments(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the changes, the affected share of visitors, and the changes for the given visitors."""
    from target_python_sdk.inspection.affected import ArtifactComparison  # noqa: PLC0415 - not needed for the help
    from target_python_sdk.inspection.changes import compare_rules  # noqa: PLC0415
    from target_python_sdk.inspection.source import read_rules  # noqa: PLC0415

    old, new = (read_rules(path, arguments.client) for path in (arguments.old, arguments.new))
    ids = list(dict.fromkeys([*arguments.visitor, *(_read_ids(arguments.visitors) if arguments.visitors else ())]))
    given = attributes(arguments) if has_attributes(arguments) else None
    comparison = ArtifactComparison(old, new, given, arguments.simulate)
    changes = compare_rules(old, new)
    with ProgressLine("visitors") as progress:
        effects = comparison.effects(progress.show)
    visitors = list(comparison.visitor_changes(ids))
    warn_of_skipped_rules([*old.artifact.skipped_rules, *new.artifact.skipped_rules])
    warn_of_unread_parameters(arguments, [old.artifact, new.artifact])
    output = Output()
    if arguments.json:
        output.json(
            {
                "changes": [change._asdict() for change in changes],
                "affected": [effect._asdict() for effect in effects],
                "visitors": [change._asdict() for change in visitors],
            }
        )
        return 0
    _print_changes(output, changes)
    _print_effects(output, effects, arguments.simulate, is_drawn=given is None)
    if ids:
        _print_visitors(output, visitors, len(ids))
        if given is None and comparison.has_audiences():
            output.line("the given visitors have no attributes; describe them, for example with --parameter")
    return 0


def _read_ids(path: str) -> List[str]:
    """Return the ids in a file, one per line. Raises ``OptionError``."""
    try:
        lines = Path(path).read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise OptionError(f"{path}: {error.strerror or error}", "visitors", "a file") from error
    except UnicodeDecodeError:
        raise OptionError(f"{path}: expected a file in UTF-8", "visitors", "a file") from None
    ids = []
    for number, line in enumerate(lines, 1):
        try:
            ids += [device_id(line)] if line.strip() else []
        except argparse.ArgumentTypeError as error:
            raise OptionError(f"{path}, line {number}: {error}", "visitors", "a device id") from None
    if not ids:
        raise OptionError(f"no visitor ids in {path}", "visitors", "a file with ids")
    return ids


def _print_changes(output: Output, changes: "Sequence[Change]") -> None:
    if not changes:
        output.line("no changes")
    subject = ""
    for change in changes:
        if change.subject != subject:
            subject = change.subject
            output.line(Styled(subject, "bold"))
        output.line("  ", change.text)


def _print_effects(output: Output, effects: "Sequence[LocationEffect]", simulated: int, *, is_drawn: bool) -> None:
    output.line()
    if not effects:
        output.line("no visitor gets another experience or offer")
        return
    rows: List[Sequence[Text]] = [("visitors affected", "another experience", "another offer", "")]
    for effect in effects:
        interval = effect.interval
        method = effect.method
        if interval is not None:
            method += f", {percent(interval.low)} to {percent(interval.high)}"
        place = f"{effect.kind} {effect.name}"
        shares = [effect.other_experience, effect.other_offer]
        rows.append(
            (place, *(percent(_rounded(each) if interval is None else each) for each in shares), Styled(method, "dim"))
        )
    output.table(rows)
    if any(effect.interval is not None for effect in effects):
        drawn = ", whose attributes are drawn from the values in the audiences" if is_drawn else ""
        output.line(f"simulated: with {simulated} visitors{drawn}; 95 % confidence interval")


def _rounded(share: float) -> float:
    """Round a share that may be one bucket too large: the first experience also has bucket 0."""
    rounded = round(share, 3)
    return rounded if share >= 0.01 and rounded < 1 and abs(rounded - share) < 1.5e-4 else share


def _print_visitors(output: Output, changes: "Sequence[VisitorChange]", count: int) -> None:
    output.line()
    changed = len({change.visitor for change in changes})
    output.line(f"{changed} of {count} given visitors get another experience or offer")
    if changes:
        rows = [(each.visitor, f"{each.kind} {each.name}", each.before, each.after) for each in changes]
        output.table([("visitor", "location", "before", "after"), *rows])
