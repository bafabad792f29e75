"""Faulty answers that a client must handle, for parametrized tests.

::

    @pytest.mark.parametrize("fault", FAULTS, ids=str)
    def test_every_fault_is_an_error(fault):
        with SocketServer(fault.handler()) as server:
            ...

A ``harmless`` fault is unusual, but contains a usable answer. An ``endless`` fault continues
until the client closes the connection, so that only a deadline or a limit ends it.
"""

import gzip
import json
import zlib
from typing import Callable, Iterator, NamedTuple, Optional, Tuple

from target_python_sdk.testing.connection import Connection
from target_python_sdk.testing.handlers import Handler, answer
from target_python_sdk.testing.http_bytes import chunk, response

GOOD_BODY = json.dumps({"status": 200, "client": "acmeclient", "id": {"tntId": "t.35_0"}, "edgeHost": "e"}).encode()
GOOD = response(GOOD_BODY)
MEBIBYTE = 1 << 20


class Fault(NamedTuple):
    """A fault. ``handler()`` returns a handler for a ``SocketServer``."""

    name: str
    description: str
    handler: Callable[[], Handler]
    harmless: bool = False
    endless: bool = False

    def __str__(self) -> str:
        return self.name


def sends(*parts: bytes, then: Optional[Callable[[Connection], None]] = None) -> Callable[[], Handler]:
    """Return a factory of handlers that read a request, send the parts one by one, and then call ``then`` or close."""

    def handle(connection: Connection) -> None:
        if connection.read_request():
            for part in parts:
                connection.send(part)
            (then or Connection.close)(connection)

    return lambda: handle


def sends_forever(part: bytes, first: bytes = b"") -> Callable[[], Handler]:
    """Return a factory of handlers that send ``first`` once, and then ``part`` forever."""

    def handle(connection: Connection) -> None:
        if connection.read_request():
            connection.send(first)
            while True:
                connection.send(part)

    return lambda: handle


def sends_slowly(message: bytes, every: float) -> Callable[[], Handler]:
    """Return a factory of handlers that send a message byte by byte, and wait ``every`` seconds after each byte."""

    def handle(connection: Connection) -> None:
        while connection.read_request():
            connection.send_slowly(message, every)

    return lambda: handle


def gzip_bomb(mebibytes: int) -> Handler:
    """Return a handler that answers with ``mebibytes`` MiB of JSON, compressed to about a thousandth of that."""

    def handle(connection: Connection) -> None:
        if connection.read_request():
            body = b"".join(_compressed_spaces(mebibytes))
            connection.send(response(body, headers={"Content-Encoding": "gzip"}))

    return handle


def _compressed_spaces(mebibytes: int) -> Iterator[bytes]:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    for _ in range(mebibytes):
        yield packer.compress(b" " * MEBIBYTE)
    yield packer.compress(GOOD_BODY) + packer.flush()


def close_unread(connection: Connection) -> None:
    """Close the connection without reading or sending anything."""
    connection.close()


def _early_close() -> Handler:
    return close_unread


def _early_reset() -> Handler:
    return Connection.reset


def _silence() -> Handler:
    return Connection.hang


def _compressed(body: bytes, coding: str = "gzip") -> bytes:
    return response(body, headers={"Content-Encoding": coding})


_GZIPPED = gzip.compress(GOOD_BODY)
_CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
_HUGE = b'{"status": 200, "client": "' + b"x" * (16 * MEBIBYTE) + b'"}'
_REDIRECT = {"Location": "http://127.0.0.1:9/elsewhere"}


def _answers(body: bytes, status: int = 200) -> Callable[[], Handler]:
    return lambda: answer(body, status)


#: All faults. Those about sizes exceed the SDK's limits: a body of 8 MiB, 100 headers, a nesting depth of 100.
FAULTS: Tuple[Fault, ...] = (
    # the connection
    Fault("early_close", "closes as soon as the client has connected", _early_close),
    Fault("early_reset", "resets as soon as the client has connected", _early_reset),
    Fault("close_unanswered", "reads the request and closes", sends()),
    Fault("reset_unanswered", "reads the request and resets", sends(then=Connection.reset)),
    Fault("silence", "neither reads nor sends anything", _silence, endless=True),
    Fault("half_head", "closes in the middle of the headers", sends(GOOD[:40])),
    Fault("half_body", "closes in the middle of the body", sends(GOOD[:-20])),
    Fault("reset_mid_body", "resets in the middle of the body", sends(GOOD[:-20], then=Connection.reset)),
    Fault("stalled_body", "stops in the middle of the body", sends(GOOD[:-20], then=Connection.hang), endless=True),
    Fault("dripping_head", "one byte of the headers per second", sends_slowly(GOOD, 1), endless=True),
    Fault("slow_answer", "a good answer, one byte per millisecond", sends_slowly(GOOD, 0.001), harmless=True),
    # the status line and the headers
    Fault("garbage_status", "not HTTP", sends(b"\x16\x03\x01\x00\xff garbage\r\n\r\n")),
    Fault("odd_status_number", "a status in words", sends(b"HTTP/1.1 two hundred\r\nContent-Length: 0\r\n\r\n")),
    Fault("http_0_9", "a body without status line or headers", sends(GOOD_BODY)),
    Fault("long_header", "one header of a mebibyte", sends(response(GOOD_BODY, headers={"X-Long": "x" * MEBIBYTE}))),
    Fault("many_headers", "ten thousand headers", sends(b"HTTP/1.1 200 OK\r\n" + b"X-More: 1\r\n" * 10000 + b"\r\n")),
    Fault("endless_headers", "headers forever", sends_forever(b"X-More: 1\r\n", b"HTTP/1.1 200 OK\r\n"), endless=True),
    Fault("continue_spam", "100 Continue forever", sends_forever(b"HTTP/1.1 100 Continue\r\n\r\n"), endless=True),
    Fault(
        "continue_first",
        "one 100 Continue, then an answer",
        sends(b"HTTP/1.1 100 Continue\r\n\r\n", GOOD),
        harmless=True,
    ),
    Fault("redirect", "302 to another port", lambda: answer(b"", 302, _REDIRECT)),
    Fault("permanent_redirect", "308 to another port", lambda: answer(b"", 308, _REDIRECT)),
    # the length of the body
    Fault(
        "long_content_length",
        "a Content-Length larger than the body",
        sends(response(GOOD_BODY, headers={"Content-Length": "5000"})),
    ),
    Fault(
        "short_content_length",
        "a Content-Length smaller than the body",
        sends(response(GOOD_BODY, headers={"Content-Length": "20"})),
    ),
    Fault(
        "wordy_content_length",
        "a Content-Length that is not a number",
        sends(response(b"", headers={"Content-Length": "much"})),
    ),
    Fault("broken_chunk_size", "a chunk size that is not a number", sends(_CHUNKED_HEAD, b"zz\r\nabc\r\n0\r\n\r\n")),
    Fault("unfinished_chunks", "chunks without the last one", sends(_CHUNKED_HEAD, chunk(GOOD_BODY))),
    Fault("endless_chunks", "chunks forever", sends_forever(chunk(b" " * 65536), _CHUNKED_HEAD), endless=True),
    Fault("huge_body", "16 MiB of JSON", sends(response(_HUGE))),
    Fault(
        "huge_content_length",
        "announces an exbibyte, sends little",
        sends(response(b"{", headers={"Content-Length": str(1 << 60)}), then=Connection.hang),
        endless=True,
    ),
    # the content coding
    Fault("truncated_gzip", "half of a gzip stream", sends(_compressed(_GZIPPED[: len(_GZIPPED) // 2]))),
    Fault("not_gzip", "labeled gzip, but is not", sends(_compressed(GOOD_BODY))),
    Fault("corrupt_gzip", "a gzip stream with a wrong checksum", sends(_compressed(_GZIPPED[:-8] + b"\0" * 8))),
    Fault("gzip_bomb", "32 MiB of JSON in 32 KiB of gzip", lambda: gzip_bomb(32)),
    Fault("stacked_gzip", "one layer of gzip labeled as ten", sends(_compressed(_GZIPPED, ", ".join(["gzip"] * 10)))),
    Fault("unknown_coding", "a coding that was not requested", sends(_compressed(b"\x28\xb5\x2f\xfd", "zstd"))),
    # the content
    Fault("no_content", "204 without a body", lambda: answer(None, 204), harmless=True),
    Fault("empty_body", "200 with an empty body", _answers(b"")),
    Fault("null_body", "JSON null", _answers(b"null")),
    Fault("list_body", "a JSON list", _answers(b"[]")),
    Fault("list_for_object", "a list instead of an object", _answers(b'{"status": 200, "id": []}')),
    Fault("invalid_json", "not JSON", _answers(b"<html>It works!</html>")),
    Fault("half_json", "half of a JSON document", _answers(GOOD_BODY[:-10])),
    Fault("deep_json", "a hundred thousand nested lists", _answers(b'{"id":' + b"[" * 100000 + b"]" * 100000 + b"}")),
    Fault("long_number", "an integer of 5000 digits", _answers(b'{"status": ' + b"9" * 5000 + b"}")),
    Fault("not_utf_8", "bytes that are not UTF-8", _answers(b'{"client": "\xff\xfe\xfa"}')),
    Fault("server_error", "500 with HTML", _answers(b"<h1>500</h1>", 500)),
)
