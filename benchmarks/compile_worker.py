"""Measures the loading of an artifact, in a separate process.

``python -m benchmarks.compile_worker SETTINGS`` answers ``{}`` with ``{"loads": T, "compile": T}``: the
seconds of ``json.loads`` and of ``Artifact.load`` for the artifact's text.
"""

import gc
import json
import sys
import time
from pathlib import Path

from benchmarks.artifacts import CLIENT
from benchmarks.line_protocol import Message, answer_lines, protocol_output, send
from target_python_sdk.decisioning.artifact import Artifact


def measure(text: str) -> Message:
    """Measure ``json.loads`` and ``Artifact.load``, with the garbage collector enabled, as in an application."""
    gc.collect()
    started = time.perf_counter()
    document = json.loads(text)
    loaded = time.perf_counter()
    body = text.encode("utf-8")
    gc.collect()
    compiling = time.perf_counter()
    artifact = Artifact.load(body, CLIENT)
    compiled = time.perf_counter()
    if len(artifact.decidable_mboxes) != len(document["rules"]["mboxes"]) or artifact.skipped_rules:
        raise RuntimeError(f"not every rule was compiled: {artifact.skipped_rules[:1]}")
    return {"loads": loaded - started, "compile": compiled - compiling}


def main() -> None:
    """Read the artifact that the settings name, then measure for each question."""
    settings: Message = json.loads(sys.argv[1])
    output = protocol_output()
    text = Path(settings["artifact"]).read_text(encoding="utf-8")
    send(output, {"bytes": len(text)})
    answer_lines(output, lambda _question: measure(text))


if __name__ == "__main__":
    main()
