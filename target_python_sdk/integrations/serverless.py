"""Flushes a client after each invocation of a serverless function, before the platform freezes the process.

Create the client outside the handler, and decorate the handler::

    target_client = TargetClient.create(...)

    @flush_after(target_client)
    def handler(event, context):
        ...
"""

from __future__ import annotations

from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Callable, NoReturn, TypeVar, cast

from target_python_sdk.delivery.option_parsers import milliseconds
from target_tools.callables import describe, is_deferred
from target_tools.error_text import invalid
from target_tools.errors import OptionError

if TYPE_CHECKING:
    from target_python_sdk.client import TargetClient

HandlerT = TypeVar("HandlerT", bound=Callable[..., object])

#: Milliseconds that a handler waits for outstanding calls and notifications.
DEFAULT_TIMEOUT = 1000


def flush_after(target_client: TargetClient, timeout: float = DEFAULT_TIMEOUT) -> Callable[[HandlerT], HandlerT]:
    """Return a decorator that flushes ``target_client`` after each call of a handler, even after an exception.

    The handler is a function or a coroutine function; its parameters, its result and its exceptions stay the same.
    ``timeout`` is the limit of a flush in milliseconds. If calls or notifications are not done by then, one WARNING is
    logged. They continue if the process does.
    """
    if not hasattr(target_client, "flush"):
        _reject("target_client", "a TargetClient", target_client, "did you mean @flush_after(target_client)?")
    milliseconds(0)("timeout", timeout)

    def warn_unless(is_done: bool) -> None:
        if not is_done:
            target_client._log.warning("Calls or notifications are not done %s ms after the handler returned", timeout)

    def decorate(handler: HandlerT) -> HandlerT:
        if iscoroutinefunction(handler):

            @wraps(handler)
            async def invoke_async(*args: Any, **keywords: Any) -> Any:
                try:
                    return await handler(*args, **keywords)
                finally:
                    warn_unless(await target_client.flush_async(timeout))

            return cast(HandlerT, invoke_async)

        if is_deferred(handler):
            hint = f"the body of {describe(handler)} runs after it has returned"
            _reject("handler", "a function or a coroutine function", handler, hint)

        @wraps(handler)
        def invoke(*args: Any, **keywords: Any) -> Any:
            try:
                return handler(*args, **keywords)
            finally:
                warn_unless(target_client.flush(timeout))

        return cast(HandlerT, invoke)

    return decorate


def _reject(argument: str, expected: str, got: object, hint: str) -> NoReturn:
    text = invalid(f"Invalid argument '{argument}'", expected=expected, got=got, hint=hint)
    raise OptionError(text, argument, expected)
