"""The memory that an artifact costs each worker of a preforking server."""

import sys
import tempfile
from pathlib import Path
from typing import Dict, List

from benchmarks.artifacts import EVERY, Visit, many_tests
from benchmarks.decisioning import OURS, decision_settings, written
from benchmarks.figure import Figure, Section
from benchmarks.plan import Plan
from benchmarks.process import LineProcess, ProcessFailed

_WORKER = "benchmarks.memory_worker"
_SIZES = (10, 1000, 10000)


def figures(plan: Plan) -> Section:
    """Measure the private memory of a forked worker for each size, with ``gc.freeze`` before the fork and without."""
    section = Section([], [])
    with tempfile.TemporaryDirectory() as folder:
        for size in sorted({min(size, plan.activities) for size in _SIZES}):
            _compare(size, written(many_tests(size), Path(folder) / "artifact.json"), plan, section)
    section.notes.append(
        "memory: per preforked worker: private memory of a child after 2,000 decisions and gc.collect(); the client and"
    )
    section.notes.append("  the artifact were created before the fork. What the child shares with it is left out.")
    return section


def _compare(size: int, artifact: Path, plan: Plan, section: Section) -> None:
    settings = decision_settings(OURS, artifact, Visit("prefetch", EVERY, {"category": "shoes"}))
    title = f"memory: per preforked worker, {size:,} activities"
    found: Dict[bool, List[float]] = {True: [], False: []}
    text = artifact.stat().st_size / 2**20
    for _ in range(max(1, plan.rounds // 3)):
        for freezes, each in found.items():
            try:
                with LineProcess(sys.executable, _WORKER, dict(settings, freezes=freezes)) as worker:
                    each.append(worker.ready["private"] / 2**20)
            except ProcessFailed as error:
                section.figures.append(Figure(title, "MiB", "with gc.freeze", not_run=str(error)[:120]))
                return
    plain, frozen = tuple(found[False]), tuple(found[True])
    section.figures.append(Figure(title, "MiB", "with gc.freeze", plain, frozen, by_difference=True))
    section.notes.append(f"{title}: the text of the artifact has {text:.1f} MiB.")
