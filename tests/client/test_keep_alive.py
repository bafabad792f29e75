"""Connections are reused, checked before each reuse, and not shared between clients (B1, B3, T3, T29, T34)."""

import json
import threading

import pytest

from target_python_sdk.errors import ConnectionFailed
from target_python_sdk.testing import SocketServer, answer
from tests.support import ANSWER, ANSWER_BYTES, client_of, content, offers

pytestmark = pytest.mark.server


def response(body=ANSWER_BYTES, extra=b""):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(body), extra, body)


def test_b3_a_thousand_calls_use_one_connection():
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server) as client:
        for _ in range(1000):
            client.get_offers(offers())
        assert server.connections == 1
        assert len(server.requests) == 1000


def test_b3_eight_threads_use_at_most_eight_connections():
    with SocketServer(answer(ANSWER_BYTES)) as server, client_of(server) as client:
        start = threading.Barrier(8)

        def call():
            start.wait()
            for _ in range(50):
                client.get_offers(offers())

        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.requests) == 400
        assert 1 <= server.connections <= 8


def test_b1_each_of_two_clients_calls_its_own_host():
    first_answer = answer(json.dumps({**ANSWER, "client": "one"}).encode())
    second_answer = answer(json.dumps({**ANSWER, "client": "two"}).encode())
    with SocketServer(first_answer) as first, SocketServer(second_answer) as second:
        with client_of(first) as first_client, client_of(second) as second_client:
            for _ in range(20):
                assert first_client.get_offers(offers())["response"].client == "one"
                assert second_client.get_offers(offers())["response"].client == "two"
        assert (len(first.requests), len(second.requests)) == (20, 20)


def test_a_connection_that_the_server_closed_while_idle_is_not_used():
    def close_after_one_reply(connection):
        connection.read_request()
        connection.send(response())
        connection.close()

    with SocketServer(close_after_one_reply) as server, client_of(server) as client:
        for _ in range(20):
            assert client.get_offers(offers())["response"].status == 200
        assert len(server.requests) == 20


def test_a_request_is_retried_if_the_server_drops_its_reused_connection():
    def drop_the_second_request(connection):
        connection.read_request()
        connection.send(response())
        if connection.read_request():
            connection.reset()

    with SocketServer(drop_the_second_request) as server, client_of(server) as client:
        for _ in range(10):
            assert client.get_offers(offers())["response"].status == 200
        assert client.stats()["retries"] == server.connections - 1


def test_a_request_is_not_retried_if_the_server_drops_its_new_connection():
    def drop(connection):
        connection.read_request()
        connection.reset()

    with SocketServer(drop) as server, client_of(server) as client:
        with pytest.raises(ConnectionFailed) as caught:
            client.get_offers(offers())
        assert caught.value.attempts == 1
        assert server.connections == 1


def test_bytes_after_an_answer_are_not_part_of_the_next_one():
    other = json.dumps({**ANSWER, "client": "another"}).encode()

    def send_two_replies(connection):
        while connection.read_request():
            connection.send(response() + response(other))

    with SocketServer(send_two_replies) as server, client_of(server) as client:
        for _ in range(5):
            assert client.get_offers(offers())["response"].client == "acmeclient"
        assert server.connections == 5


def test_a_connection_is_closed_if_the_server_requests_it():
    with SocketServer(answer(ANSWER_BYTES, headers={"Connection": "close"})) as server, client_of(server) as client:
        for _ in range(3):
            assert content(client.get_offers(offers())) == "<b>A</b>"
        assert server.connections == 3


def test_a_body_without_a_length_is_read_to_its_end():
    def reply_as_http_1_0(connection):
        connection.read_request()
        connection.send(b"HTTP/1.0 200 OK\r\n\r\n" + ANSWER_BYTES)
        connection.close()

    with SocketServer(reply_as_http_1_0) as server, client_of(server) as client:
        assert content(client.get_offers(offers())) == "<b>A</b>"
        assert server.connections == 1


def test_chunked_answers_keep_the_connection():
    def reply_in_chunks(connection):
        while connection.read_request():
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for start in range(0, len(ANSWER_BYTES), 50):
                part = ANSWER_BYTES[start : start + 50]
                connection.send(b"%x\r\n%s\r\n" % (len(part), part))
            connection.send(b"0\r\nX-Trailer: 1\r\n\r\n")

    with SocketServer(reply_in_chunks) as server, client_of(server) as client:
        for _ in range(5):
            assert content(client.get_offers(offers())) == "<b>A</b>"
        assert server.connections == 1


def test_close_closes_the_connections():
    closed = threading.Event()

    def serve_until_closed(connection):
        while connection.read_request():
            connection.send(response())
        closed.set()

    with SocketServer(serve_until_closed) as server:
        client = client_of(server)
        client.get_offers(offers())
        client.close()
        assert closed.wait(20)
