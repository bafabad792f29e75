"""An extension of Griffe that converts the reStructuredText in docstrings to Markdown, for the reference."""

import ast
import re
from itertools import takewhile
from typing import Any, Union

import griffe

#: A role, such as ``:meth:`~package.Class.method` ``, and the last part of its target.
ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`~?(?:[\w.]*\.)?(\w+)`")
#: A paragraph that ends with two colons, and the indented block after it.
LITERAL_BLOCK = re.compile(r"^(.*)::\n\n((?: {4}.*(?:\n|\Z)|\n)+)", re.MULTILINE)


def fenced(match: "re.Match[str]") -> str:
    """Return a paragraph and its literal block as a fenced block."""
    text, block = match.groups()
    code = "\n".join(line[4:] for line in block.rstrip().splitlines())
    return f"{text + ':' if text else ''}\n\n```python\n{code}\n```\n\n"


def to_markdown(docstring: str) -> str:
    """Return a docstring without roles and literal blocks."""
    return LITERAL_BLOCK.sub(fenced, ROLE.sub(r"`\1`", docstring))


def comment_of(attribute: griffe.Object) -> str:
    """Return the text of the comment with ``#:`` in the lines before an attribute."""
    above = attribute.lines_collection[attribute.filepath][: (attribute.lineno or 1) - 1]
    comment = takewhile(lambda line: line.startswith("#:"), (line.strip() for line in reversed(above)))
    return "\n".join(line[2:].strip() for line in reversed(list(comment)))


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
