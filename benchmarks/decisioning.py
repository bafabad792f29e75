"""On-device decisions, compared with 1.1.0 and the SDK for Node.js."""

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
#: Warm-up calls for a peer with a just-in-time compiler.
_WARM_UP = {NODE: 2500}
#: Warm-up calls per activity, after which nearly every rule has been used.
_CALLS_PER_ACTIVITY = 2.5
#: The number of visitors whose decisions are compared.
_COMPARED = 200

Peers = Dict[str, Union[LineProcess, NotRun]]
Measured = Dict[str, List[Message]]


class Workload(NamedTuple):
    """A workload, and the goals for the ratios to the peers."""

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
    "decision: notifications are not sent. Ours and Node.js build each request and read an answer without a socket.",
    "  1.1.0 builds none: its send_notifications is replaced by a function that does nothing, in a thread per call.",
    "  Ours are built by a worker during the calls. Node.js builds them after the last call, when its event loop runs.",
    "  The figures with 'notified' therefore include the time until all notifications are delivered.",
)


def figures(plan: Plan) -> Section:
    """Measure decisions per second, decisions among many activities, and the compilation of a large artifact."""
    section = Section([], [])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for workload in _WORKLOADS:
            with ExitStack() as stack:
                _compare_peers(workload, _peers(workload, folder, plan, stack), plan, section)
        section.notes.extend(_NO_NETWORK)
        large = _written(many_tests(plan.activities), folder / "many.json")
        section.figures.append(_growth(plan, folder, large))
        section.figures.append(_compiling(plan, large))
    return section


def _peers(workload: Workload, folder: Path, plan: Plan, stack: ExitStack) -> Peers:
    """Start all peers. For a peer that cannot be started, return the reason."""
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


def _compare_peers(workload: Workload, peers: Peers, plan: Plan, section: Section) -> None:
    running = {name: peer for name, peer in peers.items() if isinstance(peer, LineProcess)}
    found = interleaved(running, plan, _WARM_UP)
    section.figures.extend(_rows(workload.name, "seconds", workload.goals, peers, found))
    if workload.visit.mode == "execute":
        section.figures.extend(_rows(workload.name + ", notified", "delivered", {}, peers, found))
    if workload is _WORKLOADS[0]:
        versions = [peer.ready["version"] for peer in running.values()]
        section.notes.append(f"decision: with {', '.join(versions)}.")
    section.notes.append(_compare_decisions(workload, running))
    section.notes.append(_building_requests(workload, running))


def interleaved(peers: Dict[str, LineProcess], plan: Plan, warm_up: Optional[Dict[str, int]] = None) -> Measured:
    """Return the measurements and the number of calls of every peer and round. Each peer has one turn in a round.

    ``warm_up`` is the number of calls before the measurement, for peers that need many.
    """
    calls = {}
    for name, peer in peers.items():
        before = (warm_up or {}).get(name, 100)
        calls[name] = plan.calls or _calls_in(plan.seconds / 2, peer, before)
    found: Measured = {name: [] for name in peers}
    for turn in range(plan.rounds):
        for name, peer in peers.items():
            measured = peer.ask(calls=calls[name], seed=f"round {turn}")
            found[name].append(dict(measured, calls=calls[name]))
    return found


def _calls_in(seconds: float, peer: LineProcess, warm_up: int) -> int:
    """Return about how many calls ``peer`` makes in ``seconds`` after its warm-up."""
    peer.ask(calls=warm_up, seed="warm-up")
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


def _compare_decisions(workload: Workload, peers: Dict[str, LineProcess]) -> str:
    """Return a note that says whether all peers decide the same for the same visitors."""
    ids = visitors("compared", _COMPARED)
    decisions = {name: peer.ask(visitors=ids)["decisions"] for name, peer in peers.items()}
    ours = decisions.pop(_OURS)
    kinds = {json.dumps(decision, sort_keys=True) for decision in ours}
    text = f"{workload.name}: {_COMPARED} visitors got {len(kinds)} different answers"
    for name, theirs in decisions.items():
        different = sum(mine != other for mine, other in zip(ours, theirs))
        text += f"; {name} decided {f'DIFFERENTLY for {different} of them' if different else 'the same'}"
    return f"{text}."


def _building_requests(workload: Workload, peers: Dict[str, LineProcess]) -> str:
    """Return a note on the time for building the request, which is part of each call."""
    count = 2000
    each = {}
    for name, peer in peers.items():
        peer.ask(requests=count)
        each[name] = peer.ask(requests=count)["seconds"] / count * 1e6
    parts = [f"{microseconds:.1f} us ({name})" for name, microseconds in each.items()]
    return f"{workload.name}: building the request takes {', '.join(parts)} of each call."


def _growth(plan: Plan, folder: Path, large: Path) -> Figure:
    """Measure a decision among many activities and among few. Each call requests another mbox."""
    visit = Visit("prefetch", EVERY, {"category": "shoes"})
    few = _written(many_tests(_FEW), folder / "few.json")
    with ExitStack() as stack:
        peers = {
            name: stack.enter_context(LineProcess(sys.executable, _WORKER, _settings("sdk", artifact, visit)))
            for name, artifact in (("many", large), ("few", few))
        }
        found = interleaved(peers, plan, {"many": int(_CALLS_PER_ACTIVITY * plan.activities)})
    each = {name: tuple(turn["seconds"] / turn["calls"] * 1e6 for turn in turns) for name, turns in found.items()}
    name = f"decision: among {plan.activities:,} activities"
    return Figure(name, "us", f"among {_FEW}", each["many"], each["few"], Goal(1.1, at_least=False))


def _compiling(plan: Plan, artifact: Path) -> Figure:
    with LineProcess(sys.executable, "benchmarks.compile_worker", {"artifact": str(artifact)}) as worker:
        worker.ask()  # warm-up
        turns = [worker.ask() for _ in range(plan.rounds // 2 + 1)]  # fewer, because each takes seconds
    name = f"artifact: compiling {plan.activities:,} activities"
    ours, theirs = (tuple(turn[what] * 1e3 for turn in turns) for what in ("compile", "loads"))
    return Figure(name, "ms", "json.loads", ours, theirs, Goal(3.0, at_least=False))
