"""Fuzzes targets with atheris. Importing this module instruments the SDK."""

# ruff: noqa: T201 - part of a command-line program
import logging
import os
import re
import sys
from typing import Any, Dict

import atheris  # pyright: ignore[reportMissingImports]

with atheris.instrument_imports(include=["target_tools", "target_python_sdk"]):
    from tests.fuzzing.dictionaries import words, write_dictionary
    from tests.fuzzing.targets import TARGETS

from tests.fuzzing import CORPUS, GENERATED
from tests.fuzzing.calls import limited_time
from tests.fuzzing.json_mutation import json_mutator

_EXECUTIONS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


def fuzz(name: str, seconds: int) -> int:
    """Fuzz a target for some time in a child process, and return 1 if an input broke a property."""
    folder, log, crash = GENERATED / name, GENERATED / f"{name}.log", GENERATED / f"{name}.crash"
    folder.mkdir(parents=True, exist_ok=True)
    pid = os.fork()  # instrumenting again for each target would take ten seconds
    if pid == 0:
        output = os.open(str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        _run_fuzzer(
            name, f"-max_total_time={seconds}", f"-exact_artifact_path={crash}", str(folder), str(CORPUS / name)
        )
    status = os.waitpid(pid, 0)[1]
    text = log.read_text(encoding="utf-8", errors="replace")
    if status:
        print(text)
        print(f"{name}: an input breaks a property: {crash}")
        print(f"Replay it: {sys.executable} -m tests.fuzzing {name} --replay {crash}", flush=True)
        return 1
    executed = _EXECUTIONS.search(text)
    assert executed is not None, text
    print(f"{name}: {executed.group(1)} executions in {seconds} s, no failure", flush=True)
    return 0


def _run_fuzzer(name: str, *options: str) -> None:
    """Fuzz a target in this process. libFuzzer ends the process."""
    logging.getLogger("adobe.target").addHandler(logging.NullHandler())
    target, dictionary = TARGETS[name], GENERATED / f"{name}.dict"
    write_dictionary(name, dictionary)

    def check(data: bytes) -> None:
        with limited_time():
            target.check(data)

    mutator: Dict[str, Any] = {}
    if target.is_json:
        mutator["custom_mutator"] = json_mutator(words(name))
    limits = [f"-max_len={target.max_size}", "-timeout=300", "-rss_limit_mb=2048"]
    arguments = [sys.argv[0], *limits, f"-dict={dictionary}", "-print_final_stats=1", "-verbosity=0", *options]
    atheris.Setup(arguments, check, **mutator)
    atheris.Fuzz()
