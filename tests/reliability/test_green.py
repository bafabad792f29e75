"""gevent and eventlet, which patch sockets, locks and threads before or after the import of the SDK (T20)."""

import importlib.util
import json
import subprocess
import sys

import pytest

from target_python_sdk.testing import SocketServer, answer
from tests.client.conftest import Authority
from tests.reliability.conftest import scaled
from tests.support import ANSWER_BYTES, installing

pytestmark = [pytest.mark.server, pytest.mark.slow]

LIBRARIES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            importlib.util.find_spec(name) is None, reason="{} is not installed: {}".format(name, installing("test"))
        ),
    )
    for name in ("gevent", "eventlet")
]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("green"))


def hang(connection):
    connection.read_request()
    connection.hang()


# Patching after the import is a separate case, because urllib3 keeps the class of TLS contexts that it has imported.
@pytest.mark.parametrize(
    ("when", "scheme"),
    [("before", "http"), ("before", "https"), ("after", "http"), ("after", "https")],
)
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("count", scaled(1000, 200))
def test_t20_calls_of_greenlets_do_not_block_the_event_loop(library, when, scheme, count, authority, figure):  # noqa: PLR0917
    tls = authority.server_context() if scheme == "https" else None
    with SocketServer(answer(ANSWER_BYTES), tls=tls) as server, SocketServer(hang) as hung:
        domain = server.domain if tls is None else f"localhost:{server.port}"
        command = [sys.executable, "-m", "tests.reliability.greenlets", library, when, domain, hung.domain, str(count)]
        command += [authority.ca_file] if tls else []
        done = subprocess.run(command, capture_output=True, timeout=120, check=False, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "LoopExit" not in done.stderr
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    assert seen["unexpected"] == []
    assert seen["timeouts"] == 30
    assert seen["answered"] == count + 402
    assert seen["called_back"] == count + 152
    assert seen["threads"] <= 32
    assert seen["closed"]
    blocked = max(seen["longest"], seen["longest_with_callback"], seen["longest_hung"])
    figure(f"{library}, patched {when} import, {scheme}: loop blocked, ms", blocked, "20 at most")
    # A wait that blocks the loop would take seconds, until the call to the hanging server times out.
    assert blocked < 500
