"""The benchmarks measure correctly. No test depends on the speed of the machine."""

import json
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

from benchmarks.figure import Figure, Goal, table
from benchmarks.process import ROOT, LineProcess, ProcessFailed, clean_environment
from benchmarks.record import distance, draw, with_output
from benchmarks.server import request_size
from benchmarks.worker import seconds_for
from benchmarks.workload import ANSWER
from tests.support import installing

ROWS = (
    "get_offers: plain, 1 thread ",
    "get_offers: plain, 16 threads ",
    "get_offers: TLS, 1 thread ",
    "get_offers: TLS, 16 threads ",
    "import: time ",
    "import: resident memory ",
)
_OLD_AND_NODE = ["1.1.0", "Node.js"]
_SPEEDUPS_OLD_AND_NODE = ["speedups", *_OLD_AND_NODE]
_VENDORS = ["optimizely", "LaunchDarkly", "GrowthBook", "ConfigCat"]
#: For each name in the table, the peers that its rows report as left out, in order.
NOT_RUN = {
    "decision: A/B test, prefetch": _OLD_AND_NODE,
    "decision: A/B test, prefetch, speedups": ["speedups"] * 2,
    "decision: A/B test, execute": _OLD_AND_NODE,
    "decision: A/B test, execute, notified": _OLD_AND_NODE,
    "decision: page load, 24 rules": _OLD_AND_NODE,
    "decision: page load, 24 rules, speedups": ["speedups"] * 2,
    "decision: 100 activities on one mbox, speedups": ["speedups"],
    "flag: get_attributes": _VENDORS,
    "flag: get_attributes, speedups": ["speedups"],
    "start: first decision, 10 activities": _SPEEDUPS_OLD_AND_NODE,
    "call: p99 in a busy sync worker": ["1.1.0"],
    "call: p99 in an event loop": ["1.1.0"],
}
WITHOUT_PEERS = [f"--no-{peer}" for peer in ("1.1.0", "Node.js", "valgrind", "speedups", *_VENDORS)]
REQUEST = b"POST /rest HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n{}"


def run_benchmarks(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-m", "benchmarks", *arguments],
        cwd=str(ROOT),
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_comparison_is_the_median_of_the_ratios_of_the_rounds() -> None:
    figure = Figure("name", "calls/s", "peer", (10.0, 100.0, 30.0), (20.0, 100.0, 10.0))
    assert figure.comparisons == [0.5, 1.0, 3.0]
    assert figure.comparison == 1.0


def test_memory_is_compared_by_difference() -> None:
    figure = Figure("name", "MiB", "peer", (30.0, 32.0, 31.0), (20.0, 20.0, 20.0), by_difference=True)
    assert figure.comparison == 11.0
    assert figure.cells()[3] == "+11.0 MiB [+10.0 MiB .. +12.0 MiB]"


@pytest.mark.parametrize(
    ("goal", "verdict"),
    [
        (Goal(0.5, at_least=True), "reached"),
        (Goal(0.51, at_least=True), "NOT reached"),
        (Goal(0.5, at_least=False), "reached"),
        (Goal(0.49, at_least=False), "NOT reached"),
        (None, ""),
    ],
)
def test_the_verdict_depends_on_the_goal(goal: Goal, verdict: str) -> None:
    assert Figure("name", "ms", "peer", (1.0,), (2.0,), goal).verdict == verdict


def test_the_table_is_aligned_and_says_why_a_peer_is_missing() -> None:
    figures = [
        Figure("fast", "calls/s", "raw", (1500.0,), (2000.0,), Goal(0.75, at_least=True)),
        Figure("something longer", "ms", "old", (3.0,), goal=Goal(1.3, at_least=False), not_run="no network"),
    ]
    heading, rule, fast, longer = table(figures).splitlines()
    assert set(rule) == {"-", " "}
    assert fast.split() == [
        "fast", "1,500", "calls/s", "raw", "2,000", "calls/s", "0.75", "[0.75", "..", "0.75]", ">=", "0.75", "reached",
    ]
    assert longer.split() == ["something", "longer", "3.0", "ms", "old", "not", "run", "<=", "1.30", "no", "network"]
    assert [line.index(word) for line, word in ((heading, "goal"), (fast, ">="), (longer, "<="))] == [
        heading.index("goal")
    ] * 3


def test_a_figure_as_json_contains_every_round() -> None:
    found = json.loads(json.dumps(Figure("name", "ms", "peer", (1.0, 3.0), (2.0, 2.0)).as_json()))
    assert (found["ours"], found["theirs"], found["comparison"]) == ([1.0, 3.0], [2.0, 2.0], 1.0)
    missing = Figure("name", "ms", "peer", not_run="why").as_json()
    assert (missing["comparison"], missing["not_run"]) == (None, "why")


def test_the_distance_from_a_reached_goal_is_more_than_1() -> None:
    faster = Figure("name", "calls/s", "peer", (30.0,), (10.0,), Goal(2.0, at_least=True))
    shorter = Figure("name", "us", "peer", (10.0,), (30.0,), Goal(1.0, at_least=False))
    assert (distance(faster), distance(shorter)) == (1.5, 3.0)


def test_the_page_gets_the_output_of_the_run() -> None:
    page = "before\n<!-- output of make bench: begin -->\nold\n<!-- output of make bench: end -->\nafter\n"
    found = with_output(page, "![picture](performance.svg)\n\n", "a \\1 row")
    assert found.startswith("before\n<!--") and found.endswith("-->\nafter\n")
    assert "![picture](performance.svg)" in found and "```text\na \\1 row\n```" in found and "old" not in found


def test_the_picture_names_only_measured_figures_with_a_goal(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: " + installing("bench"))
    goal = Goal(2.0, at_least=True)
    figures = [
        Figure("fast", "calls/s", "1.1.0", (30.0,), (10.0,), goal),
        Figure("slow", "calls/s", "1.1.0", (10.0,), (10.0,), goal),
        Figure("missing", "calls/s", "1.1.0", goal=goal, not_run="why"),
        Figure("aimless", "calls/s", "1.1.0", (10.0,), (10.0,)),
        Figure("rounded", "ms", "1.1.0", (0.0,), (10.0,), Goal(1.0, at_least=False)),
    ]
    draw(tmp_path / "picture.svg", {"date": "2026-01-01", "python": "CPython"}, figures)
    picture = (tmp_path / "picture.svg").read_bytes()
    assert all(text in picture for text in (b"fast / 1.1.0", b"slow / 1.1.0", b"3.00 (&gt;= 2.00)"))
    assert not any(text in picture for text in (b"missing", b"aimless", b"rounded"))
    draw(tmp_path / "again.svg", {"date": "2026-01-01", "python": "CPython"}, figures)
    assert (tmp_path / "again.svg").read_bytes() == picture


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (REQUEST, len(REQUEST)),
        (REQUEST + b"POST", len(REQUEST)),
        (REQUEST[:-1], len(REQUEST)),
        (b"GET / HTTP/1.1\r\n\r\n", 18),
        (b"GET / HTTP/1.1\r\n", None),
    ],
)
def test_the_size_of_a_request_is_computed_from_its_content_length(data: bytes, size: int) -> None:
    assert request_size(data) == size


def test_the_content_length_of_the_answer_is_correct() -> None:
    head, _, body = ANSWER.partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head.split(b"\r\n")
    json.loads(body)


@pytest.mark.parametrize("threads", [1, 3])
def test_every_call_is_made_once(threads: int) -> None:
    calls: List[int] = []
    assert seconds_for(lambda: calls.append(1), 10, threads) > 0
    assert len(calls) == 10


@pytest.mark.parametrize("threads", [1, 3])
def test_the_error_of_a_call_is_raised(threads: int) -> None:
    def fail() -> None:
        raise LookupError("no")

    with pytest.raises(LookupError):
        seconds_for(fail, 10, threads)


@pytest.mark.server
def test_the_server_answers_partial_and_pipelined_requests_and_stops() -> None:
    with LineProcess(sys.executable, "benchmarks.server") as server:
        with socket.create_connection(("127.0.0.1", server.ready["ports"]["plain"]), timeout=5) as connection:
            connection.sendall(REQUEST[:30])
            connection.sendall(REQUEST[30:] + REQUEST)
            received = b""
            while len(received) < 2 * len(ANSWER):
                received += connection.recv(65536)
        report = server.ask()
    assert received == ANSWER * 2
    assert (report["served"], report["connections"]) == (2, 1)
    assert report["request"] == {
        "line": "POST /rest HTTP/1.1",
        "headers": [["Host", "here"], ["Content-Length", "2"]],
        "body": "{}",
    }
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", server.ready["ports"]["plain"]), timeout=5)


@pytest.mark.server
def test_the_server_answers_over_tls(tmp_path: Path) -> None:
    trustme = pytest.importorskip("trustme", reason="trustme is not installed: " + installing("test"))
    authority = trustme.CA()
    certificate = tmp_path / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    context = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    with LineProcess(sys.executable, "benchmarks.server", {"certificate": str(certificate)}) as server:
        address = ("127.0.0.1", server.ready["ports"]["TLS"])
        plain = socket.create_connection(address, timeout=5)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            connection.sendall(REQUEST)
            received = b""
            while len(received) < len(ANSWER):
                received += connection.recv(65536)
    assert received == ANSWER


@pytest.mark.server
def test_a_worker_that_cannot_call_reports_the_reason() -> None:
    settings = {"kind": "raw", "tls": False, "threads": 1, "url": "http://127.0.0.1:1/", "headers": [], "body": ""}
    with pytest.raises(ProcessFailed, match="refused"):
        LineProcess(sys.executable, "benchmarks.worker", settings)


@pytest.mark.server
def test_the_error_of_a_failed_process_is_reported() -> None:
    with pytest.raises(ProcessFailed, match="KeyError"):
        LineProcess(sys.executable, "benchmarks.worker", {"kind_of": "nothing"})


@pytest.mark.slow
@pytest.mark.server
def test_a_small_run_prints_and_records_every_figure(tmp_path: Path) -> None:
    pytest.importorskip("trustme", reason="trustme is not installed: " + installing("test"))
    arguments = ["--rounds", "1", "--calls", "20", "--activities", "20", *WITHOUT_PEERS, "--record", str(tmp_path)]
    done = run_benchmarks(*arguments)
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()
    for name in ROWS:
        measured, left_out = [row for row in rows if row.startswith(name)]
        assert measured.endswith("reached")
        assert left_out.endswith("left out by --no-1.1.0")
    (in_flight_row, *_) = [row for row in rows if row.startswith("callbacks: 200 in flight")]
    assert in_flight_row.endswith("left out by --no-1.1.0")
    assert any(row.startswith("callbacks: to a worker and back") and row.endswith("reached") for row in rows)
    for name in ("decision: 20 mboxes, 20 activities ", "artifact: compiling 20 activities "):
        assert next(row for row in rows if row.startswith(name)).endswith("reached")
    for name, reasons in NOT_RUN.items():
        found = [row.rpartition("left out by --no-")[2] for row in rows if row.startswith(f"{name} ")]
        assert (name, found) == (name, reasons)
    recorded = json.loads((tmp_path / "performance.json").read_text(encoding="utf-8"))
    figure_names = [figure["name"] for figure in recorded["figures"]]
    assert [name for name in figure_names if not any(row.startswith(f"{name} ") for row in rows)] == []
    for name in ("import: all names of 1.1.0", "memory: per preforked worker, 10 activities"):
        assert any(row.startswith(f"{name} ") for row in rows)
    assert set(recorded["machine"]) >= {"date", "cpu", "cores", "python", "urllib3"}


@pytest.mark.process
def test_a_number_of_rounds_below_one_is_rejected() -> None:
    done = run_benchmarks("--rounds", "0")
    assert done.returncode == 2
    assert "at least 1" in done.stderr
