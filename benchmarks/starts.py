"""A cold start: from the start of a process to its first decision."""

import tempfile
import time
from pathlib import Path
from typing import Dict, List, Tuple

from benchmarks.artifacts import Visit, many_tests
from benchmarks.decisioning import OURS, start, write_document
from benchmarks.figure import Figure, Section
from benchmarks.plan import NODE, OLD, SPEEDUPS, Plan
from benchmarks.process import ProcessFailed

_SIZES = (10, 1000)


def figures(plan: Plan) -> Section:
    """Measure the start with a small artifact and with a larger one. A worker is ready after its first decision."""
    section = Section([], [])
    with tempfile.TemporaryDirectory() as folder:
        for size in _SIZES:
            _compare(size, write_document(many_tests(size), Path(folder) / "artifact.json"), plan, section)
    section.notes.append("start: the interpreter, the imports, reading the artifact from a file, and one decision.")
    return section


def _compare(size: int, artifact: Path, plan: Plan, section: Section) -> None:
    visit = Visit("prefetch", "mbox-00001", {"category": "shoes"})
    taken: Dict[str, List[float]] = {}
    missing: Dict[str, str] = {}
    for turn in range(-1, plan.rounds):  # the first turn fills the disk cache
        for name in (OURS, SPEEDUPS, OLD, NODE):
            if name in missing:
                continue
            started = time.perf_counter()
            try:
                with start(name, artifact, visit, plan):
                    seconds = time.perf_counter() - started
            except ProcessFailed as error:
                missing[name] = str(error)[:120]
                continue
            if turn >= 0:
                taken.setdefault(name, []).append(seconds * 1e3)
    values: Dict[str, Tuple[float, ...]] = {name: tuple(each) for name, each in taken.items()}
    title = f"start: first decision, {size:,} activities"
    for peer in (SPEEDUPS, OLD, NODE):
        row = Figure(title, "ms", peer, values[OURS], values.get(peer, ()), not_run=missing.get(peer, ""))
        section.figures.append(row)
