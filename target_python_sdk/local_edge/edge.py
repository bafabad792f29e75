"""The local edge: routes requests to its content, and records them."""

import hashlib
import itertools
import re
from functools import partial
from logging import getLogger
from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, List, Mapping, Optional, Sequence, Tuple, Union
from urllib.parse import unquote

from target_python_sdk.local_edge.activities import Activities, ActivitiesSource
from target_python_sdk.local_edge.client_codes import ClientCodes
from target_python_sdk.local_edge.content import EdgeContent
from target_python_sdk.local_edge.delivery import build_response, has_only_telemetry, parse_request
from target_python_sdk.local_edge.events import RecordedEvent, reported_events
from target_python_sdk.local_edge.faults import SimulatedFaults
from target_python_sdk.local_edge.feed import EventFeed, server_sent_events
from target_python_sdk.local_edge.handler import ConnectionHandler
from target_python_sdk.local_edge.http_messages import RecordedRequest, Reply, RequestHead, error_reply, method_error
from target_python_sdk.local_edge.overrides import ForcedVisitors, make_qa_mode
from target_python_sdk.local_edge.page.files import PAGE_PREFIX
from target_python_sdk.local_edge.page.routes import Page
from target_python_sdk.local_edge.recording import DroppedRecords, Recording
from target_python_sdk.local_edge.reload import FileReloader
from target_python_sdk.local_edge.reports import describe_delivery
from target_python_sdk.local_edge.security import AccessPolicy, bracketed
from target_python_sdk.local_edge.server import Application, HttpServer
from target_python_sdk.protocol import DELIVERY_PATH
from target_python_sdk.qa_links import qa_link
from target_python_sdk.types import MetricType
from target_tools.error_text import invalid
from target_tools.errors import OptionError, TargetError

logger = getLogger("adobe.target.local_edge")

#: The limits for each kind of records (requests, notifications, telemetry, events): number and estimated memory.
MAX_RECORDED = 10000
MAX_RECORDED_BYTES = 128 * 1024 * 1024
#: The estimated memory of a ``RecordedEvent``, in bytes, without its texts, which the content contains anyway.
EVENT_SIZE = 128
#: The organization of the examples in the documentation.
ORGANIZATION_ID = "1234567890@AdobeOrg"
#: Any client code, environment and property is accepted, because the artifact is the same for all of them.
ARTIFACT_PATH = re.compile(r"/[^/]+/[^/]+/v1/(?:[^/]+/)?rules\.(?:json|bin)")
GEO_PATH = "/v1/geo"
#: The key in an answer of ``GEO_PATH`` for each key of ``context.geo``.
GEO_ANSWER_KEYS = {
    "latitude": "x-geo-latitude",
    "longitude": "x-geo-longitude",
    "countryCode": "x-geo-country-code",
    "stateCode": "x-geo-region-code",
    "city": "x-geo-city",
}
#: The maximum time, in seconds, that a request waits while another thread loads the changed file.
RELOAD_WAIT = 5.0
#: Pages to read in a browser. Requests for them are not recorded.
PAGES = ("/", "/notifications", "/events")


class LocalEdge:
    """A Target edge on this machine, which also serves the rule artifact.

    Use it in a ``with`` block, or call ``start`` and ``stop``.

    :param activities: Activities or an unchanged rule artifact (``rules.json``), as a mapping
        or as the path of a JSON file. Without it, the edge serves the sample activities.
    :param port: The port to listen on; 0 selects a free one.
    :param host: The address to listen on.
    :param geo: The location of every visitor, with the keys of the API's ``context.geo``.
    :param organization_id: The organization id of the clients that can read ``rules.bin``.
    :param client: The client code, which the buckets depend on. By default, it is the one in the activities.
    :param origins: The origins of web pages that may use the edge, such as ``http://localhost:3000``.
        Requests from pages of other origins are refused.
    :param reload: Load the file of activities again when it changes on disk. It has no effect without a file.
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
        origins: Sequence[str] = (),
        reload: bool = False,
    ) -> None:
        self._access = AccessPolicy(host, origins)
        self._read_content = partial(EdgeContent, organization_id=organization_id, geo=geo, client=client)
        self._forced = ForcedVisitors()
        #: The events of all activities so far: a page may report offers that were replaced in the meantime.
        self._known_events: Dict[str, RecordedEvent] = {}
        #: The requests, notifications, reloads and warnings, for readers in other threads.
        self.feed = EventFeed()
        self._reloads = reload
        self.load(activities)
        if not isinstance(port, int) or not 0 <= port <= 65535:
            raise OptionError(invalid("port", expected="a number from 0 to 65535", got=port), "port", "a port")
        self.host = host
        #: The port. If it is 0, ``start`` replaces it with a free one.
        self.port = port
        self._faults = SimulatedFaults()
        self._client_codes = ClientCodes(self.feed)
        self._page = Page(lambda: self._content, lambda: self.reload_error)
        self._server: Optional[HttpServer] = None
        self._earlier_connections = 0
        self._requests: Recording[RecordedRequest] = Recording(MAX_RECORDED, MAX_RECORDED_BYTES)
        self._notifications: Recording[Dict[str, Any]] = Recording(MAX_RECORDED, MAX_RECORDED_BYTES)
        self._telemetry: Recording[Dict[str, Any]] = Recording(MAX_RECORDED, MAX_RECORDED_BYTES)
        self._events: Recording[RecordedEvent] = Recording(MAX_RECORDED, MAX_RECORDED_BYTES)

    def load(self, activities: ActivitiesSource) -> None:
        """Serve other activities from now on. If they are invalid, raise ``OptionError`` and keep the old ones."""
        reloader = None
        if self._reloads and isinstance(activities, (str, Path)):
            reloader = FileReloader(
                activities, partial(self._use, activities), partial(self._report_reload, activities)
            )
        self._use(activities)
        self._reloader: Optional[FileReloader] = reloader
        #: The mistake in the file on disk, if the edge could not load its last change; else None.
        self.reload_error: Optional[str] = None

    def slow(self, milliseconds: float) -> ContextManager[object]:
        """Delay each answer to a client from now on, until ``slow(0)`` or the end of a ``with`` block."""
        return self._faults.slow(milliseconds)

    def fail(self, status: Optional[int]) -> ContextManager[object]:
        """Answer each request of a client with a status from 400 to 599 from now on.

        This lasts until ``fail(None)`` or the end of a ``with`` block. Requests are recorded, but nothing is counted.
        """
        return self._faults.fail(status)

    def force(
        self, visitor: Optional[str], activity: Union[str, int], experience: Union[str, int]
    ) -> ContextManager[object]:
        """Give a visitor an experience in all decisions of this edge, whatever the audience and the bucket are.

        This lasts until ``clear_forced`` or the end of a ``with`` block. For on-device decisions, use the client's
        option ``force``.

        :param visitor: One of the visitor's ids, such as the tntId, with or without its edge cluster; None for all.
        :param activity: The activity's name or id. An unknown one raises ``OptionError``.
        :param experience: The experience's name or id, or its position, counted from 0.
        """
        return self._forced.add(self._content.artifact, visitor, activity, experience)

    def clear_forced(self, visitor: Optional[str] = None) -> None:
        """End the forced experiences of a visitor, by default of all visitors."""
        self._forced.clear(visitor)

    def qa_link(
        self,
        url: str,
        activity: Union[str, int],
        experience: Union[str, int, None] = None,
        *,
        listed_activities_only: bool = False,
        any_audience: bool = True,
    ) -> str:
        """Return ``url`` with the parameters of QA mode for an activity and, if given, for one of its experiences.

        With ``listed_activities_only``, other activities are not shown. With ``any_audience``, the activity's audience
        matches every visitor. :func:`target_python_sdk.qa_links.qa_mode_of` reads the parameters.
        """
        qa_mode = make_qa_mode(self._content.artifact, activity, experience, listed_activities_only, any_audience)
        return qa_link(url, qa_mode)

    @property
    def activities(self) -> Optional[Activities]:
        """The activities; None if the edge serves a rule artifact."""
        return self._content.activities

    @property
    def rules(self) -> Dict[str, Any]:
        """The rule artifact for clients. You can pass it as the option ``artifact_payload``."""
        return self._content.rules

    @property
    def domain(self) -> str:
        """``host:port`` for the option ``server_domain``. The client must have ``secure=False``.

        If ``port`` is 0, this raises ``TargetError`` before the first ``start``, which selects a free port.
        """
        if not self.port:
            raise TargetError("The local edge has no port yet. Call start() first, or use it in a with block")
        return f"{bracketed(self.host)}:{self.port}"

    @property
    def requests(self) -> List[RecordedRequest]:
        """The requests of clients so far, oldest first, except refused requests and those with telemetry alone."""
        return self._requests.items()

    @property
    def telemetry(self) -> List[Dict[str, Any]]:
        """The entries of telemetry received so far, oldest first, from all requests."""
        return self._telemetry.items()

    @property
    def notifications(self) -> List[Dict[str, Any]]:
        """The notifications received so far, oldest first."""
        return self._notifications.items()

    @property
    def displays(self) -> List[RecordedEvent]:
        """The displays so far, oldest first: offers that the edge executed, or that notifications reported."""
        return [event for event in self._events.items() if event.type == MetricType.DISPLAY]

    @property
    def clicks(self) -> List[RecordedEvent]:
        """The clicks that notifications reported so far, oldest first."""
        return [event for event in self._events.items() if event.type == MetricType.CLICK]

    @property
    def dropped(self) -> DroppedRecords:
        """How many of the oldest records were dropped, because there were too many or they were too large."""
        return DroppedRecords(self._requests.dropped, self._notifications.dropped, self._events.dropped)

    @property
    def connections(self) -> int:
        """The number of TCP connections accepted so far."""
        return self._earlier_connections + (self._server.accepted if self._server is not None else 0)

    def start(self) -> "LocalEdge":
        """Start serving in a background thread. Raises ``OSError`` if the port is in use."""
        if self._server is None:
            try:
                application = Application(
                    self._screen,
                    self._respond,
                    self._publish_request,
                    self._reply_headers,
                    wake_streams=self.feed.wake,
                    poll=self._check_file,
                )
                self._faults.stopped.clear()
                self._server = HttpServer((self.host, self.port), application, ConnectionHandler)
            except OSError as error:
                problem = f"cannot listen on {bracketed(self.host)}:{self.port}: {error.strerror or error}"
                raise OSError(error.errno, problem) from error
            self.port = int(self._server.server_address[1])
            logger.info("Serving on http://%s", self.domain)
        return self

    def stop(self) -> None:
        """Close the port and all connections, and wait until they are closed."""
        server, self._server = self._server, None
        if server is not None:
            self._faults.stopped.set()
            server.stop()
            self._earlier_connections += server.accepted

    def __enter__(self) -> "LocalEdge":
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<LocalEdge {bracketed(self.host)}:{self.port} {'stopped' if self._server is None else 'serving'}>"

    def _use(self, activities: ActivitiesSource) -> None:
        self._content = self._read_content(activities)
        self._known_events.update(self._content.events)

    def _check_file(self, wait: float = 0.0) -> None:
        if self._reloader is not None:
            self._reloader.check(wait)

    def _report_reload(self, path: Union[str, Path], problem: Optional[str]) -> None:
        self.reload_error = problem
        if problem is None:
            logger.info("Reloaded %s", path)
            self.feed.publish("reload", {"path": str(path), "summary": self._content.summary_lines()})
        else:
            logger.warning("%s; the previous activities stay in use", problem)
            self.feed.publish("reload_error", {"path": str(path), "problem": problem})

    def _screen(self, head: RequestHead) -> Optional[Reply]:
        """Return the reply to a refused request or to a preflight request, else None."""
        refusal = self._access.refusal(*head)
        if refusal is not None:
            return error_reply(*refusal)
        preflight = self._access.preflight_headers(head.method, head.headers)
        return None if preflight is None else Reply(204, headers=preflight)

    def _reply_headers(self, head: RequestHead) -> Dict[str, str]:
        return self._access.cors_headers(head.headers)

    def _publish_request(self, head: RequestHead, reply: Reply, seconds: float) -> None:
        # A mistake in the page's form has status 400, and the page itself shows it.
        if _is_page(head.path) and reply.status <= 400:
            return
        data = {"method": head.method, "path": head.path, "status": reply.status}
        self.feed.publish("request", {**data, "milliseconds": round(seconds * 1000, 1), **reply.details})

    def _respond(self, request: RecordedRequest, size: int) -> Reply:
        path = request.path
        if not _is_page(path):
            if not has_only_telemetry(request.body):
                self._requests.add([request], size)
            failure = self._faults.apply()
            if failure is not None:
                return failure
        self._check_file(RELOAD_WAIT)
        page = self._page.reply(request)
        if page is not None:
            return page
        routes: Dict[str, Tuple[str, Callable[[RecordedRequest], Reply]]] = {
            DELIVERY_PATH: ("POST", partial(self._serve_delivery, size=size)),
            GEO_PATH: ("GET", self._serve_geo),
            "/notifications": ("GET", lambda _: Reply(200, {"notifications": self.notifications})),
            "/events": ("GET", self._serve_events),
            "/": ("GET", lambda _: Reply(200, self.description())),
        }
        route = ("GET", self._serve_artifact) if ARTIFACT_PATH.fullmatch(path) else routes.get(path)
        if route is None:
            return error_reply(404, f"{path}: not found")
        method, respond = route
        return method_error(request, method) or respond(request)

    def _serve_delivery(self, request: RecordedRequest, size: int) -> Reply:
        for names in (("imsOrgId", "client"), ("sessionId",)):  # at.js sends only the client code
            if not any(map(request.query.get, names)):
                return _rejected(f"missing query parameter {names[0]!r}")
        content = self._content
        self._client_codes.check(request.query.get("client"), content.client)
        try:
            delivery = parse_request(request.body)
            reported = reported_events(delivery.notifications or [], self._known_events)
        except OptionError as error:
            return _rejected(str(error))
        forced = self._forced.of(delivery.id)
        answer = build_response(content, delivery, request.query["sessionId"], forced)
        counted = [*answer.displays, *itertools.chain.from_iterable(reported)]
        self._notifications.add(request.body.get("notifications") or (), size)
        self._telemetry.add((request.body.get("telemetry") or {}).get("entries") or (), size)
        self._events.add(counted, EVENT_SIZE * len(counted))
        published, details = describe_delivery(content, delivery, answer.response, reported)
        for data in published:
            self.feed.publish("notification", data)
        if request.body["context"].get("beacon") is True:
            return Reply(204, details=details)
        return Reply(200, answer.response, details=details)

    def _serve_events(self, request: RecordedRequest) -> Reply:
        given = request.headers.get("last-event-id") or request.query.get("after", "")
        last = self.feed.last
        after = int(given) if re.fullmatch("[0-9]{1,15}", given) else last
        if after > last:  # the number is from an earlier edge on this port
            after = 0
        stream = partial(server_sent_events, self.feed, after)
        return Reply(200, stream, {"Content-Type": "text/event-stream", "Cache-Control": "no-store"})

    def _serve_artifact(self, request: RecordedRequest) -> Reply:
        self._client_codes.check(unquote(request.path.split("/")[1]), self._content.client)
        if request.path.endswith(".bin"):
            body, content_type = self._content.bin, "application/octet-stream"
        else:
            body, content_type = self._content.json, "application/json;charset=UTF-8"
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {"ETag": etag, "Vary": "Accept-Encoding"}
        known = request.headers.get("if-none-match", "")  # a list of ETags, some of which may be weak: W/"..."
        if known == "*" or etag in known:
            return Reply(304, headers=headers)
        return Reply(200, body, {**headers, "Content-Type": content_type})

    def _serve_geo(self, request: RecordedRequest) -> Reply:
        geo = {GEO_ANSWER_KEYS[key]: value for key, value in self._content.geo.items()}
        address = request.headers.get("x-forwarded-for")
        return Reply(200, geo if address is None else {**geo, "x-forwarded-for": address})

    def description(self) -> str:
        """Return an overview of the content and the addresses, to read in a browser."""
        client = self._content.client
        lines = [
            f"A local Adobe Target edge for {client}",
            "",
            f"POST {DELIVERY_PATH}?imsOrgId=...&sessionId=...",
            f"GET  /{client}/production/v1/rules.json",
            f"GET  {GEO_PATH}",
            "GET  /notifications",
            "GET  /events",
            "",
            *self._content.summary_lines(),
        ]
        return "\n".join(lines) + "\n"


def _rejected(problem: str) -> Reply:
    logger.warning("Rejected a delivery request: %s", problem)
    return error_reply(400, problem)


def _is_page(path: str) -> bool:
    return path in PAGES or path.startswith(PAGE_PREFIX)
