"""The folder of a module determines its layer; a module imports from its own layer and from lower ones."""

from pathlib import Path
from typing import Dict, List, Set

import pytest

from tests.project.source import Module, imports_of, modules_under

#: The layer of each part of the tree. The longest matching name counts.
LAYERS = {
    "target_tools": 0,
    "target_python_sdk.types": 1,
    "target_python_sdk.events": 1,  # names and payload types
    "target_python_sdk.observers": 1,  # what observers receive
    "target_python_sdk.offers": 1,  # the part of an answer for one mbox, view or page load
    "target_python_sdk.server_state": 1,  # an answer for at.js
    "target_python_sdk.protocol": 1,  # names and numbers of the Delivery API
    "target_python_sdk.version": 1,  # one constant, sent with requests; it imports nothing
    "target_python_sdk.decisioning": 2,
    "target_python_sdk.delivery": 3,
    "target_python_sdk.explain": 3,
    "target_python_sdk.artifact": 3,
    "target_python_sdk": 4,
    "target_python_sdk.integrations": 5,
    "target_python_sdk.testing": 5,
    "target_python_sdk.local_edge": 5,
    "target_python_sdk.commands": 5,
    "target_python_sdk.inspection": 5,
    "target_python_sdk.__main__": 5,
    "target_tools.pytest_plugin": 5,  # not in target_python_sdk, which pytest would import at each start
    "delivery_api_client": 6,
    "target_decisioning_engine": 6,
}
#: Modules of 1.1.0 in our own packages. Only users import them.
MODULES_OF_1_1_0 = {
    "target_python_sdk": ("cookies", "helper", "messages", "validators"),
    "target_tools": ("constants", "messages", "perf_tool", "response_helpers", "types", "utils"),
}
LAYERS.update({f"{package}.{name}": 6 for package, names in MODULES_OF_1_1_0.items() for name in names})


def layer_of(name: str) -> int:
    """Return the layer of a module."""
    while name not in LAYERS:
        name = name.rpartition(".")[0]
    return LAYERS[name]


def upward_imports(modules: Dict[str, Module]) -> List[str]:
    """Return the imports from a higher layer. The modules of 1.1.0 are the highest."""
    return [
        f"{module.name} imports {target}"
        for module in modules.values()
        for target in sorted(imports_of(module, modules))
        if layer_of(target) > layer_of(module.name)
    ]


def import_cycles(modules: Dict[str, Module]) -> List[str]:
    """Return the modules that are part of an import cycle."""
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


def test_no_module_imports_from_a_higher_layer(modules: Dict[str, Module]) -> None:
    assert upward_imports(modules) == []


def test_there_is_no_import_cycle(modules: Dict[str, Module]) -> None:
    assert import_cycles(modules) == []


@pytest.fixture
def faulty_tree(tmp_path: Path) -> Dict[str, Module]:
    """A tree with import cycles and with imports from higher layers."""
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


def test_an_import_from_a_higher_layer_is_found(faulty_tree: Dict[str, Module]) -> None:
    """The import may be inside a function, relative, or of a package of 1.1.0."""
    assert upward_imports(faulty_tree) == [
        "target_tools.clock imports target_python_sdk.types",
        "target_python_sdk.client imports delivery_api_client",
        "target_python_sdk.types imports target_python_sdk.delivery.edge",
    ]


def test_an_import_cycle_is_found(faulty_tree: Dict[str, Module]) -> None:
    """The cycle may be within one layer or across two. A module that only imports from a cycle is not part of it."""
    assert import_cycles(faulty_tree) == [
        "target_python_sdk.delivery.edge",
        "target_python_sdk.types",
        "target_tools.left",
        "target_tools.right",
    ]
