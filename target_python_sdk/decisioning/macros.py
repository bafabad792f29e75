"""The content of offers, with ``${…}`` filled in.

Macros stand in HTML and in the text of actions.  ``${campaign.name}`` and
``${recipe.id}`` are what the activity and the experience were called once;
``${mbox.name}`` and ``${view.name}`` are the place, ``${mbox.colour}`` or ``${colour}``
a parameter of the request.  A macro that stands for nothing stays as it is written.
"""

import re
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from target_tools.errors import InvalidRule
from target_tools.rules.javascript import to_string

_MACRO = re.compile(r"\$\{([a-zA-Z0-9_.]*?)\}")
_DEPRECATED_NAMES = {"campaign": "activity", "recipe": "experience"}
_PLACES = ("mbox.name", "view.name")
#: What a request says of the place it asks for.
_DETAILS = ("name", "index", "key")


#: An option's content, made anew for each visitor: nobody shares what a caller may change.
#: Macros are filled from the ``meta`` of the rule and from what was asked for: a page load, an mbox or a view.
Content = Callable[[Mapping[str, Any], Any], Any]


def content_renderer(kind: Optional[str], content: Any) -> Content:
    """What makes the content of an option of that kind."""
    if kind == "html" and isinstance(content, str):
        return _text(content)
    if kind == "actions" and isinstance(content, list):
        actions = [_action(action) for action in content]
        return lambda meta, details: [action(meta, details) for action in actions]
    make = compile_template(content)
    return lambda meta, details: make()


def compile_template(value: Any) -> Callable[[], Any]:
    """What makes ``value`` again and again, each time in objects and lists of its own."""
    if isinstance(value, dict) and not any(isinstance(one, (dict, list)) for one in value.values()):
        return value.copy
    if isinstance(value, (dict, list)):
        return lambda: copy_json(value)
    return lambda: value


def copy_json(value: Any) -> Any:
    """JSON again, in objects and lists of its own."""
    if value.__class__ is dict:
        return {key: copy_json(item) if item.__class__ in (dict, list) else item for key, item in value.items()}
    if value.__class__ is list:
        return [copy_json(item) if item.__class__ in (dict, list) else item for item in value]
    return value


def _action(action: Any) -> Content:
    """One change to the page, whose text may hold macros."""
    text = action.get("content") if isinstance(action, dict) else None
    if not isinstance(text, str) or not _MACRO.search(text):
        return lambda meta, details: copy_json(action)
    fill = _text(text)
    return lambda meta, details: {**copy_json(action), "content": fill(meta, details)}


def _text(text: str) -> Content:
    literals, names = _split_macros(text)
    if not names:
        return lambda meta, details: text

    def fill(meta: Mapping[str, Any], details: Any) -> str:
        parts = [literals[0]]
        for name, literal in zip(names, literals[1:]):
            parts += [_replacement(name, _value(name, meta, details)), literal]
        return "".join(parts)

    return fill


def _replacement(name: str, found: Any) -> str:
    """The text of what a macro stands for; the macro itself where that is nothing, or has no end."""
    try:
        text = None if found is None else to_string(found)
    except InvalidRule:
        text = None
    return "${" + name + "}" if text is None else text


def _split_macros(text: str) -> Tuple[List[str], List[str]]:
    """The texts between macros, and the names in the macros."""
    parts = _MACRO.split(text)
    return parts[::2], parts[1::2]


def _value(name: str, meta: Mapping[str, Any], details: Any) -> Any:
    """What a macro of that name stands for; None for nothing."""
    parts = name.split(".")[-2:]
    parts[0] = _DEPRECATED_NAMES.get(parts[0].lower(), parts[0])
    key = ".".join(parts)
    if key in _PLACES:
        named = getattr(details, "name", None)
        return meta.get("location.name") if named is None else named
    key = ".".join(part for part in parts if part != "mbox")
    if key in meta:
        return meta[key]
    found = getattr(details, key, None) if key in _DETAILS else None
    if found is not None:
        return found
    parameters: Optional[Dict[str, Any]] = getattr(details, "parameters", None)
    return parameters.get(key) if isinstance(parameters, Mapping) and key else None
