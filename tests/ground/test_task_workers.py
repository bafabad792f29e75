"""The threads: few, lazy, gone when idle, never blocking, never in the way of an exit."""

import _thread
import gc
import threading
import time
import weakref

import pytest

from target_tools.concurrency import task_workers
from target_tools.concurrency.counter import Counter
from target_tools.concurrency.task_workers import WorkerPool
from target_tools.concurrency.tasks import Task
from target_tools.errors import ClientClosed, QueueFull
from tests.support import eventually

LONG = 20


class Act(Task):
    """A task that calls a function."""

    def __init__(self, act=lambda: None):
        self.act = act
        self.over = threading.Event()
        self.dropped_with = None
        self.runs = 0

    def run(self, inline=False):
        self.runs += 1
        self.act()
        self.over.set()

    def drop(self, error):
        self.dropped_with = error
        self.over.set()

    def wait(self, seconds):
        return self.over.wait(seconds)

    def is_done(self):
        return self.over.is_set()


@pytest.fixture
def pool():
    made = []

    def make(max_workers=4, max_pending=100, shutdown_timeout=2.0):
        made.append(WorkerPool(max_workers, max_pending, shutdown_timeout, "test-worker"))
        return made[-1]

    yield make
    for one in made:
        one.stop()
    assert eventually(lambda: not any(one.threads() for one in made))


def submitted(workers, act=lambda: None):
    task = Act(act)
    workers.submit(task)
    return task


def test_no_thread_before_the_first_task_and_few_afterwards(pool):
    workers = pool(max_workers=3, max_pending=1000)
    assert workers.threads() == 0
    names = set()
    tasks = [submitted(workers, lambda: names.add(threading.current_thread().name)) for _ in range(200)]
    assert all(task.wait(LONG) for task in tasks)
    assert all(task.runs == 1 for task in tasks)
    assert workers.threads() <= 3
    assert names <= {"test-worker-1", "test-worker-2", "test-worker-3"}
    assert threading.main_thread().name not in names


def test_they_work_side_by_side(pool):
    workers = pool(max_workers=4)
    together = threading.Barrier(4)
    tasks = [submitted(workers, lambda: together.wait(LONG)) for _ in range(4)]
    assert all(task.wait(LONG) for task in tasks)


def test_a_burst_never_has_more_threads_than_allowed(pool):
    workers = pool(max_workers=5, max_pending=10000)
    most = []
    go = threading.Event()

    def watch():
        most.append(sum(thread.name.startswith("test-worker") for thread in threading.enumerate()))
        go.wait(0.001)

    tasks = [submitted(workers, watch) for _ in range(500)]
    assert all(task.wait(LONG) for task in tasks)
    assert max(most) <= 5


def test_a_blocked_worker_is_replaced_until_it_goes_on(pool):
    workers = pool(max_workers=2)
    go, resumed = threading.Event(), threading.Barrier(3)

    def block():
        with workers.blocking():
            go.wait(LONG)
        resumed.wait(LONG)

    blocked = [submitted(workers, block) for _ in range(2)]
    assert eventually(lambda: workers.blocked() == 2)
    others = [submitted(workers) for _ in range(50)]
    assert all(task.wait(LONG) for task in others)
    assert not any(task.is_done() for task in blocked)
    assert 3 <= workers.threads() <= 4
    go.set()
    resumed.wait(LONG)
    assert all(task.wait(LONG) for task in blocked)
    more = [submitted(workers) for _ in range(50)]
    assert all(task.wait(LONG) for task in more)
    assert eventually(lambda: workers.threads() <= 2)
    assert workers.blocked() == 0


def test_a_task_that_waits_is_taken_when_a_worker_blocks(pool):
    workers = pool(max_workers=1)
    go, waiting = threading.Event(), threading.Event()

    def block():
        waiting.wait(LONG)
        with workers.blocking():
            go.wait(LONG)

    blocked = submitted(workers, block)
    other = submitted(workers)
    waiting.set()
    assert other.wait(LONG)
    assert not blocked.is_done()
    go.set()
    assert blocked.wait(LONG)


def test_no_more_blocked_workers_than_the_limit_are_replaced(pool, monkeypatch):
    monkeypatch.setattr(task_workers, "MAX_BLOCKED", 3)
    workers = pool(max_workers=1)
    go = threading.Event()

    def block():
        with workers.blocking():
            go.wait(LONG)

    tasks = [submitted(workers, block) for _ in range(20)]
    assert eventually(lambda: workers.blocked() == 4)
    assert workers.threads() == 4
    assert workers.pending() == 16
    go.set()
    assert all(task.wait(LONG) for task in tasks)


def test_another_thread_that_blocks_changes_nothing(pool):
    workers = pool()
    with workers.blocking():
        assert workers.blocked() == 0


def test_a_full_queue_refuses_at_once_and_counts(pool):
    workers = pool(max_workers=1, max_pending=3)
    go = threading.Event()
    submitted(workers, lambda: go.wait(LONG))
    assert eventually(lambda: workers.running() == 1)
    for _ in range(3):
        submitted(workers)
    for _ in range(30):
        refused = submitted(workers)
        assert isinstance(refused.dropped_with, QueueFull)
        assert str(refused.dropped_with).startswith("3 calls are already waiting")
    assert int(workers.refused) == 30
    assert workers.pending() == 3
    go.set()
    assert workers.flush(LONG)


def test_idle_workers_leave_and_come_again(pool, monkeypatch):
    monkeypatch.setattr(task_workers, "IDLE_SECONDS", 0.05)
    workers = pool()
    assert submitted(workers).wait(LONG)
    assert eventually(lambda: workers.threads() == 0)
    assert submitted(workers).wait(LONG)
    assert eventually(lambda: workers.threads() == 0)
    assert not any(thread.name.startswith("test-worker") for thread in threading.enumerate())


def test_leaving_and_coming_lose_nothing(pool, monkeypatch):
    monkeypatch.setattr(task_workers, "IDLE_SECONDS", 0.0005)
    workers = pool(max_workers=2, max_pending=10**6)
    for _ in range(3000):
        task = submitted(workers)
        if _ % 7 == 0:
            assert task.wait(LONG)
    assert workers.flush(LONG)


def test_a_worker_that_nobody_rang_looks_by_itself(pool, monkeypatch):
    monkeypatch.setattr(task_workers, "IDLE_SECONDS", 0.1)
    workers = pool(max_workers=1)
    assert submitted(workers).wait(LONG)
    assert eventually(lambda: len(workers._idle) == 1)
    # What a signal handler leaves that raises between the two steps of submit.
    workers._idle.pop()
    left = Act()
    workers._pending.append(left)
    assert left.wait(LONG)


def idle(workers, count):
    """Have ``count`` workers that wait, or more where one was started too many."""
    together = threading.Barrier(count)
    for task in [submitted(workers, lambda: together.wait(LONG)) for _ in range(count)]:
        assert task.wait(LONG)
    assert eventually(lambda: len(workers._idle) >= count)


def test_one_that_is_on_its_way_is_called_once_for_a_burst(pool, monkeypatch):
    workers = pool(max_workers=4)
    idle(workers, 4)
    rung = []

    def keep(bell):
        rung.append(bell)

    monkeypatch.setattr(task_workers._WakeUp, "set", keep)
    monkeypatch.setattr(task_workers._WakeUp, "is_on_its_way", lambda wake_up: not wake_up._received)
    tasks = [submitted(workers) for _ in range(50)]
    assert len(rung) == 1
    monkeypatch.undo()
    rung[0].set()  # it comes, and calls for what it leaves
    assert all(task.wait(LONG) for task in tasks)


def test_what_one_that_came_leaves_is_seen_to_by_others(pool):
    workers = pool(max_workers=6)
    idle(workers, 3)
    for count in (3, 6, 6):  # three wait and three have to be started
        together = threading.Barrier(count)
        tasks = [submitted(workers, lambda gate=together: gate.wait(LONG)) for _ in range(count)]
        assert all(task.wait(LONG) for task in tasks)


def test_one_that_was_called_and_does_not_come_is_not_waited_for(pool, monkeypatch):
    workers = pool(max_workers=2)
    idle(workers, 2)
    monkeypatch.setattr(task_workers._WakeUp, "is_on_its_way", lambda wake_up: False)  # that long ago
    lost = workers._idle.pop()
    workers._last_wake_up = lost
    assert submitted(workers).wait(LONG)
    lost.set()


def test_flush_calls_one_even_while_another_is_on_its_way(pool):
    workers = pool(max_workers=2)
    idle(workers, 2)
    lost = workers._idle.pop()
    lost._sent_at = time.monotonic()
    workers._last_wake_up = lost
    left = submitted(workers)
    assert not left.wait(0.02)
    assert workers.flush(LONG)
    assert left.over.is_set()
    lost.set()


def test_a_start_that_was_interrupted_is_forgotten(pool, monkeypatch):
    monkeypatch.setattr(task_workers, "START_SECONDS", 0.0)
    workers = pool(max_workers=1)
    workers._workers[object()] = 0.0
    assert submitted(workers).wait(LONG)


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
def test_where_threads_are_refused_the_task_runs_here(pool, monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    workers = pool()
    where = []
    task = submitted(workers, lambda: where.append(threading.current_thread()))
    assert task.over.is_set()
    assert where == [threading.main_thread()]


def test_flush_waits_for_what_is_under_way_and_no_longer_than_told(pool):
    workers = pool(max_workers=1)
    go = threading.Event()
    tasks = [submitted(workers, lambda: go.wait(LONG)) for _ in range(3)]
    assert not workers.flush(0.05)
    go.set()
    assert workers.flush(LONG)
    assert all(task.over.is_set() for task in tasks)
    assert workers.flush(0)


def test_close_ends_what_still_waits(pool):
    workers = pool(max_workers=1)
    go = threading.Event()
    first, *others = [submitted(workers, lambda: go.wait(LONG)) for _ in range(4)]
    error = ClientClosed("closed")
    assert not workers.close(0.05, error)
    assert [task.dropped_with for task in others] == [error] * 3
    assert int(workers.dropped) == 3
    go.set()
    assert first.wait(LONG)
    assert first.dropped_with is None
    assert eventually(lambda: workers.threads() == 0)


def test_a_task_may_flush_and_close(pool):
    workers = pool(max_workers=1)
    seen = []
    task = submitted(workers, lambda: seen.append((workers.flush(LONG), workers.close(LONG, ClientClosed("closed")))))
    assert task.wait(LONG)
    assert seen == [(True, True)]


def test_a_worker_lends_a_hand_to_what_it_waits_for(pool):
    workers = pool(max_workers=1)
    where = []

    def outer():
        inner = submitted(workers, lambda: where.append(_thread.get_ident()))
        workers.run_inline(inner)
        assert inner.over.is_set()
        where.append(_thread.get_ident())

    assert submitted(workers, outer).wait(LONG)
    assert where[0] == where[1]
    waiting = Act()
    workers.run_inline(waiting)  # this thread is no worker
    assert waiting.runs == 0


def test_workers_that_nobody_holds_are_collected(pool):
    workers = WorkerPool(2, 10, 2.0, "test-worker")
    assert submitted(workers).wait(LONG)
    idle = workers._idle
    assert eventually(lambda: len(idle) == 1)
    seen = weakref.ref(workers)
    workers.stop()
    del workers
    assert eventually(lambda: gc.collect() is not None and seen() is None)
    assert eventually(lambda: not any(thread.name.startswith("test-worker") for thread in threading.enumerate()))


def test_a_raising_task_costs_one_worker_and_nothing_else(pool, monkeypatch):
    monkeypatch.setattr("sys.unraisablehook", lambda *_: None)
    workers = pool(max_workers=1)

    def ends_the_thread():
        raise SystemExit

    workers.submit(Act(ends_the_thread))
    for _ in range(20):
        assert submitted(workers).wait(LONG)


def test_counts_are_exact_under_threads():
    counter = Counter()

    def count():
        for _ in range(20000):
            counter.add()

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counter.add(5)
    assert int(counter) == 160005
