"""Run the three tests of views on ``docs/testing.md`` 67 times each, and print how long these 201 tests take::

    PYTHONPATH=. .venv/bin/python scripts/time_testing_page.py
"""

import tempfile
import time
from pathlib import Path

from tests.docs.pages import ROOT, write_program
from tests.support import run_pytest

REPEAT = """
def pytest_generate_tests(metafunc):
    metafunc.fixturenames.append("repetition")
    metafunc.parametrize("repetition", range(67))
"""


def main() -> None:
    """Run the tests in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        program = write_program(ROOT / "docs" / "testing.md", Path(folder))
        (Path(folder) / "conftest.py").write_text(REPEAT, encoding="utf-8")
        before = time.perf_counter()
        passed = run_pytest(program, "-k", "test_flask or test_fastapi or test_django")
        print(f"{passed} in {time.perf_counter() - before:.1f} s, with the start of the process")  # noqa: T201


if __name__ == "__main__":
    main()
