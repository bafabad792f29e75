"""A request is sent to another host only if nothing was sent to the first one."""

import pytest

from target_tools import clock
from target_tools.clock import Deadline
from target_tools.errors import (
    CircuitOpen,
    ConnectionFailed,
    DeadlineExceeded,
    InvalidResponse,
    TlsError,
    TransportError,
)
from target_tools.http import transport
from target_tools.http.messages import HttpReply, HttpRequest, Origin, Timings
from target_tools.http.retries import FailoverSender

CLUSTER, GENERAL = Origin("http", "cluster", 80), Origin("http", "general", 80)
REQUEST = HttpRequest("POST", CLUSTER, "/", (), b"body", 1000, alternative=GENERAL)
REPLY = HttpReply(200, "OK", {}, b"{}", Timings())
DEADLINE = Deadline.after(20)


class Sender:
    """A sender with a prepared outcome for each host: a reply or an error."""

    def __init__(self, **outcomes):
        self.outcomes = outcomes
        self.sent = []
        self.unreachable = []
        self.send = FailoverSender(self._send, self.unreachable.append)

    def _send(self, request, deadline):
        assert deadline is DEADLINE
        self.sent.append(request)
        outcome = self.outcomes[request.origin.host]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def hosts(self):
        return [request.origin.host for request in self.sent]


def connection_failed(phase, attempts=1):
    error = ConnectionFailed("no connection", phase)
    error.attempts = attempts
    return error


def tls_error(phase):
    error = TlsError("no trust")
    error.phase = phase
    return error


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (connection_failed("opening"), 2),
        (connection_failed("opening", 3), 4),
        (connection_failed("refused"), 2),
        (CircuitOpen("open"), 1),
        (tls_error("opening"), 2),
    ],
    ids=repr,
)
def test_the_other_host_is_tried_if_nothing_was_sent(error, attempts):
    sender = Sender(cluster=error, general=REPLY)
    assert sender.send(REQUEST, DEADLINE) == REPLY._replace(attempts=attempts)
    assert sender.sent == [REQUEST, REQUEST._replace(origin=GENERAL, alternative=None)]
    assert sender.unreachable == [CLUSTER]


@pytest.mark.parametrize(
    "error",
    [
        connection_failed("reuse"),
        connection_failed("exchange"),
        tls_error("exchange"),
        DeadlineExceeded("late"),
        InvalidResponse("odd"),
        TransportError("hook"),
        RuntimeError("mine"),
    ],
    ids=repr,
)
def test_a_request_that_the_first_host_may_have_processed_is_not_sent_again(error):
    sender = Sender(cluster=error, general=REPLY)
    with pytest.raises(type(error)) as caught:
        sender.send(REQUEST, DEADLINE)
    assert caught.value is error
    assert (sender.hosts(), sender.unreachable) == (["cluster"], [])


@pytest.mark.parametrize("status", [200, 404, 500, 503])
def test_a_reply_of_any_status_is_returned(status):
    sender = Sender(cluster=REPLY._replace(status=status), general=REPLY)
    assert sender.send(REQUEST, DEADLINE).status == status
    assert (sender.hosts(), sender.unreachable) == (["cluster"], [])


def test_without_another_host_the_error_is_raised():
    error = connection_failed("opening")
    sender = Sender(cluster=error)
    with pytest.raises(ConnectionFailed) as caught:
        sender.send(REQUEST._replace(alternative=None), DEADLINE)
    assert caught.value is error
    assert (sender.hosts(), sender.unreachable) == (["cluster"], [])


def test_the_error_of_the_other_host_is_raised_without_the_first_as_its_context():
    first, error = connection_failed("opening"), connection_failed("opening")
    sender = Sender(cluster=first, general=error)
    with pytest.raises(ConnectionFailed) as caught:
        sender.send(REQUEST, DEADLINE)
    assert caught.value is error
    assert caught.value.__context__ is not first
    assert (sender.hosts(), sender.unreachable) == (["cluster", "general"], [CLUSTER])


@pytest.mark.parametrize(("within", "unreachable"), [(None, True), (0.5, True), (0.1, False)])
def test_a_call_with_little_time_does_not_report_the_host_as_unreachable(within, unreachable):
    """The call is sent to the other host anyway. The first host is reported only if connecting had 0.3 s or more."""
    error = connection_failed("opening")
    error.within = within
    sender = Sender(cluster=error, general=REPLY)
    sender.send = FailoverSender(sender._send, sender.unreachable.append, min_connect_seconds=0.3)
    assert sender.send(REQUEST, DEADLINE).status == 200
    assert sender.hosts() == ["cluster", "general"]
    assert sender.unreachable == ([CLUSTER] if unreachable else [])


@pytest.mark.parametrize(("alternative", "seconds"), [(GENERAL, 2), (None, 6)])
def test_opening_a_connection_takes_at_most_a_third_of_the_time_if_there_is_an_alternative(
    alternative, seconds, monkeypatch
):
    monkeypatch.setattr(clock, "monotonic", lambda: 100.0)
    deadline = Deadline.after(6)
    opening = transport._opening(REQUEST._replace(alternative=alternative), deadline)
    assert opening.seconds == pytest.approx(seconds)
    assert (opening is deadline) == (alternative is None)
