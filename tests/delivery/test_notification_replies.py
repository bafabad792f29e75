"""The reply to notifications is checked, but only its cluster and the number of attempts are used."""

import json
import re

import pytest

from target_python_sdk.delivery.call_options import call_options
from target_python_sdk.delivery.exchange import (
    delivery_request,
    delivery_response,
    notification_response,
    request_edge,
)
from target_python_sdk.delivery.options import client_settings
from target_python_sdk.delivery.prepare import prepare_request
from target_python_sdk.errors import ConnectionFailed, DeliveryError
from target_tools.clock import Deadline
from target_tools.http.messages import HttpReply, Timings
from target_tools.logger import Log
from tests.support import ANSWER, offers

SETTINGS = client_settings({"client": "acme", "organization_id": "1@AdobeOrg"}, Log())
PENDING = prepare_request(call_options(offers(), SETTINGS, Log()), SETTINGS, None, Log())


def reply(body, status=200):
    return HttpReply(status, "OK", {}, body, Timings(), 2)


def send_and_reply(result):
    """Send notifications; the transport returns or raises ``result``."""

    def send(request, deadline):
        assert json.loads(request.body)["requestId"] == PENDING.request.request_id
        if isinstance(result, DeliveryError):
            raise result
        return result

    request, deadline = delivery_request(PENDING, SETTINGS), Deadline.after(60)
    return request_edge(PENDING, request, send, deadline, notification_response)


@pytest.mark.parametrize(
    ("edge_host", "cluster"),
    [("mboxedge35.tt.omtrdc.net", "35"), ("evil.example.com", None), (None, None), (5, None), ([], None)],
)
def test_the_cluster_and_the_number_of_attempts_are_returned(edge_host, cluster):
    answer = send_and_reply(reply(json.dumps({**ANSWER, "edgeHost": edge_host}).encode()))
    assert (answer.edge_cluster, answer.attempts) == (cluster, 2)


@pytest.mark.parametrize(("status", "body"), [(204, b""), (202, b""), (204, b"anything"), (200, b"{}")])
def test_replies_without_content_are_accepted(status, body):
    answer = send_and_reply(reply(body, status))
    assert (answer.edge_cluster, answer.attempts) == (None, 2)


@pytest.mark.parametrize(
    ("status", "body"), [(200, b""), (200, b"<html>"), (200, b"[]"), (302, b"{}"), (400, b"{}"), (503, b"")]
)
def test_invalid_replies_raise_the_same_error_as_in_get_offers(status, body):
    with pytest.raises(DeliveryError) as expected:
        delivery_response(reply(body, status))
    with pytest.raises(type(expected.value)) as caught:
        send_and_reply(reply(body, status))
    assert caught.value.message == expected.value.message
    assert re.search(f"equest(?: id:)? {PENDING.request.request_id}", str(caught.value))
    assert caught.value.request is PENDING.request
    assert (caught.value.status, caught.value.attempts) == (status, 2)


def test_an_error_of_the_transport_refers_to_the_request():
    error = ConnectionFailed("refused")
    with pytest.raises(ConnectionFailed) as caught:
        send_and_reply(error)
    assert caught.value is error
    assert error.request is PENDING.request
    assert error.status is None


def test_other_fields_of_the_reply_are_not_validated():
    body = b'{"execute": [], "notifications": "x", "edgeHost": "mboxedge35.tt.omtrdc.net"}'
    with pytest.raises(DeliveryError):
        delivery_response(reply(body))
    assert send_and_reply(reply(body)).edge_cluster == "35"
