"""One JSON object per line between the benchmark and the processes it starts."""

import json
import os
import sys
from typing import Any, Callable, Dict, TextIO

Message = Dict[str, Any]


def protocol_output() -> TextIO:
    """What was stdout, for messages alone: whatever is printed from here on goes to stderr."""
    own = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return own


def send(output: TextIO, message: Message) -> None:
    """Write one message."""
    output.write(json.dumps(message) + "\n")
    output.flush()


def answer_lines(output: TextIO, answer: Callable[[Message], Message]) -> None:
    """Answer every line of stdin until it ends, which it does when the benchmark is gone."""
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception as error:  # noqa: BLE001 - the other side decides what it means
            reply = {"error": "{}: {}".format(type(error).__name__, error)}
        send(output, reply)
