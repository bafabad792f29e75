"""Write the tables of ``docs/reliability.md`` from ``docs/reliability.json``, ``docs/soak.json`` and
``docs/performance.json``::

    .venv/bin/python scripts/make_reliability_page.py [--record OUTPUT …]

With ``--record``, first replace the figures in ``docs/reliability.json`` with those in the output of test runs, such as
``make reliability servers > OUTPUT``. ``python -m tests.reliability.old_release`` measures 1.1.0. The descriptions of
the tests are those of ``tests/numbers.md``. A test fails if the page is not up to date or lacks a figure.
"""

import argparse
import datetime
import json
import re
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- Written by scripts/make_reliability_page.py -->", "<!-- End of the figures -->"
TITLE = "reliability: figure against target"
COUNT = 40

Figure = Tuple[str, str, str]
"""What was measured, the figure and its target, as a test run prints them."""


class Part(NamedTuple):
    """A part of the cell with the measured figures."""

    text: str
    """A template. It gets ``max``, ``min``, ``sum``, ``count`` and the sum of the targets, ``of``."""

    pattern: str
    """Selects figures by a regular expression for their names."""


class Row(NamedTuple):
    """The target of a test, and the figures that show whether it is reached."""

    target: str
    parts: Sequence[Part] = ()
    module: str = ""
    """The module with the tests, if none of them prints a figure."""


ROWS = {
    1: Row(
        "0.25 s with a limit of 0.2 s",
        [Part("{max:.2f} s, the longest of {count} kinds of delay", "^s of the slowest call")],
    ),
    2: Row(
        "with 32 workers at most 34 threads, 37 descriptors, 4 MB more",
        [
            Part("{max:.0f} threads", "^threads, 32 workers, 10000"),
            Part("{max:.0f} descriptors", "^descriptors, 32"),
            Part("{max:.1f} MB more", "^memory grown, 32"),
        ],
    ),
    3: Row(
        "1 connection for each calling thread",
        [
            Part("{max:.0f} with 1 thread", "^connections, 1000 calls in 1 threads"),
            Part("{max:.0f} with 8 threads", "^connections, 1000 calls in 8 threads"),
        ],
    ),
    4: Row(
        "all results, one log line each, exit in 0.5 s",
        [
            Part("{sum:.0f} of {of:.0f} results", "^completed after"),
            Part("{sum:.0f} log lines", "^lines logged"),
            Part("exit in {max:.2f} s", "^exit after"),
        ],
    ),
    5: Row(
        "0 lost, 0 answered twice",
        [Part("{sum:.0f} lost", "^lost of"), Part("{sum:.0f} answered twice", "^calls with more than one callback")],
    ),
    6: Row("`shutdown_timeout`, in the test 1 s", [Part("exit in {max:.2f} s", "^exit with a hung request")]),
    7: Row("0.5 s", [Part("exit in {min:.2f} to {max:.2f} s", "^exit of an on-device script")]),
    8: Row(
        "a result or a clean error",
        [Part("{sum:.0f} of {of:.0f} late calls answered, on {count} versions of Python", "^late calls answered")],
    ),
    9: Row(
        "200 children, each in 1 s, 0 notifications sent twice",
        [
            Part("{sum:.0f} of {of:.0f} children", "^children that completed"),
            Part("the slowest in {max:.2f} s", "^slowest child"),
            Part("{sum:.0f} sent twice", "^notifications that came twice"),
        ],
    ),
    10: Row("the child works", [Part("works in {count} situations", ": child, s$")]),
    11: Row("all can call", module="test_forks.py"),
    12: Row(
        "0 TLS errors, 0 hung children",
        [Part("{sum:.0f} TLS errors", "^TLS errors"), Part("{sum:.0f} hung in {count} runs", "children hung, of 25$")],
    ),
    13: Row(
        "stop in 2 s, a new artifact in an interval of 0.2 s",
        [
            Part("{count} modes stop in at most {max:.1f} s", "^uWSGI [^:]*: stop, s$"),
            Part("artifact in at most {max:.2f} s", "^uWSGI .*a new artifact"),
            Part("{sum:.0f} requests failed during reloads", "^uWSGI .*requests that failed"),
        ],
    ),
    14: Row(
        "stop in 2 s, a new artifact in an interval of 0.2 s",
        [
            Part("{count} modes stop in at most {max:.1f} s", "^gunicorn [^:]*: stop, s$"),
            Part("artifact in at most {max:.2f} s", "^gunicorn .*a new artifact"),
            Part("{sum:.0f} requests failed during reloads", "^gunicorn .*requests that failed"),
        ],
    ),
    15: Row("calls work", [Part("work in {count} combinations of Python and interpreter", ": threads ")]),
    16: Row("all callbacks run", [Part("{sum:.0f} of {of:.0f} callbacks", ": callbacks run, of")]),
    17: Row(
        "all limits reach the task, in 50 ms",
        [
            Part("{sum:.0f} of {of:.0f} reach it", ": seen unchanged"),
            Part("nine of ten in at most {max:.1f} ms", "ninth decile"),
        ],
    ),
    18: Row(
        "0 results stuck, 0 exceptions changed",
        [Part("{sum:.0f} stuck", "results stuck"), Part("{sum:.0f} changed", "exceptions changed")],
    ),
    19: Row(
        "each notification is sent or counted, close in 5 s",
        [
            Part("{sum:.0f} of {of:.0f} sent", "delivered in warm shutdown"),
            Part("{sum:.0f} of {of:.0f} counted as dropped while the edge hangs", "dropped and counted"),
            Part("close in at most {max:.1f} s", "closing that client"),
        ],
    ),
    20: Row("the hub is blocked for 20 ms at most", [Part("{min:.0f} to {max:.0f} ms", "loop blocked, ms$")]),
    21: Row(
        "no call is lost, submitting takes 1 ms on an idle machine",
        [
            Part("{sum:.0f} calls refused without an error", "refused without an error"),
            Part("the slowest submit takes {max:.0f} ms", "slowest submit"),
        ],
    ),
    22: Row(
        "3 requests after 429, 502, 503 and 504, else 1",
        [
            Part("{max:.0f} after these", "^requests of a call that gets (429|502|503|504)"),
            Part("{max:.0f} after others", "^requests of a call that gets 4(?!29)|that gets 50[01]"),
        ],
    ),
    23: Row("1.1 requests for each call", [Part("{max:.2f}", "^requests per call after")]),
    24: Row(
        "opens after 5 timeouts, then calls fail in 5 ms",
        [
            Part("opens after {max:.0f}", "^timeouts of one thread"),
            Part("half of the refused calls fail in {max:.1f} ms", "refused call, p50"),
            Part("99 % in {max:.1f} ms", "refused call, p99"),
        ],
    ),
    25: Row(
        "100 failures in a row, 0 wrong answers",
        [
            Part("{max:.0f} failures", "^consecutive failed downloads"),
            Part("{sum:.0f} wrong answers", "^wrong answers during"),
        ],
    ),
    26: Row("ready in 100 ms", [Part("{min:.0f} to {max:.0f} ms", "^ready from the cache")]),
    27: Row("the right artifact", module="test_artifacts.py"),
    28: Row("5 intervals take about 0.5 s", [Part("{min:.2f} to {max:.2f} s", "^5 polls")]),
    29: Row(
        "0 failed calls",
        [
            Part("{sum:.0f} failed", "^failed calls, closed"),
            Part("{sum:.0f} connections were closed", "^connections closed"),
        ],
    ),
    30: Row(
        "0.25 s with a limit of 0.2 s",
        [
            Part("{max:.2f} s with ten dead addresses", "^s of the slowest call, ten addresses"),
            Part("{max:.2f} s while the first address is broken", "first address is broken"),
        ],
    ),
    32: Row(
        "4 MB, 0 descriptors, 0 clients in memory",
        [
            Part("{max:.1f} MB", "MB left$"),
            Part("{sum:.0f} descriptors", "descriptors left$"),
            Part("{sum:.0f} clients", "still in memory"),
        ],
    ),
    33: Row("threads end in 1 s", [Part("{min:.2f} to {max:.2f} s", "^threads (end|of 10)")]),
    34: Row(
        "0 changed settings, 0 calls to the other host",
        [
            Part("{sum:.0f} changed settings", "^settings of the process"),
            Part("{count} test with 5 and 10 calls passes", "^requests to the hosts"),
        ],
    ),
    35: Row(
        "0 mixed",
        [Part("{sum:.0f} mixed", "^mixed of"), Part("{sum:.0f} shifted answers used", "^answers of another visitor")],
    ),
    36: Row("equal copies", module="test_pickling.py"),
    37: Row("no deadlock", module="test_reentrancy.py"),
    38: Row("calls work", [Part("{sum:.0f} of {of:.0f} calls answered", "^answers without /dev/shm")]),
    39: Row(
        "an answer or a clean error",
        [
            Part("{sum:.0f} of {of:.0f} calls without threads answered", "^answers(,| under)"),
            Part("{sum:.0f} of {of:.0f} calls without descriptors end", "descriptor"),
            Part("{sum:.0f} of {of:.0f} calls without memory end", "^calls ended, no memory"),
        ],
    ),
}

#: Why 1.1.0 has no figure. ``R8`` stands for the text of that number in ``tests/numbers.md``.
WITHOUT_FIGURE = {
    10: "not measured: the test stops threads inside this SDK's code",
    12: "not measured: each call opens a connection (T3), so processes share none",
    13: "R10",
    14: "R8 R9",
    15: "not measured: needs 1.1.0 inside a sub-interpreter",
    16: "R11",
    17: "R12",
    18: "not measured: the test counts this SDK's results",
    19: "has no Celery integration",
    20: "not measured: gevent and eventlet are not installed beside 1.1.0",
    24: "has no circuit breaker: each call waits (T1)",
    25: "R19",
    26: "has no copy of the artifact on disk",
    27: "not measured: it ignores a short `polling_interval`",
    28: "not measured: it ignores a short `polling_interval`",
    31: "not measured: threads and descriptors grow with each callback (T2)",
    33: "has no `close()`; T32 counts what dropped clients leave behind",
}


def figures_of(output: str) -> Dict[str, List[Figure]]:
    """Return the figures in the output of test runs, by test."""
    found: Dict[str, List[Figure]] = {}
    for table in output.split(TITLE)[1:]:
        for line in table.splitlines()[1:]:
            if line.startswith("="):
                break
            match = re.match(r"(T\d+) +(.*)", line)
            if match:
                name, figure, target = [*re.split(r"\s{2,}", match[2].strip()), "", ""][:3]
                found.setdefault(match[1], []).append((name, figure, target))
    return dict(sorted(found.items(), key=lambda item: int(item[0][1:])))


def passed_of(output: str) -> Dict[str, List[int]]:
    """Return how many tests of each module passed in test runs, and how many ran."""
    found: Dict[str, List[int]] = {}
    module = ""
    for line in output.splitlines():
        match = re.match(r"(tests/\S+/(\w+\.py) )?([.FEsxX]+)( +\[ *\d+%\])?$", line)
        if match:
            module = match[2] or module
            passed, ran = found.get(module, (0, 0))
            found[module] = [passed + match[3].count("."), ran + len(match[3]) - match[3].count("s")]
    return found


def record(page: Dict[str, Any], outputs: Sequence[Path]) -> None:
    """Replace the results in ``page`` with those of the test runs in ``outputs``."""
    text = "\n".join(output.read_text(encoding="utf-8") for output in outputs)
    newest = max(output.stat().st_mtime for output in outputs)
    versions = sorted(set(re.findall(r"^platform (\w+) -- (Python [\d.]+)", text, re.M)))
    page["date"] = datetime.datetime.fromtimestamp(newest, datetime.timezone.utc).date().isoformat()
    page["platform"] = ", ".join(" ".join(version) for version in versions)
    page["figures"] = figures_of(text)
    page["passed"] = passed_of(text)


def number(text: str) -> float:
    """Return the number at the beginning of a figure or a target, or 0."""
    match = re.match(r"-?\d+(\.\d+)?", text)
    return float(match[0]) if match else 0.0


def measured(row: Row, figures: Sequence[Sequence[str]], passed: Dict[str, List[int]]) -> str:
    """Return the cell with the figures of a test, or else with the number of the tests that passed."""
    if row.module:
        return "{} of {} tests of `{}` pass".format(*passed.get(row.module, (0, 0)), row.module)
    parts = []
    for part in row.parts:
        chosen = [figure for figure in figures if re.search(part.pattern, figure[0])]
        if chosen:
            values = [number(figure[1]) for figure in chosen]
            of = sum(number(figure[2]) for figure in chosen)
            parts.append(part.text.format(max=max(values), min=min(values), sum=sum(values), count=len(values), of=of))
    return "; ".join(parts)


def texts(kind: str) -> Dict[int, str]:
    """Return the texts in ``tests/numbers.md`` by the number after ``kind``."""
    rows = re.findall(rf"^\| {kind}(\d+) \| (.*) \|$", (ROOT / "tests/numbers.md").read_text(encoding="utf-8"), re.M)
    return {int(number): text for number, text in rows}


def soak_row(soak: Dict[str, Any]) -> Tuple[str, str, str]:
    """Return target, figures and command of T31."""
    growth = {name: one["growth per hour"] for name, one in soak["resources"].items()}
    names = ("lost", "answered twice", "mixed between visitors", "notifications processed twice")
    cell = (
        f"{soak['seconds'] / 60:.0f} minutes, {soak['calls']:,} calls: "
        f"{growth['memory']} MB, {growth['threads']} threads, {growth['descriptors']} descriptors per hour; "
        + ", ".join(f"{soak[name]} {name}" for name in names)
    )
    return "at most 1 MB per hour; 0 lost, answered twice or mixed", cell, soak["command"]


def import_row(performance: Dict[str, Any]) -> Tuple[str, str, str]:
    """Return target, figures and command of T40."""
    for figure in performance["figures"]:
        if figure["name"] == "import: time" and figure["peer"] == "urllib3":
            cell = f"{figure['comparison']:.2f} times"
            return "at most 1.3 times as long as `import urllib3`", cell, "python -m benchmarks"
    raise LookupError("no figure for the import")


def old_cell(page: Dict[str, Any], test: int, defects: Dict[int, str]) -> str:
    """Return the cell of 1.1.0: its figure, or the reason why there is none."""
    figure = page.get("1.1.0", {}).get("figures", {}).get(f"T{test}")
    if figure:
        return str(figure)
    reason = WITHOUT_FIGURE.get(test, "")
    return re.sub(r"R(\d+)", lambda match: f"{defects[int(match[1])]} (R{match[1]})", reason)


def table(page: Dict[str, Any], soak: Dict[str, Any], performance: Dict[str, Any]) -> str:
    """Return the table, with a line about the runs before it."""
    tests, defects = texts("T"), texts("R")
    lines = [
        f"This SDK: {page['date']}, {page['platform']}. 1.1.0: {page.get('1.1.0', {}).get('date', 'not run')}.",
        "",
        "| No. | Test | Target | This SDK | 1.1.0 | Command |",
        "|---|---|---|---|---|---|",
    ]
    for test in range(1, COUNT + 1):
        if test == 31:
            target, cell, command = soak_row(soak)
        elif test == 40:
            target, cell, command = import_row(performance)
        else:
            row = ROWS[test]
            folder = "servers" if test in (13, 14, 16, 19) else "reliability"
            target, command = row.target, f"pytest tests/{folder} -k t{test}_"
            cell = measured(row, page["figures"].get(f"T{test}", []), page["passed"])
        cells = (f"T{test}", tests[test], target, cell, old_cell(page, test, defects), f"`{command}`")
        lines.append("| " + " | ".join(text.replace("|", "\\|") for text in cells) + " |")
    return "\n".join(lines)


def counts(named: Dict[str, Any]) -> str:
    """Return names with their values as one line."""
    return ", ".join(f"{name}: {value}" for name, value in sorted(named.items())) or "none"


def slope_per_hour(samples: Sequence[Dict[str, float]], name: str) -> float:
    """Return the growth of a resource per hour: the slope of the line that fits the samples best."""
    times = [sample["seconds"] / 3600 for sample in samples]
    values = [sample[name] for sample in samples]
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    products = sum((hours - middle) * (value - mean) for hours, value in zip(times, values))
    return products / (sum((hours - middle) ** 2 for hours in times) or 1)


def soak_summary(soak: Dict[str, Any]) -> str:
    """Return the result of the mixed soak as a table, and its command."""
    facts = [
        ("Date", soak["date"]),
        ("Machine", counts(soak["machine"])),
        ("Duration", f"{soak['seconds']:.0f} s"),
        ("Command", f"`{soak['command']}`"),
        ("Calls", f"{soak['calls']:,}, {soak['calls of children']:,} of them in forked children"),
        ("Faults of the edge", counts(soak["faults"]["edge"])),
        ("Faults of the CDN", counts(soak["faults"]["cdn"])),
        ("Artifacts", f"{soak['swaps']:,}"),
        ("Forks", f"{soak['forks']}, of which {soak['failed children']} failed"),
        ("Calls with an error", counts(soak["errors"])),
        ("Lost, answered twice", f"{soak['lost']}, {soak['answered twice']}"),
        ("Mixed between visitors, artifacts", f"{soak['mixed between visitors']}, {soak['mixed between artifacts']}"),
        ("Notifications, processed twice", f"{soak['notifications']:,}, {soak['notifications processed twice']}"),
        ("CPU", f"{soak['cores']} cores, with the servers"),
        ("Not as expected", "; ".join(soak["not as expected"]) or "nothing"),
    ]
    lines = ["| Item | Value |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts), ""]
    lines += ["| Calls | Blocking | With a callback | Awaited |", "|---|---|---|---|"]
    by_kind = soak["calls by kind"]
    for kind in dict.fromkeys(name.rpartition(", ")[0] for name in by_kind):
        cells = [f"{by_kind.get(f'{kind}, {way}', 0):,}" for way in ("sync", "callback", "awaited")]
        function, _, method = kind.replace("hybrid, edge", "hybrid with an mbox for the edge").partition(", ")
        lines.append(f"| `{function}`, {method} | {' | '.join(cells)} |")
    lines += ["", "| Resource | Start | Middle | End | Most | Growth per hour | In each quarter |", "|" + "---|" * 7]
    samples = soak["samples"]
    quarters = [samples[len(samples) * at // 4 : len(samples) * (at + 1) // 4] for at in range(4)]
    for name, one in soak["resources"].items():
        unit, scale = (" in MB", 1e6) if name == "memory" else ("", 1)
        cells = [one[when] for when in ("start", "middle", "end", "most", "growth per hour")]
        cells.append(", ".join(f"{slope_per_hour(quarter, name) / scale:.2f}" for quarter in quarters))
        lines.append(f"| {name.capitalize()}{unit} | " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def read(name: str) -> Dict[str, Any]:
    """Return the content of a JSON file in ``docs/``."""
    content: Dict[str, Any] = json.loads((ROOT / "docs" / name).read_text(encoding="utf-8"))
    return content


def with_figures(text: str) -> str:
    """Return the text of the page with the figures of the records."""
    soak = read("soak.json")
    blocks = [table(read("reliability.json"), soak, read("performance.json")), soak_summary(soak)]
    parts = re.split(f"({re.escape(BEGIN)}.*?{re.escape(END)})", text, flags=re.S)
    for at, block in enumerate(blocks):
        parts[2 * at + 1] = f"{BEGIN}\n\n{block}\n\n{END}"
    return "".join(parts)


def main() -> None:
    """Record outputs if there are any, and write the page."""
    parser = argparse.ArgumentParser(description="Write the figures of docs/reliability.md.")
    parser.add_argument("--record", type=Path, nargs="+", metavar="OUTPUT", help="the output of test runs")
    outputs = parser.parse_args().record
    if outputs:
        path = ROOT / "docs/reliability.json"
        page = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        record(page, outputs)
        path.write_text(json.dumps(page, indent=1) + "\n", encoding="utf-8")
    page_path = ROOT / "docs/reliability.md"
    page_path.write_text(with_figures(page_path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
