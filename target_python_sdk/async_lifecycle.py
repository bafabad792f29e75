"""Creates, flushes and closes clients under asyncio.

These steps block: they import modules, read files, wait for a server or for other threads. Each runs in a separate
thread while the coroutine awaits its result, so other tasks can run. Cancelling the coroutine ends only its wait,
not the step. A client whose creation is cancelled is closed.
"""

from __future__ import annotations

import _thread
import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Coroutine, Generator, Generic, NoReturn, Optional, Protocol, TypeVar

from target_python_sdk.delivery.conversion import plain_check
from target_python_sdk.types import DeliveryRequest
from target_tools.concurrency.event_loops import running_loop
from target_tools.concurrency.tasks import call_in_thread

if TYPE_CHECKING:
    from target_python_sdk.runtime import Runtime
    from target_tools.concurrency.tasks import AsyncResult

ClientT = TypeVar("ClientT", bound="_Client")

_AWAIT_FIRST = "use `async with`, or await it first"


class _Client(Protocol):
    """The methods of ``TargetClient`` that this module calls. Importing the class would be an import cycle."""

    def _start(self) -> None: ...

    def _wait_for_artifact(self) -> None: ...

    def _schedule_ready_event(self) -> None: ...

    async def _wait_for_earlier_calls(self) -> None: ...

    def _refuse_calls(self) -> Optional[Runtime]: ...

    def close(self, timeout: Optional[float] = None) -> bool:
        """Close the client."""
        ...

    async def close_async(self, timeout: Optional[float] = None) -> bool:
        """Close the client without blocking the event loop."""
        ...


class ClientCreation(Coroutine[Any, Any, ClientT]):
    """The coroutine that ``TargetClient.create_async`` returns.

    ``await`` returns the client. ``async with`` also closes it at the end of the block.
    """

    def __init__(self, construct: Callable[[], ClientT]) -> None:
        self._coroutine = create_async(_Construction(construct))
        self._client: Optional[ClientT] = None

    def __await__(self) -> Generator[Any, None, ClientT]:
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        """Resume the coroutine."""
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        """Raise an exception inside the coroutine."""
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """Stop the coroutine."""
        self._coroutine.close()

    async def __aenter__(self) -> ClientT:
        self._client = await self
        return self._client

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.close_async()

    if not TYPE_CHECKING:  # with these methods, a type checker would accept ``with`` and every attribute name

        def __enter__(self) -> NoReturn:
            raise TypeError(f"create_async returns a coroutine, not a client: {_AWAIT_FIRST}")

        def __exit__(self, *_: object) -> None:
            pass  # ``with`` looks this method up before it calls ``__enter__``

        def __getattr__(self, name: str) -> NoReturn:
            raise AttributeError(f"create_async returns a coroutine, which has no attribute {name!r}: {_AWAIT_FIRST}")


class _Construction(Generic[ClientT]):
    """The part of ``create`` that blocks. Another thread can abandon it."""

    def __init__(self, construct: Callable[[], ClientT]) -> None:
        self._construct = construct
        self._client: Optional[ClientT] = None
        self._abandoned = False

    def run(self) -> ClientT:
        """Return a client that has waited for its first artifact."""
        plain_check(DeliveryRequest)  # cached; otherwise, the first call would block the event loop for milliseconds
        client = self._client = self._construct()
        client._start()
        if self._abandoned:  # ``abandon`` may have been called before it had a client to close
            client.close(0)
        client._wait_for_artifact()
        return client

    def abandon(self) -> None:
        """Close the client, at once or as soon as it is constructed. This also ends the wait for its artifact."""
        self._abandoned = True
        if self._client is not None:
            self._client.close(0)


async def create_async(construction: _Construction[ClientT]) -> ClientT:
    """Return a client. The name of this function appears in the warning about a coroutine that was never awaited."""
    running_loop()  # raises if there is no event loop, before anything is started
    try:
        client = await call_in_thread(construction.run)
    except BaseException:
        construction.abandon()
        raise
    client._schedule_ready_event()
    return client


async def flush(runtime: Runtime, timeout: Optional[float]) -> bool:
    """Wait until the calls in progress are done. Return False if that takes more than ``timeout`` seconds."""
    # This thread may be a worker, if a callback runs the event loop. Then another worker replaces it during the wait.
    with runtime.workers.blocking():
        return await call_in_thread(partial(runtime.flush, timeout, _thread.get_ident()))


async def close(client: _Client, timeout: Optional[float]) -> bool:
    """Close the client. Return False if calls are still in progress after ``timeout`` seconds."""
    try:
        await client._wait_for_earlier_calls()
    except asyncio.CancelledError:
        runtime = client._refuse_calls()
        if runtime is not None:
            _close_in_thread(runtime, timeout)
        raise
    runtime = client._refuse_calls()
    if runtime is None:
        return True
    with runtime.workers.blocking():
        return await _close_in_thread(runtime, timeout)


def _close_in_thread(runtime: Runtime, timeout: Optional[float]) -> AsyncResult[bool]:
    return call_in_thread(partial(runtime.close, timeout, _thread.get_ident()))
