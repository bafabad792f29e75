# ruff: noqa: T201 - a command-line program prints
"""Counts instructions with valgrind's callgrind: ``python -m benchmarks.instructions [--compare COMMIT]``.

A count barely depends on the load of the machine. Changes of 1 % are therefore visible,
unlike in timings. Each workload runs in two processes, N and 2N times; the import is compared
with an empty program. The difference between the two counts contains no start-up costs.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Union

from benchmarks.figure import Section
from benchmarks.plan import VALGRIND, NotRun, Plan
from benchmarks.process import ROOT, ProcessFailed, clean_environment

Counts = Dict[str, int]

#: The names of the workloads in the output.
NAMES = {
    "call": "a server-side call without the network",
    "decision": "an on-device decision: a prefetched mbox",
    "executed": "an executed mbox, with its notification",
    "page": "a prefetched page load of 24 rules",
    "flag": "get_attributes: a flag and its notification",
    "import": "from target_python_sdk import TargetClient",
}
#: N: the number of calls in the first of the two processes.
CALLS = 50
PACKAGES = ("delivery_api_client", "target_decisioning_engine", "target_python_sdk", "target_tools")
_WORKER = str(ROOT / "benchmarks" / "instruction_worker.py")
_PATH = "import sys; sys.path.insert(0, sys.argv[1])"
#: The timeout of a process in seconds. Valgrind makes it about 50 times slower.
_TIMEOUT = 600


def find_valgrind() -> Union[str, NotRun]:
    """Return the path of valgrind, or the reason why nothing can be counted."""
    return shutil.which("valgrind") or NotRun("valgrind is not installed: apt-get install valgrind")


def figures(plan: Plan) -> Section:
    """Count the instructions of this checkout. The counts are notes, because there is no peer to compare them with."""
    if isinstance(plan.valgrind, NotRun):
        return Section([], [f"instructions: not counted, {plan.valgrind.reason}."])
    counts = count_instructions(plan.valgrind, ROOT, plan.calls or CALLS)
    return Section([], [f"instructions: {NAMES[name]}: {count:,}." for name, count in counts.items()])


def count_instructions(
    valgrind: str, folder: Path, calls: int = CALLS, workloads: Sequence[str] = tuple(NAMES)
) -> Counts:
    """Return the instructions per call of each workload, and those of the import, with the packages in ``folder``."""
    counts = {}
    for name in workloads:
        if name == "import":
            counts[name] = _count_import(valgrind, folder)
        else:
            command = [_WORKER, str(folder), name]
            less, more = (_count(valgrind, [*command, str(times)], folder) for times in (calls, 2 * calls))
            counts[name] = round((more - less) / calls)
    return counts


def _count_import(valgrind: str, folder: Path) -> int:
    without, with_import = (
        _count(valgrind, ["-c", f"{_PATH}; {statement}", str(folder)], folder)
        for statement in ("pass", NAMES["import"])
    )
    return with_import - without


def _count(valgrind: str, arguments: List[str], folder: Path) -> int:
    environment = {**clean_environment(), "PYTHONHASHSEED": "0"}
    command = [sys.executable, *arguments]
    callgrind = [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    # The first run writes the bytecode files.
    for program in (command, [*callgrind, *command]):
        done = subprocess.run(
            program,
            cwd=str(folder),
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        if done.returncode:
            own_lines = [line for line in done.stderr.splitlines() if line and not line.startswith("==")]
            raise ProcessFailed(f"{' '.join(arguments)[-60:]}: {''.join(own_lines[-1:]) or done.returncode}")
    return instruction_count(done.stderr)


def instruction_count(report: str) -> int:
    """Return the number of instructions in the output of callgrind."""
    found = re.search(r"Collected *: *(\d+)", report)
    if found is None:
        raise ProcessFailed(f"callgrind printed no count: {report[-120:]!r}")
    return int(found.group(1))


def extract_packages(commit: str, folder: Path) -> None:
    """Write the packages of a commit to ``folder``."""
    command = ["git", "archive", "--format=tar", commit, *PACKAGES]
    archive = subprocess.run(command, cwd=str(ROOT), capture_output=True, check=False)
    if archive.returncode:
        raise ProcessFailed(archive.stderr.decode("utf-8", "replace").strip())
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)


def rows(counts: Counts, other: Optional[Counts] = None, commit: str = "") -> List[str]:
    """Return a line for each count. If ``other`` has the counts of ``commit``, add them and the ratio."""
    lines = []
    for name, count in counts.items():
        line = f"{NAMES[name]:<44} {count:>14,}"
        if other is not None:
            line += f"   {commit}: {other[name]:>14,}   ratio {count / other[name]:.3f}"
        lines.append(line)
    return lines


def main(words: Optional[List[str]] = None) -> int:
    """Print the counts of this checkout, and those of another commit if the command line names one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--compare", metavar="COMMIT", help="also count this commit, and print the ratios")
    parser.add_argument("--calls", type=int, default=CALLS, help=f"calls in the first process; default: {CALLS}")
    names = ",".join(NAMES)
    parser.add_argument("--only", default=names, help=f"the workloads, separated by commas; default: {names}")
    chosen = parser.parse_args(words)
    workloads = chosen.only.split(",")
    if not set(workloads) <= set(NAMES):
        parser.error(f"--only: expected names out of {names}")
    valgrind = find_valgrind()
    if isinstance(valgrind, NotRun):
        print(f"{VALGRIND}: nothing is counted, {valgrind.reason}")
        return 0
    try:
        counts = count_instructions(valgrind, ROOT, chosen.calls, workloads)
        other = None
        if chosen.compare:
            with tempfile.TemporaryDirectory() as folder:
                extract_packages(chosen.compare, Path(folder))
                other = count_instructions(valgrind, Path(folder), chosen.calls, workloads)
    except ProcessFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(rows(counts, other, chosen.compare or "")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
