"""Keeps one value per process, so that a forked child uses no lock and no socket of its parent.

Values are stored by process id. A child finds no value under its own id and creates one, whether or not fork hooks
ran; in a default uWSGI none run.
"""

import os
from typing import Callable, Dict, Generic, List, Optional, TypeVar

ValueT = TypeVar("ValueT")


def _ignore(_: object) -> None:
    pass


class PerProcess(Generic[ValueT]):
    """A value that each process creates on first use. Takes no lock.

    ``create`` gets the parent's value, or None. ``begin`` is called with the new value; it may be called more than
    once, because a signal handler can interrupt ``get``. ``abandon`` is called with each inherited value.
    """

    def __init__(
        self,
        create: Callable[[Optional[ValueT]], ValueT],
        begin: Callable[[ValueT], object] = _ignore,
        abandon: Callable[[ValueT], object] = _ignore,
    ) -> None:
        self._create = create
        self._begin = begin
        self._abandon = abandon
        self._by_pid: Dict[int, ValueT] = {}

    def get(self) -> ValueT:
        """Return the value of this process. Creates it if necessary."""
        pid = os.getpid()
        return self._by_pid.get(pid) or self._create_for(pid)

    def current(self) -> Optional[ValueT]:
        """Return the value of this process if it exists."""
        return self._by_pid.get(os.getpid())

    def pop(self) -> Optional[ValueT]:
        """Remove the value of this process and return it if it existed. The next ``get`` creates another."""
        return self._by_pid.pop(os.getpid(), None)

    def _create_for(self, pid: int) -> ValueT:
        inherited: List[ValueT] = [value for other, value in list(self._by_pid.items()) if other != pid]
        created = self._create(inherited[-1] if inherited else None)
        value = self._by_pid.setdefault(pid, created)
        self._begin(value)
        # Inherited values stay referenced, so that no finalizer of the parent's objects runs here.
        for each in inherited:
            self._abandon(each)
        return value
