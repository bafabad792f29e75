"""Process exit, with clients that were not closed (T6, T7, T8, T33)."""

import gc
import threading
import time
import weakref

import pytest

from target_python_sdk.testing import Connection, SocketServer, answer
from target_tools.concurrency import task_workers
from tests.reliability.conftest import interpreter, no_interpreter, python
from tests.support import ANSWER_BYTES, client_of, eventually, offers

pytestmark = pytest.mark.server

#: Seconds within which a process must exit. Even a busy machine needs less, while a wait that should not happen takes
#: longer.
PROMPT = 20.0
HEAD = """
    import atexit, sys, threading, time
    from types import SimpleNamespace
    from tests.support import client_of, offers

    server = SimpleNamespace(domain=sys.argv[1])
"""
#: Makes the exit wait up to 40 seconds for idle threads. If a thread does not end on request, the exit takes longer
#: than ``PROMPT``.
LONG_IDLE_EXIT = """
    from target_tools.concurrency import shutdown

    shutdown.IDLE_EXIT_SECONDS = 40
"""


def read_and_hang(connection):
    """Read a request and never answer it."""
    if connection.read_request():
        connection.hang()


@pytest.mark.parametrize("clients", [1, 3])
def test_t6_a_hanging_request_delays_the_exit_by_shutdown_timeout_at_most(clients, figure):
    body = """
    for _ in range(int(sys.argv[2])):
        client = client_of(server, shutdown_timeout=1000, timeout=60000, max_workers=1)
        for _ in range(3):
            client.get_offers({**offers(), "callback": print})
        while not client.stats()["running"]:
            time.sleep(0.001)
        globals().setdefault("kept", []).append(client)
    print(repr(time.time()))
    """
    with SocketServer(read_and_hang) as server:
        done = python(HEAD + LONG_IDLE_EXIT + body, server.domain, clients)
        elapsed = time.time() - float(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    figure(f"exit with a hung request, {clients} client(s), s", elapsed, "1 (shutdown_timeout)")
    assert elapsed < PROMPT


def test_t6_an_exit_waits_for_a_slow_response():
    def slow(connection):
        while connection.read_request():
            connection.wait(0.3)
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(ANSWER_BYTES), ANSWER_BYTES))

    body = """
    client = client_of(server, max_workers=1)
    for number in range(3):
        client.get_offers({**offers(), "callback": lambda answer: sys.stdout.write("received\\n")})
    """
    with SocketServer(slow) as server:
        done = python(HEAD + body, server.domain)
    assert (done.returncode, done.stdout, done.stderr) == (0, "received\n" * 3, "")


@pytest.mark.parametrize("calls", [0, 1, 100])
def test_t7_a_script_that_does_not_close_its_client_exits_at_once(calls, figure):
    body = """
    received = []
    client = client_of(server)
    client.get_offers(offers())
    for _ in range(int(sys.argv[2])):
        client.get_offers({**offers(), "callback": received.append})
    client.flush()
    assert len(received) == int(sys.argv[2])
    print(repr(time.time()))
    """
    with SocketServer(answer(ANSWER_BYTES)) as server:
        done = python(HEAD + LONG_IDLE_EXIT + body, server.domain, calls)
        elapsed = time.time() - float(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    figure(f"exit without close after {calls} callbacks, s", elapsed, "less than 0.5")
    assert elapsed < PROMPT


LATE_CALLS = {
    "sync_from_atexit": """
    client = client_of(server)
    atexit.register(lambda: sys.stdout.write(client.get_offers(offers())["response"].client))
    """,
    "sync_from_atexit_after_others": """
    client = client_of(server)
    client.get_offers(offers())
    client.get_offers({**offers(), "callback": str}).get()
    atexit.register(lambda: sys.stdout.write(client.get_offers(offers())["response"].client))
    """,
    "callback_from_atexit": """
    client = client_of(server)
    atexit.register(lambda: client.get_offers(
        {**offers(), "callback": lambda answer: sys.stdout.write(answer["response"].client)}))
    """,
    "callback_from_atexit_after_others": """
    client = client_of(server)
    client.get_offers({**offers(), "callback": str}).get()
    atexit.register(lambda: client.get_offers(
        {**offers(), "callback": lambda answer: sys.stdout.write(answer["response"].client)}))
    """,
    "callback_from_an_atexit_older_than_the_client": """
    def late():
        client.get_offers({**offers(), "callback": lambda answer: sys.stdout.write(answer["response"].client)})
    atexit.register(late)
    client = client_of(server)
    client.get_offers({**offers(), "callback": str}).get()
    """,
    "get_from_an_atexit_older_than_the_client": """
    def late():
        result = client.get_offers({**offers(), "callback": str})
        sys.stdout.write(result.get(20)["response"].client)
    atexit.register(late)
    client = client_of(server)
    client.get_offers({**offers(), "callback": str}).get()
    """,
    "a_thread_that_outlives_main": """
    client = client_of(server)
    client.get_offers({**offers(), "callback": str}).get()
    def late():
        time.sleep(0.3)
        result = client.get_offers({**offers(), "callback": str})
        sys.stdout.write(result.get(20)["response"].client)
    threading.Thread(target=late).start()
    """,
    "a_first_call_of_a_thread_that_outlives_main": """
    client = client_of(server)
    def late():
        time.sleep(0.3)
        client.get_offers({**offers(), "callback": lambda answer: sys.stdout.write(answer["response"].client)})
    threading.Thread(target=late).start()
    """,
    "await_from_a_thread_that_outlives_main": """
    import asyncio
    client = client_of(server)
    def late():
        time.sleep(0.3)
        sys.stdout.write(asyncio.run(client.get_offers_async(offers()))["response"].client)
    threading.Thread(target=late).start()
    """,
    "a_callback_that_calls_while_the_process_ends": """
    client = client_of(server)
    def once_more(answer):
        time.sleep(0.3)
        client.get_offers({**offers(), "callback": lambda answer: sys.stdout.write(answer["response"].client)})
    client.get_offers({**offers(), "callback": once_more})
    """,
}


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.14t"])
def test_t8_a_call_during_exit_is_answered_without_a_traceback(version, figure):
    executable = interpreter(version)
    if executable is None:
        pytest.skip(no_interpreter(version))
    ready = python("import target_python_sdk.client", executable=executable, options=())
    if ready.returncode:
        reason = ready.stderr.strip().rpartition("\n")[2]
        pytest.skip(f"Python {version} cannot use the installed requirements: {reason}")
    failed_scripts = {}
    with SocketServer(answer(ANSWER_BYTES)) as server:
        for name, body in LATE_CALLS.items():
            done = python(HEAD + body, server.domain, executable=executable)
            if (done.returncode, done.stdout, done.stderr) != (0, "acmeclient", ""):
                failed_scripts[name] = (done.returncode, done.stdout, done.stderr[-1500:])
    figure(f"late calls answered on {version}", len(LATE_CALLS) - len(failed_scripts), len(LATE_CALLS))
    assert failed_scripts == {}


@pytest.fixture
def long_idle_time(monkeypatch):
    """Keep idle workers alive for longer than ``eventually`` waits."""
    monkeypatch.setattr(task_workers, "IDLE_SECONDS", 60.0)


def workers_alive():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("target-acmeclient")]


def test_t33_an_unreferenced_client_is_garbage_collected_and_its_threads_end(figure, long_idle_time):
    assert eventually(lambda: not workers_alive())
    with SocketServer(answer(ANSWER_BYTES)) as server:
        client = client_of(server)
        for result in [client.get_offers({**offers(), "callback": str}) for _ in range(50)]:
            result.get(20)
        assert workers_alive()
        watched = [weakref.ref(client), weakref.ref(client._processes), weakref.ref(client._processes.get())]
        watched.append(weakref.ref(client._processes.get().workers))
        del client, result
        began = time.monotonic()
        assert eventually(lambda: gc.collect() is not None and not workers_alive())
        elapsed = time.monotonic() - began
        assert eventually(lambda: gc.collect() is not None and not any(each() for each in watched))
    figure("threads end after the client, s", elapsed, "less than 1")


def test_t33_an_unreferenced_client_with_a_call_in_progress_is_garbage_collected(figure, long_idle_time):
    received_request, go = threading.Event(), threading.Event()

    def answer_late(connection):
        if connection.read_request():
            received_request.set()
            go.wait(20)
            Connection.send(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    received = []
    with SocketServer(answer_late) as server:
        client = client_of(server)
        result = client.get_offers({**offers(), "callback": received.append})
        assert received_request.wait(20)
        watched = [weakref.ref(client), weakref.ref(client._processes.get())]
        del client
        gc.collect()
        assert watched[0]() is None
        go.set()
        assert result.get(20) is received[0]
        began = time.monotonic()
        assert eventually(lambda: gc.collect() is not None and not workers_alive())
        elapsed = time.monotonic() - began
        assert eventually(lambda: watched[1]() is None)
    figure("threads end after the last call, s", elapsed, "less than 1")


def test_t33_a_client_with_a_subscriber_is_freed_without_garbage_collection():
    with SocketServer(answer(ANSWER_BYTES)) as server:
        client = client_of(server, events={"client_ready": lambda: None})
        client.get_offers(offers())
        notice = client._ready
        assert eventually(lambda: notice._unclaimed == [])
        time.sleep(0.05)  # the thread that emitted the event is about to exit
        watched = weakref.ref(client)
        gc.disable()
        try:
            del client
            assert eventually(lambda: watched() is None)
        finally:
            gc.enable()


def test_t7_a_forked_child_does_not_wait_for_the_parents_workers(figure):
    body = """
    import os, warnings
    warnings.simplefilter("ignore")
    client = client_of(server)
    client.get_offers({**offers(), "callback": id}).get(20)
    began = time.monotonic()
    if os.fork() == 0:
        sys.exit(0)
    os.wait()
    print(time.monotonic() - began)
    """
    with SocketServer(answer(ANSWER_BYTES)) as server:
        done = python(HEAD + LONG_IDLE_EXIT + body, server.domain)
    assert (done.returncode, done.stderr) == (0, "")
    elapsed = float(done.stdout)
    figure("exit of a forked child beside idle workers, s", round(elapsed, 3), "less than 0.5")
    assert elapsed < PROMPT
