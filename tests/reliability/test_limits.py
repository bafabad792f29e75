"""Machines without semaphores, threads, file descriptors or memory (T38, T39)."""

import json
import os

import pytest

from target_python_sdk.testing import SocketServer, answer
from tests.reliability.conftest import python
from tests.support import ANSWER_BYTES

pytestmark = pytest.mark.server

HEAD = """
    import _thread, json, os, sys, threading
    from types import SimpleNamespace
    from tests.reliability.conftest import Quiet
    from tests.support import client_of, content, offers

    server = SimpleNamespace(domain=sys.argv[1])
    seen = {"answers": 0, "errors": []}

    def count(act):
        try:
            seen["answers"] += content(act()) == "<b>A</b>"
        except Exception as error:
            seen["errors"].append(type(error).__name__)

    def call_twice():
        # An answer and an error, so that all modules that calls need are imported.
        with client_of(server) as other, client_of(SimpleNamespace(domain="127.0.0.1:1"), retries=1) as unreachable:
            other.get_offers(offers())
            try:
                unreachable.get_offers(offers())
            except Exception:
                pass

    def call_every_way(client):
        import asyncio
        count(lambda: client.get_offers(offers()))
        received = []
        options = {**offers(), "callback": received.append, "err_callback": received.append}
        results = [client.get_offers(options) for _ in range(20)]
        for result in results:
            count(lambda: result.get(30))
        count(lambda: asyncio.run(client.get_offers_async(offers())))
        assert len(received) == 20, received
"""
CALLS_IN_EVERY_WAY = 22


def run_script(body, *arguments, **options):
    """Run ``body`` in a process, with a working server, and return its report."""
    with SocketServer(answer(ANSWER_BYTES)) as server:
        done = python(HEAD + body + "\n    print(json.dumps(seen))\n", server.domain, *arguments, **options)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_t38_without_shared_memory_callbacks_work(figure):
    body = """
    import _multiprocessing

    def refuse(*_):
        raise OSError(38, "Function not implemented")

    _multiprocessing.SemLock = refuse
    with client_of(server) as client:
        call_every_way(client)
    """
    seen = run_script(body)
    figure("answers without /dev/shm", seen["answers"], CALLS_IN_EVERY_WAY)
    assert seen == {"answers": CALLS_IN_EVERY_WAY, "errors": []}


@pytest.mark.parametrize(
    ("allowed", "error"),
    [
        (0, "RuntimeError"),
        (1, "RuntimeError"),
        (5, "RuntimeError"),
        (0, "MemoryError"),
    ],
)
def test_t39_calls_run_inline_while_no_thread_can_be_started(allowed, error, figure):
    """Calls run inline while no more threads can be started, and in workers again afterwards."""
    body = """
    start, remaining = _thread.start_new_thread, [int(sys.argv[2])]

    def scarce(*arguments):
        if remaining[0] <= 0:
            raise getattr(__builtins__, sys.argv[3])("can't start new thread")
        remaining[0] -= 1
        return start(*arguments)

    _thread.start_new_thread = scarce
    client = client_of(server, max_workers=4)
    call_every_way(client)
    _thread.start_new_thread = start
    call_every_way(client)
    seen["threads"] = client.stats()["threads"]
    assert client.close()
    """
    seen = run_script(body, allowed, error)
    figure(f"answers, {allowed} threads, then {error}", seen["answers"], 2 * CALLS_IN_EVERY_WAY)
    assert (seen["answers"], seen["errors"]) == (2 * CALLS_IN_EVERY_WAY, [])
    assert seen["threads"] >= 1


def test_t39_calls_run_inline_if_the_user_has_reached_the_limit_of_threads(figure):
    """Use the real limit. It does not apply to root, so the process becomes the user ``nobody`` first."""
    if not hasattr(os, "fork"):
        pytest.skip("this system has no RLIMIT_NPROC")
    body = """
    import asyncio, multiprocessing, resource
    call_twice()  # imports modules that the user nobody may be unable to read
    client = client_of(server, max_workers=4)
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    try:
        threading.Thread(target=int).start()
        seen["refused"] = False
    except RuntimeError:
        seen["refused"] = True
    call_every_way(client)
    """
    seen = run_script(body)
    figure("answers under RLIMIT_NPROC", seen["answers"], CALLS_IN_EVERY_WAY)
    assert seen.pop("refused"), "the limit has no effect here"
    assert seen == {"answers": CALLS_IN_EVERY_WAY, "errors": []}


@pytest.mark.parametrize("first", ["an earlier call", "the first call"])
def test_t39_without_a_free_descriptor_calls_fail_cleanly_and_later_succeed(first, figure):
    body = """
    import resource
    if sys.argv[2] == "an earlier call":
        call_twice()
    client = client_of(server, max_workers=64, circuit_breaker=False, retries=1, logger=Quiet())
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    kept = []
    try:
        while len(kept) < 100:
            kept.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    received = []
    for result in [client.get_offers({**offers(), "callback": received.append}) for _ in range(200)]:
        count(lambda: result.get(30))
    count(lambda: client.get_offers(offers()))
    refused, seen["errors"] = seen["errors"], []
    while kept:
        os.close(kept.pop())
    call_every_way(client)
    seen["refused"] = sorted(set(refused)), len(refused)
    """
    seen = run_script(body, first)
    kind, number = seen["refused"]
    figure(f"clean errors without a descriptor, {first}", number if kind == ["ConnectionFailed"] else 0, 201)
    assert seen == {"answers": CALLS_IN_EVERY_WAY, "errors": [], "refused": [["ConnectionFailed"], 201]}


def test_t39_calls_of_64_workers_with_32_descriptors_succeed_or_fail_cleanly(figure):
    body = """
    import resource
    call_twice()
    client = client_of(server, max_workers=64, circuit_breaker=False, logger=Quiet())
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    for result in [client.get_offers({**offers(), "callback": str}) for _ in range(500)]:
        count(lambda: result.get(30))
    failures, seen["errors"] = seen["errors"], []
    seen["failures"] = sorted(set(failures)), len(failures)
    seen["answered"], seen["answers"] = seen["answers"], 0
    client.get_offers(offers())
    client.flush()
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    call_every_way(client)
    """
    seen = run_script(body)
    failures, answered = seen.pop("failures"), seen.pop("answered")
    figure("answers or clean errors with 32 descriptors", answered + failures[1], 500)
    assert answered + failures[1] == 500
    assert answered > 0
    assert failures[0] in ([], ["ConnectionFailed"])
    assert seen == {"answers": CALLS_IN_EVERY_WAY, "errors": []}


@pytest.mark.parametrize(
    "place",
    [
        "transport.Transport._over_pool",
        "transport.Transport._send",
        "transport.Transport._keep",
        "pools.IdleConnections.get",
        "pools.IdleConnections.keep",
        "pools.PooledConnection.begin_exchange",
        "pools.PooledConnection.request",
        "pools.PooledConnection.response_class",
        "pools.PooledConnection.end_exchange",
        "exchanges.read_headers",
        "exchanges.StrictResponse.begin",
        "exchanges.DeadlineReader.readinto",
        "messages.read_body",
        "transport.decode_body",
        "transport.read_body",
    ],
)
def test_t39_each_call_ends_once_if_the_transport_runs_out_of_memory(place, figure):
    """The first calls run out of memory at ``place``. Each of them ends once, and later calls are answered."""
    body = """
    import functools, importlib
    module, _, path = sys.argv[2].partition(".")
    *owners, name = path.split(".")
    owner = functools.reduce(getattr, owners, importlib.import_module("target_tools.http." + module))
    real, remaining = getattr(owner, name), [12]

    def starved(*arguments, **keywords):
        if remaining[0] > 0:
            remaining[0] -= 1
            raise MemoryError
        return real(*arguments, **keywords)

    client = client_of(server, max_workers=4, logger=Quiet())
    client.get_offers(offers())
    setattr(owner, name, starved)
    received = []
    for _ in range(2):
        count(lambda: client.get_offers(offers()))
    callbacks = {"callback": lambda _: received.append("callback"), "err_callback": lambda _: received.append("err")}
    options = {**offers(), **callbacks}
    for result in [client.get_offers(options) for _ in range(10)]:
        count(lambda: result.get(30))
    starving, seen["errors"] = seen["errors"], []
    seen["starving"] = len(starving), sorted(set(starving)), seen["answers"]
    seen["received"] = {one: received.count(one) for one in set(received)}
    remaining[0], seen["answers"] = 0, 0
    setattr(owner, name, real)
    call_every_way(client)
    """
    seen = run_script(body, place, options=())  # an unreturned connection emits a ResourceWarning
    failed, kinds, answered = seen.pop("starving")
    received = seen.pop("received")
    figure("calls ended, no memory in {}".format(place.rpartition(".")[2]), failed + answered, 12)
    assert failed + answered == 12
    assert sum(received.values()) == 10
    assert kinds in ([], ["MemoryError"])
    assert seen == {"answers": CALLS_IN_EVERY_WAY, "errors": []}
