"""A type checker objects to every line of ``misuse.py`` that says so, and to no other."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Set, Tuple

import pytest

from tests.support import installing

Objection = Tuple[int, str]


def expected_in(text: str) -> Set[Objection]:
    """Line numbers and codes that the file itself announces."""
    found = ((number, re.search(r"# expected: ([\w-]+)$", line)) for number, line in enumerate(text.splitlines(), 1))
    return {(number, match.group(1)) for number, match in found if match}


@pytest.mark.process
@pytest.mark.slow
def test_mypy_objects_to_each_mistake(root: Path, tmp_path: Path) -> None:
    """With the code that stands at the line."""
    pytest.importorskip("mypy", reason="mypy is not installed: " + installing("lint"))
    page = root / "tests" / "typing" / "misuse.py"
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(page)]
    done = subprocess.run(mypy, cwd=str(root), capture_output=True, text=True, check=False, timeout=300)

    found = re.findall(r"misuse\.py:(\d+): error: .*\[([\w-]+)\]$", done.stdout, re.MULTILINE)
    objections = {(int(line), code) for line, code in found}
    assert objections == expected_in(page.read_text(encoding="utf-8")), done.stdout + done.stderr
