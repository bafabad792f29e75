# ruff: noqa: T201 - a command-line program prints
"""Measures what updates of the artifact cost: ``python -m benchmarks.updates [--compare COMMIT] [--activities N ...]``.

It prints six figures with their goals: how long another thread waits while an artifact is swapped, how much longer a
full garbage collection takes, the resident memory, the CPU time of loading, the first use of an mbox, and the use of
many mboxes in turn. Further figures have no goals. All times but the first are CPU times.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from benchmarks.artifacts import many_tests
from benchmarks.figure import Section
from benchmarks.instructions import extract_packages
from benchmarks.plan import Plan
from benchmarks.process import ROOT, ProcessFailed, clean_environment
from benchmarks.update_worker import GENERATION, IN_TURN

ACTIVITIES = (10, 1000, 10000)
Measured = Dict[str, Any]
_WORKER = str(ROOT / "benchmarks" / "update_worker.py")
#: Seconds for one process.
_TIMEOUT = 900


class UpdateFigure(NamedTuple):
    """A figure to print, and how to compute it from the measurements."""

    name: str
    value: Callable[[Measured], float]
    unit: str
    #: The goal: the largest value for an artifact of 10,000 activities. None if there is no goal. The goal of
    #: ``loading`` is the value of the other commit.
    limit: Optional[float]


FIGURES = (
    UpdateFigure("longest wait of another thread", lambda found: found["wait"] * 1e3, "ms", 20),
    UpdateFigure("gc.collect() takes longer by", lambda found: found["collect"] * 1e3, "ms", 20),
    UpdateFigure("resident memory / text", lambda found: found["memory"] / found["size"], "x", 1.6),
    UpdateFigure("loading", lambda found: found["load"] * 1e3, "ms", None),
    UpdateFigure("first use of an mbox", lambda found: found["first"] * 1e3, "ms", 0.5),
    UpdateFigure(f"use of up to {IN_TURN:,} in turn / of two", lambda found: found["in_turn"], "x", 1.1),
)
#: Further figures, without goals.
MORE = (
    UpdateFigure("gc.collect(), all these in use", lambda found: found["collect_used"] * 1e3, "ms", None),
    UpdateFigure("memory / text, all these in use", lambda found: found["memory_used"] / found["size"], "x", None),
    UpdateFigure("a call, one mbox", lambda found: found["again"] * 1e3, "ms", None),
    UpdateFigure("a call, all mboxes in turn", lambda found: found["every"] * 1e3, "ms", None),
)


def figures(plan: Plan) -> Section:
    """Measure this checkout. The figures are notes, because there is no peer to compare them with."""
    found = measure([ROOT], [plan.activities])
    lines = [f"updates: {plan.activities:,} activities: {figure_text(figure, found[0][0])}." for figure in FIGURES]
    return Section([], lines)


def measure(folders: Sequence[Path], activities: Sequence[int]) -> List[List[Measured]]:
    """Return, for each number of activities, the measurements with the packages in each of the folders."""
    with tempfile.TemporaryDirectory() as name:
        for count in {1, *activities}:
            document = many_tests(count)
            document["localMboxes"].append(GENERATION)
            (Path(name) / f"{count}.json").write_text(json.dumps(document), encoding="utf-8")
        return [[_measured(folder, Path(name), count) for folder in folders] for count in activities]


def _measured(packages: Path, artifacts: Path, activities: int) -> Measured:
    command = [sys.executable, _WORKER, str(packages), str(artifacts), str(activities)]
    done = subprocess.run(
        command, env=clean_environment(), capture_output=True, text=True, timeout=_TIMEOUT, check=False
    )
    if done.returncode:
        raise ProcessFailed(f"{activities} activities: {''.join(done.stderr.splitlines()[-1:]) or done.returncode}")
    found: Measured = json.loads(done.stdout)
    return found


def figure_text(figure: UpdateFigure, found: Measured) -> str:
    """Return the name and the value of a figure."""
    return f"{figure.name} {figure.value(found):.2f} {figure.unit}"


def table(activities: Sequence[int], found: Sequence[Sequence[Measured]], commit: str) -> List[str]:
    """Return the figures as lines. Values of another commit come before an arrow, those of this checkout after it."""
    lines = [f"{'':<36}" + "".join(f"{f'{count:,} activities':>26}" for count in activities) + "   goal"]
    for figure in (*FIGURES, *MORE):
        cells = []
        for values in found:
            each = [f"{figure.value(value):.2f}" for value in values]
            cells.append(f"{' -> '.join(reversed(each))} {figure.unit}")
        goal = "" if figure.limit is None else f"<= {figure.limit:g} {figure.unit}"
        if figure.name == "loading" and commit:
            goal = f"<= {commit}"
        lines.append(f"{figure.name:<36}" + "".join(f"{cell:>26}" for cell in cells) + f"   {goal}".rstrip())
    return lines


def main(words: Optional[List[str]] = None) -> int:
    """Print the figures of this checkout and, before an arrow, those of another commit that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.updates", description=__doc__)
    parser.add_argument("--compare", metavar="COMMIT", help="also measure this commit")
    parser.add_argument("--activities", type=int, nargs="+", default=list(ACTIVITIES), help="sizes of the artifacts")
    chosen = parser.parse_args(words)
    try:
        with tempfile.TemporaryDirectory() as folder:
            folders = [ROOT]
            if chosen.compare:
                extract_packages(chosen.compare, Path(folder))
                folders.append(Path(folder))
            found = measure(folders, chosen.activities)
    except ProcessFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(table(chosen.activities, found, chosen.compare or "")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
