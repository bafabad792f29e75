"""Waits for a raw lock that a signal handler can end.

Python runs signal handlers in the main thread, between two instructions.  A signal ends a wait inside ``acquire`` if
it arrives in that thread and during the wait.  One that arrives a moment earlier, or in another thread, has no effect
until the wait is over: on a busy machine a soft time limit was held back for the ten seconds of a call's time-out.
So the main thread waits in short steps.
"""

import _thread
import threading
from typing import Optional

from target_tools.clock import Deadline

#: Seconds that a signal handler may be delayed.
STEP = 0.05


def acquire(lock: _thread.LockType, deadline: Optional[Deadline] = None) -> bool:
    """Acquire ``lock`` before the deadline, or without one as soon as it is free; return whether that succeeded."""
    in_steps = threading.main_thread().ident == _thread.get_ident()
    while True:
        seconds = -1.0 if deadline is None else min(max(0.0, deadline.remaining()), _thread.TIMEOUT_MAX)
        last = not in_steps or 0 <= seconds <= STEP
        if lock.acquire(True, seconds if last else STEP):
            return True
        if last:
            return False
