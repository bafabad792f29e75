"""Every public type is used in an example: a Python block of the README or of ``docs/``, or a file in ``samples/``."""

import ast
import re
from pathlib import Path
from typing import List, Set

from tests.docs.pages import PAGES, python_blocks

#: The modules whose types must be used.
MODULES = ("target_python_sdk", "target_python_sdk.types")


def public_types(root: Path) -> List[str]:
    """Return the classes of the modules, from ``public_api.txt``, which another test compares with the code."""
    text = (root / "tests" / "project" / "public_api.txt").read_text(encoding="utf-8")
    _, *parts = re.split(r"^\[([\w.]+)\]$", text, flags=re.MULTILINE)
    sections = dict(zip(parts[::2], parts[1::2]))
    return [name for module in MODULES for name in re.findall(r"^class (\w+)", sections[module], re.MULTILINE)]


def used_names(source: str) -> Set[str]:
    """Return the names that the code uses. An import alone is not a use."""
    nodes = list(ast.walk(ast.parse(source)))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return names | {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def test_every_public_type_is_used_in_an_example(root: Path) -> None:
    blocks = [block.parsed for page in PAGES for block in python_blocks(page)]
    samples = [path.read_text(encoding="utf-8") for path in sorted((root / "samples").rglob("*.py"))]
    used = set().union(*map(used_names, [*blocks, *samples]))
    types = public_types(root)
    assert len(types) > 80
    assert [name for name in types if name not in used] == []


def test_an_import_is_not_a_use() -> None:
    source = "from shop import Choice, Offer\nshown: Offer = shop.Option()"
    assert used_names(source) == {"Offer", "Option", "shop", "shown"}
