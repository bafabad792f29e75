"""Soft time limits while the main thread waits, submits a call or creates a client (T17, T18)."""

import json
import re
import signal
import subprocess
import sys

import pytest

from target_python_sdk.testing import SocketServer, answer
from tests.reliability.conftest import ninth_decile, scaled
from tests.support import ANSWER_BYTES

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers"),
]


#: Python's importer discards its locks in the callback of a weak reference. Python prints and discards an exception in
#: such a callback. The test ignores a time limit that is lost in this way.
IGNORED_BY_IMPORTER = re.compile(
    r"Exception ignored in: <function _get_module_lock.*?SoftTimeLimitExceeded:? ?\n", re.DOTALL
)


#: Milliseconds. If a limit did not end the wait, it would take effect after the call's timeout of ten seconds.
DELAYED = 9000


def hang(connection):
    connection.read_request()
    connection.hang()


def program(name, **arguments):
    """Run a program of ``interrupted_waits`` and return its report."""
    command = [sys.executable, "-m", "tests.reliability.interrupted_waits", name, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, timeout=300, check=False, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    stderr = IGNORED_BY_IMPORTER.sub("", done.stderr)
    assert "Traceback" not in stderr, stderr[-4000:]
    return json.loads(done.stdout)


@pytest.fixture
def server():
    with SocketServer(answer(ANSWER_BYTES)) as running:
        yield running


@pytest.mark.parametrize("count", scaled(100, 100))
@pytest.mark.parametrize("kind", ["sync", "get", "flush"])
def test_t17_a_soft_limit_takes_effect_at_once_and_is_raised_unchanged(kind, count, server, figure):
    with SocketServer(hang) as hung:
        seen = program("soft_limits", hung=hung.domain, domain=server.domain, kind=kind, count=count)
    figure(f"{kind}: seen unchanged, of {count}", seen["unchanged"], count)
    figure(f"{kind}: slowest, ms after the signal", max(seen["waits"]), "50 at most")
    figure(f"{kind}: ninth decile, ms after the signal", ninth_decile(seen["waits"]), "50 at most")
    assert seen["unexpected"] == []
    assert seen["seen"] == seen["unchanged"] == seen["next_calls"] == count
    assert ninth_decile(seen["waits"]) < 1000
    assert max(seen["waits"]) < DELAYED
    assert seen["closed"]


@pytest.mark.parametrize("count", scaled(100, 100))
def test_t17_a_soft_limit_can_interrupt_create_at_any_moment(count, server, figure):
    seen = program("during_create", domain=server.domain, count=count)
    figure(f"create: seen unchanged, of {count}", seen["seen"], count)
    figure("create: slowest, ms after the signal", max(seen["waits"]), "50 at most")
    figure("create: ninth decile, ms after the signal", ninth_decile(seen["waits"]), "50 at most")
    assert seen["unexpected"] == []
    assert seen["seen"] == count
    assert seen["next_calls"]
    assert ninth_decile(seen["waits"]) < 1000


@pytest.mark.parametrize("workers", [1, 8])
@pytest.mark.parametrize("count", scaled(20000, 2000))
def test_t18_signals_while_calls_are_submitted_lose_no_result(count, workers, server, figure):
    seen = program("storm", domain=server.domain, count=count, workers=workers)
    figure(f"{workers} workers: results stuck after {count} interrupts", seen["stuck"], 0)
    figure(f"{workers} workers: exceptions changed", len(seen["unexpected"]), 0)
    figure(f"{workers} workers: threads", seen["threads"], f"{workers + 2} at most")
    assert seen["unexpected"] == []
    assert seen["interrupted"] == count
    assert seen["stuck"] == seen["failed"] == 0
    assert seen["flushed"]
    assert seen["closed"]
    assert seen["threads"] <= workers + 2
    assert seen["returned"] > 0
