"""A folder's name says what the code in it may know: imports go down a floor or stay on it."""

from pathlib import Path
from typing import Dict, List, Set

import pytest

from tests.house.source import Module, imports_of, modules_under

#: Where each part of the tree lives; the longest name that fits counts.
FLOORS = {
    "target_tools": 0,
    "target_python_sdk.types": 1,
    "target_python_sdk.offers": 1,  # what an answer has for one mbox, view or page load
    "target_python_sdk.protocol": 1,  # names and numbers of the Delivery API
    "target_python_sdk.version": 1,  # one constant, which requests carry; it imports nothing
    "target_python_sdk.decisioning": 2,
    "target_python_sdk.delivery": 3,
    "target_python_sdk.artifact": 3,
    "target_python_sdk": 4,
    "target_python_sdk.integrations": 5,
    "target_python_sdk.testing": 5,
    "target_python_sdk.local_edge": 5,
    "target_python_sdk.__main__": 5,
    "delivery_api_client": 6,
    "target_decisioning_engine": 6,
}
#: 1.1.0's modules in our own packages: thin, and for users alone, too.
OLD_MODULES = {
    "target_python_sdk": ("cookies", "helper", "messages", "validators"),
    "target_tools": ("constants", "messages", "perf_tool", "response_helpers", "types", "utils"),
}
FLOORS.update({"{}.{}".format(package, name): 6 for package, names in OLD_MODULES.items() for name in names})


def floor_of(name: str) -> int:
    """The floor a module lives on."""
    while name not in FLOORS:
        name = name.rpartition(".")[0]
    return FLOORS[name]


def climbing(modules: Dict[str, Module]) -> List[str]:
    """The imports that go up; below the highest floor none goes through an old door."""
    return [
        "{} imports {}".format(module.name, target)
        for module in modules.values()
        for target in sorted(imports_of(module, modules))
        if floor_of(target) > floor_of(module.name)
    ]


def circles(modules: Dict[str, Module]) -> List[str]:
    """The modules that import one another in a circle: those that no order of loading satisfies."""
    waiting = {name: imports_of(module, modules) for name, module in modules.items()}
    while True:
        ready = [name for name, needed in waiting.items() if not needed & set(waiting)]
        if not ready:
            return sorted(_reachable_from_themselves(waiting))
        for name in ready:
            del waiting[name]


def _reachable_from_themselves(graph: Dict[str, Set[str]]) -> List[str]:
    def reach(start: str) -> Set[str]:
        seen: Set[str] = set()
        todo = list(graph[start])
        while todo:
            name = todo.pop()
            if name in graph and name not in seen:
                seen.add(name)
                todo.extend(graph[name])
        return seen

    return [name for name in graph if name in reach(name)]


def test_no_import_goes_up_or_through_an_old_door(root: Path) -> None:
    """A module knows its own floor and those below; the old doors are for users alone."""
    assert climbing(modules_under(root)) == []


def test_no_modules_import_one_another_in_a_circle(root: Path) -> None:
    """There is an order in which the modules can be read."""
    assert circles(modules_under(root)) == []


@pytest.fixture
def bad_house(tmp_path: Path) -> Dict[str, Module]:
    """A tree with one of each fault, to see the tests above fail."""
    files = {
        "target_tools/__init__.py": "",
        "target_tools/clock.py": "def now():\n    from target_python_sdk.types import Geo\n",
        "target_tools/left.py": "from . import right\n",
        "target_tools/right.py": "from target_tools.left import thing\n",
        "target_python_sdk/__init__.py": "from target_python_sdk.client import TargetClient\n",
        "target_python_sdk/client.py": "import delivery_api_client\nfrom target_tools import clock\n",
        "target_python_sdk/types/__init__.py": "from ..delivery.edge import host\n",
        "target_python_sdk/delivery/__init__.py": "",
        "target_python_sdk/delivery/edge.py": "from ..types import Geo\n",
        "delivery_api_client/__init__.py": "from delivery_api_client.models import Geo\n",
        "delivery_api_client/models.py": "import target_python_sdk.types\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return modules_under(tmp_path)


def test_an_import_upwards_is_seen_wherever_it_hides(bad_house: Dict[str, Module]) -> None:
    """In a function, relative, or through an old door."""
    assert climbing(bad_house) == [
        "target_tools.clock imports target_python_sdk.types",
        "target_python_sdk.client imports delivery_api_client",
        "target_python_sdk.types imports target_python_sdk.delivery.edge",
    ]


def test_a_circle_is_seen(bad_house: Dict[str, Module]) -> None:
    """On one floor or over two; what merely imports a circle is not part of it."""
    assert circles(bad_house) == [
        "target_python_sdk.delivery.edge",
        "target_python_sdk.types",
        "target_tools.left",
        "target_tools.right",
    ]
