"""Run the application under test in a server, with its edges and the file for its notes."""

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
from tests.servers.processes import HANG_SECONDS, ROOT, Process, free_port
from tests.support import ANSWER, installing

#: How to install the servers; pip compiles uWSGI and mod_wsgi.
SERVERS = installing("servers", "gcc", "libc6-dev", "python3-dev")
APACHE = installing("apache", "apache2", "apache2-dev", "gcc", "libc6-dev", "python3-dev")
#: Seconds that a call to the slow edge takes.
SLOW = 0.4
#: Seconds within which a server must stop, and the seconds that a busy machine may add.
STOP = 2.0
SLACK = 20.0
#: Seconds that the clients of the application wait for calls at the end of their process.
SHUTDOWN = 1.0
#: Maximum number of seconds between two downloads of the artifact: the interval of the application plus a tenth.
INTERVAL = 0.22


def skip_if_missing(server):
    """Skip the test if the server is not installed. The message contains the command that installs it."""
    if serve.executable(server) is None:
        pytest.skip("{} is not installed: {}".format(server, APACHE if server == "mod_wsgi" else SERVERS))
    if "gevent" in server and importlib.util.find_spec("gevent") is None:
        pytest.skip(f"gevent is not installed: {SERVERS}")
    if serve.missing(server):
        pytest.skip(f"{serve.missing(server)}: apt-get install util-linux")


def answer_slowly(connection):
    """Answer requests for the mbox ``quick`` at once, for ``hung`` never, and all others after ``SLOW`` seconds."""
    while True:
        request = connection.read_request()
        if not request:
            return
        if b'"hung"' in request:
            connection.hang()
        if b'"quick"' not in request:
            connection.wait(SLOW)
        connection.send(response(ANSWER))


def command_line(pid):
    """Return the command line of a process."""
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return file.read()
    except OSError:  # the process has just ended
        return ""


class Serving:
    """``with Serving("uwsgi", "--lazy-apps") as site:`` runs a site until the end of the block."""

    def __init__(self, server, *extra, module="tests.servers.served", **environment):
        skip_if_missing(server)
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
                # If root starts Apache, it serves as another user, which must be able to write the notes.
                os.chmod(self.folder, 0o755)
                os.chmod(self._notes, 0o666)
            self.edge = stack.enter_context(LocalEdge(artifact("v0")))
            self.slow = stack.enter_context(SocketServer(answer_slowly))
            self.process = stack.enter_context(self._start_process())
            self.process.until(self.answers, what="the first answer")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *raised):
        return self._stack.__exit__(*raised)

    def _start_process(self):
        root = ["--server-root", os.path.join(self.folder, "apache")] if self.server == "mod_wsgi" else []
        argv = serve.command(self.server, self.port, self._module, *root, *self._extra)
        variables = {"EDGE": self.edge.domain, "SLOW": self.slow.domain, "NOTES": self._notes}
        return Process(argv, cwd=ROOT, HOME=self.folder, **variables, **self._environment)

    def get(self, path="/"):
        """Return the answer of the application. Raise an error if it is not 200 OK."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG_SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        assert answer.status == 200, self.process.failure(f"{answer.status} {body}")
        return json.loads(body)

    def answers(self):
        """Return the answer of the application, or None if it does not answer."""
        try:
            return self.get()
        except (OSError, http.client.HTTPException):
            return None

    def get_many(self, count, path="/", at_once=4):
        """Send ``count`` requests, ``at_once`` at a time; return the answers."""
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(lambda _: self.get(path), range(count)))

    def notes(self, kind):
        """Return the notes of this kind so far."""
        with open(self._notes) as file:
            lines = [json.loads(line) for line in file if line.endswith("\n")]
        return [line for line in lines if line["kind"] == kind]

    def workers(self):
        """Return the ids of the worker processes."""
        if self.server == "waitress":
            return [self.process.pid]
        found = self.process.children()
        # Apache also has children that pass requests on.
        return [pid for pid in found if "(wsgi:" in command_line(pid)] if self.server == "mod_wsgi" else found

    def wait_for_each_worker(self):
        """Wait until each worker has answered; return the workers. Each request keeps its worker busy for a moment."""
        answered = set()

        def missing_answers():
            return f"an answer of {sorted(set(self.workers()) - answered)}"

        def all_answered():
            count = 2 + 2 * len(self.workers())
            answered.update(answer["pid"] for answer in self.get_many(count, "/busy", count))
            return answered.issuperset(self.workers()) and self.workers()

        return self.process.until(all_answered, what=missing_answers)

    def publish_and_wait(self, rounds=3):
        """Publish artifacts one after another; return the longest time in seconds until a worker got one."""
        longest = 0.0
        for _ in range(rounds):
            self.versions += 1
            version = f"v{self.versions}"
            began = time.monotonic()
            self.edge.load(artifact(version))
            self.process.until(lambda version=version: self._all_use(version), what="each worker has " + version)
            longest = max([longest] + [note["at"] - began for note in self._notes_of(version)])
            assert {answer["content"] for answer in self.get_many(4)} == {version}
        return longest

    def _notes_of(self, version):
        workers = self.workers()
        return [note for note in self.notes("artifact") if note["value"] == version and note["pid"] in workers]

    def _all_use(self, version):
        return {note["pid"] for note in self._notes_of(version)}.issuperset(self.workers())

    def seconds_to_replace(self, act):
        """Call ``act`` and wait until all workers are replaced; return the seconds that it took."""
        old, began = self.workers(), time.monotonic()
        act()
        self._until_others_serve(old, old)
        return time.monotonic() - began

    def kill(self, *pids):
        """Kill these workers, and wait until others have replaced them."""
        old = self.workers()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self._until_others_serve(old, pids)

    def _until_others_serve(self, old, leaving):
        def all_replaced():
            now = set(self.workers())
            return len(now) == len(old) and not now & set(leaving)

        self.process.until(all_replaced, what="new workers")
        self.wait_for_each_worker()

    def stop(self):
        """Stop the server; return the seconds that it took."""
        return self.process.stop(serve.stop_signal(self.server))


class Load:
    """Visitors that send requests continuously during the ``with`` block."""

    def __init__(self, site, visitors=3):
        self._site = site
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._visit) for _ in range(visitors)]
        self.visitors = visitors
        self.served = 0
        self.failed = []

    def _visit(self):
        while not self._stop.is_set():
            try:
                self._site.get()
                self.served += 1
            except Exception as error:  # noqa: BLE001 - every error means a missing page
                self.failed.append(repr(error))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def check_refresh_replacement_and_stop(name, mode, figure):
    """Check a preforking server: every worker gets new artifacts, is replaced after a kill or a reload, and stops."""
    with Serving(*mode) as site:
        site.wait_for_each_worker()
        assert len(site.get_many(200)) == 200
        waits = [site.publish_and_wait()]
        site.kill(site.workers()[0])
        waits.append(site.publish_and_wait(1))
        with Load(site) as load:
            reload = site.seconds_to_replace(lambda: site.process.send_signal(signal.SIGHUP))
        waits.append(site.publish_and_wait(1))
        stop = site.stop()
    figure(name + ": a new artifact in every worker, s", max(waits), f"{INTERVAL} (an interval)")
    figure(name + ": reload, s", reload, "")
    figure(f"{name}: requests that failed during the reload, beside {load.served} answered", len(load.failed), 0)
    figure(name + ": stop, s", stop, "2 at most")
    assert max(waits) < INTERVAL + SLACK
    # An exiting worker closes a connection that it has accepted, even if it has not read the request yet.
    assert len(load.failed) <= load.visitors, load.failed
    assert stop < STOP + SLACK
