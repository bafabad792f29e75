"""Processes that fork with a client in them; each function of ``PROGRAMS`` is run as a process of its own.

    python -m tests.reliability.forking PROGRAM JSON

The argument is a JSON object of keyword arguments.  Prints what it saw as JSON.  With ``"hooks": false`` it
forgets every fork hook that is registered from the beginning on, the standard library's too: a default uWSGI runs none.
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
    given = {"client": "acmeclient", "organization_id": "1@AdobeOrg", "server_domain": domain, "timeout": 15000}
    return TargetClient.create({**given, **({"ca_certs": ca_file} if ca_file else {"secure": False}), **options})


def told(number):
    notification = Notification(id=number, type="click", timestamp=1, tokens=["t"])
    return {"request": DeliveryRequest(notifications=[notification])}


def check(client):
    """A call of either kind works."""
    assert content(client.get_offers(offers())) == "<b>A</b>"
    said = []
    result = client.get_offers({**offers(), "callback": said.append})
    assert content(result.get(STUCK)) == "<b>A</b>"
    assert len(said) == 1


def fork(act, ordinary=False):
    """The pid of a child that runs ``act``; ``ordinary`` lets it end as scripts do, else as prefork servers do."""
    sys.stdout.flush()
    faulthandler.cancel_dump_traceback_later()  # its thread is missed in a child, where a second one waits for it
    pid = os.fork()
    if pid:
        return pid
    faulthandler.dump_traceback_later(STUCK, exit=True)
    status = 1
    try:
        act()
        status = 0
        if ordinary:
            sys.exit(0)
    except Exception as error:  # noqa: BLE001 - the parent is told by the exit status
        sys.stderr.write("child: {!r}\n".format(error))
        traceback.print_exc()
    finally:
        if not (ordinary and status == 0):
            sys.stderr.flush()
            os._exit(status)


def ended(pid):
    """Whether that child ended well; one that is stuck ends itself."""
    return os.waitpid(pid, 0)[1] == 0


def under_load(domain, forks, callers=8):
    """Fork while threads call, with notifications under way and queued in the parent."""
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
            name = "parent-{}-{}".format(number, part)
            results.append(client.send_notifications({**told(name), "callback": id}))
        read_end, write_end = os.pipe()

        def act(number=number, write_end=write_end):
            began = time.monotonic()
            client.send_notifications(told("child-{}-a".format(number)))
            client.send_notifications({**told("child-{}-b".format(number)), "callback": id}).get(STUCK)
            os.write(write_end, repr(time.monotonic() - began).encode())

        pid = fork(act)
        os.close(write_end)
        children += ended(pid)
        took = os.read(read_end, 100)
        os.close(read_end)
        slowest = max(slowest, float(took or b"inf"))
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
    """Holds the first thread that comes until it is opened; lets everybody else through."""

    def __init__(self):
        self._turn = [True]
        self._open = threading.Event()
        self._here = threading.Event()

    def pass_through(self):
        with contextlib.suppress(IndexError):
            self._turn.pop()
            self._here.set()
            self._open.wait(STUCK)

    def somebody_is_here(self):
        assert self._here.wait(STUCK)

    def open(self):
        self._open.set()


class Helper(threading.Thread):
    """A thread of the parent's, and what it ended with."""

    def __init__(self, act):
        super().__init__(daemon=True)
        self._act = act
        self.error = None
        self.start()

    def run(self):
        try:
            self._act()
        except Exception as error:  # noqa: BLE001 - kept for whoever asks
            self.error = error

    def over(self):
        self.join(STUCK)
        return not self.is_alive() and self.error is None


@contextlib.contextmanager
def a_waiter(client, hung):
    """A thread waits in ``get()``, and a worker for the server; their answers never come to the child."""
    slow = make_client(hung, timeout=600)
    result = slow.get_offers({**offers(), "callback": id})
    helper = Helper(lambda: result.get(STUCK))

    def lost():
        try:
            result.get(STUCK)
        except CallLost:
            slow.flush(STUCK * 1000)
            return
        raise AssertionError("the child had an answer of the parent's")

    while not result._done._waiters:
        time.sleep(0.001)
    yield lost
    helper.join(STUCK)
    assert isinstance(helper.error, DeliveryError)


@contextlib.contextmanager
def a_bell(client, hung):
    """A worker is idle and waits to be rung."""
    client.get_offers({**offers(), "callback": id}).get(STUCK)
    yield lambda: client.flush(STUCK * 1000)


@contextlib.contextmanager
def a_full_queue(client, hung):
    """Workers are busy and calls wait for them; none is sent by the child."""
    slow = make_client(hung, timeout=600, max_workers=1, retries=1)
    results = [slow.get_offers({**offers(), "callback": id}) for _ in range(5)]

    def nothing_inherited():
        assert slow.stats()["pending"] == slow.stats()["running"] == 0
        assert slow.flush(1000)
        assert all(result.ready() and not result.successful() for result in results)

    yield nothing_inherited
    slow.close(5000)


@contextlib.contextmanager
def an_opening(client, hung):
    """A thread looks a name up; the caller waits for its ticket."""
    gate, look_up = Gate(), socket.getaddrinfo

    def slowly(*arguments, **options):
        gate.pass_through()
        return look_up(*arguments, **options)

    socket.getaddrinfo = slowly
    helper = Helper(lambda: check(client))
    gate.somebody_is_here()
    yield None
    gate.open()
    assert helper.over()


@contextlib.contextmanager
def a_handshake(client, hung):
    """A thread shakes hands with a server that does not answer."""
    slow = TargetClient.create(
        {"client": "acmeclient", "organization_id": "1@AdobeOrg", "server_domain": hung, "timeout": 1000}
    )
    helper = Helper(lambda: slow.get_offers(offers()))
    time.sleep(0.15)
    yield None
    helper.join(STUCK)
    assert isinstance(helper.error, DeliveryError)


@contextlib.contextmanager
def a_context(client, hung):
    """A thread builds the context that TLS connections share."""
    from target_tools.http import tls  # noqa: PLC0415 - it is changed only here

    gate, build = Gate(), tls.create_tls_context

    def slowly(*arguments):
        gate.pass_through()
        return build(*arguments)

    tls.create_tls_context = slowly
    os.utime(client.config["ca_certs"])  # a changed file is loaded by the next connection
    helper = Helper(lambda: check(client))
    gate.somebody_is_here()
    yield None
    gate.open()
    assert helper.over()


@contextlib.contextmanager
def a_notice(client, hung):
    """``client_ready`` is due; the child neither tells it nor waits for it."""
    heard, parent = [], os.getpid()
    noticed = make_client(hung, events={"client_ready": lambda: heard.append(os.getpid())})

    def not_here():
        time.sleep(0.3)
        assert heard == []
        noticed.close()

    yield not_here
    end = time.monotonic() + STUCK
    while not heard and time.monotonic() < end:
        time.sleep(0.01)
    assert heard == [parent]


@contextlib.contextmanager
def a_thread_list(client, hung):
    """Somebody else starts a thread: ``threading`` has its own lock taken."""
    with held(threading._active_limbo_lock):
        yield None


@contextlib.contextmanager
def a_pool(client, hung):
    """A thread is inside the pool manager that the client sends with while urllib3's class is replaced."""

    class Replacement(urllib3.PoolManager):
        pass

    replaced, urllib3.PoolManager = urllib3.PoolManager, Replacement
    try:
        check(client)
        manager = client._processes.current().transport._replacement_managers[None]
        assert isinstance(manager, Replacement)
        with held(manager.pools.lock):
            yield None  # the child ends in the ordinary way, which collects what it has
    finally:
        urllib3.PoolManager = replaced


@contextlib.contextmanager
def an_import(client, hung):
    """A thread looks a name up for the first time, which would import a codec; no import may be under way."""
    assert "encodings.idna" in sys.modules
    yield None


@contextlib.contextmanager
def held(lock):
    """``lock`` is held by a thread that the child does not have."""
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


LOCKS = {
    one.__name__: one
    for one in (
        a_waiter,
        a_bell,
        a_full_queue,
        an_opening,
        a_handshake,
        a_context,
        a_notice,
        a_thread_list,
        a_pool,
        an_import,
    )
}


def while_held(lock, domain, hung, ca_file="", hooks=True):
    """Fork while ``lock`` is held; the child calls, closes and ends as scripts do."""
    client = make_client(domain, ca_file)
    with LOCKS[lock](client, hung) as also:

        def act():
            check(client)
            if also is not None:
                also()
            check(client)
            client.close()

        began = time.monotonic()
        child = ended(fork(act, ordinary=True))
        took = time.monotonic() - began
    check(client)
    return {"child": child, "took": took, "closed": client.close()}


def twice(domain):
    """A daemon: the child forks, too, and ends before the grandchild calls."""
    client = make_client(domain)
    check(client)
    read_end, write_end = os.pipe()

    def grandchild():
        time.sleep(0.2)
        assert os.getppid() != middle[0]
        check(client)
        os.write(write_end, b"well")

    middle = [0]

    def child():
        middle[0] = os.getpid()
        check(client)
        fork(grandchild)

    first = ended(fork(child))
    os.close(write_end)
    said = os.read(read_end, 10).decode()
    check(client)
    return {"child": first, "grandchild": said}


def in_a_callback(domain):
    """A callback forks; the child calls, parent and callback go on."""
    client = make_client(domain, max_workers=1)
    seen = []

    def callback(envelope):
        seen.append(ended(fork(lambda: check(client))))

    results = [client.get_offers({**offers(), "callback": callback}) for _ in range(3)]
    for result in results:
        result.get(STUCK)
    check(client)
    return {"children": seen, "closed": client.close()}


def out_of_a_callback(domain):
    """A callback forks and the child returns from it, too: what is queued is the parent's to send."""
    client = make_client(domain, max_workers=1)
    pids = []
    gate = threading.Event()

    def callback(envelope):
        gate.wait(STUCK)
        pid = os.fork()
        if pid:
            pids.append(pid)
            time.sleep(0.3)
        else:  # goes on as a worker of the parent's, which is not in this process
            _thread.start_new_thread(lambda: (time.sleep(1), os._exit(0)), ())

    first = client.get_offers({**offers(), "callback": callback})
    rest = [client.send_notifications({**told("queued-{}".format(number)), "callback": id}) for number in range(3)]
    gate.set()
    first.get(STUCK)
    for result in rest:
        result.get(STUCK)
    children = [ended(pid) for pid in pids]
    return {"children": children, "closed": client.close()}


def called_in_another_process(client, answers):
    """What a process does that was given a client as an argument."""
    check(client)
    client.send_notifications(told("other-process"))
    answers.put(client.stats()["calls"])


def with_a_client_as_argument(domain, method):
    """``multiprocessing`` in the ways that pickle."""
    context = multiprocessing.get_context(method)
    client = make_client(domain)
    check(client)
    answers = context.Queue()
    process = context.Process(target=called_in_another_process, args=(client, answers))
    process.start()
    calls = answers.get(timeout=60)
    process.join(60)
    answers.close()
    check(client)
    return {"exit": process.exitcode, "calls": calls, "closed": client.close()}


def over_tls(domain, ca_file, count):
    """Parent and child go on calling after a fork, in the same moment, on what was one TLS connection."""
    client = make_client(domain, ca_file)
    check(client)
    check(client)

    def act():
        for _ in range(count):
            assert content(client.get_offers(offers())) == "<b>A</b>"

    pid = fork(act)
    errors = []
    for _ in range(count):
        try:
            client.get_offers(offers())
        except DeliveryError as error:
            errors.append(repr(error))
    return {"child": ended(pid), "errors": errors, "closed": client.close()}


def before_and_after(domain, ca_file="", hooks=True):
    """Parent, child and grandchild call, before each fork and after it."""
    client = make_client(domain, ca_file)

    def call():
        assert content(client.get_offers(offers())) == "<b>A</b>"

    def grandchild():
        assert ended(fork(call))

    call()
    children = [ended(fork(lambda: [call() for _ in range(20)]))]
    for _ in range(20):
        call()
    children.append(ended(fork(grandchild)))
    call()
    return {"children": children, "closed": client.close()}


@contextlib.contextmanager
def busy_processes(count):
    """A machine that has other things to do: threads stop where they happen to be."""
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


def right_after(way, domain, ca_file, forks, hooks=True):
    """Fork in a moment in which a thread of the parent's is, or was, inside OpenSSL."""
    hung = 0

    def act():
        assert content(client.get_offers(offers())) == "<b>A</b>"

    with busy_processes(4):
        for _ in range(forks):
            client, other = [make_client(domain, ca_file, timeout=20000, retries=1) for _ in "ab"]
            results = []
            if way == "an answer":
                client.get_offers(offers())
            else:
                results += [other.get_offers({**offers(), "callback": id}) for _ in "ab"]
            if way == "a worker's end":
                results.pop().get(STUCK)
                other.close()
            hung += not ended(fork(act))
            for result in results:
                result.get(STUCK)
            client.close()
            other.close()
    return {"hung": hung}


PROGRAMS = {
    one.__name__: one
    for one in (
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
    given = json.loads(sys.argv[2])
    sys.stdout.write(json.dumps(PROGRAMS[sys.argv[1]](**given)))
    sys.stdout.flush()
