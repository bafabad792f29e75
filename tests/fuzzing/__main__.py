"""The command: ``python -m tests.fuzzing [TARGET ...]`` fuzzes; with ``--replay FILE ...`` it checks files."""

# ruff: noqa: T201, PLC0415 - a command-line program prints; the fuzzer instruments what it imports
import argparse
import sys
from pathlib import Path
from typing import List, Optional

from tests.fuzzing import CORPUS


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command, and return its exit status: 1 if an input broke a property."""
    known = sorted(folder.name for folder in CORPUS.iterdir())
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description="Fuzz the SDK, or replay inputs.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"by default all: {', '.join(known)}")
    parser.add_argument("--seconds", type=int, default=120, help="the time for each target (default: 120)")
    parser.add_argument("--replay", nargs="+", metavar="FILE", type=Path, help="check these files with one target")
    parser.add_argument("--merge", action="store_true", help="choose the generated inputs of the corpus again")
    options = parser.parse_args(arguments)
    names = options.targets or known
    for name in names:
        if name not in known:
            parser.error(f"unknown target {name!r}; expected one of {', '.join(known)}")
    if options.replay:
        if len(names) != 1:
            parser.error("--replay needs exactly one target: python -m tests.fuzzing TARGET --replay FILE ...")
        return _replay(names[0], options.replay)
    if options.merge:
        return _merge(names)
    from tests.fuzzing.fuzzer import fuzz

    return max([fuzz(name, options.seconds) for name in names])


def _replay(name: str, files: List[Path]) -> int:
    """Check each file. An exception of the target ends the command, with its traceback."""
    from tests.fuzzing.calls import limited_time
    from tests.fuzzing.targets import TARGETS

    for file in files:
        with limited_time():
            TARGETS[name].check(file.read_bytes())
        print(f"{file}: the input breaks no property")
    return 0


def _merge(names: List[str]) -> int:
    from tests.fuzzing.merging import merge

    for name in names:
        removed, added = merge(name)
        print(f"{name}: {removed} inputs removed from the corpus, {added} added", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
