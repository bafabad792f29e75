"""A flag with ``get_attributes``, compared with optimizely-sdk."""

import sys
from contextlib import ExitStack
from typing import Union

from benchmarks.decisioning import interleaved
from benchmarks.figure import Figure, Goal, Section
from benchmarks.plan import OPTIMIZELY, NotRun, Plan
from benchmarks.process import LineProcess, ProcessFailed

_WORKER = "benchmarks.flag_worker"
_NAME = "flag: get_attributes"
_PEER = "optimizely decide"
_GOAL = Goal(1.0, at_least=True)


def figures(plan: Plan) -> Section:
    """Measure the flags per second, each for a new user."""
    with ExitStack() as stack:
        peers = {"ours": stack.enter_context(LineProcess(sys.executable, _WORKER, {"kind": "sdk"}))}
        theirs = _optimizely(plan)
        if isinstance(theirs, LineProcess):
            peers[OPTIMIZELY] = stack.enter_context(theirs)
        found = interleaved(peers, plan)
    rates = {name: tuple(turn["calls"] / turn["seconds"] for turn in turns) for name, turns in found.items()}
    if isinstance(theirs, NotRun):
        return Section([Figure(_NAME, "calls/s", _PEER, rates["ours"], goal=_GOAL, not_run=theirs.reason)], [])
    note = f"{_NAME}: compared with {theirs.ready['version']}; its events and our notifications are discarded."
    return Section([Figure(_NAME, "calls/s", _PEER, rates["ours"], rates[OPTIMIZELY], _GOAL)], [note])


def _optimizely(plan: Plan) -> Union[LineProcess, NotRun]:
    if isinstance(plan.optimizely, NotRun):
        return plan.optimizely
    try:
        return LineProcess(plan.optimizely.interpreter, _WORKER, {"kind": OPTIMIZELY})
    except ProcessFailed as error:
        return NotRun(str(error)[:120])
