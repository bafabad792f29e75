"""A flag with ``get_attributes``, compared with other libraries. Only the comparison with optimizely-sdk has goals."""

import sys
from contextlib import ExitStack
from typing import Dict, List, Tuple, Union

from benchmarks.decisioning import OURS, measure_in_turns
from benchmarks.figure import Figure, Goal, Section
from benchmarks.plan import FIELD, OPTIMIZELY, SPEEDUPS, Library, NotRun, Plan
from benchmarks.process import LineProcess, ProcessFailed

_WORKER = "benchmarks.flag_worker"
_NAME = "flag: get_attributes"
_GOALS = {OURS: Goal(0.7, at_least=True), SPEEDUPS: Goal(0.9, at_least=True)}


def figures(plan: Plan) -> Section:
    """Measure how many flags are evaluated per second, each for a new user."""
    wanted: Dict[str, Union[Library, NotRun]] = {OURS: Library(sys.executable), SPEEDUPS: plan.speedups}
    wanted.update({OPTIMIZELY: plan.optimizely}, **plan.field)
    missing: Dict[str, str] = {}
    peers: Dict[str, LineProcess] = {}
    with ExitStack() as stack:
        for name, library in wanted.items():
            try:
                if isinstance(library, NotRun):
                    raise ProcessFailed(library.reason)
                peers[name] = stack.enter_context(LineProcess(library.interpreter, _WORKER, {"kind": name}))
            except ProcessFailed as error:
                missing[name] = str(error)[:120]
        found = measure_in_turns(peers, plan)
    rates = {name: tuple(turn["calls"] / turn["seconds"] for turn in turns) for name, turns in found.items()}
    rows = [_row(side, OPTIMIZELY, rates, missing) for side in (OURS, SPEEDUPS)]
    rows += [_row(OURS, name, rates, missing) for name in FIELD]
    versions = [peer.ready["version"] for name, peer in peers.items() if name not in (OURS, SPEEDUPS)]
    notes = [f"{_NAME}: compared with {', '.join(versions)}; their events and our notifications are discarded."]
    return Section(rows, notes if versions else [])


def _row(side: str, peer: str, rates: Dict[str, Tuple[float, ...]], missing: Dict[str, str]) -> Figure:
    reasons: List[str] = [missing[name] for name in (side, peer) if name in missing]
    name = _NAME if side == OURS else f"{_NAME}, {side}"
    title = f"{peer} decide" if peer == OPTIMIZELY else peer
    goal = _GOALS[side] if peer == OPTIMIZELY else None
    if reasons:
        return Figure(name, "calls/s", title, rates.get(side, ()), goal=goal, not_run=reasons[0])
    return Figure(name, "calls/s", title, rates[side], rates[peer], goal)
