"""Calls with a callback: many in flight beside 1.1.0, and what handing one to a worker costs."""

import sys
from typing import List, Union

from benchmarks.figure import Figure, Goal, Section
from benchmarks.line_protocol import Message
from benchmarks.plan import OLD, NotRun, OldRelease, Plan
from benchmarks.process import LineProcess, ProcessFailed

_WORKERS = 64
_IN_FLIGHT = 200
#: Seconds that the server takes for an answer.
_DELAY = 0.05
_NAME = "callbacks: {} in flight, {} workers, {:.0f} ms an answer".format(_IN_FLIGHT, _WORKERS, _DELAY * 1000)
_HAND_OVER = "callbacks: to a worker and back"
_EXCHANGE = "a call in the caller's thread"


def figures(plan: Plan) -> Section:
    """Calls per second with many in flight, and the microseconds of a hand-over."""
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
        address = "127.0.0.1:{}".format(server.ready["ports"]["plain"])
        for _ in range(max(1, plan.rounds // 3)):
            # A process for each turn: 1.1.0 keeps the threads of every call it ever made.
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
                section.notes.append("{}: {} had {} threads at the most.".format(_NAME, OLD, found["threads"]))
    goal = Goal(3.0, at_least=True)
    if isinstance(old, NotRun):
        section.figures.append(Figure(_NAME, "calls/s", OLD, goal=goal, not_run=old.reason))
    else:
        section.figures.append(Figure(_NAME, "calls/s", OLD, tuple(ours), tuple(theirs), goal))
    section.notes.append(
        "{}: ours had {} threads at the most, the main one among them (goal: {} at the most).".format(
            _NAME, max(threads), _WORKERS + 2
        )
    )


def _turn(interpreter: str, kind: str, address: str, calls: int) -> Message:
    settings = {"kind": kind, "address": address, "tls": False, "ca_certs": "", "max_workers": _WORKERS}
    with LineProcess(interpreter, "benchmarks.callback_worker", settings) as worker:
        return worker.ask(calls=calls, in_flight=_IN_FLIGHT)


def _hand_over(plan: Plan, section: Section) -> None:
    """What the way to a worker and back adds to a call, beside the call."""
    rounds = plan.calls or 300
    alone: List[float] = []
    added: List[float] = []
    with LineProcess(sys.executable, "benchmarks.server", {}) as server:
        address = "127.0.0.1:{}".format(server.ready["ports"]["plain"])
        settings = {"kind": "sdk", "address": address, "tls": False, "ca_certs": "", "max_workers": _WORKERS}
        with LineProcess(sys.executable, "benchmarks.callback_worker", settings) as worker:
            worker.ask(hand_over=rounds // 3 + 1)  # opens the connections; nothing is measured cold
            for _ in range(plan.rounds):
                found = worker.ask(hand_over=rounds)
                alone.append(found["alone"])
                added.append(max(0.0, found["handed"] - found["alone"]))
    section.figures.append(
        Figure(_HAND_OVER, "us", _EXCHANGE, tuple(added), tuple(alone), Goal(0.25, at_least=False))
    )
