"""Reloads the file of a local edge when it changes on disk.

The edge checks the file before each reply and at short intervals, in threads that it needs
for other tasks anyway. Editors replace files, delete them for a moment, or write them in
several steps. Therefore the path is looked up each time. If the file cannot be loaded, the
current content stays in use, and the problem is reported only if the file does not change
again for a moment.
"""

import hashlib
import threading
from logging import getLogger
from pathlib import Path
from typing import Callable, NamedTuple, Optional, Tuple, Union

from target_tools.clock import epoch_seconds, monotonic
from target_tools.errors import OptionError

logger = getLogger("adobe.target.local_edge")

#: A problem is reported only after the file has not changed for this time, in seconds.
SETTLING_TIME = 0.3
#: Two changes within this time, in seconds, can have the same modification time.
TIMESTAMP_RESOLUTION = 2.0
#: The interval, in seconds, at which the content is compared within ``TIMESTAMP_RESOLUTION`` after a change.
COMPARE_INTERVAL = 0.25

#: The modification time, the size and the inode number of a file; None if there is no file.
_Stamp = Optional[Tuple[int, int, int]]


class _Outcome(NamedTuple):
    """The result of loading a changed file, to be reported."""

    problem: Optional[str]


class FileReloader:
    """Calls ``load`` when the file has changed, then ``report``: with the problem, or with None after a success.

    Create it before the file is loaded for the first time, so that no change is lost.
    """

    def __init__(self, path: Union[str, Path], load: Callable[[], None], report: Callable[[Optional[str]], None]):
        self.path = Path(path)
        self._load = load
        self._report = report
        self._problem: Optional[str] = None  # a problem that is not yet reported
        self._attempted_at = self._compared_at = monotonic()
        self._lock = threading.Lock()
        self._stamp = self._read_stamp()
        self._digest = self._read_digest()

    def check(self, wait: float = 0.0) -> None:
        """Load the file if it has changed. If another thread is loading it, wait up to ``wait`` seconds."""
        if not self._lock.acquire(timeout=wait):
            return
        try:
            outcome = self._check()
        finally:
            self._lock.release()
        if outcome is not None:
            self._report(outcome.problem)

    def _check(self) -> Optional[_Outcome]:
        stamp = self._read_stamp()
        if stamp != self._stamp or self._must_compare(stamp):
            digest = self._read_digest()
            is_changed, self._stamp, self._digest = digest != self._digest, stamp, digest
            self._compared_at = monotonic()
            if is_changed:
                self._problem = self._attempt()
                self._attempted_at = monotonic()
                return _Outcome(None) if self._problem is None else None
        if self._problem is None or monotonic() - self._attempted_at < SETTLING_TIME:
            return None
        problem, self._problem = self._problem, None
        return _Outcome(problem)

    def _attempt(self) -> Optional[str]:
        """Load the file. Return the problem, or None."""
        try:
            self._load()
        except OptionError as error:
            return str(error)
        except Exception:  # a defect of the edge: log it, and continue serving
            logger.exception("Unexpected error while reloading %s", self.path)
            return f"{self.path}: unexpected error; see the log"
        return None

    def _must_compare(self, stamp: _Stamp) -> bool:
        """Return whether the content may have changed although the stamp is the same."""
        if stamp is None or epoch_seconds() - stamp[0] / 1e9 > TIMESTAMP_RESOLUTION + COMPARE_INTERVAL:
            return False
        return monotonic() - self._compared_at >= COMPARE_INTERVAL

    def _read_stamp(self) -> _Stamp:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read_digest(self) -> Optional[bytes]:
        """Return the hash of the content; None if the file cannot be read."""
        try:
            return hashlib.sha256(self.path.read_bytes()).digest()
        except OSError:
            return None
