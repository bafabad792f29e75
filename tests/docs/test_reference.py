"""The reference in ``docs/reference/`` has every public name."""

import re
from pathlib import Path
from typing import Dict, List

import pytest

#: A module, and the names whose docstrings mkdocstrings inserts.
BLOCK = re.compile(r"^::: ([\w.]+)\n    options:\n      members:((?:\s*(?:- |\[)[\w, \]]+)+)", re.MULTILINE)
#: Modules whose names other modules re-export. The reference contains each of these names only once.
HOMES = tuple(f"target_python_sdk{part}" for part in ("", ".explain", ".observers", ".integrations.asgi"))


@pytest.fixture(scope="module")
def public_names(root: Path) -> Dict[str, List[str]]:
    """The public names by module, from ``public_api.txt``, which another test compares with the code."""
    names: Dict[str, List[str]] = {}
    for line in (root / "tests" / "project" / "public_api.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            names[line.strip("[]")] = module_names = []
        elif re.match(r"[A-Za-z]", line):
            module_names += re.findall(r"^(?:class |(?:async )?def )?(\w+)", line)
    return names


def test_every_public_name_is_in_the_reference(root: Path, public_names: Dict[str, List[str]]) -> None:
    pages = [page.read_text(encoding="utf-8") for page in (root / "docs" / "reference").glob("*.md")]
    blocks = [block for page in pages for block in BLOCK.findall(page)]
    documented = {(module, name) for module, names in blocks for name in re.findall(r"\w+", names)}
    assert [
        f"{module}.{name}"
        for module, names in public_names.items()
        for name in names
        if not documented.intersection((home, name) for home in (module, *HOMES))
    ] == []
