"""The brokers that Celery is shown on: a Redis of one's own, or a folder where there is none."""

import importlib.util
import itertools
import shutil
import tempfile
import time

from tests.servers.processes import Process, free_port, listens
from tests.support import installing

#: Databases of one Redis; each worker configuration gets an empty one.
_DATABASES = 500


def why_no_redis():
    """Why there can be no Redis here, in words; empty where there can be one."""
    if shutil.which("redis-server") is None:
        return "redis-server is not installed: apt-get install redis-server"
    if importlib.util.find_spec("redis") is None:
        return "the Python package redis is not installed: " + installing("servers", "gcc", "libc6-dev", "python3-dev")
    return ""


class Redis:
    """A ``redis-server`` on a free port of loopback that keeps nothing on disk."""

    #: What stands in the table of figures.
    name = "Redis"
    #: Whether a message that nobody confirmed is handed out again.
    redelivers = True
    #: Whether each child has pipes of its own.  Else one that is terminated may leave the lock of all taken.
    separate_pipes = True

    def __init__(self):
        self._folder = tempfile.mkdtemp(prefix="redis-")
        self._numbers = itertools.count()
        self.port = free_port()
        argv = ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--databases", _DATABASES]
        argv += ["--save", "", "--appendonly", "no", "--dir", self._folder]
        self._process = Process(argv)
        try:
            self._process.until(lambda: listens(self.port), what="Redis listens")
        except BaseException:
            self.stop()
            raise

    def empty(self, visibility_timeout=3600):
        """Celery's settings for a broker without messages.

        One that nobody confirmed within ``visibility_timeout`` seconds is handed out again.
        """
        options = {
            "visibility_timeout": visibility_timeout,
            # How often the broker's client looks for such messages; else it takes a hundred seconds.
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            # Whoever looks takes a lock, which a killed worker leaves taken for so long; else for five minutes.
            "unacked_mutex_expire": 2,
        }
        number = next(self._numbers) % _DATABASES
        return {
            "broker_url": f"redis://127.0.0.1:{self.port}/{number}",
            "broker_transport_options": options,
        }

    def stop(self):
        """End it."""
        self._process.end()
        shutil.rmtree(self._folder, ignore_errors=True)


class Folder:
    """Messages as files in a folder: needs no server, and forgets what a killed worker had taken."""

    redelivers = False
    separate_pipes = False

    def __init__(self, reason):
        self.name = f"a folder, as {reason}"
        self._folder = tempfile.mkdtemp(prefix="broker-")

    def empty(self, visibility_timeout=None):
        """Celery's settings for a broker without messages."""
        folder = tempfile.mkdtemp(dir=self._folder)
        folders = {"data_folder_in": folder, "data_folder_out": folder, "control_folder": folder}
        return {"broker_url": "filesystem://", "broker_transport_options": {**folders, "polling_interval": 0.05}}

    def stop(self):
        """Take the folder away, when a process that still writes to it has had its moment."""
        for _ in range(3):
            shutil.rmtree(self._folder, ignore_errors=True)
            time.sleep(0.01)


def start_broker():
    """A broker that runs: a Redis where that can be."""
    reason = why_no_redis()
    return Folder(reason) if reason else Redis()
