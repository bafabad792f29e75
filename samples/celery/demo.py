# ruff: noqa: T201 - a demo prints its results
"""Runs the tasks in this folder, with everything that they need::

    python samples/celery/demo.py

It starts a broker (``redis-server`` if it and the Python package ``redis`` are installed, otherwise files in a folder),
a Target edge and a Celery worker on this machine, and stops them at the end. It prints what it measures. The exit code
is 0 if everything worked.
"""

import collections
import contextlib
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Tuple

from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.testing import Connection, SocketServer, response

HERE = Path(__file__).resolve().parent
VISITORS = 40
#: Tasks whose callbacks have not run yet when the worker is stopped.
LAST_TASKS = 32
#: Seconds until the slow edge answers the calls of these tasks.
ANSWER_DELAY = 0.7
#: Seconds in which Celery's children report to its main process that their tasks began and ended. If the main process
#: is stopped before it knows that a task began, the child waits thirty seconds. This can happen with any short task.
REPORT_SECONDS = 0.1
TASKS_PER_CHILD = 5
WORKER = ["worker", "--pool", "prefork", "--concurrency", "2"]
RECYCLING = ["--max-tasks-per-child", str(TASKS_PER_CHILD)]
QUIET = ["--loglevel", "INFO", "--without-gossip", "--without-mingle", "--without-heartbeat"]
#: The longest wait in seconds, except for the end of a worker.
TIMEOUT = 30.0
#: The longest wait in seconds for the end of a worker, including the thirty seconds that a child may wait.
STOP_TIMEOUT = 75.0
#: Seconds for which the edge is stopped.
DOWNTIME = 1.0

_SENT = re.compile(r"(visitor-\d+) gets (.*?) from (\d+)$", re.MULTILINE)
_SUCCEEDED = re.compile(r"Task tasks\.send_mail\[.*?succeeded")
_DROPPED = re.compile(r"(\d+) calls had not ended")
_RETRIED = re.compile(r"retry: Retry in")


class DemoFailed(Exception):
    """A step of the demo that failed."""


def main() -> int:
    """Run the demo and return the exit code."""
    if importlib.util.find_spec("celery") is None:
        sys.stderr.write("error: Celery is not installed; run: pip install celery\n")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all processes are stopped
    try:
        with contextlib.ExitStack() as started:
            _run_demo(started)
    except (DemoFailed, OSError) as error:
        sys.stderr.write(f"error: the demo failed: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    print("\nAll processes are stopped.")
    return 0


def _run_demo(started: contextlib.ExitStack) -> None:
    folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="target-celery-")))
    edge = started.enter_context(LocalEdge())
    print(f"A Target edge on this machine: http://{edge.domain}")
    os.environ.update(TARGET_EDGE=edge.domain, **_broker(started, folder))
    # The module reads the addresses of the broker and the edge when it is imported.
    import tasks  # noqa: PLC0415

    with contextlib.closing(tasks.app):
        log = folder / "recycling.log"
        with _worker(log, *RECYCLING):
            _show_callbacks(tasks, edge, log)
            _show_notifications(tasks, edge)
            _show_edge_downtime(tasks, edge, log)
        log = folder / "warm.log"
        with SocketServer(answer_slowly) as slow:
            os.environ.update(TARGET_EDGE=slow.domain)
            with _worker(log) as worker:
                _show_shutdown(tasks, log, worker)


@contextlib.contextmanager
def _worker(log: Path, *extra: str) -> "Iterator[subprocess.Popen[bytes]]":
    """Run a Celery worker; the block starts when it is ready."""
    arguments = [*WORKER, *extra]
    with running([sys.executable, "-m", "celery", "-A", "tasks", *arguments, *QUIET], log) as worker:
        wait_for(lambda: " ready." in text_of(log), "the worker", log, worker)
        print(f"\ncelery -A tasks {' '.join(arguments)}: ready")
        yield worker


def _show_callbacks(tasks: Any, edge: LocalEdge, log: Path) -> None:
    """Run tasks that return at once. Their callbacks run later, in child processes that are replaced frequently."""
    for number in range(VISITORS):
        tasks.send_mail.delay(f"visitor-{number}")
    wait_for(lambda: len(sent_mails(log)) >= VISITORS, f"{VISITORS} callbacks", log)
    by_child = collections.Counter(child for _, _, child in sent_mails(log))
    rows = [("child", "callbacks that ran")] + [(child, str(count)) for child, count in by_child.items()]
    title = f"{VISITORS} tasks that decide with a callback; a child process is replaced after {TASKS_PER_CHILD} tasks"
    show_table(title, rows)
    print(f"   callbacks that ran: {len(sent_mails(log))} of {VISITORS}")
    mails = collections.Counter(mail for _, mail, _ in sent_mails(log))
    print(f"   mails: {', '.join(f'{count} x {mail}' for mail, count in sorted(mails.items()))}")
    displays = VISITORS - mails["the usual mail"]
    wait_for(lambda: len(edge.notifications) >= displays, f"{displays} notifications", log)
    print(f"   displays that the callbacks reported to the edge through the broker: {len(edge.notifications)}")


def _show_notifications(tasks: Any, edge: LocalEdge) -> None:
    """Send notifications as a web page does."""
    sent: Dict[str, float] = {}
    for number in range(5):
        request = tasks.display_request(f"visitor-{number}")
        began = time.perf_counter()
        tasks.target.send_notifications({"request": request})
        sent[request.notifications[0].id] = (time.perf_counter() - began) * 1000
    wait_for(lambda: set(sent) <= set(recorded(edge)), "5 notifications")
    rows = [("id", "ms until the broker had it", "recorded by the edge")]
    rows += [(name, f"{took:.1f}", f"{recorded(edge)[name]} x") for name, took in sent.items()]
    show_table("send_notifications, called by a page", rows)
    print(f"   median: {statistics.median(sent.values()):.1f} ms")


def _show_edge_downtime(tasks: Any, edge: LocalEdge, log: Path) -> None:
    """Stop the edge for a while. The task retries until the edge is back."""
    before = len(_RETRIED.findall(text_of(log)))
    edge.stop()
    request = tasks.display_request("visitor-1")
    (notification,) = request.notifications
    tasks.target.send_notifications({"request": request})
    began = time.monotonic()
    time.sleep(DOWNTIME)
    edge.start()
    wait_for(lambda: notification.id in recorded(edge), "the notification", log)
    tries = len(_RETRIED.findall(text_of(log))) - before + 1
    took = f"{time.monotonic() - began:.1f} s"
    rows = [("id", "recorded by the edge", "after", "tries")]
    rows += [(notification.id, f"{recorded(edge)[notification.id]} x", took, str(tries))]
    show_table(f"send_notifications, while the edge is stopped for {DOWNTIME:.1f} s", rows)


def _show_shutdown(tasks: Any, log: Path, worker: "subprocess.Popen[bytes]") -> None:
    """Send SIGTERM after the tasks have ended and before their calls have ended. All callbacks still run."""
    for number in range(LAST_TASKS):
        tasks.send_mail.delay(f"visitor-{number}")
    wait_for(lambda: len(_SUCCEEDED.findall(text_of(log))) >= LAST_TASKS, f"{LAST_TASKS} tasks", log, worker)
    time.sleep(REPORT_SECONDS)
    before = len(sent_mails(log))
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        worker.wait(STOP_TIMEOUT)
    took = time.monotonic() - began
    dropped = sum(map(int, _DROPPED.findall(text_of(log))))
    show_table(
        f"SIGTERM after {LAST_TASKS} tasks, while their calls wait for a slow edge",
        [
            ("the worker stopped after", f"{took:.2f} s, exit code {worker.poll()}"),
            ("callbacks that had run before", str(before)),
            ("callbacks that ran in total", f"{len(sent_mails(log))} of {LAST_TASKS}"),
            ("calls that were dropped", str(dropped)),
        ],
    )
    if worker.poll() is None:
        raise DemoFailed("the worker did not stop")
    if len(sent_mails(log)) != LAST_TASKS:
        raise DemoFailed(f"{len(sent_mails(log))} of {LAST_TASKS} callbacks ran")


def answer_slowly(connection: Connection) -> None:
    """Answer each request after a delay, without offers."""
    nothing = {"mboxes": [{"index": 1, "name": "product-recommendations"}]}
    answer = {"status": 200, "client": "acmeclient", "id": {"tntId": "visitor.35_0"}, "prefetch": nothing}
    while connection.read_request():
        connection.wait(ANSWER_DELAY)
        connection.send(response(json.dumps(answer).encode()))


# Processes


def _broker(started: contextlib.ExitStack, folder: Path) -> Dict[str, str]:
    """Start a Redis if possible, and return the environment variables for the broker."""
    server = shutil.which("redis-server")
    if server is None or importlib.util.find_spec("redis") is None:
        (folder / "broker").mkdir()
        print("A broker in a folder, because redis-server or the Python package redis is not installed")
        return {"BROKER_URL": "filesystem://", "BROKER_FOLDER": str(folder / "broker")}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "redis.log"
    command = [server, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
    redis = started.enter_context(running(command, log))
    wait_for(lambda: "Ready to accept" in text_of(log), "redis-server", log, redis)
    print(f"A Redis for this demo: redis://127.0.0.1:{port}")
    return {"BROKER_URL": f"redis://127.0.0.1:{port}/0"}


@contextlib.contextmanager
def running(command: List[str], log: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """Run a command in a new process group, and kill the whole group at the end."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=str(HERE), stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(TIMEOUT / 3)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(condition: Callable[[], Any], what: str, log: Any = None, process: Any = None) -> None:
    """Wait until the condition is true. After a timeout or the end of the process, raise DemoFailed with the log."""
    end = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > end or (process is not None and process.poll() is not None):
            output = "" if log is None else f"\n{text_of(log)[-2000:]}"
            raise DemoFailed(f"gave up waiting for {what}{output}")
        time.sleep(0.01)


# Results


def text_of(log: Path) -> str:
    """Return the output of a process."""
    return log.read_text(errors="replace")


def sent_mails(log: Path) -> List[Tuple[str, ...]]:
    """Return the visitor, mail and child process of each callback that ran."""
    return _SENT.findall(text_of(log))


def recorded(edge: LocalEdge) -> "collections.Counter[str]":
    """Return how many times the edge has recorded each notification id."""
    return collections.Counter(notification["id"] for notification in edge.notifications)


def show_table(title: str, rows: Iterable[Tuple[str, ...]]) -> None:
    """Print a table with aligned columns."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows)]
    print(f"\n{title}")
    for row in rows:
        print("   " + "   ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


if __name__ == "__main__":
    sys.exit(main())
