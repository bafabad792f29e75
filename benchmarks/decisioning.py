"""On-device decisions, in pure Python and with the extra ``speedups``, compared with 1.1.0 and the SDK for Node.js."""

import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple, Union

from benchmarks.artifacts import CLIENT, HINT, PARAMETERS, Document, Visit, one_test, page_of_24_rules, visitors
from benchmarks.figure import Figure, Goal, Section
from benchmarks.line_protocol import Message
from benchmarks.plan import NODE, OLD, SPEEDUPS, Library, NotRun, OldRelease, Plan
from benchmarks.process import LineProcess, ProcessFailed
from benchmarks.workload import ORGANIZATION

_WORKER = "benchmarks.decision_worker"
OURS = "ours"
#: Warm-up calls for a peer with a just-in-time compiler.
_WARM_UP = {NODE: 2500}
#: The number of visitors whose decisions are compared.
_COMPARED = 200

Peers = Dict[str, Union[LineProcess, NotRun]]
Measured = Dict[str, List[Message]]
Rates = Dict[str, Tuple[float, ...]]


class Workload(NamedTuple):
    """A workload, and the goals for the ratios to the peers, in pure Python and with the extra."""

    name: str
    artifact: Callable[[], Document]
    visit: Visit
    goals: Dict[str, Goal]
    goals_with_speedups: Dict[str, Goal]


def _times(old: float, node: float) -> Dict[str, Goal]:
    return {OLD: Goal(old, at_least=True), NODE: Goal(node, at_least=True)}


_WORKLOADS = (
    Workload("decision: A/B test, prefetch", one_test, Visit("prefetch", "home-hero"), _times(40, 14), _times(60, 20)),
    Workload("decision: A/B test, execute", one_test, Visit("execute", "home-hero"), _times(28, 9), _times(40, 12)),
    Workload("decision: page load, 24 rules", page_of_24_rules, Visit("prefetch", None, PARAMETERS), _times(60, 7), {}),
)
_NO_NETWORK = (
    "decision: notifications are not sent. This SDK and Node.js build them, and read a fixed answer without a socket.",
    "  1.1.0 builds none: its send_notifications is replaced by a function that only counts, in a thread per call.",
    "  This SDK builds them in a worker during the calls, Node.js after the last call, when its event loop runs.",
    "  The figures with 'notified' therefore include the time until all notifications are delivered.",
)


def figures(plan: Plan) -> Section:
    """Measure decisions per second."""
    section = Section([], [])
    with tempfile.TemporaryDirectory() as folder:
        for workload in _WORKLOADS:
            artifact = write_document(workload.artifact(), Path(folder) / "artifact.json")
            with ExitStack() as stack:
                _compare_peers(workload, _peers(artifact, workload.visit, plan, stack), plan, section)
        section.notes.extend(_NO_NETWORK)
    return section


def _peers(artifact: Path, visit: Visit, plan: Plan, stack: ExitStack) -> Peers:
    """Start all peers and return them by name. A peer that cannot be started is replaced by the reason."""
    peers: Peers = {OURS: stack.enter_context(start(OURS, artifact, visit, plan))}
    for name in (SPEEDUPS, OLD, NODE):
        try:
            peers[name] = stack.enter_context(start(name, artifact, visit, plan))
        except ProcessFailed as error:
            peers[name] = NotRun(str(error)[:120])
    return peers


def start(name: str, artifact: Path, visit: Visit, plan: Plan) -> LineProcess:
    """Start a peer. Raises :class:`ProcessFailed` with the reason if it cannot be started."""
    node = plan.node
    if name == NODE:
        if isinstance(node, NotRun):
            raise ProcessFailed(node.reason)
        settings = dict(decision_settings(NODE, artifact, visit), folder=node.folder)
        return LineProcess(node.node, "benchmarks/node_worker.js", settings)
    installed = interpreter_of(name, plan)
    if isinstance(installed, NotRun):
        raise ProcessFailed(installed.reason)
    return LineProcess(installed.interpreter, _WORKER, decision_settings(name, artifact, visit))


def interpreter_of(name: str, plan: Plan) -> Union[Library, OldRelease, NotRun]:
    """Return the interpreter of a Python peer, or the reason why it is missing."""
    return {SPEEDUPS: plan.speedups, OLD: plan.old_release}.get(name, Library(sys.executable))


def decision_settings(kind: str, artifact: Path, visit: Visit) -> Message:
    """Return the settings of a worker."""
    options = {"client": CLIENT, "organization": ORGANIZATION, "hint": HINT}
    return dict(options, kind=kind, artifact=str(artifact), visit=visit.as_json())


def write_document(document: Document, file: Path) -> Path:
    """Write an artifact to ``file``, and return ``file``."""
    file.write_text(json.dumps(document), encoding="utf-8")
    return file


def _compare_peers(workload: Workload, peers: Peers, plan: Plan, section: Section) -> None:
    running = {name: peer for name, peer in peers.items() if isinstance(peer, LineProcess)}
    found = measure_in_turns(running, plan, _WARM_UP)
    sides = ((OURS, workload.name, workload.goals),
             (SPEEDUPS, f"{workload.name}, speedups", workload.goals_with_speedups))  # fmt: skip
    for side, name, goals in sides:
        section.figures.extend(_rows(side, name, goals, peers, _rates(found, "seconds")))
        if workload.visit.mode == "execute":
            section.figures.extend(_rows(side, f"{name}, notified", {}, peers, _rates(found, "delivered")))
    if workload is _WORKLOADS[0]:
        versions = [peer.ready["version"] for peer in running.values()]
        section.notes.append(f"decision: with {', '.join(versions)}.")
    section.notes.append(_compare_decisions(workload, running))
    section.notes.append(_building_requests(workload, running))


def measure_in_turns(peers: Dict[str, LineProcess], plan: Plan, warm_up: Optional[Dict[str, int]] = None) -> Measured:
    """Return the measurements and the number of calls for every peer and round. Each peer has one turn in a round.

    ``warm_up`` contains the number of calls before the measurement, by peer. The default is 100.
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


def _rates(found: Measured, what: str) -> Rates:
    return {peer: tuple(turn["calls"] / turn[what] for turn in turns) for peer, turns in found.items()}


def _rows(side: str, name: str, goals: Dict[str, Goal], peers: Peers, rates: Rates) -> List[Figure]:
    """Return rows that compare this checkout with the other SDKs. ``side`` is ``ours`` or ``speedups``."""
    rows = []
    ours = rates.get(side, ())
    for peer in (OLD, NODE):
        missing = next((one.reason for one in (peers[side], peers[peer]) if isinstance(one, NotRun)), "")
        theirs = () if missing else rates[peer]
        rows.append(Figure(name, "calls/s", peer, ours, theirs, goals.get(peer), not_run=missing))
    return rows


def _compare_decisions(workload: Workload, peers: Dict[str, LineProcess]) -> str:
    """Return a note that says whether all peers decide the same for the same visitors."""
    ids = visitors("compared", _COMPARED)
    decisions = {name: peer.ask(visitors=ids)["decisions"] for name, peer in peers.items()}
    ours = decisions.pop(OURS)
    kinds = {json.dumps(decision, sort_keys=True) for decision in ours}
    text = f"{workload.name}: {_COMPARED} visitors got {len(kinds)} different answers"
    for name, theirs in decisions.items():
        different = sum(mine != other for mine, other in zip(ours, theirs))
        text += f"; {name} decided {f'DIFFERENTLY for {different} of them' if different else 'the same'}"
    return f"{text}."


def _building_requests(workload: Workload, peers: Dict[str, LineProcess]) -> str:
    """Return a note that says how much of each call is spent on building the request."""
    count = 2000
    each = {}
    for name, peer in peers.items():
        peer.ask(requests=count)
        each[name] = peer.ask(requests=count)["seconds"] / count * 1e6
    parts = [f"{microseconds:.1f} us ({name})" for name, microseconds in each.items()]
    return f"{workload.name}: building the request takes {', '.join(parts)} of each call."
