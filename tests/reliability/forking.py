"""Processes that fork while they have a client. Each function in ``PROGRAMS`` runs in a separate process.

    python -m tests.reliability.forking PROGRAM JSON

``JSON`` is an object with the keyword arguments of the function. The process prints a report as JSON. With
``"hooks": false`` no fork hook takes effect, not even those of the standard library, as under a default uWSGI.
"""

import faulthandler
import json
import os
import sys

if __name__ == "__main__" and '"hooks": false' in sys.argv[-1]:
    os.register_at_fork = lambda **_: None

import _thread
import contextlib
import multiprocessing
import signal
import socket
import threading
import time
import traceback

import urllib3

from target_python_sdk import TargetClient
from target_python_sdk.errors import CallLost, DeliveryError
from target_python_sdk.types import DeliveryRequest, Notification
from tests.support import content, offers

#: Seconds after which a child or a wait counts as stuck.
STUCK = 30


def make_client(domain, ca_file="", **options):
    defaults = {"client": "acmeclient", "organization_id": "1@AdobeOrg", "server_domain": domain, "timeout": 15000}
    return TargetClient.create({**defaults, **({"ca_certs": ca_file} if ca_file else {"secure": False}), **options})


def one_notification(number):
    notification = Notification(id=number, type="click", timestamp=1, tokens=["t"])
    return {"request": DeliveryRequest(notifications=[notification])}


def check(client):
    """Check that a blocking call and a call with a callback succeed."""
    assert content(client.get_offers(offers())) == "<b>A</b>"
    received = []
    result = client.get_offers({**offers(), "callback": received.append})
    assert content(result.get(STUCK)) == "<b>A</b>"
    assert len(received) == 1


def fork(function, like_a_script=False):
    """Fork a child that runs ``function``, and return its pid.

    With ``like_a_script`` the child exits like a script, else like a worker of a prefork server.
    """
    sys.stdout.flush()
    # A forked child has no watchdog thread. If the watchdog were armed during the fork, arming it again in the child
    # would wait for that thread forever.
    faulthandler.cancel_dump_traceback_later()
    pid = os.fork()
    if pid:
        return pid
    faulthandler.dump_traceback_later(STUCK, exit=True)
    status = 1
    try:
        function()
        status = 0
        if like_a_script:
            sys.exit(0)
    except Exception as error:  # noqa: BLE001 - the exit status reports it
        sys.stderr.write(f"child: {error!r}\n")
        traceback.print_exc()
    finally:
        if not (like_a_script and status == 0):
            sys.stderr.flush()
            os._exit(status)


def wait_for_success(pid):
    """Wait for the child's exit and return whether it succeeded. The watchdog ends a child that hangs."""
    return os.waitpid(pid, 0)[1] == 0


def under_load(domain, forks, callers=8):
    """Fork repeatedly while threads make calls and the parent has notifications queued and in flight."""
    client = make_client(domain, max_workers=2, circuit_breaker=False)
    client.get_offers(offers())
    stop = threading.Event()
    calls, errors, results = [0] * callers, [], []

    def hammer(number):
        while not stop.is_set():
            try:
                if number % 2:
                    client.get_offers(offers())
                else:
                    client.get_offers({**offers(), "callback": id}).get(STUCK)
            except Exception as error:  # noqa: BLE001 - it is reported
                errors.append(repr(error))
            calls[number] += 1

    threads = [threading.Thread(target=hammer, args=(number,)) for number in range(callers)]
    for thread in threads:
        thread.start()
    children, slowest = 0, 0.0
    for number in range(forks):
        for part in "ab":
            name = f"parent-{number}-{part}"
            results.append(client.send_notifications({**one_notification(name), "callback": id}))
        read_end, write_end = os.pipe()

        def function(number=number, write_end=write_end):
            began = time.monotonic()
            client.send_notifications(one_notification(f"child-{number}-a"))
            client.send_notifications({**one_notification(f"child-{number}-b"), "callback": id}).get(STUCK)
            os.write(write_end, repr(time.monotonic() - began).encode())

        pid = fork(function)
        os.close(write_end)
        children += wait_for_success(pid)
        written = os.read(read_end, 100)
        os.close(read_end)
        slowest = max(slowest, float(written or b"inf"))
    stop.set()
    for thread in threads:
        thread.join(STUCK)
    for result in results:
        result.get(STUCK)
    return {
        "children": children,
        "slowest": slowest,
        "errors": errors,
        "calls": sum(calls),
        "stuck": sum(thread.is_alive() for thread in threads),
        "threads": client.stats()["threads"],
        "closed": client.close(),
    }


class Gate:
    """Hold the first thread that arrives until ``open`` is called. Other threads pass."""

    def __init__(self):
        self._turn = [True]
        self._open = threading.Event()
        self._arrived = threading.Event()

    def pass_through(self):
        with contextlib.suppress(IndexError):
            self._turn.pop()
            self._arrived.set()
            self._open.wait(STUCK)

    def wait_for_arrival(self):
        assert self._arrived.wait(STUCK)

    def open(self):
        self._open.set()


class Helper(threading.Thread):
    """A thread of the parent that keeps the exception it raised."""

    def __init__(self, function):
        super().__init__(daemon=True)
        self._act = function
        self.error = None
        self.start()

    def run(self):
        try:
            self._act()
        except Exception as error:  # noqa: BLE001 - the parent checks it
            self.error = error

    def has_succeeded(self):
        self.join(STUCK)
        return not self.is_alive() and self.error is None


@contextlib.contextmanager
def a_waiter(client, hung):
    """A thread waits in ``get()`` and a worker waits for the server. In the child, ``get()`` raises ``CallLost``."""
    slow = make_client(hung, timeout=600)
    result = slow.get_offers({**offers(), "callback": id})
    helper = Helper(lambda: result.get(STUCK))

    def assert_lost():
        try:
            result.get(STUCK)
        except CallLost:
            slow.flush(STUCK * 1000)
            return
        raise AssertionError("the child got the parent's answer")

    while not result._done._waiters:
        time.sleep(0.001)
    yield assert_lost
    helper.join(STUCK)
    assert isinstance(helper.error, DeliveryError)


@contextlib.contextmanager
def an_idle_worker(client, hung):
    """A worker is idle and waits for a wake-up."""
    client.get_offers({**offers(), "callback": id}).get(STUCK)
    yield lambda: client.flush(STUCK * 1000)


@contextlib.contextmanager
def a_full_queue(client, hung):
    """The only worker is busy, and four calls wait for it. The child sends none of these calls."""
    slow = make_client(hung, timeout=600, max_workers=1, retries=1)
    results = [slow.get_offers({**offers(), "callback": id}) for _ in range(5)]

    def assert_nothing_inherited():
        assert slow.stats()["pending"] == slow.stats()["running"] == 0
        assert slow.flush(1000)
        assert all(result.ready() and not result.successful() for result in results)

    yield assert_nothing_inherited
    slow.close(5000)


@contextlib.contextmanager
def a_lookup(client, hung):
    """A helper thread looks a name up, and the caller waits for it."""
    gate, look_up = Gate(), socket.getaddrinfo

    def slowly(*arguments, **options):
        gate.pass_through()
        return look_up(*arguments, **options)

    socket.getaddrinfo = slowly
    helper = Helper(lambda: check(client))
    gate.wait_for_arrival()
    yield None
    gate.open()
    assert helper.has_succeeded()


@contextlib.contextmanager
def a_handshake(client, hung):
    """A thread is inside a TLS handshake with a server that does not answer."""
    slow = TargetClient.create(
        {"client": "acmeclient", "organization_id": "1@AdobeOrg", "server_domain": hung, "timeout": 1000}
    )
    helper = Helper(lambda: slow.get_offers(offers()))
    time.sleep(0.15)
    yield None
    helper.join(STUCK)
    assert isinstance(helper.error, DeliveryError)


@contextlib.contextmanager
def a_tls_context(client, hung):
    """A thread creates the ``SSLContext`` that all connections share."""
    from target_tools.http import tls  # noqa: PLC0415 - only this program patches it

    gate, build = Gate(), tls.create_tls_context

    def slowly(*arguments):
        gate.pass_through()
        return build(*arguments)

    tls.create_tls_context = slowly
    os.utime(client.config["ca_certs"])  # a changed file is loaded by the next connection
    helper = Helper(lambda: check(client))
    gate.wait_for_arrival()
    yield None
    gate.open()
    assert helper.has_succeeded()


@contextlib.contextmanager
def a_ready_event(client, hung):
    """``client_ready`` will be emitted soon. The child neither emits it nor waits for it."""
    ready_in, parent = [], os.getpid()
    subscribed = make_client(hung, events={"client_ready": lambda: ready_in.append(os.getpid())})

    def assert_not_emitted():
        time.sleep(0.3)
        assert ready_in == []
        subscribed.close()

    yield assert_not_emitted
    end = time.monotonic() + STUCK
    while not ready_in and time.monotonic() < end:
        time.sleep(0.01)
    assert ready_in == [parent]


@contextlib.contextmanager
def a_thread_list(client, hung):
    """Another thread holds the lock that ``threading`` takes while a thread is started."""
    with held(threading._active_limbo_lock):
        yield None


@contextlib.contextmanager
def a_pool(client, hung):
    """A thread holds the lock of the pool manager that the client uses while urllib3's class is replaced."""

    class Replacement(urllib3.PoolManager):
        pass

    replaced, urllib3.PoolManager = urllib3.PoolManager, Replacement
    try:
        check(client)
        manager = client._processes.current().transport._replacements._managers[None]
        assert isinstance(manager, Replacement)
        with held(manager.pools.lock):
            yield None  # the child exits like a script, so its objects are garbage-collected
    finally:
        urllib3.PoolManager = replaced


@contextlib.contextmanager
def an_import(client, hung):
    """The codec of name lookups is already imported, so no thread can be importing it during a fork."""
    assert "encodings.idna" in sys.modules
    yield None


@contextlib.contextmanager
def held(lock):
    """Hold ``lock`` in another thread, which does not exist in a forked child."""
    taken, go = _thread.allocate_lock(), _thread.allocate_lock()
    taken.acquire()
    go.acquire()

    def hold():
        with lock:
            taken.release()
            go.acquire(True, STUCK)

    _thread.start_new_thread(hold, ())
    assert taken.acquire(True, STUCK)
    yield
    go.release()


#: Context managers by name. Inside each, another thread of the parent may hold a lock. Each yields a function with
#: additional checks for a child that is forked meanwhile, or None.
LOCKS = {
    each.__name__: each
    for each in (
        a_waiter,
        an_idle_worker,
        a_full_queue,
        a_lookup,
        a_handshake,
        a_tls_context,
        a_ready_event,
        a_thread_list,
        a_pool,
        an_import,
    )
}


def while_held(lock, domain, hung, ca_file="", hooks=True):
    """Fork while ``lock`` is held. The child calls, closes the client and exits like a script."""
    client = make_client(domain, ca_file)
    with LOCKS[lock](client, hung) as extra_check:

        def function():
            check(client)
            if extra_check is not None:
                extra_check()
            check(client)
            client.close()

        began = time.monotonic()
        child = wait_for_success(fork(function, like_a_script=True))
        elapsed = time.monotonic() - began
    check(client)
    return {"child": child, "took": elapsed, "closed": client.close()}


def twice(domain):
    """Fork like a daemon: the child forks a grandchild, and exits before the grandchild makes a call."""
    client = make_client(domain)
    check(client)
    read_end, write_end = os.pipe()

    def grandchild():
        time.sleep(0.2)
        assert os.getppid() != middle[0]
        check(client)
        os.write(write_end, b"success")

    middle = [0]

    def child():
        middle[0] = os.getpid()
        check(client)
        fork(grandchild)

    first = wait_for_success(fork(child))
    os.close(write_end)
    status = os.read(read_end, 10).decode()
    check(client)
    return {"child": first, "grandchild": status}


def in_a_callback(domain):
    """Fork in a callback. The child calls; the parent and the callback continue."""
    client = make_client(domain, max_workers=1)
    seen = []

    def callback(envelope):
        seen.append(wait_for_success(fork(lambda: check(client))))

    results = [client.get_offers({**offers(), "callback": callback}) for _ in range(3)]
    for result in results:
        result.get(STUCK)
    check(client)
    return {"children": seen, "closed": client.close()}


def out_of_a_callback(domain):
    """Fork in a callback. Both parent and child return from it, but only the parent may send the queued calls."""
    client = make_client(domain, max_workers=1)
    pids = []
    gate = threading.Event()

    def callback(envelope):
        gate.wait(STUCK)
        pid = os.fork()
        if pid:
            pids.append(pid)
            time.sleep(0.3)
        else:  # the child returns into the loop of the worker, and exits a second later
            _thread.start_new_thread(lambda: (time.sleep(1), os._exit(0)), ())

    first = client.get_offers({**offers(), "callback": callback})
    rest = [client.send_notifications({**one_notification(f"queued-{number}"), "callback": id}) for number in range(3)]
    gate.set()
    first.get(STUCK)
    for result in rest:
        result.get(STUCK)
    children = [wait_for_success(pid) for pid in pids]
    return {"children": children, "closed": client.close()}


def call_in_another_process(client, answers):
    """Call with a client that was passed to this process as an argument."""
    check(client)
    client.send_notifications(one_notification("other-process"))
    answers.put(client.stats()["calls"])


def with_a_client_as_argument(domain, method):
    """Pass a client to a ``multiprocessing`` process whose start method pickles it."""
    context = multiprocessing.get_context(method)
    client = make_client(domain)
    check(client)
    answers = context.Queue()
    process = context.Process(target=call_in_another_process, args=(client, answers))
    process.start()
    calls = answers.get(timeout=60)
    process.join(60)
    answers.close()
    check(client)
    return {"exit": process.exitcode, "calls": calls, "closed": client.close()}


def over_tls(domain, ca_file, count):
    """Fork with an open TLS connection. Parent and child then call at the same time."""
    client = make_client(domain, ca_file)
    check(client)
    check(client)

    def function():
        for _ in range(count):
            assert content(client.get_offers(offers())) == "<b>A</b>"

    pid = fork(function)
    errors = []
    for _ in range(count):
        try:
            client.get_offers(offers())
        except DeliveryError as error:
            errors.append(repr(error))
    return {"child": wait_for_success(pid), "errors": errors, "closed": client.close()}


def before_and_after(domain, ca_file="", hooks=True):
    """Let parent, child and grandchild call before and after each fork."""
    client = make_client(domain, ca_file)

    def call():
        assert content(client.get_offers(offers())) == "<b>A</b>"

    def grandchild():
        assert wait_for_success(fork(call))

    call()
    children = [wait_for_success(fork(lambda: [call() for _ in range(20)]))]
    for _ in range(20):
        call()
    children.append(wait_for_success(fork(grandchild)))
    call()
    return {"children": children, "closed": client.close()}


@contextlib.contextmanager
def busy_processes(count):
    """Keep the machine busy, so that threads are suspended at arbitrary points."""
    pids, me = [], os.getpid()
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            while os.getppid() == me:
                sum(range(10000))
            os._exit(0)
        pids.append(pid)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def right_after(moment, domain, ca_file, forks, hooks=True):
    """Fork while a thread of the parent is inside OpenSSL, or has just left it."""
    hung = 0

    def function():
        assert content(client.get_offers(offers())) == "<b>A</b>"

    with busy_processes(4):
        for _ in range(forks):
            client, other = [make_client(domain, ca_file, timeout=20000, retries=1) for _ in "ab"]
            results = []
            if moment == "an answer":
                client.get_offers(offers())
            else:
                results += [other.get_offers({**offers(), "callback": id}) for _ in "ab"]
            if moment == "a worker's end":
                results.pop().get(STUCK)
                other.close()
            hung += not wait_for_success(fork(function))
            for result in results:
                result.get(STUCK)
            client.close()
            other.close()
    return {"hung": hung}


PROGRAMS = {
    each.__name__: each
    for each in (
        under_load,
        while_held,
        twice,
        in_a_callback,
        out_of_a_callback,
        with_a_client_as_argument,
        over_tls,
        before_and_after,
        right_after,
    )
}

if __name__ == "__main__":
    arguments = json.loads(sys.argv[2])
    sys.stdout.write(json.dumps(PROGRAMS[sys.argv[1]](**arguments)))
    sys.stdout.flush()
