"""The threads: few, lazy, gone when idle, never blocking, never in the way of an exit."""

import _thread
import gc
import threading
import time
import weakref

import pytest

from target_tools.concurrency import task_workers as workers
from target_tools.concurrency.counter import Counter
from target_tools.concurrency.task_workers import Workers
from target_tools.concurrency.tasks import Task
from target_tools.errors import ClientClosed, QueueFull

LONG = 20


class Act(Task):
    """A task that calls a function."""

    def __init__(self, act=lambda: None):
        self.act = act
        self.over = threading.Event()
        self.dropped_with = None
        self.runs = 0

    def run(self, here=False):
        self.runs += 1
        self.act()
        self.over.set()

    def drop(self, error):
        self.dropped_with = error
        self.over.set()

    def wait(self, seconds):
        return self.over.wait(seconds)

    def is_over(self):
        return self.over.is_set()


def eventually(condition, seconds=LONG):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    assert condition()


@pytest.fixture
def pool():
    made = []

    def make(max_workers=4, max_pending=100, shutdown_timeout=2.0):
        made.append(Workers(max_workers, max_pending, shutdown_timeout, "test-worker"))
        return made[-1]

    yield make
    for one in made:
        one.stop()
    eventually(lambda: not any(one.threads() for one in made))


def submitted(crew, act=lambda: None):
    task = Act(act)
    crew.submit(task)
    return task


def test_no_thread_before_the_first_task_and_few_afterwards(pool):
    crew = pool(max_workers=3, max_pending=1000)
    assert crew.threads() == 0
    names = set()
    tasks = [submitted(crew, lambda: names.add(threading.current_thread().name)) for _ in range(200)]
    assert all(task.wait(LONG) for task in tasks)
    assert all(task.runs == 1 for task in tasks)
    assert crew.threads() <= 3
    assert names <= {"test-worker-1", "test-worker-2", "test-worker-3"}
    assert threading.main_thread().name not in names


def test_they_work_side_by_side(pool):
    crew = pool(max_workers=4)
    together = threading.Barrier(4)
    tasks = [submitted(crew, lambda: together.wait(LONG)) for _ in range(4)]
    assert all(task.wait(LONG) for task in tasks)


def test_a_burst_never_has_more_threads_than_allowed(pool):
    crew = pool(max_workers=5, max_pending=10000)
    most = []
    go = threading.Event()

    def watch():
        most.append(sum(thread.name.startswith("test-worker") for thread in threading.enumerate()))
        go.wait(0.001)

    tasks = [submitted(crew, watch) for _ in range(500)]
    assert all(task.wait(LONG) for task in tasks)
    assert max(most) <= 5


def test_a_blocked_worker_is_replaced_until_it_goes_on(pool):
    crew = pool(max_workers=2)
    go, resumed = threading.Event(), threading.Barrier(3)

    def block():
        with crew.blocking():
            go.wait(LONG)
        resumed.wait(LONG)

    blocked = [submitted(crew, block) for _ in range(2)]
    eventually(lambda: crew.blocked() == 2)
    others = [submitted(crew) for _ in range(50)]
    assert all(task.wait(LONG) for task in others)
    assert not any(task.is_over() for task in blocked)
    assert 3 <= crew.threads() <= 4
    go.set()
    resumed.wait(LONG)
    assert all(task.wait(LONG) for task in blocked)
    more = [submitted(crew) for _ in range(50)]
    assert all(task.wait(LONG) for task in more)
    eventually(lambda: crew.threads() <= 2)
    assert crew.blocked() == 0


def test_a_task_that_waits_is_taken_when_a_worker_blocks(pool):
    crew = pool(max_workers=1)
    go, waiting = threading.Event(), threading.Event()

    def block():
        waiting.wait(LONG)
        with crew.blocking():
            go.wait(LONG)

    blocked = submitted(crew, block)
    other = submitted(crew)
    waiting.set()
    assert other.wait(LONG)
    assert not blocked.is_over()
    go.set()
    assert blocked.wait(LONG)


def test_no_more_blocked_workers_than_the_limit_are_replaced(pool, monkeypatch):
    monkeypatch.setattr(workers, "BLOCKED_LIMIT", 3)
    crew = pool(max_workers=1)
    go = threading.Event()

    def block():
        with crew.blocking():
            go.wait(LONG)

    tasks = [submitted(crew, block) for _ in range(20)]
    eventually(lambda: crew.blocked() == 4)
    assert crew.threads() == 4
    assert crew.pending() == 16
    go.set()
    assert all(task.wait(LONG) for task in tasks)


def test_another_thread_that_blocks_changes_nothing(pool):
    crew = pool()
    with crew.blocking():
        assert crew.blocked() == 0


def test_a_full_queue_refuses_at_once_and_counts(pool):
    crew = pool(max_workers=1, max_pending=3)
    go = threading.Event()
    submitted(crew, lambda: go.wait(LONG))
    eventually(lambda: crew.running() == 1)
    for _ in range(3):
        submitted(crew)
    for _ in range(30):
        with pytest.raises(QueueFull, match="3 calls wait"):
            submitted(crew)
    assert int(crew.refused) == 30
    assert crew.pending() == 3
    go.set()
    assert crew.flush(LONG)


def test_idle_workers_leave_and_come_again(pool, monkeypatch):
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.05)
    crew = pool()
    assert submitted(crew).wait(LONG)
    eventually(lambda: crew.threads() == 0)
    assert submitted(crew).wait(LONG)
    eventually(lambda: crew.threads() == 0)
    assert not any(thread.name.startswith("test-worker") for thread in threading.enumerate())


def test_leaving_and_coming_lose_nothing(pool, monkeypatch):
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.0005)
    crew = pool(max_workers=2, max_pending=10**6)
    for _ in range(3000):
        task = submitted(crew)
        if _ % 7 == 0:
            assert task.wait(LONG)
    assert crew.flush(LONG)


def test_a_worker_that_nobody_rang_looks_by_itself(pool, monkeypatch):
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.1)
    crew = pool(max_workers=1)
    assert submitted(crew).wait(LONG)
    eventually(lambda: len(crew._idle) == 1)
    # What a signal handler leaves that raises between the two steps of submit.
    crew._idle.pop()
    left = Act()
    crew._pending.append(left)
    assert left.wait(LONG)


def idle(crew, count):
    """Have ``count`` workers that wait, or more where one was started too many."""
    together = threading.Barrier(count)
    for task in [submitted(crew, lambda: together.wait(LONG)) for _ in range(count)]:
        assert task.wait(LONG)
    eventually(lambda: len(crew._idle) >= count)


def test_one_that_is_on_its_way_is_called_once_for_a_burst(pool, monkeypatch):
    crew = pool(max_workers=4)
    idle(crew, 4)
    rung = []

    def keep(bell):
        rung.append(bell)

    monkeypatch.setattr(workers._Bell, "ring", keep)
    monkeypatch.setattr(workers._Bell, "brings_one", lambda bell: not bell._heard)
    tasks = [submitted(crew) for _ in range(50)]
    assert len(rung) == 1
    monkeypatch.undo()
    rung[0].ring()  # it comes, and calls for what it leaves
    assert all(task.wait(LONG) for task in tasks)


def test_what_one_that_came_leaves_is_seen_to_by_others(pool):
    crew = pool(max_workers=6)
    idle(crew, 3)
    for count in (3, 6, 6):  # three wait and three have to be started
        together = threading.Barrier(count)
        tasks = [submitted(crew, lambda gate=together: gate.wait(LONG)) for _ in range(count)]
        assert all(task.wait(LONG) for task in tasks)


def test_one_that_was_called_and_does_not_come_is_not_waited_for(pool, monkeypatch):
    crew = pool(max_workers=2)
    idle(crew, 2)
    monkeypatch.setattr(workers._Bell, "brings_one", lambda bell: False)  # that long ago
    lost = crew._idle.pop()
    crew._called = lost
    assert submitted(crew).wait(LONG)
    lost.ring()


def test_flush_calls_one_even_while_another_is_on_its_way(pool):
    crew = pool(max_workers=2)
    idle(crew, 2)
    lost = crew._idle.pop()
    lost._rung_at = time.monotonic()
    crew._called = lost
    left = submitted(crew)
    assert not left.wait(0.02)
    assert crew.flush(LONG)
    assert left.over.is_set()
    lost.ring()


def test_a_start_that_was_interrupted_is_forgotten(pool, monkeypatch):
    monkeypatch.setattr(workers, "START_SECONDS", 0.0)
    crew = pool(max_workers=1)
    crew._crew[object()] = 0.0
    assert submitted(crew).wait(LONG)


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
def test_where_threads_are_refused_the_task_runs_here(pool, monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    crew = pool()
    where = []
    task = submitted(crew, lambda: where.append(threading.current_thread()))
    assert task.over.is_set()
    assert where == [threading.main_thread()]


def test_flush_waits_for_what_is_under_way_and_no_longer_than_told(pool):
    crew = pool(max_workers=1)
    go = threading.Event()
    tasks = [submitted(crew, lambda: go.wait(LONG)) for _ in range(3)]
    assert not crew.flush(0.05)
    go.set()
    assert crew.flush(LONG)
    assert all(task.over.is_set() for task in tasks)
    assert crew.flush(0)


def test_close_ends_what_still_waits(pool):
    crew = pool(max_workers=1)
    go = threading.Event()
    first, *others = [submitted(crew, lambda: go.wait(LONG)) for _ in range(4)]
    error = ClientClosed("closed")
    assert not crew.close(0.05, error)
    assert [task.dropped_with for task in others] == [error] * 3
    assert int(crew.dropped) == 3
    go.set()
    assert first.wait(LONG)
    assert first.dropped_with is None
    eventually(lambda: crew.threads() == 0)


def test_a_task_may_flush_and_close(pool):
    crew = pool(max_workers=1)
    seen = []
    task = submitted(crew, lambda: seen.append((crew.flush(LONG), crew.close(LONG, ClientClosed("closed")))))
    assert task.wait(LONG)
    assert seen == [(True, True)]


def test_a_worker_lends_a_hand_to_what_it_waits_for(pool):
    crew = pool(max_workers=1)
    where = []

    def outer():
        inner = submitted(crew, lambda: where.append(_thread.get_ident()))
        crew.lend_a_hand(inner)
        assert inner.over.is_set()
        where.append(_thread.get_ident())

    assert submitted(crew, outer).wait(LONG)
    assert where[0] == where[1]
    waiting = Act()
    crew.lend_a_hand(waiting)  # this thread is no worker
    assert waiting.runs == 0


def test_workers_that_nobody_holds_are_collected(pool):
    crew = Workers(2, 10, 2.0, "test-worker")
    assert submitted(crew).wait(LONG)
    idle = crew._idle
    eventually(lambda: len(idle) == 1)
    seen = weakref.ref(crew)
    crew.stop()
    del crew
    eventually(lambda: gc.collect() is not None and seen() is None)
    eventually(lambda: not any(thread.name.startswith("test-worker") for thread in threading.enumerate()))


def test_a_raising_task_costs_one_worker_and_nothing_else(pool, monkeypatch):
    monkeypatch.setattr("sys.unraisablehook", lambda *_: None)
    crew = pool(max_workers=1)

    def ends_the_thread():
        raise SystemExit

    crew.submit(Act(ends_the_thread))
    for _ in range(20):
        assert submitted(crew).wait(LONG)


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
