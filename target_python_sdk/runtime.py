"""What a client has that can change: connections, workers, the retry budget, the last hint, counters.

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
from target_tools.breaker import Breaking
from target_tools.counters import Counter
from target_tools.flow import Send
from target_tools.logger import Log
from target_tools.retries import Retrying
from target_tools.transport import Transport
from target_tools.workers import Workers


class Counters:
    """What happened so far in this process."""

    def __init__(self) -> None:
        self.calls = Counter()
        self.failures = Counter()
        self.retries = Counter()
        self.invalid_hints = Counter()


class Runtime:
    """The mutable part of one client in one process."""

    def __init__(self, settings: ClientSettings, log: Log, location_hint: Optional[str]) -> None:
        self.workers = Workers(
            settings.max_workers, settings.max_pending, settings.shutdown_timeout, "target-{}".format(settings.client)
        )
        self.transport = Transport(settings.transport(), self.workers.is_worker)
        retrying = Retrying(self.transport.send, settings.retries)
        self.send: Send = Logged(retrying, log, settings.log_payloads)
        if settings.circuit_breaker is not None:
            self.send = Breaking(self.send, settings.circuit_breaker, settings.timeout)
        #: The cluster the edge answered from last.
        self.location_hint = location_hint
        self.counters = Counters()
        # A client that nobody closed lets its threads go and hangs up when it is collected, or at exit.
        weakref.finalize(self, self.workers.stop)
        weakref.finalize(self, self.transport.close)

    def stats(self) -> Dict[str, int]:
        """The counts by name."""
        workers = self.workers
        return {
            **{name: int(counter) for name, counter in vars(self.counters).items()},
            "pending": workers.pending(),
            "running": workers.running(),
            "threads": workers.threads(),
            "refused": int(workers.refused),
            "dropped": int(workers.dropped),
        }


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
        inherited = [runtime for other, runtime in list(self._by_pid.items()) if other != pid]
        hint = inherited[-1].location_hint if inherited else self._settings.target_location_hint
        mine = self._by_pid.setdefault(pid, Runtime(self._settings, self._log, hint))
        # The parent's stay referenced, so that nothing of theirs is finalized here.
        for runtime in inherited:
            runtime.transport.abandon()
        return mine

    def current(self) -> Optional[Runtime]:
        """This process's runtime, if a call has needed one."""
        return self._by_pid.get(os.getpid())
