"""A server with the application under test, the edges that this asks, and a file of what it noted."""

import contextlib
import http.client
import importlib.util
import json
import os
import signal
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from samples.wsgi import serve
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.testing import SocketServer, response
from tests.decisioning.cdn import artifact
from tests.servers.processes import GENEROUS, ROOT, Process, free_port
from tests.support import ANSWER, installing

#: How to install the servers; pip compiles uWSGI and mod_wsgi.
SERVERS = installing("servers", "gcc", "libc6-dev", "python3-dev")
APACHE = installing("apache", "apache2", "apache2-dev", "gcc", "libc6-dev", "python3-dev")
#: Seconds that a call to the slow edge takes.
SLOW = 0.4
#: Seconds within which a server is to stop, and what a busy machine may add.
STOP = 2.0
SLACK = 2.0
#: Seconds that the clients of the application wait for calls at the end of their process.
SHUTDOWN = 1.0
#: Seconds between two looks for an artifact, at most: the interval of the application and a tenth.
INTERVAL = 0.22


def installed(server):
    """Skip the test if that server is not installed, and say how to install it."""
    if serve.executable(server) is None:
        pytest.skip("{} is not installed: {}".format(server, APACHE if server == "mod_wsgi" else SERVERS))
    if "gevent" in server and importlib.util.find_spec("gevent") is None:
        pytest.skip(f"gevent is not installed: {SERVERS}")
    if serve.missing(server):
        pytest.skip(f"{serve.missing(server)}: apt-get install util-linux")


def slowly(connection):
    """Answers after a while; at once for the mbox ``quick``, and never for ``hung``."""
    while True:
        request = connection.read_request()
        if not request:
            return
        if b'"hung"' in request:
            connection.hang()
        if b'"quick"' not in request:
            connection.wait(SLOW)
        connection.send(response(ANSWER))


def called(pid):
    """The command line of a process."""
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return file.read()
    except OSError:  # it ended while we looked
        return ""


class Serving:
    """``with Serving("uwsgi", "--lazy-apps") as site:`` is a site that answers."""

    def __init__(self, server, *extra, module="tests.servers.served", **environment):
        installed(server)
        self.server = server
        self.port = free_port()
        self._extra = extra
        self._module = module
        self._environment = environment
        self._stack = contextlib.ExitStack()
        self.versions = 0

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.folder = stack.enter_context(tempfile.TemporaryDirectory())
            self._notes = os.path.join(self.folder, "notes")
            open(self._notes, "wb").close()
            if self.server == "mod_wsgi":
                # Started by root, Apache serves as another user, who must reach this folder and write the notes.
                os.chmod(self.folder, 0o755)
                os.chmod(self._notes, 0o666)
            self.edge = stack.enter_context(LocalEdge(artifact("v0")))
            self.slow = stack.enter_context(SocketServer(slowly))
            self.process = stack.enter_context(self._started())
            self.process.until(self.answers, what="the first answer")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *raised):
        return self._stack.__exit__(*raised)

    def _started(self):
        root = ["--server-root", os.path.join(self.folder, "apache")] if self.server == "mod_wsgi" else []
        argv = serve.command(self.server, self.port, self._module, *root, *self._extra)
        asked = {"EDGE": self.edge.domain, "SLOW": self.slow.domain, "NOTES": self._notes}
        return Process(argv, cwd=ROOT, HOME=self.folder, **asked, **self._environment)

    def get(self, path="/"):
        """The answer of the application; an error if it is not 200 OK."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=GENEROUS)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        assert answer.status == 200, self.process.told(f"{answer.status} {body}")
        return json.loads(body)

    def answers(self):
        """Whether the application answers."""
        try:
            return self.get()
        except (OSError, http.client.HTTPException):
            return None

    def get_many(self, count, path="/", at_once=4):
        """The answers to so many requests, some of them at once."""
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(lambda _: self.get(path), range(count)))

    def notes(self, kind):
        """What was noted of that kind so far."""
        with open(self._notes) as file:
            lines = [json.loads(line) for line in file if line.endswith("\n")]
        return [line for line in lines if line["kind"] == kind]

    def workers(self):
        """The processes that serve."""
        if self.server == "waitress":
            return [self.process.pid]
        found = self.process.children()
        # Apache has children that answer by handing on.
        return [pid for pid in found if "(wsgi:" in called(pid)] if self.server == "mod_wsgi" else found

    def each(self):
        """The workers, once each of them has answered; on the way others are kept busy."""
        answered = set()

        def silent():
            return f"an answer of {sorted(set(self.workers()) - answered)}"

        def all_have():
            count = 2 + 2 * len(self.workers())
            answered.update(answer["pid"] for answer in self.get_many(count, "/busy", count))
            return answered.issuperset(self.workers()) and self.workers()

        return self.process.until(all_have, what=silent)

    def refresh(self, rounds=3):
        """The longest that a worker took to get a new artifact, in seconds; then each decides by it."""
        longest = 0.0
        for _ in range(rounds):
            self.versions += 1
            version = f"v{self.versions}"
            begun = time.monotonic()
            self.edge.load(artifact(version))
            self.process.until(lambda version=version: self._have(version), what="each worker has " + version)
            longest = max([longest] + [note["at"] - begun for note in self._notes_of(version)])
            assert {answer["content"] for answer in self.get_many(4)} == {version}
        return longest

    def _notes_of(self, version):
        workers = self.workers()
        return [note for note in self.notes("artifact") if note["value"] == version and note["pid"] in workers]

    def _have(self, version):
        return {note["pid"] for note in self._notes_of(version)}.issuperset(self.workers())

    def replaced(self, act):
        """Do ``act`` and wait until others serve in the place of all workers; the seconds that took."""
        old, begun = self.workers(), time.monotonic()
        act()
        self._until_others_serve(old, old)
        return time.monotonic() - begun

    def kill(self, *pids):
        """Kill these workers, and wait until others serve in their place."""
        old = self.workers()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self._until_others_serve(old, pids)

    def _until_others_serve(self, old, leaving):
        def others_are_there():
            now = set(self.workers())
            return len(now) == len(old) and not now & set(leaving)

        self.process.until(others_are_there, what="new workers")
        self.each()

    def stop(self):
        """The seconds it took to stop."""
        return self.process.stop(serve.stop_signal(self.server))


class Load:
    """Visitors who ask without a break while the ``with`` block runs."""

    def __init__(self, site, visitors=3):
        self._site = site
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._visit) for _ in range(visitors)]
        self.visitors = visitors
        self.served = 0
        self.failed = []

    def _visit(self):
        while not self._over.is_set():
            try:
                self._site.get()
                self.served += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, the visitor got no page
                self.failed.append(repr(error))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()


def refreshed_replaced_and_stopped(name, mode, figure):
    """What a preforking server owes in every mode: artifacts in every worker, those that come later too, and an end."""
    with Serving(*mode) as site:
        site.each()
        assert len(site.get_many(200)) == 200
        waits = [site.refresh()]
        site.kill(site.workers()[0])
        waits.append(site.refresh(1))
        with Load(site) as load:
            reload = site.replaced(lambda: site.process.tell(signal.SIGHUP))
        waits.append(site.refresh(1))
        stop = site.stop()
    figure(name + ": a new artifact in every worker, s", max(waits), f"{INTERVAL} (an interval)")
    figure(name + ": reload, s", reload, "")
    figure(f"{name}: requests failed of {load.served} meanwhile", len(load.failed), 0)
    figure(name + ": stop, s", stop, "2 at most")
    assert max(waits) < INTERVAL + SLACK
    # A worker that leaves may just have accepted a connection on which nothing was asked yet, and says nothing of it.
    assert len(load.failed) <= load.visitors, load.failed
    assert stop < STOP + SLACK
