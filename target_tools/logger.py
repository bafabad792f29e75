"""The ``adobe.target`` logger, and an adapter for the logger that a client was given.

This module sets no level and adds no handler; both are up to the application. Messages are formatted only if
they are logged.
"""

from __future__ import annotations

import logging
from typing import Any, Callable, Hashable, Set, Tuple, Union

from target_tools.typing_compat import Json

LOGGER_NAME = "adobe.target"
#: Maximum number of keys of ``Log.first_time``. Without it, invented names could fill the log or the memory.
MAX_ONCE_KEYS = 100


def default_logger() -> logging.Logger:
    """Return the logger of clients without the ``logger`` option."""
    return logging.getLogger(LOGGER_NAME)


class Log:
    """An adapter for the logger of a client.

    Target's SDKs for other languages accept any object with the methods ``debug`` and ``error``. If the logger lacks
    another method, one of these two is called instead.
    """

    def __init__(self, logger: Any = None) -> None:
        self.logger = default_logger() if logger is None else logger
        self._once_keys: Set[Hashable] = set()

    def first_time(self, key: Hashable) -> bool:
        """Return whether this is the first call with ``key``, for messages that should be logged only once."""
        if key in self._once_keys or len(self._once_keys) >= MAX_ONCE_KEYS:
            return False
        self._once_keys.add(key)
        return True

    def is_debug_enabled(self) -> bool:
        """Return whether debug messages are logged. True if the logger has no ``isEnabledFor``."""
        is_enabled_for = getattr(self.logger, "isEnabledFor", None)
        return True if is_enabled_for is None else bool(is_enabled_for(logging.DEBUG))

    def debug(self, message: str, *arguments: LogArgument) -> None:
        """Log a detail of a call."""
        self._write(("debug",), message, arguments)

    def info(self, message: str, *arguments: LogArgument) -> None:
        """Log a rare event that explains later behavior."""
        self._write(("info", "debug"), message, arguments)

    def warning(self, message: str, *arguments: LogArgument) -> None:
        """Log that something does not work as intended."""
        self._write(("warning", "error"), message, arguments)

    def error(self, message: str, *arguments: LogArgument) -> None:
        """Log that something was lost."""
        self._write(("error",), message, arguments)

    def exception(self, message: str, *arguments: LogArgument) -> None:
        """Log an error with the current exception's traceback, if the logger supports that."""
        self._write(("exception", "error"), message, arguments)

    def exception_safely(self, message: str) -> None:
        """Log as ``exception`` does, but ignore exceptions of the logger: for threads that must continue."""
        try:
            self.exception(message)
        except Exception:  # noqa: BLE001 - a failing logger cannot be reported anywhere
            return

    def _write(self, names: Tuple[str, ...], message: str, arguments: Tuple[LogArgument, ...]) -> None:
        for name in names:
            method: Callable[..., object] = getattr(self.logger, name, None)  # type: ignore[assignment]
            if method is not None:
                if isinstance(self.logger, (logging.Logger, logging.LoggerAdapter)):
                    method(message, *arguments)
                else:
                    self._write_text(method, message % arguments if arguments else message)
                return

    @staticmethod
    def _write_text(method: Callable[..., object], text: str) -> None:
        """Pass rendered text to a logger of another kind. A call must not fail because its logger raises."""
        try:
            method(text)
        except Exception as error:
            from target_tools.foreign_errors import is_foreign  # noqa: PLC0415 - only a failing logger needs it

            if is_foreign(error):
                raise


class LazyText:
    """An argument of a log call that is rendered only if the message is logged."""

    def __init__(self, render: Callable[[], str]) -> None:
        self._render = render

    def __str__(self) -> str:
        return self._render()


#: A value in a message.
LogArgument = Union[Json, bytes, LazyText, BaseException]


# Names of 1.1.0

LOG = default_logger()


def get_logger(logger: Any = None) -> Any:
    """Return ``logger``, or the default logger if it is None."""
    return default_logger() if logger is None else logger
