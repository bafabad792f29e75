"""Evaluates flags with one library, in a separate process under an interpreter that has it.

``python -m benchmarks.flag_worker SETTINGS`` answers ``{"calls": N, "seed": S}`` with
``{"seconds": T}``: the duration of evaluating one flag for N new users.
"""

import os
import time
from typing import Any, Callable, List

from benchmarks.artifacts import visitors
from benchmarks.decision_worker import begin
from benchmarks.flag_libraries import LIBRARIES, LIMITS, SdkFlag
from benchmarks.line_protocol import answer_lines, send

Decide = Callable[[str], Any]


def measure(flags: Any, ids: List[str]) -> float:
    """Return the seconds for one decision per user."""
    decide: Decide = flags.decide
    started = time.perf_counter()
    answers = [decide(user) for user in ids]
    seconds = time.perf_counter() - started
    wrong = [answer for answer in answers if answer != (LIMITS.get(answer[1]), answer[1])]
    if wrong:
        raise RuntimeError(f"not decided: {wrong[0]}")
    flags.wait()
    return seconds


def main() -> None:
    """Create the client that the settings describe, then answer the questions."""
    settings, output = begin()
    try:
        kind = settings["kind"]
        flags: Any = LIBRARIES[kind]() if kind in LIBRARIES else SdkFlag(settings)
        measure(flags, visitors("first", 1))
    except Exception as error:  # noqa: BLE001 - the benchmark prints it as the reason for "not run"
        send(output, {"error": f"{type(error).__name__}: {error}"})
        return
    send(output, {"version": flags.version})
    answer_lines(output, lambda question: {"seconds": measure(flags, visitors(question["seed"], question["calls"]))})
    os._exit(0)  # do not wait for threads of the library


if __name__ == "__main__":
    main()
