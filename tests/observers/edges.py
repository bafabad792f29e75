"""An edge without a network, and clients of it."""

import json
from unittest import mock

from target_python_sdk import TargetClient
from tests.conformance.builders import artifact, client_of, rule
from tests.support import ANSWER, LONG

ALWAYS = artifact(home=[rule("A")])


class Edge:
    """A pool manager that records each request, and answers it as ``reply`` says."""

    def __init__(self):
        self.sent = []
        #: The status of the answers, or a function that gets the body of a request and returns the answer.
        self.reply = 200

    def request(self, method, url, **options):
        self.sent.append(json.loads(options["body"]))
        reply = self.reply
        if callable(reply):
            return reply(self.sent[-1])
        return answer_of(reply)


def answer_of(status=200, body=ANSWER):
    return mock.Mock(status=status, reason="", headers={}, data=json.dumps(body).encode())


def server_side(edge, *observers, **options):
    """Return a client whose calls ``edge`` answers. The client sends no other requests."""
    known = {
        "client": "acmeclient",
        "organization_id": "1234567890@AdobeOrg",
        "timeout": LONG,
        "retries": 1,
        "telemetry_enabled": False,
    }
    return TargetClient.create({**known, "pool_manager": edge, "observers": observers, **options})


def on_device(edge, *observers, document=ALWAYS, **options):
    """Return a client that decides on-device with the artifact ``document``. ``edge`` answers its requests."""
    return client_of(document, pool_manager=edge, observers=observers, retries=1, telemetry_enabled=False, **options)
