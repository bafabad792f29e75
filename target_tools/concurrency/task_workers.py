"""The threads that serve calls with a callback.

They are guests in somebody's process:

* They are daemon threads, started when a call first needs one, at most ``max_workers``,
  and gone again when nothing has come for a while.  A worker that is ``blocking`` does not count.
* Handing work over never blocks.  A queue that is full refuses at once.
* No lock is shared.  Work lies on one ``deque``, idle workers lie on another, each waiting
  on a raw lock of its own; so a signal handler that raises in the middle of ``submit``
  leaves nothing taken.  At worst nobody is woken for a task: an idle worker looks by itself
  after a while, and so does whoever submits or flushes next.
* Idle workers are called one at a time.  While one is on its way nobody is called for what
  comes in the meantime: it will find that, and calls the next for what it leaves.
* Nothing of it survives a fork: a child makes its own.
* An exiting process waits for what is under way, no longer than it was told to.  Work that
  comes after that runs where it comes up: nobody would wait for a thread any more.
"""

import _thread
import contextlib
import itertools
import os
from collections import deque
from typing import Deque, Dict, Iterator, List, Optional, Tuple

from target_tools.clock import Deadline, monotonic
from target_tools.concurrency.counter import Counter
from target_tools.concurrency.helper_thread import Handover
from target_tools.concurrency.shutdown import EXIT
from target_tools.concurrency.tasks import Task
from target_tools.concurrency.threads import ThreadName, start_thread
from target_tools.errors import CallLost, QueueFull

#: Seconds after which an idle worker looks around, and leaves if nothing is there.
IDLE_SECONDS = 5.0
#: Seconds within which a thread that was started shows up; one that did not never will.
START_SECONDS = 2.0
#: Workers that may be replaced at the same time because they wait for a name look-up or a connection.
BLOCKED_LIMIT = 32
#: ``close`` and ``flush`` without a time-out: a month.
FOR_EVER = 2.6e6


class _Bell:
    """What an idle worker waits for."""

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._lock.acquire()
        self._rung_at = 0.0
        #: Whether the worker has done waiting; it looks for work after it says so, never before.
        self._heard = False

    def ring(self) -> None:
        """Wake the worker; raises ``RuntimeError`` if that was done."""
        self._rung_at = monotonic()
        self._lock.release()

    def wait(self, seconds: float) -> bool:
        """Whether it was rung within that time; either way the worker has done waiting."""
        rung = self._lock.acquire(True, seconds)
        self._heard = True
        return rung

    def brings_one(self) -> bool:
        """Whether a worker is on its way because of it.  One that does not come for so long never will."""
        return not self._heard and monotonic() - self._rung_at < START_SECONDS


class Workers:
    """A bounded number of threads and a bounded queue, for one client in one process."""

    def __init__(self, max_workers: int, max_pending: int, shutdown_timeout: float, name: str) -> None:
        self._max_workers = max_workers
        self._max_pending = max_pending
        self._shutdown_timeout = shutdown_timeout
        self._name = name
        self._numbers = itertools.count(1)
        self._pid = os.getpid()
        self._pending: Deque[Task] = deque()
        #: What was submitted and is not over: between the two others a task is nowhere for a moment.
        self._open: Dict[int, Task] = {}
        #: The bells of workers that wait.
        self._idle: Deque[_Bell] = deque()
        #: The bell that was rung last.
        self._called: Optional[_Bell] = None
        #: Every worker, in the order of their starts; when it was started, if it has not shown up yet.
        self._crew: Dict[object, Optional[float]] = {}
        #: What each worker that has shown up does just now, by thread.  More than one task where
        #: a callback waits for another call and lends a hand to it.
        self._serving: Dict[int, Tuple[Task, ...]] = {}
        #: The threads of workers that wait for a name look-up or a connection.
        self._blocked: Dict[int, bool] = {}
        #: The workers that flush from a callback.
        self._flushing: Dict[int, bool] = {}
        self._stopped = False
        self.refused = Counter()
        self.dropped = Counter()
        EXIT.watch(self)

    def submit(self, task: Task) -> None:
        """Let a worker run ``task``; raises ``QueueFull`` when too many wait.

        Where no thread can be started and none is there, ``task`` runs here.
        """
        if EXIT.begun:
            task.run(here=True)
            return
        if len(self._pending) >= self._max_pending:
            self.refused.add()
            raise QueueFull("{} calls wait for a worker already".format(self._max_pending))
        self._pending.append(task)
        self._open[id(task)] = task
        if task.is_over():  # a worker was quicker
            self._open.pop(id(task), None)
        self._see_to_it()

    def is_of_this_process(self) -> bool:
        """Whether these are not a parent's."""
        return self._pid == os.getpid()

    def is_worker(self) -> bool:
        """Whether the thread that asks is one of these."""
        return _thread.get_ident() in self._serving

    def pending(self) -> int:
        """How many tasks wait for a worker."""
        return len(self._pending)

    def running(self) -> int:
        """How many tasks a worker is busy with."""
        return sum(len(tasks) for tasks in list(self._serving.values()))

    def threads(self) -> int:
        """How many workers there are."""
        return len(self._serving)

    def blocked(self) -> int:
        """Return how many workers wait for a name look-up or a connection."""
        return len(self._blocked)

    @contextlib.contextmanager
    def blocking(self) -> Iterator[None]:
        """Let another worker take this one's place meanwhile; does nothing in other threads.

        When the wait is over the worker goes on with its task, and the youngest one too many leaves after its task.
        """
        me = _thread.get_ident()
        if me not in self._serving:
            yield
            return
        self._blocked[me] = True
        try:
            if self._pending:
                self._wake_one()
            yield
        finally:
            self._blocked.pop(me, None)

    def lend_a_hand(self, task: Task) -> None:
        """Run ``task`` here if this thread is a worker and no other has begun it.

        A callback that waits for another call would otherwise wait for itself, where
        there is one worker.
        """
        if not self.is_worker():
            return
        try:
            self._pending.remove(task)
        except ValueError:  # somebody is at it
            return
        self._serve(task)

    def flush(self, timeout: Optional[float]) -> bool:
        """Whether everything that was under way is over, within ``timeout`` seconds."""
        deadline = Deadline.after(FOR_EVER if timeout is None else timeout)
        me = _thread.get_ident()
        # A callback that flushes does not wait for its own call, nor for those of other callbacks that
        # flush: they would wait for one another.
        mine = self._serving.get(me) and not self._flushing.get(me)
        if mine:
            self._flushing[me] = True
        try:
            if self._pending:
                self._wake_one()  # a signal handler may have raised where this should have happened
            return all(task.wait(max(0.0, deadline.remaining())) for task in self._outstanding(me))
        finally:
            if mine:
                self._flushing.pop(me, None)

    def close(self, timeout: Optional[float], error: Exception) -> bool:
        """Flush, then end what still waits with ``error``, and let the workers go."""
        done = self.flush(timeout)
        self.stop()
        self._drop_elsewhere(error)
        return done

    def stop(self) -> None:
        """Let the workers go as soon as nothing waits.  Takes no lock: a collector may call it."""
        EXIT.forget(self)
        self.let_go()

    def let_go(self) -> None:
        """Wake every idle worker to tell it that it may leave."""
        self._stopped = True
        while True:
            try:
                self._idle.pop().ring()
            except IndexError:
                return
            except RuntimeError:  # it was rung already
                continue

    def finish(self, began: float) -> None:
        """Flush at an exit that began at that moment, and end what no worker has begun by then."""
        if self.is_of_this_process():
            self.flush(max(0.0, began + self._shutdown_timeout - monotonic()))
            self._drop_pending(CallLost("the process ended before a worker took the call"))

    def _outstanding(self, me: int) -> List[Task]:
        """What thread ``me`` has to wait for."""
        left_out = set(self._flushing) if me in self._flushing else ()
        served = [tasks for thread, tasks in list(self._serving.items()) if thread in left_out]
        not_waited_for = {id(task) for tasks in served for task in tasks}
        for task in [task for task in list(self._open.values()) if task.is_over()]:
            self._open.pop(id(task), None)  # a signal handler raised where this should have happened
        return [task for task in list(self._open.values()) if id(task) not in not_waited_for]

    def _drop_elsewhere(self, error: Exception) -> None:
        """End what still waits, out of reach of signals: between the queue and its end a task is nobody's."""
        if self._pending:
            handover = Handover(self.is_worker)
            handover.call(lambda: self._drop_pending(error), Deadline.after(FOR_EVER), lambda: None)

    def _drop_pending(self, error: Exception) -> None:
        while True:
            try:
                task = self._pending.popleft()
            except IndexError:
                return
            self.dropped.add()
            task.drop(error)
            self._open.pop(id(task), None)

    def _see_to_it(self) -> None:
        """Wake a worker for what waits, unless one is on its way that will find it."""
        # What waits was put there before this is asked, and a worker says that it heard before it looks.
        if self._called is None or not self._called.brings_one():
            self._wake_one()

    def _wake_one(self) -> None:
        """Wake a worker, or start one."""
        try:
            bell = self._idle.pop()
            bell.ring()
        except IndexError:
            self._start_one()
        except RuntimeError:  # it was rung already and is on its way
            return
        else:
            # Only now: a bell that a signal handler kept from ringing brings nobody.
            self._called = bell

    def _call_for_the_rest(self) -> None:
        """See to it that somebody comes for what a worker that takes one task leaves, and does the same."""
        if self._idle or len(self._crew) >= self._limit():
            self._see_to_it()
            return
        starting = sum(since is not None for since in list(self._crew.values()))
        for _ in range(min(2, len(self._pending) - 1 - starting)):  # a start is slow; this way they double
            self._see_to_it()

    def _start_one(self) -> None:
        if len(self._crew) >= self._limit() and not self._forget_lost():
            return
        mark = object()
        try:
            self._crew[mark] = monotonic()
            # Of two that find room for one in the same moment, the one in front starts.
            if self._is_surplus(mark):
                self._crew.pop(mark, None)
                return
            start_thread(self._work, (mark,))
        except (RuntimeError, MemoryError):
            self._crew.pop(mark, None)
            if not self._serving:
                self._work_here()
        except BaseException:  # a signal handler raised; a thread that started all the same signs on by itself
            self._crew.pop(mark, None)
            raise

    def _forget_lost(self) -> bool:
        """Whether there is room for a worker once those are struck out whose start was interrupted."""
        now = monotonic()
        for mark, since in list(self._crew.items()):
            if since is not None and now - since > START_SECONDS:
                self._crew.pop(mark, None)
        return len(self._crew) < self._limit()

    def _limit(self) -> int:
        """Return how many workers there may be now."""
        return self._max_workers + min(len(self._blocked), BLOCKED_LIMIT)

    def _is_surplus(self, mark: object) -> bool:
        """Return whether older workers suffice."""
        limit = self._limit()
        return len(self._crew) > limit and mark in list(self._crew)[limit:]

    def _work_here(self) -> None:
        """Run what waits in this thread: no other is to be had."""
        while True:
            try:
                task = self._pending.popleft()
            except IndexError:
                return
            self._open.pop(id(task), None)
            task.run(here=True)

    def _work(self, mark: object) -> None:
        """The life of a worker."""
        me = _thread.get_ident()
        self._serving[me] = ()
        self._crew[mark] = None
        try:
            name = ThreadName("{}-{}".format(self._name, next(self._numbers)))
            try:
                while not self._is_surplus(mark) and (self._serve_next() or self._wait()):
                    pass
            finally:
                name.forget()
        finally:
            self._serving.pop(me, None)
            self._crew.pop(mark, None)
            # Something may have come between the last look and the leaving.
            if self._pending and self.is_of_this_process():
                self._wake_one()

    def _serve_next(self) -> bool:
        """Whether something waited; if so it is done."""
        if not self.is_of_this_process():
            return False  # a callback forked and came back: what waits here is the parent's
        if len(self._pending) > 1:
            self._call_for_the_rest()  # first: whatever goes wrong there, the task still waits
        try:
            task = self._pending.popleft()
        except IndexError:
            return False
        self._serve(task)
        return True

    def _serve(self, task: Task) -> None:
        me = _thread.get_ident()
        outer = self._serving.get(me, ())
        self._serving[me] = (*outer, task)
        try:
            task.run()
        finally:
            self._serving[me] = outer
            self._open.pop(id(task), None)

    def _wait(self) -> bool:
        """Whether to go on: work came, or may have come."""
        if self._stopped or not self.is_of_this_process():
            return False
        # A new one each time: whoever rings late rings for nobody.
        bell = _Bell()
        self._idle.append(bell)
        nothing_to_do = not self._pending and not self._stopped
        if nothing_to_do and bell.wait(IDLE_SECONDS):
            return True
        try:
            self._idle.remove(bell)
        except ValueError:
            # Somebody took the bell to ring it.  One whom a signal handler interrupted never will.
            bell.wait(1.0)
            return True
        return bool(self._pending)
