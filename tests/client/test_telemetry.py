"""Telemetry: what an entry contains, which requests carry it, and that each entry arrives once despite failures."""

import asyncio
import gc
import itertools
import json
import logging
import os
import random
import socket
import threading
import weakref
from collections import Counter
from functools import partial
from types import SimpleNamespace

import pytest
import urllib3
from urllib3.connectionpool import HTTPConnectionPool

from target_python_sdk import TargetClient, telemetry
from target_python_sdk.delivery.replaced_api import REPLACEMENTS
from target_python_sdk.errors import DeadlineExceeded, DeliveryError, HttpStatusError
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.telemetry import ARTIFACT_DOWNLOAD, MAX_ALONE, MAX_CARRIED, MAX_REFUSALS
from target_python_sdk.testing import SocketServer, response
from target_python_sdk.types import (
    DeliveryRequest,
    ExecuteRequest,
    MboxRequest,
    PrefetchRequest,
    RequestDetails,
    Telemetry,
    TelemetryEntry,
    ViewRequest,
    VisitorId,
)
from target_tools.concurrency.lock_free import take
from target_tools.concurrency.shutdown import EXIT_COORDINATOR
from tests.conformance.builders import artifact, rule
from tests.support import LONG, body_of, eventually, head_of, in_a_child, in_threads, offers, options_for, run_python

pytestmark = pytest.mark.server

DOCUMENT = artifact(home=[rule("A")], changes={"remoteMboxes": ["remote"], "geoTargetingEnabled": False})


class Edge:
    """The handler of a server that is both edge and CDN. ``outcome()`` returns how the next delivery ends."""

    def __init__(self, outcome=lambda: "answer"):
        self.outcome = outcome
        self.deliveries = []
        #: The entries of the deliveries that were answered.
        self.entries = []
        #: The number of artifacts served, each with a different ETag.
        self.downloads = 0
        #: A delivery with the outcome "hang" waits until this event is set.
        self.healed = threading.Event()

    def __call__(self, connection):
        while raw := connection.read_request():
            if head_of(raw)[""].startswith("GET"):
                self.downloads += 1
                connection.send(response(DOCUMENT, headers={"ETag": f'"{self.downloads}"'}))
                continue
            body, outcome = body_of(raw), self.outcome()
            self.deliveries.append(body)
            if outcome == "hang":
                self.healed.wait(LONG / 1000)
            if outcome in ("hang", "reset"):
                connection.reset()
                return
            if outcome != "answer":
                connection.send(response({"message": "no"}, outcome))
                continue
            self.entries += entries_in(body)
            names = [mbox["name"] for mbox in body.get("execute", {}).get("mboxes", ())]
            mboxes = [{"index": index, "name": name, "options": []} for index, name in enumerate(names)]
            answer = {"status": 200, "requestId": body["requestId"], "execute": {"mboxes": mboxes}}
            connection.send(response({**answer, "telemetryServerToken": "token of " + body["requestId"]}))

    def ids(self):
        """Return the request ids of the entries, in the order of their arrival."""
        return [entry["requestId"] for entry in self.entries]


def entries_in(body):
    """Return the telemetry entries in the body of a request."""
    return body.get("telemetry", {}).get("entries", [])


def client_of(server, method="server-side", **options):
    """Create a client that collects telemetry."""
    defaults = {"decisioning_method": method, "retries": 1, "circuit_breaker": False, "target_location_hint": "35"}
    defaults["telemetry_enabled"] = True
    if method != "server-side":
        defaults.update(artifact_payload=DOCUMENT, polling_interval=0)
    return TargetClient.create({**options_for(server), **defaults, **options})


def prefetch(name="home"):
    """Return a request that causes no notification if it is decided on-device."""
    return DeliveryRequest(
        id=VisitorId(tnt_id="visitor-1.35_0"), prefetch=PrefetchRequest(mboxes=[MboxRequest(name=name)])
    )


def id_of(envelope):
    return envelope["request"].request_id


@pytest.fixture
def edge():
    return Edge()


@pytest.fixture
def server(edge):
    with SocketServer(edge) as running:
        yield running
        edge.healed.set()


# Entries


def test_the_entry_of_a_server_side_call_has_the_timings_of_its_exchange(edge, server, monkeypatch):
    answers, add = [], telemetry.Telemetry.add_answer
    monkeypatch.setattr(
        telemetry.Telemetry, "add_answer", lambda self, *parts: (answers.append(parts[-1]), add(self, *parts))
    )
    with client_of(server, shutdown_timeout=LONG) as client:
        first, second = client.get_offers(offers()), client.get_offers(offers())
    assert edge.ids() == [id_of(first), id_of(second)]
    for entry, answer, envelope in zip(edge.entries, answers, (first, second)):
        timings = answer.timings
        assert entry["request"] == {
            "timeToFirstByte": round(timings.first_byte, 2),
            "download": round(timings.download, 2),
            "responseSize": timings.received,
        }
        assert entry["parsing"] == round(answer.parse_seconds * 1000, 2)
        parts = entry["parsing"] + entry["request"]["timeToFirstByte"] + entry["request"]["download"]
        assert entry["execution"] >= parts - 0.02
        assert entry["mode"] == "edge"
        assert entry["features"] == {"decisioningMethod": "server-side", "executeMboxCount": 1}
        assert entry["telemetryServerToken"] == "token of " + id_of(envelope)


def test_an_entry_has_the_lookup_and_the_handshake_of_a_new_connection(authority):
    edge = Edge()
    with SocketServer(edge, tls=authority.server_context()) as server:
        domain = f"localhost:{server.port}"
        with client_of(server, secure=True, server_domain=domain, ca_certs=authority.ca_file) as client:
            client.get_offers(offers())
            client.get_offers(offers())
    new, reused = (entry["request"] for entry in edge.entries)
    assert new["dns"] > 0
    assert new["tls"] > 0
    assert not {"dns", "tls"} & set(reused)


def test_the_entry_of_an_on_device_call_has_no_request(edge, server):
    with client_of(server, "on-device") as client:
        envelope = client.get_offers({"request": prefetch()})
    (entry,) = edge.entries
    assert 0 < entry.pop("execution") < LONG
    assert entry.pop("timestamp") > 1600000000000
    assert entry == {
        "requestId": id_of(envelope),
        "mode": "local",
        "features": {"decisioningMethod": "on-device", "prefetchMboxCount": 1},
    }


def test_the_timestamp_is_the_time_at_which_the_call_began(edge, server, monkeypatch):
    with client_of(server, "on-device") as client:
        client.get_offers({"request": prefetch()})
        monkeypatch.setattr("time.time", lambda: 1600000000.0)
        client.get_offers({"request": prefetch()})
    now = 1600000000000
    assert [now - LONG < entry["timestamp"] <= now for entry in edge.entries] == [True, True]
    assert edge.entries[0]["timestamp"] <= edge.entries[1]["timestamp"]


@pytest.mark.parametrize(
    ("mbox", "mode", "method"), [("home", "local", "on-device"), ("remote", "edge", "server-side")]
)
def test_the_entry_of_a_hybrid_call_names_the_method_that_decided(mbox, mode, method, edge, server):
    with client_of(server, "hybrid") as client:
        client.get_offers({"request": prefetch(mbox)})
    (entry,) = edge.entries
    assert (entry["mode"], entry["features"]["decisioningMethod"]) == (mode, method)


def test_the_mode_of_a_hybrid_call_that_was_decided_without_the_edge_is_local(edge, server):
    edge.outcome = iter(["reset", "answer"]).__next__
    with client_of(server, "hybrid") as client:
        envelope = client.get_offers({"request": prefetch("remote")})
    (entry,) = edge.entries
    assert isinstance(envelope.error, DeliveryError)
    assert (entry["requestId"], entry["mode"]) == (id_of(envelope), "local")


def test_all_features_of_a_call_are_counted(edge, server):
    request = DeliveryRequest(
        execute=ExecuteRequest(page_load=RequestDetails(), mboxes=[MboxRequest(name="a"), MboxRequest(name="b")]),
        prefetch=PrefetchRequest(
            page_load=RequestDetails(), mboxes=[MboxRequest(name="c")], views=[ViewRequest(name="v")] * 3
        ),
    )
    with client_of(server) as client:
        client.get_offers({"request": request})
    (entry,) = edge.entries
    assert entry["features"] == {
        "decisioningMethod": "server-side",
        "executePageLoad": True,
        "executeMboxCount": 2,
        "prefetchPageLoad": True,
        "prefetchMboxCount": 1,
        "prefetchViewCount": 3,
    }


def test_a_download_of_the_artifact_has_an_entry(edge, server):
    options = {"artifact_payload": None, "artifact_location": f"http://{server.domain}/rules.json"}
    with client_of(server, "on-device", **options):
        pass
    (entry,) = edge.entries
    assert (entry["requestId"], entry["features"]) == (ARTIFACT_DOWNLOAD, {"decisioningMethod": "on-device"})
    assert entry["request"]["responseSize"] > len(json.dumps(DOCUMENT))
    assert entry["execution"] >= entry["parsing"] > 0
    assert not {"mode", "telemetryServerToken"} & set(entry)


def test_every_entry_has_only_fields_of_the_schema(edge, server):
    options = {"artifact_payload": None, "artifact_location": f"http://{server.domain}/rules.json"}
    with client_of(server, "hybrid", **options) as client:
        assert eventually(lambda: edge.downloads)
        for name in ("remote", "home"):
            client.get_offers({"request": prefetch(name)})
    assert len(edge.entries) >= 2
    for entry in edge.entries:
        assert TelemetryEntry.from_dict(entry).to_dict(by_alias=True, exclude_none=True) == entry
        for value in (entry["execution"], entry.get("parsing", 0), *entry.get("request", {}).values()):
            assert round(value, 2) == value


def test_an_invalid_token_is_not_sent_back(edge, server):
    with client_of(server) as client:
        records = client._processes.get().telemetry
        for token in ({"a": 1}, "", "x" * (telemetry.MAX_TOKEN_LENGTH + 1)):
            records.add(prefetch(), 0.0, telemetry.Network(None, 0.0, token))
    assert ["telemetryServerToken" in entry or "request" in entry for entry in edge.entries] == [False] * 3


# Which requests carry entries


def test_b57_the_next_call_carries_the_entry_of_the_last_one(edge, server):
    with client_of(server) as client:
        envelopes = [client.get_offers(offers()) for _ in range(3)]
        assert [[entry["requestId"] for entry in entries_in(body)] for body in edge.deliveries] == [
            [],
            [id_of(envelopes[0])],
            [id_of(envelopes[1])],
        ]
        assert envelopes[1]["request"].telemetry is None
    assert set(edge.deliveries[-1]) == {"requestId", "context", "experienceCloud", "telemetry"}


def test_a_notification_carries_the_entry_of_its_decision_but_has_no_entry_itself(edge, server):
    with client_of(server, "on-device") as client:
        envelope = client.get_offers({"request": offers()["request"]})
        client.flush()
        (body,) = edge.deliveries
    assert [entry["requestId"] for entry in entries_in(body)] == [id_of(envelope)]
    assert len(body["notifications"]) == 1
    assert len(edge.deliveries) == 1


def test_a_call_of_send_notifications_carries_entries_and_has_one_itself(edge, server):
    with LocalEdge() as local:
        with client_of(local) as client:
            display = {"id": "n", "timestamp": 1600000000000, "type": "display", "mbox": {"name": "home"}, "tokens": []}
            first = client.get_offers(offers("a1-serverside-ab"))
            second = client.send_notifications({"request": {"notifications": [display]}})
            assert [entry["requestId"] for entry in local.telemetry] == [id_of(first)]
        assert [entry["requestId"] for entry in local.telemetry] == [id_of(first), id_of(second)]
        assert local.telemetry[1]["features"] == {"decisioningMethod": "server-side"}
        assert len(local.requests) == 2  # ``requests`` omits the request that has only telemetry


def test_a_call_carries_a_limited_number_of_entries(edge, server):
    with client_of(server, "on-device") as client:
        expected = [id_of(client.get_offers({"request": prefetch()})) for _ in range(MAX_CARRIED + MAX_ALONE + 5)]
        client.get_offers({**offers(), "decisioning_method": "server-side"})
        assert edge.ids() == expected[:MAX_CARRIED]
        client.flush()
        assert [len(entries_in(body)) for body in edge.deliveries[1:]] == [MAX_ALONE, 6]
    assert edge.ids()[:-1] == expected


def test_the_oldest_records_are_dropped_if_too_many_wait(edge, server, monkeypatch):
    monkeypatch.setattr(telemetry, "MAX_RECORDS", 5)
    with client_of(server, "on-device") as client:
        expected = [id_of(client.get_offers({"request": prefetch()})) for _ in range(7)][2:]
        edge.outcome = iter([500]).__next__
        with pytest.raises(HttpStatusError):
            client.get_offers({**offers(), "decisioning_method": "server-side"})
        expected = [*expected[1:], id_of(client.get_offers({"request": prefetch()}))]
        edge.outcome = lambda: "answer"
        client.get_offers({**offers(), "decisioning_method": "server-side"})
        assert edge.ids() == expected


def test_records_that_are_put_back_leave_room_for_newer_ones(server, monkeypatch):
    monkeypatch.setattr(telemetry, "MAX_RECORDS", 3)
    with client_of(server) as client:
        records = client._processes.get().telemetry
        taken = [telemetry.Record(str(number), 0.0, 0.0, None) for number in range(3)]
        records._add(telemetry.Record("new", 0.0, 0.0, None))
        records._put_back(taken)
        assert [record.request_id for record in take(records._waiting, 5)] == ["1", "2", "new"]


def test_telemetry_in_a_request_of_the_application_is_sent_unchanged(edge, server):
    given = Telemetry(entries=[TelemetryEntry(request_id="mine")])
    with client_of(server) as client:
        first = client.get_offers(offers())
        client.get_offers(offers(telemetry=given))
        assert edge.ids() == ["mine"]
    assert edge.ids()[1] == id_of(first)


def test_without_telemetry_nothing_is_collected_and_nothing_is_sent(edge, server):
    options = {"artifact_payload": None, "artifact_location": f"http://{server.domain}/rules.json"}
    with client_of(server, "on-device", telemetry_enabled=False, **options) as client:
        client.get_offers(offers())
        client.get_offers({**offers(), "decisioning_method": "server-side"})
        assert client._processes.get().telemetry is None
    assert all("telemetry" not in body for body in edge.deliveries)
    assert len(edge.deliveries) == 2  # the notification and the call


def test_a_call_without_consent_has_no_entry(edge, server):
    with client_of(server, "on-device") as client:
        client.get_offers({"request": prefetch(), "consent": False})
    assert edge.deliveries == []


def test_a_replaced_api_gets_no_telemetry(edge, server, monkeypatch):
    seen = []

    def reply(call):
        seen.append(call.delivery_request)
        return SimpleNamespace(id=None, edge_host=None, execute=None, prefetch=None, telemetry_server_token=None)

    with client_of(server) as client:
        monkeypatch.setattr(REPLACEMENTS, "find", lambda: reply)
        envelopes = [client.get_offers(offers()) for _ in range(2)]
        client.flush()
        assert [request.telemetry for request in seen] == [None, None]
        assert edge.deliveries == []
        monkeypatch.setattr(REPLACEMENTS, "find", lambda: None)
    assert edge.ids() == [id_of(envelope) for envelope in envelopes]
    assert "request" not in edge.entries[0]


@pytest.mark.parametrize(("owner", "name"), [(HTTPConnectionPool, "ConnectionCls"), (urllib3, "PoolManager")])
def test_no_telemetry_is_sent_alone_while_parts_of_urllib3_are_replaced(owner, name, edge, server, monkeypatch):
    """A recorder, such as vcrpy, then records only the requests of the calls."""
    with client_of(server) as client:
        monkeypatch.setattr(owner, name, type("Recorded", (getattr(owner, name),), {}))
        envelopes = [client.get_offers(offers()) for _ in range(2)]
        assert client.flush()
        assert [len(entries_in(body)) for body in edge.deliveries] == [0, 1]
        assert client._processes.get().telemetry._poll() > 50  # the timer does not try again at once
        monkeypatch.undo()
    assert edge.ids() == [id_of(envelope) for envelope in envelopes]


# Failures


@pytest.mark.parametrize("failure", [500, 503, 404, "reset", "hang"])
def test_entries_of_a_failed_request_are_sent_again(failure, edge, server):
    with client_of(server, timeout=LONG) as client:
        first = client.get_offers(offers())
        edge.outcome = lambda: failure
        with pytest.raises(DeliveryError):
            client.get_offers({**offers(), "timeout": 50 if failure == "hang" else LONG})
        edge.outcome = lambda: "answer"
        second = client.get_offers(offers())
        assert edge.ids() == [id_of(first)]
        assert [len(entries_in(body)) for body in edge.deliveries] == [0, 1, 1]
    assert edge.ids() == [id_of(first), id_of(second)]


def test_entries_wait_while_the_edge_refuses_connections(caplog):
    with LocalEdge() as local:
        pass  # the port is free again
    with client_of(local, "on-device") as client:
        envelope = client.get_offers({"request": prefetch()})
        with caplog.at_level(logging.DEBUG, "adobe.target"):
            assert client.flush()
        with local:
            client.get_offers({**offers("a1-serverside-ab"), "decisioning_method": "server-side"})
            assert [entry["requestId"] for entry in local.telemetry] == [id_of(envelope)]
    lines = [record for record in caplog.records if "Telemetry was not sent (ConnectionFailed)" in record.getMessage()]
    assert {record.levelno for record in lines} == {logging.DEBUG}


def test_records_of_a_request_in_progress_are_not_carried_by_another_one(edge, server):
    with client_of(server, "on-device") as client:
        envelope = client.get_offers({"request": prefetch()})
        edge.outcome = iter(["hang", "answer", "answer"]).__next__
        call = {**offers(), "decisioning_method": "server-side"}
        hanging = client.get_offers({**call, "callback": lambda _: None, "err_callback": lambda _: None})
        assert eventually(lambda: edge.deliveries)
        other = client.get_offers(call)
        assert [len(entries_in(body)) for body in edge.deliveries] == [1, 0]
        edge.healed.set()
        hanging.wait(LONG / 1000)
        client.flush()
        assert Counter(edge.ids()) == Counter([id_of(envelope), id_of(other)])


def test_entries_of_refused_requests_are_sent_alone_and_then_dropped(edge, server):
    with client_of(server) as client:
        client.get_offers(offers())
        edge.outcome = lambda: 400
        for _ in range(MAX_REFUSALS + 2):
            with pytest.raises(HttpStatusError):
                client.get_offers(offers())
        assert [bool(entries_in(body)) for body in edge.deliveries] == [False, *[True] * MAX_REFUSALS, False, False]
        client.flush()
        edge.outcome = lambda: "answer"
        client.flush()
        assert edge.entries == []
        last = client.get_offers(offers())
    assert edge.ids() == [id_of(last)]


def test_a_failed_call_has_no_entry(edge, server):
    edge.outcome = lambda: 500
    with client_of(server) as client, pytest.raises(HttpStatusError):
        client.get_offers(offers())
    assert [entries_in(body) for body in edge.deliveries] == [[]]


def test_the_open_circuit_of_the_edge_stops_telemetry(server, caplog):
    with client_of(server, "on-device") as client:
        records = client._processes.get().telemetry
        records._is_open = lambda origin: True
        client.get_offers({"request": prefetch()})
        with caplog.at_level(logging.DEBUG, "adobe.target"):
            client.flush()
    assert "Telemetry was not sent (CircuitOpen)" in caplog.text
    assert server.requests == []


def test_telemetry_that_is_not_answered_does_not_delay_close_beyond_its_limit(edge, server, monkeypatch, caplog):
    monkeypatch.setattr(telemetry, "FINAL_SECONDS", 0.05)
    edge.outcome = lambda: "hang"
    client = client_of(server, "on-device")
    client.get_offers({"request": prefetch()})
    with caplog.at_level(logging.DEBUG, "adobe.target"):
        assert client.close(LONG)
    assert not edge.healed.is_set()  # so close did not wait for the answer
    assert "Telemetry was not sent (DeadlineExceeded)" in caplog.text


# Requests that contain only telemetry


def test_records_are_sent_alone_after_a_while_by_a_thread_that_then_ends(edge, server, monkeypatch):
    def arrived(count):
        return len(edge.entries) == count

    monkeypatch.setattr(telemetry, "MAX_AGE", 0.05)
    with client_of(server, "on-device") as client:
        records = client._processes.get().telemetry
        assert records._timers == []
        for count in (1, 2):
            envelope = client.get_offers({"request": prefetch()})
            assert eventually(partial(arrived, count))
            assert edge.ids()[-1] == id_of(envelope)
            assert eventually(lambda: records._timers[0].threads() == 0)
    assert [len(entries_in(body)) for body in edge.deliveries] == [1, 1]


def test_the_thread_tries_again_after_a_failure(edge, server, monkeypatch):
    monkeypatch.setattr(telemetry, "MAX_AGE", 0.05)
    edge.outcome = iter([500, "reset", "answer"]).__next__
    with client_of(server, "on-device") as client:
        envelope = client.get_offers({"request": prefetch()})
        # Closing the client would abort a request whose answer it has not read yet, and send the entry again.
        timer = client._processes.get().telemetry._timers[0]
        assert eventually(lambda: edge.ids() == [id_of(envelope)] and timer.threads() == 0)
    assert len(edge.deliveries) == 3


def test_a_timer_that_cannot_be_started_is_tried_again_later(edge, server, monkeypatch):
    monkeypatch.setattr("target_tools.concurrency.threads.is_about_to_fork", lambda: True)
    with client_of(server, "on-device") as client:
        records = client._processes.get().telemetry
        client.get_offers({"request": prefetch()})
        client.get_offers({"request": prefetch()})
        assert [timer.threads() for timer in records._timers] == [0]
        monkeypatch.undo()
        records._next_timer_start = 0.0
        client.get_offers({"request": prefetch()})
        assert eventually(records._timers[0].threads)
    assert len(edge.ids()) == 3


def test_the_timer_continues_if_a_record_is_added_while_it_ends(server):
    class Late(list):
        """A list whose ``append`` adds a record, as another thread could do after the timer has found no record."""

        def append(self, token):
            super().append(token)
            records._waiting.append(record)

    with client_of(server) as client:
        records, record = client._processes.get().telemetry, telemetry.Record("r", 0.0, 0.0, None)
        records._has_no_timer = Late()
        assert records._poll() == telemetry.MAX_AGE
        assert records._has_no_timer == []
        records._waiting.clear()


def test_an_unreferenced_client_stops_its_timer_and_is_freed(server):
    client = client_of(server, "on-device")
    client.get_offers({"request": prefetch()})
    records = client._processes.get().telemetry
    (timer,), reference = records._timers, weakref.ref(records)
    assert eventually(timer.threads)
    del client, records
    gc.collect()
    assert reference() is None
    assert eventually(lambda: not timer.threads())


def test_a_closed_client_starts_no_timer(server):
    client = client_of(server, "on-device")
    records = client._processes.get().telemetry
    client.close()
    records.add(prefetch(), 0.0)
    assert records._timers == []


def test_an_awaited_flush_and_an_awaited_close_send_telemetry(edge, server):
    async def run():
        async with TargetClient.create_async(
            {**options_for(server), "decisioning_method": "on-device", "artifact_payload": DOCUMENT,
             "polling_interval": 0, "target_location_hint": "35", "telemetry_enabled": True}
        ) as client:  # fmt: skip
            envelopes = [await client.get_offers_async({"request": prefetch()})]
            assert await client.flush_async()
            assert edge.ids() == [id_of(envelopes[0])]
            envelopes.append(await client.get_offers_async({"request": prefetch()}))
            return envelopes

    envelopes = asyncio.run(run())
    assert edge.ids() == [id_of(envelope) for envelope in envelopes]


def test_nothing_is_sent_at_exit(edge, server, monkeypatch):
    monkeypatch.setattr(EXIT_COORDINATOR, "begun", True)
    with client_of(server, "on-device") as client:
        client.get_offers({"request": prefetch()})
    assert edge.deliveries == []


def test_a_process_with_waiting_records_exits_at_once(edge, server):
    program = f"""
from tests.client.test_telemetry import client_of, prefetch
from types import SimpleNamespace
client = client_of(SimpleNamespace(domain={server.domain!r}), "on-device")
client.get_offers({{"request": prefetch()}})
print(client._processes.get().telemetry._timers[0].stopped)
"""
    done = run_python("-c", program)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "False", "")
    assert edge.deliveries == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no os.fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_does_not_send_the_records_of_its_parent(edge, server):
    with client_of(server, "on-device") as client:
        envelope = client.get_offers({"request": prefetch()})
        own_request = prefetch()
        own_request.request_id = "of the child"

        def act():
            client.get_offers({"request": own_request})
            client.close()

        assert in_a_child(act)
        assert edge.ids() == ["of the child"]
    assert edge.ids() == ["of the child", id_of(envelope)]


# All together


def is_idle(source):
    return source._poller.threads() == 0


class Reopened(SocketServer):
    """A server on the port of an earlier server."""

    def __init__(self, handler, port):
        super().__init__(handler)
        self._wanted = port

    def start(self):
        create = socket.create_server
        try:
            socket.create_server = lambda address, **options: create((address[0], self._wanted), **options)
            return super().start()
        finally:
            socket.create_server = create


@pytest.mark.parametrize("is_enabled", [True, False])
def test_each_entry_of_a_thousand_mixed_calls_arrives_once(is_enabled):
    """About a tenth of the requests fail, with a reset, a timeout or status 500. During 60 calls, the edge is down.

    If an answer does not arrive in time, the edge gets the entry again. Such a repetition is not counted.
    """
    numbers = itertools.count(1)

    def arrived():
        """Return the number of different entries by request id. Downloads share an id and differ in other values."""
        entries = {json.dumps(entry, sort_keys=True) for entry in edge.entries}
        return Counter(json.loads(entry)["requestId"] for entry in entries)

    def is_complete():
        """Flush the clients, and return whether every entry has arrived."""
        for client in clients:
            client.flush()
        return arrived() == awaited

    def outcome():
        number = next(numbers)
        return "hang" if number % 60 == 0 else "reset" if number % 25 == 0 else 500 if number % 20 == 0 else "answer"

    logging.getLogger("tests.quiet").setLevel(logging.CRITICAL)
    edge, expected, failures, downloads = Edge(), [], Counter(), []
    with SocketServer(edge) as server:
        shared = {"timeout": 200, "telemetry_enabled": is_enabled, "logger": logging.getLogger("tests.quiet")}
        artifact_options = {
            "artifact_payload": None,
            "artifact_location": f"http://{server.domain}/rules.json",
            "polling_interval": 200,
            "events": {"artifact_download_succeeded": downloads.append},
        }
        clients = [
            client_of(server, **shared),
            client_of(server, "on-device", **artifact_options, **shared),
            client_of(server, "hybrid", **artifact_options, **shared),
        ]
        assert eventually(lambda: len(downloads) >= 2)

        def calls(number, count=110):
            dice = random.Random(number)
            for _ in range(count):
                mbox = dice.choice(["home", "remote", "executed"])
                request = offers()["request"] if mbox == "executed" else prefetch(mbox)
                try:
                    envelope = dice.choice(clients).get_offers({"request": request})
                except DeliveryError as error:
                    failures[type(error).__name__] += 1
                else:
                    expected.append(id_of(envelope))
                    failures["hybrid"] += envelope.error is not None

        edge.outcome = lambda: "hang"
        with pytest.raises(DeadlineExceeded):
            clients[0].get_offers(offers())
        edge.outcome = outcome
        in_threads(8, calls)
        edge.healed.set()  # otherwise the server would wait for its handlers
    calls(8, 60)  # every connection is refused
    with Reopened(edge, server.port):
        calls(9, 60)
        edge.outcome = lambda: "answer"
        for source in [client._processes.get().artifacts for client in clients[1:]]:
            source.stop()
            assert eventually(partial(is_idle, source))
        awaited = Counter([*expected, *[ARTIFACT_DOWNLOAD] * len(downloads)]) if is_enabled else Counter()
        assert eventually(is_complete), (arrived(), awaited)
        for client in clients:
            client.close()

    assert {"HttpStatusError", "ConnectionFailed"} <= set(failures)
    assert failures["hybrid"] > 0
    assert arrived() == awaited
