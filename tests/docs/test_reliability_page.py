"""The page about reliability has the figures of its records, and a row for each test."""

import re
import runpy

import pytest

from tests.reliability.old_release import OldRelease, measurements


@pytest.fixture(scope="module")
def script(root):
    return runpy.run_path(str(root / "scripts" / "make_reliability_page.py"))


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_the_page_has_the_figures_of_its_records(script, page):
    """After a change to a record or to ``tests/numbers.md``, run ``scripts/make_reliability_page.py``."""
    assert script["with_figures"](page) == page


def test_each_of_the_forty_tests_has_a_row_without_an_empty_cell(page):
    rows = [line for line in page.splitlines() if re.match(r"\| T\d+ ", line)]
    assert [row.split("|")[1].strip() for row in rows] == [f"T{number}" for number in range(1, 41)]
    empty = [row for row in rows if not all(cell.strip() for cell in row.split(" | "))]
    assert empty == []


def test_1_1_0_has_either_a_measurement_or_a_reason_for_each_test(script):
    measured = [number for number, _ in measurements(OldRelease("python"))]
    assert sorted([*measured, *script["WITHOUT_FIGURE"]]) == list(range(1, 41))


def test_figures_are_read_from_the_output_of_a_test_run(script):
    output = "\n".join([
        "===== reliability: figure against target =====",
        "",
        "T    test                            figure  target",
        "     broker                          Redis   Redis",
        "T2   threads, 32 workers, 10000      33      34 at most",
        "T13  uWSGI stopped during a request  True",
        "not run, because these Pythons are missing: 3.14",
        "===== 2 passed =====",
        "T1   after the run                   1       2",
    ])
    assert script["figures_of"](output) == {
        "T2": [("threads, 32 workers, 10000", "33", "34 at most")],
        "T13": [("uWSGI stopped during a request", "True", "")],
    }


def test_a_cell_summarizes_the_figures_that_its_patterns_select(script):
    part = script["Part"]("{sum:.0f} of {of:.0f}, {min:.1f} to {max:.1f} in {count}", "^s of")
    row = script["Row"]("", [part, script["Part"]("{sum:.0f} others", "^other")])
    figures = [("s of one", "1.5", "2"), ("s of two", "0.5", "3 at most"), ("another", "7", "-")]
    assert script["measured"](row, figures, {}) == "2 of 5, 0.5 to 1.5 in 2"


def test_a_cell_without_figures_has_the_number_of_tests_that_passed(script):
    output = "tests/reliability/test_forks.py ...s.F    [ 49%]\n..        [ 50%]\ntests/reliability/test_green.py ."
    assert script["passed_of"](output) == {"test_forks.py": [6, 7], "test_green.py": [1, 1]}
    row = script["Row"]("", module="test_forks.py")
    assert script["measured"](row, [], {"test_forks.py": [6, 7]}) == "6 of 7 tests of `test_forks.py` pass"


def test_the_slope_of_samples_is_per_hour(script):
    samples = [{"seconds": second, "threads": second / 1000} for second in range(0, 900, 15)]
    assert script["slope_per_hour"](samples, "threads") == pytest.approx(3.6)
