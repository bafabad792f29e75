"""The public names and their signatures match ``public_api.txt``.

After a deliberate change, run this command in the checkout to rewrite the file::

    python -m tests.project.test_public_api

Commit the difference together with the change, and add it to the changelog.

Signatures are read from the source, because the versions of Python print them differently; only the fields of models
are read from their classes. The names of 1.1.0 are listed in ``docs/old-names.md``.
"""

import ast
import difflib
import inspect
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

import pytest

from target_python_sdk import types
from target_tools.schema.model import Model
from tests.project.source import Module, dotted, modules_under
from tests.support import ROOT

FILE = ROOT / "tests" / "project" / "public_api.txt"
COMMAND = "python -m tests.project.test_public_api"

#: The modules that users import from.
PUBLIC = (
    "target_python_sdk",
    "target_python_sdk.analytics",
    "target_python_sdk.errors",
    "target_python_sdk.explain",
    "target_python_sdk.integrations.asgi",
    "target_python_sdk.integrations.celery",
    "target_python_sdk.integrations.django",
    "target_python_sdk.integrations.flask",
    "target_python_sdk.integrations.fastapi",
    "target_python_sdk.integrations.litestar",
    "target_python_sdk.integrations.openfeature",
    "target_python_sdk.integrations.opentelemetry",
    "target_python_sdk.integrations.serverless",
    "target_python_sdk.integrations.wsgi",
    "target_python_sdk.local_edge",
    "target_python_sdk.observers",
    "target_python_sdk.qa_links",
    "target_python_sdk.testing",
    "target_python_sdk.types",
)
#: Special methods that users call, directly or through syntax.
SPECIAL = ("__init__", "__call__", "__enter__", "__aenter__", "__await__")
LONGEST = 110

Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

#: Classes that no package exports, but whose subclasses are public.
UNEXPORTED_BASES = frozenset({"ClientCalls"})


class Found(NamedTuple):
    """A definition and its module."""

    module: Module
    node: ast.stmt

    def text(self, node: Optional[ast.AST]) -> str:
        """Return the source of an expression on one line, without the quotes of a postponed annotation."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return " ".join(node.value.split())
        source = self.module.source_of(node) if node else ""
        line = re.sub(r"([\[(]) | ?,? (?=[\])])", r"\1", " ".join(source.split()))
        return re.sub(r"\"([A-Z][\w.]*(?:\[[^\"]*\])?)\"", r"\1", line)

    def value(self, node: Optional[ast.AST]) -> str:
        """Return the source of a default or a constant, with its quotes."""
        return repr(node.value) if isinstance(node, ast.Constant) else self.text(node)


class Api:
    """The public names of the packages as lines of text."""

    def __init__(self, modules: Dict[str, Module]) -> None:
        self._modules = modules

    def lines(self) -> Iterator[str]:
        """Yield the lines of the whole text."""
        yield "# The public API, read from the source by tests/project/test_public_api.py."
        yield "# To rewrite this file: " + COMMAND
        yield "# The fields of a model are in the order of its constructor's parameters."
        for module in PUBLIC:
            yield from ("", "", f"[{module}]")
            for name in self._names(self._modules[module]):
                yield ""
                yield from self._entry(name, self._find(module, name))

    def _names(self, module: Module) -> List[str]:
        """Return the names of ``__all__``, or else those that the module defines or re-exports."""
        own: List[str] = []
        for node in module.tree.body:
            if isinstance(node, ast.ImportFrom):
                own += [alias.name for alias in node.names if alias.name == alias.asname]
            for name in _defined(node):
                if name == "__all__" and isinstance(node, ast.Assign):
                    return sorted(ast.literal_eval(node.value))
                own += [] if name.startswith("_") or _is_type_variable(node) else [name]
        return sorted(own)

    def _find(self, module: str, name: str) -> Found:
        """Return the definition of ``module.name``; follow imports."""
        here = self._modules[module]
        for node in here.tree.body:
            if name in _defined(node):
                return Found(here, node)
        for node in ast.walk(here.tree):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if name == (alias.asname or alias.name):
                        return self._find(_origin(here, node), alias.name)
        raise LookupError(f"{module}.{name} is public, but no definition was found")

    def _entry(self, name: str, found: Found) -> Iterator[str]:
        node = found.node
        if isinstance(node, ast.ClassDef):
            yield from self._class(found, node)
        elif isinstance(node, FUNCTIONS):
            yield from _function(found, node, "")
        else:
            yield _variable(found, node, name)

    def _class(self, found: Found, node: ast.ClassDef) -> Iterator[str]:
        yield _head(found, node)
        cls = getattr(types, node.name, None)
        is_model = inspect.isclass(cls) and issubclass(cls, Model)
        if is_model:
            yield from self._fields(cls)
        yield from ("    " + line for line in self._members(found, node, is_model))

    def _fields(self, model: Any) -> Iterator[str]:
        """Yield the parameters of a model's constructor, annotated as in the class that defines them."""
        annotated: Dict[str, str] = {}
        for cls in reversed(model.__mro__[:-1]):
            found = self._find(cls.__module__, cls.__name__)
            for node in getattr(found.node, "body", []):
                if isinstance(node, ast.AnnAssign):
                    annotated[dotted(node.target)] = found.text(node.annotation)
        for parameter in inspect.signature(model).parameters.values():
            yield f"    {parameter.name}: {annotated[parameter.name]} = {parameter.default!r}"

    def _members(self, found: Found, node: ast.ClassDef, is_model: bool) -> Iterator[str]:
        """Yield the members inherited from private and unexported bases, then those that the class defines."""
        inherited: List[str] = []
        for base in node.bases:
            if isinstance(base, ast.Name) and (base.id.startswith("_") or base.id in UNEXPORTED_BASES):
                above = self._find(found.module.name, base.id)
                if isinstance(above.node, ast.ClassDef):
                    inherited.append("# from " + _head(above, above.node))
                    inherited += self._members(above, above.node, is_model)
        own = list(_own_members(found, node, is_model))
        yield from [*inherited, *(["# defined here"] if inherited and own else []), *own]


def _own_members(found: Found, node: ast.ClassDef, is_model: bool) -> Iterator[str]:
    functions = [each for each in node.body if isinstance(each, FUNCTIONS)]
    overloaded = {each.name for each in functions if "overload" in _decorators(each)}
    for each in node.body:
        if isinstance(each, FUNCTIONS):
            if _is_public(each.name) and (each.name not in overloaded or "overload" in _decorators(each)):
                yield from _function(found, each, "self")
            if each.name == "__init__":
                yield from _attributes(found, each)
        elif not (is_model and isinstance(each, ast.AnnAssign)):
            yield from (_variable(found, each, name) for name in _defined(each) if _is_public(name))


def _head(found: Found, node: ast.ClassDef) -> str:
    heads = [found.text(base) for base in node.bases]
    heads += [f"{each.arg}={found.text(each.value)}" for each in node.keywords]
    return f"class {node.name}({', '.join(heads)})" if heads else f"class {node.name}"


def _is_public(name: str) -> bool:
    return name in SPECIAL or not name.startswith("_")


def _defined(node: ast.stmt) -> List[str]:
    """Return the names that a statement defines."""
    if isinstance(node, (ast.ClassDef, *FUNCTIONS)):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [each.id for each in node.targets if isinstance(each, ast.Name)]
    return [node.target.id] if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) else []


def _is_type_variable(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and dotted(node.value.func) == "TypeVar"


def _origin(here: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    above = here.name.split(".")
    above = above[: len(above) - node.level + here.is_package]
    return ".".join([*above, node.module or ""])


def _decorators(node: Function) -> List[str]:
    return [dotted(each) for each in node.decorator_list]


def _variable(found: Found, node: ast.stmt, name: str) -> str:
    """Return the line of a constant or a field: with its annotation, or else with its value if that is short."""
    if isinstance(node, ast.AnnAssign):
        default = "" if node.value is None else " = " + found.value(node.value)
        return f"{name}: {found.text(node.annotation)}{default if len(default) < LONGEST / 2 else ''}"
    value = found.value(node.value) if isinstance(node, ast.Assign) else ""
    return name if name.startswith("__") or len(value) > LONGEST else f"{name} = {value}"


def _attributes(found: Found, init: Function) -> Iterator[str]:
    """Yield the public attributes that a constructor sets."""
    for node in ast.walk(init):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            for target in targets:
                owner, _, name = dotted(target).rpartition(".") if target is not None else ("", "", "")
                if owner == "self" and not name.startswith("_"):
                    kind = found.text(node.annotation) if isinstance(node, ast.AnnAssign) else ""
                    yield f"self.{name}{': ' + kind if kind else ''}"


def _function(found: Found, node: Function, first: str) -> Iterator[str]:
    decorators = [each for each in _decorators(node) if each != "overload"]
    yield from ("@" + each for each in decorators)
    parameters = _parameters(found, node.args)
    if first and "staticmethod" not in decorators:
        parameters = parameters[1:]
    start = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    result = found.text(node.returns)
    line = f"{start} {node.name}({', '.join(parameters)}) -> {result}"
    if len(line) <= LONGEST:
        yield line
    else:
        yield f"{start} {node.name}("
        yield from (f"    {each}," for each in parameters)
        yield f") -> {result}"


def _parameters(found: Found, arguments: ast.arguments) -> List[str]:
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults: List[Optional[ast.expr]] = [None] * (len(plain) - len(arguments.defaults))
    pairs: List[Tuple[str, ast.arg, Optional[ast.expr]]] = []
    pairs += [("", each, default) for each, default in zip(plain, [*defaults, *arguments.defaults])]
    pairs += [("*", arguments.vararg, None)] if arguments.vararg else []
    pairs += [("", each, default) for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults)]
    pairs += [("**", arguments.kwarg, None)] if arguments.kwarg else []
    texts = [_parameter(found, *pair) for pair in pairs]
    if arguments.kwonlyargs and not arguments.vararg:
        texts.insert(len(plain), "*")
    return texts


def _parameter(found: Found, stars: str, each: ast.arg, default: Optional[ast.expr]) -> str:
    kind = ": " + found.text(each.annotation) if each.annotation else ""
    value = found.value(default)
    return stars + each.arg + kind + ("" if default is None else (" = " if kind else "=") + value)


def public_api(modules: Dict[str, Module]) -> str:
    """Return the text of ``public_api.txt``."""
    return "\n".join(Api(modules).lines()) + "\n"


def test_the_public_api_matches_the_file(modules: Dict[str, Module]) -> None:
    expected, actual = FILE.read_text(encoding="utf-8"), public_api(modules)
    lines = difflib.unified_diff(expected.splitlines(), actual.splitlines(), FILE.name, "the source", lineterm="", n=2)
    if expected != actual:
        pytest.fail("\n".join([f"The public API has changed. If that is deliberate: {COMMAND}", *lines]))


def test_the_text_shows_every_kind_of_public_name(tmp_path: Path) -> None:
    """Bases, methods, overloads, attributes, all kinds of parameters, and constants are shown, but no private name."""
    package = tmp_path / "target_tools"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "thing.py").write_text(
        '"""A module."""\nLIMIT = 3\n_SECRET = 4\n\n\nclass Thing(Exception, LookupError):\n    kind: "int"\n'
        "    def __init__(self, a: int, *rest: str, b: 'Thing' = None, **more: object) -> None:\n"
        "        self.a: int = a\n        self._hidden = self.b = b\n"
        "    def _private(self) -> None: ...\n"
        "    @overload\n    def take(self, it: int) -> int: ...\n"
        "    @overload\n    def take(self, it: str) -> str: ...\n    def take(self, it): ...\n"
        "    @property\n    def size(self) -> int: ...\n\n\n"
        "async def fetch(a, /, b=1, *, c: int = 2) -> bytes: ...\n",
        encoding="utf-8",
    )
    modules = modules_under(tmp_path)
    api, module = Api(modules), modules["target_tools.thing"]
    text = [line for name in api._names(module) for line in api._entry(name, api._find(module.name, name))]
    assert text == [
        "LIMIT = 3",
        "class Thing(Exception, LookupError)",
        "    kind: int",
        "    def __init__(a: int, *rest: str, b: Thing = None, **more: object) -> None",
        "    self.a: int",
        "    self.b",
        "    def take(it: int) -> int",
        "    def take(it: str) -> str",
        "    @property",
        "    def size() -> int",
        "async def fetch(a, b=1, *, c: int = 2) -> bytes",
    ]


if __name__ == "__main__":
    FILE.write_text(public_api(modules_under(ROOT)), encoding="utf-8")
