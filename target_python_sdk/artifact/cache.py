"""Caches the last good rule artifact outside the process, so that a cold start does not need the network.

The cached value is the artifact as it was downloaded, after two header lines: a checksum, and JSON with its ETag, its
time and its key. A value that is damaged, too old, too large or stored under another key is ignored. Values are never
pickles, because a cache that others can write to must not allow them to run code.

A file is written next to its final path and then renamed, readable by its owner only. The process trusts its own user,
root, and the members of its groups. A file or folder is not used if it belongs to another user, or if it is writable
by all users or by a group that the process does not belong to. A writable folder with the sticky bit is used, because
others cannot replace a file in it.
"""

import contextlib
import hashlib
import os
import re
import stat
from typing import Any, Callable, List, NamedTuple, Optional, Protocol, Union

from target_python_sdk.artifact.location import ArtifactLocation
from target_python_sdk.delivery.options import ClientSettings
from target_tools.clock import Deadline, epoch_seconds, monotonic
from target_tools.concurrency.helper_thread import HelperThreads
from target_tools.errors import DeadlineExceeded, OptionError
from target_tools.http.messages import parse_json, render_json
from target_tools.logger import Log

#: Maximum age of a cached artifact in seconds: thirty days.
MAX_AGE = 30 * 86400.0
#: Seconds after which a cached artifact that is still the newest is saved again with a new time.
RENEW_INTERVAL = 86400.0
#: Seconds to wait for an application's store; after that, the network is used.
STORE_TIMEOUT = 3.0
#: Age in seconds after which a temporary file is removed.
TEMP_FILE_MAX_AGE = 3600.0
_MAGIC = b"target-artifact-1 "
#: The maximum size of the two header lines in bytes.
_HEADER_SIZE = 4096
#: Do not follow links, do not wait for pipes, and do not pass the descriptor to child processes.
_FLAGS = [getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")]
_READ = os.O_RDONLY | sum(_FLAGS)
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | sum(_FLAGS)


class ArtifactStore(Protocol):
    """Stores bytes by key: a ``FileStore``, or an object that the application passes as ``artifact_cache``."""

    def get(self, key: str) -> Optional[bytes]:
        """Return the value of ``key``, or None."""
        ...

    def set(self, key: str, value: bytes) -> object:
        """Store ``value`` under ``key``."""
        ...


class CachedArtifact(NamedTuple):
    """An artifact from the cache."""

    etag: Any
    body: bytes


class ArtifactCache:
    """The cached artifact of one client. ``load`` and ``save`` log the exceptions of a store instead of raising them.

    Raises ``OptionError`` if ``store`` is an invalid path.
    """

    def __init__(
        self, store: "Union[str, os.PathLike[str], ArtifactStore]", owner: str, max_bytes: int, log: Log
    ) -> None:
        self._store: ArtifactStore = (
            FileStore(_to_path(store), max_bytes + _HEADER_SIZE) if isinstance(store, (str, os.PathLike)) else store
        )
        self._is_file = isinstance(self._store, FileStore)
        self._helper_threads = HelperThreads()
        #: The calls of an application's store that have not returned yet.
        self._pending_calls: List[object] = []
        #: Identifies the client and its artifact. A hash, because the URL may contain secrets.
        self._key = "target-artifact-" + hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()[:40]
        self._max_bytes = max_bytes
        self._log = log
        #: Monotonic time of the last save; None if neither this process nor a parent has saved an artifact.
        self.saved_at: Optional[float] = None
        #: True while the main thread uses the cache. A signal handler may raise there, and its exceptions cannot be
        #: distinguished from those of an application's store, so such a store is not used.
        self.interruptible = False

    def load(self) -> Optional[CachedArtifact]:
        """Return the cached artifact, or None if there is no usable one."""
        packed = self._try_store("read", lambda: self._store.get(self._key))
        if packed is None:
            return None
        try:
            return self._unpack(packed)
        except ValueError as error:
            if self._log.first_time(("artifact_cache", str(error))):
                self._log.warning("Ignoring the cached rule artifact: %s", error)
            return None

    def save(self, etag: Optional[str], body: bytes) -> None:
        """Store an artifact."""
        self.saved_at = monotonic()
        rest = render_json({"key": self._key, "etag": etag, "stored_at": epoch_seconds()}) + b"\n" + body
        packed = _MAGIC + hashlib.sha256(rest).hexdigest().encode("ascii") + b"\n" + rest
        self._try_store("written", lambda: self._store.set(self._key, packed))

    def renew(self) -> None:
        """If the last save was more than a day ago, save the cached artifact again. It must still be the newest."""
        if self.saved_at is not None and monotonic() - self.saved_at <= RENEW_INTERVAL:
            return
        self.saved_at = monotonic()
        cached = self.load()
        if cached is not None:
            self.save(cached.etag, cached.body)

    def _try_store(self, action: str, function: Callable[[], Any]) -> Any:
        """Return the result of ``function``. If it raises an exception, log it and return None."""
        if self.interruptible and not self._is_file:
            return None
        errors = OSError if self.interruptible else Exception
        try:
            return function() if self._is_file else self._call_in_helper_thread(function)
        except errors as error:
            if all(self._log.first_time(("artifact_cache", key)) for key in (action, str(error))):
                if self._is_file:
                    self._log.warning("artifact_cache cannot be %s: %s", action, error)
                else:
                    self._log.exception("artifact_cache cannot be %s", action)
            return None

    def _call_in_helper_thread(self, function: Callable[[], Any]) -> Any:
        """Call an application's store, which may hang."""
        if self._pending_calls:
            raise TimeoutError("the previous call has not returned yet")
        self._pending_calls.append(function)

        def run() -> Any:
            try:
                return function()
            finally:
                self._pending_calls.clear()

        try:
            return self._helper_threads.call(run, Deadline.after(STORE_TIMEOUT))
        except DeadlineExceeded:
            raise TimeoutError(f"no answer within {STORE_TIMEOUT:.0f} s") from None

    def _unpack(self, packed: bytes) -> CachedArtifact:
        """Return the artifact in a stored value. Raises ``ValueError`` with the reason if it is unusable."""
        if not isinstance(packed, (bytes, bytearray, memoryview)):
            raise ValueError(f"expected bytes, got {type(packed).__name__}")
        if len(packed) > self._max_bytes + _HEADER_SIZE:
            raise ValueError("it is larger than max_response_bytes allows")
        first, _, rest = bytes(packed).partition(b"\n")
        if first != _MAGIC + hashlib.sha256(rest).hexdigest().encode("ascii"):
            raise ValueError("it is damaged or not a cached artifact")
        header, _, body = rest.partition(b"\n")
        fields = parse_json(header[:_HEADER_SIZE])
        if not isinstance(fields, dict) or not isinstance(fields.get("stored_at"), (int, float)):
            raise ValueError("it is not a cached artifact")
        if fields.get("key") != self._key:
            raise ValueError("it belongs to another client or another URL")
        # If the clock was set back, the time may be in the future. That does not make the artifact older.
        if epoch_seconds() - fields["stored_at"] > MAX_AGE:
            raise ValueError(f"it is older than {MAX_AGE / 86400:.0f} days")
        return CachedArtifact(fields.get("etag"), body)


def open_cache(settings: ClientSettings, location: ArtifactLocation, log: Log) -> Optional[ArtifactCache]:
    """Return the artifact cache, or None if caching is off. Its key is specific to the client and the artifact."""
    if settings.artifact_cache is None:
        return None
    owner = "\n".join((settings.client, settings.organization_id, str(location.obfuscated), location.url))
    return ArtifactCache(settings.artifact_cache, owner, location.max_bytes, log)


class FileStore:
    """Stores values in files: in ``path`` itself or, if that is a folder, in one file per key."""

    def __init__(self, path: str, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes

    def get(self, key: str) -> Optional[bytes]:
        """Return the file's content, cut off one byte after the maximum size, or None if there is no file.

        Raises ``OSError``.
        """
        path = self._file(key)
        try:
            _check_folder_permissions(path)
            _check_file_permissions(os.lstat(path), path)  # before opening, because opening a device can have effects
            descriptor = os.open(path, _READ)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            _check_file_permissions(os.fstat(descriptor), path)
            return file.read(self._max_bytes + 1)

    def set(self, key: str, value: bytes) -> None:
        """Write the file atomically. Raises ``OSError``."""
        path = self._file(key)
        _make_folders(os.path.dirname(path))
        _check_folder_permissions(path)
        with contextlib.suppress(FileNotFoundError):
            _check_file_permissions(os.lstat(path), path)
        temporary = f"{path}.{os.urandom(6).hex()}"
        descriptor = os.open(temporary, _WRITE, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(value)
                file.flush()
                os.fsync(descriptor)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        _remove_temp_files(path)

    def _file(self, key: str) -> str:
        is_folder = self._path.endswith((os.sep, "/")) or os.path.isdir(self._path)
        return os.path.join(self._path, key) if is_folder else self._path


def _to_path(value: "Union[str, os.PathLike[str]]") -> str:
    """Return the path in ``artifact_cache`` as text. Raises ``OptionError``."""
    expected = "a path of a file or a folder"
    try:
        path = os.fsdecode(value)
        if b"\0" not in os.fsencode(path):
            return path
    except (TypeError, ValueError):  # __fspath__ returned an invalid type, or the path cannot be encoded
        pass
    raise OptionError(f"Invalid option 'artifact_cache': expected {expected}", "artifact_cache", expected)


def _remove_temp_files(path: str) -> None:
    """Remove old temporary files that killed processes left next to ``path``."""
    folder, name = os.path.split(path)
    pattern = re.compile(re.escape(name) + r"\.[0-9a-f]{12}")
    with contextlib.suppress(OSError), os.scandir(folder or os.curdir) as entries:
        for entry in entries:
            if pattern.fullmatch(entry.name) is None:
                continue
            with contextlib.suppress(OSError):  # another process may remove it first
                status = entry.stat(follow_symlinks=False)
                _check_file_permissions(status, entry.path)
                if epoch_seconds() - status.st_mtime > TEMP_FILE_MAX_AGE:
                    os.unlink(entry.path)


def _make_folders(folder: str) -> None:
    """Create a folder and its parents, for this user only."""
    if folder and not os.path.isdir(folder):
        _make_folders(os.path.dirname(folder))
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)


def _check_file_permissions(status: os.stat_result, path: str) -> None:
    """Raise ``OSError`` for an untrusted file: not regular, owned by another user, or writable by others."""
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{path} is not a regular file")
    _check_permissions(status, path)


def _check_folder_permissions(path: str) -> None:
    """Raise ``OSError`` if others can replace files in the folder of ``path``. A sticky bit prevents that."""
    folder = os.path.dirname(path) or os.curdir
    _check_permissions(os.stat(folder), folder, stat.S_ISVTX)


def _check_permissions(status: os.stat_result, path: str, exempt_mode: int = 0) -> None:
    """Raise ``PermissionError`` for another owner, or if others may write and no bit of ``exempt_mode`` is set."""
    get_user_id = getattr(os, "geteuid", None)  # file owners work differently on Windows
    if get_user_id is None:
        return
    mode, group = status.st_mode, status.st_gid
    if status.st_uid not in (get_user_id(), 0):
        raise PermissionError(f"{path} is owned by another user")
    if mode & exempt_mode:
        return
    if mode & stat.S_IWOTH:
        raise PermissionError(f"{path} is writable by anyone")
    if mode & stat.S_IWGRP and group != os.getegid() and group not in os.getgroups():
        raise PermissionError(f"{path} is writable by a group of which this process is not a member")
