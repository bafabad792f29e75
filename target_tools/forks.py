"""What a fork had better not come in the middle of.

OpenSSL has locks for the whole process.  Each is taken for a moment where a context is made, hands are shaken
or a thread sends for the first time, and where a thread that did so comes to its end.  A child that another
thread forks in such a moment is born with the lock taken: whatever it wants of OpenSSL from then on hangs.

So nobody who waited for a handshake comes back before the thread that did it is gone.  For the threads that
work in the background there is a hook: a fork waits until none of them is there, and they wait until it is
over.  Either wait is short and bounded.  uWSGI runs no hooks, unless told to; there no thread of ours is in its
way: see :mod:`target_tools.threads`.

Reading is left out, as it takes as long as the server likes: whoever reads has sent, and found its locks then.
What a signal handler raises while a fork waits is printed by Python and lost, as in any hook of a fork.
"""

import _thread
import os
import weakref
from collections import deque
from typing import Callable, Deque, Dict, List, Tuple

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
        FORKS.under_way[id(self)] = weakref.ref(self)
        if FORKS.forking:
            FORKS.under_way.pop(id(self), None)
            FORKS.let_pass()
            FORKS.under_way[id(self)] = weakref.ref(self)

    def __exit__(self, *_: object) -> None:
        FORKS.under_way.pop(id(self), None)

    def is_elsewhere(self) -> bool:
        """Whether another thread does it, of this process: one of a parent's is not here."""
        return self._process == os.getpid() and self._thread != kernel_id()


class _Forks:
    """What the forks of this process wait for, and what waits for them."""

    def __init__(self) -> None:
        #: Weakly: a signal handler that raises may keep one from being taken out.
        self.under_way: Dict[int, weakref.ref[Crossing]] = {}
        #: The threads that have nothing left to do but to end, and when they said so.
        self.ending: Deque[Tuple[int, float]] = deque(maxlen=ENDING_LIMIT)
        #: The threads that fork.
        self.forking: List[int] = []
        # Never given back: whoever wants it waits for as long as a pause is.  ``time.sleep`` may be gevent's.
        self._pause = _thread.allocate_lock()
        self._pause.acquire()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._before, after_in_parent=self._in_parent, after_in_child=self._in_child)

    def end(self) -> None:
        """Say that this thread has nothing left to do but to end."""
        self.ending.append((kernel_id(), monotonic()))
        if self.forking:
            self.let_pass()

    def let_pass(self) -> None:
        """Wait while another thread forks."""
        me = kernel_id()
        self._wait_while(lambda: any(thread != me for thread in list(self.forking)))

    def see_off(self, thread: int) -> None:
        """Wait until ``thread`` is gone."""
        if thread != kernel_id():
            self._wait_while(lambda: is_there(thread))

    def _before(self) -> None:
        self.forking.append(kernel_id())
        # Who crosses is asked last: that lets no other thread run, and nobody begins to any more.
        self._wait_while(lambda: self._somebody_ends() or self._somebody_crosses())

    def _in_parent(self) -> None:
        me = kernel_id()
        if me in self.forking:
            self.forking.remove(me)

    def _in_child(self) -> None:
        # Other threads are not here.
        self.forking.clear()
        self.under_way.clear()
        self.ending.clear()

    def _wait_while(self, condition: Callable[[], bool]) -> None:
        until = Deadline.after(PATIENCE)
        while condition() and until.remaining() > 0:
            self._pause.acquire(True, PAUSE)

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


def is_there(thread: int) -> bool:
    """Whether the kernel still knows that thread; only Linux tells."""
    return os.path.exists("/proc/self/task/{}".format(thread))


FORKS = _Forks()
