"""Message brokers for the Celery tests: a Redis server, or a folder if Redis is missing."""

import importlib.util
import itertools
import shutil
import tempfile
import time

from tests.servers.processes import Process, free_port, listens
from tests.support import installing

#: The number of databases in the Redis server. Each call of ``new_settings`` takes the next one.
_DATABASES = 500


def redis_problem():
    """Return the reason why Redis cannot be used, or an empty string."""
    if shutil.which("redis-server") is None:
        return "redis-server is not installed: apt-get install redis-server"
    if importlib.util.find_spec("redis") is None:
        return "the Python package redis is not installed: " + installing("servers", "gcc", "libc6-dev", "python3-dev")
    return ""


class Redis:
    """A ``redis-server`` on a free local port. It saves nothing to disk."""

    #: The name of the broker in the table of measurements.
    name = "Redis"
    #: Whether messages of a killed worker are delivered again.
    redelivers = True
    #: Whether each child process has its own pipes. If not, a killed child may leave a shared lock locked.
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

    def new_settings(self, visibility_timeout=3600):
        """Return the settings of Celery for an empty queue.

        A message that is not acknowledged within ``visibility_timeout`` seconds is delivered again.
        """
        options = {
            "visibility_timeout": visibility_timeout,
            # The client looks for unacknowledged messages every second; the default is every hundred seconds.
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            # The search takes a lock. If a worker is killed meanwhile, the lock expires after this time; the default is
            # five minutes.
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
    """A broker whose messages are files in a folder. It needs no server, but loses the messages of a killed worker."""

    redelivers = False
    separate_pipes = False

    def __init__(self, reason):
        self.name = f"a folder, because {reason}"
        self._folder = tempfile.mkdtemp(prefix="broker-")

    def new_settings(self, visibility_timeout=None):
        """Return the settings of Celery for an empty queue."""
        folder = tempfile.mkdtemp(dir=self._folder)
        folders = {"data_folder_in": folder, "data_folder_out": folder, "control_folder": folder}
        return {"broker_url": "filesystem://", "broker_transport_options": {**folders, "polling_interval": 0.05}}

    def stop(self):
        """Delete the folder. Try three times, because processes may still be writing to it."""
        for _ in range(3):
            shutil.rmtree(self._folder, ignore_errors=True)
            time.sleep(0.01)


def start_broker():
    """Start Redis if it is installed, otherwise use a folder."""
    reason = redis_problem()
    return Folder(reason) if reason else Redis()
