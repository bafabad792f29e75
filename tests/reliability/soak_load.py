# ruff: noqa: T201 - a program that prints its report
"""The measured process of the mixed soak: one client, and calls of all kinds at a limited rate.

    python -m tests.reliability.soak_load EDGE CDN SECONDS RATE FORK_SECONDS

The first two arguments are the domains of the servers. The process prints lines of JSON: samples of the resources that
it uses, and at the end the report.
"""

import asyncio
import collections
import itertools
import json
import logging
import os
import sys
import threading
import time
import uuid
from functools import partial

from target_python_sdk import TargetClient
from target_python_sdk.errors import DeliveryError
from target_python_sdk.observers import ExposureLogger
from target_python_sdk.types import (
    Context,
    DeliveryRequest,
    ExecuteRequest,
    MboxRequest,
    Notification,
    NotificationMbox,
    VisitorId,
)
from tests.reliability.forking import fork
from tests.reliability.soak_servers import LOCAL_MBOXES
from tests.support import LONG, eventually

#: How calls are decided. ``hybrid, edge`` is a hybrid call for an mbox that only the edge can decide.
METHODS = ("server-side", "on-device", "hybrid", "hybrid, edge")
CALLS = [
    *(("get_offers", method) for method in METHODS),
    *(("get_attributes", method) for method in METHODS[:3]),
    ("send_notifications", "server-side"),
]
#: Seconds after which a call that has not ended counts as lost.
LOST_AFTER = 60
WAYS = ("sync", "callback", "awaited")


class Recorder:
    """Counts how the calls of one process end, and checks their answers."""

    def __init__(self):
        self.lock = threading.Lock()
        self.calls = collections.Counter()
        self.errors = collections.Counter()
        self.twice = self.mixed = self.outdated = self.displays = self.notifications = 0
        self.unexpected = []
        self.outstanding = {}
        self._newest = 0
        self._numbers = itertools.count()
        # A process id would not be unique: in an hour, a child can get the id of an earlier child.
        self._process = uuid.uuid4().hex

    def begin(self, way, kind):
        """Record the start of a call of this kind, and return the call."""
        visitor = f"{self._process}-{next(self._numbers)}.35_0"
        call = Call(visitor, *kind, self._newest)
        call.way = way
        with self.lock:
            self.calls[f"{call.function}, {call.method}, {way}"] += 1
            self.outstanding[visitor] = time.monotonic()
        return call

    def end(self, call, outcome):
        """Record the end of a call: its result or its error."""
        with self.lock:
            call.outcomes.append(outcome)
            if self.outstanding.pop(call.visitor, None) is None and not call.is_fallback():
                self.twice += 1
                self.unexpected.append(f"{call}: {call.outcomes!r}")
        if isinstance(outcome, BaseException):
            with self.lock:
                self.errors[type(outcome).__name__] += 1
                if not isinstance(outcome, DeliveryError) and len(self.unexpected) < 10:
                    self.unexpected.append(repr(outcome))
            return
        try:
            self._check(call, outcome)
        except Exception as error:  # noqa: BLE001 - it is reported
            with self.lock:
                self.unexpected.append(f"{call}: {error!r}")

    def lost(self):
        """Return how many calls should have ended and have not."""
        now = time.monotonic()
        with self.lock:
            return sum(now - began > LOST_AFTER for began in self.outstanding.values())

    def _check(self, call, result):
        envelope = result.get_response() if call.function == "get_attributes" else result
        response = envelope["response"]
        mixed = response.id.tnt_id != call.visitor
        versions = set()
        if call.function == "send_notifications":
            with self.lock:
                self.mixed += mixed
                self.notifications += 1
            return
        on_device = envelope["meta"]["decisioning_method"] == "on-device"
        if on_device and call.method == "hybrid, edge":  # the request to the edge failed
            assert not response.execute.mboxes[0].options, response
            with self.lock:
                self.errors["an answer without offers"] += 1
            return
        assert on_device == (call.method in ("on-device", "hybrid")), envelope["meta"]
        if call.function == "get_attributes":
            settings = result.as_object("settings")
            if on_device:
                versions.add(settings["version"])
            else:
                mixed |= settings["visitor"] != call.visitor
        else:
            mboxes = response.execute.mboxes
            assert [mbox.name for mbox in mboxes] == list(call.mboxes)
            for mbox in mboxes:
                first, _, visitor = mbox.options[0].content.partition(" for ")
                mixed |= visitor != call.visitor
                if on_device:
                    versions.add(int(first))
        with self.lock:
            self.mixed += mixed
            # All parts of an answer come from one artifact, which is not older than any that was seen before the call.
            self.outdated += len(versions) > 1 or any(version < call.newest for version in versions)
            self._newest = max(self._newest, *versions, 0)
            self.displays += len(call.mboxes) if on_device else 0


class Call:
    """A call of one visitor, and its options."""

    def __init__(self, visitor, function, method, newest):
        self.visitor, self.function, self.method, self.newest = visitor, function, method, newest
        self.outcomes = []
        self.mboxes = LOCAL_MBOXES if method in ("on-device", "hybrid") else ("remote",)
        if function == "get_attributes":
            self.mboxes = ("settings",)

    def __str__(self):
        return f"{self.function}, {self.method}, {self.way}, {self.visitor}"

    def is_fallback(self):
        """Return whether the edge failed and the call then ended with an on-device answer.

        ``err_callback`` gets the error, and ``callback`` gets the answer, which contains the same error.
        """
        error, *answers = self.outcomes
        return self.method == "hybrid, edge" and [getattr(answer, "error", None) for answer in answers] == [error]

    def options(self):
        request = DeliveryRequest(context=Context(channel="web"), id=VisitorId(tnt_id=self.visitor))
        if self.function == "send_notifications":
            mbox = NotificationMbox(name="click")
            request.notifications = [Notification(id=self.visitor, type="click", timestamp=1, mbox=mbox, tokens=["t"])]
            return {"request": request}
        if self.function == "get_offers":
            parameters = {"visitor": self.visitor}
            mboxes = [MboxRequest(name=name, index=at, parameters=parameters) for at, name in enumerate(self.mboxes)]
            request.execute = ExecuteRequest(mboxes=mboxes)
        return {"request": request, "decisioning_method": self.method.partition(",")[0]}

    def start(self, client, suffix="", **callbacks):
        """Call the client's method ``function`` + ``suffix``, and return its result."""
        function = getattr(client, self.function + suffix)
        names = [list(self.mboxes)] if self.function == "get_attributes" else []
        return function(*names, {**self.options(), **callbacks})


class Watcher:
    """An observer that counts the calls that start and finish."""

    def __init__(self):
        self.lock = threading.Lock()
        self.started, self.finished = collections.Counter(), collections.Counter()

    def start(self, call):
        with self.lock:
            self.started[call.kind] += 1
        return self._finish

    def _finish(self, observed):
        with self.lock:
            self.finished[observed.kind] += 1

    def __call__(self, observed):
        """Ignore changes of circuits, which have no start."""


def call_and_wait(client, recorder, kind):
    call = recorder.begin("sync", kind)
    try:
        outcome = call.start(client)
    except Exception as error:  # noqa: BLE001 - it is reported
        outcome = error
    recorder.end(call, outcome)


def call_with_callback(client, recorder, kind):
    call = recorder.begin("callback", kind)

    def end(outcome):
        recorder.end(call, outcome)

    try:
        return call.start(client, callback=end, err_callback=end)
    except Exception as error:  # noqa: BLE001 - it is reported
        recorder.end(call, error)


async def call_and_await(client, recorder, kind):
    call = recorder.begin("awaited", kind)
    try:
        outcome = await call.start(client, "_async")
    except Exception as error:  # noqa: BLE001 - it is reported
        outcome = error
    recorder.end(call, outcome)


class Pace:
    """Schedules ``rate`` calls per second. After a delay, it makes up for at most the last second."""

    def __init__(self, rate):
        self._period, self._next = 1 / rate, time.monotonic()

    def seconds_until_next(self):
        """Return the seconds until the next call is due."""
        now = time.monotonic()
        self._next = max(self._next + self._period, now - 1)
        return max(0.0, self._next - now)


def in_a_thread(act, kinds, rate, stop):
    """Call ``act`` with each of the kinds in turn, ``rate`` times a second, until ``stop`` is set."""
    pace = Pace(rate)
    for kind in itertools.cycle(kinds):
        if stop.wait(pace.seconds_until_next()):
            return
        act(kind)


async def in_an_event_loop(act, kinds, rate, stop):
    """Do the same as ``in_a_thread``, but start a task for each call instead of waiting for it."""
    pace, tasks = Pace(rate), set()
    for kind in itertools.cycle(kinds):
        await asyncio.sleep(pace.seconds_until_next())
        if stop.is_set():
            await asyncio.gather(*tasks)
            return
        task = asyncio.ensure_future(act(kind))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


def act_as_a_child(client, watcher, write_end):
    """Make a call of each kind in each way, deliver their notifications, and report to the parent."""
    watcher.lock = threading.Lock()  # another thread of the parent may have held it
    recorder = Recorder()
    results = [call_with_callback(client, recorder, kind) for kind in CALLS]
    for kind in CALLS:
        call_and_wait(client, recorder, kind)

    async def gather():
        await asyncio.gather(*(call_and_await(client, recorder, kind) for kind in CALLS))

    asyncio.run(gather())
    for result in filter(None, results):
        result.wait(LOST_AFTER)
    flushed = client.flush(LONG)
    report = report_of(client, recorder)
    assert flushed
    os.write(write_end, json.dumps(report).encode())


def report_of(client, recorder):
    """Return the counts of one process."""
    stats = client.stats()
    with recorder.lock:
        return {
            "calls": dict(recorder.calls),
            "errors": dict(recorder.errors),
            "lost": len(recorder.outstanding),
            "answered twice": recorder.twice,
            "mixed between visitors": recorder.mixed,
            "mixed between artifacts": recorder.outdated,
            "unexpected": recorder.unexpected,
            "displays": recorder.displays,
            "notifications": recorder.notifications,
            "undelivered": stats["undelivered"] + stats["dropped_notifications"],
            "retries": stats["retries"],
        }


def fork_and_wait(client, watcher):
    """Return the report of a forked child, or None if it failed."""
    read_end, write_end = os.pipe()
    pid = fork(lambda: act_as_a_child(client, watcher, write_end))
    os.close(write_end)
    written = b""
    while part := os.read(read_end, 65536):
        written += part
    os.close(read_end)
    return json.loads(written) if os.waitpid(pid, 0)[1] == 0 else None


def sample(began):
    """Return the seconds since ``began``, and the resources of this process."""
    with open("/proc/self/statm") as statm:
        resident = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return {
        "seconds": round(time.monotonic() - began, 1),
        "memory": resident,
        "threads": len(os.listdir("/proc/self/task")),
        "descriptors": len(os.listdir("/proc/self/fd")) - 1,
    }


def run(edge, cdn, seconds, rate, fork_seconds):
    """Make calls for ``seconds``, and return the report."""
    for name in ("adobe.target", "soak.exposures"):
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
    logging.getLogger("soak.exposures").setLevel(logging.INFO)
    watcher, recorder, stop = Watcher(), Recorder(), threading.Event()
    client = TargetClient.create({
        "client": "acmeclient",
        "organization_id": "1234567890@AdobeOrg",
        "server_domain": edge,
        "cdn_base_path": f"http://{cdn}",
        "secure": False,
        "timeout": 2000,
        "max_workers": 16,
        "decisioning_method": "hybrid",
        "polling_interval": 1000,
        "observers": [watcher, ExposureLogger(logging.getLogger("soak.exposures"), max_remembered=1000)],
    })
    assert eventually(lambda: client.stats()["artifact"])

    def call_in_asyncio():
        asyncio.run(in_an_event_loop(partial(call_and_await, client, recorder), CALLS, rate / 3, stop))

    def call_in_a_thread(act, first, count):
        in_a_thread(partial(act, client, recorder), CALLS[first:] + CALLS[:first], rate / 3 / count, stop)

    acts = [call_in_asyncio, partial(call_in_a_thread, call_with_callback, 0, 1)]
    acts += [partial(call_in_a_thread, call_and_wait, first, 3) for first in range(3)]
    threads = [threading.Thread(target=act) for act in acts]
    # The data of this function must not grow with the length of the run, because it would count as growth of the SDK.
    began, children, forks, failed_children = time.monotonic(), {}, 0, 0
    for thread in threads:
        thread.start()
    interval, next_fork = max(1.0, seconds / 720), fork_seconds
    while (elapsed := time.monotonic() - began) < seconds:
        print(json.dumps(sample(began)), flush=True)
        if elapsed >= next_fork:
            next_fork += fork_seconds
            child = fork_and_wait(client, watcher)
            forks += 1
            failed_children += child is None
            children = children if child is None else merged([children, child])
        time.sleep(interval)
    stuck = recorder.lost()
    stop.set()
    for thread in threads:
        thread.join(LOST_AFTER)
    flushed = client.flush(LOST_AFTER * 1000)
    stats = client.stats()
    report = report_of(client, recorder)
    closed = client.close()
    eventually(lambda: sum(watcher.started.values()) == sum(watcher.finished.values()))
    return {
        "parent": report,
        "children": children,
        "forks": forks,
        "failed children": failed_children,
        "lost during the run": stuck,
        "flushed": flushed,
        "closed": closed,
        "stuck threads": sum(thread.is_alive() for thread in threads),
        "calls counted": stats["calls"],
        "observed": {"started": dict(watcher.started), "finished": dict(watcher.finished)},
        "failed observers": stats["failed_observers"],
        "newest artifact": recorder._newest,
        "cpu seconds": sum(os.times()[:4]),
    }


def merged(reports):
    """Return the sum of the reports of several processes."""
    total = {}
    for report in reports:
        for name, value in report.items():
            if isinstance(value, dict):
                total[name] = dict(collections.Counter(total.get(name, {})) + collections.Counter(value))
            else:
                total[name] = total.get(name, type(value)()) + value
    return total


if __name__ == "__main__":
    print(json.dumps(run(*sys.argv[1:3], *map(float, sys.argv[3:]))))
