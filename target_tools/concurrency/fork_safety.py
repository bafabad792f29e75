"""What a fork had better not come in the middle of.

OpenSSL has locks for the whole process.  Each is taken for a moment where a context is made, hands are shaken
or a thread sends for the first time, and where a thread that did so comes to its end.  A child that another
thread forks in such a moment is born with the lock taken: whatever it wants of OpenSSL from then on hangs.

So nobody who waited for a handshake comes back before the thread that did it is gone.  For the threads that
work in the background there is a hook: a fork waits until none of them is there, and they wait until it is
over.  Either wait is short and bounded.  uWSGI runs no hooks, unless told to; there no thread of ours is in its
way: see :mod:`target_tools.concurrency.threads`.

Reading is left out, as it takes as long as the server likes: whoever reads has sent, and found its locks then.
So is what somebody's pool manager does.  What a signal handler raises in the hook, Python prints and loses, as in
any hook of a fork.
"""

import _thread
import contextlib
import os
import weakref
from collections import deque
from typing import Callable, Deque, Dict, Tuple

from target_tools.clock import Deadline, monotonic

#: The longest that anybody waits, in seconds: a server that answers no handshake is not to hold up a fork.
PATIENCE = 0.05
#: How often is looked, in seconds.
PAUSE = 0.0001
#: Seconds after which a thread that comes to its end is surely gone; the kernel may give its id to another one.
ENDING_SECONDS = 1.0
#: How many such threads are remembered.
ENDING_LIMIT = 64


def kernel_id() -> int:
    """The number of this thread, greenlets of one thread having the same; 0 where there is none."""
    return _thread.get_native_id() if hasattr(_thread, "get_native_id") else 0


class Crossing:
    """What does not happen during a fork: the ``with`` block."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._thread = kernel_id()

    def __enter__(self) -> None:
        FORKS.come(self._sign_in, self._sign_out)

    def __exit__(self, *_: object) -> None:
        self._sign_out()

    def is_elsewhere(self) -> bool:
        """Whether another thread does it, of this process: one of a parent's is not here."""
        return self._process == os.getpid() and self._thread != kernel_id()

    def _sign_in(self) -> None:
        FORKS.under_way[id(self)] = weakref.ref(self)

    def _sign_out(self) -> None:
        FORKS.under_way.pop(id(self), None)


class _Forks:
    """What the forks of this process wait for, and what waits for them."""

    def __init__(self) -> None:
        #: Weakly: a signal handler that raises may keep one from being taken out.
        self.under_way: Dict[int, weakref.ref[Crossing]] = {}
        #: The threads that have nothing left to do but to end, and when they said so.
        self.ending: Deque[Tuple[int, float]] = deque(maxlen=ENDING_LIMIT)
        #: The threads that fork, and when they are done with waiting at the latest.
        self.forking: Dict[int, float] = {}
        if hasattr(os, "register_at_fork"):
            # Nothing that Python would run signal handlers in: what they raise in a hook is lost, and the rest of it.
            os.register_at_fork(before=self.before, after_in_parent=self.forking.clear)
            for kept in (self.forking, self.under_way, self.ending):
                os.register_at_fork(after_in_child=kept.clear)  # other threads are not here

    def come(self, sign_in: Callable[[], object], sign_out: Callable[[], object]) -> None:
        """Sign in when no other thread forks."""
        # In this order: of two that come in the same moment, the fork sees who signs in or is seen.
        sign_in()
        if not self.forking:
            return
        until = Deadline.after(PATIENCE)
        while self._another_forks() and until.remaining() > 0:
            sign_out()
            _wait_while(self._another_forks, until)
            sign_in()

    def end(self) -> None:
        """Say that this thread has nothing left to do but to end; comes back when it may."""
        me = (kernel_id(), monotonic())

        def sign_out() -> None:
            with contextlib.suppress(ValueError):  # many others have come since
                self.ending.remove(me)

        self.come(lambda: self.ending.append(me), sign_out)

    def see_off(self, thread: int) -> None:
        """Wait until ``thread`` is gone."""
        if thread != kernel_id():
            _wait_while(lambda: is_there(thread), Deadline.after(PATIENCE))

    def before(self) -> None:
        """Wait until nobody is there whom a fork would spoil."""
        until = Deadline.after(PATIENCE)
        self.forking[kernel_id()] = until.at
        _wait_while(lambda: self._somebody_ends() or self._somebody_crosses(), until)

    def _another_forks(self) -> bool:
        me, now = kernel_id(), monotonic()
        return any(thread != me and now < latest for thread, latest in list(self.forking.items()))

    def _somebody_ends(self) -> bool:
        recently = monotonic() - ENDING_SECONDS
        return any(said > recently and is_there(thread) for thread, said in list(self.ending))

    def _somebody_crosses(self) -> bool:
        for key, reference in list(self.under_way.items()):
            crossing = reference()
            if crossing is None:
                self.under_way.pop(key, None)
            elif crossing.is_elsewhere():
                return True
        return False


def _wait_while(condition: Callable[[], bool], until: Deadline) -> None:
    lock = _thread.allocate_lock()  # that nobody gives back: ``time.sleep`` may be gevent's where threads are not
    lock.acquire()
    while condition() and until.remaining() > 0:
        lock.acquire(True, PAUSE)


def is_there(thread: int) -> bool:
    """Whether the kernel still knows that thread; only Linux tells."""
    return os.path.exists("/proc/self/task/{}".format(thread))


FORKS = _Forks()
