"""Makes on-device calls in a busy process, and measures each.

``python -m benchmarks.latency_worker SETTINGS`` answers ``{"calls": N, "seed": S}`` with ``{"p50": T, "p99": T}``, the
seconds of the median call and of the 99th percentile. The setting ``runs_in`` is ``threads`` or ``loop``.
"""

import asyncio
import json
import os
import threading
import time
from typing import Any, Callable, Dict, List

from benchmarks.artifacts import visitors
from benchmarks.decision_worker import Decider, begin, name_of
from benchmarks.line_protocol import answer_lines, send
from benchmarks.plan import OLD

_AT_A_TIME = 4
#: The shortest duration of a request's other work, in seconds.
_WORK = 0.001


def work_units() -> int:
    """Return how many units of work take one to two milliseconds."""
    units = 1
    while True:
        started = time.perf_counter()
        other_work(units)
        if time.perf_counter() - started > _WORK:
            return units
        units *= 2


def other_work(units: int) -> None:
    """Do the other work of a request: build the data of a page and serialize it."""
    for number in range(units):
        json.dumps([{"id": one, "name": f"product {one}", "price": one * 1.1} for one in range(number % 7, 9)])


def in_threads(decider: Decider, ids: List[str], units: int) -> List[float]:
    """Make the calls in threads, as a sync worker does, and return their durations."""
    taken: List[float] = []

    def serve(share: List[str]) -> None:
        for visitor in share:
            other_work(units)
            started = time.perf_counter()
            decider.decide(visitor)
            taken.append(time.perf_counter() - started)

    threads = [threading.Thread(target=serve, args=(ids[number::_AT_A_TIME],)) for number in range(_AT_A_TIME)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def in_loop(decider: Decider, ids: List[str], units: int, awaits: bool) -> List[float]:
    """Make the calls in tasks of an event loop, and return their durations.

    Without ``awaits``, the calls run in an executor: 1.1.0 has no awaitable calls.
    """
    taken: List[float] = []

    async def serve(share: List[str]) -> None:
        loop = asyncio.get_running_loop()
        for visitor in share:
            other_work(units)
            started = time.perf_counter()
            if awaits:
                await decider.client.get_offers_async({"request": decider.request(visitor)})
            else:
                await loop.run_in_executor(None, decider.decide, visitor)
            taken.append(time.perf_counter() - started)

    async def serve_all() -> None:
        await asyncio.gather(*(serve(ids[number::_AT_A_TIME]) for number in range(_AT_A_TIME)))

    asyncio.run(serve_all())
    return taken


def percentiles(taken: List[float]) -> Dict[str, float]:
    """Return the median and the 99th percentile."""
    taken = sorted(taken)
    return {"p50": taken[len(taken) // 2], "p99": taken[min(len(taken) - 1, len(taken) * 99 // 100)]}


def main() -> None:
    """Create the client that the settings describe, then answer the questions."""
    settings, output = begin()
    try:
        decider = Decider(settings)
        decider.measure(visitors("first", 100))
        name_of(settings)  # raises if the settings ask for an extra that is not in use
    except Exception as error:  # noqa: BLE001 - the benchmark prints it as the reason for "not run"
        send(output, {"error": f"{type(error).__name__}: {error}"})
        return
    units, awaits = work_units(), settings["kind"] != OLD
    calls: Dict[str, Callable[[List[str]], List[float]]] = {
        "threads": lambda ids: in_threads(decider, ids, units),
        "loop": lambda ids: in_loop(decider, ids, units, awaits),
    }
    make: Callable[[List[str]], Any] = calls[settings["runs_in"]]
    send(output, {"units": units})
    answer_lines(output, lambda question: percentiles(make(visitors(question["seed"], question["calls"]))))
    os._exit(0)  # 1.1.0's thread pools would delay the exit


if __name__ == "__main__":
    main()
