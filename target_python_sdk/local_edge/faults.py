"""Simulated delays and failures of the local edge, to test how an application handles them."""

import contextlib
import threading
from typing import ContextManager, Optional

from target_python_sdk.local_edge.http_messages import Reply, error_reply
from target_python_sdk.local_edge.validation import check_number, error_at

#: The maximum delay, in milliseconds.
MAX_DELAY = 600_000.0


class SimulatedFaults:
    """The delay of each reply, and the status of all replies if the edge is set to fail."""

    def __init__(self) -> None:
        self._delay = 0.0
        self._status: Optional[int] = None
        #: Set when the edge stops, to end the delays.
        self.stopped = threading.Event()

    def slow(self, milliseconds: float) -> ContextManager[object]:
        """Delay replies from now on. The end of a ``with`` block restores the earlier delay."""
        earlier, self._delay = self._delay, check_number(milliseconds, "delay", 0, MAX_DELAY)
        return self._restoring("_delay", earlier)

    def fail(self, status: Optional[int]) -> ContextManager[object]:
        """Reply with ``status`` from now on. The end of a ``with`` block restores the earlier status."""
        is_status = isinstance(status, int) and not isinstance(status, bool) and 400 <= status <= 599
        if not is_status and status is not None:
            raise error_at("fail", "a status from 400 to 599, or None", status)
        earlier, self._status = self._status, status
        return self._restoring("_status", earlier)

    def apply(self) -> Optional[Reply]:
        """Wait for the delay. Return the reply if the edge is set to fail, else None."""
        if self._delay:
            self.stopped.wait(self._delay / 1000)
        status = self._status
        return None if status is None else error_reply(status, "this edge is set to fail")

    def _restoring(self, name: str, earlier: Optional[float]) -> ContextManager[object]:
        stack = contextlib.ExitStack()
        stack.callback(setattr, self, name, earlier)
        return stack
