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

from tests.support import content, eventually, offers

#: Seconds after which a step counts as hanging, even on a busy machine.
HANG_SECONDS = 60


class SoftTimeLimitExceeded(Exception):
    """Raised by the signal handler."""


def make_client(domain, **options):
    from target_python_sdk import TargetClient  # noqa: PLC0415 - one program interrupts this import

    defaults = {"client": "acmeclient", "organization_id": "1@AdobeOrg", "server_domain": domain, "timeout": 10000}
    return TargetClient.create({**defaults, "secure": False, **options})


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
    waits, unchanged, unexpected, next_calls = [], 0, [], 0
    for _ in range(count):
        try:
            limit.after(0.01)
            operations[kind]()
            unexpected.append("an answer")
        except SoftTimeLimitExceeded as error:
            waits.append((time.monotonic() - limit.sent_at) * 1000)
            unchanged += error is limit.raised
        except BaseException as error:  # noqa: BLE001 - it is reported
            unexpected.append(repr(error))
        next_calls += content(good.get_offers(offers())) == "<b>A</b>"
    slow.close(0)
    return {
        "seen": len(waits),
        "waits": waits,
        "unchanged": unchanged,
        "next_calls": next_calls,
        "unexpected": unexpected,
        "closed": good.close(),
    }


def during_create(domain, count):
    """Interrupt ``create`` at random moments, including the imports of the first client."""
    limit = Limit()
    rng = random.Random(20261122)
    seen, unexpected, next_calls, waits, longest = 0, [], 0, [], 0.2
    while seen < count:
        for name in [name for name in sys.modules if name.startswith(("target_", "delivery_api", "tests.support"))]:
            del sys.modules[name]
        importlib.import_module("target_python_sdk")
        began = time.monotonic()
        try:
            try:
                limit.after(rng.uniform(0.001, longest))
                make_client(domain, events={"client_ready": lambda: None})
            finally:
                limit.armed = False
            longest = max(0.005, 0.7 * longest + 0.3 * (time.monotonic() - began))
        except SoftTimeLimitExceeded as error:
            seen += 1
            waits.append((time.monotonic() - limit.sent_at) * 1000)
            if error is not limit.raised:
                unexpected.append("another instance")
        except BaseException as error:  # noqa: BLE001 - it is reported
            unexpected.append(repr(error))
        signal.setitimer(signal.ITIMER_REAL, 0)
        client = make_client(domain)
        fresh = importlib.import_module("tests.support")
        next_calls += fresh.content(client.get_offers(fresh.offers())) == "<b>A</b>"
        client.close()
    return {"seen": seen, "waits": waits, "unexpected": unexpected, "next_calls": next_calls >= count}


def threads_of(client):
    """Return the number of threads of the process, or of the client's workers where the process has no such list."""
    return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else client.stats()["threads"]


def storm(domain, count, workers):  # noqa: PLR0915 - one scenario in order
    """Send signals every 0.2 to 2 ms while calls are submitted and waited for.

    Idle workers do not poll the queue here. A call for which no worker is woken is therefore noticed even with time
    limits that are far longer than a busy machine needs.
    """
    from target_tools.concurrency import task_workers  # noqa: PLC0415 - one program interrupts this import

    task_workers.IDLE_SECONDS = 10 * HANG_SECONDS
    # Workers that open connections are not replaced. The replacements would be among the threads counted at the end.
    task_workers.MAX_BLOCKED = 0
    client = make_client(
        domain, max_workers=workers, timeout=HANG_SECONDS * 1000, queue_timeout=2 * HANG_SECONDS * 1000
    )
    limit = Limit()
    rng = random.Random(20261122)
    options = {**offers(), "callback": id}
    results, unexpected = [], []
    counts = {"interrupted": 0, "returned": 0, "longest": 0.0}

    def submit():
        results.append(client.get_offers(options))
        counts["returned"] += 1

    def get():
        if results:
            results[-1].get(5)

    def flush():
        client.flush(5000)

    operations = [submit, submit, get, flush]
    turn = [0]

    def until_the_signal():
        # In Python 3.13, an exception of the handler between two iterations escaped a ``try`` directly around the loop.
        # So the loop is in a function.
        while limit.armed:
            turn[0] += 1
            operations[turn[0] % 4]()

    while counts["interrupted"] < count:
        began = time.monotonic()
        try:
            try:
                limit.after(rng.uniform(0.0002, 0.002))
                until_the_signal()
            finally:
                limit.armed = False
        except SoftTimeLimitExceeded:
            counts["interrupted"] += 1
        except NotReady as error:
            unexpected.append(f"stuck: {error!r} {client.stats()}")
        except Exception as error:  # noqa: BLE001 - it is reported
            unexpected.append(repr(error))
        elapsed = time.monotonic() - began
        counts["longest"] = max(counts["longest"], elapsed)
        if len(results) > 500:
            del results[:400]
    signal.setitimer(signal.ITIMER_REAL, 0)
    end = time.monotonic() + HANG_SECONDS
    for result in results:
        result.wait(max(0.0, end - time.monotonic()))
    stuck = sum(not result.ready() for result in results)
    failed = sum(not result.successful() for result in results if result.ready())
    flushed = client.flush(HANG_SECONDS * 1000)
    for _ in range(20):
        client.get_offers(options).get(HANG_SECONDS)
        client.get_offers(offers())
    # On a busy machine, the helper threads of the calls exit late. Idle workers stay, so too many of them are counted.
    eventually(lambda: threads_of(client) <= workers + 2, HANG_SECONDS)
    threads, closed = threads_of(client), client.close()
    end = {"stuck": stuck, "failed": failed, "flushed": flushed, "threads": threads, "closed": closed}
    return {**counts, **end, "unexpected": unexpected[:5]}


PROGRAMS = {each.__name__: each for each in (soft_limits, during_create, storm)}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(PROGRAMS[sys.argv[1]](**json.loads(sys.argv[2]))))
    sys.stdout.flush()
