# ruff: noqa: T201 - a command-line program prints
"""Measures the memory of the workers of a preforking server: ``python -m benchmarks.preforking [--activities N ...]``.

For each size of the artifact and each way to start, it prints the private memory of a worker after some calls and a
full garbage collection: the memory that the worker does not share with the process that forked it.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, Callable, Dict, List, Optional

from benchmarks.artifacts import many_tests
from benchmarks.process import ROOT, clean_environment
from benchmarks.updates import ACTIVITIES

#: The ways to start workers. The third is the second with ``gc.freeze()``.
IN_WORKER, BEFORE_FORK, FROZEN = "client created in each worker", "client created before the fork", "and gc.freeze()"
WAYS = (IN_WORKER, BEFORE_FORK, FROZEN)
WORKERS = 4
#: The number of calls of a worker, and of the mboxes that they request.
CALLS, MBOXES = 500, 100
#: Seconds for one server.
_TIMEOUT = 300


def serve(artifact: Path, way: str) -> List[float]:
    """Fork workers as a server does, and return the private MiB of each."""
    from benchmarks.update_worker import caller  # noqa: PLC0415

    if way != IN_WORKER:
        shared = caller(artifact, polling_interval=0)
        shared("mbox-00000")
        gc.collect()
    if way == FROZEN:
        gc.freeze()
    reader, writer = os.pipe()
    for _ in range(WORKERS):
        if not os.fork():
            _work(caller(artifact, polling_interval=0) if way == IN_WORKER else shared, writer)
            os._exit(0)
    found = []
    with os.fdopen(reader) as replies:
        os.close(writer)
        found = [float(line) for line in replies]
    for _ in range(WORKERS):
        os.wait()
    return found


def _work(call: Callable[[str], Any], writer: int) -> None:
    """Make some calls, and write the private MiB of this process."""
    for number in range(CALLS):
        call(f"mbox-{number % MBOXES:05d}")
    gc.collect()
    os.write(writer, f"{private_bytes() / 2**20}\n".encode("ascii"))


def private_bytes() -> int:
    """Return the memory that this process shares with no other."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


def measure(activities: int) -> Dict[str, float]:
    """Return the private MiB of a worker for each way to start."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        artifact = Path(folder) / "rules.json"
        artifact.write_text(json.dumps(many_tests(activities)), encoding="utf-8")
        for way in WAYS:
            command = [sys.executable, "-m", "benchmarks.preforking", "--serve", str(artifact), way]
            done = subprocess.run(
                command, cwd=str(ROOT), env=clean_environment(), stdout=subprocess.PIPE, timeout=_TIMEOUT, check=True
            )
            found[way] = median(json.loads(done.stdout))
    return found


def main(words: Optional[List[str]] = None) -> int:
    """Print the memory of a worker for each size of the artifact."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.preforking", description=__doc__)
    parser.add_argument("--activities", type=int, nargs="+", default=list(ACTIVITIES), help="sizes of the artifacts")
    parser.add_argument("--serve", nargs=2, metavar=("FILE", "WAY"), help=argparse.SUPPRESS)
    chosen = parser.parse_args(words)
    if chosen.serve:
        print(json.dumps(serve(Path(chosen.serve[0]), chosen.serve[1])))
        return 0
    if not Path("/proc/self/smaps_rollup").exists():
        print("not measured: this system does not report private memory")
        return 0
    found = [measure(activities) for activities in chosen.activities]
    print(
        f"{'private memory of a worker':<32}" + "".join(f"{f'{count:,} activities':>20}" for count in chosen.activities)
    )
    for way in WAYS:
        print(f"{way:<32}" + "".join(f"{f'{each[way]:.1f} MiB':>20}" for each in found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
