"""Threads for polling and for the location hint do no harm to the application's process (T15, T33)."""

import gc
import json
import os
import threading
import time

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.testing import SocketServer
from tests.decisioning.cdn import Cdn, artifact, good, options, with_etag
from tests.reliability.conftest import python
from tests.support import eventually

pytestmark = pytest.mark.server

#: Reports the modules whose first import happens outside the main thread.
IMPORTS = """
    import json, sys, threading, time

    class Finder:
        found = []

        def find_spec(self, name, path=None, target=None):
            if threading.get_ident() != main:
                self.found.append(name)

    main = threading.get_ident()
    sys.meta_path.insert(0, Finder())
    from tests.decisioning.cdn import artifact, options
    from tests.support import content, offers
    from target_python_sdk import TargetClient
    events, received = [], []

    class Memory(dict):
        def set(self, key, value):
            self[key] = value

    def record_event(event):
        events.append(event.type)

    client_options = json.loads(sys.argv[1])
    if client_options.pop("memory", False):
        client_options["artifact_cache"] = Memory()
    names = ("artifact_download_succeeded", "artifact_download_failed", "geo_location_updated", "client_ready",
             "send_notification_error")
    handlers = dict.fromkeys(names, record_event)
    client = TargetClient.create(options(None, events=handlers, polling_interval=10, **client_options))
    until = time.monotonic() + 20
    while not set(json.loads(sys.argv[2])) <= set(events) and time.monotonic() < until:
        time.sleep(0.01)
    for _ in range(3):
        client.get_offers({**offers(), "callback": received.append, "err_callback": received.append})
    client.flush(20000)
    time.sleep(0.1)
    client.close()
    print(json.dumps([Finder.found, sorted(set(events)), len(received)]))
"""


def artifact_with_notifications():
    """Return an artifact with offers that cause notifications."""
    document = artifact()
    consequence = document["rules"]["mboxes"]["home"][0]["consequence"]
    consequence["options"][0]["eventToken"] = "token"
    consequence["metrics"] = [{"type": "display", "eventToken": "token"}]
    return document


def reply_bytes(status, body, **headers):
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += ["{}: {}".format(name.replace("_", "-"), value) for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("utf-8") + body


TEXT = json.dumps(artifact_with_notifications())
REPLIES = {
    "good": good("<b>A</b>", etag='"1"', **{"x-geo-city": "PARIS"}),
    "with a byte order mark": reply_bytes(200, TEXT.encode("utf-8-sig"), x_geo_city="PARIS"),
    "in UTF-16": reply_bytes(200, TEXT.encode("utf-16"), x_geo_city="PARIS"),
    "busy": reply_bytes(503, b"no", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
    "truncated": reply_bytes(200, b"{"),
    "redirect": reply_bytes(302, b"", Location="http://127.0.0.1:9/"),
    "no HTTP": b"HTTP/1.1 x\r\n\r\n",
}


@pytest.mark.parametrize(
    "client_options",
    [{"memory": True}, {"artifact_cache": "file"}, {"decisioning_method": "hybrid"}],
    ids=["object", "file", "hybrid"],
)
@pytest.mark.parametrize("reply", REPLIES)
def test_the_sdks_threads_import_no_module(reply, client_options, tmp_path):
    """If a process forks while a thread imports a module, the child can never import that module."""
    if "artifact_cache" in client_options:
        client_options = {"artifact_cache": str(tmp_path / "file")}
    bad = reply not in ("good", "with a byte order mark")
    expected = ["artifact_download_failed"] if bad else ["artifact_download_succeeded", "geo_location_updated"]
    with Cdn(with_etag('"1"', REPLIES[reply])) as cdn:
        # The URL has a host name, so a thread looks it up.
        base = "http://localhost:" + cdn.domain.rpartition(":")[2]
        client_options = {
            "cdn_base_path": base,
            "server_domain": "localhost:9",
            "maximum_wait_ready": 1000,
            **client_options,
        }
        done = python(IMPORTS, json.dumps(client_options), json.dumps(expected), options=())
    assert done.returncode == 0, done.stderr[-3000:]
    imported, events, received = json.loads(done.stdout)
    assert imported == []
    assert set(expected) <= set(events) and received == 3


def test_importing_the_client_does_not_import_inspect():
    script = """
        import sys, urllib3
        import target_tools.typing_compat  # the typing_extensions of older Pythons import it
        imported_before = "inspect" in sys.modules
        from target_python_sdk import TargetClient
        print(TargetClient.__name__, imported_before == ("inspect" in sys.modules))
    """
    done = python(script)
    assert done.stdout.strip() == "TargetClient True", done.stderr


# Sub-interpreters

INSIDE = """
import sys
sys.path[:] = {path!r}
import logging
logging.disable(50)
from tests.decisioning.cdn import artifact
from target_python_sdk import TargetClient
client = TargetClient.create({options!r})
import time
time.sleep(0.3)
if {close}:
    client.close()
"""

OUTSIDE = """
    import sys
    try:
        from _testcapi import run_in_subinterp
    except ImportError:
        print("unsupported")
    else:
        print("ended", run_in_subinterp(sys.argv[1].replace("PATH", repr(sys.path))), flush=True)
"""


def silent(connection):
    """Accept the connection and send nothing."""
    connection.hang()


@pytest.mark.slow
@pytest.mark.parametrize("close", [True, False], ids=["closed", "not closed"])
@pytest.mark.parametrize("hung", ["edge", "cdn", "secure cdn", "both"])
def test_t15_a_sub_interpreter_ends_although_a_server_hangs(hung, close):
    """If a sub-interpreter ends while a thread runs in it, Python aborts the process with ``not the last thread``."""
    with SocketServer(silent) as server:
        client_options = options(maximum_wait_ready=100, timeout=20000)
        if hung != "edge":
            client_options["cdn_base_path"] = "{}://{}".format(
                "https" if hung == "secure cdn" else "http", server.domain
            )
        else:
            client_options.update(artifact_payload=artifact(), polling_interval=0)
        if hung in ("edge", "both"):
            client_options["server_domain"] = server.domain
        inside = INSIDE.format(path="PATH", options=client_options, close=close).replace("'PATH'", "PATH")
        done = python(OUTSIDE, inside, options=())
    if done.stdout.strip() == "unsupported":
        pytest.skip("this Python has no _testcapi to make sub-interpreters with")
    assert (done.returncode, done.stdout.strip()) == (0, "ended 0"), done.stderr[-3000:]


# Closing


@pytest.mark.parametrize("hung", ["edge", "cdn", "secure cdn"])
def test_t33_closed_clients_of_a_server_that_hangs_leave_no_thread_and_no_socket(hung, figure):
    connections = []

    def keep_open(connection):
        connections.append(connection)
        connection.hang()

    client_options = options(maximum_wait_ready=50, timeout=60000)  # the timeout is longer than ``eventually`` waits
    with SocketServer(keep_open) as server:
        if hung == "edge":
            client_options.update(server_domain=server.domain, artifact_payload=artifact(), polling_interval=0)
        else:
            scheme = "https" if hung == "secure cdn" else "http"
            client_options["cdn_base_path"] = f"{scheme}://{server.domain}"
        gc.collect()
        clients, threads, sockets = [], sdk_threads(), descriptors()
        for number in range(10):
            clients.append(TargetClient.create(client_options))
            assert eventually(lambda number=number: len(connections) > number)
        assert sdk_threads() >= threads + 10
        began = time.monotonic()
        for client in clients:
            client.close()
        # The server's sockets stay open, and perhaps a pipe of its selector.
        assert eventually(lambda: sdk_threads() <= threads and descriptors() < sockets + 20)
        elapsed = time.monotonic() - began
    figure(f"threads of 10 closed clients of a hung {hung} gone, s", elapsed, "less than 1")


def sdk_threads():
    """Return the number of threads of the SDK."""
    return sum(thread.name.startswith("target-acmeclient-") for thread in threading.enumerate())


def descriptors():
    """Return the number of open descriptors of this process, if the system lists them."""
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
