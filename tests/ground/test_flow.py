"""A flow is driven to its end, whoever answers, and closed whatever happens."""

import pytest

from target_tools.clock import Deadline
from target_tools.errors import ConnectionFailed, DeliveryError
from target_tools.flow import HttpReply, HttpRequest, Origin, Timings, run

ORIGIN = Origin("https", "edge.example.com", 443)
LONG = Deadline.after(60)


def request(number):
    return HttpRequest("POST", ORIGIN, "/{}".format(number), (), b"", 100)


def reply(body):
    return HttpReply(200, "OK", {}, body, Timings(None, None, 0.0, 0.0, 0))


def echo(asked, deadline):
    assert deadline is LONG
    return reply(asked.target.encode())


def two_questions():
    first = yield request(1)
    second = yield request(2)
    return first.body + second.body


def test_a_flow_gets_its_answers_in_turn():
    assert run(two_questions(), echo, LONG) == b"/1/2"


def test_a_flow_may_ask_nothing():
    def silent():
        return 5
        yield

    assert run(silent(), echo, LONG) == 5


def test_a_failed_delivery_is_a_turn_in_the_conversation():
    def falls_back():
        try:
            yield request(1)
        except DeliveryError as error:
            answer = yield request(str(error))
        return answer.body

    def fails_once(asked, deadline):
        if asked.target == "/1":
            raise ConnectionFailed("again")
        return reply(asked.target.encode())

    assert run(falls_back(), fails_once, LONG) == b"/again"


def test_a_failed_delivery_that_the_flow_does_not_expect_is_the_callers():
    def fails(asked, deadline):
        raise ConnectionFailed("no")

    with pytest.raises(ConnectionFailed, match="no"):
        run(two_questions(), fails, LONG)


class SoftTimeLimit(Exception):
    pass


@pytest.mark.parametrize("interrupt", [SoftTimeLimit, KeyboardInterrupt, SystemExit, StopIteration, GeneratorExit])
def test_any_other_exception_passes_unchanged_and_the_flow_is_closed(interrupt):
    closed = []

    def careful():
        try:
            yield request(1)
        except BaseException as error:
            closed.append(type(error))
            raise

    raised = interrupt()

    def interrupted(asked, deadline):
        raise raised

    with pytest.raises(interrupt) as caught:
        run(careful(), interrupted, LONG)
    assert caught.value is raised
    assert closed == [GeneratorExit]


def test_addresses():
    assert request(1).url == "https://edge.example.com:443/1"
    assert ORIGIN.host_header == "edge.example.com"
    assert Origin("http", "edge.example.com", 443).host_header == "edge.example.com:443"
    assert Origin("http", "::1", 80).host_header == "[::1]"
    assert Origin("http", "::1", 8080).netloc == "[::1]:8080"
