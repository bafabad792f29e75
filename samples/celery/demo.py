# ruff: noqa: T201 - a demonstration shows what happens
"""The tasks beside this file at work, with everything they need::

    python samples/celery/demo.py

It starts a broker (``redis-server`` if there is one, else a folder), a Target edge and a Celery worker, all on this
machine, and stops them in the end.  Everything shown was measured just then; the exit code is 0 if all went well.
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
#: Tasks whose callbacks are still to come when the worker is told to stop.
LAST = 32
#: Seconds that an edge takes for their answers.
SLOW = 0.7
#: Seconds in which Celery's main process hears that a task is over.  If it is told to stop before it knows even
#: that the task began, the child waits thirty seconds to be heard: so it is with any task as short as these.
HEARD = 0.1
TASKS_PER_CHILD = 5
WORKER = ["worker", "--pool", "prefork", "--concurrency", "2"]
RECYCLING = ["--max-tasks-per-child", str(TASKS_PER_CHILD)]
QUIET = ["--loglevel", "INFO", "--without-gossip", "--without-mingle", "--without-heartbeat"]
#: Seconds that anything here is waited for.
PATIENCE = 30.0
#: Seconds that a worker may take to stop, with those thirty.
STOPPING = 75.0
#: Seconds that the edge is away.
AWAY = 1.0

_POSTED = re.compile(r"(visitor-\d+) gets (.*?) from (\d+)$", re.MULTILINE)
_SUCCEEDED = re.compile(r"Task tasks\.write_to\[.*?succeeded")
_DROPPED = re.compile(r"(\d+) calls were not over")
_TRIED = re.compile(r"retry: Retry in")


class Trouble(Exception):
    """What did not go well."""


def main() -> int:
    """Show all; the result is the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    try:
        with contextlib.ExitStack() as started:
            _demonstrate(started)
    except (Trouble, OSError) as error:
        sys.stderr.write("error: the demonstration failed: {}\n".format(error))
        return 1
    except KeyboardInterrupt:
        return 130
    print("\nEverything was stopped.")
    return 0


def _demonstrate(started: contextlib.ExitStack) -> None:
    folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="target-celery-")))
    edge = started.enter_context(LocalEdge())
    print("A Target edge on this machine: http://{}".format(edge.domain))
    os.environ.update(TARGET_EDGE=edge.domain, **_broker(started, folder))
    # Only now: the tasks read where broker and edge are when they are imported.
    import tasks  # noqa: PLC0415

    with contextlib.closing(tasks.app):
        log = folder / "recycling.log"
        with _worker(log, *RECYCLING):
            _show_callbacks(tasks, edge, log)
            _show_notifications(tasks, edge)
            _show_an_edge_that_was_away(tasks, edge, log)
        log = folder / "warm.log"
        with SocketServer(slowly) as slow:
            os.environ.update(TARGET_EDGE=slow.domain)
            with _worker(log) as worker:
                _show_shutdown(tasks, log, worker)


@contextlib.contextmanager
def _worker(log: Path, *extra: str) -> "Iterator[subprocess.Popen[bytes]]":
    """A Celery worker that is ready."""
    arguments = [*WORKER, *extra]
    with running([sys.executable, "-m", "celery", "-A", "tasks", *arguments, *QUIET], log) as worker:
        wait_for(lambda: " ready." in text_of(log), "the worker", log, worker)
        print("\ncelery -A tasks {}: ready".format(" ".join(arguments)))
        yield worker


def _show_callbacks(tasks: Any, edge: LocalEdge, log: Path) -> None:
    """Each task returns at once; its callback runs afterwards, in children that are replaced all the time."""
    for number in range(VISITORS):
        tasks.write_to.delay("visitor-{}".format(number))
    wait_for(lambda: len(posted(log)) >= VISITORS, "{} callbacks".format(VISITORS), log)
    by_child = collections.Counter(child for _, _, child in posted(log))
    rows = [("child", "callbacks that ran")] + [(child, str(count)) for child, count in by_child.items()]
    title = "{} tasks that decide with a callback, {} for each child before it is replaced"
    show_table(title.format(VISITORS, TASKS_PER_CHILD), rows)
    print("   callbacks that ran: {} of {}".format(len(posted(log)), VISITORS))
    mails = collections.Counter(mail for _, mail, _ in posted(log))
    print("   mails: {}".format(", ".join("{} x {}".format(count, mail) for mail, count in sorted(mails.items()))))
    told = VISITORS - mails["the usual mail"]
    wait_for(lambda: len(edge.notifications) >= told, "{} notifications".format(told), log)
    print("   displays that the callbacks told the edge of, through the broker: {}".format(len(edge.notifications)))


def _show_notifications(tasks: Any, edge: LocalEdge) -> None:
    """What a page does."""
    sent: Dict[str, float] = {}
    for number in range(5):
        request = tasks.displayed("visitor-{}".format(number))
        began = time.perf_counter()
        tasks.target.send_notifications({"request": request})
        sent[request.notifications[0].id] = (time.perf_counter() - began) * 1000
    wait_for(lambda: set(sent) <= set(recorded(edge)), "5 notifications")
    rows = [("id", "ms until the broker had it", "recorded by the edge")]
    rows += [(one, "{:.1f}".format(took), "{} x".format(recorded(edge)[one])) for one, took in sent.items()]
    show_table("send_notifications, as a page calls it", rows)
    print("   median: {:.1f} ms".format(statistics.median(sent.values())))


def _show_an_edge_that_was_away(tasks: Any, edge: LocalEdge, log: Path) -> None:
    """The task tries again until the edge is back."""
    before = len(_TRIED.findall(text_of(log)))
    edge.stop()
    request = tasks.displayed("visitor-1")
    (notification,) = request.notifications
    tasks.target.send_notifications({"request": request})
    began = time.monotonic()
    time.sleep(AWAY)
    edge.start()
    wait_for(lambda: notification.id in recorded(edge), "the notification", log)
    tries = len(_TRIED.findall(text_of(log))) - before + 1
    took = "{:.1f} s".format(time.monotonic() - began)
    rows = [("id", "recorded by the edge", "after", "tries")]
    rows += [(notification.id, "{} x".format(recorded(edge)[notification.id]), took, str(tries))]
    show_table("send_notifications, while the edge is away for {:.1f} s".format(AWAY), rows)


def _show_shutdown(tasks: Any, log: Path, worker: "subprocess.Popen[bytes]") -> None:
    """SIGTERM when all tasks are over and their calls are not: the callbacks run all the same."""
    for number in range(LAST):
        tasks.write_to.delay("visitor-{}".format(number))
    wait_for(lambda: len(_SUCCEEDED.findall(text_of(log))) >= LAST, "{} tasks".format(LAST), log, worker)
    time.sleep(HEARD)
    before = len(posted(log))
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        worker.wait(STOPPING)
    took = time.monotonic() - began
    dropped = sum(map(int, _DROPPED.findall(text_of(log))))
    show_table(
        "SIGTERM after {} tasks, while their calls wait for a slow edge".format(LAST),
        [
            ("the worker stopped after", "{:.2f} s, exit code {}".format(took, worker.poll())),
            ("callbacks that had run before", str(before)),
            ("callbacks that ran in all", "{} of {}".format(len(posted(log)), LAST)),
            ("calls that were dropped", str(dropped)),
        ],
    )
    if worker.poll() is None:
        raise Trouble("the worker did not stop")
    if len(posted(log)) != LAST:
        raise Trouble("{} of {} callbacks ran".format(len(posted(log)), LAST))


def slowly(connection: Connection) -> None:
    """An edge that thinks for a while, and finds nothing but the usual mail."""
    nothing = {"mboxes": [{"index": 1, "name": "product-recommendations"}]}
    answer = {"status": 200, "client": "acmeclient", "id": {"tntId": "somebody.35_0"}, "prefetch": nothing}
    while connection.read_request():
        connection.wait(SLOW)
        connection.send(response(json.dumps(answer).encode()))


# Processes


def _broker(started: contextlib.ExitStack, folder: Path) -> Dict[str, str]:
    """Where the tasks find their broker, which is started if it can be."""
    server = shutil.which("redis-server")
    if server is None or importlib.util.find_spec("redis") is None:
        (folder / "broker").mkdir()
        print("A broker in a folder, as there is no redis-server or no Python package redis")
        return {"BROKER_URL": "filesystem://", "BROKER_FOLDER": str(folder / "broker")}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "redis.log"
    command = [server, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
    redis = started.enter_context(running(command, log))
    wait_for(lambda: "Ready to accept" in text_of(log), "redis-server", log, redis)
    print("A Redis of its own: redis://127.0.0.1:{}".format(port))
    return {"BROKER_URL": "redis://127.0.0.1:{}/0".format(port)}


@contextlib.contextmanager
def running(command: List[str], log: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """The command, in a process group of its own, of which nothing is left afterwards."""
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
                process.wait(PATIENCE / 3)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(condition: Callable[[], Any], what: str, log: Any = None, process: Any = None) -> None:
    """Come back when it is so, or raise Trouble, with the end of the log."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end or (process is not None and process.poll() is not None):
            said = "" if log is None else "\n" + text_of(log)[-2000:]
            raise Trouble("{} did not come within {:.0f} s{}".format(what, PATIENCE, said))
        time.sleep(0.01)


# What was seen


def text_of(log: Path) -> str:
    """All that a process has said."""
    return log.read_text(errors="replace")


def posted(log: Path) -> List[Tuple[str, ...]]:
    """Visitor, mail and child of each callback that ran."""
    return _POSTED.findall(text_of(log))


def recorded(edge: LocalEdge) -> "collections.Counter[str]":
    """How often the edge has recorded each notification id."""
    return collections.Counter(one["id"] for one in edge.notifications)


def show_table(title: str, rows: Iterable[Tuple[str, ...]]) -> None:
    """Print it, with its columns aligned."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows)]
    print("\n" + title)
    for row in rows:
        print("   " + "   ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


if __name__ == "__main__":
    sys.exit(main())
