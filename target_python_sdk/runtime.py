"""What a client has that can change: connections, the retry budget, the last hint, counters.

It hangs on one object per process id, made when a call first needs it.  A forked child
finds its own process id missing, makes its own object, and touches no lock and no
socket of its parent's; whether fork hooks ran (under a default uWSGI none do) does not
matter.
"""

import os
import weakref
from typing import Dict, Optional

from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.delivery.wire_log import Logged
from target_tools.flow import Send
from target_tools.logger import Log
from target_tools.retries import RetryBudget, Retrying
from target_tools.transport import Transport


class Counters:
    """What happened so far in this process.  ``+=`` on one may lose a count between threads."""

    def __init__(self) -> None:
        self.calls = 0
        self.failures = 0
        self.retries = 0
        self.invalid_hints = 0

    def as_dict(self) -> Dict[str, int]:
        """The counts by name."""
        return dict(vars(self))


class Runtime:
    """The mutable part of one client in one process."""

    def __init__(self, settings: ClientSettings, log: Log, location_hint: Optional[str]) -> None:
        self.transport = Transport(settings.transport())
        retrying = Retrying(self.transport.send, settings.retries, RetryBudget())
        self.send: Send = Logged(retrying, log, settings.log_payloads)
        #: The cluster the edge answered from last.
        self.location_hint = location_hint
        self.counters = Counters()


class PerProcess:
    """The runtime of the process that asks."""

    def __init__(self, settings: ClientSettings, log: Log) -> None:
        self._settings = settings
        self._log = log
        self._by_pid: Dict[int, Runtime] = {}

    def get(self) -> Runtime:
        """This process's runtime, made on first use."""
        pid = os.getpid()
        return self._by_pid.get(pid) or self._begin(pid)

    def _begin(self, pid: int) -> Runtime:
        inherited = list(self._by_pid.values())
        hint = inherited[-1].location_hint if inherited else self._settings.target_location_hint
        mine = self._by_pid.setdefault(pid, Runtime(self._settings, self._log, hint))
        # A client that nobody closed hangs up when it is collected, or at the latest at exit.
        weakref.finalize(mine, mine.transport.close)
        # The parent's stay referenced, so that nothing of theirs is finalized here.
        for runtime in inherited:
            runtime.transport.abandon()
        return mine

    def close(self) -> None:
        """Close what this process opened."""
        runtime = self._by_pid.get(os.getpid())
        if runtime is not None:
            runtime.transport.close()
