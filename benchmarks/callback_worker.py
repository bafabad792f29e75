"""Calls with a callback, made by one release; a process of its own, under that release's interpreter.

``python -m benchmarks.callback_worker SETTINGS`` answers ``{"calls": N, "in_flight": M}``
with ``{"seconds": S, "threads": T}``, T being the most threads the process had, and
``{"hand_over": N}`` with the microseconds of a call that waits by itself and of one
that a worker makes and whose result is waited for.
"""

import importlib
import json
import os
import sys
import threading
import time
from statistics import median
from typing import Any, Callable, List

from benchmarks.line_protocol import Message, answer_lines, protocol_output, send
from benchmarks.plan import OLD
from benchmarks.worker import client_for
from benchmarks.workload import SESSION, delivery_request


def threads_now() -> int:
    """How many threads this process has, whoever started them."""
    return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else threading.active_count()


class Caller:
    """A client and what it is asked."""

    def __init__(self, settings: Message) -> None:
        if settings["kind"] == OLD:
            self._client = client_for(settings, timeout=30000)
        else:
            self._client = client_for(settings, timeout=30000, max_workers=settings["max_workers"])
        self._request = delivery_request()

    def answer(self, question: Message) -> Message:
        """What was asked for, measured."""
        if "hand_over" in question:
            return self._hand_over(question["hand_over"])
        return self._in_flight(question["calls"], question["in_flight"])

    def _options(self, **more: Any) -> Message:
        return {"request": self._request, "session_id": SESSION, **more}

    def _in_flight(self, calls: int, in_flight: int) -> Message:
        """``calls`` calls, as many as ``in_flight`` of them under way at a time."""
        places = threading.Semaphore(in_flight)
        done: List[int] = []
        failed: List[BaseException] = []
        most = [0]

        def arrived(offers: Any) -> None:
            most[0] = max(most[0], threads_now())
            done.append(len(offers["response"].execute.mboxes))
            places.release()

        def lost(error: BaseException) -> None:
            failed.append(error)
            places.release()

        started = time.perf_counter()
        for _ in range(calls):
            places.acquire()
            self._client.get_offers(self._options(callback=arrived, err_callback=lost))
        for _ in range(in_flight):
            places.acquire()
        seconds = time.perf_counter() - started
        if failed or done != [2] * calls:
            raise RuntimeError("{} of {} calls were answered: {}".format(len(done), calls, failed[:1]))
        return {"seconds": seconds, "threads": most[0]}

    def _hand_over(self, rounds: int) -> Message:
        """Microseconds of both kinds of call, one of each in turn."""
        alone: List[float] = []
        handed: List[float] = []
        for _ in range(rounds):
            alone.append(_microseconds(lambda: self._client.get_offers(self._options())))
            handed.append(_microseconds(lambda: self._client.get_offers(self._options(callback=len)).get()))
        return {"alone": median(alone), "handed": median(handed)}


def _microseconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return (time.perf_counter() - started) * 1e6


def main() -> None:
    """Make the client that the settings name, then call as often as asked."""
    output = protocol_output()
    try:
        caller = Caller(json.loads(sys.argv[1]))
    except Exception as error:  # noqa: BLE001 - told to the benchmark, which says "not run"
        send(output, {"error": "{}: {}".format(type(error).__name__, error)})
        return
    send(output, {"urllib3": importlib.import_module("urllib3").__version__})
    answer_lines(output, caller.answer)
    os._exit(0)  # 1.1.0's thread pools would hold the exit up


if __name__ == "__main__":
    main()
