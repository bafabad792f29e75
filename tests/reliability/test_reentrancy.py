"""Callbacks that use their own client do not deadlock (T37)."""

import _thread
import asyncio
import logging
import threading

import pytest

from target_python_sdk.errors import ClientClosed, OptionError
from target_python_sdk.testing import SocketServer, answer
from tests.reliability.conftest import Quiet
from tests.support import ANSWER_BYTES, LONG, client_of, content, eventually, offers

pytestmark = pytest.mark.server

WAIT = LONG / 1000


@pytest.fixture(scope="module")
def server():
    with SocketServer(answer(ANSWER_BYTES)) as running:
        yield running


@pytest.fixture(params=[1, 2])
def client(request, server):
    with client_of(server, max_workers=request.param, logger=Quiet()) as made:
        yield made


def in_callback(client, function, wait=WAIT):
    """Call ``function`` inside a callback. Return its result or its exception."""
    seen = []

    def callback(_):
        try:
            seen.append(function())
        except Exception as error:  # noqa: BLE001 - it is returned
            seen.append(error)

    result = client.get_offers({**offers(), "callback": callback})
    assert content(result.get(wait)) == "<b>A</b>"
    assert len(seen) == 1
    return seen[0]


def test_t37_a_callback_can_close_the_client(client):
    assert in_callback(client, client.close) is True
    with pytest.raises(ClientClosed):
        client.get_offers(offers())
    assert client.close() is True


def test_t37_a_callback_can_flush_the_client(client):
    assert in_callback(client, client.flush) is True
    assert in_callback(client, lambda: client.flush(0)) is True


@pytest.mark.parametrize("function", ["flush", "close"])
@pytest.mark.parametrize("count", [2, 8])
def test_t37_all_callbacks_can_flush_or_close_at_the_same_time(function, count, server):
    together = threading.Barrier(count)
    seen = []

    def callback(_):
        together.wait(WAIT)
        seen.append(getattr(client, function)())

    with client_of(server, max_workers=count, logger=Quiet(), shutdown_timeout=LONG) as client:
        results = [client.get_offers({**offers(), "callback": callback}) for _ in range(count)]
        for result in results:
            result.get(WAIT)
        assert seen == [True] * count
        assert client.flush(LONG)


def test_t37_a_callback_can_flush_the_calls_that_wait_for_its_worker(server):
    """The only worker is inside the callback, so the callback must run the other calls."""
    received = []
    go = threading.Event()
    with client_of(server, max_workers=1, logger=Quiet()) as client:

        def callback(_):
            go.wait(WAIT)
            received.append(client.flush())

        first = client.get_offers({**offers(), "callback": callback})
        others = [client.get_offers({**offers(), "callback": received.append}) for _ in range(5)]
        go.set()
        first.get(WAIT)
        assert all(other.ready() for other in others)
    assert received[-1] is True
    assert len(received) == 6


def test_t37_a_flush_in_another_thread_waits_for_a_callback_that_makes_calls(server):
    inner_is_over, go, callback_ended = threading.Event(), threading.Event(), []
    with client_of(server, max_workers=1, logger=Quiet()) as client:

        def callback(_):
            client.get_offers({**offers(), "callback": lambda _: started.set() or waits.wait(WAIT)}).get(WAIT)
            inner_is_over.set()
            go.wait(WAIT)
            callback_ended.append(True)

        started, waits = threading.Event(), threading.Event()
        client.get_offers({**offers(), "callback": callback})
        assert started.wait(WAIT)
        assert client.stats()["running"] == 2
        flushed = []
        flusher = threading.Thread(target=lambda: flushed.append((client.flush(LONG), list(callback_ended))))
        flusher.start()
        waits.set()
        assert inner_is_over.wait(WAIT)
        assert not client.flush(20)
        go.set()
        flusher.join(WAIT)
    assert flushed == [(True, [True])]


def test_t37_a_nested_call_with_a_callback_returns_at_once(server):
    outer_continues, go, seen = threading.Event(), threading.Event(), []

    def outer(_):
        nested = client.get_offers({**offers(), "callback": lambda _: seen.append("inner")})
        seen.append(("outer continues", nested.ready()))
        outer_continues.set()
        go.wait(WAIT)

    with client_of(server, max_workers=1) as client:
        result = client.get_offers({**offers(), "callback": outer})
        assert outer_continues.wait(WAIT)
        go.set()
        result.get(WAIT)
        assert client.flush(20000)
    assert seen == [("outer continues", False), "inner"]


def test_t37_a_nested_call_can_be_awaited(client):
    async def await_offers():
        return await asyncio.wait_for(client.get_offers_async(offers()), WAIT)

    assert content(in_callback(client, lambda: asyncio.run(await_offers()))) == "<b>A</b>"


def test_t37_flush_and_wait_with_a_timeout_of_0_in_a_callback_run_no_call(server):
    queued = threading.Semaphore(0)
    seen = []

    def outer(_):
        queued.acquire(timeout=WAIT)
        seen.append((client.flush(0), others[0].wait(0), others[0].ready()))

    with client_of(server, max_workers=1, logger=Quiet()) as client:
        result = client.get_offers({**offers(), "callback": outer})
        others = [client.get_offers({**offers(), "callback": id}) for _ in range(10)]
        queued.release()
        result.get(WAIT)
        assert client.flush(1000 * WAIT)
    assert seen == [(False, None, False)]


@pytest.mark.parametrize("function", ["flush", "close"])
def test_t37_a_callback_can_flush_and_close_if_no_thread_can_be_started(function, server, monkeypatch):
    def refuse(*_):
        raise RuntimeError("can't start new thread")

    with client_of(server, logger=Quiet()) as client:
        monkeypatch.setattr(_thread, "start_new_thread", refuse)
        assert in_callback(client, getattr(client, function)) is True


def test_t37_a_callback_can_make_a_blocking_call(client):
    assert content(in_callback(client, lambda: client.get_offers(offers()))) == "<b>A</b>"


def test_t37_a_callback_can_wait_for_a_nested_call_with_a_callback(client):
    def nested():
        return client.get_offers({**offers(), "callback": str}).get(WAIT)

    assert content(in_callback(client, nested)) == "<b>A</b>"


def test_t37_callbacks_can_be_nested_deeply(client):
    depths = []

    def deeper(depth):
        depths.append(depth)
        if depth < 20:
            client.get_offers({**offers(), "callback": lambda _: deeper(depth + 1)}).get(WAIT)

    client.get_offers({**offers(), "callback": lambda _: deeper(1)}).get(WAIT)
    assert depths == list(range(1, 21))
    assert eventually(lambda: client.stats()["threads"] <= 2)  # a worker that opens a connection may be replaced


def test_t37_all_callbacks_can_wait_for_nested_calls_at_the_same_time(client):
    received = []

    def callback(_):
        received.append(client.get_offers({**offers(), "callback": str}).get(WAIT))

    for result in [client.get_offers({**offers(), "callback": callback}) for _ in range(50)]:
        result.get(WAIT)
    assert len(received) == 50


def test_t37_a_callback_that_waits_for_the_result_of_its_own_call_gets_an_error(client):
    assigned, results, seen = threading.Event(), [], []

    def callback(_):
        assigned.wait(WAIT)
        for wait in (results[0].get, results[0].wait, lambda: results[0].get(0.01)):
            with pytest.raises(OptionError, match="cannot wait for the result of its own call"):
                wait()
            seen.append(results[0].ready())

    results.append(client.get_offers({**offers(), "callback": callback}))
    assigned.set()
    results[0].get(WAIT)
    assert seen == [False] * 3
    assert results[0].ready()


def test_t37_a_nested_callback_that_waits_for_the_outer_result_gets_an_error(server):
    """The nested callback runs inside the outer one, in the same thread."""
    outer, assigned, seen = [], threading.Event(), []
    with client_of(server, max_workers=1, logger=Quiet()) as client:

        def inner(_):
            with pytest.raises(OptionError):
                outer[0].get(WAIT)
            seen.append(True)

        def callback(_):
            assigned.wait(WAIT)
            client.get_offers({**offers(), "callback": inner}).get(WAIT)

        outer.append(client.get_offers({**offers(), "callback": callback}))
        assigned.set()
        outer[0].get(WAIT)
    assert seen == [True]


def test_t37_a_logging_handler_may_call_the_sdk(server):
    logger = logging.getLogger("reliability.reentrant")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    received, inside = [], threading.local()

    class CallingHandler(logging.Handler):
        def emit(self, record):
            if getattr(inside, "emitting", False):
                return
            inside.emitting = True
            try:
                received.append(client.get_offers({**offers(), "callback": str}).get(WAIT))
                received.append(client.get_offers(offers()))
            finally:
                inside.emitting = False

    handler = CallingHandler()
    logger.addHandler(handler)
    try:
        with client_of(server, max_workers=1, logger=logger) as client:

            def callback(_):
                logger.warning("from a callback")
                raise ValueError("which is logged, too")

            result = client.get_offers({**offers(), "callback": callback})
            assert content(result.get(WAIT)) == "<b>A</b>"
            assert client.flush(LONG)
    finally:
        logger.removeHandler(handler)
    assert len(received) >= 4


def test_t37_an_err_callback_of_a_full_queue_may_use_the_client(server):
    go, inside, seen = threading.Event(), threading.Event(), []
    with client_of(server, max_workers=1, max_pending=1, logger=Quiet()) as client:
        client.get_offers({**offers(), "callback": lambda _: inside.set() or go.wait(WAIT)})
        assert inside.wait(WAIT)
        client.get_offers({**offers(), "callback": str})

        def err_callback(error):
            seen.append((type(error).__name__, client.flush(10), content(client.get_offers(offers()))))

        result = client.get_offers({**offers(), "callback": str, "err_callback": err_callback})
        assert result.ready()
        go.set()
        assert client.flush(LONG)
    assert seen == [("QueueFull", False, "<b>A</b>")]
