"""The requests and replies of the local edge's HTTP server, and their bodies."""

import json
from types import MappingProxyType
from typing import Any, Callable, Dict, Generator, Mapping, NamedTuple, Optional, Tuple, Union

from target_python_sdk.local_edge.validation import JsonValue
from target_tools.errors import InvalidResponse
from target_tools.http.messages import parse_json

#: The maximum number of lists and objects in the body of a request. They take many times the
#: memory of their text when they are parsed.
MAX_BRACKETS = 50000


class RequestHead(NamedTuple):
    """The request line and the headers. Header names are in lower case."""

    method: str
    path: str
    headers: Dict[str, str]


class RecordedRequest(NamedTuple):
    """A received request. Header names are in lower case; ``body`` is the parsed JSON, or None if it is not JSON.

    ``connection`` is the number of its TCP connection, counted from 1.
    """

    method: str
    path: str
    query: Dict[str, str]
    headers: Dict[str, str]
    body: Any
    connection: int


#: The parts of a body of unknown length. The generator is closed when the client has closed the connection.
ByteStream = Generator[bytes, None, None]
#: Returns a stream. Takes a function that returns True when the stream must end.
Stream = Callable[[Callable[[], bool]], ByteStream]


class Reply(NamedTuple):
    """A reply. Bytes and text are sent unchanged as the body, None as an empty body, and other values as JSON.

    ``headers`` are sent in addition to ``Content-Length``, and to ``Content-Type`` for text and JSON. ``details``
    describe the reply in the live feed.
    """

    status: int
    body: Union[JsonValue, bytes, Stream] = None
    headers: Mapping[str, str] = MappingProxyType({})
    details: Mapping[str, Any] = MappingProxyType({})


def error_reply(status: int, message: str) -> Reply:
    """Return a reply in the format of the API's errors."""
    return Reply(status, {"status": status, "message": message}, details={"problem": message})


def method_error(request: RecordedRequest, allowed: str) -> Optional[Reply]:
    """Return the reply to a request whose method is not ``allowed``, else None. GET also allows HEAD."""
    if request.method == allowed or (request.method == "HEAD" and allowed == "GET"):
        return None
    reply = error_reply(405, f"{request.path}: only {allowed} is allowed")
    return reply._replace(headers={"Allow": "GET, HEAD" if allowed == "GET" else allowed})


def encode_body(body: Union[JsonValue, bytes]) -> Tuple[bytes, Dict[str, str]]:
    """Return the bytes of a body, and the ``Content-Type`` header if it is text or JSON."""
    if body is None or isinstance(body, bytes):
        return body or b"", {}
    if isinstance(body, str):
        return body.encode(errors="backslashreplace"), {"Content-Type": "text/plain;charset=UTF-8"}
    try:
        data = json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # lone surrogates, which JSON can contain, but UTF-8 cannot
        data = json.dumps(body).encode()
    return data, {"Content-Type": "application/json;charset=UTF-8"}


def parse_body(raw: bytes) -> Any:
    """Return the parsed JSON, or None if the bytes are not JSON or contain too many lists and objects."""
    try:
        return parse_json(raw, MAX_BRACKETS)
    except InvalidResponse:
        return None


def accepts_gzip(accepted: str) -> bool:
    """Return whether an ``Accept-Encoding`` header allows gzip."""
    codings = [part.replace(" ", "").lower().split(";q=") for part in accepted.split(",")]
    return any(coding[0] == "gzip" and coding[1:] not in (["0"], ["0.0"]) for coding in codings)
