"""The Celery application under test: ``celery -A tests.servers.tasks worker``.

The environment variable ``UNDER_TEST`` contains a JSON object with these keys:

* ``celery``: the settings of the application.
* ``client``: the options of the client.
* ``install``: the arguments of the integration, or null for a client at module level.
* ``records``: the file for the events, one line of JSON each.
* ``hung``: the address of a server that never answers.
"""

import functools
import json
import os
import signal
import threading
import time
from types import SimpleNamespace

from celery import Celery, signals
from celery.exceptions import SoftTimeLimitExceeded

from target_python_sdk import TargetClient
from target_python_sdk.types import VisitorId
from tests.support import content, offers

GIVEN = json.loads(os.environ["UNDER_TEST"])

app = Celery("under_test")
app.conf.update(GIVEN["celery"])


def record(what, **fields):
    """Append a line to the records. Lines that other processes write at the same time do not mix with it."""
    line = json.dumps({"what": what, "pid": os.getpid(), "at": time.monotonic(), **fields}) + "\n"
    file = os.open(GIVEN["records"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


class Clients:
    """The clients of this application, by process."""

    def __init__(self):
        self._by_pid = {}

    def make(self):
        """Create a client. Called by the integration, or by this module."""
        options = {**GIVEN["client"], "events": {"send_notification_error": self.record_lost_notifications}}
        created = self._by_pid[os.getpid()] = TargetClient.create(options)
        return created

    def record_counters(self, **_):
        """Record the counters of this process's client, which has been closed."""
        if os.getpid() in self._by_pid:
            record("closed", stats=self._by_pid[os.getpid()].stats())

    @staticmethod
    def record_lost_notifications(event):
        ids = [notification.id for notification in event["notification"].notifications]
        record("lost", error=type(event["error"]).__name__, ids=ids)


def record_shutdown(**_):
    record("shutdown")


clients = Clients()
# Receivers are called in the order in which they are connected: ``record_shutdown`` before the integration's receiver,
# ``record_counters`` after it.
signals.worker_process_shutdown.connect(record_shutdown)
signals.worker_shutdown.connect(record_shutdown)
if GIVEN["install"] is not None:
    from target_python_sdk.integrations.celery import install

    target = install(clients.make, app=app, **GIVEN["install"])
else:
    target = SimpleNamespace(client=clients.make())
signals.worker_process_shutdown.connect(clients.record_counters)
signals.worker_shutdown.connect(clients.record_counters)


@signals.worker_ready.connect
def ready(**_):
    record("ready")


@app.task
def fire(number):
    """Start a call without waiting for it."""
    record("began", number=number)
    options = {**offers(), "decisioning_method": "server-side"}
    target.client.get_offers({**options, "callback": lambda _: record("ran", number=number)})


@app.task
def decide(pause=0.02):
    """Decide on-device, slowly enough for each child to get a task."""
    record("decided", content=content(target.client.get_offers(offers())))
    time.sleep(pause)


@app.task
def queue_notifications(count):
    """Decide on-device ``count`` times; each decision queues a notification."""
    for number in range(count):
        target.client.get_offers(offers(id=VisitorId(tnt_id=f"visitor-{number}.35_0")))
    record("queued", pending=target.client.stats()["pending"])


# Limits


@functools.lru_cache(maxsize=None)
def _hung_client(_):
    """Return this process's client of a server that never answers."""
    return TargetClient.create(
        {**GIVEN["client"], "server_domain": GIVEN["hung"], "decisioning_method": "server-side", "timeout": 60000,
         "circuit_breaker": False}
    )  # fmt: skip


def _sync():
    _hung_client(os.getpid()).get_offers(offers())


def _get():
    _hung_client(os.getpid()).get_offers({**offers(), "callback": id}).get()


def _create():
    TargetClient.create({**GIVEN["client"], "cdn_base_path": "http://" + GIVEN["hung"], "maximum_wait_ready": 60000})


WAITS = {"sync": _sync, "get": _get, "create": _create}


class SignalTime:
    """The time of the last signal, measured by a thread, because the main thread may handle the signal late."""

    def __init__(self):
        self.at = None
        read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        threading.Thread(target=self._listen, args=(read,), daemon=True).start()

    def arm(self):
        """Forget the last signal, and watch for the next one."""
        self.at = None
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def _listen(self, read):
        while True:
            number = os.read(read, 1)
            if number == bytes([signal.SIGUSR1]):
                self.at = time.monotonic()


@functools.lru_cache(maxsize=None)
def _signal_time(_):
    return SignalTime()


@app.task
def run_into_limit(kind):
    """Start a wait of a minute, which the soft time limit interrupts."""
    signal_time = _signal_time(os.getpid())
    signal_time.arm()
    record("run_into_limit", kind=kind)
    try:
        WAITS[kind]()
        record("unexpected", kind=kind, error="an answer")
    except SoftTimeLimitExceeded as error:
        seen = time.monotonic()
        while signal_time.at is None and time.monotonic() < seen + 60:  # let the thread of SignalTime run
            time.sleep(0.001)
        if signal_time.at is None:
            record("unexpected", kind=kind, error=f"no signal came: {error!r}")
            return
        milliseconds = max(0.0, seen - signal_time.at) * 1000  # the other thread may have noticed the signal later
        record("signal_time", kind=kind, ms=milliseconds, unchanged=type(error) is SoftTimeLimitExceeded)
    except Exception as error:  # noqa: BLE001 - it is reported
        record("unexpected", kind=kind, error=repr(error))


@app.task
def call_twice(pause=0.1):
    """Make a call without a callback and a call with one, with the client of this process."""
    options = {**offers(), "decisioning_method": "server-side"}
    blocking, with_callback = (
        target.client.get_offers(options),
        target.client.get_offers({**options, "callback": id}).get(10),
    )
    record("call_twice", well=content(blocking) == content(with_callback) == "<b>A</b>")
    time.sleep(pause)
