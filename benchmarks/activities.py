"""Decisions with artifacts of different sizes, and the compilation of a large one."""

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Dict, Tuple

from benchmarks.artifacts import EVERY, IN_TURN, Visit, crowded_mbox, many_tests
from benchmarks.decisioning import OURS, measure_in_turns, start, write_document
from benchmarks.figure import Figure, Goal, Section
from benchmarks.plan import SPEEDUPS, Plan
from benchmarks.process import LineProcess, ProcessFailed

_FEW = 10
_CROWD = 100
#: Warm-up calls per mbox, after which most of the offers have been read.
_CALLS_PER_MBOX = 2.5
#: The peer to run and its artifact, by ``ours`` and ``theirs``, the two columns of a figure.
_Runs = Dict[str, Tuple[str, Path]]


def figures(plan: Plan) -> Section:
    """Measure the compilation, and decisions with few activities, with many, and with many on one mbox."""
    visit = Visit("prefetch", EVERY, {"category": "shoes"})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        many = write_document(many_tests(plan.activities), folder / "many.json")
        few = write_document(many_tests(_FEW), folder / "few.json")
        crowded = write_document(crowded_mbox(_CROWD), folder / "crowded.json")
        in_turn = min(IN_TURN, plan.activities)
        rows = []
        for side, suffix, goal in ((OURS, "", Goal(1.1, at_least=False)), (SPEEDUPS, ", speedups", None)):
            title = f"decision: {in_turn:,} mboxes, {plan.activities:,} activities{suffix}"
            runs: _Runs = {"ours": (side, many), "theirs": (side, few)}
            rows.append(_compared(Figure(title, "us", f"{_FEW} activities", goal=goal), runs, visit, plan))
        runs = {"ours": (SPEEDUPS, crowded), "theirs": (OURS, crowded)}
        title, goal = f"decision: {_CROWD} activities on one mbox, speedups", Goal(0.5, at_least=False)
        row = Figure(title, "us", "pure Python", goal=goal)
        rows.append(_compared(row, runs, Visit("prefetch", "crowded"), plan))
        return Section([*rows, _compiling(plan, many)], [])


def _compared(row: Figure, runs: _Runs, visit: Visit, plan: Plan) -> Figure:
    """Return the row, completed with the microseconds of a decision in each of two processes."""
    with ExitStack() as stack:
        try:
            peers = {run: stack.enter_context(start(side, file, visit, plan)) for run, (side, file) in runs.items()}
        except ProcessFailed as error:
            return row._replace(not_run=str(error)[:120])
        warm_up = int(_CALLS_PER_MBOX * min(IN_TURN, plan.activities))
        found = measure_in_turns(peers, plan, dict.fromkeys(runs, warm_up))
    each = {run: tuple(turn["seconds"] / turn["calls"] * 1e6 for turn in turns) for run, turns in found.items()}
    return row._replace(ours=each["ours"], theirs=each["theirs"])


def _compiling(plan: Plan, artifact: Path) -> Figure:
    with LineProcess(sys.executable, "benchmarks.compile_worker", {"artifact": str(artifact)}) as worker:
        worker.ask()  # warm-up
        turns = [worker.ask() for _ in range(plan.rounds // 2 + 1)]  # each takes seconds
    name = f"artifact: compiling {plan.activities:,} activities"
    ours, theirs = (tuple(turn[what] * 1e3 for turn in turns) for what in ("compile", "loads"))
    return Figure(name, "ms", "json.loads", ours, theirs, Goal(3.0, at_least=False))
