"""Sub-interpreters: legacy ones, as mod_wsgi creates them, and isolated ones (T15)."""

import json
import time

import pytest

from target_python_sdk.testing import SocketServer, answer
from tests.reliability.conftest import interpreter, no_interpreter, python
from tests.support import ANSWER_BYTES

pytestmark = [pytest.mark.server, pytest.mark.slow]

#: Runs in the sub-interpreter. Prints a line of JSON.
INSIDE = """
import sys
sys.path[:] = {path!r}
import json, time
seen = {{}}
try:
    import _thread
    try:
        _thread.start_new_thread(int, ())
        seen["threads"] = "allowed"
    except RuntimeError:
        seen["threads"] = "refused"
    import http.client, ssl
except ImportError as error:
    seen["unsupported"] = repr(error)
else:
    from target_python_sdk import TargetClient
    from tests.support import content, offers
    options = dict(client="acmeclient", organization_id="1@AdobeOrg", server_domain={domain!r}, timeout=10000)
    client = TargetClient.create(dict(options, secure=False))
    received = []
    seen["sync"] = content(client.get_offers(offers()))
    seen["get"] = content(client.get_offers(dict(offers(), callback=received.append)).get(10))
    seen["callbacks"] = len(received)
    seen["workers"] = client.stats()["threads"]
    if {close}:
        seen["closed"] = client.close()
        while client.stats()["threads"]:
            time.sleep(0.001)
        time.sleep(0.05)
print(json.dumps(seen), flush=True)
"""

OUTSIDE = """
import sys
kind, text = sys.argv[1], sys.argv[2]
try:
    import _interpreters as interpreters
    created = interpreters.create(kind)
    run = interpreters.exec
except ImportError:
    import _xxsubinterpreters as interpreters
    created = interpreters.create(isolated=kind == "isolated")
    run = interpreters.run_string
error = run(created, text.replace("PATH", repr(sys.path)))
assert error is None, error
interpreters.destroy(created)
print("destroyed", flush=True)
"""


def calls_inside(version, kind, close, server):
    """Make calls in a sub-interpreter. Return their report and the completed process."""
    executable = interpreter(version)
    if executable is None:
        pytest.skip(no_interpreter(version))
    inside = INSIDE.replace("{path!r}", "PATH").replace("{domain!r}", repr(server.domain))
    inside = inside.replace("{close}", str(close)).replace("{{}}", "{}")
    done = python(OUTSIDE, kind, inside, executable=executable, options=())
    first = done.stdout.partition("\n")[0]
    assert first.startswith("{"), done.stderr[-3000:]
    seen = json.loads(first)
    if "unsupported" in seen:
        pytest.skip("{} {}: the standard library does not load there: {}".format(version, kind, seen["unsupported"]))
    return seen, done


@pytest.fixture
def server():
    with SocketServer(answer(ANSWER_BYTES)) as running:
        yield running


@pytest.mark.parametrize("kind", ["isolated", "legacy"])
@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_t15_calls_in_a_sub_interpreter_succeed(version, kind, server, figure):
    began = time.monotonic()
    seen, done = calls_inside(version, kind, True, server)
    figure("{} {}: threads {}, s".format(version, kind, seen["threads"]), time.monotonic() - began, "works")
    assert (seen["sync"], seen["get"], seen["callbacks"]) == ("<b>A</b>", "<b>A</b>", 1)
    assert seen["workers"] == (0 if seen["threads"] == "refused" else 1)
    assert seen["closed"]
    assert done.stdout.splitlines()[1:] == ["destroyed"], done.stderr[-3000:]


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_t15_a_sub_interpreter_ends_although_its_client_was_not_closed(version, server):
    _, done = calls_inside(version, "legacy", False, server)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Fatal" not in done.stderr
