"""mypy and pyright report exactly the lines of ``misuse.py`` that are marked."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Sequence, Set, Tuple, get_args

import pytest

from target_python_sdk.delivery import option_types
from tests.support import installing
from tests.typing import needs_current_mypy

#: The number of a line, with a code, a name or a message.
AtLine = Tuple[int, str]


def expected_in(text: str, checker: str) -> Tuple[Set[AtLine], Set[AtLine]]:
    """Return the marked line numbers with their codes, and with the names that ``checker`` must print."""
    codes: Set[AtLine] = set()
    names: Set[AtLine] = set()
    for number, line in enumerate(text.splitlines(), 1):
        match = re.search(r"# expected: ([\w-]+(?:, [\w-]+)*)(?: '(\w+)'(?: (\w+))?)?$", line)
        if match:
            codes |= {(number, code) for code in match.group(1).split(", ")}
            if match.group(2) and match.group(3) in (None, checker):
                names.add((number, match.group(2)))
    return codes, names


def named_in(texts: Sequence[AtLine], names: Set[AtLine]) -> Set[AtLine]:
    """Return the pairs of a line and a name for which a message about the line contains the name."""
    return {(line, name) for line, name in names for number, text in texts if number == line and name in text}


@needs_current_mypy
@pytest.mark.process
@pytest.mark.slow
def test_mypy_reports_each_mistake(root: Path, tmp_path: Path) -> None:
    """The error codes are those at the end of the line."""
    pytest.importorskip("mypy", reason="mypy is not installed: " + installing("lint"))
    page = root / "tests" / "typing" / "misuse.py"
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(page)]
    done = subprocess.run(mypy, cwd=str(root), capture_output=True, text=True, check=False, timeout=300)

    found = re.findall(r"misuse\.py:(\d+): error: (.*)\[([\w-]+)\]$", done.stdout, re.MULTILINE)
    codes, names = expected_in(page.read_text(encoding="utf-8"), "mypy")
    assert {(int(line), code) for line, _, code in found} == codes, done.stdout + done.stderr
    texts = [(int(line), text) for line, text, _ in found]
    assert named_in(texts, names) == names, done.stdout


@pytest.mark.process
@pytest.mark.slow
def test_pyright_reports_each_mistake(root: Path) -> None:
    """pyright has other error codes, which are not compared. A message can continue on the following lines."""
    pytest.importorskip("pyright", reason="pyright is not installed: " + installing("lint"))
    page = root / "tests" / "typing" / "misuse.py"
    pyright = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, str(page)]
    done = subprocess.run(pyright, cwd=str(root), capture_output=True, text=True, check=False, timeout=300)

    found = re.findall(r"misuse\.py:(\d+):\d+ - error: (.*(?:\n\s+[^/\s].*)*)", done.stdout)
    texts = [(int(line), text) for line, text in found]
    codes, names = expected_in(page.read_text(encoding="utf-8"), "pyright")
    assert {line for line, _ in texts} == {line for line, _ in codes}, done.stdout + done.stderr
    assert named_in(texts, names) == names, done.stdout


def test_the_names_of_the_options_are_complete() -> None:
    """These types make type checkers name a misspelled key."""
    assert set(get_args(option_types.ClientOptionName)) == set(option_types.ClientOptions.__annotations__)
    for options in (option_types.CallOptions, option_types.CallbackOptions, option_types.AttributesOptions):
        assert set(get_args(option_types.CallOptionName)) == set(options.__annotations__)
