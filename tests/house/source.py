"""The packages' source as the shape tests look at it: modules by name, their trees, their imports."""

import ast
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Set

PACKAGES = ("target_tools", "target_python_sdk", "delivery_api_client", "target_decisioning_engine")


class Module(NamedTuple):
    """One source file."""

    name: str
    path: Path
    tree: ast.Module
    lines: int

    @property
    def is_package(self) -> bool:
        """Whether it is an ``__init__.py``, so that relative imports start at itself."""
        return self.path.name == "__init__.py"


def modules_under(root: Path) -> Dict[str, Module]:
    """Every module of the packages under ``root``, by dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            text = path.read_text(encoding="utf-8")
            found[name] = Module(name, path, ast.parse(text, str(path)), text.count("\n"))
    return found


def imports_of(module: Module, modules: Dict[str, Module]) -> Set[str]:
    """The modules of the packages that ``module`` imports, wherever in its text; never itself."""
    found = set()
    for node in ast.walk(module.tree):
        for name in _named_by(node, module):
            # ``from a.b import c`` names a module if there is one called a.b.c, and a.b if not.
            target = name if name in modules else name.rpartition(".")[0]
            if target in modules and target != module.name:
                found.add(target)
    return found


def _named_by(node: ast.AST, module: Module) -> List[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = _base_of(node, module)
        return ["{}.{}".format(base, alias.name) for alias in node.names]
    return []


def _base_of(node: ast.ImportFrom, module: Module) -> str:
    if not node.level:
        return node.module or ""
    package = module.name.split(".") if module.is_package else module.name.split(".")[:-1]
    above = package[: len(package) - (node.level - 1)]
    return ".".join(above + ([node.module] if node.module else []))


def calls_in(tree: ast.AST) -> Iterator[ast.Call]:
    """Every call in the tree."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def dotted(node: ast.AST) -> str:
    """``a.b.c`` for such an expression, the last name for anything longer, else nothing."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return "{}.{}".format(before, node.attr) if before else node.attr
    return ""
