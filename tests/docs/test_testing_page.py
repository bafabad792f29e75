"""The examples of ``testing.md`` are tests for pytest. They pass with the plugin."""

from pathlib import Path

import pytest

from tests.docs.pages import write_program
from tests.support import run_pytest


@pytest.mark.server
def test_the_tests_of_the_page_pass(root: Path, tmp_path: Path) -> None:
    program = write_program(root / "docs" / "testing.md", tmp_path)
    assert run_pytest(program) == "11 passed"
