"""Worker threads for calls with a callback and for awaited calls.

The pool lives in the application's process and keeps its footprint small:

* Workers are daemon threads. They start on demand, at most ``max_workers`` of them, and
  exit after a few idle seconds. A worker that is ``blocking`` does not count.
* Submitting a task never blocks. If the queue is full, ``submit`` drops the task with ``QueueFull``.
* There is no shared lock. Pending tasks are kept in a deque and idle workers in a dict, and
  each idle worker waits on its own latch. A signal handler that raises inside ``submit``
  therefore cannot leave a lock held. At worst no worker is woken for the task. Then the next
  ``submit`` or ``flush`` wakes one, and idle workers check the queue periodically.
* A worker stays in the dict of idle workers until its latch is set. If a signal handler
  interrupts the caller before that, the next caller finds the worker there and wakes it.
* Idle workers are woken one at a time. No second wake-up is sent while the first is on
  its way: the woken worker finds all pending tasks and wakes the next worker if needed.
* Nothing survives a fork. A child process creates its own pool.
* At exit the process waits for unfinished tasks, for ``shutdown_timeout`` at most. Tasks
  submitted once the exit has begun run in the calling thread, because workers may not finish them.
"""

import _thread
import contextlib
import itertools
import math
from collections import deque
from functools import partial
from typing import Any, Deque, Dict, Iterator, List, Optional, Tuple

from target_tools.clock import Deadline, monotonic
from target_tools.concurrency.helper_thread import HelperThreads
from target_tools.concurrency.latch import Latch
from target_tools.concurrency.lock_free import Counter
from target_tools.concurrency.shutdown import EXIT_COORDINATOR, ExitParticipant
from target_tools.concurrency.tasks import AsyncResult, CallbackTask
from target_tools.concurrency.threads import start_thread, thread_name
from target_tools.errors import CallLost, QueueFull

#: Seconds after which an idle worker checks the queue, and exits if it is empty.
IDLE_SECONDS = 5.0
#: Seconds a thread may take to start or wake up. A thread that takes longer is considered lost.
START_SECONDS = 2.0
#: Number of workers that can be replaced at the same time while they wait for a name lookup or a connection.
MAX_BLOCKED = 32


class _WakeUp(Latch):
    """A one-time signal to one idle worker."""

    def __init__(self) -> None:
        super().__init__()
        self._sent_at = 0.0
        #: Whether the worker has stopped waiting. It sets this before it looks at the queue, never after.
        self._received = False

    def set(self) -> None:
        self._sent_at = monotonic()
        super().set()

    def wait(self, seconds: float = math.inf) -> bool:
        """Wait for the signal. Return False on timeout; the worker counts as awake either way."""
        super().wait(seconds)
        self._received = True
        return self.is_set()

    def is_on_its_way(self) -> bool:
        """Return whether the signal was sent and its worker can still be expected."""
        return not self._received and monotonic() - self._sent_at < START_SECONDS


class WorkerPool(ExitParticipant):
    """A bounded set of threads with a bounded queue, for one client in one process."""

    def __init__(self, max_workers: int, max_pending: int, shutdown_timeout: float, name: str) -> None:
        super().__init__()
        self._max_workers = max_workers
        self._max_pending = max_pending
        self._shutdown_timeout = shutdown_timeout
        self._name = name
        self._numbers = itertools.count(1)
        self._pending: Deque[CallbackTask] = deque()
        #: All tasks that are not done, including one that a worker has taken from ``_pending`` and not begun yet.
        self._unfinished: Dict[int, CallbackTask] = {}
        #: One entry per idle worker. The thread that wakes the worker, or the worker itself, removes the entry.
        self._idle: Dict[_WakeUp, None] = {}
        #: The wake-up that was sent last.
        self._last_wake_up: Optional[_WakeUp] = None
        #: All workers in the order they were started. The value is the start time until the thread runs, then None.
        self._workers: Dict[object, Optional[float]] = {}
        #: The tasks that each running worker has begun, by thread id. A callback that waits for another call may run
        #: that call's task, so there can be several.
        self._running: Dict[int, Tuple[CallbackTask, ...]] = {}
        #: Workers that are ``blocking``, by thread id.
        self._blocked: Dict[int, bool] = {}
        #: Workers whose callback is inside ``flush``.
        self._flushing: Dict[int, bool] = {}
        self._stopped = False
        self.refused = Counter()
        self.dropped = Counter()
        EXIT_COORDINATOR.register(self)

    def submit(self, task: CallbackTask) -> None:
        """Queue ``task`` for a worker.

        If there is no worker and no thread can be started, run the task in the calling thread.
        If ``max_pending`` tasks are already waiting, drop it.
        """
        if EXIT_COORDINATOR.begun:
            task.run(inline=True)
            return
        if len(self._pending) >= self._max_pending:
            self.refused.add()
            task.drop(QueueFull(f"{self._max_pending} calls are already waiting for a worker (option 'max_pending')"))
            return
        self._pending.append(task)
        self._unfinished[id(task)] = task
        if task.is_done():  # a worker was faster
            self._unfinished.pop(id(task), None)
        self._ensure_wake_up()

    def submit_call(self, task: CallbackTask) -> "AsyncResult[Any]":
        """Queue ``task`` and return its result. A worker that waits for the result runs the task itself."""
        result = task.result
        task.run_while_waiting = partial(self.run_inline, task)
        result.before_wait(task.run_while_waiting)
        self.submit(task)
        return result

    def is_worker(self) -> bool:
        """Return whether the current thread is one of the pool's workers."""
        return _thread.get_ident() in self._running

    def pending(self) -> int:
        """Return the number of tasks that wait for a worker."""
        return len(self._pending)

    def running(self) -> int:
        """Return the number of tasks that workers have begun and not finished."""
        return sum(len(tasks) for tasks in list(self._running.values()))

    def threads(self) -> int:
        """Return the number of worker threads."""
        return len(self._running)

    def blocked(self) -> int:
        """Return the number of workers that wait for a name lookup or a connection."""
        return len(self._blocked)

    @contextlib.contextmanager
    def blocking(self) -> Iterator[None]:
        """Let another worker take the place of this one during the block. Does nothing in other threads.

        After the block the worker continues with its task. If there are too many workers then, the youngest
        exits after its task.
        """
        thread = _thread.get_ident()
        if not self.is_worker():
            yield
            return
        self._blocked[thread] = True
        try:
            if self._pending:
                self._wake_or_start_worker()
            yield
        finally:
            self._blocked.pop(thread, None)

    def run_inline(self, task: CallbackTask) -> None:
        """Run ``task`` in the current thread if that is a worker and the task is still pending.

        Without this, a callback that waits for another call would deadlock in a pool of one worker.
        """
        if not self.is_worker():
            return
        try:
            self._pending.remove(task)
        except ValueError:  # another worker has taken it
            return
        self._run_task(task)

    def flush(self, timeout: Optional[float], caller: Optional[int] = None) -> bool:
        """Wait until all unfinished tasks are done. Return False if that takes more than ``timeout`` seconds.

        ``caller`` is the thread on whose behalf this one waits, by default this one.
        """
        deadline = Deadline.after(math.inf if timeout is None else timeout)
        thread = _thread.get_ident() if caller is None else caller
        # A callback that flushes does not wait for its own call, nor for other callbacks that flush, because they
        # would wait for each other.
        in_callback = self._running.get(thread) and not self._flushing.get(thread)
        if in_callback:
            self._flushing[thread] = True
        try:
            if self._pending:
                self._ensure_wake_up()  # in case a signal handler prevented the wake-up in submit
            return all(task.wait(deadline.remaining()) for task in self._tasks_to_flush(thread))
        finally:
            if in_callback:
                self._flushing.pop(thread, None)

    def close(self, timeout: Optional[float], error: Exception, caller: Optional[int] = None) -> bool:
        """Flush, then stop the workers and drop tasks that are still pending with ``error``."""
        done = self.flush(timeout, caller)
        self.stop()
        self._drop_pending_uninterrupted(error)
        return done

    def stop(self) -> None:
        """Stop the workers once the queue is empty. Takes no locks, so a finalizer may call it."""
        EXIT_COORDINATOR.unregister(self)
        self.release_idle()

    def release_idle(self) -> None:
        """Wake all idle workers so that they can exit."""
        self._stopped = True
        for wake_up in list(self._idle):
            wake_up.set()

    def drain(self, exit_began: float) -> None:
        """Flush for ``shutdown_timeout`` after ``exit_began``, then drop the tasks that no worker has begun."""
        if self.created_in_this_process():
            self.flush(max(0.0, exit_began + self._shutdown_timeout - monotonic()))
            self._drop_pending(CallLost("the process exited before a worker started the call"))

    def _tasks_to_flush(self, thread: int) -> List[CallbackTask]:
        """Return the tasks that ``thread`` has to wait for in ``flush``."""
        skipped = set(self._flushing) if thread in self._flushing else ()
        running = [tasks for worker, tasks in list(self._running.items()) if worker in skipped]
        ignored = {id(task) for tasks in running for task in tasks}
        for task in [task for task in list(self._unfinished.values()) if task.is_done()]:
            self._unfinished.pop(id(task), None)  # left behind when a signal handler raised
        return [task for task in list(self._unfinished.values()) if id(task) not in ignored]

    def _drop_pending_uninterrupted(self, error: Exception) -> None:
        """Drop pending tasks in a helper thread, where no signal handler can interrupt between dequeue and drop."""
        if self._pending:
            if self.is_worker():
                self._drop_pending(error)
            else:
                HelperThreads().call(lambda: self._drop_pending(error), Deadline.after(math.inf))

    def _drop_pending(self, error: Exception) -> None:
        while (task := self._take()) is not None:
            self.dropped.add()
            task.drop(error)
            self._unfinished.pop(id(task), None)

    def _take(self) -> Optional[CallbackTask]:
        """Return the next pending task, or None if there is none."""
        try:
            return self._pending.popleft()
        except IndexError:
            return None

    def _ensure_wake_up(self) -> None:
        """Wake a worker unless one is already on its way."""
        # No task is missed: tasks are queued before this check, and a worker marks its wake-up as received before it
        # looks at the queue.
        if self._last_wake_up is None or not self._last_wake_up.is_on_its_way():
            self._wake_or_start_worker()

    def _wake_or_start_worker(self) -> None:
        try:
            wake_up = list(self._idle)[-1]
        except IndexError:
            self._start_worker()
            return
        wake_up.set()
        # Only after the worker is woken: if a signal handler raises before that, the worker stays in ``_idle``, where
        # the next caller finds it.
        self._last_wake_up = wake_up
        self._idle.pop(wake_up, None)  # unless another caller woke the same worker, or the worker was faster

    def _wake_more_workers(self) -> None:
        """Wake or start workers for the rest of the queue, before this worker begins a task."""
        if self._idle or len(self._workers) >= self._limit():
            self._ensure_wake_up()
            return
        starting = sum(since is not None for since in list(self._workers.values()))
        # Threads are slow to start, so each worker starts two until there are enough.
        for _ in range(min(2, len(self._pending) - 1 - starting)):
            self._ensure_wake_up()

    def _start_worker(self) -> None:
        if len(self._workers) >= self._limit() and not self._discard_failed_starts():
            return
        key = object()
        try:
            self._workers[key] = monotonic()
            # If two threads fill the last free place at the same time, the first in the dict starts a worker.
            if self._is_surplus(key):
                self._workers.pop(key, None)
                return
            start_thread(self._work, (key,))
        except (RuntimeError, MemoryError):
            self._workers.pop(key, None)
            if not self._running:
                self._run_pending_inline()
        except BaseException:  # raised by a signal handler; if the thread did start, it registers itself again
            self._workers.pop(key, None)
            raise

    def _discard_failed_starts(self) -> bool:
        """Forget workers whose start was interrupted. Return whether there is room for another one."""
        now = monotonic()
        for key, since in list(self._workers.items()):
            if since is not None and now - since > START_SECONDS:
                self._workers.pop(key, None)
        return len(self._workers) < self._limit()

    def _limit(self) -> int:
        """Return how many workers there may be now."""
        return self._max_workers + min(len(self._blocked), MAX_BLOCKED)

    def _is_surplus(self, key: object) -> bool:
        """Return whether enough other workers were started earlier."""
        limit = self._limit()
        return len(self._workers) > limit and key in list(self._workers)[limit:]

    def _run_pending_inline(self) -> None:
        """Run pending tasks in the current thread, because no worker can be started."""
        while (task := self._take()) is not None:
            self._unfinished.pop(id(task), None)
            task.run(inline=True)

    def _work(self, key: object) -> None:
        """Run tasks in a worker thread until the pool stops or the worker has been idle for too long."""
        thread = _thread.get_ident()
        self._running[thread] = ()
        self._workers[key] = None
        try:
            with thread_name(f"{self._name}-{next(self._numbers)}"):
                while not self._is_surplus(key) and (self._run_next() or self._wait_for_task()):
                    pass
        finally:
            self._running.pop(thread, None)
            self._workers.pop(key, None)
            # A task may have arrived since the last look at the queue.
            if self._pending and self.created_in_this_process():
                self._wake_or_start_worker()

    def _run_next(self) -> bool:
        """Run the next pending task. Return False if there is none."""
        if not self.created_in_this_process():
            return False  # a callback forked and returned in the child; the queue belongs to the parent
        if len(self._pending) > 1:
            self._wake_more_workers()  # before taking a task, so that no task is lost if this raises
        task = self._take()
        if task is not None:
            self._run_task(task)
        return task is not None

    def _run_task(self, task: CallbackTask) -> None:
        thread = _thread.get_ident()
        outer = self._running.get(thread, ())
        self._running[thread] = (*outer, task)
        try:
            task.run()
        finally:
            self._running[thread] = outer
            self._unfinished.pop(id(task), None)

    def _wait_for_task(self) -> bool:
        """Wait to be woken. Return False if the worker should exit."""
        if self._stopped or not self.created_in_this_process():
            return False
        # A new object for each wait, so that a late wake-up is ignored.
        wake_up = _WakeUp()
        self._idle[wake_up] = None
        nothing_to_do = not self._pending and not self._stopped
        try:
            is_woken = wake_up.wait(IDLE_SECONDS if nothing_to_do else 0.0)
        finally:
            self._idle.pop(wake_up, None)  # unless the thread that woke this worker was faster
        # Look at the queue last: until the object is removed, other threads may count on this worker.
        return is_woken or bool(self._pending)
