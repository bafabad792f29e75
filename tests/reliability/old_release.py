# ruff: noqa: T201 - a command-line program
"""Measures 1.1.0 in situations of the reliability tests.

    TARGET_SDK_1_1_0=v110/bin/python python -m tests.reliability.old_release --record docs/reliability.json

Prints a figure for each test number. Without the variable, 1.1.0 is installed under ``.bench/``.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.peers import old_release
from benchmarks.plan import NotRun
from target_python_sdk.testing import SocketServer, answer, make_artifact, response
from tests.reliability.test_faults import random_faults
from tests.reliability.visitors import answer_each
from tests.support import ANSWER_BYTES

WORKER = Path(__file__).with_name("old_release_worker.py")
#: Seconds after which a process that does not exit is killed.
KILL_AFTER = 15
GOOD = answer(ANSWER_BYTES)


class OldRelease:
    """Runs situations under an interpreter that has 1.1.0."""

    def __init__(self, executable):
        self._executable = str(Path(executable).absolute())

    def ask(self, situation, *arguments):
        """Return what the worker prints about a situation."""
        return self._run(situation, *arguments)[0]

    def exit(self, situation, *arguments):
        """Return what the worker prints, and how long it takes to exit."""
        text, seconds = self._run(situation, *arguments)
        took = f"does not exit within {KILL_AFTER} s" if seconds is None else f"exits after {seconds:.2f} s"
        return f"{text}; the process {took}".lstrip("; ")

    def _run(self, situation, *arguments):
        command = [self._executable, "-W", "ignore", str(WORKER), situation, *map(str, arguments)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=str(WORKER.parent), text=True
        ) as process:
            line, began = process.stdout.readline(), time.monotonic()
            try:
                process.wait(KILL_AFTER)
                seconds = time.monotonic() - began
            except subprocess.TimeoutExpired:
                process.kill()
                seconds = None
            if not line:
                raise RuntimeError(f"{situation}: {process.stderr.read()[-2000:]}")
        return line.strip(), seconds


def slowly(seconds):
    """Return a handler that answers each request after ``seconds``."""

    def handle(connection):
        while connection.read_request():
            connection.wait(seconds)
            connection.send(response(ANSWER_BYTES))

    return handle


def closing(connection):
    """Answer one request, and close the connection without announcing it."""
    if connection.read_request():
        connection.send(response(ANSWER_BYTES))


def hanging(connection):
    """Answer nothing."""
    connection.read_request()
    connection.hang()


def with_artifact(connection):
    """Answer requests for an artifact and for deliveries."""
    artifact = response(json.dumps(make_artifact({"home": {"html": "<b>A</b>"}})))
    while raw := connection.read_request():
        connection.send(artifact if raw.startswith(b"GET") else response(ANSWER_BYTES))


def measurements(old):
    """Yield the number of each test with a function that measures 1.1.0."""

    def on(handler, situation, *arguments, how=old.ask):
        with SocketServer(handler) as server:
            return how(situation, server.domain, *arguments)

    def connections(handler, count):
        with SocketServer(handler) as server:
            answered = old.ask("blocking_calls", server.domain, count)
            return f"{server.connections} connections, {answered} answers for {count} calls"

    def requests_for(statuses):
        found = []
        for status in statuses:
            with SocketServer(answer(b"", status)) as server:
                old.ask("blocking_calls", server.domain, 1)
                found.append(f"{status}: {len(server.requests)}")
        return "requests of a call, by status: " + ", ".join(found)

    def amplification(count):
        with SocketServer(answer(b"", 503)) as server:
            old.ask("blocking_calls", server.domain, count)
            return f"{len(server.requests) / count:.2f} requests for each call"

    def two_hosts():
        with SocketServer(GOOD) as first, SocketServer(GOOD) as second:
            text = old.ask("two_hosts", first.domain, second.domain)
            counts = f"{len(first.requests)}, {len(second.requests)}"
            return f"requests to the hosts of two clients, one call each: {counts}; {text}"

    yield 1, lambda: on(slowly(3), "a_slow_server")
    yield 2, lambda: on(GOOD, "callbacks", 200)
    yield 3, lambda: connections(GOOD, 100)
    yield 4, lambda: on(GOOD, "a_raising_callback", how=old.exit)
    yield 5, lambda: on(random_faults(18), "random_faults", 300)
    yield 6, lambda: on(hanging, "an_outstanding_call", how=old.exit)
    yield 7, lambda: on(with_artifact, "an_on_device_client", how=old.exit)
    yield 8, lambda: on(GOOD, "a_call_at_exit")
    yield 9, lambda: on(GOOD, "forks", 20)
    yield 11, lambda: on(GOOD, "a_grandchild")
    yield 21, lambda: on(hanging, "a_burst", 50)
    yield 22, lambda: requests_for((400, 403, 404, 429, 502, 503, 504))
    yield 23, lambda: amplification(50)
    yield 29, lambda: connections(closing, 100)
    yield 30, lambda: on(GOOD, "a_hanging_resolver")
    yield 32, lambda: on(GOOD, "many_clients", 20)
    yield 34, two_hosts
    yield 35, lambda: on(answer_each, "many_threads", 16, 20)
    yield 36, lambda: on(with_artifact, "copies")
    yield 37, lambda: on(GOOD, "nested_calls")
    yield 38, lambda: on(GOOD, "no_shared_memory")
    yield 39, lambda: on(GOOD, "no_threads")
    yield 40, lambda: old.ask("an_import")


def main():
    """Measure, print and record the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.old_release", description="Measures 1.1.0.")
    parser.add_argument("--record", type=Path, help="a JSON file; the figures under its key '1.1.0' are updated")
    parser.add_argument("--only", type=int, nargs="*", help="the numbers of the tests to measure")
    given = parser.parse_args()
    executable = os.environ.get("TARGET_SDK_1_1_0")
    if not executable:
        installed = old_release()
        if isinstance(installed, NotRun):
            sys.exit(f"1.1.0 cannot be installed: {installed}")
        executable = installed.interpreter
    figures = {}
    for number, measure in measurements(OldRelease(executable)):
        if given.only and number not in given.only:
            continue
        figures[f"T{number}"] = measure()
        print(f"T{number}  {figures[f'T{number}']}", flush=True)
    if given.record:
        record = json.loads(given.record.read_text(encoding="utf-8")) if given.record.exists() else {}
        earlier = record.get("1.1.0", {}).get("figures", {})
        date = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
        record["1.1.0"] = {"date": date, "figures": {**earlier, **figures}}
        given.record.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
