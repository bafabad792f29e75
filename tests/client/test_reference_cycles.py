"""A call that fails leaves no objects that only the garbage collector could free."""

import contextlib
import json
import socket

import pytest

from target_python_sdk.testing import SocketServer, answer
from tests.reliability.conftest import python
from tests.support import ANSWER_BYTES

pytestmark = pytest.mark.server

#: Makes calls that fail, in each form, while the garbage collector is off. Prints a report with the types of the
#: objects that the collector would have freed.
#: The servers are in another process, so that their objects are not counted.
SCRIPT = """
    import asyncio, contextlib, gc, json, socket, sys, threading, weakref
    from types import SimpleNamespace
    from unittest import mock
    import urllib3
    from target_python_sdk.errors import DeliveryError
    from tests.reliability.conftest import Quiet
    from tests.support import client_of, eventually, offers

    errors, watched = [], []

    def record(error):
        errors.append(type(error).__name__)
        watched.append(weakref.ref(error))

    def call_and_wait(client):
        try:
            client.get_offers(offers())
        except DeliveryError as error:
            record(error)

    def call_in_a_thread(client):
        thread = threading.Thread(target=call_and_wait, args=(client,))
        thread.start()
        thread.join()

    def call_with_callback(client):
        try:
            client.get_offers({**offers(), "callback": str, "err_callback": record}).get(20)
        except DeliveryError as error:
            record(error)

    def call_async(client):
        async def wait():
            try:
                await client.get_offers_async(offers())
            except DeliveryError as error:
                record(error)

        loop.run_until_complete(wait())

    def refuse(*_, **__):
        raise RuntimeError("mine")

    def unknown(*_):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    PATCHES = {
        "hook": lambda: mock.patch("urllib3.HTTPConnectionPool.urlopen", refuse),
        "unknown name": lambda: mock.patch("socket.getaddrinfo", unknown),
    }
    MANAGERS = {"manager": lambda: SimpleNamespace(request=refuse), "refused manager": urllib3.PoolManager}

    def garbage_of(kind, domain, options):
        if kind in MANAGERS:
            options["pool_manager"] = MANAGERS[kind]()
        client = client_of(SimpleNamespace(domain=domain), logger=Quiet(), max_workers=1, **options)
        ways = (call_and_wait, call_in_a_thread, call_with_callback, call_async)
        with PATCHES.get(kind, contextlib.nullcontext)():
            for way in ways:
                way(client)  # objects that the first call creates may stay
            assert eventually(lambda: not client.stats()["running"])
            gc.collect()
            gc.disable()
            del errors[:], watched[:]
            for way in ways * 3:
                way(client)
            alive = not eventually(lambda: not any(one() is not None for one in watched), 5)
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
        garbage = sorted({type(one).__name__ for one in gc.garbage})
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        client.close()
        return {"errors": sorted(set(errors)), "count": len(errors), "alive": alive, "garbage": garbage}

    loop = asyncio.new_event_loop()
    print(json.dumps({case[0]: garbage_of(*case) for case in json.loads(sys.argv[1])}))
    loop.close()
"""


def drop(connection):
    connection.read_request()
    connection.close()


def drop_in_the_middle(connection):
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
    connection.close()


def reset(connection):
    connection.read_request()
    connection.reset()


HANDLERS = {
    "503": (answer(b"{}", 503), {"retries": 1}, "HttpStatusError"),
    "400": (answer(b'{"message": "no"}', 400), {}, "HttpStatusError"),
    "redirect": (answer(b"", 302, {"Location": "/elsewhere"}), {}, "RedirectRefused"),
    "bad JSON": (answer(b"<html>"), {}, "InvalidResponse"),
    "not the schema": (answer(b'{"id": []}'), {}, "InvalidResponse"),
    "not HTTP": (
        lambda connection: connection.read_request() and connection.send(b"SSH\r\n\r\n"),
        {},
        "InvalidResponse",
    ),
    "too large": (answer(b" " * 5000 + ANSWER_BYTES), {"max_response_bytes": 4096}, "ResponseTooLarge"),
    "dropped": (drop, {}, "ConnectionFailed"),
    "dropped in the middle": (drop_in_the_middle, {}, "ConnectionFailed"),
    "reset": (reset, {"retries": 1}, "ConnectionFailed"),
    "timeout": (lambda connection: connection.hang(), {"timeout": 40}, "DeadlineExceeded"),
    "hook": (answer(ANSWER_BYTES), {}, "TransportError"),
    "manager": (answer(ANSWER_BYTES), {}, "TransportError"),
}


UNREACHABLE = {
    "refused": ({"retries": 2}, "ConnectionFailed"),
    "refused manager": ({"retries": 1}, "ConnectionFailed"),
    "refused proxy": ({"retries": 1, "proxy": "http://{}"}, "ConnectionFailed"),
    "circuit open": ({"retries": 1, "circuit_breaker": {"failures": 1, "cooldown": 60000}}, "CircuitOpen"),
    "unknown name": ({"retries": 1, "server_domain": "edge.invalid"}, "ConnectionFailed"),
}


@pytest.fixture(scope="module")
def report():
    """The report of a process that made failing calls, by kind of failure."""
    with contextlib.ExitStack() as stack:
        bound = stack.enter_context(socket.socket())
        bound.bind(("127.0.0.1", 0))
        closed_port = f"127.0.0.1:{bound.getsockname()[1]}"
        cases = []
        for kind, (handler, options, _) in HANDLERS.items():
            server = stack.enter_context(SocketServer(handler))
            cases.append((kind, server.domain, {"circuit_breaker": False, **options}))
        for kind, (options, _) in UNREACHABLE.items():
            client_options = {
                name: value.format(closed_port) if isinstance(value, str) else value for name, value in options.items()
            }
            cases.append((kind, closed_port, {"circuit_breaker": False, **client_options}))
        done = python(SCRIPT, json.dumps(cases))
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", [*HANDLERS, *UNREACHABLE])
def test_a_failing_call_leaves_no_garbage(kind, report):
    name = {**HANDLERS, **UNREACHABLE}[kind][-1]
    # Twelve calls in four forms: each records its error once, and the three calls with a callback twice.
    assert report[kind] == {"errors": [name], "count": 15, "alive": False, "garbage": []}
