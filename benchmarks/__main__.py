"""``python -m benchmarks``: measure, and print the table."""
# ruff: noqa: T201 - a program's output

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from benchmarks import callbacks, delivery, imports
from benchmarks.figure import Section, table
from benchmarks.machine import machine
from benchmarks.old_release import old_release
from benchmarks.plan import OLD, NotRun, Plan
from benchmarks.process import ProcessFailed

BENCHMARKS: Dict[str, Callable[[Plan], Section]] = {
    "delivery": delivery.figures,
    "callbacks": callbacks.figures,
    "imports": imports.figures,
}


def plan_from(arguments: argparse.Namespace) -> Plan:
    """What the command line asks for; makes 1.1.0's environment if it takes part."""
    if arguments.old_release:
        _say("looking for {} (installed under .bench/ the first time) ...".format(OLD))
    return Plan(
        rounds=arguments.rounds or (3 if arguments.quick else 9),
        import_rounds=arguments.rounds or (5 if arguments.quick else 15),
        seconds=0.25 if arguments.quick else 0.5,
        calls=arguments.calls,
        old_release=old_release() if arguments.old_release else NotRun("left out by --no-" + OLD),
    )


def main(words: Optional[List[str]] = None) -> int:
    """Run the benchmarks; 1 if one of them broke, 0 whatever they found."""
    arguments = _parser().parse_args(words)
    facts = machine()
    plan = plan_from(arguments)
    found, broken = Section([], []), 0
    started = time.monotonic()
    for name in arguments.only or list(BENCHMARKS):
        _say("measuring {} ...".format(name))
        try:
            section = BENCHMARKS[name](plan)
        except ProcessFailed as error:
            _say("{} broke: {}".format(name, error))
            broken = 1
            continue
        found.figures.extend(section.figures)
        found.notes.extend(section.notes)
    facts["took"] = "{:.0f} s".format(time.monotonic() - started)
    _show(facts, found)
    if arguments.json:
        _save(Path(arguments.json), facts, found)
    return broken


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--rounds", type=_positive, help="how often every peer takes its turn")
    parser.add_argument("--calls", type=_positive, help="calls in a turn, instead of a turn's time")
    parser.add_argument("--only", choices=sorted(BENCHMARKS), action="append", help="this benchmark; may be repeated")
    parser.add_argument("--no-" + OLD, dest="old_release", action="store_false", help="leave the old release out")
    parser.add_argument("--json", metavar="FILE", help="also write everything measured to FILE")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected a number of at least 1, got " + text)
    return number


def _show(facts: Dict[str, str], found: Section) -> None:
    print(", ".join("{}: {}".format(name, value) for name, value in facts.items()))
    print()
    print(table(found.figures))
    print()
    for note in found.notes:
        print(note)
    print("Medians of rounds in which every peer takes its turn; ratios (and MiB more) are taken round by round,")
    print("with the lowest and highest in brackets. The goals are aims: nothing fails where one is not reached.")


def _save(file: Path, facts: Dict[str, str], found: Section) -> None:
    everything: Dict[str, Any] = {
        "machine": facts,
        "figures": [figure.as_json() for figure in found.figures],
        "notes": found.notes,
    }
    file.write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
