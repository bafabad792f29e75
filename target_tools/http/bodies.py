"""Bodies of answers: read under a cap, decompressed under the same cap, parsed strictly.

None of this is left to urllib3: its own caps came late (2.6 and 2.7) and never to the
1.26 line, and a body of 300 KB may hold 300 MB.
"""

import http.client
import json
import math
import re
import zlib
from typing import Any, List, Optional

from target_tools.errors import InvalidResponse, ResponseTooLarge

READ_SIZE = 65536
#: Levels of nesting that an answer may have.
MAX_DEPTH = 100
#: Lists and objects that it may hold: an empty one takes two bytes on the wire and a hundred here.
MAX_BRACKETS = 200000
#: Values that it may hold for each of those lists and objects: a number takes two bytes there and forty here.
VALUES_PER_BRACKET = 2
#: Streams of gzip that may follow one another; real servers send one.
MAX_MEMBERS = 16
#: Digits of a whole number; longer ones take quadratic time to read.
MAX_DIGITS = 400


def read_body(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    """The body as it came.  Raises what ``http.client`` raises for a truncated one."""
    if response.length is not None:
        if response.length > max_bytes:
            raise _too_large(max_bytes)
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
            raise _too_large(max_bytes)


def decode_body(body: bytes, encoding: Optional[str], max_bytes: int) -> bytes:
    """``body`` without its Content-Encoding.  Only gzip was asked for, and only once."""
    if encoding is None:
        return body
    name = encoding.strip().lower()
    if name in ("identity", ""):
        return body
    if name not in ("gzip", "x-gzip"):
        raise InvalidResponse("the answer has a content encoding that was not asked for")
    return _gunzip(body, max_bytes)


def _gunzip(body: bytes, max_bytes: int) -> bytes:
    parts: List[bytes] = []
    left = max_bytes
    while body:
        if len(parts) == MAX_MEMBERS:
            raise InvalidResponse("the answer has too many gzip members")
        member = zlib.decompressobj(31)
        try:
            # One byte more than allowed tells "just fits" from "too large".
            parts.append(member.decompress(body, left + 1))
        except zlib.error:
            raise InvalidResponse("the answer is not the gzip it says it is") from None
        left -= len(parts[-1])
        if left < 0:
            raise _too_large(max_bytes)
        if not member.eof:
            raise InvalidResponse("the answer ends in the middle of its gzip")
        body = member.unused_data
    return b"".join(parts)


def _too_large(max_bytes: int) -> ResponseTooLarge:
    return ResponseTooLarge("the answer is larger than {} bytes".format(max_bytes))


def parse_json(body: bytes, max_brackets: int = MAX_BRACKETS) -> Any:
    """Return the value that ``body`` holds as UTF-8 JSON.

    It holds at most ``max_brackets`` lists and objects, and twice as many values in all, so that it takes
    a small multiple of the memory of its text.  Raises ``InvalidResponse`` for anything else: other
    encodings, NaN and Infinity, numbers of hundreds of digits, nesting that would end a recursion elsewhere.
    """
    try:
        text = body.decode("utf-8-sig")
        brackets = text.count("[") + text.count("{")
        if brackets > max_brackets:
            raise InvalidResponse("the answer holds too many lists and objects")
        most = max_brackets * VALUES_PER_BRACKET
        # Commas in texts are counted as well; only a text with very many needs a closer look.
        if text.count(",") + brackets > most and _values(text) > most:
            raise InvalidResponse("the answer holds too many values")
        value = _DECODER.decode(text)
    except RecursionError:
        raise InvalidResponse("the answer is nested too deeply") from None
    except InvalidResponse:
        raise
    except ValueError as error:
        # The error quotes nothing of the body, but keeps the document: not for a pickle or a log.
        raise InvalidResponse("the answer is not JSON: {}".format(_reason(error))) from None
    # Nothing can be deeper than it has brackets: most answers need no second look.
    if brackets > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise InvalidResponse("the answer is nested too deeply")
    return value


def _reason(error: ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "byte {} is not UTF-8".format(error.start)
    if isinstance(error, json.JSONDecodeError):
        return "{} at character {}".format(error.msg, error.pos)
    return str(error)


_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


def _values(text: str) -> int:
    """Return how many values JSON holds, give or take one for each list or object."""
    bare = _STRING.sub("", text)
    return bare.count(",") + bare.count("[") + bare.count("{")


def _depth(text: str) -> int:
    """How deep valid JSON is nested."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        if bracket in "[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


def _refuse_constant(name: str) -> Any:
    raise ValueError("{} is no JSON number".format(name))


def _parse_int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError("a number has too many digits")
    return int(digits)


def _parse_float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_parse_int, parse_float=_parse_float)
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def render_json(value: Any) -> bytes:
    """``value`` as compact JSON.  Raises ValueError or TypeError for what JSON cannot hold."""
    return _ENCODER.encode(value).encode("ascii")
