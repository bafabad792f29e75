"""Brokers for the Celery tests: a separate Redis, or a folder if Redis is missing."""

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
    """Return why Redis cannot be used here, or an empty string."""
    if shutil.which("redis-server") is None:
        return "redis-server is not installed: apt-get install redis-server"
    if importlib.util.find_spec("redis") is None:
        return "the Python package redis is not installed: " + installing("servers", "gcc", "libc6-dev", "python3-dev")
    return ""


class Redis:
    """A ``redis-server`` on a free local port, without files."""

    #: The name in the table of figures.
    name = "Redis"
    #: Whether an unacknowledged message is delivered again.
    redelivers = True
    #: Whether each child has separate pipes. If not, a terminated child may leave the shared lock taken.
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
        """Return Celery's settings for a broker without messages.

        A message that is not acknowledged within ``visibility_timeout`` seconds is delivered again.
        """
        options = {
            "visibility_timeout": visibility_timeout,
            # The client looks for such messages every second. The default is a hundred seconds.
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            # The search takes a lock, and a killed worker leaves it taken for this time. The default is five minutes.
            "unacked_mutex_expire": 2,
        }
        number = next(self._numbers) % _DATABASES
        return {
            "broker_url": f"redis://127.0.0.1:{self.port}/{number}",
            "broker_transport_options": options,
        }

    def stop(self):
        """Stop the server."""
        self._process.end()
        shutil.rmtree(self._folder, ignore_errors=True)


class Folder:
    """Messages as files in a folder. It needs no server, and loses the messages that a killed worker had taken."""

    redelivers = False
    separate_pipes = False

    def __init__(self, reason):
        self.name = f"a folder, as {reason}"
        self._folder = tempfile.mkdtemp(prefix="broker-")

    def empty(self, visibility_timeout=None):
        """Return Celery's settings for a broker without messages."""
        folder = tempfile.mkdtemp(dir=self._folder)
        folders = {"data_folder_in": folder, "data_folder_out": folder, "control_folder": folder}
        return {"broker_url": "filesystem://", "broker_transport_options": {**folders, "polling_interval": 0.05}}

    def stop(self):
        """Delete the folder, after a moment for processes that are still writing."""
        for _ in range(3):
            shutil.rmtree(self._folder, ignore_errors=True)
            time.sleep(0.01)


def start_broker():
    """Start a broker: Redis if possible."""
    reason = why_no_redis()
    return Folder(reason) if reason else Redis()
