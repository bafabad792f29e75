"""Threads, descriptors, memory and connections over thousands of calls (T2, T3)."""

import json
import threading

import pytest

from target_python_sdk.testing import SocketServer, answer
from tests.reliability.conftest import Quiet, python
from tests.support import ANSWER_BYTES, client_of, offers

pytestmark = pytest.mark.server

#: Makes many calls with a callback, a few hundred at a time, and counts threads, descriptors and memory.
#: Threads are counted when they start and end, so that even the shortest-lived one is counted.
MANY_CALLS = """
    import _thread, gc, json, os, socket, sys, threading, time
    start, alive, most = _thread.start_new_thread, {}, {}
    counting = threading.Lock()

    def counted_start(act, function_arguments, *rest):
        # ``act`` can be a wrapper that gets the SDK's function as an argument.
        kind = next(each.__qualname__ for each in (*function_arguments, act) if callable(each))

        def counted(*arguments):
            try:
                act(*arguments)
            finally:
                count_them(kind, -1)
        count_them(kind, 1)
        return start(counted, function_arguments, *rest)

    def count_them(kind, more):
        with counting:
            for name in (kind, "all"):
                alive[name] = alive.get(name, 0) + more
                most[name] = max(most.get(name, 0), alive[name])

    _thread.start_new_thread = counted_start
    from target_tools.http import connect, dns
    from tests.reliability.conftest import Quiet
    from tests.support import client_of, offers
    from types import SimpleNamespace

    domain, workers, count, look_up = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), socket.getaddrinfo
    slow = float(sys.argv[4]) if len(sys.argv) > 4 else 0.0
    if slow:
        socket.getaddrinfo = lambda *arguments: time.sleep(slow) or look_up(*arguments)
    # On a busy machine a lookup or a connect could last so long that another worker starts. Prevent that.
    assert slow < dns.BLOCKING_SECONDS
    dns.BLOCKING_SECONDS = connect.ATTEMPT_SECONDS = 60
    client = client_of(SimpleNamespace(domain=domain), max_workers=workers, logger=Quiet())
    received = []

    def make(number):
        while number:
            batch = min(number, 250)
            number -= batch
            results = [client.get_offers({**offers(), "callback": lambda _: received.append(1)}) for _ in range(batch)]
            for result in results:
                result.get(60)

    def resident():
        gc.collect()
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    descriptors = len(os.listdir("/proc/self/fd"))
    make(1000)
    before = resident()
    make(count - 1000)
    print(json.dumps({
        "callbacks": len(received), "workers": most["WorkerPool._work"], "threads": most["all"] + 1,
        "grown": resident() - before,
        "descriptors": len(os.listdir("/proc/self/fd")) - descriptors, "stats": client.stats(),
    }))
"""


def test_t2_slow_lookups_start_no_additional_threads(figure):
    workers = 32
    with SocketServer(answer(ANSWER_BYTES)) as server:
        done = python(MANY_CALLS, server.domain, workers, 1000, 0.2)
        assert (done.returncode, done.stderr) == (0, "")
    threads = json.loads(done.stdout)["threads"]
    figure(f"threads, {workers} workers that open connections", threads, f"{workers + 2} at most")
    assert threads <= workers + 2


@pytest.mark.parametrize("workers", [8, 32])
def test_t2_ten_thousand_callbacks_need_few_threads_and_descriptors_and_little_memory(workers, figure):
    count = 10000
    with SocketServer(answer(ANSWER_BYTES)) as server:
        done = python(MANY_CALLS, server.domain, workers, count, timeout=120)
        assert (done.returncode, done.stderr) == (0, "")
    seen = json.loads(done.stdout)
    threads = seen["threads"]
    figure(f"threads, {workers} workers, {count} calls", threads, f"{workers + 2} at most")
    figure(f"descriptors, {workers} workers", seen["descriptors"], f"{workers + 5} at most")
    figure(f"memory grown, {workers} workers, MB", seen["grown"] / 1e6, "less than 4")
    assert seen["callbacks"] == seen["stats"]["calls"] == count
    assert threads <= workers + 2
    assert seen["descriptors"] <= workers + 5
    assert seen["grown"] < 4e6
    assert server.connections <= workers


@pytest.mark.parametrize("threads", [1, 8])
def test_t3_calls_share_connections(threads, figure):
    count = 1000
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server, logger=Quiet()) as client:

        def call():
            for _ in range(count // threads):
                client.get_offers(offers())

        callers = [threading.Thread(target=call) for _ in range(threads)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert len(server.requests) == client.stats()["calls"] == count
    figure(f"connections, {count} calls in {threads} threads", server.connections, threads)
    assert 1 <= server.connections <= threads
