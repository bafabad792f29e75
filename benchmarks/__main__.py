# ruff: noqa: T201 - a command-line program prints
"""Command line: ``python -m benchmarks`` measures and prints the table."""

import argparse
import datetime
import functools
import sys
import time
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional, Set, Tuple, TypeVar, Union

from benchmarks import (
    activities,
    callbacks,
    decisioning,
    delivery,
    flags,
    imports,
    instructions,
    latencies,
    memory,
    starts,
    updates,
)
from benchmarks.figure import Section, table
from benchmarks.instructions import find_valgrind
from benchmarks.machine import machine
from benchmarks.peers import in_the_field, node_release, old_release, optimizely, speedups
from benchmarks.plan import FIELD, NODE, OLD, OPTIMIZELY, SPEEDUPS, VALGRIND, NotRun, Plan
from benchmarks.process import ProcessFailed
from benchmarks.record import record

PeerT = TypeVar("PeerT")


class Benchmark(NamedTuple):
    """A benchmark, and the peers that it needs."""

    figures: Callable[[Plan], Section]
    peers: Tuple[str, ...]


BENCHMARKS: Dict[str, Benchmark] = {
    "delivery": Benchmark(delivery.figures, (OLD,)),
    "callbacks": Benchmark(callbacks.figures, (OLD,)),
    "decisioning": Benchmark(decisioning.figures, (SPEEDUPS, OLD, NODE)),
    "activities": Benchmark(activities.figures, (SPEEDUPS,)),
    "flags": Benchmark(flags.figures, (SPEEDUPS, OPTIMIZELY, *FIELD)),
    "starts": Benchmark(starts.figures, (SPEEDUPS, OLD, NODE)),
    "latencies": Benchmark(latencies.figures, (SPEEDUPS, OLD)),
    "memory": Benchmark(memory.figures, ()),
    "imports": Benchmark(imports.figures, (OLD,)),
    "updates": Benchmark(updates.figures, ()),
    "instructions": Benchmark(instructions.figures, (VALGRIND,)),
}


def plan_from(arguments: argparse.Namespace) -> Plan:
    """Return the plan for the command line, and install the peers that the chosen benchmarks need."""
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
        valgrind=_peer(VALGRIND, find_valgrind, needed),
        speedups=_peer(SPEEDUPS, speedups, needed),
        field={name: _peer(name, functools.partial(in_the_field, name), needed) for name in FIELD},
    )


def _peer(name: str, find: Callable[[], Union[PeerT, NotRun]], needed: Set[str]) -> Union[PeerT, NotRun]:
    if name not in needed:
        return NotRun(f"left out by --no-{name}")
    _log(f"looking for {name} (the first run installs peers under .bench/)")
    return find()


def main(words: Optional[List[str]] = None) -> int:
    """Run the benchmarks. Return 1 if one of them failed. A missed goal is not a failure."""
    arguments = _parser().parse_args(words)
    facts = {"date": datetime.date.today().isoformat(), **machine()}
    plan = plan_from(arguments)
    found, exit_code = Section([], []), 0
    started = time.monotonic()
    for name in arguments.only or list(BENCHMARKS):
        _log(f"measuring {name} ...")
        try:
            section = BENCHMARKS[name].figures(plan)
        except ProcessFailed as error:
            _log(f"{name} failed: {error}")
            exit_code = 1
            continue
        found.figures.extend(section.figures)
        found.notes.extend(section.notes)
    facts["took"] = f"{time.monotonic() - started:.0f} s"
    text = _text(facts, found)
    print(text)
    if arguments.record:
        record(Path(arguments.record), facts, found, text)
    return exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--rounds", type=_positive, help="the number of rounds; each peer has one turn in each")
    parser.add_argument("--calls", type=_positive, help="the number of calls in a turn, instead of a duration")
    parser.add_argument("--only", choices=sorted(BENCHMARKS), action="append", help="a benchmark to run; repeatable")
    parser.add_argument("--activities", type=_positive, default=10000, help="size of the large artifact (10000)")
    parser.set_defaults(without=[])
    for peer, name in (
        (OLD, "the old release"),
        (NODE, "the SDK for Node.js"),
        (OPTIMIZELY, "optimizely-sdk"),
        *((name, name) for name in FIELD),
        (SPEEDUPS, "this checkout with its extra 'speedups'"),
        (VALGRIND, "the counts of instructions"),
    ):
        parser.add_argument(f"--no-{peer}", dest="without", action="append_const", const=peer, help=f"leave out {name}")
    parser.add_argument(
        "--record", metavar="FOLDER", help="write performance.json and performance.svg, and update performance.md there"
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got {text}")
    return number


def _text(facts: Dict[str, str], found: Section) -> str:
    """Return the output: the facts about the machine, the table and the notes."""
    return "\n".join([
        ", ".join(f"{name}: {value}" for name, value in facts.items()),
        "",
        table(found.figures),
        "",
        *found.notes,
        "Figures are medians of rounds in which each peer has one turn. Ratios (for MiB: differences) are computed",
        "for each round; the lowest and highest are in brackets. A goal that is not reached is not an error.",
    ])  # fmt: skip


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
