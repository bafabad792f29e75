"""``ArtifactCache``: only an intact, recent artifact of the same client and URL is used."""

import os
import stat
import threading
import time

import pytest

from target_python_sdk.artifact import cache as artifact_cache
from target_python_sdk.artifact.cache import MAX_AGE, TEMP_FILE_MAX_AGE, ArtifactCache, CachedArtifact
from target_python_sdk.errors import OptionError
from target_tools.logger import Log
from tests.support import eventually

OWNER = "acmeclient\n1@AdobeOrg\nhttps://assets.adobetarget.com/acmeclient/production/v1/rules.json"
BODY = b'{"version": "1.0.0"}\n\x00\xff'
posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has no POSIX file owners")


class RecordingLogger:
    """A logger that records its lines."""

    def __init__(self):
        self.lines = []

    def debug(self, message, *arguments):
        self.error(message, *arguments)

    def error(self, message, *arguments):
        self.lines.append(message % arguments)


def cache_at(store, owner=OWNER, max_bytes=1000, logger=None):
    return ArtifactCache(store, owner, max_bytes, Log(logger or RecordingLogger()))


class Memory(dict):
    """A store in memory."""

    def set(self, key, value):
        self[key] = value


@pytest.mark.parametrize("place", ["file", "folder", "new/", "deeply/nested/file"])
@pytest.mark.parametrize("etag", [None, '"1"'])
def test_a_saved_artifact_is_loaded(place, etag, tmp_path):
    path = str(tmp_path / place) + ("/" if place.endswith("/") else "")
    if place == "folder":
        os.mkdir(path)
    cache_at(path).save(etag, BODY)
    assert cache_at(path).load() == CachedArtifact(etag, BODY)


def test_the_path_may_be_a_path_object(tmp_path):
    cache_at(tmp_path / "file").save(None, BODY)
    assert (tmp_path / "file").is_file()
    assert cache_at(str(tmp_path / "file")).load().body == BODY


def test_an_object_with_get_and_set_is_a_store():
    memory = Memory()
    cache_at(memory).save('"1"', BODY)
    (key,) = memory
    assert key.startswith("target-artifact-") and key.isascii() and len(key) < 64
    assert cache_at(memory).load() == CachedArtifact('"1"', BODY)
    memory[key] = bytearray(memory[key])
    assert cache_at(memory).load() == CachedArtifact('"1"', BODY)


def test_an_empty_cache_returns_none_and_logs_nothing(tmp_path):
    logger = RecordingLogger()
    assert cache_at(tmp_path / "file", logger=logger).load() is None
    assert cache_at(tmp_path / "no" / "such" / "folder", logger=logger).load() is None
    assert cache_at(Memory(), logger=logger).load() is None
    assert logger.lines == []


@posix
def test_t26_the_file_is_readable_by_its_owner_only_and_no_temporary_file_is_left(tmp_path):
    before = os.umask(0)
    try:
        for _ in range(3):
            cache_at(tmp_path / "folder" / "file").save(None, BODY)
    finally:
        os.umask(before)
    assert os.listdir(str(tmp_path / "folder")) == ["file"]
    assert stat.S_IMODE(os.stat(str(tmp_path / "folder" / "file")).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(str(tmp_path / "folder")).st_mode) == 0o700


def test_a_truncated_file_or_a_changed_byte_is_detected(tmp_path):
    path = tmp_path / "file"
    cache_at(path).save('"1"', BODY)
    whole = path.read_bytes()
    logger = RecordingLogger()
    for position in range(len(whole)):
        for broken in (whole[:position], whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]):
            path.write_bytes(broken)
            assert cache_at(path, logger=logger).load() is None
    path.write_bytes(whole + b" ")
    assert cache_at(path, logger=logger).load() is None
    assert all("Ignoring the cached rule artifact" in line for line in logger.lines)


def test_the_artifact_of_another_client_is_ignored(tmp_path):
    path = tmp_path / "file"
    cache_at(path, "other").save(None, BODY)
    logger = RecordingLogger()
    assert cache_at(path, logger=logger).load() is None
    assert logger.lines == ["Ignoring the cached rule artifact: it belongs to another client or another URL"]


def test_clients_can_share_a_folder(tmp_path):
    for owner in ("one", "two"):
        cache_at(tmp_path, owner).save(None, owner.encode())
    assert [cache_at(tmp_path, owner).load().body for owner in ("one", "two")] == [b"one", b"two"]


@pytest.mark.parametrize(("age", "found"), [(0, True), (MAX_AGE - 60, True), (MAX_AGE + 60, False), (-86400, True)])
def test_an_artifact_that_is_older_than_the_maximum_or_from_the_future_is_ignored(age, found, tmp_path, monkeypatch):
    path = tmp_path / "file"
    cache_at(path).save(None, BODY)
    now = artifact_cache.epoch_seconds()
    monkeypatch.setattr(artifact_cache, "epoch_seconds", lambda: now + age)
    assert (cache_at(path).load() is not None) is found


def test_renewing_resets_the_age(tmp_path, monkeypatch):
    cache, now, began = cache_at(tmp_path / "file"), artifact_cache.epoch_seconds(), artifact_cache.monotonic()
    cache.save('"1"', BODY)
    for days in (20, 40, 60):
        monkeypatch.setattr(artifact_cache, "epoch_seconds", lambda days=days: now + days * 86400)
        monkeypatch.setattr(artifact_cache, "monotonic", lambda days=days: began + days * 86400)
        cache.renew()
    assert cache.load() == CachedArtifact('"1"', BODY)
    cache_at(tmp_path / "other").renew()
    assert os.listdir(str(tmp_path)) == ["file"]


def test_a_large_artifact_is_ignored(tmp_path):
    path = tmp_path / "file"
    cache_at(path, max_bytes=100000).save(None, b"x" * 50000)
    assert cache_at(path, max_bytes=1000).load() is None
    memory = Memory()
    cache_at(memory, max_bytes=100000).save(None, b"x" * 50000)
    assert cache_at(memory, max_bytes=1000).load() is None


@posix
def test_links_and_pipes_are_not_read(tmp_path):
    cache_at(tmp_path / "file").save(None, BODY)
    os.symlink("file", str(tmp_path / "link"))
    os.mkfifo(str(tmp_path / "pipe"))
    for name in ("link", "pipe"):
        logger = RecordingLogger()
        assert cache_at(tmp_path / name, logger=logger).load() is None
        assert len(logger.lines) == 1 and logger.lines[0].startswith("artifact_cache cannot be read")


def make_link(path):
    (path.parent / "precious").write_text("mine")
    os.symlink("precious", str(path))


def make_open_file(path):
    path.write_text("mine")
    os.chmod(str(path), 0o666)


MAKERS = {
    "link": make_link,
    "pipe": lambda path: os.mkfifo(str(path)),
    "folder": lambda path: os.mkdir(str(path)),
    "writable by anyone": make_open_file,
}


@posix
@pytest.mark.parametrize("kind", MAKERS)
def test_a_file_that_is_unsafe_to_read_is_not_replaced_and_is_logged_once(tmp_path, kind):
    logger = RecordingLogger()
    cache = cache_at(tmp_path, logger=logger)
    path = tmp_path / cache._key
    MAKERS[kind](path)
    before = sorted(os.listdir(str(tmp_path))), os.lstat(str(path))
    for _ in range(3):
        assert cache.load() is None
        cache.save(None, BODY)
    after = os.lstat(str(path))
    assert (sorted(os.listdir(str(tmp_path))), after.st_ino, after.st_mode) == (
        before[0],
        before[1].st_ino,
        before[1].st_mode,
    )
    assert len(logger.lines) == 1
    assert kind != "link" or (tmp_path / "precious").read_text() == "mine"


@posix
def test_a_file_of_another_user_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "file"
    cache_at(path).save(None, BODY)
    me = os.geteuid()
    if me == 0:
        os.chown(str(path), 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    before = os.lstat(str(path)).st_ino
    logger = RecordingLogger()
    cache_at(path, logger=logger).save(None, b"newer")
    assert os.lstat(str(path)).st_ino == before
    assert len(logger.lines) == 1 and "is owned by another user" in logger.lines[0]


def test_temporary_files_of_killed_processes_are_removed_after_an_hour(tmp_path):
    cache, temp_prefix = cache_at(tmp_path / "file"), "file.0123456789a"
    for name, age in (("b", 2 * TEMP_FILE_MAX_AGE), ("c", 60)):
        (tmp_path / (temp_prefix + name)).write_bytes(b"half")
        modified = time.time() - age
        os.utime(str(tmp_path / (temp_prefix + name)), (modified, modified))
    for name in ("file.txt", "other.0123456789ab", "file.0123456789abc"):
        (tmp_path / name).write_text("mine")
        os.utime(str(tmp_path / name), (0, 0))
    cache.save(None, BODY)
    expected = ["file", temp_prefix + "c", "file.0123456789abc", "file.txt", "other.0123456789ab"]
    assert sorted(os.listdir(str(tmp_path))) == sorted(expected)


class Path:
    """A path object that returns ``value``, or raises it."""

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return f"Path({self.value!r})"

    def __fspath__(self):
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def test_a_path_object_may_return_bytes(tmp_path):
    cache_at(Path(os.fsencode(str(tmp_path / "file")))).save(None, BODY)
    assert cache_at(tmp_path / "file").load().body == BODY


@pytest.mark.parametrize("place", ["a\0b", Path(None), Path(1), Path(b"\0"), Path(ValueError("mine"))], ids=repr)
def test_an_invalid_path_is_an_option_error(place):
    with pytest.raises(OptionError, match="artifact_cache': expected a path of a file or a folder") as raised:
        cache_at(place)
    assert raised.value.option == "artifact_cache"


@posix
def test_a_file_that_anyone_may_write_to_is_ignored(tmp_path):
    path = tmp_path / "file"
    cache_at(path).save(None, BODY)
    os.chmod(str(path), 0o666)
    logger = RecordingLogger()
    assert cache_at(path, logger=logger).load() is None
    assert "writable by anyone" in logger.lines[0]


@posix
def test_a_file_of_another_user_is_ignored(tmp_path, monkeypatch):
    path = tmp_path / "file"
    cache_at(path).save(None, BODY)
    if os.geteuid() == 0:
        os.chown(str(path), 12345, -1)
    else:
        me = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    assert cache_at(path).load() is None


def test_an_unwritable_path_is_logged_once(tmp_path):
    (tmp_path / "file").write_text("")
    logger = RecordingLogger()
    cache = cache_at(tmp_path / "file" / "below", logger=logger)
    for _ in range(3):
        cache.save(None, BODY)
        assert cache.load() is None
    assert len(logger.lines) == 1
    assert logger.lines[0].startswith("artifact_cache cannot be written: ")


def test_a_full_disk_leaves_the_old_file_and_no_temporary_file(tmp_path, monkeypatch):
    cache = cache_at(tmp_path / "file")
    cache.save(None, BODY)

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    cache.save(None, b"newer")
    assert cache.load().body == BODY
    assert os.listdir(str(tmp_path)) == ["file"]


class FixedStore:
    """A store that returns ``value``, or raises it."""

    def __init__(self, value):
        self.value = value

    def get(self, key):
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    def set(self, key, value):
        self.get(key)


@pytest.mark.parametrize(
    "value",
    ["text", "", b"", b"\n\n", 1, {}, pytest.param(object(), id="object"), [b"x"], ValueError("mine"),
     KeyError("mine"), OSError("mine"), RecursionError("mine"), TimeoutError("mine")],
    ids=repr,
)  # fmt: skip
def test_an_invalid_value_or_an_error_of_a_store_is_logged_and_ignored(value):
    logger = RecordingLogger()
    cache = cache_at(FixedStore(value), logger=logger)
    for _ in range(3):
        assert cache.load() is None
        cache.save(None, BODY)
        cache.renew()
    assert len(logger.lines) <= 2
    assert logger.lines


@pytest.mark.parametrize("header", [b"[]", b"{}", b'{"stored_at": "x"}', b"null", b"[" * 5000, b"\xff", b""])
def test_an_invalid_header_with_a_valid_checksum_is_ignored(header):
    rest = header + b"\n" + BODY
    packed = b"target-artifact-1 " + artifact_cache.hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest
    assert cache_at(FixedStore(packed)).load() is None


class Hanging:
    """A store that returns when ``go`` is set."""

    def __init__(self):
        self.go = threading.Event()
        self.calls = 0

    def get(self, key):
        self.calls += 1
        self.go.wait(60)

    def set(self, key, value):
        self.get(key)


def test_a_store_that_hangs_times_out_and_is_called_again_after_it_has_returned(monkeypatch):
    monkeypatch.setattr(artifact_cache, "STORE_TIMEOUT", 0.05)
    store, logger = Hanging(), RecordingLogger()
    cache = cache_at(store, logger=logger)
    for _ in range(3):
        assert cache.load() is None
        cache.save(None, BODY)
    assert store.calls == 1
    assert "artifact_cache cannot be read" in logger.lines
    store.go.set()
    assert eventually(lambda: not cache._pending_calls)
    cache.save(None, BODY)
    assert store.calls == 2


def test_a_store_is_not_called_while_a_signal_handler_may_raise():
    """The cache could not tell an exception of the signal handler from one of the store."""
    store = Hanging()
    store.go.set()
    cache = cache_at(store)
    cache.interruptible = True
    cache.save(None, BODY)
    cache.load()
    assert store.calls == 0


def test_readers_never_see_a_partially_written_file(tmp_path):
    """The processes of an application may share one file."""
    bodies = [bytes([number]) * 200000 for number in range(4)]
    path = tmp_path / "file"
    cache_at(path, max_bytes=10**6).save(None, bodies[0])
    stop = threading.Event()

    def write(body):
        while not stop.is_set():
            cache_at(path, max_bytes=10**6).save(None, body)

    threads = [threading.Thread(target=write, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    try:
        for _ in range(200):
            assert cache_at(path, max_bytes=10**6).load().body in bodies
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def can_cache_in(folder):
    """Return whether an artifact can be saved in ``folder`` and loaded from there."""
    cache = cache_at(folder / "file")
    cache.save(None, BODY)
    return cache.load() is not None


#: A user and group id that no test process has.
FOREIGN_ID = 54321


def fake_owner(monkeypatch, path, uid=None, gid=None):
    """Make ``path`` appear to have this owner or group. Only root could change the real ones."""
    original = os.stat(str(path))
    real_stat, real_lstat, real_fstat = os.stat, os.lstat, os.fstat

    def with_fake_owner(status):
        if (status.st_dev, status.st_ino) != (original.st_dev, original.st_ino):
            return status
        values = list(status[:10])
        values[4] = status.st_uid if uid is None else uid
        values[5] = status.st_gid if gid is None else gid
        return os.stat_result(values)

    monkeypatch.setattr(os, "stat", lambda *args, **more: with_fake_owner(real_stat(*args, **more)))
    monkeypatch.setattr(os, "lstat", lambda *args, **more: with_fake_owner(real_lstat(*args, **more)))
    monkeypatch.setattr(os, "fstat", lambda *args: with_fake_owner(real_fstat(*args)))


@posix
@pytest.mark.parametrize(
    ("mode", "foreign_group", "is_used"),
    [
        (0o755, True, True),
        (0o775, False, True),  # members of a group of the process are trusted
        (0o775, True, False),
        (0o2770, False, True),
        (0o777, False, False),
        (0o1777, False, True),  # others cannot replace the file
        (0o1775, True, True),
    ],
    ids=lambda value: oct(value) if isinstance(value, int) and not isinstance(value, bool) else str(value),
)
def test_a_folder_is_used_only_if_others_cannot_replace_files(tmp_path, monkeypatch, mode, foreign_group, is_used):
    os.chmod(str(tmp_path), mode)
    if foreign_group:
        fake_owner(monkeypatch, tmp_path, gid=FOREIGN_ID)
    assert can_cache_in(tmp_path) is is_used
    assert os.path.exists(str(tmp_path / "file")) is is_used


@posix
@pytest.mark.parametrize(("owner", "is_used"), [(0, True), (FOREIGN_ID, False)])
def test_a_folder_of_another_user_is_not_used_but_one_of_root_is(tmp_path, monkeypatch, owner, is_used):
    fake_owner(monkeypatch, tmp_path, uid=owner)
    assert can_cache_in(tmp_path) is is_used


@posix
def test_a_copy_in_a_folder_that_became_writable_for_others_is_not_read(tmp_path):
    logger = RecordingLogger()
    cache = cache_at(tmp_path / "file", logger=logger)
    cache.save(None, BODY)
    os.chmod(str(tmp_path), 0o777)
    assert cache.load() is None
    assert len(logger.lines) == 1 and str(tmp_path) in logger.lines[0] and "writable by anyone" in logger.lines[0]


@posix
@pytest.mark.parametrize(("foreign_group", "is_read"), [(False, True), (True, False)])
def test_a_group_writable_file_is_read_only_if_the_process_belongs_to_the_group(
    tmp_path, monkeypatch, foreign_group, is_read
):
    cache_at(tmp_path / "file").save(None, BODY)
    os.chmod(str(tmp_path / "file"), 0o660)
    if foreign_group:
        fake_owner(monkeypatch, tmp_path / "file", gid=FOREIGN_ID)
    logger = RecordingLogger()
    assert (cache_at(tmp_path / "file", logger=logger).load() is not None) is is_read
    assert is_read or "group of which this process is not a member" in logger.lines[0]


@posix
def test_all_missing_folders_are_created_for_this_user_only(tmp_path):
    before = os.umask(0)
    try:
        assert can_cache_in(tmp_path / "a" / "b" / "c")
    finally:
        os.umask(before)
    for folder in ("a", "a/b", "a/b/c"):
        assert stat.S_IMODE(os.stat(str(tmp_path / folder)).st_mode) == 0o700
