"""Servers that run beside a test: started on loopback, watched, stopped, and never left behind."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
#: Seconds that no test should ever see pass, on however busy a machine.
GENEROUS = 120
#: Characters of a log that tell why its server misbehaved.
_TAIL = 6000


def free_port():
    """A port on loopback that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    """Whether somebody listens on that port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def children(pid):
    """The ids of the processes that ``pid`` started and that run; Linux only."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it ended while we looked
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(entry.name))
    return sorted(found)


class Process:
    """A command that runs in a process group of its own, with all it says in one file.

    ``with Process(argv, cwd=..., NAME="value") as server:`` kills the whole group at the end, however the test went,
    and shows the log if the test failed.  Names in capitals are its environment, beside our own.
    """

    def __init__(self, argv, *, cwd=None, log=None, **environment):
        self.argv = [str(part) for part in argv]
        handle, path = (None, str(log)) if log else tempfile.mkstemp(suffix=".log")
        self._path = path
        self._ours = log is None
        with open(path, "wb") as file:
            self.popen = subprocess.Popen(
                self.argv,
                cwd=None if cwd is None else str(cwd),
                env=_environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # its id is the group's
                preexec_fn=_listen_to_ctrl_c,  # noqa: PLW1509 - it takes no lock, whatever threads there are
            )
        if handle is not None:
            os.close(handle)

    @property
    def pid(self):
        """The id of what was started, and of its group."""
        return self.popen.pid

    @property
    def log(self):
        """All that it has said."""
        return Path(self._path).read_text(errors="replace")

    @property
    def running(self):
        """Whether it has not ended."""
        return self.popen.poll() is None

    def children(self):
        """The ids of its children."""
        return children(self.pid)

    def until(self, condition, seconds=GENEROUS, what=""):
        """What ``condition`` returns once that is true.

        A failure with the log if that takes longer, or the process ends first; ``what``, a text or a function that
        returns one, says what was waited for.
        """
        end = time.monotonic() + seconds
        while True:
            found = condition()
            if found:
                return found
            assert self.running, self.told(f"it ended with {self.popen.returncode}")
            if time.monotonic() > end:
                awaited = what() if callable(what) else what
                raise AssertionError(self.told(f"not within {seconds} s: {awaited}"))
            time.sleep(0.02)

    def tell(self, number):
        """Send this signal to the process itself, not to its children."""
        self.popen.send_signal(number)

    def stop(self, number=signal.SIGTERM, seconds=GENEROUS):
        """Tell it to stop and wait; the seconds that took. A failure with the log if it is not gone by then."""
        begun = time.monotonic()
        self.tell(number)
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(self.told(f"still there {seconds} s after signal {number}")) from None
        return time.monotonic() - begun

    def told(self, what):
        """``what``, with the command and the end of its log: the text of a failed assertion."""
        return "{}\n$ {}\n{}".format(what, " ".join(self.argv), self.log[-_TAIL:])

    def end(self):
        """Kill whatever is left of the group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()
        if self._ours and os.path.exists(self._path):
            os.unlink(self._path)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        if kind is not None:
            sys.stderr.write(self.told("the log of a server whose test failed"))
        self.end()


def _listen_to_ctrl_c():
    """A shell's background jobs ignore SIGINT, and what they start would, too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _environment(given):
    """Ours, with this checkout importable; nothing compiled is written into it."""
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH")) if part)
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", **given}
