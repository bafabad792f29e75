"""The command: ``python -m tests.fuzzing [TARGET ...]`` fuzzes; with ``--replay FILE ...`` it checks files."""

# ruff: noqa: T201 - a command-line program prints
import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import List, Optional

from tests.fuzzing.calls import limited_time
from tests.fuzzing.dictionaries import write_dictionary
from tests.fuzzing.targets import CORPUS, TARGETS

ROOT = CORPUS.parents[2]
#: Generated inputs, and the inputs that broke a property. They are kept for the next run.
FOUND = ROOT / ".fuzzing"
_SUMMARY = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command, and return its exit status: 1 if an input broke a property."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description="Fuzz the SDK, or replay inputs.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"by default all: {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=120, help="the time for each target (default: 120)")
    parser.add_argument("--replay", nargs="+", metavar="FILE", type=Path, help="check these files with one target")
    parser.add_argument("--merge", action="store_true", help="add generated inputs that reach more code to the corpus")
    options = parser.parse_args(arguments)
    for name in options.targets:
        if name not in TARGETS:
            parser.error(f"unknown target {name!r}; expected one of {', '.join(TARGETS)}")
    if options.replay:
        if len(options.targets) != 1:
            parser.error("--replay needs exactly one target: python -m tests.fuzzing TARGET --replay FILE ...")
        return replay(options.targets[0], options.replay)
    names = options.targets or list(TARGETS)
    if options.merge:
        return max(_merge(name) for name in names)
    return max(fuzz(name, options.seconds) for name in names)


def replay(name: str, files: List[Path]) -> int:
    """Check each file. An exception of the target ends the command, with its traceback."""
    for file in files:
        with limited_time():
            TARGETS[name].check(file.read_bytes())
        print(f"{file}: the input breaks no property")
    return 0


def fuzz(name: str, seconds: int) -> int:
    """Fuzz a target for some time, and return 1 if an input broke a property."""
    folder = FOUND / name
    folder.mkdir(parents=True, exist_ok=True)
    corpus = CORPUS / name
    write_dictionary(name, FOUND / f"{name}.dict")
    crash = FOUND / f"{name}.crash"
    done = _run(
        name,
        [f"-max_total_time={seconds}", f"-max_len={TARGETS[name].max_size}", f"-dict={FOUND / name}.dict"],
        [f"-exact_artifact_path={crash}", "-timeout=300", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0"],
        [str(folder), str(corpus)],
    )
    output = done.stdout + done.stderr
    if done.returncode:
        print("\n".join(line for line in output.splitlines() if not line.startswith("INFO:")))
        print(f"{name}: an input breaks a property: {crash}")
        print(f"Replay it: {sys.executable} -m tests.fuzzing {name} --replay {crash}", flush=True)
        return 1
    executed = _SUMMARY.search(output)
    runs = int(executed.group(1)) if executed else 0
    print(f"{name}: {runs} executions in {seconds} s, no failure; {len(list(folder.iterdir()))} inputs", flush=True)
    return 0


def _merge(name: str) -> int:
    """Add to the corpus the generated inputs that reach code that the corpus does not reach."""
    size = f"-max_len={TARGETS[name].max_size}"
    done = _run(name, ["-merge=1", "-use_counters=0", size, "-verbosity=0"], [str(CORPUS / name), str(FOUND / name)])
    files = list((CORPUS / name).iterdir())
    print(f"{name}: {len(files)} inputs with {sum(file.stat().st_size for file in files)} bytes in the corpus")
    return done.returncode


def _run(name: str, *options: List[str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.fuzzing.fuzz_target", name, *(each for part in options for each in part)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", errors="replace", check=False)


if __name__ == "__main__":
    sys.exit(main())
