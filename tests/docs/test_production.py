"""The log lines and hosts of the production checklist are those of the code."""

import ast
import re
from pathlib import Path
from typing import Dict, Iterator, Set, Tuple

import pytest

from target_python_sdk.delivery.options import ClientSettings
from target_python_sdk.protocol import EDGE_CLUSTER_PREFIX, EDGE_HOST_SUFFIX
from tests.conftest import ROOT

LEVELS = {
    "info": "INFO", "warning": "WARNING", "error": "ERROR", "exception": "ERROR",
    "_log_failure": "WARNING", "warn_once": "WARNING",
}  # fmt: skip
#: A row of the page: a level and a line, in which … stands for a value.
ROW = re.compile(r"^\| (INFO|WARNING|ERROR) \| `(.+?)` \|", re.MULTILINE)
DIRECTIVE = re.compile(r"%[.\d]*[a-z]")


def texts(node: ast.AST) -> Iterator[str]:
    """Yield the texts in an expression, with … for values."""
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield DIRECTIVE.sub("…", each.value)
        elif isinstance(each, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in each.values)


def logged_lines(path: Path) -> Iterator[Tuple[str, str]]:
    """Yield the level and the text of each log call. A variable stands for each text that the module assigns to it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assigned: Dict[str, Set[str]] = {}
    log_methods: Dict[str, Set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            methods = {LEVELS[each.attr] for each in ast.walk(node.value) if getattr(each, "attr", "") in LEVELS}
            for target in ast.walk(node.targets[0]):
                if isinstance(target, ast.Name):
                    assigned.setdefault(target.id, set()).update(texts(node.value))
                    log_methods.setdefault(target.id, set()).update(methods)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            levels = {LEVELS[name]} if name in LEVELS else log_methods.get(name, set())
            first = node.args[0]
            lines = assigned.get(first.id, set()) if isinstance(first, ast.Name) else set(texts(first))
            yield from ((level, line) for level in levels for line in lines)


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "docs" / "production.md").read_text(encoding="utf-8")


def test_the_log_lines_of_the_checklist_are_in_the_code(page: str) -> None:
    """Levels and lines are compared. The part after the last ``;`` can be a value, such as the effect of a failure."""
    modules = [path for package in ("target_python_sdk", "target_tools") for path in (ROOT / package).rglob("*.py")]
    logged = {line for path in modules for line in logged_lines(path)}
    effects = {(level, line.replace("; …", f"; {effect}")) for level, line in logged for effect in EFFECTS}
    listed = ROW.findall(page)
    assert len(listed) > 15
    assert [row for row in listed if row not in logged | effects] == []


#: The values at the end of the line about a failed download.
EFFECTS = ("the previous one stays in use", "on-device decisions are not possible yet")


def test_the_hosts_of_the_checklist_are_those_of_the_code(page: str) -> None:
    hosts = re.findall(r"^\| `([^`]+\.[a-z]+)` \|", page, re.MULTILINE)
    edge = f"{{client}}.{EDGE_HOST_SUFFIX}", f"{EDGE_CLUSTER_PREFIX}{{number}}.{EDGE_HOST_SUFFIX}"
    assert hosts == [*edge, ClientSettings._field_defaults["cdn_base_path"]]


def test_every_counter_of_the_checklist_exists(page: str) -> None:
    """The table of alerts has the names of ``stats()``."""
    table = page.split("\n## Alerts\n", 1)[1].split("```", 1)[0]
    cells = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    names = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    statistics = (ROOT / "target_python_sdk" / "stats.py").read_text(encoding="utf-8")
    assert [name for name in sorted(names) if f"{name}:" not in statistics] == []
    assert len(names) > 10
