"""Read the source of the packages: modules by name, their syntax trees and their imports."""

import ast
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Set

PACKAGES = ("target_tools", "target_python_sdk", "delivery_api_client", "target_decisioning_engine")


class Module(NamedTuple):
    """A source file, with its text and its syntax tree."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """Return the number of lines."""
        return self.text.count("\n")

    @property
    def is_package(self) -> bool:
        """Return whether this is an ``__init__.py``, in which relative imports start at the module itself."""
        return self.path.name == "__init__.py"

    def source_of(self, node: ast.AST) -> str:
        """Return the text of an expression. ``ast.get_source_segment`` is slower: it splits lines in Python code."""
        start, end = node.lineno - 1, node.end_lineno  # type: ignore[attr-defined]
        lines = [line.encode() for line in self.text.split("\n")[start:end]]
        lines[-1] = lines[-1][: node.end_col_offset]  # type: ignore[attr-defined]
        lines[0] = lines[0][node.col_offset :]  # type: ignore[attr-defined]
        return b"\n".join(lines).decode()


def modules_under(root: Path) -> Dict[str, Module]:
    """Parse the modules of the packages under ``root``; return them by dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            text = path.read_text(encoding="utf-8")
            found[name] = Module(name, path, text, ast.parse(text, str(path)))
    return found


def imports_of(module: Module, modules: Dict[str, Module]) -> Set[str]:
    """Return the names of those ``modules`` that ``module`` imports, also inside functions."""
    found = set()
    for node in ast.walk(module.tree):
        for name in _imported_names(node, module):
            # ``from a.b import c`` imports the module a.b.c if it exists, else a name of a.b.
            target = name if name in modules else name.rpartition(".")[0]
            if target in modules and target != module.name:
                found.add(target)
    return found


def _imported_names(node: ast.AST, module: Module) -> List[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = _base_of(node, module)
        return [f"{base}.{alias.name}" for alias in node.names]
    return []


def _base_of(node: ast.ImportFrom, module: Module) -> str:
    if not node.level:
        return node.module or ""
    package = module.name.split(".") if module.is_package else module.name.split(".")[:-1]
    above = package[: len(package) - (node.level - 1)]
    return ".".join(above + ([node.module] if node.module else []))


def calls_in(tree: ast.AST) -> Iterator[ast.Call]:
    """Return every call in the tree."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` for that expression, ``c`` for ``f().c``, and ``""`` for other expressions."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else node.attr
    return ""
