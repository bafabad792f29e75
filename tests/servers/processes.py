"""Start, watch and stop server processes of a test."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
#: A time limit in seconds that no test reaches unless something hangs, even on a busy machine.
HANG_SECONDS = 120
#: The number of characters at the end of the log that the message of a failure shows.
_TAIL = 6000


def free_port():
    """Return a free local port. It is below the range that the system assigns from, so no other socket gets it."""
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def listens(port):
    """Return whether a server listens on this local port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def children(pid):
    """Return the ids of the running child processes of ``pid``. Linux only."""
    pids = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:  # the process has just ended
            continue
        if int(parent) == pid and state != "Z":
            pids.append(int(entry.name))
    return sorted(pids)


class Process:
    """A command in a separate process group, with its output in a file.

    ``with Process(argv, cwd=..., NAME="value") as server:`` kills the whole group at the end, and prints
    the log if the test failed. The other keyword arguments are added to the environment of the command.
    """

    def __init__(self, argv, *, cwd=None, log=None, **environment):
        self.argv = [str(part) for part in argv]
        handle, path = (None, str(log)) if log else tempfile.mkstemp(suffix=".log")
        self._path = path
        self._deletes_log = log is None
        with open(path, "wb") as file:
            self.popen = subprocess.Popen(
                self.argv,
                cwd=None if cwd is None else str(cwd),
                env=_environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # the id of the process is also the id of its group
                preexec_fn=_listen_to_ctrl_c,  # noqa: PLW1509 - the function takes no lock
            )
        if handle is not None:
            os.close(handle)

    @property
    def pid(self):
        """The id of the process and of its group."""
        return self.popen.pid

    @property
    def log(self):
        """The output so far."""
        return Path(self._path).read_text(errors="replace")

    @property
    def running(self):
        """Whether the process is running."""
        return self.popen.poll() is None

    def children(self):
        """Return the ids of the child processes."""
        return children(self.pid)

    def until(self, condition, seconds=HANG_SECONDS, what=""):
        """Wait until ``condition()`` is true; return its value.

        Fail with the log after ``seconds``, or if the process ends. ``what`` names the condition; it is a text or a
        function that returns one.
        """
        end = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            assert self.running, self.failure(f"the process ended with {self.popen.returncode}")
            if time.monotonic() > end:
                description = what() if callable(what) else what
                raise AssertionError(self.failure(f"not within {seconds} s: {description}"))
            time.sleep(0.02)

    def send_signal(self, number):
        """Send a signal to the process, but not to its children."""
        self.popen.send_signal(number)

    def stop(self, number=signal.SIGTERM, seconds=HANG_SECONDS):
        """Send the signal, and return how many seconds the process took to end. Fail with the log after ``seconds``."""
        began = time.monotonic()
        self.send_signal(number)
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(self.failure(f"still running {seconds} s after signal {number}")) from None
        return time.monotonic() - began

    def failure(self, what):
        """Return the message of a failed assertion: ``what``, the command, and the end of the log."""
        return f"{what}\n$ {' '.join(self.argv)}\n{self.log[-_TAIL:]}"

    def end(self):
        """Kill the processes of the group that still run."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()
        if self._deletes_log and os.path.exists(self._path):
            os.unlink(self._path)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        if kind is not None:
            sys.stderr.write(self.failure("the log of a server whose test failed"))
        self.end()


def _listen_to_ctrl_c():
    """Stop ignoring SIGINT. Background jobs of a shell ignore it, and their child processes inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _environment(variables):
    """Return the environment of this process with ``variables`` added.

    This checkout is on the path, and Python writes no bytecode files.
    """
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH")) if part)
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", **variables}
