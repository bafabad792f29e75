"""The source of the packages, parsed once for all tests of this folder."""

from pathlib import Path
from typing import Dict

import pytest

from tests.project.source import Module, modules_under


@pytest.fixture(scope="session")
def modules(root: Path) -> Dict[str, Module]:
    """Every module of the packages, by dotted name."""
    return modules_under(root)
