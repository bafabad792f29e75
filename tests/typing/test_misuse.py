"""mypy reports exactly the lines of ``misuse.py`` that are marked."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Set, Tuple

import pytest

from tests.support import installing

MypyError = Tuple[int, str]


def expected_in(text: str) -> Set[MypyError]:
    """Return the marked line numbers and their codes."""
    found = ((number, re.search(r"# expected: ([\w-]+)$", line)) for number, line in enumerate(text.splitlines(), 1))
    return {(number, match.group(1)) for number, match in found if match}


@pytest.mark.process
@pytest.mark.slow
def test_mypy_reports_each_mistake(root: Path, tmp_path: Path) -> None:
    """With the code at the end of the line."""
    pytest.importorskip("mypy", reason="mypy is not installed: " + installing("lint"))
    page = root / "tests" / "typing" / "misuse.py"
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(page)]
    done = subprocess.run(mypy, cwd=str(root), capture_output=True, text=True, check=False, timeout=300)

    found = re.findall(r"misuse\.py:(\d+): error: .*\[([\w-]+)\]$", done.stdout, re.MULTILINE)
    errors = {(int(line), code) for line, code in found}
    assert errors == expected_in(page.read_text(encoding="utf-8")), done.stdout + done.stderr
