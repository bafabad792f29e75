"""The memory of each worker of a preforking server, by the size of the artifact."""

import subprocess
from pathlib import Path
from typing import Dict, List

from benchmarks.figure import Figure, Section
from benchmarks.plan import Plan
from benchmarks.preforking import BEFORE_FORK, CALLS, FROZEN, IN_WORKER, MBOXES, measure
from benchmarks.updates import ACTIVITIES

_PEERS = {IN_WORKER: "client created in each worker", FROZEN: "gc.freeze() before the fork"}


def figures(plan: Plan) -> Section:
    """Compare a client created before the fork with one created in each worker and one frozen by ``gc.freeze()``."""
    section = Section([], [])
    for size in sorted({min(size, plan.activities) for size in ACTIVITIES}):
        title = f"memory: per preforked worker, {size:,} activities"
        reason = ""
        found: List[Dict[str, float]] = []
        if not Path("/proc/self/smaps_rollup").exists():
            reason = "this system does not report private memory"
        else:
            try:
                found = [measure(size) for _ in range(max(1, plan.rounds // 4))]
            except subprocess.SubprocessError as error:
                reason = str(error)[:120]
        ours = tuple(each[BEFORE_FORK] for each in found)
        for way, peer in _PEERS.items():
            theirs = tuple(each[way] for each in found)
            section.figures.append(Figure(title, "MiB", peer, ours, theirs, by_difference=True, not_run=reason))
    load = f"{CALLS} calls for {MBOXES} different mboxes"
    section.notes.append(f"memory: private memory of a worker after {load} and a full garbage collection.")
    return section
