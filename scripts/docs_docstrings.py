"""An extension of Griffe for the reference.

It converts the reStructuredText in docstrings to Markdown, and completes or simplifies signatures.
"""

import ast
import re
from itertools import takewhile
from pathlib import Path
from typing import Any, List, Union

import griffe

#: A role, such as ``:meth:`~package.Class.method` ``, and the last part of its target.
ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`~?(?:[\w.]*\.)?(\w+)`")
#: The start of a parameter's description. Its further lines are indented.
PARAMETER = re.compile(r"^:param ([\w*]+):", re.MULTILINE)
#: A paragraph that ends with two colons, and the indented block after it.
LITERAL_BLOCK = re.compile(r"^(.*)::\n\n((?: {4}.*(?:\n|\Z)|\n)+)", re.MULTILINE)


def fenced(match: "re.Match[str]") -> str:
    """Return a paragraph and its literal block as a fenced block."""
    text, block = match.groups()
    code = "\n".join(line[4:] for line in block.rstrip().splitlines())
    return f"{text + ':' if text else ''}\n\n```python\n{code}\n```\n\n"


def to_markdown(docstring: str) -> str:
    """Return a docstring with its roles, parameter descriptions and literal blocks converted to Markdown."""
    return LITERAL_BLOCK.sub(fenced, PARAMETER.sub(r"- `\1`:", ROLE.sub(r"`\1`", docstring)))


def comment_of(attribute: griffe.Object) -> str:
    """Return the text of the comment with ``#:`` in the lines before an attribute."""
    above = attribute.lines_collection[Path(str(attribute.filepath))][: (attribute.lineno or 1) - 1]
    comment = takewhile(lambda line: line.startswith("#:"), (line.strip() for line in reversed(above)))
    return "\n".join(line[2:].strip() for line in reversed(list(comment)))


def public_bases(cls: griffe.Class) -> List[Union[str, griffe.Expr]]:
    """Return the bases of a class. Each private base is replaced by its own bases."""
    bases: List[Union[str, griffe.Expr]] = []
    for base in cls.bases:
        private = cls.module.classes.get(str(base)) if str(base).startswith("_") else None
        bases += private.bases if private else [base]
    return bases


def constructor(named_tuple: griffe.Class) -> griffe.Function:
    """Return the constructor of a ``NamedTuple``, whose parameters are the fields."""
    keyword = griffe.ParameterKind.positional_or_keyword
    fields = [
        griffe.Parameter(name, annotation=field.annotation, kind=keyword, default=field.value)
        for name, field in named_tuple.attributes.items()
        if "property" not in field.labels
    ]
    parameters = griffe.Parameters(griffe.Parameter("self", kind=keyword), *fields)
    return griffe.Function("__init__", parameters=parameters, parent=named_tuple)


def simplify(attribute: griffe.Attribute) -> None:
    """Remove a value that is not part of the API: one that ``__init__`` sets, a cast, or an object of a private class.

    If that object is a descriptor with a type parameter, such as ``_EnvelopeKey[str]()``, annotate the attribute with
    the parameter.
    """
    value = attribute.value
    is_set_by_init = "instance-attribute" in attribute.labels and "class-attribute" not in attribute.labels
    if not is_set_by_init and not str(value).startswith(("_", "cast(")):
        return
    attribute.value = None
    if isinstance(value, griffe.ExprCall) and isinstance(value.function, griffe.ExprSubscript):
        optional = griffe.ExprName("Optional", parent=attribute.parent)
        is_required = str(value.function.left) == "_RequiredKey"
        type_ = value.function.slice
        attribute.annotation = type_ if is_required else griffe.ExprSubscript(optional, type_)


class Markdown(griffe.Extension):
    """Converts each docstring when its object is loaded. Removes those of modules, because the pages introduce them.

    An attribute without a docstring gets the text of its comment.
    """

    def on_instance(self, *, node: Union[ast.AST, griffe.ObjectNode], obj: griffe.Object, **kwargs: Any) -> None:
        """Convert the docstring of an object, or remove that of a module."""
        if obj.is_module:
            obj.docstring = None
        elif obj.is_attribute and obj.docstring is None:
            text = comment_of(obj)
            obj.docstring = griffe.Docstring(text, parent=obj) if text else None
        if obj.docstring is not None:
            obj.docstring.value = to_markdown(obj.docstring.value)
        if isinstance(obj, griffe.Attribute):
            simplify(obj)

    def on_class(self, *, cls: griffe.Class, **kwargs: Any) -> None:
        """Show the fields of a ``NamedTuple`` as its signature, and no private bases."""
        cls.bases = public_bases(cls)
        if "NamedTuple" in map(str, cls.bases):
            cls.set_member("__init__", constructor(cls))
