"""Makes calls with a callback, in a separate process under the interpreter of the measured release.

``python -m benchmarks.callback_worker SETTINGS`` answers

* ``{"calls": N, "in_flight": M}`` with ``{"seconds": S, "threads": T}``: the duration of N
  calls, M of them at a time, and the largest number of threads;
* ``{"hand_over": N}`` with ``{"alone": A, "handed": H}``: the median microseconds of N blocking
  calls, and of N calls that a worker makes while the caller waits.
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
    """Return the number of threads of this process."""
    return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else threading.active_count()


class Caller:
    """Makes calls with one client. All of them send the same request."""

    def __init__(self, settings: Message) -> None:
        if settings["kind"] == OLD:
            self._client = client_for(settings, timeout=30000)
        else:
            self._client = client_for(settings, timeout=30000, max_workers=settings["max_workers"])
        self._request = delivery_request()

    def answer(self, question: Message) -> Message:
        """Measure, and return the results."""
        if "hand_over" in question:
            return self._hand_over(question["hand_over"])
        return self._in_flight(question["calls"], question["in_flight"])

    def _options(self, **more: Any) -> Message:
        return {"request": self._request, "session_id": SESSION, **more}

    def _in_flight(self, calls: int, in_flight: int) -> Message:
        """Make ``calls`` calls, ``in_flight`` at a time. Return the duration and the largest number of threads."""
        slots = threading.Semaphore(in_flight)
        done: List[int] = []
        failed: List[BaseException] = []
        max_threads = [0]

        def on_answer(offers: Any) -> None:
            max_threads[0] = max(max_threads[0], threads_now())
            done.append(len(offers["response"].execute.mboxes))
            slots.release()

        def on_error(error: BaseException) -> None:
            failed.append(error)
            slots.release()

        started = time.perf_counter()
        for _ in range(calls):
            slots.acquire()
            self._client.get_offers(self._options(callback=on_answer, err_callback=on_error))
        for _ in range(in_flight):
            slots.acquire()
        seconds = time.perf_counter() - started
        if failed or done != [2] * calls:
            raise RuntimeError(f"{len(done)} of {calls} calls were answered: {failed[:1]}")
        return {"seconds": seconds, "threads": max_threads[0]}

    def _hand_over(self, rounds: int) -> Message:
        """Return the median microseconds of a blocking call and of a call in a worker. The two alternate."""
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
    """Create the client that the settings describe, then answer the questions."""
    output = protocol_output()
    try:
        caller = Caller(json.loads(sys.argv[1]))
    except Exception as error:  # noqa: BLE001 - the benchmark prints it as the reason for "not run"
        send(output, {"error": f"{type(error).__name__}: {error}"})
        return
    send(output, {"urllib3": importlib.import_module("urllib3").__version__})
    answer_lines(output, caller.answer)
    os._exit(0)  # 1.1.0's thread pools would delay the exit


if __name__ == "__main__":
    main()
