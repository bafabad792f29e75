"""The picture in ``docs/internals.md`` is the house as it stands."""

import re
from pathlib import Path
from typing import Iterator, List, Tuple

from tests.house.source import PACKAGES, modules_under

HEADING = re.compile(r"^\d [A-Z ]+?  +(?P<folder>\w[\w/]*/)")
ROOM = re.compile(r"^(?P<indent> {2,})(?P<name>\w+/?)(?:  |$)")


def rooms_drawn(page: str) -> Iterator[str]:
    """The modules in the plan, as dotted names; a folder's own rooms stand indented below it."""
    plan = page.split("```text\n", 1)[1].split("```", 1)[0]
    above: List[Tuple[int, str]] = []
    for line in plan.splitlines():
        heading, room = HEADING.match(line), ROOM.match(line)
        if heading:
            above = [(0, heading.group("folder"))]
        elif room:
            depth = len(room.group("indent"))
            above = [each for each in above if each[0] < depth]
            path = above[-1][1] + room.group("name")
            if path.endswith("/"):
                above.append((depth, path))
            else:
                yield path.replace("/", ".")


def test_the_plan_names_every_module_and_no_other(root: Path) -> None:
    """A new module is drawn in, a removed one is taken out."""
    drawn = list(rooms_drawn((root / "docs" / "internals.md").read_text(encoding="utf-8")))
    standing = [name for name, module in modules_under(root).items() if not module.is_package]

    assert sorted(drawn) == sorted(standing)


def test_a_plan_is_read_as_it_is_drawn() -> None:
    """Floors, rooms, a folder's rooms, and a line that only goes on."""
    page = (
        "```text\n0 GROUND  target_tools/  knows bytes\n  clock  the time\n         in two units\n\n"
        "5 AROUND  target_python_sdk/  what people add\n  local_edge/  an edge\n    server  answers\n"
        "  __main__  commands\n```"
    )
    assert list(rooms_drawn(page)) == [
        "target_tools.clock",
        "target_python_sdk.local_edge.server",
        "target_python_sdk.__main__",
    ]


def test_every_package_is_on_the_plan(root: Path) -> None:
    """No package stands outside the house."""
    page = (root / "docs" / "internals.md").read_text(encoding="utf-8")
    assert [name for name in PACKAGES if (root / name).is_dir() and name + "/" not in page] == []
