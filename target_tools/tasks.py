"""Units of work for the worker threads."""

import contextvars
from typing import Any, Callable, Optional

from target_tools.async_result import AsyncResult
from target_tools.errors import OpenApiException, TargetError
from target_tools.logger import Log

Callback = Optional[Callable[[Any], object]]


class Task:
    """One piece of work.

    Exactly one of ``run`` and ``drop`` is called, once; neither raises, and ``result`` is ready after it.
    """

    def __init__(self) -> None:
        self.result: AsyncResult[Any] = AsyncResult()

    def run(self, here: bool = False) -> None:
        """Do the work; ``here`` says that no worker was available and this is the application's thread."""
        raise NotImplementedError

    def drop(self, error: Exception) -> None:
        """End it with ``error`` instead of doing it."""
        raise NotImplementedError

    def wait(self, seconds: float) -> bool:
        """Whether the work is over, within that time."""
        self.result.wait(seconds)
        return self.result.ready()

    def is_over(self) -> bool:
        """Whether the work is over."""
        return self.result.ready()


class ContextTask(Task):
    """A task that runs, or ends, in a copy of the context in which it was made."""

    def __init__(self) -> None:
        super().__init__()
        self._context = contextvars.copy_context()

    def run(self, here: bool = False) -> None:
        self._context.run(self._run, here)

    def drop(self, error: Exception) -> None:
        self._context.run(self._drop, error)

    def _run(self, here: bool) -> None:
        """Do the work, as ``run``."""
        raise NotImplementedError

    def _drop(self, error: Exception) -> None:
        """End it, as ``drop``."""
        raise NotImplementedError


class CallbackTask(ContextTask):
    """Calls ``act`` and then one of two callbacks."""

    def __init__(self, act: Callable[[], Any], callback: Callback, err_callback: Callback, log: Log) -> None:
        super().__init__()
        self._act, self._callback, self._err_callback, self._log = act, callback, err_callback, log

    def _drop(self, error: Exception) -> None:
        self._tell(None, error)

    def _run(self, here: bool) -> None:
        try:
            value = self._act()
        except Exception as error:
            self._tell(None, error)
            if here and not isinstance(error, (TargetError, OpenApiException)):
                raise  # a signal handler may have raised it, and then it belongs to the application
        except BaseException as error:
            self._tell(None, error)
            raise  # this ends the thread
        else:
            self._tell(value, None)

    def _tell(self, value: Any, error: Optional[BaseException]) -> None:
        callback = self._callback if error is None else self._err_callback
        log = self._log
        try:
            if callback is not None:
                told: Any = value if error is None else error
                self.result.tell(lambda: callback(told))
        except Exception:
            log.exception("A callback raised")
        finally:
            self.result.complete(value, error)
            # The error's traceback holds this frame: drop what is no longer needed.
            del self._act, self._callback, self._err_callback, self._context
