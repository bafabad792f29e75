"""The exchange with the edge: its host, the HTTP request, the answer, and their log lines.

The host of a request depends on the cluster that stores the visitor's profile. A hint from a visitor is used only for
calls of this visitor. For other calls, the client starts with the cluster in its options, if there is one, and then
uses the cluster that the edge has named last.

At DEBUG level, the log shows the structure of requests and answers. Values that may identify a visitor are shown only
with ``log_payloads``. Bodies are formatted only if the line is logged.
"""

import re
from functools import lru_cache, partial
from typing import Any, Callable, Dict, NamedTuple, Optional, Sized, Tuple
from urllib.parse import quote

from target_python_sdk.delivery.cookies import UNQUOTED, cluster_of_edge_host
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.delivery.prepare import PreparedRequest, render_request
from target_python_sdk.delivery.redaction import MAX_LOGGED_LENGTH, redacted_body
from target_python_sdk.delivery.replaced_api import REPLACEMENTS, replaced_response
from target_python_sdk.protocol import DELIVERY_PATH, EDGE_CLUSTER_PREFIX, EDGE_HOST_SUFFIX, SDK_HEADERS
from target_python_sdk.types import DeliveryResponse
from target_tools.clock import Deadline, monotonic
from target_tools.errors import DeadlineExceeded, DeliveryError, InvalidResponse, escape_text
from target_tools.http.breaker import FAILING_STATUSES
from target_tools.http.failures import status_error
from target_tools.http.messages import DEFAULT_PORTS, HttpReply, HttpRequest, Origin, Send, Timings, parse_json
from target_tools.logger import LazyText, Log

#: Seconds for which a cluster that could not be reached is not remembered again.
QUARANTINE_SECONDS = 5.0
_REQUEST_ID = re.compile(rb'"requestId"\s*:\s*"([^"]*)"')
_HEADERS = (("Content-Type", "application/json"), ("Accept", "application/json"), *SDK_HEADERS)


# The host


def delivery_origin(settings: ClientSettings, cluster: Optional[str]) -> Origin:
    """Return the origin of deliveries: the server domain if configured, else the cluster, else the client's host."""
    return _origin(settings.client, settings.secure, settings.server_domain, cluster)


@lru_cache(maxsize=64)
def _origin(client: str, secure: bool, domain: Optional[Tuple[str, Optional[int]]], cluster: Optional[str]) -> Origin:
    scheme = "https" if secure else "http"
    if domain is not None:
        host, port = domain
        return Origin(scheme, host, port or DEFAULT_PORTS[scheme])
    label = client if cluster is None else EDGE_CLUSTER_PREFIX + cluster
    return Origin(scheme, f"{label}.{EDGE_HOST_SUFFIX}", DEFAULT_PORTS[scheme])


class ClusterMemory:
    """Remembers the cluster that the edge named last, until it cannot be reached.

    It learns only from calls for which the visitor's cookie, id or hint named no cluster, because one visitor must not
    choose the host of the others.
    """

    def __init__(
        self, settings: ClientSettings, hint: Optional[str], circuit_is_open: Optional[Callable[[Origin], bool]] = None
    ) -> None:
        self.hint = hint
        self._settings = settings
        self._circuit_is_open = circuit_is_open
        self._lost: Optional[str] = None
        self._lost_until = 0.0

    def learn(self, cluster: Optional[str]) -> None:
        """Remember ``cluster``, unless it was lost a moment ago or its circuit is open."""
        if cluster is None or cluster == self.hint:
            return
        is_lost = cluster == self._lost and monotonic() < self._lost_until
        is_open = self._circuit_is_open
        if not is_lost and not (is_open is not None and is_open(delivery_origin(self._settings, cluster))):
            self.hint = cluster

    def lose(self, origin: Origin) -> None:
        """Forget the remembered cluster if it is at ``origin``, which could not be reached."""
        hint = self.hint
        if hint is not None and delivery_origin(self._settings, hint) == origin:
            self._lost, self._lost_until = hint, monotonic() + QUARANTINE_SECONDS
            self.hint = None


# The request and its answer


class EdgeAnswer(NamedTuple):
    """The edge's answer, and what the client learns from it."""

    response: DeliveryResponse
    #: The cluster that answered; None if it is unknown, or if the visitor's cookie, id or hint chose it.
    edge_cluster: Optional[str]
    attempts: int
    #: The timings of the last attempt; None if a test has replaced ``DeliveryApi``.
    timings: Optional[Timings] = None
    #: The seconds that it took to parse the answer.
    parse_seconds: float = 0.0
    #: The HTTP status; None if a test has replaced ``DeliveryApi``.
    status: Optional[int] = None


def delivery_request(
    prepared: PreparedRequest, settings: ClientSettings, body: Optional[bytes] = None
) -> HttpRequest:
    """Return the HTTP request for the edge. Without ``body``, the request is rendered.

    Raises ``OptionError`` if JSON cannot hold the request.
    """
    if body is None:
        body = render_request(prepared.request, settings)
    session_id = prepared.session_id
    session_id = session_id if UNQUOTED.fullmatch(session_id) else quote(session_id, "")
    is_general = prepared.cluster is None or settings.server_domain is not None
    return HttpRequest(
        "POST",
        delivery_origin(settings, prepared.cluster),
        f"{DELIVERY_PATH}?{settings.query.format(session_id)}",
        (*_HEADERS, ("X-Request-Id", prepared.ids.next())),
        body,
        settings.max_response_bytes.delivery,
        alternative=None if is_general else delivery_origin(settings, None),
        is_answered_by=partial(is_answer, prepared.request.request_id),
    )


def is_answer(request_id: Optional[str], body: bytes) -> bool:
    """Return whether ``body`` can be the answer to the request: it must not contain the id of another request."""
    found = _REQUEST_ID.search(body)
    if found is None or found.group(1) == str(request_id).encode():
        return True
    try:  # a nested object may have a field of the same name
        content = parse_json(body)
    except InvalidResponse:
        return True  # the code that reads the answer raises the error
    answered_id = content.get("requestId") if isinstance(content, dict) else None
    return not isinstance(answered_id, str) or answered_id in ("", request_id)


def delivery_response(reply: HttpReply) -> DeliveryResponse:
    """Return the edge's answer. Raises an error for a status other than 2xx, and for a body that is not an answer."""
    return DeliveryResponse.from_dict(_json_body(reply))


def notification_response(reply: HttpReply) -> DeliveryResponse:
    """Return the edge's answer to notifications. Only ``edgeHost`` is read, so the other fields need not be valid."""
    return DeliveryResponse(edge_host=_json_body(reply).get("edgeHost"))


def _json_body(reply: HttpReply) -> Dict[str, Any]:
    if not 200 <= reply.status < 300:
        raise status_error(reply)
    if reply.status == 204 or (reply.status != 200 and not reply.body):
        return {}  # the edge answers a beacon without content
    content = parse_json(reply.body)
    if not isinstance(content, dict):
        raise InvalidResponse("the answer is JSON, but not an object")
    return content


def request_edge(
    prepared: PreparedRequest,
    request: HttpRequest,
    send: Send,
    deadline: Deadline,
    read: Callable[[HttpReply], DeliveryResponse] = delivery_response,
) -> EdgeAnswer:
    """Return the edge's answer. ``read`` converts the reply. Raises ``DeliveryError``."""
    reply, attempts, parse_seconds = None, 1, 0.0
    try:
        response = None if REPLACEMENTS.find is None else replaced_response(prepared, request, deadline)
        if response is None:
            reply = send(request, deadline)
            received_at = monotonic()
            response, attempts = read(reply), reply.attempts
            parse_seconds = monotonic() - received_at
            if deadline.remaining() <= 0:  # parsing a large answer takes time, too
                raise DeadlineExceeded(f"the answer was not read within {deadline.seconds * 1000:.0f} ms")
    except DeliveryError as error:
        error.request, error.request_id = prepared.request, prepared.request.request_id
        error.origin, error.began_at = error.origin or str(request.origin), deadline.at - deadline.seconds
        if reply is not None:
            error.status, error.attempts = reply.status, reply.attempts
        raise
    cluster = None if prepared.is_steered else cluster_of_edge_host(response.edge_host)
    status, timings = (None, None) if reply is None else (reply.status, reply.timings)
    return EdgeAnswer(response, cluster, attempts, timings, parse_seconds, status)


# The log


class PayloadLogger:
    """A ``send`` function that logs each request and its reply at DEBUG level.

    While ``outages`` is not empty, ``on_answer`` is called after each reply, unless its status means that the origin is
    down.
    """

    def __init__(
        self,
        send: Send,
        log: Log,
        log_payloads: bool,
        on_answer: Callable[[Origin, Deadline], object] = lambda origin, deadline: None,
        outages: Sized = (),
    ) -> None:
        self._send = send
        self._log = log
        self._log_payloads = log_payloads
        self._on_answer = on_answer
        self._outages = outages

    def __call__(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
        reply = self._send_and_log(request, deadline) if self._log.is_debug_enabled() else self._send(request, deadline)
        if not reply.is_matched and self._log.first_time("requestId"):
            self._log.warning("%s returned the answer to another request: its requestId differs", request.origin)
        if self._outages and reply.status not in FAILING_STATUSES:
            self._on_answer(request.origin, deadline)
        return reply

    def _send_and_log(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
        place = request.url.partition("?")[0]
        self._log.debug("Request sent to %s: %s", place, self._body(request.body))
        try:
            reply = self._send(request, deadline)
        except DeliveryError as error:
            self._log.debug("No response from %s: %s", place, type(error).__name__)
            raise
        text = "Response received from %s: %d, first byte after %.1f ms, attempt %d: %s"
        first_byte, body = reply.timings.first_byte, self._body(reply.body)
        self._log.debug(text, place, reply.status, first_byte, reply.attempts, body)
        return reply

    def _body(self, body: bytes) -> LazyText:
        # A log record may be kept for a long time, so this function must not hold a reference to the client.
        is_shown = self._log_payloads
        return LazyText(lambda: escape_text(body, MAX_LOGGED_LENGTH) if is_shown else redacted_body(body))
