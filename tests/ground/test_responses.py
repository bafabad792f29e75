"""Reading responses of pool managers and test doubles: streams, preloaded responses, mocks, and invalid objects."""

import gzip
import http.client
import io
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import urllib3

from target_tools.clock import Deadline, monotonic
from target_tools.errors import InvalidResponse, OptionError, ResponseTooLarge
from target_tools.http.messages import HttpRequest, Origin
from target_tools.http.pool_managers import READ_SIZE, read_response

REQUEST = HttpRequest("POST", Origin("http", "edge.example", 80), "/", (), b"body", READ_SIZE * 3)
BODY = b'{"status": 200}'
GZIPPED = gzip.compress(BODY)


def read(response, request=REQUEST, seconds=20.0):
    return read_response(response, request, Deadline.after(seconds), monotonic())


def stream_response(body=BODY, status=200, **headers):
    """Return a response of urllib3 whose body is neither preloaded nor decoded."""
    return urllib3.HTTPResponse(
        body=io.BytesIO(body),
        status=status,
        reason="Fine",
        headers=headers,
        preload_content=False,
        decode_content=False,
    )


def record_release(response):
    """Return a list that records when ``response`` is released or closed."""
    events = []
    response.release_conn = lambda: events.append("released")
    response.close = lambda: events.append("closed")
    return events


RESPONSES = {
    "streaming": stream_response,
    "preloaded": lambda: urllib3.HTTPResponse(body=BODY, status=200, reason="Fine"),
    "preloaded from a file": lambda: urllib3.HTTPResponse(
        body=io.BytesIO(BODY), status=200, reason="Fine", preload_content=True
    ),
    "mock": lambda: Mock(status=200, reason="Fine", data=BODY, headers={}),
    "mock of urllib3": lambda: Mock(spec=urllib3.HTTPResponse, status=200, reason="Fine", data=BODY, headers={}),
    "plain object": lambda: SimpleNamespace(status=200, reason="Fine", data=BODY),
    "text": lambda: SimpleNamespace(status=200, reason="Fine", data=BODY.decode()),
    "plain object with a stream": lambda: SimpleNamespace(
        status=200, reason="Fine", stream=lambda size, decode_content: iter([BODY[:5], BODY[5:]])
    ),
}


@pytest.mark.parametrize("kind", RESPONSES)
def test_every_kind_of_response_is_read(kind):
    reply = read(RESPONSES[kind]())
    assert (reply.status, reply.reason, reply.body, reply.attempts) == (200, "Fine", BODY, 1)
    assert reply.timings.dns is reply.timings.connect is reply.timings.tls is None
    assert (reply.timings.sent, reply.timings.received) == (4, len(BODY))
    assert reply.timings.first_byte >= 0


def test_text_is_encoded_as_utf_8():
    assert read(SimpleNamespace(status=200, data="ä€")).body == "ä€".encode()


@pytest.mark.parametrize("data", [None, b"", ""])
def test_a_response_without_data_is_empty(data):
    assert read(SimpleNamespace(status=204, data=data)).body == b""
    assert read(SimpleNamespace(status=204)).body == b""


def test_header_names_are_case_insensitive():
    headers = read(stream_response(**{"X-A": "1"})).headers
    assert (headers["x-a"], headers.get("X-B")) == ("1", None)


@pytest.mark.parametrize("headers", [None, Mock(), "text", 5])
def test_headers_that_are_not_a_mapping_are_ignored(headers):
    assert dict(read(SimpleNamespace(status=200, data=BODY, headers=headers)).headers) == {}


def test_a_reason_that_is_not_text_is_ignored():
    assert read(Mock(status=200, data=BODY, headers={})).reason == ""


# Encodings


@pytest.mark.parametrize(
    "response",
    [
        stream_response(GZIPPED, **{"Content-Encoding": "gzip"}),
        SimpleNamespace(status=200, data=GZIPPED, headers={"Content-Encoding": "gzip"}),
        urllib3.HTTPResponse(body=GZIPPED, status=200, headers={"Content-Encoding": "gzip"}),
    ],
)
def test_a_compressed_body_is_decompressed(response):
    assert read(response).body == BODY


@pytest.mark.parametrize(
    "response",
    [
        SimpleNamespace(status=200, data=BODY, headers={"Content-Encoding": "gzip"}),
        Mock(status=200, data=BODY, headers={"Content-Encoding": "gzip"}),
        urllib3.HTTPResponse(
            body=io.BytesIO(GZIPPED), status=200, headers={"Content-Encoding": "gzip"}, preload_content=True
        ),
    ],
    ids=["object", "mock", "preloaded"],
)
def test_data_that_is_already_decompressed_is_used_as_it_is(response):
    """A recorded answer can have both a Content-Encoding header and ``data`` that is already decompressed."""
    assert read(response).body == BODY


def test_a_stream_that_does_not_match_its_encoding_is_an_error():
    with pytest.raises(InvalidResponse, match="not valid gzip"):
        read(stream_response(BODY, **{"Content-Encoding": "gzip"}))


# Sizes and statuses


@pytest.mark.parametrize(
    "response",
    [
        stream_response,
        lambda body: SimpleNamespace(status=200, data=body),
        lambda body: urllib3.HTTPResponse(body=body, status=200),
        lambda body: stream_response(gzip.compress(body), **{"Content-Encoding": "gzip"}),
    ],
    ids=["stream", "object", "preloaded", "gzip"],
)
def test_the_size_of_a_body_is_limited(response):
    limit = REQUEST.max_bytes
    assert len(read(response(b"x" * limit)).body) == limit
    with pytest.raises(ResponseTooLarge, match=f"larger than {limit} bytes"):
        read(response(b"x" * (limit + 1)))


def test_a_stream_is_not_read_beyond_the_limit():
    seen = []

    def stream(size, decode_content):
        for number in range(1000):
            seen.append(number)
            yield b"x" * size

    with pytest.raises(ResponseTooLarge):
        read(SimpleNamespace(status=200, stream=stream))
    assert len(seen) == 4


@pytest.mark.parametrize("status", [301, 302, 307, 308, 399])
def test_the_body_of_a_redirect_is_not_read(status):
    response = stream_response(b"x" * (REQUEST.max_bytes * 2), status=status, Location="/elsewhere")
    assert (read(response).status, read(stream_response(status=status)).body) == (status, b"")


@pytest.mark.parametrize("status", [100, 101, 102, 103, 199])
def test_an_interim_reply_is_an_error(status):
    response = stream_response(status=status)
    events = record_release(response)
    with pytest.raises(InvalidResponse, match=rf"only an interim reply \({status}\)"):
        read(response)
    assert events == ["closed"]


@pytest.mark.parametrize(
    "response",
    [None, {}, "text", object(), Mock(), SimpleNamespace(status="200"), SimpleNamespace(status=True, data=BODY)],
    ids=["None", "dict", "text", "object", "mock", "text as status", "True as status"],
)
def test_an_object_without_a_status_is_refused(response):
    with pytest.raises(OptionError, match=r"must return a urllib3 response, got \w+") as caught:
        read(response)
    assert caught.value.option == "pool_manager"


@pytest.mark.parametrize("data", [5, ["x"], {"a": 1}], ids=repr)
def test_data_that_is_neither_bytes_nor_text_is_refused(data):
    with pytest.raises(OptionError, match="must be bytes, got " + type(data).__name__):
        read(SimpleNamespace(status=200, data=data))


# Release of connections


def test_a_connection_is_released_after_the_body_and_closed_after_an_error():
    good, bad = stream_response(), stream_response(b"x" * (REQUEST.max_bytes + 1))
    events = record_release(good), record_release(bad)
    read(good)
    with pytest.raises(ResponseTooLarge):
        read(bad)
    assert events == (["released"], ["closed"])


@pytest.mark.parametrize(
    "error", [OSError("mine"), http.client.IncompleteRead(b"x"), urllib3.exceptions.ProtocolError("mine")], ids=repr
)
def test_an_error_within_the_body_is_raised(error):
    def stream(size, decode_content):
        yield b"x"
        raise error

    response = SimpleNamespace(status=200, stream=stream, data=b"not this")
    events = record_release(response)
    with pytest.raises(type(error)) as caught:
        read(response)
    assert caught.value is error
    assert events == ["closed"]


def test_the_deadline_ends_a_stream():
    def stream(size, decode_content):
        while True:
            yield b""

    response = SimpleNamespace(status=200, stream=stream)
    events = record_release(response)
    with pytest.raises(TimeoutError):
        read(response, seconds=0.02)
    assert events == ["closed"]


@pytest.mark.parametrize("answers", [True, False])
def test_the_reply_records_whether_its_body_answers_the_request(answers):
    seen = []
    request = REQUEST._replace(is_answered_by=lambda body: seen.append(body) or answers)
    assert read(stream_response(GZIPPED, **{"Content-Encoding": "gzip"}), request).is_matched is answers
    assert seen == [BODY]
