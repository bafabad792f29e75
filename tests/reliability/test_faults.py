"""Each call ends once and calls one callback, whatever the server does (T4, T5)."""

import collections
import contextlib
import itertools
import random
import threading
import time

import pytest

from target_python_sdk.errors import DeliveryError, HttpStatusError
from target_python_sdk.testing import SocketServer, answer
from tests.faults import FAULTS
from tests.reliability.conftest import Quiet, python, scaled
from tests.support import ANSWER_BYTES, client_of, eventually, offers

pytestmark = pytest.mark.server

#: Faults that take much time or memory. Other tests cover them.
COSTLY = ("huge_body", "gzip_bomb", "deep_json", "many_headers", "long_header", "long_number")
#: Faults that last until the deadline of the call. One faulty connection in two hundred gets one of these.
HUNG = ("silence", "stalled_body", "dripping_head")
GOOD = answer(ANSWER_BYTES)
#: Seconds that a busy machine may add to an exit.
PROMPT = 20.0


class CallbackCounter:
    """Creates callbacks for many calls. Counts how often each callback is called, and the errors by class."""

    def __init__(self):
        self.times = collections.Counter()
        self.errors = collections.Counter()

    def options(self, number, exception=None):
        def callback(envelope):
            self.times[number, "callback"] += 1
            assert envelope["response"] is not None
            if exception is not None:
                raise exception

        def err_callback(error):
            self.times[number, "err_callback"] += 1
            self.errors[type(error).__name__] += 1
            if exception is not None:
                raise exception

        return {**offers(), "callback": callback, "err_callback": err_callback}


class ErrorLog:
    """A logger that keeps the texts of error messages."""

    def __init__(self):
        self.errors = []

    def debug(self, *_):
        pass

    def error(self, message, *arguments):
        self.errors.append(message % arguments)


@pytest.mark.parametrize("which", ["callback", "err_callback"])
def test_t4_no_call_is_lost_if_callbacks_raise(which, figure):
    count = 1000
    callbacks, log = CallbackCounter(), ErrorLog()
    handler = GOOD if which == "callback" else answer(b"{}", 400)
    options = {"logger": log, "max_workers": 4, "circuit_breaker": False}
    with SocketServer(handler) as server, client_of(server, **options) as client:
        results = [
            client.get_offers(callbacks.options(number, exception=ValueError("mine"))) for number in range(count)
        ]
        for result in results:
            if which == "callback":
                assert result.get(60)["response"].status == 200
            else:
                with pytest.raises(HttpStatusError):
                    result.get(60)
        # On a busy machine, workers that open a connection are replaced for a moment.
        assert eventually(lambda: 1 <= client.stats()["threads"] <= 4)
        assert client.flush(10000)
    completed = sum(result.ready() for result in results)
    logged = log.errors.count("A callback raised")
    figure(f"completed after a raising {which}", completed, count)
    figure(f"lines logged of a raising {which}", logged, count)
    assert callbacks.times == {(number, which): 1 for number in range(count)}
    assert completed == logged == len(log.errors) == count


@pytest.mark.parametrize("which", ["callback", "err_callback"])
def test_t4_no_call_is_lost_if_a_callback_raises_system_exit(which):
    callbacks = CallbackCounter()
    handler = GOOD if which == "callback" else answer(b"{}", 400)
    options = {"logger": Quiet(), "max_workers": 2, "circuit_breaker": False}
    with SocketServer(handler) as server, client_of(server, **options) as client:
        results = [client.get_offers(callbacks.options(number, exception=SystemExit())) for number in range(50)]
        assert client.flush(20000)
        assert client.stats()["running"] == client.stats()["pending"] == 0
    assert all(result.ready() for result in results)
    assert callbacks.times == {(number, which): 1 for number in range(50)}


@pytest.mark.parametrize("which", ["callback", "err_callback"])
def test_t4_a_process_whose_callbacks_raise_exits_at_once(which, figure):
    script = """
        import sys, time
        from types import SimpleNamespace
        from tests.support import client_of, offers

        def exception(_):
            raise ValueError("mine")

        client = client_of(SimpleNamespace(domain=sys.argv[1]), max_workers=4, circuit_breaker=False)
        results = [client.get_offers({**offers(), "callback": exception, "err_callback": exception}) for _ in range(20)]
        for result in results:
            result.wait(60)
        assert all(result.ready() for result in results)
        print(repr(time.time()))
    """
    with SocketServer(GOOD if which == "callback" else answer(b"{}", 400)) as server:
        done = python(script, server.domain)
        elapsed = time.time() - float(done.stdout)
    assert done.returncode == 0
    figure(f"exit after a raising {which}, s", elapsed, "less than 0.5")
    assert elapsed < PROMPT


def random_faults(seed):
    """Return a handler with a random fault for each connection. Three in ten connections have no fault."""
    rng, lock = random.Random(seed), threading.Lock()
    hung = [fault for fault in FAULTS if fault.name in HUNG]
    faults = [fault for fault in FAULTS if not fault.endless and fault.name not in COSTLY]

    def handle(connection):
        with lock:
            good, uses = rng.random() < 0.3, rng.randrange(1, 8)
            fault = rng.choice(hung if rng.random() < 0.005 else faults)
        # Each connection serves a limited number of requests; one without a fault would otherwise stay open.
        reads = itertools.chain(itertools.repeat(connection.read_request, uses), itertools.repeat(bytes))

        def read_request():
            return next(reads)()

        connection.read_request = read_request
        (GOOD if good else fault.handler())(connection)

    return handle


@pytest.mark.slow
@pytest.mark.parametrize("count", scaled(50000))
def test_t5_every_call_ends_once_under_random_faults(count, figure):
    callbacks = CallbackCounter()
    outcomes = {}
    seed = random.randrange(10**6)
    options = {"logger": Quiet(), "max_workers": 16, "circuit_breaker": False, "timeout": 500}
    with SocketServer(random_faults(seed)) as server, client_of(server, **options) as client:
        number = 0
        while number < count:
            batch = {}
            for number in range(number, min(count, number + 500)):  # noqa: B020 - continues with the last number
                batch[number] = client.get_offers(callbacks.options(number))
            for each, result in batch.items():
                result.wait(60)
                if not result.ready():
                    continue
                outcomes[each] = "callback" if result.successful() else "err_callback"
                if not result.successful():
                    with contextlib.suppress(DeliveryError):
                        result.get()
            number += 1
            del server.requests[:]
            server._threads[:] = [thread for thread in server._threads if thread.is_alive()]
        stats = client.stats()
    completed = collections.Counter(outcomes.values())
    by_call = collections.Counter(each for each, _ in callbacks.times.elements())
    lost = count - len(by_call)
    repeated = sum(times != 1 for times in by_call.values())
    figure(f"lost of {count} calls under faults (seed {seed})", lost, 0)
    figure("calls with more than one callback", repeated, 0)
    assert (lost, repeated) == (0, 0)
    # Compared at the end, because on a busy machine a result can be ready before its worker calls back.
    assert callbacks.times == collections.Counter(outcomes.items())
    assert sum(completed.values()) == stats["calls"] == count
    assert stats["failures"] == completed["err_callback"] > count / 10
    assert completed["callback"] > count / 10
    assert {"ConnectionFailed", "HttpStatusError", "InvalidResponse", "DeadlineExceeded"} <= set(callbacks.errors)
