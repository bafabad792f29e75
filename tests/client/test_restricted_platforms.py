"""On-device decisions without threads, sockets and ``ssl``, as in Pyodide."""

import json
import subprocess
import sys

import pytest

from target_python_sdk.local_edge import LocalEdge

#: Removes the parts of Python that Pyodide lacks, creates a client, and makes a call in each form.
PROGRAM = """
import _thread, json, os, socket, sys

def refuse_thread(*_, **__):
    raise RuntimeError("can't start new thread")

def refuse_socket(*_, **__):
    raise OSError("no sockets here")

program_input = json.load(sys.stdin)
if not program_input["ssl"]:
    sys.modules["ssl"] = sys.modules["_ssl"] = None
for name in ("start_new_thread", "start_new", "start_joinable_thread"):
    if hasattr(_thread, name):
        setattr(_thread, name, refuse_thread)
for module, name in ((os, "fork"), (os, "register_at_fork"), (_thread, "get_native_id")):
    if hasattr(module, name):
        delattr(module, name)
socket.socket.__init__ = socket.create_connection = socket.getaddrinfo = refuse_socket

import asyncio, time, types
from target_python_sdk import TargetClient
from target_python_sdk.errors import TargetError
from target_python_sdk.types import DeliveryRequest, ExecuteRequest, MboxRequest


class Loop(asyncio.BaseEventLoop):
    "An event loop without a socket."

    def __init__(self):
        super().__init__()
        self._selector = types.SimpleNamespace(select=lambda timeout: time.sleep(timeout or 0) or [])

    def _process_events(self, events):
        pass

    def _write_to_self(self):
        pass


def content_of(envelope):
    return envelope.response.execute.mboxes[0].options[0].content


events, received = [], []
options = {
    "client": "acmeclient",
    "organization_id": "1234567890@AdobeOrg",
    "decisioning_method": "on-device",
    "artifact_payload": program_input["rules"],
    "polling_interval": program_input["polling_interval"],
    "events": {"send_notification_error": events.append},
}
request = {"request": DeliveryRequest(execute=ExecuteRequest(mboxes=[MboxRequest(name="home")]))}
contents = []
with TargetClient.create(options) as client:
    contents.append(content_of(client.get_offers(request)))
    client.get_offers({**request, "callback": received.append}).get(20)
    contents += map(content_of, received)
    loop = Loop()
    contents.append(content_of(loop.run_until_complete(client.get_offers_async(request))))
    loop.close()
    contents.append(client.get_attributes(["page"]).get_value("page", "colour"))
    undelivered = client.stats()["undelivered"]
    errors = [isinstance(one["error"], TargetError) and bool(one["notification"].notifications) for one in events]
json.dump({"contents": contents, "errors": errors, "undelivered": undelivered}, sys.stdout)
"""

ACTIVITIES = [
    {"id": 1, "locations": ["home"], "experiences": [{"offer": {"html": "hello"}}]},
    {"id": 2, "locations": ["page"], "experiences": [{"offer": {"json": {"colour": "red"}}}]},
]


@pytest.mark.server
@pytest.mark.parametrize("polling_interval", [0, 300000])
@pytest.mark.parametrize("ssl", [pytest.param(True, id="ssl"), pytest.param(False, id="no ssl")])
def test_a_decision_is_returned_and_an_event_reports_its_failed_notification(polling_interval, ssl):
    with LocalEdge({"activities": ACTIVITIES}) as edge:
        program_input = {"ssl": ssl, "polling_interval": polling_interval, "rules": edge.rules}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(program_input),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout) == {"contents": ["hello"] * 3 + ["red"], "errors": [True] * 4, "undelivered": 4}
