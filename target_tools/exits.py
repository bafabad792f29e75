"""The end of this process, and the workers that it waits for."""

import atexit
import time
import weakref
from typing import Dict, Protocol

from target_tools.clock import Deadline, monotonic

#: Seconds that an exit gives idle workers to leave.
LEAVING_SECONDS = 0.5


class Crew(Protocol):
    """What an exit asks of workers."""

    def is_of_this_process(self) -> bool:
        """Whether these are not a parent's."""
        ...

    def finish(self, began: float) -> None:
        """Flush at an exit that began at that moment, and end what no worker has begun by then."""
        ...

    def let_go(self) -> None:
        """Wake every idle worker to tell it that it may leave."""
        ...

    def threads(self) -> int:
        """How many workers there are."""
        ...

    def running(self) -> int:
        """How many tasks they are busy with."""
        ...


class _Exit:
    """The end of this process: everybody's workers, and whether it has begun."""

    def __init__(self) -> None:
        self.begun = False
        self._in_use: Dict[int, weakref.ref[Crew]] = {}
        # What is registered first comes last at the exit.  ``weakref`` registers with its first finalizer;
        # those that stop workers and hang up are to come after us.
        weakref.finalize(self, int)
        atexit.register(self._wait)

    def watch(self, workers: Crew) -> None:
        """Wait for ``workers``, if they are still there then."""
        self._in_use[id(workers)] = weakref.ref(workers)

    def forget(self, workers: Crew) -> None:
        """Do not wait for ``workers``."""
        self._in_use.pop(id(workers), None)

    def _wait(self) -> None:
        """Wait for what is under way: all clients together as long as the most patient of them wants."""
        self.begun = True
        began = monotonic()
        for reference in list(self._in_use.values()):
            workers = reference()
            if workers is not None:
                workers.finish(began)
        self._see_them_leave()

    def _see_them_leave(self) -> None:
        """Give idle workers a moment to end: a sub-interpreter that ends with a thread in it ends the process."""
        known = [reference() for reference in list(self._in_use.values())]
        left = [workers for workers in known if workers is not None and workers.is_of_this_process()]
        for workers in left:
            workers.let_go()
        until = Deadline.after(LEAVING_SECONDS)
        while any(workers.threads() > workers.running() for workers in left) and until.remaining() > 0:
            time.sleep(0.001)


EXIT = _Exit()
