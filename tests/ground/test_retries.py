"""Retries: pauses with jitter, Retry-After, and the budget (T22, T23)."""

import pytest

from target_tools.clock import Deadline
from target_tools.errors import ConnectionFailed, DeadlineExceeded, TlsError
from target_tools.http.messages import HttpReply, HttpRequest, Origin, Timings
from target_tools.http.retries import RetryBudget, RetryingSender, RetryPolicy, parse_retry_after

LONG = Deadline.after(3600)
REQUEST = HttpRequest("POST", Origin("https", "edge.example.com", 443), "/", (), b"", 100)


def reply(status, **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpReply(status, "", fields, b"", Timings())


class Sender:
    """A ``send`` that returns and raises prepared outcomes, one after another."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)

    def __call__(self, request, deadline):
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def retrying_sender(*outcomes, **policy):
    sender = RetryingSender(Sender(*outcomes), RetryPolicy(**policy))
    sender.pauses = []
    sender._sleep = sender.pauses.append
    return sender


def test_pauses_are_spread_over_the_whole_range_and_grow():
    first, second = [], []
    for _ in range(300):
        sender = retrying_sender(reply(503), reply(503), reply(200))
        assert sender(REQUEST, LONG).attempts == 3
        first.append(sender.pauses[0])
        second.append(sender.pauses[1])
    for pauses, longest in ((first, 0.1), (second, 0.2)):
        assert 0 <= min(pauses) < longest * 0.1
        assert longest * 0.9 < max(pauses) <= longest
        assert longest * 0.4 < sum(pauses) / len(pauses) < longest * 0.6


def test_no_pause_exceeds_the_maximum():
    sender = retrying_sender(*[reply(503)] * 9, reply(200), attempts=10, max_delay=0.3)
    assert sender(REQUEST, LONG).status == 200
    assert max(sender.pauses) <= 0.3


def test_a_dropped_kept_alive_connection_is_replaced_without_a_pause():
    sender = retrying_sender(ConnectionFailed("gone", "reuse"), reply(200))
    assert sender(REQUEST, LONG).attempts == 2
    assert sender.pauses == []


@pytest.mark.parametrize("error", [ConnectionFailed("mid", "exchange"), TlsError("no"), DeadlineExceeded("late")])
def test_a_request_that_the_server_may_have_processed_is_not_sent_again(error):
    with pytest.raises(type(error)) as caught:
        retrying_sender(error, reply(200))(REQUEST, LONG)
    assert caught.value.attempts == 1


def test_the_pause_of_retry_after_is_used_unless_disabled():
    sender = retrying_sender(reply(503, Retry_After="7"), reply(200))
    sender(REQUEST, LONG)
    assert sender.pauses == [7.0]
    sender = retrying_sender(reply(503, Retry_After="7"), reply(200), respect_retry_after=False)
    sender(REQUEST, LONG)
    assert sender.pauses[0] <= 0.1


def test_a_pause_beyond_the_deadline_ends_the_call():
    sender = retrying_sender(reply(503, Retry_After="7"), reply(200))
    assert sender(REQUEST, Deadline.after(5)).status == 503
    assert sender.pauses == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("9" * 400, 999999999.0),
        ("-1", None),
        ("1.5", None),
        ("NaN", None),
        ("soon", None),
        ("", None),
        ("²", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 99 Jan 1970 00:00:00 GMT", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Mon, 01 Jan 2030 00:00:00 +99999999999999999999", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, seconds):
    assert parse_retry_after(text) == seconds


def test_a_date_far_in_the_future_gives_a_long_pause():
    assert parse_retry_after("Fri, 31 Dec 2100 23:59:59 GMT") > 86400 * 365


def test_the_budget_is_the_initial_tokens_plus_a_tenth_of_the_calls():
    budget = RetryBudget()
    assert sum(budget.try_spend() for _ in range(50)) == 10
    for _ in range(95):
        budget.deposit()
    assert sum(budget.try_spend() for _ in range(50)) == 9
    for _ in range(1000):
        budget.deposit()
    assert sum(budget.try_spend() for _ in range(50)) == 10


def test_a_failed_connection_is_not_retried_if_there_is_an_alternative():
    general = Origin("https", "acmeclient.example.com", 443)
    sender = retrying_sender(ConnectionFailed("no route"), reply(200))
    with pytest.raises(ConnectionFailed) as caught:
        sender(REQUEST._replace(alternative=general), LONG)
    assert caught.value.attempts == 1
    assert sender.pauses == []


def test_an_alternative_has_no_effect_if_the_origin_was_reached():
    general = Origin("https", "acmeclient.example.com", 443)
    sender = retrying_sender(ConnectionFailed("gone", "reuse"), reply(503), reply(200))
    assert sender(REQUEST._replace(alternative=general), LONG).attempts == 3


def test_invented_hosts_neither_use_nor_reset_the_budget_of_an_origin_in_use():
    sender = retrying_sender(attempts=2)
    sender._send = lambda request, deadline: reply(503)
    attempts = [sender(REQUEST, LONG).attempts for _ in range(12)]
    assert attempts.count(2) == 11  # ten initial tokens, and one added by these calls
    for number in range(100):
        bogus = REQUEST._replace(origin=Origin("https", f"mboxedge{number}.example.com", 443))
        assert sender(bogus, LONG).attempts == 2
        sender._budgets.get(REQUEST.origin)  # as a call to the origin in use does
    assert sender(REQUEST, LONG).attempts == 1


def test_failures_of_one_origin_do_not_use_the_budget_of_another():
    sender = retrying_sender(*[ConnectionFailed("no such host")] * 100, attempts=3)
    bogus = REQUEST._replace(origin=Origin("https", "mboxedgebogus.example.com", 443))
    for _ in range(12):
        with pytest.raises(ConnectionFailed):
            sender(bogus, LONG)
    sender._send = Sender(reply(503), reply(200))
    assert sender(REQUEST, LONG).attempts == 2
