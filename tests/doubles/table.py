"""The table of the matrix, in Markdown."""

from typing import Callable, List

from tests.doubles.calls import FORMS
from tests.doubles.catalog import ALL, Double

FIRST = "Double or monitor"


def expected() -> str:
    """Return the table as it is when every cell passes."""
    return render(lambda double, _: double.effect)


def render(cell: Callable[[Double, str], str]) -> str:
    """Return the table with the texts that ``cell`` returns for each double and form."""
    lines = [(FIRST, *FORMS), ("---",) * (1 + len(FORMS))]
    lines += [(double.name, *(cell(double, form) for form in FORMS)) for double in ALL]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def rows_of(page: str) -> List[List[str]]:
    """Return the cells of the table in a page, without its heading."""
    lines = page.partition(f"| {FIRST} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
