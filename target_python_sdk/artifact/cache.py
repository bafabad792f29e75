"""The last good rule artifact, kept outside the process, so that a cold start does without the network.

What is kept is the artifact as it came, behind two lines that say what it is: a checksum, then its ETag, its age and
whose it is.  A copy that is torn, too old, too large or another client's is as good as none.  It is never a pickle:
who can write to a cache must not be able to run code.

A file is written beside its place and moved there, readable by its owner only.  What is no file, or somebody else
owns or may write to, is neither read nor replaced.
"""

import contextlib
import hashlib
import os
import re
import stat
from typing import Any, Callable, List, NamedTuple, Optional, Protocol, Tuple, Type

from target_tools.clock import Deadline, epoch_seconds, monotonic
from target_tools.concurrency.helper_thread import HelperThreads
from target_tools.errors import DeadlineExceeded, OptionError
from target_tools.http.bodies import parse_json, render_json
from target_tools.logger import Log

#: Seconds after which a copy is too old to decide by: thirty days.
MAX_AGE = 30 * 86400.0
#: Seconds after which a copy that was found to be the newest is dated anew.
RENEWAL = 86400.0
#: Seconds that an application's object has for an answer; then the network is asked.
PATIENCE = 3.0
#: Seconds after which a file that was to be moved to its place never will be.
ABANDONED = 3600.0
_MAGIC = b"target-artifact-1 "
#: The two lines before the artifact are never longer, in bytes.
_HEAD_SIZE = 4096
#: A link is not followed, a pipe is not waited for, and a forked program does not inherit the file.
_FLAGS = [getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")]
_READ = os.O_RDONLY | sum(_FLAGS)
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | sum(_FLAGS)


class Store(Protocol):
    """Where copies can be kept: a file, or what an application gives as ``artifact_cache``."""

    def get(self, key: str) -> Optional[bytes]:
        """What was set under ``key``, or None."""
        ...

    def set(self, key: str, value: bytes) -> object:
        """Keep ``value`` under ``key``."""
        ...


class Copy(NamedTuple):
    """An artifact from the cache."""

    etag: Any
    body: bytes


class ArtifactCache:
    """One client's copy.  Neither reading nor writing raises anything that a store does.

    Raises ``OptionError`` for a path that names no file.
    """

    def __init__(self, place: Any, owner: str, max_bytes: int, log: Log) -> None:
        self._is_file = isinstance(place, str) or hasattr(place, "__fspath__")
        store: Any = FileStore(_path_of(place), max_bytes + _HEAD_SIZE) if self._is_file else place
        self._store: Store = store
        self._helper_threads = HelperThreads()
        #: What an application's object was asked and has not answered.
        self._asked: List[object] = []
        #: Who may use the copy.  A hash: the address in it may hold secrets.
        self._key = "target-artifact-" + hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()[:40]
        self._max_bytes = max_bytes
        self._log = log
        #: When it was written or dated anew, on the monotonic clock; None: not by this process nor its parents.
        self.saved_at: Optional[float] = None
        #: Whether a signal handler may raise here.  Then what an object of the application's raises cannot be told
        #: from that, and it is not asked.
        self.interruptible = False

    def load(self) -> Optional[Copy]:
        """The copy, if there is one that can be used."""
        try:
            packed = self._ask(lambda: self._store.get(self._key))
        except self._expected as error:
            self._failed("read", error)
            return None
        if packed is None:
            return None
        try:
            return self._unpacked(packed)
        except ValueError as error:
            if self._log.first_time(("artifact_cache", str(error))):
                self._log.warning("What artifact_cache holds is not used: %s", error)
            return None

    def save(self, etag: Optional[str], body: bytes) -> None:
        """Keep an artifact."""
        self.saved_at = monotonic()
        rest = render_json({"key": self._key, "etag": etag, "stored_at": epoch_seconds()}) + b"\n" + body
        packed = _MAGIC + hashlib.sha256(rest).hexdigest().encode("ascii") + b"\n" + rest
        try:
            self._ask(lambda: self._store.set(self._key, packed))
        except self._expected as error:
            self._failed("written", error)

    def renew(self) -> None:
        """Let the copy begin its life anew, once a day: it was found to be the newest."""
        if self.saved_at is not None and monotonic() - self.saved_at <= RENEWAL:
            return
        self.saved_at = monotonic()
        copy = self.load()
        if copy is not None:
            self.save(copy.etag, copy.body)

    @property
    def _expected(self) -> Tuple[Type[Exception], ...]:
        """What a store may raise."""
        return (OSError,) if self.interruptible else (Exception,)

    def _ask(self, act: Callable[[], Any]) -> Any:
        """What the store answers.  An application's object may hang, so it is asked in a thread of its own."""
        if self._is_file:
            return act()
        if self.interruptible:
            return None
        if self._asked:
            raise TimeoutError("it still owes an answer")
        self._asked.append(act)
        try:
            return self._helper_threads.call(lambda: self._answered(act), Deadline.after(PATIENCE), lambda: None)
        except DeadlineExceeded:
            raise TimeoutError("no answer within {:.0f} s".format(PATIENCE)) from None

    def _answered(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        finally:
            self._asked.clear()

    def _unpacked(self, packed: Any) -> Copy:
        """The copy in what a store gave.  Raises ValueError, which says what is wrong with it."""
        if not isinstance(packed, (bytes, bytearray, memoryview)):
            raise ValueError("it is {}, and bytes were kept".format(type(packed).__name__))
        if len(packed) > self._max_bytes + _HEAD_SIZE:
            raise ValueError("it is larger than max_response_bytes allows")
        first, _, rest = bytes(packed).partition(b"\n")
        if first != _MAGIC + hashlib.sha256(rest).hexdigest().encode("ascii"):
            raise ValueError("it is torn, or something else")
        head, _, body = rest.partition(b"\n")
        about = parse_json(head[:_HEAD_SIZE])
        if not isinstance(about, dict) or not isinstance(about.get("stored_at"), (int, float)):
            raise ValueError("it is something else")
        if about.get("key") != self._key:
            raise ValueError("it is another client's, or of another address")
        # A clock that was corrected may have stored it in the future; that does not make it older.
        if epoch_seconds() - about["stored_at"] > MAX_AGE:
            raise ValueError("it is older than {:.0f} days".format(MAX_AGE / 86400))
        return Copy(about.get("etag"), body)

    def _failed(self, what: str, error: Exception) -> None:
        if not all(self._log.first_time(("artifact_cache", key)) for key in (what, str(error))):
            return
        if self._is_file:
            self._log.warning("artifact_cache cannot be %s: %s", what, error)
        else:
            self._log.exception("artifact_cache cannot be %s", what)


class FileStore:
    """Copies as files: ``path`` itself or, where that is a folder, one for each key in it."""

    def __init__(self, path: str, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes

    def get(self, key: str) -> Optional[bytes]:
        """The file's content, one byte more than is allowed at most.  Raises OSError."""
        path = self._file(key)
        try:
            _check_ours(os.lstat(path), path)  # before it is opened: to open a device may do something
            descriptor = os.open(path, _READ)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            _check_ours(os.fstat(descriptor), path)
            return file.read(self._max_bytes + 1)

    def set(self, key: str, value: bytes) -> None:
        """Put the file there, all of it or nothing.  Raises OSError."""
        path = self._file(key)
        with contextlib.suppress(FileNotFoundError):
            _check_ours(os.lstat(path), path)
        folder = os.path.dirname(path)
        if folder:
            os.makedirs(folder, 0o700, exist_ok=True)
        beside = "{}.{}".format(path, os.urandom(6).hex())
        descriptor = os.open(beside, _WRITE, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(value)
                file.flush()
                os.fsync(descriptor)
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
        _tidy_up(path)

    def _file(self, key: str) -> str:
        is_folder = self._path.endswith((os.sep, "/")) or os.path.isdir(self._path)
        return os.path.join(self._path, key) if is_folder else self._path


def _path_of(place: Any) -> str:
    """The path that an application gave.  Raises OptionError."""
    expected = "a path of a file or a folder"
    try:
        path = os.fsdecode(place)
        if b"\0" not in os.fsencode(path):
            return path
    except (TypeError, ValueError):  # __fspath__ gave neither text nor bytes, or no system takes it
        pass
    raise OptionError("artifact_cache: {} was expected".format(expected), "artifact_cache", expected)


def _tidy_up(path: str) -> None:
    """Remove what processes left beside ``path`` that were killed before they moved it there."""
    folder, name = os.path.split(path)
    pattern = re.compile(re.escape(name) + r"\.[0-9a-f]{12}")
    with contextlib.suppress(OSError), os.scandir(folder or os.curdir) as entries:
        for entry in entries:
            if pattern.fullmatch(entry.name) is None:
                continue
            with contextlib.suppress(OSError):  # another process was quicker
                status = entry.stat(follow_symlinks=False)
                _check_ours(status, entry.path)
                if epoch_seconds() - status.st_mtime > ABANDONED:
                    os.unlink(entry.path)


def _check_ours(status: os.stat_result, path: str) -> None:
    """Raise OSError for what an application must not decide by: no file, somebody else's, or open to everybody."""
    if not stat.S_ISREG(status.st_mode):
        raise OSError("{} is no ordinary file".format(path))
    who = getattr(os, "geteuid", None)  # Windows has owners of another kind
    if who is not None and (status.st_uid not in (who(), 0) or status.st_mode & stat.S_IWOTH):
        raise PermissionError("{} belongs to somebody else, or everybody may write to it".format(path))
