"""The WSGI application that the servers under test run.

The clients are created at import: before a fork, if the server forks.

Variables of the environment: ``EDGE`` and ``SLOW`` are the servers of the two clients, ``NOTES`` is the file for
notes to the test, ``METHOD`` and ``POLLING`` are options of the first client. With ``FLUSH=uwsgi.atexit``, uWSGI's
exit handler flushes the second client.
"""

import json
import os
import sys
import threading
import time
from types import SimpleNamespace
from urllib.parse import parse_qs

from tests.support import client_of, offers

#: Milliseconds that a process waits for calls when it ends.
SHUTDOWN = 1000
#: Milliseconds between two downloads of the artifact.
POLLING = int(os.environ.get("POLLING", "200"))


def note(kind, value):
    """Write a line for the test: a kind and a value, with the process id and the time."""
    line = json.dumps({"kind": kind, "pid": os.getpid(), "at": time.monotonic(), "value": value}) + "\n"
    handle = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_APPEND)
    os.write(handle, line.encode())
    os.close(handle)


def content(envelope):
    """Return the content for the visitor."""
    return envelope.response.execute.mboxes[0].options[0].content


def note_artifact(event):
    """Write a note about a new artifact."""
    note("artifact", event.artifact_payload["rules"]["mboxes"]["home"][0]["consequence"]["options"][0]["content"])


on_device_client = client_of(
    SimpleNamespace(domain=os.environ["EDGE"]),
    decisioning_method=os.environ.get("METHOD", "on-device"),
    cdn_base_path="http://" + os.environ["EDGE"],
    polling_interval=POLLING,
    shutdown_timeout=SHUTDOWN,
    events={"artifact_download_succeeded": note_artifact},
)
#: A client with a timeout so long that a hanging call does not end before the server has stopped.
edge_client = client_of(
    SimpleNamespace(domain=os.environ["SLOW"]), shutdown_timeout=SHUTDOWN, circuit_breaker=False, timeout=60000
)


def decide(_):
    """Get the content from the first client, in a call with a callback."""
    results = []
    call = {**offers(), "callback": lambda envelope: results.append(content(envelope)), "err_callback": results.append}
    on_device_client.get_offers(call).wait(10)
    return {"content": str(results[0])}


def decide_slowly(query):
    """Decide after a pause, which keeps the worker busy."""
    time.sleep(0.1)
    return decide(query)


def fire(query):
    """Start calls for ``mbox`` without waiting for them. ``then`` selects the next step: ``flush`` or ``linger``."""
    callbacks = {"callback": lambda _: note("ran", 1), "err_callback": lambda error: note("failed", str(error))}
    for _ in range(int(query["count"][0])):
        edge_client.get_offers({**offers(query.get("mbox", ["home"])[0]), **callbacks})
    then = query.get("then", [""])[0]
    if then == "flush":
        edge_client.flush(10000)
    elif then == "linger":
        note("lingers", 1)
        time.sleep(1)
    return {}


def call_hung_server(_):
    """Call a server that does not answer."""
    edge_client.get_offers({**offers("hung"), "callback": str})
    while not edge_client.stats()["running"]:
        time.sleep(0.01)
    return {}


def call_and_wait(_):
    """Make a blocking call."""
    return {"content": content(edge_client.get_offers(offers()))}


class PauseMonitor:
    """Measures the longest pause of a thread that should wake up every few milliseconds."""

    def __init__(self):
        self.longest = 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        last = time.monotonic()
        while True:
            time.sleep(0.002)
            now = time.monotonic()
            self.longest, last = max(self.longest, now - last), now


if os.environ.get("FLUSH") == "uwsgi.atexit":
    import uwsgi

    uwsgi.atexit = lambda: edge_client.flush(SHUTDOWN)

_monitors = []


def longest_pause(_):
    """Return the longest pause since the last request."""
    if not _monitors:
        _monitors.append(PauseMonitor())
    longest, _monitors[0].longest = _monitors[0].longest, 0.0
    return {"longest": longest}


PAGES = {
    "/": decide,
    "/busy": decide_slowly,
    "/fire": fire,
    "/hang": call_hung_server,
    "/ask": call_and_wait,
    "/pause": longest_pause,
}


def application(environ, start_response):
    """Serve one of ``PAGES`` as JSON."""
    answer = PAGES[environ["PATH_INFO"]](parse_qs(environ["QUERY_STRING"]))
    group = environ.get("mod_wsgi.application_group")
    body = json.dumps({"pid": os.getpid(), "group": group, "python": sys.version_info[:2], **answer}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
