"""Every double and monitor with every form of call, each combination in a separate process."""

from concurrent.futures import Future
from pathlib import Path
from typing import Dict, Iterator

import pytest

from tests.doubles import table
from tests.doubles.calls import FORMS
from tests.doubles.catalog import ALL
from tests.doubles.cells import Cell, missing, run_in_parallel
from tests.doubles.run import STARTS

CELLS = [Cell(double, form, start) for double in ALL for form in FORMS for start in STARTS]


@pytest.fixture(scope="session")
def futures(request: pytest.FixtureRequest) -> "Iterator[Dict[Cell, Future[None]]]":
    """The futures of the selected cells, which run in parallel."""
    selected = [item.callspec.params.get("cell") for item in request.session.items if hasattr(item, "callspec")]
    with run_in_parallel(cell for cell in selected if isinstance(cell, Cell) and not missing(cell.double)) as running:
        yield running


@pytest.mark.server
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: "-".join((cell.double.name, cell.form, cell.start)))
def test_double_works_with_every_form_of_call(cell: Cell, futures: "Dict[Cell, Future[None]]") -> None:
    lacking = missing(cell.double)
    if lacking:
        pytest.skip(f"{', '.join(lacking)} cannot be imported; `make doubles` installs the doubles and runs this")
    futures[cell].result()


def test_table_in_docs_has_a_row_for_each_double(root: Path) -> None:
    page = (root / "docs" / "testing.md").read_text(encoding="utf-8")
    assert table.rows_of(page) == table.rows_of(table.expected())
