"""The command ``target-sdk edge``: its options, and the lines that it prints."""

import contextlib
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.__main__ import main
from target_python_sdk.commands.edge import event_line
from target_python_sdk.commands.output import Styled
from target_python_sdk.local_edge.feed import FeedEvent

ORIGIN = "http://localhost:3000"


class RunningEdge:
    """The command in a separate process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._errors = process.stderr
        self.address = process.stdout.readline().strip()

    def get(self, path: str, **headers: str) -> Tuple[int, Dict[str, str]]:
        """Return the status and the headers of an answer."""
        request = urllib.request.Request(self.address + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, dict(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers)

    def next_line(self) -> str:
        """Return the next line of the log, without its time and duration."""
        found = re.fullmatch(r"(?:\d\d:\d\d:\d\d  )?(.+?)\n", self._errors.readline())
        assert found is not None
        return re.sub(r" [\d.]+ ms\b *", " | ", found[1]).strip()


@contextlib.contextmanager
def run_edge(root: Path, *arguments: object) -> Iterator[RunningEdge]:
    """Run the command until the block ends."""
    command = [sys.executable, "-W", "error", "-m", "target_python_sdk", "edge", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    process = subprocess.Popen(
        command, cwd=str(root), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield RunningEdge(process)
        finally:
            process.kill()


@pytest.mark.server
def test_origins_and_a_failure_can_be_set_by_options(root: Path) -> None:
    options = ["--origin", ORIGIN, "--origin", "https://shop.example", "--fail", "503", "--delay", "20"]
    with run_edge(root, *options) as edge:
        status, headers = edge.get("/v1/geo?email=a@b.c", Origin=ORIGIN)
        assert (status, headers["Access-Control-Allow-Origin"]) == (503, ORIGIN)
        assert edge.get("/")[0] == 200
        assert edge.next_line() == "GET /v1/geo 503 |"
        assert edge.get("/v1/geo", Origin="https://evil.example")[0] == 403
        assert edge.next_line().startswith(
            "GET /v1/geo 403 | foreign origin 'https://evil.example': name it with --origin"
        )


@pytest.mark.server
def test_reloads_and_problems_are_printed(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    activities: Dict[str, Any] = {"activities": [{"id": 1, "locations": ["m"], "experiences": [{}]}]}
    path.write_text(json.dumps(activities))
    with run_edge(root, path) as edge:
        activities["activities"][0]["experiences"][0]["share"] = 101
        path.write_text(json.dumps(activities))
        place = "activities[0].experiences[0].share"
        problem = f"{path}: {place}: expected a number between 0 and 100, got 101"
        assert edge.next_line() == f"{problem}; the previous activities stay in use"
        activities["activities"][0]["experiences"][0]["share"] = 100
        path.write_text(json.dumps(activities))
        assert edge.next_line() == f"reloaded {path}"


@pytest.mark.server
def test_a_quiet_edge_prints_only_warnings(root: Path) -> None:
    with run_edge(root, "--quiet") as edge:
        assert edge.get("/v1/geo")[0] == 200
        assert edge.get("/another/production/v1/rules.json")[0] == 200
        assert edge.next_line().startswith(
            "a client has the code 'another', but the edge buckets visitors for 'acmeclient'"
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fail", "200"], "argument --fail: expected a status from 400 to 599, got '200'"),
        (["--fail", "x"], "argument --fail: expected a status from 400 to 599, got 'x'"),
        (["--delay", "-1"], "argument --delay: expected milliseconds from 0 to 600000, got '-1'"),
        (["--delay", "1s"], "argument --delay: expected milliseconds from 0 to 600000, got '1s'"),
        (["--origin", "shop"], "error: origins[0]: expected an origin such as 'http://localhost:3000', got 'shop'"),
    ],
)
def test_invalid_options_are_errors(
    arguments: List[str], message: str, capsys: "pytest.CaptureFixture[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    code: Optional[int] = None
    try:
        code = main(["edge", *arguments])
    except SystemExit as exit_error:
        code = exit_error.code if isinstance(exit_error.code, int) else None
    assert code == 2
    assert message in capsys.readouterr().err


def text_of(event: str, **data: Any) -> str:
    return "".join(part.text if isinstance(part, Styled) else part for part in event_line(FeedEvent(1, event, data)))


def test_a_line_has_the_decisions_and_no_personal_data() -> None:
    decisions: List[Dict[str, Any]] = [{"location": f"m{number}", "experience": "A"} for number in range(7)]
    decisions[0].update(experience=None, reason=None)
    line = text_of(
        "request", method="POST", path="/p", status=200, milliseconds=1.5, visitor="visitor-1", decisions=decisions
    )
    assert line == "POST /p 200 1.5 ms  m0: no offer, m1: A, m2: A, m3: A, m4: A, 2 more"
    rejected = {"method": "POST", "path": "/p" * 100, "status": 400, "milliseconds": 1.0, "problem": "got 'a@b.c'"}
    assert text_of("request", **rejected) == f"POST {'/p' * 50} 400 1 ms  "


def test_a_line_has_the_reasons_for_no_offer_and_the_reports_of_the_client() -> None:
    decisions = [{"location": "m", "experience": None, "reason": "audience not met"}]
    events = [{"experience": "A"}, {"experience": "A"}, {"experience": "B"}]
    notifications = [
        {"type": "display", "location": "m", "events": events},
        {"type": "click", "location": "m", "events": []},
    ]
    request = {"method": "POST", "path": "/p", "status": 200, "milliseconds": 1.0}
    assert text_of("request", **request, decisions=decisions, notifications=notifications, telemetry=2) == (
        "POST /p 200 1 ms  m: no offer (audience not met), m: display of A, B, m: click without a token, telemetry: 2"
    )
    assert text_of("request", **request, decisions=[], notifications=[], telemetry=0) == "POST /p 200 1 ms  "


@pytest.mark.server
def test_requests_are_printed_with_their_reports(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    metrics = [{"type": "click"}]
    activity = {"id": 1, "locations": ["hero"], "metrics": metrics, "experiences": [{"offer": {"html": "a"}}]}
    path.write_text(json.dumps({"activities": [activity]}))
    with run_edge(root, path) as edge, TargetClient.create(
        {
            "client": "acmeclient",
            "organization_id": "1234567890@AdobeOrg",
            "server_domain": edge.address.partition("//")[2],
            "secure": False,
            "telemetry_enabled": False,
        }
    ) as client:
        offer = client.get_offers(request={"prefetch": {"mboxes": [{"name": "hero"}, {"name": "herro"}]}}).offer("hero")
        reason = "no activity has this location; did you mean 'hero'?"
        assert edge.next_line() == f"A client requested the mbox 'herro': {reason}"
        unknown = f"herro: no offer ({reason})"
        assert edge.next_line() == f"POST /rest/v1/delivery 200 | hero: A, {unknown}"
        client.send_notifications(request={"notifications": [offer.display(), offer.click()]})
        assert edge.next_line().endswith(" | hero: display of A, hero: click of A")


@pytest.mark.parametrize("event", ["notification", "warning", "reload_error"])
def test_other_events_have_no_line(event: str) -> None:
    assert text_of(event, visitor="visitor-1", problem="p") == ""
