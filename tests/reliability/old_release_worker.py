# ruff: noqa: T201 - a program that prints its report
"""Calls of 1.1.0 in situations of the reliability tests. Runs under an interpreter that has 1.1.0 and not this SDK.

    python tests/reliability/old_release_worker.py SITUATION [ARGUMENT …]

The arguments are mostly domains of servers. Prints what was measured, as text. Only public names are used.
"""

import atexit
import copy
import gc
import logging
import os
import pickle
import socket
import statistics
import subprocess
import sys
import threading
import time
import weakref

#: Seconds after which a call or a child counts as stuck.
STUCK = 10


def make_client(domain, **options):
    from target_python_sdk import TargetClient  # noqa: PLC0415 - one situation measures this import

    defaults = {"client": "acmeclient", "organization_id": "1234567890@AdobeOrg", "server_domain": domain}
    return TargetClient.create({**defaults, "secure": False, **options})


def offers(visitor=None, **more):
    import delivery_api_client as api  # noqa: PLC0415 - one situation measures this import

    execute = api.ExecuteRequest(mboxes=[api.MboxRequest(name="home", index=0)])
    visitor = visitor and api.VisitorId(tnt_id=visitor)
    request = api.DeliveryRequest(context=api.Context(channel=api.ChannelType.WEB), execute=execute, id=visitor)
    return {"request": request, **more}


def threads():
    return len(os.listdir("/proc/self/task"))


def descriptors():
    return len(os.listdir("/proc/self/fd")) - 1


def outcome(act):
    """Return the name of the error that ``act`` raises, or ``works``."""
    try:
        act()
    except BaseException as error:  # noqa: BLE001 - it is reported
        return type(error).__name__
    return "works"


def ends(act):
    """Call ``act`` in a thread. Return its outcome, or a text that says that it does not end."""
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(outcome(act)), daemon=True)
    thread.start()
    thread.join(STUCK)
    return outcomes[0] if outcomes else f"does not end within {STUCK} s"


def a_slow_server(domain):
    client, options = make_client(domain, timeout=200), offers()
    began = time.monotonic()
    result = ends(lambda: client.get_offers(options))
    return f"{time.monotonic() - began:.2f} s until the call ended ({result}), with a limit of 0.2 s"


def callbacks(domain, count):
    client = make_client(domain)
    client.get_offers(offers())
    before = threads(), descriptors()
    for _ in range(int(count)):
        client.get_offers(offers(callback=id)).wait(STUCK)
    return f"{threads() - before[0]} threads and {descriptors() - before[1]} descriptors more after {count} calls"


def blocking_calls(domain, count):
    client = make_client(domain)
    return str(sum(outcome(lambda: client.get_offers(offers())) == "works" for _ in range(int(count))))


def a_raising_callback(domain):
    def callback(_):
        raise ValueError

    client = make_client(domain)
    results = [client.get_offers(offers(callback=callback)) for _ in range(5)]
    for result in results:
        result.wait(1)
    return f"{sum(result.ready() for result in results)} of 5 results"


def random_faults(domain, count):
    client, ended, lock = make_client(domain, timeout=500), {}, threading.Lock()

    def end(number):
        with lock:
            ended[number] = ended.get(number, 0) + 1

    for number in range(int(count)):
        act = lambda _, number=number: end(number)  # noqa: E731
        client.get_offers(offers(callback=act, err_callback=act))
        time.sleep(0.01)
    limit = time.monotonic() + STUCK
    while len(ended) < int(count) and time.monotonic() < limit:
        time.sleep(0.1)
    twice = sum(times > 1 for times in ended.values())
    missing = int(count) - len(ended)
    return f"{missing} of {count} calls without a callback after {STUCK} s, {twice} calls with two callbacks"


def an_outstanding_call(domain):
    make_client(domain).get_offers(offers(callback=id))
    return ""


def an_on_device_client(domain):
    client = make_client(domain, decisioning_method="on-device", artifact_location=f"http://{domain}/rules.json")
    client.get_offers(offers())
    return ""


def a_call_at_exit(domain):
    client = make_client(domain)
    client.get_offers(offers())

    def call():
        blocking = outcome(lambda: client.get_offers(offers()))
        with_callback = outcome(lambda: client.get_offers(offers(callback=id)).get(STUCK))
        print(f"blocking: {blocking}; with a callback: {with_callback}", flush=True)

    atexit.register(call)


def forks(domain, count):
    client, stop, completed = make_client(domain), threading.Event(), 0

    def call():
        while not stop.is_set():
            client.get_offers(offers())

    callers = [threading.Thread(target=call, daemon=True) for _ in range(2)]
    for caller in callers:
        caller.start()
    for _ in range(int(count)):
        pid = os.fork()
        if pid == 0:
            act = lambda: client.get_offers(offers(callback=id)).get(STUCK)  # noqa: E731
            os._exit(ends(act) != "works")
        completed += os.waitpid(pid, 0)[1] == 0
    stop.set()
    return f"{completed} of {count} children"


def a_grandchild(domain):
    client = make_client(domain)
    client.get_offers(offers())

    def call_in_a_child(generations):
        pid = os.fork()
        if pid == 0:
            worked = ends(lambda: client.get_offers(offers())) == "works"
            os._exit(not (worked and (generations == 1 or call_in_a_child(generations - 1))))
        return os.waitpid(pid, 0)[1] == 0

    return "child and grandchild can call" if call_in_a_child(2) else "child or grandchild cannot call"


def a_burst(domain, count):
    client, before = make_client(domain), threads()
    for _ in range(int(count)):
        client.get_offers(offers(callback=id))
    return f"{threads() - before} threads for {count} waiting calls; none is refused"


def a_hanging_resolver(domain):
    look_up = socket.getaddrinfo
    socket.getaddrinfo = lambda *arguments, **options: time.sleep(3) or look_up(*arguments, **options)
    return a_slow_server(domain)


def many_clients(domain, count):
    def create():
        client = make_client(domain)
        client.get_offers(offers(callback=id)).wait(STUCK)
        return weakref.ref(client)

    create()
    before, references = (threads(), descriptors()), [create() for _ in range(int(count))]
    gc.collect()
    alive = sum(reference() is not None for reference in references)
    more = f"{threads() - before[0]} threads and {descriptors() - before[1]} descriptors more"
    return f"{more}, {alive} clients in memory after {count} clients that made a call; there is no `close()`"


def two_hosts(first, second):
    level = logging.getLogger("urllib3").level
    clients = [make_client(first), make_client(second)]
    for client in clients:
        client.get_offers(offers())
    changed = logging.getLogger("urllib3").level
    return f"the level of urllib3's logger changes from {level} to {changed}"


def many_threads(domain, count, calls):
    client, mixed, failed = make_client(domain), [], []

    def call(number):
        for index in range(int(calls)):
            visitor = f"{number}-{index}.35_0"
            try:
                answer = client.get_offers(offers(visitor))
            except Exception as error:  # noqa: BLE001 - it is reported
                failed.append(error)
                continue
            if answer["response"].id.tnt_id != visitor:
                mixed.append(visitor)

    callers = [threading.Thread(target=call, args=(number,)) for number in range(int(count))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return f"{len(mixed)} mixed of {int(count) * int(calls)} answers, {len(failed)} failed calls"


def copies(domain):
    client = make_client(domain)
    answer = client.get_offers(offers())
    location = f"http://{domain}/rules.json"
    on_device = make_client(domain, decisioning_method="on-device", artifact_location=location)
    things = {
        "client": client, "on-device client": on_device, "request": offers()["request"], "answer": answer,
        "result": client.get_offers(offers(callback=id)),
    }  # fmt: skip
    results = []
    for name, one in things.items():
        pickled = outcome(lambda one=one: pickle.loads(pickle.dumps(one)))
        results.append(f"{name}: {pickled}, {outcome(lambda one=one: copy.deepcopy(one))}")
    return "pickle and deepcopy of " + "; ".join(results)


def nested_calls(domain):
    client, found = make_client(domain), {}
    done = threading.Event()

    def callback(_):
        found["blocking call"] = outcome(lambda: client.get_offers(offers()))
        found["waiting for a call with a callback"] = outcome(lambda: client.get_offers(offers(callback=id)).get(5))
        done.set()

    client.get_offers(offers(callback=callback))
    done.wait(STUCK)
    return "in a callback: " + "; ".join(f"{name}: {how}" for name, how in found.items())


def no_shared_memory(domain):
    import _multiprocessing  # noqa: PLC0415

    class Refused(_multiprocessing.SemLock):
        def __new__(cls, *_):
            raise OSError(38, "Function not implemented")

    _multiprocessing.SemLock = Refused
    client = make_client(domain)
    return "a call with a callback: " + ends(lambda: client.get_offers(offers(callback=id)).get(5))


def no_threads(domain):
    client = make_client(domain)
    client.get_offers(offers())
    start = threading.Thread.start

    def refuse(_):
        raise RuntimeError("can't start new thread")

    threading.Thread.start = refuse
    try:
        return "a call with a callback: " + outcome(lambda: client.get_offers(offers(callback=id)).get(5))
    finally:
        threading.Thread.start = start


def an_import():
    def seconds(statement):
        program = f"import time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
        return float(subprocess.check_output([sys.executable, "-I", "-c", program]))

    statements = ("from target_python_sdk import TargetClient", "import urllib3")
    rounds = [[seconds(statement) for statement in statements] for _ in range(5)]
    ratio = statistics.median(ours / peer for ours, peer in rounds)
    return f"{ratio:.1f} times as long as `import urllib3`"


if __name__ == "__main__":
    text = globals()[sys.argv[1]](*sys.argv[2:])
    if text is None:
        sys.exit()
    print(text, flush=True)
    if text and sys.argv[1] != "a_raising_callback":
        os._exit(0)  # 1.1.0's thread pools would delay the exit
