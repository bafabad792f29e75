"""The end of this process, the workers that it waits for, and the exchanges that it does not."""

import atexit
import contextlib
import os
import socket
import sys
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
        self._hears_of_apache = False
        self._in_use: Dict[int, weakref.ref[Crew]] = {}
        # What is registered first comes last at the exit.  ``weakref`` registers with its first finalizer;
        # those that stop workers and hang up are to come after us.
        weakref.finalize(self, int)
        atexit.register(self._wait)

    def watch(self, workers: Crew) -> None:
        """Wait for ``workers``, if they are still there then."""
        self._in_use[id(workers)] = weakref.ref(workers)
        self._hear_of_apache()

    def forget(self, workers: Crew) -> None:
        """Do not wait for ``workers``."""
        self._in_use.pop(id(workers), None)

    def _hear_of_apache(self) -> None:
        """In a sub-interpreter of mod_wsgi's, hear of the end from it.

        It takes the states of all threads away before exit handlers run there; whoever wakes or waits for a
        thread then ends in a segmentation fault.
        """
        apache = sys.modules.get("mod_wsgi")
        if self._hears_of_apache or not getattr(apache, "application_group", ""):
            return
        self._hears_of_apache = True
        subscribe = getattr(apache, "subscribe_shutdown", None)
        if subscribe is not None:
            atexit.unregister(self._wait)
            subscribe(lambda *_, **__: self._wait())

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
        waited = False
        while any(workers.threads() > workers.running() for workers in left) and until.remaining() > 0:
            time.sleep(0.001)
            waited = True
        if waited:
            time.sleep(0.005)  # whoever says that it is gone has yet to leave the interpreter


EXIT = _Exit()


class Line:
    """The exchanges with servers of a thread that nobody waits for: whoever wants it to end ends them.

    It holds a second descriptor of each socket: shut down, it wakes whoever waits for the first.  Whoever takes one
    out closes it, and nobody else: the number of one that was closed may be somebody else's file.  A name look-up
    cannot be ended, nor what somebody's pool manager does; they take until their deadline.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._handles: Dict[int, socket.socket] = {}
        #: Whether there will be no further exchange.
        self.ended = False

    def deadline(self, seconds: float) -> "LineDeadline":
        """A deadline that many seconds from now, or as soon as the line is ended."""
        return LineDeadline.on(self, seconds)

    def hold(self, key: int, sock: socket.socket) -> None:
        """An exchange over ``sock`` begins; ``key`` has one at a time."""
        self.release(key)
        try:
            self._handles[key] = socket.fromfd(sock.fileno(), sock.family, sock.type)
        except OSError:  # no descriptor to be had: it will take its time
            return
        if self.ended:
            self.end()

    def release(self, key: int) -> None:
        """It is over."""
        handle = self._handles.pop(key, None)
        if handle is not None:
            handle.close()

    def end(self) -> None:
        """End what is under way, and let nothing begin.  Takes no lock: a collector may call it."""
        if self._pid != os.getpid():
            return  # the sockets are a parent's, who goes on
        self.ended = True
        while self._handles:
            with contextlib.suppress(KeyError, OSError):
                _, handle = self._handles.popitem()
                with contextlib.closing(handle):
                    handle.shutdown(socket.SHUT_RDWR)


class LineDeadline(Deadline):
    """A deadline that comes early where its line is ended."""

    line: Line

    @classmethod
    def on(cls, line: Line, seconds: float) -> "LineDeadline":
        """The deadline of an exchange on ``line``."""
        made = cls(monotonic() + seconds, seconds)
        made.line = line
        return made

    def remaining(self) -> float:
        """Seconds left; less than zero when the line was ended."""
        return -1.0 if self.line.ended else super().remaining()

    def at_most(self, seconds: float) -> Deadline:
        """Return this deadline, or the one in ``seconds`` if that is earlier; the line can end both."""
        return self if self.remaining() <= seconds else self.line.deadline(seconds)
