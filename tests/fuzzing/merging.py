"""Adds to the corpus the generated inputs that reach code which the corpus does not reach."""

import shutil
import sys
from types import FrameType
from typing import Any, Callable, Set, Tuple

from tests.fuzzing import CORPUS, GENERATED
from tests.fuzzing.targets import TARGETS

#: A step from one line to another one in a file.
Step = Tuple[str, int, int]
_PACKAGES = tuple(f"{CORPUS.parents[2]}/{package}/" for package in ("target_tools", "target_python_sdk"))


def merge(name: str) -> int:
    """Copy the generated inputs that reach new code to the corpus, the smallest first. Return their number."""
    check, reached, added = TARGETS[name].check, set(), 0
    for path in (CORPUS / name).iterdir():
        reached |= steps(check, path.read_bytes())
    for path in sorted((GENERATED / name).iterdir(), key=lambda file: file.stat().st_size):
        new = steps(check, path.read_bytes()) - reached
        if new:
            reached |= new
            added += 1
            shutil.copy(str(path), str(CORPUS / name / path.name[:12]))
    return added


def steps(check: Callable[[bytes], None], data: bytes) -> Set[Step]:
    """Return the steps in the SDK's code that the check of an input takes."""
    found: Set[Step] = set()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        path = frame.f_code.co_filename
        if not path.startswith(_PACKAGES):
            return None
        previous = frame.f_lineno

        def trace_line(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal previous
            found.add((path, previous, frame.f_lineno))
            previous = frame.f_lineno
            return trace_line

        return trace_line

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        check(data)
    finally:
        sys.settrace(before)
    return found
