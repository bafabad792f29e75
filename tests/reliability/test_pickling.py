"""Clients, requests, answers, errors and results can be pickled and copied (T36)."""

import copy
import pickle
import threading

import pytest
import urllib3

from target_python_sdk import TargetClient
from target_python_sdk.errors import (
    CircuitOpen,
    ClientClosed,
    ConnectionFailed,
    DeadlineExceeded,
    HttpStatusError,
    InvalidResponse,
    OptionError,
    QueueFull,
)
from target_python_sdk.testing import SocketServer, answer
from tests.support import ANSWER_BYTES, client_of, content, offers, options_for

pytestmark = pytest.mark.server

COPIERS = [lambda thing: pickle.loads(pickle.dumps(thing)), copy.copy, copy.deepcopy]
COPIER_NAMES = ["pickle", "copy", "deepcopy"]
WITH_EACH_COPIER = pytest.mark.parametrize("duplicate", COPIERS, ids=COPIER_NAMES)


@pytest.fixture(scope="module")
def server():
    with SocketServer(answer(ANSWER_BYTES)) as running:
        yield running


def some_subscriber(event):
    """Do nothing. As a module-level function it can be pickled."""


@WITH_EACH_COPIER
def test_t36_a_client_under_load_is_copied_without_its_calls(duplicate, server):
    received = []
    with client_of(server, max_workers=3, events={"client_ready": some_subscriber}) as client:
        results = [client.get_offers({**offers(), "callback": received.append}) for _ in range(20)]
        with duplicate(client) as other:
            assert other.stats()["calls"] == other.stats()["threads"] == 0
            result = other.get_offers({**offers(), "callback": received.append})
            assert content(result.get(20)) == "<b>A</b>"
            assert other.stats()["calls"] == 1
            other.close()
        assert [result.get(20) is not None for result in results] == [True] * 20
        assert client.get_offers(offers())["response"].status == 200
        assert client.stats()["calls"] == 21


def test_t36_a_copy_of_a_closed_client_is_open(server):
    client = client_of(server)
    client.close()
    with pytest.raises(ClientClosed):
        client.get_offers(offers())
    with copy.copy(client) as other:
        assert content(other.get_offers(offers())) == "<b>A</b>"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("events", {"client_ready": lambda: None}),
        ("pool_manager", urllib3.PoolManager()),
        ("logger", type("Local", (), {"debug": print, "error": print, "lock": threading.Lock()})()),
    ],
)
def test_t36_the_error_names_the_option_that_cannot_be_pickled(name, value, server):
    with TargetClient.create(options_for(server, **{name: value})) as client:
        with pytest.raises(OptionError, match=name) as caught:
            pickle.dumps(client)
        assert caught.value.option == name
        for clone in (copy.copy(client), copy.deepcopy(client)):
            with clone:
                assert content(clone.get_offers(offers())) == "<b>A</b>"


@WITH_EACH_COPIER
def test_t36_copies_of_requests_answers_and_results_are_equal(duplicate, server):
    with client_of(server) as client:
        result = client.get_offers({**offers(), "callback": str})
        envelope = result.get(20)
        attributes = client.get_attributes(["home"], {"callback": str}).get(20)
    request = offers()["request"]
    assert duplicate(request) == request
    assert duplicate(envelope) == envelope
    assert duplicate(envelope["response"]) == envelope["response"]
    assert duplicate(result).get() == envelope
    assert duplicate(attributes).as_object() == attributes.as_object()
    other = duplicate(envelope)
    other["meta"] = None
    assert envelope["meta"] is not None


ERRORS = [
    (answer(b'{"message": "no"}', 400, {"Set-Cookie": "secret=1"}), {}, HttpStatusError),
    (answer(b"nonsense"), {}, InvalidResponse),
    (lambda connection: connection.reset(), {"retries": 1}, ConnectionFailed),
    (lambda connection: connection.hang(), {"timeout": 100}, DeadlineExceeded),
]


@WITH_EACH_COPIER
@pytest.mark.parametrize(("handler", "options", "kind"), ERRORS, ids=lambda value: getattr(value, "__name__", None))
def test_t36_a_result_with_an_error_keeps_the_class_of_the_error(handler, options, kind, duplicate):
    with SocketServer(handler) as bad, client_of(bad, **options) as client:
        result = client.get_offers({**offers(), "callback": str})
        result.wait(20)
        other = duplicate(result)
        assert other.ready()
        assert not other.successful()
        with pytest.raises(kind) as caught:
            other.get()
        with pytest.raises(kind) as original:
            result.get()
    assert type(duplicate(original.value)) is kind
    assert str(caught.value) == str(original.value) or kind is HttpStatusError
    assert "secret" not in repr(pickle.dumps(original.value))
    assert "home" not in repr(pickle.dumps(original.value))


@WITH_EACH_COPIER
@pytest.mark.parametrize("kind", [QueueFull, CircuitOpen, ClientClosed, OptionError])
def test_t36_errors_of_the_sdk_keep_their_message(kind, duplicate):
    other = duplicate(kind("because"))
    assert (type(other), str(other)) == (kind, "because")
