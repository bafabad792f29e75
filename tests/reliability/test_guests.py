"""A client leaves nothing behind and changes nothing in the application's process (T32, T34)."""

import json

import pytest

from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.testing import SocketServer, answer
from tests.reliability.conftest import Quiet, python, scaled
from tests.support import ANSWER_BYTES, client_of, offers

pytestmark = pytest.mark.server

#: Creates and closes or drops many clients. Prints what they leave behind.
CYCLES = """
    import gc, json, os, sys, time, weakref
    from types import SimpleNamespace
    from tests.reliability.conftest import Quiet
    from tests.support import client_of, eventually, offers

    domain, count, closes = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "closed"
    edge = SimpleNamespace(domain=domain)

    def cycle(method):
        client = client_of(edge, decisioning_method=method, cdn_base_path="http://" + domain, logger=Quiet())
        client.get_offers(offers("a1-serverside-ab"))
        client.get_offers({**offers("a1-serverside-ab"), "callback": id}).get(20)
        if closes:
            client.close()
        return weakref.ref(client)

    def threads():
        return len(os.listdir("/proc/self/task"))

    def state():
        garbage = gc.collect()
        with open("/proc/self/statm") as statm:
            resident = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        descriptors = len(os.listdir("/proc/self/fd"))
        return {"garbage": garbage, "bytes": resident, "descriptors": descriptors, "objects": len(gc.get_objects())}

    for _ in range(10):
        cycle("server-side"), cycle("on-device")
    eventually(lambda: threads() == 1)
    gc.collect()
    before = state()
    gc.disable()
    alive = [cycle(method) for _ in range(count // 2) for method in ("server-side", "on-device")]
    uncollected = sum(one() is not None for one in alive)
    threads_ended = eventually(lambda: threads() == 1)
    del alive
    after = state()
    growth = {name: after[name] - before[name] for name in before}
    print(json.dumps({"uncollected": uncollected, "threads_ended": threads_ended, **growth}))
"""

#: Imports everything with warnings as errors and makes calls. Prints the settings of the process that changed.
GUEST = """
    import json, logging, signal, socket, ssl, sys, threading, urllib3, warnings

    def state():
        loggers = [logging.getLogger(name) for name in (None, "urllib3", "urllib3.connectionpool", "adobe")]
        return {
            "loggers": [(logger.level, len(logger.handlers), logger.disabled) for logger in loggers],
            "signals": [repr(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
            "warnings": repr(warnings.filters),
            "threads": threading.active_count(),
            "timeout": socket.getdefaulttimeout(),
            "recursion": sys.getrecursionlimit(),
            "TLS": repr(ssl._create_default_https_context),
            "switching": sys.getswitchinterval(),
        }

    def changed():
        now = state()
        return sorted(name for name in now if now[name] != before[name])

    before = state()
    import target_python_sdk, target_decisioning_engine, delivery_api_client, target_tools
    imported = changed()
    from types import SimpleNamespace
    from tests.decisioning.cdn import artifact
    from tests.reliability.conftest import Quiet
    from tests.support import client_of, eventually, offers

    before = state()
    edge = SimpleNamespace(domain=sys.argv[1])
    on_device = {"decisioning_method": "on-device", "artifact_payload": artifact(), "polling_interval": 0}
    tls_failure = {"secure": True, "timeout": 200, "on_error": "default"}  # the server does not use TLS
    for options in ({}, on_device, tls_failure):
        with client_of(edge, logger=Quiet(), **options) as client:
            client.get_offers(offers())
            client.get_offers({**offers(), "callback": id}).get(20)
    eventually(lambda: threading.active_count() == before["threads"])
    print(json.dumps([imported, changed()]))
"""


@pytest.mark.parametrize("end", ["closed", "dropped"])
@pytest.mark.parametrize("count", scaled(1000, 100))
def test_t32_clients_leave_nothing_behind(end, count, figure):
    with LocalEdge() as edge:
        done = python(CYCLES, edge.domain, count, end, timeout=300, options=())
    assert done.returncode == 0, done.stderr
    left = json.loads(done.stdout)
    figure(f"{count} clients {end}: still in memory without a garbage collection", left["uncollected"], 0)
    figure(f"{count} clients {end}: objects in reference cycles", left["garbage"], "less than 1 for each")
    figure(f"{count} clients {end}: descriptors left", left["descriptors"], 0)
    figure(f"{count} clients {end}: MB left", left["bytes"] / 1e6, "less than 4")
    figure(f"{count} clients {end}: objects left", left["objects"], "less than 1 for each")
    assert (left["uncollected"], left["threads_ended"]) == (0, True)
    assert left["descriptors"] <= 0
    assert left["garbage"] < count
    assert left["objects"] < count
    assert left["bytes"] < 4e6


def test_t34_import_and_calls_change_no_setting_of_the_process(figure):
    with SocketServer(answer(ANSWER_BYTES)) as server:
        done = python(GUEST, server.domain)
    assert (done.returncode, done.stderr) == (0, "")
    imported, called = json.loads(done.stdout)
    figure("settings of the process that an import changes", len(imported), 0)
    figure("settings of the process that calls change", len(called), 0)
    assert (imported, called) == ([], [])


def test_t34_two_clients_use_their_own_hosts(figure):
    with SocketServer(answer(ANSWER_BYTES)) as first_server, SocketServer(answer(ANSWER_BYTES)) as second_server:
        with client_of(first_server, logger=Quiet()) as first, client_of(second_server, logger=Quiet()) as second:
            for _ in range(5):
                first.get_offers(offers())
                second.get_offers(offers())
                second.get_offers(offers())
        counts = (len(first_server.requests), len(second_server.requests))
    figure("requests to the hosts of two clients", counts, (5, 10))
    assert counts == (5, 10)
