"""The module list in ``docs/internals.md`` matches the source."""

import re
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

from tests.project.source import PACKAGES, Module

HEADING = re.compile(r"^\d [A-Z ]+?  +(?P<folder>\w[\w/]*/)")
ENTRY = re.compile(r"^(?P<indent> {2,})(?P<name>[\w-]+/?)(?:  |$)")


def listed_modules(page: str) -> Iterator[str]:
    """Yield the dotted names of the list. The modules of a folder are indented below it."""
    block = page.split("```text\n", 1)[1].split("```", 1)[0]
    folders: List[Tuple[int, str]] = []
    for line in block.splitlines():
        heading, entry = HEADING.match(line), ENTRY.match(line)
        if heading:
            folders = [(0, heading.group("folder"))]
        elif entry:
            depth = len(entry.group("indent"))
            folders = [each for each in folders if each[0] < depth]
            path = folders[-1][1] + entry.group("name")
            if path.endswith("/"):
                folders.append((depth, path))
            else:
                yield path.replace("/", ".")


def test_the_list_names_every_module_and_no_other(root: Path, modules: Dict[str, Module]) -> None:
    listed = list(listed_modules((root / "docs" / "internals.md").read_text(encoding="utf-8")))
    existing = [name for name, module in modules.items() if not module.is_package]

    assert sorted(listed) == sorted(existing)


def test_the_list_is_parsed() -> None:
    """This list has headings, modules, the modules of a folder, and a line that continues a description."""
    page = (
        "```text\n0 FOUNDATION  target_tools/  bytes\n  clock  the time\n         in two units\n\n"
        "5 AROUND  target_python_sdk/  what applications add\n  local_edge/  an edge\n    server  answers\n"
        "  __main__  commands\n```"
    )
    assert list(listed_modules(page)) == [
        "target_tools.clock",
        "target_python_sdk.local_edge.server",
        "target_python_sdk.__main__",
    ]


def test_the_list_names_every_package(root: Path) -> None:
    page = (root / "docs" / "internals.md").read_text(encoding="utf-8")
    assert [name for name in PACKAGES if (root / name).is_dir() and name + "/" not in page] == []
