"""Find and run the Python examples of a Markdown page."""

import re
import sys
from pathlib import Path
from typing import Dict, List

from sybil import Document, Example
from sybil.parsers.markdown import CodeBlockParser

from tests.conftest import ROOT

#: The oldest Python for the pages whose examples import libraries that need a newer Python than the SDK.
OLDEST_PYTHON = {"openfeature.md": (3, 10), "opentelemetry.md": (3, 9)}
#: The pages whose examples can run under this version of Python.
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if sys.version_info >= OLDEST_PYTHON.get(page.name, (3, 8))
]


def run_block(example: Example) -> None:
    """Execute one block in the namespace of its page. Line numbers in a traceback are those of the page."""
    example.namespace.setdefault("__name__", Path(example.path).stem)
    text = "\n" * (example.line + example.parsed.line_offset) + example.parsed
    exec(compile(text, example.path, "exec"), example.namespace)


def python_blocks(page: Path, info: str = "python") -> List[Example]:
    """Return the blocks with this info string, in order. They share one namespace."""
    document = Document.parse(str(page), CodeBlockParser(language=info, evaluator=run_block))
    return list(document.examples())


def run_page(page: Path, info: str = "python") -> Dict[str, object]:
    """Run every block of the page; return the namespace."""
    namespace: Dict[str, object] = {}
    for example in python_blocks(page, info):
        namespace = example.namespace
        example.evaluate()
    return namespace


def write_program(page: Path, folder: Path) -> Path:
    """Write the blocks of the page into one file, in order; return its path."""
    program = folder / f"page_{page.stem.replace('-', '_').replace('.', '_').lower()}.py"
    program.write_text("\n\n".join(block.parsed for block in python_blocks(page)), encoding="utf-8")
    return program


def fenced_after(page: Path, marker: str) -> str:
    """Return the text of the first fenced block after ``marker``."""
    after = page.read_text(encoding="utf-8").split(marker, 1)[1]
    return after.split("```text\n", 1)[1].split("```", 1)[0]


def documented_output(page: Path) -> "List[re.Pattern[str]]":
    """Return a pattern for each line of the page's ``text`` blocks. ``…`` stands for any text."""
    blocks = re.findall(r"^```text\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [re.compile(".*".join(map(re.escape, line.split("…")))) for block in blocks for line in block.splitlines()]
