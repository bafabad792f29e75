"""Compares ``get_offers`` with 1.1.0, and with raw urllib3 that sends the same request."""

import importlib
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, Dict, List, NamedTuple, Tuple, Union

from benchmarks.figure import Figure, Goal, Section
from benchmarks.line_protocol import Message
from benchmarks.plan import OLD, NotRun, Plan
from benchmarks.process import LineProcess, ProcessFailed

RAW = "raw urllib3"
_THREADS = (1, 16)
_GOALS = {1: Goal(0.75, at_least=True), 16: Goal(0.75, at_least=True)}
_SCHEMES = {"plain": "http", "TLS": "https"}

Rates = Dict[str, Tuple[float, ...]]


class Setting(NamedTuple):
    """The transport to measure (``plain`` or ``TLS``), the server's port for it, and the certificates to trust."""

    transport: str
    port: int
    ca_certs: str

    def worker(self, kind: str, **more: Any) -> Message:
        """Return the settings of a worker process of this ``kind``."""
        address = f"127.0.0.1:{self.port}"
        settings = {"kind": kind, "address": address, "tls": self.transport == "TLS", "ca_certs": self.ca_certs}
        return dict(settings, threads=max(_THREADS), **more)


def figures(plan: Plan) -> Section:
    """Measure the calls per second of one thread and of several, with and without TLS."""
    section = Section([], [])
    with tempfile.TemporaryDirectory() as folder:
        certificate, ca_certs = _certificates(Path(folder))
        with LineProcess(sys.executable, "benchmarks.server", {"certificate": certificate}) as server:
            for transport in _SCHEMES:
                if transport in server.ready["ports"]:
                    part = _measure(Setting(transport, server.ready["ports"][transport], ca_certs), server, plan)
                else:
                    part = Section(_not_run(transport, "trustme is not installed"), [])
                section.figures.extend(part.figures)
                section.notes.extend(part.notes)
    return section


def _certificates(folder: Path) -> Tuple[str, str]:
    """Return the paths of the server's certificate and the CA certificate, or two empty strings without ``trustme``."""
    try:
        trustme = importlib.import_module("trustme")
    except ImportError:
        return "", ""
    authority = trustme.CA()
    server, trusted = folder / "server.pem", folder / "authority.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(server))
    authority.cert_pem.write_to_path(str(trusted))
    return str(server), str(trusted)


def _measure(setting: Setting, server: LineProcess, plan: Plan) -> Section:
    section = Section([], [])
    with ExitStack() as stack:
        ours = stack.enter_context(LineProcess(sys.executable, "benchmarks.worker", setting.worker("sdk")))
        raw = stack.enter_context(_raw(setting, server))
        old = _old(setting, plan)
        peers = {"ours": ours, RAW: raw}
        if isinstance(old, LineProcess):
            peers[OLD] = stack.enter_context(old)
        for threads in _THREADS:
            rates = _measure_in_turns(peers, threads, plan, server)
            reason = old.reason if isinstance(old, NotRun) else ""
            section.figures.extend(_compared(_name(setting.transport, threads), rates, _GOALS[threads], reason))
            section.notes.extend(_old_compared_with_raw(_name(setting.transport, threads), rates))
        section.notes.append(_server_alone(setting.transport, server, raw))
    return section


def _raw(setting: Setting, server: LineProcess) -> LineProcess:
    """Start a worker that sends the SDK's last request (request line, headers, body) with urllib3 alone."""
    sent = server.ask()["request"]
    target = sent["line"].split(" ")[1]
    url = f"{_SCHEMES[setting.transport]}://127.0.0.1:{setting.port}{target}"
    settings = setting.worker("raw", url=url, headers=sent["headers"], body=sent["body"])
    raw = LineProcess(sys.executable, "benchmarks.worker", settings)
    if _parts(server.ask()["request"]) != _parts(sent):
        raw.end()
        raise ProcessFailed("raw urllib3 did not send the same request as the SDK")
    return raw


def _parts(request: Message) -> Tuple[str, List[List[str]], str]:
    """Return the parts of a request to compare. Headers are sorted because urllib3 changes their order."""
    return request["line"], sorted(request["headers"]), request["body"]


def _old(setting: Setting, plan: Plan) -> Union[LineProcess, NotRun]:
    if isinstance(plan.old_release, NotRun):
        return plan.old_release
    try:
        return LineProcess(plan.old_release.interpreter, "benchmarks.worker", setting.worker(OLD))
    except ProcessFailed as error:
        return NotRun(str(error)[:120])


def _measure_in_turns(peers: Dict[str, LineProcess], threads: int, plan: Plan, server: LineProcess) -> Rates:
    """Return the calls per second of every peer in every round. Each peer has one turn in a round.

    Raises ``ProcessFailed`` if a peer did not make exactly one request per call.
    """
    calls = {name: plan.calls or _estimate_calls(plan.seconds, peer, threads) for name, peer in peers.items()}
    rates: Dict[str, List[float]] = {name: [] for name in peers}
    for _ in range(plan.rounds):
        for name, peer in peers.items():
            before = server.ask()["served"]
            rates[name].append(calls[name] / peer.ask(calls=calls[name], threads=threads)["seconds"])
            served = server.ask()["served"] - before
            if served != calls[name]:
                raise ProcessFailed(f"{name} made {served} requests for {calls[name]} calls")
    return {name: tuple(values) for name, values in rates.items()}


def _estimate_calls(seconds: float, peer: LineProcess, threads: int) -> int:
    """Estimate how many calls ``peer`` makes in ``seconds``. The measurement also warms up the peer."""
    calls = 20 + 4 * threads
    rate = calls / peer.ask(calls=calls, threads=threads)["seconds"]
    return max(2 * threads, int(rate * seconds))


def _name(transport: str, threads: int) -> str:
    return f"get_offers: {transport}, {threads} thread{'' if threads == 1 else 's'}"


def _compared(name: str, rates: Rates, goal: Goal, reason: str) -> List[Figure]:
    compared_with_raw = Figure(name, "calls/s", RAW, rates["ours"], rates[RAW], goal)
    if OLD in rates:
        return [compared_with_raw, Figure(name, "calls/s", OLD, rates["ours"], rates[OLD])]
    return [compared_with_raw, Figure(name, "calls/s", OLD, not_run=reason)]


def _not_run(transport: str, reason: str) -> List[Figure]:
    return [
        Figure(_name(transport, threads), "calls/s", peer, goal=goal, not_run=reason)
        for threads in _THREADS
        for peer, goal in ((RAW, _GOALS[threads]), (OLD, None))
    ]


def _old_compared_with_raw(name: str, rates: Rates) -> List[str]:
    if OLD not in rates:
        return []
    ratio = median(old / raw for old, raw in zip(rates[OLD], rates[RAW]))
    return [f"{name}: {OLD} reaches {ratio:.3f} x raw urllib3."]


def _server_alone(transport: str, server: LineProcess, raw: LineProcess) -> str:
    """Return a note on the server's own CPU time, so that readers can see whether the server limits the results."""
    before = server.ask()
    raw.ask(calls=200, threads=1)
    after = server.ask()
    cpu_seconds = (after["cpu_seconds"] - before["cpu_seconds"]) / (after["served"] - before["served"])
    microseconds, most = f"{cpu_seconds * 1e6:.0f}", f"{1 / cpu_seconds:,.0f}"
    return f"The server needs {microseconds} us of CPU per answer ({transport}): at most {most} answers per second."
