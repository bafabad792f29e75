"""Read the responses of pool managers, and of tests that answer in the place of a server."""

import http.client
from typing import Any, List, Mapping, NoReturn

from target_tools.clock import Deadline, monotonic
from target_tools.errors import InvalidResponse, OptionError, ResponseTooLarge
from target_tools.http.bodies import decode_body
from target_tools.http.messages import HttpReply, HttpRequest, Timings

#: What is read at once, in bytes.
READ_SIZE = 65536


def read_response(response: Any, request: HttpRequest, deadline: Deadline, began: float) -> HttpReply:
    """Return the reply that ``response`` is: one of urllib3's, or whatever has its status, headers and data.

    ``began`` is when the request was handed over.  Raises what reading the body raises.
    """
    status = getattr(response, "status", None)
    if not isinstance(status, int) or isinstance(status, bool):
        _refuse("its request() must return a urllib3 response", response)
    first_byte_at = monotonic()
    complete = False
    try:
        if status < 200:
            raise InvalidResponse(f"{request.origin} sent only an interim reply ({status}) by the pool manager")
        raw = b"" if 300 <= status < 400 else _body(response, request.max_bytes, deadline)
        complete = True
    finally:
        end = getattr(response, "release_conn" if complete else "close", None)
        if callable(end):
            end()
    timings = Timings(
        first_byte=(first_byte_at - began) * 1000,
        download=(monotonic() - first_byte_at) * 1000,
        sent=len(request.body),
        received=len(raw),
    )
    given = getattr(response, "headers", None)
    headers: Mapping[str, str] = given if isinstance(given, Mapping) else {}
    body = decode_body(raw, headers.get("Content-Encoding"), request.max_bytes)
    reason = getattr(response, "reason", None)
    is_matched = request.is_answered_by is None or request.is_answered_by(body)
    return HttpReply(status, reason if isinstance(reason, str) else "", headers, body, timings, is_matched=is_matched)


def _body(response: Any, max_bytes: int, deadline: Deadline) -> bytes:
    """Return the body: read in parts, or as it was preloaded."""
    parts: List[bytes] = []
    size = 0
    try:
        for part in response.stream(READ_SIZE, decode_content=False):
            if deadline.remaining() <= 0:
                raise TimeoutError("timed out")
            parts.append(part)
            size += len(part)
            if size > max_bytes:
                raise ResponseTooLarge(f"the answer is larger than {max_bytes} bytes")
    except (AttributeError, TypeError, ValueError) as error:
        # A preloaded response of urllib3, or a mock, has no stream to read.
        if parts or isinstance(error, (http.client.HTTPException, ResponseTooLarge)):
            raise
    data = b"".join(parts) or getattr(response, "data", None) or b""
    if isinstance(data, str):
        data = data.encode("utf-8")
    if not isinstance(data, bytes):
        _refuse("the data of a response must be bytes", data)
    if len(data) > max_bytes:
        raise ResponseTooLarge(f"the answer is larger than {max_bytes} bytes")
    return data


def _refuse(expected: str, got: object) -> NoReturn:
    raise OptionError(f"Invalid option 'pool_manager': {expected}, got {type(got).__name__}", "pool_manager", expected)
