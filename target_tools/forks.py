"""What a fork had better not come in the middle of.

OpenSSL takes locks of its own where a context is made, where hands are shaken, and where a thread that
it has served ends.  A child that is forked by another thread in such a moment is born with the lock
taken: whatever it wants of OpenSSL from then on hangs.  So does an import that was under way.  No
thread of ours shakes hands for a call that somebody waits for; those that work in the background do,
and they come to an end.

Such moments are short, and a fork waits for them, as far as it runs Python's hooks.  uWSGI does not,
unless told to; there no thread of ours is in its way: see :mod:`target_tools.threads`.
"""

import _thread
import os
import time
import types
import weakref
from collections import deque
from typing import Deque, Dict

from target_tools.clock import Deadline

#: The longest that a fork waits, in seconds: a server that answers no handshake is not to hold it up.
PATIENCE = 0.05
#: How often it looks, in seconds.
PAUSE = 0.0002
#: How many threads are remembered that came to their end.
ENDED_LIMIT = 64


def threads_are_greenlets() -> bool:
    """Whether gevent or eventlet has replaced threads; then none is inside OpenSSL while another one runs."""
    return not isinstance(_thread.start_new_thread, types.BuiltinFunctionType)


class Crossing:
    """What a fork waits for, with the ``with`` block as its bounds."""

    def __init__(self) -> None:
        self._thread = _thread.get_ident()

    def __enter__(self) -> None:
        FORKS.under_way[id(self)] = weakref.ref(self)

    def __exit__(self, *_: object) -> None:
        FORKS.under_way.pop(id(self), None)

    def is_elsewhere(self) -> bool:
        """Whether it is not the thread that asks."""
        return self._thread != _thread.get_ident()


class _Forks:
    """What the forks of this process wait for.  Takes no lock."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        #: Weakly: a signal handler that raises may keep one from being taken out.
        self.under_way: Dict[int, weakref.ref[Crossing]] = {}
        #: The kernel's ids of threads that have nothing left to do but to end.
        self.ended: Deque[int] = deque(maxlen=ENDED_LIMIT)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self.wait)

    def wait(self) -> None:
        """Let those moments pass."""
        if self._pid != os.getpid():  # threads of a parent's, which are not here
            self._pid = os.getpid()
            self.under_way.clear()
            self.ended.clear()
        if threads_are_greenlets():
            return
        until = Deadline.after(PATIENCE)
        while (self._somebody_crosses() or self._somebody_ends()) and until.remaining() > 0:
            time.sleep(PAUSE)

    def end(self) -> None:
        """Say that this thread has nothing left to do but to end."""
        if not threads_are_greenlets() and hasattr(_thread, "get_native_id"):
            self.ended.append(_thread.get_native_id())

    def _somebody_crosses(self) -> bool:
        for key, reference in list(self.under_way.items()):
            crossing = reference()
            if crossing is None:
                self.under_way.pop(key, None)
            elif crossing.is_elsewhere():
                return True
        return False

    def _somebody_ends(self) -> bool:
        """Whether one of the threads is there yet; only Linux shows it."""
        while self.ended:
            if os.path.exists("/proc/self/task/{}".format(self.ended[0])):
                return True
            self.ended.popleft()
        return False


FORKS = _Forks()
