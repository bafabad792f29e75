"""A request is sent to another host only if nothing was sent to the first one."""

import pytest

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
    """Raises or returns a prepared outcome for each host."""

    def __init__(self, **outcomes):
        self.outcomes = outcomes
        self.sent = []
        self.lost = []
        self.send = FailoverSender(self._send, self.lost.append)

    def _send(self, request, deadline):
        assert deadline is DEADLINE
        self.sent.append(request)
        outcome = self.outcomes[request.origin.host]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def hosts(self):
        return [request.origin.host for request in self.sent]


def failed(phase, attempts=1):
    error = ConnectionFailed("no connection", phase)
    error.attempts = attempts
    return error


def distrusted(phase):
    error = TlsError("no trust")
    error.phase = phase
    return error


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (failed("opening"), 2),
        (failed("opening", 3), 4),
        (failed("refused"), 2),
        (CircuitOpen("open"), 1),
        (distrusted("opening"), 2),
    ],
    ids=repr,
)
def test_the_other_host_is_tried_if_nothing_was_sent(error, attempts):
    sender = Sender(cluster=error, general=REPLY)
    assert sender.send(REQUEST, DEADLINE) == REPLY._replace(attempts=attempts)
    assert sender.sent == [REQUEST, REQUEST._replace(origin=GENERAL, alternative=None)]
    assert sender.lost == [CLUSTER]


@pytest.mark.parametrize(
    "error",
    [
        failed("reuse"),
        failed("exchange"),
        distrusted("exchange"),
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
    assert (sender.hosts(), sender.lost) == (["cluster"], [])


@pytest.mark.parametrize("status", [200, 404, 500, 503])
def test_a_reply_of_any_status_is_returned(status):
    sender = Sender(cluster=REPLY._replace(status=status), general=REPLY)
    assert sender.send(REQUEST, DEADLINE).status == status
    assert (sender.hosts(), sender.lost) == (["cluster"], [])


def test_without_another_host_the_error_is_raised():
    error = failed("opening")
    sender = Sender(cluster=error)
    with pytest.raises(ConnectionFailed) as caught:
        sender.send(REQUEST._replace(alternative=None), DEADLINE)
    assert caught.value is error
    assert (sender.hosts(), sender.lost) == (["cluster"], [])


def test_the_error_of_the_other_host_is_raised_without_the_first_as_its_context():
    error = failed("opening")
    sender = Sender(cluster=failed("opening"), general=error)
    with pytest.raises(ConnectionFailed) as caught:
        sender.send(REQUEST, DEADLINE)
    assert caught.value is error
    assert caught.value.__context__ is None
    assert (sender.hosts(), sender.lost) == (["cluster", "general"], [CLUSTER])


@pytest.mark.parametrize(("within", "lost"), [(None, True), (0.5, True), (0.1, False)])
def test_a_call_with_little_time_does_not_report_the_host_as_unreachable(within, lost):
    """It tries the other host, but other calls still use the first one."""
    error = failed("opening")
    error.within = within
    sender = Sender(cluster=error, general=REPLY)
    sender.send = FailoverSender(sender._send, sender.lost.append, min_connect_seconds=0.3)
    assert sender.send(REQUEST, DEADLINE).status == 200
    assert sender.hosts() == ["cluster", "general"]
    assert sender.lost == ([CLUSTER] if lost else [])


@pytest.mark.parametrize(("alternative", "seconds"), [(GENERAL, 2), (None, 6)])
def test_with_another_host_to_try_opening_a_connection_may_take_a_third_of_the_time(alternative, seconds):
    deadline = Deadline.after(6)
    opening = transport._opening(REQUEST._replace(alternative=alternative), deadline)
    assert seconds - 1 < opening.seconds <= seconds
    assert (opening is deadline) == (alternative is None)
