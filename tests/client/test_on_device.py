"""Clients that decide on-device: visitors are not mixed up, notifications are sent, and failures are reported."""

import errno
import pickle
import pkgutil
import sys
import threading
import time

import pytest

from target_python_sdk import TargetClient
from target_python_sdk.artifact import source as artifact_source
from target_python_sdk.errors import ArtifactNotAvailable, OptionError, TransportError
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.testing import Connection, SocketServer, answer
from target_python_sdk.types import Context, DeliveryRequest, ExecuteRequest, MboxRequest, PrefetchRequest, VisitorId
from target_tools.public_suffixes import public_suffixes
from tests.conformance.builders import (
    artifact,
    client_of,
    contents,
    decide,
    first_content,
    halves,
    on_device,
    option,
    request_json,
    rule,
    share,
    yes_or_no,
)
from tests.support import LONG, SHORT, body_of, eventually, uwsgi

pytestmark = pytest.mark.server

ALWAYS = artifact(home=[rule("A")])


def execute_request(identity, context=None):
    """Return a request that executes the mbox ``home`` for the visitor ``identity``."""
    execute = ExecuteRequest(mboxes=[MboxRequest(name="home", index=0)])
    return DeliveryRequest(id=identity, context=context, execute=execute)


# Callers' objects


def test_changing_the_request_later_does_not_change_its_notifications():
    at_once = answer({"status": 200})

    def slow(connection):
        time.sleep(0.05)
        return at_once(connection)

    visitor, context = VisitorId(tnt_id="A"), Context(channel="web")
    with SocketServer(slow) as server, client_of(ALWAYS, server.domain, max_workers=1) as client:
        for name in "ABCD":
            visitor.tnt_id, context.user_agent = name, "browser of " + name
            client.get_offers({"request": execute_request(visitor, context)})
        assert client.flush(LONG)
        sent = [body_of(request) for request in server.requests]
    assert sorted((each["id"]["tntId"], each["context"]["userAgent"]) for each in sent) == [
        (name, "browser of " + name) for name in "ABCD"
    ]


def test_changing_the_request_later_does_not_change_a_queued_decision():
    continue_event, visitor = threading.Event(), VisitorId(tnt_id="visitor-1")
    document = artifact(home=halves())
    with client_of(document, max_workers=1) as client:
        expected = first_content(client, request_json(visitor="visitor-1"))
        other = next(
            name
            for name in map("visitor-{}".format, range(2, 99))
            if first_content(client, request_json(visitor=name)) != expected
        )
        client.get_offers(
            {"request": execute_request(VisitorId(tnt_id="first")), "callback": lambda _: continue_event.wait(20)}
        )
        result = client.get_offers(
            {
                "request": DeliveryRequest(
                    id=visitor, prefetch=PrefetchRequest(mboxes=[MboxRequest(name="home", index=0)])
                ),
                "callback": len,
            }
        )
        visitor.tnt_id = other
        continue_event.set()
        envelope = result.get(20)
    assert envelope["response"].id.tnt_id == "visitor-1"
    assert contents(envelope) == [[expected]]


def test_changing_an_answer_does_not_change_the_next_one():
    rule_with_lists = rule(
        "A", meta={"activity.id": 1, "audience.ids": [1, 2]}, consequence={"options": [option({"a": [1]}, "json")]}
    )
    document = artifact(home=[rule_with_lists], changes={"responseTokens": ["audience.ids"]})
    with client_of(document) as client:
        first = decide(client)["response"].prefetch.mboxes[0].options[0]
        first.response_tokens["audience.ids"].append(99)
        first.content["a"].append(99)
        second = decide(client)["response"].prefetch.mboxes[0].options[0]
    assert (second.response_tokens["audience.ids"], second.content) == ([1, 2], {"a": [1]})


def test_a_parameter_that_contains_itself_is_an_option_error():
    endless = []
    endless.append(endless)
    document = artifact(home=[rule("x", consequence={"options": [option("<i>${mbox.p}</i>")]})])
    with client_of(document) as client:
        request = DeliveryRequest.from_dict(request_json(mboxes=[{"name": "home", "parameters": {"p": endless}}]))
        with pytest.raises(OptionError, match=r"^request\.prefetch\.mboxes\[0\]\.parameters\['p'\]"):
            client.get_offers({"request": request})


def test_the_macro_mbox_name_of_a_page_load_is_the_global_mbox():
    page = rule("x", place="target-global-mbox", consequence={"options": [option("in ${mbox.name}")]})
    with client_of(artifact({"target-global-mbox": [page]})) as client:
        loaded = decide(client, request_json(mboxes=(), pageLoad={}))["response"].prefetch.page_load
    assert [each.content for each in loaded.options] == ["in target-global-mbox"]


@pytest.mark.parametrize("method", ["on-device", "hybrid", "server-side"])
def test_views_of_the_wrong_type_are_an_option_error(method):
    with client_of(ALWAYS) as client:
        request = DeliveryRequest(prefetch=PrefetchRequest(views=5))
        with pytest.raises(OptionError, match=r"request\.prefetch\.views"):
            client.get_offers({"request": request, "decisioning_method": method})


# Notifications


def test_an_exception_of_a_pool_manager_loses_a_notification_but_ends_no_worker(caplog):
    class Broken:
        def request(self, *_, **__):
            raise RuntimeError("the pool broke")

    undelivered = []
    with client_of(ALWAYS, pool_manager=Broken(), events={"send_notification_error": undelivered.append}) as client:
        for _ in range(3):
            decide(client, request_json("execute"), session_id="session-1")
        assert client.flush(LONG)
        assert client.stats()["undelivered"] == 3
    assert [type(event.error) for event in undelivered] == [TransportError] * 3
    assert [type(event.error.__cause__) for event in undelivered] == [RuntimeError] * 3
    assert {event["session_id"] for event in undelivered} == {"session-1"}
    assert undelivered[0].notification.notifications[0].mbox.name == "home"
    lines = [record for record in caplog.records if "Notifications were not delivered" in record.getMessage()]
    assert len(lines) == 1  # the others are only counted


def test_the_callers_notifications_are_sent_together_with_the_displays():
    with SocketServer(answer({"status": 200})) as server, client_of(ALWAYS, server.domain) as client:
        clicked = {"id": "click-1", "type": "click", "timestamp": 1, "mbox": {"name": "home"}}
        decide(client, {**request_json("execute"), "notifications": [clicked]})
        assert client.flush(LONG)
        (sent,) = [body_of(request)["notifications"] for request in server.requests]
    assert [each["type"] for each in sent] == ["click", "display"]


# The artifact


def test_all_first_calls_of_an_unpickled_client_wait_for_the_artifact():
    with LocalEdge() as edge:
        options = {
            "client": "acmeclient",
            "organization_id": "1234567890@AdobeOrg",
            "decisioning_method": "on-device",
            "cdn_base_path": "http://" + edge.domain,
            "server_domain": edge.domain,
            "secure": False,
            "timeout": LONG,
        }
        with TargetClient.create(options) as client:
            packed = pickle.dumps(client)
        request = request_json(mboxes=["a1-serverside-ab"])
        with pickle.loads(packed) as copy:
            answers = []
            threads = [threading.Thread(target=lambda: answers.append(decide(copy, request))) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert [each["meta"]["decisioning_method"] for each in answers] == ["on-device"] * 8


def test_an_interrupted_start_is_repeated_by_the_next_call(monkeypatch):
    started = []

    def interrupt_the_first_start(self):
        started.append(True)
        if len(started) == 1:
            raise KeyboardInterrupt
        return start(self)

    start = artifact_source.ArtifactSource.start
    client = pickle.loads(pickle.dumps(TargetClient.create(on_device(ALWAYS))))
    monkeypatch.setattr(artifact_source.ArtifactSource, "start", interrupt_the_first_start)
    with client:
        with pytest.raises(KeyboardInterrupt):
            decide(client)
        assert first_content(client) == "A"


def test_the_download_error_is_the_cause_of_artifact_not_available():
    with SocketServer(answer(status=404)) as server:
        options = on_device(None, server.domain, maximum_wait_ready=LONG)
        with TargetClient.create(options) as client, pytest.raises(ArtifactNotAvailable) as caught:
            decide(client)
    assert "404" in str(caught.value.__cause__)


def test_a_hybrid_call_that_fails_without_an_artifact_reports_server_side():
    with client_of(None, "127.0.0.1:9", decisioning_method="hybrid", on_error="default", timeout=SHORT) as client:
        envelope = decide(client)
    assert envelope["meta"]["decisioning_method"] == "server-side"
    assert envelope.error is not None


def test_a_queued_hybrid_call_is_decided_with_the_artifact_at_the_time_of_the_call():
    continue_event = threading.Event()
    with client_of(ALWAYS, decisioning_method="hybrid", max_workers=1) as client:
        client.get_offers(
            {"request": DeliveryRequest.from_dict(request_json()), "callback": lambda _: continue_event.wait(20)}
        )
        result = client.get_offers({"request": DeliveryRequest.from_dict(request_json()), "callback": len})
        source = client._processes.get().artifacts
        newer = artifact(home=[rule("A")], changes={"remoteMboxes": ["home"]})
        replace_artifact(source, newer)
        continue_event.set()
        envelope = result.get(20)
    assert (envelope["meta"]["decisioning_method"], envelope["response"].status) == ("on-device", 200)


def replace_artifact(source, document):
    """Replace the artifact of ``source``, as a download would."""
    source._settings = source._settings._replace(artifact_payload=document)
    source._use_payload(document)


# The location hint


def test_the_location_hint_is_requested_once():
    with LocalEdge() as edge:
        with client_of(ALWAYS, edge.domain, target_location_hint=None) as client:
            assert eventually(
                lambda: decide(client, request_json(visitor=None))["response"].id.tnt_id.endswith(".35_0")
            )
        deliveries = [request for request in edge.requests if request.method == "POST"]
    assert len(deliveries) == 1


def test_under_uwsgi_the_location_hint_is_requested_after_the_fork(monkeypatch):
    # Without a master, the process that created the client becomes the first worker.
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi())
    with LocalEdge() as edge:

        def deliveries():
            return [request for request in edge.requests if request.method == "POST"]

        with client_of(ALWAYS, edge.domain, target_location_hint=None) as client:
            assert first_content(client) == "A"
            monkeypatch.setitem(sys.modules, "uwsgi", uwsgi(worker=1))
            assert deliveries() == []
            threads = [threading.Thread(target=first_content, args=(client,)) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(20)
            assert eventually(
                lambda: decide(client, request_json(visitor=None))["response"].id.tnt_id.endswith(".35_0")
            )
        assert len(deliveries()) == 1


def test_a_failing_location_hint_request_delays_neither_create_nor_close(capfd):
    with SocketServer(Connection.hang) as server:
        began = time.monotonic()
        with client_of(ALWAYS, server.domain, target_location_hint=None, timeout=3 * LONG) as client:
            assert first_content(client) == "A"
        assert time.monotonic() - began < LONG / 1000

    class Broken:
        def request(self, *_, **__):
            raise RuntimeError("the pool broke")

    with client_of(ALWAYS, target_location_hint=None, pool_manager=Broken()) as client:
        assert first_content(client) == "A"
        time.sleep(0.1)
    assert "Traceback" not in capfd.readouterr().err


# Edge cases


def test_decisions_work_without_free_file_descriptors(monkeypatch, caplog):
    def fail(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    public_suffixes.cache_clear()
    monkeypatch.setattr(pkgutil, "get_data", fail)
    condition = {"==": [{"var": "page.domain"}, "www.hooli.com"]}
    page = {"address": {"url": "http://www.hooli.com/"}}
    with client_of(artifact(home=yes_or_no(condition))) as client:
        # Without the list of public suffixes, the domain is the whole host name.
        assert first_content(client, request_json(context=page)) == "yes"
        monkeypatch.undo()
        assert first_content(client, request_json(context=page)) == "no"
    assert "cannot be read" in caplog.text


def test_a_rule_with_an_invalid_activity_id_is_skipped():
    invalid = [{**rule("invalid"), "activityId": True}]
    valid = [{**rule("A", share(0, 50)), "activityId": 1.0}, {**rule("B", share(50, 100)), "activityId": 1.0}]
    with client_of(artifact(invalid=invalid, valid=valid, home=halves())) as client:
        envelope = decide(client, request_json(mboxes=["invalid", "valid", "home"]))
    assert envelope["meta"]["remote_mboxes"] == ["invalid"]
    nothing, as_float, as_int = contents(envelope)
    assert (nothing, as_float) == ([], as_int)
