"""The event loop that awaited calls need."""

from typing import Any

from target_tools.errors import OptionError


def running_loop() -> Any:
    """Return asyncio's event loop, which runs the current task.

    Raises ``OptionError`` under trio, in a coroutine that another library drives, and without a loop:
    only asyncio can wake a coroutine that waits for one of its futures.
    """
    import asyncio  # noqa: PLC0415 - a program that awaits has loaded it

    try:
        # trio-asyncio reports a running loop to code that trio drives, but no current task.
        if asyncio.current_task() is not None:
            return asyncio.get_running_loop()
    except RuntimeError:  # no loop runs in this thread
        pass
    raise OptionError(
        "awaited calls need asyncio; under trio or another event loop use "
        "trio.to_thread.run_sync(client.get_offers, options) or its equivalent"
    )
