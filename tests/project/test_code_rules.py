"""Rules that every module of the packages follows."""

import ast
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Tuple

import pytest

from tests.project.source import PACKAGES, Module, calls_in, dotted

MAX_LINES = 400
#: Modules that may be longer, each with the reason.
LONGER_MODULES: Dict[str, str] = {}

#: Programs, which may print and change global state.
PROGRAMS = ("target_python_sdk.commands.edge", "target_python_sdk.local_edge.demo")

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

#: Yields a text for each place where a module breaks the rule.
Rule = Callable[[Module], Iterator[str]]


def forbidden_calls(module: Module) -> Iterator[str]:
    """Find deep copies and calls that only an application may make."""
    if module.name not in PROGRAMS:
        for call in calls_in(module.tree):
            name = dotted(call.func)
            if name in FORBIDDEN_CALLS or name.rpartition(".")[2] in ("setLevel", "deepcopy"):
                yield describe(module, call, name)


def generic_exceptions(module: Module) -> Iterator[str]:
    """Find ``raise Exception``, which callers cannot catch without catching all other errors."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if dotted(raised) in ("Exception", "BaseException"):
                yield describe(module, node, "raise " + dotted(raised))


def swallowed_errors(module: Module) -> Iterator[str]:
    """Find a bare ``except``, and ``except Exception`` with an empty body."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield describe(module, node, "bare except")
            elif dotted(node.type) in ("Exception", "BaseException") and all(map(_is_empty, node.body)):
                yield describe(module, node, f"except {dotted(node.type)}: pass")


def _is_empty(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def postponed_annotations(module: Module) -> Iterator[str]:
    """Find ``from __future__ import annotations`` in the wire types, which read their annotations at run time."""
    if module.name.startswith("target_python_sdk.types"):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                yield describe(module, node, "from __future__ import …")


def module_state(module: Module) -> Iterator[str]:
    """Find ``global``, and module-level lists, dicts and sets that are modified or not named like constants."""
    mutable = {}
    for node in module.tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and _is_mutable(value):
            for target in targets:
                name = dotted(target)
                if not (name.startswith("__") and name.endswith("__")):
                    mutable[name] = node
    for name, node in mutable.items():
        if name.lstrip("_") != name.lstrip("_").upper():
            yield describe(module, node, name)
    for name, node in _modifications(module.tree):
        if name in mutable:
            yield describe(module, node, f"{name} is modified")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Global):
            yield describe(module, node, "global " + ", ".join(node.names))


def _is_mutable(value: object) -> bool:
    if isinstance(value, ast.Call):
        return dotted(value.func) in ("list", "dict", "set", "defaultdict", "collections.defaultdict", "deque",
                                      "collections.deque", "OrderedDict", "collections.OrderedDict")  # fmt: skip
    return isinstance(value, (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp))


def _modifications(tree: ast.AST) -> Iterator[Tuple[str, ast.AST]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            yield dotted(node.func.value), node
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, (ast.Store, ast.Del)):
            yield dotted(node.value), node


def undocumented(module: Module) -> Iterator[str]:
    """Find modules and public names without a docstring. Methods of a subclass may inherit theirs."""
    if ast.get_docstring(module.tree) is None:
        yield module.name
    yield from _undocumented_in(module.tree, module.name)


def _undocumented_in(tree: ast.AST, where: str) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            name = f"{where}.{node.name}"
            if ast.get_docstring(node) is None and not _may_lack_docstring(node):
                yield name
            if isinstance(node, ast.ClassDef) and not node.bases:
                yield from _undocumented_in(node, name)


def _may_lack_docstring(node: ast.AST) -> bool:
    """Return whether the docstring of another definition describes this one."""
    decorators = getattr(node, "decorator_list", [])
    return any(dotted(each).endswith(("overload", ".setter", ".deleter")) for each in decorators)


def too_long(module: Module) -> Iterator[str]:
    """Find a module that is too long."""
    if module.lines > MAX_LINES and module.name not in LONGER_MODULES:
        yield f"{module.name}: {module.lines} lines"


def describe(module: Module, node: ast.AST, problem: str) -> str:
    """Return ``problem`` with the module and line of ``node``."""
    return f"{module.name}:{getattr(node, 'lineno', 0)}: {problem}"


RULES: List[Rule] = [
    forbidden_calls, generic_exceptions, swallowed_errors, postponed_annotations, module_state, undocumented, too_long,
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module_follows_the_rule(modules: Dict[str, Module], rule: Rule) -> None:
    assert [finding for module in modules.values() for finding in rule(module)] == []


#: For each rule, source code that breaks it.
VIOLATIONS: Dict[Rule, str] = {
    forbidden_calls: "import copy, logging\ncopy.deepcopy({})\nlogging.getLogger('urllib3').setLevel(30)\nprint('x')\n",
    generic_exceptions: "raise Exception('what?')\n",
    swallowed_errors: "try:\n    pass\nexcept:\n    raise\ntry:\n    pass\nexcept Exception:\n    pass\n",
    postponed_annotations: "from __future__ import annotations\n",
    module_state: "cache = {}\nSEEN = []\ndef see(x):\n    SEEN.append(x)\n    global count\n",
    undocumented: "class Public:\n    def method(self):\n        pass\n    def _private(self): pass\n",
    too_long: "x = 1\n" * (MAX_LINES + 1),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_finds_a_violation(rule: Rule) -> None:
    text = VIOLATIONS[rule]
    module = Module("target_python_sdk.types.bad", Path("bad.py"), text, ast.parse(text))
    assert list(rule(module))


def test_every_module_that_may_be_longer_is_longer(modules: Dict[str, Module]) -> None:
    assert [name for name in LONGER_MODULES if name not in modules or modules[name].lines <= MAX_LINES] == []


def test_every_package_is_marked_as_typed(root: Path) -> None:
    """Every folder with code must have ``__init__.py`` and ``py.typed``."""
    folders = {path.parent for package in PACKAGES for path in (root / package).rglob("*.py")}
    assert [str(folder) for folder in sorted(folders) if not (folder / "py.typed").is_file()] == []
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []
