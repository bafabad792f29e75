"""Signal handlers that raise in the main thread while it waits. Runs in a separate process.

    python -m tests.reliability.interrupted_waits PROGRAM JSON

Prints a report as JSON.
"""

import importlib
import json
import os
import random
import signal
import sys
import time
from multiprocessing import TimeoutError as NotReady

from tests.support import content, offers

#: Seconds that no step takes, even on a busy machine, unless it hangs.
FAR = 60


class SoftTimeLimitExceeded(Exception):
    """Raised by the signal handler."""


def make_client(domain, **options):
    from target_python_sdk import TargetClient  # noqa: PLC0415 - one program interrupts this import

    given = {"client": "acmeclient", "organization_id": "1@AdobeOrg", "server_domain": domain, "timeout": 10000}
    return TargetClient.create({**given, "secure": False, **options})


class Limit:
    """A soft time limit that can be armed repeatedly. It raises once each time it is armed."""

    def __init__(self, number=signal.SIGALRM):
        self.armed = False
        self.raised = None
        self.sent_at = 0.0
        signal.signal(number, self._interrupt)

    def _interrupt(self, *_):
        if self.armed:
            self.armed = False
            self.raised = SoftTimeLimitExceeded()
            raise self.raised

    def after(self, seconds):
        self.raised = None
        self.armed = True
        self.sent_at = time.monotonic() + seconds
        signal.setitimer(signal.ITIMER_REAL, seconds)


def soft_limits(hung, domain, kind, count):
    """Interrupt a call or a wait that would take ten seconds."""
    slow, good = make_client(hung, circuit_breaker=False), make_client(domain)
    limit = Limit()

    def get():
        slow.get_offers({**offers(), "callback": id}).get()

    operations = {"sync": lambda: slow.get_offers(offers()), "get": get, "flush": lambda: slow.flush(10000)}
    slow.get_offers({**offers(), "callback": id})  # a call for flush to wait for
    waits, unchanged, foreign, next_calls = [], 0, [], 0
    for _ in range(count):
        try:
            limit.after(0.01)
            operations[kind]()
            foreign.append("an answer")
        except SoftTimeLimitExceeded as error:
            waits.append((time.monotonic() - limit.sent_at) * 1000)
            unchanged += error is limit.raised
        except BaseException as error:  # noqa: BLE001 - it is reported
            foreign.append(repr(error))
        next_calls += content(good.get_offers(offers())) == "<b>A</b>"
    slow.close(0)
    return {
        "seen": len(waits),
        "waits": waits,
        "unchanged": unchanged,
        "next_calls": next_calls,
        "foreign": foreign,
        "closed": good.close(),
    }


def during_create(domain, count):
    """Interrupt ``create`` at random moments, including the imports of the first client."""
    limit = Limit()
    pauses = random.Random(20261122)
    seen, foreign, next_calls, waits, longest = 0, [], 0, [], 0.2
    while seen < count:
        for name in [name for name in sys.modules if name.startswith(("target_", "delivery_api", "tests.support"))]:
            del sys.modules[name]
        importlib.import_module("target_python_sdk")
        began = time.monotonic()
        try:
            try:
                limit.after(pauses.uniform(0.001, longest))
                make_client(domain, events={"client_ready": lambda: None})
            finally:
                limit.armed = False
            longest = max(0.005, 0.7 * longest + 0.3 * (time.monotonic() - began))
        except SoftTimeLimitExceeded as error:
            seen += 1
            waits.append((time.monotonic() - limit.sent_at) * 1000)
            if error is not limit.raised:
                foreign.append("another instance")
        except BaseException as error:  # noqa: BLE001 - it is reported
            foreign.append(repr(error))
        signal.setitimer(signal.ITIMER_REAL, 0)
        client = make_client(domain)
        fresh = importlib.import_module("tests.support")
        next_calls += fresh.content(client.get_offers(fresh.offers())) == "<b>A</b>"
        client.close()
    return {"seen": seen, "waits": waits, "foreign": foreign, "next_calls": next_calls >= count}


def storm(domain, count, workers):  # noqa: PLR0915 - one scenario in order
    """Send signals every 0.2 to 2 ms while calls are submitted and waited for.

    Idle workers do not check the queue by themselves here. So a result that no worker was woken for is never ready,
    and the time limits below can be far longer than a busy machine needs.
    """
    from target_tools.concurrency import task_workers  # noqa: PLC0415 - one program interrupts this import

    task_workers.IDLE_SECONDS = 10 * FAR
    client = make_client(domain, max_workers=workers, timeout=FAR * 1000, queue_timeout=2 * FAR * 1000)
    limit = Limit()
    pauses = random.Random(20261122)
    options = {**offers(), "callback": id}
    held, foreign = [], []
    counts = {"interrupted": 0, "returned": 0, "longest": 0.0}

    def submit():
        held.append(client.get_offers(options))
        counts["returned"] += 1

    def get():
        if held:
            held[-1].get(5)

    def flush():
        client.flush(5000)

    operations = [submit, submit, get, flush]
    turn = [0]

    def until_the_signal():
        # A function, because in Python 3.13 a signal between two iterations escaped the ``try`` around a loop.
        while limit.armed:
            turn[0] += 1
            operations[turn[0] % 4]()

    while counts["interrupted"] < count:
        began = time.monotonic()
        try:
            try:
                limit.after(pauses.uniform(0.0002, 0.002))
                until_the_signal()
            finally:
                limit.armed = False
        except SoftTimeLimitExceeded:
            counts["interrupted"] += 1
        except NotReady as error:
            foreign.append(f"stuck: {error!r} {client.stats()}")
        except Exception as error:  # noqa: BLE001 - it is reported
            foreign.append(repr(error))
        took = time.monotonic() - began
        counts["longest"] = max(counts["longest"], took)
        if len(held) > 500:
            del held[:400]
    signal.setitimer(signal.ITIMER_REAL, 0)
    end = time.monotonic() + FAR
    for result in held:
        result.wait(max(0.0, end - time.monotonic()))
    stuck = sum(not result.ready() for result in held)
    failed = sum(not result.successful() for result in held if result.ready())
    flushed = client.flush(FAR * 1000)
    for _ in range(20):
        client.get_offers(options).get(FAR)
        client.get_offers(offers())
    threads = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else client.stats()["threads"]
    closed = client.close()
    end = {"stuck": stuck, "failed": failed, "flushed": flushed, "threads": threads, "closed": closed}
    return {**counts, **end, "foreign": foreign[:5]}


PROGRAMS = {one.__name__: one for one in (soft_limits, during_create, storm)}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(PROGRAMS[sys.argv[1]](**json.loads(sys.argv[2]))))
    sys.stdout.flush()
