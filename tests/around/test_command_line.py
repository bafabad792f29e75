"""``python -m target_python_sdk``: its output, the edge that it serves, and its exit codes. Also the sample scripts."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Iterator, List

import pytest

from target_python_sdk.__main__ import main
from target_python_sdk.artifact.format import obfuscate
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.local_edge.demo import run_demo

pytestmark = pytest.mark.server

COMMAND = [sys.executable, "-W", "error", "-m", "target_python_sdk"]


def environment(root: Path) -> "dict[str, str]":
    """Return the environment variables, with the checkout as ``PYTHONPATH``."""
    return {**os.environ, "PYTHONPATH": str(root)}


def run(root: Path, *command: object) -> "subprocess.CompletedProcess[str]":
    """Run the command, and return its output and exit code."""
    words = [str(word) for word in command]
    return subprocess.run(
        words, cwd=str(root), env=environment(root), capture_output=True, text=True, check=False, timeout=60
    )


@contextlib.contextmanager
def serving(root: Path, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
    """Run the edge command until the block ends."""
    process = subprocess.Popen(
        COMMAND + ["edge"] + [str(argument) for argument in arguments],
        cwd=str(root), env=environment(root), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signal for a graceful stop")
@pytest.mark.parametrize(
    "signals",
    [[signal.SIGTERM], [signal.SIGINT], [signal.SIGINT, signal.SIGTERM], [signal.SIGTERM, signal.SIGINT]],
)
def test_signals_end_the_edge(root: Path, tmp_path: Path, signals: "List[signal.Signals]") -> None:
    activities = tmp_path / "mine.json"
    experiences = [{"offer": {"html": "mine"}}]
    activities.write_text(json.dumps({"activities": [{"id": 7, "locations": ["m"], "experiences": experiences}]}))
    with serving(root, "--port", 0, activities) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
        body = {"context": {"channel": "web"}, "execute": {"mboxes": [{"index": 0, "name": "m"}]}}
        request = urllib.request.Request(
            address + "/rest/v1/delivery?imsOrgId=o&sessionId=s", json.dumps(body).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.load(answer)["execute"]["mboxes"][0]["options"][0]["content"] == "mine"
        for number in signals:
            process.send_signal(number)
        assert process.wait(10) == 0
        assert process.stdout.read() == ""
        assert process.stderr is not None
        line = r"\d\d:\d\d:\d\d  POST /rest/v1/delivery 200 [\d.]+ ms  m: A\n"
        assert re.fullmatch(line, process.stderr.read())


def test_the_edge_command_serves_a_rule_artifact_unchanged(root: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    document = {"version": "1.0.0", "meta": {"clientCode": "mine"}, "rules": {"mboxes": {"m": []}, "views": {}}}
    rules.write_text(json.dumps(document))
    with serving(root, rules, "--organization-id", "ORG@AdobeOrg") as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with urllib.request.urlopen(address + "/mine/production/v1/rules.json", timeout=60) as answer:
            assert json.load(answer) == document
        with urllib.request.urlopen(address + "/mine/production/v1/rules.bin", timeout=60) as answer:
            obfuscated = answer.read()
    assert obfuscated == obfuscate(json.dumps(document, separators=(",", ":")).encode(), "ORG@AdobeOrg")


def test_the_client_code_can_be_set(root: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    document = {"version": "1.0.0", "meta": {"clientCode": "another"}, "rules": {"mboxes": {}, "views": {}}}
    rules.write_text(json.dumps(document))
    with serving(root, rules, "--client", "mine") as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with urllib.request.urlopen(address, timeout=60) as answer:
            assert b"edge for mine\n" in answer.read()
        with urllib.request.urlopen(address + "/mine/production/v1/rules.json", timeout=60) as answer:
            assert json.load(answer) == document


@pytest.mark.parametrize("argument", ["--client", "--organization-id"])
def test_an_empty_client_code_or_organization_is_an_error(root: Path, argument: str) -> None:
    done = run(root, *COMMAND, "edge", argument, "")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(f"error: argument {argument}: expected a value, got an empty string\n")


def test_a_port_in_use_is_a_one_line_error(root: Path) -> None:
    with LocalEdge() as edge:
        done = run(root, *COMMAND, "edge", "--port", edge.port)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: cannot listen on 127\.0\.0\.1:\d+: .+\n", done.stderr)


def test_an_invalid_file_is_a_one_line_error(root: Path, tmp_path: Path) -> None:
    activities = tmp_path / "mine.json"
    activities.write_text('{"activities": [{"id": 1, "locations": ["m"], "experiences": [{"share": 101}]}]}')
    done = run(root, *COMMAND, "edge", activities)
    assert (done.returncode, done.stdout) == (2, "")
    place = "activities[0].experiences[0].share"
    assert done.stderr == f"error: {activities}: {place}: expected a number between 0 and 100, got 101\n"


@pytest.mark.parametrize("arguments", [["edge", "--port", "70000"], ["edge", "--port", "x"], ["serve"]])
def test_invalid_arguments_are_errors(arguments: "list[str]", capsys: "pytest.CaptureFixture[str]") -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert exit_info.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_without_a_command_the_help_is_printed(capsys: "pytest.CaptureFixture[str]") -> None:
    assert main([]) == 2
    assert "demo" in capsys.readouterr().err


#: Parts of the output that differ from run to run.
MASKS = [
    (r"127\.0\.0\.1:\d+", "HOST"),
    (r"session#[0-9a-f-]{36}#\d{10}\|PC#(\S+)#\d{10}", r"session#ID#TIME|PC#\1#TIME"),
    (r"6324480\d s", "TWO YEARS"),
    (r"\b\d{13}\b|\d+\.\d{3} ms$", "TIME"),
]
EXPECTED = """\
A Target edge on this machine: http://HOST
The client has emitted client_ready.

get_offers, three blocking calls: execute a1-serverside-ab
   visitor     location           experience   reason
   visitor-2   a1-serverside-ab   A            bucket 31.14 falls in A (0 to 50)
   visitor-3   a1-serverside-ab   B            bucket 84.27 falls in B (50 to 100)
   visitor-5   a1-serverside-ab   A            bucket 20.89 falls in A (0 to 50)
   TCP connections: 1

get_offers, three calls with a callback: prefetch product-recommendations and view checkout
   visitor     location                  experience     reason
   visitor-2   product-recommendations   Bestsellers    bucket 37.55 falls in Bestsellers (0 to 50)
   visitor-2   checkout                  Blue           bucket 89.78 falls in Blue (50 to 100)
   visitor-3   product-recommendations   New arrivals   bucket 75.39 falls in New arrivals (50 to 80)
   visitor-3   checkout                  Green          bucket 14.46 falls in Green (0 to 50)
   visitor-5   product-recommendations   -              bucket 94.03 is in no share (Bestsellers 0 to 50, New arrivals 50 to 80)
   visitor-5   checkout                  Blue           bucket 79.22 falls in Blue (50 to 100)
   callbacks that ran: 3

cookies to set for visitor-2
   cookie            max age      value
   mbox              TWO YEARS   session#ID#TIME|PC#visitor-2.35_0#TIME
   mboxEdgeCluster   1860 s       35

get_attributes_async, awaited: demo-engineering-flags
   cdnHostname        'cdn.cloud.corp.net'
   searchProviderId   143
   hasLegacyAccess    False

send_notifications: received by the edge
   type      mbox                      at (ms since 1970)
   display   product-recommendations   TIME
   click     product-recommendations   TIME

The edge answered 8 requests; calls: 8, failures: 0.

visitor-3 with each decisioning method
   decisioning_method   location           experience      decided       median of 21 calls
   server-side          a1-serverside-ab   B               by the edge   TIME
   on-device            a1-serverside-ab   B               on-device     TIME
   hybrid               a1-serverside-ab   B               on-device     TIME
   hybrid               loyalty-offer      Free delivery   by the edge   TIME
"""  # noqa: E501 - exact output


def test_the_demo_prints_offers_and_reasons(root: Path) -> None:
    done = run(root, *COMMAND, "demo")
    output = done.stdout
    for pattern, mask in MASKS:
        output = re.sub(pattern, mask, output, flags=re.MULTILINE)
    assert (output, done.stderr, done.returncode) == (EXPECTED, "", 0)
    assert output.isascii()


def test_the_demo_fits_on_a_screen(root: Path) -> None:
    assert len(run(root, *COMMAND, "demo").stdout.splitlines()) <= 45


def test_a_failing_demo_prints_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: "pytest.CaptureFixture[str]"
) -> None:
    with socket.socket() as closed_port:
        closed_port.bind(("127.0.0.1", 0))
        unused = f"127.0.0.1:{closed_port.getsockname()[1]}"
        monkeypatch.setattr(LocalEdge, "domain", unused)
        assert run_demo() == 1
    assert capsys.readouterr().err.startswith("error: the demo failed: ")


@pytest.mark.parametrize("name", ["server_side.py", "three_ways.py", "on_device.py"])
def test_a_sample_runs_without_arguments(root: Path, name: str) -> None:
    done = run(root, sys.executable, f"samples/{name}")
    assert (done.returncode, done.stderr) == (0, "")
    assert " from experience " in done.stdout


def test_the_server_side_sample_shows_offers_of_one_session(root: Path) -> None:
    with LocalEdge() as edge:
        done = run(root, sys.executable, "samples/server_side.py", edge.domain)
        first, second = edge.requests
    assert (done.returncode, done.stderr) == (0, "")
    assert "asset: http://cdn.cloud.corp.net/path/to/asset\nsearch provider: 143\n" in done.stdout
    assert re.search(r"^a1-serverside-ab: <div>.* from experience [AB]</div>$", done.stdout, re.M)
    assert first.query["sessionId"] == second.query["sessionId"]


def test_blocking_callback_and_awaited_calls_of_the_sample_show_the_same_offer(root: Path) -> None:
    with LocalEdge() as edge:
        done = run(root, sys.executable, "samples/three_ways.py", edge.domain)
    assert (done.returncode, done.stderr) == (0, "")
    output = [line.split(": ", 1) for line in done.stdout.splitlines()]
    assert [call for call, _ in output] == ["blocking", "callback", "awaited"]
    assert len({offer for _, offer in output}) == 1


def test_the_on_device_sample_shows_local_and_remote_offers(root: Path) -> None:
    with LocalEdge() as edge:
        done = run(root, sys.executable, "samples/on_device.py", edge.domain)
        notified = [notification["mbox"]["name"] for notification in edge.notifications]
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "on-device: decided on-device, remote: ['loyalty-offer']",
        "  a1-serverside-ab: <div>Greetings from experience B</div>",
        "hybrid: decided server-side, remote: []",
        "  a1-serverside-ab: <div>Greetings from experience B</div>",
        "  loyalty-offer: <div>We pay the postage</div>",
    ]
    assert notified == ["a1-serverside-ab"]
