"""Hybrid calls while the edge is down: this process decides what it can, and the answer names the rest."""

import asyncio
import gc
import random
import socket
import sys
import threading
import time
import weakref

import pytest

from target_python_sdk import prepared_call
from target_python_sdk.errors import (
    ArtifactNotAvailable,
    CircuitOpen,
    ConnectionFailed,
    DeadlineExceeded,
    DeliveryError,
    HttpStatusError,
    InvalidResponse,
)
from target_python_sdk.testing import SocketServer, answer
from target_tools.clock import Deadline
from target_tools.concurrency.tasks import TimeLimit
from tests.conformance.builders import GLOBAL, artifact, client_of, option, rule
from tests.support import LONG

pytestmark = pytest.mark.server

LOCAL, REMOTE = ["one", "two", "three"], ["profile", "history"]
JSON = {"options": [option({"color": "red"}, "json")]}
ARTIFACT = artifact(
    {**{name: [rule(name)] for name in LOCAL}, GLOBAL: [rule("page")], "json": [rule("j", consequence=JSON)]},
    views={"cart": [rule("cart view")]},
    changes={"remoteMboxes": REMOTE, "remoteViews": ["account"]},
)
MIXED = {"execute": {"mboxes": [{"name": "one", "index": 0}, {"name": "profile", "index": 1}]}}


def hang(connection):
    connection.read_request()
    connection.hang()


def drip(connection):
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{")
    while connection.send(b" ") is None:
        time.sleep(0.005)


def hang_up(connection):
    connection.read_request()
    connection.reset()


#: Handlers that make the edge fail, and the exception class that each leads to.
FAILURES = {
    "hangs": (hang, DeadlineExceeded),
    "drips": (drip, DeadlineExceeded),
    "hangs up": (hang_up, ConnectionFailed),
    "500": (answer(status=500), HttpStatusError),
    "503": (answer(status=503), HttpStatusError),
    "403": (answer({"message": "no"}, status=403), HttpStatusError),
    "429": (answer(status=429, headers={"Retry-After": "100"}), HttpStatusError),
    "garbage": (answer("<html>"), InvalidResponse),
    "refuses": (None, ConnectionFailed),
}


def unused_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{unused.getsockname()[1]}"


def hybrid(domain, **options):
    return client_of(ARTIFACT, domain, decisioning_method="hybrid", **options)


@pytest.fixture
def make_client_without_edge():
    """Return a function that creates a hybrid client whose edge refuses connections."""
    clients = []

    def make(**options):
        clients.append(hybrid(unused_port(), **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close(0)


@pytest.fixture
def ample_decision_time(monkeypatch):
    """Allow half a minute for the decision after the edge failed, because a busy machine may need it."""

    def longer_limit(queue_timeout, timeout, expire):
        return TimeLimit(queue_timeout + 30, timeout + 30, expire)

    monkeypatch.setattr(prepared_call, "after_request", lambda deadline: Deadline.after(30))
    monkeypatch.setattr(prepared_call, "TimeLimit", longer_limit)


@pytest.mark.usefixtures("ample_decision_time")
@pytest.mark.parametrize(("failure", "kind"), FAILURES.values(), ids=FAILURES)
def test_this_process_decides_what_it_can_and_the_answer_names_the_rest(failure, kind):
    with SocketServer(failure or hang) as edge:
        domain = edge.domain if failure else unused_port()
        with hybrid(domain, timeout=300 if kind is DeadlineExceeded else LONG, retries=1) as client:
            envelope = client.get_offers({"request": MIXED})
            client.close(0)
    assert isinstance(envelope.error, kind)
    assert envelope.error.request_id == envelope.request.request_id
    assert envelope.response.status == 206
    assert envelope.meta == {
        "decisioning_method": "on-device", "remote_mboxes": ["profile"], "remote_views": [],
    }  # fmt: skip
    assert envelope.offer("one").html == "one"
    assert envelope.offer("profile").html is None
    assert envelope.response.execute.mboxes[1].options is None
    assert envelope.target_cookie["value"]


def test_a_working_edge_decides_the_whole_call():
    body = {"status": 200, "execute": {"mboxes": [{"index": 1, "name": "profile", "options": []}]}}
    with SocketServer(answer(body)) as edge, hybrid(edge.domain) as client:
        envelope = client.get_offers({"request": MIXED})
    assert (envelope.error, envelope.meta["decisioning_method"], len(edge.requests)) == (None, "server-side", 1)


@pytest.mark.parametrize("on_error", ["raise", "default"])
def test_the_failure_is_counted_logged_and_reported_by_an_event(make_client_without_edge, caplog, on_error):
    events = []
    client = make_client_without_edge(events={"edge_failed": events.append}, on_error=on_error)
    envelope = client.get_offers({"request": {**MIXED, "prefetch": {"views": [{"name": "account"}]}}})
    (event,) = events
    assert event["error"] is envelope.error
    assert (event["remote_mboxes"], event["remote_views"]) == (["profile"], ["account"])
    assert client.stats()["failures"] == 1
    lines = [record for record in caplog.records if "hybrid call" in record.getMessage()]
    assert [line.levelname for line in lines] == ["WARNING"]
    assert envelope.request.request_id in lines[0].getMessage()
    client.get_offers({"request": MIXED})
    lines = [record.levelname for record in caplog.records if "hybrid call" in record.getMessage()]
    assert lines == ["WARNING", "DEBUG"]


def test_err_callback_gets_the_error_and_callback_gets_the_answer(make_client_without_edge):
    calls = []
    call_options = {"callback": lambda value: calls.append(("callback", value)), "request": MIXED}
    call_options["err_callback"] = lambda error: calls.append(("err_callback", error))
    envelope = make_client_without_edge().get_offers(call_options).get(LONG / 1000)
    assert [name for name, _ in calls] == ["err_callback", "callback"]
    assert (calls[0][1], calls[1][1]) == (envelope.error, envelope)
    assert envelope.offer("one").html == "one"


def test_an_err_callback_that_raises_does_not_lose_the_answer(make_client_without_edge, caplog):
    answers = []

    def fail(error):
        raise ValueError("the application's")

    client = make_client_without_edge()
    client.get_offers({"request": MIXED, "callback": answers.append, "err_callback": fail}).get(LONG / 1000)
    assert answers[0].offer("one").html == "one"
    assert "A callback raised" in caplog.text


def test_awaited_calls_and_attributes_are_answered(make_client_without_edge):
    client = make_client_without_edge()
    envelope = asyncio.run(client.get_offers_async({"request": MIXED}))
    assert (envelope.offer("one").html, type(envelope.error)) == ("one", ConnectionFailed)
    attributes = client.get_attributes(["json", "profile"])
    assert attributes.get_value("json", "color") == "red"
    assert attributes.get_value("profile", "color", "none") == "none"
    assert isinstance(attributes.offers_response.error, DeliveryError)


def test_a_new_visitor_gets_a_device_id_and_displays_are_reported_afterwards(make_client_without_edge):
    lost = []
    client = make_client_without_edge(events={"send_notification_error": lost.append})
    envelope = client.get_offers({"request": MIXED})
    assert envelope.response.id.tnt_id
    assert envelope.response.id.tnt_id.partition(".")[0] in envelope.target_cookie["value"]
    client.flush(LONG)
    assert [event["notification"].notifications[0].mbox.name for event in lost] == ["one"]


@pytest.mark.parametrize("part", [{"qaMode": {"token": "a"}}, {"preview": {"token": "b"}}], ids=str)
def test_qa_mode_and_preview_have_no_effect_without_the_edge(make_client_without_edge, part):
    local = {"execute": {"mboxes": [{"name": "one"}]}}
    envelope = make_client_without_edge().get_offers({"request": {**local, **part}})
    assert (envelope.response.status, envelope.meta["remote_mboxes"]) == (206, [])
    assert envelope.meta["ignored"] == [{"qaMode": "qa_mode", "preview": "preview"}[next(iter(part))]]
    assert envelope.offer("one").html == "one"


def test_without_an_artifact_the_error_is_raised():
    with client_of(None, unused_port(), decisioning_method="hybrid") as client:
        with pytest.raises(ConnectionFailed):
            client.get_offers({"request": MIXED})
        with pytest.raises(ArtifactNotAvailable):
            client.get_offers({"request": MIXED, "decisioning_method": "on-device", "timeout": 300})


def test_server_side_calls_and_notifications_of_a_hybrid_client_raise(make_client_without_edge):
    client = make_client_without_edge()
    with pytest.raises(ConnectionFailed):
        client.get_offers({"request": MIXED, "decisioning_method": "server-side"})
    notification = {"id": "n", "type": "display", "timestamp": 1609459200000, "mbox": {"name": "one"}}
    with pytest.raises(ConnectionFailed):
        client.send_notifications({"request": {"notifications": [{**notification, "tokens": ["t"]}]}})


def test_a_slow_decision_after_the_edge_failed_raises_deadline_exceeded():
    loops = {"some": [list(range(140)), {"some": [list(range(140)), {"==": [{"var": ""}, -1]}]}]}
    rules = [rule("slow", loops, activity=number) for number in range(1, 41)]
    document = artifact(slow=rules, changes={"remoteMboxes": ["profile"]})
    request = {"execute": {"mboxes": [{"name": "slow"}, {"name": "profile"}]}}
    with client_of(document, unused_port(), decisioning_method="hybrid", timeout=100) as client, pytest.raises(
        DeadlineExceeded, match="the decision takes longer"
    ):
        client.get_offers({"request": request})


@pytest.mark.parametrize("options", [{}, {"decisioning_method": "server-side"}], ids=["hybrid", "server-side"])
def test_the_error_of_an_answer_is_part_of_no_reference_cycle(make_client_without_edge, options):
    client = make_client_without_edge(on_error="default")

    def error_of_an_answer():
        envelope = client.get_offers({"request": MIXED, **options})
        return weakref.ref(envelope.error)

    client.flush(LONG)
    for _ in range(2):
        error_of_an_answer()  # the log of outages keeps the first failure
    gc.collect()
    gc.disable()
    try:
        assert error_of_an_answer()() is None
    finally:
        gc.enable()


@pytest.mark.usefixtures("ample_decision_time")
def test_a_slow_edge_opens_the_circuit():
    """The breaker ignores timeouts of calls whose time limit was shorter than the ``timeout`` of the client.

    It counts the timeouts of hybrid calls, although these reserve part of their time for the decision.
    """
    with SocketServer(hang) as edge, hybrid(edge.domain, timeout=100) as client:
        errors = {type(client.get_offers({"request": MIXED}).error) for _ in range(12)}
        client.close(0)
    assert errors == {DeadlineExceeded, CircuitOpen}


def mixed_request(rng):
    """Return a request with random parts, and the names of the mboxes and views in it that only the edge can decide."""
    boxes = rng.sample([*LOCAL, *REMOTE, "unknown"], rng.randint(1, 4))
    request = {"execute": {"mboxes": [{"name": name} for name in boxes]}}
    remote, views = [name for name in boxes if name not in LOCAL], []
    if rng.random() < 0.3:
        request["execute"]["pageLoad"] = {}
    if rng.random() < 0.4:
        views = rng.sample(["cart", "account"], rng.randint(1, 2))
        request["prefetch"] = {"views": [{"name": name} for name in views]}
    if rng.random() < 0.5:
        request["id"] = {"tntId": f"visitor-{rng.random()}"}
    if rng.random() < 0.1:
        request["qaMode"] = {"token": "a"}
    return request, remote, [name for name in views if name == "account"]


def check(request, remote, remote_views, envelope):
    """Check that the answer contains all decisions that this process can make, and names the others."""
    needs_the_edge = remote or remote_views or "qaMode" in request
    assert (envelope.error is None) is not bool(needs_the_edge)
    assert envelope.response.status == (206 if needs_the_edge else 200)
    assert sorted(envelope.meta["remote_mboxes"]) == sorted(remote)
    assert envelope.meta["remote_views"] == remote_views
    for mbox in envelope.response.execute.mboxes:
        assert [each.content for each in mbox.options or ()] == ([mbox.name] if mbox.name in LOCAL else [])
    if "pageLoad" in request["execute"]:
        assert [each.content for each in envelope.response.execute.page_load.options] == ["page"]
    views = request.get("prefetch", {}).get("views", [])
    view_names = [view.name for view in (envelope.response.prefetch.views if views else [])]
    assert view_names == [view["name"] for view in views if view["name"] == "cart"]


@pytest.mark.usefixtures("ample_decision_time")
@pytest.mark.parametrize("name", ["hangs", "503", "500", "refuses"])
def test_many_mixed_calls_are_all_answered(name):
    """Four threads make 200 calls, blocking or with a callback; 50 more are awaited."""
    failure, _ = FAILURES[name]
    times, failures = [], []
    with SocketServer(failure or hang) as edge:
        domain = edge.domain if failure else unused_port()
        with hybrid(domain, timeout=400, max_workers=16, retries=1) as client:

            def run(seed):
                rng = random.Random(seed)
                try:
                    for _ in range(50):
                        request, remote, views = mixed_request(rng)
                        began = time.monotonic()
                        if rng.random() < 0.3:
                            envelope = client.get_offers({"request": request, "callback": lambda _: None}).get()
                        else:
                            envelope = client.get_offers({"request": request})
                        times.append(time.monotonic() - began)
                        check(request, remote, views, envelope)
                except BaseException as error:  # noqa: BLE001 - raised in the main thread
                    failures.append(error)

            async def run_awaited(seed):
                rng = random.Random(seed)
                mixed = [mixed_request(rng) for _ in range(50)]
                calls = [client.get_offers_async({"request": request}) for request, _, _ in mixed]
                for each, envelope in zip(mixed, await asyncio.gather(*calls)):
                    check(*each, envelope)

            threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
            for thread in threads:
                thread.start()
            asyncio.run(run_awaited(4))
            for thread in threads:
                thread.join()
            client.close(0)
    sys.stdout.write(f"{name}: at most {max(times) * 1000:.0f} ms of 400\n")
    for error in failures:
        raise error
    assert len(times) == 200
