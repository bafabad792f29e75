"""The edge and the CDN of the mixed soak. Answers name their visitor, and the artifact changes every second.

Some requests, chosen at random, get a fault. A request with the fault ``reset``, ``closed``, ``500`` or ``503`` is not
processed. All others are.
"""

import collections
import json
import random
import threading
import time

from target_python_sdk.local_edge.activities import parse_activities
from target_python_sdk.local_edge.artifact_builder import build_artifact
from target_python_sdk.testing import SocketServer, response
from tests.support import body_of, head_of

#: The faults of the edge and of the CDN, with their weights.
EDGE_FAULTS = {"reset": 3, "closed": 3, "500": 2, "503": 4, "slow": 5, "truncated": 3, "not JSON": 1, "silent": 1}
CDN_FAULTS = {"reset": 1, "closed": 1, "503": 1, "slow": 1, "truncated": 1, "not JSON": 1}
#: Shares of requests with a fault.
EDGE_SHARE, CDN_SHARE = 0.03, 0.05

LOCAL_MBOXES = ("local-a", "local-b")
_VERSION = "987654321"


def _artifact_text():
    """Return an artifact as JSON, with ``_VERSION`` in place of its version."""
    shown = [(name, {"html": f"{_VERSION} for ${{mbox.visitor}}"}) for name in LOCAL_MBOXES]
    shown.append(("settings", {"json": {"version": int(_VERSION)}}))
    activities = [
        {"id": number, "name": name, "locations": [name], "experiences": [{"name": "A", "offer": offer}]}
        for number, (name, offer) in enumerate(shown, 1)
    ]
    return json.dumps(build_artifact(parse_activities({"client": "acmeclient", "activities": activities})))


class FaultySocketServer:
    """Serves requests, some of them with a random fault. ``faults`` counts the faults by name."""

    def __init__(self, faults, share, seed):
        self.faults = collections.Counter()
        self.requests = 0
        self._names, self._weights, self._share = list(faults), list(faults.values()), share
        self._random = random.Random(seed)
        self.lock = threading.Lock()
        self.server = SocketServer(self._serve)

    def _serve(self, connection):
        connection._record = lambda raw: None  # records would grow with the number of requests
        while raw := connection.read_request():
            with self.lock:
                self.requests += 1
                fault = None
                if self._random.random() < self._share:
                    fault = self._random.choices(self._names, self._weights)[0]
                    self.faults[fault] += 1
            if not self._reply(connection, raw, fault):
                return

    def _reply(self, connection, raw, fault):
        """Reply, and return whether the connection stays open."""
        if fault == "reset":
            connection.reset()
        elif fault in ("500", "503"):
            connection.send(response(b"<h1>failed</h1>", int(fault)))
            return True
        elif fault != "closed":
            message = self.process(raw)
            if fault == "slow":
                connection.wait(0.3)
            if fault == "silent":
                connection.wait_for_close(30)
            elif fault == "truncated":
                connection.send(message[: len(message) - len(message.partition(b"\r\n\r\n")[2]) // 2 - 1])
            elif fault == "not JSON":
                connection.send(response(b"<html>It works!</html>"))
            else:
                connection.send(message)
                return True
        return False

    def process(self, raw):
        raise NotImplementedError

    def forget_finished_threads(self):
        """Delete the server's records of ended threads, which would grow with the number of connections."""
        threads = self.server._threads
        threads[:] = [thread for thread in threads if thread.is_alive()]


class Edge(FaultySocketServer):
    """Answers each visitor with the visitor's id, and records the notifications that it processed."""

    def __init__(self, seed):
        super().__init__(EDGE_FAULTS, EDGE_SHARE, seed)
        self.processed = collections.Counter()
        self._ids = collections.defaultdict(set)

    def process(self, raw):
        request = body_of(raw)
        visitor = request.get("id", {}).get("tntId")  # None in a request for the location hint
        with self.lock:
            for notification in request.get("notifications", ()):
                self.processed[notification["id"]] += 1
                self._ids[visitor, notification["mbox"]["name"]].add(notification["id"])
        answer = {
            "status": 200,
            "requestId": request["requestId"],
            "client": "acmeclient",
            "id": {"tntId": visitor},
            "edgeHost": "mboxedge35.tt.omtrdc.net",
        }
        if "execute" in request:
            mboxes = request["execute"]["mboxes"]
            answer["execute"] = {"mboxes": [self._mbox(mbox, visitor) for mbox in mboxes]}
        return response(json.dumps(answer))

    @staticmethod
    def _mbox(mbox, visitor):
        option = {"type": "html", "content": f"edge for {visitor}"}
        if mbox["name"] == "settings":
            option = {"type": "json", "content": {"visitor": visitor}}
        return {"index": mbox["index"], "name": mbox["name"], "options": [option]}

    def notifications(self):
        """Return the number of reported events, and how many were reported or processed more than once."""
        with self.lock:
            twice = sum(times > 1 for times in self.processed.values())
            return len(self._ids), twice + sum(len(ids) > 1 for ids in self._ids.values())


class Cdn(FaultySocketServer):
    """Serves a new artifact each second."""

    def __init__(self, seed):
        super().__init__(CDN_FAULTS, CDN_SHARE, seed)
        self._text = _artifact_text()
        self._began = time.monotonic()

    @property
    def version(self):
        return int(time.monotonic() - self._began)

    def process(self, raw):
        version = self.version
        etag = f'"{version}"'
        if head_of(raw).get("if-none-match") == etag:
            return response(b"", 304, {"ETag": etag})
        return response(self._text.replace(_VERSION, str(version)), headers={"ETag": etag})
