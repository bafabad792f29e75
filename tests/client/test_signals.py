"""A soft time limit is an exception that a signal handler raises anywhere in the main thread (T17, T18)."""

import json
import subprocess
import sys

import pytest

from target_python_sdk.testing import SocketServer, answer
from tests.reliability.conftest import scaled
from tests.support import ANSWER_BYTES

pytestmark = [pytest.mark.server, pytest.mark.slow]


def storm(*arguments):
    """What a process under a storm of signals saw."""
    command = [sys.executable, "-m", "tests.client.interrupted_calls", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, timeout=200, check=False, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("interrupts", scaled(10000, 3000))
def test_thousands_of_signals_leave_nothing_stuck_and_no_exception_changed(interrupts, scheme, authority):
    tls = authority.server_context() if scheme == "https" else None
    with SocketServer(answer(ANSWER_BYTES), tls=tls) as server:
        domain = server.domain if tls is None else f"localhost:{server.port}"
        seen = storm(domain, interrupts, *([authority.ca_file] if tls else []))
    # A call that is stuck ends after ten seconds with DeadlineExceeded, which no handler raised.
    assert seen["foreign"] == []
    assert seen["interrupted"] == interrupts
    assert seen["completed"] > 0
    assert seen["usable"]
