"""Run a Celery worker with the application under test, and its edge."""

import json
import os
import signal
import socket
import sys
import tempfile
import threading

from celery import Celery

from target_python_sdk.testing import SocketServer, response
from tests.decisioning.cdn import artifact
from tests.servers.processes import HANG_SECONDS, ROOT, Process
from tests.support import ANSWER_BYTES, body_of

#: Warnings are errors, with two exceptions: Celery's warning about running as root, which is common in containers, and
#: the warning about Python 3.8 from cryptography, which the redis package imports.
WARNINGS = (
    *("-W", "error"),
    *("-W", "ignore:You're running the worker with superuser privileges"),
    *("-W", "ignore:Python 3.8 is no longer supported"),
)


class Edge(SocketServer):
    """Answer delivery requests after ``pause`` seconds, while ``answering`` is set. Also serve the rule artifact.

    ``received`` has all delivery requests. ``answered`` has those that were answered before the client disconnected.
    """

    def __init__(self, pause=0.0):
        super().__init__(self._answer)
        self.pause = pause
        self.publish("<b>A</b>")
        self.answering = threading.Event()
        self.answering.set()
        self.received = []
        self.answered = []

    def publish(self, content):
        """Serve an artifact with this content and an event token, so that each decision sends a notification."""
        document = artifact(content)
        document["rules"]["mboxes"]["home"][0]["consequence"]["options"][0]["eventToken"] = "token"
        self._artifact = response(document)

    def _answer(self, connection):
        while True:
            request = connection.read_request()
            if not request:
                return
            if request.startswith(b"GET "):
                connection.send(self._artifact)
                continue
            delivery = body_of(request)
            self.received.append(delivery)
            connection.wait(self.pause)
            while not self.answering.wait(0.02):
                connection.wait(0)
            if has_disconnected(connection.socket):
                return
            connection.send(response(ANSWER_BYTES))
            self.answered.append(delivery)


def has_disconnected(connected):
    """Return whether the peer has closed the connection."""
    try:
        return connected.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def hang(connection):
    """Never answer."""
    connection.read_request()
    connection.hang()


def ids(requests):
    """Return the ids of all notifications in requests."""
    return [notification["id"] for request in requests for notification in request.get("notifications") or ()]


class Sender(Celery):
    """A Celery application that sends tasks to the broker.

    If the broker is a folder, the application writes each message to another folder and then moves the file, because a
    worker could otherwise read a partial file.
    """

    def __init__(self, settings):
        super().__init__("sender")
        self.conf.update(settings)
        options = settings["broker_transport_options"]
        self._folder = options.get("data_folder_in")
        if self._folder:
            self._aside = os.path.join(self._folder, "aside")
            os.makedirs(self._aside, exist_ok=True)
            self.conf.broker_transport_options = {**options, "data_folder_out": self._aside}

    def send_task(self, *arguments, **named):
        """Send a task. Celery uses this method to send a task by object as well as by name."""
        sent = super().send_task(*arguments, **named)
        for name in os.listdir(self._aside) if self._folder else ():
            os.rename(os.path.join(self._aside, name), os.path.join(self._folder, name))
        return sent


class Worker(Process):
    """``with Worker(broker.new_settings(), edge) as worker:`` runs a worker that is ready for tasks.

    ``flags`` go to ``celery worker``, ``client`` are options of the client under test. ``install`` has the arguments
    of the integration's ``install``; None means a client at module level. ``hung`` is the address of a server
    that never answers.
    """

    def __init__(
        self, broker, edge, *flags, pool="prefork", concurrency=4, install=(), hung="", settings=None, **client
    ):
        folder = tempfile.TemporaryDirectory(prefix="worker-")
        self._folder = folder
        self._records = os.path.join(folder.name, "records")
        open(self._records, "wb").close()
        self.settings = {**broker, "task_ignore_result": True, "worker_hijack_root_logger": False, **(settings or {})}
        options = {
            "client": "acmeclient",
            "organization_id": "1@AdobeOrg",
            "server_domain": edge.domain,
            "secure": False,
            **client,
        }
        self.client_options = options
        configuration = {
            "celery": self.settings,
            "client": options,
            "install": None if install is None else dict(install),
            "records": self._records,
            "hung": hung,
        }
        argv = [sys.executable, *WARNINGS, "-m", "celery", "-A", "tests.servers.tasks", "worker"]
        argv += ["--pool", pool, "--concurrency", str(concurrency), "--loglevel", "INFO"]
        argv += ["--without-gossip", "--without-mingle", "--without-heartbeat", *flags]
        super().__init__(argv, cwd=ROOT, UNDER_TEST=json.dumps(configuration))
        self.sender = Sender(self.settings)

    def __enter__(self):
        try:
            self.until(lambda: self.records("ready"), what="the worker is ready")
        except BaseException:
            self.end()
            raise
        return self

    def end(self):
        """Kill the processes that still run, and delete the records."""
        super().end()
        self.sender.close()
        self._folder.cleanup()

    def send(self, name, *arguments, times=1, **options):
        """Send a task to the broker ``times`` times."""
        for _ in range(times):
            self.sender.send_task("tests.servers.tasks." + name, arguments, **options)

    def records(self, *kinds):
        """Return the records of these kinds so far, oldest first."""
        with open(self._records) as file:
            lines = [json.loads(line) for line in file if line.endswith("\n")]
        return [line for line in lines if line["what"] in kinds]

    def until_recorded(self, count, *kinds, seconds=HANG_SECONDS):
        """Wait for ``count`` records of these kinds; return them."""

        def missing():
            return f"{count} x {kinds}; there are {self.records(*kinds)}"

        self.until(lambda: len(self.records(*kinds)) >= count, seconds, missing)
        return self.records(*kinds)

    def shut_down(self, seconds=HANG_SECONDS):
        """Do a warm shutdown; return the seconds that it took. Fail if the worker fails or its log has a traceback."""
        elapsed = self.stop(signal.SIGTERM, seconds)
        assert self.popen.returncode == 0, self.failure(f"the worker ended with {self.popen.returncode}")
        assert "Traceback" not in self.log, self.failure("a traceback")
        return elapsed
