"""Calls interrupted by soft time limits: exceptions that a signal handler raises in the main thread (T17, T18)."""

import json
import subprocess
import sys

import pytest

from target_python_sdk.testing import SocketServer, answer
from tests.reliability.conftest import scaled
from tests.support import ANSWER_BYTES

pytestmark = [pytest.mark.server, pytest.mark.slow]


def run_interrupted_calls(*arguments):
    """Run ``interrupted_calls`` and return its report."""
    command = [sys.executable, "-m", "tests.client.interrupted_calls", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, timeout=200, check=False, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("interrupts", scaled(10000, 2000))
def test_after_thousands_of_signals_no_call_hangs_and_no_exception_is_changed(interrupts, scheme, authority):
    tls = authority.server_context() if scheme == "https" else None
    with SocketServer(answer(ANSWER_BYTES), tls=tls) as server:
        domain = server.domain if tls is None else f"localhost:{server.port}"
        report = run_interrupted_calls(domain, interrupts, *([authority.ca_file] if tls else []))
    # A call that hung would end after ten seconds with DeadlineExceeded, and be reported as unexpected.
    assert report["unexpected"] == []
    assert report["interrupted"] == interrupts
    assert report["completed"] > 0
