"""The copy of the last good artifact: whole, own, young enough, or none."""

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
posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has no owners as POSIX knows them")


class Lines:
    """A logger that keeps its lines."""

    def __init__(self):
        self.kept = []

    def debug(self, message, *arguments):
        self.error(message, *arguments)

    def error(self, message, *arguments):
        self.kept.append(message % arguments)


def cache_at(place, owner=OWNER, max_bytes=1000, lines=None):
    return ArtifactCache(place, owner, max_bytes, Log(lines or Lines()))


class Memory(dict):
    """A cache of the application's."""

    def set(self, key, value):
        self[key] = value


@pytest.mark.parametrize("place", ["file", "folder", "new/", "deeply/nested/file"])
@pytest.mark.parametrize("etag", [None, '"1"'])
def test_what_is_saved_is_found(place, etag, tmp_path):
    path = str(tmp_path / place) + ("/" if place.endswith("/") else "")
    if place == "folder":
        os.mkdir(path)
    cache_at(path).save(etag, BODY)
    assert cache_at(path).load() == CachedArtifact(etag, BODY)


def test_a_path_may_be_an_object(tmp_path):
    cache_at(tmp_path / "file").save(None, BODY)
    assert (tmp_path / "file").is_file()
    assert cache_at(str(tmp_path / "file")).load().body == BODY


def test_so_may_be_anything_with_get_and_set():
    memory = Memory()
    cache_at(memory).save('"1"', BODY)
    (key,) = memory
    assert key.startswith("target-artifact-") and key.isascii() and len(key) < 64
    assert cache_at(memory).load() == CachedArtifact('"1"', BODY)
    memory[key] = bytearray(memory[key])
    assert cache_at(memory).load() == CachedArtifact('"1"', BODY)


def test_nothing_there_is_none_and_not_worth_a_line(tmp_path):
    lines = Lines()
    assert cache_at(tmp_path / "file", lines=lines).load() is None
    assert cache_at(tmp_path / "no" / "such" / "folder", lines=lines).load() is None
    assert cache_at(Memory(), lines=lines).load() is None
    assert lines.kept == []


@posix
def test_t26_a_file_is_its_owners_alone_and_nothing_else_is_left(tmp_path):
    before = os.umask(0)
    try:
        for _ in range(3):
            cache_at(tmp_path / "folder" / "file").save(None, BODY)
    finally:
        os.umask(before)
    assert os.listdir(str(tmp_path / "folder")) == ["file"]
    assert stat.S_IMODE(os.stat(str(tmp_path / "folder" / "file")).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(str(tmp_path / "folder")).st_mode) == 0o700


def test_each_byte_counts(tmp_path):
    path = tmp_path / "file"
    cache_at(path).save('"1"', BODY)
    whole = path.read_bytes()
    lines = Lines()
    for position in range(len(whole)):
        for broken in (whole[:position], whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]):
            path.write_bytes(broken)
            assert cache_at(path, lines=lines).load() is None
    path.write_bytes(whole + b" ")
    assert cache_at(path, lines=lines).load() is None
    assert all("Ignoring the cached rule artifact" in line for line in lines.kept)


def test_another_clients_copy_is_not_taken(tmp_path):
    path = tmp_path / "file"
    cache_at(path, "other").save(None, BODY)
    lines = Lines()
    assert cache_at(path, lines=lines).load() is None
    assert lines.kept == ["Ignoring the cached rule artifact: it belongs to another client or another URL"]


def test_clients_share_a_folder(tmp_path):
    for owner in ("one", "two"):
        cache_at(tmp_path, owner).save(None, owner.encode())
    assert [cache_at(tmp_path, owner).load().body for owner in ("one", "two")] == [b"one", b"two"]


@pytest.mark.parametrize(("age", "found"), [(0, True), (MAX_AGE - 60, True), (MAX_AGE + 60, False), (-86400, True)])
def test_a_copy_that_is_too_old_is_none(age, found, tmp_path, monkeypatch):
    path = tmp_path / "file"
    cache_at(path).save(None, BODY)
    now = artifact_cache.epoch_seconds()
    monkeypatch.setattr(artifact_cache, "epoch_seconds", lambda: now + age)
    assert (cache_at(path).load() is not None) is found


def test_one_that_is_renewed_begins_anew(tmp_path, monkeypatch):
    cache, now, began = cache_at(tmp_path / "file"), artifact_cache.epoch_seconds(), artifact_cache.monotonic()
    cache.save('"1"', BODY)
    for days in (20, 40, 60):
        monkeypatch.setattr(artifact_cache, "epoch_seconds", lambda days=days: now + days * 86400)
        monkeypatch.setattr(artifact_cache, "monotonic", lambda days=days: began + days * 86400)
        cache.renew()
    assert cache.load() == CachedArtifact('"1"', BODY)
    cache_at(tmp_path / "other").renew()
    assert os.listdir(str(tmp_path)) == ["file"]


def test_one_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "file"
    cache_at(path, max_bytes=100000).save(None, b"x" * 50000)
    assert cache_at(path, max_bytes=1000).load() is None
    memory = Memory()
    cache_at(memory, max_bytes=100000).save(None, b"x" * 50000)
    assert cache_at(memory, max_bytes=1000).load() is None


@posix
def test_a_link_is_not_followed_and_a_pipe_not_waited_for(tmp_path):
    cache_at(tmp_path / "file").save(None, BODY)
    os.symlink("file", str(tmp_path / "link"))
    os.mkfifo(str(tmp_path / "pipe"))
    for name in ("link", "pipe"):
        lines = Lines()
        assert cache_at(tmp_path / name, lines=lines).load() is None
        assert len(lines.kept) == 1 and lines.kept[0].startswith("artifact_cache cannot be read")


def make_link(path):
    (path.parent / "precious").write_text("mine")
    os.symlink("precious", str(path))


def make_open_file(path):
    path.write_text("mine")
    os.chmod(str(path), 0o666)


PLACES = {
    "link": make_link,
    "pipe": lambda path: os.mkfifo(str(path)),
    "folder": lambda path: os.mkdir(str(path)),
    "open to everybody": make_open_file,
}


@posix
@pytest.mark.parametrize("kind", PLACES)
def test_what_is_not_read_is_not_replaced_and_said_once(tmp_path, kind):
    lines = Lines()
    cache = cache_at(tmp_path, lines=lines)
    path = tmp_path / cache._key
    PLACES[kind](path)
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
    assert len(lines.kept) == 1
    assert kind != "link" or (tmp_path / "precious").read_text() == "mine"


@posix
def test_somebody_elses_file_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "file"
    cache_at(path).save(None, BODY)
    me = os.geteuid()
    if me == 0:
        os.chown(str(path), 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    before = os.lstat(str(path)).st_ino
    lines = Lines()
    cache_at(path, lines=lines).save(None, b"newer")
    assert os.lstat(str(path)).st_ino == before
    assert len(lines.kept) == 1 and "is owned by another user" in lines.kept[0]


def test_what_killed_processes_left_is_removed_after_an_hour(tmp_path):
    cache, beside = cache_at(tmp_path / "file"), "file.0123456789a"
    for name, age in (("b", 2 * TEMP_FILE_MAX_AGE), ("c", 60)):
        (tmp_path / (beside + name)).write_bytes(b"half")
        then = time.time() - age
        os.utime(str(tmp_path / (beside + name)), (then, then))
    for name in ("file.txt", "other.0123456789ab", "file.0123456789abc"):
        (tmp_path / name).write_text("mine")
        os.utime(str(tmp_path / name), (0, 0))
    cache.save(None, BODY)
    expected = ["file", beside + "c", "file.0123456789abc", "file.txt", "other.0123456789ab"]
    assert sorted(os.listdir(str(tmp_path))) == sorted(expected)


class Path:
    """A path object that gives ``value``, or raises it."""

    def __init__(self, value):
        self.value = value

    def __fspath__(self):
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def test_a_path_may_be_bytes(tmp_path):
    cache_at(Path(os.fsencode(str(tmp_path / "file")))).save(None, BODY)
    assert cache_at(tmp_path / "file").load().body == BODY


@pytest.mark.parametrize("place", ["a\0b", Path(None), Path(1), Path(b"\0"), Path(ValueError("mine"))], ids=repr)
def test_what_is_no_path_is_an_option_error(place):
    with pytest.raises(OptionError, match="artifact_cache: a path of a file or a folder was expected") as raised:
        cache_at(place)
    assert raised.value.option == "artifact_cache"


@posix
def test_a_file_that_everybody_may_write_to_is_not_believed(tmp_path):
    path = tmp_path / "file"
    cache_at(path).save(None, BODY)
    os.chmod(str(path), 0o666)
    lines = Lines()
    assert cache_at(path, lines=lines).load() is None
    assert "writable by anyone" in lines.kept[0]


@posix
def test_nor_is_somebody_elses(tmp_path, monkeypatch):
    path = tmp_path / "file"
    cache_at(path).save(None, BODY)
    if os.geteuid() == 0:
        os.chown(str(path), 12345, -1)
    else:
        me = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    assert cache_at(path).load() is None


def test_a_path_that_cannot_be_written_is_said_once(tmp_path):
    (tmp_path / "file").write_text("")
    lines = Lines()
    cache = cache_at(tmp_path / "file" / "below", lines=lines)
    for _ in range(3):
        cache.save(None, BODY)
        assert cache.load() is None
    assert len(lines.kept) == 1
    assert lines.kept[0].startswith("artifact_cache cannot be written: ")


def test_a_disk_that_is_full_leaves_the_old_copy_and_nothing_else(tmp_path, monkeypatch):
    cache = cache_at(tmp_path / "file")
    cache.save(None, BODY)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    cache.save(None, b"newer")
    assert cache.load().body == BODY
    assert os.listdir(str(tmp_path)) == ["file"]


class Odd:
    """A cache that gives what it was made with, or raises it."""

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
    ["text", "", b"", b"\n\n", 1, {}, object(), [b"x"], ValueError("mine"), KeyError("mine"), OSError("mine"),
     RecursionError("mine"), TimeoutError("mine")],
    ids=repr,
)  # fmt: skip
def test_an_object_may_do_anything(value):
    lines = Lines()
    cache = cache_at(Odd(value), lines=lines)
    for _ in range(3):
        assert cache.load() is None
        cache.save(None, BODY)
        cache.renew()
    assert len(lines.kept) <= 2
    assert lines.kept


@pytest.mark.parametrize("about", [b"[]", b"{}", b'{"stored_at": "x"}', b"null", b"[" * 5000, b"\xff", b""])
def test_a_head_with_a_right_checksum_may_hold_anything(about):
    rest = about + b"\n" + BODY
    packed = b"target-artifact-1 " + artifact_cache.hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest
    assert cache_at(Odd(packed)).load() is None


class Hanging:
    """A cache that answers when it is told to."""

    def __init__(self):
        self.go = threading.Event()
        self.asked = 0

    def get(self, key):
        self.asked += 1
        self.go.wait(60)

    def set(self, key, value):
        self.get(key)


def test_an_object_that_hangs_is_waited_for_a_while_and_asked_again_when_it_has_answered(monkeypatch):
    monkeypatch.setattr(artifact_cache, "STORE_TIMEOUT", 0.05)
    store, lines = Hanging(), Lines()
    cache = cache_at(store, lines=lines)
    for _ in range(3):
        assert cache.load() is None
        cache.save(None, BODY)
    assert store.asked == 1
    assert "artifact_cache cannot be read" in lines.kept
    store.go.set()
    assert eventually(lambda: not cache._pending_calls)
    cache.save(None, BODY)
    assert store.asked == 2


def test_where_a_signal_handler_may_raise_an_object_is_not_asked():
    cache = cache_at(Odd(ValueError("a handler's, or the object's?")))
    cache.interruptible = True
    cache.save(None, BODY)
    assert cache.load() is None


def test_readers_and_writers_never_see_a_half(tmp_path):
    """Processes of one application share a file."""
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
