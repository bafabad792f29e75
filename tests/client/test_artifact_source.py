"""``ArtifactSource``: the first artifact, waiting, polling, events, stopping, and forks."""

import _thread
import asyncio
import contextlib
import gc
import json
import logging
import os
import re
import signal
import sys
import threading
import time
import traceback
import weakref

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.artifact import source as artifact_source
from target_python_sdk.artifact.source import ArtifactSource
from target_python_sdk.artifact.update import CurrentArtifact
from target_python_sdk.decisioning.artifact import Artifact, parse_document
from target_python_sdk.errors import ArtifactNotAvailable, HttpStatusError, InvalidArtifact, OptionError
from target_python_sdk.testing import SocketServer, answer, response
from target_python_sdk.types import Geo
from target_tools.event_provider import EventProvider
from target_tools.http.retries import RetryingSender, RetryPolicy
from target_tools.http.transport import Transport, TransportSettings
from target_tools.logger import Log
from tests.decisioning.cdn import Cdn, artifact, good, never_answer, obfuscate, options, settings_for, with_etag
from tests.support import ANSWER_BYTES, LONG, content, eventually, forked, in_a_child, offers

pytestmark = pytest.mark.server


class FakeArtifact:
    """A stand-in for an ``Artifact``."""

    def __init__(self, document):
        self.document = document
        self.shown = document["rules"]["mboxes"]["home"][0]["consequence"]["options"][0]["content"]
        self.skipped_rules = document.get("leftOut", ())
        self.is_empty = False
        self.meta = {}

    def prepare(self, previous):
        """Do nothing. A real artifact compiles rules here."""


def load_artifact(text):
    document = parse_document(text)
    if not isinstance(document, dict) or document.get("version") != "1.0.0":
        raise InvalidArtifact("not of this version")
    return FakeArtifact(document)


class EventRecorder(EventProvider):
    """An event provider that also records each event."""

    def __init__(self):
        super().__init__()
        self.events = []

    def has_subscriber(self, name):
        return True

    def needs_payload(self, name):
        return True

    def emit(self, event_name, payload=None):
        self.events.append((event_name, dict(payload or {})))
        super().emit(event_name, payload)

    def names(self):
        return [name for name, _ in self.events]


@pytest.fixture
def cdn():
    with Cdn() as running:
        yield running


@pytest.fixture
def sources():
    """Return a function that creates sources. They are stopped after the test."""
    created = []

    def make(cdn=None, inherited=None, load_with=load_artifact, events=None, settings=None, **client_options):
        polling = client_options.pop("polling_interval", 20)
        settings = settings or settings_for(cdn, polling_interval=polling, **client_options)
        transport = Transport(TransportSettings())
        send = RetryingSender(transport.send, RetryPolicy(attempts=1))
        source = ArtifactSource(settings, load_with, send, Log(), events or EventRecorder(), inherited)
        created.append((source, transport))
        return source

    yield make
    for source, transport in created:
        source.stop()
        assert eventually(lambda poller=source._poller: poller.threads() == poller.running())
        transport.close()


def shown(source):
    """Return the offer in the artifact of ``source``, or None."""
    return None if source.artifact is None else source.artifact.shown


@contextlib.contextmanager
def no_unraisable_hook():
    """Ignore exceptions that end a thread. By default, pytest fails the test because of them."""
    before = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    try:
        yield
    finally:
        sys.unraisablehook = before


# The first artifact


def test_a_download_is_recorded_before_its_artifact_is_in_use(cdn, sources):
    source = sources(cdn, polling_interval=60000)
    artifacts_in_use = []
    source.record_download = lambda download: artifacts_in_use.append(source.artifact)
    source.start()
    assert source.wait(20)
    assert artifacts_in_use == [None]


def test_the_first_artifact_is_downloaded(cdn, sources):
    source = sources(cdn, polling_interval=60000)
    assert source.artifact is None
    source.start()
    assert source.wait(20)
    assert (shown(source), source.stale) == ("<b>A</b>", False)
    assert eventually(lambda: source.retrievals == 1)
    assert abs(source.last_retrieved / 1000 - time.time()) < 20
    assert source.shown_url == f"http://{cdn.domain}/acmeclient/production/v1/rules.json"
    assert cdn.request_headers[0][""] == "GET /acmeclient/production/v1/rules.json HTTP/1.1"


def test_no_request_is_made_before_start(cdn, sources):
    source = sources(cdn)
    time.sleep(0.1)
    assert cdn.connections == 0
    assert not source.wait(0)


def test_a_payload_is_used_at_once_and_replaced_by_a_download_after_one_interval(cdn, sources):
    cdn.reply = good("newer")
    source = sources(cdn, artifact_payload=artifact("given"), polling_interval=300)
    calls = []
    source.on_ready(lambda: calls.append(shown(source)))
    source.start()
    assert (shown(source), calls, cdn.request_headers) == ("given", ["given"], [])
    assert eventually(lambda: shown(source) == "newer")
    assert len(calls) == 1


def test_with_a_payload_nothing_is_downloaded_during_the_first_interval(cdn, sources):
    source = sources(cdn, artifact_payload=artifact("given"), polling_interval=60000)
    source.start()
    time.sleep(0.3)
    assert (shown(source), cdn.request_headers) == ("given", [])


def test_with_a_payload_and_no_threads_nothing_is_downloaded(cdn, sources, monkeypatch):
    def refuse(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    source = sources(cdn, artifact_payload=artifact("given"), polling_interval=60000)
    source.start()
    assert (shown(source), cdn.request_headers) == ("given", [])


def test_with_a_payload_and_no_polling_no_thread_is_started(cdn, sources, monkeypatch):
    started = []
    monkeypatch.setattr(_thread, "start_new_thread", lambda *arguments: started.append(arguments))
    source = sources(cdn, artifact_payload=artifact("given"), polling_interval=0)
    source.start()
    assert source.wait(0)
    assert (started, cdn.connections, source.polling_halted) == ([], 0, True)
    assert source.trace_details()["artifactLocation"] == "Not Applicable"


@pytest.mark.parametrize("polling_interval", [0, 60000])
def test_an_invalid_payload_emits_a_failure_and_does_not_stop_polling(cdn, sources, polling_interval):
    recorder = EventRecorder()
    source = sources(cdn, artifact_payload={"version": "2.0.0"}, polling_interval=polling_interval, events=recorder)
    source.start()
    assert source.wait(20) is bool(polling_interval)
    assert eventually(lambda: len(recorder.events) == (2 if polling_interval else 1))
    name, payload = recorder.events[0]
    assert name == "artifact_download_failed"
    assert isinstance(payload["error"], InvalidArtifact)
    assert cdn.connections == (1 if polling_interval else 0)


def test_b41_a_failed_first_download_is_retried(cdn, sources, monkeypatch):
    monkeypatch.setattr(artifact_source, "INITIAL_RETRY_DELAY", 0.01)
    cdn.reply = response("no", 503)
    source = sources(cdn, polling_interval=0)
    source.start()
    assert not source.wait(20)  # returns as soon as the first download has failed
    assert eventually(lambda: len(cdn.request_headers) >= 3)
    assert isinstance(source.last_error, HttpStatusError)
    cdn.reply = good()
    assert eventually(lambda: source.artifact is not None)
    assert eventually(lambda: source._poller.threads() == 0)
    assert source.last_error is None


def test_b41_client_ready_is_emitted_with_the_first_artifact(cdn, monkeypatch):
    monkeypatch.setattr(artifact_source, "INITIAL_RETRY_DELAY", 0.05)
    cdn.reply = response("no", 500)
    ready, failed = threading.Event(), threading.Event()
    events = {"client_ready": ready.set, "artifact_download_failed": failed.set}
    with TargetClient.create(options(cdn, events=events)) as client:
        with pytest.raises(ArtifactNotAvailable):
            client.get_offers(offers())
        assert failed.wait(20)
        assert not ready.wait(0.3)
        cdn.reply = good()
        assert ready.wait(20)
        assert content(client.get_offers(offers())) == "<b>A</b>"


def test_b42_create_waits_at_most_maximum_wait_ready(cdn):
    cdn.reply = never_answer
    began = time.monotonic()
    with TargetClient.create(options(cdn, maximum_wait_ready=300)) as client:
        assert 0.3 <= time.monotonic() - began < LONG / 1000
        with pytest.raises(ArtifactNotAvailable):
            client.get_offers(offers())


def test_b42_a_hybrid_client_does_not_wait_for_the_artifact(cdn):
    cdn.reply = never_answer
    with SocketServer(answer(ANSWER_BYTES)) as edge:
        began = time.monotonic()
        hybrid = {"decisioning_method": "hybrid", "server_domain": edge.domain, "maximum_wait_ready": 3 * LONG}
        with TargetClient.create(options(cdn, **hybrid)) as client:
            assert content(client.get_offers(offers())) == "<b>A</b>"
            assert time.monotonic() - began < LONG / 1000
            assert eventually(lambda: cdn.request_headers)


@pytest.mark.parametrize("reply", [response("no", 500), response("{", 200), response("[]", 200), response("", 403)])
def test_b36_a_failed_geo_lookup_keeps_the_ip_address_and_the_offers(reply):
    document = artifact(geoTargetingEnabled=True)
    looked_up = []

    def by_path(head, _):
        if "/v1/geo" not in head[""]:
            return response(document)
        looked_up.append(head["x-forwarded-for"])
        return reply

    with Cdn(by_path) as cdn, TargetClient.create(options(cdn)) as client:
        call = offers()
        call["request"].context.geo = Geo(ip_address="12.21.1.40")
        envelope = client.get_offers(call)
        assert content(envelope) == "<b>A</b>"
        assert envelope["request"].context.geo.ip_address == "12.21.1.40"
        assert looked_up == ["12.21.1.40"]


def test_b68_an_exception_of_a_subscriber_is_logged_and_the_client_works(cdn, caplog):
    def broken(event):
        raise ValueError("mine")

    events = dict.fromkeys(("artifact_download_succeeded", "artifact_download_failed", "client_ready"), broken)
    with TargetClient.create(options(cdn, events=events)) as client:
        assert content(client.get_offers(offers())) == "<b>A</b>"
        assert eventually(lambda: "artifact_download_succeeded raised" in caplog.text)
        assert "ValueError: mine" in caplog.text
        assert "Unable to initialize" not in caplog.text


def test_b62_a_custom_environment_is_part_of_the_url(cdn):
    with TargetClient.create(options(cdn, environment="QA-2", property_token="token")) as client:
        assert content(client.get_offers(offers())) == "<b>A</b>"
    assert cdn.request_headers[0][""] == "GET /acmeclient/qa-2/v1/token/rules.json HTTP/1.1"


@pytest.mark.parametrize("client_options", [{"artifact_format": "bin"}, {"artifact_location": "http://{}/x/rules.bin"}])
def test_b63_an_obfuscated_artifact_is_used(cdn, client_options):
    cdn.reply = response(obfuscate(artifact(), "1@AdobeOrg"))
    client_options = {name: value.format(cdn.domain) for name, value in client_options.items()}
    with TargetClient.create(options(cdn, **client_options)) as client:
        assert content(client.get_offers(offers())) == "<b>A</b>"
    assert cdn.request_headers[0][""].split()[1].endswith("rules.bin")


def test_b67_trace_details_have_the_time_of_the_last_download_in_milliseconds(cdn, sources):
    source = sources(cdn, polling_interval=60000)
    source.start()
    assert source.wait(20)
    assert eventually(lambda: source.retrievals == 1)
    details = source.trace_details()
    assert (details["artifactLocation"], details["pollingInterval"]) == (source.shown_url, 60000)
    assert (details["pollingHalted"], details["artifactRetrievalCount"]) == (False, 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", details["artifactLastRetrieved"])
    source.stop()
    assert source.trace_details()["pollingHalted"]


# Waiting


def test_many_threads_can_wait_for_the_first_artifact(cdn, sources):
    go = threading.Event()
    cdn.reply = lambda head, connection: good() if go.wait(20) else b""
    source = sources(cdn)
    source.start()
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(source.wait(20))) for _ in range(20)]
    for thread in threads:
        thread.start()
    assert eventually(lambda: len(source._first_attempt_done._waiters) == 20)
    assert seen == []
    go.set()
    for thread in threads:
        thread.join(20)
    assert seen == [True] * 20
    assert not source._first_attempt_done._waiters


@pytest.mark.parametrize("end", ["stop", "time"])
def test_waiting_ends_with_stop_or_with_the_timeout(cdn, sources, end):
    cdn.reply = never_answer
    source = sources(cdn)
    source.start()
    if end == "stop":
        threading.Timer(0.1, source.stop).start()
    assert source.wait(20 if end == "stop" else 0.1) is False


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")
def test_an_exception_of_a_signal_handler_ends_the_wait(cdn, sources):
    class SoftLimit(Exception):
        pass

    def raise_it(*_):
        raise SoftLimit

    cdn.reply = never_answer
    source = sources(cdn)
    source.start()
    before = signal.signal(signal.SIGALRM, raise_it)
    try:
        for _ in range(10):
            # Repeated, because a signal just before the wait begins does not interrupt it.
            signal.setitimer(signal.ITIMER_REAL, 0.02, 0.5)
            with pytest.raises(SoftLimit):
                source.wait(20)
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not source._first_attempt_done._waiters
    assert source.wait(0) is False


def test_on_ready_calls_each_callback_once(cdn, sources):
    source = sources(cdn)
    calls = []
    source.on_ready(lambda: calls.append("before"))
    source.start()
    assert source.wait(20)
    assert eventually(lambda: source.retrievals > 2)
    source.on_ready(lambda: calls.append("after"))
    assert calls == ["before", "after"]


# Polling


def test_newer_artifacts_replace_older_ones(cdn, sources):
    source = sources(cdn)
    source.start()
    for number in range(5):
        cdn.reply = good(str(number))
        assert eventually(lambda number=number: shown(source) == str(number))


@pytest.mark.parametrize(
    ("location", "polling_interval", "interval"),
    [
        ("http://127.0.0.1:9/rules.json", 20, 0.02),
        ("http://localhost:9/rules.json", 20, 0.02),
        ("https://cdn.example/rules.json", 20, 300.0),
        ("https://cdn.example/rules.json", 300000, 300.0),
        ("https://cdn.example/rules.json", 300, 300.0),
        ("https://cdn.example/rules.json", 900000, 900.0),
        ("https://cdn.example/rules.json", 0, 0.0),
    ],
)
def test_the_interval_has_a_minimum_except_on_loopback(location, polling_interval, interval, sources):
    assert sources(artifact_location=location, polling_interval=polling_interval).interval == interval


def test_delays_have_jitter_and_double_after_each_failure_up_to_the_interval(sources):
    source = sources(artifact_location="https://cdn.example/rules.json", polling_interval=300000)
    pauses = [source._delay() for _ in range(1000)]
    assert 270 <= min(pauses) < 280 and 320 < max(pauses) <= 330
    failing = [source._handle_failure(InvalidArtifact("x")) for _ in range(40)]
    for number, pause in enumerate(failing):
        longest = min(300.0, 2.0**number)
        assert longest / 2 <= pause <= longest


@pytest.mark.parametrize(
    ("retry_after", "least", "most"), [("7", 7, 7), ("86400", 300, 300), ("-1", 0.5, 1), ("x", 0.5, 1)]
)
def test_retry_after_is_respected_up_to_the_interval(sources, retry_after, least, most):
    source = sources(artifact_location="https://cdn.example/rules.json", polling_interval=300000)
    pause = source._handle_failure(HttpStatusError(503, "busy", {"Retry-After": retry_after}, ""))
    assert least <= pause <= most


def test_each_source_has_its_own_random_generator(sources):
    first, second = sources(), sources()
    assert [first._delay() for _ in range(5)] != [second._delay() for _ in range(5)]


class GreenletExit(BaseException):
    """A stand-in for the exception that ends a greenlet."""


@pytest.mark.parametrize(
    "error",
    [KeyError("x"), RecursionError("x"), MemoryError("x"), SystemExit(1), OSError("x"), KeyboardInterrupt("x"),
     asyncio.CancelledError("x")],
    ids=repr,
)  # fmt: skip
def test_polling_continues_after_any_exception_while_an_artifact_is_loaded(cdn, sources, error, caplog):
    def broken(text):
        loaded = load_artifact(text)
        if loaded.shown == "bad":
            raise error
        return loaded

    recorder = EventRecorder()
    source = sources(cdn, load_with=broken, events=recorder)
    source.start()
    assert source.wait(20)
    cdn.reply = good("bad")
    assert eventually(lambda: "artifact_download_failed" in recorder.names())
    assert shown(source) == "<b>A</b>"
    cdn.reply = good("better")
    assert eventually(lambda: shown(source) == "better")
    assert "Unexpected error while downloading" in caplog.text


@pytest.mark.parametrize("error", [ValueError("mine"), SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError()])
def test_polling_continues_after_any_exception_of_a_subscriber_or_logger(cdn, sources, error):
    def broken(*_):
        raise error

    events = EventRecorder()
    for name in ("artifact_download_succeeded", "artifact_download_failed"):
        events.subscribe(name, broken)
    source = sources(cdn, events=events)
    source._log = Log(type("Broken", (), {"debug": broken, "error": broken})())
    source.start()
    assert source.wait(20)
    for reply in (good("b"), response("no", 500), good("c")):
        cdn.reply = reply
        seen = len(cdn.request_headers)
        assert eventually(lambda seen=seen: len(cdn.request_headers) > seen + 2)
    assert shown(source) == "c"


def test_greenlet_exit_ends_the_polling(cdn, sources):
    def broken(*_):
        raise GreenletExit

    events = EventRecorder()
    events.subscribe("artifact_download_succeeded", broken)
    source = sources(cdn, events=events)
    with no_unraisable_hook():
        source.start()
        assert source.wait(20)
        assert eventually(lambda: source._poller.threads() == 0)


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError()], ids=repr)
def test_the_artifact_is_cached_and_ready_before_a_subscriber_raises(cdn, sources, error, tmp_path):
    def broken(*_):
        raise error

    events, calls = EventRecorder(), []
    events.subscribe("artifact_download_succeeded", broken)
    source = sources(cdn, events=events, artifact_cache=str(tmp_path / "file"), polling_interval=60000)
    source.on_ready(lambda: calls.append(1))
    source.start()
    assert eventually(lambda: events.events)
    assert (calls, source.artifact is not None, (tmp_path / "file").exists()) == ([1], True, True)


def test_the_artifact_is_cached_and_ready_before_a_subscriber_hangs(cdn, sources, tmp_path):
    events, calls, go = EventRecorder(), [], threading.Event()
    events.subscribe("artifact_download_succeeded", lambda: go.wait(20))
    source = sources(cdn, events=events, artifact_cache=str(tmp_path / "file"))
    source.on_ready(lambda: calls.append(1))
    source.start()
    assert eventually(lambda: events.events)
    assert (calls, source.artifact is not None, (tmp_path / "file").exists()) == ([1], True, True)
    go.set()


def test_a_cache_that_hangs_does_not_prevent_the_download(cdn, sources, monkeypatch):
    monkeypatch.setattr("target_python_sdk.artifact.cache.STORE_TIMEOUT", 0.1)
    go = threading.Event()

    class Hanging:
        def get(self, key):
            go.wait(60)

        set = get

    source = sources(cdn, artifact_cache=Hanging())
    source.start()
    try:
        assert source.wait(20)
        cdn.reply = good("newer")
        assert eventually(lambda: shown(source) == "newer")
    finally:
        go.set()


def frames_of(error):
    """Yield every frame that ``error`` and its causes reference."""
    while error is not None:
        yield from traceback.walk_tb(error.__traceback__)
        yield from frames_of(error.__context__)
        error = error.__cause__


@pytest.mark.parametrize("raises", [False, True], ids=["the handler returns", "the handler raises"])
@pytest.mark.parametrize("reply", [response("{"), response(artifact(version="2")), b"HTTP/1.1 x\r\n\r\n"],
                         ids=["truncated", "another version", "no HTTP"])  # fmt: skip
def test_the_last_error_references_no_frames(cdn, sources, reply, raises):
    """Frames would keep the rejected artifact in memory as long as the error."""
    cdn.reply = reply
    events = EventRecorder()
    calls = []

    def record(event):
        calls.append(any(frames_of(event.error)))
        if raises:
            raise KeyboardInterrupt

    events.subscribe("artifact_download_failed", record)
    source = sources(cdn, events=events, polling_interval=60000)
    source.start()
    assert eventually(lambda: calls and not any(frames_of(source.last_error)))
    assert calls[0]  # the handler gets the error with its traceback


def test_a_slow_server_does_not_block_the_poller_beyond_the_timeout(cdn, sources, monkeypatch):
    monkeypatch.setattr(artifact_source, "DOWNLOAD_TIMEOUT", 0.2)
    cdn.reply = lambda head, connection: connection.send_slowly(good(), 0.05)
    recorder = EventRecorder()
    source = sources(cdn, events=recorder)
    source.start()
    assert eventually(lambda: recorder.names().count("artifact_download_failed") >= 2)
    cdn.reply = good()
    assert eventually(lambda: source.artifact is not None)


# Events and log lines


def test_a_download_emits_its_url_its_content_and_its_geo_headers(cdn, sources):
    cdn.reply = good(**{"x-geo-city": "PARIS", "x-forwarded-for": "1.2.3.4, 5.6.7.8"})
    recorder = EventRecorder()
    url = f"http://{cdn.domain}/rules.json?token=secret"
    source = sources(artifact_location=url, events=recorder, polling_interval=60000)
    source.start()
    assert eventually(lambda: len(recorder.events) == 2)
    assert recorder.events[0] == (
        "artifact_download_succeeded",
        {"artifact_location": url, "artifact_payload": artifact()},
    )
    name, payload = recorder.events[1]
    assert name == "geo_location_updated"
    assert (payload["geo_context"]["city"], payload["geo_context"]["ipAddress"]) == ("PARIS", "1.2.3.4")


def test_b37_an_invalid_geo_header_does_not_reject_the_artifact(cdn, sources):
    cdn.reply = good(**{"x-forwarded-for": "1.2.3.4, 5.6.7.8", "x-geo-latitude": "north"})
    source = sources(cdn)
    source.start()
    assert source.wait(20)


def test_secrets_in_the_url_are_not_logged(cdn, sources, caplog):
    url = f"http://me:secret@{cdn.domain}/rules.json?token=secret"
    source = sources(artifact_location=url)
    source.start()
    assert source.wait(20)
    for reply in (response("no", 403), response("", 302, {"Location": "http://x/secret"}), b"HTTP/1.1 x\r\n\r\n"):
        cdn.reply, seen = reply, len(caplog.records)
        assert eventually(lambda seen=seen: len(caplog.records) > seen + 2)
    assert "rules.json" in caplog.text
    assert "secret" not in caplog.text
    assert "secret" not in json.dumps(source.trace_details())
    assert cdn.request_headers[0]["authorization"] == "Basic bWU6c2VjcmV0"


def test_the_log_line_of_a_403_names_the_likely_cause(cdn, sources, caplog):
    cdn.reply = response("no", 403)
    source = sources(cdn)
    source.start()
    source.wait(20)
    assert eventually(lambda: "is on-device decisioning enabled for this client?" in caplog.text)


def test_skipped_rules_are_logged_once_and_at_most_twenty(cdn, sources, caplog):
    skipped = [f"rule {number}" for number in range(30)]
    cdn.reply = response(artifact(leftOut=skipped))
    source = sources(cdn)
    source.start()
    assert eventually(lambda: source.retrievals >= 3)
    lines = [record.getMessage() for record in caplog.records if "Skipped" in record.getMessage()]
    assert len(lines) == 21
    assert lines[-1] == "Skipped 10 more rules of the artifact"


@pytest.mark.parametrize(("location", "lines"), [("http://cdn.example/", 1), ("https://cdn.example/", 0),
                                                 ("http://127.0.0.1:9/", 0)])  # fmt: skip
def test_a_download_over_plain_http_logs_a_warning_except_on_loopback(sources, caplog, location, lines):
    sources(artifact_location=location, secure=True)
    assert caplog.text.count("downloaded over plain HTTP") == lines


@pytest.mark.parametrize("client_options", [{"artifact_location": "http://a:99999/"}, {"cdn_base_path": "a:99999"}])
def test_an_invalid_url_is_an_option_error(sources, client_options):
    with pytest.raises(OptionError, match="expected an http or https URL"):
        sources(**client_options)


# Stopping


def pollers():
    return [thread.name for thread in threading.enumerate() if thread.name == "target-acmeclient-artifact"]


def test_b43_stop_ends_the_thread_at_once(cdn, sources):
    source = sources(cdn, polling_interval=60000)
    source.start()
    assert source.wait(20)
    assert eventually(lambda: source._poller.threads() == 1 and not source._poller.running())
    source.stop()
    source.stop()
    assert eventually(lambda: source._poller.threads() == 0)
    assert eventually(lambda: not pollers())
    source.start()
    assert source._poller.threads() == 0
    assert shown(source) == "<b>A</b>"


def test_a_download_that_finishes_after_stop_is_ignored(cdn, sources):
    go = threading.Event()
    cdn.reply = lambda head, connection: good() if go.wait(20) else b""
    recorder = EventRecorder()
    source = sources(cdn, events=recorder)
    source.start()
    assert eventually(lambda: cdn.request_headers)
    source.stop()
    go.set()
    assert eventually(lambda: source._poller.threads() == 0)
    assert (source.artifact, recorder.events) == (None, [])


@pytest.mark.parametrize("reply", [good(), never_answer, response("no", 500)], ids=["successful", "hung", "failing"])
def test_an_unreferenced_source_is_freed_without_the_garbage_collector(cdn, reply):
    cdn.reply = reply
    transport = Transport(TransportSettings())
    settings = settings_for(cdn, polling_interval=60000)
    source = ArtifactSource(settings, load_artifact, transport.send, Log(), EventRecorder())
    source.start()
    poller, watched = source._poller, weakref.ref(source)
    assert eventually(lambda: cdn.request_headers)
    assert reply is never_answer or eventually(lambda: watched()._first_attempt_done.is_set() and not poller.running())
    gc.disable()
    try:
        del source
        assert eventually(lambda: watched() is None)
    finally:
        gc.enable()
    assert poller.stopped
    assert reply is never_answer or eventually(lambda: poller.threads() == 0)
    transport.close()


def test_a_subscriber_may_stop_the_source(cdn, sources):
    events = EventRecorder()
    source = sources(cdn, events=events)
    events.subscribe("artifact_download_succeeded", source.stop)
    source.start()
    assert source.wait(20)
    assert eventually(lambda: source._poller.stopped and source._poller.threads() == 0)


def test_a_poller_leaves_no_entry_in_the_list_of_threads(cdn, sources):
    def dummy_threads():
        return {thread for thread in threading._active.values() if isinstance(thread, threading._DummyThread)}

    dummies_before = dummy_threads()
    events = EventRecorder()
    # Logging calls ``threading.current_thread()``, which adds a dummy to the list if the current thread is not listed.
    events.subscribe("artifact_download_succeeded", lambda: logging.getLogger("adobe.target").debug("downloaded"))
    source = sources(cdn, events=events)
    source.start()
    assert source.wait(20)
    source.stop()
    assert eventually(lambda: not dummy_threads() - dummies_before)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("end", ["stop", "close the transport"])
def test_t33_stopping_or_closing_aborts_a_running_download(sources, secure, end):
    """Over TLS, the download hangs in the handshake, before the connection is established."""
    connections = []

    def silent(connection):
        connections.append(connection)
        connection.hang()

    with SocketServer(silent) as server:
        base = "{}://{}".format("https" if secure else "http", server.domain)
        source = sources(cdn_base_path=base, maximum_wait_ready=3 * LONG)  # longer than ``eventually`` waits
        source.start()
        assert eventually(lambda: connections and source._poller.scope._handles)
        if end == "stop":
            source.stop()
        else:
            transport_of(source).close()
            source._poller._stop.set()
        assert eventually(lambda: source._poller.threads() == 0)
        assert not source._poller.scope._handles
    assert source.last_error is None or end != "stop"


def transport_of(source):
    return source._send._send.__self__


def test_a_finished_download_leaves_no_duplicate_of_its_socket(cdn, sources):
    source = sources(cdn)
    source.start()
    assert eventually(lambda: source.retrievals > 5)
    source.stop()
    assert eventually(lambda: source._poller.threads() == 0)
    assert not source._poller.scope._handles


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no os.fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_stopping_in_a_forked_child_does_not_abort_the_parents_download(cdn, sources):
    go = threading.Event()
    cdn.reply = lambda head, connection: good() if go.wait(20) else b""
    source = sources(cdn, polling_interval=60000)
    source.start()
    assert eventually(lambda: cdn.request_headers)
    pid = os.fork()
    if pid == 0:
        source.stop()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    go.set()
    assert source.wait(20)
    assert len(cdn.request_headers) == 1


# Without threads


def test_without_threads_there_is_one_download_and_one_log_line(cdn, sources, monkeypatch, caplog):
    source = sources(cdn, maximum_wait_ready=20000)

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    source.start()
    assert source.wait(0)
    assert (source.polling_halted, len(cdn.request_headers)) == (True, 1)
    source._next_thread_start = 0
    source.start()
    assert (source.polling_halted, len(cdn.request_headers)) == (True, 1)
    assert caplog.text.count("Cannot start a thread") == 1


@pytest.mark.parametrize("first_download", ["successful", "failing"])
def test_starting_a_thread_is_retried_once_per_second_at_most(cdn, sources, monkeypatch, first_download):
    source = sources(cdn, maximum_wait_ready=20000)
    refused, start = [], _thread.start_new_thread

    def refuse(*_):
        refused.append(1)
        raise RuntimeError("can't start new thread")

    if first_download == "failing":
        cdn.reply = response("no", 500)
    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    source.start()
    seen = len(refused)
    for _ in range(10):
        source.start()
    assert len(refused) == seen
    source._next_thread_start = 0
    source.start()
    assert len(refused) == seen + 1
    monkeypatch.setattr(_thread, "start_new_thread", start)
    cdn.reply = good("newer")
    monkeypatch.setattr("target_tools.concurrency.shutdown.EXIT_COORDINATOR.begun", True)
    source._next_thread_start = 0
    source.start()
    assert source.polling_halted and source._poller.threads() == 0
    monkeypatch.setattr("target_tools.concurrency.shutdown.EXIT_COORDINATOR.begun", False)
    source._next_thread_start = 0
    source.start()
    assert not source.polling_halted
    assert eventually(lambda: shown(source) == "newer")


@pytest.mark.parametrize("main", [True, False], ids=["main thread", "another thread"])
def test_without_threads_a_cache_that_raises_does_not_prevent_the_download(cdn, sources, monkeypatch, main):
    class Broken:
        calls = 0

        def get(self, key):
            self.calls += 1
            raise Exception("refused")

        def set(self, key, value):
            self.get(key)

    cache = Broken()
    source = sources(cdn, maximum_wait_ready=20000, artifact_cache=cache)
    start = _thread.start_new_thread
    # The new thread waits until ``start_new_thread`` has been replaced.
    go = threading.Event()
    thread = threading.Thread(target=lambda: go.wait(20) and source.start())
    thread.start()

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    if main:
        source.start()
    go.set()
    thread.join(20)
    monkeypatch.setattr(_thread, "start_new_thread", start)
    assert source.wait(0)
    # The main thread does not use the cache, because a signal handler could raise there.
    assert bool(cache.calls) is not main


@pytest.mark.parametrize("client_options", [{}, {"artifact_payload": {"version": "2"}}, {"artifact_cache": "file"}])
def test_without_threads_a_failed_download_does_not_block_the_caller(
    cdn, sources, monkeypatch, client_options, tmp_path
):
    if "artifact_cache" in client_options:
        client_options = {"artifact_cache": str(tmp_path / "file")}
    cdn.reply = response("no", 500)
    source = sources(cdn, **client_options)
    monkeypatch.setattr("target_tools.concurrency.shutdown.EXIT_COORDINATOR.begun", True)
    source.start()
    assert not source.wait(20)
    assert len(cdn.request_headers) == 1


# Forks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no os.fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_uses_the_parents_artifact_and_polls(cdn):
    cdn.reply = with_etag('"1"', good("one", etag='"1"'))
    with TargetClient.create(options(cdn, polling_interval=100)) as client:
        assert content(client.get_offers(offers())) == "one"

        def act():
            assert content(client.get_offers(offers())) == "one"
            source = client._processes.get().artifacts
            assert source.current.etag == '"1"'
            assert eventually(lambda: content(client.get_offers(offers())) == "two")
            client.close()

        pid = forked(act)
        time.sleep(0.2)
        cdn.reply = good("two", etag='"2"')
        assert os.waitpid(pid, 0)[1] == 0
        assert eventually(lambda: content(client.get_offers(offers())) == "two")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no os.fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_t27_a_fork_during_an_update_leaves_the_child_with_a_consistent_artifact(cdn, monkeypatch):
    """A child with the new ETag and the old artifact would get a 304 for every request."""
    cdn.reply = with_etag('"1"', good("one", etag='"1"'))
    with TargetClient.create(options(cdn, polling_interval=20)) as client:
        assert content(client.get_offers(offers())) == "one"
        me, parent, reached, go = threading.get_ident(), os.getpid(), threading.Semaphore(0), threading.Semaphore(0)

        def pausing_setattr(self, name, value):
            if armed and threading.get_ident() != me and os.getpid() == parent:
                reached.release()
                go.acquire(timeout=20)
            object.__setattr__(self, name, value)

        def act():
            assert eventually(lambda: content(client.get_offers(offers())) == "two")

        armed = False
        monkeypatch.setattr(ArtifactSource, "__setattr__", pausing_setattr)
        cdn.reply = with_etag('"2"', good("two", etag='"2"'))
        armed = True
        try:
            for _ in range(12):  # one iteration of the poller makes at most 12 assignments
                assert reached.acquire(timeout=20)
                assert in_a_child(act)
                go.release()
        finally:
            armed = False
            go.release()


def artifacts_in_memory(*contents):
    """Return how many artifacts in memory contain one of these offers, which other tests do not use."""
    gc.collect()
    documents = [str(each.document()) for each in gc.get_objects() if type(each) is Artifact]
    return sum(any(offer in document for offer in contents) for document in documents)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no os.fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_frees_the_parents_artifact_after_a_newer_download(cdn):
    old, new = "offer before the fork", "offer after the fork"
    cdn.reply = with_etag('"1"', good(old, etag='"1"'))
    with TargetClient.create(options(cdn, polling_interval=500)) as client:
        assert content(client.get_offers(offers())) == old
        # A fork in the middle of an iteration would keep the objects of the parent's thread alive in the child.
        poller = client._processes.get().artifacts._poller
        assert eventually(lambda: not poller.running())

        def act():
            assert content(client.get_offers(offers())) == old
            assert artifacts_in_memory(old, new) == 1
            assert eventually(lambda: content(client.get_offers(offers())) == new)
            assert eventually(lambda: artifacts_in_memory(old, new) == 1)

        timer = threading.Timer(0.3, lambda: setattr(cdn, "reply", good(new, etag='"2"')))
        timer.start()
        assert in_a_child(act)
        timer.join()


def test_a_forked_child_polls_when_the_parents_poll_was_due(sources):
    location = "https://cdn.example/rules.json"
    parent = sources(artifact_location=location, polling_interval=300000)
    text = json.dumps(artifact()).encode()
    parent.current, parent._due = CurrentArtifact(load_artifact(text), '"1"'), time.monotonic() + 200
    child = sources(inherited=parent, artifact_location=location, polling_interval=300000)
    assert (shown(child), child.current.etag) == ("<b>A</b>", '"1"')
    assert 0 < child._initial_delay() <= 200
    parent._due = time.monotonic() - 1000
    late = sources(inherited=parent, artifact_location=location, polling_interval=300000)
    assert 0 < late._initial_delay() <= 1
    parent.current = parent.current._replace(stale=True)
    assert sources(inherited=parent, artifact_location=location)._initial_delay() == 0
