"""Failed downloads and invalid artifacts, and the artifact that a client uses in the meantime (T7, T25 to T28)."""

import gzip
import json
import os
import threading
import time

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.errors import ArtifactNotAvailable
from target_python_sdk.testing import response
from tests.decisioning.cdn import Cdn, artifact, good, never_answer, options, with_etag
from tests.reliability.conftest import python
from tests.support import content, eventually, offers

pytestmark = pytest.mark.server

#: The polling interval in milliseconds, and the number of failed downloads to wait for.
INTERVAL = 10
FAILED_DOWNLOADS = 100
#: Seconds within which a script must exit or a client must be ready. Even a busy machine needs less, while a wait that
#: should not happen takes longer.
PROMPT = 20.0


def current_content(client):
    return content(client.get_offers(offers()))


def source_of(client):
    return client._processes.get().artifacts


class EventCounter:
    """A subscriber that counts events. With ``raises``, it also raises an error for each event."""

    def __init__(self, raises=False):
        self.counts = {}
        self.errors = []
        self._raises = raises

    def __call__(self, event):
        self.counts[event.type] = self.counts.get(event.type, 0) + 1
        self.errors.append(event.get("error"))
        if self._raises:
            raise RuntimeError("mine")

    def options(self):
        return dict.fromkeys(("artifact_download_succeeded", "artifact_download_failed", "geo_location_updated"), self)


# T7

SCRIPT = """
    import json, sys, time
    from target_python_sdk import TargetClient
    from target_tools.concurrency import shutdown
    from tests.decisioning.cdn import artifact, options
    from types import SimpleNamespace

    shutdown.IDLE_EXIT_SECONDS = 40  # exceeds ``PROMPT`` if a thread does not end on request
    client_options = json.loads(sys.argv[2])
    client = TargetClient.create(options(SimpleNamespace(domain=sys.argv[1]), **client_options))
    print(repr(time.time()))
"""


@pytest.mark.parametrize("method", ["on-device", "hybrid"])
@pytest.mark.parametrize("situation", ["idle", "polling", "hung", "failing", "payload"])
def test_t7_a_script_that_does_not_close_an_on_device_client_exits_at_once(situation, method, figure):
    reply = {"hung": never_answer, "failing": response("no", 500)}.get(situation, good())
    client_options = {
        "decisioning_method": method,
        "maximum_wait_ready": 200 if situation == "hung" else 10000,
        "polling_interval": 1 if situation == "polling" else 300000,
    }
    if situation == "payload":
        client_options["artifact_payload"] = artifact()
    with Cdn(reply) as cdn:
        done = python(SCRIPT, cdn.domain, json.dumps(client_options))
        elapsed = time.time() - float(done.stdout)
    # Without a logging configuration, Python writes the message about the failed download to stderr.
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert done.stderr == "" or situation == "failing"
    figure(f"exit of an on-device script, {situation}, {method}, s", elapsed, "less than 0.5")
    assert elapsed < PROMPT


# T25

GZIPPED = gzip.compress(json.dumps(artifact("<b>B</b>")).encode())
BAD = {
    "forbidden": response("<html>no", 403),
    "missing": response("<html>no", 404),
    "broken server": response("<html>no", 500),
    "redirect": response("", 302, {"Location": "/elsewhere"}),
    "empty": response(b""),
    "no content": response(None, 204),
    "304 without a condition": response(b"", 304),
    "truncated body": lambda head, connection: connection.send(good()[:-30]) or connection.close(),
    "truncated JSON": response(json.dumps(artifact()).encode()[:-30]),
    "truncated gzip": response(GZIPPED[:-20], headers={"Content-Encoding": "gzip"}),
    "no JSON": response("<html>It works!</html>"),
    "null": response("null"),
    "a list": response("[]"),
    "version 2": response(artifact("<b>B</b>", version="2.0.0")),
    "no version": response({}),
    "rules in a list": response(artifact(rules=[])),
    "huge": response(b'{"version": "1.0.0", "x": "' + b"x" * 3000000 + b'"}'),
    "gzip bomb": response(gzip.compress(b" " * 30000000), headers={"Content-Encoding": "gzip"}),
    "deeply nested": response(b"[" * 20000 + b"]" * 20000),
    "reset": lambda head, connection: connection.reset(),
    "garbage": b"\x16\x03\x01\x00\xff garbage\r\n\r\n",
}


@pytest.mark.parametrize("raises", [False, True], ids=["subscribers return", "subscribers raise"])
@pytest.mark.parametrize("bad", BAD)
def test_t25_the_last_good_artifact_stays_and_polling_continues(bad, raises, figure):
    events = EventCounter(raises)
    client_options = options(
        events=events.options(), polling_interval=INTERVAL, max_response_bytes=1000000, logger=Silent(), retries=1
    )
    failures = FAILED_DOWNLOADS if not raises else FAILED_DOWNLOADS // 10
    with Cdn(good("<b>A</b>")) as cdn:
        with TargetClient.create({**client_options, "cdn_base_path": "http://" + cdn.domain}) as client:
            assert current_content(client) == "<b>A</b>"
            source = source_of(client)
            cdn.reply = BAD[bad]
            assert eventually(lambda: events.counts.get("artifact_download_failed", 0) >= failures, 200)
            assert current_content(client) == "<b>A</b>"
            assert source.last_error is not None
            waiters_and_threads = len(source._first_attempt_done._waiters), source._poller.threads()
            cdn.reply = good("<b>C</b>")
            assert eventually(lambda: current_content(client) == "<b>C</b>")
            assert waiters_and_threads == (0, 1)
    if bad == "broken server":
        figure("consecutive failed downloads, last artifact kept", events.counts["artifact_download_failed"], failures)


class Silent:
    """A logger that discards everything."""

    def debug(self, *_):
        pass

    error = debug


def test_t25_each_failed_download_emits_one_event():
    events = EventCounter()
    with Cdn(response("no", 500)) as cdn:
        with TargetClient.create(options(cdn, events=events.options(), polling_interval=INTERVAL)) as client:
            assert eventually(lambda: len(cdn.request_headers) >= 20)
            client.close()
            assert eventually(lambda: source_of(client)._poller.threads() == 0)
            # A download that was in progress when the client was closed emits no event.
            assert 0 <= len(cdn.request_headers) - events.counts["artifact_download_failed"] <= 1
    assert {type(error).__name__ for error in events.errors} == {"HttpStatusError"}


def test_t25_each_call_gets_an_offer_while_the_artifact_is_replaced(figure):
    """The artifact is replaced repeatedly while threads make calls."""
    with Cdn() as cdn, TargetClient.create(options(cdn, polling_interval=1)) as client:
        wrong, stop, count = [], threading.Event(), [0]

        def call():
            while not stop.is_set():
                seen = current_content(client)
                count[0] += 1
                if not seen.startswith("<b>"):
                    wrong.append(seen)

        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(20):
            cdn.reply = good(f"<b>{number}</b>")
            assert eventually(lambda number=number: current_content(client) == f"<b>{number}</b>")
        stop.set()
        for thread in threads:
            thread.join(20)
    figure("wrong answers during 20 replacements of the artifact", len(wrong), 0)
    assert wrong == []


# T26


@pytest.fixture
def cached_artifact(tmp_path):
    """Yield the location of an artifact, the path of a cache that contains it, and the CDN."""
    path = str(tmp_path / "artifact")
    with Cdn(good("<b>kept</b>", etag='"1"')) as cdn:
        location = f"http://{cdn.domain}/rules.json"
        with TargetClient.create(options(artifact_location=location, artifact_cache=path)) as client:
            assert current_content(client) == "<b>kept</b>"
            assert "stale" not in client.get_offers(offers())["meta"]
            assert eventually(lambda: os.path.exists(path))
        yield location, path, cdn


@pytest.mark.parametrize("down", ["hung", "refused", "broken"])
def test_t26_a_cold_start_without_network_uses_the_cached_copy(cached_artifact, down, figure):
    location, path, cdn = cached_artifact
    if down == "refused":
        cdn.stop()
    cdn.reply = never_answer if down == "hung" else response("no", 500)
    TargetClient.create(options(artifact_payload=artifact(), polling_interval=0)).close()  # imports modules
    began = time.monotonic()
    with TargetClient.create(options(artifact_location=location, artifact_cache=path)) as client:
        envelope = client.get_offers(offers())
        elapsed = time.monotonic() - began
        assert content(envelope) == "<b>kept</b>"
        assert envelope["meta"]["stale"] is True
        assert envelope["meta"]["decisioning_method"] == "on-device"
    figure(f"ready from the cache, CDN {down}, ms", elapsed * 1000, "less than 100")
    assert elapsed < PROMPT


@pytest.mark.parametrize("confirmation", ["unchanged", "newer"])
def test_t26_a_download_confirms_or_replaces_the_cached_copy(cached_artifact, confirmation):
    location, path, cdn = cached_artifact
    cdn.reply = with_etag('"1"' if confirmation == "unchanged" else "", good("<b>newer</b>"))
    seen = len(cdn.request_headers)
    with TargetClient.create(options(artifact_location=location, artifact_cache=path)) as client:
        assert eventually(lambda: "stale" not in client.get_offers(offers())["meta"])
        assert current_content(client) == ("<b>kept</b>" if confirmation == "unchanged" else "<b>newer</b>")
    assert cdn.request_headers[seen]["if-none-match"] == '"1"'


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "garbage", "pickle", "another client's"])
def test_t26_a_cached_copy_that_is_damaged_or_of_another_client_is_ignored(cached_artifact, damage, caplog):
    location, path, cdn = cached_artifact
    with open(path, "rb") as file:
        whole = file.read()
    broken = {
        "truncated": whole[:-10],
        "flipped": whole[:-10] + bytes([whole[-10] ^ 1]) + whole[-9:],
        "empty": b"",
        "garbage": os.urandom(1000),
        "pickle": b"cos\nsystem\n(S'false'\ntR.",
        "another client's": whole,
    }[damage]
    with open(path, "wb") as file:
        file.write(broken)
    cdn.reply = response("no", 500)
    other = {"client": "other"} if damage == "another client's" else {}
    with TargetClient.create(options(artifact_location=location, artifact_cache=path, **other)) as client:
        with pytest.raises(ArtifactNotAvailable):
            client.get_offers(offers())
    assert "Ignoring the cached rule artifact" in caplog.text


def test_t26_a_cache_object_that_is_slow_or_raises_does_no_harm():
    class Slow(dict):
        def set(self, key, value):
            time.sleep(0.1)
            self[key] = value

    class Broken:
        def get(self, key):
            raise RuntimeError("mine")

        set = get

    memory = Slow()
    with Cdn(good("<b>kept</b>")) as cdn:
        with TargetClient.create(options(cdn, artifact_cache=memory)) as client:
            assert current_content(client) == "<b>kept</b>"
            assert eventually(lambda: memory)
        with TargetClient.create(options(cdn, artifact_cache=Broken())) as client:
            assert current_content(client) == "<b>kept</b>"
        cdn.reply = never_answer
        with TargetClient.create(options(cdn, artifact_cache=memory)) as client:
            assert current_content(client) == "<b>kept</b>"


# T27


def test_t27_an_unchanged_artifact_is_not_sent_again():
    events = EventCounter()
    with Cdn(with_etag('"1"', good(etag='"1"'))) as cdn:
        with TargetClient.create(options(cdn, events=events.options(), polling_interval=INTERVAL)) as client:
            first = source_of(client).artifact
            assert eventually(lambda: len(cdn.request_headers) >= 20)
            assert source_of(client).artifact is first is not None
            assert source_of(client).retrievals == 1
            assert current_content(client) == "<b>A</b>"
    assert "if-none-match" not in cdn.request_headers[0]
    assert {head["if-none-match"] for head in cdn.request_headers[1:]} == {'"1"'}
    assert events.counts == {"artifact_download_succeeded": 1}


def test_t27_without_an_etag_the_artifact_is_sent_each_time():
    with Cdn() as cdn, TargetClient.create(options(cdn, polling_interval=INTERVAL)) as client:
        assert eventually(lambda: source_of(client).retrievals >= 10)
        assert not any("if-none-match" in head for head in cdn.request_headers)


def test_t27_an_etag_that_is_no_longer_sent_is_forgotten():
    with Cdn(good(etag='"1"')) as cdn, TargetClient.create(options(cdn, polling_interval=INTERVAL)) as client:
        assert eventually(lambda: cdn.request_headers[-1].get("if-none-match") == '"1"')
        cdn.reply = good("<b>B</b>")
        assert eventually(lambda: current_content(client) == "<b>B</b>")
        assert eventually(lambda: "if-none-match" not in cdn.request_headers[-1])


def test_t27_a_new_etag_is_sent_even_if_the_body_is_unchanged():
    numbers = iter(range(10**6))
    with Cdn(lambda *_: good(etag=f'"{next(numbers)}"')) as cdn:
        with TargetClient.create(options(cdn, polling_interval=INTERVAL)) as client:
            assert eventually(lambda: source_of(client).retrievals >= 10)
            assert current_content(client) == "<b>A</b>"
    sent = [head["if-none-match"] for head in cdn.request_headers[1:]]
    assert sent == [f'"{number}"' for number in range(len(sent))]


def test_t27_the_etag_of_an_invalid_artifact_is_not_used():
    """With that ETag the server would answer 304, and the client would take its older artifact for the current one."""
    with Cdn(with_etag('"good"', good(etag='"good"'))) as cdn:
        with TargetClient.create(options(cdn, polling_interval=INTERVAL)) as client:
            assert current_content(client) == "<b>A</b>"
            cdn.reply = response(artifact(version="2.0.0"), headers={"ETag": '"bad"'})
            assert eventually(lambda: source_of(client).last_error is not None)
            seen = len(cdn.request_headers)
            assert eventually(lambda: len(cdn.request_headers) > seen + 3)
            assert cdn.request_headers[-1]["if-none-match"] == '"good"'


def test_t27_a_403_from_a_proxy_delays_the_next_artifact_but_does_not_prevent_it():
    with Cdn(with_etag('"1"', good(etag='"1"'))) as cdn:
        with TargetClient.create(options(cdn, polling_interval=INTERVAL)) as client:
            assert current_content(client) == "<b>A</b>"
            cdn.reply = response("<html>denied", 403, {"Age": "3600", "Via": "1.1 proxy", "ETag": '"denied"'})
            assert eventually(lambda: source_of(client).last_error is not None)
            assert current_content(client) == "<b>A</b>"
            cdn.reply = with_etag('"1"', good("<b>B</b>", etag='"2"'))
            assert eventually(lambda: source_of(client).last_error is None)
            assert cdn.request_headers[-1]["if-none-match"] == '"1"'


# T28


@pytest.mark.parametrize("jump", [86400, -86400, 86400 * 400, -(10**9)], ids=["day", "day back", "year", "1990s"])
def test_t28_a_change_of_the_system_clock_does_not_affect_polling(jump, monkeypatch, figure):
    with Cdn() as cdn, TargetClient.create(options(cdn, polling_interval=100)) as client:
        assert current_content(client) == "<b>A</b>"
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() + jump)
        seen, began = len(cdn.request_headers), time.monotonic()
        cdn.reply = good("<b>B</b>")
        assert eventually(lambda: current_content(client) == "<b>B</b>")
        assert eventually(lambda: len(cdn.request_headers) >= seen + 5)
        elapsed = time.monotonic() - began
        monkeypatch.undo()
        polls = len(cdn.request_headers) - seen
    figure(f"5 polls of 100 ms after the clock moved {jump} s, s", elapsed, "about 0.5")
    assert elapsed > 0.3  # no poll was early
    assert polls < 50
