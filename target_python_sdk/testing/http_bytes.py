"""Builds and parses HTTP/1.1 messages."""

import json
import re
from http import HTTPStatus
from typing import Any, Iterable, Mapping, Optional, Union

Body = Union[bytes, str, Mapping[str, Any], None]


def response(
    body: Body = None, status: int = 200, headers: Optional[Mapping[str, str]] = None, reason: Optional[str] = None
) -> bytes:
    """Return a well-formed response. A mapping is sent as JSON.

    ``headers`` are added to the usual ones, and replace those with the same name.
    """
    text = json.dumps(body) if isinstance(body, Mapping) else body or b""
    payload = text.encode() if isinstance(text, str) else text
    if reason is None:
        reason = HTTPStatus(status).phrase if status in list(HTTPStatus) else "Unknown"
    defaults = {"Content-Type": "application/json;charset=UTF-8", "Content-Length": str(len(payload))}
    given = headers or {}
    replaced = {name.lower() for name in given}
    # 204 has no body.
    fields = {name: value for name, value in defaults.items() if status != 204 and name.lower() not in replaced}
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in {**fields, **given}.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + payload


def chunked(parts: Iterable[bytes]) -> bytes:
    """Return ``parts`` as a chunked body, including the empty last chunk."""
    return b"".join(chunk(part) for part in parts) + b"0\r\n\r\n"


def chunk(part: bytes) -> bytes:
    """Return one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(part), part)


def request_size(data: bytes) -> Optional[int]:
    """Return the size of the first request in ``data``, or None if it is incomplete."""
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        return None
    if re.search(rb"(?im)^transfer-encoding:.*chunked", head):
        body = _chunked_size(rest)
    else:
        length = re.search(rb"(?im)^content-length:\s*(\d+)", head)
        body = int(length.group(1)) if length else 0
    if body is None or body > len(rest):
        return None
    return len(head) + len(end) + body


def _chunked_size(data: bytes) -> Optional[int]:
    at = 0
    while True:
        line_end = data.find(b"\r\n", at)
        if line_end < 0:
            return None
        size = int(data[at:line_end].partition(b";")[0], 16)
        at = line_end + 2 + size + 2
        if size == 0:
            return at
        if at > len(data):
            return None
