#!/usr/bin/env python3
"""Count phrases that are not plain English: ``scripts/style_lint.py [--list] [PATH ...]``.

Checks docstrings and comments of Python files, and the text of Markdown files without its code.
``style_lint.ini``, beside this script, has the phrases and the limits. Prints the hits of each
part that exceeds its limit; exits with 1 if one does.
"""

import argparse
import ast
import configparser
import inspect
import io
import re
import sys
import tokenize
from pathlib import Path
from typing import Dict, Iterator, List, Match, NamedTuple, Pattern, Tuple

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = Path(__file__).with_suffix(".ini")
SUFFIXES = (".py", ".pyi", ".md")
NOT_OURS = {".venv", "__pycache__", "build", "dist", "site"}
#: The limit of a path that the section ``limits`` of the settings does not name.
DEFAULT_LIMIT = 2.0

#: Code in Markdown and docstrings, which is not prose. Inline code keeps its place as a single word.
BLOCKS = re.compile(
    r"<!--.*?-->"  # HTML comments
    r"|^(?P<indent>[ ]*)(?P<fence>```|~~~).*?^(?P=indent)(?P=fence)"  # fenced blocks
    r"|(?<=::\n\n)(?:[ \t]+[^\n]*\n|\n)+"  # literal blocks
    r"|^[ ]*>>>[^\n]*",  # examples of doctest
    re.DOTALL | re.MULTILINE,
)
INLINE = re.compile(r"(?::[\w:]+:)?(?P<ticks>`+)[^`]*(?P=ticks)")
LINK_TARGET = re.compile(r"\]\([^)]*\)")
DIRECTIVE = re.compile(r"\b(?:noqa|pragma|pylint|pyright|type):.*$", re.MULTILINE)
WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*")


class Kind(NamedTuple):
    """A kind of phrase to avoid."""

    name: str
    instead: str
    pattern: Pattern[str]


class Hit(NamedTuple):
    """A phrase that was found."""

    path: Path
    line: int
    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.kind.name}: '{self.text}' ({self.kind.instead})"


class Part(NamedTuple):
    """The result for a file or folder."""

    name: str
    words: int
    hits: List[Hit]

    @property
    def rate(self) -> float:
        """Hits per 1,000 words."""
        return 1000 * len(self.hits) / self.words if self.words else 0.0


def read_settings() -> Tuple[Dict[str, float], List[Kind]]:
    """Return the limits by part, and the kinds of phrases."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.optionxform = str  # type: ignore[assignment,method-assign]
    settings.read(SETTINGS, encoding="utf-8")
    limits = {name: float(value) for name, value in settings.items("limits")}
    kinds = []
    for name in settings.sections():
        if name != "limits":
            alternatives = settings.get(name, "match").split("\n")
            expression = "|".join(f"(?:{each})" for each in alternatives if each).replace(" ", r"\s+")
            kinds.append(Kind(name, settings.get(name, "instead"), re.compile(expression, re.IGNORECASE)))
    return limits, kinds


def texts_of(path: Path) -> Iterator[Tuple[int, str]]:
    """Yield the pieces of prose in a file, each with its first line."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield 1, source
        return
    for node in ast.walk(ast.parse(source, str(path))):
        # Any string that is a statement: docstrings, including those below the fields of a model.
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docstring = inspect.cleandoc(node.value.value)  # the indentation of literal blocks is relative to the text
            yield node.lineno + leading_newlines(node.value.value), docstring
    yield from comments_of(source)


def comments_of(source: str) -> Iterator[Tuple[int, str]]:
    """Yield blocks of comments; the comments of successive lines are one block."""
    first, block = 0, []  # type: Tuple[int, List[str]]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line = token.start[0]
            if block and line != first + len(block):
                yield first, "\n".join(block)
                block = []
            if not block:
                first = line
            block.append(DIRECTIVE.sub("", token.string.lstrip("#:! ")))
    if block:
        yield first, "\n".join(block)


def without_code(text: str) -> str:
    """Blank out code and link targets; line numbers stay the same."""
    text = BLOCKS.sub(newlines, text)
    text = INLINE.sub(lambda code: "X" + newlines(code), text)
    return LINK_TARGET.sub(newlines, text)


def leading_newlines(text: str) -> int:
    """Count the line breaks before the first word."""
    return text[: len(text) - len(text.lstrip())].count("\n")


def newlines(removed: Match[str]) -> str:
    """Return as many line breaks as the removed text has."""
    return "\n" * removed[0].count("\n")


def check(name: str, kinds: List[Kind]) -> Part:
    """Count words and phrases in a file or folder."""
    words, hits = 0, []  # type: Tuple[int, List[Hit]]
    for path in files_of(ROOT / name):
        for first, text in texts_of(path):
            prose = without_code(text)
            words += len(WORD.findall(prose))
            for kind in kinds:
                for found in kind.pattern.finditer(prose):
                    line = first + prose.count("\n", 0, found.start()) + leading_newlines(found[0])
                    hits.append(Hit(path.relative_to(ROOT), line, kind, " ".join(found[0].split())))
    return Part(name, words, sorted(hits, key=lambda hit: hit[:2]))


def files_of(path: Path) -> Iterator[Path]:
    """Yield the file, or the Python and Markdown files in the folder."""
    if path.is_file():
        yield path
    for found in sorted(path.rglob("*")):
        if found.suffix in SUFFIXES and NOT_OURS.isdisjoint(found.relative_to(path).parts):
            yield found


def main() -> int:
    """Check the parts, print the results, and return the exit status."""
    parser = argparse.ArgumentParser(description="Count phrases that are not plain English.")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="default: each part that has a limit")
    list_help = "print the hits of all parts, not only of those above their limit"
    parser.add_argument("--list", action="store_true", help=list_help)
    given = parser.parse_args()
    limits, kinds = read_settings()
    failed = False
    for name in [str(Path(path).resolve().relative_to(ROOT)) for path in given.paths] or limits:
        part = check(name, kinds)
        limit = limits.get(name, DEFAULT_LIMIT)
        too_many = part.rate > limit
        failed = failed or too_many
        if too_many or given.list:
            print(*part.hits, sep="\n")  # noqa: T201
        figures = f"{len(part.hits):4} in {part.words:6} words, {part.rate:6.2f} per 1,000, limit {limit:g}"
        print(f"{'FAILED' if too_many else 'ok':8}{part.name:28}{figures}")  # noqa: T201
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
