"""A prepared call as HTTP, and HTTP as the edge's answer."""

import re
from functools import partial
from typing import Any, Dict, NamedTuple, Optional
from urllib.parse import quote

from target_python_sdk.delivery.edge import cluster_of_edge_host, delivery_origin
from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.delivery.prepare import PreparedRequest
from target_python_sdk.protocol import DELIVERY_PATH, SDK_HEADERS
from target_python_sdk.types import DeliveryResponse
from target_tools.errors import InvalidResponse, OptionError
from target_tools.http.bodies import parse_json, render_json
from target_tools.http.failures import status_error
from target_tools.http.messages import HttpReply, HttpRequest

_REQUEST_ID = re.compile(rb'"requestId"\s*:\s*"([^"]*)"')

_HEADERS = (("Content-Type", "application/json"), ("Accept", "application/json"), *SDK_HEADERS)


def delivery_request(prepared: PreparedRequest, settings: ClientSettings) -> HttpRequest:
    """The request that asks the edge.  Raises ``OptionError`` for content that JSON cannot hold."""
    try:
        body = render_json(prepared.request.to_dict(by_alias=True, exclude_none=True))
    except (TypeError, ValueError, RecursionError) as error:
        message = "request: values that JSON can hold were expected ({})".format(error)
        raise OptionError(message, "request", "values that JSON can hold") from error
    session_id = quote(prepared.session.session_id, "")
    is_general = prepared.cluster is None or settings.server_domain is not None
    return HttpRequest(
        "POST",
        delivery_origin(settings, prepared.cluster),
        "{}?{}".format(DELIVERY_PATH, settings.query.format(session_id)),
        (*_HEADERS, ("X-Request-Id", prepared.ids.next())),
        body,
        settings.max_response_bytes.delivery,
        alternative=None if is_general else delivery_origin(settings, None),
        is_answered_by=partial(answers, prepared.request.request_id),
    )


def answers(request_id: Optional[str], body: bytes) -> bool:
    """Return whether ``body`` can be the answer to that request: it names no other one."""
    found = _REQUEST_ID.search(body)
    if found is None or found.group(1) == str(request_id).encode():
        return True
    try:  # a nested object may have a field of the same name
        content = parse_json(body)
    except InvalidResponse:
        return True  # whoever reads it will say so
    named = content.get("requestId") if isinstance(content, dict) else None
    return not isinstance(named, str) or named in ("", request_id)


def delivery_response(reply: HttpReply) -> DeliveryResponse:
    """What the edge answered.  Raises what stands for a status, or a body, that is no answer."""
    return DeliveryResponse.from_dict(_content(reply))


class Heard(NamedTuple):
    """What a client learns from an answer that it does not read."""

    edge_cluster: Optional[str]
    attempts: int


def heard(reply: HttpReply) -> Heard:
    """Which cluster answered.  Raises what stands for a status, or a body, that is no answer."""
    return Heard(cluster_of_edge_host(_content(reply).get("edgeHost")), reply.attempts)


def _content(reply: HttpReply) -> Dict[str, Any]:
    """The JSON object that is the answer."""
    if not 200 <= reply.status < 300:
        raise status_error(reply)
    if reply.status == 204 or (reply.status != 200 and not reply.body):
        return {}  # a beacon's answer is no content
    content = parse_json(reply.body)
    if not isinstance(content, dict):
        raise InvalidResponse("the answer is JSON, but no object")
    return content
