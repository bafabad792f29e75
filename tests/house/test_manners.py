"""What no module of the packages does, and what every one has."""

import ast
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Tuple

import pytest

from tests.house.source import PACKAGES, Module, calls_in, dotted, modules_under

MOST_LINES = 400
#: Modules that may be longer, each with its reason.
LONGER: Dict[str, str] = {}

#: Modules that are programs: they talk, and may do as applications do.
PROGRAMS = ("target_python_sdk.__main__", "target_python_sdk.local_edge.demo")

#: Calls that a library does not make: copying on the way of a call, talking, and what belongs to its host.
CALLS_OF_A_BAD_GUEST = {
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


def bad_calls(module: Module) -> Iterator[str]:
    """Calls that belong to an application, or copy deeply."""
    if module.name not in PROGRAMS:
        for call in calls_in(module.tree):
            name = dotted(call.func)
            if name in CALLS_OF_A_BAD_GUEST or name.rpartition(".")[2] in ("setLevel", "deepcopy"):
                yield at(module, call, name)


def nameless_errors(module: Module) -> Iterator[str]:
    """``raise Exception``: an error that nobody can catch by its kind."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if dotted(raised) in ("Exception", "BaseException"):
                yield at(module, node, "raise " + dotted(raised))


def swallowed_errors(module: Module) -> Iterator[str]:
    """A bare ``except``, or a broad one that says nothing."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield at(module, node, "bare except")
            elif dotted(node.type) in ("Exception", "BaseException") and all(map(_says_nothing, node.body)):
                yield at(module, node, "except {}: pass".format(dotted(node.type)))


def _says_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def postponed_annotations(module: Module) -> Iterator[str]:
    """The future import that would turn the types' annotations into text."""
    if module.name.startswith("target_python_sdk.types"):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                yield at(module, node, "from __future__ import …")


def module_state(module: Module) -> Iterator[str]:
    """A list, dict or set on the module that has a variable's name, or that something changes."""
    kept = {}
    for node in module.tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and _is_mutable(value):
            for target in targets:
                name = dotted(target)
                if not (name.startswith("__") and name.endswith("__")):
                    kept[name] = node
    for name, node in kept.items():
        if name.lstrip("_") != name.lstrip("_").upper():
            yield at(module, node, name)
    for name, node in _changes(module.tree):
        if name in kept:
            yield at(module, node, "{} is changed".format(name))
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
    """The module itself, its public classes and functions, and methods that cannot have inherited a docstring."""
    if ast.get_docstring(module.tree) is None:
        yield module.name
    yield from _undocumented_in(module.tree, module.name)


def _undocumented_in(tree: ast.AST, where: str) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            name = "{}.{}".format(where, node.name)
            if ast.get_docstring(node) is None and not _is_overload(node):
                yield name
            if isinstance(node, ast.ClassDef) and not node.bases:
                yield from _undocumented_in(node, name)


def _is_overload(node: ast.AST) -> bool:
    decorators = getattr(node, "decorator_list", [])
    return any(dotted(each).endswith(("overload", ".setter", ".deleter")) for each in decorators)


def too_long(module: Module) -> Iterator[str]:
    """More lines than one story needs."""
    if module.lines > MOST_LINES and module.name not in LONGER:
        yield "{}: {} lines".format(module.name, module.lines)


def at(module: Module, node: ast.AST, what: str) -> str:
    """How a finding is reported."""
    return "{}:{}: {}".format(module.name, getattr(node, "lineno", 0), what)


RULES: List[Finding] = [
    bad_calls, nameless_errors, swallowed_errors, postponed_annotations, module_state, undocumented, too_long,
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_rule(root: Path, rule: Finding) -> None:
    """The packages have none of what the rule's docstring names."""
    assert [finding for module in modules_under(root).values() for finding in rule(module)] == []


FAULTS: Dict[Finding, str] = {
    bad_calls: "import copy, logging\ncopy.deepcopy({})\nlogging.getLogger('urllib3').setLevel(30)\nprint('x')\n",
    nameless_errors: "raise Exception('what?')\n",
    swallowed_errors: "try:\n    pass\nexcept:\n    raise\ntry:\n    pass\nexcept Exception:\n    pass\n",
    postponed_annotations: "from __future__ import annotations\n",
    module_state: "cache = {}\nSEEN = []\ndef see(x):\n    SEEN.append(x)\n    global count\n",
    undocumented: "class Public:\n    def method(self):\n        pass\n    def _private(self): pass\n",
    too_long: "x = 1\n" * (MOST_LINES + 1),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_sees_a_fault(rule: Finding) -> None:
    """Each rule has a text that breaks it."""
    text = FAULTS[rule]
    module = Module("target_python_sdk.types.bad", Path("bad.py"), ast.parse(text), text.count("\n"))
    assert list(rule(module))


def test_what_is_excused_is_really_too_long(root: Path) -> None:
    """An excuse goes when its reason has gone."""
    modules = modules_under(root)
    assert [name for name in LONGER if name not in modules or modules[name].lines <= MOST_LINES] == []


def test_every_package_is_marked_as_typed(root: Path) -> None:
    """``py.typed`` lies in every folder that is a package, and every folder with code is one."""
    folders = {path.parent for package in PACKAGES for path in (root / package).rglob("*.py")}
    assert [str(folder) for folder in sorted(folders) if not (folder / "py.typed").is_file()] == []
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []
