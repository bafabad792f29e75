"""What belongs to one process: a forked child makes its own, and touches no lock and no socket of its parent's.

A child finds its own process id missing, so it does not matter whether fork hooks ran.
Under a default uWSGI none do.
"""

import os
from typing import Callable, Dict, Generic, List, Optional, TypeVar

ThingT = TypeVar("ThingT")


def _nothing(_: object) -> None:
    """What is to be done where nothing is."""


class PerProcess(Generic[ThingT]):
    """The thing of the process that asks, made on first use.  Takes no lock.

    ``make`` is given the parent's, or None; ``begin`` follows it, and may be called again, as
    whoever made a thing may have been interrupted; ``abandon`` gives up what was inherited.
    """

    def __init__(
        self,
        make: Callable[[Optional[ThingT]], ThingT],
        begin: Callable[[ThingT], object] = _nothing,
        abandon: Callable[[ThingT], object] = _nothing,
    ) -> None:
        self._make = make
        self._begin = begin
        self._abandon = abandon
        self._by_pid: Dict[int, ThingT] = {}

    def get(self) -> ThingT:
        """This process's."""
        pid = os.getpid()
        return self._by_pid.get(pid) or self._create(pid)

    def current(self) -> Optional[ThingT]:
        """This process's, if it was needed."""
        return self._by_pid.get(os.getpid())

    def pop(self) -> Optional[ThingT]:
        """This process's, if it was needed; whoever asks next gets another."""
        return self._by_pid.pop(os.getpid(), None)

    def _create(self, pid: int) -> ThingT:
        inherited: List[ThingT] = [thing for other, thing in list(self._by_pid.items()) if other != pid]
        made = self._make(inherited[-1] if inherited else None)
        mine = self._by_pid.setdefault(pid, made)
        self._begin(mine)
        # The parent's stay referenced, so that nothing of theirs is finalized here.
        for thing in inherited:
            self._abandon(thing)
        return mine
