"""Celery on a real broker: its pools, its time limits and its shutdown (T16, T17, T19)."""

import contextlib
import importlib.util
import os
import signal
import threading
import time
from collections import Counter

import pytest

from tests.support import installing

pytest.importorskip("celery", reason="Celery is not installed: " + installing("test"))

from target_python_sdk import TargetClient
from target_python_sdk.integrations.celery import install
from target_python_sdk.testing import SocketServer
from target_python_sdk.types import DeliveryRequest, Notification
from tests.reliability.conftest import ninth_decile, scaled
from tests.servers.working import Edge, Worker, hang, ids
from tests.support import eventually

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="Celery does not support Windows"),
]

#: Pools whose tasks run in the worker's main process.
IN_MAIN = ["threads", "gevent", "solo"]
POOLS = ["prefork", *IN_MAIN]
#: A time limit in milliseconds that no test reaches.
ENDLESS = 600000


@pytest.fixture(autouse=True)
def _skip_if_gevent_is_missing(request):
    pool = getattr(request.node, "callspec", None) and request.node.callspec.params.get("pool")
    if pool == "gevent" and importlib.util.find_spec("gevent") is None:
        pytest.skip("gevent is not installed: " + installing("test"))


def numbers(records):
    return sorted(record["number"] for record in records)


def on_device(edge, **options):
    """Return the options of an on-device client with the artifact of ``edge``."""
    given = {"decisioning_method": "on-device", "cdn_base_path": "http://" + edge.domain, "polling_interval": 50}
    return {**given, **options}


# T16


def fire(worker, count):
    """Start ``count`` calls without waiting for them, in tasks that return at once."""
    for number in range(count):
        worker.send("fire", number)
    worker.until_recorded(count, "began")


@pytest.mark.parametrize("count", scaled(200, 40))
@pytest.mark.parametrize("tasks_per_child", [1, 2, 5, 10])
def test_t16_calls_complete_although_no_task_waits_for_them_and_the_child_exits(tasks_per_child, count, broker, figure):
    with Edge(pause=0.2) as edge:
        with Worker(
            broker.new_settings(), edge, "--max-tasks-per-child", str(tasks_per_child), concurrency=8
        ) as worker:
            fire(worker, count)
            # Stop the worker only after all tasks: Celery may wait thirty seconds for one that begins during the stop.
            worker.until_recorded(count, "ran")
            seconds_taken = worker.shut_down()
            ran, children = worker.records("ran"), {record["pid"] for record in worker.records("began")}
    figure(f"{tasks_per_child} tasks per child: callbacks run, of {count}", len(ran), count)
    figure(f"{tasks_per_child} tasks per child: warm shutdown, s", seconds_taken, "-")
    assert numbers(ran) == list(range(count))
    assert len(children) >= count / tasks_per_child


@pytest.mark.parametrize("count", scaled(200, 24))
@pytest.mark.parametrize("tasks_per_child", [1, 5])
def test_t16_without_the_integration_calls_are_lost_and_children_exit_at_once(tasks_per_child, count, broker, figure):
    with Edge() as edge:
        edge.answering.clear()
        flags = ["--max-tasks-per-child", str(tasks_per_child)]
        # A child that waited for its calls would run longer than the test waits.
        client = {"timeout": ENDLESS, "shutdown_timeout": ENDLESS}
        with Worker(broker.new_settings(), edge, *flags, concurrency=8, install=None, **client) as worker:
            began = time.monotonic()
            fire(worker, count)
            tasks_took = time.monotonic() - began
            tasks_of = Counter(record["pid"] for record in worker.records("began"))
            leaving = {pid for pid, tasks in tasks_of.items() if tasks == tasks_per_child}
            worker.until(lambda: not leaving & set(worker.children()), what="the end of children with open calls")
            edge.answering.set()
            worker.shut_down()
            begun_tasks, ran = worker.records("began"), worker.records("ran")
    figure(f"{tasks_per_child} tasks per child, not installed: callbacks lost, of {count}", count - len(ran), "some")
    figure(f"{tasks_per_child} tasks per child, not installed: s for {count} tasks", tasks_took, "-")
    assert numbers(begun_tasks) == list(range(count))
    assert len(set(numbers(ran))) == len(ran)
    assert set(numbers(ran)) <= set(numbers(begun_tasks))
    assert leaving
    assert not leaving & {record["pid"] for record in ran}


@pytest.mark.parametrize("pool", POOLS)
def test_t16_each_pool_uses_new_artifacts(pool, broker, figure):
    with Edge(pause=0.05) as edge:
        with Worker(broker.new_settings(), edge, pool=pool, concurrency=3, **on_device(edge)) as worker:
            check_new_artifacts_are_used(worker, edge, 3 if pool == "prefork" else 1)
            fire(worker, 200)
            worker.until_recorded(200, "ran")
            idle = worker.shut_down()
            ran = worker.records("ran")
    figure(f"{pool}: callbacks run, of 200", len(ran), 200)
    figure(f"{pool}: warm shutdown of an idle worker, s", idle, "-")
    assert numbers(ran) == list(range(200))


def check_new_artifacts_are_used(worker, edge, processes):
    """Publish two artifacts, one after the other. Check that each process uses them."""
    for version in ("v1", "v2"):
        edge.publish(version)

        def everywhere(version=version):
            worker.send("decide", times=2 * processes)
            return len(pids_by_version(worker, version)) == processes

        worker.until(everywhere, what="each child decides by " + version)
        time.sleep(0.1)
    assert pids_by_version(worker, "v1") == pids_by_version(worker, "v2")


def pids_by_version(worker, version):
    return {record["pid"] for record in worker.records("decided") if record["content"] == version}


# T17


@pytest.fixture(scope="module")
def limit_worker(broker):
    """A worker with eight children, a working edge and a server that hangs."""
    with Edge() as edge, SocketServer(hang) as hung:
        with Worker(broker.new_settings(), edge, concurrency=8, hung=hung.domain, **on_device(edge)) as worker:
            yield worker


@pytest.mark.parametrize("count", scaled(100, 24))
@pytest.mark.parametrize("kind", ["sync", "get", "create"])
def test_t17_a_soft_limit_reaches_the_task_and_the_next_task_can_call(kind, count, limit_worker, figure):
    before = len(limit_worker.records("signal_time", "unexpected"))
    # Even a busy machine begins the wait within the limit of one second.
    limit_worker.send("run_into_limit", kind, times=count, soft_time_limit=1)
    signals = limit_worker.until_recorded(before + count, "signal_time", "unexpected")[before:]
    assert [record for record in signals if record["what"] == "unexpected"] == []
    children = {record["pid"] for record in signals}
    after = call_twice_in(limit_worker, children.issubset)
    waits = [record["ms"] for record in signals]
    figure(f"{kind} in Celery: seen unchanged, of {count}", len(signals), count)
    figure(f"{kind} in Celery: slowest, ms after the signal", max(waits), "50 at most")
    assert all(record["unchanged"] and record["kind"] == kind for record in signals)
    assert ninth_decile(waits) < 1000
    # Without the limit, the wait would end only after a minute, at the call's own timeout.
    assert max(waits) < 50000
    assert after >= children


def call_twice_in(worker, enough):
    """Run ``call_twice`` tasks until ``enough(pids)`` is true for the ids of their processes; return these ids."""
    before = len(worker.records("call_twice"))

    def enough_calls():
        results = worker.records("call_twice")[before:]
        if enough({record["pid"] for record in results}):
            return results
        worker.send("call_twice", times=8)
        time.sleep(0.3)
        return None

    results = worker.until(enough_calls, what="tasks in other children")
    assert all(record["well"] for record in results)
    return {record["pid"] for record in results}


def test_t17_the_new_child_after_a_hard_limit_can_call(limit_worker, broker, figure):
    if not broker.separate_pipes:
        pytest.skip(f"Celery's pool may stall after a hard limit, with any task: {broker.name}")
    old = call_twice_in(limit_worker, lambda pids: len(pids) == 8)
    before = len(limit_worker.records("run_into_limit"))
    limit_worker.send("run_into_limit", "sync", time_limit=1)
    killed = limit_worker.until_recorded(before + 1, "run_into_limit")[-1]["pid"]
    # Wait until the other seven children and a new one have made calls.
    new = call_twice_in(limit_worker, lambda pids: len(pids - {killed}) >= 8)
    figure("hard limit: children that work afterwards, of 8", len(new - {killed}), 8)
    assert killed in old
    assert len(new - old) == 1
    assert len(new - {killed}) == 8


# T19


def queue_notifications(worker, edge, count=500):
    """Let a process queue ``count`` notifications. The edge does not answer until ``answering`` is set."""
    edge.answering.clear()
    worker.send("queue_notifications", count)
    worker.until_recorded(1, "queued")
    assert worker.records("queued")[0]["pending"] > count - 5


def answer_once_the_worker_exits(worker, edge):
    """Start a thread that lets the edge answer as soon as the process with the queue begins to exit."""
    pid = worker.records("queued")[0]["pid"]

    def ends():
        return any(record["pid"] == pid for record in worker.records("shutdown"))

    waiting = threading.Thread(target=lambda: eventually(ends) and edge.answering.set())
    waiting.start()
    return waiting


def closing_seconds_and_stats(worker):
    """Return the seconds that the process with the queue took to close its client, and the client's counters."""
    pid = worker.records("queued")[0]["pid"]
    began, closed = [record for record in worker.records("shutdown", "closed") if record["pid"] == pid]
    return closed["at"] - began["at"], closed["stats"]


@pytest.mark.parametrize("pool", POOLS)
def test_t19_queued_notifications_are_delivered_during_warm_shutdown(pool, broker, figure):
    with Edge() as edge:
        # The client makes one call at a time. The first one lasts longer than gevent's pool takes to stop.
        client = on_device(edge, max_workers=1, timeout=ENDLESS)
        # The limit is long enough for a busy machine. The table has the actual time.
        install = {"flush_timeout": ENDLESS}
        with Worker(broker.new_settings(), edge, pool=pool, concurrency=2, install=install, **client) as worker:
            queue_notifications(worker, edge)
            waiting = answer_once_the_worker_exits(worker, edge)
            seconds_taken = worker.shut_down()
            waiting.join()
            seconds, stats = closing_seconds_and_stats(worker)
            lost = worker.records("lost")
    figure(f"{pool}: delivered in warm shutdown, of 500 in the queue", len(set(ids(edge.answered))), 500)
    figure(f"{pool}: closing that client, s (whole shutdown: {seconds_taken:.1f})", seconds, "5 at most")
    assert len(ids(edge.answered)) == len(set(ids(edge.answered))) == 500
    assert lost == []
    assert stats["dropped"] == stats["undelivered"] == stats["running"] == 0


@pytest.mark.parametrize("pool", ["prefork", *[pytest.param(pool, marks=pytest.mark.soak) for pool in IN_MAIN]])
def test_t19_queued_notifications_for_a_hanging_edge_are_counted_as_dropped(pool, broker, figure):
    with Edge() as edge:
        # The client makes one call at a time. The timeout of the first one is longer than the test.
        client = on_device(edge, max_workers=1, timeout=ENDLESS)
        with Worker(broker.new_settings(), edge, pool=pool, concurrency=2, **client) as worker:
            queue_notifications(worker, edge)
            seconds_taken = worker.shut_down()
            seconds, stats = closing_seconds_and_stats(worker)
            lost = [each for record in worker.records("lost") for each in record["ids"]]
            is_reported = "calls had not ended" in worker.log
    under_way = set(ids(edge.received)) - set(lost)
    figure(f"{pool}: dropped and counted while the edge hangs, of 500", len(lost), "499: one is on its way")
    figure(f"{pool}: closing that client, s (whole shutdown: {seconds_taken:.1f})", seconds, "5 at most")
    assert len(lost) == len(set(lost)) == stats["undelivered"] == stats["dropped"]
    assert len(lost) + len(under_way) == 500
    # Closing the client did not wait for the call that was running.
    assert len(under_way) == stats["running"] == 1
    assert is_reported


# The task of the integration


@contextlib.contextmanager
def notification_sender(worker):
    """Yield a function that sends notifications with numbered ids through the broker, as a web process does."""
    target = install(lambda: TargetClient.create(worker.client_options), app=worker.sender)

    def send(numbers):
        for number in numbers:
            one = Notification(id=f"n-{number}", type="click", timestamp=1, tokens=["token"])
            target.send_notifications({"request": DeliveryRequest(notifications=[one])})

    yield send


def all_answered(edge, count):
    return set(ids(edge.answered)) >= {f"n-{number}" for number in range(count)}


def count_repeated(edge):
    """Return how many ids reached the edge more than once. Check that each of them always had the same request id."""
    by_id = {}
    for request in edge.received:
        by_id.setdefault(ids([request])[0], []).append(request)
    assert all(len({one["requestId"] for one in many}) == 1 for many in by_id.values())
    return sum(len(many) > 1 for many in by_id.values())


COUNT = 50


def test_other_children_send_the_notifications_of_a_killed_child(broker, figure):
    with Edge() as edge:
        edge.answering.clear()
        with Worker(broker.new_settings(), edge, concurrency=4, timeout=60000) as worker:
            with notification_sender(worker) as send:
                send(range(COUNT))
            worker.until(lambda: len(edge.received) >= 4, what="4 requests")
            killed = worker.children()
            for child in killed:
                os.kill(child, signal.SIGKILL)
            # A killed child that has not exited yet could get an answer.
            worker.until(lambda: not set(killed) & set(worker.children()), what="the exit of the killed children")
            edge.answering.set()
            began = time.monotonic()
            worker.until(lambda: all_answered(edge, COUNT), what="all notifications")
            seconds_taken = time.monotonic() - began
    figure("killed children: s until the last notification was answered", seconds_taken, "-")
    figure(f"killed children: notifications answered, of {COUNT}", len(set(ids(edge.answered))), COUNT)
    figure("killed children: notifications sent twice, with the same ids", count_repeated(edge), "4 at least")
    assert set(ids(edge.answered)) == {f"n-{number}" for number in range(COUNT)}
    assert count_repeated(edge) >= 4


def test_the_next_worker_sends_the_notifications_of_a_killed_worker(broker, figure):
    figure("broker", broker.name, "Redis")
    if not broker.redelivers:
        pytest.skip(f"the broker does not deliver unacknowledged messages again: {broker.name}")
    with Edge() as edge:
        edge.answering.clear()
        settings = broker.new_settings(visibility_timeout=2)
        with Worker(settings, edge, concurrency=4, timeout=60000) as worker:
            with notification_sender(worker) as send:
                send(range(COUNT))
            worker.until(lambda: len(edge.received) >= 4, what="4 requests")
            os.killpg(worker.pid, signal.SIGKILL)
            worker.popen.wait()
        time.sleep(2.1)
        edge.answering.set()
        with Worker(settings, edge, concurrency=4, timeout=60000) as worker:
            worker.until(lambda: all_answered(edge, COUNT), what="all notifications")
    figure(f"killed worker: notifications answered, of {COUNT}", len(set(ids(edge.answered))), COUNT)
    figure("killed worker: notifications sent twice, with the same ids", count_repeated(edge), "4 at least")
    assert set(ids(edge.answered)) == {f"n-{number}" for number in range(COUNT)}
    assert count_repeated(edge) >= 4
