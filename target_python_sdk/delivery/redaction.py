"""Finds the values of requests and answers that log lines and error messages must not show."""

import json
from typing import Iterator, Set

from target_python_sdk.delivery.prepare import PreparedRequest
from target_tools.errors import escape_text
from target_tools.typing_compat import Json

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
#: Fields in which the application chooses the names. For example, a parameter may be called "name".
FREE_FORM_FIELDS = frozenset({"content", "parameters", "profileParameters", "responseTokens", "trace", "usage"})
#: The maximum number of characters of a body in a log line.
MAX_LOGGED_LENGTH = 16384
#: Parts of a request whose texts may identify the visitor.
_PERSONAL_PARTS = frozenset({"address", "blob", "geo", "id", "parameters", "profileParameters"})
#: The values of ``authenticatedState``, a field inside ``id``. They are ordinary words and identify no visitor.
_AUTHENTICATED_STATES = frozenset({"authenticated", "logged_out", "unknown"})


def redacted_body(body: bytes) -> str:
    """Return the text of a body for the log, without the values that may identify a visitor."""
    try:
        return escape_text(json.dumps(_redacted(json.loads(body), "")), MAX_LOGGED_LENGTH)
    except (ValueError, RecursionError):
        return f"{len(body)} bytes"


def _redacted(value: Json, field: str, free: bool = False) -> Json:
    if isinstance(value, dict):
        return {name: _redacted(item, name, free or name in FREE_FORM_FIELDS) for name, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item, field, free) for item in value]
    if value is None or (field in UNREDACTED_FIELDS and not free):
        return value
    return "***"


def personal_values(prepared: PreparedRequest) -> Set[str]:
    """Return the values that may identify the visitor: the session id, other ids, addresses and parameters."""
    texts = [prepared.session_id, *_personal_texts(prepared.request.to_json(), False)]
    return {text for text in texts if text.strip()}


def _personal_texts(value: Json, is_personal: bool) -> Iterator[str]:
    """Return the texts and numbers inside the personal parts of a JSON value, without the keys."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "authenticatedState" and item in _AUTHENTICATED_STATES:
                continue
            if name == "tntId" and isinstance(item, str):
                yield item.partition(".")[0]  # also without the cluster
            yield from _personal_texts(item, is_personal or name in _PERSONAL_PARTS)
    elif isinstance(value, list):
        for item in value:
            yield from _personal_texts(item, is_personal)
    elif is_personal and isinstance(value, str):
        yield value
    elif is_personal and isinstance(value, (int, float)) and not isinstance(value, bool):
        yield json.dumps(value)
