"""Requests and answers as DEBUG lines.

The structure is shown and the values of visitors are not, unless ``log_payloads``
asked for them.  Nothing is rendered for a line that nobody reads.
"""

import json
from typing import Any

from target_tools.clock import Deadline
from target_tools.errors import DeliveryError, escape_text
from target_tools.http.messages import HttpReply, HttpRequest, Send
from target_tools.logger import LazyText, Log

#: Fields whose values say nothing about a visitor.
SHOWN = frozenset(
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
#: Fields below which the names are the application's own: a parameter may be called "name".
FREE = frozenset({"content", "parameters", "profileParameters", "responseTokens", "trace", "usage"})
#: The longest body a line shows, in characters.
SHOWN_LENGTH = 16384


class Logged:
    """A ``send`` that writes down what goes out and what comes back."""

    def __init__(self, send: Send, log: Log, log_payloads: bool) -> None:
        self._send = send
        self._log = log
        self._log_payloads = log_payloads

    def __call__(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
        reply = self._logged(request, deadline) if self._log.is_debug_enabled() else self._send(request, deadline)
        if not reply.is_matched and self._log.first_time("requestId"):
            self._log.warning("%s returned the answer to another request: its requestId differs", request.origin)
        return reply

    def _logged(self, request: HttpRequest, deadline: Deadline) -> HttpReply:
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
        # Whoever keeps the log record keeps this: the bytes, and nothing of the client.
        whole = self._log_payloads
        return LazyText(lambda: escape_text(body, SHOWN_LENGTH) if whole else _structure_of(body))


def _structure_of(body: bytes) -> str:
    """``body`` with every value that may be a visitor's left out."""
    try:
        return escape_text(json.dumps(_redacted(json.loads(body), "")), SHOWN_LENGTH)
    except (ValueError, RecursionError):
        return "{} bytes".format(len(body))


def _redacted(value: Any, field: str, free: bool = False) -> Any:
    if isinstance(value, dict):
        return {name: _redacted(item, name, free or name in FREE) for name, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item, field, free) for item in value]
    if value is None or (field in SHOWN and not free):
        return value
    return "***"
