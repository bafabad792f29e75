"""``python -m tests.doubles``: run the matrix and print its table."""

import sys
from typing import List

from tests.doubles import table
from tests.doubles.calls import FORMS
from tests.doubles.catalog import ALL, Double
from tests.doubles.cells import Cell, CellFailed, missing, run_in_parallel
from tests.doubles.run import STARTS


def main() -> int:
    """Print the table; return 1 if a cell failed."""
    failures: List[str] = []
    cells = [Cell(each, form, start) for each in ALL if not missing(each) for form in FORMS for start in STARTS]

    with run_in_parallel(cells) as futures:

        def text(double: Double, form: str) -> str:
            if missing(double):
                return "not installed"
            before = len(failures)
            for start in STARTS:
                try:
                    futures[Cell(double, form, start)].result()
                except CellFailed as error:
                    failures.append(f"{double.name}, {form}, {start}: {error}")
            return double.effect if len(failures) == before else "FAILS"

        print(table.render(text))  # noqa: T201 - the output of a program
    print("\n".join(failures), file=sys.stderr)  # noqa: T201 - likewise
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
