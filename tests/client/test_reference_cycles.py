"""A call that fails leaves nothing that only a garbage collection would free."""

import json
import socket

import pytest

from target_python_sdk.testing import SocketServer, answer
from tests.reliability.conftest import python
from tests.support import ANSWER_BYTES

pytestmark = pytest.mark.server

#: Fails, by one way of calling after the other, while the collector is off; prints what it would have freed.
#: The server is in another process, so that its objects are not among them.
SCRIPT = """
    import asyncio, gc, json, sys, threading, weakref
    from types import SimpleNamespace
    from unittest import mock
    import urllib3
    from target_python_sdk.errors import CircuitOpen, DeliveryError
    from tests.reliability.conftest import Quiet
    from tests.support import client_of, eventually, offers

    kind, domain, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    errors, watched = [], []

    def note(error):
        errors.append(type(error).__name__)
        watched.append(weakref.ref(error))

    def blocking(client):
        try:
            client.get_offers(offers())
        except DeliveryError as error:
            note(error)

    def in_a_thread(client):
        thread = threading.Thread(target=blocking, args=(client,))
        thread.start()
        thread.join()

    def by_callback(client):
        try:
            client.get_offers({**offers(), "callback": str, "err_callback": note}).get(20)
        except DeliveryError as error:
            note(error)

    def awaited(client):
        async def wait():
            try:
                await client.get_offers_async(offers())
            except DeliveryError as error:
                note(error)

        loop.run_until_complete(wait())

    def refuse(*_, **__):
        raise RuntimeError("mine")

    loop = asyncio.new_event_loop()
    if kind == "hook":
        mock.patch("urllib3.HTTPConnectionPool.urlopen", refuse).start()
    if kind == "manager":
        options["pool_manager"] = SimpleNamespace(request=refuse)
    if kind == "refused manager":
        options["pool_manager"] = urllib3.PoolManager()
    client = client_of(SimpleNamespace(domain=domain), logger=Quiet(), max_workers=1, **options)
    ways = (blocking, in_a_thread, by_callback, awaited)
    for way in ways:
        way(client)  # what the first call makes stays
    assert eventually(lambda: not client.stats()["running"])
    gc.collect()
    gc.disable()
    del errors[:], watched[:]
    for way in ways * 3:
        way(client)
    loop.close()
    living = not eventually(lambda: not any(one() is not None for one in watched), 5)
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    garbage = sorted({type(one).__name__ for one in gc.garbage})
    print(json.dumps({"errors": sorted(set(errors)), "count": len(errors), "living": living, "garbage": garbage}))
"""


def drops(connection):
    connection.read_request()
    connection.close()


def drops_in_the_middle(connection):
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
    connection.close()


def resets(connection):
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
    "dropped": (drops, {}, "ConnectionFailed"),
    "dropped in the middle": (drops_in_the_middle, {}, "ConnectionFailed"),
    "reset": (resets, {"retries": 1}, "ConnectionFailed"),
    "time-out": (lambda connection: connection.hang(), {"timeout": 40}, "DeadlineExceeded"),
    "hook": (answer(ANSWER_BYTES), {}, "TransportError"),
    "manager": (answer(ANSWER_BYTES), {}, "TransportError"),
}


def failures(kind, domain, **options):
    """Return what a process saw whose calls failed."""
    given = {"circuit_breaker": False, **options}
    done = python(SCRIPT, kind, domain, json.dumps(given))
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def clean(name):
    return {"errors": [name], "count": 15, "living": False, "garbage": []}  # a callback's error is told twice


@pytest.mark.parametrize("kind", HANDLERS)
def test_a_failing_call_leaves_no_garbage(kind):
    handler, options, name = HANDLERS[kind]
    with SocketServer(handler) as server:
        assert failures(kind, server.domain, **options) == clean(name)


@pytest.mark.parametrize(
    ("kind", "options", "name"),
    [
        ("refused", {"retries": 2}, "ConnectionFailed"),
        ("refused manager", {"retries": 1}, "ConnectionFailed"),
        ("refused proxy", {"retries": 1, "proxy": "http://{}"}, "ConnectionFailed"),
        ("circuit open", {"retries": 1, "circuit_breaker": {"failures": 1, "cooldown": 60000}}, "CircuitOpen"),
    ],
)
def test_nor_does_one_that_cannot_connect(kind, options, name):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        domain = "127.0.0.1:{}".format(bound.getsockname()[1])
        given = {key: value.format(domain) if isinstance(value, str) else value for key, value in options.items()}
        assert failures(kind, domain, **given) == clean(name)


def test_nor_does_one_whose_name_is_unknown():
    assert failures("unknown", "edge.invalid", retries=1, timeout=5000) == clean("ConnectionFailed")
