"""Compiling an artifact beside parsing it, a process of its own.

``python -m benchmarks.compile_worker SETTINGS`` answers ``{}`` with ``{"loads": T, "compile": T}``, in
seconds: what ``json.loads`` takes for the artifact's text, and what ``Artifact.compile`` takes for the result.
"""

import gc
import json
import sys
import time
from pathlib import Path

from benchmarks.artifacts import CLIENT
from benchmarks.line_protocol import Message, answer_lines, protocol_output, send
from target_python_sdk.decisioning.artifact import Artifact


def timed(text: str) -> Message:
    """Both, one after the other; the garbage collector is on for both, as it is in a program."""
    gc.collect()
    started = time.perf_counter()
    document = json.loads(text)
    loaded = time.perf_counter()
    gc.collect()
    compiling = time.perf_counter()
    artifact = Artifact.compile(document, CLIENT)
    compiled = time.perf_counter()
    if len(artifact.decidable_mboxes) != len(document["rules"]["mboxes"]) or artifact.left_out:
        raise RuntimeError("not every rule was compiled: {}".format(artifact.left_out[:1]))
    return {"loads": loaded - started, "compile": compiled - compiling}


def main() -> None:
    """Read the artifact that the settings name, then parse and compile it as often as asked."""
    settings: Message = json.loads(sys.argv[1])
    output = protocol_output()
    text = Path(settings["artifact"]).read_text(encoding="utf-8")
    send(output, {"bytes": len(text)})
    answer_lines(output, lambda _question: timed(text))


if __name__ == "__main__":
    main()
