"""Every Python example of the README and of ``docs/`` runs, and the tables are complete."""

import inspect
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any, List

import pytest

from target_python_sdk import CallbackOptions, CallOptions, ClientOptions, TargetClient, errors
from tests.docs.conftest import Create
from tests.docs.page_process import DOWN, EDGES, EMPTY, MATCHING
from tests.docs.pages import PAGES, documented_output, python_blocks, run_page, write_program

WITH_EXAMPLES = [page for page in PAGES if python_blocks(page)]
#: A line with a call of ``print``, and the output in its comment.
PRINTING = re.compile(r"^.*\bprint\(.*\),?  # (.+)$", re.MULTILINE)
#: The pages whose ``text`` blocks are the output and the log lines of their examples.
WITH_OUTPUT = {"concepts.md", "troubleshooting.md"}
#: The page whose example measures successful calls, so it runs only with a matching edge.
MEASURING = "internals.md"
#: The page whose examples force experiences of its activities. With an empty edge, an unknown activity is an error.
FORCING = "qa-and-preview.md"
SKIPPED = {(MEASURING, EMPTY), (MEASURING, DOWN), (FORCING, EMPTY)}
RUNS = [(page, edge) for page in WITH_EXAMPLES for edge in EDGES if (page.name, edge) not in SKIPPED]


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize(("page", "edge"), RUNS, ids=[f"{page.name}-{edge}" for page, edge in RUNS])
def test_the_blocks_run_as_one_program(page: Path, edge: str, root: Path, tmp_path: Path) -> None:
    """The program runs in a new process: with an edge that has activities, with an empty edge, and without an edge.

    With activities, the output contains the texts in the comments after ``print(…)``.
    """
    program = write_program(page, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "tests.docs.page_process", edge, str(program)],
        cwd=str(tmp_path), env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    if edge == MATCHING:
        printed = done.stdout.splitlines()
        documented = PRINTING.findall(program.read_text(encoding="utf-8"))
        assert [line for line in documented if line not in printed] == [], done.stdout
        lines = [*printed, *done.stderr.splitlines()]
        expected = documented_output(page) if page.name in WITH_OUTPUT else []
        missing = [text.pattern for text in expected if not any(map(text.fullmatch, lines))]
        assert missing == [], done.stdout + done.stderr


@pytest.mark.server
@pytest.mark.parametrize("page", [page for page in WITH_EXAMPLES if page.name != MEASURING], ids=lambda page: page.name)
def test_the_first_block_runs_alone(
    page: Path, create_at_edge: Create, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(TargetClient, "create", staticmethod(create_at_edge))
    monkeypatch.chdir(tmp_path)
    first = python_blocks(page)[0]
    first.namespace["__name__"] = "__main__"
    first.evaluate()


def test_the_main_pages_have_examples() -> None:
    """Otherwise the tests above would pass without running an example."""
    assert {"README.md", "getting-started.md", "calls.md", "callbacks.md"} <= {page.name for page in WITH_EXAMPLES}


@pytest.mark.server
def test_the_async_method_and_to_thread_return_an_answer(
    root: Path, create_at_edge: Create, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``asyncio.to_thread`` exists since Python 3.9."""
    monkeypatch.setattr(TargetClient, "create", staticmethod(create_at_edge))
    names = run_page(root / "docs" / "callbacks.md")
    envelopes: List[Any] = [names[name] for name in ("awaited", "from_thread") if name in names]
    assert len(envelopes) == (2 if sys.version_info >= (3, 9) else 1)
    assert [envelope.response.status for envelope in envelopes] == [200] * len(envelopes)


def first_cells(page: Path) -> List[str]:
    """Return the names in the first column of the page's tables."""
    return _first_cells_in(page.read_text(encoding="utf-8"))


def _first_cells_in(text: str) -> List[str]:
    return re.findall(r"^\| \[?`(\w+)", text, re.MULTILINE)


def _section(page: Path, title: str) -> str:
    """Return the text between the heading ``title`` and the next heading of the same level."""
    return page.read_text(encoding="utf-8").split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_every_client_option_is_in_a_table(root: Path) -> None:
    """The tables have no other names and no name twice."""
    option_names = _first_cells_in(_section(root / "docs" / "options.md", "Options of the client"))
    assert sorted(option_names) == sorted(ClientOptions.__annotations__)


@pytest.mark.skipif(sys.version_info < (3, 9), reason="ast.unparse exists since Python 3.9")
def test_the_tables_of_options_are_generated_from_the_code(root: Path) -> None:
    """After a change to an option, run ``scripts/make_option_tables.py``."""
    script = runpy.run_path(str(root / "scripts" / "make_option_tables.py"))
    text = script["PAGE"].read_text(encoding="utf-8")
    assert script["with_tables"](text) == text


def test_every_counter_is_in_the_table(root: Path) -> None:
    """The table has no other names."""
    with TargetClient.create({"client": "acmeclient", "organization_id": "1234567890@AdobeOrg"}) as client:
        counted = sorted(client.stats())
    assert sorted(_first_cells_in(_section(root / "docs" / "client.md", "Statistics"))) == counted


def test_the_methods_of_1_1_0s_result_are_in_the_table(root: Path) -> None:
    """1.1.0's ``AsyncResult`` had these four methods."""
    table = _section(root / "docs" / "callbacks.md", "AsyncResult")
    assert {"get", "wait", "ready", "successful"} <= set(_first_cells_in(table))


def test_every_call_option_is_in_a_table(root: Path) -> None:
    """The table has no other names and no name twice."""
    option_names = _first_cells_in(_section(root / "docs" / "options.md", "Options of a call"))
    assert sorted(option_names) == sorted({*CallOptions.__annotations__, *CallbackOptions.__annotations__})


def test_every_error_has_a_row(root: Path) -> None:
    """Every class derived from ``TargetError`` is in ``errors.md``."""
    tree = [
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.TargetError) and not name.startswith("_")
    ]
    assert [name for name in tree if name not in first_cells(root / "docs" / "errors.md")] == []


def test_every_page_is_in_the_navigation(root: Path) -> None:
    navigation = (root / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page.name for page in (root / "docs").glob("*.md") if page.name not in navigation] == []
