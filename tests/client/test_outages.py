"""Each cause of failure is logged once in an outage, which ends when the origin answers a call."""

import pytest

from target_python_sdk.errors import CircuitOpen, ConnectionFailed, DeadlineExceeded
from target_python_sdk.outages import OutageLog
from target_tools.clock import Deadline
from target_tools.concurrency.lock_free import MAX_ENTRIES
from target_tools.event_provider import EventProvider
from target_tools.http.breaker import CircuitChange
from target_tools.http.messages import Origin
from target_tools.logger import Log

ORIGIN = Origin("https", "edge.example.com", 443)
NAME = str(ORIGIN)
OPENED = CircuitChange(NAME, True, 5, 5, "ConnectionFailed", text="refused")


@pytest.fixture
def outages():
    return OutageLog(EventProvider(), Log())


def failure(kind=ConnectionFailed, began_at=None):
    """Return the error of a call that began at ``began_at``, by default now."""
    error = kind("failed")
    error.began_at = Deadline.after(0).at if began_at is None else began_at
    return error


def test_each_cause_is_logged_once_until_the_origin_answers(outages):
    assert outages.is_first(NAME, failure())
    assert not outages.is_first(NAME, failure())
    assert outages.is_first(NAME, failure(DeadlineExceeded))
    assert outages.is_first("https://another.example.com", failure())
    outages.answered(ORIGIN, Deadline.after(1))
    assert outages.is_first(NAME, failure())


def test_the_answer_to_a_call_that_began_earlier_does_not_end_an_outage(outages):
    earlier = Deadline.after(1)
    assert outages.is_first(NAME, failure())
    outages.answered(ORIGIN, earlier)
    assert not outages.is_first(NAME, failure())


def test_a_late_failure_of_an_earlier_call_is_no_new_outage(outages):
    late = failure()
    assert outages.is_first(NAME, failure())
    outages.answered(ORIGIN, Deadline.after(1))
    assert not outages.is_first(NAME, late)
    assert outages.is_first(NAME, failure())


def test_the_opening_of_the_circuit_is_logged_if_no_failure_was_logged_before(outages, caplog):
    outages.change_circuit(OPENED)
    assert not outages.is_first(NAME, failure())
    assert not outages.is_first(NAME, failure(DeadlineExceeded))
    assert not outages.is_first(NAME, failure(CircuitOpen))
    outages.answered(ORIGIN, Deadline.after(1))  # the outage ends only when the circuit closes
    assert not outages.is_first(NAME, failure())
    outages.change_circuit(OPENED._replace(is_open=False, seconds=1.5))
    assert [record.getMessage() for record in caplog.records if record.levelname != "DEBUG"] == [
        f"Circuit of {NAME} opened after 5 failures in 5 calls; the last was ConnectionFailed: refused",
        f"Circuit of {NAME} closed after 1.5 s",
    ]


def test_lost_notifications_are_logged_for_each_of_many_origins(outages, caplog):
    for number in range(3 * MAX_ENTRIES):
        outages.is_first(f"https://{number}.example.com", failure(), is_lost=True)
    outages.close()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3 * MAX_ENTRIES
    assert lines[0] == "Requests with notifications that were lost in the outage of https://0.example.com: 1"
