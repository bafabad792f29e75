"""The local edge itself: activities, a server, and a memory of what was asked."""

import collections
import re
import threading
from types import TracebackType
from typing import Any, Callable, Deque, Dict, List, Mapping, Optional, Tuple, Type

from target_python_sdk.local_edge.activities import Activities, ActivitiesSource
from target_python_sdk.local_edge.answer import answer
from target_python_sdk.local_edge.geo import geo_answer
from target_python_sdk.local_edge.incoming import notifications
from target_python_sdk.local_edge.served import Served
from target_python_sdk.local_edge.server import HttpServer, RecordedRequest, Reply, refusal
from target_python_sdk.protocol import DELIVERY_PATH
from target_tools.errors import OptionError

#: How many requests, and how many notifications, an edge remembers.
REMEMBERED = 10000
#: The organization of the documentation's examples.
ORGANIZATION_ID = "1234567890@AdobeOrg"
#: Client, environment, and a property where there is one; any are served the same.
ARTIFACT_PATH = re.compile(r"/[^/]+/[^/]+/v1/(?:[^/]+/)?rules\.(?:json|bin)")
GEO_PATH = "/v1/geo"
#: What is for a person to look at.
PAGES = ("/", "/notifications")

Route = Tuple[str, Callable[[RecordedRequest], Reply]]


class LocalEdge:
    """A Target edge, and the CDN of its rule artifact, on this machine.

    It serves activities, or a rule artifact (``rules.json``) as it stands: a mapping, the
    path of a JSON file, or nothing for the sample.  Use it in a ``with`` block, or with
    ``start`` and ``stop``.

    ``geo`` is where it finds every visitor, ``organization_id`` what ``rules.bin`` is read with,
    ``client`` the client code it buckets visitors by, whatever code is in what it serves.
    """

    def __init__(
        self,
        activities: ActivitiesSource = None,
        port: int = 0,
        host: str = "127.0.0.1",
        *,
        geo: Optional[Mapping[str, Any]] = None,
        organization_id: str = ORGANIZATION_ID,
        client: Optional[str] = None,
    ) -> None:
        self._geo = geo
        self._organization_id = organization_id
        self._client = client
        self.load(activities)
        self.host = host
        #: The port; a wanted port of 0 becomes a free one on ``start``.
        self.port = port
        self._server: Optional[HttpServer] = None
        self._thread: Optional[threading.Thread] = None
        self._earlier_connections = 0
        self._requests: Deque[RecordedRequest] = collections.deque(maxlen=REMEMBERED)
        self._notifications: Deque[Dict[str, Any]] = collections.deque(maxlen=REMEMBERED)

    def load(self, activities: ActivitiesSource) -> None:
        """Serve these from now on, for requests that come after it.  Raises ``OptionError``, and goes on as it was."""
        self._served = Served(activities, self._organization_id, self._geo, self._client)

    @property
    def activities(self) -> Optional[Activities]:
        """What is served; None for a rule artifact that is served as it stands."""
        return self._served.activities

    @property
    def rules(self) -> Dict[str, Any]:
        """The rule artifact that is served, as ``artifact_payload`` takes it."""
        return self._served.rules

    @property
    def domain(self) -> str:
        """``host:port``, as the option ``server_domain`` takes it, together with ``secure`` False."""
        return "{}:{}".format(self.host, self.port)

    @property
    def requests(self) -> List[RecordedRequest]:
        """What clients asked so far, oldest first; a look at ``/`` or ``/notifications`` is not among it."""
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
        if request.path not in PAGES:
            self._requests.append(request)
        found = self._route(request.path)
        if found is None:
            return refusal(404, "{}: nothing is served here".format(request.path))
        method, respond = found
        if request.method != method:
            return refusal(405, "{} is served to {} only".format(request.path, method))
        return respond(request)

    def _route(self, path: str) -> Optional[Route]:
        if ARTIFACT_PATH.fullmatch(path):
            return ("GET", self._publish)
        routes: Dict[str, Route] = {
            DELIVERY_PATH: ("POST", self._deliver),
            GEO_PATH: ("GET", self._locate),
            "/notifications": ("GET", lambda _: Reply(200, {"notifications": self.notifications})),
            "/": ("GET", lambda _: Reply(200, self.description())),
        }
        return routes.get(path)

    def _deliver(self, request: RecordedRequest) -> Reply:
        for name in ("imsOrgId", "sessionId"):
            if not request.query.get(name):
                return refusal(400, "{}: this query parameter is required".format(name))
        try:
            response = answer(self._served, request.body, request.query["sessionId"])
        except OptionError as error:
            return refusal(400, str(error))
        self._notifications.extend(notifications(request.body))
        if request.body["context"].get("beacon") is True:
            return Reply(204)
        return Reply(200, response)

    def _publish(self, request: RecordedRequest) -> Reply:
        """The rule artifact, if the client has another one or none."""
        artifact = self._served.bin if request.path.endswith(".bin") else self._served.json
        headers = {"ETag": artifact.etag, "Vary": "Accept-Encoding"}
        if artifact.is_known(request.headers.get("if-none-match")):
            return Reply(304, headers=headers)
        return Reply(200, artifact.body, headers, artifact.content_type)

    def _locate(self, request: RecordedRequest) -> Reply:
        return Reply(200, geo_answer(self._served.geo, request.headers.get("x-forwarded-for")))

    def description(self) -> str:
        """What is served here, for a person who opens the address in a browser."""
        served = self._served
        lines = ["A local Adobe Target edge for {}".format(served.client), ""]
        lines += ["POST {}?imsOrgId=...&sessionId=...".format(DELIVERY_PATH)]
        lines += ["GET  /{}/production/v1/rules.json".format(served.client), "GET  " + GEO_PATH]
        lines += ["GET  /notifications", "", *served.lines()]
        return "\n".join(lines) + "\n"
