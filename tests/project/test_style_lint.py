"""``scripts/style_lint.py`` finds each kind of phrase, in prose only."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import List

import pytest

#: One example for each kind in ``scripts/style_lint.ini``.
EXAMPLES = {
    "indefinite person as subject": "Nobody reads it.",
    "opens with a question word": "What a caller passes.",
    "opens without a verb": "The same for bytes.",
    "clause as a noun": "Return a list of what is left.",
    "is to do": "The connection is to be closed.",
    "to be had": "No thread is to be had.",
    "hears of, told of": "The client hears of it.",
    "is told, is asked": "The worker is told the result.",
    "code that talks to code": "Ask the\nedge again.",
    "code that speaks or knows": "The transport knows nothing about it.",
    "one that": "It is one that closes.",
    "of its own": "It has a thread of its own.",
    "where as a condition": "It closes where there is a connection.",
    "is none": "Return None if the text is none.",
    "negated noun": "It is no file.",
    "stands or lies": "The text stands in the log.",
    "comes about": "An error comes about.",
    "archaic adverb": "It fails for want of a thread.",
    "archaic comparison or duty": "The call is none the slower.",
    "relative clause as subject": "Who calls it waits.",
    "house metaphor": "It is one of the old doors.",
}


@pytest.fixture(scope="module")
def lint(root: Path) -> ModuleType:
    """Return the script as a module."""
    spec = importlib.util.spec_from_file_location("style_lint", str(root / "scripts" / "style_lint.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def found_in(lint: ModuleType, text: str, path: Path) -> List[str]:
    """Return the lines and kinds of the hits in a file with this text."""
    path.write_text(text, encoding="utf-8")
    lint.ROOT = path.parent
    return [f"{hit.line}: {hit.kind.name}" for hit in lint.check(path.name, lint.read_settings()[1]).hits]


def test_every_kind_has_an_example(lint: ModuleType) -> None:
    """A new kind of phrase therefore needs an example, which is then tested."""
    assert [kind.name for kind in lint.read_settings()[1]] == list(EXAMPLES)


@pytest.mark.parametrize("kind", EXAMPLES)
def test_each_kind_is_found_in_docstrings_comments_and_pages(lint: ModuleType, kind: str, tmp_path: Path) -> None:
    """The hit names the kind and the line where the phrase starts."""
    example = EXAMPLES[kind]
    comment = "\n".join(f"# {line}" for line in example.split("\n"))
    assert f"1: {kind}" in found_in(lint, f'"""{example}"""\n', tmp_path / "module.py")
    assert f"2: {kind}" in found_in(lint, f"x = 1\n{comment}\n", tmp_path / "module.py")
    assert f"1: {kind}" in found_in(lint, f"{example}\n", tmp_path / "page.md")


def test_code_is_not_prose(lint: ModuleType, tmp_path: Path) -> None:
    """Strings, code blocks, inline code and comments for tools are ignored; line numbers stay right."""
    docstring = '    """Run ``nobody``::\n\n        nobody\n\n    Nobody.\n    """\n'
    module = f'text = "nobody"\nx = 1  # noqa: nobody\n\n\ndef f():\n{docstring}'
    page = "# Page\n\n```python\nnobody\n```\n\n<!-- nobody -->\n[link](nobody.md) `nobody`\n\nNobody.\n"
    assert found_in(lint, module, tmp_path / "module.py") == ["10: indefinite person as subject"]
    assert found_in(lint, page, tmp_path / "page.md") == ["10: indefinite person as subject"]


def test_ordinary_text_has_no_hits(lint: ModuleType, tmp_path: Path) -> None:
    """Questions, and sentences that resemble an idiom, are allowed."""
    page = "What is a property? Return one of these. There is no file. The server stands for the edge.\n"
    assert found_in(lint, page, tmp_path / "page.md") == []


def test_the_exit_status_is_1_above_the_limit(
    lint: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Each hit above a limit is printed with its position and advice."""
    page = tmp_path / "page.md"
    monkeypatch.setattr(lint, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["style_lint.py", str(page)])

    page.write_text("Somebody reads it. " + "word " * 999, encoding="utf-8")
    assert lint.main() == 0
    assert capsys.readouterr().out.startswith("ok ")

    page.write_text("word\nSomebody reads it.", encoding="utf-8")
    assert lint.main() == 1
    output = capsys.readouterr().out
    assert "page.md:2: indefinite person as subject: 'Somebody' (name the caller" in output
    assert "\nFAILED  page.md" in output
