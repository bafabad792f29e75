"""Rules that every module of the packages follows."""

import ast
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Tuple

import pytest

from tests.project.source import PACKAGES, Module, calls_in, dotted

MOST_LINES = 400
#: Longer modules, each with the reason.
LONGER_MODULES: Dict[str, str] = {
    "target_python_sdk.artifact.source": "one class, whose methods are the states of one polling loop",
}

#: Programs: they print and may do what an application does.
PROGRAMS = ("target_python_sdk.__main__", "target_python_sdk.local_edge.demo")

#: Calls that a library must not make: deep copies, output, and changes to the application's global state.
FORBIDDEN_CALLS = {
    "copy.deepcopy",
    "deepcopy",
    "print",
    "logging.basicConfig",
    "logging.disable",
    "setLevel",
    "signal.signal",
    "warnings.simplefilter",
    "warnings.filterwarnings",
}
MUTATORS = {
    "append", "add", "update", "pop", "popitem", "setdefault", "clear", "extend", "insert", "remove", "discard",
}  # fmt: skip

Finding = Callable[[Module], Iterator[str]]


def forbidden_calls(module: Module) -> Iterator[str]:
    """Find deep copies and calls that only an application may make."""
    if module.name not in PROGRAMS:
        for call in calls_in(module.tree):
            name = dotted(call.func)
            if name in FORBIDDEN_CALLS or name.rpartition(".")[2] in ("setLevel", "deepcopy"):
                yield at(module, call, name)


def general_errors(module: Module) -> Iterator[str]:
    """Find ``raise Exception``, which a caller cannot catch by its class."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if dotted(raised) in ("Exception", "BaseException"):
                yield at(module, node, "raise " + dotted(raised))


def swallowed_errors(module: Module) -> Iterator[str]:
    """Find a bare ``except``, and ``except Exception`` with an empty body."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield at(module, node, "bare except")
            elif dotted(node.type) in ("Exception", "BaseException") and all(map(_is_empty, node.body)):
                yield at(module, node, f"except {dotted(node.type)}: pass")


def _is_empty(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def postponed_annotations(module: Module) -> Iterator[str]:
    """Find ``from __future__ import annotations`` in the wire types, which read their annotations at run time."""
    if module.name.startswith("target_python_sdk.types"):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                yield at(module, node, "from __future__ import …")


def module_state(module: Module) -> Iterator[str]:
    """Find ``global``, and module-level lists, dicts and sets that have a variable's name or are changed."""
    found = {}
    for node in module.tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and _is_mutable(value):
            for target in targets:
                name = dotted(target)
                if not (name.startswith("__") and name.endswith("__")):
                    found[name] = node
    for name, node in found.items():
        if name.lstrip("_") != name.lstrip("_").upper():
            yield at(module, node, name)
    for name, node in _changes(module.tree):
        if name in found:
            yield at(module, node, f"{name} is changed")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Global):
            yield at(module, node, "global " + ", ".join(node.names))


def _is_mutable(value: object) -> bool:
    if isinstance(value, ast.Call):
        return dotted(value.func) in ("list", "dict", "set", "defaultdict", "collections.defaultdict", "deque",
                                      "collections.deque", "OrderedDict", "collections.OrderedDict")  # fmt: skip
    return isinstance(value, (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp))


def _changes(tree: ast.AST) -> Iterator[Tuple[str, ast.AST]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            yield dotted(node.func.value), node
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, (ast.Store, ast.Del)):
            yield dotted(node.value), node


def undocumented(module: Module) -> Iterator[str]:
    """Find missing docstrings of the module and its public names. A method of a subclass may inherit one."""
    if ast.get_docstring(module.tree) is None:
        yield module.name
    yield from _undocumented_in(module.tree, module.name)


def _undocumented_in(tree: ast.AST, where: str) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            name = f"{where}.{node.name}"
            if ast.get_docstring(node) is None and not _is_overload(node):
                yield name
            if isinstance(node, ast.ClassDef) and not node.bases:
                yield from _undocumented_in(node, name)


def _is_overload(node: ast.AST) -> bool:
    decorators = getattr(node, "decorator_list", [])
    return any(dotted(each).endswith(("overload", ".setter", ".deleter")) for each in decorators)


def too_long(module: Module) -> Iterator[str]:
    """Find a module that is too long."""
    if module.lines > MOST_LINES and module.name not in LONGER_MODULES:
        yield f"{module.name}: {module.lines} lines"


def at(module: Module, node: ast.AST, what: str) -> str:
    """Return the text of a finding."""
    return f"{module.name}:{getattr(node, 'lineno', 0)}: {what}"


RULES: List[Finding] = [
    forbidden_calls, general_errors, swallowed_errors, postponed_annotations, module_state, undocumented, too_long,
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module_follows_the_rule(modules: Dict[str, Module], rule: Finding) -> None:
    assert [finding for module in modules.values() for finding in rule(module)] == []


#: For each rule a text that breaks it.
FAULTS: Dict[Finding, str] = {
    forbidden_calls: "import copy, logging\ncopy.deepcopy({})\nlogging.getLogger('urllib3').setLevel(30)\nprint('x')\n",
    general_errors: "raise Exception('what?')\n",
    swallowed_errors: "try:\n    pass\nexcept:\n    raise\ntry:\n    pass\nexcept Exception:\n    pass\n",
    postponed_annotations: "from __future__ import annotations\n",
    module_state: "cache = {}\nSEEN = []\ndef see(x):\n    SEEN.append(x)\n    global count\n",
    undocumented: "class Public:\n    def method(self):\n        pass\n    def _private(self): pass\n",
    too_long: "x = 1\n" * (MOST_LINES + 1),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_finds_a_fault(rule: Finding) -> None:
    text = FAULTS[rule]
    module = Module("target_python_sdk.types.bad", Path("bad.py"), text, ast.parse(text))
    assert list(rule(module))


def test_every_exception_from_the_limit_is_needed(modules: Dict[str, Module]) -> None:
    assert [name for name in LONGER_MODULES if name not in modules or modules[name].lines <= MOST_LINES] == []


def test_every_package_is_marked_as_typed(root: Path) -> None:
    """Every folder with code has ``__init__.py`` and ``py.typed``."""
    folders = {path.parent for package in PACKAGES for path in (root / package).rglob("*.py")}
    assert [str(folder) for folder in sorted(folders) if not (folder / "py.typed").is_file()] == []
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []
