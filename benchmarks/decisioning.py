"""On-device decisions beside 1.1.0 and the SDK for Node.js."""

import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional, Union

from benchmarks.artifacts import (
    CLIENT,
    EVERY,
    HINT,
    PARAMETERS,
    Document,
    Visit,
    many_tests,
    one_test,
    page_of_24_rules,
    visitors,
)
from benchmarks.figure import Figure, Goal, Section
from benchmarks.line_protocol import Message
from benchmarks.plan import NODE, OLD, NotRun, Plan
from benchmarks.process import LineProcess, ProcessFailed
from benchmarks.workload import ORGANIZATION

_WORKER = "benchmarks.decision_worker"
_OURS = "ours"
_FEW = 10
#: Calls after which a peer that compiles while it runs has got as fast as it gets.
_WARMING = {NODE: 2500}
#: Calls for each activity after which nearly every rule of it has been shown once.
_SHOWN = 2.5
#: Visitors whose decisions are compared.
_ALIKE = 200

Peers = Dict[str, Union[LineProcess, NotRun]]
Measured = Dict[str, List[Message]]


class Workload(NamedTuple):
    """What is decided, and how much faster than the peers ours should be."""

    name: str
    artifact: Callable[[], Document]
    visit: Visit
    goals: Dict[str, Goal]


def _times(old: float, node: float) -> Dict[str, Goal]:
    return {OLD: Goal(old, at_least=True), NODE: Goal(node, at_least=True)}


_WORKLOADS = (
    Workload("decision: A/B test, prefetch", one_test, Visit("prefetch", "home-hero"), _times(40, 12)),
    Workload("decision: A/B test, execute", one_test, Visit("execute", "home-hero"), _times(40, 12)),
    Workload("decision: page load, 24 rules", page_of_24_rules, Visit("prefetch", None, PARAMETERS), _times(60, 6)),
)
_NO_NETWORK = (
    "decision: notifications go nowhere. Ours and Node.js make each request and read an answer, without a socket;",
    "  1.1.0 makes none: its send_notifications is replaced by nothing, and what is left is a thread for each call.",
    "  Ours are made by a worker while the calls go on. Node.js makes none before the calls let its event loop run,",
    "  so all of them come after the last call: beside the calls' rate stands the rate until every one is out.",
)


def figures(plan: Plan) -> Section:
    """Decisions per second, what ten thousand activities do to them, and what it costs to compile those."""
    section = Section([], [])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for workload in _WORKLOADS:
            with ExitStack() as stack:
                _beside_peers(workload, _peers(workload, folder, plan, stack), plan, section)
        section.notes.extend(_NO_NETWORK)
        large = _written(many_tests(plan.activities), folder / "many.json")
        section.figures.append(_growth(plan, folder, large))
        section.figures.append(_compiling(plan, large))
    return section


def _peers(workload: Workload, folder: Path, plan: Plan, stack: ExitStack) -> Peers:
    """Everyone who decides, ready; or why somebody does not."""
    artifact = _written(workload.artifact(), folder / "artifact.json")
    settings = _settings("sdk", artifact, workload.visit)
    peers: Peers = {_OURS: stack.enter_context(LineProcess(sys.executable, _WORKER, settings))}
    starts: Dict[str, Union[NotRun, Callable[[], LineProcess]]] = {}
    old, node = plan.old_release, plan.node
    if isinstance(old, NotRun):
        starts[OLD] = old
    else:
        interpreter = old.interpreter
        starts[OLD] = lambda: LineProcess(interpreter, _WORKER, dict(settings, kind=OLD))
    if isinstance(node, NotRun):
        starts[NODE] = node
    else:
        program, more = node.node, {"folder": node.folder}
        starts[NODE] = lambda: LineProcess(program, "benchmarks/node_worker.js", dict(settings, **more))
    for name, start in starts.items():
        try:
            peers[name] = start if isinstance(start, NotRun) else stack.enter_context(start())
        except ProcessFailed as error:
            peers[name] = NotRun(str(error)[:120])
    return peers


def _settings(kind: str, artifact: Path, visit: Visit) -> Message:
    options = {"client": CLIENT, "organization": ORGANIZATION, "hint": HINT}
    return dict(options, kind=kind, artifact=str(artifact), visit=visit.as_json())


def _written(document: Document, file: Path) -> Path:
    file.write_text(json.dumps(document), encoding="utf-8")
    return file


def _beside_peers(workload: Workload, peers: Peers, plan: Plan, section: Section) -> None:
    running = {name: peer for name, peer in peers.items() if isinstance(peer, LineProcess)}
    found = interleaved(running, plan, _WARMING)
    section.figures.extend(_rows(workload.name, "seconds", workload.goals, peers, found))
    if workload.visit.mode == "execute":
        section.figures.extend(_rows(workload.name + ", notified", "delivered", {}, peers, found))
    if workload is _WORKLOADS[0]:
        versions = [peer.ready["version"] for peer in running.values()]
        section.notes.append("decision: by {}.".format(", ".join(versions)))
    section.notes.append(_alike(workload, running))
    section.notes.append(_making_requests(workload, running))


def interleaved(peers: Dict[str, LineProcess], plan: Plan, warming: Optional[Dict[str, int]] = None) -> Measured:
    """What every peer measured, round by round, each once in a round, and with how many calls.

    ``warming`` has the calls that a peer makes before, where a few do not warm it up.
    """
    calls = {}
    for name, peer in peers.items():
        before = (warming or {}).get(name, 100)
        calls[name] = plan.calls or _calls_in(plan.seconds / 2, peer, before)
    found: Measured = {name: [] for name in peers}
    for turn in range(plan.rounds):
        for name, peer in peers.items():
            measured = peer.ask(calls=calls[name], seed="round {}".format(turn))
            found[name].append(dict(measured, calls=calls[name]))
    return found


def _calls_in(seconds: float, peer: LineProcess, warming: int) -> int:
    """About how many calls ``peer`` makes in ``seconds``, once it is warm."""
    peer.ask(calls=warming, seed="warming")
    taken = peer.ask(calls=100, seed="measuring")["seconds"]
    return max(20, int(100 * seconds / taken))


def _rows(name: str, what: str, goals: Dict[str, Goal], peers: Peers, found: Measured) -> List[Figure]:
    rows = []
    rates = {peer: tuple(turn["calls"] / turn[what] for turn in turns) for peer, turns in found.items()}
    for peer, started in peers.items():
        if isinstance(started, NotRun):
            rows.append(Figure(name, "calls/s", peer, rates[_OURS], goal=goals.get(peer), not_run=started.reason))
        elif peer != _OURS:
            rows.append(Figure(name, "calls/s", peer, rates[_OURS], rates[peer], goals.get(peer)))
    return rows


def _alike(workload: Workload, peers: Dict[str, LineProcess]) -> str:
    """Whether everyone decides the same for the same visitors."""
    ids = visitors("alike", _ALIKE)
    decisions = {name: peer.ask(visitors=ids)["decisions"] for name, peer in peers.items()}
    ours = decisions.pop(_OURS)
    kinds = {json.dumps(decision, sort_keys=True) for decision in ours}
    text = "{}: {} visitors got {} different answers".format(workload.name, _ALIKE, len(kinds))
    for name, theirs in decisions.items():
        others = sum(mine != other for mine, other in zip(ours, theirs))
        text += "; {} decided {}".format(name, "OTHERWISE for {} of them".format(others) if others else "the same")
    return text + "."


def _making_requests(workload: Workload, peers: Dict[str, LineProcess]) -> str:
    """What of a call is the caller's own work: making the request."""
    count = 2000
    each = {}
    for name, peer in peers.items():
        peer.ask(requests=count)
        each[name] = peer.ask(requests=count)["seconds"] / count * 1e6
    parts = ["{:.1f} us ({})".format(microseconds, name) for name, microseconds in each.items()]
    return "{}: of each call, making the request is {}.".format(workload.name, ", ".join(parts))


def _growth(plan: Plan, folder: Path, large: Path) -> Figure:
    """Microseconds of a decision among many activities and among few, their mboxes asked for in turn."""
    visit = Visit("prefetch", EVERY, {"category": "shoes"})
    few = _written(many_tests(_FEW), folder / "few.json")
    with ExitStack() as stack:
        peers = {
            name: stack.enter_context(LineProcess(sys.executable, _WORKER, _settings("sdk", artifact, visit)))
            for name, artifact in (("many", large), ("few", few))
        }
        found = interleaved(peers, plan, {"many": int(_SHOWN * plan.activities)})
    each = {name: tuple(turn["seconds"] / turn["calls"] * 1e6 for turn in turns) for name, turns in found.items()}
    name = "decision: among {:,} activities".format(plan.activities)
    return Figure(name, "us", "among {}".format(_FEW), each["many"], each["few"], Goal(1.1, at_least=False))


def _compiling(plan: Plan, artifact: Path) -> Figure:
    with LineProcess(sys.executable, "benchmarks.compile_worker", {"artifact": str(artifact)}) as worker:
        worker.ask()  # nothing is measured cold
        turns = [worker.ask() for _ in range(plan.rounds // 2 + 1)]  # seconds each
    name = "artifact: compiling {:,} activities".format(plan.activities)
    ours, theirs = (tuple(turn[what] * 1e3 for turn in turns) for what in ("compile", "loads"))
    return Figure(name, "ms", "json.loads", ours, theirs, Goal(3.0, at_least=False))
