"""Distinguishes errors of the application from those of the libraries that the SDK calls."""

import signal
import traceback
import types
from functools import partial
from typing import Any, List, Set

from target_tools.concurrency.threads import in_main_thread

#: The top-level modules whose code runs during a request.
_LIBRARIES = frozenset(
    (
        *("builtins", "contextvars", "encodings", "http", "io", "logging", "queue", "selectors", "socket", "ssl"),
        *("threading", "gevent", "eventlet", "socks", "urllib3", "target_tools"),
    )
)


def is_foreign(error: Exception) -> bool:
    """Return whether ``error`` belongs to the application and must be raised unchanged.

    A signal handler raises such an error, or another thread raises it in this one, as job queues do to end a job in
    time. Errors of replaced functions and of pool managers do not count.
    """
    if isinstance(error, (MemoryError, RecursionError)):
        return True
    if is_from_signal_handler(error):
        return True
    frames = _frames_of(error)
    kind = type(error).__module__.partition(".")[0]
    raised_in = frames[-1].f_globals.get("__name__", "").partition(".")[0] if frames else ""
    return raised_in in _LIBRARIES and kind not in _LIBRARIES


def is_from_signal_handler(error: Exception) -> bool:
    """Return whether a signal handler raised ``error``."""
    if not in_main_thread():
        return False
    handlers = _signal_handlers()
    return any(frame.f_code in handlers for frame in _frames_of(error))


def _frames_of(error: Exception) -> List[types.FrameType]:
    return [frame for frame, _ in traceback.walk_tb(error.__traceback__)]


def _signal_handlers() -> Set[types.CodeType]:
    """Return the code objects of all installed signal handlers."""
    codes: Set[types.CodeType] = set()
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        while isinstance(handler, partial):
            handler = handler.func
        # The code of a function or a method, or that of the method ``__call__`` of another object.
        for function in (handler, getattr(type(handler), "__call__", None)):  # noqa: B004 - its code object is read
            code = getattr(function, "__code__", None)
            if isinstance(code, types.CodeType):
                codes.add(code)
    return codes
