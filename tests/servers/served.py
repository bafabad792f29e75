"""The WSGI application that the servers under test run, with clients made at import: before the fork, if there is one.

The environment says what is wanted: ``EDGE`` and ``SLOW`` are whom the clients ask, ``NOTES`` is the file that gets a
line for whatever a test wants to know, ``METHOD`` and ``POLLING`` are options of the first client, ``FLUSH`` says
when the second is flushed.
"""

import json
import os
import sys
import threading
import time
from types import SimpleNamespace
from urllib.parse import parse_qs

from tests.support import client_of, offers

#: Milliseconds that an exit waits for calls.
SHUTDOWN = 1000
#: Milliseconds after which the artifact is looked for again.
POLLING = int(os.environ.get("POLLING", "200"))


def note(kind, value):
    """A line for the test: what, in which process, when, and a value."""
    line = json.dumps({"kind": kind, "pid": os.getpid(), "at": time.monotonic(), "value": value}) + "\n"
    handle = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_APPEND)
    os.write(handle, line.encode())
    os.close(handle)


def content(envelope):
    """What the visitor gets."""
    return envelope.response.execute.mboxes[0].options[0].content


def arrived(event):
    """An artifact has come."""
    note("artifact", event.artifact_payload["rules"]["mboxes"]["home"][0]["consequence"]["options"][0]["content"])


deciding = client_of(
    SimpleNamespace(domain=os.environ["EDGE"]),
    decisioning_method=os.environ.get("METHOD", "on-device"),
    cdn_base_path="http://" + os.environ["EDGE"],
    polling_interval=POLLING,
    shutdown_timeout=SHUTDOWN,
    events={"artifact_download_succeeded": arrived},
)
asking = client_of(SimpleNamespace(domain=os.environ["SLOW"]), shutdown_timeout=SHUTDOWN, circuit_breaker=False)


def decided(_):
    """A decision, told to a callback."""
    told = []
    call = {**offers(), "callback": lambda envelope: told.append(content(envelope)), "err_callback": told.append}
    deciding.get_offers(call).wait(10)
    return {"content": str(told[0])}


def busy(query):
    """A decision that keeps whoever serves it from other requests."""
    time.sleep(0.1)
    return decided(query)


def fired(query):
    """Calls that nobody waits for, for ``mbox``; ``then`` says what follows them in the same request."""
    ends = {"callback": lambda _: note("ran", 1), "err_callback": lambda error: note("failed", str(error))}
    for _ in range(int(query["count"][0])):
        asking.get_offers({**offers(query.get("mbox", ["home"])[0]), **ends})
    then = query.get("then", [""])[0]
    if then == "flush":
        asking.flush(10000)
    elif then == "linger":
        note("lingers", 1)
        time.sleep(1)
    return {}


def hung(_):
    """A call that nobody answers."""
    asking.get_offers({**offers("hung"), "callback": str})
    while not asking.stats()["running"]:
        time.sleep(0.01)
    return {}


def asked(_):
    """A blocking call."""
    return {"content": content(asking.get_offers(offers()))}


class Heart:
    """Beats every few milliseconds, and knows the longest pause between two beats."""

    def __init__(self):
        self.longest = 0.0
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self):
        last = time.monotonic()
        while True:
            time.sleep(0.002)
            now = time.monotonic()
            self.longest, last = max(self.longest, now - last), now


if os.environ.get("FLUSH") == "uwsgi.atexit":
    import uwsgi

    uwsgi.atexit = lambda: asking.flush(SHUTDOWN)

_hearts = []


def heart(_):
    """The longest pause since the last time somebody asked."""
    if not _hearts:
        _hearts.append(Heart())
    longest, _hearts[0].longest = _hearts[0].longest, 0.0
    return {"longest": longest}


PAGES = {"/": decided, "/busy": busy, "/fire": fired, "/hang": hung, "/ask": asked, "/heart": heart}


def application(environ, start_response):
    """One of the pages above, as JSON."""
    answer = PAGES[environ["PATH_INFO"]](parse_qs(environ["QUERY_STRING"]))
    group = environ.get("mod_wsgi.application_group")
    body = json.dumps({"pid": os.getpid(), "group": group, "python": sys.version_info[:2], **answer}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
