"""HTTP requests and replies as values. Renders the bodies of requests, and reads those of replies within limits.

``Send`` is the type of a function that sends a request within a deadline and returns the reply. Logging, retries
and the circuit breaker wrap such a function, and tests replace it.

urllib3 does not limit the size of a body in every supported version: 2.6 and 2.7 added limits, 1.26 has none. A body
of 300 KB can decompress to 300 MB.
"""

import codecs
import functools
import http.client
import json
import math
import re
import zlib
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple, Type, Union

from target_tools.clock import Deadline
from target_tools.errors import InvalidResponse, ResponseTooLarge
from target_tools.schema.model import Model, to_json
from target_tools.typing_compat import Json

#: The port that each scheme implies.
DEFAULT_PORTS = {"http": 80, "https": 443}
#: Bytes to read at once.
READ_SIZE = 65536
#: Maximum nesting depth of an answer.
MAX_DEPTH = 100
#: Maximum number of lists and objects in an answer. An empty one takes 2 bytes of text and 100 bytes of memory.
MAX_BRACKETS = 200000
#: Maximum number of values, as a multiple of ``MAX_BRACKETS``. A number takes 2 bytes of text and 40 bytes of memory.
VALUES_PER_BRACKET = 2
#: Maximum number of concatenated gzip members; real servers send one.
MAX_MEMBERS = 16
#: Maximum number of digits in an integer; parsing takes quadratic time.
MAX_DIGITS = 400


class Origin(NamedTuple):
    """Scheme, host and port of a server; connections are opened and pooled per origin."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """Return ``host:port``, with an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def host_header(self) -> str:
        """Return the ``Host`` header: ``netloc`` without the port if the scheme implies it."""
        implied = self.port == DEFAULT_PORTS.get(self.scheme)
        return self.netloc.rpartition(":")[0] if implied else self.netloc

    def __str__(self) -> str:
        return _origin_text(self)


@functools.lru_cache(maxsize=32)
def _origin_text(origin: Origin) -> str:
    return f"{origin.scheme}://{origin.host_header}"


def is_invalid_ipv6(host: str) -> bool:
    """Return whether ``host`` contains a colon but is not an IPv6 address. Only IPv6 addresses may contain colons."""
    if ":" not in host:
        return False
    import ipaddress  # noqa: PLC0415 - slow to import

    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return True
    return False


class HttpRequest(NamedTuple):
    """One request."""

    method: str
    origin: Origin
    #: Path and query, percent-encoded.
    target: str
    headers: Tuple[Tuple[str, str], ...]
    body: bytes
    #: Maximum size of the answer in bytes, before and after decompression.
    max_bytes: int
    #: The origin to try if ``origin`` cannot be reached.
    alternative: Optional[Origin] = None
    #: Returns whether a decompressed body can be the answer to this request; None accepts any.
    is_answered_by: Optional[Callable[[bytes], bool]] = None

    @property
    def url(self) -> str:
        """Return the whole URL. It contains ids of the visitor: do not log it."""
        return f"{self.origin}{self.target}"

    def matches(self, body: bytes) -> bool:
        """Return whether the decompressed ``body`` can be the answer to this request."""
        return self.is_answered_by is None or self.is_answered_by(body)


class Timings(NamedTuple):
    """Durations of an exchange in milliseconds, and its sizes on the wire in bytes, including headers.

    After a retry, they describe the last attempt. ``dns``, ``connect`` and ``tls`` are None for a step that was not
    part of this exchange, for example on a kept-alive connection or if the address was known. With a pool manager they
    are always None, ``first_byte`` includes opening the connection, and the sizes are those of the bodies.
    """

    #: The name lookup.
    dns: Optional[float] = None
    #: Opening the TCP connection, including a proxy's CONNECT.
    connect: Optional[float] = None
    #: The TLS handshake.
    tls: Optional[float] = None
    #: From sending the request to the first byte of the reply.
    first_byte: float = 0.0
    #: From the first byte to the last.
    download: float = 0.0
    sent: int = 0
    received: int = 0


class HttpReply(NamedTuple):
    """The server's final answer, decompressed."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    timings: Timings
    #: The number of attempts to send the request.
    attempts: int = 1
    #: False if the body has the id of another request. Such a body is accepted only in a connection's first reply.
    is_matched: bool = True


Send = Callable[[HttpRequest, Deadline], HttpReply]


def read_body(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    """Return the body, still encoded. If it is truncated, raises the error of ``http.client``."""
    if response.length is not None:
        if response.length > max_bytes:
            raise too_large(max_bytes)
        return response.read()
    parts: List[bytes] = []
    size = 0
    while True:
        part = response.read(READ_SIZE)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
        if size > max_bytes:
            raise too_large(max_bytes)


def decode_body(body: bytes, encoding: Optional[str], max_bytes: int) -> bytes:
    """Return ``body`` without its Content-Encoding, which must be gzip, identity or None."""
    name = (encoding or "").strip().lower()
    if name in ("identity", ""):
        return body
    if name not in ("gzip", "x-gzip"):
        raise InvalidResponse("the answer has a content encoding that was not requested")
    return _gunzip(body, max_bytes)


def _gunzip(body: bytes, max_bytes: int) -> bytes:
    parts: List[bytes] = []
    left = max_bytes
    while body:
        if len(parts) == MAX_MEMBERS:
            raise InvalidResponse("the answer has too many gzip members")
        member = zlib.decompressobj(31)
        try:
            # Allow one more byte, to distinguish "just fits" from "too large".
            parts.append(member.decompress(body, left + 1))
        except zlib.error:
            raise InvalidResponse("the answer is not valid gzip") from None
        left -= len(parts[-1])
        if left < 0:
            raise too_large(max_bytes)
        if not member.eof:
            raise InvalidResponse("the answer ends in the middle of its gzip")
        body = member.unused_data
    return b"".join(parts)


def too_large(max_bytes: int) -> ResponseTooLarge:
    """Return the error for a body of more than ``max_bytes``."""
    return ResponseTooLarge(f"the answer is larger than {max_bytes} bytes")


def parse_json(body: bytes, max_brackets: int = MAX_BRACKETS) -> Any:
    """Return the value of a UTF-8 JSON document.

    The document may contain ``max_brackets`` lists and objects, and twice as many values in all, so that the
    result takes at most a small multiple of the memory of its text. Raises ``InvalidResponse`` for other encodings,
    NaN and Infinity, integers of more than ``MAX_DIGITS`` digits, other numbers too large for a float, and nesting
    deeper than ``MAX_DEPTH``, which could exceed the recursion limit of code that walks the result.
    """
    try:
        text = body[3:].decode() if body.startswith(codecs.BOM_UTF8) else body.decode()
        brackets = text.count("[") + text.count("{")
        if brackets > max_brackets:
            raise InvalidResponse("the answer holds too many lists and objects")
        most = max_brackets * VALUES_PER_BRACKET
        # Count all commas first, which is fast; exclude those within strings only if there are very many.
        if text.count(",") + brackets > most and _count_values(text) > most:
            raise InvalidResponse("the answer holds too many values")
        value = JSON_DECODER.decode(text)
    except RecursionError:
        raise InvalidResponse("the answer is nested too deeply") from None
    except InvalidResponse:
        raise
    except ValueError as error:
        # Do not chain the error: it holds the document, which must not get into a pickle or a log.
        raise InvalidResponse(f"the answer is not JSON: {_json_error_text(error)}") from None
    # The number of brackets limits the depth, so most answers need no second pass.
    if brackets > MAX_DEPTH and nesting_depth(text) > MAX_DEPTH:
        raise InvalidResponse("the answer is nested too deeply")
    return value


def _json_error_text(error: ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    return str(error)


# The closing quotation mark is optional: otherwise the search in text that is not JSON takes quadratic time.
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


def _count_values(text: str) -> int:
    """Return the number of values in a JSON text, to within one for each list or object."""
    bare = _STRING.sub("", text)
    return bare.count(",") + bare.count("[") + bare.count("{")


def nesting_depth(text: str) -> int:
    """Return the nesting depth of valid JSON."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _reject_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _parse_int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError("a number has too many digits")
    return int(digits)


def _parse_float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


JSON_DECODER = json.JSONDecoder(parse_constant=_reject_constant, parse_int=_parse_int, parse_float=_parse_float)
#: Returns a text as JSON, in ASCII.
quote = json.encoder.encode_basestring_ascii
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
#: Maximum number of classes whose generated functions are kept.
_MAX_RENDERERS = 256


def _find_orjson() -> Any:
    """Return the module ``orjson`` of the extra ``speedups``, or None."""
    try:
        import orjson  # pyright: ignore[reportMissingImports]  # noqa: PLC0415 - optional
    except ImportError:
        return None
    return orjson


_orjson = _find_orjson()
if _orjson is not None:
    # With these options, orjson calls ``_sent_fields`` for the values that ``render_json`` refuses or renders in
    # another way.
    _ORJSON_OPTIONS = _orjson.OPT_PASSTHROUGH_DATETIME | _orjson.OPT_PASSTHROUGH_DATACLASS
    _ORJSON_OPTIONS |= _orjson.OPT_PASSTHROUGH_SUBCLASS


def render_json(value: Union[Json, Model]) -> bytes:
    """Return ``value`` as compact JSON. Raises ValueError or TypeError if JSON cannot represent it.

    A model is rendered as ``to_json`` returns it, but in one pass.
    """
    return _json_text(value).encode("ascii")


def render_quickly(model: Model) -> bytes:
    """Return ``model`` as compact JSON, rendered by ``orjson`` if it is installed, otherwise by ``render_json``.

    ``orjson`` writes ``1e16`` where Python writes ``1e+16``, and does not escape U+007F. It would write ``null`` for
    infinity and NaN, but ``delivery.conversion`` refuses requests that contain them.
    """
    if _orjson is not None:
        try:
            rendered: bytes = _orjson.dumps(model, _sent_fields, _ORJSON_OPTIONS)
        except TypeError:  # such as integers of more than 64 bits and lone surrogates
            return render_json(model)
        if rendered.isascii():  # Python escapes characters that are not ASCII
            return rendered
    return render_json(model)


def _sent_fields(value: Union[Model, Json]) -> Any:
    """Return a value that ``orjson`` can render in place of one that it cannot."""
    if isinstance(value, Model):
        keys = value.attribute_map
        return {keys[name]: item for name, item in value.__dict__.items() if item is not None and name in keys}
    plain = to_json(value)
    if plain is value:
        raise TypeError
    return plain


def _json_text(value: Any) -> str:
    return _RENDERERS[value.__class__](value)


def _list_text(items: List[Json]) -> str:
    return "[" + ",".join([_RENDERERS[item.__class__](item) for item in items]) + "]"


def _dict_text(items: Dict[str, Json]) -> str:
    if {*map(type, items)} <= {str}:
        return "{" + ",".join([f"{quote(key)}:{_json_text(item)}" for key, item in items.items()]) + "}"
    return _other_text(items)


def _other_text(value: Any) -> str:
    return _ENCODER.encode(to_json(value))


def _generate_renderer(cls: Type[Model]) -> Callable[[Any], str]:
    """Generate the function that renders the models of a class. It has no loop over the fields, to be fast."""
    lines = ["def render(model):", "  fields, text = model.__dict__, ''", "  try:"]
    for name, wire_name in cls.attribute_map.items():
        lines.append(f"    value = fields[{name!r}]")
        lines.append(f"    if value is not None: text += ',\"{wire_name}\":' + renderers[value.__class__](value)")
    lines.append("  except KeyError: return json_text(model.to_json())")  # an application can delete attributes
    lines.append("  return '{' + text[1:] + '}'")
    scope: Dict[str, Any] = {"renderers": _RENDERERS, "json_text": _json_text}
    exec(compile("\n".join(lines), f"<JSON of {cls.__qualname__}>", "exec"), scope)
    render: Callable[[Any], str] = scope["render"]
    return render


class _Renderers(Dict[Any, Callable[[Any], str]]):
    """Maps each class to the function that renders its values as JSON. Those of models are generated on first use."""

    def __missing__(self, cls: Any) -> Callable[[Any], str]:
        if not issubclass(cls, Model):
            return _other_text
        render = _generate_renderer(cls)
        if len(self) < _MAX_RENDERERS:  # an application can create any number of subclasses
            self[cls] = render
        return render


_RENDERERS = _Renderers({
    str: quote,
    bool: {True: "true", False: "false"}.__getitem__,
    int: int.__repr__,
    list: _list_text,
    dict: _dict_text,
})  # fmt: skip
