# ruff: noqa: T201 - a command-line program
"""A long mixed run: all kinds of calls, random faults, a new artifact each second, forks, observers and telemetry.

    python -m tests.reliability.soak --seconds 3600 --record docs/soak.json

One process makes the calls and is measured; another one serves them. Prints the result and the expectations that it
does not meet as JSON. Exits with status 1 if there is such an expectation.
"""

import argparse
import contextlib
import datetime
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

from benchmarks.machine import machine
from target_python_sdk.version import __version__
from tests.reliability.soak_load import merged
from tests.reliability.soak_servers import Cdn, Edge

ROOT = Path(__file__).resolve().parent.parent.parent
#: For each resource: its unit; its permitted growth per hour; and its permitted growth in the second half of a run that
#: is shorter than half an hour. Caches and thread pools still fill in a short run.
RESOURCES = {"memory": ("MB", 1.0, 8.0), "threads": ("", 4.0, 20.0), "descriptors": ("", 4.0, 40.0)}


def growth_per_hour(samples, name):
    """Return the slope of the regression line of a resource in the second half of the samples."""
    half = samples[len(samples) // 2 :]
    times = [one["seconds"] / 3600 for one in half]
    values = [one[name] for one in half]
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    products = sum((time_ - middle) * (value - mean) for time_, value in zip(times, values))
    return products / sum((time_ - middle) ** 2 for time_ in times)


def run(seconds, rate, fork_seconds, seed):
    """Run the servers and the process with the load; return the result."""
    edge, cdn = Edge(seed), Cdn(seed + 1)
    done = threading.Event()

    def tidy_up():
        while not done.wait(5):
            edge.forget_finished_threads()
            cdn.forget_finished_threads()

    with contextlib.ExitStack() as stack:
        for server in (edge.server, cdn.server):
            server.start()
            stack.callback(server.stop)
        threading.Thread(target=tidy_up, daemon=True).start()
        arguments = [edge.server.domain, cdn.server.domain, *map(str, (seconds, rate, fork_seconds))]
        command = [sys.executable, "-m", "tests.reliability.soak_load", *arguments]
        load = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, timeout=seconds + 600, check=True)
        done.set()
        own_cpu, swaps = time.process_time(), cdn.version
    *samples, seen = map(json.loads, load.stdout.splitlines())
    total = merged([seen["parent"], seen["children"]])
    events, twice = edge.notifications()
    missing = total["displays"] + total["notifications"] - events
    resources = {}
    for name, (unit, _, _) in RESOURCES.items():
        scale = 1e6 if unit == "MB" else 1
        places = {"start": 0, "middle": len(samples) // 2, "end": -1}
        resources[name] = {when: round(samples[at][name] / scale, 2) for when, at in places.items()}
        resources[name]["most"] = round(max(one[name] for one in samples) / scale, 2)
        resources[name]["growth per hour"] = round(growth_per_hour(samples, name) / scale, 2)
    observed = seen["observed"]
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "version": __version__,
        "machine": machine(),
        "seconds": seconds,
        "calls": sum(total["calls"].values()),
        "calls by kind": dict(sorted(total["calls"].items())),
        "calls of children": sum(seen["children"].get("calls", {}).values()),
        "errors": total["errors"],
        "retries": total["retries"],
        "faults": {"edge": dict(edge.faults), "cdn": dict(cdn.faults)},
        "requests": {"edge": edge.requests, "cdn": cdn.requests},
        "swaps": swaps,
        "newest artifact seen": seen["newest artifact"],
        "forks": seen["forks"],
        "failed children": seen["failed children"],
        "observed": {when: sum(observed[when].values()) for when in observed},
        "lost": total["lost"] + seen["lost during the run"],
        "answered twice": total["answered twice"],
        "mixed between visitors": total["mixed between visitors"],
        "mixed between artifacts": total["mixed between artifacts"],
        "notifications": events,
        "notifications processed twice": twice,
        # A request has at most two notifications.
        "notifications lost without being counted": max(0, missing - 2 * total["undelivered"]),
        "undelivered notification requests": total["undelivered"],
        "resources": resources,
        "cores": round((seen["cpu seconds"] + own_cpu) / seconds, 2),
        "unexpected": [*total["unexpected"], *map(repr, edge.server.failures + cdn.server.failures)][:20],
        "ended": seen["flushed"] and seen["closed"] and not seen["stuck threads"],
        "uncounted calls": sum(seen["parent"]["calls"].values()) - seen["calls counted"],
        "failed observers": seen["failed observers"],
        "samples": samples[:: max(1, len(samples) // 60)],
    }


def failures(result):
    """Return the expectations that a result does not meet."""
    found = [
        f"{name}: {result[name]}, expected 0"
        for name in ("lost", "answered twice", "mixed between visitors", "mixed between artifacts", "failed children",
                     "notifications processed twice", "notifications lost without being counted", "failed observers",
                     "uncounted calls")
        if result[name]
    ]  # fmt: skip
    found += [f"unexpected: {error}" for error in result["unexpected"]]
    if not result["ended"]:
        found.append("some calls or threads did not end")
    started, finished = result["observed"]["started"], result["observed"]["finished"]
    if started != finished:
        found.append(f"observers: {started} starts, {finished} ends")
    for part in ("edge", "cdn"):
        if not result["faults"][part]:
            found.append(f"no fault of the {part}")
    if not result["forks"]:
        found.append("no fork")
    hours, is_short = result["seconds"] / 3600, result["seconds"] < 1800
    for name, (unit, hourly, while_filling) in RESOURCES.items():
        growth = result["resources"][name]["growth per hour"]
        if growth > (while_filling / (hours / 2) if is_short else hourly):
            found.append(f"{name}: grows by {growth} {unit} per hour".rstrip())
    return found


def main():
    """Run the soak with the options of the command line; return whether an expectation was not met."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.soak", description="Runs the mixed soak.")
    parser.add_argument("--seconds", type=float, default=3600, help="duration (default: 3600)")
    parser.add_argument("--rate", type=float, default=100, help="calls per second (default: 100)")
    parser.add_argument("--forks", type=float, default=10, help="seconds between two forks (default: 10)")
    parser.add_argument("--seed", type=int, default=18, help="seed of the faults (default: 18)")
    parser.add_argument("--record", type=Path, help="a JSON file for the result")
    given = parser.parse_args()
    result = run(given.seconds, given.rate, given.forks, given.seed)
    command = f"python -m tests.reliability.soak --seconds {given.seconds:g}"
    result = {"command": command, **result, "not as expected": failures(result)}
    text = json.dumps(result, indent=1)
    print(text)
    if given.record:
        given.record.write_text(text + "\n", encoding="utf-8")
    return bool(result["not as expected"])


if __name__ == "__main__":
    sys.exit(main())
