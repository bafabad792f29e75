"""Chooses the generated inputs of the corpus: few inputs that together reach all code that any input reaches."""

import re
import sys
from types import FrameType
from typing import Any, Callable, Dict, List, Set, Tuple

from tests.fuzzing import CORPUS, GENERATED
from tests.fuzzing.targets import TARGETS

#: A step from one line to another one in a file.
Step = Tuple[str, int, int]
_PACKAGES = tuple(f"{CORPUS.parents[2]}/{package}/" for package in ("target_tools", "target_python_sdk"))
#: The fuzzer names an input by its hash. The name in the corpus is the beginning of the hash.
_HASH, _LENGTH = re.compile(r"[0-9a-f]{12,}"), 12


def merge(name: str) -> Tuple[int, int]:
    """Replace the generated inputs in the corpus of a target. Return how many were removed and added.

    Inputs whose name is not a hash stay: they were written for a purpose, or broke a property.
    """
    folder = CORPUS / name
    paths = [*folder.iterdir(), *(GENERATED / name).glob("*")]
    generated = {path.name[:_LENGTH]: path.read_bytes() for path in paths if _HASH.fullmatch(path.name)}
    written = [path.read_bytes() for path in folder.iterdir() if not _HASH.fullmatch(path.name)]
    chosen = _fewest(TARGETS[name].check, written, generated)
    removed = {path.name for path in folder.iterdir() if _HASH.fullmatch(path.name)}.difference(chosen)
    added = [key for key in chosen if not (folder / key).exists()]
    for key in removed:
        (folder / key).unlink()
    for key in added:
        (folder / key).write_bytes(generated[key])
    return len(removed), len(added)


def _fewest(check: Callable[[bytes], None], written: List[bytes], generated: Dict[str, bytes]) -> List[str]:
    """Return the keys of a few generated inputs that together take every step that no written input takes.

    Each choice is the input with the most new steps.
    """
    reached: Set[Step] = set().union(*(steps(check, data) for data in written))
    new = {key: steps(check, data) - reached for key, data in generated.items()}
    chosen = []
    while any(new.values()):
        best = max(new, key=lambda key: (len(new[key]), -len(generated[key]), key))
        chosen.append(best)
        gained = new.pop(best)
        new = {key: found - gained for key, found in new.items()}
    return chosen


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
