"""Logs requests and answers at DEBUG level.

The lines show the structure. Values that may identify a visitor are shown only with ``log_payloads``. Bodies are
formatted only if the line is logged.
"""

import json
from typing import Any

from target_tools.clock import Deadline
from target_tools.errors import DeliveryError, escape_text
from target_tools.http.messages import HttpReply, HttpRequest, Send
from target_tools.logger import LazyText, Log

#: Fields whose values cannot identify a visitor.
UNREDACTED_FIELDS = frozenset(
    {
        "channel",
        "client",
        "decisioningMethod",
        "edgeHost",
        "index",
        "logging",
        "name",
        "requestId",
        "status",
        "timestamp",
        "type",
    }
)
#: Fields that contain the application's own names: a parameter may be called "name".
FREE_FORM_FIELDS = frozenset({"content", "parameters", "profileParameters", "responseTokens", "trace", "usage"})
#: The longest body that a line shows, in characters.
MAX_LOGGED_LENGTH = 16384


class PayloadLogger:
    """A ``send`` function that logs each request and its reply."""

    def __init__(self, send: Send, log: Log, log_payloads: bool) -> None:
        self._send = send
        self._log = log
        self._log_payloads = log_payloads

    def __call__(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
        reply = self._send_and_log(request, deadline) if self._log.is_debug_enabled() else self._send(request, deadline)
        if not reply.is_matched and self._log.first_time("requestId"):
            self._log.warning("%s returned the answer to another request: its requestId differs", request.origin)
        return reply

    def _send_and_log(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
        path = request.target.partition("?")[0]
        place = f"{request.origin}{path}"
        self._log.debug("Request sent to %s: %s", place, self._body(request.body))
        try:
            reply = self._send(request, deadline)
        except DeliveryError as error:
            self._log.debug("No response from %s: %s", place, type(error).__name__)
            raise
        self._log.debug(
            "Response received from %s: %d, first byte after %.1f ms, attempt %d: %s",
            place,
            reply.status,
            reply.timings.first_byte,
            reply.attempts,
            self._body(reply.body),
        )
        return reply

    def _body(self, body: bytes) -> LazyText:
        # A log record that is kept must not keep the client, so the function does not refer to it.
        is_shown = self._log_payloads
        return LazyText(lambda: escape_text(body, MAX_LOGGED_LENGTH) if is_shown else _redacted_body(body))


def _redacted_body(body: bytes) -> str:
    """Return ``body`` without the values that may identify a visitor."""
    try:
        return escape_text(json.dumps(_redacted(json.loads(body), "")), MAX_LOGGED_LENGTH)
    except (ValueError, RecursionError):
        return f"{len(body)} bytes"


def _redacted(value: Any, field: str, free: bool = False) -> Any:
    if isinstance(value, dict):
        return {name: _redacted(item, name, free or name in FREE_FORM_FIELDS) for name, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item, field, free) for item in value]
    if value is None or (field in UNREDACTED_FIELDS and not free):
        return value
    return "***"
