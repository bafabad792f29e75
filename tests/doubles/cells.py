"""Run one cell of the matrix: the server in this process, the double and the calls in a new process."""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple

from target_python_sdk.testing import SocketServer, response
from tests.doubles.calls import PLAIN
from tests.doubles.catalog import ANSWERS, BLOCKS, REAL_CLOCK, REPLAYS, SEES, TRACES, Double
from tests.doubles.payload import DRIPPING, FAILING, FROM_DOUBLE, HANGING, SLOW, answer
from tests.doubles.run import MARK, STOP
from tests.support import body_of

ROOT = Path(__file__).resolve().parent.parent.parent
#: Seconds. A cell takes one or two; after this limit its process is killed.
LIMIT = 60


class Cell(NamedTuple):
    """One process: a double, a form of call, and whether the SDK is used before the double is switched on."""

    double: Double
    form: str
    start: str


class CellFailed(AssertionError):
    """Raised if a double or monitor does not have the expected effect on a call."""


class Run:
    """The report of a process and the requests that reached the server."""

    def __init__(self, report: Dict[str, Any], requests: List[bytes]) -> None:
        self.report = report
        self.requests = {_mbox(raw): raw for raw in requests}
        self.names = sorted(_mbox(raw) for raw in requests)


def missing(double: Double) -> List[str]:
    """Return the modules that ``double`` needs and this interpreter lacks."""
    return missing_modules(double.needs)


def missing_modules(names: Iterable[str]) -> List[str]:
    """Return the modules that this interpreter lacks."""
    return [name for name in names if not _is_installed(name)]


@contextlib.contextmanager
def run_in_parallel(cells: Iterable[Cell]) -> "Iterator[Dict[Cell, Future[None]]]":
    """Run one cell per processor at a time. Yield the future of each cell. ``result`` may raise ``CellFailed``."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = {cell: pool.submit(run, cell) for cell in cells}
        try:
            yield futures
        finally:
            for future in futures.values():
                future.cancel()


def run(cell: Cell) -> None:
    """Raise ``CellFailed`` unless the double has the expected effect on calls of this form."""
    check = {
        ANSWERS: _check_answers,
        BLOCKS: _check_blocks,
        SEES: _check_sees,
        TRACES: _check_traces,
        REPLAYS: _check_replays,
        REAL_CLOCK: _check_clock,
    }[cell.double.effect]
    check(cell, _run(cell))


def _run(cell: Cell) -> Run:
    with SocketServer(_serve) as server:
        command = [sys.executable, "-m", "tests.doubles.run", cell.double.name, cell.form, cell.start, server.domain]
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        environment.pop("PYTEST_ADDOPTS", None)
        with subprocess.Popen(
            command,
            cwd=str(ROOT),
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
        ) as process, _killed_after(process):
            output: List[str] = []
            report = _report_of(process, server, output)
            if report is None:
                raise CellFailed(f"the process ended without a report:\n{''.join(output)}")
        return Run(report, [raw for raw in server.requests if _mbox(raw) != "before"])  # omits the call of a warm start


def _report_of(process: "subprocess.Popen[str]", server: SocketServer, output: List[str]) -> Any:
    assert process.stdout is not None
    assert process.stdin is not None
    for line in process.stdout:
        if line.startswith(MARK):
            return json.loads(line[len(MARK) :])
        if line.strip() == STOP:
            server.stop()
            process.stdin.write("\n")
            process.stdin.flush()
        output.append(line)
    return None


@contextlib.contextmanager
def _killed_after(process: "subprocess.Popen[str]") -> Iterator[None]:
    timer = threading.Timer(LIMIT, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _serve(connection: Any) -> None:
    """Answer each request with the name of its mbox, and treat some names in a special way."""
    while True:
        raw = connection.read_request()
        if not raw:
            return
        name = _mbox(raw)
        if name == HANGING:
            connection.hang()
        if name == SLOW:
            connection.wait(0.3)
        if name == FAILING:
            connection.send(response(status=503))
            continue
        reply = response(json.loads(answer(_content(name), body_of(raw)["requestId"])))
        if name == DRIPPING:
            connection.send_slowly(reply, every=0.05)
        else:
            connection.send(reply)


def _mbox(raw: bytes) -> str:
    name: str = body_of(raw)["execute"]["mboxes"][0]["name"]
    return name


def _content(name: str) -> str:
    return f"from the server for {name}"


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent package is not installed
        return False


def _require(condition: bool, what: str, run: Run) -> None:
    if not condition:
        raise CellFailed(f"{what}\nreport: {json.dumps(run.report, indent=1)}\nrequests at the server: {run.names}")


def _require_real(run: Run, *names: str) -> None:
    """Check that these calls, and no others, were answered by the server."""
    for name in names:
        _require(run.report[name].get("content") == _content(name), f"the server did not answer {name}", run)
    _require(run.names == sorted(names), f"the server must see {', '.join(names)} and nothing else", run)


def _check_answers(_: Cell, run: Run) -> None:
    for name in ("inside-1", "inside-2"):
        _require(run.report[name].get("content") == FROM_DOUBLE, f"the double did not answer {name}", run)
    _require_real(run, "outside-1", "outside-2")


def _check_blocks(cell: Cell, run: Run) -> None:
    for name in ("inside-1", "inside-2"):
        end = run.report[name]
        _require(cell.double.error in end.get("causes", ()), f"{name} did not end with {cell.double.error}", run)
        _require(cell.form == PLAIN or end["ours"], f"{name} did not end with a DeliveryError", run)
    _require_real(run, "outside-1", "outside-2")


def _check_sees(_: Cell, run: Run) -> None:
    for name in ("inside-1", "inside-2"):
        _require(run.report[name]["seen"] == 1, f"{name} passed the double {run.report[name]['seen']} times", run)
    _require_real(run, "inside-1", "outside-1", "inside-2", "outside-2")


def _check_traces(_: Cell, run: Run) -> None:
    for name in ("inside-1", "inside-2"):
        children = run.report[name]["children"]
        _require(len(children) == 1, f"{name} has {len(children)} child spans", run)
        head = run.requests[name].decode("latin-1").lower()
        _require(children[0] in head, f"the request of {name} does not carry the header of its span", run)
    _require_real(run, "inside-1", "inside-2")


def _check_replays(cell: Cell, run: Run) -> None:
    _require_real(run, "recorded", "outside-1")
    replay = run.report["inside-replayed"]
    _require(replay.get("content") == _content("recorded"), "the cassette was not replayed", run)
    stopped = run.report["stopped"]
    _require("ConnectionRefusedError" in stopped.get("causes", ()), "the last call was not refused", run)
    _require(cell.form == PLAIN or stopped["ours"], "the last call did not end with a DeliveryError", run)


def _check_clock(cell: Cell, run: Run) -> None:
    for name in ("passed-1", "passed-2", SLOW, "passed-3"):
        _require(run.report[name].get("content") == _content(name), f"the server did not answer {name}", run)
    if cell.form == PLAIN:
        _require("ReadTimeoutError" in run.report[HANGING].get("causes", ()), "the timeout did not hold", run)
        return
    for name in (HANGING, DRIPPING):
        _require(run.report[name].get("error") == "DeadlineExceeded", f"the deadline of {name} did not hold", run)
    _require(run.report["opened"].get("error") == "CircuitOpen", "the circuit did not open", run)
    _require("content" in run.report["closed"], "the circuit did not close", run)
