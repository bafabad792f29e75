"""The ``adobe.target`` logger, and the face that each client shows to whatever logger it was given.

Nothing here sets a level or adds a handler: what is shown, and where, is the
application's business.  Texts are built only when the line is really logged.
"""

import logging
from typing import Any, Callable, Set

LOGGER_NAME = "adobe.target"
#: How many things a client says once; a program that makes up names is not answered for ever.
MAX_ONCE_KEYS = 100


def default_logger() -> logging.Logger:
    """The logger of a client that was given none."""
    return logging.getLogger(LOGGER_NAME)


class Log:
    """A user's logger, asked only for what it can do.

    The siblings of this SDK take any object with ``debug`` and ``error``; the
    methods it lacks fall back to those.
    """

    def __init__(self, logger: Any = None) -> None:
        self.logger = default_logger() if logger is None else logger
        self._said: Set[object] = set()

    def first_time(self, key: object) -> bool:
        """Whether ``key`` is asked about for the first time: for what should be said once, not with each call."""
        if key in self._said or len(self._said) >= MAX_ONCE_KEYS:
            return False
        self._said.add(key)
        return True

    def is_debug_enabled(self) -> bool:
        """Whether a DEBUG line would be shown; an object that cannot tell is asked to show it."""
        ask = getattr(self.logger, "isEnabledFor", None)
        return True if ask is None else bool(ask(logging.DEBUG))

    def debug(self, message: str, *arguments: object) -> None:
        """A line for somebody who watches every call."""
        self._write(("debug",), message, arguments)

    def info(self, message: str, *arguments: object) -> None:
        """A line for somebody who wonders later."""
        self._write(("info", "debug"), message, arguments)

    def warning(self, message: str, *arguments: object) -> None:
        """A line about something that works otherwise than was meant."""
        self._write(("warning", "error"), message, arguments)

    def error(self, message: str, *arguments: object) -> None:
        """A line about something that was lost."""
        self._write(("error",), message, arguments)

    def exception(self, message: str, *arguments: object) -> None:
        """An error line with the traceback of the exception being handled, where the logger can show one."""
        self._write(("exception", "error"), message, arguments)

    def _write(self, names: "tuple[str, ...]", message: str, arguments: "tuple[object, ...]") -> None:
        for name in names:
            method: Callable[..., object] = getattr(self.logger, name, None)  # type: ignore[assignment]
            if method is not None:
                method(message, *arguments)
                return


class LazyText:
    """An argument of a log line whose text is made when, and if, the line is."""

    def __init__(self, render: Callable[[], str]) -> None:
        self._render = render

    def __str__(self) -> str:
        return self._render()


# 1.1.0's names

LOG = default_logger()


def get_logger(logger: Any = None) -> Any:
    """``logger``, or the default one where there is none."""
    return default_logger() if logger is None else logger
