"""Forks a worker after the client has its artifact, and measures the worker's memory.

``python -m benchmarks.memory_worker SETTINGS`` sends ``{"private": B}``: the bytes that the worker shares with no other
process after some decisions. With ``freezes``, the parent calls ``gc.freeze`` before the fork.
"""

import gc
import json
import logging
import os
import re
import sys
from pathlib import Path

from benchmarks.artifacts import visitors
from benchmarks.decision_worker import Decider, choose_speedups
from benchmarks.line_protocol import Message, protocol_output, send

_DECISIONS = 2000


def private_bytes() -> int:
    """Return the private memory of this process. Only Linux tells it."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    return 1024 * sum(int(size) for size in re.findall(r"^Private_(?:Clean|Dirty): +(\d+) kB", lines, re.M))


def measure(settings: Message) -> Message:
    """Fork a worker, and return what it measured."""
    decider = Decider(settings)
    decider.timed(visitors("first", 1))
    if settings["freezes"]:
        gc.collect()
        gc.freeze()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        for visitor in visitors("worker", _DECISIONS):
            decider.decide(visitor)
        gc.collect()
        os.write(writing, str(private_bytes()).encode("ascii"))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        private = answer.read()
    os.waitpid(child, 0)
    return {"private": int(private)}


def main() -> None:
    """Send the measurement, or the reason why there is none."""
    logging.disable(logging.CRITICAL)
    settings: Message = json.loads(sys.argv[1])
    output = protocol_output()
    choose_speedups(settings)
    try:
        send(output, measure(settings))
    except Exception as error:  # noqa: BLE001 - the benchmark prints it as the reason for "not run"
        send(output, {"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
