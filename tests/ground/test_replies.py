"""Reading replies from a socket: interim replies, headers, framing, and reusable connections."""

import http.client
import socket
import time

import pytest

from target_tools.clock import Deadline
from target_tools.http.exchanges import (
    HEADER_LIMIT,
    INTERIM_LIMIT,
    LINE_LIMIT,
    DeadlineReader,
    Exchange,
    StrictResponse,
    set_socket_timeout,
)
from target_tools.http.messages import read_body

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nContent-Length: 7\r\n\r\n"
UNKNOWN = b"HTTP/1.1 199 Anything\r\nX-A: 1\r\n\r\n"


def final_reply(*lines, body=b"", status=b"200 OK", version=b"HTTP/1.1"):
    return b"\r\n".join([version + b" " + status, *lines, b"", b""]) + body


FINAL = final_reply(b"Content-Length: 2", body=b"{}")


class SocketReply:
    """A reply that is written to one end of a socket pair and read from the other."""

    def __init__(self, data, method="POST", seconds=20.0, closes=True):
        self.near, self.far = socket.socketpair()
        self.far.sendall(data)
        if closes:
            self.far.shutdown(socket.SHUT_WR)
        self.exchange = Exchange(Deadline.after(seconds), None)
        self.reply = StrictResponse(DeadlineReader(self.near, self.exchange), method=method)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.reply.close()
        self.near.close()
        self.far.close()

    def begin(self):
        self.reply.begin()
        return self.reply


def read(data, method="POST"):
    """Return the status, the body, and whether the connection can be used again."""
    with SocketReply(data, method) as received:
        reply = received.begin()
        body = read_body(reply, 10**6)
        return reply.status, body, reply.is_complete()


def head_error(data, method="POST"):
    """Return the error that reading the head of ``data`` raises."""
    with SocketReply(data, method) as received, pytest.raises(http.client.HTTPException) as caught:
        received.begin()
    return caught.value


def headers_of(*lines):
    with SocketReply(final_reply(*lines)) as received:
        return received.begin().headers


# Interim replies


@pytest.mark.parametrize(
    "interim",
    [
        [],
        [CONTINUE],
        [PROCESSING],
        [HINTS],
        [UNKNOWN],
        [CONTINUE, PROCESSING, HINTS],
        [HINTS, CONTINUE, HINTS, PROCESSING],
        [PROCESSING, PROCESSING, UNKNOWN, CONTINUE],
        [HINTS] * INTERIM_LIMIT,
    ],
    ids=len,
)
def test_interim_replies_are_skipped(interim):
    assert read(b"".join(interim) + FINAL) == (200, b"{}", True)


def test_one_interim_reply_more_than_the_limit_is_an_error():
    assert f"more than {INTERIM_LIMIT} interim replies" in str(head_error(CONTINUE * (INTERIM_LIMIT + 1) + FINAL))


def test_headers_of_an_interim_reply_do_not_belong_to_the_final_one():
    with SocketReply(HINTS + UNKNOWN + final_reply(b"X-B: 2", b"Content-Length: 0")) as received:
        reply = received.begin()
        assert reply.headers.items() == [("X-B", "2"), ("Content-Length", "0")]
        assert (reply.status, reply.reason, reply.version) == (200, "OK", 11)


@pytest.mark.parametrize("before", [b"", CONTINUE, HINTS * 3])
def test_a_switch_of_protocols_is_an_error(before):
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
    assert "switched protocols" in str(head_error(before + switch + FINAL))


@pytest.mark.parametrize("data", [b"", CONTINUE, CONTINUE + HINTS])
def test_a_connection_that_ends_without_a_final_reply_is_an_error(data):
    assert isinstance(head_error(data), http.client.RemoteDisconnected)


def test_the_deadline_applies_to_all_interim_replies_together():
    with SocketReply(CONTINUE * 3, seconds=0.05, closes=False) as received:
        with pytest.raises(socket.timeout):
            received.begin()
        assert received.exchange.deadline.remaining() <= 0


# Header lines


def test_headers_keep_their_case_order_and_values():
    headers = headers_of(b"A: 1", b"b:2", b"C:  3 \t", b"Empty:", b"Colons: a:b:c", b"Latin: \xe4", b"A: 4")
    pairs = [("A", "1"), ("b", "2"), ("C", "3"), ("Empty", ""), ("Colons", "a:b:c"), ("Latin", "\xe4"), ("A", "4")]
    assert headers.items() == pairs
    assert headers.get_all("a") == ["1", "4"]


def test_bare_line_feeds_end_lines_too():
    assert read(b"HTTP/1.1 200 OK\nA: 1\nContent-Length: 2\n\n{}") == (200, b"{}", True)


@pytest.mark.parametrize("blank", [b" ", b"\t", b"   "])
def test_a_folded_value_is_joined_with_one_space(blank):
    assert headers_of(b"A: 1", blank + b"2 ", blank + b"3", b"B: 4").items() == [("A", "1 2 3"), ("B", "4")]


@pytest.mark.parametrize(
    "line",
    [
        b"no colon",
        b": no name",
        b"A : blank before the colon",
        b"A\t: tab before the colon",
        b"A B: blank in the name",
        b"A(: not a token",
        b"\xe4: not ASCII",
        b"A: NUL \0",
        b"A\0: NUL",
        b"A: bare \r carriage return",
        b"A: 1\rContent-Length: 5",
    ],
    ids=repr,
)
def test_an_invalid_header_line_is_an_error(line):
    assert "invalid header line" in str(head_error(final_reply(b"B: 1", line, b"Content-Length: 0")))


@pytest.mark.parametrize("blank", [b" ", b"\t"])
def test_a_folded_value_without_a_previous_header_is_an_error(blank):
    assert "invalid header line" in str(head_error(final_reply(blank + b"A: 1", b"Content-Length: 0")))


def test_an_invalid_line_in_an_interim_reply_is_an_error_too():
    assert "invalid header line" in str(head_error(b"HTTP/1.1 103 Early Hints\r\nno colon\r\n\r\n" + FINAL))


@pytest.mark.parametrize(("excess", "is_refused"), [(0, False), (1, True)])
def test_the_length_of_a_line_is_limited(excess, is_refused):
    line = b"A: " + b"x" * (LINE_LIMIT - len(b"A: \r\n") + excess)
    if is_refused:
        assert isinstance(head_error(final_reply(line)), http.client.LineTooLong)
    else:
        assert len(headers_of(line)["A"]) == LINE_LIMIT - len("A: \r\n")


def test_the_number_of_lines_is_limited():
    assert len(headers_of(*[b"A: 1"] * HEADER_LIMIT)) == HEADER_LIMIT
    assert "more than" in str(head_error(final_reply(*[b"A: 1"] * (HEADER_LIMIT + 1))))


@pytest.mark.parametrize("size", range(len(b"HTTP/1.1 200 OK\r\n"), len(FINAL) - len(b"\r\n{}")))
def test_a_connection_that_ends_within_the_head_is_an_error(size):
    assert isinstance(head_error(FINAL[:size]), http.client.IncompleteRead)


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1", b"HTTP/1.1 two OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 1000 OK", b"ICY 200 OK"]
)
def test_an_invalid_status_line_is_an_error(line):
    assert isinstance(head_error(line + b"\r\nContent-Length: 0\r\n\r\n"), http.client.BadStatusLine)


# Framing: where the body ends


CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"2\r\n{}\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        ([b"Content-Length: 2"], b"{}"),
        ([b"content-length:2"], b"{}"),
        ([b"Content-Length: 002"], b"{}"),
        ([b"Content-Length: 2", b"Content-Length: 2"], b"{}"),
        ([b"Content-Length: 2, 2"], b"{}"),
        ([b"Content-Length: 2,2 , 2"], b"{}"),
        ([CHUNKED], CHUNKS),
        ([b"TRANSFER-ENCODING:  Chunked "], CHUNKS),
        ([CHUNKED], b"2;a=b\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n"),
        ([CHUNKED], b"1\r\n{\r\n1\r\n}\r\n000\r\n\r\n"),
    ],
    ids=repr,
)
def test_the_connection_is_reusable_after_a_body_with_a_declared_end(lines, body):
    assert read(final_reply(*lines, body=body)) == (200, b"{}", True)


def test_equal_content_lengths_are_merged():
    """urllib3 and monitoring tools parse the header as one number."""
    assert headers_of(b"Content-Length: 0", b"X: 1", b"Content-Length: 0").get_all("Content-Length") == ["0"]
    assert headers_of(b"Content-Length: 0, 0").get_all("Content-Length") == ["0"]


@pytest.mark.parametrize(
    "lines",
    [
        [b"Content-Length: 2", b"Content-Length: 3"],
        [b"Content-Length: 2, 3"],
        [b"Content-Length: 2", b"Content-Length: 02"],
        [b"Content-Length: -2"],
        [b"Content-Length: +2"],
        [b"Content-Length: 2_0"],
        [b"Content-Length: 0x2"],
        [b"Content-Length: 2.0"],
        [b"Content-Length: 2 2"],
        [b"Content-Length: two"],
        [b"Content-Length:"],
        [b"Content-Length: 2,"],
        [b"Content-Length: \xb2"],
        [b"Content-Length: " + b"9" * 20],
    ],
    ids=repr,
)
def test_an_invalid_length_is_an_error(lines):
    assert "invalid Content-Length" in str(head_error(final_reply(*lines, body=b"{}")))


def test_a_huge_length_is_accepted():
    with SocketReply(final_reply(b"Content-Length: " + b"9" * 19)) as received:
        assert received.begin().length == int("9" * 19)


@pytest.mark.parametrize(
    "lines",
    [
        [b"Transfer-Encoding: gzip, chunked"],
        [b"Transfer-Encoding: gzip", CHUNKED],
        [b"Transfer-Encoding: chunked, chunked"],
        [CHUNKED, CHUNKED],
        [b"Transfer-Encoding: identity"],
        [b"Transfer-Encoding: xchunked"],
        [b"Transfer-Encoding: chunked;q=1"],
        [b"Transfer-Encoding:"],
        [b"Transfer-Encoding: gzip", b"Content-Length: 2"],
    ],
    ids=repr,
)
def test_an_unknown_transfer_encoding_is_an_error(lines):
    assert "unknown transfer encoding" in str(head_error(final_reply(*lines, body=CHUNKS)))


@pytest.mark.parametrize(
    ("lines", "version"),
    [
        ([CHUNKED, b"Content-Length: 2"], b"HTTP/1.1"),
        ([b"Content-Length: 99", CHUNKED], b"HTTP/1.1"),
        ([CHUNKED], b"HTTP/1.0"),
        ([CHUNKED, b"Connection: keep-alive"], b"HTTP/1.0"),
    ],
    ids=repr,
)
def test_ambiguous_chunks_are_read_and_close_the_connection(lines, version):
    """A proxy may have determined a different end of the body (RFC 9112, section 6.3)."""
    assert read(final_reply(*lines, body=CHUNKS, version=version)) == (200, b"{}", False)


@pytest.mark.parametrize(
    ("version", "lines", "is_reusable"),
    [
        (b"HTTP/1.1", [], True),
        (b"HTTP/1.1", [b"Connection: keep-alive"], True),
        (b"HTTP/1.1", [b"Connection: close"], False),
        (b"HTTP/1.1", [b"Connection: Close"], False),
        (b"HTTP/1.1", [b"Connection: X-A, close"], False),
        (b"HTTP/1.1", [b"Connection: keep-alive", b"Connection: close"], False),
        (b"HTTP/1.1", [b"Connection: closed"], True),
        (b"HTTP/1.0", [], False),
        (b"HTTP/1.0", [b"Connection: keep-alive"], True),
        (b"HTTP/1.0", [b"Connection: Keep-Alive"], True),
        (b"HTTP/1.0", [b"Connection: close"], False),
        (b"HTTP/1.0", [b"Keep-Alive: timeout=5"], False),
    ],
    ids=repr,
)
def test_the_connection_header_and_the_version_decide_whether_to_close(version, lines, is_reusable):
    data = final_reply(b"Content-Length: 2", *lines, body=b"{}", version=version)
    assert read(data) == (200, b"{}", is_reusable)


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
def test_a_body_without_a_declared_end_ends_with_the_connection(version):
    data = final_reply(b"Connection: keep-alive", body=b'{"a": 1}', version=version)
    assert read(data) == (200, b'{"a": 1}', False)


@pytest.mark.parametrize("lines", [[], [b"Content-Length: 99"], [CHUNKED]], ids=repr)
@pytest.mark.parametrize(
    ("method", "status"), [("POST", b"204 No Content"), ("GET", b"304 Not Modified"), ("HEAD", b"200 OK")]
)
def test_a_reply_without_a_body_ends_with_its_head(method, status, lines):
    assert read(final_reply(*lines, status=status), method) == (int(status[:3]), b"", True)


@pytest.mark.parametrize("rest", [b"x", b"\r\n", FINAL], ids=repr)
@pytest.mark.parametrize("framing", [([b"Content-Length: 2"], b"{}"), ([CHUNKED], CHUNKS)], ids=repr)
def test_bytes_after_the_reply_make_the_connection_unusable(framing, rest):
    lines, body = framing
    assert read(final_reply(*lines, body=body + rest)) == (200, b"{}", False)


@pytest.mark.parametrize(
    "data",
    [
        final_reply(b"Content-Length: 3", body=b"{}"),
        final_reply(CHUNKED, body=b"2\r\n{}\r\n"),
        final_reply(CHUNKED, body=b"5\r\n{}"),
        final_reply(CHUNKED, body=b"-5\r\n{}"),
        final_reply(CHUNKED, body=b"zz\r\n{}"),
    ],
    ids=repr,
)
def test_a_truncated_or_invalid_body_is_an_error(data):
    with pytest.raises((http.client.HTTPException, ValueError)):
        read(data)


# Keep-Alive


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"timeout=5", 5.0),
        (b"timeout=5, max=100", 5.0),
        (b"max=100, Timeout = 15", 15.0),
        (b'timeout="5"', 5.0),
        (b"timeout=0", 0.0),
        (b"timeout=", None),
        (b"timeout=-5", None),
        (b"timeout=soon", None),
        (b"max=100", None),
        (b"", None),
    ],
)
def test_the_keep_alive_header_contains_the_timeout_of_the_server(value, seconds):
    with SocketReply(final_reply(b"Content-Length: 0", b"Keep-Alive: " + value)) as received:
        assert received.begin().keep_alive == seconds


def test_without_a_keep_alive_header_the_timeout_is_unknown():
    with SocketReply(FINAL) as received:
        assert received.begin().keep_alive is None


# Time and progress


def test_the_bytes_of_a_reply_are_counted_and_the_first_one_is_timed():
    began = time.monotonic()
    with SocketReply(HINTS + FINAL) as received:
        read_body(received.begin(), 100)
        assert received.exchange.received == len(HINTS + FINAL)
        assert began <= received.exchange.first_byte_at <= time.monotonic()


def test_nothing_is_read_after_the_deadline():
    with SocketReply(FINAL, seconds=-1) as received:
        with pytest.raises(socket.timeout):
            received.begin()
        assert received.exchange.received == 0


def test_a_socket_timeout_that_is_too_short_or_too_long_is_replaced():
    near, far = socket.socketpair()
    with near, far:
        set_socket_timeout(near, Deadline.after(50))
        first = near.gettimeout()
        assert 49 < first <= 50
        near.settimeout(10)
        set_socket_timeout(near, Deadline.after(20))
        assert 19 < near.gettimeout() <= 20
        set_socket_timeout(near, Deadline.after(5))
        assert 4 < near.gettimeout() <= 5


def test_a_socket_timeout_that_is_less_than_5_ms_too_long_is_kept(monkeypatch):
    class Sock:
        calls = 0
        timeout = None

        def gettimeout(self):
            return self.timeout

        def settimeout(self, seconds):
            self.calls += 1
            self.timeout = seconds

    now = [100.0]
    monkeypatch.setattr("target_tools.clock.monotonic", lambda: now[0])
    sock, deadline = Sock(), Deadline(110.0, 10.0)
    for moment, calls in [(100.0, 1), (100.004, 1), (100.006, 2), (100.006, 2)]:
        now[0] = moment
        set_socket_timeout(sock, deadline)
        assert sock.calls == calls
