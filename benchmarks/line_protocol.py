"""The protocol between the benchmark and its processes: one JSON object per line."""

import json
import os
import sys
from typing import Any, Callable, Dict, TextIO

Message = Dict[str, Any]


def protocol_output() -> TextIO:
    """Return stdout, reserved for messages: from now on, ``print`` writes to stderr."""
    own = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return own


def send(output: TextIO, message: Message) -> None:
    """Write one message."""
    output.write(json.dumps(message) + "\n")
    output.flush()


def answer_lines(output: TextIO, answer: Callable[[Message], Message]) -> None:
    """Answer every line of stdin, which ends when the benchmark ends."""
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception as error:  # noqa: BLE001 - raised again by the benchmark
            reply = {"error": f"{type(error).__name__}: {error}"}
        send(output, reply)
