"""The numbers in test names, which ``tests/numbers.md`` lists."""

import re
from pathlib import Path
from typing import Set

import pytest

#: The numbers of the defects of 1.1.0 that are fixed.
FIXED = range(1, 71)


@pytest.fixture(scope="module")
def numbers(root: Path) -> Set[str]:
    """The numbers in test names, such as ``B5``."""
    texts = [file.read_text(encoding="utf-8") for file in (root / "tests").rglob("test_*.py")]
    return {number.upper() for text in texts for number in re.findall(r"^def test_([bdrt]\d+)_", text, re.M)}


def test_every_fixed_defect_has_a_test_named_after_it(numbers: Set[str]) -> None:
    assert [number for number in FIXED if f"B{number}" not in numbers] == []


def test_every_number_is_listed(root: Path, numbers: Set[str]) -> None:
    page = (root / "tests" / "numbers.md").read_text(encoding="utf-8")
    assert numbers - set(re.findall(r"^\| ([BDRT]\d+) \|", page, re.M)) == set()
