"""The Celery integration: a client for each worker process, and notifications that keep their ids."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import types
import uuid
from inspect import Parameter, signature

import pytest

from tests.support import installing

pytest.importorskip("celery", reason="Celery is not installed: " + installing("test"))

from celery import Celery, Task, current_app, signals
from celery.contrib.testing.worker import start_worker
from celery.exceptions import SoftTimeLimitExceeded
from kombu import Producer
from kombu.exceptions import OperationalError

from target_python_sdk.errors import ClientClosed, ConnectionFailed, HttpStatusError, OptionError
from target_python_sdk.integrations import celery as integration
from target_python_sdk.integrations import celery_client, celery_late_install
from target_python_sdk.integrations.celery import TASK_NAME, install
from target_python_sdk.integrations.celery_message import MAX_REQUEST_BYTES, message_from_options
from target_python_sdk.local_edge import LocalEdge
from target_python_sdk.testing import SocketServer, answer, replies, response
from target_python_sdk.types import DeliveryRequest, Notification, NotificationMbox, VisitorId
from target_tools.logger import Log
from tests.support import ANSWER_BYTES, LONG, SHORT, body_of, client_of, eventually, head_of, in_a_child, offers

pytestmark = pytest.mark.server

NO_REDIS = "the Python package redis is not installed: " + installing("servers", "gcc", "libc6-dev", "python3-dev")
SECRET = "somebody-4711"
SIGNALS = (
    signals.worker_init,
    signals.worker_process_init,
    signals.worker_process_shutdown,
    signals.worker_shutdown,
    signals.task_unknown,
)
OK = response(ANSWER_BYTES)
BUSY = response(b"too many of " + SECRET.encode(), 503)


def notified(*ids, **request):
    """Return the options of a call that reports displays."""
    notifications = [
        Notification(id=one, type="display", timestamp=1700000000000, mbox=NotificationMbox(name="home"))
        for one in ids or ["shown-1"]
    ]
    return {"request": DeliveryRequest(id=VisitorId(tnt_id=SECRET), notifications=notifications, **request)}


def waiting(app):
    """Return the number of messages on the broker."""
    with app.connection_for_write() as connection:
        return connection.default_channel.queue_declare(app.conf.task_default_queue).message_count


@pytest.fixture(autouse=True)
def disconnect_receivers():
    """Disconnect the receivers of a test at its end, because Celery holds strong references to them."""
    connected = [(celery_signal, list(celery_signal.receivers)) for celery_signal in SIGNALS]
    installed = dict(integration.INSTALLATIONS.by_task)
    yield
    for celery_signal, receivers in connected:
        celery_signal.receivers[:] = receivers
        celery_signal.sender_receivers_cache.clear()
    integration.INSTALLATIONS.by_task.clear()
    integration.INSTALLATIONS.by_task.update(installed)


def app_with_broker(queue):
    # The broker is in memory, because a worker ends if kombu's file transport reads a half-written message.
    celery_app = Celery("shop", broker="memory://", set_as_current=False)
    celery_app.conf.update(
        broker_transport_options={"polling_interval": 0.02},
        task_default_queue=queue,  # all applications of a process share the broker
        worker_hijack_root_logger=False,
        task_annotations={TASK_NAME: {"max_retries": 2, "retry_backoff": 0}},
    )
    return celery_app


@pytest.fixture
def app():
    """Return an application without a worker, so that its messages stay on the broker.

    Its queue has a new name, because a worker thread of an earlier test may publish a message late.
    """
    with app_with_broker(f"queue-{uuid.uuid4()}") as celery_app:
        yield celery_app


@pytest.fixture(scope="module")
def app_with_worker():
    """Return an application with a worker in a thread. The tests share the worker, because it stops slowly."""
    with app_with_broker("app_with_worker") as celery_app:
        with start_worker(celery_app, loglevel="INFO", perform_ping_check=False, shutdown_timeout=30) as worker:
            celery_app.worker = worker
            yield celery_app


@pytest.fixture
def edge():
    with LocalEdge() as running:
        yield running


class Factory:
    """Creates clients that call ``server``, and keeps them in ``clients``."""

    def __init__(self, server, **options):
        self.server, self.options, self.clients, self.raises = server, options, [], []

    def __call__(self):
        if self.raises:
            raise self.raises.pop(0)
        self.clients.append(client_of(self.server, **{"retries": 1, "circuit_breaker": False, **self.options}))
        return self.clients[-1]


@pytest.fixture
def factory(edge):
    created = Factory(edge)
    yield created
    for client in created.clients:
        client.close(0)


# One client for each process


class Main:
    """Stands in for the main process of a worker, which sends the signals."""

    def __init__(self, pool):
        self.pool_cls = pool


def begin(pool):
    signals.worker_init.send(sender=Main(pool))


def prefork_class():
    return __import__("celery.concurrency.prefork").concurrency.prefork.TaskPool


@pytest.mark.parametrize("pool", ["prefork", "processes", "celery.concurrency.prefork:TaskPool", prefork_class])
def test_the_main_process_of_a_prefork_worker_creates_no_client(pool, app, factory):
    install(factory, app)
    begin(pool() if callable(pool) else pool)
    assert factory.clients == []


@pytest.mark.parametrize("pool", ["solo", "threads", "gevent", "eventlet", "custom", None])
def test_a_worker_without_child_processes_has_one_client(pool, app, factory):
    target = install(factory, app)
    begin(pool)
    signals.worker_process_init.send(sender=None)  # the solo pool also sends this signal
    assert factory.clients == [target.client]


def test_each_child_has_its_own_client(app, factory):
    target = install(factory, app)
    ours = target.client

    def child():
        signals.worker_process_init.send(sender=None)
        assert len(factory.clients) == 2
        assert target.client is factory.clients[1]
        assert target.client.get_offers(offers())["response"].status == 200

    assert in_a_child(child)
    assert in_a_child(child)
    assert target.client is ours
    assert factory.clients == [ours]


def test_threads_that_need_the_client_at_the_same_time_get_the_same_one(app, factory):
    together = threading.Barrier(8)

    def slow():
        together.wait(10)
        return factory()

    target, seen = install(slow, app), []
    threads = [threading.Thread(target=lambda: seen.append(target.client)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(factory.clients) == 8
    assert len(set(map(id, seen))) == 1
    assert seen[0].get_offers(offers())["response"].status == 200
    for other in factory.clients:
        if other is not seen[0]:
            with pytest.raises(ClientClosed):
                other.get_offers(offers())


def test_a_later_installation_replaces_an_earlier_one(app, edge, factory):
    later = Factory(edge)
    install(factory, app)
    target = install(later, app)
    begin("solo")
    target.task.apply(args=(message_from_options(notified(), Log()),), throw=True)
    assert factory.clients == []
    assert [client is target.client for client in later.clients] == [True]
    target.client.close()


def test_without_an_app_the_task_is_registered_in_every_application(factory):
    install(factory)
    assert Celery("another", set_as_current=False).tasks[TASK_NAME].acks_late
    assert not factory.clients


def test_install_accepts_the_proxy_current_app(app, edge, factory):
    app.conf.update(task_always_eager=True, task_eager_propagates=True)
    before = current_app._get_current_object()
    app.set_current()
    try:
        target = install(factory, current_app)
        target.send_notifications(notified("shown-1"))
    finally:
        before.set_current()
    assert [one["id"] for one in edge.notifications] == ["shown-1"]


@pytest.mark.parametrize(
    "wrong", [{"client_factory": None}, {"flush_timeout": -1}, {"flush_timeout": "5 s"}, {"publish_timeout": 0}]
)
def test_an_invalid_argument_of_install_is_named(wrong, app):
    with pytest.raises(OptionError, match=next(iter(wrong))):
        install(**{"client_factory": int, "app": app, **wrong})


# The start of a child


class HeldFactory:
    """A factory that waits until the test lets it continue."""

    def __init__(self, factory):
        self.factory, self.released, self.calls = factory, threading.Event(), 0

    def __call__(self):
        self.calls += 1
        assert self.released.wait(20)
        return self.factory()


def test_a_slow_factory_does_not_delay_its_child(app, factory, caplog):
    app.conf.worker_proc_alive_timeout = 0.4
    held, seen = HeldFactory(factory), []
    target = install(held, app)
    began = time.monotonic()
    signals.worker_process_init.send(sender=None)
    assert 0.15 < time.monotonic() - began < 20  # the factory would wait for 20 s
    assert "not created within 0.2 s" in caplog.text
    asking = [threading.Thread(target=lambda: seen.append(target.client)) for _ in range(4)]
    for thread in asking:
        thread.start()
    assert not eventually(lambda: seen, 0.1)
    held.released.set()
    for thread in asking:
        thread.join(20)
    assert seen == factory.clients * 4 == [target.client] * 4
    assert held.calls == 1


def test_a_factory_that_raises_late_is_logged_and_called_again(app, factory, caplog):
    app.conf.worker_proc_alive_timeout = 0.1
    held = HeldFactory(factory)
    factory.raises = [KeyError("TARGET_CLIENT")]
    target = install(held, app)
    begin("solo")
    held.released.set()
    assert eventually(lambda: "The client could not be created (KeyError)" in caplog.text)
    assert target.client is factory.clients[0]
    assert held.calls == 2


def test_a_soft_time_limit_does_not_interrupt_the_creation_of_a_client(app, factory):
    app.conf.worker_proc_alive_timeout = 0.1
    held = HeldFactory(factory)
    target = install(held, app)
    begin("solo")

    def strike(*_):
        raise SoftTimeLimitExceeded

    before = signal.signal(signal.SIGALRM, strike)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(SoftTimeLimitExceeded):
            _ = target.client
    finally:
        signal.signal(signal.SIGALRM, before)
    held.released.set()
    assert target.client is factory.clients[0]
    assert held.calls == 1


def test_a_client_created_after_the_worker_has_shut_down_is_closed(app, factory):
    app.conf.worker_proc_alive_timeout = 0.1
    held = HeldFactory(factory)
    install(held, app)
    begin("threads")
    signals.worker_shutdown.send(sender=None)
    held.released.set()
    assert eventually(lambda: factory.clients and "(closed)" in repr(factory.clients[0]))


def test_the_client_is_created_in_the_calling_thread_if_no_thread_can_be_started(app, factory, monkeypatch):
    def none(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(celery_client, "start_thread", none)
    target = install(factory, app)
    begin("solo")
    assert factory.clients == [target.client]


def test_a_child_forked_during_the_creation_of_a_client_creates_its_own(app, factory):
    app.conf.worker_proc_alive_timeout = 0.1
    held = HeldFactory(factory)
    target = install(held, app)
    begin("threads")

    def child():
        held.released.set()
        assert target.client is factory.clients[0]
        assert held.calls == 2

    assert in_a_child(child)
    held.released.set()
    assert target.client is factory.clients[0]


# Factories that raise


def test_an_error_of_the_factory_is_logged_and_raised_in_the_task(app, factory, caplog):
    factory.raises = [KeyError("TARGET_CLIENT"), KeyError("TARGET_CLIENT")]
    target = install(factory, app)
    begin("solo")
    assert "TARGET_CLIENT" in caplog.text
    with pytest.raises(KeyError, match="TARGET_CLIENT"):
        _ = target.client
    assert target.client is factory.clients[0]


def test_a_soft_time_limit_during_the_creation_is_raised_in_the_task(app, factory):
    factory.raises = [SoftTimeLimitExceeded()]
    target = install(factory, app)
    with pytest.raises(SoftTimeLimitExceeded):
        _ = target.client
    assert target.client is target.client is factory.clients[0]


def test_notifications_are_delivered_after_the_factory_has_raised(app_with_worker, edge, factory):
    factory.raises = [ConnectionError("no settings"), SoftTimeLimitExceeded()]
    target = install(factory, app_with_worker)
    signals.worker_init.receivers.clear()  # the receivers would create a client before the task does
    signals.worker_process_init.receivers.clear()
    target.send_notifications(notified("shown-1"))
    assert eventually(lambda: edge.notifications)
    assert [one["id"] for one in edge.notifications] == ["shown-1"]


# The end of a process


def test_a_child_that_ends_runs_every_callback(app):
    def unhurried(connection):
        while connection.read_request():
            time.sleep(0.05)
            connection.send(OK)

    with SocketServer(unhurried) as server:
        factory, received = Factory(server, max_workers=2), []

        def child():
            target = install(factory, app)
            signals.worker_process_init.send(sender=None)
            for _ in range(10):
                target.client.get_offers({**offers(), "callback": received.append})
            signals.worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=0)
            assert len(received) == 10
            assert target.stats()["lost"] == 0

        assert in_a_child(child)


def test_calls_made_by_callbacks_while_a_child_ends_use_its_client(app):
    """When the process ends, five chains of four calls are running. Each callback makes the next call of its chain."""

    def unhurried(connection):
        while connection.read_request():
            time.sleep(0.05)
            connection.send(OK)

    with SocketServer(unhurried) as server:
        factory, received = Factory(server), []

        def child():
            target = install(factory, app)

            def ask(times):
                def again(_):
                    received.append(times)
                    if times:
                        ask(times - 1)

                target.client.get_offers({**offers(), "callback": again})

            for _ in range(5):
                ask(3)
            signals.worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=0)
            assert sorted(received) == sorted([3, 2, 1, 0] * 5)
            assert len(factory.clients) == 1
            assert target.stats()["lost"] == 0

        assert in_a_child(child)


def test_callbacks_that_always_make_another_call_do_not_prevent_the_end(app, edge):
    """The last call is refused, aborted or counted as lost."""
    target = install(Factory(edge), app, flush_timeout=500)
    ended = []

    def again(_):
        try:
            target.client.get_offers({**offers(), "callback": again, "err_callback": ended.append})
        except ClientClosed as error:
            ended.append(error)

    again(None)
    signals.worker_shutdown.send(sender=None)
    assert ended or target.stats()["lost"] >= 1


@pytest.mark.parametrize("callback_hangs", [False, True])
def test_closing_ends_at_its_timeout_and_lost_calls_are_counted(callback_hangs, app, caplog):
    def hang(connection):
        connection.read_request()
        connection.hang()

    finish = threading.Event()
    with SocketServer(hang) as server:
        target = install(Factory(server, max_workers=1, timeout=60000), app, flush_timeout=500)
        for _ in range(5):
            target.client.get_offers(
                {**offers(), "callback": print, "err_callback": lambda _: finish.wait(60 if callback_hangs else 0)}
            )
        began = time.monotonic()
        signals.worker_shutdown.send(sender=None)
        took = time.monotonic() - began
        finish.set()
    assert 0.3 < took < LONG / 1000
    assert target.stats()["lost"] == 5
    lines = [record.getMessage() for record in caplog.records if "Celery stopped this process" in record.getMessage()]
    assert lines == ["5 calls had not ended 500 ms after Celery stopped this process"]


def test_the_end_of_a_process_without_a_client_creates_none(app, factory):
    install(factory, app)
    signals.worker_shutdown.send(sender=None)
    signals.worker_process_shutdown.send(sender=None, pid=1, exitcode=0)
    assert factory.clients == []


# Publishing


def test_the_sender_creates_no_client(app, factory):
    target = install(factory, app)
    result = target.send_notifications(notified("shown-1", "shown-2"), countdown=1)
    assert result.id
    assert waiting(app) == 1
    assert factory.clients == []
    assert target.stats() == {"sent": 1, "resent": 0, "lost": 0}


def test_the_message_has_all_ids_and_times():
    cookie = f"session#from-the-cookie#{int(time.time()) + 60}|PC#device.35_0#{int(time.time()) + 60}"
    options = {"target_cookie": cookie, "customer_ids": {"crm": {"id": "7", "authState": 1}}, "timeout": 700}
    request = DeliveryRequest(notifications=notified()["request"].notifications)
    message = message_from_options({"request": request, **options}, Log())
    assert json.loads(json.dumps(message)) == message
    assert message["session_id"] == "from-the-cookie"
    assert message["location_hint"] == "35"
    assert message["timeout"] == 700
    assert "timeout" not in message_from_options(notified(), Log())
    assert message["request"]["id"] == {
        "tntId": "device.35_0",
        "customerIds": [{"id": "7", "integrationCode": "crm", "authenticatedState": "authenticated"}],
    }
    assert message["request"]["requestId"]
    assert message["request"]["context"]["timeOffsetInMinutes"] is not None
    assert request == DeliveryRequest(notifications=notified()["request"].notifications)


def test_notifications_without_an_id_and_a_time_get_them_in_the_message():
    request = DeliveryRequest(notifications=[Notification(type="click", tokens=["t"])])
    first, second = (message_from_options({"request": request}, Log())["request"]["notifications"] for _ in range(2))
    assert first[0]["id"] != second[0]["id"]
    assert abs(first[0]["timestamp"] - time.time() * 1000) < 60000


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"request": {}},
        {"request": DeliveryRequest()},
        {"request": DeliveryRequest(notifications=[{"id": "of no type", "tokens": ["t"]}])},
        {**notified(), "callback": print},
        {**notified(), "err_callback": print},
        {**notified(), "timeout": "soon"},
        {**notified(), "customer_ids": 5},
        notified(trace={"authorizationToken": object()}),
        {"request": DeliveryRequest(notifications=[{**notified()["request"].notifications[0].to_dict(), "tokens": 5}])},
    ],
)
def test_invalid_options_raise_before_a_message_is_published(options, app, factory):
    target = install(factory, app)
    with pytest.raises(OptionError):
        target.send_notifications(options)
    assert waiting(app) == 0
    assert target.stats()["sent"] == 0


# Running the task


def test_a_retry_sends_the_same_request_with_the_same_ids(app_with_worker, caplog):
    """No log record at INFO or above contains the visitor's id, and the headers show only the notification count."""
    caplog.set_level(logging.INFO)
    sent = []
    task_sent = lambda body=None, headers=None, **_: sent.append(headers)  # noqa: E731
    signals.before_task_publish.connect(task_sent)
    with SocketServer(replies(BUSY, BUSY, OK)) as server:
        target = install(Factory(server), app_with_worker)
        target.send_notifications(notified("shown-1", "shown-2"))
        assert eventually(lambda: len(server.requests) == 3)
        assert eventually(lambda: "succeeded" in caplog.text)
    signals.before_task_publish.disconnect(task_sent)
    first, *others = [(body_of(raw), head_of(raw)[""]) for raw in server.requests]
    assert others == [first, first]
    assert [one["id"] for one in first[0]["notifications"]] == ["shown-1", "shown-2"]
    assert caplog.text.count("Retry in") == 2
    assert [headers["argsrepr"] for headers in sent] == ["(<2 notifications>,)"] * 3
    assert not [record for record in caplog.records if SECRET in record.getMessage() or SECRET in repr(vars(record))]


@pytest.mark.parametrize("client_options", [{}, {"on_error": "default"}])
@pytest.mark.parametrize(("status", "tries"), [(400, 1), (403, 1), (302, 1), (429, 3), (500, 3)])
def test_only_transient_errors_are_retried(status, tries, client_options, app_with_worker, caplog):
    caplog.set_level(logging.INFO)
    with SocketServer(answer(b"nothing for " + SECRET.encode(), status)) as server:
        target = install(Factory(server, **client_options), app_with_worker)
        target.send_notifications(notified())
        assert eventually(lambda: "raised expected" in caplog.text)
    assert len(server.requests) == tries
    errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert errors == [
        "Notifications were not delivered ({} {}); attempts: {}".format(
            "RedirectRefused" if status == 302 else "HttpStatusError", status, tries
        )
    ]
    assert SECRET not in caplog.text


def test_a_timeout_is_retried(app_with_worker, caplog):
    caplog.set_level(logging.INFO)
    seen = []

    def late(connection):
        seen.append(connection.read_request())
        if len(seen) == 1:
            connection.hang()
        connection.send(OK)

    with SocketServer(late) as server:
        target = install(Factory(server), app_with_worker)
        target.send_notifications({**notified(), "timeout": SHORT})
        assert eventually(lambda: len(seen) > 1)
        assert eventually(lambda: "succeeded" in caplog.text)
    assert body_of(seen[0]) == body_of(seen[1])


def test_a_message_is_redelivered_if_the_broker_does_not_accept_its_retry(app_with_worker, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    with SocketServer(replies(BUSY, OK)) as server:
        target = install(Factory(server), app_with_worker)
        target.send_notifications(notified())

        def refuse(*_, **__):
            raise OperationalError("no room")

        monkeypatch.setattr(app_with_worker.tasks[TASK_NAME], "apply_async", refuse)
        assert eventually(lambda: "succeeded" in caplog.text)
    first, again = [(body_of(raw), head_of(raw)[""]) for raw in server.requests]
    assert again == first


def test_an_eager_task_sends_at_once(app, edge, factory, caplog):
    caplog.set_level(logging.INFO)
    app.conf.update(task_always_eager=True)
    target = install(factory, app)
    assert target.send_notifications(notified("shown-1")).successful()
    assert [one["id"] for one in edge.notifications] == ["shown-1"]
    assert SECRET not in caplog.text


def test_an_eager_task_raises_a_permanent_error(app):
    app.conf.update(task_always_eager=True, task_eager_propagates=True)
    with SocketServer(answer(b"nothing for " + SECRET.encode(), 403)) as server:
        target = install(Factory(server), app)
        with pytest.raises(HttpStatusError) as caught:
            target.send_notifications(notified())
    assert caught.value.status == 403
    assert SECRET not in str(caught.value)
    assert caught.value.request is None


@pytest.mark.parametrize("propagates", [False, True])
def test_an_eager_task_is_not_retried(propagates, app):
    app.conf.update(task_always_eager=True, task_eager_propagates=propagates)
    with SocketServer(answer(b"not now", 503)) as server:
        target = install(Factory(server), app)
        if propagates:
            with pytest.raises(HttpStatusError, match="503"):
                target.send_notifications(notified())
        else:
            assert isinstance(target.send_notifications(notified()).result, HttpStatusError)
        assert len(server.requests) == 1
        with pytest.raises(HttpStatusError, match="503"):
            target.task(message_from_options(notified(), Log()))
        assert len(server.requests) == 2


# The serializer


def published(app):
    """Return the message that is on the broker."""
    with app.connection_for_write() as connection:
        return connection.default_channel.basic_get(app.conf.task_default_queue)


@pytest.mark.parametrize("serializer", ["pickle", "yaml", "msgpack", "application/x-python-serialize"])
@pytest.mark.parametrize("accepted", ["json", "application/json"])
def test_a_message_is_json_whatever_the_serializer_of_the_application(serializer, accepted, app, factory):
    app.conf.update(task_serializer=serializer, accept_content=[serializer, accepted])
    app.conf.task_annotations = {"*": {"serializer": serializer}}
    install(factory, app).send_notifications(notified("shown-1"))
    message = published(app)
    assert message.properties["delivery_info"] is not None
    assert message.content_type == "application/json"
    (sent,), _, _ = json.loads(message.body)
    assert [one["id"] for one in sent["request"]["notifications"]] == ["shown-1"]


def test_a_task_that_is_called_by_its_signature_is_published_as_json(app, factory):
    app.conf.update(task_serializer="pickle", accept_content=["pickle", "json"])
    install(factory, app).task.s(message_from_options(notified(), Log())).apply_async()
    assert published(app).content_type == "application/json"


def test_a_retry_is_also_published_as_json(app_with_worker, caplog):
    """The worker accepts no other content."""
    caplog.set_level(logging.INFO)
    app_with_worker.conf.task_serializer = "pickle"
    try:
        with SocketServer(replies(BUSY, OK)) as server:
            target = install(Factory(server), app_with_worker)
            target.send_notifications(notified("shown-1"))
            assert eventually(lambda: "succeeded" in caplog.text)
            assert [body_of(raw)["notifications"][0]["id"] for raw in server.requests] == ["shown-1"] * 2
    finally:
        app_with_worker.conf.task_serializer = "json"


def test_a_message_that_workers_would_discard_is_not_published(app, factory):
    """When Celery discards a message, it logs the whole message, with the ids of visitors in it."""
    app.conf.update(task_serializer="pickle", accept_content=["pickle"])
    target = install(factory, app)
    with pytest.raises(OptionError, match=r"accept_content.*'json'.*'pickle'"):
        target.send_notifications(notified())
    assert waiting(app) == 0
    event = {"notification": notified()["request"], "session_id": "s", "error": ConnectionFailed("down")}
    target.resend(event)
    assert target.stats() == {"sent": 0, "resent": 0, "lost": 1}


def test_a_serializer_other_than_json_is_refused(app, factory):
    target = install(factory, app)
    with pytest.raises(OptionError, match="serializer"):
        target.send_notifications(notified(), serializer="pickle")
    target.send_notifications(notified(), serializer="json")
    assert waiting(app) == 1


def test_an_application_that_signs_its_messages_also_signs_notifications(tmp_path):
    """Runs in a separate process, because signing applies to a whole process."""
    trustme = pytest.importorskip("trustme")
    cert = trustme.CA(key_type=trustme.KeyType.RSA).issue_cert("worker", key_type=trustme.KeyType.RSA)
    cert.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    cert.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    folder = str(tmp_path)
    program = f"""
import celery, json
from target_python_sdk.integrations.celery import install
from target_python_sdk.types import DeliveryRequest
app = celery.Celery("shop", broker="memory://")
app.conf.update(security_key={folder!r} + "/key.pem", security_certificate={folder!r} + "/cert.pem",
                security_cert_store={folder!r} + "/cert.pem", task_serializer="auth", accept_content=["auth"],
                event_serializer="auth")
app.setup_security()
shown = {{"id": "n", "type": "display", "timestamp": 1700000000000, "mbox": {{"name": "home"}}}}
install(int, app).send_notifications({{"request": DeliveryRequest(notifications=[shown])}})
with app.connection_for_write() as connection:
    message = connection.default_channel.queue_declare("celery") and connection.default_channel.basic_get("celery")
print(message.content_type, message.decode()[0][0]["request"]["notifications"][0]["id"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("application/data n\n", "")


# Forged messages


def forged(**fields):
    """Return a valid message, except for ``fields``."""
    return {**message_from_options(notified(), Log()), **fields}


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"a": value}
    return value


SHOWN = {"id": "n", "type": "display", "timestamp": 1700000000000, "mbox": {"name": "home"}}
FORGED = {
    "no message": ([], {}),
    "two messages": ([forged(), forged()], {}),
    "an extra argument": ([forged()], {"more": 1}),
    "an unknown argument": ([], {"body": forged()}),
    "a number": ([5], {}),
    "null": ([None], {}),
    "a list": ([[1, 2]], {}),
    "a string": (["request"], {}),
    "an empty message": ([{}], {}),
    "no session": ([{"request": forged()["request"]}], {}),
    "an unknown key": ([forged(callback="os.system")], {}),
    "a key that is not a string": ([{**forged(), 5: 5}], {}),
    "a session that is a number": ([forged(session_id=5)], {}),
    "a session that is null": ([forged(session_id=None)], {}),
    "a cluster that is a list": ([forged(location_hint=["35"])], {}),
    "a timeout that is a string": ([forged(timeout="soon")], {}),
    "a timeout that is true": ([forged(timeout=True)], {}),
    "a timeout that is not a number": ([forged(timeout=float("nan"))], {}),
    "an infinite timeout": ([forged(timeout=float("inf"))], {}),
    "a request that is a list": ([forged(request=[SHOWN])], {}),
    "an empty request": ([forged(request={})], {}),
    "notifications that are a number": ([forged(request={"notifications": 5})], {}),
    "a notification that is a number": ([forged(request={"notifications": [5]})], {}),
    "an mbox that is a list": ([forged(request={"notifications": [{**SHOWN, "mbox": ["home"]}]})], {}),
    "a number of many digits": ([forged(request={"notifications": [{**SHOWN, "timestamp": 10**5000}]})], {}),
    "deep nesting": ([forged(request={"notifications": [{**SHOWN, "parameters": nested(5000)}]})], {}),
    "a huge message": ([forged(request={"notifications": [{**SHOWN, "tokens": ["x" * MAX_REQUEST_BYTES]}]})], {}),
    "a request for offers": ([forged(request={"execute": {"mboxes": [{"name": "home"}]}})], {}),
}


@pytest.mark.parametrize(("args", "kwargs"), FORGED.values(), ids=list(FORGED))
def test_a_forged_message_raises_an_option_error(args, kwargs, app, factory, caplog):
    """The task is not retried, no client is created for it, and the visitor's id is not logged."""
    target = install(factory, app)
    with pytest.raises(OptionError) as caught:
        target.task.apply(args=args, kwargs=kwargs, throw=True)
    assert caught.value.__cause__ is None
    assert SECRET not in str(caught.value) + caplog.text
    assert factory.clients == []
    assert "Notifications were not delivered (OptionError); attempts: 1" in caplog.text


def test_the_message_may_be_a_keyword_argument(app, edge, factory):
    install(factory, app).task.apply(kwargs={"message": forged()}, throw=True)
    assert [one["id"] for one in edge.notifications] == ["shown-1"]


def test_a_forged_message_does_not_block_a_worker(app_with_worker, edge, factory, caplog):
    caplog.set_level(logging.INFO)
    target = install(factory, app_with_worker)
    app_with_worker.send_task(TASK_NAME, args=[forged(timeout="soon")], kwargs={"more": 1})
    assert eventually(lambda: "raised expected: OptionError" in caplog.text)
    target.send_notifications(notified("shown-1"))
    assert eventually(lambda: edge.notifications)
    assert "Retry in" not in caplog.text


def test_a_request_that_is_too_large_is_not_published(app, factory):
    target = install(factory, app)
    with pytest.raises(OptionError, match="at most"):
        target.send_notifications(notified(trace={"authorizationToken": "x" * MAX_REQUEST_BYTES}))
    assert waiting(app) == 0


# install after the start of the worker


@pytest.fixture
def unaware(app_with_worker):
    """Return an application whose running worker does not know the task, even if an earlier test registered it."""
    consumer = app_with_worker.worker.consumer
    app_with_worker.tasks.pop(TASK_NAME, None)
    consumer.strategies.pop(TASK_NAME, None)
    yield app_with_worker
    consumer.update_strategies()


def test_a_late_install_loses_no_notification(unaware, factory, edge):
    target = install(factory, unaware)
    for number in range(3):
        target.send_notifications(notified(f"late-{number}"))
    assert eventually(lambda: len(edge.notifications) == 3)
    assert {one["id"] for one in edge.notifications} == {"late-0", "late-1", "late-2"}
    assert target.stats() == {"sent": 3, "resent": 0, "lost": 0}


def test_a_message_that_cannot_be_published_again_is_counted_as_lost(unaware, factory, monkeypatch, caplog):
    target = install(factory, unaware)
    turns = [target._publish]

    def publish_once(*arguments, **options):
        if not turns:
            raise OperationalError("no room")
        return turns.pop()(*arguments, **options)

    monkeypatch.setattr(target, "_publish", publish_once)
    target.send_notifications(notified())
    assert eventually(lambda: target.stats()["lost"] == 1)
    assert "was lost (OperationalError)" in caplog.text


def test_children_forked_before_install_get_no_message(unaware, factory, monkeypatch, caplog):
    monkeypatch.setattr(integration, "_is_prefork", lambda pool: True)
    target = install(factory, unaware)
    target.send_notifications(notified())
    assert eventually(lambda: target.stats()["lost"] == 1)
    assert "Call install where the application is created" in caplog.text
    assert TASK_NAME not in unaware.worker.consumer.strategies


def test_install_in_a_child_logs_an_error(app, factory, monkeypatch, caplog):
    install(factory, app)
    child = types.SimpleNamespace(name="ForkPoolWorker-1")
    monkeypatch.setattr(celery_late_install, "current_process", lambda: child)
    install(factory, app)  # the main process has also called install, so it knows the task
    assert "child process" not in caplog.text
    install(factory, app, name="target.another")
    assert "install was called in a child process" in caplog.text
    assert "target.another" in caplog.text


# resend


def test_lost_displays_are_published_with_their_ids(app_with_worker, edge):
    """The client fails to send its display notifications. The task that sends them again succeeds."""
    with SocketServer(replies(BUSY, OK)) as server:
        options = {"decisioning_method": "on-device", "polling_interval": 0, "artifact_payload": edge.rules}
        factory = Factory(server, target_location_hint="35", telemetry_enabled=False, **options)
        target = install(factory, app_with_worker)
        factory.options["events"] = {"send_notification_error": target.resend}
        target.client.get_offers(offers("a1-serverside-ab"))
        assert target.client.flush(10000)
        assert target.stats() == {"sent": 0, "resent": 1, "lost": 0}
        assert eventually(lambda: len(server.requests) == 2)
    first, again = [(body_of(raw), head_of(raw)[""]) for raw in server.requests]
    assert again == first
    assert first[0]["notifications"]


def test_displays_that_wait_when_a_process_ends_are_published(app, edge):
    def hang(connection):
        connection.read_request()
        connection.hang()

    with SocketServer(hang) as server:
        options = {"decisioning_method": "on-device", "polling_interval": 0, "artifact_payload": edge.rules}
        factory = Factory(server, target_location_hint="35", max_workers=1, **options)
        target = install(factory, app, flush_timeout=2500)
        factory.options["events"] = {"send_notification_error": target.resend}
        for _ in range(5):
            target.client.get_offers(offers("a1-serverside-ab"))
        assert eventually(lambda: server.requests)
        signals.worker_shutdown.send(sender=None)
        assert eventually(lambda: waiting(app) == 4)
        assert target.stats() == {"sent": 0, "resent": 4, "lost": 1}


def lost(error):
    return {"notification": notified()["request"], "session_id": "s", "error": error}


def test_notifications_with_a_permanent_error_are_not_published(app, factory, caplog):
    target = install(factory, app)
    for _ in range(3):
        target.resend(lost(HttpStatusError(400, "Bad Request", {}, "")))
    assert waiting(app) == 0
    assert target.stats() == {"sent": 0, "resent": 0, "lost": 3}
    assert caplog.text.count("Notifications were lost") == 1


def test_resend_to_a_broker_that_is_down_counts_each_loss_and_logs_one(factory, caplog):
    pytest.importorskip("redis", reason=NO_REDIS)
    app = Celery("shop", broker="redis://127.0.0.1:1", set_as_current=False)
    target = install(factory, app)
    for _ in range(50):
        target.resend(lost(ConnectionFailed("no server")))
    assert target.stats() == {"sent": 0, "resent": 0, "lost": 50}
    assert caplog.text.count("Notifications were lost") == 1
    assert caplog.text.count("The broker did not accept notifications") == 1
    assert SECRET not in caplog.text
    app.close()


@pytest.fixture(params=["redis", "pyamqp"])
def hung(request):
    """Return an application whose broker accepts connections but does not answer."""
    if request.param == "redis":
        pytest.importorskip("redis", reason=NO_REDIS)
    with SocketServer(lambda connection: connection.hang()) as server:
        celery_app = Celery("shop", broker=f"{request.param}://{server.domain}", set_as_current=False)
        celery_app.conf.broker_transport_options = {"socket_timeout": None}
        yield celery_app


def test_publishing_to_a_broker_that_hangs_ends_at_the_timeout(hung, factory):
    target = install(factory, hung, publish_timeout=300)
    with pytest.raises(OperationalError, match="within 300 ms"):
        target.send_notifications(notified())
    assert target.stats() == {"sent": 0, "resent": 0, "lost": 0}


def test_only_one_caller_at_a_time_waits_for_a_broker_that_hangs(hung, factory, caplog, monkeypatch):
    monkeypatch.setattr(integration, "_BROKER_RETRY_DELAY", 600.0)
    target = install(factory, hung, publish_timeout=300)
    publish, published = target.task.apply_async, []

    def count(*arguments, **named):
        published.append(arguments)
        return publish(*arguments, **named)

    monkeypatch.setattr(target.task, "apply_async", count)
    for _ in range(51):
        target.resend(lost(ConnectionFailed("no server")))
    assert len(published) == 1
    target._broker_paused_until = 0.001  # the pause is over
    threads = [threading.Thread(target=target.resend, args=(lost(ConnectionFailed("no server")),)) for _ in range(8)]
    for thread in threads:
        thread.start()
        thread.join(0.01)
    for thread in threads:
        thread.join(20)
    assert len(published) == 2
    assert target.stats() == {"sent": 0, "resent": 0, "lost": 59}
    assert caplog.text.count("The broker did not accept notifications") == 2


def test_a_broker_that_works_again_gets_the_next_notifications(app, factory, monkeypatch):
    target = install(factory, app)
    publish, refusals = target.task.apply_async, [OperationalError("no room")]

    def once(*arguments, **named):
        if refusals:
            raise refusals.pop()
        return publish(*arguments, **named)

    monkeypatch.setattr(target.task, "apply_async", once)
    monkeypatch.setattr(integration, "_BROKER_RETRY_DELAY", 0.0)
    for _ in range(3):
        target.resend(lost(ConnectionFailed("no server")))
    threads = [threading.Thread(target=target.resend, args=(lost(ConnectionFailed("gone")),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert target.stats() == {"sent": 0, "resent": 10, "lost": 1}
    assert waiting(app) == 10


def test_a_message_sent_by_a_task_has_that_task_as_its_parent(app, factory):
    """Celery looks up the current task by thread, but a helper thread publishes the message."""
    sent = []
    task_sent = lambda headers=None, **_: sent.append(headers)  # noqa: E731
    target = install(factory, app)

    @app.task(name="report")
    def report():
        target.send_notifications(notified())

    signals.before_task_publish.connect(task_sent)
    report.apply(task_id="outer", throw=True)
    signals.before_task_publish.disconnect(task_sent)
    assert [(one["parent_id"], one["root_id"]) for one in sent] == [("outer", "outer")]


def test_a_soft_time_limit_in_resend_is_raised_in_the_task(app, factory, monkeypatch):
    target = install(factory, app)

    def strike(*_, **__):
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(target.task, "apply_async", strike)
    with pytest.raises(SoftTimeLimitExceeded):
        target.resend(lost(ConnectionFailed("no server")))


def test_the_options_can_be_keyword_arguments(app, factory):
    target = install(factory, app)
    target.send_notifications(**notified("shown-1"), session_id="s-1", countdown=1)
    target.send_notifications({"session_id": "s-1"}, **notified("shown-1"))
    assert waiting(app) == 2
    with pytest.raises(OptionError, match="given both in the dict and as a keyword argument"):
        target.send_notifications(notified(), **notified())
    with pytest.raises(OptionError, match="a message cannot contain a callback"):
        target.send_notifications(**notified(), callback=print)
    with pytest.raises(OptionError, match="Options are required"):
        target.send_notifications(queue="slow")


@pytest.mark.parametrize(
    ("misspelled", "meant"),
    [
        ("target_cokie", "target_cookie"),
        ("tmeout", "timeout"),
        ("queu", "queue"),
        ("contdown", "countdown"),
        ("reqest", "request"),
        ("requests", "request"),
    ],
)
def test_an_unknown_keyword_argument_is_refused(misspelled, meant, app, factory):
    target = install(factory, app)
    options = {misspelled: 5} if meant == "request" else {**notified(), misspelled: 5}
    text = f"^unexpected keyword argument '{misspelled}'; did you mean '{meant}'\\?$"
    with pytest.raises(OptionError, match=text) as raised:
        target.send_notifications(**options)
    assert raised.value.option == misspelled
    assert (waiting(app), target.stats()["sent"]) == (0, 0)


@pytest.mark.parametrize("reserved", ["args", "kwargs"])
def test_the_arguments_of_the_task_cannot_be_given(reserved, app, factory):
    target = install(factory, app)
    with pytest.raises(OptionError, match=f"^unexpected keyword argument '{reserved}'"):
        target.send_notifications(**notified(), **{reserved: ()})


def test_every_option_of_celery_is_accepted(app, factory):
    """The options are those of Celery's functions, an Amazon SQS property, a stamp and a parameter of ``ShopTask``."""

    class ShopTask(app.Task):
        def apply_async(self, args=None, kwargs=None, tenant=None, **options):
            published.append({**options, "tenant": tenant})

    published = []
    app.Task = ShopTask
    named = {
        name
        for function in (Task.apply_async, Celery.send_task, app.amqp.as_task_v2, Producer.publish)
        for name, parameter in signature(function).parameters.items()
        if parameter.default is not Parameter.empty
    }
    # Left out are the arguments that these functions pass to each other, and the options of a call.
    named -= {"args", "kwargs", "callbacks", "errbacks", "create_sent_event", "now", "timezone", "task_type", "timeout"}
    options = {**dict.fromkeys(named), "serializer": "json", "stamped_headers": ["order"], "order": 1}
    install(factory, app).send_notifications(**notified(), **options, MessageGroupId="shop", tenant="shop-7")
    assert {**options, "MessageGroupId": "shop", "tenant": "shop-7"}.items() <= published[0].items()
