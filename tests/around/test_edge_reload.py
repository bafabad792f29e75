"""Reloading the file of the local edge, simulated faults, and warnings about client codes."""

import contextlib
import http.client
import json
import os
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.errors import HttpStatusError
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.local_edge.reload import FileReloader
from target_tools.errors import OptionError
from tests.around.edge_http import ask
from tests.support import replace_file

DELIVERY = "/rest/v1/delivery?imsOrgId=o&sessionId=s"
ARTIFACT = "/acmeclient/production/v1/rules.json"


def document(html: str, **more: Any) -> str:
    """Return an activities file whose only experience shows ``html``. ``more`` adds keys to the experience."""
    experiences = [{"offer": {"html": html}, **more}]
    return json.dumps({"activities": [{"id": 1, "locations": ["m"], "experiences": experiences}]})


def offer(edge: LocalEdge, query: str = "") -> Optional[str]:
    """Return the content of the offer of the mbox ``m``, or None."""
    body = {"context": {"channel": "web"}, "execute": {"mboxes": [{"index": 0, "name": "m"}]}}
    answer = ask(edge, "POST", DELIVERY + query, body)
    assert answer.status == 200
    options = answer.json()["execute"]["mboxes"][0].get("options")
    return options[0]["content"] if options else None


def wait_for_event(edge: LocalEdge, kind: str, after: int = 0) -> Dict[str, Any]:
    """Wait for an event of this kind, and return its data without the time."""
    for _ in range(100):
        for event in edge.feed.wait(after, 60):
            after = event.number
            if event.type == kind:
                return {name: value for name, value in event.data.items() if name != "time"}
    raise AssertionError(f"no event {kind!r}")


class WatchedFile:
    """A file with a ``FileReloader``, whose clock advances only in ``check``."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.loaded, self.reports = path, [], []  # type: Path, List[str], List[Optional[str]]
        self.now = 1000.0
        monkeypatch.setattr("target_python_sdk.local_edge.reload.monotonic", lambda: self.now)
        path.write_text("0")
        self.reloader = FileReloader(path, self.load, self.reports.append)

    def load(self) -> None:
        text = self.path.read_text() if self.path.exists() else "missing"
        if not text.isdigit():
            raise OptionError(f"not a number: {text}")
        self.loaded.append(text)

    def check(self, seconds: float = 0.0) -> None:
        self.now += seconds
        self.reloader.check()


@pytest.fixture()
def watched_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WatchedFile:
    return WatchedFile(tmp_path / "file", monkeypatch)


WRITERS: List[Callable[[Path, str], Any]] = [Path.write_text, replace_file]


@pytest.mark.parametrize("write", WRITERS)
def test_a_changed_file_is_loaded_once(watched_file: WatchedFile, write: Callable[[Path, str], Any]) -> None:
    watched_file.check()
    write(watched_file.path, "11")
    for _ in range(3):
        watched_file.check(1)
    assert (watched_file.loaded, watched_file.reports) == (["11"], [None])


def test_a_change_with_the_same_size_and_time_is_loaded(watched_file: WatchedFile) -> None:
    status = watched_file.path.stat()
    watched_file.path.write_text("1")
    os.utime(str(watched_file.path), ns=(status.st_atime_ns, status.st_mtime_ns))
    watched_file.check(1)
    assert watched_file.loaded == ["1"]


def test_an_old_file_is_not_read_again(watched_file: WatchedFile, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(str(watched_file.path), (1e9, 1e9))
    watched_file.check(1)
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("the file was read"))
    watched_file.check(1)
    assert watched_file.loaded == []


def test_a_touched_file_is_not_loaded(watched_file: WatchedFile) -> None:
    os.utime(str(watched_file.path), (1e9, 1e9))
    watched_file.check(1)
    assert (watched_file.loaded, watched_file.reports) == ([], [])


def test_a_half_written_file_is_not_reported(watched_file: WatchedFile) -> None:
    watched_file.path.write_text("1,")
    watched_file.check()
    watched_file.path.unlink()
    watched_file.check(0.2)
    watched_file.path.write_text("12")
    watched_file.check(0.2)
    watched_file.check(9)
    assert (watched_file.loaded, watched_file.reports) == (["12"], [None])


def test_a_lasting_problem_is_reported_once(watched_file: WatchedFile) -> None:
    watched_file.path.write_text("x")
    for _ in range(5):
        watched_file.check(0.2)
    assert watched_file.reports == ["not a number: x"]
    watched_file.path.unlink()
    for _ in range(5):
        watched_file.check(0.2)
    assert watched_file.reports == ["not a number: x", "not a number: missing"]
    watched_file.path.write_text("0")  # the content that is in use
    watched_file.check(1)
    assert (watched_file.loaded, watched_file.reports[2:]) == (["0"], [None])


def test_an_unexpected_exception_is_reported(watched_file: WatchedFile, caplog: pytest.LogCaptureFixture) -> None:
    reloader = FileReloader(watched_file.path, lambda: 1 // 0 and None, watched_file.reports.append)
    watched_file.path.write_text("1")
    reloader.check()
    watched_file.now += 1
    reloader.check()
    assert watched_file.reports == [f"{watched_file.path}: unexpected error; see the log"]
    assert "ZeroDivisionError" in caplog.text


def test_other_threads_do_not_wait_for_a_check(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("0")
    checked: List[bool] = []

    def load() -> None:
        other = threading.Thread(target=lambda: checked.append(reloader.check() is None))
        other.start()
        other.join(60)

    reloader = FileReloader(path, load, lambda _: None)
    path.write_text("1x")
    reloader.check()
    assert checked == [True]


@pytest.mark.server
@pytest.mark.parametrize("write", WRITERS)
def test_the_next_request_gets_the_changed_activities(tmp_path: Path, write: Callable[[Path, str], Any]) -> None:
    path = tmp_path / "mine.json"
    path.write_text(document("one"))
    with LocalEdge(path, reload=True) as edge:
        assert offer(edge) == "one"
        etag = ask(edge, "GET", ARTIFACT).headers["etag"]
        assert ask(edge, "GET", ARTIFACT, headers={"If-None-Match": etag}).status == 304
        write(path, document("another"))
        assert offer(edge) == "another"
        status, headers, _ = ask(edge, "GET", ARTIFACT, headers={"If-None-Match": etag})
        assert (status, headers["etag"] == etag) == (200, False)
        event = wait_for_event(edge, "reload")
        assert event == {"path": str(path), "summary": ["1 Activity 1: m (A 0 to 100)"]}


@pytest.mark.server
def test_the_edge_notices_changes_without_a_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "mine.json"
    path.write_text(document("one"))
    with LocalEdge(str(path), reload=True) as edge:
        path.write_text(document("two", share=101))
        problem = f"{path}: activities[0].experiences[0].share: expected a number between 0 and 100, got 101"
        assert wait_for_event(edge, "reload_error") == {"path": str(path), "problem": problem}
        assert edge.reload_error == problem
        assert f"{problem}; the previous activities stay in use" in caplog.text
        assert offer(edge) == "one"
        path.write_text(document("three"))
        wait_for_event(edge, "reload")
        assert edge.reload_error is None
        assert offer(edge) == "three"


@pytest.mark.server
def test_a_rule_artifact_is_reloaded(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    with LocalEdge(json.loads(document("one"))) as first:
        path.write_text(json.dumps(first.rules))
    with LocalEdge(path, reload=True) as edge:
        assert offer(edge) == "one"
        path.write_text(json.dumps(LocalEdge(json.loads(document("another"))).rules))
        assert offer(edge) == "another"
        (tmp_path / "other.json").write_text(document("other"))
        edge.load(tmp_path / "other.json")
        path.unlink()
        assert offer(edge) == "other"
        (tmp_path / "other.json").write_text(document("changed"))
        assert offer(edge) == "changed"


@pytest.mark.server
def test_a_file_is_reloaded_only_with_the_option_reload(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(document("one"))
    with LocalEdge(path) as edge:
        path.write_text(document("another"))
        assert offer(edge) == "one"
        edge.load(path)
        assert offer(edge) == "another"
    with pytest.raises(OptionError, match="No such file"):
        LocalEdge(tmp_path / "missing.json", reload=True)
    LocalEdge(reload=True)  # without a file, there is nothing to reload


@pytest.mark.server
def test_fail_sets_the_status_of_replies_to_clients() -> None:
    with LocalEdge() as edge:
        options = {"client": "acmeclient", "organization_id": "1234567890@AdobeOrg", "secure": False, "retries": 1}
        with TargetClient.create({**options, "server_domain": edge.domain}, telemetry_enabled=False) as client:
            call: Dict[str, Any] = {"request": {"execute": {"mboxes": [{"name": "m"}]}}}
            with edge.fail(503):
                with edge.fail(404), pytest.raises(HttpStatusError) as caught:
                    client.get_offers(call)
                assert caught.value.status == 404
                assert ask(edge, "GET", ARTIFACT).status == 503
                assert ask(edge, "GET", "/notifications").status == 200
            client.get_offers(call)
            edge.fail(500)
            assert ask(edge, "GET", "/v1/geo").status == 500
            edge.fail(None)
            assert ask(edge, "GET", "/v1/geo").status == 200
        assert [event.data["status"] for event in edge.feed.wait(0, 0)] == [404, 503, 200, 500, 200]
        assert len(edge.requests) == 5


@pytest.mark.server
def test_slow_delays_replies() -> None:
    with LocalEdge() as edge:
        with edge.slow(300):
            started = time.monotonic()
            ask(edge, "GET", "/v1/geo")
            assert time.monotonic() - started >= 0.3
        (event,) = edge.feed.wait(0, 0)
        assert event.data["milliseconds"] >= 300
        with edge.slow(600_000):
            pass
        assert ask(edge, "GET", "/v1/geo").status == 200  # a delay of ten minutes would exceed the timeout of ask()


@pytest.mark.server
def test_stop_ends_a_delay() -> None:
    edge = LocalEdge().start()
    edge.slow(600_000)
    with contextlib.ExitStack() as stack:
        connection = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=60)
        stack.callback(connection.close)
        connection.request("GET", "/v1/geo")
        while not edge.requests:
            time.sleep(0.01)
        edge.stop()
        with contextlib.suppress(ConnectionError, http.client.HTTPException):  # a timeout fails the test
            connection.getresponse().read()
    edge.slow(0)
    with edge:
        assert ask(edge, "GET", "/v1/geo").status == 200


@pytest.mark.parametrize("delay", [-1, 600_001, "1", None, True, float("nan")])
def test_an_invalid_delay_is_an_error(delay: Any) -> None:
    with pytest.raises(OptionError, match=r"^delay: expected a number between 0 and 600000, got "):
        LocalEdge().slow(delay)


@pytest.mark.parametrize("status", [200, 399, 600, "500", True, 500.0])
def test_an_invalid_status_is_an_error(status: Any) -> None:
    with pytest.raises(OptionError, match=r"^fail: expected a status from 400 to 599, or None, got "):
        LocalEdge().fail(status)


@pytest.mark.server
def test_a_client_with_another_code_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    with LocalEdge() as edge:
        for _ in range(2):
            ask(edge, "GET", "/another/production/v1/rules.json")
            offer(edge, "&client=another")
        offer(edge, "&client=third")
        warnings = [event.data["problem"] for event in edge.feed.wait(0, 0) if event.type == "warning"]
    assert [text.split(",")[0] for text in warnings] == [
        "a client has the code 'another'",
        "a client has the code 'third'",
    ]
    assert caplog.text.count("the edge buckets visitors for 'acmeclient'") == 2


@pytest.mark.server
def test_the_same_client_code_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    with LocalEdge(client="an other") as edge:
        ask(edge, "GET", "/an%20other/production/v1/rules.json")
        offer(edge, "&client=an%20other")
        offer(edge, "&client=")
        offer(edge)
    assert "the code" not in caplog.text


@pytest.mark.server
def test_reported_client_codes_are_limited(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("target_python_sdk.local_edge.client_codes.MAX_CODES", 2)
    with LocalEdge() as edge:
        for number in range(4):
            offer(edge, f"&client=c{number}")
    assert caplog.text.count("the edge buckets visitors") == 2
