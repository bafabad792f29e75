"""Worker threads: how many start, when they exit, and how tasks end."""

import _thread
import gc
import threading
import time
import weakref
from functools import partial
from pathlib import Path

import pytest

from target_tools.concurrency import task_workers
from target_tools.concurrency.lock_free import Counter
from target_tools.concurrency.task_workers import WorkerPool
from target_tools.concurrency.tasks import CallbackTask
from target_tools.errors import ClientClosed, QueueFull
from tests.support import eventually, interrupt

LONG = 20
CONCURRENCY = Path(task_workers.__file__).parent


class FunctionTask(CallbackTask):
    """A task that calls a function."""

    def __init__(self, function=lambda: None):
        self.function = function
        self.finished = threading.Event()
        self.dropped_with = None
        self.runs = 0

    def run(self, inline=False):
        self.runs += 1
        self.function()
        self.finished.set()

    def drop(self, error):
        self.dropped_with = error
        self.finished.set()

    def wait(self, seconds):
        return self.finished.wait(seconds)

    def is_done(self):
        return self.finished.is_set()


@pytest.fixture
def create_pool():
    pools = []

    def create(max_workers=4, max_pending=100, shutdown_timeout=2.0):
        pools.append(WorkerPool(max_workers, max_pending, shutdown_timeout, "test-worker"))
        return pools[-1]

    yield create
    for pool in pools:
        pool.stop()
    assert eventually(lambda: not any(pool.threads() for pool in pools))


def submit(workers, function=lambda: None):
    task = FunctionTask(function)
    workers.submit(task)
    return task


def test_threads_start_on_demand_and_are_limited(create_pool):
    workers = create_pool(max_workers=3, max_pending=1000)
    assert workers.threads() == 0
    names = set()
    tasks = [submit(workers, lambda: names.add(threading.current_thread().name)) for _ in range(200)]
    assert all(task.wait(LONG) for task in tasks)
    assert all(task.runs == 1 for task in tasks)
    assert workers.threads() <= 3
    assert names <= {"test-worker-1", "test-worker-2", "test-worker-3"}
    assert threading.main_thread().name not in names


def test_workers_run_concurrently(create_pool):
    workers = create_pool(max_workers=4)
    barrier = threading.Barrier(4)
    tasks = [submit(workers, lambda: barrier.wait(LONG)) for _ in range(4)]
    assert all(task.wait(LONG) for task in tasks)


def test_a_burst_starts_no_more_threads_than_allowed(create_pool):
    workers = create_pool(max_workers=5, max_pending=10000)
    counts = []
    release = threading.Event()

    def watch():
        counts.append(sum(thread.name.startswith("test-worker") for thread in threading.enumerate()))
        release.wait(0.001)

    tasks = [submit(workers, watch) for _ in range(500)]
    assert all(task.wait(LONG) for task in tasks)
    assert max(counts) <= 5


def test_a_blocked_worker_is_replaced_until_it_continues(create_pool):
    workers = create_pool(max_workers=2)
    release, resumed = threading.Event(), threading.Barrier(3)

    def block():
        with workers.blocking():
            release.wait(LONG)
        resumed.wait(LONG)

    blocked = [submit(workers, block) for _ in range(2)]
    assert eventually(lambda: workers.blocked() == 2)
    others = [submit(workers) for _ in range(50)]
    assert all(task.wait(LONG) for task in others)
    assert not any(task.is_done() for task in blocked)
    assert 3 <= workers.threads() <= 4
    release.set()
    resumed.wait(LONG)
    assert all(task.wait(LONG) for task in blocked)
    more = [submit(workers) for _ in range(50)]
    assert all(task.wait(LONG) for task in more)
    assert eventually(lambda: workers.threads() <= 2)
    assert workers.blocked() == 0


def test_a_pending_task_is_run_when_a_worker_blocks(create_pool):
    workers = create_pool(max_workers=1)
    release, waiting = threading.Event(), threading.Event()

    def block():
        waiting.wait(LONG)
        with workers.blocking():
            release.wait(LONG)

    blocked = submit(workers, block)
    other = submit(workers)
    waiting.set()
    assert other.wait(LONG)
    assert not blocked.is_done()
    release.set()
    assert blocked.wait(LONG)


def test_the_number_of_replaced_workers_is_limited(create_pool, monkeypatch):
    monkeypatch.setattr(task_workers, "MAX_BLOCKED", 3)
    workers = create_pool(max_workers=1)
    release = threading.Event()

    def block():
        with workers.blocking():
            release.wait(LONG)

    tasks = [submit(workers, block) for _ in range(20)]
    assert eventually(lambda: workers.blocked() == 4)
    assert workers.threads() == 4
    assert workers.pending() == 16
    release.set()
    assert all(task.wait(LONG) for task in tasks)


def test_blocking_in_another_thread_has_no_effect(create_pool):
    workers = create_pool()
    with workers.blocking():
        assert workers.blocked() == 0


def test_a_full_queue_drops_the_task_at_once_and_counts_it(create_pool):
    workers = create_pool(max_workers=1, max_pending=3)
    release = threading.Event()
    submit(workers, lambda: release.wait(LONG))
    assert eventually(lambda: workers.running() == 1)
    for _ in range(3):
        submit(workers)
    for _ in range(30):
        refused = submit(workers)
        assert isinstance(refused.dropped_with, QueueFull)
        assert str(refused.dropped_with).startswith("3 calls are already waiting")
    assert int(workers.refused) == 30
    assert workers.pending() == 3
    release.set()
    assert workers.flush(LONG)


def test_idle_workers_exit_and_start_again(create_pool, monkeypatch):
    monkeypatch.setattr(task_workers, "IDLE_SECONDS", 0.05)
    workers = create_pool()
    assert submit(workers).wait(LONG)
    assert eventually(lambda: workers.threads() == 0)
    assert submit(workers).wait(LONG)
    assert eventually(lambda: workers.threads() == 0)
    assert not any(thread.name.startswith("test-worker") for thread in threading.enumerate())


def test_no_task_is_lost_when_workers_exit_and_start(create_pool, monkeypatch):
    monkeypatch.setattr(task_workers, "IDLE_SECONDS", 0.0005)
    workers = create_pool(max_workers=2, max_pending=10**6)
    for number in range(3000):
        task = submit(workers)
        if number % 7 == 0:
            assert task.wait(LONG)
    assert workers.flush(LONG)


def test_an_idle_worker_checks_the_queue_without_a_wake_up(create_pool, monkeypatch):
    monkeypatch.setattr(task_workers, "IDLE_SECONDS", 0.1)
    workers = create_pool(max_workers=1)
    assert submit(workers).wait(LONG)
    assert eventually(lambda: len(workers._idle) == 1)
    # Without this entry, no other thread can wake the worker, as if a signal handler had raised in submit.
    workers._idle.clear()
    pending_task = FunctionTask()
    workers._pending.append(pending_task)
    assert pending_task.wait(LONG)


def make_idle(workers, count):
    """Run tasks until at least ``count`` workers are idle."""
    barrier = threading.Barrier(count)
    for task in [submit(workers, lambda: barrier.wait(LONG)) for _ in range(count)]:
        assert task.wait(LONG)
    assert eventually(lambda: len(workers._idle) >= count)


def test_a_burst_sends_one_wake_up_while_a_worker_is_on_its_way(create_pool, monkeypatch):
    workers = create_pool(max_workers=4)
    make_idle(workers, 4)
    sent = []

    def record(wake_up):
        sent.append(wake_up)

    monkeypatch.setattr(task_workers._WakeUp, "set", record)
    monkeypatch.setattr(task_workers._WakeUp, "is_on_its_way", lambda wake_up: not wake_up._received)
    tasks = [submit(workers) for _ in range(50)]
    assert len(sent) == 1
    monkeypatch.undo()
    sent[0].set()  # the worker runs a task and wakes others for the rest
    assert all(task.wait(LONG) for task in tasks)


def test_a_woken_worker_wakes_or_starts_others_for_the_remaining_tasks(create_pool):
    workers = create_pool(max_workers=6)
    make_idle(workers, 3)
    for count in (3, 6, 6):  # three workers are idle, and three more must be started for six tasks
        barrier = threading.Barrier(count)
        tasks = [submit(workers, lambda gate=barrier: gate.wait(LONG)) for _ in range(count)]
        assert all(task.wait(LONG) for task in tasks)


def test_a_lost_wake_up_does_not_prevent_another(create_pool, monkeypatch):
    workers = create_pool(max_workers=2)
    make_idle(workers, 2)
    # As if the wake-up had been sent long ago.
    monkeypatch.setattr(task_workers._WakeUp, "is_on_its_way", lambda wake_up: False)
    lost_wake_up, _ = workers._idle.popitem()
    workers._last_wake_up = lost_wake_up
    assert submit(workers).wait(LONG)
    lost_wake_up.set()


@pytest.mark.parametrize("operation", ["submit", "flush"])
@pytest.mark.parametrize("is_warm", [True, False], ids=["idle worker", "no worker"])
def test_a_signal_at_any_instruction_does_not_keep_the_next_task_waiting(operation, is_warm, create_pool, monkeypatch):
    """Raise at each instruction of ``submit`` or ``flush``. The next ``submit`` must wake or start the only worker."""
    monkeypatch.setattr(task_workers, "IDLE_SECONDS", 50 * LONG)  # an idle worker does not check the queue by itself
    instruction, is_interrupted = 0, True
    while is_interrupted:
        workers = create_pool(max_workers=1)
        if is_warm:
            make_idle(workers, 1)
            assert eventually(lambda pool=workers: next(iter(pool._idle))._waiters)
        first = FunctionTask()
        if operation == "flush":  # as if submit had been interrupted before it woke a worker
            workers._pending.append(first)
            workers._unfinished[id(first)] = first
        act = partial(workers.submit, first) if operation == "submit" else partial(workers.flush, LONG)
        is_interrupted = interrupt(act, instruction, CONCURRENCY)
        assert submit(workers).wait(LONG), instruction
        assert first.runs <= 1
        workers.stop()
        instruction += 1
    assert instruction > 60


@pytest.mark.parametrize("next_step", ["stop", "close"])
def test_a_signal_at_any_instruction_of_stop_leaves_no_idle_workers(next_step, create_pool, monkeypatch):
    """Raise at each instruction of ``stop``. All workers must exit once it is called again."""
    monkeypatch.setattr(task_workers, "IDLE_SECONDS", 50 * LONG)
    instruction, is_interrupted = 0, True
    while is_interrupted:
        workers = create_pool(max_workers=2)
        make_idle(workers, 2)
        is_interrupted = interrupt(workers.stop, instruction, CONCURRENCY)
        if next_step == "stop":
            workers.stop()
        else:
            assert workers.close(LONG, ClientClosed("closed"))
        assert eventually(lambda pool=workers: not pool.threads()), instruction
        instruction += 1
    assert instruction > 30


def test_flush_wakes_a_worker_even_if_another_is_on_its_way(create_pool):
    workers = create_pool(max_workers=2)
    make_idle(workers, 2)
    lost_wake_up, _ = workers._idle.popitem()
    lost_wake_up._sent_at = time.monotonic()
    workers._last_wake_up = lost_wake_up
    pending_task = submit(workers)
    assert not pending_task.wait(0.02)
    assert workers.flush(LONG)
    assert pending_task.finished.is_set()
    lost_wake_up.set()


def test_an_interrupted_start_does_not_count_as_a_worker(create_pool, monkeypatch):
    monkeypatch.setattr(task_workers, "START_SECONDS", 0.0)
    workers = create_pool(max_workers=1)
    workers._workers[object()] = 0.0
    assert submit(workers).wait(LONG)


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
def test_the_task_runs_in_the_caller_if_no_thread_can_be_started(create_pool, monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    workers = create_pool()
    threads = []
    task = submit(workers, lambda: threads.append(threading.current_thread()))
    assert task.finished.is_set()
    assert threads == [threading.main_thread()]


def test_flush_waits_for_unfinished_tasks_within_its_timeout(create_pool):
    workers = create_pool(max_workers=1)
    release = threading.Event()
    tasks = [submit(workers, lambda: release.wait(LONG)) for _ in range(3)]
    assert not workers.flush(0.05)
    release.set()
    assert workers.flush(LONG)
    assert all(task.finished.is_set() for task in tasks)
    assert workers.flush(0)


def test_close_drops_pending_tasks(create_pool):
    workers = create_pool(max_workers=1)
    release = threading.Event()
    first, *others = [submit(workers, lambda: release.wait(LONG)) for _ in range(4)]
    error = ClientClosed("closed")
    assert not workers.close(0.05, error)
    assert [task.dropped_with for task in others] == [error] * 3
    assert int(workers.dropped) == 3
    release.set()
    assert first.wait(LONG)
    assert first.dropped_with is None
    assert eventually(lambda: workers.threads() == 0)


def test_a_task_may_flush_and_close(create_pool):
    workers = create_pool(max_workers=1)
    seen = []
    task = submit(workers, lambda: seen.append((workers.flush(LONG), workers.close(LONG, ClientClosed("closed")))))
    assert task.wait(LONG)
    assert seen == [(True, True)]


def test_a_worker_runs_a_pending_task_that_it_waits_for(create_pool):
    workers = create_pool(max_workers=1)
    thread_ids = []

    def outer():
        inner = submit(workers, lambda: thread_ids.append(_thread.get_ident()))
        workers.run_inline(inner)
        assert inner.finished.is_set()
        thread_ids.append(_thread.get_ident())

    assert submit(workers, outer).wait(LONG)
    assert thread_ids[0] == thread_ids[1]
    waiting = FunctionTask()
    workers.run_inline(waiting)  # the main thread is not a worker
    assert waiting.runs == 0


def test_a_stopped_pool_without_references_is_garbage_collected(create_pool):
    workers = WorkerPool(2, 10, 2.0, "test-worker")
    assert submit(workers).wait(LONG)
    idle = workers._idle
    assert eventually(lambda: len(idle) == 1)
    reference = weakref.ref(workers)
    workers.stop()
    del workers
    assert eventually(lambda: gc.collect() is not None and reference() is None)
    assert eventually(lambda: not any(thread.name.startswith("test-worker") for thread in threading.enumerate()))


def test_a_task_that_raises_ends_one_worker_and_loses_no_other_task(create_pool, monkeypatch):
    monkeypatch.setattr("sys.unraisablehook", lambda *_: None)
    workers = create_pool(max_workers=1)

    def end_thread():
        raise SystemExit

    workers.submit(FunctionTask(end_thread))
    for _ in range(20):
        assert submit(workers).wait(LONG)


def test_counters_are_exact_if_threads_add_at_the_same_time():
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
