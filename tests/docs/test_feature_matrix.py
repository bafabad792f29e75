"""Every row of ``docs/feature-matrix.md`` names an existing test or gives a reason why there is none."""

import ast
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Dict, FrozenSet, Iterator, List, NamedTuple, Optional

import pytest

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "feature-matrix.md"
TESTS = ROOT / "tests"
SUITES = TESTS / "conformance" / "suites"
#: The sections of the reference without a table of behavior. Section 0 lists the versions of the SDKs.
OTHER_SECTIONS = ("0",)

TEST = re.compile(r"`([\w/]+\.py)::((?:\w+::)*\w+)`")
CASE = re.compile(r"`([A-Z]+)-(\w+)`")
CELLS = re.compile(r"(?<!\\)\|")


class Row(NamedTuple):
    """A row of the page."""

    number: str
    behavior: str
    ours: str
    shown_by: str


def rows_of(text: str) -> List[Row]:
    """Return the rows of the tables whose first column is a number."""
    lines = [line for line in text.splitlines() if re.match(r"\| \d", line)]
    return [Row(*(cell.strip() for cell in CELLS.split(line)[1:-1])) for line in lines]


ROWS = rows_of(PAGE.read_text(encoding="utf-8"))


@lru_cache(maxsize=None)
def names_of_tests(file: str) -> FrozenSet[str]:
    """Return the names of the tests in a file of ``tests``. The name of a method is ``Class::test``."""
    path = TESTS / file
    return frozenset(_named_tests(ast.parse(path.read_text(encoding="utf-8")))) if path.is_file() else frozenset()


def _named_tests(node: ast.AST, prefix: str = "") -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if child.name.startswith("test_"):
                yield prefix + child.name
        else:
            yield from _named_tests(child, f"{prefix}{child.name}::" if isinstance(child, ast.ClassDef) else prefix)


@lru_cache(maxsize=None)
def cases_in(suite: str) -> FrozenSet[str]:
    """Return the names of the cases of a conformance suite."""
    path = SUITES / f"{suite}.json"
    return frozenset(json.loads(path.read_text(encoding="utf-8"))["test"]) if path.is_file() else frozenset()


def problem_of(row: Row) -> Optional[str]:
    """Return what is wrong with the last two columns of a row, or None."""
    if not row.ours:
        return "what this SDK does is missing"
    if row.shown_by.startswith("Not applicable: "):
        return None
    if not row.shown_by or CASE.sub("", TEST.sub("", row.shown_by)).strip(", "):
        return f"neither tests nor a reason: {row.shown_by}"
    missing = missing_tests(row.shown_by)
    return "no such test: " + ", ".join(missing) if missing else None


def missing_tests(text: str) -> List[str]:
    """Return the tests and cases that a text names and that do not exist."""
    missing = [f"{file}::{name}" for file, name in TEST.findall(text) if name not in names_of_tests(file)]
    return missing + [f"{suite}-{name}" for suite, name in CASE.findall(text) if name not in cases_in(suite)]


def test_each_row_has_tests_that_exist_or_a_reason() -> None:
    problems = {row.number: problem_of(row) for row in ROWS}
    assert {number: problem for number, problem in problems.items() if problem} == {}
    assert missing_tests(PAGE.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "shown_by",
    [
        "",
        "a test",
        "Open: telemetry",
        "`client/test_calls.py::test_nothing`",
        "`client/test_no_such_file.py::test_an_envelope_pickles`",
        "`client/test_calls.py::test_an_envelope_pickles` and more",
        "`client/test_calls.py::Notes::test_an_envelope_pickles`",
        "`PAGE-nothing`",
        "`NOTHING-whole`",
    ],
)
def test_a_wrong_last_column_is_found(shown_by: str) -> None:
    assert problem_of(Row("1.1.1", "Behavior", "The same", shown_by))


def test_tests_in_classes_and_conditions_are_found() -> None:
    """A test may be a method, or defined only if a library is installed."""
    tree = ast.parse("class TestA:\n    def test_b(self): ...\nif True:\n    def test_c(): ...\n")
    assert list(_named_tests(tree)) == ["TestA::test_b", "test_c"]


def test_the_rows_of_a_section_are_numbered() -> None:
    """The number of a row is the number of its section, a dot, and its position in the section, counted from 1."""
    sections: Dict[str, List[Row]] = {}
    for part in re.split(r"^## (?=\d)", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        sections[part.split()[0]] = rows_of(part)
    assert [row for rows in sections.values() for row in rows] == ROWS
    for section, rows in sections.items():
        assert [row.number for row in rows] == [f"{section}.{position}" for position in range(1, len(rows) + 1)]


def reference_rows(text: str) -> Dict[str, str]:
    """Return the first cell of each row in the reference's tables of behavior, by row number."""
    found: Dict[str, str] = {}
    for part in re.split(r"^#+ (?=\d)", text, flags=re.MULTILINE)[1:]:
        section = part.split()[0].rstrip(".")
        table = [line for line in part.splitlines() if line.startswith("|")][2:]
        if section not in OTHER_SECTIONS:
            first_cells = [CELLS.split(line)[1].strip() for line in table]
            found.update((f"{section}.{position}", cell) for position, cell in enumerate(first_cells, 1))
    return found


def words(text: str) -> FrozenSet[str]:
    """Return the words and version numbers in a text, in lower case. ``clientHints`` counts as two words."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return frozenset(word for word in re.findall(r"[a-z0-9]+(?:\.\d+)*", spaced.lower()) if len(word) > 2)


def test_the_page_has_a_row_for_each_row_of_the_reference(shared: Path) -> None:
    """Two rows with the same number are about the same behavior: their labels have a word in common."""
    reference = reference_rows((shared / "reference" / "feature-matrix.md").read_text(encoding="utf-8"))
    ours = {row.number: row.behavior for row in ROWS}
    assert list(ours) == list(reference)
    assert [number for number in ours if not words(ours[number]) & words(reference[number])] == []
