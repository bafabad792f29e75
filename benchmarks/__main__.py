"""``python -m benchmarks``: measure, and print the table."""
# ruff: noqa: T201 - a program's output

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set, Tuple, TypeVar, Union

from benchmarks import callbacks, decisioning, delivery, flags, imports
from benchmarks.figure import Section, table
from benchmarks.machine import machine
from benchmarks.peers import node_release, old_release, optimizely
from benchmarks.plan import NODE, OLD, OPTIMIZELY, NotRun, Plan
from benchmarks.process import ProcessFailed

PeerT = TypeVar("PeerT")


class Benchmark(NamedTuple):
    """What measures, and which peers it asks for."""

    figures: Callable[[Plan], Section]
    peers: Tuple[str, ...]


BENCHMARKS: Dict[str, Benchmark] = {
    "delivery": Benchmark(delivery.figures, (OLD,)),
    "callbacks": Benchmark(callbacks.figures, (OLD,)),
    "decisioning": Benchmark(decisioning.figures, (OLD, NODE)),
    "flags": Benchmark(flags.figures, (OPTIMIZELY,)),
    "imports": Benchmark(imports.figures, (OLD,)),
}


def plan_from(arguments: argparse.Namespace) -> Plan:
    """What the command line asks for; installs the peers that take part."""
    chosen = [BENCHMARKS[name] for name in arguments.only or BENCHMARKS]
    needed = {peer for benchmark in chosen for peer in benchmark.peers} - set(arguments.without)
    return Plan(
        rounds=arguments.rounds or (3 if arguments.quick else 9),
        import_rounds=arguments.rounds or (5 if arguments.quick else 15),
        seconds=0.25 if arguments.quick else 0.5,
        calls=arguments.calls,
        activities=arguments.activities,
        old_release=_peer(OLD, old_release, needed),
        node=_peer(NODE, node_release, needed),
        optimizely=_peer(OPTIMIZELY, optimizely, needed),
    )


def _peer(name: str, find: Callable[[], Union[PeerT, NotRun]], needed: Set[str]) -> Union[PeerT, NotRun]:
    if name not in needed:
        return NotRun("left out by --no-" + name)
    _say("looking for {} (installed under .bench/ the first time) ...".format(name))
    return find()


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
            section = BENCHMARKS[name].figures(plan)
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
    parser.add_argument("--activities", type=_positive, default=10000, help="in the large artifact; 10000 by itself")
    parser.set_defaults(without=[])
    for peer, what in ((OLD, "the old release"), (NODE, "the SDK for Node.js"), (OPTIMIZELY, "optimizely-sdk")):
        parser.add_argument(
            "--no-" + peer, dest="without", action="append_const", const=peer, help="leave {} out".format(what))
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
