"""Replaces macros (``${…}``) in the content of offers.

HTML and the text of actions may contain macros. Unknown macros are kept. The others are replaced:

* ``${activity.name}`` and ``${experience.id}`` by the metadata of the rule, also under their old names
  ``${campaign.name}`` and ``${recipe.id}``
* ``${mbox.name}`` and ``${view.name}`` by the name of the location
* ``${mbox.colour}`` and ``${colour}`` by a parameter of the request

Parameters often come from the visitor. If the client escapes macros, their values are plain text in HTML: a value
cannot contain tags, and cannot end an attribute in quotation marks.
"""

import re
from typing import Any, Callable, List, Mapping, Optional, Sequence, Tuple, Union

from target_python_sdk.types import MboxRequest, ViewRequest
from target_tools.errors import InvalidRule
from target_tools.rules.javascript import to_string
from target_tools.typing_compat import Json

_MACRO = re.compile(r"\$\{([a-zA-Z0-9_.]*?)\}")
_DEPRECATED_NAMES = {"campaign": "activity", "recipe": "experience"}
_LOCATION_NAMES = ("mbox.name", "view.name")
#: Actions whose text is not HTML.
_PLAIN_ACTIONS: Sequence[Any] = ("redirect", "setText")
_HTML_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
#: Attributes of a requested location that macros can name.
_DETAILS = ("name", "index", "key")

#: A requested location. A page load is decided as the global mbox.
Details = Union[MboxRequest, ViewRequest]

#: Returns the content of an option, given the ``meta`` of its rule and the requested location. Each call returns new
#: objects, because the application may modify them.
Content = Callable[[Mapping[str, Json], Details], Json]


def content_renderer(option_type: Optional[str], content: Json, escape: bool = False) -> Content:
    """Return the function that renders the content of an option.

    :param escape: Whether the function escapes the values that macros insert into HTML.
    """
    if option_type == "html" and isinstance(content, str):
        return _text(content, escape)
    if option_type == "actions" and isinstance(content, list):
        actions = [_action(action, escape) for action in content]
        return lambda meta, details: [action(meta, details) for action in actions]
    copy = compile_template(content)
    return lambda meta, details: copy()


def compile_template(value: Json) -> Callable[[], Any]:
    """Return a function that returns a new copy of the JSON value ``value``."""
    if isinstance(value, dict) and not any(isinstance(one, (dict, list)) for one in value.values()):
        return value.copy
    if isinstance(value, (dict, list)):
        return lambda: copy_json(value)
    return lambda: value


def copy_json(value: Json) -> Any:
    """Return a deep copy of a JSON value."""
    if isinstance(value, dict):
        return {key: copy_json(item) if item.__class__ in (dict, list) else item for key, item in value.items()}
    if isinstance(value, list):
        return [copy_json(item) if item.__class__ in (dict, list) else item for item in value]
    return value


def _action(action: Json, escape: bool) -> Content:
    """Return the renderer of one action, whose text may contain macros."""
    kind, text = (action.get("type"), action.get("content")) if isinstance(action, dict) else (None, None)
    if not isinstance(text, str) or not _MACRO.search(text):
        return lambda meta, details: copy_json(action)
    fill = _text(text, escape and kind not in _PLAIN_ACTIONS)
    return lambda meta, details: {**copy_json(action), "content": fill(meta, details)}


def _text(text: str, escape: bool) -> Content:
    literals, names = _split_macros(text)
    if not names:
        return lambda meta, details: text

    def fill(meta: Mapping[str, Json], details: Details) -> str:
        parts = [literals[0]]
        for name, literal in zip(names, literals[1:]):
            parts += [_replacement(name, _value(name, meta, details), escape), literal]
        return "".join(parts)

    return fill


def _replacement(name: str, value: Json, escape: bool) -> str:
    """Return the text that replaces a macro, or the macro itself if it has no value."""
    try:
        text = None if value is None else to_string(value)
    except InvalidRule:  # an array that contains too many values, or itself
        text = None
    if text is None:
        return "${" + name + "}"
    return text.translate(_HTML_ESCAPES) if escape else text


def _split_macros(text: str) -> Tuple[List[str], List[str]]:
    """Return the texts around the macros, and the names in the macros."""
    parts = _MACRO.split(text)
    return parts[::2], parts[1::2]


def _value(name: str, meta: Mapping[str, Json], details: Details) -> Any:
    """Return the value of a macro, or None."""
    parts = name.split(".")[-2:]
    parts[0] = _DEPRECATED_NAMES.get(parts[0].lower(), parts[0])
    key = ".".join(parts)
    if key in _LOCATION_NAMES:
        name_of_location = details.name
        return meta.get("location.name") if name_of_location is None else name_of_location
    key = ".".join(part for part in parts if part != "mbox")
    if key in meta:
        return meta[key]
    value = getattr(details, key, None) if key in _DETAILS else None
    if value is not None:
        return value
    parameters = details.parameters
    return parameters.get(key) if isinstance(parameters, Mapping) and key else None
