"""mypy and pyright find no error in the examples of the README and of ``docs/``."""

import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

from tests.docs.pages import PAGES, python_blocks, write_program
from tests.support import installing
from tests.typing import needs_current_mypy

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one file for each page: its examples, in order."""
    folder = tmp_path_factory.mktemp("pages")
    for page in PAGES:
        if python_blocks(page):
            write_program(page, folder)
    return folder


def assert_no_error(checker: List[str], programs: Path, root: Path) -> None:
    """Run the type checker over the folder, with the configuration of the project."""
    pytest.importorskip(checker[0], reason=f"{checker[0]} is not installed: " + installing("lint"))
    command = [sys.executable, "-m", *checker, str(programs)]
    done = subprocess.run(command, cwd=str(root), capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_current_mypy
def test_mypy_finds_no_error(programs: Path, root: Path) -> None:
    """Decorators may be untyped, because Celery has no type hints."""
    assert_no_error(["mypy", "--strict", "--allow-untyped-decorators"], programs, root)


def test_pyright_finds_no_error(programs: Path, root: Path) -> None:
    assert_no_error(["pyright", "--pythonpath", sys.executable], programs, root)
