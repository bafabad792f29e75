"""The local edge itself: activities, a server, and a memory of what was asked."""

import collections
import threading
from types import TracebackType
from typing import Any, Deque, Dict, List, Optional, Type

from target_python_sdk.local_edge.activities import Activities, ActivitiesSource, read_activities
from target_python_sdk.local_edge.answer import answer, notifications
from target_python_sdk.local_edge.server import HttpServer, RecordedRequest, Reply, refusal
from target_tools.constants import DELIVERY_PATH
from target_tools.errors import OptionError

#: How many requests, and how many notifications, an edge remembers.
REMEMBERED = 10000


class LocalEdge:
    """A Target edge that serves ``activities`` on this machine.

    ``activities`` is a mapping, the path of a JSON file, or nothing for the sample.
    Use it in a ``with`` block, or with ``start`` and ``stop``.
    """

    def __init__(self, activities: ActivitiesSource = None, port: int = 0, host: str = "127.0.0.1") -> None:
        self.activities: Activities = read_activities(activities)
        self.host = host
        #: The port; a wanted port of 0 becomes a free one on ``start``.
        self.port = port
        self._server: Optional[HttpServer] = None
        self._thread: Optional[threading.Thread] = None
        self._earlier_connections = 0
        self._requests: Deque[RecordedRequest] = collections.deque(maxlen=REMEMBERED)
        self._notifications: Deque[Dict[str, Any]] = collections.deque(maxlen=REMEMBERED)

    @property
    def domain(self) -> str:
        """``host:port``, as the option ``server_domain`` takes it, together with ``secure`` False."""
        return "{}:{}".format(self.host, self.port)

    @property
    def requests(self) -> List[RecordedRequest]:
        """What was posted so far, oldest first."""
        return list(self._requests)

    @property
    def notifications(self) -> List[Dict[str, Any]]:
        """The notifications that came so far, oldest first."""
        return list(self._notifications)

    @property
    def connections(self) -> int:
        """How many TCP connections were accepted so far."""
        return self._earlier_connections + (self._server.accepted if self._server is not None else 0)

    def start(self) -> "LocalEdge":
        """Serve, in a thread of its own.  Raises ``OSError`` when the port is taken."""
        if self._server is None:
            server = self._server = HttpServer((self.host, self.port), self._respond)
            self.port = int(server.server_address[1])
            self._thread = threading.Thread(
                target=server.serve_forever, args=(0.05,), name="target-local-edge", daemon=True
            )
            self._thread.start()
        return self

    def stop(self) -> None:
        """Close the port and every connection; returns when they are closed."""
        server, thread = self._server, self._thread
        if server is not None and thread is not None:
            server.shutdown()
            thread.join()
            server.server_close()
            server.close_connections()
            self._earlier_connections += server.accepted
        self._server = self._thread = None

    def __enter__(self) -> "LocalEdge":
        return self.start()

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return "<LocalEdge {} {}>".format(self.domain, "stopped" if self._server is None else "serving")

    def _respond(self, request: RecordedRequest) -> Reply:
        if request.method == "POST":
            self._requests.append(request)
        routes = {
            DELIVERY_PATH: ("POST", self._deliver),
            "/notifications": ("GET", lambda _: Reply(200, {"notifications": self.notifications})),
            "/": ("GET", lambda _: Reply(200, self.description())),
        }
        if request.path not in routes:
            return refusal(404, "{}: nothing is served here".format(request.path))
        method, respond = routes[request.path]
        if request.method != method:
            return refusal(405, "{} is served to {} only".format(request.path, method))
        return respond(request)

    def _deliver(self, request: RecordedRequest) -> Reply:
        for name in ("imsOrgId", "sessionId"):
            if not request.query.get(name):
                return refusal(400, "{}: this query parameter is required".format(name))
        try:
            response = answer(self.activities, request.body, request.query["sessionId"])
        except OptionError as error:
            return refusal(400, str(error))
        self._notifications.extend(notifications(request.body))
        if request.body["context"].get("beacon") is True:
            return Reply(204)
        return Reply(200, response)

    def description(self) -> str:
        """What is served here, for a person who opens the address in a browser."""
        lines = ["A local Adobe Target edge for {}".format(self.activities.client), ""]
        lines += ["POST {}?imsOrgId=...&sessionId=...".format(DELIVERY_PATH), "GET  /notifications", ""]
        for activity in self.activities.activities:
            where = ", ".join(activity.locations + tuple("view " + name for name in activity.views))
            shares = ", ".join("{} {}".format(one.name, one.range) for one in activity.experiences)
            lines.append("{} {}: {} ({})".format(activity.id, activity.name, where, shares))
        return "\n".join(lines) + "\n"
