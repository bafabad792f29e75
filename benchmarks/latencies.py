"""The slowest calls of a busy process: the 99th percentile of on-device calls in threads and in an event loop."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Dict, List

from benchmarks.artifacts import Visit, one_test
from benchmarks.decisioning import OURS, decision_settings, interpreter_of, write_document
from benchmarks.figure import Figure, Section
from benchmarks.plan import OLD, SPEEDUPS, NotRun, Plan
from benchmarks.process import LineProcess, ProcessFailed

_WORKER = "benchmarks.latency_worker"
_KINDS = {"threads": "a busy sync worker", "loop": "an event loop"}


def figures(plan: Plan) -> Section:
    """Measure the calls in threads and in an event loop, with 1.1.0 as the peer."""
    section = Section([], [])
    with tempfile.TemporaryDirectory() as folder:
        artifact = write_document(one_test(), Path(folder) / "artifact.json")
        for kind, place in _KINDS.items():
            _compare(kind, f"call: p99 in {place}", artifact, plan, section)
    section.notes.append(
        "call: p99: 4 requests at a time, each with one call and 1 to 2 ms of other work in Python. In the event loop,"
    )
    section.notes.append(
        "  calls of this checkout are awaited; 1.1.0's run in an executor. The switch interval is Python's, 5 ms."
    )
    return section


def _compare(kind: str, title: str, artifact: Path, plan: Plan, section: Section) -> None:
    calls = plan.calls or max(200, int(1000 * plan.seconds))
    missing: Dict[str, str] = {}
    found: Dict[str, List[float]] = {}
    medians: Dict[str, List[float]] = {}
    with ExitStack() as stack:
        peers: Dict[str, LineProcess] = {}
        for name in (OURS, SPEEDUPS, OLD):
            interpreter = interpreter_of(name, plan)
            if isinstance(interpreter, NotRun):
                missing[name] = interpreter.reason
                continue
            settings = dict(decision_settings(name, artifact, Visit("execute", "home-hero")), runs_in=kind)
            try:
                peers[name] = stack.enter_context(LineProcess(interpreter.interpreter, _WORKER, settings))
            except ProcessFailed as error:
                missing[name] = str(error)[:120]
        for turn in range(plan.rounds):
            for name, peer in peers.items():
                answer = peer.ask(calls=calls, seed=f"round {turn}")
                found.setdefault(name, []).append(answer["p99"] * 1e3)
                medians.setdefault(name, []).append(answer["p50"] * 1e6)
    for side, name in ((OURS, title), (SPEEDUPS, f"{title}, speedups")):
        reason = missing.get(side) or missing.get(OLD, "")
        ours, theirs = tuple(found.get(side, ())), () if reason else tuple(found[OLD])
        section.figures.append(Figure(name, "ms", OLD, ours, theirs, not_run=reason))
    middle = sorted(medians[OURS])[len(medians[OURS]) // 2]
    section.notes.append(f"{title}: the median call takes {middle:.0f} us.")
