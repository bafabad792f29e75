"""Converts a prepared request to an HTTP request, and an HTTP reply to the edge's answer."""

import re
from functools import partial
from typing import Any, Dict, NamedTuple, Optional
from urllib.parse import quote

from target_python_sdk.delivery.edge_host import cluster_of_edge_host, delivery_origin
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.delivery.prepare import PreparedRequest
from target_python_sdk.protocol import DELIVERY_PATH, SDK_HEADERS
from target_python_sdk.types import DeliveryResponse
from target_tools.errors import InvalidResponse, OptionError
from target_tools.http.failures import status_error
from target_tools.http.messages import HttpReply, HttpRequest, parse_json, render_json

_REQUEST_ID = re.compile(rb'"requestId"\s*:\s*"([^"]*)"')

_HEADERS = (("Content-Type", "application/json"), ("Accept", "application/json"), *SDK_HEADERS)


def delivery_request(prepared: PreparedRequest, settings: ClientSettings) -> HttpRequest:
    """Return the HTTP request for the edge. Raises ``OptionError`` if it is nested too deeply."""
    try:
        body = render_json(prepared.request.to_dict(by_alias=True, exclude_none=True))
    except (TypeError, ValueError, RecursionError) as error:
        raise OptionError(f"request: {error}", "request", "a request that JSON can hold") from error
    session_id = quote(prepared.session.session_id, "")
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
    """Return whether ``body`` can be the answer to the request: it must not name another one."""
    found = _REQUEST_ID.search(body)
    if found is None or found.group(1) == str(request_id).encode():
        return True
    try:  # a nested object may have a field of the same name
        content = parse_json(body)
    except InvalidResponse:
        return True  # the code that reads the answer raises the error
    named = content.get("requestId") if isinstance(content, dict) else None
    return not isinstance(named, str) or named in ("", request_id)


def delivery_response(reply: HttpReply) -> DeliveryResponse:
    """Return the edge's answer. Raises an error for any other status or body."""
    return DeliveryResponse.from_dict(_json_body(reply))


class NotificationReply(NamedTuple):
    """The facts that a client learns from an answer to notifications."""

    edge_cluster: Optional[str]
    attempts: int


def notification_reply(reply: HttpReply) -> NotificationReply:
    """Return the cluster that answered. Raises an error for any other status or body."""
    return NotificationReply(cluster_of_edge_host(_json_body(reply).get("edgeHost")), reply.attempts)


def _json_body(reply: HttpReply) -> Dict[str, Any]:
    if not 200 <= reply.status < 300:
        raise status_error(reply)
    if reply.status == 204 or (reply.status != 200 and not reply.body):
        return {}  # the edge answers a beacon without content
    content = parse_json(reply.body)
    if not isinstance(content, dict):
        raise InvalidResponse("the answer is JSON, but not an object")
    return content
