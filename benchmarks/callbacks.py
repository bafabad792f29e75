"""Calls with a callback: many in flight, compared with 1.1.0, and the time that a worker adds to a call."""

import sys
from typing import List, Union

from benchmarks.figure import Figure, Goal, Section
from benchmarks.line_protocol import Message
from benchmarks.plan import OLD, NotRun, OldRelease, Plan
from benchmarks.process import LineProcess, ProcessFailed

_WORKERS = 64
_IN_FLIGHT = 200
#: Seconds until the server answers.
_DELAY = 0.05
_NAME = f"callbacks: {_IN_FLIGHT} in flight, {_WORKERS} workers, {_DELAY * 1000:.0f} ms per answer"
_HAND_OVER = "callbacks: to a worker and back"
_BLOCKING_CALL = "a call in the caller's thread"


def figures(plan: Plan) -> Section:
    """Measure the calls per second with many in flight, and the microseconds that a worker adds."""
    section = Section([], [])
    _throughput(plan, section)
    _hand_over(plan, section)
    return section


def _throughput(plan: Plan, section: Section) -> None:
    calls = plan.calls or 3 * _IN_FLIGHT
    ours: List[float] = []
    theirs: List[float] = []
    threads: List[int] = []
    old: Union[OldRelease, NotRun] = plan.old_release
    with LineProcess(sys.executable, "benchmarks.server", {"delay": _DELAY}) as server:
        address = f"127.0.0.1:{server.ready['ports']['plain']}"
        for _ in range(max(1, plan.rounds // 3)):
            # Each turn has a new process, because 1.1.0 keeps the threads of all calls.
            found = _turn(sys.executable, "sdk", address, calls)
            ours.append(calls / found["seconds"])
            threads.append(found["threads"])
            if isinstance(old, OldRelease):
                try:
                    found = _turn(old.interpreter, OLD, address, calls)
                except ProcessFailed as error:
                    old = NotRun(str(error)[:120])
                    continue
                theirs.append(calls / found["seconds"])
                section.notes.append(f"{_NAME}: {OLD} had at most {found['threads']} threads.")
    goal = Goal(3.0, at_least=True)
    if isinstance(old, NotRun):
        section.figures.append(Figure(_NAME, "calls/s", OLD, goal=goal, not_run=old.reason))
    else:
        section.figures.append(Figure(_NAME, "calls/s", OLD, tuple(ours), tuple(theirs), goal))
    section.notes.append(
        f"{_NAME}: ours had at most {max(threads)} threads, including the main thread (goal: at most {_WORKERS + 2})."
    )


def _turn(interpreter: str, kind: str, address: str, calls: int) -> Message:
    settings = {"kind": kind, "address": address, "tls": False, "ca_certs": "", "max_workers": _WORKERS}
    with LineProcess(interpreter, "benchmarks.callback_worker", settings) as worker:
        return worker.ask(calls=calls, in_flight=_IN_FLIGHT)


def _hand_over(plan: Plan, section: Section) -> None:
    """Measure the time that a worker adds to a call."""
    rounds = plan.calls or 300
    alone: List[float] = []
    added: List[float] = []
    with LineProcess(sys.executable, "benchmarks.server", {}) as server:
        address = f"127.0.0.1:{server.ready['ports']['plain']}"
        settings = {"kind": "sdk", "address": address, "tls": False, "ca_certs": "", "max_workers": _WORKERS}
        with LineProcess(sys.executable, "benchmarks.callback_worker", settings) as worker:
            worker.ask(hand_over=rounds // 3 + 1)  # opens the connections before the measurement
            for _ in range(plan.rounds):
                found = worker.ask(hand_over=rounds)
                alone.append(found["alone"])
                added.append(max(0.0, found["handed"] - found["alone"]))
    section.figures.append(
        Figure(_HAND_OVER, "us", _BLOCKING_CALL, tuple(added), tuple(alone), Goal(0.25, at_least=False))
    )
